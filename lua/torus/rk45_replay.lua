--- Gradients of torus.rk45 and torus.ode: repeats the accepted steps as tensor operations. The
-- gradient is that of these steps with their sizes held fixed: the dependence of a step
-- size on the state changes the solution only within the tolerances.
-- @module torus.rk45_replay
local engine = require "torus.engine"
local rollout = require "torus.rollout"
local steppers = require "torus.steppers"

local M = {}

-- Dormand and Prince (1980), without the stage of the error estimate.
local C = { 0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1 }
local A = {
  {},
  { 1 / 5 },
  { 3 / 40, 9 / 40 },
  { 44 / 45, -56 / 15, 32 / 9 },
  { 19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729 },
  { 9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656 },
}
local B = { 35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84 }

local function advance(x, h, weights, found)
  for i, w in ipairs(weights) do
    if w ~= 0 then x = x + found[i] * (h * w) end
  end
  return x
end

-- H may compute in another dtype than the float64 of the states.
local function hamiltonian_motion(problem)
  return function(t, recording, q, p)
    local dq, dp = steppers.motion(problem, q:to(problem.dtype), p:to(problem.dtype), t,
      recording)
    return dq:to("float64"), dp:to("float64")
  end
end

-- One step of the first `count` tensors of a state, whose slopes `motion` returns; the
-- others stay.
local function dormand_prince(motion, count, state, t, h, recording)
  local found, after = {}, { table.unpack(state) }
  for k = 1, count do found[k] = {} end
  for i, row in ipairs(A) do
    local stage = {}
    for k = 1, count do stage[k] = advance(state[k], h, row, found[k]) end
    local slopes = { motion(t + h * C[i], recording, table.unpack(stage)) }
    for k = 1, count do found[k][i] = slopes[k] end
  end
  for k = 1, count do after[k] = advance(state[k], h, B, found[k]) end
  return after
end

-- The steps between two samples: a list of times and step sizes (batch, 1, ...). A
-- trajectory with fewer steps than another gets steps of size 0 for the rest.
local function interval(rows, next_row, finish, direction, shape)
  local lists, most = {}, 0
  for b, steps in ipairs(rows) do
    local list, i = {}, next_row[b]
    while steps[i] and (steps[i][1] - finish) * direction < 0 do
      list[#list + 1], i = steps[i], i + 1
    end
    lists[b], next_row[b], most = list, i, math.max(most, #list)
  end
  local steps = {}
  for j = 1, most do
    local t, h = {}, {}
    for b, list in ipairs(lists) do
      t[b], h[b] = list[j] and list[j][1] or finish, list[j] and list[j][2] or 0
    end
    steps[j] = { t = engine.tensor(t, { dtype = "float64" }):reshape(shape),
      h = engine.tensor(h, { dtype = "float64" }):reshape(shape) }
  end
  return steps
end

--- Returns the states at the samples, with their history.
-- @tparam table problem H, the dtype it computes in, friction and force or nil; or motion, a
-- function of time, whether to record, and q, that returns dq/dt: p then stays
-- @tparam tensor q (batch, ...)
-- @tparam tensor p like q
-- @tparam {number,...} times of the samples
-- @tparam {table,...} records of steps that end at every sample
-- @tparam string backprop "stored" or "checkpoints"
-- @treturn tensor q (times, batch, ...) float64
-- @treturn tensor p like it
function M.run(problem, q, p, times, records, backprop)
  local shape, rows, next_row = { q:size(1) }, {}, {}
  for i = 2, q:dim() do shape[i] = 1 end
  for b, record in ipairs(records) do
    rows[b], next_row[b] = record.steps:narrow(2, 1, 2):totable(), 1
  end
  local direction = times[#times] >= times[1] and 1 or -1
  local intervals = {}
  for s = 1, #times - 1 do
    intervals[s] = interval(rows, next_row, times[s + 1], direction, shape)
  end
  local motion, count = problem.motion or hamiltonian_motion(problem), problem.motion and 1 or 2
  local function step(state, _, _, recording, k)
    for _, one in ipairs(intervals[k + 1]) do
      state = dormand_prince(motion, count, state, one.t, one.h, recording)
    end
    return state
  end
  return rollout.run { q = q:to("float64"), p = p:to("float64"), dt = 1,
    steps = #times - 1, every = 1, time = 0, backprop = backprop, problem = problem,
    stepper = { start = function(x, y) return { x, y } end, step = step } }
end

return M
