--- Figure 7: a sequence that HGN was trained on and one that it was not, their
-- reconstructions, the way back in time, double and half speed, and what the
-- HNNs make of them.
-- @module torus.figures.figure7
local cells = require "torus.figures.table_runs"
local settings = require "torus.figures.settings"
local sheet = require "torus.figures.sheet"
local engine = require "torus.engine"

local M = {}

M.what = "a train and a test sequence forward, backward, faster, slower, and "
  .. "by HNN (--set table=DIR, system=three_body, sequence=1, frames=8)"

local RULES = {
  table = cells.rule,
  system = { default = "three_body", choices = cells.systems },
  sequence = { default = 1, type = "integer", min = 1 },
  frames = { default = 8, type = "integer", min = 1 },
}

local function film_of(cell, split, place, speed)
  return (cells.reconstruct(cell, split, { place }, speed)[1])
end

--- The rows of a film strip, all as long as the sequence. The backward one
-- starts from the last state of the forward one and ends where that started.
-- @tparam table hgn a cell, as torus.figures.table_runs opens it
-- @tparam {table,...} hnns cells of the HNNs
-- @tparam string split "train" or "test"
-- @tparam integer place of the sequence
-- @treturn {table,...} {label =, frames = (frames, height, width, 3)}
function M.rows(hgn, hnns, split, place)
  return engine.no_grad(function()
    local model = hgn.model
    local forward, way = cells.reconstruct(hgn, split, { place })
    local back = model:continue(way, { steps = way.q:size(1) - 1,
      dt = -model.frame_time })
    local rows = {
      { label = "original", frames = hgn.data[split]:clean({ place })[1] },
      { label = "forward", frames = forward[1] },
      { label = "backward", frames = model:images(back)[1]:to("float32") },
      { label = "double speed", frames = film_of(hgn, split, place, 2) },
      { label = "half speed", frames = film_of(hgn, split, place, 0.5) },
    }
    for _, cell in ipairs(hnns) do
      rows[#rows + 1] = { label = cell.label,
        frames = film_of(cell, split, place) }
    end
    return rows
  end)
end

-- The HNNs that there are, and a text about those that there aren't.
local function open_hnns(o)
  local found, without = {}, {}
  for _, row in ipairs { "hnn", "hnn_conv" } do
    local cell, message = cells.open(o.table, row, o.system, o.sequence)
    if cell then found[#found + 1] = cell
    elseif cells.exists(o.table, row, o.system) then return nil, message
    else without[#without + 1] = "figure7 does without: " .. message end
  end
  return found, #without > 0 and table.concat(without, "\n") or nil
end

--- For scripts/figures.lua.
-- @tparam table given out; settings: table (a folder that scripts/table1.lua
-- left), system, sequence, frames
-- @treturn ?{string,...} files
-- @treturn ?string message, or what the figure had to do without
function M.make(given)
  local o, message = settings.resolve("figure7", given.settings, RULES)
  if not o then return nil, message end
  local hgn
  hgn, message = cells.open(o.table, "hgn_leapfrog", o.system, o.sequence)
  if not hgn then return nil, "figure7: " .. message end
  local hnns, without = open_hnns(o)
  if not hnns then return nil, "figure7: " .. without end
  local groups = {}
  for i, split in ipairs { "train", "test" } do
    if hgn.data[split].size < o.sequence then
      return nil, string.format("figure7: sequence %d of the %s set is not "
        .. "there, it has %d", o.sequence, split, hgn.data[split].size)
    end
    groups[i] = { title = cells.title(o.system) .. ", " .. split,
      rows = M.rows(hgn, hnns, split, o.sequence) }
  end
  for _, row in ipairs(groups[2].rows) do row.label = nil end
  local files
  files, message = sheet.write(given.out .. "/figure7.png", groups, o.frames)
  return files, message or without
end

return M
