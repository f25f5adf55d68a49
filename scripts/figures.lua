--- Makes the paper's figures, each by a file of lua/torus/figures.
local argparse = require "argparse"
local command = require "torus.runs.command"
local figures = require "torus.figures"
local files = require "torus.files"

local function list()
  local lines = {}
  for i, number in ipairs(figures.numbers()) do
    lines[i] = string.format("  %-11s %s", number, figures.get(number).what)
  end
  return table.concat(lines, "\n")
end

local parser = argparse("figures.lua",
  "Draws figures from the paper, and others. The models they need are trained first, in the "
  .. "output folder; if interrupted, run the same command again to continue. "
  .. "Figures 6 to 8 use the runs of scripts/table1.lua (--set table=DIR).",
  "Figures:\n" .. list())
parser:argument("number", "Numbers or names of figures."):args("+")
parser:option("--out", "Output folder.", "runs/figures"):argname("DIR")
parser:option("--steps", "Number of training steps; few for a quick look."):argname("N")
  :convert(command.count)
parser:option("--seed", "Seed for training runs and samples.", "1"):argname("N")
  :convert(command.seed)
parser:option("--set", "Set an option of the figure; repeatable.")
  :argname("KEY=VALUE"):count("*")

-- Texts key=value by key; each figure checks its own.
local function settings(texts)
  local found = {}
  for _, text in ipairs(texts) do
    local key, value = text:match("^([%w_]+)=(.*)$")
    if not key then command.die("--set: expected key=value, got %q", text) end
    found[key] = value
  end
  return found
end

local function main(args)
  command.check(files.make_folder(args.out))
  for _, number in ipairs(args.number) do
    local figure = command.check(figures.get(number))
    local made, text = figure.make { out = args.out, steps = args.steps,
      seed = args.seed, settings = settings(args.set) }
    command.check(made, text)
    for _, path in ipairs(made) do print(path) end
    if text then print(text) end
  end
end

command.main(parser, main)
