--- In how many directions the frames of a data set vary: an estimate of the number of
-- degrees of freedom without a model.
-- @module torus.experiments.frame_dimension
local dimension = require "torus.measures.dimension"
local engine = require "torus.engine"
local lists = require "torus.tasks.lists"

local M = {}

--- The numbers of neighbours for which the dimension is estimated. Noise raises the
-- estimates for few, and curvature changes those for many.
M.neighbours = { 10, 20, 40 }

-- The number of frames to compare, at most and at least.
local FRAMES, ENOUGH = 10000, 500
-- The least number of sequences: fewer show their own orbits and not what the system can do.
local SEQUENCES = 20
-- Sequences that are enough for one frame of each.
local MANY = 500
-- Parts of a sequence: frames in the same part, which follow each other closely, are not
-- each other's neighbours.
local PARTS = 10
-- Side of a frame after smoothing.
local SIDE = 8
-- Sequences read at a time.
local BLOCK = 250

-- Frames (n, h, w, c) smoothed by squares of 2 b x 2 b pixels, b pixels apart. Where a disc
-- moves by less than its radius, the distance of two frames then grows as the motion does.
local function smoothed(frames)
  local n, h, w, c = table.unpack(frames.shape)
  local b = math.max(1, math.min(h, w) // SIDE)
  local rows, columns = h // b, w // b
  local x = frames:narrow(2, 1, rows * b):narrow(3, 1, columns * b)
    :reshape(n, rows, b, columns, b, c):mean(5):mean(3)
  if rows > 1 then x = x:narrow(2, 1, rows - 1) + x:narrow(2, 2, rows - 1) end
  if columns > 1 then x = x:narrow(3, 1, columns - 1) + x:narrow(3, 2, columns - 1) end
  return x:reshape(n, -1)
end

-- The times of the frames that are taken from each of `count` sequences of `length`: the
-- last one where there are many; motions that all begin alike have spread by then.
local function times_of(count, length)
  if count >= MANY then return { length } end
  local first = length // 2 + 1
  local every = math.max(1, math.ceil((length - first + 1) * count / FRAMES))
  local times = {}
  for t = length, first, -every do times[#times + 1] = t end
  return times
end

-- The frames, (n, numbers), and their groups.
local function collect(split)
  local length = split:batch({ 1 }):size(2)
  local count = math.min(split.size, FRAMES)
  local times, rows, groups = times_of(count, length), {}, {}
  for first = 1, count, BLOCK do
    local indices = lists.range(first, math.min(first + BLOCK - 1, count))
    local frames = split:batch(indices)
    for _, t in ipairs(times) do
      rows[#rows + 1] = smoothed(frames:select(2, t):to("float64"))
      for _, i in ipairs(indices) do
        groups[#groups + 1] = i * PARTS + (t - 1) * PARTS // length
      end
    end
  end
  return engine.cat(rows, 1), groups
end

--- Estimates the number of degrees of freedom that frames show.
-- @tparam Split split of a data set, see torus.data
-- @treturn ?table estimates, one for each of `neighbours`; dimension, the integer that all
-- of them are nearest to, or nil where they disagree; frames, how many there were
-- @treturn ?string why there is none: too few sequences or frames
-- @usage
-- local torus = require "torus"
-- local frame_dimension = require "torus.experiments.frame_dimension"
-- local data = torus.data.simulate("pendulum", { train = 600, test = 1, noise = 0 })
-- print(frame_dimension.measure(data.train).dimension)   -- 1
function M.measure(split)
  if split.size < SEQUENCES then
    return nil, string.format("%d sequences are too few to estimate the dimension of their "
      .. "frames (at least %d)", split.size, SEQUENCES)
  end
  return engine.no_grad(function()
    local points, groups = collect(split)
    local n = points:size(1)
    if n < ENOUGH then
      return nil, string.format("%d frames are too few to estimate their dimension "
        .. "(at least %d)", n, ENOUGH)
    end
    local found = { estimates = {}, frames = n }
    for i, k in ipairs(M.neighbours) do
      found.estimates[i] = dimension.estimate(points, { neighbours = k, groups = groups })
    end
    local nearest = {}
    for i, estimate in ipairs(found.estimates) do nearest[i] = math.floor(estimate + 0.5) end
    -- Infinite where all frames are the same.
    if nearest[1] > 0 and nearest[1] < math.huge and nearest[1] == nearest[2]
      and nearest[1] == nearest[3] then
      found.dimension = nearest[1]
    end
    return found
  end)
end

return M
