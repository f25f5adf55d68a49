--- The stages of an HGN's training. The first one learns from images and is by default the
-- only one. For a vector phase space two more can follow: `fit_steps` fit the Hamiltonian
-- and the chart to the coordinates that the trained decoder finds in the frames
-- (torus.tasks.hgn.fit), and `teach_steps` teach the encoder the states that belong to this
-- Hamiltonian. `steps` includes all of them.
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
  fit_size = { default = 1024, type = "integer", min = 1,
    doc = "Number of training sequences whose coordinates the second stage finds and fits." },
  fit_frames = { type = "integer", min = 2,
    doc = "Number of frames of these sequences that the second stage fits, from the first on; "
      .. "by default `frames`. The longer the sequences, the more precise is the force: an "
      .. "error of it that another initial state hides in a few frames shows in many." },
  fit_batch = { default = 256, type = "integer", min = 1,
    doc = "Number of these sequences per step, with fit_method adam." },
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

-- Returns true if a parameter is trained in a stage.
local TRAINED = {
  images = function(name) return not name:match("^task%.") end,
  fit = function(name)
    return name:match("^[KVH]%.") or name:match("^chart%.")
      or name:match("^friction%.")
      or name == "task.states"
  end,
  teach = function(name)
    return name:match("^encoder%.") or name:match("^f_psi%.")
  end,
}

-- A message if the configuration does not suit the Gauss-Newton method.
local function check_method(config)
  if config.fit_steps == 0 or config.fit_method ~= "gauss_newton" then return end
  if not gauss_newton.applies(config) then
    return "fit_method: gauss_newton requires a separable Hamiltonian, method = "
      .. "\"leapfrog\" and friction = \"none\" or, with kinetic = \"quadratic\", "
      .. "\"constant\"; otherwise use \"adam\""
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
  local most = config.data_frames or config.frames
  if config.fit_frames < config.frames or config.fit_frames > most then
    return string.format("fit_frames: expected from frames = %d to %d, the length of a "
      .. "training sequence, got %d", config.frames, most, config.fit_frames)
  end
end

--- Fills in values that follow from the stages.
-- @tparam table config
-- @treturn ?string what is wrong with it
function M.complete(config)
  local later = config.fit_steps + config.teach_steps
  if later == 0 then return end
  if config.phase ~= "vector" then
    return string.format("%s: expected 0, as only phase = \"vector\" has "
      .. "coordinates, and phase is %q",
      config.fit_steps > 0 and "fit_steps" or "teach_steps", config.phase)
  end
  if config.fit_steps > 0 and config.static > 0 then
    return string.format("fit_steps: expected 0, as the second stage does not support static "
      .. "coordinates, got %d with static = %d", config.fit_steps, config.static)
  end
  if later > config.steps then
    return string.format("steps: expected at least fit_steps + teach_steps = "
      .. "%d, got %d", later, config.steps)
  end
  if config.teach_from == "coordinates" and config.fit_steps == 0 then
    return "teach_from: expected \"images\", as no coordinates are found "
      .. "with fit_steps = 0"
  end
  return check_frames(config) or check_method(config)
end

--- Returns the stage of a training step.
-- @tparam table config
-- @tparam integer step from 1
-- @treturn string "images", "fit" or "teach"
-- @treturn integer step within the stage, from 1
-- @treturn integer number of steps of the stage
function M.of(config, step)
  local first = config.steps - config.fit_steps - config.teach_steps
  if step <= first then return "images", step, first end
  local second = first + config.fit_steps
  if step <= second then return "fit", step - first, config.fit_steps end
  return "teach", step - second, config.teach_steps
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
  for stage, lr in pairs { images = config.lr, fit = config.fit_lr,
    teach = config.teach_lr } do
    local _, _, steps = M.of(config, stage == "images" and 1
      or stage == "fit" and config.steps - config.teach_steps or config.steps)
    rates[stage] = training.learning_rate(options.joined(config,
      { lr = lr, steps = steps }))
  end
  return function(step)
    local stage, within = M.of(config, step)
    return rates[stage](within)
  end
end

return M
