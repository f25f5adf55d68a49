--- Measures a trained model on sequences that it has not seen.
local argparse = require "argparse"
local command = require "torus.train.command"
local folder = require "torus.train.folder"
local json = require "dkjson"
local kinds = require "torus.train.kinds"
local options = require "torus.options"
local torus = require "torus"
local train = require "torus.train"

local parser = argparse("evaluate.lua",
  "Measures a trained model. HGN and PixelHNN on test sequences: errors "
  .. "against the frames shown and against clean ones, beside the noise floor "
  .. "and each sequence's own mean image; how long predictions stay valid; "
  .. "energy along rollouts; reversibility; how near to real frames an HGN's "
  .. "samples are.")
parser:argument("run", "Run folder, or a checkpoint.")
parser:option("--count", "Test sequences (default 256); of an nhf samples of "
  .. "its density (default 8192)."):argname("N"):convert(command.whole)
parser:option("--split", "For hgn and pixel_hnn: test or train (default test).")
  :choices { "test", "train" }
parser:flag("--pictures", "Write pictures into the run folder too (hnn, "
  .. "pixel_hnn, nhf; for hgn see rollout.lua).")
parser:flag("--json", "Print all numbers as JSON.")

-- What the options ask of a kind of model that does not have it.
local function refuse(args, config)
  local model = config.model
  if args.split and model ~= "hgn" and model ~= "pixel_hnn" then
    command.die("--split is for hgn and pixel_hnn, and %s is a run of %s",
      args.run, model)
  end
  if args.pictures and model == "hgn" then
    command.die("--pictures: of an hgn rollout.lua makes them")
  end
end

local function count_of(args, config)
  return args.count or config.model ~= "nhf" and 256 or nil
end

-- Models with a report of their own.
local function other(args, model, config, step, report)
  local out = args.run:gsub("/?[^/]*%.safetensors$", "")
  if out == "" then out = "." end
  if args.pictures then command.check(folder.make(out)) end
  local result = command.check(report(model, config,
    { count = count_of(args, config), split = args.split,
      pictures = args.pictures and out or nil }))
  if result.note then io.stderr:write("evaluate.lua: ", result.note, "\n") end
  if args.json then
    result.numbers.step = step
    print(json.encode(result.numbers, { indent = true }))
    return
  end
  print(string.format("%s, step %d, %s of %s", args.run, step, config.model,
    config.data or config.target or config.system))
  command.print_rows(result.rows)
  for _, path in ipairs(result.files) do print(path) end
end

local function main(args)
  local model, config, step = train.open(args.run)
  command.check(model, config)
  refuse(args, config)
  local report = kinds.task(config.model).report
  if report then return other(args, model, config, step, report) end
  local data = command.check(train.open_data(config))
  local split = args.split or "test"
  local result = train.measure(model, data[split],
    { count = count_of(args, config) })
  if config.model == "hgn" and config.variant ~= "determ" then
    result = options.joined(result, train.measure_samples(model, data.train,
      { generator = torus.generator(1) }))
  end
  result.step = step
  if args.json then
    print(json.encode(result, { indent = true }))
  else
    print(string.format("%s, step %d, on %s of %s", args.run, step, split,
      config.data or config.system))
    command.print_rows(train.measured_rows(result))
  end
end

command.main(parser, main)
