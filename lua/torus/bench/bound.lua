--- How long the multiplications of a measured job take at least: multiply-adds of
-- the algorithm, at the rate of this machine's large matrix products.
-- @module torus.bench.bound
local engine = require "torus.engine"

local M = {}

-- Of one sample.
local function dense(...)
  local sizes, sum = { ... }, 0
  for i = 2, #sizes do sum = sum + sizes[i - 1] * sizes[i] end
  return sum
end

local function conv(pixels, inputs, outputs, kernel)
  return pixels * inputs * outputs * (kernel or 3) ^ 2
end

-- Forward, and both gradients.
local TRAINED = 3
-- An energy's value and its gradient.
local GRADIENT = 2
-- That and both gradients of each.
local TRAINED_GRADIENT = 6

local WIDTH, STATE, SIZE = 64, 16, 16 -- filters, channels of q, pixels of a state

local function decoder()
  local sum, inputs = 0, STATE
  for _, pixels in ipairs { 64, 256, 1024 } do
    sum = sum + conv(pixels, inputs, WIDTH) + conv(pixels, WIDTH, WIDTH)
    inputs = WIDTH
  end
  return sum + conv(1024, WIDTH, 3) + conv(SIZE, STATE, WIDTH, 1)
end

local function convolutional_energy()
  return conv(SIZE, STATE, WIDTH) + 5 * conv(SIZE, WIDTH, WIDTH) + SIZE * WIDTH
end

local function encoder()
  return conv(1024, 93, 32) + conv(256, 32, WIDTH) + conv(256, WIDTH, WIDTH)
    + 2 * conv(64, WIDTH, WIDTH) + 2 * conv(16, WIDTH, WIDTH)
    + conv(16, WIDTH, 96)
end

local function f_psi()
  return conv(16, 48, WIDTH) + conv(16, WIDTH, WIDTH) + conv(16, WIDTH, 32)
end

local function energy() return dense(2, 128, 128, 1) end

-- Multiply-adds of one unit of work of a batch. Convolutions are counted as direct
-- loops, of the doubled image where one is doubled.
local counts = {
  hgn_step = function(batch)
    return batch * (TRAINED * (31 * decoder() + encoder() + f_psi())
      + 61 * TRAINED_GRADIENT * convolutional_energy())
  end,
  decoder = function(images) return images * TRAINED * decoder() end,
  hamiltonian = function(batch)
    return batch * 61 * TRAINED_GRADIENT * convolutional_energy()
  end,
  hnn_step = function(batch)
    return batch * TRAINED_GRADIENT * dense(2, 200, 200, 1)
  end,
  -- Five flows with forces before, between and after two steps, and two networks
  -- of the encoder.
  nhf_step = function(batch)
    return batch * (5 * 5 * TRAINED_GRADIENT * energy()
      + 2 * TRAINED * dense(2, 128, 128, 2))
  end,
  rollout = function(batch) return batch * 2 * GRADIENT * energy() end,
}

--- Multiply-adds of one unit of a job's work.
-- @tparam string job name of a count: hgn_step, decoder, hamiltonian, hnn_step,
-- nhf_step, rollout
-- @tparam integer batch
-- @treturn number
-- @usage
-- bound = require "torus.bench.bound"
-- print(bound.multiply_adds("rollout", 1))   -- 67584
function M.multiply_adds(job, batch) return counts[job](batch) end

--- Multiply-adds per second of float32 matrix products of 1,024 numbers each way
-- on all threads, the best of several.
-- @tparam[opt=10] integer repeats
-- @treturn number
-- @usage
-- bound = require "torus.bench.bound"
-- print(bound.peak(2) > 1e6)   -- true
function M.peak(repeats)
  local n, best = 1024, math.huge
  local x, y = engine.rand(n, n), engine.rand(n, n)
  for _ = 1, repeats or 10 do
    local start = engine.clock()
    engine.matmul(x, y)
    best = math.min(best, engine.clock() - start)
  end
  return n ^ 3 / best
end

return M
