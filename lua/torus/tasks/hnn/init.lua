--- Training an HNN, or the plain network beside it, on states and their
-- derivatives.
-- @module torus.tasks.hnn
local Order = require "torus.data.order"
local adam = require "torus.optim.adam"
local baselines = require "torus.tasks.hnn.baselines"
local common = require "torus.tasks.common"
local report = require "torus.tasks.hnn.report"
local hnn = require "torus.models.hnn"
local hnn_data = require "torus.data.hnn_data"
local systems = require "torus.systems"
local engine = require "torus.engine"

local Task = {}
Task.__index = Task

-- What is left open follows from the system: torus.data.hnn_data.recipe.
-- batch = 0 is the whole set.
local MORE = {
  model = { default = "hnn", choices = { "hnn" } },
  system = { default = "mass_spring", type = "string" },
  data_seed = { type = "integer", min = 0 },
  trajectories = { type = "integer", min = 2 },
  points = { type = "integer", min = 2 },
  span = { type = "number", above = 0 },
  noise = { type = "number", min = 0 },
  test_share = { type = "number", above = 0 },
  derivatives = { default = "true", choices = { "true", "difference" } },
  start = { default = "system", choices = { "system", "square" } },
  dimension = { type = "integer", min = 1 },
  batch = { type = "integer", min = 0 },
  steps = { type = "integer", min = 0 },
  lr = { default = 1e-3, type = "number", min = 0 },
  weight_decay = { type = "number", min = 0 },
}

Task.rules = common.rules(hnn.rules, MORE)
Task.model_rules = hnn.rules
Task.data_keys = { "system", "data_seed", "trajectories", "points", "span",
  "noise", "test_share", "derivatives", "start" }

--- `full` is the original's recipe; `small` a tenth of its steps.
Task.presets = { full = {}, small = { steps = 200 } }

local DATA = { "trajectories", "points", "span", "noise", "test_share",
  "derivatives", "start", "dtype" }

--- Fills in what the system and its recipe say.
-- @tparam table config
-- @tparam table given what it was made of
-- @treturn ?string what is wrong with it
function Task.complete(config, given)
  local recipe = hnn_data.recipe(config.system)
  for _, key in ipairs { "trajectories", "points", "span", "noise",
    "test_share", "batch", "steps", "weight_decay" } do
    if config[key] == nil then config[key] = recipe[key] end
  end
  config.batch = config.batch or 0
  config.data_seed = config.data_seed or config.seed
  local system = systems.find(config.system)
  if not system then return end -- as open_data says
  if (given.dimension or system.dimension) ~= system.dimension then
    return string.format("%s has dimension %d, not %d", config.system,
      system.dimension, given.dimension)
  end
  config.dimension = system.dimension
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
  return hnn.new(common.part(config, hnn.rules), generator)
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
    local places = self.order:next()
    q, p = q:index_select(1, places), p:index_select(1, places)
    dq, dp = dq:index_select(1, places), dp:index_select(1, places)
  end
  local loss = self.model:loss(q, p, dq, dp)
  return common.gradients(loss, self.weights), { loss = loss:item() }
end

function Task:numbers() return common.numbers(self.generator, self.order) end

function Task:load_numbers(numbers)
  common.load_numbers(numbers, self.generator, self.order)
end

function Task:first_bad() return common.first_bad(self.parameters) end

--- The loss on all held-out points.
function Task:evaluate()
  local held_out = self.data.test
  return { test_loss = engine.no_grad(function()
    return self.model:loss(held_out.q, held_out.p, held_out.dq,
      held_out.dp):item()
  end) }
end

Task.learning_rate = common.learning_rate
Task.report = report.report
Task.report_options = { pictures = true }
Task.baselines = baselines

return Task
