--- Measures a trained model on held-out data.
local argparse = require "argparse"
local command = require "torus.runs.command"
local extrapolation = require "torus.tasks.extrapolation"
local extrapolation_pictures = require "torus.tasks.extrapolation_pictures"
local files = require "torus.files"
local json = require "dkjson"
local lists = require "torus.tasks.lists"
local options = require "torus.options"
local run = require "torus.runs.run"
local tasks = require "torus.tasks"

local parser = argparse("evaluate.lua",
  "Evaluates a trained model. For HGN and PixelHNN it reports errors on test "
  .. "sequences against observed and noise-free frames, compared with the noise "
  .. "floor and each sequence's mean image; valid steps; energy along "
  .. "rollouts; reversibility; and how close an HGN's samples are to real frames. "
  .. "For HNN: losses, and errors of energy and state along rollouts. For NHF: "
  .. "bounds, density, integral, modes. With --steps, for HGN and PixelHNN: "
  .. "rollouts far beyond the frames of training, with valid steps, valid "
  .. "prediction time, errors by step, energy drift, SyMetric, and the period "
  .. "against the energy.")
parser:argument("run", "Run folder or checkpoint.")
parser:option("--system", "Lua file of the run's system, unless it is built "
  .. "in."):argname("FILE")
command.add_data(parser)
parser:option("--steps", "Evaluate rollouts of N steps; if the sequences are "
  .. "shorter, the simulation is continued."):argname("N"):convert(command.count)
parser:option("--count", "Number of test sequences (default 256; with --steps, "
  .. "64). nhf: samples of the target (default 8192)."):argname("N")
  :convert(command.count)
parser:option("--split", "hgn, pixel_hnn: test or train (default test).")
  :choices { "test", "train" }
parser:flag("--pictures", "Also write pictures to the run folder. hgn with a "
  .. "vector phase space: the learned phase portrait next to the true one, "
  .. "coloured by energy. (rollout.lua writes film strips.)")
parser:option("--refine", "hgn with a vector phase space: first refine the "
  .. "initial states on the observed frames, in ROUNDS rounds (default 12).")
  :argname("ROUNDS"):args("?"):convert(command.count)
parser:option("--motion", "hgn on a simulated system: report how many of N sampled "
  .. "films (default 48) move as the system does. A film does if its squared error "
  .. "against the nearest true motion, blurred by the data's noise, is at most a tenth "
  .. "of its variance.")
  :argname("N"):args("?"):convert(command.count)
parser:flag("--json", "Print all numbers as JSON.")

local ROUNDS, FILMS = 12, 48

-- Ends the program where the model's report lacks what the options ask for.
local function refuse(args, config, task)
  if args.refine and not task.report_options.refine then
    command.die("--refine: expected a run of %s, got %s of %s",
      command.enumerate(tasks.having "refine", "or"), args.run, config.model)
  end
  if args.steps then
    if args.motion then
      command.die("--motion: expected no --steps, got %d: films are sampled at "
        .. "the length of training", args.steps)
    end
    if not task.extrapolation then
      command.die("--steps: expected a run of %s, got %s of %s",
        command.enumerate(tasks.having "extrapolation", "or"), args.run,
        config.model)
    end
    return
  end
  for _, name in ipairs { "split", "pictures", "motion" } do
    if args[name] and not task.report_options[name] then
      command.die("--%s: expected a run of %s, got %s of %s%s", name,
        command.enumerate(tasks.having(name), "or"), args.run, config.model,
        name == "pictures" and task.film_strips
          and "; rollout.lua writes its film strips" or "")
    end
  end
end

-- The report of rollouts of --steps.
local function long_report(args, task, model, data, config, pictures)
  local show = pictures and extrapolation_pictures.strip_steps(args.steps)
  local numbers, shown = command.check(extrapolation.measure(model, data,
    options.joined(task.extrapolation(model, data, config,
      { refine = args.refine }),
      { steps = args.steps, count = args.count, split = args.split,
        show = show or nil })))
  local written = {}
  if pictures then
    written = command.check(extrapolation_pictures.draw(pictures,
      { { label = config.model, numbers = numbers, shown = shown } }, show))
    lists.extend(written, task.portrait and command.check(task.portrait(model,
      data, config, { out = pictures, split = args.split, steps = args.steps,
        refine = args.refine })) or {})
  end
  return { numbers = numbers, rows = extrapolation.rows(numbers),
    files = written }
end

local function main(args)
  command.system(args.system)
  local model, config, step = run.open(args.run)
  command.check(model, config)
  local task = tasks.get(config.model)
  -- The parser has a list of none or one.
  args.refine = args.refine and (args.refine[1] or ROUNDS)
  args.motion = args.motion and (args.motion[1] or FILMS)
  refuse(args, config, task)
  local data
  data, config = command.open_data(config, args.data)
  local out = args.run:gsub("/?[^/]*%.safetensors$", "")
  if out == "" then out = "." end
  if args.pictures then command.check(files.make_folder(out)) end
  local pictures = args.pictures and out or nil
  local report = args.steps
    and long_report(args, task, model, data, config, pictures)
    or command.check(task.report(model, data, config,
      { count = args.count, split = args.split, pictures = pictures,
        refine = args.refine, motion = args.motion }))
  command.note(report.note)
  if args.json then
    report.numbers.step = step
    print(json.encode(report.numbers, { indent = true }))
    return
  end
  print(string.format("%s, step %d: %s on %s%s", args.run, step, config.model,
    tasks.subject(config), task.report_options.split
      and ", " .. (args.split or "test") .. " sequences" or ""))
  command.print_rows(report.rows)
  for _, path in ipairs(report.files) do print(path) end
end

command.main(parser, main)
