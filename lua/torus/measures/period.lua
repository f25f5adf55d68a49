--- The period of an oscillation from its samples, and the period against the
-- energy for systems with one degree of freedom.
--
-- The period as a function of the energy does not depend on the coordinates in which a
-- model describes the motion, so that the learned and the true function can be compared
-- without a map between the coordinates.
-- @module torus.measures.period
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

local NAN = 0 / 0

-- The zero in [0, 1] of the cubic through (-1, a), (0, b), (1, c), (2, d),
-- where b < 0 <= c: by bisection of Lagrange's form.
local function zero_of_cubic(a, b, c, d)
  local function value(t)
    return -a * t * (t - 1) * (t - 2) / 6
      + b * (t + 1) * (t - 1) * (t - 2) / 2
      - c * (t + 1) * t * (t - 2) / 2
      + d * (t + 1) * t * (t - 1) / 6
  end
  local low, high = 0, 1
  for _ = 1, 52 do
    local middle = (low + high) / 2
    if value(middle) < 0 then low = middle else high = middle end
  end
  return (low + high) / 2
end

--- Returns the times at which a signal rises through a level, by cubic interpolation
-- between four samples (linear at the ends of the signal): the error decreases as dt^4.
-- @tparam {number,...} signal samples dt apart
-- @tparam number dt above 0
-- @tparam[opt=0] number level
-- @treturn {number,...} times, the first sample's being 0
-- @usage
-- signal = torus.linspace(0, 20, 401):sin():totable()   -- 0.05 apart
-- print(torus.measures.period.crossings(signal, 0.05)[1])   -- 2 pi
function M.crossings(signal, dt, level)
  options.argument("period.crossings", "dt", dt, { type = "number", above = 0 })
  level = level or 0
  local times = {}
  for i = 1, #signal - 1 do
    local b, c = signal[i] - level, signal[i + 1] - level
    if b < 0 and c >= 0 then
      local share
      if i > 1 and i + 2 <= #signal then
        share = zero_of_cubic(signal[i - 1] - level, b, c,
          signal[i + 2] - level)
      else
        share = b / (b - c)
      end
      times[#times + 1] = (i - 1 + share) * dt
    end
  end
  return times
end

--- Returns the period of a signal that rises through the middle of its range once per
-- period.
-- @tparam {number,...} signal samples dt apart, of more than a period
-- @tparam number dt positive or negative
-- @treturn number the mean period; NaN if the signal rises through the middle less than
-- twice
-- @usage
-- signal = torus.linspace(0, 20, 401):sin():totable()   -- 0.05 apart
-- print(torus.measures.period.period(signal, 0.05))   -- 2 pi
function M.period(signal, dt)
  local low, high = math.huge, -math.huge
  for _, x in ipairs(signal) do
    if x ~= x then return NAN end
    low, high = math.min(low, x), math.max(high, x)
  end
  if not (low < high) or high == math.huge or low == -math.huge then
    return NAN
  end
  local times = M.crossings(signal, math.abs(dt), (low + high) / 2)
  if #times < 2 then return NAN end
  return (times[#times] - times[1]) / (#times - 1)
end

--- Returns the periods of trajectories, each from the coordinate that varies most along it.
-- @tparam tensor q (steps + 1, batch, ...), as returned by torus.integrate
-- @tparam number dt between states
-- @treturn {number,...} one for each sequence, NaN if it has none
-- @usage
-- spring = torus.systems.mass_spring
-- q, p = spring:sample{ count = 3 }
-- q = spring:solve(q, p, { dt = 0.125, steps = 100 }).q
-- print(table.unpack(torus.measures.period.periods(q, 0.125)))   -- pi each
function M.periods(q, dt)
  options.tensor("periods", "q", q, { "steps + 1", "batch", "..." })
  return engine.no_grad(function()
    local rows = q:reshape(q:size(1), q:size(2), -1):to("float64")
    local widest = rows:var(1):argmax(2):totable()
    local found = {}
    for i, coordinate in ipairs(widest) do
      found[i] = M.period(rows:select(2, i):select(2, coordinate):totable(),
        dt)
    end
    return found
  end)
end

--- Compares the period as a function of the energy between a model and the truth.
-- @tparam {number,...} energies true energies of sequences
-- @tparam {number,...} learned periods of the model's rollouts, as returned by `periods`
-- @tparam {number,...} truth true periods of the same sequences
-- @treturn table points, a list of {energy=, learned=, truth=} sorted by energy, for the
-- sequences that have both periods; error, the mean of |learned - truth| / truth, nil
-- without points; missing, the number of sequences without a period
-- @usage
-- found = torus.measures.period.against_energy({1, 2}, {3.1, 3.3}, {3.1, 3.2})
-- print(found.error)
function M.against_energy(energies, learned, truth)
  if #energies ~= #learned or #energies ~= #truth then
    options.raise("against_energy: expected lists of equal length, got %d "
      .. "energies, %d learned and %d true periods", #energies, #learned,
      #truth)
  end
  local points, sum = {}, 0
  for i, energy in ipairs(energies) do
    local a, b = learned[i], truth[i]
    if a == a and b == b then
      points[#points + 1] = { energy = energy, learned = a, truth = b }
      sum = sum + math.abs(a - b) / b
    end
  end
  table.sort(points, function(a, b) return a.energy < b.energy end)
  return { points = points, error = #points > 0 and sum / #points or nil,
    missing = #energies - #points }
end

signature.functions("period", M, {
  crossings = "signal: {number,...}, dt: number, level?: number",
  period = "signal: {number,...}, dt: number",
  periods = "q: tensor, dt: number",
  against_energy = "energies: {number,...}, learned: {number,...}, "
    .. "truth: {number,...}",
})

return M
