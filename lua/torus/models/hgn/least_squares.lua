--- Equations of nonlinear least squares in the positions and states of an HGN
-- with a vector phase space, for torus.optim.least_squares. What refines states
-- on frames and fits states to positions is made of these parts.
-- @module torus.models.hgn.least_squares
local engine = require "torus.engine"
local least_squares = require "torus.optim.least_squares"
local motion = require "torus.models.hgn.motion"

local M = {}

-- Step of the finite differences of the motion, which is smooth, relative to the
-- spread of the states.
local MOTION_STEP = 1e-3

--- The positions at all frames.
-- @tparam Module model an HGN
-- @tparam tensor states (batch, 2 n), q and p next to each other, at frame
-- `first`
-- @tparam integer first
-- @tparam integer frames how many
-- @treturn tensor (frames, batch, n)
-- @usage
-- local torus = require "torus"
-- local least_squares = require "torus.models.hgn.least_squares"
-- local model = torus.models.hgn { phase = "vector", width = 8, frames = 4 }
-- print(least_squares.positions(model, torus.randn(5, 2), 2, 4).shape[1])   -- 4
function M.positions(model, states, first, frames)
  local n = model.config.dimension
  local q = states:narrow(2, 1, n):contiguous()
  local p = states:narrow(2, n + 1, n):contiguous()
  return motion.around(model, q, p, first - 1, frames - first)
end

--- The square roots R of weighted metrics: R' R = w G, so that R d is a residual of the error
-- d of coordinates.
-- @tparam tensor metric G (..., n, n)
-- @tparam tensor weights w (...)
-- @treturn tensor (..., n, n), float64
-- @usage
-- local torus = require "torus"
-- local least_squares = require "torus.models.hgn.least_squares"
-- local R = least_squares.roots(torus.eye(2):expand(3, 2, 2) * 4, torus.ones(3))
-- print(R[1][1][1]:item())   -- 2.000002
function M.roots(metric, weights)
  local n = metric:size(-1)
  local G = metric:to("float64") * weights:to("float64"):unsqueeze(-1):unsqueeze(-1)
  local eye = engine.eye(n, { dtype = "float64" })
  local size = (G * eye):sum(-1):sum(-1):unsqueeze(-1):unsqueeze(-1)
  -- Above the rounding errors of metrics of float32, since a coordinate that the frame does not
  -- depend on leaves the metric singular.
  return engine.cholesky(G + eye * (size * 1e-6 + 1e-30)):transpose(-2, -1):contiguous()
end

--- The derivative of a function of the states by these: finite differences, with one
-- call for 2 n + 1 copies of the batch.
-- @tparam tensor states (batch, 2 n)
-- @tparam {number,...} spread of the states
-- @tparam function f of states (copies, 2 n) -> (frames, copies, m)
-- @treturn tensor (frames, batch, m, 2 n)
-- @usage
-- local torus = require "torus"
-- local least_squares = require "torus.models.hgn.least_squares"
-- local J = least_squares.along_jacobian(torus.randn(5, 2), { 1, 1 },
--   function(x) return (x * 3):unsqueeze(1) end)
-- print(table.unpack(J.shape))   -- 1 5 2 2
function M.along_jacobian(states, spread, f)
  local batch, unknowns = table.unpack(states.shape)
  local copies = { states }
  for j = 1, unknowns do
    copies[j + 1] = states
      + least_squares.shift(states, j, MOTION_STEP * spread[j])
  end
  local all = f(engine.cat(copies, 1))
  local base, columns = all:narrow(2, 1, batch), {}
  for j = 1, unknowns do
    columns[j] = (all:narrow(2, j * batch + 1, batch) - base)
      / (MOTION_STEP * spread[j])
  end
  return engine.stack(columns, -1)
end

--- The derivative of a function of the positions at all frames by the states:
-- one rollout of 2 n + 1 copies of the batch.
-- @tparam Module model an HGN
-- @tparam tensor states (batch, 2 n) at frame `first`
-- @tparam {number,...} spread of the states
-- @tparam integer first
-- @tparam integer frames how many
-- @tparam[opt] function map of positions (..., n) to as many numbers
-- @treturn tensor (frames, batch, n, 2 n)
-- @usage
-- local torus = require "torus"
-- local least_squares = require "torus.models.hgn.least_squares"
-- local model = torus.models.hgn { phase = "vector", width = 8, frames = 4 }
-- local states = torus.randn(5, 2)
-- local J = least_squares.motion_jacobian(model, states, { 1, 1 }, 1, 4)
-- print(table.unpack(J.shape))   -- 4 5 1 2
function M.motion_jacobian(model, states, spread, first, frames, map)
  return M.along_jacobian(states, spread, function(copies)
    local q = M.positions(model, copies, first, frames)
    return map and map(q) or q
  end)
end

--- The normal equations in the states, from those in the positions of every
-- frame.
-- @tparam tensor S (frames, batch, n, 2 n), the positions' derivative
-- @tparam tensor G (frames, batch, n, n)
-- @tparam tensor g (frames, batch, n, 1)
-- @treturn tensor (batch, 2 n, 2 n), float64
-- @treturn tensor (batch, 2 n, 1), float64
function M.state_equations(S, G, g)
  S, G, g = S:to("float64"), G:to("float64"), g:to("float64")
  local transposed = S:transpose(-2, -1)
  return transposed:matmul(G:matmul(S)):sum(1), transposed:matmul(g):sum(1)
end

return M
