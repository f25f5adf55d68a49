--- The coordinates of the first training sequences: the second stage of an HGN's training is
-- fitted to them, and the third can learn from them.
-- @module torus.tasks.hgn.located
local coordinates = require "torus.models.hgn.coordinates"
local engine = require "torus.engine"
local lists = require "torus.tasks.lists"
local progress = require "torus.progress"
local training = require "torus.tasks.training"
local windows = require "torus.data.windows"

local Located = {}
Located.__index = Located

-- Number of sequences located at a time.
local BLOCK = 16

-- The number of sequences available when `count` are requested.
local function available(data, count) return math.min(count, data.train.size) end

--- Calls a function with the frames of each block of sequences in turn.
-- @tparam table config
-- @tparam Dataset data
-- @tparam table opts
-- @tparam integer opts.count number of sequences
-- @tparam integer opts.frames number of frames, from the first of each sequence
-- @tparam function f called with the frames and the number of sequences before them
function Located.each_block(config, data, opts, f)
  local count = available(data, opts.count)
  for first = 1, count, BLOCK do
    local indices = lists.range(first, math.min(first + BLOCK - 1, count))
    f(windows.first(data.train, indices, opts.frames):to(config.dtype), first - 1)
  end
end

--- Allocates the coordinates, which `find` computes.
-- @tparam table config
-- @tparam Dataset data
-- @tparam integer n dimension
-- @treturn Located coordinates (frames, sequences, n), metrics (frames,
-- sequences, n, n), left (frames, sequences), as returned by HGN:locate
function Located.new(config, data, n)
  local T, wanted = config.fit_frames, config.fit_size
  if config.teach_from == "coordinates" then
    -- A long sequence teaches as much as several of `frames` frames.
    wanted = math.max(wanted, config.teach_size * config.frames // T)
  end
  local count = available(data, wanted)
  local function zeros(...) return engine.zeros({ ... }, { dtype = config.dtype }) end
  return setmetatable({ config = config, data = data, count = count,
    coordinates = zeros(T, count, n), metrics = zeros(T, count, n, n),
    left = zeros(T, count):fill_(-1) }, Located)
end

--- Returns the tensors to store in a checkpoint: later stages need the coordinates, which
-- cannot be found again once the encoder has changed.
-- @treturn {{string,tensor},...}
function Located:buffers()
  return { { "task.coordinates", self.coordinates }, { "task.metrics", self.metrics },
    { "task.left", self.left } }
end

--- Returns the share of frames with uncertain coordinates: the nearest frame that the decoder
-- can render has a squared pixel error above coordinates.ROBUST.
-- @treturn number 0 until coordinates are found
function Located:uncertain()
  return self.left:gt(coordinates.ROBUST):to("float64"):mean():item()
end

--- True if the images of the decoder do not depend on the coordinates that were found.
-- @treturn boolean
function Located:undetermined() return not (self.metrics:abs():max():item() > 0) end

--- Returns windows of `frames` frames of the coordinates of some sequences.
-- @tparam table indices of the sequences
-- @tparam {integer,...} starts first frame of each window, from 1
-- @treturn table coordinates, metrics and left, as in `new`, for these frames and sequences
function Located:windows(indices, starts)
  local cut = {}
  for _, name in ipairs { "coordinates", "metrics", "left" } do
    cut[name] = windows.cut(self[name]:index_select(2, indices):transpose(1, 2):contiguous(),
      starts, self.config.frames):transpose(1, 2):contiguous()
  end
  return cut
end

-- Finds the coordinates of the first `count` sequences by a function of the frames of a block
-- and the number of sequences before it. This can take minutes, so it may be interrupted;
-- nothing has changed then.
local function find(self, count, locate)
  local some = { count = count, frames = self.config.fit_frames }
  local found = { coordinates = {}, metrics = {}, left = {} }
  Located.each_block(self.config, self.data, some, function(frames, before)
    training.stop_if_asked()
    local x, metric, left = locate(frames, before)
    table.insert(found.coordinates, x)
    table.insert(found.metrics, metric)
    table.insert(found.left, left)
    progress.within("coordinates of training sequences", before + frames:size(1), count)
  end)
  -- `left` last: it tells that the others are known.
  for _, name in ipairs { "coordinates", "metrics", "left" } do
    self[name]:narrow(2, 1, count):copy_(engine.cat(found[name], 2))
  end
end

--- Finds the coordinates with a model after its first stage, unless they are known.
-- @tparam Module model
function Located:find(model)
  if self.left:min():item() >= 0 then return end
  find(self, self.count, function(frames) return model:locate(frames, { charted = false }) end)
end

--- Forgets the coordinates: the decoder will be trained further.
function Located:forget() self.left:fill_(-1) end

--- Finds the coordinates of the first sequences again, after the decoder has changed.
-- @tparam Module model
-- @tparam tensor near (frames, sequences, n), where the search begins
function Located:find_near(model, near)
  find(self, near:size(2), function(frames, before)
    return model:locate(frames,
      { near = near:narrow(2, before + 1, frames:size(1)):contiguous() })
  end)
end

--- The same for fitted sequences, near their motion, and for the others near the known ones.
-- @tparam Module model
-- @tparam tensor motion (frames, sequences, n), of the first sequences
-- @tparam boolean all true: also those of the other sequences
function Located:find_again(model, motion, all)
  local fitted = motion:size(2)
  local near = motion
  if all and self.count > fitted then
    near = engine.cat({ motion,
      self.coordinates:narrow(2, fitted + 1, self.count - fitted) }, 2)
  end
  self:find_near(model, near)
end

return Located
