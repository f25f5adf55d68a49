--- A training on several processes of which one is killed (kill -9) at random moments: the
-- job ends with one message, and the bits at the end of the last one that resumes it are
-- those of a training that nothing disturbed.
--
--   spec/attack/lua.sh spec/attack/kill_ranks.lua [KILLS [SEED [RANKS]]]
local draw_of = require("spec.attack.pool").generator
local kill = require "spec.attack.kill"
local lfs = require "lfs"
local mpi = require "spec.support.mpi"
local torus = require "torus"

local M = {}

-- Steps of some hundredths of a second; a checkpoint after every other one, so that many
-- kills come while it is written.
local TRAIN = "train hgn --system mass_spring --set train_size=12 --set test_size=2 "
  .. "--set width=16 --set z=3 --set state=2 --set frames=6 --set batch=4 "
  .. "--set energy_layers=2 --set evaluate_count=2 --set save_every=2 --set log_every=1 "
  .. "--set evaluate_every=10 "

-- Runs a job, and kills its rank `victim` after so many seconds; whether it got to its end,
-- and what it said.
local function job(ranks, program, victim, seconds)
  local text, ok = mpi.run(([[{ (exec %s) & child=$!
    sleep %.3f
    kill -9 $(cat /proc/$child/task/*/children 2>/dev/null | cut -d' ' -f%d) 2>/dev/null
    wait $child; }]]):format(mpi.command(ranks, program), seconds, victim + 1))
  return ok, text
end

-- The messages of a job whose rank was killed.
local function messages(text)
  local _, noticed = text:gsub("mpirun noticed that process rank %d+ [^\n]* signal 9", "")
  local _, own = text:gsub("\n?train%.lua: ", "")
  return noticed, own
end

--- Kills until there were so many kills.
-- @tparam integer count
-- @tparam integer seed
-- @tparam integer ranks
-- @tparam integer steps of a training
-- @treturn table kills, training runs, faults = {text, ...}
function M.run(count, seed, ranks, steps)
  local draw, result = draw_of(seed), { kills = 0, runs = 0, faults = {} }
  local base = os.tmpname()
  local arguments = TRAIN .. "--steps " .. steps .. " --out "
  local start = torus.clock()
  local text, ok = mpi.run(mpi.command(ranks, arguments .. base .. "-whole"))
  if not ok then error(text) end
  local seconds = torus.clock() - start
  local whole = { kill.bytes_of(base .. "-whole"), kill.rows_of(base .. "-whole"),
    kill.files_in(base .. "-whole") }
  local function fault(...)
    result.faults[#result.faults + 1] = ("training %d: "):format(result.runs)
      .. string.format(...)
  end
  while result.kills < count and #result.faults < 10 do
    local folder = ("%s-%d"):format(base, result.runs)
    local program, done, here = arguments .. folder, false, 0
    while not done and #result.faults < 10 do
      local after = seconds * draw(1000) / 1000 * (1 + here / 8)
      done, text = job(ranks, program, draw(ranks) - 1, after)
      if not done then
        result.kills, here = result.kills + 1, here + 1
        local noticed, own = messages(text)
        if noticed ~= 1 or own > 0 then
          fault("expected one message of mpirun, got %d and %d of the program:\n%s", noticed,
            own, text)
        end
      end
      if lfs.attributes(folder .. "/checkpoint.safetensors") then
        program = "train --resume --out " .. folder
      else
        os.execute("rm -rf " .. folder)
      end
    end
    if done then
      for i, got in ipairs { kill.bytes_of(folder), kill.rows_of(folder),
        kill.files_in(folder) } do
        if got ~= whole[i] then
          fault("other %s", ({ "bits in its checkpoint", "rows in its log", "files" })[i])
        end
      end
    end
    result.runs = result.runs + 1
  end
  os.execute(("rm -rf %s %s-*"):format(base, base))
  return result
end

if arg and arg[0] and arg[0]:find "kill_ranks%.lua$" then
  if mpi.missing then
    print("kill_ranks: skipped: " .. mpi.missing)
    os.exit(true)
  end
  local result = M.run(tonumber(arg[1] or 20), tonumber(arg[2] or 1), tonumber(arg[3] or 2), 40)
  for _, text in ipairs(result.faults) do print(text) end
  print(("%d kills of ranks of %d training runs, %d faults"):format(result.kills,
    result.runs, #result.faults))
  os.exit(#result.faults == 0, true)
end

return M
