--- Data for models of frames: sequences of a simulated system, of a folder of trajectories
-- (`data`), or the user's own films (`data`, any that torus.data.frames reads).
-- @module torus.tasks.sequences
local datasets = require "torus.data"
local options = require "torus.options"
local frame_sizes = require "torus.models.parts.frames"
local systems = require "torus.systems"
local training = require "torus.tasks.training"
local video = require "torus.data.video"

local M = {}

--- Keys of simulated data, whose presets and defaults don't apply to other data.
M.simulated_only = { noise = true, train_size = true, test_size = true }

--- The rules of the keys of data: of simulated ones, and of films, for which see
-- torus.data.frames.
M.rules = {
  data = { type = "path",
    doc = "A folder of trajectories, or films (torus.data.frames), instead of a simulation." },
  noise = { type = "number", min = 0,
    doc = "Standard deviation of the noise of the simulated states; by default the system's." },
  train_size = { type = "integer", min = 1,
    doc = "Number of simulated training sequences; by default torus.data's." },
  test_size = { type = "integer", min = 1,
    doc = "Number of simulated test sequences; by default torus.data's." },
  data_seed = { type = "integer", min = 0,
    doc = "Seed of the simulated data; 0 by default." },
  data_every = { type = "integer", min = 1,
    doc = "Keeps only every n-th frame of a film, beginning with the first; dt is then the "
      .. "time between kept frames." },
  data_stride = { type = "integer", min = 1,
    doc = "Number of frames from the start of a sequence to that of the next, if a film, or "
      .. "sequences of an array, are cut into overlapping ones." },
  data_crop = { type = "table",
    doc = "Rectangle of a film that is kept: top, left, height and width in pixels; top and "
      .. "left count from 1." },
  data_shrink = { type = "integer", min = 1,
    doc = "Downscaling factor: squares of so many pixels a side are averaged." },
  data_grey = { type = "boolean",
    doc = "True converts colours to their luminance." },
  data_fit = { choices = { "none", "crop", "pad" },
    doc = "Makes the sides of frames multiples of 8, or of 16 if both are 64 or more: the "
      .. "middle is cut out, or the outermost pixels are repeated." },
  data_white = { type = "number", above = 0,
    doc = "The value of white in arrays, if it is neither 1 nor 255." },
  background = { type = "table", words = { "median" },
    doc = "The colour of the background, one number in [0, 1] per channel, from which the "
      .. "encoder sees differences and near which the decoder begins; or \"median\": that of "
      .. "a static camera, the median of each pixel over the training part, is removed, and "
      .. "frames are 1/2 + (frame - background) / 2." },
}

--- The names of those of films, which determine the data.
M.keys = { "data_every", "data_stride", "data_crop", "data_shrink", "data_grey", "data_fit",
  "data_white" }

--- Returns the part of a configuration that a model is built from. Frames whose background has
-- been removed are 1/2 where nothing moves.
-- @tparam table config
-- @tparam table rules of the model
-- @treturn table
function M.model_part(config, rules)
  local part = training.part(config, rules)
  if part.background == "median" then
    part.background = {}
    for i = 1, part.channels do part.background[i] = 0.5 end
  end
  return part
end

--- Returns the background of a preset for frames with a given number of channels: unchanged if
-- it has that number, otherwise its mean in every channel.
-- @tparam {number,...} background one number for each of its channels
-- @tparam[opt] integer channels of the frames; the background's by default
-- @treturn {number,...} one for each channel
-- @usage
-- sequences = require "torus.tasks.sequences"
-- print(sequences.grey_of({ 0.25, 0.5, 0.75 }, 1)[1])   -- 0.5
function M.grey_of(background, channels)
  if not channels or channels == #background then return background end
  local sum, greys = 0, {}
  for _, value in ipairs(background) do sum = sum + value end
  for i = 1, channels do greys[i] = sum / #background end
  return greys
end

local function is_film(config)
  return config.data ~= nil and video.is_film(config.data)
end

--- Sets data_dt from the film, if it specifies the time between frames and none was given.
-- @tparam table config
-- @tparam table given the values without defaults
function M.complete_interval(config, given)
  if not is_film(config) or given.dt or given.data_dt then return end
  local interval = video.interval(config.data)
  config.data_dt = interval and interval * (config.data_every or 1)
end

--- Returns the options of torus.data.frames in a configuration.
-- @tparam table config keys of `rules`
-- @treturn table
function M.film_options(config)
  local opts = { background = config.background == "median" and "median" or nil,
    multiple = function(height, width) return 1 << frame_sizes.halvings(height, width) end }
  for _, key in ipairs(M.keys) do opts[key:sub(#"data_" + 1)] = config[key] end
  return opts
end

-- The user's own frames have no system, noise or seed.
local function open_film(config)
  for _, key in ipairs { "system", "noise", "data_seed" } do
    if config[key] ~= nil then
      return nil, string.format("%s: expected no %s with given frames, got %s",
        config.data, key, options.show(config[key]))
    end
  end
  local length = config.data_frames or config.frames
  return datasets.frames(config.data, options.joined(M.film_options(config), {
    train = config.train_size, test = config.test_size,
    dt = config.data_dt or config.dt, held_back = config.held_back,
    length = length and length + (config.held_back or 0) }))
end

-- The given key that only applies to films, or nil.
local function film_key(config)
  for _, key in ipairs(M.keys) do
    if config[key] ~= nil then return key end
  end
  return config.background == "median" and "background" or nil
end

local function open_states(config)
  local system, message
  if config.system then
    system, message = systems.find(config.system)
    if not system then return nil, message end
  end
  if config.held_back then
    return nil, string.format("held_back: expected none without frames of your own, "
      .. "got %d: a system is simulated as far as required", config.held_back)
  end
  local key = film_key(config)
  if key then
    return nil, string.format("%s: expected films (%s), to which %s applies, got a "
      .. "simulation", config.data or config.system, video.expected, key)
  end
  local opts = { train = config.train_size, test = config.test_size,
    seed = config.data_seed, noise = config.noise,
    dt = config.data_dt or config.dt,
    steps = config.frames and (config.data_frames or config.frames) - 1,
    resolution = config.resolution }
  if not config.data then return datasets.simulate(system, opts) end
  opts.system = system
  return datasets.load(config.data, opts)
end

-- A message if the frames differ from those that the model is built for, or nil.
local function misfit(config, split)
  local _, length, height, width, channels =
    table.unpack(split:batch({ 1 }).shape)
  local halved = config.kind ~= "mlp" and 1 << frame_sizes.halvings(height, width) or 1
  if height % halved ~= 0 or width % halved ~= 0 then
    return string.format("expected frames whose sides are multiples of %d, got %d x %d: "
      .. "set data_fit to crop or pad", halved, height, width)
  end
  local wanted = { config.data_frames or config.frames or length, config.resolution or height,
    config.frame_width or config.resolution or width, config.channels or channels }
  local change = {}
  for i, key in ipairs { config.data_frames and "data_frames" or "frames", "resolution",
    "frame_width", "channels" } do
    local got = ({ length, height, width, channels })[i]
    -- Without frame_width, the width follows the height.
    local square = key == "frame_width" and not config.frame_width and width == height
    if wanted[i] ~= got and not square then change[#change + 1] = key .. " = " .. got end
  end
  if #change == 0 then return nil end
  local cut = is_film(config) and not config.data_stride and length > wanted[1]
    and string.format("; or set data_stride = %d to cut sequences of %d frames from them",
      wanted[1], wanted[1]) or ""
  return string.format("the model expects sequences of shape %s, got %s; set "
    .. "%s to match%s", options.shape_text(wanted),
    options.shape_text { length, height, width, channels },
    table.concat(change, " and "), cut)
end

--- Opens the sequences of a configuration.
-- @tparam table config system, data, train_size, test_size, data_seed, noise,
-- dt, frames, held_back, resolution, frame_width, channels; those of `rules`;
-- data_frames and data_dt, if sequences are longer than the model's windows or their time
-- between frames differs
-- @treturn ?Dataset
-- @treturn ?string message
function M.open(config)
  local set, message
  if is_film(config) then
    set, message = open_film(config)
  else
    set, message = open_states(config)
  end
  if not set then return nil, message end
  local problem = misfit(config, set.train)
  if problem then
    return nil, string.format("%s: %s", config.data or config.system, problem)
  end
  return set
end

return M
