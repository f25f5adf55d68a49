--- Training an HGN: what the trainer asks of a task.
-- @module torus.train.hgn_task
local torus = require "torus"
local adam = require "torus.optim.adam"
local geco = require "torus.optim.geco"
local hgn = require "torus.models.hgn"
local run_config = require "torus.train.config"

local Task = {}
Task.__index = Task

--- @tparam table config as torus.train.config makes it
-- @tparam table data train and test: each with `size` and batch(indices) ->
-- frames; test also with clean(indices)
-- @treturn Task
function Task.new(config, data)
  local self = setmetatable({ config = config, data = data }, Task)
  self.generator = torus.generator(config.seed)
  self.model = hgn.new(run_config.model_part(config), self.generator)
  self.parameters = self.model:named_parameters()
  self.optimiser = adam.new(self.model:parameters(), { lr = config.lr })
  if config.tolerance and config.variant ~= "determ" then
    self.geco = geco.new { tolerance = config.tolerance,
      initial = config.multiplier, rate = config.geco_rate,
      bound = config.geco_bound, decay = config.geco_decay,
      max = config.multiplier_max }
  end
  self.columns = { "loss", "mse", "kl", "multiplier", "test_mse" }
  return self
end

--- Places of sequences, uniform with replacement.
-- @tparam integer size how many there are
-- @tparam integer count
-- @tparam generator generator
-- @treturn {integer, ...}
function Task.draw_indices(size, count, generator)
  local places = (torus.rand({ count },
    { dtype = "float64", generator = generator }) * size):floor():totable()
  for i, place in ipairs(places) do
    places[i] = math.min(math.tointeger(place), size - 1) + 1
  end
  return places
end

--- The gradients of one batch.
-- @treturn {tensor, ...} gradients
-- @treturn table numbers for the log
function Task:step()
  local c = self.config
  local frames = self.data.train:batch(
    Task.draw_indices(self.data.train.size, c.batch, self.generator))
  -- Kept until the next step, to find out where a NaN came from.
  self.frames = frames
  local multiplier = self.geco and self.geco:multiplier() or c.multiplier
  local gradients, numbers = self.model:gradients(frames, {
    generator = self.generator, multiplier = multiplier,
    kl_weight = c.kl_weight, chunk = c.chunk,
    decode_frames = c.decode_frames,
  })
  numbers.multiplier = multiplier
  return gradients, numbers
end

--- What follows an update of the weights.
function Task:after_update(numbers)
  if self.geco then self.geco:update(numbers.mse) end
end

--- All state beside weights and moments.
function Task:numbers()
  local seed, position = self.generator:state()
  local numbers = { rng_seed = seed, rng_position = position }
  if self.geco then
    for key, value in pairs(self.geco:state()) do
      numbers["geco_" .. key] = value
    end
  end
  return numbers
end

--- @tparam table numbers what numbers() returned
function Task:load_numbers(numbers)
  self.generator:set_state(numbers.rng_seed, numbers.rng_position)
  if self.geco and numbers.geco_exponent then
    self.geco:load_state { exponent = numbers.geco_exponent,
      moving = numbers.geco_moving }
  end
end

--- The first tensor of the last batch's forward pass that is not finite.
function Task:first_bad()
  return self.frames and self.model:first_bad(self.frames)
end

--- The error on held-out sequences, against their clean frames.
function Task:evaluate()
  local count = math.min(self.config.evaluate_count, self.data.test.size)
  local total, numbers = 0, 0
  for first = 1, count, 16 do
    local places = {}
    for i = first, math.min(first + 15, count) do
      places[#places + 1] = i
    end
    local seen = self.model:reconstruct(self.data.test:batch(places))
    local difference = seen - self.data.test:clean(places)
    total = total + (difference * difference):sum():item()
    numbers = numbers + difference:numel()
  end
  return { test_mse = total / numbers }
end

--- The learning rate of a step: a linear start, then constant or a cosine
-- down to a hundredth.
-- @tparam table config
-- @treturn function of the step
function Task.learning_rate(config)
  return function(step)
    local rate = config.lr
    if step <= config.warmup then
      return rate * step / config.warmup
    end
    if config.lr_decay == "cosine" then
      local share = (step - config.warmup)
        / math.max(1, config.steps - config.warmup)
      rate = rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
    end
    return rate
  end
end

return Task
