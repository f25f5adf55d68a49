--- Energy and drawing of equal bodies that attract each other, in a plane:
-- H = sum |p_i|^2/(2m) - sum_{i<j} g m^2/|q_j - q_i|.
-- @module torus.systems.parts.gravity
local engine = require "torus.engine"

local M = {}

--- The kinetic energy, sum |p_i|^2 / (2 m).
-- @tparam tensor p (batch, 2 n)
-- @tparam table c constants with m
-- @treturn tensor (batch)
-- @usage
-- gravity = require "torus.systems.parts.gravity"
-- print(gravity.kinetic(torus.ones(1, 4), { m = 1 }))   -- [2.]
function M.kinetic(p, c)
  return ((p * p):sum(2, true) * (1 / (2 * c.m))):squeeze(2)
end

--- The potential energy, -sum_{i<j} g m^2 / |q_j - q_i|.
-- @tparam tensor q (batch, 2 n): x1, y1, x2, y2 ...
-- @tparam table c constants with g and m
-- @treturn tensor (batch)
-- @usage
-- gravity = require "torus.systems.parts.gravity"
-- q = torus.tensor { { 0, 0, 2, 0 } }
-- print(gravity.potential(q, { g = 1, m = 1 }))   -- [-0.5]
function M.potential(q, c)
  local n, total = q:size(2) // 2, nil
  for i = 1, n do
    for j = i + 1, n do
      local gap = q:narrow(2, 2 * j - 1, 2) - q:narrow(2, 2 * i - 1, 2)
      local pair = (gap * gap):sum(2, true):sqrt():reciprocal()
      total = total and total + pair or pair
    end
  end
  return (total * (-c.g * c.m * c.m)):squeeze(2)
end

--- Returns the positions of the bodies.
-- @tparam tensor q (batch, 2 n)
-- @treturn tensor (batch, n, 2)
-- @usage
-- gravity = require "torus.systems.parts.gravity"
-- print(table.unpack(gravity.positions(torus.ones(5, 6)).shape))   -- 5 3 2
function M.positions(q) return q:reshape(q:size(1), q:size(2) // 2, 2) end

--- Makes the `field` of a definition for n equal bodies: the engine's kernel n_body.
-- @tparam integer n
-- @treturn function of the constants g and m
-- @usage
-- gravity = require "torus.systems.parts.gravity"
-- print(gravity.field(2)({ g = 1, m = 1 }))   -- n_body and {1, 1, 1}
function M.field(n)
  return function(c)
    local constants = { c.g }
    for i = 1, n do constants[i + 1] = c.m end
    return "n_body", constants
  end
end

--- Makes the `masses` of a definition for n equal bodies.
-- @tparam integer n
-- @treturn function of the constant m
-- @usage
-- gravity = require "torus.systems.parts.gravity"
-- print(#gravity.masses(3)({ m = 1 }))   -- 3
function M.masses(n)
  return function(c)
    local masses = {}
    for i = 1, n do masses[i] = c.m end
    return masses
  end
end

--- Makes the `relative` of a definition for n equal bodies: Jacobi coordinates, the
-- displacement of each body from the centre of mass of those before it, and the conjugate
-- momenta. They are canonical and omit the centre of mass.
-- @tparam integer n
-- @treturn function of q and p (batch, 2 n) and the constant m; returns both
-- (batch, 2 n - 2)
function M.jacobi(n)
  local function body(x, i) return x:narrow(2, 2 * i - 1, 2) end
  return function(q, p, c)
    local distances, momenta = {}, {}
    local sum_q, sum_p = body(q, 1), body(p, 1)
    for k = 1, n - 1 do
      -- k bodies of total mass k m, and one more of mass m
      local mass = k * c.m
      distances[k] = body(q, k + 1) - sum_q / k
      momenta[k] = (body(p, k + 1) * mass - sum_p * c.m) / (mass + c.m)
      sum_q, sum_p = sum_q + body(q, k + 1), sum_p + body(p, k + 1)
    end
    return engine.cat(distances, 2), engine.cat(momenta, 2)
  end
end

return M
