--- Line search for the strong Wolfe conditions (Nocedal & Wright 2006, algorithms 3.5
-- and 3.6, with cubic interpolation, equation 3.59).
-- @module torus.optim.line_search
local M = {}

local DECREASE, CURVATURE = 1e-4, 0.9 -- c1 and c2 of the conditions

-- The minimum in [low, high] of the cubic with the values and slopes of two points; the
-- midpoint if it has none.
local function cubic_minimum(a, b, low, high)
  low = low or math.min(a.t, b.t)
  high = high or math.max(a.t, b.t)
  local d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
  local root = d1 * d1 - a.slope * b.slope
  if not (root >= 0) then return (low + high) / 2 end
  if a.t > b.t then a, b = b, a end
  local d2 = math.sqrt(root)
  local t = b.t - (b.t - a.t) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)
  return math.min(math.max(t, low), high)
end

-- Tries larger and larger steps until two of them bracket a minimum, or a step is
-- acceptable. Returns {step} or {before, after}, and the number of evaluations.
local function bracket(evaluate, origin, point, limit)
  local before, evaluations = origin, 0
  while evaluations < limit do
    if point.value > origin.value + DECREASE * point.t * origin.slope
      or (evaluations > 1 and point.value >= before.value) then
      return { before, point }, evaluations
    elseif math.abs(point.slope) <= -CURVATURE * origin.slope then
      return { point }, evaluations
    elseif point.slope >= 0 then
      return { before, point }, evaluations
    end
    local low, high = point.t + 0.01 * (point.t - before.t), 10 * point.t
    local t = cubic_minimum(before, point, low, high)
    before, point, evaluations = point, evaluate(t), evaluations + 1
  end
  return { origin, point }, evaluations
end

-- A step inside a bracket, away from its ends if the last one made no progress.
local function inside(pair, stuck)
  local t = cubic_minimum(pair[1], pair[2])
  local low, high = math.min(pair[1].t, pair[2].t), math.max(pair[1].t, pair[2].t)
  local margin = 0.1 * (high - low)
  if math.min(high - t, t - low) >= margin then return t, false end
  if not stuck and t < high and t > low then return t, true end
  return math.abs(t - high) < math.abs(t - low) and high - margin or low + margin, false
end

-- Shrinks the bracket until a step is acceptable. pair[best] has the lower value.
local function zoom(evaluate, origin, pair, evaluations, o)
  local best, stuck = pair[1].value <= pair[2].value and 1 or 2, false
  while evaluations < o.limit do
    if math.abs(pair[2].t - pair[1].t) * o.length < o.tolerance then break end
    local t
    t, stuck = inside(pair, stuck)
    local point = evaluate(t)
    evaluations = evaluations + 1
    if point.value > origin.value + DECREASE * t * origin.slope
      or point.value >= pair[best].value then
      pair[3 - best] = point
      best = pair[1].value <= pair[2].value and 1 or 2
    else
      local good = math.abs(point.slope) <= -CURVATURE * origin.slope
      if not good and point.slope * (pair[3 - best].t - pair[best].t) >= 0 then
        pair[3 - best] = pair[best]
      end
      pair[best] = point
      if good then break end
    end
  end
  return pair[best]
end

--- Finds a step that satisfies the conditions, or the best one found.
-- @tparam function evaluate t -> {t =, value =, slope =, ...} along the direction
-- @tparam table origin the same at t = 0, with a negative slope
-- @tparam number t first step to try
-- @tparam table o tolerance and length (the direction's largest component): a bracket
-- does not shrink below tolerance / length; limit, the maximum number of evaluations
-- @treturn table the result of evaluate for that step
function M.strong_wolfe(evaluate, origin, t, o)
  local found, evaluations = bracket(evaluate, origin, evaluate(t), o.limit)
  if #found == 1 then return found[1] end
  return zoom(evaluate, origin, found, evaluations, o)
end

return M
