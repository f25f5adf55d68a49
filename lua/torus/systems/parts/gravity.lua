--- Energy and drawing of equal bodies that attract each other, in a plane:
-- H = sum |p_i|^2/(2m) - sum_{i<j} g m^2/|q_j - q_i|.
-- @module torus.systems.parts.gravity
local M = {}

--- @tparam tensor p (batch, 2 n)
-- @tparam table c constants with m
-- @treturn tensor (batch)
function M.kinetic(p, c) return (p * p):sum(2) * (1 / (2 * c.m)) end

--- @tparam tensor q (batch, 2 n): x1, y1, x2, y2 ...
-- @tparam table c constants with g and m
-- @treturn tensor (batch)
function M.potential(q, c)
  local n, total = q:size(2) // 2, nil
  for i = 1, n do
    for j = i + 1, n do
      local gap = q:narrow(2, 2 * j - 1, 2) - q:narrow(2, 2 * i - 1, 2)
      local pair = (gap * gap):sum(2):sqrt():reciprocal()
      total = total and total + pair or pair
    end
  end
  return total * (-c.g * c.m * c.m)
end

--- The bodies' places.
-- @tparam tensor q (batch, 2 n)
-- @treturn tensor (batch, n, 2)
function M.positions(q) return q:reshape(q:size(1), q:size(2) // 2, 2) end

--- The constants of the engine's field n_body for n equal bodies.
-- @tparam integer n
-- @treturn function of the constants g and m
function M.field(n)
  return function(c)
    local constants = { c.g }
    for i = 1, n do constants[i + 1] = c.m end
    return "n_body", constants
  end
end

--- n equal masses, for the radii of the discs.
-- @tparam integer n
-- @treturn function of the constant m
function M.masses(n)
  return function(c)
    local masses = {}
    for i = 1, n do masses[i] = c.m end
    return masses
  end
end

return M
