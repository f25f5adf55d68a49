--- The deconvolutional decoder of positions (eq. (11) and appendix A.1 of the
-- paper).
-- @module torus.models.parts.decoder
local Conv2d = require "torus.nn.conv2d"
local Module = require "torus.nn.module"
local activation = require "torus.nn.activation"
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

--- The slope of the decoder's leaky ReLUs for negative inputs.
M.SLOPE = 0.2

local Block = Module.class("Block")

-- Doubles the resolution; residual unless the model has no skips. The skip's
-- 1x1 convolution precedes the upsampling: the result is the same, from a quarter of the
-- pixels.
local function block(inputs, opts)
  local self = Module.instance(Block, { skips = opts.skip,
    closing = activation.get(
      opts.closing == "none" and "identity" or opts.closing, "decoder") })
  self:register("conv1", Conv2d.new(inputs, opts.width, opts.layer))
  self:register("conv2", Conv2d.new(opts.width, opts.width, opts.layer))
  if opts.skip and inputs ~= opts.width then
    self:register("skip", Conv2d.new(inputs, opts.width,
      options.joined({ kernel = 1 }, opts.layer or {})))
  end
  return self
end

function Block:forward(x)
  local h = self.conv1(x:upsample(2)):leaky_relu(M.SLOPE)
  h = self.conv2(h):leaky_relu(M.SLOPE)
  if self.skips then
    h = h + (self.skip and self.skip(x) or x):upsample(2)
  end
  return self.closing(h)
end

-- The inverse of the sigmoid. Black and white, which the sigmoid never reaches, are moved
-- by 0.01, as an infinite bias would never change again.
local function logits(colours)
  local list = {}
  for i, colour in ipairs(colours) do
    local value = math.max(0.01, math.min(0.99, colour))
    list[i] = math.log(value / (1 - value))
  end
  return list
end

local Decoder = Module.class("Decoder")

--- Makes a decoder: blocks that double the resolution, a convolution to colours, a sigmoid.
-- @tparam integer inputs channels of q
-- @tparam table opts
-- @tparam integer opts.blocks number of blocks, each of which doubles height and width
-- @tparam integer opts.width channels of the hidden layers
-- @tparam integer opts.channels of the frames
-- @tparam boolean opts.skip true for residual blocks
-- @tparam string opts.closing activation after a block, or "none"
-- @tparam[opt] table opts.layer options of every Conv2d
-- @tparam[opt] {number,...} opts.background colour that the untrained output
-- starts near; see torus.models.parts.frames.check_background
-- @treturn Module (images, height, width, inputs) -> (images, height 2^blocks,
-- width 2^blocks, channels) in (0, 1)
-- @usage
-- decoder = require "torus.models.parts.decoder"
-- net = decoder.new(4, { blocks = 3, width = 8, channels = 3,
--   skip = true, closing = "none" })
-- print(table.unpack(net(torus.randn(2, 4, 4, 4)).shape))   -- 2 32 32 3
function M.new(inputs, opts)
  local self = Module.instance(Decoder, { blocks = opts.blocks })
  for i = 1, opts.blocks do
    self:register(i, block(i == 1 and inputs or opts.width, opts))
  end
  local output = self:register("output",
    Conv2d.new(opts.width, opts.channels, opts.layer))
  if opts.background then
    engine.no_grad(function()
      output.bias:copy_(engine.tensor(logits(opts.background),
        { dtype = opts.layer and opts.layer.dtype }))
    end)
  end
  return self
end

function Decoder:forward(q)
  for i = 1, self.blocks do q = self[i](q) end
  return self.output(q):sigmoid()
end

return M
