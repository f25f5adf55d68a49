--- The geometry and colours of the frames that encoders and decoders accept.
-- @module torus.models.parts.frames
local options = require "torus.options"

local M = {}

local LARGEST = 1024

--- How often the encoder halves frames and the decoder doubles them: three
-- times bring 32x32 to 4x4; 64x64 needs four.
-- @tparam integer resolution height and width of a frame in pixels
-- @treturn integer
-- @usage
-- frames = require "torus.models.parts.frames"
-- print(frames.halvings(32), frames.halvings(64))   -- 3 4
function M.halvings(resolution)
  return resolution >= 64 and 4 or 3
end

--- Raises unless encoder and decoder accept a resolution. The upper limit
-- keeps a typing error from asking for all memory.
-- @tparam string where name of the operation, for the message
-- @tparam integer resolution height and width of a frame in pixels
-- @usage
-- frames = require "torus.models.parts.frames"
-- print(pcall(frames.check_resolution, "example", 20))
function M.check_resolution(where, resolution)
  local factor = 1 << M.halvings(resolution)
  if resolution < 8 or resolution > LARGEST or resolution % factor ~= 0 then
    options.raise("%s: resolution: expected a multiple of 8 from 8 to 56 or "
      .. "of 16 from 64 to %d, got %d", where, LARGEST, resolution)
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
