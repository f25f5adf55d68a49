--- Runs: folders that contain the configuration, the log and the checkpoint of a model in
-- training.
--
--     local runs = torus.runs
--     local config = assert(runs.configuration.make("small",
--       { model = "hgn", system = "pendulum", steps = 100 }))
--     assert(runs.train("runs/mine", config))
--     local model = assert(runs.open("runs/mine"))
--
-- The model-specific parts are in torus.tasks.
-- @module torus.runs
local checkpoint = require "torus.runs.checkpoint"
local configuration = require "torus.runs.configuration"
local Log = require "torus.runs.log"
local data = require "torus.runs.data"
local export = require "torus.runs.export"
local progress = require "torus.progress"
local run = require "torus.runs.run"
local trainer = require "torus.runs.trainer"

return {
  train = run.train,
  open = run.open,
  open_data = data.open_data,
  export = export.export,
  read_configuration = run.read_configuration,
  configuration = configuration,
  checkpoint = checkpoint,
  log = Log,
  loop = trainer.run,
  progress = progress.new,
}
