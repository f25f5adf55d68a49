--- The task of training and measuring an HNN, or the plain network that it is compared with:
-- on states and their derivatives, or through the integrator on trajectories, either of a
-- system or the user's own. See torus.tasks.
-- @module torus.tasks.hnn
local Order = require "torus.data.order"
local arrays = require "torus.tasks.hnn.arrays"
local baselines = require "torus.tasks.hnn.baselines"
local options = require "torus.options"
local training = require "torus.tasks.training"
local report = require "torus.tasks.hnn.report"
local hnn = require "torus.models.hnn"
local rollouts = require "torus.tasks.hnn.rollouts"
local schemes = require "torus.schemes"
local settings = require "torus.tasks.hnn.settings"
local engine = require "torus.engine"

local Task = {}
Task.__index = Task

-- The keys of the training; those of the model are in torus.models.hnn.
local MORE = options.joined(settings.rules, {
  model = { default = "hnn", choices = { "hnn" },
    doc = "The model; the command line names it." },
  derivatives = { default = "true", choices = { "true", "difference", "central" },
    doc = "Where dq/dt and dp/dt come from: from the system or the file (true), or from the "
      .. "difference between a state and the next one, or between its neighbours on both "
      .. "sides (central, the default for files without derivatives)." },
  loss = { default = "derivatives", choices = { "derivatives", "rollout" },
    doc = "What training compares: time derivatives, or states along rollouts of `horizon` "
      .. "steps (Chen et al. 2020). Over more than a fraction of a period such a loss has "
      .. "local minima." },
  horizon = { default = 5, type = "integer", min = 1, max = 10000,
    doc = "Number of steps of a rollout that training compares." },
  integrator = { choices = schemes.names(),
    doc = "Scheme of torus.integrate for these rollouts: leapfrog for a separable "
      .. "Hamiltonian, else rk4." },
  substeps = { default = 1, type = "integer", min = 1, max = 1000,
    doc = "Number of integration steps between two states." },
  initial = { default = "observed", choices = { "observed", "fitted" },
    doc = "Where a rollout begins: in a window's first state, or in the state that fits all "
      .. "of the window's states best, which is better if states are noisy." },
  stride = { default = 1, type = "integer", min = 1,
    doc = "Number of states from the start of a window to that of the next; windows overlap." },
})

Task.rules = training.rules(hnn.rules, MORE)
Task.model_rules = hnn.rules
Task.data_keys = { "derivatives", table.unpack(settings.data_keys) }

--- `full` is the original's recipe; `small` a tenth of its steps.
Task.presets = { full = {}, small = { steps = 200 } }

--- Fills in the dimension and, for a system, the values of its recipe.
-- @tparam table config
-- @tparam table given the values without defaults
-- @treturn ?string message if they contradict the system or the file
function Task.complete(config, given) return settings.complete(config, given, Task.rules) end

--- @tparam table config
-- @treturn ?table as returned by torus.data.hnn_data or torus.data.measured
-- @treturn ?string message
function Task.open_data(config) return settings.open_data(config) end

--- @tparam table config
-- @tparam[opt] generator generator
-- @treturn Module
function Task.model(config, generator)
  return hnn.new(training.part(config, hnn.rules), generator)
end

--- @tparam table config
-- @tparam table data
-- @treturn Task
function Task.new(config, data)
  local self = training.begin(Task, config, data)
  if config.normalise then
    local from = data.train
    self.model:normalise(from.q, from.p, from.dq, from.dp)
  end
  local count = data.train.size
  if config.loss == "rollout" then
    self.starts = rollouts.starts(data.train.sequence, config.horizon, config.stride)
    count = self.starts:size(1)
  end
  if config.batch > 0 then
    self.order = Order.new { count = count, seed = config.seed,
      batch = self.starts and math.min(config.batch, count) or config.batch }
  end
  training.add_optimiser(self)
  self.buffers = self.model:named_buffers()
  self.columns = { "loss", "test_loss" }
  return self
end

-- The loss of windows of a part of the data.
local function rollout_loss(self, part, starts)
  local c = self.config
  local q, p = rollouts.windows(part.sequence, starts, c.horizon)
  return self.model:rollout_loss(q, p, { dt = self.data.dt, substeps = c.substeps,
    method = c.integrator, initial = c.initial })
end

--- Draws a batch.
-- @treturn table its points, or the starts of its windows
function Task:draw()
  local indices = self.order and self.order:next()
  local function of_batch(x)
    return indices and x:index_select(1, indices) or x
  end
  if self.starts then
    local starts = of_batch(self.starts)
    return { size = starts:size(1), starts = starts }
  end
  local from = self.data.train
  local batch = { of_batch(from.q), of_batch(from.p), of_batch(from.dq), of_batch(from.dp) }
  batch.size = batch[1]:size(1)
  return batch
end

--- @tparam table batch as returned by draw
-- @tparam integer first
-- @tparam integer count
-- @treturn {tensor,...} gradients
-- @treturn table numbers for the log
function Task:share(batch, first, count)
  local loss
  if self.starts then
    loss = rollout_loss(self, self.data.train, batch.starts:narrow(1, first, count))
  else
    local part = {}
    for i, x in ipairs(batch) do part[i] = x:narrow(1, first, count) end
    loss = self.model:loss(table.unpack(part))
  end
  return training.gradients(loss, self.weights), { loss = loss:item() }
end

Task.step = training.step

Task.numbers, Task.load_numbers = training.numbers, training.load_numbers

function Task:first_bad() return training.first_bad(self.parameters) end

--- Returns the loss on all held-out points or windows.
function Task:evaluate()
  local held_out = self.data.test
  return { test_loss = engine.no_grad(function()
    if self.starts then
      return rollout_loss(self, held_out,
        rollouts.starts(held_out.sequence, self.config.horizon)):item()
    end
    return self.model:loss(held_out.q, held_out.p, held_out.dq,
      held_out.dp):item()
  end) }
end

Task.learning_rate = training.learning_rate
Task.report = report.report
Task.title = "Hamiltonian neural network, from states"
Task.report_options = { pictures = true }
Task.baselines = baselines
Task.arrays = arrays.arrays

return training.checked("hnn", Task, "train: table, test: table")
