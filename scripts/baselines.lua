--- Trains HNN, PixelHNN or flows on all their tasks with several seeds, and
-- makes a table.
local argparse = require "argparse"
local baselines = require "torus.experiments.baselines"
local command = require "torus.runs.command"

local parser = argparse("baselines.lua",
  "Trains and measures the models beside HGN on the tasks that they were made "
  .. "for, and prints a table beside the papers' figures, with every result; "
  .. "it is also in table.md and table.csv of the folder. What was "
  .. "interrupted goes on.")
parser:argument("what", "hnn, pixel_hnn or nhf."):choices(baselines.names)
parser:option("--seeds", "Trainings of each row.", "3"):argname("N")
  :convert(command.whole)
parser:option("--scale", "How long to train: quick, full (default: full for "
  .. "hnn, else quick)."):choices { "quick", "full" }
parser:option("--only", "Only the rows whose names begin so."):argname("NAME")
parser:option("--out", "Folder (default: runs/baselines-WHAT-SCALE).")
  :argname("DIR")

local function main(args)
  local scale = args.scale or (args.what == "hnn" and "full" or "quick")
  io.stdout:setvbuf("line")
  local out = args.out
    or string.format("runs/baselines-%s-%s", args.what, scale)
  local text = command.check(baselines.run(args.what, { out = out,
    scale = scale, seeds = args.seeds, only = args.only }))
  print(text)
  print(out .. "/table.md")
  print(out .. "/table.csv")
end

command.main(parser, main)
