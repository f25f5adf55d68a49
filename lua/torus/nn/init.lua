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

--- The module max(x, 0).
-- @treturn Module max(x, 0)
-- @usage
-- relu = torus.nn.ReLU()
-- print(relu(torus.tensor{-1, 2}))   -- 0 2
function M.ReLU() return activation.module("relu") end

--- The module ln(1 + exp x), smooth and positive.
-- @treturn Module ln(1 + exp x)
-- @usage
-- net = torus.nn.Sequential{ torus.nn.Linear(2, 8), torus.nn.Softplus() }
-- print(net(torus.zeros(1, 2)).shape[2])   -- 8
function M.Softplus() return activation.module("softplus") end

--- The module 1 / (1 + exp -x).
-- @treturn Module 1 / (1 + exp -x)
-- @usage print(torus.nn.Sigmoid()(torus.tensor{0}))   -- 0.5
function M.Sigmoid() return activation.module("sigmoid") end

--- The module tanh x.
-- @treturn Module tanh x
-- @usage print(torus.nn.Tanh()(torus.tensor{0}))   -- 0
function M.Tanh() return activation.module("tanh") end

--- The module x where it is positive, else slope times x.
-- @tparam[opt=0.01] number slope below zero
-- @treturn Module x, times the slope where it is negative
-- @usage print(torus.nn.LeakyReLU(0.2)(torus.tensor{-1, 2}))   -- -0.2 2
function M.LeakyReLU(slope) return activation.module("leaky_relu", slope) end

return M
