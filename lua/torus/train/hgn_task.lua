--- Training an HGN: what the trainer asks of a task.
-- @module torus.train.hgn_task
local engine = require "torus.engine"
local Order = require "torus.data.order"
local adam = require "torus.optim.adam"
local common = require "torus.train.common"
local geco = require "torus.optim.geco"
local hgn = require "torus.models.hgn"
local run_config = require "torus.train.config"
local sequences = require "torus.train.sequences"
local systems = require "torus.systems"

local Task = {}
Task.__index = Task

--- Opens the data that a configuration asks for: a folder or a .npy file
-- (`data`), else a simulated system.
-- @tparam table config as torus.train.config makes it
-- @treturn ?Dataset
-- @treturn ?string message
function Task.open_data(config)
  return sequences.open(config, systems.find)
end

--- The model that a configuration describes, before any training.
-- @tparam table config as torus.train.config makes it
-- @tparam[opt] generator generator draws the initial weights
-- @treturn Module
function Task.model(config, generator)
  return hgn.new(run_config.model_part(config), generator)
end

-- The error that GECO is content with: a tolerance beyond the noise of the
-- frames, which no model can explain. Where clean frames are not known the
-- floor is not either, and the tolerance stands for both.
local function allowed_error(config, data)
  return config.tolerance + (data.train:measure { count = 64 }.floor or 0)
end

--- @tparam table config as torus.train.config makes it
-- @tparam Dataset data train and test, as torus.data gives them
-- @treturn Task
function Task.new(config, data)
  local self = setmetatable({ config = config, data = data }, Task)
  self.generator = engine.generator(config.seed)
  self.model = Task.model(config, self.generator)
  self.order = Order.new { count = data.train.size, batch = config.batch,
    seed = config.seed }
  self.parameters = self.model:named_parameters()
  self.optimiser = adam.new(self.model:parameters(), { lr = config.lr })
  if config.tolerance and config.variant ~= "determ" then
    self.geco = geco.new { tolerance = allowed_error(config, data),
      initial = config.multiplier, rate = config.geco_rate,
      bound = config.geco_bound, decay = config.geco_decay,
      max = config.multiplier_max }
  end
  self.columns = { "loss", "mse", "kl", "multiplier", "test_mse" }
  return self
end

-- How many steps of the rollout a training step looks at: all, or a number
-- that grows over the first `horizon_steps` steps of the training, slowly at
-- first: what moves is learned from a few frames, and then only drawn out.
local function horizon(config, step)
  local last = config.frames - 1
  if step >= config.horizon_steps then return last end
  local first = math.min(config.horizon_start, last)
  local share = step / config.horizon_steps
  return first + math.floor((last - first) * share * share)
end

--- The gradients of one batch.
-- @tparam integer step of the training, from 1
-- @treturn {tensor,...} gradients
-- @treturn table numbers for the log
function Task:step(step)
  local c = self.config
  local frames = self.data.train:batch((self.order:next())):to(c.dtype)
  -- Kept until the next step, to find out where a NaN came from.
  self.frames = frames
  local multiplier = self.geco and self.geco:multiplier() or c.multiplier
  local gradients, numbers = self.model:gradients(frames, {
    generator = self.generator, multiplier = multiplier,
    kl_weight = c.kl_weight * math.min(1, step / math.max(1, c.kl_warmup)),
    chunk = c.chunk,
    decode_frames = c.decode_frames, horizon = horizon(c, step),
  })
  numbers.multiplier = multiplier
  return gradients, numbers
end

--- What follows an update of the weights.
-- @tparam table numbers of the step
function Task:after_update(numbers)
  if self.geco then self.geco:update(numbers.mse) end
end

--- All state beside weights and moments.
function Task:numbers()
  local numbers = common.numbers(self.generator, self.order)
  if self.geco then
    for key, value in pairs(self.geco:state()) do
      numbers["geco_" .. key] = value
    end
  end
  return numbers
end

--- @tparam table numbers what numbers() returned
function Task:load_numbers(numbers)
  common.load_numbers(numbers, self.generator, self.order)
  if self.geco and numbers.geco_exponent then
    self.geco:load_state { exponent = numbers.geco_exponent,
      moving = numbers.geco_moving }
  end
end

--- The first tensor of the last batch's forward pass that is not finite.
function Task:first_bad()
  return self.frames and self.model:first_bad(self.frames)
end

--- The error on held-out sequences, against their clean frames where these are
-- known.
function Task:evaluate()
  local count = math.min(self.config.evaluate_count, self.data.test.size)
  local total, numbers = 0, 0
  for first = 1, count, 16 do
    local places = common.places_from(first, math.min(first + 15, count))
    local seen = self.model:reconstruct(self.data.test:batch(places)
      :to(self.config.dtype))
    local difference = seen:to("float32") - self.data.test:clean(places)
    total = total + (difference * difference):sum():item()
    numbers = numbers + difference:numel()
  end
  return { test_mse = total / numbers }
end

Task.learning_rate = common.learning_rate

return Task
