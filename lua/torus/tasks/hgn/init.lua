--- Training an HGN: what the trainer asks of a task.
-- @module torus.tasks.hgn
local engine = require "torus.engine"
local Order = require "torus.data.order"
local adam = require "torus.optim.adam"
local common = require "torus.tasks.common"
local geco = require "torus.optim.geco"
local hgn = require "torus.models.hgn"
local options = require "torus.options"
local pictures = require "torus.tasks.hgn.pictures"
local report = require "torus.tasks.hgn.report"
local render = require "torus.systems.parts.render"
local sequences = require "torus.tasks.sequences"

local Task = {}
Task.__index = Task

-- `data` is a folder or a .npy file and takes the place of `system`, which then
-- names the folder's where that is the user's own; noise and sizes are by
-- default the data's own. A `tolerance`, of errors beyond the frames' noise
-- floor, makes GECO adapt the multiplier of the error.
local MORE = {
  model = { default = "hgn", choices = { "hgn" } },
  system = { type = "string" },
  data = { type = "string" },
  noise = { type = "number", min = 0 },
  train_size = { type = "integer", min = 1 },
  test_size = { type = "integer", min = 1 },
  data_seed = { type = "integer", min = 0 },
  batch = { default = 16, type = "integer", min = 1 },
  steps = { default = 10000, type = "integer", min = 0 },
  lr = { default = 1.5e-4, type = "number", min = 0 },
  kl_weight = { default = 1, type = "number", min = 0 },
  kl_warmup = { default = 0, type = "integer", min = 0 },
  multiplier = { default = 1, type = "number", above = 0 },
  tolerance = { type = "number", min = 0 },
  geco_rate = { default = 1, type = "number", min = 0 },
  geco_bound = { default = 0.02, type = "number", min = 0 },
  geco_decay = { default = 0.99, type = "number", min = 0, max = 1 },
  multiplier_max = { default = 1e6, type = "number", above = 0 },
  chunk = { default = 4, type = "integer", min = 1 },
  decode_frames = { type = "integer", min = 1 },
  horizon_start = { default = 2, type = "integer", min = 0 },
  horizon_steps = { default = 0, type = "integer", min = 0 },
  evaluate_count = { default = 64, type = "integer", min = 1 },
}

Task.rules = common.rules(hgn.rules, MORE)
Task.model_rules = hgn.rules
Task.data_keys = { "system", "data", "noise", "train_size", "test_size",
  "data_seed" }

-- Found by experiments:
-- - With PyTorch's usual first weights the second derivatives of K and V are
--   about 1e-6, so nothing moves and a rollout's gradients say nothing.
--   `energy_gain` makes the untrained latent state swing about as fast as a
--   pendulum does, see torus.models.parts.energy for `energy_init`.
-- - A horizon that grows lets the model find the picture, then the motion.
-- - A disc is a small part of a frame: `input_gain`.
-- - Without the decoder's skips the picture is found in half the steps.
local LEARNS = { skip = false, background = render.grey, init = "kaiming",
  input_gain = 8, energy_init = "oscillator", energy_gain = 4.3, lr = 1e-3,
  warmup = 30, lr_decay = "cosine", horizon_start = 3, horizon_steps = 600,
  kl_warmup = 1000, max_gradient = 0.02 }

-- Half as wide as the paper's model, and with four of the frames decoded at a
-- step.
local SMALL = options.joined(LEARNS, { width = 32, decode_frames = 4 })

--- A divergence that weighs nearly what it does in the evidence lower bound of
-- a whole sequence whose pixels have unit variance (2 / 31; eq. (4) takes the
-- mean over frames, whose weight empties the latent before the decoder can use
-- it), and few latent numbers. The paper's 768 say what a few could, so they
-- are far from independent, and samples of the prior are no frames. Four numbers
-- instead of a map of one channel, 1,800 steps: a sampled frame's error against
-- the nearest real one (median) is 9e-4 instead of 54e-4 for a pendulum and
-- 35e-4 instead of 168e-4 for three bodies, with 16 and 13 nats instead of 39
-- and 33, and reconstructions as good. With 12 numbers it was as with the map.
Task.generative = { kl_weight = 6e-2, posterior_logvar = 0, latent = "vector",
  z = 4 }

--- Named changes to the defaults. `full` is of the paper's sizes and adapts the
-- error's weight by GECO; `small` is half as wide, with a latent to sample from;
-- `sharp` is `small` with the paper's latent, little weight on the
-- divergence and a posterior that is narrow from the start: it can't be sampled
-- from, but learns what it sees faster; `demo` is the training of
-- scripts/demo.lua: `small` on noise-free frames, in 1,600 steps.
Task.presets = {
  full = options.joined(LEARNS, { kl_weight = Task.generative.kl_weight,
    tolerance = 4e-4, geco_rate = 20, multiplier_max = 10 }),
  small = options.joined(SMALL, Task.generative, { steps = 10000 }),
  sharp = options.joined(SMALL, { kl_weight = 5e-4, posterior_logvar = -5,
    steps = 10000 }),
  demo = options.joined(SMALL, Task.generative, { steps = 1600, noise = 0,
    train_size = 4000, test_size = 256, save_every = 200,
    evaluate_every = 200 }),
}

--- The values of a preset that hold beside changes: what it says of simulated
-- data is said of none else, and without f_psi it is the state that says what
-- the latent is.
-- @tparam table values of the preset
-- @tparam table changes
-- @treturn table
function Task.adapt_preset(values, changes)
  local kept = {}
  for key, value in pairs(values) do
    if not (changes.data and sequences.simulated_only[key]) then
      kept[key] = value
    end
  end
  if (changes.variant or values.variant) == "no_fpsi" then
    kept.z, kept.latent = nil, nil
  end
  return kept
end

--- Fills in what is simulated where nothing is said.
-- @tparam table config
function Task.complete(config)
  if config.data then return end
  config.system = config.system or "mass_spring"
  config.data_seed = config.data_seed or 0
end

--- Opens the data that a configuration asks for: a folder or a .npy file
-- (`data`), else a simulated system.
-- @function torus.tasks.hgn.open_data
-- @tparam table config as torus.runs.configuration makes it
-- @treturn ?Dataset
-- @treturn ?string message
-- @usage
-- config = assert(torus.runs.configuration.make("small", { model = "hgn",
--   train_size = 4, test_size = 2 }))
-- set = assert(require("torus.tasks.hgn").open_data(config))
-- print(set.train.size)   -- 4
function Task.open_data(config)
  return sequences.open(config)
end

--- The model that a configuration describes, before any training.
-- @tparam table config as torus.runs.configuration makes it
-- @tparam[opt] generator generator draws the initial weights
-- @treturn Module
function Task.model(config, generator)
  return hgn.new(common.part(config, hgn.rules), generator)
end

-- The error that GECO is content with: a tolerance beyond the noise of the
-- frames, which no model can explain. Where clean frames are not known the
-- floor is not either, and the tolerance stands for both.
local function allowed_error(config, data)
  return config.tolerance + (data.train:measure { count = 64 }.floor or 0)
end

--- The training of an HGN, for torus.runs.loop.
-- @function torus.tasks.hgn.new
-- @tparam table config as torus.runs.configuration makes it
-- @tparam Dataset data train and test, as torus.data gives them
-- @treturn Task
-- @usage
-- set = torus.data.simulate("mass_spring", { train = 4, test = 2, steps = 3,
--   resolution = 16 })
-- config = assert(torus.runs.configuration.make(nil, { model = "hgn", width = 4,
--   z = 3, state = 2, resolution = 16, frames = 4, energy_layers = 2, batch = 2,
--   steps = 2, system = "mass_spring" }))
-- training = require("torus.tasks.hgn").new(config, set)
-- print(training.model)
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
Task.report, Task.report_options = report.report, { split = true }
Task.film_strips = pictures.film_strips

return Task
