--- Data of models of frames: sequences of a system that is simulated, of a
-- folder of trajectories (`data`), or of the user's own (`data`, a .npy file).
-- @module torus.tasks.sequences
local datasets = require "torus.data"
local options = require "torus.options"
local systems = require "torus.systems"

local M = {}

--- Keys of simulated data: what presets and defaults set of them does not apply
-- to other data.
M.simulated_only = { noise = true, train_size = true, test_size = true }

local function is_video(config)
  return config.data ~= nil and config.data:match("%.npy$") ~= nil
end

-- A user's own frames have no system, noise or seed.
local function open_video(config)
  for _, key in ipairs { "system", "noise", "data_seed" } do
    if config[key] ~= nil then
      return nil, string.format("%s: expected no %s with given frames, got %s",
        config.data, key, options.show(config[key]))
    end
  end
  return datasets.frames(config.data, { train = config.train_size,
    test = config.test_size, dt = config.data_dt or config.dt,
    held_back = config.held_back })
end

local function open_states(config)
  local system, message
  if config.system then
    system, message = systems.find(config.system)
    if not system then return nil, message end
  end
  if config.held_back then
    return nil, string.format("held_back: expected none without a .npy file of "
      .. "frames, got %d: a system is simulated as far as is asked for",
      config.held_back)
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

-- How the frames differ from those that the model is made for, or nil.
local function misfit(config, split)
  local _, length, height, width, channels =
    table.unpack(split:batch({ 1 }).shape)
  local wanted = { config.data_frames or config.frames or length, config.resolution or height,
    config.frame_width or config.resolution or width, config.channels or channels }
  local change = {}
  for i, key in ipairs { config.data_frames and "data_frames" or "frames", "resolution",
    "frame_width", "channels" } do
    local got = ({ length, height, width, channels })[i]
    -- Without a frame_width of its own the width follows the height.
    local square = key == "frame_width" and not config.frame_width and width == height
    if wanted[i] ~= got and not square then change[#change + 1] = key .. " = " .. got end
  end
  if #change == 0 then return nil end
  return string.format("the model expects sequences of shape %s, got %s; set "
    .. "%s to match", options.shape_text(wanted),
    options.shape_text { length, height, width, channels },
    table.concat(change, " and "))
end

--- Opens them.
-- @tparam table config system, data, train_size, test_size, data_seed, noise,
-- dt, frames, held_back, resolution, channels; data_frames and data_dt, where
-- sequences are longer than the model's windows and the time between frames is
-- another
-- @treturn ?Dataset
-- @treturn ?string message
function M.open(config)
  local set, message
  if is_video(config) then
    set, message = open_video(config)
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
