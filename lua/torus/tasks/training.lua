--- Functions shared by the training runs of all models: rules, schedule, gradients, state.
-- @module torus.tasks.training
local adam = require "torus.optim.adam"
local core = require "torus.core"
local dist = require "torus.dist"
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"
local systems = require "torus.systems"
local tasks = require "torus.tasks"

local M = {}

-- Rules of every run, in addition to those of its model and its data.
local RULES = {
  seed = { default = 1, type = "integer", min = 0,
    doc = "Seed of the initial weights, the noise and the order of the data." },
  shares = { type = "integer", min = 1, max = 4096,
    doc = "Number of parts of a batch whose gradients are computed one by one, which "
      .. "processes can divide; by default as many as there are processes. Other numbers "
      .. "round differently: with 4, results are bit-identical on 1, 2 and 4 processes." },
  system_constants = { type = "string",
    doc = "The constants of a user-defined system, as text; the run records them itself." },
  system_energies = { type = "string",
    doc = "The energies of a few states of a user-defined system, as text; the run records them "
      .. "itself." },
  data_path = { type = "path",
    doc = "The absolute path of `data`; the run records it itself." },
  data_hash = { type = "string",
    doc = "A hash of the files of `data`; the run records it itself." },
  lr_decay = { default = "none", choices = { "none", "cosine" },
    doc = "Learning rate over time: constant, or falling along a cosine to a hundredth of "
      .. "itself." },
  warmup = { default = 0, type = "integer", min = 0,
    doc = "Number of steps over which the learning rate first rises linearly." },
  max_gradient = { type = "number", above = 0,
    doc = "Norm to which larger gradients are scaled down; by default they are not." },
  save_every = { default = 500, type = "integer", min = 1,
    doc = "Number of steps between checkpoints." },
  log_every = { default = 10, type = "integer", min = 1,
    doc = "Number of steps between the rows of log.csv." },
  evaluate_every = { default = 500, type = "integer", min = 1,
    doc = "Number of steps between evaluations on held-out data, for log.csv." },
}

--- Returns the rules of a task: those of every run, the model's, and more.
-- @tparam table model_rules
-- @tparam table more
-- @treturn table
function M.rules(model_rules, more)
  local rules = options.joined(RULES, model_rules, more)
  for key, rule in pairs(rules) do
    if rule.type == "integer" and not rule.max and not key:find("seed") then
      rules[key] = options.joined(rule, { max = tasks.MAX_INTEGER })
    end
  end
  return rules
end

-- "k = 1, m = 0.5"
local function constants_of(system)
  local texts = {}
  for i, name in ipairs(options.sorted_keys(system.constants)) do
    texts[i] = string.format("%s = %.17g", name, system.constants[name])
  end
  return table.concat(texts, ", ")
end

-- Number of states, and how far the energies may be rounded.
local STATES, ROUNDING = 4, 1e-6

-- The energies of states that do not depend on the definition and, if there is an external force,
-- its components: "0.5, 1.25".
local function energies_of(system)
  return engine.no_grad(function()
    local d = system.dimension
    local i = engine.arange(1, STATES * d, { dtype = "float64" }):reshape(STATES, d)
    local q, p, force = (i * 1.7):sin(), (i * 2.3):cos(), system:force()
    local numbers = system:energy(q, p):reshape(-1)
    if force then
      numbers = engine.cat({ numbers, (force(q, q:narrow(2, 1, 1)) + q * 0):reshape(-1) }, 1)
    end
    local texts = {}
    for k, x in ipairs(numbers:totable()) do texts[k] = x == x and ("%.9g"):format(x) or "nan" end
    return table.concat(texts, ", ")
  end)
end

-- True if two such texts are of the same numbers, up to rounding.
local function alike(a, b)
  local of_b = b:gmatch "[^, ]+"
  for one in a:gmatch "[^, ]+" do
    local other = of_b()
    local x, y = tonumber(one), tonumber(other)
    local close = x and y
      and math.abs(x - y) <= ROUNDING * math.max(math.abs(x), math.abs(y), ROUNDING)
    if one ~= other and not close then return false end
  end
  return of_b() == nil
end

--- Writes the constants of a user-defined system and the energies of a few states to a
-- configuration, or compares them with the existing ones: the system itself is not part of a
-- run, and its file may have changed.
-- @tparam table config
-- @treturn ?string what is wrong
function M.pin_system(config)
  local system = config.system and systems.find(config.system)
  if not system or systems.is_built_in(system.name) then return end
  local constants, energies = constants_of(system), energies_of(system)
  if config.system_constants and config.system_constants ~= constants then
    return string.format("system: expected %s with the constants of the run "
      .. "(%s), got %s", system.name, config.system_constants, constants)
  end
  if config.system_energies and not alike(config.system_energies, energies) then
    return string.format("system: expected %s with the energies and forces of the run (at fixed "
      .. "states %s), got another definition (%s)", system.name, config.system_energies, energies)
  end
  config.system_constants = constants
  config.system_energies = config.system_energies or energies
end

-- Checks that a configuration is complete, as made by torus.runs.configuration.
local function check_configuration(where, config, rules)
  for _, key in ipairs(options.sorted_keys(rules)) do
    local rule, value = rules[key], config[key]
    if value == nil and rule.default ~= nil then
      options.raise("%s: config: %s is missing; torus.runs.configuration.make "
        .. "completes a configuration", where, key)
    end
    local problem = value ~= nil and options.check(value, rule)
    if problem then options.raise("%s: config: %s: %s", where, key, problem) end
  end
end

--- Adds argument checks to the functions of a task that scripts may call.
-- @tparam string name of the model
-- @tparam table Task
-- @tparam string data the fields of the data passed to `new`, in the notation of
-- torus.signature
-- @treturn table Task
function M.checked(name, Task, data)
  local function further(where, config, given)
    check_configuration(where, config, Task.rules)
    if given ~= nil then signature.fields(where .. ": data", given, data) end
  end
  return signature.functions(name, Task, { open_data = "config: table",
    learning_rate = "config: table", new = "config: table, data: table" }, further)
end

--- Returns a message if a key is given that has no effect, that is, with another value than its
-- default.
-- @tparam table given
-- @tparam table rules
-- @tparam {string,...} keys
-- @tparam string why
-- @treturn ?string
function M.refuse(given, rules, keys, why)
  for _, key in ipairs(keys) do
    if given[key] ~= nil and given[key] ~= rules[key].default then
      return string.format("%s: expected none %s, got %s", key, why, options.show(given[key]))
    end
  end
end

--- Returns the part of a configuration that has a rule.
-- @tparam table config
-- @tparam table rules
-- @treturn table
function M.part(config, rules)
  local part = {}
  for key in pairs(rules) do part[key] = config[key] end
  return part
end

--- Returns the learning rate as a function of the step: a linear warm-up, then constant or
-- a cosine down to a hundredth.
-- @tparam table config lr, lr_decay, warmup, steps
-- @treturn function of the step
-- @usage
-- rate = require("torus.tasks.training").learning_rate{ lr = 1e-3, warmup = 10,
--   lr_decay = "cosine", steps = 1000 }
-- print(rate(5), rate(1000))   -- 0.0005  1e-05
function M.learning_rate(config)
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

--- Begins a training run: with its configuration, data, generator, and an untrained model.
-- @tparam table Task the class, with model(config, generator)
-- @tparam table config
-- @tparam table data
-- @treturn table
function M.begin(Task, config, data)
  local self = setmetatable({ config = config, data = data,
    generator = engine.generator(config.seed) }, Task)
  self.model = Task.model(config, self.generator)
  return self
end

--- Adds the model's parameters and their optimiser, Adam, to a training run.
-- @tparam table task with config and model
function M.add_optimiser(task)
  local config = task.config
  task.parameters = task.model:named_parameters()
  task.weights = task.model:parameters()
  task.optimiser = adam.new(task.weights, { lr = config.lr,
    weight_decay = config.weight_decay })
end

--- Returns the gradients of a loss; nil for parameters that it does not depend on.
-- @tparam tensor loss scalar
-- @tparam {tensor,...} parameters
-- @treturn {tensor,...}
function M.gradients(loss, parameters)
  return engine.grad(loss, parameters, { allow_unused = true })
end

--- Ends a step that takes minutes if the user has asked to stop: as if it had not begun, so it
-- may not have changed anything yet. Several processes can only stop together, after a step.
function M.stop_if_asked()
  if dist.size() == 1 and core.stopping() then error("interrupted!", 0) end
end

--- Makes a step of a task that draws a batch and computes the gradients of shares of it, here
-- as a single share.
-- @tparam table task with draw and share, see torus.tasks
-- @tparam integer step of the training, from 1
-- @treturn {tensor,...} gradients
-- @treturn table numbers for the log
function M.step(task, step)
  local batch = task:draw(step)
  return task:share(batch, 1, batch.size)
end

--- Returns the state of a task as numbers, for a checkpoint: its generator and, if present,
-- the order of its data and GECO.
-- @tparam table task generator, order, geco
-- @treturn {[string]=number}
function M.numbers(task)
  local seed, position = task.generator:state()
  local numbers = { rng_seed = seed, rng_position = position }
  if task.order then
    local state = task.order:state()
    numbers.epoch, numbers.epoch_used = state.epoch, state.used
  end
  for key, value in pairs(task.geco and task.geco:state() or {}) do
    numbers["geco_" .. key] = value
  end
  return numbers
end

--- Restores the state of a task; the inverse of numbers.
-- @tparam table task
-- @tparam {[string]=number} numbers
function M.load_numbers(task, numbers)
  task.generator:set_state(numbers.rng_seed, numbers.rng_position)
  if task.order then
    task.order:set_state { epoch = numbers.epoch, used = numbers.epoch_used }
  end
  if task.geco and numbers.geco_exponent then
    task.geco:load_state { exponent = numbers.geco_exponent,
      moving = numbers.geco_moving }
  end
end

--- Finds the first tensor that contains a NaN or an infinity.
-- @tparam {{string,tensor},...} named
-- @treturn ?string its name
function M.first_bad(named)
  return engine.no_grad(function()
    for _, entry in ipairs(named) do
      if not entry[2]:isfinite():all():item() then return entry[1] end
    end
    return nil
  end)
end

return M
