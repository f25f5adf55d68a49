--- The task of training and measuring an HGN; see torus.tasks.
-- @module torus.tasks.hgn
local film_arrays = require "torus.tasks.film_arrays"
local engine = require "torus.engine"
local Order = require "torus.data.order"
local adam = require "torus.optim.adam"
local coordinates = require "torus.models.hgn.coordinates"
local Fit = require "torus.tasks.hgn.fit"
local Located = require "torus.tasks.hgn.located"
local lists = require "torus.tasks.lists"
local training = require "torus.tasks.training"
local gauss_newton = require "torus.models.hgn.gauss_newton"
local geco = require "torus.optim.geco"
local hgn = require "torus.models.hgn"
local options = require "torus.options"
local pictures = require "torus.tasks.hgn.pictures"
local portrait = require "torus.tasks.hgn.portrait"
local Redraw = require "torus.tasks.hgn.redraw"
local report = require "torus.tasks.hgn.report"
local render = require "torus.systems.parts.render"
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
  data = { type = "path",
    doc = "A folder of trajectories, or films (torus.data.frames), instead of a simulation." },
  held_back = { type = "integer", min = 1,
    doc = "Number of frames at the end of every sequence of a film that training does not "
      .. "see; rollouts are compared with them." },
  noise = { type = "number", min = 0,
    doc = "Standard deviation of the noise of the simulated states; by default the system's." },
  train_size = { type = "integer", min = 1,
    doc = "Number of simulated training sequences; by default torus.data's." },
  test_size = { type = "integer", min = 1,
    doc = "Number of simulated test sequences; by default torus.data's." },
  data_seed = { type = "integer", min = 0,
    doc = "Seed of the data; by default the run's seed." },
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

Task.rules = training.rules(hgn.rules, options.joined(MORE, sequences.rules, stages.rules))
Task.model_rules = hgn.rules
Task.data_keys = { "system", "data", "noise", "train_size", "test_size",
  "data_seed", "held_back", "data_frames", "data_dt", table.unpack(sequences.keys) }

-- Found by experiments:
-- - With PyTorch's default initialisation the second derivatives of K and V are about 1e-6:
--   nothing moves, and the gradients of a rollout vanish. With `energy_gain` the untrained
--   latent state oscillates about as fast as a pendulum; see torus.models.parts.energy for
--   `energy_init`.
-- - With a growing horizon the model learns the picture first, then the motion.
-- - `input_gain` is needed because a disc covers a small part of a frame.
-- - Without the decoder's skips the picture is learned in half the steps.
local LEARNS = { skip = false, background = render.grey, init = "kaiming",
  input_gain = 8, energy_init = "oscillator", energy_gain = 4.3, lr = 1e-3,
  warmup = 30, lr_decay = "cosine", horizon_start = 3, horizon_steps = 600,
  kl_warmup = 1000, max_gradient = 0.02 }

-- Half as wide as the paper's model, with four frames decoded per step.
local SMALL = options.joined(LEARNS, { width = 32, decode_frames = 4 })

--- Changes that make samples from the prior look like the data: a small latent, and a weight
-- of the divergence close to that in the evidence lower bound of a whole sequence whose
-- pixels have unit variance, 2 / 31. (The weight in eq. (4), a mean over frames, empties the
-- latent before the decoder can use it.) The paper's latent has 768 numbers where a few would
-- do; they are far from independent, so that samples from the prior do not look like frames.
-- With four numbers instead of a map of one channel, after 1,800 steps, the median error of a
-- sampled frame against the nearest real one is 9e-4 instead of 54e-4 for a pendulum and
-- 35e-4 instead of 168e-4 for three bodies, with 16 and 13 nats instead of 39 and 33, and
-- equal reconstructions. Twelve numbers were no better than the map.
Task.generative = { kl_weight = 6e-2, posterior_logvar = 0, latent = "vector",
  z = 4, prior = "mixture" }

-- The values for a vector phase space, which replace those for feature maps; found by
-- experiments on the paper's noise-free frames. `fit_limit`: the share of uncertain frames was
-- at most 0.06 where the later stages made a model better, and 0.33 and 0.76 where they made it
-- worse.
local VECTOR = { energy_gain = 1, kinetic = "quadratic", context = 11, windows = 21,
  train_size = 20000, steps = 4445, fit_steps = 45, teach_steps = 2000,
  chart = 32, energy_width = 32, flatten_steps = 2500, fit_size = 512, fit_limit = 0.2,
  fit_method = "gauss_newton", teach_from = "coordinates", prior = "mixture" }

-- The same for motions that only Adam can fit.
local VECTOR_ADAM = options.joined(VECTOR, { steps = 7000, fit_steps = 2600,
  chart = 128, energy_width = 128, fit_size = 1024, fit_method = "adam" })

-- The values for MANY dimensions and more, with which the decoder of the first stage is not
-- precise enough for the other stages: for three bodies, with 4 dimensions, it left an error
-- above 18e-4 in a tenth of the frames, and refined rollouts were valid for 34 steps before
-- the other stages and for 22 after them.
local MANY, VECTOR_MANY = 3, options.joined(VECTOR, { steps = 10000, fit_steps = 0,
  teach_steps = 0, chart = 0, teach_from = "images" })

-- The same with static coordinates, on which the potential energy depends as well; many
-- colours and sizes take longer to learn.
local VECTOR_STATIC = options.joined(VECTOR_MANY, { energy_width = 64, steps = 20000 })

-- HGN++ as trained by its authors' code in mode "forward_backward". The state has 16 + 16
-- numbers and belongs to the middle one of the five frames that the encoder sees, at either
-- end of a window of 65 frames out of 256. Their pixels have a variance of 1/2 and their
-- objective is divided by the number of values in a window, so the weight of the divergence
-- is their beta (0.001, 0.1, 1 or 2; here 0.1) over 65. The batch is that of one of their
-- four devices. Their initial weights are normal with a variance of 1 / fan_in, as "default"
-- with a gain of sqrt(3) has; here the energies are initialised so.
local PLUS = { phase = "vector", dimension = 16, variant = "no_fpsi",
  energy_layers = 4, energy_width = 250, energy_activation = "swish",
  energy_gain = math.sqrt(3), encoder = "blocks", context = 5, anchor = 3,
  context_start = "ends", frames = 65, projection = "dense",
  constant_channels = 2, skip = false, data_frames = 256, data_dt = 0.05,
  dt = 0.125, noise = 0, train_size = 50000, test_size = 20000, batch = 32,
  lr = 1.5e-4, kl_weight = 0.1 / 65, steps = 500000 }

--- Named changes to the defaults:
--
-- - `full` has the paper's sizes and adapts the weight of the error by GECO;
-- - `small` is half as wide, with a latent to sample from;
-- - `sharp` is `small` with the paper's latent, a small weight on the
--   divergence and a posterior that is narrow from the start: its samples do not
--   look like the data, but it learns to reconstruct faster;
-- - `demo` is `small` on few noise-free sequences, for 1,600 steps;
-- - `plus` is HGN++ of Botev et al. (2021), which takes days on many cores.
Task.presets = {
  full = options.joined(LEARNS, { kl_weight = Task.generative.kl_weight,
    tolerance = 4e-4, geco_rate = 20, multiplier_max = 10 }),
  small = options.joined(SMALL, Task.generative, { steps = 10000 }),
  sharp = options.joined(SMALL, { kl_weight = 5e-4, posterior_logvar = -5,
    steps = 10000 }),
  demo = options.joined(SMALL, Task.generative, { steps = 1600, noise = 0,
    train_size = 4000, test_size = 256, save_every = 200,
    evaluate_every = 200 }),
  plus = PLUS,
}

-- How many times as many frames the second stage fits as the first one shows, at most, if
-- sequences are as long.
local LONGER = 4

-- The values for sequences longer than the frames of the first stage: the second one fits as
-- many frames in fewer sequences and, as an orbit is seen in full, the decoder is precise
-- enough only after it has been trained on the fitted motion.
local function whole_sequences(values, changes)
  local frames, length = changes.frames or hgn.rules.frames.default,
    changes.data_frames or 0
  if (changes.fit_steps or values.fit_steps) == 0 or length <= frames then return values end
  local shown = math.min(length, LONGER * frames)
  values = options.joined(values, { fit_frames = shown,
    fit_size = values.fit_size * frames // shown })
  if values.fit_method == "gauss_newton" then
    values.decoder_steps, values.refit_steps, values.decoder_rounds = 3000, 15, 3
    values.steps = values.steps
      + values.decoder_rounds * (values.decoder_steps + values.refit_steps)
  end
  return values
end

-- The values for a vector phase space with these changes.
local function vector_values(changes)
  if (changes.static or 0) > 0 then return VECTOR_STATIC end
  if (changes.dimension or 1) >= MANY then return VECTOR_MANY end
  local values = gauss_newton.applies(options.joined({ hamiltonian = "separable",
    friction = "none", kinetic = "quadratic", phase = "vector" }, changes))
    and VECTOR or VECTOR_ADAM
  return whole_sequences(values, changes)
end

--- Adapts the values of a preset to changes: values for simulated data do not apply to other
-- data, values for the latent do not apply without f_psi, where the latent is the state, and
-- a vector phase space has its own values.
-- @tparam table values of the preset
-- @tparam table changes
-- @treturn table
function Task.adapt_preset(values, changes)
  local kept = {}
  local own_phase = values.phase == "vector"
  if changes.phase == "vector" and next(values) and not own_phase then
    values = options.joined(values, vector_values(changes))
    values.z, values.latent = nil, nil
    values.context = math.min(VECTOR.context, changes.frames or math.huge)
  end
  for key, value in pairs(values) do
    if not (changes.data and sequences.simulated_only[key]) then
      kept[key] = value
    end
  end
  -- Films can have noise that no decoder draws, and still good coordinates.
  if changes.data then kept.fit_limit = nil end
  if kept.background then
    kept.background = sequences.grey_of(kept.background, changes.channels)
  end
  local variant = changes.variant or values.variant
  if variant == "no_fpsi" then kept.z, kept.latent = nil, nil end
  if variant == "determ" or (changes.phase or kept.phase) ~= "vector"
    and (changes.latent or kept.latent) ~= "vector" then
    kept.prior = nil
  end
  return kept
end

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
  end
  self.buffers = self.model:named_buffers()
  if self.located and (config.teach_from == "coordinates" or config.decoder_steps > 0) then
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

local function fit_of(self)
  self.fit = self.fit
    or Fit.new(self.model, self.config, self.data, self.located, self.states,
      self.damping)
  return self.fit
end

-- Draws a batch of the second stage.
local function draw_fit(self, within)
  fit_of(self):prepare(within)
  return self.fit:draw(self.generator)
end

-- The same for its continuation; the last one precedes the encoder's training, which needs the
-- coordinates of all sequences.
local function draw_refit(self, within, followed)
  fit_of(self):continue(within == 1, not followed)
  return self.fit:draw(self.generator)
end

-- Draws a batch of frames for the decoder, at positions of the motion before this stage.
local function draw_decoder(self, within)
  self.redraw = within > 1 and self.redraw or Redraw.new(self.model, self.config, self.data,
    self.located, Fit.first_states(self.config, self.data, self.states))
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

--- True before the second stage if the first one's decoder is too poor for it, and where a
-- run with later stages behind it is continued with more steps.
-- @tparam integer step of the training, from 1
-- @treturn boolean
function Task:ends(step)
  local c = self.config
  local stage, within = stages.of(c, step)
  self.over = stages.reached(stage) < (self.reached or 0)
  if self.over then return true end
  if stage ~= "fit" or within > 1 or c.fit_limit == 1 then return false end
  self.located:find(self.model)
  local share = self.located:uncertain()
  if share <= c.fit_limit then return false end
  self.ended_with = share
  -- If the run is continued with more steps, its decoder will be another one.
  self.located:forget()
  return true
end

--- True if drawing the batch of a step changes weights.
-- @tparam integer step of the training, from 1
-- @treturn boolean
function Task:draw_changes(step)
  local stage, within = stages.of(self.config, step)
  return stage == "fit" or stage == "refit" or stage == "teach" and within == 1
end

--- Draws what a step needs: the next sequences, the starts of their windows if they are
-- longer than the model's, and the noise.
-- @tparam integer step of the training, from 1
-- @treturn table batch, for share
function Task:draw(step)
  local c = self.config
  local stage, within, _, again = stages.of(c, step)
  self.stage, self.at, self.frames = stage, step, nil
  self.reached = stages.reached(stage)
  if stage == "decoder" then return draw_decoder(self, within) end
  if stage == "fit" or stage == "refit" then
    local batch = stage == "fit" and draw_fit(self, within) or draw_refit(self, within, again)
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
    table.move(batch.starts, first, first + count - 1, 1, {}), self.config.frames)
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

-- Number of sequences on which the encoder's errors are measured.
local CALIBRATED = 256

-- Measures the encoder's errors, by which the states of several windows are weighted: against
-- the fitted states, if it has been taught these.
local function calibrate(self)
  local c, frames = self.config, {}
  local fitted = c.fit_steps > 0 and c.teach_steps > 0 and not self.ended_with
  local count = math.min(CALIBRATED, self.data.train.size,
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
local function note(self)
  local share = self.ended_with or self.uncertain or 0
  if share < UNCERTAIN then return end
  return string.format("The decoder rendered %.0f%% of the frames with an error above %g, so "
    .. (self.ended_with and "the training ended after its first stage: the Hamiltonian would "
      .. "have been fitted to uncertain coordinates. Train for more steps (--resume --steps) "
      .. "or try another Hamiltonian or dimension."
      or "the Hamiltonian was fitted to uncertain coordinates. Train for more steps (--steps) "
      .. "or, to leave out this stage, with --set fit_steps=0 --set teach_steps=0."),
    share * 100, coordinates.ROBUST)
end

--- Called after the last step: determines the model's buffers.
-- @treturn ?string a sentence for the user
function Task:finish()
  if self.over then
    return "The training ended here: its later stages have begun, so the earlier ones can't "
      .. "go on with more steps (--steps). Train a new run with that many."
  end
  engine.no_grad(function()
    if self.model.prior then fit_prior(self) end
    if self.config.windows > 1 then calibrate(self) end
  end)
  return note(self)
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
Task.report_options = { split = true, pictures = true, refine = true,
  motion = true }
Task.extrapolation = report.extrapolation
Task.film_strips = pictures.film_strips
Task.arrays = film_arrays.arrays
Task.portrait = portrait.pictures

return training.checked("hgn", Task, "train: States|Frames, test: States|Frames")
