--- Evaluation of a trained HGN; see torus.tasks.frames.
-- @module torus.tasks.hgn.report
local engine = require "torus.engine"
local frames = require "torus.tasks.frames"
local options = require "torus.options"

local M = {}

--- For scripts/evaluate.lua: errors of reconstructions, and how near samples
-- are to the training data.
-- @tparam Module model
-- @tparam Dataset data
-- @tparam table config
-- @tparam table opts count=256 sequences, split="test"
-- @treturn table rows, numbers, files
function M.report(model, data, config, opts)
  local numbers = frames.measure(model, data[opts.split or "test"],
    { count = opts.count or 256 })
  if config.variant ~= "determ" then
    numbers = options.joined(numbers, frames.samples(model, data.train,
      { generator = engine.generator(1) }))
  end
  return { numbers = numbers, rows = frames.rows(numbers), files = {} }
end

return M
