--- Which part of a film is kept and at what size: skipping frames, cropping, shrinking,
-- converting to grey, and fitting the sides to a network that halves them.
-- @module torus.data.films.geometry
local options = require "torus.options"

local M = {}

--- Options of data.frames, in the form that torus.options reads.
M.rules = {
  -- Keep only every such frame, beginning with the first.
  every = { default = 1, type = "integer", min = 1 },
  -- {top, left, height, width} in pixels; top and left count from 1.
  crop = { type = "table" },
  -- Downscaling factor: squares of so many pixels a side are averaged; incomplete squares
  -- at the bottom and on the right are cut off.
  shrink = { default = 1, type = "integer", min = 1 },
  -- Convert colours to their luminance.
  grey = { default = false, type = "boolean" },
  -- Make both sides multiples of `multiple`: "crop" keeps the centre, "pad" repeats the
  -- outermost pixels on all sides.
  fit = { default = "none", choices = { "none", "crop", "pad" } },
  -- An integer, or a function of height and width.
  multiple = { default = 8 },
}

local Geometry = {}
Geometry.__index = Geometry

local SIDE = { type = "integer", min = 1 }
local CROP = { "top", "left", "height", "width" }

-- {top, left, height, width}, or nil and a message.
local function checked_crop(crop, height, width)
  if not crop then return { 1, 1, height, width } end
  local fits, box = #crop == 4, {}
  for i = 1, fits and 4 or 0 do
    local problem
    problem, box[i] = options.check(crop[i], SIDE)
    fits = fits and not problem
  end
  if fits and box[1] + box[3] - 1 <= height and box[2] + box[4] - 1 <= width then
    return box
  end
  return nil, string.format("crop: expected {%s} within frames of %d x %d, got %s",
    table.concat(CROP, ", "), height, width, options.show(crop))
end

local function rounded(side, multiple, up)
  return (side + (up and multiple - 1 or 0)) // multiple * multiple
end

-- The sides after `fit`.
local function fitted(o, height, width)
  if o.fit == "none" then return height, width end
  local function multiple_of(h, w)
    return type(o.multiple) == "number" and o.multiple or o.multiple(h, w)
  end
  local up, multiple = o.fit == "pad", multiple_of(height, width)
  local h, w = rounded(height, multiple, up), rounded(width, multiple, up)
  multiple = multiple_of(h, w) -- may differ for larger frames
  return rounded(height, multiple, up), rounded(width, multiple, up)
end

-- The number of channels of the results, or nil and a message.
local function channels_of(o, channels)
  if not o.grey or channels == 1 then return channels end
  if channels >= 3 then return 1 end
  return nil, string.format("grey: expected frames of 3 or 4 channels, got %d", channels)
end

--- Makes the transformation of frames of a given size.
-- @tparam table o all the options in `rules`
-- @tparam integer height
-- @tparam integer width
-- @tparam integer channels
-- @treturn ?table height, width and channels of the results; apply(x) transforms frames
-- (..., height, width, channels), uint8 from 0 to 255 or float32 from 0 to 1
-- @treturn ?string message
-- @usage
-- geometry = require "torus.data.films.geometry"
-- o = require("torus.options").resolve("example", { shrink = 4, fit = "crop" },
--   geometry.rules)
-- g = assert(geometry.new(o, 120, 90, 3))
-- print(g.height, g.width)                                 -- 24 16
-- print(table.unpack(g:apply(torus.rand(5, 120, 90, 3)).shape))   -- 5 24 16 3
function M.new(o, height, width, channels)
  local box, message = checked_crop(o.crop, height, width)
  if not box then return nil, message end
  local out
  out, message = channels_of(o, channels)
  if not out then return nil, message end
  local h, w = box[3] // o.shrink, box[4] // o.shrink
  local self = setmetatable({ box = box, shrink = o.shrink, small = { h, w },
    grey = out ~= channels, from = { height, width, channels }, channels = out }, Geometry)
  if h > 0 and w > 0 then self.height, self.width = fitted(o, h, w) end
  if not self.height or self.height < 1 or self.width < 1 then
    return nil, string.format("expected something left of frames of %d x %d, got %d x %d "
      .. "from crop, shrink and fit", height, width, self.height or h, self.width or w)
  end
  return self
end

-- Averages squares of k x k pixels of x (n, height, width, channels).
local function shrunk(x, k, h, w)
  x = x:narrow(2, 1, h * k):narrow(3, 1, w * k)
  return x:reshape(x:size(1), h, k, w, k, -1):mean { 3, 5 }
end

-- The luminance, by Rec. 601.
local function luminance(x)
  return x:narrow(4, 1, 1) * 0.299 + x:narrow(4, 2, 1) * 0.587 + x:narrow(4, 3, 1) * 0.114
end

-- Crops a side to `size`, or extends it by repeating the pixels at both ends.
local function resized(x, dim, size)
  local now = x:size(dim)
  if size == now then return x end
  if size < now then return x:narrow(dim, (now - size) // 2 + 1, size) end
  local indices, before = {}, (size - now) // 2
  for i = 1, size do indices[i] = math.max(1, math.min(now, i - before)) end
  return x:index_select(dim, indices)
end

--- Transforms frames; see `new`.
function Geometry:apply(x)
  local shape, n = x.shape, x:dim()
  local box = self.box
  x = x:reshape(-1, table.unpack(shape, n - 2))
    :narrow(2, box[1], box[3]):narrow(3, box[2], box[4])
  if x.dtype == "uint8" and (self.shrink > 1 or self.grey) then
    x = x:to("float32") / 255
  end
  if self.shrink > 1 then x = shrunk(x, self.shrink, table.unpack(self.small)) end
  if self.grey then x = luminance(x) end
  x = resized(resized(x, 2, self.height), 3, self.width)
  shape[n - 2], shape[n - 1], shape[n] = self.height, self.width, self.channels
  return x:reshape(shape):contiguous()
end

return M
