--- The demonstration: a small HGN learns a mass on a spring from pixels.
local argparse = require "argparse"
local command = require "torus.runs.command"
local configuration = require "torus.runs.configuration"
local frames = require "torus.tasks.frames"
local hgn = require "torus.tasks.hgn"
local Log = require "torus.runs.log"
local pictures = require "torus.tasks.hgn.pictures"
local run = require "torus.runs.run"
local torus = require "torus"

local parser = argparse("demo.lua",
  "Trains HGN with the preset `demo` on noise-free frames of a mass on a spring "
  .. "and writes film strips, animations, curves, log and checkpoint to a run "
  .. "folder. If interrupted, run the same command again to continue.")
parser:option("--out", "Run folder.", "runs/demo"):argname("DIR")
parser:option("--steps", "Number of training steps; few for a quick look."):argname("N")
  :convert(command.count)

local function minutes(seconds)
  return string.format("%d:%02d minutes", seconds // 60, seconds % 60 // 1)
end

local function configure(args)
  local config = command.check(configuration.make("demo",
    { steps = args.steps }))
  command.check(run.check_earlier(args.out, config))
  return config
end

-- Without gnuplot there are no curves, but all the rest.
local function optional(files, message)
  if not files then io.stderr:write(message, "\n") end
  return files or {}
end

local function draw(out, model, config, data, still)
  local test, written = data.test, {}
  local function add(files)
    table.move(files, 1, #files, #written + 1, written)
  end
  for i = 1, 2 do
    add(command.check(pictures.write(out .. "/strip-" .. i, pictures.rows(
      model, test:batch { i }, test:clean { i }), config.dt)))
  end
  add(command.check(pictures.write(out .. "/samples",
    pictures.sample_rows(model, 6, config.seed), config.dt)))
  add(optional(pictures.loss_curve(out .. "/loss.png",
    command.check(Log.read(out .. "/log.csv")).rows, still)))
  add(optional(pictures.energy_plot(out .. "/energy.png", model,
    test:batch { 1, 2, 3, 4 })))
  for _, name in ipairs { "log.csv", "config.json",
    "checkpoint.safetensors" } do
    add { out .. "/" .. name }
  end
  return written
end

local function main(args)
  local start = torus.clock()
  local config = configure(args)
  local data = command.check(hgn.open_data(config))
  print(string.format("HGN, width %d, on frames of a mass on a spring: %d "
    .. "steps of %d sequences, %d threads", config.width, config.steps,
    config.batch, torus.threads()))
  local result = command.check(run.train(args.out, config,
    { resume = true, data = data }))
  local model = result.task.model
  local measured = frames.measure(model, data.test, { count = 256 })
  local files = draw(args.out, model, config, data, measured.mse_still)
  command.print_rows {
    { "time", minutes(torus.clock() - start) },
    { "held-out MSE", string.format("%.2fe-4", measured.mse_clean * 1e4) },
    { "each sequence's mean image", string.format("%.2fe-4",
      measured.mse_still * 1e4) },
    { "ratio", string.format("%.3f", measured.ratio) },
    { "energy, variance in a rollout", string.format("%.2g (between "
      .. "sequences %.2g)", measured.energy_variance,
      measured.energy_spread ^ 2) },
    { "forward and backward", string.format("%.1g", measured.reversal) },
  }
  print("made:")
  for _, path in ipairs(files) do print("  " .. path) end
end

command.main(parser, main)
