--- The sequences of frames that a run's configuration asks for: of a system,
-- simulated now, of a folder (`data`), or of the user's own (`data`, a .npy
-- file).
-- @module torus.tasks.sequences
local datasets = require "torus.data"
local systems = require "torus.systems"

local M = {}

--- What presets and defaults say of simulated data, and what is said of none
-- else unless the user does.
M.simulated_only = { noise = true, train_size = true, test_size = true }

local function is_video(config)
  return config.data ~= nil and config.data:match("%.npy$") ~= nil
end

-- The user's own frames are as they are.
local function open_video(config)
  for _, key in ipairs { "system", "noise", "data_seed" } do
    if config[key] ~= nil then
      return nil, string.format("%s: the frames are given, so %s = %s can't "
        .. "be", config.data, key, config[key])
    end
  end
  return datasets.frames(config.data, { train = config.train_size,
    test = config.test_size, dt = config.dt })
end

local function open_states(config)
  local system, message
  if config.system then
    system, message = systems.find(config.system)
    if not system then return nil, message end
  end
  local opts = { train = config.train_size, test = config.test_size,
    seed = config.data_seed, noise = config.noise, dt = config.dt,
    steps = config.frames and config.frames - 1,
    resolution = config.resolution }
  if not config.data then return datasets.simulate(system, opts) end
  opts.system = system
  return datasets.load(config.data, opts)
end

-- nil, or in what the frames are not those that the model takes.
local function misfit(config, split)
  local _, length, height, width, channels =
    table.unpack(split:batch({ 1 }).shape)
  if height ~= width then
    return string.format("frames must be square, these are %d x %d", height,
      width)
  end
  local wanted = { config.frames or length, config.resolution,
    config.resolution, config.channels }
  local change = {}
  for key, value in pairs { frames = length, resolution = height,
    channels = channels } do
    if config[key] and config[key] ~= value then
      change[#change + 1] = key .. " = " .. value
    end
  end
  if #change == 0 then return nil end
  table.sort(change)
  return string.format("the model wants sequences of shape (%s), these have "
    .. "(%d,%d,%d,%d); set %s to match", table.concat(wanted, ","), length,
    height, width, channels, table.concat(change, " and "))
end

--- Opens them.
-- @tparam table config system, data, train_size, test_size, data_seed, noise,
-- dt, frames, resolution, channels
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
  local wrong = misfit(config, set.train)
  if wrong then
    return nil, string.format("%s: %s", config.data or config.system, wrong)
  end
  return set
end

return M
