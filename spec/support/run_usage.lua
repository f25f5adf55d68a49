-- Runs the example of every documentation comment, each in an environment of
-- its own with `torus` at hand, and prints those that fail. Called from an empty
-- folder, in which each gets one to write into.
local lfs = require "lfs"
local entries = require "torus.help.entries"
local torus = require "torus"

-- Seconds of an example; a sanitizer takes several times as many.
local SLOW = (os.getenv "LD_PRELOAD" or "") == "" and 2 or 20

local count, failed = 0, 0
local function run(entry, code, number)
  count = count + 1
  local environment = setmetatable({ torus = torus, print = function(...)
    for i = 1, select("#", ...) do tostring((select(i, ...))) end
  end }, { __index = _G })
  local folder = tostring(count)
  lfs.mkdir(folder)
  lfs.chdir(folder)
  local chunk, message = load(code, "=example", "t", environment)
  local start = os.clock()
  local ok = chunk ~= nil
  if chunk then ok, message = pcall(chunk) end
  lfs.chdir("..")
  if not ok then
    failed = failed + 1
    print(("%s:%d: example %d of %s: %s"):format(entry.file or "engine",
      entry.line or 0, number, entry.name, tostring(message)))
  elseif os.clock() - start > SLOW then
    failed = failed + 1
    print(("%s: an example takes %.1f seconds"):format(entry.name,
      os.clock() - start))
  end
  collectgarbage()
end

local only = arg[1]
for _, entry in ipairs(assert(entries.all())) do
  for i, code in ipairs(entry.usage) do
    if not only or (entry.file or ""):find(only) or entry.name:find(only) then
      run(entry, code, i)
    end
  end
end
print(("%d examples run, %d failed"):format(count, failed))
os.exit(failed == 0, true)
