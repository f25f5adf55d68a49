--- Runs one of torus's programs, for the launcher: a Control-C while its modules are being
-- loaded ends it without a traceback.
-- @module torus.start
local path = table.remove(arg, 1)
rawset(arg, 0, path)

local function as_text(problem)
  if type(problem) == "string" and problem:find("interrupted!", 1, true) then
    return { interrupted = true }
  end
  return debug.traceback(tostring(problem), 2)
end

local ok, problem = xpcall(function()
  assert(loadfile(path, "t"))(table.unpack(arg))
end, as_text)
if not ok then
  local interrupted = type(problem) == "table"
  io.stderr:write(path:match("[^/]+$"), ": ",
    interrupted and "interrupted" or problem, "\n")
  os.exit(interrupted and 130 or 1, true)
end
