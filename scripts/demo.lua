--- The demonstration: an HGN finds the phase space of a pendulum in video.
local argparse = require "argparse"
local command = require "torus.runs.command"
local configuration = require "torus.runs.configuration"
local extrapolation = require "torus.tasks.extrapolation"
local extrapolation_pictures = require "torus.tasks.extrapolation_pictures"
local frames = require "torus.tasks.frames"
local hgn = require "torus.tasks.hgn"
local lists = require "torus.tasks.lists"
local Log = require "torus.runs.log"
local options = require "torus.options"
local pictures = require "torus.tasks.hgn.pictures"
local run = require "torus.runs.run"
local torus = require "torus"

local parser = argparse("demo.lua",
  "Trains an HGN on noise-free clips of a pendulum, 31 frames each, and rolls it out for "
  .. "300. Writes the learned phase portrait, film strips, animations, curves, log and "
  .. "checkpoint to a run folder. If interrupted, run the same command again to continue.")
parser:option("--out", "Run folder.", "runs/demo"):argname("DIR")
parser:option("--steps", "Number of training steps on images; few for a quick look.")
  :argname("N"):convert(command.count)

-- A short version of the training in data/results/long-rollouts.md: fewer steps on images,
-- coordinates of fewer sequences, and no stages for the decoder alone.
local SHORT = { system = "pendulum", phase = "vector", fit_steps = 25, teach_steps = 500,
  flatten_steps = 1500, flatten_rounds = 0, decoder_steps = 0, refit_steps = 0, fit_size = 192,
  teach_size = 256, train_size = 4000, energy_width = 16, chart = 16 }
local STEPS = 1000
-- The later stages of a quick look.
local QUICK = { fit_steps = 2, teach_steps = 2, flatten_steps = 20, fit_size = 16,
  teach_size = 16 }

-- Rollouts are ten times as long as the clips.
local LONG, COUNT = 300, 16

local function minutes(seconds)
  return string.format("%d:%02d minutes", seconds // 60, seconds % 60 // 1)
end

local function configure(args)
  local changes = options.joined(SHORT, args.steps and QUICK or {})
  changes.steps = (args.steps or STEPS) + changes.fit_steps + changes.teach_steps
  local config = command.check(configuration.make("demo", changes))
  command.check(run.check_earlier(args.out, config))
  return config
end

-- Without gnuplot there are no curves, but all the rest.
local function optional(files, message)
  if not files then io.stderr:write(message, "\n") end
  return files or {}
end

-- The first test sequences, samples, and rollouts of LONG steps.
local function draw_films(out, model, config, data, long)
  local test, written = data.test, {}
  for i = 1, 2 do
    lists.extend(written, command.check(pictures.write(out .. "/strip-" .. i, pictures.rows(
      model, test:batch { i }, test:clean { i }), config.dt)))
  end
  lists.extend(written, command.check(pictures.write(out .. "/samples",
    pictures.sample_rows(model, 6, config.seed), config.dt)))
  local path = out .. "/long-frames.png"
  command.check(extrapolation_pictures.strip(path, { long },
    extrapolation_pictures.strip_steps(LONG)))
  lists.extend(written, { path })
  return written
end

local function draw_curves(out, model, config, data, long, still)
  local written = {}
  lists.extend(written, optional(hgn.portrait(model, data, config,
    { out = out, steps = LONG })))
  local path = out .. "/long-periods.png"
  local ok, message = extrapolation_pictures.periods(path, { long })
  lists.extend(written, optional(ok and { path }, message))
  lists.extend(written, optional(pictures.loss_curve(out .. "/loss.png",
    command.check(Log.read(out .. "/log.csv")).rows, still)))
  lists.extend(written, optional(pictures.energy_plot(out .. "/energy.png", model,
    data.test:batch { 1, 2, 3, 4 })))
  return written
end

local function measure_long(model, config, data)
  local numbers, shown = command.check(extrapolation.measure(model, data,
    options.joined(hgn.extrapolation(model, data, config), { steps = LONG, count = COUNT,
      show = extrapolation_pictures.strip_steps(LONG) })))
  return { label = "hgn", numbers = numbers, shown = shown }
end

local function print_results(seconds, measured, numbers)
  local period = numbers.period and numbers.period.error
  command.print_rows {
    { "time", minutes(seconds) },
    { "held-out MSE", string.format("%.2fe-4", measured.mse_clean * 1e4) },
    { "each sequence's mean image", string.format("%.2fe-4", measured.mse_still * 1e4) },
    { "ratio", string.format("%.3f", measured.ratio) },
    { string.format("valid steps of %d", LONG), string.format("mean %.0f, median %.0f; "
      .. "training showed %d frames", numbers.valid.mean, numbers.valid.median,
      numbers.window) },
    { "period against energy", period and string.format("off by %.2f%%", 100 * period)
      or "not measured" },
    { "forward and backward", string.format("%.1g", measured.reversal) },
  }
end

local function main(args)
  local start = torus.clock()
  local config = configure(args)
  local data = command.check(hgn.open_data(config))
  print(string.format("HGN, width %d, on clips of a pendulum: %d steps of %d sequences, "
    .. "%d threads", config.width, config.steps, config.batch, torus.threads()))
  local result = command.check(run.train(args.out, config,
    { resume = true, data = data }))
  local model = result.task.model
  local measured = frames.measure(model, data.test, { count = 256 })
  local long = measure_long(model, config, data)
  local files = draw_films(args.out, model, config, data, long)
  lists.extend(files, draw_curves(args.out, model, config, data, long, measured.mse_still))
  for _, name in ipairs { "log.csv", "config.json", "checkpoint.safetensors" } do
    lists.extend(files, { args.out .. "/" .. name })
  end
  print_results(torus.clock() - start, measured, long.numbers)
  print("made:")
  for _, path in ipairs(files) do print("  " .. path) end
end

command.main(parser, main)
