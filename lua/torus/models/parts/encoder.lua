--- The convolutional encoder of frames (appendix A.1 of the paper).
-- @module torus.models.parts.encoder
local frames = require "torus.models.parts.frames"
local stack = require "torus.models.parts.stack"

local M = {}

--- Eight 3x3 convolutions with ReLUs between them; three or four of them, by
-- the resolution, have stride 2.
-- @tparam integer inputs channels of all frames together
-- @tparam integer outputs channels
-- @tparam table opts
-- @tparam integer opts.resolution height and width of the frames in pixels
-- @tparam integer opts.width channels of the hidden layers; of the first, half
-- @tparam[opt] table opts.layer options of every Conv2d
-- @tparam[opt] table opts.last further options of the last Conv2d
-- @treturn Module (batch, resolution, resolution, inputs) -> (batch, size,
-- size, outputs), where size is the resolution over 2^halvings
-- @usage
-- encoder = require "torus.models.parts.encoder"
-- net = encoder.new(9, 5, { resolution = 32, width = 8 })
-- print(table.unpack(net(torus.rand(2, 32, 32, 9)).shape))   -- 2 4 4 5
function M.new(inputs, outputs, opts)
  local w = opts.width
  local first = frames.halvings(opts.resolution) == 4 and 2 or 1
  return stack.new({ inputs, w // 2, w, w, w, w, w, w, outputs },
    { activation = "relu", strides = { first, 2, 1, 2, 1, 2, 1, 1 },
      layer = opts.layer, last = opts.last })
end

return M
