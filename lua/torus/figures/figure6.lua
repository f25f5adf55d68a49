--- Figure 6: squared pixel errors by step, for one training and one test sequence and
-- averaged over many, of every trained model in Table 1, with the mean and variance of the
-- inferred energy along the single sequence.
-- @module torus.figures.figure6
local table_runs = require "torus.figures.table_runs"
local lists = require "torus.tasks.lists"
local frames = require "torus.tasks.frames"
local plot = require "torus.plot"
local settings = require "torus.figures.settings"
local engine = require "torus.engine"

local M = {}

M.what = "squared error by step of Table 1's models, and their energy "
  .. "(--set table=DIR, count=64, sequence=1)"

local RULES = {
  table = table_runs.rule,
  count = { default = 64, type = "integer", min = 1 },
  sequence = { default = 1, type = "integer", min = 1 },
}

local SPLITS = { "train", "test" }
local BATCH = 16
local COLOURS = { pixel_hnn = "#a6761d", pixel_hnn_conv = "#f28e2b", hgn_euler = "#d62728",
  hgn_determ = "#2a9d5c", hgn_no_fpsi = "#8e4ec6", hgn_leapfrog = "#1f6fd0" }

-- --- data -------------------------------------------------------------------

-- For the first sequences of a split: the errors (count, frames), the errors of the
-- sequences' own mean images, and the energies (frames, count).
local function errors_of(cell, split, count)
  local errors, still, energies = {}, {}, {}
  for first = 1, count, BATCH do
    local indices = lists.range(first,
      math.min(first + BATCH - 1, count))
    local clean = cell.data[split]:clean(indices)
    local predicted, trajectory =
      table_runs.reconstruct(cell, split, indices)
    errors[#errors + 1] = frames.squares(predicted - clean)
    still[#still + 1] = frames.squares(clean - clean:mean(2, true))
    energies[#energies + 1] = cell.model:energies(trajectory):to("float64")
  end
  return engine.cat(errors, 1), engine.cat(still, 1), engine.cat(energies, 2)
end

--- Returns the curves of a cell.
-- @tparam table cell as opened by torus.figures.table_runs
-- @tparam string split "train" or "test"
-- @tparam integer count number of sequences to average over
-- @tparam integer sequence index of the sequence shown on its own
-- @treturn table single and average, lists of errors against noise-free frames by
-- step; still, the average error of a sequence's own mean image; energy_mean
-- and energy_variance along the single rollout; count
function M.curves(cell, split, count, sequence)
  return engine.no_grad(function()
    count = math.min(count, cell.data[split].size)
    local index = math.min(sequence, count)
    local errors, still, energies = errors_of(cell, split, count)
    local energy = energies:select(2, index)
    local mean = energy:mean():item()
    return { single = errors[index]:totable(), count = count,
      average = errors:mean(1):totable(), still = still:mean(1):totable(),
      energy_mean = mean, energy_variance = (energy - mean):square():mean()
        :item() }
  end)
end

--- Returns the curves of all trained cells.
-- @tparam table o table, count, sequence
-- @treturn ?{table,...} for each system with a cell: system, and rows of row,
-- label, train and test, both as returned by curves
-- @return names of the missing cells, or the message
function M.data(o)
  local found, missing = {}, {}
  for _, system in ipairs(table_runs.systems) do
    local rows = {}
    for _, row in ipairs(table_runs.rows) do
      if table_runs.exists(o.table, row, system) then
        local cell, message = table_runs.open(o.table, row, system,
          math.max(o.count, o.sequence))
        if not cell then return nil, message end
        local one = { row = row, label = cell.label }
        for _, split in ipairs(SPLITS) do
          one[split] = M.curves(cell, split, math.max(o.count, o.sequence),
            o.sequence)
        end
        rows[#rows + 1] = one
      else
        missing[#missing + 1] = row .. "-" .. system
      end
    end
    if #rows > 0 then found[#found + 1] = { system = system, rows = rows } end
  end
  return found, missing
end

-- --- picture ----------------------------------------------------------------

local function steps_of(values) return lists.range(0, #values - 1) end

-- A common logarithmic range for both panels of a system: it ends at 1, however far a
-- rollout diverged, and spans at least two powers of ten, so that gnuplot labels them.
local function range_of(entry)
  local low, high = math.huge, 0
  for _, row in ipairs(entry.rows) do
    for _, split in ipairs(SPLITS) do
      for _, name in ipairs { "single", "average", "still" } do
        for _, y in ipairs(row[split][name]) do
          if y > 0 then low = math.min(low, y) end
          if y < math.huge then high = math.max(high, y) end
        end
      end
    end
  end
  if low >= high then return nil end
  low, high = low / 1.3, math.min(high * 1.3, 1)
  local last = math.floor(math.log(high, 10))
  return { math.min(low, 10.0 ^ (last - 1)), high }
end

local function panel_of(entry, split, range)
  local series = {}
  for _, row in ipairs(entry.rows) do
    local c, x = row[split], steps_of(row[split].single)
    series[#series + 1] = { x = x, y = c.single, colour = COLOURS[row.row],
      style = "dashes", width = 1 }
    series[#series + 1] = { x = x, y = c.average, colour = COLOURS[row.row],
      width = 2, label = string.format("%s: %.3g, %.1e", row.label,
        c.energy_mean, c.energy_variance) }
  end
  local still = entry.rows[1][split].still
  series[#series + 1] = { x = steps_of(still), y = still, colour = "#909090",
    width = 2, label = "own mean image" }
  return { title = table_runs.title(entry.system) .. ", " .. split,
    xlabel = "step", ylabel = "squared error (intensity from 0 to 1)",
    log = "y", series = series, yrange = range,
    legend = "outside bottom center horizontal reverse Left samplen 1.5" }
end

--- Draws the curves: one row per system, train on the left, test on the right.
-- @tparam string path of a .png
-- @tparam {table,...} data as returned by data
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.draw(path, data)
  local panels = {}
  for _, entry in ipairs(data) do
    local range = range_of(entry)
    for _, split in ipairs(SPLITS) do
      panels[#panels + 1] = panel_of(entry, split, range)
    end
  end
  local ok, message = plot.figure { path = path, panels = panels, columns = 2,
    width = 1100, height = 30 + 360 * #data, font_size = 10,
    title = string.format("Squared error of a pixel by step: one sequence "
      .. "(dashes) and the mean of %d (lines). In the legends: mean and "
      .. "variance of the energy along that one.", data[1].rows[1].test.count) }
  if not ok then return nil, message end
  return { path }
end

--- For scripts/figures.lua.
-- @tparam table given out; settings: table (a folder written by
-- scripts/table1.lua), count, sequence
-- @treturn ?{string,...} files
-- @treturn ?string message, or which cells are missing
function M.make(given)
  local o, message = settings.resolve("figure6", given.settings, RULES)
  if not o then return nil, message end
  local data, missing = M.data(o)
  if not data then return nil, "figure6: " .. missing end
  local command = table_runs.command(o.table, "ROW", "SYSTEM")
  if #data == 0 then
    local rows, systems = table_runs.rows, table_runs.systems
    return nil, string.format("figure6: table: expected a folder with runs of "
      .. "Table 1, got %s; this makes one, ROW of %s, SYSTEM of %s: %s", o.table,
      table.concat(rows, ", "), table.concat(systems, ", "), command)
  end
  local files
  files, message = M.draw(given.out .. "/figure6.png", data)
  if files and #missing > 0 then
    message = string.format("figure6 does without %s; this makes one: %s",
      table.concat(missing, ", "), command)
  end
  return files, message
end

return M
