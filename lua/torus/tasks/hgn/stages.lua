--- The stages of an HGN's training. The first one learns from images and is by default the
-- only one. For a vector phase space more can follow: `redraw_steps`, `flatten_rounds` times,
-- make the decoder's coordinates flat (torus.tasks.hgn.flat); `fit_steps` fit the Hamiltonian
-- and the chart to the coordinates that the trained decoder finds in the frames
-- (torus.tasks.hgn.fit); `decoder_steps` train the decoder on the fitted motion
-- (torus.tasks.hgn.redraw), and `refit_steps` fit to the coordinates that it then finds, both
-- of them `decoder_rounds` times; `teach_steps` teach the encoder the states that belong to
-- the Hamiltonian. `steps` includes all of them.
-- @module torus.tasks.hgn.stages
local training = require "torus.tasks.training"
local gauss_newton = require "torus.models.hgn.gauss_newton"
local options = require "torus.options"

local M = {}

--- The rules of the keys of a configuration that concern stages.
M.rules = {
  horizon_start = { default = 2, type = "integer", min = 0,
    doc = "Number of rollout steps that the first training steps look at." },
  horizon_steps = { default = 0, type = "integer", min = 0,
    doc = "Number of training steps over which horizon_start grows to all rollout steps; 0 "
      .. "begins with all." },
  fit_steps = { default = 0, type = "integer", min = 0,
    doc = "Number of steps of the second stage of a vector phase space, which fits the "
      .. "Hamiltonian and the chart to the coordinates that the trained decoder finds in the "
      .. "frames; 0 for none." },
  fit_limit = { default = 1, type = "number", min = 0, max = 1,
    doc = "The run ends after the first stage if the decoder renders more than this share of "
      .. "frames with an error above 5e-4: a Hamiltonian fitted to such uncertain coordinates "
      .. "would be worse. 1 never ends it." },
  fit_size = { default = 1024, type = "integer", min = 1,
    doc = "Number of training sequences whose coordinates the second stage finds and fits." },
  fit_frames = { type = "integer", min = 2,
    doc = "Number of frames of a sequence that the second stage fits, from the first on; "
      .. "by default `frames`. The longer the sequences, the more precise is the force: an "
      .. "error of it that another initial state hides in a few frames shows in many." },
  fit_batch = { default = 256, type = "integer", min = 1,
    doc = "Number of sequences per step of the second stage, with fit_method adam." },
  fit_lr = { default = 1e-3, type = "number", min = 0,
    doc = "Learning rate of the second stage, with fit_method adam." },
  fit_method = { default = "adam", choices = { "adam", "gauss_newton" },
    doc = "Method of the second stage: Adam on batches, or that of Gauss and Newton on all "
      .. "sequences at once (torus.models.hgn.gauss_newton), which takes few and costly "
      .. "steps." },
  flatten_steps = { default = 0, type = "integer", min = 0,
    doc = "Number of steps of each of the short fits that give the second stage flat "
      .. "coordinates to begin with (torus.models.hgn.flatten), with kinetic = \"quadratic\" "
      .. "and a chart; 0 for none." },
  chart_prior = { default = 0, type = "number", min = 0,
    doc = "Weight, relative to the error of the motion, of the second stage's prior that the "
      .. "chart maps flat coordinates (flatten_steps) to the decoder's, with fit_method "
      .. "gauss_newton (torus.models.hgn.chart_prior); 0 for none." },
  flatten_rounds = { default = 0, type = "integer", min = 0, max = 100,
    doc = "Number of times, before the second stage, that flat coordinates are found "
      .. "(flatten_steps) and the decoder is trained to draw the frames at them "
      .. "(redraw_steps), until its own coordinates are flat." },
  flatten_size = { default = 384, type = "integer", min = 1,
    doc = "Number of training sequences that these rounds learn from." },
  redraw_steps = { default = 600, type = "integer", min = 1,
    doc = "Number of steps that train the decoder in each of flatten_rounds, on decoder_batch "
      .. "frames at the rate decoder_lr." },
  decoder_steps = { default = 0, type = "integer", min = 0,
    doc = "Number of steps, after the second stage, that train the decoder on the frames of "
      .. "the fitted sequences, at the positions that their motion gives. These are free of "
      .. "the encoder's errors, so the decoder becomes more precise; 0 for none." },
  decoder_batch = { default = 64, type = "integer", min = 1,
    doc = "Number of frames per step of the decoder's own stages (redraw_steps, "
      .. "decoder_steps)." },
  decoder_lr = { default = 1e-3, type = "number", min = 0,
    doc = "Learning rate of the decoder's own stages (redraw_steps, decoder_steps)." },
  refit_steps = { default = 0, type = "integer", min = 0,
    doc = "Number of further steps of the second stage, to the coordinates that the decoder "
      .. "finds after decoder_steps." },
  decoder_rounds = { default = 1, type = "integer", min = 1, max = 100,
    doc = "Number of times that decoder_steps and refit_steps follow each other: a more "
      .. "precise motion makes a more precise decoder." },
  teach_steps = { default = 0, type = "integer", min = 0,
    doc = "Number of steps of the third stage, which teaches the encoder the states that "
      .. "belong to the fitted Hamiltonian; 0 for none." },
  teach_lr = { default = 5e-4, type = "number", min = 0,
    doc = "Learning rate of the third stage." },
  teach_from = { default = "images", choices = { "images", "coordinates" },
    doc = "What the third stage learns from: images of all training sequences, or the "
      .. "coordinates of some of them." },
  teach_size = { default = 1024, type = "integer", min = 1,
    doc = "Number of training sequences whose coordinates the third stage learns from." },
  teach_batch = { default = 64, type = "integer", min = 1,
    doc = "Number of sequences per step of the third stage." },
}

-- The key of each stage's learning rate.
local RATES = { images = "lr", flatten = "decoder_lr", fit = "fit_lr", decoder = "decoder_lr",
  refit = "fit_lr", teach = "teach_lr" }

local function of_motion(name)
  return name:match("^[KVH]%.") or name:match("^chart%.") or name:match("^friction%.")
    or name == "task.states"
end

local function of_decoder(name)
  return name:match("^decoder%.") or name:match("^projection%.")
end

-- Returns true if a parameter is trained in a stage.
local TRAINED = {
  images = function(name) return not name:match("^task%.") end,
  flatten = of_decoder,
  fit = of_motion,
  decoder = of_decoder,
  refit = of_motion,
  teach = function(name)
    return name:match("^encoder%.") or name:match("^f_psi%.")
  end,
}

-- A message if the configuration does not suit the Gauss-Newton method.
local function check_method(config)
  if config.fit_steps == 0 or config.fit_method ~= "gauss_newton" then return end
  if not gauss_newton.applies(config) then
    return "fit_method: gauss_newton requires variant = \"leapfrog\" or \"no_fpsi\", "
      .. "hamiltonian = \"separable\", method = \"leapfrog\" and friction = \"none\" or, with "
      .. "kinetic = \"quadratic\", \"constant\"; otherwise use \"adam\""
  end
  local count = gauss_newton.count(config)
  if count > gauss_newton.MAX then
    return string.format("fit_method: gauss_newton supports at most %d parameters "
      .. "of energies and chart, got %d: use energy_width and chart = 32, or "
      .. "\"adam\"", gauss_newton.MAX, count)
  end
end

-- A message if the second stage can't fit as many frames as asked for.
local function check_frames(config)
  if config.fit_steps == 0 then return end
  config.fit_frames = config.fit_frames or config.frames
  local longest = config.data_frames or config.frames
  if config.fit_frames < config.frames or config.fit_frames > longest then
    return string.format("fit_frames: expected from frames = %d to %d, the length of a "
      .. "training sequence, got %d", config.frames, longest, config.fit_frames)
  end
  if config.fit_frames < 3 and config.flatten_steps > 0 then
    return string.format("fit_frames: expected at least 3 with flatten_steps > 0, which needs "
      .. "accelerations, got %d", config.fit_frames)
  end
end

-- The stages after the first in their order, { name, steps } each.
local function later_stages(config)
  local list = {}
  for _ = 1, config.flatten_rounds do list[#list + 1] = { "flatten", config.redraw_steps } end
  list[#list + 1] = { "fit", config.fit_steps }
  for _ = 1, config.decoder_rounds do
    list[#list + 1] = { "decoder", config.decoder_steps }
    list[#list + 1] = { "refit", config.refit_steps }
  end
  list[#list + 1] = { "teach", config.teach_steps }
  return list
end

local function steps_of(list)
  local total = 0
  for _, stage in ipairs(list) do total = total + stage[2] end
  return total
end

--- Returns the number of steps after the first stage.
-- @tparam table values of a configuration; the defaults for those that are missing
-- @treturn integer
function M.later(values)
  return steps_of(later_stages(setmetatable({}, { __index = function(_, key)
    if values[key] ~= nil then return values[key] end
    return M.rules[key].default
  end })))
end

-- All stages in their order, { name, steps } each.
local function plan(config)
  local list = later_stages(config)
  return { { "images", config.steps - steps_of(list) }, table.unpack(list) }
end

-- Stored in checkpoints, in which "fit" has always been 2.
local REACHED = { images = 1, flatten = 1.5, fit = 2, decoder = 3, refit = 3, teach = 4 }

--- Returns how far a training run has come in a stage. With more steps its stages start at
-- other steps, but it can't go back to an earlier one: the weights that one began with were
-- overwritten.
-- @tparam string stage
-- @treturn number from 1; rounds of the same stages count as one
function M.reached(stage) return REACHED[stage] end

--- True if the second stage begins with flat coordinates; see torus.models.hgn.flatten.
-- @tparam table config
-- @treturn boolean
function M.flattens(config)
  return config.flatten_steps > 0 and config.chart > 0
    and config.kinetic == "quadratic" and config.hamiltonian == "separable"
end

-- What flat coordinates require, for messages.
local FLAT = "fit_steps, flatten_steps and chart above 0, kinetic = \"quadratic\", hamiltonian = "
  .. "\"separable\""

-- A message if the chart has a prior that the second stage does not use.
local function check_prior(config)
  if config.chart_prior == 0 then return end
  if config.fit_steps == 0 or not M.flattens(config) or config.fit_method ~= "gauss_newton" then
    return string.format("chart_prior: expected 0 without flat coordinates (%s) and fit_method "
      .. "= \"gauss_newton\", got %g", FLAT, config.chart_prior)
  end
end

-- A message if a stage lacks the one that it continues or precedes.
local function check_order(config)
  if config.flatten_rounds > 0 and not (config.fit_steps > 0 and M.flattens(config)) then
    return string.format("flatten_rounds: expected 0 without flat coordinates (%s), got %d",
      FLAT, config.flatten_rounds)
  end
  for _, pair in ipairs { { "decoder_steps", "fit_steps" }, { "refit_steps", "decoder_steps" } } do
    local key, before = pair[1], pair[2]
    if config[key] > 0 and config[before] == 0 then
      return string.format("%s: expected 0, as %s is 0, got %d", key, before, config[key])
    end
  end
end

-- The first key that makes a stage after the first one.
local function first_given(config)
  for _, key in ipairs { "flatten_rounds", "fit_steps", "decoder_steps", "refit_steps" } do
    if config[key] > 0 then return key end
  end
  return "teach_steps"
end

--- Fills in values that follow from the stages.
-- @tparam table config
-- @treturn ?string what is wrong with it
function M.complete(config)
  local later = M.later(config)
  if later == 0 then return end
  if config.phase ~= "vector" then
    return string.format("%s: expected 0, as only phase = \"vector\" has "
      .. "coordinates, and phase is %q", first_given(config), config.phase)
  end
  if config.fit_steps > 0 and config.static > 0 then
    return string.format("fit_steps: expected 0, as the second stage does not support static "
      .. "coordinates, got %d with static = %d", config.fit_steps, config.static)
  end
  if later > config.steps then
    return string.format("steps: expected at least the %d of the later stages (redraw_steps, "
      .. "fit_steps, decoder_steps, refit_steps and teach_steps), got %d; with a preset, "
      .. "fit_steps = 0 leaves them out", later, config.steps)
  end
  if config.teach_from == "coordinates" and config.fit_steps == 0 then
    return "teach_from: expected \"images\", as no coordinates are found "
      .. "with fit_steps = 0"
  end
  return check_order(config) or check_prior(config) or check_frames(config) or check_method(config)
end

--- Returns the stage of a training step.
-- @tparam table config
-- @tparam integer step from 1
-- @treturn string "images", "flatten", "fit", "decoder", "refit" or "teach"
-- @treturn integer step within the stage, from 1
-- @treturn integer which one it is of the stages of that name, from 1
-- @treturn integer the number of these
function M.of(config, step)
  local list = plan(config)
  local at = 1
  while at < #list and step > list[at][2] do
    step, at = step - list[at][2], at + 1
  end
  local name, round, rounds = list[at][1], 0, 0
  for i, stage in ipairs(list) do
    if stage[1] == name then
      rounds = rounds + 1
      if i <= at then round = round + 1 end
    end
  end
  return name, step, round, rounds
end

--- Drops the gradients of parameters that a stage does not train. Without a second stage,
-- the chart is trained with everything else.
-- @tparam table config
-- @tparam string stage
-- @tparam {{string,tensor},...} parameters
-- @tparam {tensor,...} gradients changed in place
function M.select(config, stage, parameters, gradients)
  for i, entry in ipairs(parameters) do
    local name = entry[1]
    local waits = stage == "images" and config.fit_steps > 0
      and name:match("^chart%.")
    if waits or not TRAINED[stage](name) then gradients[i] = nil end
  end
end

--- Returns the number of rollout steps that a training step uses: all, or a number that
-- grows over the first `horizon_steps`, slowly at first, because motion is learned from a
-- few frames and then only extended.
-- @tparam table config
-- @tparam integer step from 1
-- @treturn integer
function M.horizon(config, step)
  local last = config.frames - 1
  if step >= config.horizon_steps then return last end
  local first = math.min(config.horizon_start, last)
  local share = step / config.horizon_steps
  return first + math.floor((last - first) * share * share)
end

--- Returns the learning rate of each step; every stage has its own warm-up and decay.
-- @tparam table config
-- @treturn function of the step
-- @usage
-- config = assert(torus.runs.configuration.make("small", { model = "hgn" }))
-- rate = torus.train.learning_rate(config)
-- print(rate(1))
function M.learning_rate(config)
  local rates = {}
  for _, stage in ipairs(plan(config)) do
    local name, steps = table.unpack(stage)
    rates[name] = training.learning_rate(options.joined(config,
      { lr = config[RATES[name]], steps = steps }))
  end
  return function(step)
    local stage, within = M.of(config, step)
    return rates[stage](within)
  end
end

return M
