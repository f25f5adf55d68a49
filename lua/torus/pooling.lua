--- Max pooling, as one gather.
-- @module torus.pooling
-- @public torus
local core = require "torus.core"
local options = require "torus.options"

local M = {}

--- Returns the largest pixel of each square window of images, for every channel. The
-- gradient flows to the first of equal ones; NaN counts as the largest.
-- @tparam tensor x (n, height, width, channels)
-- @tparam integer kernel side of the windows
-- @tparam[opt] integer stride the kernel by default
-- @tparam[opt=0] integer padding on all four sides, at most half the kernel; padding is
-- never the largest
-- @treturn tensor (n, height', width', channels), each size' = (size + 2 padding -
-- kernel) // stride + 1
-- @raise when no window fits
-- @usage
-- x = torus.arange(16):reshape(1, 4, 4, 1)
-- print(torus.max_pool2d(x, 2):reshape(2, 2))   -- 6 8, 14 16
function M.max_pool2d(x, kernel, stride, padding)
  options.tensor("max_pool2d", "x", x, { "n", "height", "width", "channels" })
  local o = type(kernel) == "table" and kernel
    or { kernel = kernel, stride = stride, padding = padding }
  local index = core.ops.argmax_pool2d(x, o)
  local n, h, w, c = table.unpack(x.shape)
  local _, height, width = table.unpack(index.shape)
  local found = core.ops.gather(x:reshape(n, h * w, c), index:reshape(n, height * width, c), 2)
  return found:reshape(n, height, width, c)
end

core.methods.max_pool2d = M.max_pool2d

return M
