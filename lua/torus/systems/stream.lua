--- Random numbers by purpose: every data set, split and use of randomness has
-- a stream of its own, and row i of a stream is the same however many rows
-- are asked for and wherever they start.
-- @module torus.systems.stream
local engine = require "torus.engine"

local M = {}

-- The finaliser of splitmix64 (Steele et al. 2014).
local function mix(x)
  x = x + 0x9E3779B97F4A7C15
  x = (x ~ (x >> 30)) * 0xBF58476D1CE4E5B9
  x = (x ~ (x >> 27)) * 0x94D049BB133111EB
  return x ~ (x >> 31)
end

--- A seed for the stream that the seed and the words name.
-- @tparam integer seed
-- @tparam string ...
-- @treturn integer at least 0
function M.key(seed, ...)
  local h = mix(seed)
  for _, word in ipairs { ... } do
    for i = 1, #word do h = mix(h ~ word:byte(i)) end
    h = mix(h ~ 0x100)
  end
  return h & math.maxinteger
end

--- Rows of a stream.
-- @tparam function draw torus.rand or torus.randn
-- @tparam integer key
-- @tparam integer first row, from 1
-- @tparam integer rows
-- @tparam integer columns
-- @treturn tensor (rows, columns) float64
function M.rows(draw, key, first, rows, columns)
  if columns == 0 then return engine.zeros({ rows, 0 }, { dtype = "float64" }) end
  local generator = engine.generator(key)
  generator:set_state(key, (first - 1) * columns)
  return draw({ rows, columns }, { dtype = "float64", generator = generator })
end

return M
