--- Dense output of torus.rk45: the state at any time between the first and the
-- last, by the continuous extension of each step (Hairer, Norsett and Wanner,
-- *Solving Ordinary Differential Equations I*, section II.6; fourth order).
-- @module torus.rk45_dense
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

--- Returns the states at fractions of steps.
-- @tparam tensor steps (steps, 2 + 5 size) of a record
-- @tparam tensor indices (n) int64, indices of steps
-- @tparam tensor x (n, 1) float64, fractions of these steps from 0 to 1
-- @treturn tensor (n, size)
function M.evaluate(steps, indices, x)
  local size = (steps:size(2) - 2) // 5
  local rows = steps:index_select(1, indices)
  local function part(i) return rows:narrow(2, 3 + i * size, size) end
  local rest = 1 - x
  return part(0) + x * (part(1) + rest * (part(2) + x * (part(3) + rest * part(4))))
end

-- The last step that starts at t or before, in the direction of time.
local function step_at(starts, t, direction)
  local low, high = 1, #starts
  while low < high do
    local middle = (low + high + 1) // 2
    if (starts[middle] - t) * direction <= 0 then low = middle else high = middle - 1 end
  end
  return low
end

local function check_times(o, times)
  local list = engine.is_tensor(times) and times:totable() or times
  if type(list) ~= "table" then
    options.raise("%s: at: expected a time or a list of times, got %s", o.where or "rk45",
      options.show(times))
  end
  local low, high = math.min(o.first, o.last), math.max(o.first, o.last)
  for i, t in ipairs(list) do
    if type(t) ~= "number" or not (t >= low and t <= high) then
      options.raise("%s: at: expected times from %g to %g, got %s%s", o.where or "rk45", low,
        high, options.show(t), i > 1 and " at " .. i or "")
    end
  end
  return list
end

-- The states (n, size) of one trajectory.
local function trajectory_at(o, index, times)
  local record, stop = o.records[index], o.stops[index]
  local steps, direction = record.steps, o.first <= o.last and 1 or -1
  if steps:size(1) == 0 then
    return o.start:narrow(1, index, 1):expand(#times, o.start:size(2))
  end
  record.starts = record.starts or steps:select(2, 1):totable()
  record.lengths = record.lengths or steps:select(2, 2):totable()
  local indices, x = {}, {}
  for i, t in ipairs(times) do
    local k = step_at(record.starts, t, direction)
    local share = (t - record.starts[k]) / record.lengths[k]
    -- NaN after the end of a trajectory that failed or was stopped.
    indices[i] = k
    local ended = share > 1 + 1e-9 or stop and (t - stop) * direction > 0
    x[i] = ended and 0 / 0 or math.max(0, math.min(share, 1))
  end
  return M.evaluate(steps, engine.tensor(indices, { dtype = "int64" }),
    engine.tensor(x, { dtype = "float64" }):reshape(#times, 1))
end

--- Returns the states of all trajectories at a time or at times.
-- @tparam table o as in of
-- @tparam number|{number,...}|tensor t
-- @treturn tensor (n, batch, size)
-- @treturn {integer,...} shape of a part of the states like q: without n for one time
function M.states(o, t)
  local one = type(t) == "number"
  local times = check_times(o, one and { t } or t)
  local states = {}
  for i = 1, #o.records do states[i] = trajectory_at(o, i, times) end
  local all = #states > 0 and engine.stack(states, 2)
    or engine.zeros({ #times, 0, o.start:size(2) }, { dtype = "float64" })
  return all, one and o.shape or { #times, table.unpack(o.shape) }
end

--- Returns the time of a call, whether written with a dot, result.at(t), or a colon.
-- @tparam table result
-- @param first of the call's arguments
-- @param second
-- @return the time
-- @usage
-- local dense = require "torus.rk45_dense"
-- local result = {}
-- print(dense.time_of(result, result, 0.5), dense.time_of(result, 0.5))   -- 0.5  0.5
function M.time_of(result, first, second)
  if rawequal(first, result) then return second end
  return first
end

--- Makes the function of time that torus.rk45 returns as `at`.
-- @tparam table o records, as in torus.core's rk45; stops, by trajectory the time at which a
-- terminal event stopped it; start (batch, 2 d), first and last time; shape of q; where, the name
-- of the operation for messages, "rk45" by default
-- @tparam[opt] table result that gets the function as `at`
-- @treturn function of a time, which returns q and p (batch, ...), or of a list or
-- tensor of n times, which returns both (n, batch, ...)
-- @usage
-- q, p = torus.systems.pendulum:sample{ count = 2 }
-- at = torus.systems.pendulum:solve(q, p, { times = { 0, 3 }, dense = true }).at
-- print(table.unpack(at({ 0.5, 1, 1.5 }).shape))   -- 3  2  1
function M.of(o, result)
  local d = o.start:size(2) // 2
  return function(...)
    local all, shape = M.states(o, M.time_of(result, ...))
    return all:narrow(3, 1, d):contiguous():reshape(shape),
      all:narrow(3, d + 1, d):contiguous():reshape(shape)
  end
end

return M
