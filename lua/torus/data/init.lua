--- Data sets: simulated trajectories, a folder of them, or the user's frames.
--
--     local set = torus.data.open("pendulum", { train = 1000, test = 100 })
--     local order = torus.data.order { count = set.train.size, batch = 16 }
--     local frames = set.train:batch(order:next())   -- (16, 31, 32, 32, 3)
--
-- Frames of simulated data are rendered when they are asked for, with the
-- same bits every time.
-- @module torus.data
local options = require "torus.options"
local Order = require "torus.data.order"
local splits = require "torus.data.split"
local states = require "torus.data.states"
local store = require "torus.data.store"
local systems = require "torus.systems"
local engine = require "torus.engine"
local video = require "torus.data.video"

local M = {}

--- A data set, with parts `train` and `test` (States or Frames), system, seed,
-- noise, dt and steps.
-- @type Dataset
local Dataset = {}
Dataset.__index = Dataset
Dataset.__name = "torus.data.dataset"

M.trajectories = states.make

M.order = Order.new

-- --- simulated ----------------------------------------------------------------

local SIMULATED = {
  train = { default = 50000, type = "integer", min = 1 },
  test = { default = 10000, type = "integer", min = 1 },
  seed = { default = 0, type = "integer" },
  noise = { type = "number", min = 0 },
  dt = { type = "number" },
  steps = { type = "integer", min = 1 },
  drawing = { default = {}, type = "table" },
  resolution = { type = "integer", min = 1 },
  progress = { type = "callable" },
}

local function drawing_of(o)
  local drawing = {}
  for key, value in pairs(o.drawing) do drawing[key] = value end
  drawing.resolution = o.resolution or drawing.resolution
  return drawing
end

local A_PATH = { type = "string" }

-- A folder may be told how to draw and how much of it to use; its physics
-- stands.
local STORED = { train = { type = "integer", min = 1 },
  test = { type = "integer", min = 1 }, seed = { type = "integer" },
  noise = { type = "number" }, dt = { type = "number" },
  steps = { type = "integer" }, drawing = SIMULATED.drawing,
  resolution = SIMULATED.resolution, system = {}, progress = {} }

--- Simulates a data set.
-- @tparam string|System system or its name, or a Lua file that returns one
-- @tparam ?table opts train=50000 and test=10000, how many trajectories;
-- seed=0; noise, dt and steps, by default the system's; resolution=32, and
-- drawing, further options of system:render; progress(split, done, count)
-- @treturn Dataset
-- @raise for an unknown system or option
-- @usage
-- set = torus.data.simulate("pendulum", { train = 20, test = 5 })
-- frames = set.train:batch{1, 2, 3}
-- print(table.unpack(frames.shape))   -- 3  31  32  32  3
function M.simulate(system, opts)
  local o = options.resolve("data.simulate", opts, SIMULATED)
  system = systems.of("data.simulate", system)
  local set = setmetatable({ system = system, seed = o.seed,
    noise = o.noise or system.noise, dt = o.dt or system.dt,
    steps = o.steps or system.steps }, Dataset)
  for _, name in ipairs { "train", "test" } do
    local noisy, clean = states.make { system = system, count = o[name],
      split = name, seed = set.seed, steps = set.steps, dt = set.dt,
      noise = set.noise, progress = o.progress and function(done, count)
        o.progress(name, done, count)
      end }
    set[name] = splits.states(system, noisy, clean, drawing_of(o))
  end
  return set
end

-- --- stored ---------------------------------------------------------------------

local function system_of(found, given)
  local system, message
  if type(given) == "string" then
    system, message = systems.find(given)
    if not system then return nil, message end
  else
    system = given or systems.find(found.system)
  end
  if not system then
    return nil, string.format("its system %q is not known here: define it "
      .. "first, or pass it, or the Lua file that it is in, as option system",
      tostring(found.system))
  end
  if system.name ~= found.system then
    return nil, string.format("it was made with the system %q, not %q",
      found.system, system.name)
  end
  local ok, changed = pcall(system.with, system, { constants = found.constants })
  if not ok then return nil, "its constants don't fit its system" end
  return changed
end

-- What the caller asks for and the folder can't give.
local function conflict(o, set)
  for _, key in ipairs { "seed", "noise", "dt", "steps" } do
    if o[key] and o[key] ~= set[key] then
      return string.format("it was made with %s = %s, not %s", key, set[key],
        o[key])
    end
  end
  for _, key in ipairs { "train", "test" } do
    if o[key] and o[key] > set[key].size then
      return string.format("it has %d %s trajectories, not %d",
        set[key].size, key, o[key])
    end
  end
end

--- Loads a data set that save() wrote.
-- @tparam string path of the folder
-- @tparam ?table opts train and test, to use only the first; resolution,
-- drawing; system, where it is not a built-in one, or its Lua file; seed,
-- noise, dt and steps must be what it was made with
-- @treturn ?Dataset
-- @treturn ?string message
-- @usage
-- set = torus.data.simulate("pendulum", { train = 20, test = 5 })
-- os.execute("mkdir -p pendulum")
-- assert(set:save("pendulum"))
-- set = assert(torus.data.load("pendulum", { train = 10 }))
-- print(set.train.size)   -- 10
function M.load(path, opts)
  options.argument("data.load", "the folder", path, A_PATH)
  local o = options.resolve("data.load", opts, STORED)
  local found, message = store.load(path)
  if not found then return nil, message end
  local system
  system, message = system_of(found, o.system)
  if not system then return nil, path .. ": " .. message end
  local set = setmetatable({ system = system, seed = found.seed,
    noise = found.noise, dt = found.dt, path = path,
    steps = found.train.noisy:size(2) - 1 }, Dataset)
  for _, name in ipairs { "train", "test" } do
    local noisy = found[name].noisy
    if noisy:size(4) ~= system.dimension then
      return nil, string.format("%s: its states have %d coordinates, %s has "
        .. "%d", path, noisy:size(4), system.name, system.dimension)
    end
    set[name] = { size = noisy:size(1) }
  end
  message = conflict(o, set)
  if message then return nil, path .. ": " .. message end
  for _, name in ipairs { "train", "test" } do
    local n = o[name] or set[name].size
    set[name] = splits.states(system, found[name].noisy:narrow(1, 1, n),
      found[name].clean:narrow(1, 1, n), drawing_of(o))
  end
  return set
end

--- Saves the states, their physics and their seed; frames follow from them. A
-- set of the same system that is there is replaced, another is refused.
-- @tparam string path of a folder that exists
-- @treturn ?boolean true
-- @treturn ?string message
-- @usage
-- set = torus.data.simulate("pendulum", { train = 20, test = 5 })
-- os.execute("mkdir -p pendulum")
-- assert(set:save("pendulum"))
function Dataset:save(path)
  if not self.system then
    options.raise("data: frames of the user's own are not saved again")
  end
  options.argument("data", "the folder to save to", path, A_PATH)
  return store.save(self, path)
end

-- --- the user's frames ----------------------------------------------------------

local FRAMES = {
  test = { default = 0.2, type = "number", above = 0 },
  train = { type = "number", above = 0 },
  dt = { default = 0.125, type = "number" },
}

-- A share below 1, or a count.
local function part_of(total, given)
  if given < 1 then return math.max(1, math.floor(given * total + 0.5)) end
  return math.tointeger(given)
end

--- Frames from a .npy file or a tensor: (sequences, length, height, width, 3),
-- uint8 or float32 in [0, 1]. The last sequences are the test part.
-- @tparam string|tensor source
-- @tparam ?table opts test=0.2, a share or a count; train, likewise, by
-- default the rest; dt=0.125
-- @treturn ?Dataset
-- @treturn ?string message
-- @raise when source is neither a tensor nor a path, for an unknown option
-- @usage
-- film = torus.rand(10, 31, 32, 32, 3)
-- set = assert(torus.data.frames(film, { test = 2, dt = 0.1 }))
-- print(set.train.size, set.test.size)   -- 8  2
function M.frames(source, opts)
  local o = options.resolve("data.frames", opts, FRAMES)
  local rows, message
  if engine.is_tensor(source) then
    rows, message = video.from_tensor(source)
  else
    rows, message = video.open(source)
  end
  if not rows then return nil, message end
  local total = rows.shape[1]
  local test = part_of(total, o.test)
  local train = o.train and part_of(total, o.train) or (test and total - test)
  if not test or not train or train < 1 or train + test > total then
    return nil, string.format("%s: %d sequences can't be split into %s for "
      .. "training and %s for tests", rows.path or "frames", total,
      tostring(train or o.train), tostring(test or o.test))
  end
  return setmetatable({ dt = o.dt, steps = rows.shape[2] - 1,
    path = rows.path, train = splits.frames(rows, 1, train),
    test = splits.frames(rows, total - test + 1, test) }, Dataset)
end

-- --- any ------------------------------------------------------------------------

--- Opens whatever a name stands for: a system or a Lua file that returns one
-- (simulated now, with the same bits as a stored set of the same seed), a
-- folder, or a .npy file of frames.
-- @tparam string|System source
-- @tparam ?table opts as of simulate, load and frames
-- @treturn ?Dataset train and test (see torus.data.split), system, seed,
-- noise, dt, steps
-- @treturn ?string message
-- @usage
-- set = assert(torus.data.open("two_body", { train = 10, test = 5 }))
-- print(set)
function M.open(source, opts)
  if systems.is_system(source) then return M.simulate(source, opts) end
  if type(source) ~= "string" then
    options.raise("data.open: expected a system, a folder or a .npy file, "
      .. "got %s", tostring(source))
  end
  if source:match("%.npy$") then return M.frames(source, opts) end
  local system, message = systems.find(source)
  if system then return M.simulate(system, opts) end
  if source:match("%.lua$") then return nil, message end
  if store.exists(source) then return M.load(source, opts) end
  return nil, string.format("data: %q is no system (known: %s), no folder with "
    .. "train.safetensors, and no .npy file", source,
    table.concat(systems.names(), ", "))
end

--- Writes the frames of a split to a .npy file.
-- @tparam string path
-- @tparam table split
-- @tparam ?table opts dtype="uint8", or "float32"; count, by default all;
-- progress(done, count)
-- @treturn ?boolean true
-- @treturn ?string message
-- @usage
-- set = torus.data.simulate("pendulum", { train = 20, test = 5 })
-- assert(torus.data.export("pendulum.npy", set.test))
-- print(torus.npy.info("pendulum.npy").dtype)   -- uint8
function M.export(path, split, opts)
  local o = options.resolve("data.export", opts, {
    dtype = { default = "uint8", choices = { "uint8", "float32" } },
    count = { type = "integer", min = 1 },
    progress = { type = "callable" },
  })
  options.argument("data.export", "the file", path, A_PATH)
  if type(split) ~= "table" or not split.batch then
    options.raise("data.export: expected a part of a data set, train or test, "
      .. "got %s", tostring(split))
  end
  o.count = math.min(o.count or split.size, split.size)
  return video.export(path, split, o)
end

function Dataset:__tostring()
  return string.format("data of %s: %d train, %d test, %d steps of %g",
    self.system and self.system.name or self.path or "frames",
    self.train.size, self.test.size, self.steps, self.dt)
end

-- What else makes data, loaded when it is first used.
local parts = { targets = "torus.data.targets",
  hnn_data = "torus.data.hnn_data" }

return setmetatable(M, {
  __parts = parts, -- for the prompt
  __index = function(data, name)
    local part = parts[name] and require(parts[name])
    if part then rawset(data, name, part) end
    return part
  end,
})
