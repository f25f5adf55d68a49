--- Ordinary differential equations of any kind, dy/dt = f(y, t): not every motion has a
-- Hamiltonian. Adaptive steps as in torus.rk45, or fixed steps.
--
--     local result = torus.ode { y = torus.tensor{{2, 0}}, times = { 0, 1, 2 },
--       f = function(y) ... end }
--     result.y   -- (times, batch, ...), the initial state first
--
-- Gradients flow through the solution to the initial state and to all tensors that f uses,
-- such as parameters to be fitted.
-- @module torus.ode
local core = require "torus.core"
local dense = require "torus.rk45_dense"
local engine = require "torus.engine"
local events = require "torus.rk45_events"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"
local replay = require "torus.rk45_replay"
local rk45 = require "torus.rk45"
local rollout = require "torus.rollout"
local samples = require "torus.rk45_samples"
local schemes = require "torus.schemes"

local M = {}

-- Explicit Runge-Kutta schemes; the others need the form of Hamilton's equations.
local function is_explicit(scheme)
  return not (scheme.splitting or scheme.implicit or scheme.extended)
end
local METHODS = { "rk45", table.unpack(schemes.names(is_explicit)) }

local RULES = {
  f = { required = true, type = "callable" },
  y = { required = true },
  method = { default = "rk45", choices = METHODS },
  times = {},
  dt = { type = "number" },
  steps = { type = "integer", min = 0, max = samples.MAX },
  time = { type = "number" },
  substeps = { type = "integer", min = 1 },
  backprop = { default = "stored", choices = { "none", "stored", "checkpoints" } },
  rtol = { type = "number", min = 0 },
  atol = { type = "number", min = 0 },
  first_step = { type = "number", min = 0 },
  max_step = { type = "number", min = 0 },
  max_steps = { type = "integer", min = 1 },
  dense = { type = "boolean" },
  events = {},
}

-- The defaults, beside the tolerances.
local ADAPTIVE = { first_step = 0, max_step = 0, max_steps = 1000000, dense = false }

-- f, checked: y (batch, ...) and t, a tensor that broadcasts against it.
local function checked(f)
  return function(y, t)
    local slope = hamiltonian.unchanged("ode: f", f, y, t)
    local fits = options.is_live(slope)
      and options.shape_text(slope) == options.shape_text(y)
    if not fits then
      options.raise("ode: f: expected dy/dt, of shape %s like y, from f(y, t), got %s%s",
        options.shape_text(y), options.show(slope),
        slope == nil and " (is a return missing?)" or "")
    end
    return slope:to(y.dtype)
  end
end

local function ones(y)
  local shape = {}
  for i = 1, y:dim() do shape[i] = 1 end
  return shape
end

-- True if the solution has a gradient: with respect to y, or to a tensor that f uses.
local function is_wanted(o, f, t)
  if o.backprop == "none" or not engine.is_recording() or o.y:numel() == 0 then return false end
  if o.y.requires_grad then return true end
  local y = engine.variable(o.y:detach())
  return #core.sources(f(y, t):sum(), y) > 0
end

-- f as a field of states (batch, size) float64. It may differentiate, for example an energy.
local function field_of(o, f, tail, column)
  return function(states, t)
    local count, size = table.unpack(states.shape)
    local y = states:to(o.y.dtype):reshape(count, table.unpack(tail))
    column[1] = count
    return engine.enable_grad(f, y, t:to(o.y.dtype):reshape(column)):detach()
      :to("float64"):reshape(count, size)
  end
end

local function check_adaptive(o)
  for key, value in pairs(ADAPTIVE) do
    if o[key] == nil then o[key] = value end
  end
  rk45.set_tolerances(o, o.y.dtype)
  if o.substeps then
    options.raise("ode: substeps: expected none for method \"rk45\", which chooses its steps; "
      .. "max_step limits them")
  end
  o.events = o.events ~= nil and events.check(o.events, "ode")
end

local function adaptive(o, f)
  check_adaptive(o)
  local times, shape = samples.times("ode", o), o.y.shape
  local batch, tail, column = shape[1], { table.unpack(shape, 2) }, ones(o.y)
  local gradients = is_wanted(o, f, engine.full(column, times[1], { dtype = o.y.dtype }))
  o.names, o.tail = { "y" }, tail
  o.every_sample, o.record = gradients, batch > 0 and (gradients or o.dense or o.events)
  local result, records, stops
  engine.no_grad(function()
    local start = o.y:detach():to("float64"):reshape(batch, batch > 0 and -1 or 0)
    local out
    out, result, records, stops = rk45.run("ode", field_of(o, f, tail, column), start, times, o)
    if o.dense then
      local all = { records = records, stops = stops, start = start, shape = shape,
        first = times[1], last = times[#times], where = "ode" }
      result.at = function(...)
        local states, full = dense.states(all, dense.time_of(result, ...))
        return states:reshape(full)
      end
    end
    result.y = out:transpose(1, 2):contiguous():reshape(#times, table.unpack(shape))
  end)
  if gradients then
    local function motion(t, _, y)
      return f(y:to(o.y.dtype), t:to(o.y.dtype)):to("float64")
    end
    result.y = replay.run({ motion = motion }, o.y, engine.zeros_like(o.y), times, records,
      o.backprop)
  end
  return result
end

-- --- fixed steps --------------------------------------------------------------------

-- One step of a Runge-Kutta scheme: the slopes of the stages, then their weighted sum.
local function explicit(scheme, f, column)
  local function moved(y, h, weights, slopes)
    for i, slope in ipairs(slopes) do
      if weights[i] ~= 0 then y = y + slope * (h * weights[i]) end
    end
    return y
  end
  local nodes = {}
  for i, row in ipairs(scheme.a) do
    nodes[i] = 0
    for _, a in ipairs(row) do nodes[i] = nodes[i] + a end
  end
  return function(y, t, h, recording)
    local slopes = {}
    for i, row in ipairs(scheme.a) do
      local stage = moved(y, h, row, slopes)
      local time = engine.full(column, t + h * nodes[i], { dtype = y.dtype })
      slopes[i] = recording and f(stage, time) or engine.enable_grad(f, stage, time):detach()
    end
    return moved(y, h, scheme.b, slopes)
  end
end

-- The time that a sample begins at, from its index, and the length of its steps.
local function fixed(o, f)
  for _, key in ipairs { "rtol", "atol", table.unpack(options.sorted_keys(ADAPTIVE)) } do
    if o[key] ~= nil then
      options.raise("ode: %s: expected only with method \"rk45\", got method = %q", key,
        o.method)
    end
  end
  if o.events ~= nil then
    options.raise("ode: events: expected only with method \"rk45\", got method = %q", o.method)
  end
  local times, substeps = samples.times("ode", o), o.substeps or 1
  for i = 2, #times do
    if times[i] ~= times[i] then options.raise("ode: times: expected numbers, got NaN at %d", i) end
  end
  local step = explicit(schemes.of(o.method), f, ones(o.y))
  local function stepper(state, _, _, recording, k)
    local y, h = state[1], (times[k + 2] - times[k + 1]) / substeps
    for i = 0, substeps - 1 do y = step(y, times[k + 1] + i * h, h, recording) end
    return { y, state[2] }
  end
  local function run()
    -- The second tensor of a rollout's state is not used: it stays zero.
    return (rollout.run { q = o.y, p = engine.zeros_like(o.y), dt = 1, steps = #times - 1,
      every = 1, time = 0, backprop = o.backprop == "none" and "stored" or o.backprop,
      problem = {}, stepper = { start = function(y, rest) return { y, rest } end,
        step = stepper } })
  end
  local y = o.backprop == "none" and engine.no_grad(run) or run()
  return { y = y, steps = (#times - 1) * substeps, rejected = 0 }
end

--- Solves dy/dt = f(y, t) for a batch of initial states.
-- @function torus.ode
-- @tparam table opts
-- @tparam function|Module opts.f of y (batch, ...) and t, a tensor that broadcasts against y;
-- returns dy/dt, like y
-- @tparam tensor opts.y (batch, ...), float32 or float64: the initial states
-- @param opts.times a monotonic list or tensor of times, the first being that of y; or
-- @tparam[opt=0.125] number opts.dt time between samples, with
-- @tparam[opt=30] integer opts.steps number of samples after the first, and
-- @tparam[opt=0] number opts.time time of y
-- @tparam[opt="rk45"] string opts.method "rk45" has adaptive steps in float64; "rk4" and
-- "euler" take `substeps` (1) equal steps between two samples, in y's dtype
-- @tparam[opt="stored"] string opts.backprop how gradients are computed if y or a tensor that f
-- uses requires one: "stored" to any order with the memory of all steps, "checkpoints" to
-- first order with the memory of one; "none" records nothing. The steps of rk45 keep their
-- sizes
-- @tparam[opt] number opts.rtol relative tolerance of rk45, 1e-10 by default; 0 with an atol
-- above 0. f is computed in the dtype of y: if that is float32, whose rounding is 6e-8, the
-- default is 1e-6
-- @tparam[opt] number opts.atol absolute tolerance of rk45, 1e-12 by default, or 1e-8
-- likewise; 0 with an rtol above 0
-- @tparam[opt=0] number opts.first_step 0 chooses it automatically
-- @tparam[opt=0] number opts.max_step 0 means no limit
-- @tparam[opt=1000000] integer opts.max_steps limit for one trajectory
-- @tparam[opt=false] boolean opts.dense returns the solution as a function of time
-- @param opts.events a list of functions zero(y, t) -> (batch), or of tables with zero,
-- direction and terminal, as in torus.rk45, where one that occurs twice within a step is
-- missed, too, unless max_step is short enough
-- @treturn table y (times, batch, ...), of rk45 in float64; steps and rejected, the numbers of
-- steps accepted and rejected over all trajectories; with dense, at(t), the states (batch, ...)
-- at a time or (n, batch, ...) at a list of n times, with NaN after the end of a stopped
-- trajectory; with events, events[i][b] for event i and trajectory b: t (n) and y (n, ...), and
-- stopped[b], the time at which a terminal event stopped trajectory b
-- @raise if f returns anything but a tensor like y, if a trajectory needs more than max_steps,
-- or its state is no longer finite
-- @usage
-- mu = torus.tensor(1.5)                              -- van der Pol's oscillator
-- result = torus.ode { y = torus.tensor{{2, 0}}, dt = 0.5, steps = 20, f = function(y)
--   local x, v = y:select(2, 1), y:select(2, 2)
--   return torus.stack({ v, (1 - x ^ 2) * v * mu - x }, 2)
-- end }
-- print(table.unpack(result.y.shape))                 -- 21  1  2
-- decay = torus.ode { y = torus.ones(3, 1), times = { 0, 1, 4 }, method = "rk4",
--   substeps = 20, f = function(y, t) return -y * t end }
-- print(decay.y[-1])                                  -- exp(-8)
function M.solve(opts)
  local o = options.resolve("ode", opts, RULES)
  options.tensor("ode", "y", o.y, { "batch", "..." })
  if o.y.dtype ~= "float32" and o.y.dtype ~= "float64" then
    options.raise("ode: y: expected float32 or float64, got %s", options.show(o.y))
  end
  local f = checked(o.f)
  return o.method == "rk45" and adaptive(o, f) or fixed(o, f)
end

return setmetatable(M, { __call = function(_, ...)
  options.alone("ode", "{ f =, y =, ... }", ...)
  return M.solve(...)
end })
