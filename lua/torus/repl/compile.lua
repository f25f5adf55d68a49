--- Compiles the input of the prompt to a chunk of Lua.
-- @module torus.repl.compile
local M = {}

local CHUNK = "=prompt"

--- The source name of chunks of the prompt.
M.CHUNK = CHUNK

-- The text asks for more when Lua stumbles over its very end.
local function is_incomplete(message)
  return message:find("<eof>", -5, true) ~= nil
end

-- Each input is a chunk of its own, in which a local would be lost: at the start
-- of one, `local` is left out, and its names are declared. A `<const>` has a
-- meaning only after `local`. Returns the text, as long as before, and the names.
local function without_local(text)
  local before, rest = text:match("^(%s*)local(%s+[%a_].*)$")
  if not rest or rest:match("^[%s%w_,]*<") then return text end
  local names = {}
  local list = rest:match("^%s+function%s+([%a_][%w_]*)") or rest:match("^[%s%w_,]+")
  for name in list:gmatch("[%a_][%w_]*") do names[#names + 1] = name end
  if not rest:find("^%s+function%s") and not rest:find("^[%s%w_,]*=") then
    -- `local x` alone: x is nil from here.
    list = list:match("^(.-)%s*$")
    rest = list .. " = nil" .. rest:sub(#list + 1)
  end
  return before .. "     " .. rest, names
end

-- The value of an expression. As an argument, a call is not a tail call, which
-- would take the prompt's line out of messages.
local function as_argument(text, environment)
  return load("return (function(...) return ... end)(" .. text .. "\n)", CHUNK, "t",
    environment)
end

-- An expression that a semicolon ends, perhaps before a comment.
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
-- @treturn ?function the chunk, or nil where the text is not Lua
-- @return a table of what else to know: `silent`, no value is to be printed;
-- `names`, what `local` declares. Without a chunk: the message
-- @treturn ?boolean without a chunk: whether the text is only incomplete
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

--- A command of the prompt, `:name rest`.
-- @tparam string line the first line of an input
-- @treturn ?string the name, or nil where the line is Lua
-- @treturn ?string what follows it
function M.command(line)
  return line:match("^%s*:([%a_][%w_]*)%s*(.*)$")
end

return M
