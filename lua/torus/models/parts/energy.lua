--- Energies of states: convolutional networks for feature maps, with channels last (eq.
-- (10) and appendix A.1 of the paper), and dense networks for vectors.
-- @module torus.models.parts.energy
local Conv2d = require "torus.nn.conv2d"
local Linear = require "torus.nn.linear"
local Module = require "torus.nn.module"
local activation = require "torus.nn.activation"
local engine = require "torus.engine"

local M = {}

--- The activations of a dense energy: smooth ones, since forces are their derivatives.
M.activations = { "softplus", "tanh", "swish" }

--- The schemes of initial weights; see `new`.
M.inits = { "default", "oscillator" }

local Energy = Module.class("Energy")

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

--- Makes a convolutional energy: convolutions, each followed by a softplus, then a linear
-- readout to one number per sample. The readout has no bias: a constant has no effect on
-- the motion and would never receive a gradient.
--
-- With "default" initial weights the gradient is nearly constant, and all states drift in
-- the same direction. With "oscillator" the filters of the first layer come in pairs of
-- opposite sign with equal weights in the next layer, and the readout is positive: an
-- energy of even width is then an even function and mostly convex, so that states
-- oscillate around zero, each with its own phase, from the first step of training.
-- @tparam integer inputs channels
-- @tparam table opts
-- @tparam integer opts.width channels of the hidden layers
-- @tparam integer opts.layers number of hidden layers
-- @tparam integer|{integer,integer} opts.size height and width of the feature map
-- @tparam[opt="default"] string opts.init or "oscillator"
-- @tparam[opt] table opts.layer dtype and generator of every Conv2d
-- @treturn Module (batch, height, width, inputs) -> (batch)
-- @usage
-- energy = require "torus.models.parts.energy"
-- V = energy.new(4, { width = 8, layers = 2, size = 4 })
-- print(table.unpack(V(torus.randn(5, 4, 4, 4)).shape))   -- 5
function M.new(inputs, opts)
  local layer = opts.layer or {}
  local self = Module.instance(Energy, { layers = opts.layers })
  for i = 1, opts.layers do
    self:register(i, Conv2d.new(i == 1 and inputs or opts.width, opts.width,
      layer))
  end
  self:register("readout", Conv2d.new(opts.width, 1, { kernel = opts.size,
    padding = 0, bias = false, dtype = layer.dtype,
    generator = layer.generator }))
  if opts.init == "oscillator" then start_even(self, opts.width) end
  return self
end

function Energy:forward(x)
  for i = 1, self.layers do x = self[i](x):softplus() end
  return self.readout(x):reshape(-1)
end

--- Returns the description of the network for the fused kernels, see torus.fused.
-- @treturn table
function Energy:network()
  return { kind = "conv", activation = "softplus", layers = self.layers,
    readout_bias = false, parameters = self:parameters() }
end

local Joint = Module.class("JointEnergy")

--- Makes a joint convolutional energy of q and p, concatenated along the channels.
-- @tparam integer inputs channels of q; p has the same number
-- @tparam table opts as in `new`
-- @treturn Module (q, p), each (batch, height, width, inputs), -> (batch)
-- @usage
-- energy = require "torus.models.parts.energy"
-- H = energy.joint(4, { width = 8, layers = 2, size = 4 })
-- print(table.unpack(H(torus.randn(5, 4, 4, 4), torus.randn(5, 4, 4, 4)).shape))   -- 5
function M.joint(inputs, opts)
  local self = M.new(2 * inputs, opts)
  return setmetatable(self, Joint)
end

Joint.network = Energy.network

function Joint:forward(q, p)
  return Energy.forward(self, engine.cat({ q, p }, -1))
end

-- --- of vectors ---------------------------------------------------------------

local Dense = Module.class("DenseEnergy")

--- Makes a dense energy: dense layers, each followed by a smooth activation, then a linear
-- readout without a bias to one number per sample. Initial weights are as in `new`.
-- @tparam integer inputs size of a sample
-- @tparam table opts
-- @tparam integer opts.width units of the hidden layers
-- @tparam integer opts.layers number of hidden layers
-- @tparam[opt="softplus"] string opts.activation one of `activations`
-- @tparam[opt="default"] string opts.init or "oscillator"
-- @tparam[opt] table opts.layer dtype, init and generator of every Linear
-- @treturn Module (batch, inputs) -> (batch)
-- @usage
-- energy = require "torus.models.parts.energy"
-- V = energy.dense(2, { width = 16, layers = 2 })
-- print(table.unpack(V(torus.randn(5, 2)).shape))   -- 5
function M.dense(inputs, opts)
  local layer = opts.layer or {}
  local name = opts.activation or "softplus"
  local self = Module.instance(Dense, { layers = opts.layers,
    activation_name = name, activation = activation.get(name, "energy") })
  for i = 1, opts.layers do
    self:register(i, Linear.new(i == 1 and inputs or opts.width, opts.width,
      layer))
  end
  self:register("readout", Linear.new(opts.width, 1,
    { bias = false, dtype = layer.dtype, init = layer.init,
      generator = layer.generator }))
  if opts.init == "oscillator" then start_even(self, opts.width) end
  return self
end

function Dense:forward(x)
  for i = 1, self.layers do x = self.activation(self[i](x)) end
  return self.readout(x):squeeze(-1)
end

--- Returns the description of the network for the fused kernels, see torus.fused.
-- @treturn table
function Dense:network()
  return { kind = "dense", activation = self.activation_name,
    layers = self.layers, readout_bias = false, parameters = self:parameters() }
end

local JointDense = Module.class("JointDenseEnergy")

--- Makes a joint dense energy of q and p, concatenated.
-- @tparam integer inputs size of q; p has the same
-- @tparam table opts as in `dense`
-- @treturn Module (q, p), each (batch, inputs), -> (batch)
-- @usage
-- energy = require "torus.models.parts.energy"
-- H = energy.joint_dense(2, { width = 16, layers = 2 })
-- print(table.unpack(H(torus.randn(5, 2), torus.randn(5, 2)).shape))   -- 5
function M.joint_dense(inputs, opts)
  return setmetatable(M.dense(2 * inputs, opts), JointDense)
end

JointDense.network = Dense.network

function JointDense:forward(q, p)
  return Dense.forward(self, engine.cat({ q, p }, -1))
end

local Quadratic = Module.class("QuadraticEnergy")

--- Makes the kinetic energy |p|^2 / 2 of unit mass, without parameters.
-- @tparam[opt] integer moving takes only the first numbers of a sample: the q of the others
-- never change
-- @treturn Module (batch, ...) -> (batch)
-- @usage
-- energy = require "torus.models.parts.energy"
-- print(energy.quadratic()(torus.tensor { { 3, 4 } }))    -- 12.5
-- print(energy.quadratic(1)(torus.tensor { { 3, 4 } }))   -- 4.5
function M.quadratic(moving)
  return Module.instance(Quadratic, { moving = moving })
end

function Quadratic:forward(p)
  local flat = p:reshape(p:size(1), -1)
  if self.moving then flat = flat:narrow(2, 1, self.moving) end
  return (flat * flat):sum(2) * 0.5
end

--- Returns the description for the fused kernels, see torus.fused.
-- @treturn table
function Quadratic:network()
  return { kind = "quadratic", moving = self.moving }
end

--- The exact flow of dp/dt = -D dK/dp = -D p, for friction.lua.
-- @tparam tensor p (batch, ...)
-- @tparam number|tensor amount D times the time
-- @treturn tensor like p
function Quadratic:damped(p, amount)
  local factor = type(amount) == "number" and math.exp(-amount) or (-amount):exp()
  if not self.moving then return p * factor end
  local sample = { 1, table.unpack(p.shape, 2) }
  local moves = engine.arange(1, p:numel() // p:size(1)):le(self.moving):reshape(sample)
  return engine.where(moves, p * factor, p)
end

return M
