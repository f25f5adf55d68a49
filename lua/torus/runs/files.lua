--- Folders and small text files.
-- @module torus.runs.files
local lfs = require "lfs"

local M = {}

--- Makes a folder and the folders above it, and makes sure that files can be
-- written there.
-- @tparam string path
-- @treturn ?boolean true
-- @treturn ?string what is wrong
-- @usage
-- files = torus.runs.files
-- assert(files.make_folder("runs/mine"))
function M.make_folder(path)
  if path == "" then return nil, "a folder's name can't be empty" end
  local so_far = path:sub(1, 1) == "/" and "/" or ""
  for name in path:gmatch("[^/]+") do
    so_far = so_far .. name
    local mode = lfs.attributes(so_far, "mode")
    if mode == nil then
      local ok, message = lfs.mkdir(so_far)
      if not ok and lfs.attributes(so_far, "mode") ~= "directory" then
        return nil, string.format("cannot make the folder %s: %s", so_far,
          message)
      end
    elseif mode ~= "directory" then
      return nil, string.format("%s is in the way: it is no folder", so_far)
    end
    so_far = so_far .. "/"
  end
  local probe = path .. "/.write-probe"
  local file, message = io.open(probe, "wb")
  if not file then
    return nil, string.format("cannot write into the folder %s: %s", path,
      message:gsub("^.*: ", ""))
  end
  file:close()
  os.remove(probe)
  return true
end

--- Whether there is a file or a folder.
-- @tparam string path
-- @treturn boolean whether something is there
-- @usage
-- files = torus.runs.files
-- print(files.exists("nothing.txt"))   -- false
function M.exists(path)
  return lfs.attributes(path, "mode") ~= nil
end

--- Reads a whole file.
-- @tparam string path
-- @treturn ?string contents
-- @treturn ?string message
-- @usage
-- files = torus.runs.files
-- assert(files.write("note.txt", "hello"))
-- print(assert(files.read("note.txt")))   -- hello
function M.read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text = file:read("a")
  file:close()
  if not text then return nil, path .. ": cannot be read" end
  return text
end

--- Writes a small text file by way of a temporary one, so that a reader never
-- sees half of it.
-- @tparam string path
-- @tparam string text
-- @treturn ?boolean true
-- @treturn ?string message
-- @usage
-- files = torus.runs.files
-- assert(files.write("note.txt", "hello"))
function M.write(path, text)
  local temporary = path .. ".tmp"
  local file, message = io.open(temporary, "wb")
  if not file then return nil, message end
  local ok, problem = file:write(text)
  if ok then ok, problem = file:close() else file:close() end
  if ok then ok, problem = os.rename(temporary, path) end
  if not ok then
    os.remove(temporary)
    return nil, string.format("cannot write %s: %s", path, problem)
  end
  return true
end

return M
