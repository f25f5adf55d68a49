--- Folders that one process at a time may work in.
--
-- The operating system lets go of a lock when its process ends, however it
-- ends, so that nothing is left to clear away after a kill.
-- @module torus.runs.lock
local lfs = require "lfs"

local M = {}

-- The locks of this process by path: closing any handle of a file drops all
-- of the process's locks on it, so there is one handle, counted.
local held = {}

local Lock = {}
Lock.__index = Lock

-- What fcntl says of a file that another process has locked; anything else
-- means that the file system knows no locks.
local function is_busy(message)
  return message:find("temporarily unavailable", 1, true)
    or message:find("ermission denied", 1, true)
end

--- Locks a folder for this process, which may do so several times.
-- @tparam string path of a folder that is there
-- @treturn ?Lock to be released as often
-- @treturn ?string message
-- @treturn ?boolean true where another process has it
function M.take(path)
  local lock = held[path]
  if not lock then
    local file, message = io.open(path .. "/.lock", "a+")
    if not file then return nil, message end
    local ok, problem = lfs.lock(file, "w")
    if not ok and is_busy(problem) then
      file:close()
      return nil, path .. ": another process is at work in this folder",
        true
    end
    lock = setmetatable({ path = path, file = file, count = 0 }, Lock)
    held[path] = lock
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
-- @tparam string path of a folder that is there
-- @tparam function f
-- @param ... its arguments
-- @return its first two results, or nil and what take says
function M.hold(path, f, ...)
  local mine, message, busy = M.take(path)
  if not mine then return nil, message, busy end
  local called, result, problem = pcall(f, ...)
  mine:release()
  if not called then error(result, 0) end
  return result, problem
end

return M
