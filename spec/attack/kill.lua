--- Trainings that are killed at random moments and resumed: the bits at the end are
-- those of a training that nothing disturbed, and no file is left over.
--
--   spec/attack/lua.sh spec/attack/kill.lua [KILLS [SEED [FIRST]]]
--
-- Each training is drawn from the seed and its number: FIRST goes on with that one.
local draw_of = require("spec.attack.pool").generator
local lfs = require "lfs"
local options = require "torus.options"
local torus = require "torus"

local M = {}

-- Small, with a checkpoint after every other step.
M.models = {
  hnn = "hnn --system pendulum --set trajectories=4 --set points=6 --set width=8 "
    .. "--set batch=4",
  nhf = "nhf --target moons --set batch=8 --set width=8 --set evaluate_count=16",
  hgn = "hgn --system mass_spring --set train_size=6 --set test_size=2 --set width=4 "
    .. "--set z=3 --set state=2 --set resolution=16 --set frames=4 --set batch=2 "
    .. "--set energy_layers=2 --set evaluate_count=2",
  pixel_hnn = "pixel_hnn --system pendulum --set train_size=6 --set test_size=2 "
    .. "--set resolution=8 --set frames=4 --set width=8 --set batch=4 "
    .. "--set evaluate_count=2",
}
local SIGNALS = { "KILL", "KILL", "TERM", "INT" }

local function train(arguments, folder, steps, limit)
  return ("%s scripts/torus scripts/train.lua %s --steps %d --set save_every=2 "
    .. "--set evaluate_every=10 --threads 1 --out %s >%s.text 2>&1"):format(
    limit or "", arguments, steps, folder, folder)
end

--- All that a checkpoint holds.
-- @tparam string path of the run folder
-- @treturn string
function M.bytes_of(path)
  local stored = assert(torus.runs.checkpoint.load(path .. "/checkpoint.safetensors"))
  local parts = { stored.step, stored.adam_steps }
  for _, name in ipairs(options.sorted_keys(stored.tensors)) do
    parts[#parts + 1] = name
    parts[#parts + 1] = torus.to_bytes(stored.tensors[name])
  end
  local names = {}
  for name, value in pairs(stored.numbers) do
    names[#names + 1] = ("%s=%s"):format(name, value)
  end
  table.sort(names)
  table.move(names, 1, #names, #parts + 1, parts)
  return table.concat(parts, "\0")
end

--- The log without the time that rows took.
-- @tparam string path of the run folder
-- @treturn string
function M.rows_of(path)
  local log = assert(torus.runs.log.read(path .. "/log.csv"))
  local lines = {}
  for i, row in ipairs(log.rows) do
    local cells = {}
    for _, name in ipairs(log.columns) do
      cells[#cells + 1] = name == "seconds" and "" or tostring(row[name])
    end
    lines[i] = table.concat(cells, ",")
  end
  return table.concat(lines, "\n")
end

--- The names of the files of a folder.
-- @tparam string path
-- @treturn string
function M.files_in(path)
  local names = {}
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  table.sort(names)
  return table.concat(names, " ")
end

local bytes_of, rows_of, files_in = M.bytes_of, M.rows_of, M.files_in

local function text_of(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- Kills a training again and again until it gets to its end; returns the kills.
local function attack(arguments, folder, steps, seconds, draw, untidy)
  local kills, resume = 0, ""
  for _ = 1, 200 do
    -- Later and later, so that it ends.
    local after = seconds * (draw(1000) / 1000) * (1 + kills / 8)
    local limit = ("timeout -s %s %.3f"):format(SIGNALS[draw(#SIGNALS)], after)
    local given = resume == "" and arguments or arguments:match "^%S+" .. resume
    local ok = os.execute(train(given, folder, steps, limit))
    if ok then return kills end
    kills = kills + 1
    local text = text_of(folder .. ".text")
    if text:find("stack traceback", 1, true) then untidy[#untidy + 1] = text end
    if lfs.attributes(folder .. "/checkpoint.safetensors") then
      resume = " --resume"
    else
      os.execute("rm -rf " .. folder)
    end
  end
  return nil, "it does not end"
end

-- What undisturbed training runs leave, by model.
local function undisturbed(base, models, steps)
  local found = {}
  for _, name in ipairs(models) do
    local folder = ("%s-%s"):format(base, name)
    local start = torus.clock()
    local ok = os.execute(train(M.models[name], folder, steps))
    if not ok then error(text_of(folder .. ".text")) end
    found[name] = { seconds = torus.clock() - start, bytes = bytes_of(folder),
      rows = rows_of(folder), files = files_in(folder) }
  end
  return found
end

--- Kills training runs of each model in turn.
-- @tparam integer count how many kills at least
-- @tparam integer seed
-- @tparam {string,...} models
-- @tparam integer steps
-- @tparam[opt=0] integer first number of the first training
-- @tparam[opt] function say is called with a line after each training
-- @treturn table {kills =, training runs =, faults = {text, ...}, untidy = {text, ...}};
-- untidy: folders with files that an undisturbed training does not leave, and
-- signals that end in a traceback
function M.run(count, seed, models, steps, first, say)
  local result = { kills = 0, runs = 0, faults = {}, untidy = {} }
  local base = os.tmpname()
  local whole = undisturbed(base, models, steps)
  local number = first or 0
  while result.kills < count and #result.faults < 10 do
    local name = models[number % #models + 1]
    local folder = ("%s-%d"):format(base, number)
    local kills, message = attack(M.models[name], folder, steps, whole[name].seconds,
      draw_of(seed * 1000003 + number), result.untidy)
    local function expect(what, got, wanted)
      if got ~= wanted then
        result.faults[#result.faults + 1] = ("%s, training %d: %s"):format(name, number, what)
      end
    end
    if not kills then
      expect(message, 1, 2)
    else
      expect("other bits in its checkpoint", bytes_of(folder), whole[name].bytes)
      expect("other rows in its log", rows_of(folder), whole[name].rows)
      if files_in(folder) ~= whole[name].files then
        result.untidy[#result.untidy + 1] = name .. " left " .. files_in(folder)
      end
    end
    os.execute(("rm -rf %s %s.text"):format(folder, folder))
    result.kills = result.kills + (kills or 0)
    result.runs = result.runs + 1
    if say then
      say(("training %d, %s: %d kills, %d of %d; %d faults, %d untidy"):format(number, name,
        kills or 0, result.kills, count, #result.faults, #result.untidy))
    end
    number = number + 1
  end
  os.execute(("rm -rf %s %s-*"):format(base, base))
  return result
end

local function say(line)
  print(line)
  io.stdout:flush()
end

if arg and arg[0] and arg[0]:find "kill%.lua$" then
  local result = M.run(tonumber(arg[1] or 20), tonumber(arg[2] or 1),
    { "hnn", "nhf", "hgn", "pixel_hnn" }, 60, tonumber(arg[3] or 0), say)
  for _, text in ipairs(result.faults) do print(text) end
  for _, text in ipairs(result.untidy) do print(text) end
  print(("%d kills of %d training runs, %d faults, %d untidy"):format(
    result.kills, result.runs, #result.faults, #result.untidy))
  os.exit(#result.faults + #result.untidy == 0, true)
end

return M
