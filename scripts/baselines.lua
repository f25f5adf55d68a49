--- Trains HNN, PixelHNN or NHF on all their tasks with several seeds, and makes a
-- table.
local argparse = require "argparse"
local baselines = require "torus.experiments.baselines"
local command = require "torus.runs.command"
local tasks = require "torus.tasks"

local parser = argparse("baselines.lua",
  "Trains and evaluates the models that HGN is compared with, on the tasks that "
  .. "they were designed for. Prints the table so far after every result, next to "
  .. "the papers' figures, and writes table.md and table.csv to the output folder. "
  .. "If interrupted, run the same command again to continue.")
parser:argument("model", tasks.titles(baselines.names) .. ".")
  :choices(baselines.names)
parser:option("--seeds", "Number of training runs per row.", "3"):argname("N")
  :convert(command.count)
parser:option("--scale", "How long to train: quick, full or, for nhf, fine (default: "
  .. "full for hnn, otherwise quick)."):choices { "quick", "full", "fine" }
parser:option("--only", "Run only rows whose names begin with NAME."):argname("NAME")
parser:option("--out", "Output folder (default: runs/baselines-MODEL-SCALE).")
  :argname("DIR")

local function main(args)
  local scale = args.scale
    or tasks.get(args.model).baselines.default_scale
  io.stdout:setvbuf("line")
  local out = args.out
    or string.format("runs/baselines-%s-%s", args.model, scale)
  local text = command.check(baselines.run(args.model, { out = out,
    scale = scale, seeds = args.seeds, only = args.only }))
  print(text)
  print(out .. "/table.md")
  print(out .. "/table.csv")
end

command.main(parser, main, { processes = true })
