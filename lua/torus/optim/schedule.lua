--- Schedules of learning rates.
--
-- A schedule sets the field `lr` of an optimiser: to its first value immediately, to the
-- next one with every call of step. The rate depends only on the optimiser's initial rate
-- and the number of calls. All schedules except plateau can begin with a linear warm-up,
-- after which they count from 0:
--
--     net = torus.nn.Linear(2, 1)
--     optimiser = torus.optim.adamw(net:parameters(), { lr = 1e-3 })
--     schedule = torus.optim.schedule.cosine(optimiser, { steps = 1000, warmup = 100 })
--     for _ = 1, 1000 do
--       -- ...
--       optimiser:step(torus.grad(net(torus.rand(4, 2)):sum(), net:parameters()))
--       schedule:step()
--     end
-- @module torus.optim.schedule
local options = require "torus.options"
local signature = require "torus.signature"
local unknown = require "torus.unknown"

local M = {}

--- A schedule of a learning rate; the functions of torus.optim.schedule make it.
-- @type Schedule
local Schedule = {}
Schedule.__index = Schedule
Schedule.__name = "torus.optim.schedule"

local COMMON = {
  warmup = { default = 0, type = "integer", min = 0 },
  warmup_start = { default = 0.01, type = "number", min = 0 },
}

local function check_optimiser(name, optimiser)
  if type(optimiser) ~= "table" or type(optimiser.lr) ~= "number" then
    options.raise("schedule.%s: expected an optimiser with a learning rate, got %s", name,
      options.show(optimiser))
  end
end

-- factor(n) multiplies the initial rate after n calls of step following the warm-up.
local function make(name, optimiser, o, factor)
  check_optimiser(name, optimiser)
  local self = setmetatable({ name = name, optimiser = optimiser, first = optimiser.lr,
    factor = factor, warmup = o.warmup, warmup_start = o.warmup_start, steps = 0 }, Schedule)
  optimiser.lr = self:rate(0)
  return self
end

local function resolve(name, opts, rules)
  return options.resolve("schedule." .. name, opts, options.joined(COMMON, rules))
end

--- Returns the rate after a number of calls of step.
-- @tparam[opt] integer steps number of calls; by default those made so far
-- @treturn number
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- schedule = torus.optim.schedule.exponential(optimiser, { factor = 0.5 })
-- print(schedule:rate(3))   -- 0.125
function Schedule:rate(steps)
  if steps == nil then steps = self.steps end
  options.argument("schedule:rate", "steps", steps, { type = "integer", min = 0 })
  if steps < self.warmup then
    return self.first * (self.warmup_start + (1 - self.warmup_start) * steps / self.warmup)
  end
  return self.first * self.factor(steps - self.warmup)
end

--- Sets the next rate.
-- @treturn number the rate
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- schedule = torus.optim.schedule.linear_decay(optimiser, { steps = 4 })
-- print(schedule:step(), optimiser.lr)   -- 0.75  0.75
function Schedule:step()
  self.steps = self.steps + 1
  self.optimiser.lr = self:rate(self.steps)
  return self.optimiser.lr
end

--- Returns the state, to be saved for resuming.
-- @treturn table steps, an integer, and first, the initial rate
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- print(torus.optim.schedule.constant(optimiser):state().first)   -- 1
function Schedule:state() return { steps = self.steps, first = self.first } end

--- Restores a state and sets its learning rate.
-- @tparam table state as returned by state()
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- schedule = torus.optim.schedule.linear_decay(optimiser, { steps = 4 })
-- schedule:load_state { steps = 2, first = 1 }
-- print(optimiser.lr)   -- 0.5
function Schedule:load_state(state)
  local s = options.resolve("schedule:load_state", state, {
    steps = { required = true, type = "integer", min = 0 },
    first = { required = true, type = "number" },
  })
  self.steps, self.first = s.steps, s.first
  self.optimiser.lr = self:rate(s.steps)
end

function Schedule:__tostring()
  return string.format("schedule.%s(lr=%g, step %d)", self.name, self.optimiser.lr,
    self.steps)
end

--- A constant rate, optionally after a warm-up.
-- @function torus.optim.schedule.constant
-- @tparam Optimiser optimiser
-- @tparam[opt] table opts
-- @tparam[opt=0] integer opts.warmup number of steps over which the rate rises linearly
-- @tparam[opt=0.01] number opts.warmup_start initial fraction of the rate
-- @treturn Schedule
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- schedule = torus.optim.schedule.constant(optimiser, { warmup = 10, warmup_start = 0.1 })
-- print(optimiser.lr, schedule:rate(10))   -- 0.1  1
function M.constant(optimiser, opts)
  return make("constant", optimiser, resolve("constant", opts, {}), function() return 1 end)
end

--- Multiplies the rate by a factor every so many steps, or at given steps.
-- @function torus.optim.schedule.step
-- @tparam Optimiser optimiser
-- @tparam table opts
-- @tparam[opt] integer opts.every steps; or
-- @tparam[opt] {integer,...} opts.at the steps at which the rate falls
-- @tparam[opt=0.1] number opts.factor
-- @tparam[opt=0] integer opts.warmup number of steps over which the rate rises linearly
-- @tparam[opt=0.01] number opts.warmup_start initial fraction of the rate
-- @treturn Schedule
-- @raise unless one of every and at is given
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- schedule = torus.optim.schedule.step(optimiser, { every = 10, factor = 0.5 })
-- print(schedule:rate(9), schedule:rate(10), schedule:rate(20))   -- 1  0.5  0.25
function M.step(optimiser, opts)
  local o = resolve("step", opts, { every = { type = "integer", min = 1 },
    at = { type = "table" }, factor = { default = 0.1, type = "number", above = 0 } })
  if (o.every == nil) == (o.at == nil) then
    options.raise("schedule.step: expected one of the options \"every\" and \"at\", got %s",
      o.every and "both" or "neither")
  end
  for i, n in ipairs(o.at or {}) do
    options.argument("schedule.step", "at " .. i, n, { type = "integer", min = 0 })
  end
  return make("step", optimiser, o, function(n)
    local falls = o.every and n // o.every or 0
    for _, at in ipairs(o.at or {}) do
      if n >= at then falls = falls + 1 end
    end
    return o.factor ^ falls
  end)
end

--- Multiplies the rate by a factor at every step.
-- @function torus.optim.schedule.exponential
-- @tparam Optimiser optimiser
-- @tparam table opts
-- @tparam number opts.factor
-- @tparam[opt=0] integer opts.warmup number of steps over which the rate rises linearly
-- @tparam[opt=0.01] number opts.warmup_start initial fraction of the rate
-- @treturn Schedule
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- print(torus.optim.schedule.exponential(optimiser, { factor = 0.5 }):rate(2))   -- 0.25
function M.exponential(optimiser, opts)
  local o = resolve("exponential", opts,
    { factor = { required = true, type = "number", above = 0 } })
  return make("exponential", optimiser, o, function(n) return o.factor ^ n end)
end

-- Falls from 1 to a last fraction over a number of steps; shape falls from 1 to 0.
local function falling(name, optimiser, opts, shape)
  local o = resolve(name, opts, { steps = { required = true, type = "integer", min = 1 },
    last = { default = 0, type = "number", min = 0 } })
  return make(name, optimiser, o, function(n)
    return o.last + (1 - o.last) * shape(math.min(n / o.steps, 1))
  end)
end

--- Lowers the rate along half a cosine (Loshchilov & Hutter 2017), then keeps it constant.
-- @function torus.optim.schedule.cosine
-- @tparam Optimiser optimiser
-- @tparam table opts
-- @tparam integer opts.steps number of steps after the warm-up
-- @tparam[opt=0] number opts.last final fraction of the rate
-- @tparam[opt=0] integer opts.warmup number of steps over which the rate rises linearly
-- @tparam[opt=0.01] number opts.warmup_start initial fraction of the rate
-- @treturn Schedule
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- print(torus.optim.schedule.cosine(optimiser, { steps = 10 }):rate(5))   -- 0.5
function M.cosine(optimiser, opts)
  return falling("cosine", optimiser, opts, function(t)
    return (1 + math.cos(math.pi * t)) / 2
  end)
end

--- Lowers the rate linearly, then keeps it constant.
-- @function torus.optim.schedule.linear_decay
-- @tparam Optimiser optimiser
-- @tparam table opts
-- @tparam integer opts.steps number of steps after the warm-up
-- @tparam[opt=0] number opts.last final fraction of the rate
-- @tparam[opt=0] integer opts.warmup number of steps over which the rate rises linearly
-- @tparam[opt=0.01] number opts.warmup_start initial fraction of the rate
-- @treturn Schedule
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- schedule = torus.optim.schedule.linear_decay(optimiser, { steps = 10, last = 0.2 })
-- print(schedule:rate(5))   -- 0.6
function M.linear_decay(optimiser, opts)
  return falling("linear_decay", optimiser, opts, function(t) return 1 - t end)
end

--- Multiplies the initial rate by a function of the number of steps.
-- @function torus.optim.schedule.lambda
-- @tparam Optimiser optimiser
-- @tparam function factor integer, from 0 -> number
-- @tparam[opt] table opts
-- @tparam[opt=0] integer opts.warmup number of steps over which the rate rises linearly
-- @tparam[opt=0.01] number opts.warmup_start initial fraction of the rate
-- @treturn Schedule
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- schedule = torus.optim.schedule.lambda(optimiser, function(n) return 1 / (1 + n) end)
-- print(schedule:rate(3))   -- 0.25
function M.lambda(optimiser, factor, opts)
  if not options.is_callable(factor) then
    options.raise("schedule.lambda: expected a function, got %s", options.show(factor))
  end
  return make("lambda", optimiser, resolve("lambda", opts, {}), function(n)
    return options.argument("schedule.lambda", "factor", factor(n), { type = "number" })
  end)
end

--- Lowers a learning rate when a loss stops falling; torus.optim.schedule.plateau
-- makes it.
-- @type Plateau
local Plateau = {}
Plateau.__index = Plateau
Plateau.__name = "torus.optim.schedule.plateau"

local PLATEAU = {
  factor = { default = 0.1, type = "number", above = 0 },
  patience = { default = 10, type = "integer", min = 0 },
  threshold = { default = 1e-4, type = "number", min = 0 },
  min = { default = 0, type = "number", min = 0 },
}

--- Multiplies the rate by a factor whenever a loss has stopped falling.
-- @function torus.optim.schedule.plateau
-- @tparam Optimiser optimiser
-- @tparam[opt] table opts
-- @tparam[opt=0.1] number opts.factor
-- @tparam[opt=10] integer opts.patience number of consecutive losses without improvement
-- that are tolerated
-- @tparam[opt=1e-4] number opts.threshold relative improvement on the best loss that counts
-- @tparam[opt=0] number opts.min minimum rate
-- @treturn Plateau
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- schedule = torus.optim.schedule.plateau(optimiser, { patience = 1, factor = 0.5 })
-- for _ = 1, 3 do schedule:step(2) end
-- print(optimiser.lr)   -- 0.5
function M.plateau(optimiser, opts)
  local o = options.resolve("schedule.plateau", opts, PLATEAU)
  check_optimiser("plateau", optimiser)
  o.optimiser, o.best, o.bad = optimiser, math.huge, 0
  return setmetatable(o, Plateau)
end

--- Updates the rate from a loss.
-- @tparam number loss
-- @treturn number the rate
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- print(torus.optim.schedule.plateau(optimiser):step(0.3))   -- 1
function Plateau:step(loss)
  options.argument("schedule.plateau", "loss", loss, { type = "number" })
  if loss < self.best * (1 - self.threshold) then
    self.best, self.bad = loss, 0
  else
    self.bad = self.bad + 1
  end
  if self.bad > self.patience then
    self.optimiser.lr = math.max(self.optimiser.lr * self.factor, self.min)
    self.bad = 0
  end
  return self.optimiser.lr
end

--- Returns the state, to be saved for resuming.
-- @treturn table numbers: best, the best loss, bad, the number without improvement, and lr
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- print(torus.optim.schedule.plateau(optimiser):state().bad)   -- 0
function Plateau:state()
  return { best = self.best, bad = self.bad, lr = self.optimiser.lr }
end

--- Restores a state and sets its learning rate.
-- @tparam table state as returned by state()
-- @usage
-- optimiser = torus.optim.sgd({ torus.ones(1, { requires_grad = true }) }, { lr = 1 })
-- torus.optim.schedule.plateau(optimiser):load_state { best = 2, bad = 0, lr = 0.1 }
-- print(optimiser.lr)   -- 0.1
function Plateau:load_state(state)
  local s = options.resolve("schedule.plateau", state, {
    best = { required = true, type = "number" },
    bad = { required = true, type = "integer", min = 0 },
    lr = { required = true, type = "number", min = 0 },
  })
  self.best, self.bad, self.optimiser.lr = s.best, s.bad, s.lr
end

signature.methods("Schedule", Schedule, {})
signature.methods("Plateau", Plateau, {})
unknown.fields("a schedule", Schedule, {}, "schedule")
unknown.fields("a schedule", Plateau, {}, "schedule")

return M
