--- The names that torus.runs and torus.tasks have in older scripts.
-- @module torus.train
local files = require "torus.files"
local frames = require "torus.tasks.frames"
local hgn = require "torus.tasks.hgn"
local pictures = require "torus.tasks.hgn.pictures"
local runs = require "torus.runs"

return {
  run = runs.train,
  open = runs.open,
  run_config = runs.read_configuration,
  config = runs.configuration,
  checkpoint = runs.checkpoint,
  folder = { make = files.make_folder, exists = files.exists,
    read = files.read, write = files.write },
  log = runs.log,
  loop = runs.loop,
  progress = runs.progress,
  hgn_task = hgn.new,
  open_data = hgn.open_data,
  learning_rate = hgn.learning_rate,
  measure = frames.measure,
  measured_rows = frames.rows,
  measure_samples = frames.samples,
  energy_along = pictures.energy_along,
}
