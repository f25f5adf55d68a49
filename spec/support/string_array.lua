--- Archives of NumPy (.npz) in which an array is one of strings.
local core = require "torus.core"
local torus = require "torus"

local M = {}

--- Writes an archive with arrays of numbers and one of strings.
-- @tparam string path
-- @tparam {[string]=tensor,...} arrays
-- @tparam string name of the array of strings
function M.save(path, arrays, name)
  local all = { [name] = torus.tensor({ 76, 0, 0, 0 }, { dtype = "uint8" }) }
  for key, x in pairs(arrays) do all[key] = x end
  assert(torus.npz.save(path, all))
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("a")
  file:close()
  local body = torus.npy.header("uint8", { 4 }) .. "\76\0\0\0"
  local at = assert(bytes:find(body, 1, true), "the array is not stored as it is")
  -- The string "L" of one character has four bytes. The checksum is in both descriptions.
  local changed = body:gsub("'|u1'", "'<U1'"):gsub("%(4,%)", "(1,)")
  local function crc(text) return ("<I4"):pack(core.crc32(text)) end
  bytes = bytes:sub(1, at - 1) .. changed .. bytes:sub(at + #body)
  bytes = bytes:gsub(crc(body):gsub("%W", "%%%0"), (crc(changed):gsub("%%", "%%%%")))
  file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

return M
