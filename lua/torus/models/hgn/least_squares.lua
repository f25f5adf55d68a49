--- Equations of nonlinear least squares in the positions and states of an HGN
-- with a vector phase space, for torus.optim.least_squares. What refines states
-- on frames, finds the position that a frame shows, and fits states to positions
-- is made of these parts.
-- @module torus.models.hgn.least_squares
local engine = require "torus.engine"
local motion = require "torus.models.hgn.motion"

local M = {}

-- Steps of the finite differences, relative to the spread of what they are
-- taken in: of the decoder, which has kinks, and of the smooth motion.
local DECODER_STEP, MOTION_STEP = 1e-2, 1e-3

-- A row of zeros but for one.
local function shift(x, j, by)
  local row = engine.zeros({ x:size(-1) }, { dtype = x.dtype })
  row:narrow(1, j, 1):fill_(by)
  return row
end

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
  local batch, unknowns = table.unpack(states.shape)
  local copies = { states }
  for j = 1, unknowns do
    copies[j + 1] = states + shift(states, j, MOTION_STEP * spread[j])
  end
  local q = M.positions(model, engine.cat(copies, 1), first, frames)
  if map then q = map(q) end
  local base, columns = q:narrow(2, 1, batch), {}
  for j = 1, unknowns do
    columns[j] = (q:narrow(2, j * batch + 1, batch) - base)
      / (MOTION_STEP * spread[j])
  end
  return engine.stack(columns, -1)
end

--- The normal equations of images' residuals in what they are decoded from: the
-- metric G = D'D and g = D'r, D being the decoder's derivative.
-- @tparam function decode of x (..., n) to images (..., height, width,
-- channels)
-- @tparam tensor x (..., n)
-- @tparam tensor images decode(x)
-- @tparam tensor residual target images minus these
-- @tparam {number,...} spread of x
-- @treturn tensor G (..., n, n)
-- @treturn tensor g (..., n, 1)
-- @usage
-- local torus = require "torus"
-- local least_squares = require "torus.models.hgn.least_squares"
-- local function decode(x) return x:reshape(-1, 1, 1, 2) * 3 end
-- local x = torus.zeros(5, 2)
-- local G, g = least_squares.decoder_equations(decode, x, decode(x),
--   torus.ones(5, 1, 1, 2), { 1, 1 })
-- print(G[1], g[1])
function M.decoder_equations(decode, x, images, residual, spread)
  local n, leading, columns = x:size(-1), x.shape, {}
  leading[#leading] = -1
  residual = residual:reshape(leading)
  for j = 1, n do
    local by = DECODER_STEP * spread[j]
    columns[j] = (decode(x + shift(x, j, by)) - images):reshape(leading) / by
  end
  local rows, right = {}, {}
  for j = 1, n do
    local row = {}
    for k = 1, n do
      row[k] = k < j and rows[k]:select(-1, j)
        or (columns[j] * columns[k]):sum(-1)
    end
    rows[j] = engine.stack(row, -1)
    right[j] = (columns[j] * residual):sum(-1)
  end
  return engine.stack(rows, -2), engine.stack(right, -1):unsqueeze(-1)
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
