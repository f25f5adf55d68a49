--- Pooling as layers.
-- @module torus.nn.pool
-- @public torus.nn
local Module = require "torus.nn.module"
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

local SIZE = { type = "integer", min = 1 }
local RULES = { stride = SIZE, padding = { default = 0, type = "integer", min = 0 } }

local function make(class, name, kernel, opts)
  kernel = options.argument(name, "kernel", kernel, SIZE)
  local o = options.resolve(name, opts, RULES)
  if 2 * o.padding > kernel then
    options.raise("%s: option \"padding\": expected at most half the kernel, %d, got %d",
      name, kernel // 2, o.padding)
  end
  return Module.instance(class, { kernel = kernel, stride = o.stride or kernel,
    padding = o.padding })
end

local function forward(self, operation, x)
  options.tensor(getmetatable(self).__name, "x", x,
    { "images", "height", "width", "channels" })
  return operation(x, { kernel = self.kernel, stride = self.stride, padding = self.padding })
end

local function describe(self)
  return string.format("%s(%d, stride=%d, padding=%d)", getmetatable(self).__name,
    self.kernel, self.stride, self.padding)
end

local MaxPool2d, AvgPool2d = Module.class("MaxPool2d"), Module.class("AvgPool2d")
MaxPool2d.describe, AvgPool2d.describe = describe, describe

--- Max pooling: the largest pixel of each square window, see torus.max_pool2d.
-- @tparam integer kernel side of the windows
-- @tparam[opt] table opts
-- @tparam[opt] integer opts.stride the kernel by default
-- @tparam[opt=0] integer opts.padding at most half the kernel; padding is never the maximum
-- @treturn Module (images, height, width, channels) -> (images, height', width', channels)
-- @usage
-- print(table.unpack(torus.nn.MaxPool2d(2)(torus.rand(5, 8, 8, 3)).shape))   -- 5 4 4 3
function M.MaxPool2d(kernel, opts) return make(MaxPool2d, "MaxPool2d", kernel, opts) end

function MaxPool2d:forward(x) return forward(self, engine.max_pool2d, x) end

--- Average pooling: the mean of each square window, see torus.avg_pool2d.
-- @tparam integer kernel side of the windows
-- @tparam[opt] table opts
-- @tparam[opt] integer opts.stride the kernel by default
-- @tparam[opt=0] integer opts.padding at most half the kernel; it counts as zeros
-- @treturn Module (images, height, width, channels) -> (images, height', width', channels)
-- @usage
-- print(table.unpack(torus.nn.AvgPool2d(2)(torus.rand(5, 8, 8, 3)).shape))   -- 5 4 4 3
function M.AvgPool2d(kernel, opts) return make(AvgPool2d, "AvgPool2d", kernel, opts) end

function AvgPool2d:forward(x) return forward(self, engine.avg_pool2d, x) end

signature.methods("MaxPool2d", MaxPool2d, {})
signature.methods("AvgPool2d", AvgPool2d, {})

return M
