--- Adaptive integration: Dormand-Prince 5(4) in float64, every trajectory of
-- the batch with its own step size.
--
--     local trajectory = torus.rk45{ H = H, q = q, p = p, dt = 0.125, steps = 30 }
--     trajectory.q   -- (steps + 1, batch, ...), the initial state first
--
-- H is a joint H(q, p), a torus.separable(K, V) or a module, as in
-- torus.integrate, and is differentiated at every stage; for the systems that
-- the engine knows, `field` names a kernel instead, which is hundreds of times
-- faster. Nothing is recorded: gradients don't flow through it.
-- @module torus.rk45
local core = require "torus.core"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"
local engine = require "torus.engine"

local M = {}

local RULES = {
  H = { type = "callable" },
  field = { type = "table" },
  friction = { default = 0, type = "number", min = 0 },
  q = { required = true },
  p = { required = true },
  times = {},
  dt = { type = "number" },
  steps = { type = "integer", min = 0 },
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
    for i = 0, o.steps or 30 do times[i + 1] = i * dt end
    return times
  end
  if o.dt or o.steps then
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

-- The slopes of H at states (batch, 2 d), as (batch, 2 d): dH/dp and -dH/dq -
-- friction dH/dp. tail: the sizes of q after the first, batch, one.
local function vector_field(H, tail, dtype, friction)
  return function(states)
    local batch, d = states:size(1), states:size(2) // 2
    local shape = { batch, table.unpack(tail) }
    return engine.enable_grad(function()
      local q = engine.variable(states:narrow(2, 1, d):to(dtype):reshape(shape))
      local p = engine.variable(
        states:narrow(2, d + 1, d):to(dtype):reshape(shape))
      local energy = H(q, p)
      hamiltonian.check_energy("rk45", "H", energy, q)
      if not energy.requires_grad then
        options.raise("rk45: H depends neither on q nor on p; an energy must "
          .. "be computed with differentiable operations")
      end
      local g = engine.grad(energy:sum(), { q, p }, { allow_unused = true })
      local dq, dp = g[1] or q * 0, g[2] or p * 0
      if friction ~= 0 then dq = dq + dp * friction end
      return engine.cat({ dp:reshape(batch, d), -dq:reshape(batch, d) }, 2)
        :detach():to("float64")
    end)
  end
end

-- An error of H comes back as it was raised, not through the engine.
local function guarded(field)
  local raised
  return function(states)
    local ok, result = pcall(field, states)
    if ok then return result end
    raised = result
    error(result, 0)
  end, function() return raised end
end

--- The vector field of a Hamiltonian, for states().
-- @tparam function H of q and p (batch, d) float64, returns (batch)
-- @tparam integer d
-- @tparam[opt=0] number friction dp/dt is -dH/dq - friction dH/dp
-- @treturn function
-- @usage
-- pendulum = torus.systems.pendulum
-- f = torus.rk45.field_of(pendulum:hamiltonian(), 1)
-- print(f(torus.tensor({{0, 1}}, { dtype = "float64" })))   -- dq/dt, dp/dt
function M.field_of(H, d, friction)
  return vector_field(H, { d }, "float64", friction or 0)
end

--- Solves for a batch of states: the form that data sets are made with.
-- @tparam table|function field {name, constants, friction} of an engine kernel,
-- the constants a list or, each trajectory having its own, a tensor (batch,
-- constants) float64; or a function of states (batch, 2 d) that returns their
-- time derivatives
-- @tparam tensor states (batch, 2 d) float64, q and then p
-- @tparam {number,...} times the first is that of the given states
-- @tparam table o rtol, atol, first_step, max_step, max_steps
-- @treturn tensor (batch, #times, 2 d) float64
-- @treturn table steps taken and rejected, over all trajectories
-- @usage
-- pendulum = torus.systems.pendulum
-- x = torus.tensor({{1, 0}}, { dtype = "float64" })
-- states, counts = torus.rk45.states(pendulum:field(), x, {0, 0.1, 0.2},
--   { rtol = 1e-10, atol = 1e-12, first_step = 0, max_step = 0,
--     max_steps = 1000 })
-- print(table.unpack(states.shape))   -- 1  3  2
function M.states(field, states, times, o)
  local settings = { rtol = o.rtol, atol = o.atol, first_step = o.first_step,
    max_step = o.max_step, max_steps = o.max_steps }
  local out, taken, rejected
  if type(field) == "function" then
    local call, raised = guarded(field)
    local ok, a, b, c = pcall(core.rk45, call, states, times, settings)
    if not ok then error(raised() or a, 0) end
    out, taken, rejected = a, b, c
  else
    out, taken, rejected = core.rk45(field, states, times, settings)
  end
  return out, { steps = taken, rejected = rejected }
end

--- Integrates from q, p with steps that the tolerances choose: Dormand & Prince
-- (1980), order 5(4), as scipy's RK45, with dense output at the sample times.
-- @function torus.rk45
-- @tparam table opts H, with friction=0 (dp/dt = -dH/dq - friction dH/dp), or
-- field = {name, {constant, ...}, friction}; q and p of shape
-- (batch, ...); times (a list or tensor, the first being that of q and p,
-- rising or falling) or dt=0.125 and steps=30; rtol=1e-10, atol=1e-12,
-- first_step, max_step, max_steps=1000000 (of one trajectory)
-- @treturn table q and p, each (times, batch, ...) float64; steps and
-- rejected, how many were taken over all trajectories
-- @raise when a trajectory needs more than max_steps, or its state stops being
-- finite
-- @usage
-- pendulum = torus.systems.pendulum
-- q, p = pendulum:sample{ count = 4 }
-- trajectory = torus.rk45{ H = pendulum:hamiltonian(), q = q, p = p, steps = 10 }
-- print(table.unpack(trajectory.q.shape))   -- 11  4  1
function M.solve(opts)
  local o = options.resolve("rk45", opts, RULES)
  hamiltonian.check_state("rk45", o.q, o.p)
  if (o.H == nil) == (o.field == nil) then
    options.raise("rk45: expected either H or field, got %s",
      o.H and "both" or "neither")
  end
  if o.field and o.friction ~= 0 then
    options.raise("rk45: friction: expected it as the third entry of field, "
      .. "got field without it and friction = %g", o.friction)
  end
  local times, shape = sample_times(o), o.q.shape
  local batch = shape[1]
  local d = batch > 0 and o.q:numel() // batch or 0
  return engine.no_grad(function()
    local states = engine.cat({ o.q:detach():reshape(batch, d),
      o.p:detach():reshape(batch, d) }, 2):to("float64")
    local out, counts = M.states(
      o.field or vector_field(o.H, { table.unpack(shape, 2) }, o.q.dtype,
        o.friction),
      states, times, o)
    local full_shape = { #times, table.unpack(shape) }
    out = out:transpose(1, 2)
    return {
      q = out:narrow(3, 1, d):contiguous():reshape(full_shape),
      p = out:narrow(3, d + 1, d):contiguous():reshape(full_shape),
      steps = counts.steps,
      rejected = counts.rejected,
    }
  end)
end

return setmetatable(M, { __call = function(_, opts) return M.solve(opts) end })
