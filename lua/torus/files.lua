--- Folders and small files.
-- @module torus.files
local core = require "torus.core"
local signature = require "torus.signature"
local lfs = require "lfs"

local M = {}

-- The part of a system error message after the path.
local function reason(message) return (message:gsub("^.*: ", "")) end

-- Creates a folder in an existing one, `parent`, so that it outlasts a loss of power; returns
-- nil if it exists already.
local function create(path, parent)
  local mode = lfs.attributes(path, "mode")
  if mode == "directory" then return nil end
  if mode then return string.format("%s exists and is a %s", path, mode) end
  local ok, message = lfs.mkdir(path)
  if ok then core.flush_folder(parent) end
  -- Another process may have created it in the meantime.
  if ok or lfs.attributes(path, "mode") == "directory" then return nil end
  return reason(message)
end

--- Creates a folder and its parents, and checks that files can be written there.
-- @tparam string path
-- @treturn ?boolean true
-- @treturn ?string message
-- @usage
-- files = torus.files
-- assert(files.make_folder("runs/mine"))
function M.make_folder(path)
  if path == "" then return nil, "cannot create a folder: its name is empty" end
  local so_far = path:sub(1, 1) == "/" and "/" or ""
  for name in path:gmatch("[^/]+") do
    local parent = so_far == "" and "." or so_far
    so_far = so_far .. name
    local problem = create(so_far, parent)
    if problem then
      return nil, string.format("cannot create folder %s: %s", path, problem)
    end
    so_far = so_far .. "/"
  end
  local ok, message = core.is_writable(path)
  if not ok then
    return nil, string.format("cannot write into folder %s: %s", path, message)
  end
  return true
end

--- Returns true if a path exists, as a file, a folder or anything else.
-- @tparam string path
-- @treturn boolean
-- @usage
-- files = torus.files
-- print(files.exists("nothing.txt"))   -- false
function M.exists(path)
  return lfs.attributes(path, "mode") ~= nil
end

--- Reads a file.
-- @tparam string path
-- @treturn ?string contents
-- @treturn ?string message
-- @usage
-- files = torus.files
-- assert(files.write("note.txt", "hello"))
-- print(assert(files.read("note.txt")))   -- hello
function M.read(path)
  -- One such as /dev/zero never ends.
  local mode = lfs.attributes(path, "mode")
  if mode == "char device" or mode == "block device" or mode == "directory" then
    return nil, ("%s is a %s, expected a file"):format(path, mode)
  end
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  -- Lua raises an error if the text does not fit into memory.
  local called, text, problem = pcall(file.read, file, "a")
  file:close()
  if not called then text, problem = nil, text end
  if not text then return nil, path .. ": cannot read: " .. tostring(problem) end
  return text
end

--- Calls a function with a temporary folder, which is removed when it returns or raises.
-- @tparam string where name of the operation, for the message
-- @tparam function f of the folder's path
-- @return its results; nil and a message if the folder cannot be created
-- @usage
-- files = torus.files
-- print(files.in_temporary("notes", function(folder)
--   assert(files.write(folder .. "/note.txt", "hello"))
--   return files.read(folder .. "/note.txt")
-- end))   -- hello
function M.in_temporary(where, f)
  local folder, message = core.temporary_folder()
  if not folder then return nil, where .. ": " .. message end
  local results = table.pack(pcall(f, folder))
  core.remove_temporary(folder)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- Writes a file atomically: to a temporary file next to it, which is flushed to the disk
-- and renamed. After a crash, either the old or the new file exists, complete.
-- @tparam string path
-- @tparam string|function content a text, or a function that returns its parts
-- one after the other, strings or contiguous tensors, and nil at the end
-- @treturn ?boolean true
-- @treturn ?string message
-- @usage
-- files = torus.files
-- assert(files.write("note.txt", "hello"))
function M.write(path, content)
  return core.write_file(path,
    type(content) == "function" and content or { content })
end

signature.functions("files", M, {
  make_folder = "path: path", exists = "path: path", read = "path: path",
  write = "path: path, content: string|function",
  in_temporary = "where: string, f: function",
})

return M
