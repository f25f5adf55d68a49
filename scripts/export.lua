--- Exports the results of a trained model as files for other programs.
local argparse = require "argparse"
local command = require "torus.runs.command"
local export = require "torus.runs.export"

local parser = argparse("export.lua",
  "Writes weights.safetensors, with the model's named parameters and its "
  .. "configuration, and its predictions as .npy arrays or CSV tables. hgn and "
  .. "pixel_hnn: test frames, predicted frames, states q and p along rollouts, "
  .. "energies, samples. hnn and sympnet: rollouts, energies. nhf: samples with "
  .. "their log-densities and, in two dimensions, log-densities on a grid; or "
  .. "log-densities at --points. examples/15_export.py reads these files.")
parser:argument("run", "Run folder or checkpoint.")
parser:option("--system", "Lua file of the run's system, unless it is built "
  .. "in."):argname("FILE")
command.add_data(parser)
parser:option("--out", "Output folder (default: export in the run folder).")
  :argname("DIR")
parser:option("--count", "Number of sequences, trajectories or samples (default 16; for "
  .. "nhf, 1000)."):argname("N"):convert(command.count)
parser:option("--steps", "Number of rollout steps (default: as long as the data).")
  :argname("N"):convert(command.count)
parser:option("--seed", "Seed for the samples.", "1"):argname("N")
  :convert(command.seed)
parser:option("--points", "nhf: a .npy or .csv of points (n, d). Export log-densities "
  .. "and bounds at these points instead of samples."):argname("FILE")
parser:option("--format", "npy, or csv: tables of everything with at most three "
  .. "dimensions.", "npy")
  :choices { "npy", "csv" }
parser:flag("--weights-only", "Write only the weights, which needs no data.")

local function main(args)
  command.system(args.system)
  local written, note = command.check(export.export(args.run, { out = args.out, data = args.data,
    count = args.count, steps = args.steps, seed = args.seed, format = args.format,
    points = args.points, weights_only = args.weights_only }))
  command.note(note)
  for _, path in ipairs(written) do print(path) end
end

command.main(parser, main)
