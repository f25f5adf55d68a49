--- Measures a trained model on held-out data.
local argparse = require "argparse"
local command = require "torus.runs.command"
local files = require "torus.files"
local json = require "dkjson"
local run = require "torus.runs.run"
local tasks = require "torus.tasks"

local parser = argparse("evaluate.lua",
  "Measures a trained model. Of HGN and PixelHNN: errors on test sequences "
  .. "against observed and noise-free frames, compared with the noise floor "
  .. "and each sequence's own mean image; valid prediction time; energy along "
  .. "rollouts; reversibility; how near an HGN's samples are to real frames. Of "
  .. "HNN: losses, and errors of energy and state along rollouts. Of NHF: "
  .. "bounds, density, integral, modes.")
parser:argument("run", "Run folder, or a checkpoint.")
parser:option("--count", "Test sequences (default 256); of an nhf samples of "
  .. "the target (default 8192)."):argname("N"):convert(command.count)
parser:option("--split", "Of hgn and pixel_hnn: test or train (default test).")
  :choices { "test", "train" }
parser:flag("--pictures", "Also write pictures into the run folder (hnn, "
  .. "pixel_hnn, nhf; for hgn see rollout.lua).")
parser:flag("--json", "Print all numbers as JSON.")

-- Ends the program where the model's report lacks what the options ask for.
local function refuse(args, config, task)
  for _, name in ipairs { "split", "pictures" } do
    if args[name] and not task.report_options[name] then
      command.die("--%s: expected a run of %s, got %s of %s%s", name,
        command.enumerate(tasks.having(name), "or"), args.run, config.model,
        name == "pictures" and task.film_strips
          and "; rollout.lua writes its film strips" or "")
    end
  end
end

local function main(args)
  local model, config, step = run.open(args.run)
  command.check(model, config)
  local task = tasks.get(config.model)
  refuse(args, config, task)
  local data = command.check(task.open_data(config))
  local out = args.run:gsub("/?[^/]*%.safetensors$", "")
  if out == "" then out = "." end
  if args.pictures then command.check(files.make_folder(out)) end
  local report = command.check(task.report(model, data, config,
    { count = args.count, split = args.split,
      pictures = args.pictures and out or nil }))
  if report.note then io.stderr:write("evaluate.lua: ", report.note, "\n") end
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
