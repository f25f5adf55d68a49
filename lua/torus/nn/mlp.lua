--- A chain of dense layers with one activation between them.
-- @module torus.nn.mlp
local Module = require "torus.nn.module"
local Linear = require "torus.nn.linear"
local activation = require "torus.nn.activation"
local initialise = require "torus.nn.initialise"
local options = require "torus.options"
local signature = require "torus.signature"

local MLP = Module.class("MLP")

-- The names of the activations in the fused kernels.
local FUSED = { softplus = "softplus", tanh = "tanh", swish = "swish", silu = "swish" }

local RULES = {
  sizes = { required = true, type = "table" },
  activation = { default = "tanh" },
  output = { default = "identity" },
  scalar = { default = false, type = "boolean" },
  bias = { default = true, type = "boolean" },
  dtype = { default = "float32", choices = { "float32", "float64" } },
  generator = {},
  init = { default = "default", choices = initialise.schemes },
}

--- A multi-layer perceptron: Linear layers with one activation between them.
-- @function torus.nn.MLP
-- @tparam table opts
-- @tparam {integer,...} opts.sizes inputs, hidden layers, outputs
-- @tparam[opt="tanh"] string|function opts.activation between layers, as
-- torus.nn.activation accepts it
-- @tparam[opt="identity"] string|function opts.output activation after the last
-- layer
-- @tparam[opt=false] boolean opts.scalar drops the last dimension, which must
-- be 1: an energy per sample
-- @tparam[opt=true] boolean opts.bias of every layer
-- @tparam[opt="float32"] string opts.dtype or "float64"
-- @tparam[opt] generator opts.generator source of the initial values
-- @tparam[opt="default"] string opts.init or "kaiming"
-- @treturn Module members 1, 2, ...; (..., inputs) -> (..., outputs), or (...)
-- when scalar
-- @raise for fewer than two sizes, and for scalar with several outputs
-- @usage
-- energy = torus.nn.MLP { sizes = { 2, 32, 32, 1 }, scalar = true }
-- print(table.unpack(energy(torus.randn(5, 2)).shape))   -- 5
function MLP.new(opts)
  opts = options.resolve("MLP", opts, RULES)
  local sizes = opts.sizes
  if #sizes < 2 then
    options.raise("MLP: sizes: expected inputs and outputs at least, got %s",
      options.show(sizes))
  end
  for i, size in ipairs(sizes) do
    options.argument("MLP", "size " .. i, size, { type = "integer", min = 1 })
  end
  if opts.scalar and sizes[#sizes] ~= 1 then
    options.raise("MLP: scalar: expected 1 as the last of sizes, got %s",
      options.show(sizes[#sizes]))
  end
  local self = Module.instance(MLP, {
    sizes = sizes, scalar = opts.scalar, activation_name = opts.activation,
    activation = activation.get(opts.activation, "MLP"),
    output = activation.get(opts.output, "MLP"),
    plain = opts.bias and opts.output == "identity",
  })
  for i = 1, #sizes - 1 do
    self:register(i, Linear.new(sizes[i], sizes[i + 1], { bias = opts.bias,
      dtype = opts.dtype, generator = opts.generator, init = opts.init }))
  end
  return self
end

--- Applies the layers; calling the module does the same.
-- @tparam tensor x (..., inputs)
-- @treturn tensor (..., outputs), or (...) when scalar
-- @usage
-- net = torus.nn.MLP { sizes = { 2, 16, 3 }, activation = "relu" }
-- print(table.unpack(net:forward(torus.randn(5, 2)).shape))   -- 5 3
function MLP:forward(x)
  local last = #self.sizes - 1
  for i = 1, last do
    x = self[i](x)
    x = (i < last and self.activation or self.output)(x)
  end
  return self.scalar and x:squeeze(-1) or x
end

--- Returns the description of the network for the fused kernels, see torus.fused. They
-- support scalar networks with softplus, tanh or swish (silu) layers.
-- @treturn ?table nil for any other network
-- @usage
-- net = torus.nn.MLP { sizes = { 2, 16, 1 }, scalar = true }
-- print(net:network().activation)   -- tanh
function MLP:network()
  local name = FUSED[self.activation_name]
  if not name or not self.scalar or not self.plain or #self.sizes < 3 then
    return nil
  end
  return { kind = "dense", activation = name, layers = #self.sizes - 2,
    readout_bias = true, parameters = self:parameters() }
end

function MLP:describe()
  return string.format("MLP(%s, %s)", table.concat(self.sizes, " "),
    tostring(self.activation_name))
end

signature.methods("MLP", MLP, {}, { new = "" })

return MLP
