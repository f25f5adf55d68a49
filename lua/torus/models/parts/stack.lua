--- Stacks of 3x3 convolutions on feature maps with channels last.
-- @module torus.models.parts.stack
local Conv2d = require "torus.nn.conv2d"
local Linear = require "torus.nn.linear"
local Module = require "torus.nn.module"
local activation = require "torus.nn.activation"
local options = require "torus.options"

local M = {}

local Stack = Module.class("Stack")

--- Makes a stack of 3x3 convolutions with an activation between them, but not after the
-- last.
-- @tparam {integer,...} channels of the input, then of every layer
-- @tparam table opts
-- @tparam string opts.activation as torus.nn.activation accepts it
-- @tparam[opt] {integer,...} opts.strides one per layer; all 1 by default
-- @tparam[opt] table opts.layer options of every Conv2d
-- @tparam[opt] table opts.last further options of the last Conv2d
-- @treturn Module members 1, 2, ...; (batch, height, width, first channels) ->
-- (batch, height', width', last channels)
-- @usage
-- stack = require "torus.models.parts.stack"
-- net = stack.new({ 3, 8, 4 }, { activation = "relu", strides = { 2, 1 } })
-- print(table.unpack(net(torus.rand(5, 16, 16, 3)).shape))   -- 5 8 8 4
function M.new(channels, opts)
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

-- {height, width} of a map given as a list or as one number for both.
local function sides(size)
  return type(size) == "table" and size or { size, size }
end

local Spread = Module.class("Spread")

--- Makes a network from a vector to a map: a dense layer to every position, an activation,
-- then a stack.
-- @tparam integer inputs length of the vector
-- @tparam integer|{integer,integer} size height and width of the map
-- @tparam {integer,...} channels of the map, then of every layer of the stack
-- @tparam table opts as in `new`
-- @treturn Module (batch, 1, 1, inputs) -> (batch, height, width, last channels)
-- @usage
-- stack = require "torus.models.parts.stack"
-- net = stack.spread(4, 2, { 8, 6 }, { activation = "relu" })
-- print(table.unpack(net(torus.rand(5, 1, 1, 4)).shape))   -- 5 2 2 6
function M.spread(inputs, size, channels, opts)
  size = sides(size)
  local self = Module.instance(Spread, { size = size,
    activation = activation.get(opts.activation, "spread") })
  local layer = opts.layer and options.joined(opts.layer)
  if layer then layer.precision = nil end -- only for convolutions
  self:register("dense",
    Linear.new(inputs, size[1] * size[2] * channels[1], layer))
  self:register("stack", M.new(channels, opts))
  return self
end

-- (batch, ..., height * width * channels) as (batch, height, width, channels); the batch may be
-- empty, which leaves a size of -1 open.
local function as_map(x, size)
  local h, w = table.unpack(size)
  return x:reshape(x:size(1), h, w, x:size(-1) // (h * w))
end

function Spread:forward(z)
  return self.stack(self.activation(as_map(self.dense(z), self.size)))
end

local Dense = Module.class("DenseMap")

--- Makes a dense layer from a vector to every position of a map.
-- @tparam integer inputs length of the vector
-- @tparam integer|{integer,integer} size height and width of the map
-- @tparam integer channels of the map
-- @tparam[opt] table layer options of the Linear
-- @treturn Module (batch, inputs) -> (batch, height, width, channels)
-- @usage
-- stack = require "torus.models.parts.stack"
-- net = stack.dense(4, 2, 6)
-- print(table.unpack(net(torus.rand(5, 4)).shape))   -- 5 2 2 6
function M.dense(inputs, size, channels, layer)
  size = sides(size)
  local self = Module.instance(Dense, { size = size })
  self:register("dense", Linear.new(inputs, size[1] * size[2] * channels, layer))
  return self
end

function Dense:forward(z)
  return as_map(self.dense(z), self.size)
end

return M
