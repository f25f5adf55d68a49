--- Finds out how many degrees of freedom a video has.
local argparse = require "argparse"
local command = require "torus.runs.command"
local dimension = require "torus.experiments.dimension"
local json = require "dkjson"
local tasks = require "torus.tasks"

local parser = argparse("dimension.lua",
  "How many degrees of freedom does this video have? Trains an HGN with a "
  .. "vector phase space of n = 1, 2, 3, ... dimensions briefly, rolls each "
  .. "out far beyond the frames of its training, from initial states refined on "
  .. "these, and picks the smallest n whose valid steps no larger n clearly "
  .. "beats (by a factor of 1.5 and two standard errors). Prints a table, and "
  .. "writes dimension.png and a run folder for each n. An interrupted call "
  .. "continues when repeated.")
parser:option("--system", "A built-in system, simulated without noise, or a Lua "
  .. "file of one (default: mass_spring; with --data the system of a folder of "
  .. "trajectories)."):argname("NAME")
parser:option("--data", "A film (dataset.lua --help says what is one), or a folder of "
  .. "trajectories, instead."):argname("FILE")
parser:option("--frames", "Frames of every sequence that training sees (default: "
  .. "31, of a film the first half; the rest shows how far rollouts hold).")
  :argname("N"):convert(command.count)
parser:option("--most", "Largest number of degrees of freedom.", "4")
  :argname("N"):convert(command.count)
parser:option("--steps", "Steps of each training.", "2000"):argname("N")
  :convert(command.count)
parser:option("--rollout", "Steps of the rollouts; of a film at most as "
  .. "many as it has.", "300"):argname("N"):convert(command.count)
parser:option("--count", "Test sequences.", "64"):argname("N")
  :convert(command.count)
parser:option("--seed", "Seed of weights, noise and order.", "0"):argname("N")
  :convert(command.seed)
parser:option("--set", "Set a value of the configuration (see train.lua "
  .. "--help); repeatable."):argname("KEY=VALUE"):count("*")
parser:option("--out", "Folder (default: runs/dimension-SYSTEM or -DATA).")
  :argname("DIR")
parser:flag("--json", "Print all numbers as JSON.")

local function default_path(args)
  local subject = tasks.subject(args):match("([^/]+)/*$")
  return "runs/dimension-" .. subject:gsub("%.%a+$", "")
end

local function main(args)
  args.system = command.system(args.system)
  if not args.data then args.system = args.system or "mass_spring" end
  io.stdout:setvbuf("line")
  local found = command.check(dimension.run { out = args.out
    or default_path(args), system = args.system, data = args.data,
    frames = args.frames, most = args.most, steps = args.steps,
    rollout = args.rollout, count = args.count, seed = args.seed,
    changes = command.changes(args.set, "hgn"),
    say = function(line) io.stderr:write(line, "\n") end })
  if args.json then
    print(json.encode(found, { indent = true }))
    return
  end
  print(dimension.markdown(found))
  print(dimension.verdict(found))
  if found.picture then print(found.picture) end
end

command.main(parser, main, { processes = true })
