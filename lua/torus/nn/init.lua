--- Modules: layers with parameters, and how to put them together.
-- @module torus.nn
local Module = require "torus.nn.module"
local Linear = require "torus.nn.linear"
local Conv2d = require "torus.nn.conv2d"
local Sequential = require "torus.nn.sequential"
local MLP = require "torus.nn.mlp"
local activation = require "torus.nn.activation"
local initialise = require "torus.nn.initialise"

local M = {
  Module = Module,
  Linear = Linear.new,
  Conv2d = Conv2d.new,
  Sequential = Sequential.new,
  MLP = MLP.new,
  activation = activation.get,
  initialise = initialise,
}

-- Activations as modules, for a Sequential.

--- @treturn Module max(x, 0)
function M.ReLU() return activation.module("relu") end

--- @treturn Module ln(1 + exp x)
function M.Softplus() return activation.module("softplus") end

--- @treturn Module 1 / (1 + exp -x)
function M.Sigmoid() return activation.module("sigmoid") end

--- @treturn Module tanh x
function M.Tanh() return activation.module("tanh") end

--- @tparam[opt=0.01] number slope below zero
-- @treturn Module x, times the slope where it is negative
function M.LeakyReLU(slope) return activation.module("leaky_relu", slope) end

return M
