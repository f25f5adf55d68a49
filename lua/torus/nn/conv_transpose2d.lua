--- The adjoint of a convolution, as a layer.
-- @module torus.nn.conv_transpose2d
-- @public torus.nn
local Module = require "torus.nn.module"
local engine = require "torus.engine"
local initialise = require "torus.nn.initialise"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

local ConvTranspose2d = Module.class("ConvTranspose2d")

local SIZE = { type = "integer", min = 1 }

local RULES = {
  kernel = { default = 3, type = "integer", min = 1 },
  stride = { default = 1, type = "integer", min = 1 },
  padding = { type = "integer", min = 0 },
  output_padding = { default = 0, type = "integer", min = 0 },
  bias = { default = true, type = "boolean" },
  dtype = { default = "float32", choices = { "float32", "float64" } },
  generator = {},
  init = { default = "default", choices = initialise.schemes },
}

--- A transposed convolution: the gradient of a Conv2d of the same kernel, stride and
-- padding with respect to its images, so it maps the shape of that layer's output back to
-- that of its input. Weights are (inputs, outputs, height, width).
-- @tparam integer inputs channels
-- @tparam integer outputs channels
-- @tparam[opt] table opts
-- @tparam[opt=3] integer opts.kernel height and width
-- @tparam[opt=1] integer opts.stride in both directions
-- @tparam[opt] integer opts.padding of that Conv2d; half the kernel, rounded down, by
-- default
-- @tparam[opt=0] integer opts.output_padding additional rows and columns, less than the
-- stride, because a Conv2d maps several input sizes to the same output size
-- @tparam[opt=true] boolean opts.bias
-- @tparam[opt="float32"] string opts.dtype or "float64"
-- @tparam[opt] generator opts.generator source of the initial values
-- @tparam[opt="default"] string opts.init or "kaiming"
-- @treturn Module (images, height, width, inputs) -> (images, height', width', outputs),
-- each size' = (size - 1) stride - 2 padding + kernel + output_padding
-- @usage
-- layer = torus.nn.ConvTranspose2d(8, 3, { stride = 2, output_padding = 1 })
-- print(table.unpack(layer(torus.rand(5, 8, 8, 8)).shape))   -- 5 16 16 3
function M.ConvTranspose2d(inputs, outputs, opts)
  inputs = options.argument("ConvTranspose2d", "inputs", inputs, SIZE)
  outputs = options.argument("ConvTranspose2d", "outputs", outputs, SIZE)
  local o = options.resolve("ConvTranspose2d", opts, RULES)
  if o.output_padding >= o.stride then
    options.raise("ConvTranspose2d: option \"output_padding\": expected less than the "
      .. "stride, %d, got %d", o.stride, o.output_padding)
  end
  local self = Module.instance(ConvTranspose2d, { inputs = inputs, outputs = outputs,
    kernel = o.kernel, stride = o.stride, padding = o.padding or o.kernel // 2,
    output_padding = o.output_padding })
  local fan_in = outputs * o.kernel ^ 2
  self:register("weight", initialise.uniform({ inputs, outputs, o.kernel, o.kernel },
    initialise.bound(o.init, fan_in), o))
  if o.bias then
    self:register("bias", initialise.uniform({ outputs },
      initialise.bias_bound(o.init, fan_in), o))
  end
  return self
end

function ConvTranspose2d:forward(x)
  options.tensor("ConvTranspose2d", "x", x, { "images", "height", "width", self.inputs },
    self.weight.dtype)
  local sizes = {}
  for i = 1, 2 do
    sizes[i] = (x:size(i + 1) - 1) * self.stride - 2 * self.padding + self.kernel
      + self.output_padding
  end
  local y = engine.conv2d_input_grad(x, self.weight, { stride = self.stride,
    padding = self.padding, height = sizes[1], width = sizes[2] })
  return self.bias and y + self.bias or y
end

function ConvTranspose2d:describe()
  return string.format("ConvTranspose2d(%d, %d, kernel=%dx%d, stride=%d, padding=%d%s)",
    self.inputs, self.outputs, self.kernel, self.kernel, self.stride, self.padding,
    self.bias and "" or ", bias=false")
end

signature.methods("ConvTranspose2d", ConvTranspose2d, {})

return M
