--- The background of a film taken by a static camera: what each pixel shows most of the
-- time.
-- @module torus.data.films.background
local engine = require "torus.engine"

local M = {}

-- Maximum numbers of frames in the median, and of sequences that they are taken from.
local FRAMES, SEQUENCES = 120, 40

-- Returns `count` of the integers first..last, evenly spaced.
local function spread(count, first, last)
  local list, total = {}, last - first + 1
  count = math.min(count, total)
  for i = 1, count do list[i] = first + ((2 * i - 1) * total) // (2 * count) end
  return list
end

local function as_floats(x)
  return x.dtype == "uint8" and x:to("float32") / 255 or x
end

--- Returns the median of each pixel over at most 120 frames from 40 sequences.
-- @tparam table source frames, as returned by torus.data.video
-- @tparam integer first index of the first sequence to use
-- @tparam integer count number of sequences
-- @tparam integer length number of frames of each, from its first
-- @treturn tensor (height, width, channels) float32
-- @usage
-- background = require "torus.data.films.background"
-- video = require "torus.data.video"
-- film = torus.zeros(2, 5, 8, 8, 1)
-- film[{ 1, 3, { 2, 4 } }] = 1                    -- something passes by
-- print(background.median(video.from_tensor(film), 1, 2, 5):max())   -- 0
function M.median(source, first, count, length)
  local kept, indices = {}, spread(SEQUENCES, first, first + count - 1)
  local times = spread(math.max(1, FRAMES // #indices), 1, length)
  for i, index in ipairs(indices) do
    kept[i] = as_floats(source:rows { index }):index_select(2, times):squeeze(1)
  end
  return (engine.cat(kept, 1):median(1))
end

local Without = {}
Without.__index = Without

function Without:rows(indices)
  return (as_floats(self.source:rows(indices)) - self.background) * 0.5 + 0.5
end

--- Returns a source without its background: 1/2 + (frame - background) / 2, which lies
-- between 0 and 1 and is invertible. Squared errors are a quarter of those of the original
-- frames.
-- @tparam table source
-- @tparam tensor background (height, width, channels)
-- @treturn table a source
-- @usage
-- background = require "torus.data.films.background"
-- source = assert(require("torus.data.video").from_tensor(torus.rand(2, 5, 8, 8, 1)))
-- print(background.without(source, torus.zeros(8, 8, 1)):rows({ 1 }):min())   -- at least 0.5
function M.without(source, background)
  return setmetatable({ source = source, background = background, path = source.path,
    shape = source.shape, description = source.description,
    interval = source.interval }, Without)
end

--- Adds the background to frames again: the inverse of `without`.
-- @tparam tensor frames (..., height, width, channels)
-- @tparam tensor background (height, width, channels)
-- @treturn tensor
-- @usage
-- background = require "torus.data.films.background"
-- print(background.restored(torus.full({ 8, 8, 1 }, 0.5), torus.zeros(8, 8, 1)):max())   -- 0
function M.restored(frames, background)
  return (frames - 0.5) * 2 + background
end

return M
