-- Short trainings of an HGN with all stages, for the specs of these.
local folders = require "spec.support.folders"
local runs = require "torus.runs"
local safetensors = require "torus.safetensors"
local torus = require "torus"

local M = {}

local CHANGES = { model = "hgn", system = "mass_spring", phase = "vector",
  dimension = 1, noise = 0, width = 4, state = 2, resolution = 16, frames = 5,
  context = 3, windows = 3, chart = 4,
  kinetic = "quadratic", flatten_steps = 3, train_size = 8, test_size = 4, batch = 4,
  steps = 9, fit_steps = 3, teach_steps = 3, fit_size = 6, fit_batch = 4,
  save_every = 1, log_every = 1, evaluate_every = 9 }

-- Their configuration, with changes.
function M.configuration(changes)
  local given = {}
  for key, value in pairs(CHANGES) do given[key] = value end
  for key, value in pairs(changes or {}) do given[key] = value end
  return runs.configuration.make(nil, given)
end

-- All that the checkpoint of a run holds.
function M.contents(folder)
  local stored = assert(runs.checkpoint.load(folder
    .. "/checkpoint.safetensors"))
  -- As text: an integer and a float of the same value are different states.
  local _, metadata = safetensors.load(folder .. "/checkpoint.safetensors")
  local all = { step = stored.step, numbers = metadata.numbers, counts = metadata.adam_counts }
  for name, tensor in pairs(stored.tensors) do
    all[name] = torus.to_bytes(tensor)
  end
  return all
end

-- Trains up to a step, by a run that an error interrupts there, and then to the end. Returns the
-- run's folder.
function M.resumed(changes, step)
  local folder = folders.new()
  local _, message = runs.train(folder, assert(M.configuration(changes)),
    { after_step = function(run)
      if run.step == step then error("interrupted!") end
    end })
  assert(message:find "^interrupted; ", message)
  assert(runs.train(folder, assert(M.configuration(changes)), { resume = true }))
  return folder
end

-- Checks that runs that are interrupted after any of some steps end as one that is not. Returns the
-- latter's folder.
function M.check_resuming(changes, first, last)
  local through = folders.new()
  assert(runs.train(through, assert(M.configuration(changes))))
  for step = first, last do
    local before, after = M.contents(through), M.contents(M.resumed(changes, step))
    for name, value in pairs(before) do
      if after[name] ~= value then error(("after step %d: %s differs"):format(step, name), 2) end
    end
  end
  return through
end

-- The first parts of the names of the parameters that the steps after one up to another change,
-- as the keys of a table.
function M.moved(changes, from, to)
  local before, names = {}, {}
  runs.train(folders.new(), assert(M.configuration(changes)), { after_step = function(run)
    for _, entry in ipairs(run.task.parameters) do
      local name, now = entry[1], torus.to_bytes(entry[2])
      if run.step == from then before[name] = now end
      if run.step == to and now ~= before[name] then names[name:match("^%w+")] = true end
    end
    if run.step == to then error("interrupted!") end
  end })
  return names
end

-- Trains from one step to another at a learning rate of 3e-3. Returns the mean errors of the
-- first and of the last ten steps.
function M.errors_of(task, from, to)
  local first, last = 0, 0
  for step = from, to do
    local gradients, numbers = task:step(step)
    task.optimiser.lr = 3e-3
    task.optimiser:step(gradients)
    if step < from + 10 then first = first + numbers.mse / 10 end
    if step > to - 10 then last = last + numbers.mse / 10 end
  end
  return first, last
end

return M
