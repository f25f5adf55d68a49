--- Locks on folders, in which only one process at a time may work.
--
-- The operating system releases a lock when its process ends, even if killed. A process
-- that acquires a lock removes the remains of a killed process's writes.
-- @module torus.lock
local core = require "torus.core"
local lfs = require "lfs"
local options = require "torus.options"

local M = {}

-- The locks of this process by path. Closing any handle of a file drops all of the
-- process's locks on it, so there is one handle, with a count of its users.
local held = {}

local Lock = {}
Lock.__index = Lock

-- The messages of fcntl for a file that another process has locked; any other message
-- means that the file system does not support locks.
local function is_busy(message)
  return message:find("temporarily unavailable", 1, true)
    or message:find("ermission denied", 1, true)
end

--- Locks a folder for this process, which may do so several times.
-- @tparam string path of an existing folder
-- @treturn ?Lock to be released the same number of times
-- @treturn ?string message
-- @treturn ?boolean true if another process has locked it
function M.take(path)
  options.argument("lock.take", "path", path, { type = "path" })
  local lock = held[path]
  if not lock then
    local name = path .. "/.lock"
    if lfs.symlinkattributes(name, "mode") == "link" then
      return nil, string.format("cannot lock folder %s: .lock is a symbolic link",
        path)
    end
    local file, message = io.open(name, "a+")
    if not file then return nil, message end
    local ok, problem = lfs.lock(file, "w")
    if not ok and is_busy(problem) then
      file:close()
      return nil, string.format("cannot lock folder %s: another process works "
        .. "in it", path), true
    end
    lock = setmetatable({ path = path, file = file, count = 0 }, Lock)
    held[path] = lock
    core.clear_temporary(path)
  end
  lock.count = lock.count + 1
  return lock
end

function Lock:release()
  self.count = self.count - 1
  if self.count > 0 then return end
  self.file:close()
  held[self.path] = nil
end

--- Calls a function while a folder is locked.
-- @tparam string path of an existing folder
-- @tparam function f
-- @param ... its arguments
-- @return its first two results, or those of take without a lock
function M.hold(path, f, ...)
  local mine, message, busy = M.take(path)
  if not mine then return nil, message, busy end
  local called, result, problem = pcall(f, ...)
  mine:release()
  if not called then error(result, 0) end
  return result, problem
end

return M
