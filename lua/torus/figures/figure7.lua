--- Figure 7: a training and a test sequence, their reconstructions by HGN, forward and
-- backward in time and at double and half speed, and by the PixelHNNs.
-- @module torus.figures.figure7
local table_runs = require "torus.figures.table_runs"
local settings = require "torus.figures.settings"
local sheet = require "torus.figures.sheet"
local engine = require "torus.engine"

local M = {}

M.what = "a training and a test sequence forward, backward, faster, slower, and "
  .. "from PixelHNN (--set table=DIR, row=ROW, system=three_body, sequence=1, frames=8)"

local RULES = {
  table = table_runs.rule,
  row = { default = "hgn_leapfrog", choices = table_runs.hgn_rows },
  system = { default = "three_body", choices = table_runs.systems },
  sequence = { default = 1, type = "integer", min = 1 },
  frames = { default = 8, type = "integer", min = 1 },
}

local function film_of(cell, split, index, speed)
  return (table_runs.reconstruct(cell, split, { index }, speed)[1])
end

--- Returns the rows of a film strip, all as long as the sequence. The backward row starts
-- from the last state of the forward one and ends where that began.
-- @tparam table hgn a cell, as opened by torus.figures.table_runs
-- @tparam {table,...} others cells of the PixelHNNs
-- @tparam string split "train" or "test"
-- @tparam integer index of the sequence
-- @treturn {table,...} {label =, frames = (frames, height, width, 3)}
function M.rows(hgn, others, split, index)
  return engine.no_grad(function()
    local model = hgn.model
    local forward, trajectory = table_runs.reconstruct(hgn, split, { index })
    local backward = model:continue(trajectory,
      { steps = trajectory.q:size(1) - 1, dt = -model.frame_time })
    local rows = {
      { label = "original", frames = hgn.data[split]:clean({ index })[1] },
      { label = "forward", frames = forward[1] },
      { label = "backward", frames = model:images(backward)[1]:to("float32") },
      { label = "double speed", frames = film_of(hgn, split, index, 2) },
      { label = "half speed", frames = film_of(hgn, split, index, 0.5) },
    }
    for _, cell in ipairs(others) do
      rows[#rows + 1] = { label = cell.label,
        frames = film_of(cell, split, index) }
    end
    return rows
  end)
end

-- The cells of PixelHNNs that exist, and a text about those that do not.
local function open_others(o)
  local found, without = {}, {}
  for _, row in ipairs { "pixel_hnn", "pixel_hnn_conv" } do
    local cell, message = table_runs.open(o.table, row, o.system, o.sequence)
    if cell then found[#found + 1] = cell
    elseif table_runs.exists(o.table, row, o.system) then return nil, message
    else without[#without + 1] = "figure7 has no row for a model: " .. message end
  end
  return found, #without > 0 and table.concat(without, "\n") or nil
end

--- For scripts/figures.lua.
-- @tparam table given out; settings: table (a folder written by
-- scripts/table1.lua), row (one of its HGNs), system, sequence, frames
-- @treturn ?{string,...} files
-- @treturn ?string message, or, with files, which models are missing
function M.make(given)
  local o, message = settings.resolve("figure7", given.settings, RULES)
  if not o then return nil, message end
  local hgn
  hgn, message = table_runs.open(o.table, o.row, o.system, o.sequence)
  if not hgn then return nil, "figure7: " .. message end
  local others, without = open_others(o)
  if not others then return nil, "figure7: " .. without end
  local groups = {}
  for i, split in ipairs { "train", "test" } do
    if hgn.data[split].size < o.sequence then
      return nil, string.format("figure7: sequence: expected at most %d, the "
        .. "size of the %s set, got %d", hgn.data[split].size, split, o.sequence)
    end
    groups[i] = { title = table_runs.title(o.system) .. ", " .. split,
      rows = M.rows(hgn, others, split, o.sequence) }
  end
  for _, row in ipairs(groups[2].rows) do row.label = nil end
  local files
  files, message = sheet.write(given.out .. "/figure7.png", groups, o.frames)
  return files, message or without
end

return M
