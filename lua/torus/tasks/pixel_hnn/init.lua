--- The task of training and measuring a PixelHNN; see torus.tasks.
-- @module torus.tasks.pixel_hnn
local Order = require "torus.data.order"
local baselines = require "torus.tasks.pixel_hnn.baselines"
local lists = require "torus.tasks.lists"
local options = require "torus.options"
local training = require "torus.tasks.training"
local report = require "torus.tasks.pixel_hnn.report"
local pixel_hnn = require "torus.models.pixel_hnn"
local render = require "torus.systems.parts.render"
local sequences = require "torus.tasks.sequences"
local systems = require "torus.systems"
local film_arrays = require "torus.tasks.film_arrays"
local engine = require "torus.engine"
local windows = require "torus.data.windows"

local Task = {}
Task.__index = Task

-- Of the training; the model's are in torus.models.pixel_hnn. A step uses
-- `batch` sequences, and of each three consecutive frames from a random one on.
local MORE = {
  model = { default = "pixel_hnn", choices = { "pixel_hnn" },
    doc = "The model; the command line names it." },
  system = { type = "path",
    doc = "The simulated system, restricted_pendulum by default, or the Lua file of the "
      .. "system of `data`." },
  latent = { type = "integer", min = 2,
    doc = "Total number of coordinates of q and p, even; by default the dimension of the "
      .. "system's phase space." },
  centre = { default = true, type = "boolean",
    doc = "True: frames are relative to their mean image." },
  dt = { type = "number",
    doc = "Time between two frames; by default the system's." },
  frames = { type = "integer", min = 3,
    doc = "Number of frames of a sequence; by default the system's." },
  train_size = { type = "integer", min = 1,
    doc = "Number of simulated training sequences, 2000 by default." },
  test_size = { type = "integer", min = 1,
    doc = "Number of simulated test sequences, 200 by default." },
  batch = { default = 64, type = "integer", min = 1,
    doc = "Number of pairs of frames per training step." },
  steps = { default = 15000, type = "integer", min = 0,
    doc = "Total number of training steps." },
  lr = { type = "number", min = 0,
    doc = "Learning rate of Adam." },
  weight_decay = { default = 1e-5, type = "number", min = 0,
    doc = "Factor of the weights that is added to their gradients." },
  evaluate_count = { default = 32, type = "integer", min = 1,
    doc = "Number of held-out sequences for test_mse in log.csv." },
}

Task.rules = training.rules(pixel_hnn.rules, options.joined(sequences.rules, MORE))
Task.model_rules = pixel_hnn.rules
Task.data_keys = { "system", "data", "noise", "train_size", "test_size",
  "data_seed", "frames", "dt", "centre", table.unpack(sequences.keys) }

--- `full` is the paper's, with frames relative to their mean image, without
-- which it predicts a constant one; `plain` is without that; `small` is narrower
-- and shorter.
Task.presets = {
  full = {},
  plain = { centre = false, init = "default", input_gain = 1 },
  small = { steps = 2000, conv_width = 16, lr_decay = "cosine" },
}

-- Defaults of simulated data: the restricted pendulum, frames as its system has
-- them.
local function complete_simulated(config)
  config.system = config.system or "restricted_pendulum"
  local system = systems.find(config.system)
  if system then
    config.frames = config.frames or system.steps + 1
    config.dt = config.dt or system.dt
    config.noise = config.noise or system.noise
    config.background = config.background or render.grey
  end
  config.train_size = config.train_size or 2000
  config.test_size = config.test_size or 200
  config.data_seed = config.data_seed or 0
end

--- Fills in the data where they are simulated, the latent size (the dimension of
-- the true phase space) and the learning rate (1e-3, for the convolutional form
-- HGN's 1.5e-4).
-- @tparam table config
-- @treturn ?string what is wrong with it
function Task.complete(config)
  if not config.data then complete_simulated(config) end
  local system = config.system and systems.find(config.system)
  config.latent = config.latent or system and 2 * system.dimension or 2
  config.lr = config.lr or (config.kind == "conv" and 1.5e-4 or 1e-3)
  return training.pin_system(config)
end

--- @tparam table config
-- @treturn ?Dataset
-- @treturn ?string message
function Task.open_data(config)
  return sequences.open(config)
end

--- @tparam table config
-- @tparam[opt] generator generator
-- @treturn Module
function Task.model(config, generator)
  return pixel_hnn.new(sequences.model_part(config, pixel_hnn.rules), generator)
end

-- Pairs to take the mean image from, (n, 2, height, width, channels), n at most
-- 256.
local function some_pairs(split)
  local n = math.min(256, split.size)
  local starts = windows.random_starts(n, split.length, 3, engine.generator(0))
  return split:windows(engine.arange(n, { dtype = "int64" }), starts, 2)
end

--- @tparam table config
-- @tparam Dataset data
-- @treturn Task
function Task.new(config, data)
  local self = training.begin(Task, config, data)
  if config.centre then
    self.model:set_centre(some_pairs(data.train))
  end
  self.order = Order.new { count = data.train.size,
    batch = math.min(config.batch, data.train.size), seed = config.seed }
  training.add_optimiser(self)
  self.columns = { "loss", "autoencoder", "canonical", "hnn", "test_mse" }
  return self
end

--- @treturn table the sequences of a batch, and where their windows start
function Task:draw()
  local indices = self.order:next()
  local count = indices:numel()
  return { size = count, indices = indices, starts = windows.random_starts(count,
    self.data.train.length, 3, self.generator) }
end

--- @tparam table batch of draw
-- @tparam integer first
-- @tparam integer count
-- @treturn {tensor,...} gradients
-- @treturn table numbers for the log
function Task:share(batch, first, count)
  self.frames = self.data.train:windows(batch.indices:narrow(1, first, count),
    lists.part(batch.starts, first, count), 3):to(self.config.dtype)
  local losses = self.model:losses(self.frames)
  return training.gradients(losses.total, self.weights), {
    loss = losses.total:item(), autoencoder = losses.autoencoder:item(),
    canonical = losses.canonical:item(), hnn = losses.hnn:item() }
end

Task.step = training.step

Task.numbers, Task.load_numbers = training.numbers, training.load_numbers

function Task:first_bad()
  return training.first_bad(self.parameters)
    or self.frames and training.first_bad { { "the frames", self.frames } }
end

--- The error of rollouts from the first pair of held-out sequences, against
-- noise-free frames where these are known.
function Task:evaluate()
  local split, total, numbers = self.data.test, 0, 0
  local count = math.min(self.config.evaluate_count, split.size)
  for first = 1, count, 16 do
    local indices = lists.range(first, math.min(first + 15, count))
    local frames, clean = split:batch(indices), split:clean(indices)
    local predicted = self.model:film(frames:narrow(2, 1, 2):to(self.config.dtype),
      { steps = split.length - 1 })
    local difference = predicted:to("float32") - clean
    total = total + difference:square():sum():item()
    numbers = numbers + difference:numel()
  end
  return { test_mse = total / numbers }
end

Task.learning_rate = training.learning_rate
Task.report = report.report
Task.title = "HNN on pixels, from video"
Task.report_options = { split = true, pictures = true }
Task.extrapolation = report.extrapolation
Task.baselines = baselines
Task.arrays = film_arrays.arrays

return training.checked("pixel_hnn", Task, "train: States|Frames, test: States|Frames")
