--- What torus.rk45 and torus.ode share: the times of the samples, and trajectories that end
-- before the last one.
-- @module torus.rk45_samples
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

--- Limit on the states after the first: beyond it, the list of their times alone would
-- exhaust the memory.
M.MAX = 10000000

--- Returns the sample times as a list of numbers, beginning with the time of the initial
-- state.
-- @tparam string where name of the operation, for messages
-- @tparam table o times, or dt, steps and time
-- @treturn {number,...}
-- @usage
-- samples = require "torus.rk45_samples"
-- print(table.unpack(samples.times("example", { dt = 0.5, steps = 2 })))   -- 0.0 0.5 1.0
function M.times(where, o)
  if not o.times then
    local dt, times = o.dt or 0.125, {}
    if dt == 0 then options.raise("%s: expected a nonzero dt, got 0", where) end
    for i = 0, o.steps or 30 do times[i + 1] = (o.time or 0) + i * dt end
    return times
  end
  if o.dt or o.steps or o.time then
    options.raise("%s: expected either times or dt and steps, got both", where)
  end
  local times = engine.is_tensor(o.times) and o.times:totable() or o.times
  if type(times) ~= "table" then
    options.raise("%s: expected times as a list of numbers, got %s", where,
      options.show(o.times))
  end
  if #times == 0 then
    options.raise("%s: times: expected at least one number, that of the initial state, got none",
      where)
  end
  for i, t in ipairs(times) do
    if type(t) ~= "number" then
      options.raise("%s: expected times as a list of numbers, got %s at %d",
        where, options.show(t), i)
    end
  end
  return times
end

--- Raises for the first trajectory that failed before it was stopped.
-- @tparam string where name of the operation, for messages
-- @tparam {table,...} records of the trajectories, as in torus.rk45.states
-- @tparam {[integer]=number} stops the time at which a trajectory was stopped
-- @tparam integer direction of time, 1 or -1
function M.check(where, records, stops, direction)
  for b, record in ipairs(records) do
    if record.failure and not (stops[b] and (stops[b] - record.finish) * direction <= 0)
    then
      options.raise("%s: trajectory %d failed at t = %g after %d steps: %s", where, b,
        record.finish, record.steps:size(1), record.failure)
    end
  end
end

--- Writes NaN to the samples that come after the end of a stopped trajectory.
-- @tparam tensor out (batch, times, size)
-- @tparam {number,...} times
-- @tparam {[integer]=number} stops the time at which a trajectory was stopped
-- @tparam integer direction of time, 1 or -1
function M.cut(out, times, stops, direction)
  for b, stop in pairs(stops) do
    local kept = 0
    for i, t in ipairs(times) do
      if (t - stop) * direction <= 0 then kept = i end
    end
    if kept < #times then out[{ b, { kept + 1, #times } }] = 0 / 0 end
  end
end

return M
