--- Frames of the user's own: arrays (.npy, .npz or a tensor), folders of PNGs, GIFs,
-- and what ffmpeg reads. Sequences of a .npy file are read when they are asked for,
-- so that it may be larger than memory.
-- @module torus.data.video
local arrays = require "torus.data.films.arrays"
local engine = require "torus.engine"
local ffmpeg = require "torus.data.films.ffmpeg"
local files = require "torus.files"
local geometries = require "torus.data.films.geometry"
local npy = require "torus.npy"
local options = require "torus.options"
local recordings = require "torus.data.films.recordings"

local M = {}

--- Options of films, as torus.options reads them: those of
-- torus.data.films.geometry, and
M.rules = options.joined(geometries.rules, {
  -- The number that white has, of arrays.
  white = { type = "number", above = 0 },
  -- Frames of the sequences that one film is cut into; 31, or half of a film that
  -- is shorter than two of them.
  length = { type = "integer", min = 1 },
})

local LENGTH = 31

--- What files are accepted, for messages.
M.expected = "a .npy or .npz array of frames, a folder of PNGs or of films, a .gif, or "
  .. "a film for ffmpeg (." .. table.concat(ffmpeg.ends, ", .") .. ")"

--- Whether a path has the name of a film: a file by its ending, or a folder with
-- none of the files of a stored set of trajectories.
-- @tparam string path
-- @treturn boolean
-- @usage
-- video = require "torus.data.video"
-- print(video.is_film("pendulum.gif"), video.is_film("pendulum"))   -- true false
function M.is_film(path)
  if path:match("%.npy$") or path:match("%.npz$") then return true end
  local format = recordings.format(path)
  return format ~= nil and not (format == "folder"
    and files.exists(path .. "/train.safetensors"))
end

-- --- sequences out of what was read -----------------------------------------------

-- Frames of sequences, of each some.
local Sequences = {}
Sequences.__index = Sequences

function Sequences:rows(indices)
  local x = self.source:rows(indices)
  if self.times then x = x:index_select(2, self.times) end
  return self.geometry:apply(x)
end

-- A film in a source whose rows are its frames.
local Cut = {}
Cut.__index = Cut

function Cut:rows(indices)
  local length, frames = self.shape[2], {}
  for _, index in ipairs(indices) do
    for t = (index - 1) * length, index * length - 1 do
      frames[#frames + 1] = t * self.every + 1
    end
  end
  local x = self.geometry:apply(self.source:rows(frames))
  return x:reshape(#indices, table.unpack(self.shape, 2))
end

-- The length of sequences of films with so many frames, and how many there are.
local function cut_into(counts, given)
  local total, longest = 0, 0
  for _, n in ipairs(counts) do
    total, longest = total + n, math.max(longest, n)
  end
  local half = #counts == 1 and longest // 2 or longest
  local length = given or math.max(1, math.min(LENGTH, half))
  local count = 0
  for _, n in ipairs(counts) do count = count + n // length end
  if count >= 2 then return length, count end
  return nil, string.format("%d frames make %d sequence%s of %d: expected at least 2, "
    .. "of at most %d frames", total, count, count == 1 and "" or "s", length, half)
end

local function kept(count, every) return (count - 1) // every + 1 end

local function of_array(source, o)
  local n, length, height, width, channels = table.unpack(source.shape)
  local geometry, message = geometries.new(o, height, width, channels)
  if not geometry then return nil, message end
  local self = { source = source, geometry = geometry, every = o.every,
    path = source.path }
  local sizes = { geometry.height, geometry.width, geometry.channels }
  local what = string.format("%d x %d, %d channel%s, white %g", height, width, channels,
    channels == 1 and "" or "s", source.white)
  if source.one_film then
    local cut, count = cut_into({ kept(n, o.every) }, o.length)
    if not cut then return nil, count end
    self.shape = { count, cut, table.unpack(sizes) }
    self.description = string.format("one film of %d frames of %s", n, what)
    return setmetatable(self, Cut)
  end
  if o.every > 1 then
    self.times = engine.arange(1, length, o.every, { dtype = "int64" })
  end
  self.shape = { n, kept(length, o.every), table.unpack(sizes) }
  self.description = string.format("%d sequences of %d frames of %s", n, length, what)
  return setmetatable(self, Sequences)
end

local Memory = {}
Memory.__index = Memory

function Memory:rows(indices)
  return self.frames:index_select(1, engine.tensor(indices, { dtype = "int64" }))
end

local function of_recordings(path, o)
  local films, message = recordings.read(path, o)
  if not films then return nil, message end
  local counts = {}
  for i, film in ipairs(films) do counts[i] = film:size(1) end
  local length, count = cut_into(counts, o.length)
  if not length then return nil, path .. ": " .. count end
  local pieces = {}
  for _, film in ipairs(films) do
    local n = film:size(1) // length
    if n > 0 then
      pieces[#pieces + 1] = film:narrow(1, 1, n * length)
        :reshape(n, length, table.unpack(film.shape, 2))
    end
  end
  local frames = engine.cat(pieces, 1)
  return setmetatable({ frames = frames, shape = frames.shape, path = path,
    description = string.format("%d film%s, %s frames kept", #films,
      #films == 1 and "" or "s", table.concat(counts, ", ", 1, math.min(#counts, 8))) },
    Memory)
end

-- --- opening --------------------------------------------------------------------

--- Frames of a file or a folder as a source for torus.data.split.
-- @tparam string path
-- @tparam[opt] table opts as `rules` has them
-- @treturn ?table shape {total, length, height, width, channels}, rows(indices),
-- uint8 from 0 to 255 or float32 from 0 to 1, and a description
-- @treturn ?string message
-- @usage
-- video = require "torus.data.video"
-- assert(torus.image.gif("noise.gif", torus.rand(9, 24, 40, 3)))
-- print(table.unpack(assert(video.open("noise.gif", { length = 3 })).shape))
-- -- 3 3 24 40 3
-- print(video.open("no_such_file.npy"))   -- nil and a message
function M.open(path, opts)
  local o = options.resolve("video.open", opts, M.rules)
  local of_file = path:match("%.npy$") and arrays.npy
    or path:match("%.npz$") and arrays.npz
  if not of_file then
    if recordings.format(path) then return of_recordings(path, o) end
    return nil, string.format("%s: expected %s", path, M.expected)
  end
  local source, message = of_file(path, o.white)
  if not source then return nil, message end
  local cut
  cut, message = of_array(source, o)
  return cut, cut == nil and path .. ": " .. message or nil
end

--- A tensor of frames as a source for torus.data.split.
-- @tparam tensor frames (sequences, length, height, width, channels) with one to
-- four channels, in grey also (sequences, length, height, width); one film lacks
-- the sequences
-- @tparam[opt] table opts as `rules` has them
-- @treturn ?table as open returns it
-- @treturn ?string message
-- @usage
-- video = require "torus.data.video"
-- print(video.from_tensor(torus.rand(10, 5, 16, 16, 3)).shape[1])   -- 10
function M.from_tensor(frames, opts)
  local o = options.resolve("video.from_tensor", opts, M.rules)
  local source, message = arrays.tensor(frames, o.white)
  if not source then return nil, message end
  local cut
  cut, message = of_array(source, o)
  return cut, cut == nil and "frames: " .. message or nil
end

-- --- writing --------------------------------------------------------------------

-- Sequences of a part of the file.
local ROWS = 16

-- Sequences first .. first + n - 1 as the file has them.
local function rows_of(split, dtype, first, n)
  local frames = split:batch(engine.arange(first, first + n - 1,
    { dtype = "int64" }))
  if dtype ~= "uint8" then return frames:contiguous() end
  return (frames * 255 + 0.5):floor():to("uint8")
end

-- The parts of the file as a function: the header, then a few sequences at a time.
local function parts_of(split, o)
  local shape, done = split:batch { 1 }.shape, nil
  shape[1] = o.count
  return function()
    if not done then
      done = 0
      return npy.header(o.dtype, shape)
    end
    if done > 0 and o.progress then o.progress(done, o.count) end
    local n = math.min(ROWS, o.count - done)
    if n == 0 then return nil end
    done = done + n
    return rows_of(split, o.dtype, done - n + 1, n)
  end
end

--- Writes the frames of a split to a .npy file, a few sequences at a time.
-- @tparam string path
-- @tparam table split States or Frames
-- @tparam table o dtype, "uint8" or "float32"; count of sequences; progress
-- @treturn ?boolean true
-- @treturn ?string message
function M.export(path, split, o)
  return files.write(path, parts_of(split, o))
end

return M
