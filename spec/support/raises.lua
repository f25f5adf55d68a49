--- Checks of misuse: one clear message, at the line of the caller.
local function escape(text) return (text:gsub("%p", "%%%0")) end

--- Fails unless f raises a message of one line that contains `text` and names
-- a line of f itself.
-- @tparam string text
-- @tparam function f
return function(text, f)
  local ok, message = pcall(f)
  if ok then error("nothing was raised; expected: " .. text, 2) end
  local where = debug.getinfo(f, "S")
  local line, rest = tostring(message):match("^" .. escape(where.short_src) .. ":(%d+): (.*)$")
  line = tonumber(line)
  if not line or line < where.linedefined or line > where.lastlinedefined then
    error(("raised elsewhere than in lines %d to %d of %s: %s"):format(
      where.linedefined, where.lastlinedefined, where.short_src, tostring(message)), 2)
  end
  if not rest:find(text, 1, true) then
    error(("expected: %s\ngot: %s"):format(text, rest), 2)
  end
  if rest:find("\n") or rest:find("%.lua:%d") or #rest > 300 then
    error("not one clear line: " .. rest, 2)
  end
end
