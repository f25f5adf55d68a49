--- Training: runs, checkpoints, measures.
-- @module torus.train
local checkpoint = require "torus.train.checkpoint"
local config = require "torus.train.config"
local folder = require "torus.train.folder"
local hgn_task = require "torus.train.hgn_task"
local log = require "torus.train.log"
local measure = require "torus.train.measure"
local progress = require "torus.train.progress"
local run = require "torus.train.run"
local trainer = require "torus.train.trainer"

return {
  loop = trainer.run,
  run = run.train,
  open = run.open,
  run_config = run.config,
  checkpoint = checkpoint,
  config = config,
  folder = folder,
  hgn_task = hgn_task.new,
  open_data = hgn_task.open_data,
  learning_rate = hgn_task.learning_rate,
  log = log,
  measure = measure.measure,
  measured_rows = measure.rows,
  measure_samples = measure.samples,
  energy_along = measure.energy_along,
  progress = progress.new,
}
