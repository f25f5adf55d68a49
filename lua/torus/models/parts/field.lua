--- The vector field of a Hamiltonian, for models that are trained on it.
-- @module torus.models.parts.field
local fused = require "torus.fused"

local M = {}

--- Returns the gradients of H, dH/dq and dH/dp, from one backward pass. While gradients
-- are recorded, the result is differentiable: to first order if the fused kernels support
-- H's networks, to any order otherwise.
-- @param H torus.separable(K, V), torus.joint(net), or a function of q and p,
-- with one energy per sample
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam[opt] table opts fused=false forces the path of any order
-- @treturn tensor dH/dq (batch, d)
-- @treturn tensor dH/dp (batch, d)
-- @usage
-- field = require "torus.models.parts.field"
-- function H(q, p) return (q * q + p * p):sum(2) end
-- print(field.gradients(H, torus.ones(1, 1), torus.ones(1, 1) * 2))   -- 2 and 4
function M.gradients(H, q, p, opts)
  return fused.field(H, q, p, opts)
end

--- Returns Hamilton's equations (3): dq/dt = dH/dp and dp/dt = -dH/dq.
-- @param H as in gradients
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam[opt] table opts as in gradients
-- @treturn tensor dq/dt (batch, d)
-- @treturn tensor dp/dt (batch, d)
-- @usage
-- field = require "torus.models.parts.field"
-- function H(q, p) return (q * q + p * p):sum(2) end
-- print(field.motion(H, torus.ones(1, 1), torus.ones(1, 1) * 2))   -- 4 and -2
function M.motion(H, q, p, opts)
  local dq, dp = M.gradients(H, q, p, opts)
  return dp, -dq
end

return M
