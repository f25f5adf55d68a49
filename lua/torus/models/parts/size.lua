--- Checks that a model fits in the memory, before it is built.
-- @module torus.models.parts.size
local core = require "torus.core"
local options = require "torus.options"

local M = {}

local BYTES = { float32 = 4, float64 = 8 }
-- Per parameter in training: its value, its gradient, and Adam's two moments.
local COPIES = 4

--- Returns the number of parameters of a stack of dense layers or convolutions.
-- @tparam integer from units or channels of the input
-- @tparam integer width units or channels of the hidden layers
-- @tparam integer layers number of hidden layers
-- @tparam integer to units or channels of the output
-- @tparam[opt=1] integer taps size of a filter, 9 for 3x3
-- @treturn number
-- @usage
-- size = require "torus.models.parts.size"
-- print(size.stack(2, 200, 2, 1))   -- 40600 + biases
function M.stack(from, width, layers, to, taps)
  local weights = (from + 1.0) * width + (layers - 1.0) * (width + 1.0) * width
  return (weights + (width + 1.0) * to) * (taps or 1)
end

--- Raises if the parameters of a model can't be trained in the machine's memory.
-- @tparam string where name of the model, for the message
-- @tparam number count of parameters
-- @tparam string dtype
-- @raise if there are too many
-- @usage
-- size = require "torus.models.parts.size"
-- size.check("example", 1e6, "float32")
function M.check(where, count, dtype)
  local needed = count * BYTES[dtype] * COPIES
  local there = core.memory().machine_bytes
  if there > 0 and needed > there then
    options.raise("%s: its sizes make about %.2g parameters, which need %.1f GB in "
      .. "training: expected at most the machine's %.1f GB", where, count,
      needed / 1e9, there / 1e9)
  end
end

return M
