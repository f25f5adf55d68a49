--- What a trained model has learned, as files for other programs.
local argparse = require "argparse"
local command = require "torus.runs.command"
local export = require "torus.runs.export"

local parser = argparse("export.lua",
  "Writes weights.safetensors, the model's parameters by name with its "
  .. "configuration, and as .npy arrays or CSV tables what it predicts. Of hgn and "
  .. "pixel_hnn: test frames, predicted frames, states q and p along rollouts, "
  .. "energies, samples. Of hnn and sympnet: rollouts, energies. Of nhf: samples and "
  .. "log-densities there and, in two dimensions, on a grid, or at --points. "
  .. "examples/15_export.py reads them.")
parser:argument("run", "Run folder, or a checkpoint.")
parser:option("--system", "Lua file of the run's system, unless it is built "
  .. "in."):argname("FILE")
parser:option("--out", "Where to write (default: export in the run folder).")
  :argname("DIR")
parser:option("--count", "Sequences, trajectories or samples (default 16, samples of a "
  .. "density 1000)."):argname("N"):convert(command.count)
parser:option("--steps", "Steps of rollouts (default: as long as the data).")
  :argname("N"):convert(command.count)
parser:option("--seed", "Seed of the samples.", "1"):argname("N")
  :convert(command.seed)
parser:option("--points", "Of nhf: a .npy or .csv of points (n, d). Log-densities and "
  .. "their bounds there, instead of samples."):argname("FILE")
parser:option("--format", "csv: tables of all that has at most three dimensions.", "npy")
  :choices { "npy", "csv" }
parser:flag("--weights-only", "Write the weights alone, which needs no data.")

local function main(args)
  command.system(args.system)
  local written = command.check(export.export(args.run, { out = args.out,
    count = args.count, steps = args.steps, seed = args.seed, format = args.format,
    points = args.points, weights_only = args.weights_only }))
  for _, path in ipairs(written) do print(path) end
end

command.main(parser, main)
