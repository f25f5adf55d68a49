--- Modules: layers with parameters, and containers of layers.
-- @module torus.nn
local core = require "torus.core"
local Module = require "torus.nn.module"
local Linear = require "torus.nn.linear"
local Conv2d = require "torus.nn.conv2d"
local Sequential = require "torus.nn.sequential"
local MLP = require "torus.nn.mlp"
local activation = require "torus.nn.activation"
local initialise = require "torus.nn.initialise"
local losses = require "torus.nn.losses"
local norm = require "torus.nn.norm"
local dropout = require "torus.nn.dropout"
local embedding = require "torus.nn.embedding"
local recurrent = require "torus.nn.recurrent"
local conv_transpose2d = require "torus.nn.conv_transpose2d"
local pool = require "torus.nn.pool"

local M = {
  Module = Module,
  Linear = Linear.new,
  Conv2d = Conv2d.new,
  Sequential = Sequential.new,
  MLP = MLP.new,
  activation = activation.get,
  initialise = initialise,
}

for _, part in ipairs { losses, norm, dropout, embedding, recurrent, conv_transpose2d,
  pool } do
  for name, f in pairs(part) do M[name] = f end
end

-- Activations as modules, for a Sequential.

--- The activation max(x, 0) as a module.
-- @treturn Module tensor -> tensor of the same shape
-- @usage
-- print(torus.nn.ReLU()(torus.tensor { -1, 0, 1 }))
function M.ReLU() return activation.module("relu") end

--- The activation ln(1 + exp x) as a module.
-- @treturn Module tensor -> tensor of the same shape
-- @usage
-- print(torus.nn.Softplus()(torus.tensor { -1, 0, 1 }))
function M.Softplus() return activation.module("softplus") end

--- The activation 1 / (1 + exp -x) as a module.
-- @treturn Module tensor -> tensor of the same shape
-- @usage
-- print(torus.nn.Sigmoid()(torus.tensor { -1, 0, 1 }))
function M.Sigmoid() return activation.module("sigmoid") end

--- The activation tanh x as a module.
-- @treturn Module tensor -> tensor of the same shape
-- @usage
-- print(torus.nn.Tanh()(torus.tensor { -1, 0, 1 }))
function M.Tanh() return activation.module("tanh") end

--- The activation x Phi(x), with Phi the normal cumulative distribution, as a module.
-- @treturn Module tensor -> tensor of the same shape
-- @usage
-- print(torus.nn.GELU()(torus.tensor { -1, 0, 1 }))
function M.GELU() return activation.module("gelu") end

--- The activation x / (1 + exp -x), as a module.
-- @treturn Module tensor -> tensor of the same shape
-- @usage
-- print(torus.nn.SiLU()(torus.tensor { -1, 0, 1 }))
function M.SiLU() return activation.module("silu") end

--- The activation exp x - 1 for x < 0, else x, as a module.
-- @treturn Module tensor -> tensor of the same shape
-- @usage
-- print(torus.nn.ELU()(torus.tensor { -1, 0, 1 }))
function M.ELU() return activation.module("elu") end

--- The activation max(x, 0) + slope min(x, 0) as a module.
-- @tparam[opt=0.01] number slope for negative x
-- @treturn Module tensor -> tensor of the same shape
-- @usage
-- print(torus.nn.LeakyReLU(0.1)(torus.tensor { -1, 0, 1 }))
function M.LeakyReLU(slope) return (activation.module("leaky_relu", slope)) end

core.name_functions(M)

return M
