--- A dense layer.
-- @module torus.nn.linear
local Module = require "torus.nn.module"
local initialise = require "torus.nn.initialise"
local options = require "torus.options"

local Linear = Module.class("Linear")

local SIZE = { type = "integer", min = 1 }

local RULES = {
  bias = { default = true, type = "boolean" },
  dtype = { default = "float32", choices = { "float32", "float64" } },
  generator = {},
  init = { default = "default", choices = initialise.schemes },
}

--- y = x W^T + b over the last dimension of x. Weights (outputs, inputs) and
-- biases (outputs) start as torus.nn.initialise says: by default uniform within
-- 1/sqrt(inputs).
-- @function torus.nn.Linear
-- @tparam integer inputs
-- @tparam integer outputs
-- @tparam[opt] table opts bias=true, dtype="float32", generator (of the initial
-- values), init="default" or "kaiming"
-- @treturn Module (..., inputs) -> (..., outputs)
-- @raise when an option or a size is wrong; when called with an x whose last
-- dimension is not `inputs`
-- @usage
-- layer = torus.nn.Linear(3, 2)
-- y = layer(torus.randn(10, 3))   -- (10, 2)
-- print(layer.weight, layer.bias)
function Linear.new(inputs, outputs, opts)
  inputs = options.argument("Linear", "inputs", inputs, SIZE)
  outputs = options.argument("Linear", "outputs", outputs, SIZE)
  opts = options.resolve("Linear", opts, RULES)
  local self = Module.instance(Linear, { inputs = inputs, outputs = outputs })
  self:register("weight", initialise.uniform({ outputs, inputs },
    initialise.bound(opts.init, inputs), opts))
  if opts.bias then
    self:register("bias", initialise.uniform({ outputs },
      initialise.bias_bound(opts.init, inputs), opts))
  end
  return self
end

--- @tparam tensor x (..., inputs)
-- @treturn tensor (..., outputs)
function Linear:forward(x)
  options.tensor("Linear", "x", x, { "...", self.inputs })
  local y = x:matmul(self.weight:transpose(1, 2))
  return self.bias and y + self.bias or y
end

function Linear:describe()
  return string.format("Linear(%d, %d%s)", self.inputs, self.outputs,
    self.bias and "" or ", bias=false")
end

return Linear
