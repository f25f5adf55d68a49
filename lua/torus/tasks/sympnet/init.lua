--- The task of training and measuring a SympNet, the map from a state to the next one, on
-- trajectories of a system or the user's own. See torus.tasks.
-- @module torus.tasks.sympnet
local Order = require "torus.data.order"
local arrays = require "torus.tasks.hnn.arrays"
local engine = require "torus.engine"
local measured_report = require "torus.tasks.hnn.measured_report"
local options = require "torus.options"
local rollouts = require "torus.tasks.hnn.rollouts"
local settings = require "torus.tasks.hnn.settings"
local sympnet = require "torus.models.sympnet"
local training = require "torus.tasks.training"

local Task = {}
Task.__index = Task

local MORE = options.joined(settings.rules, {
  model = { default = "sympnet", choices = { "sympnet" },
    doc = "The model; the command line names it." },
  points = { type = "integer", min = 3,
    doc = "Number of states per simulated trajectory; by default that of the system's recipe." },
  horizon = { default = 1, type = "integer", min = 1, max = 10000,
    doc = "Number of steps of the map that the loss compares; more than one averages noise." },
  initial = { default = "observed", choices = { "observed", "fitted" },
    doc = "Where these steps begin: in a window's first state, or in the state that fits all "
      .. "of the window's states best." },
  stride = { default = 1, type = "integer", min = 1,
    doc = "Number of states from the start of a window to that of the next; windows overlap." },
})

Task.rules = training.rules(sympnet.rules, MORE)
Task.model_rules = sympnet.rules
Task.data_keys = settings.data_keys

--- `full` is an HNN's recipe of the system; `small` a tenth of its steps.
Task.presets = { full = {}, small = { steps = 200 } }

-- The data are those of an HNN that is trained on rollouts.
local AS_HNN = { loss = "rollout", kind = "hnn", hamiltonian = "separable",
  derivatives = "central" }

--- Fills in the dimension and, for a system, the values of its recipe.
-- @tparam table config
-- @tparam table given the values without defaults
-- @treturn ?string message if they contradict the system or the file
function Task.complete(config, given)
  local complete = options.joined(config, AS_HNN)
  local problem = settings.complete(complete, options.joined(given, AS_HNN), Task.rules)
  for key in pairs(Task.rules) do
    if AS_HNN[key] == nil then config[key] = complete[key] end
  end
  return problem
end

--- @tparam table config
-- @treturn ?table as returned by torus.data.hnn_data or torus.data.measured
-- @treturn ?string message
function Task.open_data(config)
  return settings.open_data(options.joined(config, AS_HNN))
end

--- @tparam table config
-- @tparam[opt] generator generator
-- @treturn Module
function Task.model(config, generator)
  return sympnet.new(training.part(config, sympnet.rules), generator)
end

--- @tparam table config
-- @tparam table data
-- @treturn Task
function Task.new(config, data)
  local self = training.begin(Task, config, data)
  if config.normalise then
    self.model:normalise(data.train.sequence.q, data.train.sequence.p)
  end
  self.starts = rollouts.starts(data.train.sequence, config.horizon, config.stride)
  if config.batch > 0 then
    local count = self.starts:size(1)
    self.order = Order.new { count = count, batch = math.min(config.batch, count),
      seed = config.seed }
  end
  training.add_optimiser(self)
  self.buffers = self.model:named_buffers()
  self.columns = { "loss", "test_loss" }
  return self
end

local function loss_on(self, part, starts)
  local q, p = rollouts.windows(part.sequence, starts, self.config.horizon)
  return self.model:rollout_loss(q, p, { initial = self.config.initial })
end

--- Draws a batch.
-- @treturn table the starts of its windows
function Task:draw()
  local starts = self.starts
  if self.order then starts = starts:index_select(1, (self.order:next())) end
  return { size = starts:size(1), starts = starts }
end

--- @tparam table batch as returned by draw
-- @tparam integer first
-- @tparam integer count
-- @treturn {tensor,...} gradients
-- @treturn table numbers for the log
function Task:share(batch, first, count)
  local loss = loss_on(self, self.data.train, batch.starts:narrow(1, first, count))
  return training.gradients(loss, self.weights), { loss = loss:item() }
end

Task.step = training.step

Task.numbers, Task.load_numbers = training.numbers, training.load_numbers

function Task:first_bad() return training.first_bad(self.parameters) end

--- Returns the loss on all held-out windows.
function Task:evaluate()
  local held_out = self.data.test
  return { test_loss = engine.no_grad(function()
    return loss_on(self, held_out,
      rollouts.starts(held_out.sequence, self.config.horizon)):item()
  end) }
end

-- The model's rollouts, in the form that reports and arrays call.
local function rolling(model)
  return { roll = function(q, p, steps) return model:rollout(q, p, { steps = steps }) end }
end

--- For scripts/evaluate.lua: rollouts next to the states of test trajectories, and to the
-- true motion if the system is known.
-- @tparam Module model
-- @tparam table data
-- @tparam table config
-- @tparam table opts count=256; pictures, a folder, or nil
-- @treturn ?table rows {{name, text}, ...}, numbers, files
-- @treturn ?string message
function Task.report(model, data, config, opts)
  return measured_report.report(model, data, config, options.joined(opts, rolling(model)))
end

--- Rollouts from the first observed state of test trajectories.
-- @tparam Module model
-- @tparam table data
-- @tparam table config
-- @tparam table opts count=16, steps
-- @treturn {[string]=tensor} time, q and p as in torus.tasks.hnn
function Task.arrays(model, data, config, opts)
  return arrays.arrays(model, data, config, options.joined(opts, rolling(model)))
end

Task.learning_rate = training.learning_rate
Task.title = "symplectic map, from states"
Task.report_options = { pictures = true }

return training.checked("sympnet", Task, "train: table, test: table")
