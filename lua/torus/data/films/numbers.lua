--- The value of white in a film: 255 for uint8; for other dtypes 1 or 255, found from the
-- values.
-- @module torus.data.films.numbers
local options = require "torus.options"

local M = {}

-- If one is larger than this, floating-point values range from 0 to 255.
local BRIGHT = 127

local function as_floats(x)
  return x.dtype == "float32" and x or x:to("float32")
end

-- The lowest value, NaN if there is one; the highest; true if all are integers.
local function range_of(x)
  local low, high, sum = x:min():item(), x:max():item(), x:sum():item()
  if sum ~= sum then low = sum end -- min and max may pass over a NaN
  return low, high, (x - x:floor()):abs():max():item() == 0
end

local function problem(low, high, white, index)
  return string.format("expected numbers from 0 to %s, got %s to %s in sequence %d; %s",
    white or "1 or from 0 to 255", low ~= low and "NaN" or low,
    high ~= high and "NaN" or high, index,
    low ~= low and "replace the NaNs"
      or low < 0 and "if they are from -1 to 1, pass (x + 1) / 2"
      or "divide by the largest one, or set white to it (--set data_white=...)")
end

--- Returns the value of white in frames.
-- @tparam string dtype of the frames
-- @tparam ?number given the option `white`
-- @tparam integer count number of sequences
-- @tparam function row called with an index, returns the frames of that sequence, or nil
-- and a message
-- @treturn ?number 255 for uint8; otherwise found from the values of all sequences
-- @treturn ?string message
-- @usage
-- numbers = require "torus.data.films.numbers"
-- frames = torus.tensor { { 0.5, 254.5 } }
-- print(numbers.white("float32", nil, 1, function(i) return frames[i] end))   -- 255
function M.white(dtype, given, count, row)
  if not given and dtype == "uint8" then return 255 end
  if not given and dtype == "bool" then return 1 end
  local highest, all_integers, brightest = -math.huge, true, 1
  local lowest
  for index = 1, count do
    local x, message = row(index)
    if not x then return nil, message end
    local low, high, integers = range_of(as_floats(x))
    if not (low >= 0 and high <= (given or 255)) then
      return nil, problem(low, high, given, index)
    end
    if high > highest then highest, lowest, brightest = high, low, index end
    all_integers = all_integers and integers
  end
  if given then return given end
  if highest <= 1 then return 1 end
  if all_integers or highest > BRIGHT then return 255 end
  return nil, problem(lowest, highest, nil, brightest)
end

--- Converts frames to uint8 from 0 to 255 or to float32 from 0 to 1.
-- @tparam tensor x
-- @tparam number white
-- @treturn tensor
-- @usage
-- numbers = require "torus.data.films.numbers"
-- print(numbers.scaled(torus.tensor { 0, 255 }, 255))   -- 0 1
function M.scaled(x, white)
  if x.dtype == "uint8" and white == 255 then return x end
  x = as_floats(x)
  return white == 1 and x or x / white
end

local CHANNELS = 4

--- Returns the five sizes of an array of frames, (sequences, length, height, width,
-- channels). Grey frames may omit the channels, and a single film omits the sequences.
-- @tparam {integer,...} shape
-- @treturn ?{integer,...} five sizes
-- @treturn ?string message
-- @treturn ?boolean true if it is a single film
-- @usage
-- numbers = require "torus.data.films.numbers"
-- print(table.unpack((numbers.sizes { 300, 24, 40 })))     -- 1 300 24 40 1
-- print(table.unpack((numbers.sizes { 20, 31, 24, 40 })))     -- 20 31 24 40 1
-- print(table.unpack((numbers.sizes { 300, 24, 40, 3 })))     -- 1 300 24 40 3
function M.sizes(shape)
  local text, n = options.shape_text(shape), #shape
  local has_channels = n == 5 or n == 4 and shape[4] <= CHANNELS
  local sizes = { table.unpack(shape) }
  if n < 3 or n > 5 or n == 5 and shape[5] > CHANNELS then
    local first = n == 5 and shape[3] <= CHANNELS
    return nil, string.format("expected the shape (sequences, length, height, width, "
      .. "channels) with one to 4 channels, (sequences, length, height, width) in grey, "
      .. "or one film without the sequences, got %s%s", text,
      first and ": the channels come last, numpy.moveaxis(frames, 2, -1)" or "")
  end
  if not has_channels then sizes[#sizes + 1] = 1 end
  local one_film = #sizes == 4
  if one_film then table.insert(sizes, 1, 1) end
  for i = 1, 5 do
    if sizes[i] == 0 then return nil, "expected at least one frame, got " .. text end
  end
  return sizes, nil, one_film
end

return M
