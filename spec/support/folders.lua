--- Paths for what specs write, and their removal.
local lfs = require "lfs"

local M = {}

local made = {}

--- A path where nothing is yet; `clear` removes what will be there.
-- @treturn string
function M.new()
  local path = os.tmpname()
  os.remove(path)
  return M.own(path)
end

--- Lets `clear` remove a path, too.
-- @tparam string path
-- @treturn string the path
function M.own(path)
  made[#made + 1] = path
  return path
end

-- Without following links.
local function remove(path)
  if lfs.symlinkattributes(path, "mode") == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then remove(path .. "/" .. name) end
    end
    lfs.rmdir(path)
  else
    os.remove(path)
  end
end

--- Removes everything below the paths that were given out.
function M.clear()
  for _, path in ipairs(made) do remove(path) end
  made = {}
end

return M
