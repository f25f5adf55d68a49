--- Film strips and animations of what a trained model does.
local argparse = require "argparse"
local command = require "torus.runs.command"
local files = require "torus.files"
local run = require "torus.runs.run"
local tasks = require "torus.tasks"

local parser = argparse("rollout.lua",
  "Writes film strips (PNG) and animations (GIF) of an HGN's rollouts from "
  .. "test sequences (truth, reconstruction, continuation forward and backward, "
  .. "half and double speed) and of samples from the prior.")
parser:argument("run", "Run folder or checkpoint.")
parser:option("--system", "Lua file of the run's system, unless it is built "
  .. "in."):argname("FILE")
command.add_data(parser)
parser:option("--sequences", "Number of test sequences, one strip each.", "2"):argname("N")
  :convert(command.count)
parser:option("--samples", "Number of samples, all in one strip.", "6"):argname("N")
  :convert(command.count)
parser:option("--seed", "Seed for the samples.", "1"):argname("N")
  :convert(command.seed)
parser:flag("--refine", "First refine the initial states on the observed frames "
  .. "(vector phase space only).")
parser:option("--out", "Output folder (default: the run folder).")
  :argname("DIR")

local function main(args)
  command.system(args.system)
  local model, config = run.open(args.run)
  command.check(model, config)
  local task = tasks.get(config.model)
  if not task.film_strips then
    command.die("expected a run of %s, got %s of %s%s",
      command.enumerate(tasks.having "film_strips", "or"), args.run,
      config.model, task.report_options.pictures
        and "; evaluate.lua --pictures writes its pictures" or "")
  end
  local data
  data, config = command.open_data(config, args.data)
  local out = args.out or (args.run:gsub("/?[^/]*%.safetensors$", ""))
  if out == "" then out = "." end
  command.check(files.make_folder(out))
  local written = command.check(task.film_strips(model, data, config,
    { out = out, sequences = args.sequences, samples = args.samples,
      seed = args.seed, refine = args.refine and 12 or nil }))
  for _, path in ipairs(written) do print(path) end
end

command.main(parser, main)
