--- The user's own frames: arrays (.npy, .npz or a tensor), folders of PNGs, GIFs, and
-- formats that ffmpeg reads. Sequences of a .npy file are read on demand, so that it may
-- be larger than memory.
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

--- Options of films, in the form that torus.options reads: those of
-- torus.data.films.geometry, and
M.rules = options.joined(geometries.rules, {
  -- The value of white in an array.
  white = { type = "number", above = 0 },
  -- Frames per sequence when a film is cut; 31, or half of a film that is too short for
  -- two such sequences.
  length = { type = "integer", min = 1 },
  -- Frames from the start of one sequence to the start of the next when films, or
  -- sequences of an array, are cut; by default a film is cut without overlap.
  stride = { type = "integer", min = 1 },
})

local LENGTH = 31

--- Returns the time between the frames of a film, if its file specifies it: the seconds of a
-- recording (torus.data.films.recordings), or the array `dt` of a .npz archive.
-- @tparam string path
-- @treturn ?number
-- @usage
-- assert(torus.image.gif("noise.gif", torus.rand(9, 24, 40, 3)))
-- print(require("torus.data.video").interval("noise.gif"))   -- 0.04
function M.interval(path)
  if path:match("%.npz$") then return arrays.interval(path) end
  return recordings.interval(path)
end

--- The accepted kinds of files, for messages.
M.expected = "a .npy or .npz array of frames, a folder of PNGs or of films, a .gif, or "
  .. "a film for ffmpeg (." .. table.concat(ffmpeg.ends, ", .") .. ")"

--- Returns true if a path looks like a film: a file with a known extension, or a folder
-- without the files of a stored set of trajectories.
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

-- Windows of films: `list` has a film and a first frame for each window, and read(film,
-- first) returns its frames.
local Windows = {}
Windows.__index = Windows

function Windows:rows(indices)
  local pieces = {}
  for i, index in ipairs(indices) do pieces[i] = self.read(table.unpack(self.list[index])) end
  return engine.stack(pieces, 1)
end

-- The last earlier sequence that has no frame in common with a given one.
function Windows:last_before(index)
  local film, first = table.unpack(self.list[index])
  local last = index - 1
  while last > 0 and self.list[last][1] == film
    and self.list[last][2] + self.shape[2] > first do
    last = last - 1
  end
  return last
end

-- Some frames of given sequences.
local Sequences = {}
Sequences.__index = Sequences

function Sequences:rows(indices)
  local x = self.source:rows(indices)
  if self.times then x = x:index_select(2, self.times) end
  return self.geometry:apply(x)
end

-- Cuts films with given numbers of frames into windows: their starts and their length.
local function cut_into(counts, o)
  local total, longest = 0, 0
  for _, n in ipairs(counts) do
    total, longest = total + n, math.max(longest, n)
  end
  local half = #counts == 1 and longest // 2 or longest
  local length = o.length or math.max(1, math.min(LENGTH, half))
  local list = {}
  for film, n in ipairs(counts) do
    for first = 1, n - length + 1, o.stride or length do list[#list + 1] = { film, first } end
  end
  if #list >= 2 then return list, length end
  return nil, string.format("%d frames make %d sequence%s of length %d: expected at least 2, "
    .. "so a length of at most %d", total, #list, #list == 1 and "" or "s", length, half)
end

local function kept(count, every) return (count - 1) // every + 1 end

-- A source of windows of films with given numbers of frames; sizes are those of a frame.
local function windows_of(counts, o, sizes, path, read)
  local list, length = cut_into(counts, o)
  if not list then return nil, length end
  return setmetatable({ list = list, path = path, shape = { #list, length,
    table.unpack(sizes) }, read = function(film, first) return read(film, first, length) end },
    Windows)
end

-- "; cut into 56 sequences of 31 frames, one every 5 frames"
local function cut_text(source, o)
  return string.format("; cut into %d sequences of %d frames%s", source.shape[1],
    source.shape[2], o.stride and string.format(", one every %d frame%s", o.stride,
      o.stride == 1 and "" or "s") or "")
end

-- Reads frames first, first + 1, ... of the kept frames of a film in an array.
local function frame_reader(source, geometry, every)
  if source.one_film then
    return function(_, first, length)
      local frames = {}
      for t = first - 1, first + length - 2 do frames[#frames + 1] = t * every + 1 end
      return geometry:apply(source:rows(frames)):squeeze(2)
    end
  end
  return function(film, first, length)
    local times = engine.arange(1 + (first - 1) * every, 1 + (first + length - 2) * every,
      every, { dtype = "int64" })
    return geometry:apply(source:rows({ film }):index_select(2, times)):squeeze(1)
  end
end

local function of_array(source, o)
  local n, length, height, width, channels = table.unpack(source.shape)
  local geometry, message = geometries.new(o, height, width, channels)
  if not geometry then return nil, message end
  local sizes = { geometry.height, geometry.width, geometry.channels }
  local what = string.format("%d x %d, %d channel%s, white %g", height, width, channels,
    channels == 1 and "" or "s", source.white)
  local text = source.one_film and string.format("one film of %d frames of %s", n, what)
    or string.format("%d sequences of %d frames of %s", n, length, what)
  if source.one_film or o.stride then
    local counts = {}
    for i = 1, source.one_film and 1 or n do
      counts[i] = kept(source.one_film and n or length, o.every)
    end
    local cut
    cut, message = windows_of(counts, o, sizes, source.path,
      frame_reader(source, geometry, o.every))
    if not cut then return nil, message end
    cut.description = text .. cut_text(cut, o)
    return cut
  end
  local self = { source = source, geometry = geometry, path = source.path,
    shape = { n, kept(length, o.every), table.unpack(sizes) }, description = text }
  if o.every > 1 then
    self.times = engine.arange(1, length, o.every, { dtype = "int64" })
  end
  return setmetatable(self, Sequences)
end

local function of_recordings(path, o)
  local films, message = recordings.read(path, o)
  if not films then return nil, message end
  local counts = {}
  for i, film in ipairs(films) do counts[i] = film:size(1) end
  local source
  source, message = windows_of(counts, o, { table.unpack(films[1].shape, 2) }, path,
    function(film, first, length) return films[film]:narrow(1, first, length) end)
  if not source then return nil, path .. ": " .. message end
  source.description = string.format("%d film%s, %s frames kept", #films,
    #films == 1 and "" or "s", table.concat(counts, ", ", 1, math.min(#counts, 8)))
    .. cut_text(source, o)
  return source
end

-- --- opening --------------------------------------------------------------------

-- A source, if there is one, with the time between its frames; else nil and the message.
local function timed(path, o, source, message)
  if not source then return nil, message end
  local interval = M.interval(path)
  source.interval = interval and interval * o.every
  return source
end

--- Opens the frames of a file or a folder as a source for torus.data.split.
-- @tparam string path
-- @tparam[opt] table opts see `rules`
-- @treturn ?table shape {total, length, height, width, channels}, rows(indices),
-- uint8 from 0 to 255 or float32 from 0 to 1, and a description; interval, the time
-- between frames, if the files specify it; last_before(index), if sequences may overlap,
-- the last earlier sequence that has no frame in common with that one
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
    if not recordings.format(path) then
      return nil, string.format("%s: expected %s", path, M.expected)
    end
    return timed(path, o, of_recordings(path, o))
  end
  local source, message = of_file(path, o.white)
  if not source then return nil, message end
  local cut
  cut, message = of_array(source, o)
  if not cut then return nil, path .. ": " .. message end
  return timed(path, o, cut)
end

--- Makes a source for torus.data.split from a tensor of frames.
-- @tparam tensor frames (sequences, length, height, width, channels) with one to
-- four channels; grey may omit the channels, and a single film omits the sequences
-- @tparam[opt] table opts see `rules`
-- @treturn ?table as returned by open
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

-- Number of sequences written at a time.
local ROWS = 16

-- Sequences first .. first + n - 1 as stored in the file.
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
