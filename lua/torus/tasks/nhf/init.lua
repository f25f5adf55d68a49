--- The task of training and measuring a Neural Hamiltonian Flow on samples of a
-- density; see torus.tasks.
-- @module torus.tasks.nhf
local arrays = require "torus.tasks.nhf.arrays"
local baselines = require "torus.tasks.nhf.baselines"
local training = require "torus.tasks.training"
local report = require "torus.tasks.nhf.report"
local geco = require "torus.optim.geco"
local nhf = require "torus.models.nhf"
local options = require "torus.options"
local targets = require "torus.data.targets"
local engine = require "torus.engine"
local systems = require "torus.systems"

local Task = {}
Task.__index = Task

-- Of the training; the model's are in torus.models.nhf.
local MORE = {
  model = { default = "nhf", choices = { "nhf" },
    doc = "The model; the command line names it." },
  target = { default = "mixture", choices = { "system", table.unpack(targets.names) },
    doc = "The density to learn." },
  system = { type = "path",
    doc = "A system in a heat bath instead: the density of its positions is exp(-V / "
      .. "temperature). There are no samples, so the objective is \"reverse\"." },
  temperature = { default = 1, type = "number", above = 0,
    doc = "Temperature of the heat bath." },
  data = { type = "path",
    doc = "A .npy, .npz or .csv file of samples, instead of target." },
  test_share = { type = "number", above = 0, max = 0.9,
    doc = "Share of the samples of `data` that is held out; 0.2 by default." },
  data_seed = { type = "integer", min = 0,
    doc = "Seed with which held-out samples are drawn; 0 by default." },
  modes = { default = 4, type = "integer", min = 1,
    doc = "Number of modes of target mixture." },
  radius = { type = "number", min = 0,
    doc = "Distance of the modes of target mixture from the origin." },
  std = { default = 0.4, type = "number", above = 0,
    doc = "Standard deviation of a mode of target mixture." },
  objective = { default = "elbo", choices = { "elbo", "geco", "reverse" },
    doc = "\"elbo\" maximises eq. (6). \"geco\" minimises E[ln f], the negative entropy of "
      .. "the momenta, subject to E[-ln pi(s_0)] <= tolerance. \"reverse\" learns from the "
      .. "target's density instead of its samples." },
  anneal = { default = 0, type = "number", min = 0, max = 1,
    doc = "With objective \"reverse\", the share of the steps in which the logarithm of the "
      .. "density is multiplied by a factor that grows from 0.1 to 1, so that all modes are "
      .. "found." },
  tolerance = { type = "number",
    doc = "Bound of E[-ln pi(s_0)] with objective geco; by default the prior's own entropy, "
      .. "which a perfect flow attains." },
  geco_rate = { default = 0.02, type = "number", min = 0,
    doc = "Step size of GECO (torus.optim.geco). With that of an HGN the multiplier "
      .. "oscillates by factors of a hundred." },
  geco_bound = { default = 0.005, type = "number", min = 0,
    doc = "Largest change of the multiplier's logarithm in a step of GECO." },
  geco_decay = { default = 0.9, type = "number", min = 0, max = 1,
    doc = "Decay of GECO's moving average." },
  batch = { default = 512, type = "integer", min = 1,
    doc = "Number of samples per training step." },
  steps = { default = 10000, type = "integer", min = 0,
    doc = "Total number of training steps." },
  lr = { default = 3e-4, type = "number", min = 0,
    doc = "Learning rate of Adam." },
  evaluate_count = { default = 2048, type = "integer", min = 1,
    doc = "Number of samples for test_elbo in log.csv." },
}

Task.rules = training.rules(nhf.rules, MORE)
Task.model_rules = nhf.rules
Task.data_keys = { "target", "system", "temperature", "data", "test_share", "data_seed",
  "modes", "radius", "std" }

local FAST = { batch = 256, lr = 1e-2, lr_decay = "cosine", warmup = 50,
  energy_gain = 2, max_gradient = 10 }

--- Named changes to the defaults:
--
-- - `full` is the paper's;
-- - `small` learns faster, with a schedule; `long` is `small` for more steps. The
--   learning rate matters most: on eight modes, after 800 steps of 256 samples,
--   the bound is 0.26 nats below the target's negative entropy with 2e-3, 0.20
--   with 5e-3 and 0.16 with 1e-2. With 2e-3, half the batch and twice the steps
--   gave 0.23, an energy_gain of 3 gave 0.21; twice the time of a flow, or with
--   5e-3 eight flows instead of five, made no difference;
-- - `fine` is for the smallest gap: f(p|q) is a flow too, and each of twelve leapfrog
--   steps has a Hamiltonian of its own and a squeeze. For eight modes, in 12 s
--   each, twice as many Hamiltonians half as wide took the divergence from 0.08 to 0.02 and
--   the gap from 0.17 to 0.08; the squeeze took the gap of 16 dimensions from 0.88 to 0.39
--   and that of two rings from 0.32 to 0.24, in 1,500 steps;
-- - `one` has a single Hamiltonian for the whole flow, whose potential acts on the
--   states all along: its minima are the modes.
Task.presets = {
  full = {},
  small = options.joined(FAST, { steps = 1200 }),
  long = options.joined(FAST, { steps = 6000 }),
  fine = options.joined(FAST, { steps = 4000, energy_gain = 3, flows = 12, leaps = 1,
    width = 64, squeeze = true, posterior = "flow", couplings = 8 }),
  one = { steps = 1500, batch = 256, lr = 2e-3, lr_decay = "cosine",
    warmup = 20, energy_gain = 2, max_gradient = 10, flows = 1, leaps = 8,
    prior = "soft_uniform" },
}

-- Keys that have a meaning for one sort of target only.
local OF_MIXTURES = { "modes", "radius", "std" }
local OF_SAMPLES = { "test_share", "data_seed" }
local OF_SYSTEMS = { "temperature" }

-- A message where one of the keys has another value than its default, or nil.
local function refuse(given, keys, of)
  return training.refuse(given, Task.rules, keys, "for " .. of)
end

local function joined(...)
  local list = {}
  for _, part in ipairs { ... } do table.move(part, 1, #part, #list + 1, list) end
  return list
end

local function complete_samples(config, given)
  local problem = refuse(given, joined({ "target", "system" }, OF_MIXTURES, OF_SYSTEMS),
    "the samples of " .. config.data)
  if problem then return problem end
  if config.objective == "reverse" then
    return "objective: expected elbo or geco for samples, whose density is not known, "
      .. "got \"reverse\""
  end
  config.test_share, config.data_seed =
    config.test_share or 0.2, config.data_seed or 0
  local target = targets.samples(config.data)
  if not target then return end -- open_data has the message
  if (given.dimension or target.dimension) ~= target.dimension then
    return string.format("dimension: expected that of the samples of %s, %d, "
      .. "got %d", config.data, target.dimension, given.dimension)
  end
  config.dimension = target.dimension
end

local function complete_system(config, given)
  if given.target ~= nil and given.target ~= "system" then
    return string.format("target: expected none next to a system, got %s",
      options.show(given.target))
  end
  local system, message = systems.find(config.system)
  if not system then return message end
  local of = "system " .. system.name
  local problem = refuse(given, joined(OF_MIXTURES, OF_SAMPLES), of)
    or training.pin_system(config)
  if problem then return problem end
  if (given.dimension or system.dimension) ~= system.dimension then
    return string.format("dimension: expected that of %s, %d, got %d", of,
      system.dimension, given.dimension)
  end
  if (given.objective or "reverse") ~= "reverse" then
    return string.format("objective: expected reverse for %s, of which there are no "
      .. "samples, got %s", of, options.show(given.objective))
  end
  config.target, config.system, config.dimension = "system", system.name, system.dimension
  config.objective = "reverse"
end

--- Fills in the dimension of the target, and the share of a user's samples that
-- is held out.
-- @tparam table config
-- @tparam table given the values without defaults
-- @treturn ?string message where they contradict the target
function Task.complete(config, given)
  if config.data then return complete_samples(config, given) end
  if config.system then return complete_system(config, given) end
  if config.target == "system" then return "system: expected its name, got none" end
  if config.objective == "reverse" and config.target == "checkerboard" then
    return "objective: expected elbo or geco for target checkerboard, whose density has "
      .. "no gradient, got \"reverse\""
  end
  local problem = refuse(given, joined(OF_SAMPLES, OF_SYSTEMS), "target " .. config.target)
  if config.target == "mixture" or problem then return problem end
  if (given.dimension or 2) ~= 2 then
    return string.format("dimension: expected that of target %s, 2, got %d",
      config.target, given.dimension)
  end
  config.dimension = 2
  return refuse(given, OF_MIXTURES, "target " .. config.target)
end

--- @tparam table config
-- @treturn ?Target
-- @treturn ?string message
function Task.open_data(config)
  if config.data then
    return targets.samples(config.data, { test_share = config.test_share,
      seed = config.data_seed })
  end
  if config.system then
    local system, message = systems.find(config.system)
    if not system then return nil, message end
    return targets.boltzmann(system, config.temperature)
  end
  if config.target ~= "mixture" then return targets.get(config.target) end
  return targets.get("mixture", { modes = config.modes, radius = config.radius,
    std = config.std, dimension = config.dimension })
end

--- @tparam table config
-- @tparam[opt] generator generator
-- @treturn Module
function Task.model(config, generator)
  return nhf.new(training.part(config, nhf.rules), generator)
end

--- @tparam table config
-- @tparam Target data
-- @treturn Task
function Task.new(config, data)
  local self = training.begin(Task, config, data)
  training.add_optimiser(self)
  self.columns = { "loss", "elbo", "cross_entropy", "multiplier", "test_elbo" }
  if config.objective == "geco" then
    self.geco = geco.new { tolerance = config.tolerance
      or self.model.prior:entropy(), rate = config.geco_rate,
      bound = config.geco_bound, decay = config.geco_decay }
  end
  return self
end

--- @tparam[opt] integer step of which "reverse" anneals the density
-- @treturn table samples of the target and the noise of their momenta, or states of
-- the prior
function Task:draw(step)
  local c = self.config
  if c.objective == "reverse" then
    local q, p = self.model.prior:sample(c.batch, self.generator)
    return { size = c.batch, q = q, p = p, factor = c.anneal > 0 and step
      and math.min(1, 0.1 + 0.9 * step / (c.anneal * c.steps)) or 1 }
  end
  self.rows = self.data:sample(c.batch, self.generator, c.dtype)
  return { size = self.rows:size(1), rows = self.rows,
    epsilon = engine.randn(self.rows.shape, { dtype = c.dtype, generator = self.generator }) }
end

-- Without samples: the bound on ln Z of the model's own ones.
local function reverse_share(self, batch, first, count)
  local fit
  local nats = self.model:evidence(function(q)
    fit = self.data:log_density(q)
    return fit * batch.factor
  end, count, { q = batch.q:narrow(1, first, count), p = batch.p:narrow(1, first, count) })
  local loss = -nats:mean()
  return training.gradients(loss, self.weights), { loss = loss:item(),
    elbo = -loss:item(), cross_entropy = -fit:mean():item(), multiplier = batch.factor }
end

--- @tparam table batch of draw
-- @tparam integer first
-- @tparam integer count
-- @treturn {tensor,...} gradients
-- @treturn table numbers for the log
function Task:share(batch, first, count)
  if self.config.objective == "reverse" then
    return reverse_share(self, batch, first, count)
  end
  local log_pi, log_f = self.model:terms(batch.rows:narrow(1, first, count),
    { epsilon = batch.epsilon:narrow(1, first, count) })
  local fit, entropy = -log_pi:mean(), log_f:mean()
  local multiplier = self.geco and self.geco:multiplier() or 1
  local loss = fit * multiplier + entropy
  local gradients = training.gradients(loss, self.weights)
  local cross_entropy = fit:item()
  return gradients, { loss = loss:item(), multiplier = multiplier,
    cross_entropy = cross_entropy, elbo = -cross_entropy - entropy:item() }
end

Task.step = training.step

--- Called after an update of the weights.
function Task:after_update(numbers)
  if self.geco then self.geco:update(numbers.cross_entropy) end
end

Task.numbers, Task.load_numbers = training.numbers, training.load_numbers

function Task:first_bad()
  return training.first_bad(self.parameters)
    or self.rows and training.first_bad { { "the samples", self.rows } }
end

--- The bound on fresh samples of the target, or on a user's held-out ones; of
-- "reverse" that on ln Z. The same samples every time.
function Task:evaluate()
  local c, generator = self.config, engine.generator(123456789)
  if c.objective == "reverse" then
    return { test_elbo = engine.no_grad(function()
      return self.model:evidence(function(q) return self.data:log_density(q) end,
        c.evaluate_count, { generator = generator }):mean():item()
    end) }
  end
  local source = self.data.held_out or self.data
  local x = source:sample(c.evaluate_count, generator, c.dtype)
  return { test_elbo = engine.no_grad(function()
    return self.model:elbo(x, { generator = generator }):mean():item()
  end) }
end

Task.learning_rate = training.learning_rate
Task.report = report.report
Task.title = "Neural Hamiltonian Flow, a density from samples or energies"
Task.report_options = { pictures = true }
Task.baselines = baselines
Task.arrays = arrays.arrays
Task.points = true -- its arrays have densities at given points

return training.checked("nhf", Task, "log_density: function")
