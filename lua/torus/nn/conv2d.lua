--- A convolution over images with channels last.
-- @module torus.nn.conv2d
local engine = require "torus.engine"
local Module = require "torus.nn.module"
local initialise = require "torus.nn.initialise"
local options = require "torus.options"
local signature = require "torus.signature"

local Conv2d = Module.class("Conv2d")

local RULES = {
  kernel = { default = 3 },
  stride = { default = 1, type = "integer", min = 1 },
  padding = { type = "integer", min = 0 },
  bias = { default = true, type = "boolean" },
  dtype = { default = "float32", choices = { "float32", "float64" } },
  precision = { default = "float32", choices = { "float32", "bfloat16" } },
  generator = {},
  init = { default = "default", choices = initialise.schemes },
}

local SIZE = { type = "integer", min = 1 }

-- {height, width} of a kernel given as a list or as one number for both.
local function kernel_sizes(kernel)
  local list = type(kernel) == "table" and kernel or { kernel, kernel }
  local sizes, fits = {}, #list == 2
  for i = 1, 2 do
    local problem
    problem, sizes[i] = options.check(list[i], SIZE)
    fits = fits and not problem
  end
  if not fits then
    options.raise("Conv2d: kernel: expected a positive integer or a list "
      .. "{height, width}, got %s", options.show(kernel))
  end
  return sizes
end

--- A convolution (a cross-correlation, as in other libraries) with weights
-- (outputs, inputs, height, width) and biases (outputs). Their initial values
-- are those of torus.nn.initialise, for inputs * height * width numbers.
-- @function torus.nn.Conv2d
-- @tparam integer inputs channels
-- @tparam integer outputs channels
-- @tparam[opt] table opts
-- @tparam[opt=3] integer|{integer,integer} opts.kernel height and width
-- @tparam[opt=1] integer opts.stride in both directions
-- @tparam[opt] integer opts.padding number of zeros on all four sides; by default half
-- the kernel's height, rounded down
-- @tparam[opt=true] boolean opts.bias
-- @tparam[opt="float32"] string opts.dtype or "float64"
-- @tparam[opt="float32"] string opts.precision of the products of a float32
-- layer: "bfloat16" rounds both factors, forward and backward, if the processor has
-- bfloat16 multiplication; sums stay float32
-- @tparam[opt] generator opts.generator source of the initial values
-- @tparam[opt="default"] string opts.init or "kaiming"
-- @treturn Module (images, height, width, inputs) -> (images, height', width',
-- outputs), each size' = (size + 2 padding - kernel) // stride + 1
-- @usage
-- layer = torus.nn.Conv2d(3, 8, { stride = 2 })
-- print(table.unpack(layer(torus.rand(5, 16, 16, 3)).shape))   -- 5 8 8 8
function Conv2d.new(inputs, outputs, opts)
  inputs = options.argument("Conv2d", "inputs", inputs, SIZE)
  outputs = options.argument("Conv2d", "outputs", outputs, SIZE)
  opts = options.resolve("Conv2d", opts, RULES)
  local kernel = kernel_sizes(opts.kernel)
  local self = Module.instance(Conv2d, {
    inputs = inputs, outputs = outputs, kernel = kernel,
    stride = opts.stride, padding = opts.padding or kernel[1] // 2,
    precision = opts.precision,
  })
  local fan_in = inputs * kernel[1] * kernel[2]
  self:register("weight", initialise.uniform(
    { outputs, inputs, kernel[1], kernel[2] },
    initialise.bound(opts.init, fan_in), opts))
  if opts.bias then
    self:register("bias", initialise.uniform({ outputs },
      initialise.bias_bound(opts.init, fan_in), opts))
  end
  return self
end

--- Applies the layer; calling it does the same.
-- @tparam tensor x (images, height, width, inputs)
-- @treturn tensor (images, height', width', outputs)
-- @raise for an x of another shape
-- @usage
-- layer = torus.nn.Conv2d(3, 8, { kernel = 5, padding = 0 })
-- print(table.unpack(layer:forward(torus.rand(2, 9, 9, 3)).shape))   -- 2 5 5 8
function Conv2d:forward(x)
  options.tensor("Conv2d", "x", x,
    { "images", "height", "width", self.inputs }, self.weight.dtype)
  local o = { stride = self.stride, padding = self.padding,
    precision = self.precision }
  if self.bias then return engine.conv2d(x, self.weight, self.bias, o) end
  return engine.conv2d(x, self.weight, o)
end

function Conv2d:describe()
  return string.format("Conv2d(%d, %d, kernel=%dx%d, stride=%d, padding=%d%s%s)",
    self.inputs, self.outputs, self.kernel[1], self.kernel[2], self.stride,
    self.padding, self.bias and "" or ", bias=false",
    self.precision == "float32" and "" or ", precision=" .. self.precision)
end

signature.methods("Conv2d", Conv2d, {}, { new = "" })

return Conv2d
