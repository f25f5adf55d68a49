--- A dense layer.
-- @module torus.nn.linear
local Module = require "torus.nn.module"
local initialise = require "torus.nn.initialise"
local options = require "torus.options"
local signature = require "torus.signature"

local Linear = Module.class("Linear")

local SIZE = { type = "integer", min = 1 }

local RULES = {
  bias = { default = true, type = "boolean" },
  dtype = { default = "float32", choices = { "float32", "float64" } },
  generator = {},
  init = { default = "default", choices = initialise.schemes },
}

--- A dense layer, y = x W^T + b over the last dimension of x, with weights (outputs,
-- inputs) and biases (outputs), initialised as in torus.nn.initialise.
-- @function torus.nn.Linear
-- @tparam integer inputs size of x's last dimension
-- @tparam integer outputs size of y's last dimension
-- @tparam[opt] table opts
-- @tparam[opt=true] boolean opts.bias
-- @tparam[opt="float32"] string opts.dtype or "float64"
-- @tparam[opt] generator opts.generator source of the initial values
-- @tparam[opt="default"] string opts.init or "kaiming"
-- @treturn Module (..., inputs) -> (..., outputs)
-- @usage
-- layer = torus.nn.Linear(4, 2)
-- print(table.unpack(layer(torus.rand(5, 4)).shape))   -- 5 2
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

--- Applies the layer; calling it does the same.
-- @tparam tensor x (..., inputs)
-- @treturn tensor (..., outputs)
-- @raise for an x of another shape
-- @usage
-- layer = torus.nn.Linear(4, 2)
-- print(table.unpack(layer:forward(torus.rand(3, 5, 4)).shape))   -- 3 5 2
function Linear:forward(x)
  options.tensor("Linear", "x", x, { "...", self.inputs }, self.weight.dtype)
  local y = x:matmul(self.weight:transpose(1, 2))
  return self.bias and y + self.bias or y
end

function Linear:describe()
  return string.format("Linear(%d, %d%s)", self.inputs, self.outputs,
    self.bias and "" or ", bias=false")
end

signature.methods("Linear", Linear, {}, { new = "" })

return Linear
