--- The dependent values in the configuration of an HNN: those that follow from the system and
-- its recipe, or from a file of states.
-- @module torus.tasks.hnn.settings
local hnn_data = require "torus.data.hnn_data"
local measured = require "torus.data.measured"
local schemes = require "torus.schemes"
local systems = require "torus.systems"
local training = require "torus.tasks.training"

local M = {}

--- The rules of the keys of a model of states: its data and its training. Defaults that
-- are missing here follow from the system: torus.data.hnn_data.recipe.
M.rules = {
  system = { type = "path",
    doc = "The simulated system, mass_spring by default; with `data`, the system of these "
      .. "states, with whose motion the report then compares." },
  data = { type = "path",
    doc = "A file of measured states instead of a simulation (torus.data.measured)." },
  dt = { type = "number", above = 0,
    doc = "Time between the states of `data`, unless the file states it." },
  data_seed = { type = "integer", min = 0,
    doc = "Seed of the data; by default the run's seed." },
  trajectories = { type = "integer", min = 2,
    doc = "Number of simulated trajectories; by default that of the system's recipe." },
  points = { type = "integer", min = 2,
    doc = "Number of states per simulated trajectory; by default that of the system's recipe." },
  span = { type = "number", above = 0,
    doc = "Time that a simulated trajectory lasts; by default that of the system's recipe." },
  noise = { type = "number", min = 0,
    doc = "Standard deviation of the noise of the simulated states; by default that of the "
      .. "system's recipe." },
  test_share = { type = "number", above = 0,
    doc = "Share of the trajectories that is held out for testing: 0.2 of those in a file, "
      .. "else that of the system's recipe." },
  start = { default = "system", choices = { "system", "square" },
    doc = "Initial states: the system's sampler, or the square of the original code of "
      .. "Greydanus et al." },
  dimension = { type = "integer", min = 1,
    doc = "Number of coordinates of q, and of p: the system's, or that of the data." },
  batch = { type = "integer", min = 0,
    doc = "Number of points, or of windows of rollouts, per step; 0 is all of them." },
  steps = { type = "integer", min = 0,
    doc = "Total number of training steps; by default that of the system's recipe." },
  lr = { default = 1e-3, type = "number", min = 0,
    doc = "Learning rate of Adam." },
  weight_decay = { type = "number", min = 0,
    doc = "Factor of the weights that is added to their gradients; by default that of the "
      .. "system's recipe." },
}

--- Names of the keys that determine the data.
M.data_keys = { "system", "data", "dt", "data_seed", "trajectories", "points", "span",
  "noise", "test_share", "start" }

-- Defaults with a file of states.
local MEASURED = { test_share = 0.2, steps = 2000, weight_decay = 1e-4 }

-- Number of windows per step.
local BATCH_OF_ROLLOUTS = 128

local function fill(config, values)
  for key, value in pairs(values) do
    if config[key] == nil then config[key] = value end
  end
end

local function complete_loss(config, given, rules)
  if config.loss == "derivatives" then
    config.batch = config.batch or 0
    return training.refuse(given, rules,
      { "horizon", "integrator", "substeps", "initial", "stride" },
      "with loss=derivatives, only with loss=rollout")
  end
  config.batch = config.batch or BATCH_OF_ROLLOUTS
  local separable = config.hamiltonian == "separable"
  config.integrator = config.integrator or separable and "leapfrog" or "rk4"
  if config.kind ~= "hnn" and config.integrator ~= "rk4" then
    return string.format("integrator: expected rk4 for the plain network, got %s",
      config.integrator)
  end
  if not separable and not schemes.accepts_joint(schemes.of(config.integrator)) then
    return string.format("integrator: %s needs hamiltonian=separable, got joint (for "
      .. "which there are: %s)", config.integrator,
      table.concat(schemes.names(schemes.accepts_joint), ", "))
  end
end

local function check_dimension(config, given, expected, of)
  if (given.dimension or expected) ~= expected then
    return string.format("dimension: expected that of %s, %d, got %d", of, expected,
      given.dimension)
  end
  config.dimension = expected
end

-- Fills in the dimension and the derivatives of a file, unless they are given.
local function read_file(config, given)
  if given.dimension and given.derivatives then return end
  local set = measured.open(config.data, { dt = config.dt,
    derivatives = given.derivatives or "auto", test_share = config.test_share })
  if not set then return end -- open_data has the message
  config.derivatives = set.derivatives
  return check_dimension(config, given, set.dimension, config.data)
end

local function complete_measured(config, given, rules)
  local problem = training.refuse(given, rules,
    { "trajectories", "points", "span", "noise", "start" },
    "for the states of " .. config.data)
  if problem then return problem end
  fill(config, MEASURED)
  if given.derivatives == nil then config.derivatives = "central" end
  if given.normalise == nil then config.normalise = true end
  problem = read_file(config, given)
  if problem then return problem end
  local system = config.system and systems.find(config.system)
  if not system then return end
  return check_dimension(config, { dimension = config.dimension }, system.dimension,
    system.name) or training.pin_system(config)
end

--- Completes a configuration.
-- @tparam table config
-- @tparam table given the values without defaults
-- @tparam table rules
-- @treturn ?string message if values contradict each other
function M.complete(config, given, rules)
  local problem
  if config.data then
    problem = complete_measured(config, given, rules)
      or complete_loss(config, given, rules)
    config.data_seed = config.data_seed or config.seed
    return problem
  end
  problem = training.refuse(given, rules, { "dt" }, "without data; points and span determine it")
  if problem then return problem end
  config.system = config.system or "mass_spring"
  local recipe = hnn_data.recipe(config.system)
  for _, key in ipairs { "trajectories", "points", "span", "noise", "test_share", "steps",
    "weight_decay" } do
    if config[key] == nil then config[key] = recipe[key] end
  end
  if config.loss == "derivatives" then config.batch = config.batch or recipe.batch end
  problem = complete_loss(config, given, rules)
  if problem then return problem end
  config.data_seed = config.data_seed or config.seed
  local system = systems.find(config.system)
  if not system then return end -- open_data has the message
  return check_dimension(config, given, system.dimension, config.system)
    or training.pin_system(config)
end

local SIMULATED = { "trajectories", "points", "span", "noise", "test_share",
  "derivatives", "start", "dtype" }

local function simulated(config, system)
  local o = { seed = config.data_seed }
  for _, key in ipairs(SIMULATED) do o[key] = config[key] end
  return hnn_data.make(system, o)
end

-- Checks that both parts have trajectories longer than the horizon.
local function check_horizon(config, set)
  for _, name in ipairs { "train", "test" } do
    local sequence = set[name].sequence
    if not sequence then
      return nil, config.data .. ": loss=rollout: expected trajectories, and the time "
        .. "between states as dt or a column t"
    end
    local longest = 0
    for _, n in ipairs(sequence.lengths) do longest = math.max(longest, n) end
    if longest <= config.horizon then
      return nil, string.format("horizon: expected at most %d, the steps of the longest "
        .. "trajectory for %s, got %d", longest - 1,
        name == "train" and "training" or "tests", config.horizon)
    end
  end
  return set
end

--- Makes or opens the data of a configuration.
-- @tparam table config
-- @treturn ?table as returned by torus.data.hnn_data or torus.data.measured, with the system
-- if it is known
-- @treturn ?string message
function M.open_data(config)
  local system, message, set
  if config.system then
    system, message = systems.find(config.system)
    if not system then return nil, message end
  end
  if config.data then
    set, message = measured.open(config.data, { dt = config.dt, seed = config.data_seed,
      derivatives = config.derivatives, test_share = config.test_share,
      dtype = config.dtype })
    if not set then return nil, message end
    set.system = system
  else
    set = simulated(config, system)
  end
  if config.loss == "rollout" then return check_horizon(config, set) end
  return set
end

return M
