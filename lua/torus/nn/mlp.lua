--- A chain of dense layers with one activation between them.
-- @module torus.nn.mlp
local Module = require "torus.nn.module"
local Linear = require "torus.nn.linear"
local activation = require "torus.nn.activation"
local initialise = require "torus.nn.initialise"
local options = require "torus.options"

local MLP = Module.class("MLP")

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

--- A chain of dense layers with one activation between them.
-- @function torus.nn.MLP
-- @tparam table opts sizes={inputs, hidden, ..., outputs};
-- activation="tanh" between layers and output="identity" after the last, names
-- that torus.nn.activation takes or functions; scalar=false (true drops the
-- last dimension, which must be 1: an energy per sample); bias, dtype,
-- generator, init as in Linear
-- @treturn Module members 1, 2, ...; (..., inputs) -> (..., outputs), or (...)
-- when scalar
-- @raise when there are fewer than two sizes, or scalar is set and the last
-- size is not 1
-- @usage
-- V = torus.nn.MLP{ sizes = { 2, 64, 64, 1 }, activation = "softplus", scalar = true }
-- print(table.unpack(V(torus.randn(5, 2)).shape))   -- 5: an energy per sample
function MLP.new(opts)
  opts = options.resolve("MLP", opts, RULES)
  local sizes = opts.sizes
  if #sizes < 2 then
    options.raise("MLP: expected at least two sizes, got " .. #sizes)
  end
  if opts.scalar and sizes[#sizes] ~= 1 then
    options.raise("MLP: scalar needs a last size of 1, got %d",
      sizes[#sizes])
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

--- @tparam tensor x (..., inputs)
-- @treturn tensor (..., outputs), or (...) when scalar
function MLP:forward(x)
  local last = #self.sizes - 1
  for i = 1, last do
    x = self[i](x)
    x = (i < last and self.activation or self.output)(x)
  end
  return self.scalar and x:squeeze(-1) or x
end

--- What the fused kernels need to know, where they know such a network: an
-- energy per sample from softplus or tanh layers.
-- @treturn ?table as of torus.fused, or nil
function MLP:network()
  local name = self.activation_name
  if not self.scalar or not self.plain or #self.sizes < 3
    or name ~= "softplus" and name ~= "tanh" then
    return nil
  end
  return { kind = "dense", activation = name, layers = #self.sizes - 2,
    readout_bias = true, parameters = self:parameters() }
end

function MLP:describe()
  return string.format("MLP(%s, %s)", table.concat(self.sizes, " "),
    tostring(self.activation_name))
end

return MLP
