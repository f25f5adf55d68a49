--- Recorded films: folders of PNGs, GIFs, and the formats that ffmpeg reads. Each frame is
-- kept as transformed by torus.data.films.geometry.
-- @module torus.data.films.recordings
local core = require "torus.core"
local engine = require "torus.engine"
local ffmpeg = require "torus.data.films.ffmpeg"
local geometries = require "torus.data.films.geometry"
local lfs = require "lfs"
local options = require "torus.options"
local reading = require "torus.image.read"

local M = {}

-- The share of the machine's memory that the frames of a film may take.
local SHARE = 0.5

local is_camera = {}
for _, ending in ipairs(ffmpeg.ends) do is_camera[ending] = true end

--- Returns the format of a file, by its name.
-- @tparam string path
-- @treturn ?string "gif", "camera" or "folder"; nil for anything else
-- @usage
-- recordings = require "torus.data.films.recordings"
-- print(recordings.format("pendulum.mp4"))   -- camera
function M.format(path)
  if lfs.attributes(path, "mode") == "directory" then return "folder" end
  local ending = (path:match("%.(%w+)$") or ""):lower()
  if ending == "gif" then return "gif" end
  return is_camera[ending] and "camera" or nil
end

-- Returns a function that collects frames, which returns a message if it cannot use one,
-- and the list of the frames kept.
local function collector(o)
  local kept, count, geometry, first = {}, 0, nil, nil
  local limit = core.memory().machine_bytes * SHARE
  local function add(frame)
    local message
    if not geometry then
      first = frame.shape
      geometry, message = geometries.new(o, table.unpack(first))
      if not geometry then return message end
    end
    if options.shape_text(frame) ~= options.shape_text(first) then
      return string.format("expected frames of shape %s like the first, got %s",
        options.shape_text(first), options.shape_text(frame))
    end
    count = count + 1
    if (count - 1) % o.every ~= 0 then return nil end
    local x = geometry:apply(frame)
    kept[#kept + 1] = x
    local bytes = #kept * x:numel() * (x.dtype == "uint8" and 1 or 4)
    if limit > 0 and bytes > limit then
      return string.format("its frames of %d x %d do not fit into memory: keep fewer "
        .. "or smaller ones with every, crop or shrink", x:size(1), x:size(2))
    end
  end
  return add, kept
end

local READ = {}

function READ.gif(path, add)
  local film, message = reading.read(path, { dtype = "uint8" })
  if not film then return nil, message end
  if film:dim() ~= 4 then
    return nil, path .. ": expected a GIF, got a PNG; give the folder of a film's PNGs"
  end
  for i = 1, film:size(1) do
    local problem = add(film:select(1, i))
    if problem then return nil, path .. ": " .. problem end
  end
  return true
end

READ.camera = ffmpeg.read

function READ.folder(path, add)
  local names, message = reading.pictures(path)
  if not names then return nil, message end
  for _, name in ipairs(names) do
    local x
    x, message = reading.read(path .. "/" .. name, { dtype = "uint8" })
    if not x then return nil, message end
    local problem = add(x)
    if problem then return nil, path .. "/" .. name .. ": " .. problem end
  end
  return true
end

local function read_one(path, o)
  local add, kept = collector(o)
  local ok, message = READ[M.format(path)](path, add)
  if not ok then return nil, message end
  return engine.stack(kept, 1)
end

local OTHER_PICTURES = { jpg = true, jpeg = true, bmp = true, tif = true, tiff = true,
  webp = true }

-- The films in a folder, or the folder itself if it contains PNGs.
local function films_in(folder)
  if reading.pictures(folder) then return { folder } end
  local ok, iterator, state = pcall(lfs.dir, folder)
  if not ok then return nil, folder .. " is not a folder that can be read" end
  local names, all = {}, {}
  for name in iterator, state do
    all[#all + 1] = name
    if name:sub(1, 1) ~= "." and M.format(folder .. "/" .. name) then
      names[#names + 1] = folder .. "/" .. name
    end
  end
  table.sort(names)
  if #names > 0 then return names end
  for _, name in ipairs(all) do
    local ending = name:lower():match("%.(%a+)$") or ""
    if OTHER_PICTURES[ending] then
      return nil, ("%s: expected a film's frames as PNGs, got %s; convert them, for example "
        .. "with ffmpeg -pattern_type glob -i '*.%s' %%04d.png"):format(folder, name,
        name:match("%.(%a+)$"))
    end
  end
  return nil, folder .. ": expected train.safetensors, a film's PNGs, or films (folders "
    .. "of PNGs, GIFs, " .. table.concat(ffmpeg.ends, ", ") .. "), got none of them"
end

--- Returns the paths of the files that are read as the film or films of a folder.
-- @tparam string folder
-- @treturn ?{string,...} within the folder
-- @treturn ?string message
-- @usage
-- recordings = require "torus.data.films.recordings"
-- assert(torus.files.make_folder("takes"))
-- assert(torus.image.gif("takes/a.gif", torus.rand(5, 16, 24, 3)))
-- print(table.unpack(assert(recordings.files("takes"))))   -- a.gif
function M.files(folder)
  local names = reading.pictures(folder)
  if names then return names end
  local films, message = films_in(folder)
  if not films then return nil, message end
  local list = {}
  for _, path in ipairs(films) do
    local film = path:sub(#folder + 2)
    if M.format(path) == "folder" then
      for _, name in ipairs(reading.pictures(path) or {}) do
        list[#list + 1] = film .. "/" .. name
      end
    else
      list[#list + 1] = film
    end
  end
  return list
end

local INTERVAL = { camera = ffmpeg.interval }

-- The time for which each frame of a GIF is shown, if it is the same for all.
function INTERVAL.gif(path)
  local _, delays = reading.read(path, { dtype = "uint8" })
  if not delays then return nil end
  for _, delay in ipairs(delays) do
    if delay ~= delays[1] then return nil end
  end
  return delays[1] > 0 and delays[1] / 1000 or nil
end

--- Returns the time from one frame to the next, if a film specifies it: a GIF whose frames
-- are shown for equal times, or a film read by ffmpeg; for a folder of films, if it is the
-- same for all.
-- @tparam string path
-- @treturn ?number seconds
-- @usage
-- recordings = require "torus.data.films.recordings"
-- assert(torus.image.gif("noise.gif", torus.rand(5, 16, 24, 3), { delay_ms = 40 }))
-- print(recordings.interval("noise.gif"))   -- 0.04
function M.interval(path)
  local format = M.format(path)
  if format ~= "folder" then return format and INTERVAL[format](path) end
  if reading.pictures(path) then return nil end
  local common
  for _, one in ipairs(films_in(path) or {}) do
    local interval = M.interval(one)
    if not interval or common and interval ~= common then return nil end
    common = interval
  end
  return common
end

--- Reads a film, or all films of a folder.
-- @tparam string path
-- @tparam table o all the options of torus.data.films.geometry
-- @treturn ?{tensor,...} each (frames, height, width, channels), uint8 from 0 to 255
-- or float32 from 0 to 1
-- @treturn ?string message
-- @treturn ?{string,...} the paths of the films
-- @usage
-- recordings = require "torus.data.films.recordings"
-- o = require("torus.options").resolve("example", {},
--   require("torus.data.films.geometry").rules)
-- assert(torus.image.gif("noise.gif", torus.rand(5, 16, 24, 3)))
-- print(table.unpack(assert(recordings.read("noise.gif", o))[1].shape))   -- 5 16 24 3
function M.read(path, o)
  local paths, message = { path }
  if M.format(path) == "folder" then
    paths, message = films_in(path)
    if not paths then return nil, message end
  end
  local films = {}
  for i, one in ipairs(paths) do
    films[i], message = read_one(one, o)
    if not films[i] then return nil, message end
    local shape, first = films[i].shape, films[1].shape
    if options.shape_text { table.unpack(shape, 2) }
      ~= options.shape_text { table.unpack(first, 2) } then
      return nil, string.format("%s: expected frames of shape %s like those of %s, got %s",
        one, options.shape_text { table.unpack(first, 2) }, paths[1],
        options.shape_text { table.unpack(shape, 2) })
    end
  end
  return films, nil, paths
end

return M
