--- Simulates data sets, reports what is in one, exports its frames.
local argparse = require "argparse"
local command = require "torus.runs.command"
local data = require "torus.data"
local files = require "torus.files"
local lfs = require "lfs"
local lock = require "torus.lock"
local Progress = require "torus.progress"
local systems = require "torus.systems"
local sides = require "torus.models.parts.frames"
local torus = require "torus"
local video = require "torus.data.video"

local parser = argparse("dataset.lua", "Simulates data sets of physical "
  .. "systems, describes data sets and films, and exports their frames.")
  :epilog [[
Examples:
  dataset.lua pendulum --out data/pendulum
  dataset.lua two_body --train 1000 --test 100 --noise 0 --out data/noise-free
  dataset.lua my_system.lua --out data/mine
  dataset.lua data/pendulum --info
  dataset.lua data/pendulum --export-frames uint8 --export-count 1000
  dataset.lua pendulum.mp4 --shrink 20 --fit crop --background median --info
]]
parser:argument("source", "A system (" .. table.concat(systems.names(), ", ")
  .. "), a Lua file that returns the definition of one, a folder with a data set, or films: "
  .. video.expected .. ".")
parser:option("--out", "Output folder (created if missing). Other data in it are not "
  .. "replaced."):argname("DIR")
parser:option("--train", "Number of training trajectories (default: 50000).")
  :argname("N"):convert(command.number)
parser:option("--test", "Number of test trajectories (default: 10000).")
  :argname("N"):convert(command.number)
parser:option("--seed", "Seed (default: 0)."):argname("N"):convert(command.number)
parser:option("--noise", "Standard deviation of the noise on every "
  .. "coordinate (default: the system's)."):argname("X"):convert(command.number)
parser:option("--dt", "Time between frames (default: that of the system or film, else "
  .. "0.125).")
  :argname("N"):convert(command.number)
parser:option("--steps", "Number of steps after the first frame (default: the "
  .. "system's, 30)."):argname("N"):convert(command.number)
parser:option("--resolution", "Side of a frame in pixels (default: 32).")
  :argname("N"):convert(command.number)
parser:option("--constant", "Set a constant of the system, as name=value; "
  .. "repeatable.")
  :count("*"):argname("NAME=VALUE")
parser:option("--length", "Films: number of frames in the sequences that a film is cut "
  .. "into (default: 31).")
  :argname("N"):convert(command.number)
parser:option("--stride", "Films: start a sequence every STRIDE frames, so that sequences "
  .. "can overlap (default: no overlap).")
  :argname("N"):convert(command.number)
parser:option("--every", "Films: keep the first frame and every EVERY-th after it.")
  :argname("N"):convert(command.number)
parser:option("--crop", "Films: keep this rectangle, in pixels; top and left count from 1.")
  :argname("TOP,LEFT,HEIGHT,WIDTH")
parser:option("--shrink", "Films: average squares of SHRINK x SHRINK pixels into one.")
  :argname("N"):convert(command.number)
parser:flag("--grey", "Films: convert colours to luminance.")
parser:option("--fit", "Films: make both sides multiples of 8 (of 16 if both are 64 or "
  .. "more), by cropping to the middle or by repeating the outermost pixels.")
  :choices { "none", "crop", "pad" }
parser:option("--white", "Films in arrays: the value of white, if it is neither 1 nor 255.")
  :argname("N"):convert(command.number)
parser:option("--background", "Films: median removes the background of a static camera.")
  :choices { "median" }
parser:option("--system", "Lua file that defines the system of a data set's folder, unless "
  .. "it is built in."):argname("FILE")
parser:option("--export-frames", "Also write the frames as train.npy and test.npy, to --out "
  .. "or to the data set's folder.")
  :choices { "uint8", "float32" }
parser:option("--export-count", "Number of sequences of each split to export (default: all).")
  :argname("N"):convert(command.number)
parser:flag("--info", "Print what is in the data set, and reference errors to compare a "
  .. "model's errors with.")
parser:option("--info-count", "Number of sequences on which to measure these.", "1000")
  :argname("N"):convert(command.number)

local function with_constants(args, system)
  local constants = {}
  for _, text in ipairs(args.constant) do
    local name, value = text:match("^([%w_]+)=(.+)$")
    if not tonumber(value) then
      command.die("--constant: expected name=value, got %q", text)
    end
    constants[name] = tonumber(value)
  end
  if not next(constants) then return system end
  return system:with { constants = constants }
end

-- The system that the source names, or nil.
local function system_of(args)
  local system, message = systems.given(args.source)
  if args.source:match("%.lua$") then command.check(system, message) end
  return system and with_constants(args, system)
end

local function simulate(args, system)
  local bars = {}
  return data.simulate(system, {
    train = args.train, test = args.test, seed = args.seed,
    noise = args.noise, dt = args.dt, steps = args.steps,
    resolution = args.resolution,
    progress = function(split, done, count)
      bars[split] = bars[split] or Progress.new(count)
      bars[split]:update(done)
      if done == count then bars[split]:finish() end
    end,
  })
end

-- Options that are those of torus.data.frames.
local FILM = { "length", "stride", "every", "crop", "shrink", "grey", "fit", "white", "background" }

local function crop_of(text)
  local box = {}
  for item in text:gmatch("[^,]+") do box[#box + 1] = math.tointeger(tonumber(item)) end
  if #box == 4 then return box end
  command.die("--crop: expected top,left,height,width, got %s", text)
end

local function open(args)
  if #args.constant > 0 then
    command.die("--constant: expected a system to change, got the data set %s",
      args.source)
  end
  local opts = { train = args.train, test = args.test, seed = args.seed,
    noise = args.noise, dt = args.dt, steps = args.steps,
    resolution = args.resolution }
  if args.system then
    opts.system = command.check(systems.load(args.system))
  end
  for _, key in ipairs(FILM) do opts[key] = args[key] end
  if args.crop then opts.crop = crop_of(args.crop) end
  if args.fit then
    opts.multiple = function(height, width) return 1 << sides.halvings(height, width) end
  end
  return command.check(data.open(args.source, opts))
end

local function bytes_of(path)
  local size = lfs.attributes(path, "size")
  return size or 0
end

local function save(args, set, seconds)
  command.check(files.make_folder(args.out))
  local start = torus.clock()
  command.check(set:save(args.out, { replace = false }))
  local written = torus.clock() - start
  local bytes = bytes_of(args.out .. "/train.safetensors")
    + bytes_of(args.out .. "/test.safetensors")
  print(string.format("%s: %d + %d trajectories in %.2f s on %d threads, "
    .. "%.1f MB written in %.2f s, peak memory %.0f MB", args.out,
    set.train.size, set.test.size, seconds, torus.threads(), bytes / 1e6,
    written, torus.memory().peak_resident_bytes / 1e6))
end

local function export(args, set, to)
  for _, name in ipairs { "train", "test" } do
    local path = to .. "/" .. name .. ".npy"
    local count = math.min(args.export_count or set[name].size, set[name].size)
    local bar = Progress.new(count)
    command.check(data.export(path, set[name], { dtype = args.export_frames,
      count = count, progress = function(done) bar:update(done) end }))
    bar:finish()
    print(string.format("%s: %d sequences of frames, %s, %.1f MB", path, count,
      args.export_frames, bytes_of(path) / 1e6))
  end
  return true
end

local function shape_of(split) return table.concat(split:batch({ 1 }).shape, " x ", 2) end

-- Tells whether a convolutional model accepts the frames unchanged.
local function print_sides(split)
  local _, _, height, width = table.unpack(split:batch({ 1 }).shape)
  local multiple = 1 << sides.halvings(height, width)
  if height % multiple == 0 and width % multiple == 0 then return end
  print(string.format("for training, both sides must be multiples of %d: use --fit crop, "
    .. "--fit pad or --crop", multiple))
end

-- Where the time between frames of a film comes from.
local function time_text(set)
  if set.system then return "" end
  if not set.interval then
    return " (the film doesn't say its frame rate: --dt, or dt of a training run)"
  end
  local rate = string.format("the film has %.6g of these frames a second", 1 / set.interval)
  return set.dt == set.interval and " s (" .. rate .. ")" or " (" .. rate .. ")"
end

local function print_info(args, set)
  if set.system then
    print(set.system)
    print(string.format("seed %d, noise %g", set.seed, set.noise))
  end
  if set.description then print(set.path .. ": " .. set.description) end
  print(string.format("%d train and %d test sequences, %d steps of %g%s, frames "
    .. "of %s", set.train.size, set.test.size, set.steps, set.dt, time_text(set),
    shape_of(set.train)))
  if not set.system then print_sides(set.train) end
  for _, name in ipairs { "train", "test" } do
    local m = set[name]:measure { count = args.info_count }
    print(string.format("%-5s mean squared pixel errors x 1e4 over %d "
      .. "sequences: noise floor %s, each sequence's mean image %.1f, one "
      .. "constant image %.1f", name, m.count,
      m.floor and string.format("%.2f", m.floor * 1e4) or "unknown",
      m.own_mean * 1e4, m.constant * 1e4))
  end
end

-- The data set: simulated, or opened.
local function find(args)
  local system = system_of(args)
  for _, key in ipairs(system and FILM or {}) do
    if args[key] ~= nil then
      command.die("--%s: expected a film, got the system %s", key, args.source)
    end
  end
  if system then return simulate(args, system) end
  return open(args)
end

local function main(args)
  if not (args.out or args.info or args.export_frames) then
    command.die("expected --out, --info or --export-frames")
  end
  local start = torus.clock()
  local set = find(args)
  local seconds = torus.clock() - start
  if args.out then
    if set.system then save(args, set, seconds)
    elseif not args.export_frames then
      command.die("--out: expected --export-frames too, as %s already holds "
        .. "frames", args.source)
    end
  end
  if args.export_frames then
    local to = args.out or set.system and set.path
      or command.die("--export-frames: expected --out too")
    command.check(files.make_folder(to))
    command.check(lock.hold(to, export, args, set, to))
  end
  if args.info then print_info(args, set) end
end

command.main(parser, main)
