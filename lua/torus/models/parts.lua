--- The networks that an HGN is made of. Images and feature maps have their
-- channels last.
-- @module torus.models.parts
local engine = require "torus.engine"
local Module = require "torus.nn.module"
local Conv2d = require "torus.nn.conv2d"
local Linear = require "torus.nn.linear"
local activation = require "torus.nn.activation"
local options = require "torus.options"

local M = {}

-- --- a stack of convolutions ----------------------------------------------

local Stack = Module.class("Stack")

--- 3x3 convolutions with an activation between them, not after the last.
-- @tparam {integer,...} channels of the input, then of every layer
-- @tparam table opts activation (a name); strides, one per layer, or all 1;
-- layer: options of every Conv2d; last: options of the last one beside these
-- @treturn Module members 1, 2, ...; (batch, height, width, first channels) ->
-- (batch, height', width', last channels)
function M.stack(channels, opts)
  local self = Module.instance(Stack, {
    depth = #channels - 1,
    activation = activation.get(opts.activation, "stack"),
  })
  for i = 1, self.depth do
    self:register(i, Conv2d.new(channels[i], channels[i + 1], options.joined(
      { stride = opts.strides and opts.strides[i] }, opts.layer or {},
      i == self.depth and opts.last or {})))
  end
  return self
end

function Stack:forward(x)
  for i = 1, self.depth do
    x = self[i](x)
    if i < self.depth then x = self.activation(x) end
  end
  return x
end

local Spread = Module.class("Spread")

--- From a vector to a map: a dense layer to all places, then a stack.
-- @tparam integer inputs numbers of the vector
-- @tparam integer size of the map
-- @tparam {integer,...} channels of the map, then of every layer of the stack
-- @tparam table opts as stack's
-- @treturn Module (batch, 1, 1, inputs) -> (batch, size, size, channels)
function M.spread(inputs, size, channels, opts)
  local self = Module.instance(Spread, { size = size,
    activation = activation.get(opts.activation, "spread") })
  self:register("dense",
    Linear.new(inputs, size * size * channels[1], opts.layer))
  self:register("stack", M.stack(channels, opts))
  return self
end

function Spread:forward(z)
  local map = self.dense(z):reshape(z:size(1), self.size, self.size, -1)
  return self.stack(self.activation(map))
end

-- --- encoder --------------------------------------------------------------

local LARGEST = 1024

--- Raises unless a resolution is one that encoder and decoder take. The upper
-- limit keeps a typing error from asking for all memory.
-- @tparam string where name of the model, for the message
-- @tparam integer resolution
function M.check_resolution(where, resolution)
  local factor = 1 << M.halvings(resolution)
  if resolution < 8 or resolution > LARGEST or resolution % factor ~= 0 then
    options.raise("%s: expected as resolution a multiple of 8 from 8 to 56 or "
      .. "of 16 from 64 to %d, got %d", where, LARGEST, resolution)
  end
end

--- How often the encoder halves frames and the decoder doubles them: three
-- times bring 32x32 to 4x4; 64x64 takes four.
-- @tparam integer resolution
-- @treturn integer
function M.halvings(resolution)
  return resolution >= 64 and 4 or 3
end

--- Eight convolutions with ReLUs between them, some of stride 2.
-- @tparam integer inputs channels of all frames together
-- @tparam integer outputs channels
-- @tparam table opts resolution of the frames, width, layer and last as in
-- stack
-- @treturn Module (batch, resolution, resolution, inputs) -> (batch, size,
-- size, outputs), where size is the resolution, halved
function M.encoder(inputs, outputs, opts)
  local w = opts.width
  local first = M.halvings(opts.resolution) == 4 and 2 or 1
  return M.stack({ inputs, w // 2, w, w, w, w, w, w, outputs },
    { activation = "relu", strides = { first, 2, 1, 2, 1, 2, 1, 1 },
      layer = opts.layer, last = opts.last })
end

-- --- energy ---------------------------------------------------------------

local Energy = Module.class("Energy")

--- How the weights of an energy start; see energy.
M.energy_inits = { "default", "oscillator" }

-- E(x) = E(-x), and mostly convex.
local function start_even(self, width)
  local half = width // 2
  local first, second = self[1], self[2] or self.readout
  engine.no_grad(function()
    for _, part in ipairs { first.weight, first.bias } do
      local sign = part == first.weight and -1 or 1
      part:narrow(1, half + 1, half):copy_(part:narrow(1, 1, half) * sign)
    end
    second.weight:narrow(2, half + 1, half)
      :copy_(second.weight:narrow(2, 1, half))
    self.readout.weight:copy_(self.readout.weight:abs())
  end)
end

--- A convolutional energy: a stack with softplus after each layer, then a
-- linear read-out to one number per sample. The read-out has no bias: a
-- constant moves nothing and would never get a gradient.
--
-- With "default" first weights its gradient is nearly the same everywhere, and
-- everything drifts the same way. With "oscillator" the filters of the first
-- layer come in pairs of opposite sign that the next one weights alike, and
-- the read-out is positive: the energy, if its width is even, is even itself
-- and mostly convex, so states swing around zero, each in its own phase, from
-- the first step of training.
-- @tparam integer inputs channels
-- @tparam table opts width, layers, size of the feature map, init = "default"
-- or "oscillator", layer as in stack
-- @treturn Module (batch, size, size, inputs) -> (batch)
function M.energy(inputs, opts)
  local self = Module.instance(Energy, { layers = opts.layers })
  for i = 1, opts.layers do
    self:register(i, Conv2d.new(i == 1 and inputs or opts.width, opts.width,
      opts.layer))
  end
  self:register("readout", Conv2d.new(opts.width, 1, { kernel = opts.size,
    padding = 0, bias = false, dtype = opts.layer.dtype,
    generator = opts.layer.generator }))
  if opts.init == "oscillator" then start_even(self, opts.width) end
  return self
end

function Energy:forward(x)
  for i = 1, self.layers do x = self[i](x):softplus() end
  return self.readout(x):reshape(-1)
end

--- What the fused kernels need to know.
function Energy:network()
  return { kind = "conv", activation = "softplus", layers = self.layers,
    readout_bias = false, parameters = self:parameters() }
end

--- A joint energy of q and p, which are put side by side as channels.
local Joint = Module.class("JointEnergy")

--- @tparam integer inputs channels of q; p has as many
-- @tparam table opts as energy's
-- @treturn Module (q, p), (batch, size, size, inputs) each, -> (batch)
function M.joint_energy(inputs, opts)
  local self = M.energy(2 * inputs, opts)
  return setmetatable(self, Joint)
end

Joint.network = Energy.network

function Joint:forward(q, p)
  return Energy.forward(self, engine.cat({ q, p }, -1))
end

--- Of the decoder's leaky ReLUs below zero.
M.SLOPE = 0.2

-- --- decoder --------------------------------------------------------------

local COLOUR = { type = "number", min = 0, max = 1 }

local Block = Module.class("Block")

-- Doubles the resolution; residual unless the model has no skips. The 1x1
-- convolution of the skip is done before the upsampling, where it gives the
-- same numbers from a quarter of the pixels.
local function block(inputs, opts)
  local self = Module.instance(Block, { skips = opts.skip,
    closing = activation.get(
      opts.closing == "none" and "identity" or opts.closing, "decoder") })
  self:register("conv1", Conv2d.new(inputs, opts.width, opts.layer))
  self:register("conv2", Conv2d.new(opts.width, opts.width, opts.layer))
  if opts.skip and inputs ~= opts.width then
    local layer = { kernel = 1 }
    for key, value in pairs(opts.layer) do layer[key] = value end
    self:register("skip", Conv2d.new(inputs, opts.width, layer))
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

--- Raises unless a background is nil or a list of colours.
-- @tparam string where name of the model, for the message
-- @tparam ?{number,...} background one number in [0, 1] per channel
-- @tparam integer channels
function M.check_background(where, background, channels)
  if background == nil then return end
  local fits = type(background) == "table" and #background == channels
  for i = 1, fits and channels or 0 do
    local problem = options.check(background[i], COLOUR)
    fits = fits and not problem
  end
  if not fits then
    options.raise("%s: expected a background of %d numbers in [0, 1], got %s",
      where, channels, options.show(background))
  end
end

-- What a sigmoid takes to the colours. Black and white, which it never
-- reaches, are held off: an infinite bias would never move again.
local function logits(colours)
  local list = {}
  for i, colour in ipairs(colours) do
    local value = math.max(0.01, math.min(0.99, colour))
    list[i] = math.log(value / (1 - value))
  end
  return list
end

local Decoder = Module.class("Decoder")

--- Blocks that double the resolution, one convolution to colours, a sigmoid.
-- @tparam integer inputs channels of q
-- @tparam table opts blocks, width, channels of the frames, skip, closing,
-- layer, background (colours that the untrained output starts near, or nil:
-- see check_background)
-- @treturn Module (images, size, size, inputs) -> (images, size 2^blocks,
-- size 2^blocks, channels) in (0, 1)
function M.decoder(inputs, opts)
  local self = Module.instance(Decoder, { blocks = opts.blocks })
  for i = 1, opts.blocks do
    self:register(i, block(i == 1 and inputs or opts.width, opts))
  end
  local output = self:register("output",
    Conv2d.new(opts.width, opts.channels, opts.layer))
  if opts.background then
    engine.no_grad(function()
      output.bias:copy_(engine.tensor(logits(opts.background),
        { dtype = opts.layer.dtype }))
    end)
  end
  return self
end

function Decoder:forward(q)
  for i = 1, self.blocks do q = self[i](q) end
  return self.output(q):sigmoid()
end

--- Multiplies every weight of a module, not its biases.
-- @tparam Module module
-- @tparam number gain
function M.scale_weights(module, gain)
  if gain == 1 then return end
  engine.no_grad(function()
    for _, entry in ipairs(module:named_parameters()) do
      if entry[1]:match("weight$") then entry[2]:mul_(gain) end
    end
  end)
end

return M
