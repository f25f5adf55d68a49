--- The convolutional encoder of frames (appendix A.1 of the paper).
-- @module torus.models.parts.encoder
local frames = require "torus.models.parts.frames"
local stack = require "torus.models.parts.stack"

local M = {}

--- Makes an encoder of eight 3x3 convolutions with ReLUs between them; three or four of
-- them, depending on the resolution, have stride 2.
-- @tparam integer inputs channels of all frames together
-- @tparam integer outputs channels
-- @tparam table opts
-- @tparam integer opts.resolution of the frames in pixels; for rectangles, the smaller
-- side
-- @tparam integer opts.width channels of the hidden layers; the first has half as many
-- @tparam[opt] table opts.layer options of every Conv2d
-- @tparam[opt] table opts.last further options of the last Conv2d
-- @treturn Module (batch, height, width, inputs) -> (batch, height / 2^halvings,
-- width / 2^halvings, outputs)
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

--- Makes an encoder as in Botev et al. (2021): blocks of two 3x3 convolutions, each
-- followed by a leaky ReLU, the first with stride 2, and a last convolution.
-- @tparam integer inputs channels of all frames together
-- @tparam integer outputs channels
-- @tparam table opts as in `new`, with the same width for every hidden layer; slope of the
-- leaky ReLUs
-- @treturn Module as in `new`
-- @usage
-- encoder = require "torus.models.parts.encoder"
-- net = encoder.blocks(9, 5, { resolution = 32, width = 8, slope = 0.2 })
-- print(table.unpack(net(torus.rand(2, 32, 32, 9)).shape))   -- 2 4 4 5
function M.blocks(inputs, outputs, opts)
  local channels, strides = { inputs }, {}
  for i = 1, 2 * frames.halvings(opts.resolution) do
    channels[i + 1], strides[i] = opts.width, i % 2 == 1 and 2 or 1
  end
  channels[#channels + 1], strides[#strides + 1] = outputs, 1
  return stack.new(channels, { strides = strides, layer = opts.layer,
    last = opts.last,
    activation = function(x) return x:leaky_relu(opts.slope) end })
end

return M
