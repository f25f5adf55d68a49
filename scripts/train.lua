--- Trains a model on a system's frames, into a run folder.
local argparse = require "argparse"
local command = require "torus.train.command"
local folder = require "torus.train.folder"
local run = require "torus.train.run"
local run_config = require "torus.train.config"

local function known_keys()
  local keys = {}
  for key in pairs(run_config.rules) do keys[#keys + 1] = key end
  table.sort(keys)
  return table.concat(keys, " ")
end

local parser = argparse("train.lua",
  "Trains a model on frames of a physical system. The run folder holds "
  .. "config.json, log.csv and checkpoint.safetensors; an interrupted run "
  .. "goes on with --resume and ends with the same bits.",
  "Keys of --set: " .. known_keys())
parser:argument("model", "hgn"):default("hgn"):choices { "hgn" }
parser:option("--system", "mass_spring, pendulum, two_body, three_body, or one "
  .. "of your own."):argname("NAME")
parser:option("--data", "A folder of trajectories or a .npy file of frames, "
  .. "instead of --system."):argname("PATH")
parser:option("--preset", "A named configuration: "
  .. table.concat(run_config.preset_names(), ", ") .. " (default: full).")
  :argname("NAME")
parser:option("--set", "Change a value of the configuration; repeatable.")
  :argname("KEY=VALUE"):count("*")
parser:option("--steps", "Training steps, in all."):argname("N")
  :convert(command.whole)
parser:option("--seed", "Seed of weights, noise and order."):argname("N")
  :convert(tonumber)
parser:option("--out", "Run folder (default: runs/MODEL-SYSTEM)."):argname("DIR")
parser:flag("--resume", "Go on from the folder's checkpoint, with its "
  .. "configuration; --steps and --set may change it.")
command.common(parser)

local function configuration(args, path)
  local changes = command.changes(args.set)
  changes.steps = args.steps or changes.steps
  changes.seed = args.seed or changes.seed
  changes.system = args.system or changes.system
  changes.data = args.data or changes.data
  if not args.resume then
    changes.model = args.model
    return command.check(run_config.make(args.preset or "full", changes))
  end
  if args.preset then command.die("--preset cannot be changed by --resume") end
  local config = command.check(run.config(path))
  for key, value in pairs(changes) do config[key] = value end
  return command.check(run_config.make(nil, config))
end

local function main()
  local args = parser:parse()
  command.apply_common(args)
  local path = args.out or string.format("runs/%s-%s", args.model,
    args.system or "mass_spring")
  local resume = args.resume
  if resume and not folder.exists(path .. "/config.json") then
    command.die(path .. ": there is no run to resume")
  end
  local config = configuration(args, path)
  print(string.format("%s on %s: %d steps of %d sequences, into %s",
    args.model, config.data or config.system, config.steps, config.batch,
    path))
  local result = command.check(run.train(path, config, { resume = resume }))
  if result.started_at == config.steps then
    print(string.format("%s is at step %d already", path, result.step))
  else
    print(string.format("done: step %d, checkpoint in %s", result.step, path))
  end
end

main()
