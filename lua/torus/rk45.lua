--- Adaptive integration: Dormand-Prince 5(4) in float64, every trajectory of
-- the batch with its own step size.
--
--     local trajectory = torus.rk45{ H = H, q = q, p = p, dt = 0.125, steps = 30 }
--     trajectory.q   -- (steps + 1, batch, ...), the initial state first
--
-- H is a joint H(q, p), a torus.separable(K, V) or a module, as in
-- torus.integrate, and is differentiated at every stage; for the systems that
-- the engine knows, `field` names a kernel instead, which is hundreds of times
-- faster. Nothing is recorded unless backprop asks for it.
-- @module torus.rk45
local core = require "torus.core"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"
local signature = require "torus.signature"
local dense = require "torus.rk45_dense"
local engine = require "torus.engine"
local events = require "torus.rk45_events"
local forces = require "torus.forces"
local replay = require "torus.rk45_replay"

local M = {}

-- States after the first: beyond these the list of their times alone fills the
-- memory.
local MAX_SAMPLES = 10000000

local RULES = {
  H = {},
  field = { type = "table" },
  friction = { default = 0, type = "number", min = 0 },
  q = { required = true },
  p = { required = true },
  times = {},
  time = { type = "number" },
  force = {},
  backprop = { default = "none", choices = { "none", "stored", "checkpoints" } },
  dense = { default = false, type = "boolean" },
  events = {},
  dt = { type = "number" },
  steps = { type = "integer", min = 0, max = MAX_SAMPLES },
  rtol = { default = 1e-10, type = "number", min = 0 },
  atol = { default = 1e-12, type = "number", min = 0 },
  first_step = { default = 0, type = "number", min = 0 },
  max_step = { default = 0, type = "number", min = 0 },
  max_steps = { default = 1000000, type = "integer", min = 1 },
}

-- The sample times as a list of numbers, the time of the given state first.
local function sample_times(o)
  if not o.times then
    local dt, times = o.dt or 0.125, {}
    if dt == 0 then options.raise("rk45: expected a dt other than 0") end
    for i = 0, o.steps or 30 do times[i + 1] = (o.time or 0) + i * dt end
    return times
  end
  if o.dt or o.steps or o.time then
    options.raise("rk45: expected either times or dt and steps, got both")
  end
  local times = engine.is_tensor(o.times) and o.times:totable() or o.times
  if type(times) ~= "table" or #times == 0 then
    options.raise("rk45: expected times as a list of numbers, got %s",
      options.show(o.times))
  end
  for i, t in ipairs(times) do
    if type(t) ~= "number" then
      options.raise("rk45: expected times as a list of numbers, got %s at %d",
        options.show(t), i)
    end
  end
  return times
end

-- The slopes of H at states (batch, 2 d) and times (batch), as (batch, 2 d): dH/dp
-- and -dH/dq - friction dH/dp + force. tail: the sizes of q after the first, batch,
-- one.
local function vector_field(H, tail, dtype, friction, force)
  local ones = {}
  for i = 1, #tail do ones[i] = 1 end
  return function(states, times)
    local batch, d = states:size(1), states:size(2) // 2
    local shape = { batch, table.unpack(tail) }
    return engine.enable_grad(function()
      local q = engine.variable(states:narrow(2, 1, d):to(dtype):reshape(shape))
      local p = engine.variable(
        states:narrow(2, d + 1, d):to(dtype):reshape(shape))
      local energy = hamiltonian.unchanged("rk45: H", H, q, p)
      hamiltonian.check_energy("rk45", "H", energy, q)
      if not energy.requires_grad then
        options.raise("rk45: H depends neither on q nor on p; an energy must "
          .. "be computed with differentiable operations")
      end
      local g = engine.grad(energy:sum(), { q, p }, { allow_unused = true })
      local dq, dp = g[1] or q * 0, g[2] or p * 0
      if friction ~= 0 then dq = dq + dp * friction end
      if force then
        dq = dq - forces.at(force, q, times:to(dtype):reshape(batch, table.unpack(ones)))
      end
      return engine.cat({ dp:reshape(batch, d), -dq:reshape(batch, d) }, 2)
        :detach():to("float64")
    end)
  end
end

--- The vector field of a Hamiltonian, for states().
-- @tparam function H of q and p (batch, d) float64, returns (batch)
-- @tparam integer d
-- @tparam[opt=0] number friction dp/dt is -dH/dq - friction dH/dp
-- @param[opt] force added to dp/dt, of torus.forces
-- @treturn function of states, and with a force of times
-- @usage
-- pendulum = torus.systems.pendulum
-- f = torus.rk45.field_of(pendulum:hamiltonian(), 1)
-- print(f(torus.tensor({{0, 1}}, { dtype = "float64" })))   -- dq/dt, dp/dt
function M.field_of(H, d, friction, force)
  return vector_field(H, { d }, "float64", friction or 0, force)
end

--- Solves for a batch of states: the form that data sets are made with.
-- @tparam table|function field {name, constants, friction} of an engine kernel,
-- the constants a list or, each trajectory having its own, a tensor (batch,
-- constants) float64; or a function of states (batch, 2 d) and times (batch) that
-- returns the states' time derivatives
-- @tparam tensor states (batch, 2 d) float64, q and then p
-- @tparam {number,...} times the first is that of the given states
-- @tparam table o rtol, atol, first_step, max_step, max_steps; every_sample, whether
-- steps end at each time, and record, whether to return the steps
-- @treturn tensor (batch, #times, 2 d) float64
-- @treturn table steps taken and rejected, over all trajectories; with record,
-- records, one for each trajectory: steps, and failure and finish of one that failed,
-- which is no error then and leaves NaN behind
-- @usage
-- pendulum = torus.systems.pendulum
-- x = torus.tensor({{1, 0}}, { dtype = "float64" })
-- states, counts = torus.rk45.states(pendulum:field(), x, {0, 0.1, 0.2},
--   { rtol = 1e-10, atol = 1e-12, first_step = 0, max_step = 0,
--     max_steps = 1000 })
-- print(table.unpack(states.shape))   -- 1  3  2
function M.states(field, states, times, o)
  local settings = { rtol = o.rtol, atol = o.atol, first_step = o.first_step,
    max_step = o.max_step, max_steps = o.max_steps, every_sample = o.every_sample,
    record = o.record }
  local out, taken, rejected, records = core.rk45(field, states, times, settings)
  return out, { steps = taken, rejected = rejected, records = records }
end

-- A system brings its kernel, or its Hamiltonian, friction and force.
local function unwrap(o)
  local given = o.H
  if given == nil then return end
  o.H = hamiltonian.of(given)
  if o.H ~= given then
    if o.friction == 0 and type(given.friction) == "number" then
      o.friction = given.friction
    end
    if o.force == nil and options.is_callable(given.force) then
      o.force = given:force()
    end
  end
  options.argument("rk45", "H", o.H, { type = "callable" })
end

local function check(o)
  hamiltonian.check_state("rk45", o.q, o.p)
  if (o.H == nil) == (o.field == nil) then
    options.raise("rk45: expected either H or field, got %s",
      o.H and "both" or "neither")
  end
  if o.field and o.friction ~= 0 then
    options.raise("rk45: friction: expected it as the third entry of field, "
      .. "got field without it and friction = %g", o.friction)
  end
  if o.field and (o.force or o.backprop ~= "none") then
    options.raise("rk45: %s needs H, got field", o.force and "force"
      or "backprop = \"" .. o.backprop .. "\"")
  end
  if o.force then forces.check("rk45", o.force) end
end

-- Raises for the first trajectory that failed before it was stopped.
local function check_records(records, stops, direction)
  for b, record in ipairs(records) do
    if record.failure and not (stops[b] and (stops[b] - record.finish) * direction <= 0)
    then
      options.raise("rk45: trajectory %d failed at t = %g after %d steps: %s", b,
        record.finish, record.steps:size(1), record.failure)
    end
  end
end

-- NaN in the samples that come after the end of a stopped trajectory.
local function cut(out, times, stops, direction)
  for b, stop in pairs(stops) do
    local kept = 0
    for i, t in ipairs(times) do
      if (t - stop) * direction <= 0 then kept = i end
    end
    if kept < #times then out[{ b, { kept + 1, #times } }] = 0 / 0 end
  end
end

local function states_of(x, d)
  return engine.cat({ x.q:detach():reshape(-1, d), x.p:detach():reshape(-1, d) }, 2)
    :to("float64")
end

--- Integrates from q, p with steps that the tolerances choose: Dormand & Prince
-- (1980), order 5(4), as scipy's RK45, with dense output at the sample times.
-- @function torus.rk45
-- @tparam table opts
-- @param opts.H as of torus.integrate, a system included; or
-- @tparam[opt] table opts.field {name, {constant, ...}, friction} of an engine kernel
-- @tparam[opt=0] number opts.friction dp/dt is -dH/dq - friction dH/dp
-- @param opts.force dp/dt gets +F (torus.forces): a number, a tensor, or a function
-- of q and t
-- @tparam tensor opts.q (batch, ...)
-- @tparam tensor opts.p like q
-- @param opts.times a list or tensor, the first being that of q and p; they do not
-- fall, or do not rise. Or
-- @tparam[opt=0.125] number opts.dt between samples, with
-- @tparam[opt=30] integer opts.steps and
-- @tparam[opt=0] number opts.time of q and p
-- @tparam[opt=1e-10] number opts.rtol relative tolerance; 0 with an atol above 0
-- @tparam[opt=1e-12] number opts.atol absolute tolerance; 0 with an rtol above 0
-- @tparam[opt=0] number opts.first_step 0 chooses it
-- @tparam[opt=0] number opts.max_step 0 sets no bound
-- @tparam[opt=1000000] integer opts.max_steps of one trajectory
-- @tparam[opt="none"] string opts.backprop "stored" or "checkpoints" give gradients to
-- q, p and all that H is made from, those of the steps that were chosen: any order and
-- the memory of all steps, or the first order and that of a step; needs H
-- @tparam[opt=false] boolean opts.dense returns the solution as a function of time
-- @param opts.events a list of functions zero(q, p, t) -> (batch), or of tables: zero;
-- direction = 1 or -1 for events where it rises or falls alone; terminal = true to
-- stop the trajectory there, whose later states are NaN
-- @treturn table q and p, each (times, batch, ...) float64; steps and
-- rejected, how many were taken over all trajectories; with dense, at(t), which
-- returns q and p (batch, ...) at a time, and both (n, batch, ...) at a list of n; with
-- events, events[i][b], of event i and trajectory b: t (n), q and p (n, ...); and
-- stopped[b], when a terminal event stopped trajectory b
-- @raise when a trajectory needs more than max_steps, or its state stops being
-- finite
-- @usage
-- pendulum = torus.systems.pendulum
-- q, p = pendulum:sample{ count = 4 }
-- trajectory = torus.rk45{ H = pendulum, q = q, p = p, steps = 10, dense = true,
--   events = { function(q) return q:sum(2) end } }
-- print(table.unpack(trajectory.q.shape))     -- 11  4  1
-- print(trajectory.events[1][1].t)            -- when the first one hangs straight down
-- print(table.unpack(trajectory.at(0.3).shape))   -- 4  1
function M.solve(opts)
  local o = options.resolve("rk45", opts, RULES)
  unwrap(o)
  check(o)
  local times, shape = sample_times(o), o.q.shape
  local found_events = o.events ~= nil and events.check(o.events)
  local batch, tail = shape[1], { table.unpack(shape, 2) }
  local d = batch > 0 and o.q:numel() // batch or 0
  local gradients = o.backprop ~= "none" and engine.is_recording()
  o.every_sample, o.record = gradients, gradients or o.dense or found_events
  if batch == 0 then o.record, gradients = false, false end
  local direction = times[#times] >= times[1] and 1 or -1
  local result, records, stops = {}, nil, {}
  engine.no_grad(function()
    local start = batch > 0 and states_of(o, d)
      or engine.zeros({ 0, 0 }, { dtype = "float64" })
    local field = o.field or vector_field(o.H, tail, o.q.dtype, o.friction, o.force)
    local out, counts = M.states(field, start, times, o)
    result.steps, result.rejected = counts.steps, counts.rejected
    records = counts.records
    if found_events and records then
      result.events, stops = events.find(found_events, records, tail, direction)
      result.stopped = stops
      cut(out, times, stops, direction)
    end
    if records then check_records(records, stops, direction) end
    if o.dense and records then
      result.at = dense.of { records = records, start = start, shape = shape,
        first = times[1], last = times[#times] }
    end
    local full_shape = { #times, table.unpack(shape) }
    out = out:transpose(1, 2)
    result.q = out:narrow(3, 1, d):contiguous():reshape(full_shape)
    result.p = out:narrow(3, d + 1, d):contiguous():reshape(full_shape)
  end)
  if gradients then
    result.q, result.p = replay.run({ H = o.H, dtype = o.q.dtype,
      friction = o.friction ~= 0 and o.friction or nil, force = o.force }, o.q, o.p,
      times, records, o.backprop)
  end
  return result
end

signature.functions("rk45", M, {
  field_of = "H: function, d: integer, friction?: number",
  states = "field: table|function, states: tensor, times: {number,...}, o: table",
})

return setmetatable(M, { __call = function(_, opts) return M.solve(opts) end })
