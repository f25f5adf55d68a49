--- Random numbers by purpose: every combination of seed, split and purpose has a separate
-- stream, and row i of a stream does not depend on how many rows are requested or where
-- they start. The name of a system is not part of the key: two systems with the same seed
-- start from the same numbers, which makes them easy to compare. If their data must be
-- independent, use different seeds.
-- @module torus.random
local engine = require "torus.engine"

local M = {}

-- The finaliser of splitmix64 (Steele et al. 2014).
local function mix(x)
  x = x + 0x9E3779B97F4A7C15
  x = (x ~ (x >> 30)) * 0xBF58476D1CE4E5B9
  x = (x ~ (x >> 27)) * 0x94D049BB133111EB
  return x ~ (x >> 31)
end

--- Returns the seed of the stream for a seed and words.
-- @tparam integer seed
-- @tparam string ... words describing the purpose of the numbers
-- @treturn integer at least 0
-- @usage
-- random = require "torus.random"
-- print(random.key(1, "train", "noise") ~= random.key(1, "test", "noise"))
-- -- true
function M.key(seed, ...)
  local h = mix(seed)
  for _, word in ipairs { ... } do
    for i = 1, #word do h = mix(h ~ word:byte(i)) end
    h = mix(h ~ 0x100)
  end
  return h & math.maxinteger
end

--- Draws rows of a stream.
-- @tparam function draw torus.rand or torus.randn
-- @tparam integer key of the stream
-- @tparam integer first row, from 1
-- @tparam integer rows
-- @tparam integer columns
-- @treturn tensor (rows, columns) float64
-- @usage
-- random = require "torus.random"
-- key = random.key(1, "example")
-- all = random.rows(torus.randn, key, 1, 10, 3)
-- seventh = random.rows(torus.randn, key, 7, 1, 3)
-- print((all[7] - seventh[1]):abs():max():item())   -- 0.0
function M.rows(draw, key, first, rows, columns)
  if columns == 0 then return engine.zeros({ rows, 0 }, { dtype = "float64" }) end
  local generator = engine.generator(key)
  generator:set_state(key, (first - 1) * columns)
  return draw({ rows, columns }, { dtype = "float64", generator = generator })
end

--- Returns the numbers 1 to count in random order.
-- @tparam integer count
-- @tparam integer key of the stream
-- @treturn tensor (count) int64
-- @usage
-- random = require "torus.random"
-- print(random.permutation(5, random.key(1, "example")))
function M.permutation(count, key)
  return engine.randperm(count, { generator = engine.generator(key) })
end

return M
