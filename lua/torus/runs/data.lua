--- The data of a run: where they are, and whether they are those that it was trained on.
--
-- A run on files records their path as it was given (`data`), the absolute one (`data_path`)
-- and their fingerprint (`data_hash`). It finds its data again from any folder, and notices if
-- they have changed. Simulated data follow from the configuration and need no record.
-- @module torus.runs.data
local files = require "torus.files"
local fingerprint = require "torus.data.fingerprint"
local lfs = require "lfs"
local options = require "torus.options"
local signature = require "torus.signature"
local tasks = require "torus.tasks"

local M = {}

local function without_dot(path) return (path:gsub("^%./+", "")) end

local function absolute(path)
  if path:sub(1, 1) == "/" then return path end
  return lfs.currentdir() .. "/" .. without_dot(path)
end

-- Of several paths the first with a fingerprint or, if there is none, the first that exists; and
-- its fingerprint, which what cannot be read has none of.
local function choose(paths, wanted)
  local path, hash
  for _, candidate in ipairs(paths) do
    if files.exists(candidate) then
      local found = fingerprint.of(candidate)
      if not wanted or found == wanted then return candidate, found end
      if not path then path, hash = candidate, found end
    end
  end
  return path, hash
end

--- Finds data: at a path or, if they are not there, where they were when a run recorded them.
-- @tparam string data their path
-- @tparam[opt] table record data_path and data_hash of a run that was trained on them
-- @treturn ?{[string]=string} data, the path to open; and the record's data_path and data_hash
-- @treturn ?string message
-- @usage
-- run_data = require "torus.runs.data"
-- assert(torus.files.write("states.csv", "t,q,p\n0,1,0\n"))
-- print(assert(run_data.find("states.csv")).data_hash)   -- ... of 12 bytes
function M.find(data, record)
  record = record or {}
  local path, hash = choose({ data, record.data_path }, record.data_hash)
  if path then return { data = path, data_path = absolute(path), data_hash = hash } end
  return nil, string.format("%s: No such file or folder%s%s", data,
    record.data_path and record.data_path ~= data and ", nor is there " .. record.data_path or "",
    next(record) and "; if the data have moved, name their path (--data PATH)" or "")
end

-- What a configuration records of its data, without a path that belongs to other data than those
-- it names: a program may have changed them.
local function record_of(config)
  local tail, path = "/" .. without_dot(config.data), config.data_path or ""
  local fits = path == config.data or path:sub(-#tail) == tail
  return { data_path = fits and config.data_path or nil, data_hash = config.data_hash }
end

--- Returns a message if data are not those that a run was trained on, or nil. A run that is older
-- than this record accepts any.
-- @tparam {[string]=string} found as returned by find
-- @tparam table record of the run
-- @treturn ?string
-- @usage
-- run_data = require "torus.runs.data"
-- print(run_data.changed({ data = "a.csv", data_hash = "1" }, { data_hash = "2" }))
function M.changed(found, record)
  if not record.data_hash or found.data_hash == record.data_hash then return nil end
  return string.format("%s is not what the run was trained on: expected data with the hash %s, "
    .. "got %s", found.data, record.data_hash, found.data_hash or "none")
end

local OPEN = { data = { type = "path" } }

--- Opens the data of a run.
-- @function torus.runs.open_data
-- @tparam table config of the run, as returned by torus.runs.open
-- @tparam[opt] table opts
-- @tparam[opt] string opts.data path of the data, if they have moved, or of others
-- @treturn ?table
-- @treturn table|string the configuration with the path that was opened, or the message
-- @treturn ?string a sentence for the user, if these are not the data of the training
-- @raise for an unknown model
-- @usage
-- config = assert(torus.runs.configuration.make("small", { model = "hnn",
--   system = "mass_spring", trajectories = 4, width = 8, steps = 3 }))
-- assert(torus.runs.train("runs/mine", config))
-- model, config = torus.runs.open("runs/mine")
-- data = assert(torus.runs.open_data(config))
-- print(data.train.size > 0)   -- true
function M.open_data(config, opts)
  local o = options.resolve("runs.open_data", opts, OPEN)
  local note, found, data
  local task, message = tasks.get(config.model or tasks.default)
  if not task then options.raise("runs.open_data: config: %s", message) end
  if o.data and not config.data then
    return nil, string.format("data: expected a run on data of its own, got one on %s",
      tasks.subject(config))
  end
  if config.data then
    -- A path that is given is the one that is meant.
    found, message = M.find(o.data or config.data, not o.data and record_of(config) or nil)
    if not found then return nil, message end
    note = M.changed(found, config)
    config = options.joined(config, { data = found.data })
  end
  data, message = task.open_data(config)
  if not data then return nil, message end
  return data, config, note
end

signature.functions("runs", M, { open_data = "config: table, opts?: table" })

return M
