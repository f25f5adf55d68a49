--- Programs under mpirun, for specs; where there is no Open MPI their names are reported
-- as pending.
--
-- As root, and with more processes than processors, mpirun wants to be told that this is
-- meant: the variables below do, as --allow-run-as-root and --oversubscribe would.
local lfs = require "lfs"

local M = {}

local ENVIRONMENT = "env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
  .. "OMPI_MCA_rmaps_base_oversubscribe=1 TORUS_THREADS=1 "

local function why_not()
  -- The sanitizers find faults in MPI itself.
  if (os.getenv "LD_PRELOAD" or "") ~= "" then return "under a sanitizer" end
  if not package.searchpath("torus.mpi", package.cpath) then return "built without MPI" end
  if not os.execute "command -v mpirun >/dev/null" then return "no mpirun" end
end

--- Why there are no such programs, or nil.
M.missing = why_not()

--- Busted's `it`, or without MPI a function that reports names as pending.
-- @tparam function it
-- @tparam function pending
-- @treturn function of name and f
function M.with(it, pending)
  if not M.missing then return it end
  return function(name) pending(name .. " (" .. M.missing .. ")") end
end

--- The command of a program.
-- @tparam integer n processes
-- @tparam string program with its arguments
-- @tparam[opt] string options of mpirun
-- @treturn string
function M.command(n, program, options)
  return ("%smpirun --bind-to none %s -n %d scripts/torus %s"):format(ENVIRONMENT,
    options or "", n, program)
end

--- Runs a command.
-- @tparam string command
-- @treturn string all that it printed
-- @treturn boolean whether it ended well
function M.run(command)
  local path = os.tmpname()
  local ok = os.execute(command .. " >" .. path .. " 2>&1")
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  os.remove(path)
  return text, ok == true
end

--- Runs a script on several processes.
-- @tparam integer n
-- @tparam string code
-- @treturn string what it printed
-- @treturn boolean whether it ended well
function M.script(n, code)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(code)
  file:close()
  local text, ok = M.run(M.command(n, path))
  os.remove(path)
  return text, ok
end

--- Whether a build of this path has the module; for one without it a folder of links.
-- @tparam string path of a folder that is made
-- @treturn string path
function M.build_without(path)
  assert(lfs.mkdir(path))
  assert(lfs.mkdir(path .. "/torus"))
  local build = lfs.currentdir() .. "/" .. (os.getenv "TORUS_BUILD" or "build")
  for _, name in ipairs { "core.so", "environment.so" } do
    assert(lfs.link(build .. "/torus/" .. name, path .. "/torus/" .. name, true))
  end
  return path
end

return M
