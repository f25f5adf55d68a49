--- Rollouts by tensor operations: computes the states one after the other, keeps and
-- reports them, and differentiates them.
--
-- If nothing requires a gradient, nothing is recorded and the states are written
-- directly to the result. Otherwise `stored` records every step; `reversible` and
-- `checkpoints` record none and compute the gradient one step at a time, beginning at the
-- last state: a vector-Jacobian product of each step, by recording that step alone. The
-- state before it comes from a step of -dt, or is recomputed from a checkpoint.
-- @module torus.rollout
local core = require "torus.core"
local engine = require "torus.engine"
local options = require "torus.options"
local steppers = require "torus.steppers"

local M = {}

-- How often progress is reported, in steps.
local REPORT = 256

local function time_of(job, k, dt)
  if not (job.problem.force or job.timed) then return nil end
  return dt * k + job.time
end

-- A kept state is one that the rollout continues from, and the first is the caller's own.
local function show(job, k, q, p)
  if not job.on_state then return end
  local dt = engine.is_tensor(job.dt) and job.dt:item() or job.dt
  local before_q, before_p = core.version(q), core.version(p)
  job.on_state { step = k, time = job.time + k * dt, q = q, p = p }
  -- The kernels keep q and p in the same memory.
  local function written(x, before) return options.is_live(x) and core.version(x) ~= before end
  if written(q, before_q) or written(p, before_p) then
    options.raise("integrate: on_state: expected a function that only reads the state, got one "
      .. "that writes to it; state.q:copy() may be written to")
  end
end

local function report(job, k)
  local progress = job.progress
  if type(progress) == "table" and progress.update then
    progress:update(k)
  elseif progress then
    progress(k, job.steps)
  end
end

--- Passes a kept state to on_state, and reports progress.
-- @tparam table job time, dt, steps, on_state and progress as in run
-- @tparam integer k the state's step
-- @tparam tensor q (batch, ...)
-- @tparam tensor p like q
-- @usage
-- rollout = require "torus.rollout"
-- rollout.announce({ time = 0, dt = 0.5, steps = 4, on_state = function(state)
--   print(state.step, state.time)   -- 2  1.0
-- end }, 2, torus.ones(1, 1), torus.zeros(1, 1))
function M.announce(job, k, q, p)
  show(job, k, q, p)
  report(job, k)
end

-- Steps from the start and calls visit(k, state) for every kept state.
local function march(job, dt, recording, visit)
  local state = job.stepper.start(job.q, job.p)
  visit(0, state)
  show(job, 0, state[1], state[2])
  for k = 1, job.steps do
    state = job.stepper.step(state, time_of(job, k - 1, dt), dt, recording, k - 1)
    if k % job.every == 0 then
      visit(k, state)
      show(job, k, state[1], state[2])
    end
    if k % REPORT == 0 or k == job.steps then report(job, k) end
  end
end

local function shape_of(job)
  return job.steps // job.every + 1, table.unpack(job.q.shape)
end

local function detached(state)
  local list = {}
  for i, x in ipairs(state) do list[i] = x:detach() end
  return list
end

-- --- nothing recorded -----------------------------------------------------

-- Writes the states to `qs` and `ps`; returns the additional tensors of an extended
-- scheme in a list.
local function fill(job, qs, ps)
  local more = {}
  engine.no_grad(march, job, job.dt, false, function(k, state)
    local i = k // job.every + 1
    qs[i], ps[i] = state[1], state[2]
    if #state > 2 then more[i] = { state[3], state[4] } end
  end)
  return more
end

local function plain(job)
  local shape, like = { shape_of(job) }, { dtype = job.q.dtype }
  local q, p = engine.zeros(shape, like), engine.zeros(shape, like)
  fill(job, q, p)
  return q, p
end

-- --- all recorded ---------------------------------------------------------

local function stored(job)
  local qs, ps = {}, {}
  march(job, job.dt, engine.is_recording(), function(_, state)
    qs[#qs + 1], ps[#ps + 1] = state[1], state[2]
  end)
  return engine.stack(qs, 1), engine.stack(ps, 1)
end

-- --- recorded step by step ------------------------------------------------

-- The other tensors the motion depends on, such as a Hamiltonian's parameters: the first
-- tensors reached from a recorded step that are older than the step.
local function sources_of(job)
  if job.steps == 0 or not engine.is_recording() then return {} end
  local state = detached(job.stepper.start(job.q, job.p))
  for i, x in ipairs(state) do state[i] = engine.variable(x) end
  local dt = engine.is_tensor(job.dt) and job.dt:detach() or job.dt
  local after = job.stepper.step(state, time_of(job, 0, dt), dt, true, 0)
  return core.sources(after[1]:sum() + after[2]:sum(), state[1])
end

-- The sums of a backward pass: u, the gradient with respect to the current state, and
-- those with respect to dt and the sources.
local function new_sums(job, state)
  local sums = { u = {}, others = {} }
  for i, x in ipairs(state) do sums.u[i] = engine.zeros_like(x) end
  local targets = { table.unpack(job.sources) }
  if job.dt_wanted then table.insert(targets, 1, job.dt) end
  for i, x in ipairs(targets) do sums.others[i] = engine.zeros_like(x) end
  return sums
end

-- Backpropagates through the step from state `before` at step k - 1 to k: u becomes the
-- gradient with respect to `before`.
local function through_step(job, k, before, sums)
  engine.enable_grad(function()
    local targets = {}
    for i, x in ipairs(before) do targets[i] = engine.variable(x:detach()) end
    local state = { table.unpack(targets) }
    local dt = job.dt
    if job.dt_wanted then
      dt = engine.variable(dt:detach())
      targets[#targets + 1] = dt
    end
    for _, x in ipairs(job.sources) do targets[#targets + 1] = x end
    local after = job.stepper.step(state, time_of(job, k - 1, dt), dt, true, k - 1)
    local y
    for i, x in ipairs(after) do
      local term = (x * sums.u[i]):sum()
      y = y and y + term or term
    end
    local found = engine.grad(y, targets, { allow_unused = true, partial = true })
    for i, x in ipairs(before) do
      sums.u[i] = found[i] or engine.zeros_like(x)
    end
    for i, total in ipairs(sums.others) do
      local g = found[#before + i]
      if g then total:add_(g) end
    end
  end)
end

-- The steps between two kept states, the last one first.
local function back_by_reversal(job, i, kept, sums)
  local first = (i - 1) * job.every
  local state, dt = kept(i + 1), job.dt
  if engine.is_tensor(dt) then dt = dt:detach() end
  for k = first + job.every, first + 1, -1 do
    local before = k == first + 1 and kept(i) or engine.no_grad(
      job.stepper.step, state, time_of(job, k, dt), -dt, false)
    through_step(job, k, before, sums)
    state = before
  end
end

-- Recomputes `count` states from step k on, each `stride` steps after the previous one.
local function again(job, state, k, count, stride)
  local states, dt = { state }, job.dt
  if engine.is_tensor(dt) then dt = dt:detach() end
  engine.no_grad(function()
    for n = 1, (count - 1) * stride do
      state = job.stepper.step(state, time_of(job, k + n - 1, dt), dt, false, k + n - 1)
      if n % stride == 0 then states[#states + 1] = state end
    end
  end)
  return states
end

-- Two levels of checkpoints, each with about the square root of the number of steps.
local function back_by_checkpoints(job, i, kept, sums)
  local first, every = (i - 1) * job.every, job.every
  local stride = math.ceil(math.sqrt(every))
  local marks = again(job, kept(i), first, (every - 1) // stride + 1, stride)
  for m = #marks, 1, -1 do
    local start = first + (m - 1) * stride
    local count = math.min(stride, first + every - start)
    local states = again(job, marks[m], start, count, 1)
    for n = count, 1, -1 do through_step(job, start + n, states[n], sums) end
  end
end

local BACK = { reversible = back_by_reversal, checkpoints = back_by_checkpoints }

-- The gradients of an output, (2, states, batch, ...) like `values`, with respect to
-- q, p, dt if requested, and the sources.
local function gradients(job, values, more, g)
  local back = BACK[job.backprop]
  local function kept(i)
    local others = more[i] or {}
    return { values[1][i], values[2][i], table.unpack(others) }
  end
  local last = values:size(2)
  local sums = new_sums(job, kept(last))
  local function add(i)
    sums.u[1], sums.u[2] = sums.u[1] + g[1][i], sums.u[2] + g[2][i]
  end
  engine.no_grad(function()
    add(last)
    for i = last - 1, 1, -1 do
      back(job, i, kept, sums)
      add(i)
    end
    local u = sums.u
    if #u > 2 then u[1], u[2] = u[1] + u[3], u[2] + u[4] end
  end)
  return { sums.u[1], sums.u[2], table.unpack(sums.others) }
end

local function step_by_step(job)
  local values = engine.zeros({ 2, shape_of(job) }, { dtype = job.q.dtype })
  local more = fill(job, values[1], values[2])
  local inputs = { values, job.q, job.p }
  if job.dt_wanted then inputs[4] = job.dt end
  for _, x in ipairs(job.sources) do inputs[#inputs + 1] = x end
  local out = core.custom(function(g)
    if engine.is_recording() then
      options.raise("integrate: backprop = %q has first-order gradients only; "
        .. "use backprop = \"stored\" for higher orders", job.backprop)
    end
    return gradients(job, values, more, g)
  end, inputs)
  return out[1], out[2]
end

--- Runs a rollout and returns the kept states.
-- @tparam table job q, p, dt, steps, every, time, backprop, on_state and progress as
-- in torus.integrate, and either problem, as in torus.steppers, or a stepper, which also
-- receives the index of the step, from 0, and with timed = true the time
-- @treturn tensor q (steps / every + 1, batch, ...)
-- @treturn tensor p like q
-- @usage
-- rollout = require "torus.rollout"
-- q, p = rollout.run { q = torus.ones(1, 1), p = torus.zeros(1, 1), dt = 0.1,
--   steps = 10, every = 5, time = 0, backprop = "stored",
--   problem = { H = torus.systems.pendulum:hamiltonian(),
--     scheme = require("torus.schemes").of("leapfrog") } }
-- print(table.unpack(q.shape))   -- 3  1  1
function M.run(job)
  job.stepper = job.stepper or steppers.of(job.problem)
  job.dt_wanted = engine.is_tensor(job.dt) and job.dt.requires_grad
  local recorded = engine.is_recording()
  local depends = job.q.requires_grad or job.p.requires_grad or job.dt_wanted
  local by_step = job.backprop ~= "stored"
  if recorded and (by_step or not depends) then
    job.sources = sources_of(job)
    depends = depends or #job.sources > 0
  end
  if not recorded or not depends then return plain(job) end
  if by_step and job.steps > 0 then return step_by_step(job) end
  return stored(job)
end

return M
