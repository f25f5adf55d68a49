--- Data sets on disk: a folder with train.safetensors and test.safetensors. Each contains
-- the tensor `states` (n, steps + 1, 2, d) float32, the observed states, with noise also
-- `clean`, the noise-free ones, and physics and seed as metadata; if constants differ
-- between trajectories, also `constants` (n, varying constants) float64, with their names
-- as metadata.
-- @module torus.data.store
local core = require "torus.core"
local lfs = require "lfs"
local lock = require "torus.lock"
local options = require "torus.options"
local safetensors = require "torus.safetensors"

local M = {}

local FORMAT, VERSION = "torus.trajectories", "1"
local SPLITS = { "train", "test" }

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- The two files of a set are replaced as one: they are written into the folder
-- WRITING, which is renamed to COMMITTED, and from there they replace those of an
-- earlier set. Until that is done, the files in COMMITTED are the valid ones.
local WRITING, COMMITTED = "/.set-being-written", "/.set-committed"

local function name_of(split) return "/" .. split .. ".safetensors" end

local function path_of(folder, split)
  local committed = folder .. COMMITTED .. name_of(split)
  return exists(committed) and committed or folder .. name_of(split)
end

local function metadata_of(set, split)
  local metadata = { format = FORMAT, version = VERSION, split = split,
    system = set.system.name, seed = string.format("%d", set.seed),
    dt = string.format("%.17g", set.dt),
    noise = string.format("%.17g", set.noise) }
  local varying = {}
  for _, name in ipairs(set.system.varying or {}) do varying[name] = true end
  for key, value in pairs(set.system.constants) do
    if not varying[key] then
      metadata["constant " .. key] = string.format("%.17g", value)
    end
  end
  metadata.varying = set.system.varying
    and table.concat(set.system.varying, ",") or nil
  return metadata
end

-- --- what is in a file ----------------------------------------------------------

local function number_of(metadata, key)
  local value = tonumber(metadata[key])
  if not value or value ~= value then
    return nil, string.format("%s: expected a number, got %s", key,
      options.show(metadata[key]))
  end
  return value
end

local function parameters_of(metadata)
  if metadata.format ~= FORMAT then
    return nil, string.format("expected trajectories of torus (format %q), got "
      .. "%s", FORMAT, metadata.format and options.show(metadata.format)
      or "a file without a format entry")
  end
  if metadata.version ~= VERSION then
    return nil, string.format("version: expected %q, got %s", VERSION,
      options.show(metadata.version))
  end
  local o = { system = metadata.system, constants = {},
    varying = metadata.varying }
  for _, key in ipairs { "seed", "dt", "noise" } do
    local value, message = number_of(metadata, key)
    if not value then return nil, message end
    o[key] = value
  end
  local seed = math.tointeger(o.seed)
  if not seed then
    return nil, string.format("seed: expected an integer, got %s", o.seed)
  end
  if o.dt == 0 then return nil, "dt: expected a number other than 0, got 0" end
  if o.noise < 0 then
    return nil, string.format("noise: expected at least 0, got %s", o.noise)
  end
  o.seed = seed
  for key in pairs(metadata) do
    local name = key:match("^constant (.+)$")
    if name then
      local value, message = number_of(metadata, key)
      if not value then return nil, message end
      o.constants[name] = value
    end
  end
  return o
end

local shape_text = options.shape_text

-- The states of a file, checked against each other.
local function states_of(tensors)
  local states = tensors.states
  if not states then return nil, "its tensor \"states\" is missing" end
  local clean = tensors.clean or states
  if states.dtype ~= "float32" or states:dim() ~= 4 or states:size(3) ~= 2
    or states:size(2) < 2 then
    return nil, "states: expected a tensor (n,steps + 1,2,d) float32, got a "
      .. "tensor " .. shape_text(states) .. " " .. states.dtype
  end
  if clean.dtype ~= "float32" or shape_text(clean) ~= shape_text(states) then
    return nil, "clean: expected a tensor " .. shape_text(states)
      .. " float32, like states, got a tensor " .. shape_text(clean) .. " "
      .. clean.dtype
  end
  return states, clean
end

-- The constants of the trajectories, nil if none vary, or false and a message.
local function constants_of(tensors, o)
  local own = tensors.constants
  if not o.varying then return nil end
  local _, commas = o.varying:gsub(",", "")
  local wanted = { tensors.states:size(1), commas + 1 }
  if own and own.dtype == "float64"
    and shape_text(own) == shape_text(wanted) then
    return own
  end
  return false, string.format("constants: expected a tensor %s float64, of %s, "
    .. "got %s", shape_text(wanted), o.varying, own and "a tensor "
    .. shape_text(own) .. " " .. own.dtype or "none")
end

local function same(a, b)
  for _, key in ipairs { "system", "seed", "dt", "noise", "varying", "steps" } do
    if a[key] ~= b[key] then return false, key end
  end
  for key, value in pairs(a.constants) do
    if b.constants[key] ~= value then return false, key end
  end
  return true
end

-- A parameter or a constant in a message.
local function shown(o, key)
  return options.show(o[key] == nil and o.constants[key] or o[key])
end

-- --- folders --------------------------------------------------------------------

-- Rounding that may differ between processors.
local ROUNDING = 1e-4

-- What differs between a set and a stored one, "seed: 0 there, 1 here", or nil.
local function difference(set, stored)
  local o = parameters_of(metadata_of(set, "train"))
  o.steps = set.train.noisy:size(2) - 1
  local equal, key = same(stored, o)
  if not equal then
    return ("%s: %s there, %s here"):format(key, shown(stored, key), shown(o, key))
  end
  for _, name in ipairs(SPLITS) do
    local old, new = stored[name].noisy, set[name].noisy
    if old:size(1) ~= new:size(1) then
      return ("%s: %d trajectories there, %d here"):format(name, old:size(1), new:size(1))
    end
    local largest = (old - new):abs():max():item()
    if not (largest <= ROUNDING * (1 + new:abs():max():item())) then
      return "other states, so another definition of the system"
    end
  end
end

-- Only a set of the same system is replaced and, unless `replace`, only by an equal one.
local function may_replace(set, folder, replace)
  for _, name in ipairs(SPLITS) do
    local path = path_of(folder, name)
    if exists(path) then
      local tensors, metadata = safetensors.load(path)
      local o, message = nil, metadata
      if tensors then o, message = parameters_of(metadata) end
      if not o then
        return nil, string.format("cannot replace %s, which is not a data set: %s",
          path, message)
      end
      if o.system ~= set.system.name then
        return nil, string.format("cannot replace the data of %s in %s with data "
          .. "of %s: remove them, or choose another folder", o.system, folder,
          set.system.name)
      end
    end
  end
  local stored = not replace and M.load(folder)
  local differs = stored and difference(set, stored)
  if not differs then return true end
  return nil, string.format("cannot replace the data of %s in %s with others (%s): remove them, "
    .. "or choose another folder", stored.system, folder, differs)
end

-- Moves a committed set, if there is one, to its final place.
local function finish(folder)
  local from = folder .. COMMITTED
  for _, split in ipairs(SPLITS) do
    if exists(from .. name_of(split)) then
      local ok, message = os.rename(from .. name_of(split),
        folder .. name_of(split))
      if not ok then return nil, message end
    end
  end
  core.flush_folder(folder)
  core.remove_temporary(from)
  return true
end

local function write(set, folder)
  for _, name in ipairs(SPLITS) do
    local split = set[name]
    local tensors = { states = split.noisy, constants = split.constants }
    if split.clean_states ~= split.noisy and set.noise > 0 then
      tensors.clean = split.clean_states
    end
    local ok, message = safetensors.save(folder .. name_of(name), tensors,
      metadata_of(set, name))
    if not ok then return nil, message end
  end
  return true
end

-- The folder must be locked by this process.
local function write_over(set, folder, replace)
  local ok, message = may_replace(set, folder, replace)
  if not ok then return nil, message end
  ok, message = finish(folder)
  if not ok then return nil, message end
  -- The remains of a writer that was killed.
  core.remove_temporary(folder .. WRITING)
  ok, message = lfs.mkdir(folder .. WRITING)
  if not ok then
    return nil, string.format("cannot create folder %s: %s", folder .. WRITING,
      message)
  end
  ok, message = write(set, folder .. WRITING)
  if not ok then
    core.remove_temporary(folder .. WRITING)
    return nil, message
  end
  ok, message = os.rename(folder .. WRITING, folder .. COMMITTED)
  if not ok then return nil, message end
  core.flush_folder(folder)
  return finish(folder)
end

--- Saves a set. An existing one of the same system is replaced, either both files or none.
-- @tparam Dataset set of states
-- @tparam string folder an existing folder
-- @tparam boolean replace false keeps an existing set that differs, and returns a message
-- @treturn ?boolean true
-- @treturn ?string message, for example if another process is using the folder
-- @usage
-- store = require "torus.data.store"
-- set = torus.data.simulate("pendulum", { train = 4, test = 2 })
-- print(store.save(set, "/no/such/folder", true))   -- nil and a message
function M.save(set, folder, replace)
  local ok, message = lock.hold(folder, write_over, set, folder, replace)
  return ok, message
end

--- Returns true if a folder contains a data set.
-- @tparam string folder
-- @treturn boolean
-- @usage
-- print(require("torus.data.store").exists("/no/such/folder"))   -- false
function M.exists(folder) return exists(path_of(folder, "train")) end

--- Returns the paths of the two files of a set.
-- @tparam string folder that contains one
-- @treturn {string,...} of the training and of the test part
-- @usage
-- print(require("torus.data.store").paths("data")[1])   -- data/train.safetensors
function M.paths(folder)
  local paths = {}
  for i, name in ipairs(SPLITS) do paths[i] = path_of(folder, name) end
  return paths
end

--- Reads a set.
-- @tparam string folder
-- @treturn ?table system (its name), constants, seed, dt, noise, steps, varying (the
-- names of constants that vary, joined by commas, or nil), and for train and test
-- {noisy =, clean =, constants =}, tensors (n, steps + 1, 2, d) and, or nil,
-- (n, varying constants)
-- @treturn ?string message
-- @usage
-- print(require("torus.data.store").load("/no/such/folder"))   -- nil, message
function M.load(folder)
  local found
  for _, name in ipairs(SPLITS) do
    local path = path_of(folder, name)
    local tensors, metadata = safetensors.load(path)
    if not tensors then return nil, metadata end
    local o, message = parameters_of(metadata)
    if not o then return nil, path .. ": " .. message end
    local states, clean = states_of(tensors)
    if not states then return nil, path .. ": " .. clean end
    o.steps = states:size(2) - 1
    local equal, key = same(found or o, o)
    if not equal then
      return nil, string.format("%s: %s: expected %s, as in train, got %s", path,
        key, shown(found, key), shown(o, key))
    end
    found = found or o
    local own
    own, message = constants_of(tensors, o)
    if own == false then return nil, path .. ": " .. message end
    found[name] = { noisy = states, clean = clean, constants = own }
  end
  return found
end

return M
