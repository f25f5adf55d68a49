--- Replaces characters that no installed font has, which gnuplot would draw as boxes.
-- @module torus.plot.glyphs
local M = {}

-- The replacement.
local MISSING = "?"

local known = {} -- code point -> whether a font has it

-- Queries fontconfig, which provides gnuplot's fonts. If its program is missing,
-- characters of common alphabets and of mathematics are assumed to exist.
local function ask(code)
  local pipe = io.popen(("fc-list ':charset=%x' family 2>/dev/null || echo unknown"):format(code))
  local said = pipe and pipe:read("a") or "unknown\n"
  if pipe then pipe:close() end
  if said == "unknown\n" then
    return code < 0x500 or code >= 0x2000 and code < 0x2300
  end
  return said ~= ""
end

local function has(code)
  if known[code] == nil then known[code] = ask(code) end
  return known[code]
end

--- Returns true if there is any font.
-- @treturn boolean
function M.any() return has(utf8.codepoint("a")) end

--- Replaces each character that no font has by a question mark.
-- @tparam string text in UTF-8; invalid bytes are replaced too
-- @treturn string
function M.shown(text)
  if not text:find("[\x80-\xff]") then return text end
  local length, bad = utf8.len(text)
  while not length do
    text = text:sub(1, bad - 1) .. MISSING .. text:sub(bad + 1)
    length, bad = utf8.len(text)
  end
  return (text:gsub(utf8.charpattern, function(character)
    if #character > 1 and not has(utf8.codepoint(character)) then return MISSING end
  end))
end

return M
