--- Export of a run's results as files for other programs.
-- @module torus.runs.export
local csv = require "torus.csv"
local configuration = require "torus.runs.configuration"
local engine = require "torus.engine"
local files = require "torus.files"
local npy = require "torus.npy"
local options = require "torus.options"
local run = require "torus.runs.run"
local run_data = require "torus.runs.data"
local safetensors = require "torus.safetensors"
local tasks = require "torus.tasks"

local M = {}

local RULES = {
  out = { type = "path" },
  count = { type = "integer", min = 1 },
  steps = { type = "integer", min = 1 },
  seed = { default = 1, type = "integer", min = 0 },
  format = { default = "npy", choices = { "npy", "csv" } },
  points = { type = "path" },
  data = { type = "path" },
  weights_only = { default = false, type = "boolean" },
}

-- Arrays with more dimensions are images, which don't belong in a table.
local MAX_TABLE_DIMENSIONS = 3

-- Writes a row for each index of all dimensions but the last, given by columns i, j which
-- count from 0, as in most programs that read such tables.
local function save_csv(path, name, x)
  if not x.dtype:find("^float") then x = x:to("float64") end
  if x:dim() == 1 then x = x:unsqueeze(2) end
  local shape, columns, header = x.shape, {}, {}
  local leading = table.move(shape, 1, #shape - 1, 1, {})
  for i, n in ipairs(leading) do
    local sizes = {}
    for k = 1, #leading do sizes[k] = k == i and n or 1 end
    columns[i] = engine.arange(0, n - 1, { dtype = x.dtype }):reshape(sizes)
      :expand(leading):reshape(-1, 1)
    header[i] = ({ "i", "j" })[i]
  end
  for k = 1, shape[#shape] do
    header[#header + 1] = shape[#shape] == 1 and name or name .. k
  end
  columns[#columns + 1] = x:reshape(-1, shape[#shape])
  return csv.save(path, engine.cat(columns, 2), { header = header })
end

local function is_table(x, format) return format == "csv" and x:dim() <= MAX_TABLE_DIMENSIONS end

local function path_of(folder, name, x, format)
  return folder .. "/" .. name .. (is_table(x, format) and ".csv" or ".npy")
end

local function save(folder, name, x, format)
  local path = path_of(folder, name, x, format)
  local ok, message
  if is_table(x, format) then
    ok, message = save_csv(path, name, x)
  else
    ok, message = npy.save(path, x)
  end
  if not ok then return nil, message end
  return path
end

local function save_weights(folder, model, config, step)
  local path = folder .. "/weights.safetensors"
  local ok, message = safetensors.save(path, model:named(), { model = config.model,
    step = tostring(step), config = configuration.encode(config) })
  if not ok then return nil, message end
  return path
end

-- True if a folder holds an earlier export, whose files may be replaced.
local function is_export(folder)
  local _, metadata = safetensors.load(folder .. "/weights.safetensors")
  return type(metadata) == "table" and metadata.config ~= nil
end

-- The path of the first file that an export would replace, or nil.
local function first_existing(folder, list, format)
  if files.exists(folder .. "/weights.safetensors") then return folder .. "/weights.safetensors" end
  for _, entry in ipairs(list) do
    local path = path_of(folder, entry[1], entry[2], format)
    if files.exists(path) then return path end
  end
end

-- The points of a file, (n, d), or nil and a message.
local function points_of(path, task, model, config)
  if not task.points then
    return nil, string.format("points: expected a run of %s, got a run of %s",
      table.concat(tasks.having "points", " or "), config.model)
  end
  local load = path:find("%.csv$") and csv.load or npy.load
  local x, message = load(path)
  if not x then return nil, message end
  if x:dim() == 1 then x = x:reshape(-1, 1) end
  local d = model.config.dimension
  if x:dim() ~= 2 or x:size(1) == 0 or x:size(2) ~= d then
    return nil, string.format("points: expected an array of shape (n, %d), got %s with %s",
      d, path, options.shape_text(x))
  end
  return x
end

-- Arrays by name, sorted, and the note about the data.
local function arrays_of(task, model, config, o)
  if o.weights_only or not task.arrays then return {} end
  local data, used, note = run_data.open_data(config, { data = o.data })
  if not data then return nil, used end
  local list, points = {}, nil
  if o.points then
    local message
    points, message = points_of(o.points, task, model, config)
    if not points then return nil, message end
  end
  for name, x in pairs(task.arrays(model, data, used,
    { count = o.count, steps = o.steps, seed = o.seed, points = points })) do
    if x then list[#list + 1] = { name, x } end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list, note
end

--- Exports the weights of a run's model as safetensors, without the optimiser's state, and
-- the model's predictions as arrays: for HGN and PixelHNN test frames, predicted frames,
-- states, energies and samples; for HNN and SympNet rollouts and energies; for NHF samples
-- and densities.
-- @function torus.runs.export
-- @tparam string path of the run folder, or of a checkpoint
-- @tparam[opt] table opts
-- @tparam[opt] string opts.out output folder, by default `export` in the run folder
-- @tparam[opt] integer opts.count number of sequences, trajectories or samples; 16 by
-- default, or 1,000 samples of a density
-- @tparam[opt] integer opts.steps number of steps of rollouts; by default as in the data
-- @tparam[opt=1] integer opts.seed seed of the samples
-- @tparam[opt] string opts.points a .npy or .csv file of points (n, d): for a flow, exports
-- the log-densities and their bounds at these points, instead of samples
-- @tparam[opt="npy"] string opts.format "csv" writes all arrays of at most three dimensions
-- as tables
-- @tparam[opt=false] boolean opts.weights_only exports only the weights, which needs no data
-- @tparam[opt] string opts.data path of the run's data, if they have moved, or of others
-- @treturn[1] {string,...} the files
-- @treturn[1] ?string a sentence for the user, if the data are not those of the training
-- @treturn[2] nil
-- @treturn[2] string message
-- @usage
-- config = assert(torus.runs.configuration.make("small", { model = "hnn",
--   system = "mass_spring", trajectories = 4, width = 8, steps = 3 }))
-- assert(torus.runs.train("runs/mine", config))
-- for _, path in ipairs(assert(torus.runs.export("runs/mine"))) do print(path) end
function M.export(path, opts)
  local o = options.resolve("runs.export", opts, RULES)
  local model, config, step = run.open(path)
  if not model then return nil, config end
  local folder = o.out
    or (path:match("^(.*)/[^/]*%.safetensors$") or path:match("%.safetensors$") and "."
      or path) .. "/export"
  local list, note = arrays_of(tasks.get(config.model), model, config, o)
  if not list then return nil, note end
  local ok, message = files.make_folder(folder)
  if not ok then return nil, message end
  message = not is_export(folder) and first_existing(folder, list, o.format)
  if message then
    return nil, ("%s exists and is not of an export: choose another folder (out)"):format(message)
  end
  local written = {}
  written[1], message = save_weights(folder, model, config, step)
  if not written[1] then return nil, message end
  for _, entry in ipairs(list) do
    local file
    file, message = save(folder, entry[1], entry[2], o.format)
    if not file then return nil, message end
    written[#written + 1] = file
  end
  return written, note
end

return M
