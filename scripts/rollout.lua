--- Film strips and animations of what a trained model does.
local argparse = require "argparse"
local command = require "torus.train.command"
local folder = require "torus.train.folder"
local pictures = require "torus.train.pictures"
local train = require "torus.train"

local parser = argparse("rollout.lua",
  "Writes film strips (PNG) and animations (GIF) of what an HGN makes of "
  .. "test sequences: truth, reconstruction, what follows, the way back, half "
  .. "and double speed; and of samples from the prior.")
parser:argument("run", "Run folder, or a checkpoint.")
parser:option("--sequences", "Test sequences, a strip each.", "2"):argname("N")
  :convert(command.whole)
parser:option("--samples", "Samples, in one strip.", "6"):argname("N")
  :convert(command.whole)
parser:option("--seed", "Seed of the samples.", "1"):argname("N")
  :convert(command.seed)
parser:option("--out", "Where to write (default: the run folder).")
  :argname("DIR")

local function main(args)
  local model, config = train.open(args.run)
  command.check(model, config)
  if config.model ~= "hgn" then
    command.die("%s is a run of %s, and this is for hgn: see evaluate.lua "
      .. "--pictures", args.run, config.model)
  end
  local data = command.check(train.open_data(config))
  local out = args.out or (args.run:gsub("/?[^/]*%.safetensors$", ""))
  if out == "" then out = "." end
  command.check(folder.make(out))
  local written = {}
  local function write(name, rows)
    local files = command.check(pictures.write(out .. "/" .. name, rows,
      config.dt))
    table.move(files, 1, #files, #written + 1, written)
  end
  for i = 1, math.min(args.sequences, data.test.size) do
    write("strip-" .. i, pictures.rows(model, data.test:batch { i },
      data.test:clean { i }))
  end
  write("samples", pictures.sample_rows(model, args.samples, args.seed))
  for _, path in ipairs(written) do print(path) end
end

command.main(parser, main)
