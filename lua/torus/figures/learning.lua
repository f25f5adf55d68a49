--- Learning curves of runs of any model: columns of their log.csv by training step, a panel
-- for each column and a line for each run.
-- @module torus.figures.learning
local files = require "torus.files"
local lists = require "torus.tasks.lists"
local log = require "torus.runs.log"
local options = require "torus.options"
local plot = require "torus.plot"
local settings = require "torus.figures.settings"

local M = {}

M.what = "learning curves: columns of runs' log.csv by training step "
  .. "(--set runs=DIR,DIR, columns=test_mse,gradient)"

local RULES = {
  runs = { required = true, type = "string" },
  columns = { type = "string" },
}

-- The first of these that a log has is drawn if no column is named.
local USUAL = { "test_mse", "test_loss", "test_elbo", "loss" }

local function parts(text)
  local list = {}
  for part in text:gmatch("[^,]+") do list[#list + 1] = part end
  return list
end

local function contains(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

-- The logs of run folders, each with a label: {columns =, rows =, label =, path =}.
local function read_logs(paths)
  local logs = {}
  for i, path in ipairs(paths) do
    local file = path .. "/log.csv"
    if not files.exists(file) then
      return nil, string.format("figure learning: runs: expected folders of runs, found no "
        .. "log.csv in %s", path)
    end
    local one, message = log.read(file)
    if not one then return nil, message end
    one.path, one.label = path, path:gsub("/+$", ""):match("[^/]+$") or path
    logs[i] = one
  end
  return logs
end

local function columns_of(logs, text)
  if text then return parts(text) end
  for _, name in ipairs(USUAL) do
    if contains(logs[1].columns, name) then return { name } end
  end
  return { logs[1].columns[2] }
end

--- Returns one line of a panel: the steps at which a log has a value of a column.
-- @tparam table one log, as torus.runs.log.read returns it, with a label
-- @tparam string column
-- @treturn table x and y, lists of numbers, and label
-- @usage
-- learning = require "torus.figures.learning"
-- line = learning.line({ label = "a", rows = { { step = 1, loss = 2 }, { step = 2 } } }, "loss")
-- print(#line.x, line.y[1])   -- 1 2
function M.line(one, column)
  local x, y = lists.column(one.rows, column)
  return { x = x, y = y, label = one.label }
end

local function is_positive(series)
  for _, line in ipairs(series) do
    for _, value in ipairs(line.y) do
      if value <= 0 then return false end
    end
  end
  return true
end

-- A round spacing of four to ten tick labels: those of 10,000 steps would overlap.
local function spacing(series)
  local last = 1
  for _, line in ipairs(series) do last = math.max(last, line.x[#line.x]) end
  local unit = 10.0 ^ math.floor(math.log(last, 10) + 1e-9)
  local count = last / unit
  return count > 4 and unit or count > 2 and unit / 2 or unit / 4
end

-- Frequent rows are a line, the rare ones of held-out data have points.
local MANY = 60

local function panel(logs, column)
  local series = {}
  for _, one in ipairs(logs) do
    if not contains(one.columns, column) then
      return nil, string.format("figure learning: columns: %s",
        options.unknown("column of " .. one.path, column, one.columns))
    end
    local line = M.line(one, column)
    line.style = #line.x < MANY and "linespoints" or nil
    line.width = 1.5
    if #line.x > 0 then series[#series + 1] = line end
  end
  if #series == 0 then
    return nil, string.format("figure learning: columns: no run has a value of %s yet", column)
  end
  return { title = column, xlabel = "training step", ylabel = column, series = series,
    log = is_positive(series) and "y" or nil, xtics = math.max(1, spacing(series)),
    legend = #logs > 1 and "below" or nil }
end

--- Returns the panels of the figure for torus.plot.figure.
-- @tparam table given settings: runs, folders separated by commas, and columns, names
-- separated by commas; by default the error on held-out data
-- @treturn ?{table,...} one for each column: title, axes, and series with a line for each run
-- @treturn ?string message
-- @usage
-- learning = require "torus.figures.learning"
-- print(learning.panels { runs = "nowhere" })   -- nil and a message
function M.panels(given)
  local set, message = settings.resolve("figure learning", given, RULES)
  if not set then return nil, message end
  local logs
  logs, message = read_logs(parts(set.runs))
  if not logs then return nil, message end
  local panels = {}
  for i, column in ipairs(columns_of(logs, set.columns)) do
    panels[i], message = panel(logs, column)
    if not panels[i] then return nil, message end
  end
  return panels
end

--- Draws learning.png.
-- @tparam table o out, a folder; settings as in panels
-- @treturn ?{string,...} the file
-- @treturn ?string message
function M.make(o)
  local panels, message = M.panels(o.settings)
  if not panels then return nil, message end
  local path = o.out .. "/learning.png"
  local ok
  ok, message = plot.figure { path = path, columns = math.min(2, #panels), height = 420,
    panels = panels }
  if not ok then return nil, message end
  return { path }
end

return M
