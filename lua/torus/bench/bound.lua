--- How long a measured job takes at least: its multiply-adds at the rate at which this
-- machine's processors multiply, or its weights at the rate at which they are read.
-- @module torus.bench.bound
local core = require "torus.core"
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

-- Bytes of weights that come from the second-level cache for one unit of work of a
-- tile, whatever the batch: each hidden matrix once for each of two forces.
local reads = { rollout = 2 * 128 * 128 * 4 }

--- Bytes of weights that one unit of a job's work reads, where these are more than a
-- first-level cache holds and few samples share them.
-- @tparam string job as multiply_adds'
-- @treturn integer 0 where multiplications decide
-- @usage
-- bound = require "torus.bench.bound"
-- print(bound.bytes("rollout"))   -- 131072
function M.bytes(job) return reads[job] or 0 end

-- The best rate of several calls that return an amount.
local function rate(repeats, fn, ...)
  local best = 0
  for _ = 1, repeats do
    local start = engine.clock()
    local amount = fn(...)
    best = math.max(best, amount / (engine.clock() - start))
  end
  return best
end

--- Float32 multiply-adds per second of all threads in registers, the best of several.
-- @tparam[opt=50] integer repeats
-- @treturn number
-- @usage
-- bound = require "torus.bench.bound"
-- print(bound.peak(2) > 1e6)   -- true
function M.peak(repeats) return rate(repeats or 50, core.probe_multiply_adds, 20) end

--- Bytes per second that one thread reads from the second-level cache, the best of
-- several.
-- @tparam[opt=20] integer repeats
-- @treturn number
-- @usage
-- bound = require "torus.bench.bound"
-- print(bound.read_rate(2) > 1e6)   -- true
function M.read_rate(repeats)
  return rate(repeats or 20, core.probe_read, 1000, reads.rollout)
end

return M
