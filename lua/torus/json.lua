--- A strict JSON reader for files from any source, according to RFC 8259: no comments, no
-- missing or trailing commas, no text after the value, no duplicate keys.
-- @module torus.json
local options = require "torus.options"

local M = {}

-- Deeper than any file written by torus, and far from the limit of Lua's stack.
local DEEPEST = 200

local OBJECT, ARRAY = { __jsontype = "object" }, { __jsontype = "array" }

local ESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f",
  n = "\n", r = "\r", t = "\t" }

local WORDS = { ["true"] = true, ["false"] = false }

local value_at

-- The position of the next character that is not whitespace.
local function skip(text, at) return (text:find("[^ \t\r\n]", at)) or #text + 1 end

local function place(text, at)
  local before = text:sub(1, at - 1)
  local _, breaks = before:gsub("\n", "")
  -- Not by a pattern that ends in $, which would take quadratic time in a line's length.
  local column = before:reverse():find("\n", 1, true) or at
  return string.format("line %d, column %d", breaks + 1, column)
end

-- A failure: nil and a message.
local function fail(text, at, expected)
  local got = at > #text and "the end" or options.show(text:sub(at, at))
  return nil, string.format("%s: expected %s, got %s", place(text, at), expected,
    got)
end

-- The character of \uXXXX at `at`, or of a surrogate pair, and its end.
local function unicode(text, at)
  local code = text:match("^\\u(%x%x%x%x)", at)
  if not code then return nil end
  code = tonumber(code, 16)
  if code < 0xd800 or code > 0xdfff then return utf8.char(code), at + 6 end
  local low = text:match("^\\u(%x%x%x%x)", at + 6)
  low = low and tonumber(low, 16)
  if code > 0xdbff or not low or low < 0xdc00 or low > 0xdfff then return nil end
  return utf8.char(0x10000 + (code - 0xd800) * 0x400 + low - 0xdc00), at + 12
end

-- The string whose opening quote is at `at`. Like all of these functions, it returns the
-- value and its end, or nil and a message.
local function string_at(text, at)
  local parts, from = {}, at + 1
  while true do
    local stop = text:find('[%c"\\]', from)
    while stop and text:byte(stop) == 127 do
      stop = text:find('[%c"\\]', stop + 1)
    end
    if not stop then return fail(text, #text + 1, 'a closing "') end
    parts[#parts + 1] = text:sub(from, stop - 1)
    local c = text:sub(stop, stop)
    if c == '"' then return table.concat(parts), stop + 1 end
    if c ~= "\\" then return fail(text, stop, "no control character in a string") end
    local escaped = ESCAPES[text:sub(stop + 1, stop + 1)]
    if escaped then
      parts[#parts + 1], from = escaped, stop + 2
    else
      parts[#parts + 1], from = unicode(text, stop)
      if not from then return fail(text, stop, "an escape sequence of JSON") end
    end
  end
end

local function number_at(text, at)
  local sign, whole = text:match("^(%-?)(%d+)", at)
  if not whole or #whole > 1 and whole:byte() == 48 then
    return fail(text, at, "a value")
  end
  local stop = at + #sign + #whole
  stop = select(2, text:find("^%.%d+", stop)) or stop - 1
  stop = select(2, text:find("^[eE][+-]?%d+", stop + 1)) or stop
  local number = tonumber(text:sub(at, stop))
  if number ~= number or math.abs(number) == math.huge then
    return fail(text, at, "a number within the range of floats")
  end
  return number, stop + 1
end

-- Reads past an item: returns the position of the next one, or nil and the end of the list.
local function after_item(text, at, closing)
  at = skip(text, at)
  local c = text:sub(at, at)
  if c == "," then return skip(text, at + 1) end
  if c == closing then return nil, at + 1 end
  return fail(text, at, "a comma or " .. closing)
end

local function array_at(text, at, depth)
  local list, n = setmetatable({}, ARRAY), 0
  at = skip(text, at + 1)
  if text:sub(at, at) == "]" then return list, at + 1 end
  while true do
    local value, stop = value_at(text, at, depth)
    if type(stop) == "string" then return nil, stop end
    n = n + 1
    list[n] = value
    at, stop = after_item(text, stop, "]")
    if type(stop) == "string" then return nil, stop end
    if not at then return list, stop end
  end
end

local function object_at(text, at, depth)
  local object, seen = setmetatable({}, OBJECT), {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "}" then return object, at + 1 end
  while true do
    if text:sub(at, at) ~= '"' then return fail(text, at, "a key in quotes") end
    local key, stop = string_at(text, at)
    if not key then return nil, stop end
    if seen[key] then
      return nil, string.format("%s: duplicate key %s", place(text, at),
        options.show(key))
    end
    seen[key] = true
    at = skip(text, stop)
    if text:sub(at, at) ~= ":" then return fail(text, at, "a colon") end
    local value
    value, stop = value_at(text, skip(text, at + 1), depth)
    if type(stop) == "string" then return nil, stop end
    object[key] = value
    at, stop = after_item(text, stop, "}")
    if type(stop) == "string" then return nil, stop end
    if not at then return object, stop end
  end
end

function value_at(text, at, depth)
  local c = text:sub(at, at)
  if c == '"' then return string_at(text, at) end
  if c == "{" or c == "[" then
    if depth == DEEPEST then
      return nil, string.format("it is nested too deeply: more than %d levels",
        DEEPEST)
    end
    return (c == "{" and object_at or array_at)(text, at, depth + 1)
  end
  local word = text:match("^%l+", at)
  if word == "null" then return nil, at + 4 end
  if WORDS[word] ~= nil then return WORDS[word], at + #word end
  return number_at(text, at)
end

--- Decodes a text; any error in it is returned as a message. Objects and arrays are
-- distinguished by the key `__jsontype` of their metatable; null becomes nil.
-- @tparam string text
-- @return[1] the value
-- @treturn[2] nil
-- @treturn[2] string what is wrong, and where
-- @usage
-- json = require "torus.json"
-- print(json.decode('{"a": [1, 2]}').a[2])   -- 2
-- print(json.decode('{"a": [1 2]}'))   -- nil, and what is wrong
function M.decode(text)
  local value, stop = value_at(text, skip(text, 1), 0)
  if type(stop) == "string" then return nil, stop end
  stop = skip(text, stop)
  if stop <= #text then return fail(text, stop, "nothing after the value") end
  if value == nil then return nil, "it is null" end
  return value
end

return M
