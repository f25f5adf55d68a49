--- Finds out how many degrees of freedom a video has.
local argparse = require "argparse"
local command = require "torus.runs.command"
local dimension = require "torus.experiments.dimension"
local json = require "dkjson"
local tasks = require "torus.tasks"

local parser = argparse("dimension.lua",
  "Finds how many degrees of freedom a video has, in two ways. First, in how many "
  .. "directions its frames vary, by the distances between the most similar frames; it "
  .. "reports if noise or too few frames make this unreliable. Second, it briefly trains an "
  .. "HGN with a vector phase space of n dimensions for n = 1, 2, 3, ..., rolls each one out "
  .. "far beyond the frames of its training, from initial states refined on those frames, "
  .. "and picks the smallest n such that no larger n has clearly more valid steps (by a "
  .. "factor of 1.5 and two standard errors). The answer is that of the frames or, if they "
  .. "are inconclusive, that of the rollouts. Prints a table, and writes dimension.png and a "
  .. "run folder for each n. If interrupted, run the same command again to continue.")
parser:option("--system", "A built-in system, simulated without noise, or a Lua "
  .. "file that defines one (default: mass_spring). With --data: the system of a "
  .. "folder of trajectories."):argname("NAME")
parser:option("--data", "Use a film (see dataset.lua --help) or a folder of "
  .. "trajectories instead."):argname("FILE")
parser:option("--frames", "Frames of each sequence to train on (default: 31; for a "
  .. "film, the first half). The rest shows how long rollouts stay valid.")
  :argname("N"):convert(command.count)
parser:option("--max", "Largest number of degrees of freedom to train (default: one "
  .. "more than the frames suggest, or 4)."):argname("N"):convert(command.count)
parser:option("--steps", "Training steps of each run.", "2000"):argname("N")
  :convert(command.count)
parser:option("--rollout", "Number of rollout steps; for a film, limited by its "
  .. "length.", "300"):argname("N"):convert(command.count)
parser:option("--count", "Number of test sequences.", "64"):argname("N")
  :convert(command.count)
parser:option("--seed", "Seed for weights, noise and data order.", "0"):argname("N")
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
    frames = args.frames, max = args.max, steps = args.steps,
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
