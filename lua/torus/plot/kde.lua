--- Kernel density estimation in the plane.
-- @module torus.plot.kde
local engine = require "torus.engine"

local M = {}

--- Estimates a density with a normal kernel of the same bandwidth in both directions, as in
-- appendix A.2.
-- @tparam tensor x (n, 2), samples
-- @tparam table axis list or tensor of m coordinates, used for both axes
-- @tparam[opt=0.3] number bandwidth
-- @treturn tensor (m, m), rows for the second coordinate
function M.estimate(x, axis, bandwidth)
  local h = bandwidth or 0.3
  return engine.no_grad(function()
    x = x:to("float64")
    if not engine.is_tensor(axis) then
      axis = engine.tensor(axis, { dtype = "float64" })
    end
    local m, n = axis:numel(), x:size(1)
    local function kernel(column)
      local gap = (axis:reshape(m, 1) - x:select(2, column):reshape(1, n)) / h
      return (gap:square() * -0.5):exp() / (h * math.sqrt(2 * math.pi))
    end
    return kernel(2):matmul(kernel(1):transpose(1, 2)) / n
  end)
end

return M
