--- Data sets: simulated trajectories, stored ones, or the user's own frames.
--
--     local set = torus.data.open("pendulum", { train = 1000, test = 100 })
--     local order = torus.data.order { count = set.train.size, batch = 16 }
--     local frames = set.train:batch(order:next())   -- (16, 31, 32, 32, 3)
--
-- Frames of simulated data are rendered on demand, with the same bits every time.
-- (Section 4 and appendix A.4 of the paper.)
-- @module torus.data
local options = require "torus.options"
local signature = require "torus.signature"
local Order = require "torus.data.order"
local backgrounds = require "torus.data.films.background"
local splits = require "torus.data.split"
local states = require "torus.data.states"
local store = require "torus.data.store"
local systems = require "torus.systems"
local tensors = require "torus.data.tensors"
local engine = require "torus.engine"
local unknown = require "torus.unknown"
local video = require "torus.data.video"

local M = {}

--- A data set, with parts `train` and `test` (States or Frames), system, seed,
-- noise, dt and steps. The user's own frames have no system, but `whole`: train and test with the
-- frames that are held back.
-- @type Dataset
local Dataset = {}
Dataset.__index = Dataset
Dataset.__name = "torus.data.dataset"

M.trajectories = states.make

M.order = Order.new
M.tensors = tensors.new

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

local A_PATH = { type = "path" }
local PART = { choices = { "train", "test" } }
local COUNT = { type = "integer", min = 1 }
local STEPS = { type = "integer", min = 1, max = states.max_steps }

-- Options of a stored set: rendering and the number of sequences may be chosen, the physics
-- is fixed.
local STORED = { train = { type = "integer", min = 1 },
  test = { type = "integer", min = 1 }, seed = { type = "integer" },
  noise = { type = "number" }, dt = { type = "number" },
  steps = { type = "integer" }, drawing = SIMULATED.drawing,
  resolution = SIMULATED.resolution, system = {}, progress = {} }

--- Simulates a data set.
-- @tparam string|System system or its name, or a Lua file that returns one
-- @tparam[opt] table opts
-- @tparam[opt=50000] integer opts.train training trajectories
-- @tparam[opt=10000] integer opts.test test trajectories
-- @tparam[opt=0] integer opts.seed
-- @tparam[opt] number opts.noise standard deviation on every coordinate of a
-- state; the system's by default
-- @tparam[opt] number opts.dt time between frames; the system's by default
-- @tparam[opt] integer opts.steps number of frames after the first; the system's by default
-- @tparam[opt=32] integer opts.resolution height and width of frames in pixels
-- @tparam[opt] table opts.drawing further options of System:render
-- @tparam[opt] function opts.progress called with split, done and count
-- @treturn Dataset train and test (torus.data.split), system, seed, noise, dt,
-- steps
-- @raise for an unknown system
-- @usage
-- set = torus.data.simulate("pendulum", { train = 8, test = 2, noise = 0 })
-- print(set)   -- data of pendulum: 8 train, 2 test, 30 steps of 0.125
-- print(table.unpack(set.train:batch({ 1, 2 }).shape))   -- 2 31 32 32 3
function M.simulate(system, opts)
  local o = options.resolve("data.simulate", opts, SIMULATED)
  system = systems.of("data.simulate", system)
  local set = setmetatable({ system = system, seed = o.seed,
    noise = o.noise or system.noise, dt = o.dt or system.dt,
    steps = o.steps or system.steps }, Dataset)
  for _, name in ipairs { "train", "test" } do
    local noisy, clean, own = states.make { system = system, count = o[name],
      split = name, seed = set.seed, steps = set.steps, dt = set.dt,
      noise = set.noise, progress = o.progress and function(done, count)
        o.progress(name, done, count)
      end }
    set[name] = splits.states(system, noisy, clean, drawing_of(o), own)
  end
  return set
end

-- --- stored ---------------------------------------------------------------------

local function names_in(t)
  local names = options.sorted_keys(t)
  return #names > 0 and table.concat(names, ", ") or "none"
end

-- The system of stored trajectories, which their file names. An undefined name is an
-- error; it never causes a file to be loaded.
local function system_of(found, given)
  local system, message
  if type(given) == "string" then
    system, message = systems.given(given)
    if not system then return nil, message end
  elseif given ~= nil and type(given) ~= "table" then
    options.raise("data.load: system: expected a system, its name or the path of its Lua "
      .. "file, got %s", options.show(given))
  else
    system = given or systems.find(found.system)
  end
  if not system then
    return nil, string.format("the data were made with a system %s, which is not defined: "
      .. "define it first, or pass it or its Lua file as option \"system\"",
      options.show(found.system))
  end
  if system.name ~= found.system then
    return nil, string.format("system: expected %s, which the data were made with, got "
      .. "%s", options.show(found.system), options.show(system.name))
  end
  local varies = {}
  for _, name in ipairs(system.varying or {}) do varies[name] = true end
  for name in pairs(options.joined(system.constants, found.constants)) do
    local fits = system.constants[name] and (found.constants[name] or varies[name])
    if not fits then
      return nil, string.format("constants: expected those of %s (%s), got %s",
        system.name, names_in(system.constants), names_in(found.constants))
    end
  end
  local changed, problem = options.attempt(system.with, system,
    { constants = found.constants })
  if not changed then return nil, problem end
  local varying = changed.varying and table.concat(changed.varying, ",")
  if varying ~= found.varying then
    return nil, string.format("varying constants: expected %s, which the data "
      .. "were made with, got %s", found.varying or "none", varying or "none")
  end
  return changed
end

-- A message about an option that contradicts the stored set, or nil.
local function conflict(o, set)
  for _, key in ipairs { "seed", "noise", "dt", "steps" } do
    if o[key] and o[key] ~= set[key] then
      return string.format("%s: expected %s, which the data were made with, got %s",
        key, set[key], o[key])
    end
  end
  for _, key in ipairs { "train", "test" } do
    if o[key] and o[key] > set[key].size then
      return string.format("%s: expected at most %d trajectories, the number "
        .. "stored, got %d", key, set[key].size, o[key])
    end
  end
end

--- Loads a data set that Dataset:save wrote.
-- @tparam string path of the folder
-- @tparam[opt] table opts
-- @tparam[opt] integer opts.train use the first trajectories only
-- @tparam[opt] integer opts.test use the first trajectories only
-- @tparam[opt=32] integer opts.resolution height and width of frames in pixels
-- @tparam[opt] table opts.drawing further options of System:render
-- @tparam[opt] System|string opts.system for a system that is not built in: the system,
-- its name or its Lua file
-- @tparam[opt] number opts.noise only checked, like seed, dt and steps: it must be the
-- value the set was made with
-- @treturn ?Dataset
-- @treturn ?string message
-- @usage
-- print(torus.data.load("no_such_folder"))   -- nil and a message
function M.load(path, opts)
  options.argument("data.load", "path", path, A_PATH)
  local o = options.resolve("data.load", opts, STORED)
  if not store.exists(path) then
    return nil, string.format("data: cannot open %s: expected a folder with "
      .. "train.safetensors, %s%s", options.show(path), video.expected, path:find("%.csv$")
        and "; states in a table (.csv) are data of hnn and sympnet" or "")
  end
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
      return nil, string.format("%s: states: expected %d coordinates, as %s "
        .. "has, got %d", path, system.dimension, system.name, noisy:size(4))
    end
    set[name] = { size = noisy:size(1) }
  end
  message = conflict(o, set)
  if message then return nil, path .. ": " .. message end
  for _, name in ipairs { "train", "test" } do
    local n = o[name] or set[name].size
    local own = found[name].constants
    set[name] = splits.states(system, found[name].noisy:narrow(1, 1, n),
      found[name].clean:narrow(1, 1, n), drawing_of(o),
      own and own:narrow(1, 1, n))
  end
  return set
end

--- Returns longer versions of the first sequences of a part: those of the set, including
-- held-back frames, if they have enough steps, else the same motion, simulated further.
-- Simulated sequences get new noise.
-- @tparam string name "train" or "test"
-- @tparam integer count number of sequences, at most the size of the part
-- @tparam integer steps required number of steps
-- @treturn ?States|Frames at least count sequences with at least steps + 1 frames
-- @treturn ?string message
-- @usage
-- local torus = require "torus"
-- local set = torus.data.simulate("pendulum", { train = 1, test = 4, noise = 0 })
-- print(set:longer("test", 2, 300):batch({ 1 }):size(2))   -- 301
function Dataset:longer(name, count, steps)
  options.argument("Dataset:longer", "name", name, PART)
  options.argument("Dataset:longer", "count", count, COUNT)
  options.argument("Dataset:longer", "steps", steps, STEPS)
  local part = self[name]
  if steps < part.length then return part end
  if self.whole then part = self.whole[name] end
  if steps < part.length then return part end
  if not self.system then
    return nil, string.format("%s: the sequences have %d steps, and given "
      .. "frames cannot be simulated further: expected at most %d "
      .. "steps, got %d", self.path or "frames", part.length - 1,
      part.length - 1, steps)
  end
  local noisy, clean, own = states.make { system = self.system, split = name,
    count = math.min(count, part.size), seed = self.seed, dt = self.dt,
    noise = self.noise, steps = steps }
  return splits.states(self.system, noisy, clean, part.drawing, own)
end

--- Saves the states, their physics and their seed, which determine the frames. An existing
-- set of the same system is replaced; any other files of these names are kept, and a
-- message is returned.
-- @tparam string path of an existing folder
-- @tparam[opt] table opts
-- @tparam[opt=true] boolean opts.replace false keeps an existing set that differs from this one,
-- and returns a message that says how
-- @treturn ?boolean true
-- @treturn ?string message
-- @raise for a set of the user's own frames, which has no states
-- @usage
-- folder = os.tmpname()
-- os.remove(folder)
-- os.execute("mkdir " .. folder)
-- set = torus.data.simulate("pendulum", { train = 8, test = 2 })
-- assert(set:save(folder))
-- print(torus.data.load(folder))
-- os.execute("rm -r " .. folder)
function Dataset:save(path, opts)
  if not self.system then
    options.raise("data.save: expected simulated data, got frames of %s, which "
      .. "are stored already", self.path or "a tensor")
  end
  options.argument("data.save", "path", path, A_PATH)
  local o = options.resolve("data.save", opts, { replace = { default = true, type = "boolean" } })
  return store.save(self, path, o.replace)
end

-- --- the user's frames ----------------------------------------------------------

local FRAMES = options.joined(video.rules, {
  test = { default = 0.2, type = "number", above = 0 },
  train = { type = "number", above = 0 },
  dt = { type = "number" },
  held_back = { default = 0, type = "integer", min = 0 },
  background = { choices = { "median" } },
})

-- Converts a fraction below 1, or a count, to a count.
local function part_of(total, given)
  if given < 1 then return math.max(1, math.floor(given * total + 0.5)) end
  return math.tointeger(given)
end

-- The numbers of training and test sequences, or nil and a message. Sequences that share
-- frames with the test part are left out.
local function parts_of(rows, o)
  local total = rows.shape[1]
  local test = part_of(total, o.test)
  local most = test and total - test
  if test and test >= 1 and most >= 1 and rows.last_before then
    most = rows:last_before(most + 1)
  end
  local train = o.train and part_of(total, o.train) or most
  if train and test and train >= 1 and train <= most and test >= 1 then return train, test end
  if test and test >= 1 and most < total - test then
    return nil, string.format("train: expected at most %d sequences, which share no frame "
      .. "with the last %d of %d, got %s", most, test, total, tostring(train or o.train))
  end
  return nil, string.format("expected train and test to add up to at most "
    .. "%d, the number of sequences, and to be at least 1 each, got %s and %s",
    total, tostring(train or o.train), tostring(test or o.test))
end

--- Opens the user's own frames. The last sequences become the test part.
--
-- An array (a .npy or .npz file or a tensor) is (sequences, length, height, width,
-- channels) with one to four channels; grey may omit the channels, and a single film
-- omits the sequences. Its numbers are uint8 from 0 to 255, or of any other dtype
-- (including float16 and float64) from 0 to 1 or from 0 to 255. A folder of PNGs, a GIF,
-- and, if ffmpeg is installed, the formats it reads (mp4 and others) are one film; a
-- folder of these is several films. A film is cut into sequences, which overlap only if
-- `stride` is shorter than a sequence; even then, no frame is in both parts.
-- @tparam string|tensor source
-- @tparam[opt] table opts
-- @tparam[opt=31] integer opts.length frames per sequence when a film is cut; by default,
-- half the film if it is too short for two sequences of 31
-- @tparam[opt] integer opts.stride frames from the start of one sequence to the start of
-- the next; if given, the sequences of an array are cut too
-- @tparam[opt=1] integer opts.every keep only every such frame, beginning with the first;
-- dt is the time between kept frames
-- @tparam[opt] {integer,...} opts.crop {top, left, height, width} in pixels; top and
-- left count from 1
-- @tparam[opt=1] integer opts.shrink downscaling factor: squares of so many pixels a side
-- are averaged
-- @tparam[opt=false] boolean opts.grey converts colours to their luminance
-- @tparam[opt="none"] string opts.fit "crop" crops to the centre, so that both sides
-- become multiples of `multiple`; "pad" repeats the outermost pixels
-- @tparam[opt=8] integer|function opts.multiple or a function of height and width
-- @tparam[opt] number opts.white the value of white in an array, if it is neither 1 nor
-- 255
-- @tparam[opt] string opts.background "median" estimates the background of a static
-- camera from the training part, as the median of every pixel over time. Frames are then
-- 1/2 + (frame - background) / 2, and the set has the field `background`;
-- torus.data.films.background.restored is the inverse
-- @tparam[opt=0.2] number opts.test a fraction of the sequences if below 1, else their
-- number
-- @tparam[opt] number opts.train likewise; by default all other sequences
-- @tparam[opt] number opts.dt time between kept frames; by default from the file if it
-- specifies it (a GIF, and formats read by ffmpeg, in seconds; an array `dt` of one number in a
-- .npz archive), else 0.125
-- @tparam[opt=0] integer opts.held_back number of frames at the end of every sequence that
-- train and test leave out; Dataset:longer includes them
-- @treturn ?Dataset train and test (torus.data.split), dt, steps
-- @treturn ?string message
-- @usage
-- set = assert(torus.data.frames(torus.rand(10, 5, 16, 16, 3)))
-- print(set)   -- data of frames: 8 train, 2 test, 4 steps of 0.125
-- grey = assert(torus.data.frames(torus.rand(100, 60, 90), { length = 20, shrink = 2,
--   fit = "pad", background = "median" }))
-- print(table.unpack(grey.train:batch({ 1 }).shape))   -- 1 20 32 48 1
function M.frames(source, opts)
  local o = options.resolve("data.frames", opts, FRAMES)
  local of_film = {}
  for key in pairs(video.rules) do of_film[key] = o[key] end
  local rows, message
  if engine.is_tensor(source) then
    rows, message = video.from_tensor(source, of_film)
  else
    options.argument("data.frames", "source", source, A_PATH)
    rows, message = video.open(source, of_film)
  end
  if not rows then return nil, message end
  local total, train, test = rows.shape[1], parts_of(rows, o)
  if not train then return nil, (rows.path or "frames") .. ": " .. test end
  local length = rows.shape[2] - o.held_back
  if length < 1 then
    return nil, string.format("%s: held_back: expected fewer than the %d frames "
      .. "of a sequence, got %d", rows.path or "frames", rows.shape[2],
      o.held_back)
  end
  local background
  if o.background then
    background = backgrounds.median(rows, 1, train, length)
    rows = backgrounds.without(rows, background)
  end
  local function parts(frames)
    return { train = splits.frames(rows, 1, train, frames),
      test = splits.frames(rows, total - test + 1, test, frames) }
  end
  return setmetatable(options.joined(parts(length), { dt = o.dt or rows.interval or 0.125,
    interval = rows.interval, steps = length - 1, path = rows.path, whole = parts(),
    background = background, description = rows.description }), Dataset)
end

-- --- any ------------------------------------------------------------------------

--- Opens a data set: a system by its name or Lua file (simulated, with the same bits as a
-- stored set of the same seed), a stored set by its path, or the user's frames by theirs.
-- @tparam string|System source
-- @tparam[opt] table opts as in simulate, load or frames
-- @treturn ?Dataset train and test (torus.data.split), system, seed, noise, dt,
-- steps
-- @treturn ?string message
-- @usage
-- set = assert(torus.data.open("pendulum", { train = 8, test = 2 }))
-- print(set.train.size, set.train.length)   -- 8 31
function M.open(source, opts)
  if systems.is_system(source) then return M.simulate(source, opts) end
  if type(source) ~= "string" then
    options.raise("data.open: source: expected a system, a folder or a file, got %s",
      options.show(source))
  end
  options.argument("data.open", "source", source, A_PATH)
  -- A folder may have the same name as a system.
  if video.is_film(source) and source:match("%.%w+$") then
    return M.frames(source, opts)
  end
  local system, message = systems.given(source)
  if system then return M.simulate(system, opts) end
  if source:match("%.lua$") then return nil, message end
  if store.exists(source) then return M.load(source, opts) end
  if video.is_film(source) then return M.frames(source, opts) end
  return nil, string.format("data: cannot open %s%s: expected a system (known: "
    .. "%s), a folder with train.safetensors, %s", options.show(source),
    options.did_you_mean(source, systems.names()), table.concat(systems.names(), ", "),
    video.expected)
end

--- Writes the observed frames of one part of a data set to a .npy file,
-- (sequences, length, height, width, channels).
-- @tparam string path
-- @tparam table split set.train or set.test
-- @tparam[opt] table opts
-- @tparam[opt="uint8"] string opts.dtype 0 to 255, or "float32", 0 to 1
-- @tparam[opt] integer opts.count number of sequences, from the first; all by default
-- @tparam[opt] function opts.progress called with done and count
-- @treturn ?boolean true
-- @treturn ?string message
-- @usage
-- set = torus.data.simulate("pendulum", { train = 4, test = 2 })
-- path = os.tmpname()
-- assert(torus.data.export(path, set.test))
-- print(table.unpack(torus.npy.load(path).shape))   -- 2 31 32 32 3
-- os.remove(path)
function M.export(path, split, opts)
  local o = options.resolve("data.export", opts, {
    dtype = { default = "uint8", choices = { "uint8", "float32" } },
    count = { type = "integer", min = 1 },
    progress = { type = "callable" },
  })
  options.argument("data.export", "path", path, A_PATH)
  if type(split) ~= "table" or not split.batch then
    options.raise("data.export: split: expected train or test of a data set, "
      .. "got %s", options.show(split))
  end
  o.count = math.min(o.count or split.size, split.size)
  return video.export(path, split, o)
end

function Dataset:__tostring()
  return string.format("data of %s: %d train, %d test, %d steps of %g",
    self.system and self.system.name or self.path or "frames",
    self.train.size, self.test.size, self.steps, self.dt)
end

-- Further modules, loaded on first use.
local parts = { targets = "torus.data.targets",
  hnn_data = "torus.data.hnn_data", measured = "torus.data.measured" }

signature.methods("Dataset", Dataset, {
  longer = "name: string, count: integer, steps: integer",
})
unknown.fields("a data set", Dataset, { "system", "seed", "noise", "path", "whole", "interval",
  "background", "description" }, "dataset")

return setmetatable(M, {
  __parts = parts, -- for the prompt
  __index = function(data, name)
    local part = parts[name] and require(parts[name])
    if part then rawset(data, name, part) end
    return part
  end,
})
