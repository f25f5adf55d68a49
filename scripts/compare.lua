--- Compares trained models far beyond the frames of their training.
local argparse = require "argparse"
local command = require "torus.runs.command"
local extrapolation = require "torus.tasks.extrapolation"
local extrapolation_pictures = require "torus.tasks.extrapolation_pictures"
local files = require "torus.files"
local json = require "dkjson"
local options = require "torus.options"
local run = require "torus.runs.run"
local run_data = require "torus.runs.data"
local tasks = require "torus.tasks"

local parser = argparse("compare.lua",
  "Compares rollouts of HGNs and PixelHNNs far beyond the frames they were trained on. "
  .. "Prints a table of valid steps and errors, and draws the error by step, film "
  .. "strips at steps 0, 50, 100, 200 and 300, and, for one degree of freedom, the "
  .. "period against the energy.")
parser:argument("runs", "Run folders or checkpoints."):args("+")
parser:option("--system", "Lua file of a run's system, unless it is built in; "
  .. "repeatable."):argname("FILE"):count("*")
command.add_data(parser)
parser:option("--steps", "Number of rollout steps (default: 300, or as many as the shortest film "
  .. "has)."):argname("N"):convert(command.count)
parser:option("--count", "Number of test sequences.", "64"):argname("N")
  :convert(command.count)
parser:option("--out", "Folder for pictures (default: no pictures).")
  :argname("DIR")
parser:flag("--json", "Print all numbers as JSON.")

local STEPS = 300

-- A run with its data, or with those of the path.
local function opened(path, data_path)
  local model, config = run.open(path)
  command.check(model, config)
  local task = tasks.get(config.model)
  if not task.extrapolation then
    command.die("expected runs of %s, got %s of %s",
      command.enumerate(tasks.having "extrapolation", "or"), path,
      config.model)
  end
  local data, used, note = run_data.open_data(config, { data = data_path })
  if not data then command.die("%s: %s", path, used) end
  command.note(note)
  return { path = path, model = model, task = task, data = data, config = used }
end

-- The number of steps if none is given: frames of one's own cannot be simulated further.
local function default_steps(runs)
  local steps = STEPS
  for _, one in ipairs(runs) do
    if not one.data.system then steps = math.min(steps, one.data.whole.test.length - 1) end
  end
  return steps
end

local function measured(one, o)
  local numbers, shown = command.check(extrapolation.measure(one.model, one.data,
    options.joined(one.task.extrapolation(one.model, one.data, one.config), o)))
  return { label = one.path:gsub("/+$", ""):match("[^/]+$") or one.path,
    numbers = numbers, shown = shown }
end

local function print_table(runs)
  local rows = {}
  for i, one in ipairs(runs) do
    local n = one.numbers
    rows[i] = { one.label, string.format(
      "valid steps %.1f, median %d; prediction time %s; MSE %.2fe-4, then %s",
      n.valid.mean, n.valid.median,
      n.prediction_time and string.format("%g of %d", n.prediction_time.mean,
        n.prediction_time.limit) or "none",
      n.mse.window * 1e4,
      n.mse.next and string.format("%.2fe-4", n.mse.next * 1e4) or "none") }
  end
  command.print_rows(rows)
end

local function main(args)
  for _, path in ipairs(args.system) do command.system(path) end
  if args.out then command.check(files.make_folder(args.out)) end
  local runs = {}
  for i, path in ipairs(args.runs) do runs[i] = opened(path, args.data) end
  local steps = args.steps or default_steps(runs)
  local show = args.out and extrapolation_pictures.strip_steps(steps) or nil
  for i, one in ipairs(runs) do
    runs[i] = measured(one, { steps = steps, count = args.count, show = show })
  end
  local written = args.out and command.check(
    extrapolation_pictures.draw(args.out, runs, show)) or {}
  if args.json then
    local numbers = {}
    for i, one in ipairs(runs) do
      numbers[i] = options.joined({ run = args.runs[i] }, one.numbers)
    end
    print(json.encode(numbers, { indent = true }))
    return
  end
  print_table(runs)
  for _, path in ipairs(written) do print(path) end
end

command.main(parser, main)
