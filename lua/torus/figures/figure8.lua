--- Figure 8: sequences sampled by HGN, of the paper's four systems.
-- @module torus.figures.figure8
local table_runs = require "torus.figures.table_runs"
local settings = require "torus.figures.settings"
local sheet = require "torus.figures.sheet"
local engine = require "torus.engine"

local M = {}

M.what = "films sampled by HGN of four systems "
  .. "(--set table=DIR, row=ROW, samples=3, frames=8)"

local RULES = {
  table = table_runs.rule,
  row = { default = "hgn_leapfrog_generative", choices = table_runs.hgn_rows },
  samples = { default = 3, type = "integer", min = 1 },
  frames = { default = 8, type = "integer", min = 1 },
}

--- Samples of a model as the rows of a film strip.
-- @tparam Module model an HGN
-- @tparam integer count
-- @tparam integer seed
-- @treturn {table,...} {frames = (frames, height, width, 3)} for each sample
function M.rows(model, count, seed)
  local films = model:sample(count, { generator = engine.generator(seed) })
  local rows = {}
  for i = 1, count do rows[i] = { frames = films[i]:to("float32") } end
  return rows
end

--- For scripts/figures.lua.
-- @tparam table given out, seed; settings: table (a folder written by
-- scripts/table1.lua), row (one of its HGNs), samples, frames
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.make(given)
  local o, message = settings.resolve("figure8", given.settings, RULES)
  if not o then return nil, message end
  local groups = {}
  for i, system in ipairs(table_runs.systems) do
    local cell
    cell, message = table_runs.open(o.table, o.row, system, 1)
    if not cell then return nil, "figure8: " .. message end
    groups[i] = { title = table_runs.title(system),
      rows = M.rows(cell.model, o.samples, given.seed or 1) }
  end
  return sheet.write(given.out .. "/figure8.png", groups, o.frames)
end

return M
