--- Learned friction: the coefficient D in dp/dt = -dH/dq - D dH/dp. It is never negative,
-- so that the energy can only fall.
-- @module torus.models.parts.friction
local MLP = require "torus.nn.mlp"
local Module = require "torus.nn.module"
local engine = require "torus.engine"

local M = {}

--- The values of an option `friction`: none; a learned constant; a learned function of q,
-- given by a network.
M.choices = { "none", "constant", "network" }

-- Initial value of D, per unit of time: small, but far enough from 0 to be learned.
local START = 0.05

-- The inverse of softplus there.
local RAW = math.log(math.exp(START) - 1)

-- Factor of the constant's parameter. A step of Adam is as large as the learning rate;
-- without the factor, D, of the order of 0.1, would take thousands of steps to double.
local SCALE = 10

-- Units of the network's hidden layer.
local WIDTH = 32

local Constant = Module.class("ConstantFriction")

function Constant:forward() return (self.raw * SCALE):softplus() end

-- Indicates that it does not depend on q, see lua/torus/friction.lua.
Constant.constant = Constant.forward

--- Returns the derivative of the constant with respect to its parameter.
-- @treturn number
function Constant:slope() return SCALE * (self.raw * SCALE):sigmoid():item() end

local Network = Module.class("NetworkFriction")

function Network:forward(q) return (self.net(q) + RAW):softplus() end

--- Makes the friction of a model, initially 0.05.
-- @tparam string choice "none", "constant" or "network"
-- @tparam integer dimension size of q, for a network
-- @tparam[opt] table layer dtype and generator of the network
-- @treturn ?Module q (batch, dimension) -> D, (1) or (batch, 1), the same in every
-- direction; nil for "none"
-- @usage
-- friction = require "torus.models.parts.friction"
-- print(friction.new("constant", 1)(torus.zeros(3, 1)))   -- 0.05
function M.new(choice, dimension, layer)
  if choice == "none" then return nil end
  layer = layer or {}
  if choice == "constant" then
    local self = Module.instance(Constant, {})
    self:register("raw", engine.full({ 1 }, RAW / SCALE,
      { dtype = layer.dtype, requires_grad = true }))
    return self
  end
  local self = Module.instance(Network, {})
  self:register("net", MLP.new { sizes = { dimension, WIDTH, 1 },
    activation = "tanh", dtype = layer.dtype, generator = layer.generator })
  engine.no_grad(function() self.net[2].weight:mul_(0) end)
  return self
end

return M
