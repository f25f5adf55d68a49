--- The task of training and measuring an HNN, or the plain network it is
-- compared with, on states and their derivatives; see torus.tasks.
-- @module torus.tasks.hnn
local Order = require "torus.data.order"
local adam = require "torus.optim.adam"
local baselines = require "torus.tasks.hnn.baselines"
local training = require "torus.tasks.training"
local report = require "torus.tasks.hnn.report"
local hnn = require "torus.models.hnn"
local hnn_data = require "torus.data.hnn_data"
local systems = require "torus.systems"
local engine = require "torus.engine"

local Task = {}
Task.__index = Task

-- Of the training; the model's are in torus.models.hnn. Defaults that are missing
-- here follow from the system: torus.data.hnn_data.recipe.
local MORE = {
  model = { default = "hnn", choices = { "hnn" } },
  system = { default = "mass_spring", type = "string" },
  -- by default the run's seed
  data_seed = { type = "integer", min = 0 },
  -- with so many points each, over a time span
  trajectories = { type = "integer", min = 2 },
  points = { type = "integer", min = 2 },
  span = { type = "number", above = 0 },
  noise = { type = "number", min = 0 },
  -- share of the trajectories that is held out
  test_share = { type = "number", above = 0 },
  -- dq/dt and dp/dt: of the system, or differences of consecutive states
  derivatives = { default = "true", choices = { "true", "difference" } },
  -- initial states: the system's sampler, or the original's square
  start = { default = "system", choices = { "system", "square" } },
  -- the system's
  dimension = { type = "integer", min = 1 },
  -- points per step; 0 is all of them
  batch = { type = "integer", min = 0 },
  steps = { type = "integer", min = 0 },
  lr = { default = 1e-3, type = "number", min = 0 },
  weight_decay = { type = "number", min = 0 },
}

Task.rules = training.rules(hnn.rules, MORE)
Task.model_rules = hnn.rules
Task.data_keys = { "system", "data_seed", "trajectories", "points", "span",
  "noise", "test_share", "derivatives", "start" }

--- `full` is the original's recipe; `small` a tenth of its steps.
Task.presets = { full = {}, small = { steps = 200 } }

local DATA = { "trajectories", "points", "span", "noise", "test_share",
  "derivatives", "start", "dtype" }

--- Fills in the dimension of the system and the values of its recipe.
-- @tparam table config
-- @tparam table given the values without defaults
-- @treturn ?string message where they contradict the system
function Task.complete(config, given)
  local recipe = hnn_data.recipe(config.system)
  for _, key in ipairs { "trajectories", "points", "span", "noise",
    "test_share", "batch", "steps", "weight_decay" } do
    if config[key] == nil then config[key] = recipe[key] end
  end
  config.batch = config.batch or 0
  config.data_seed = config.data_seed or config.seed
  local system = systems.find(config.system)
  if not system then return end -- open_data has the message
  if (given.dimension or system.dimension) ~= system.dimension then
    return string.format("dimension: expected that of %s, %d, got %d",
      config.system, system.dimension, given.dimension)
  end
  config.dimension = system.dimension
  return training.pin_system(config)
end

--- @tparam table config
-- @treturn ?table as torus.data.hnn_data makes it
-- @treturn ?string message
function Task.open_data(config)
  local system, message = systems.find(config.system)
  if not system then return nil, message end
  local o = { seed = config.data_seed }
  for _, key in ipairs(DATA) do o[key] = config[key] end
  return hnn_data.make(system, o)
end

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
  local self = setmetatable({ config = config, data = data }, Task)
  self.generator = engine.generator(config.seed)
  self.model = Task.model(config, self.generator)
  if config.batch > 0 then
    self.order = Order.new { count = data.train.size, batch = config.batch,
      seed = config.seed }
  end
  self.parameters = self.model:named_parameters()
  self.weights = self.model:parameters()
  self.optimiser = adam.new(self.weights, { lr = config.lr,
    weight_decay = config.weight_decay })
  self.columns = { "loss", "test_loss" }
  return self
end

--- @treturn {tensor,...} gradients
-- @treturn table numbers for the log
function Task:step()
  local from = self.data.train
  local q, p, dq, dp = from.q, from.p, from.dq, from.dp
  if self.order then
    local indices = self.order:next()
    q, p = q:index_select(1, indices), p:index_select(1, indices)
    dq, dp = dq:index_select(1, indices), dp:index_select(1, indices)
  end
  local loss = self.model:loss(q, p, dq, dp)
  return training.gradients(loss, self.weights), { loss = loss:item() }
end

function Task:numbers() return training.numbers(self.generator, self.order) end

function Task:load_numbers(numbers)
  training.load_numbers(numbers, self.generator, self.order)
end

function Task:first_bad() return training.first_bad(self.parameters) end

--- The loss on all held-out points.
function Task:evaluate()
  local held_out = self.data.test
  return { test_loss = engine.no_grad(function()
    return self.model:loss(held_out.q, held_out.p, held_out.dq,
      held_out.dp):item()
  end) }
end

Task.learning_rate = training.learning_rate
Task.report = report.report
Task.report_options = { pictures = true }
Task.baselines = baselines

return training.checked("hnn", Task, "train: table, test: table")
