--- The task of training and measuring an HGN; see torus.tasks.
-- @module torus.tasks.hgn
local film_arrays = require "torus.tasks.film_arrays"
local engine = require "torus.engine"
local Order = require "torus.data.order"
local adam = require "torus.optim.adam"
local coordinates = require "torus.models.hgn.coordinates"
local Fit = require "torus.tasks.hgn.fit"
local Flat = require "torus.tasks.hgn.flat"
local Located = require "torus.tasks.hgn.located"
local lists = require "torus.tasks.lists"
local training = require "torus.tasks.training"
local geco = require "torus.optim.geco"
local hgn = require "torus.models.hgn"
local encoder_windows = require "torus.models.hgn.windows"
local options = require "torus.options"
local pictures = require "torus.tasks.hgn.pictures"
local portrait = require "torus.tasks.hgn.portrait"
local Redraw = require "torus.tasks.hgn.redraw"
local report = require "torus.tasks.hgn.report"
local presets = require "torus.tasks.hgn.presets"
local sequences = require "torus.tasks.sequences"
local stages = require "torus.tasks.hgn.stages"
local Teach = require "torus.tasks.hgn.teach"
local windows = require "torus.data.windows"

local Task = {}
Task.__index = Task

-- The keys of the training; those of the model are in torus.models.hgn.
local MORE = {
  model = { default = "hgn", choices = { "hgn" },
    doc = "The model; the command line names it." },
  system = { type = "path",
    doc = "The simulated system, or the Lua file of the system of `data`." },
  held_back = { type = "integer", min = 1,
    doc = "Number of frames at the end of every sequence of a film that training does not "
      .. "see; rollouts are compared with them." },
  data_frames = { type = "integer", min = 2,
    doc = "Number of frames of a sequence of the data, if it is longer than the model's "
      .. "`frames`: every step sees a random window of each sequence." },
  data_dt = { type = "number",
    doc = "Time between frames of the data, if it differs from the model's dt; by default "
      .. "that of a film which states it." },
  batch = { default = 16, type = "integer", min = 1,
    doc = "Number of sequences per training step." },
  steps = { default = 10000, type = "integer", min = 0,
    doc = "Total number of training steps." },
  lr = { default = 1.5e-4, type = "number", min = 0,
    doc = "Learning rate of Adam." },
  kl_weight = { default = 1, type = "number", min = 0,
    doc = "Weight of the divergence of the posterior from the prior." },
  kl_warmup = { default = 0, type = "integer", min = 0,
    doc = "Number of steps over which kl_weight is reached." },
  multiplier = { default = 1, type = "number", above = 0,
    doc = "Weight of the reconstruction error; its first value if GECO adapts it." },
  tolerance = { type = "number", min = 0,
    doc = "Error beyond the frames' noise floor that GECO aims at; without it, the "
      .. "multiplier is constant." },
  geco_rate = { default = 1, type = "number", min = 0,
    doc = "Step size of GECO (torus.optim.geco)." },
  geco_bound = { default = 0.02, type = "number", min = 0,
    doc = "Largest change of the multiplier's logarithm in a step of GECO." },
  geco_decay = { default = 0.99, type = "number", min = 0, max = 1,
    doc = "Decay of GECO's moving average of the error." },
  multiplier_max = { default = 1e6, type = "number", above = 0,
    doc = "Largest multiplier that GECO may reach." },
  chunk = { default = 4, type = "integer", min = 1,
    doc = "Number of images per pass of a decoder without a fused kernel." },
  decode_frames = { type = "integer", min = 1,
    doc = "Number of frames of a sequence that a step decodes, drawn at random; by default "
      .. "all." },
  evaluate_count = { default = 64, type = "integer", min = 1,
    doc = "Number of held-out sequences for test_mse in log.csv." },
}

Task.rules = training.rules(hgn.rules, options.joined(sequences.rules, MORE, stages.rules))
Task.model_rules = hgn.rules
Task.data_keys = { "system", "data", "noise", "train_size", "test_size",
  "data_seed", "held_back", "data_frames", "data_dt", table.unpack(sequences.keys) }

Task.presets, Task.adapt_preset = presets.presets, presets.adapt
Task.generative = presets.GENERATIVE
-- A change that gives many keys of a preset other values, which `--keys` names.
Task.preset_variants = { { "small", { phase = "vector" } } }

--- Fills in the system to simulate if no data are given, and the time between the frames of a
-- film that specifies it.
-- @tparam table config
-- @tparam table given the values without defaults
-- @treturn ?string what is wrong with it
function Task.complete(config, given)
  sequences.complete_interval(config, given)
  if not config.data then
    config.system = config.system or "mass_spring"
    config.data_seed = config.data_seed or 0
  end
  if config.phase == "vector" then config.latent = "vector" end
  if config.data_frames and config.data_frames < config.frames then
    return string.format("data_frames: expected at least frames = %d, got %d",
      config.frames, config.data_frames)
  end
  return training.pin_system(config) or stages.complete(config)
end

--- Opens the data of a configuration: a folder or films (`data`), otherwise a simulated
-- system.
-- @function torus.tasks.hgn.open_data
-- @tparam table config as made by torus.runs.configuration
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

--- Makes the untrained model of a configuration.
-- @tparam table config as made by torus.runs.configuration
-- @tparam[opt] generator generator draws the initial weights
-- @treturn Module
function Task.model(config, generator)
  return hgn.new(sequences.model_part(config, hgn.rules), generator)
end

-- The target error of GECO: a tolerance above the noise floor of the frames, below which no
-- model can get. If noise-free frames are not known, neither is the floor, and the tolerance
-- includes it.
local function allowed_error(config, data)
  return config.tolerance + (data.train:measure { count = 64 }.floor or 0)
end

--- Makes the training of an HGN, for torus.runs.loop.
-- @function torus.tasks.hgn.new
-- @tparam table config as made by torus.runs.configuration
-- @tparam table data train and test, as opened by torus.data
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
  local self = training.begin(Task, config, data)
  self.order = Order.new { count = data.train.size, batch = config.batch,
    seed = config.seed }
  self.parameters = self.model:named_parameters()
  if config.fit_steps > 0 then
    self.states = Fit.parameter(config, data, self.model.config.dimension)
    table.insert(self.parameters, { "task.states", self.states })
    self.located = Located.new(config, data, self.model.config.dimension)
    self.flat_positions = Fit.flat_buffer(config, data, self.model.config.dimension)
  end
  self.buffers = self.model:named_buffers()
  if self.flat_positions then
    table.insert(self.buffers, { "task.flat", self.flat_positions })
  end
  if self.located and (config.teach_from == "coordinates" or config.decoder_steps > 0
    or config.flatten_rounds > 0) then
    lists.extend(self.buffers, self.located:buffers())
  end
  self.weights = {}
  for i, entry in ipairs(self.parameters) do self.weights[i] = entry[2] end
  self.optimiser = adam.new(self.weights, { lr = config.lr })
  if config.tolerance and config.variant ~= "determ" then
    self.geco = geco.new { tolerance = allowed_error(config, data),
      initial = config.multiplier, rate = config.geco_rate,
      bound = config.geco_bound, decay = config.geco_decay,
      max = config.multiplier_max }
  end
  self.columns = { "loss", "mse", "kl", "multiplier", "test_mse" }
  return self
end

local function flat_of(self)
  self.flat_stage = self.flat_stage or Flat.new(self.model, self.config, self.data, self.located)
  return self.flat_stage
end

-- Draws a batch of a round that flattens coordinates.
local function draw_flat(self, within, round)
  if within == 1 and round > 1 then flat_of(self):locate(false) end
  return flat_of(self):draw(self.generator)
end

local function fit_of(self)
  self.fit = self.fit
    or Fit.new(self.model, self.config, self.data, self.located,
      { states = self.states, flat_positions = self.flat_positions, damping = self.damping })
  return self.fit
end

-- Draws a batch of the second stage.
local function draw_fit(self, within)
  if within == 1 and self.config.flatten_rounds > 0 then flat_of(self):locate(true) end
  self.flat_stage = nil
  fit_of(self):prepare(within)
  return self.fit:draw(self.generator)
end

-- The same for its continuation; the last one precedes the encoder's training, which needs the
-- coordinates of all sequences.
local function draw_refit(self, within, last)
  fit_of(self):continue(within == 1, last)
  return self.fit:draw(self.generator)
end

-- Draws a batch of frames for the decoder, at positions of the motion before this stage.
local function draw_decoder(self, within)
  self.redraw = within > 1 and self.redraw or Redraw.at_motion(self.model, self.config,
    self.data, self.located, Fit.first_states(self.config, self.data, self.states))
  return self.redraw:draw(self.generator)
end

-- True if the encoder is being taught from coordinates.
local function teaches(self)
  return self.stage == "teach" and self.config.teach_from == "coordinates"
end

-- The GECO of this step; none adapts the weight of an error of coordinates, whose unit is
-- another.
local function geco_of(self) return not teaches(self) and self.geco or nil end

-- The weights of the error and of the divergence at this step.
local function weights_of(self)
  local c, adapted = self.config, geco_of(self)
  return adapted and adapted:multiplier() or c.multiplier,
    c.kl_weight * math.min(1, self.at / math.max(1, c.kl_warmup))
end

--- Returns why the training ends before a step: the first stage's decoder is too poor for the
-- second one, or a run with later stages behind it is continued with more steps. Before the
-- second stage this finds the coordinates of the training sequences, in minutes.
-- @tparam integer step of the training, from 1
-- @treturn ?table nil if it goes on; past=true, undetermined=true, or uncertain, the share of
-- uncertain frames
function Task:ends(step)
  local c = self.config
  local stage, within, round = stages.of(c, step)
  if stages.reached(stage) < (self.reached or 0) then return { past = true } end
  local second = c.flatten_rounds > 0 and "flatten" or "fit"
  if stage ~= second or round > 1 or within > 1 then return nil end
  self.located:find(self.model)
  local share, undetermined = self.located:uncertain(), self.located:undetermined()
  if share <= c.fit_limit and not undetermined then return nil end
  -- If the run is continued with more steps, its decoder will be another one.
  self.located:forget()
  return undetermined and { undetermined = true } or { uncertain = share }
end

--- True if drawing the batch of a step changes weights.
-- @tparam integer step of the training, from 1
-- @treturn boolean
function Task:draw_changes(step)
  local stage, within = stages.of(self.config, step)
  return stage == "fit" or stage == "refit"
    or (stage == "flatten" or stage == "teach") and within == 1
end

--- Draws what a step needs: the next sequences, the starts of their windows if they are
-- longer than the model's, and the noise.
-- @tparam integer step of the training, from 1
-- @treturn table batch, for share
function Task:draw(step)
  local c = self.config
  local stage, within, round, rounds = stages.of(c, step)
  self.stage, self.at, self.frames = stage, step, nil
  self.reached = stages.reached(stage)
  -- If a run that has been finished is continued with more steps.
  encoder_windows.forget(self.model)
  if stage == "flatten" then return draw_flat(self, within, round) end
  if stage == "decoder" then return draw_decoder(self, within) end
  if stage == "fit" or stage == "refit" then
    local batch = stage == "fit" and draw_fit(self, within)
      or draw_refit(self, within, round == rounds)
    self.uncertain = self.located:uncertain()
    return batch
  end
  if stage == "teach" and within == 1 and c.fit_steps > 0 then
    Fit.translate(self.model, c, self.data, self.states)
  end
  if teaches(self) then
    self.teach = self.teach or Teach.new(self.model, c, self.data, self.located)
    return self.teach:draw(self.generator)
  end
  local indices, split = self.order:next(), self.data.train
  local count = indices:numel()
  local batch = { size = count, indices = indices }
  if split.length > c.frames then
    batch.starts = windows.random_starts(count, split.length, c.frames, self.generator)
  end
  batch.horizon = stage == "images" and stages.horizon(c, step) or nil
  batch.draws = self.model:draws(count, { generator = self.generator,
    decode_frames = c.decode_frames, horizon = batch.horizon })
  return batch
end

-- The frames of some sequences of a batch, or a window of each.
local function frames_of(self, batch, first, count)
  local split = self.data.train
  local indices = batch.indices:narrow(1, first, count)
  if not batch.starts then return split:batch(indices) end
  return split:windows(indices,
    lists.part(batch.starts, first, count), self.config.frames)
end

local function share_of_images(self, batch, first, count)
  local c = self.config
  local frames = frames_of(self, batch, first, count):to(c.dtype)
  -- Kept until the next step for first_bad.
  self.frames = frames
  local multiplier, kl_weight = weights_of(self)
  local gradients, numbers = self.model:gradients(frames, {
    draws = self.model:draws_part(batch.draws, first, count),
    multiplier = multiplier, kl_weight = kl_weight,
    chunk = c.chunk, horizon = batch.horizon,
  })
  numbers.multiplier = multiplier
  return gradients, numbers
end

--- Returns the gradients of some sequences of a batch.
-- @tparam table batch as returned by draw
-- @tparam integer first
-- @tparam integer count
-- @treturn {tensor,...} gradients
-- @treturn table numbers for the log
function Task:share(batch, first, count)
  local gradients, numbers
  if self.stage == "fit" or self.stage == "refit" then
    gradients, numbers = self.fit:share(batch, first, count, self.weights)
  elseif self.stage == "flatten" then
    gradients, numbers = self.flat_stage:share(batch, first, count, self.weights)
  elseif self.stage == "decoder" then
    gradients, numbers = self.redraw:share(batch, first, count, self.weights)
  elseif teaches(self) then
    local multiplier, kl_weight = weights_of(self)
    gradients, numbers = self.teach:share(batch, first, count, self.weights,
      { multiplier = multiplier, kl_weight = kl_weight })
    numbers.multiplier = multiplier
  else
    gradients, numbers = share_of_images(self, batch, first, count)
  end
  stages.select(self.config, self.stage, self.parameters, gradients)
  return gradients, numbers
end

Task.step = training.step

--- Called after an update of the weights.
-- @tparam table numbers of the step
function Task:after_update(numbers)
  local adapted = geco_of(self)
  if adapted and numbers.multiplier then adapted:update(numbers.mse) end
end

-- Number of training sequences whose posteriors the prior is fitted to, and how many are
-- encoded at a time.
local PRIOR_SEQUENCES, PRIOR_BLOCK = 1024, 64

-- Fits the density from which sampled sequences are started.
local function fit_prior(self)
  local means, logvars = {}, {}
  local count = math.min(PRIOR_SEQUENCES, self.data.train.size)
  for first = 1, count, PRIOR_BLOCK do
    local indices = lists.range(first, math.min(first + PRIOR_BLOCK - 1, count))
    local frames = windows.first(self.data.train, indices,
      self.model.config.context)
    means[#means + 1], logvars[#logvars + 1] =
      self.model:encode(frames:to(self.config.dtype))
  end
  self.model:fit_prior(engine.cat(means), engine.cat(logvars),
    engine.generator(self.config.seed))
end

-- Number of sequences on which the encoder's errors are measured: fewer, but not fewer than
-- FEW, where they have more than NUMBERS numbers together.
local CALIBRATED, FEW, NUMBERS = 256, 16, 1 << 26

-- Measures the encoder's errors, by which the states of several windows are weighted: against
-- the fitted states, if it has been taught these.
local function calibrate(self, ended)
  local c, frames = self.config, {}
  local fitted = c.fit_steps > 0 and c.teach_steps > 0 and not ended
  local fitting = NUMBERS // windows.first(self.data.train, { 1 }, c.frames):numel()
  local count = math.min(CALIBRATED, math.max(FEW, fitting), self.data.train.size,
    fitted and c.fit_size or math.huge)
  Located.each_block(c, self.data, { count = count, frames = c.frames },
    function(some) table.insert(frames, some) end)
  self.model:calibrate(engine.cat(frames, 1),
    fitted and self.states:detach():narrow(1, 1, count) or nil)
end

-- The share of uncertain coordinates from which on the user is told.
local UNCERTAIN = 0.05

-- A sentence about the coordinates that the Hamiltonian was fitted to, or should have been, if
-- many are bad.
local function note(self, ended)
  if ended and ended.undetermined then
    return "The decoder's images do not depend on the coordinates, so the training ended after its "
      .. "first stage. Train for more steps (--resume --steps)."
  end
  local share = ended and ended.uncertain or self.uncertain or 0
  if not ended and share < UNCERTAIN then return end
  return string.format("The decoder rendered %.0f%% of the frames with an error above %g, so "
    .. (ended and "the training ended after its first stage: the Hamiltonian would "
      .. "have been fitted to uncertain coordinates. Train for more steps (--resume --steps) "
      .. "or try another Hamiltonian or dimension."
      or "the Hamiltonian was fitted to uncertain coordinates. Train for more steps (--steps) "
      .. "or, to leave out this stage, with --set fit_steps=0."),
    share * 100, coordinates.ROBUST)
end

--- Called after the last step: determines the model's buffers.
-- @tparam ?table ended as returned by ends
-- @treturn ?string a sentence for the user
function Task:finish(ended)
  if ended and ended.past then
    return "The training ended here: its later stages have begun, so the earlier ones can't "
      .. "go on with more steps (--steps). Train a new run with that many."
  end
  engine.no_grad(function()
    if self.model.prior then fit_prior(self) end
    if self.config.windows > 1 then calibrate(self, ended) end
  end)
  return note(self, ended)
end

--- All state other than weights and moments.
function Task:numbers()
  local numbers = training.numbers(self)
  numbers.fit_damping = self.fit and self.fit.damping or self.damping
  numbers.reached, numbers.uncertain = self.reached, self.uncertain
  return numbers
end

--- Restores the state.
-- @tparam table numbers as returned by numbers
function Task:load_numbers(numbers)
  training.load_numbers(self, numbers)
  self.damping, self.reached = numbers.fit_damping, numbers.reached
  self.uncertain = numbers.uncertain
end

--- Returns the first tensor of the last batch's forward pass that is not finite.
function Task:first_bad()
  if not self.frames then return training.first_bad(self.parameters) end
  return self.model:first_bad(self.frames)
end

--- Returns the error on held-out sequences, against noise-free frames if these are known.
-- From the second stage on there is none until the encoder is taught: its states do not
-- belong to the Hamiltonian being fitted.
function Task:evaluate()
  if self.stage ~= "images" and self.stage ~= "teach" then return {} end
  local count = math.min(self.config.evaluate_count, self.data.test.size)
  local total, numbers = 0, 0
  for first = 1, count, 16 do
    local indices = lists.range(first, math.min(first + 15, count))
    local predicted = self.model:reconstruct(windows.first(self.data.test,
      indices, self.config.frames):to(self.config.dtype))
    local difference = predicted:to("float32")
      - self.data.test:clean(indices):narrow(2, 1, predicted:size(2))
    total = total + (difference * difference):sum():item()
    numbers = numbers + difference:numel()
  end
  return { test_mse = total / numbers }
end

Task.learning_rate = stages.learning_rate
Task.report = report.report
Task.title = "Hamiltonian Generative Network, from video"
Task.report_options = { split = true, pictures = true, refine = true,
  motion = true }
Task.extrapolation = report.extrapolation
Task.film_strips = pictures.film_strips
Task.arrays = film_arrays.arrays
Task.portrait = portrait.pictures

return training.checked("hgn", Task, "train: States|Frames, test: States|Frames")
