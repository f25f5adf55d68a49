--- Compiles the input of the prompt.
-- @module torus.repl.compile
local M = {}

local CHUNK = "=prompt"

--- The source name of chunks of the prompt.
M.CHUNK = CHUNK

-- Input is incomplete if the error is at its very end.
local function is_incomplete(message)
  return message:find("<eof>", -5, true) ~= nil
end

-- Each input is a separate chunk, whose locals would be lost afterwards. A `local` at the
-- start is therefore blanked out, unless it has attributes such as `<const>`. Returns the
-- text, of the same length, and the names that it declared.
local function without_local(text)
  local before, rest = text:match("^(%s*)local(%s+[%a_].*)$")
  if not rest or rest:match("^[%s%w_,]*<") then return text end
  local names = {}
  local list = rest:match("^%s+function%s+([%a_][%w_]*)") or rest:match("^[%s%w_,]+")
  for name in list:gmatch("[%a_][%w_]*") do names[#names + 1] = name end
  if not rest:find("^%s+function%s") and not rest:find("^[%s%w_,]*=") then
    -- `local x` without a value sets x to nil.
    list = list:match("^(.-)%s*$")
    rest = list .. " = nil" .. rest:sub(#list + 1)
  end
  return before .. "     " .. rest, names
end

local NOTHING = string.dump(load(""), true)

-- True if a text consists of comments alone.
local function is_comment(text)
  local chunk = load(text)
  return chunk ~= nil and string.dump(chunk, true) == NOTHING
end

-- Compiles an expression. It is passed as an argument, because a tail call would remove the
-- prompt's line from messages. Lua counts the end of an argument to the line of what follows
-- it, so the closing parenthesis is on the same line, and comments after the expression,
-- which would hide it, are left out.
local function as_argument(text, environment)
  local function closed(part)
    return load("return (function(...) return ... end)(" .. part .. ")", CHUNK, "t", environment)
  end
  local chunk, at = closed(text), #text
  while not chunk and at > 0 do
    if text:sub(at, at + 1) == "--" and is_comment(text:sub(at)) then
      chunk = closed(text:sub(1, at - 1))
    end
    at = at - 1
  end
  return chunk
end

-- Compiles an expression that ends in a semicolon, which a comment may follow.
local function silenced(text, environment)
  local at = #text
  while at > 0 do
    if text:sub(at, at) == ";" then
      local chunk = as_argument(text:sub(1, at - 1) .. " " .. text:sub(at + 1), environment)
      if chunk then return chunk end
    end
    at = at - 1
  end
end

--- Compiles an input.
-- @tparam string text one or more lines
-- @tparam table environment its global variables
-- @treturn ?function the chunk, or nil if the text does not compile
-- @return a table: `silent`, true if values are not to be printed, and `names`, those
-- declared by `local`. Without a chunk, the message
-- @treturn ?boolean without a chunk, true if the text is merely incomplete
function M.compile(text, environment)
  local chunk, message = load("return " .. text, CHUNK, "t", environment)
  if chunk then
    local plain = as_argument(text, environment)
    if plain then return plain, {} end
    return silenced(text, environment) or chunk, { silent = true }
  end
  local incomplete = is_incomplete(message)
  local shorter, names = without_local(text)
  for _, form in ipairs { shorter, text } do
    chunk, message = load(form, CHUNK, "t", environment)
    if chunk then return chunk, { names = form == shorter and names or nil } end
    incomplete = incomplete or is_incomplete(message)
  end
  return nil, message, incomplete
end

--- Parses a command of the prompt, `:name rest`.
-- @tparam string line the first line of an input
-- @treturn ?string the name, or nil if the line is Lua
-- @treturn ?string the rest of the line
function M.command(line)
  return line:match("^%s*:([%a_][%w_]*)%s*(.*)$")
end

return M
