--- JSON that others may have written.
-- @module torus.json
local json = require "dkjson"

local M = {}

--- Reads a text: whatever it holds, an error is a message. Objects and arrays
-- know what they were by the field `__jsontype` of their metatable.
-- @tparam string text
-- @return[1] the value
-- @treturn[1] integer place behind it in the text
-- @treturn[2] nil
-- @treturn[2] string what is wrong
function M.decode(text)
  -- Nested too deep, it overflows Lua's stack: an error, not a crash.
  local ok, value, stop, message = pcall(json.decode, text)
  if not ok then return nil, "it is nested too deep" end
  if value == nil then return nil, message or "it holds nothing" end
  return value, stop
end

return M
