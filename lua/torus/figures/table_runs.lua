--- The runs of Table 1 that figures are drawn from: a folder written by scripts/table1.lua,
-- with a run folder ROW-SYSTEM for each cell.
-- @module torus.figures.table_runs
local cells = require "torus.experiments.cells"
local files = require "torus.files"
local tasks = require "torus.tasks"
local run = require "torus.runs.run"
local table1 = require "torus.experiments.table1"

local M = {}

--- The names of the paper's rows, what they are called in pictures, and the names of all
-- rows with an HGN.
M.rows, M.labels, M.hgn_rows = {}, {}, {}
local former = {}
for _, row in ipairs(table1.rows()) do
  former[row.name] = row.former
  if row.model == "hgn" then M.hgn_rows[#M.hgn_rows + 1] = row.name end
  if not row.more then
    M.rows[#M.rows + 1], M.labels[row.name] = row.name, row.title
  end
end

--- The table's columns, and a system's name in pictures.
M.systems, M.title = table1.systems, table1.title

--- The option of a figure that names the folder.
M.rule = { default = "runs/table1-quick", type = "path" }

local function path_of(table_, row, system)
  return cells.path(table_, { name = row .. "-" .. system,
    former = former[row] and former[row] .. "-" .. system })
end

--- Returns the command that trains a cell.
-- @tparam string table_ folder of the table
-- @tparam string row or a placeholder
-- @tparam string system or a placeholder
-- @treturn string
function M.command(table_, row, system)
  return string.format("scripts/torus table1 --out %s --only %s,%s",
    table_, row, system)
end

--- @tparam string table_ folder of the table
-- @tparam string row
-- @tparam string system
-- @treturn boolean whether the cell has a checkpoint
function M.exists(table_, row, system)
  return files.exists(path_of(table_, row, system)
    .. "/checkpoint.safetensors")
end

-- Only the sequences needed are simulated: the first ones of a data set do not depend on
-- how many there are.
local function open_data(config, count)
  local small = {}
  for key, value in pairs(config) do small[key] = value end
  if not config.data then
    small.train_size = math.min(count, config.train_size or count)
    small.test_size = math.min(count, config.test_size or count)
  end
  return tasks.get(config.model).open_data(small)
end

--- Opens a cell.
-- @tparam string table_ folder of the table
-- @tparam string row
-- @tparam string system
-- @tparam integer count number of sequences of its data
-- @treturn ?table row, label, system, model, config, data
-- @treturn ?string message, with the command that makes a missing cell
function M.open(table_, row, system, count)
  local path = path_of(table_, row, system)
  if not M.exists(table_, row, system) then
    return nil, string.format("expected a run in %s, found none; this makes it: "
      .. "%s", path, M.command(table_, row, system))
  end
  local model, config = run.open(path)
  if not model then return nil, config end
  local data, message = open_data(config, count)
  if not data then return nil, path .. ": " .. message end
  return { row = row, label = M.labels[row], system = system, model = model,
    config = config, data = data }
end

--- Reconstructs sequences of a cell's data with its model.
-- @tparam table cell
-- @tparam string split "train" or "test"
-- @tparam {integer,...} indices of the sequences
-- @tparam[opt=1] number speed factor of the model's time
-- @treturn tensor (batch, frames, height, width, 3) float32
-- @treturn table the rollout
function M.reconstruct(cell, split, indices, speed)
  local model = cell.model
  local observed = cell.data[split]:batch(indices):to(model.config.dtype)
  local predicted, trajectory = model:reconstruct(observed,
    { dt = model.frame_time * (speed or 1) })
  return predicted:to("float32"), trajectory
end

return M
