--- Completion of names at the prompt.
--
-- Follows the text before the cursor, `a.b[1]:c`, through tables and the
-- `__index` of metatables, without calling anything that was typed.
-- @module torus.repl.complete
local core = require "torus.core"

local M = {}

local KEYWORDS = {
  "and", "break", "do", "else", "elseif", "end", "false", "for", "function",
  "goto", "if", "in", "local", "nil", "not", "or", "repeat", "return", "then",
  "true", "until", "while",
}
local WIDTH = 78
-- Fields of a tensor besides its methods.
local PROPERTIES = { "dtype", "grad", "is_leaf", "requires_grad", "shape" }
-- Longest chain of metatables that is followed.
local MAX_DEPTH = 10

local function is_callable(value)
  if type(value) == "function" then return true end
  local meta = debug.getmetatable(value)
  return type(meta) == "table" and meta.__call ~= nil
end

local function collect(source, add)
  for key, value in next, source do add(key, value) end
end

-- Every name that indexing `value` may find, as a set of name -> callable.
local function names_of(value)
  local found = {}
  local function add(key, item)
    if type(key) == "string" and key:match("^[%a_][%w_]*$") and found[key] == nil then
      found[key] = is_callable(item)
    end
  end
  local function visit(source, depth)
    if depth > MAX_DEPTH then return end
    if type(source) == "table" then collect(source, add) end
    local meta = debug.getmetatable(source)
    if type(meta) ~= "table" then return end
    -- What a module loads when it is first used.
    if type(meta.__parts) == "table" then collect(meta.__parts, add) end
    if type(meta.__index) == "table" then
      visit(meta.__index, depth + 1)
    elseif meta == core.metatable then
      collect(core.methods, add)
      for _, key in ipairs(PROPERTIES) do add(key, false) end
    end
  end
  visit(value, 1)
  return found
end

-- The keys of the chain that ends the text: `f(a.b[1]` has a, b, 1.
local function keys_at_end(text)
  local keys = {}
  local mark
  repeat
    local digits = text:match("%[(%-?%d+)%]$")
    while digits do
      table.insert(keys, 1, math.tointeger(digits))
      text = text:sub(1, -#digits - 3)
      digits = text:match("%[(%-?%d+)%]$")
    end
    local name = text:match("[%a_][%w_]*$")
    if not name then return nil end
    table.insert(keys, 1, name)
    text = text:sub(1, -#name - 1)
    mark = not text:find("%.%.$") and text:match("[.:]$")
    if mark then text = text:sub(1, -2) end
  until not mark
  return keys
end

local function follow(keys, environment)
  local value = environment
  for _, key in ipairs(keys) do
    local ok, item = pcall(function() return value[key] end)
    if not ok or item == nil then return nil end
    value = item
  end
  return value
end

local function common_prefix(words)
  local prefix = words[1]
  for _, word in ipairs(words) do
    local i = 1
    while i <= #prefix and prefix:byte(i) == word:byte(i) do i = i + 1 end
    prefix = prefix:sub(1, i - 1)
  end
  return prefix
end

--- Names that the last word may become.
-- @tparam string before the text before the cursor
-- @tparam[opt=_G] table environment where the first name is looked up
-- @treturn {string,...} the names, sorted
-- @treturn string the word that they begin with
function M.candidates(before, environment)
  environment = environment or _G
  local word = before:match("[%a_][%w_]*$") or ""
  local head = before:sub(1, -#word - 1)
  local mark = not head:find("%.%.$") and head:match("[.:]$")
  local found
  if mark then
    local keys = keys_at_end(head:sub(1, -2))
    local value = keys and follow(keys, environment)
    if value == nil then return {}, word end
    found = names_of(value)
  elseif word ~= "" then
    found = names_of(environment)
    for _, keyword in ipairs(KEYWORDS) do found[keyword] = true end
  else
    return {}, word
  end
  local names = {}
  for name, callable in pairs(found) do
    local hidden = name:sub(1, 1) == "_" and word:sub(1, 1) ~= "_"
    if name:sub(1, #word) == word and not hidden and (mark ~= ":" or callable) then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names, word
end

--- Names in columns, read downwards.
-- @tparam {string,...} names
-- @treturn string
function M.columns(names)
  local longest = 0
  for _, name in ipairs(names) do longest = math.max(longest, #name) end
  local columns = math.max(1, WIDTH // (longest + 2))
  local rows = (#names + columns - 1) // columns
  local lines = {}
  for row = 1, rows do
    local line = {}
    for i = row, #names, rows do
      line[#line + 1] = names[i] .. (" "):rep(longest + 2 - #names[i])
    end
    lines[row] = table.concat(line):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

--- What the Tab key does.
-- @tparam string before the text before the cursor
-- @tparam[opt=_G] table environment
-- @treturn string text to insert, perhaps empty
-- @treturn ?string names to show, when there is a choice
function M.complete(before, environment)
  if not before:find("%S") then return "  " end
  local names, word = M.candidates(before, environment)
  if #names == 0 then return "" end
  local insert = common_prefix(names):sub(#word + 1)
  if insert == "" and #names > 1 then return "", M.columns(names) end
  return insert
end

return M
