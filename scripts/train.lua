--- Trains a model, into a run folder.
local argparse = require "argparse"
local command = require "torus.runs.command"
local dist = require "torus.dist"
local engine = require "torus.engine"
local files = require "torus.files"
local options = require "torus.options"
local tasks = require "torus.tasks"
local run = require "torus.runs.run"
local configuration = require "torus.runs.configuration"
local shares = require "torus.runs.shares"
local systems = require "torus.systems"

-- The keys of --set and the presets, a paragraph for each model.
local function known_keys()
  local lines = {}
  for _, model in ipairs(tasks.names) do
    lines[#lines + 1] = string.format("Keys of --set for %s: %s. Presets: %s.",
      model, table.concat(options.sorted_keys(configuration.rules_of(model)), " "),
      table.concat(configuration.preset_names(model), ", "))
  end
  lines[#lines + 1] = "What they mean: torus train MODEL --keys, or --keys TEXT for some of them."
  return table.concat(lines, "\n\n")
end

local parser = argparse("train.lua",
  "Trains a model: hgn or pixel_hnn on frames of a physical system or a film, hnn or "
  .. "sympnet on states of a system or your own, nhf on samples of a density or on a "
  .. "system's energy. The run folder holds config.json, log.csv and "
  .. "checkpoint.safetensors. --resume continues an interrupted run; the result is "
  .. "bit-identical to that of an uninterrupted run.",
  known_keys())
parser:argument("model", tasks.titles() .. "; by default " .. tasks.default
  .. ", or the model of the run to resume."):args "?":choices(tasks.names)
parser:option("--system", table.concat(systems.names(), ", ")
  .. ", or a Lua file that returns the definition of a system. nhf learns the density of "
  .. "its positions in a heat bath, exp(-V / temperature)."):argname("NAME")
parser:option("--data", "Train on this instead of simulated data. hgn, pixel_hnn: a folder "
  .. "of trajectories (with --system, if its system is defined in a Lua file) or a film "
  .. "(see dataset.lua --help). hnn, sympnet: a .csv, .npy or .npz file of states (with "
  .. "--system, if their system is known). nhf: a .npy, .npz or .csv file of samples. With "
  .. "--resume: where the run's data are now, if they have moved.")
  :argname("PATH")
parser:option("--target", "nhf: the density to learn."):argname("NAME")
parser:option("--prior", "nhf: normal or soft_uniform; hgn: normal or mixture.")
  :argname("NAME")
parser:option("--preset", "Preset of configuration values (default: full; an HGN then has "
  .. "the paper's sizes and takes hours).")
  :argname("NAME")
parser:option("--set", "Set a value of the configuration; repeatable.")
  :argname("KEY=VALUE"):count("*")
parser:option("--keys", "Explain the keys of --set for the model: those whose name or "
  .. "explanation contains TEXT, by default all.")
  :argname("TEXT"):args "?"
parser:option("--steps", "Total number of training steps; 0 stores the initial weights.")
  :argname("N"):convert(command.steps)
parser:option("--seed", "Seed for weights, noise and data order."):argname("N")
  :convert(command.seed)
parser:option("--out", "Run folder (default: runs/MODEL-SYSTEM, or -TARGET, "
  .. "or -DATA)."):argname("DIR")
parser:flag("--resume", "Continue from the run folder's checkpoint, with its "
  .. "configuration. --steps and --set may change training options, but not the "
  .. "model, the data or the seed.")

-- The model's name comes from the command line or from the run's own
-- configuration.
local function configure(args, path)
  local earlier = args.resume and command.check(run.read_configuration(path)) or nil
  local model = earlier and earlier.model or args.model or tasks.default
  if args.model and args.model ~= model then
    command.die("%s: model: expected the run's %s, got %s; another one "
      .. "requires another run", path, model, args.model)
  end
  local changes = command.changes(args.set, model)
  changes.steps = args.steps or changes.steps
  changes.seed = args.seed or changes.seed
  changes.system = args.system or changes.system
  -- Runs of before kept the path instead of the name.
  local given = earlier and changes.system and systems.find(changes.system)
  if given and given == systems.find(earlier.system) then changes.system = nil end
  changes.data = args.data or changes.data
  changes.target = args.target or changes.target
  changes.prior = args.prior or changes.prior
  if not args.resume then
    changes.model = model
    return command.check(configuration.make(args.preset or "full", changes))
  end
  if args.preset then
    command.die("--preset: expected none with --resume, got %q", args.preset)
  end
  local config = earlier
  for key, value in pairs(changes) do config[key] = value end
  if changes.data then config.data_path = nil end -- that of the former path
  return command.check(configuration.make(nil, config))
end

-- runs/MODEL-SUBJECT; of a file without its folders and ending.
local function default_path(args)
  local model = args.model or tasks.default
  local usual = configuration.make(nil, { model = model })
  local subject = tasks.subject(args) or tasks.subject(usual)
  subject = subject:match("([^/]+)/*$") or subject
  return string.format("runs/%s-%s", model, (subject:gsub("%.%a+$", "")))
end

-- How processes divide a batch, where there are several.
local function say_shares(config, resume)
  local count = shares.count(config.shares)
  if dist.size() > 1 then
    print(string.format("%d processes of %d threads each, batches in %d shares",
      dist.size(), engine.threads(), count))
  end
  if resume and count ~= config.shares then
    print(string.format("shares: %s until now, %d from here on: sums are rounded in another "
      .. "order", config.shares or "none", count))
  end
end

-- `--keys hnn` names the model, too.
local function explain(args)
  local text, model = args.keys[1], args.model
  if not model and tasks.get(text or "") then text, model = nil, text end
  print((command.check(configuration.explain(model or tasks.default, text))))
end

local function main(args)
  if args.keys then return explain(args) end
  args.system = command.system(args.system)
  local path = args.out or default_path(args)
  local resume = args.resume
  if resume and not files.exists(path .. "/config.json") then
    command.die("--resume: expected a run in %s, found none", path)
  end
  local config = configure(args, path)
  -- A data set may be of a system that only its own file defines.
  if config.system and not config.data then command.check(systems.find(config.system)) end
  print(string.format("%s on %s: %d step%s, batch %s, into %s", config.model,
    tasks.subject(config), config.steps, config.steps == 1 and "" or "s",
    config.batch == 0 and "of all points" or config.batch, path))
  say_shares(config, resume)
  local result = command.check(run.train(path, config, { resume = resume,
    on_data = config.data and function(data) print(data) end or nil }))
  if result.started_at == config.steps then
    print(string.format("%s is already at step %d", path, result.step))
  else
    print(string.format("done: step %d, checkpoint in %s", result.step, path))
    if result.note then print(result.note) end
  end
end

command.main(parser, main, { processes = true })
