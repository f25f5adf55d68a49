--- The geometry and colours of the frames that encoders and decoders accept.
-- @module torus.models.parts.frames
local options = require "torus.options"

local M = {}

local LARGEST = 1024

--- Returns the height and width of the frames of a model.
-- @tparam table config resolution and, if the width differs from it, frame_width
-- @treturn integer height in pixels
-- @treturn integer width
-- @usage
-- frames = require "torus.models.parts.frames"
-- print(frames.sides { resolution = 32 })                     -- 32 32
-- print(frames.sides { resolution = 32, frame_width = 48 })   -- 32 48
function M.sides(config)
  return config.resolution, config.frame_width or config.resolution
end

--- Returns the number of times the encoder halves frames and the decoder doubles them:
-- three reduce 32x32 to 4x4; 64x64 needs four. The smaller side decides.
-- @tparam integer height of a frame in pixels
-- @tparam[opt] integer width the height by default
-- @treturn integer
-- @usage
-- frames = require "torus.models.parts.frames"
-- print(frames.halvings(32), frames.halvings(64))   -- 3 4
-- print(frames.halvings(40, 96))                    -- 3
function M.halvings(height, width)
  return math.min(height, width or height) >= 64 and 4 or 3
end

--- Raises unless encoder and decoder accept frames of these sides. The upper limit prevents
-- a typing error from exhausting the memory.
-- @tparam string where name of the operation, for the message
-- @tparam integer height of a frame in pixels, the option resolution
-- @tparam[opt] integer width the option frame_width; the height by default
-- @usage
-- frames = require "torus.models.parts.frames"
-- print(pcall(frames.check_sides, "example", 20))
-- print(pcall(frames.check_sides, "example", 32, 50))
function M.check_sides(where, height, width)
  width = width or height
  local factor = 1 << M.halvings(height, width)
  local function fits(side)
    return side >= 8 and side <= LARGEST and side % factor == 0
  end
  if width == height and not fits(height) then
    options.raise("%s: resolution: expected a multiple of 8 from 8 to 56 or "
      .. "of 16 from 64 to %d, got %d", where, LARGEST, height)
  end
  for i, name in ipairs { "resolution", "frame_width" } do
    local side = i == 1 and height or width
    if not fits(side) then
      options.raise("%s: %s: expected a multiple of %d from 8 to %d in frames of "
        .. "%d x %d, got %d", where, name, factor, LARGEST, height, width, side)
    end
  end
end

local COLOUR = { type = "number", min = 0, max = 1 }

--- Raises unless a background is nil or a list of colours.
-- @tparam string where name of the operation, for the message
-- @tparam ?{number,...} background one number in [0, 1] per channel
-- @tparam integer channels of a frame
-- @usage
-- frames = require "torus.models.parts.frames"
-- print(pcall(frames.check_background, "example", { 0.5 }, 3))
function M.check_background(where, background, channels)
  if background == nil then return end
  local fits = type(background) == "table" and #background == channels
  for i = 1, fits and channels or 0 do
    local problem = options.check(background[i], COLOUR)
    fits = fits and not problem
  end
  if not fits then
    options.raise("%s: background: expected %d numbers in [0, 1], one per "
      .. "channel, got %s", where, channels, options.show(background))
  end
end

return M
