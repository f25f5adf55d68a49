--- Data sets on disk: a folder with train.safetensors and test.safetensors,
-- each with the tensor `states` (n, steps + 1, 2, d) float32, `clean` beside
-- it when there is noise, and the physics and seed as metadata.
-- @module torus.data.store
local options = require "torus.options"
local safetensors = require "torus.safetensors"

local M = {}

local FORMAT, VERSION = "torus.trajectories", "1"
local SPLITS = { "train", "test" }

local function path_of(folder, split)
  return folder .. "/" .. split .. ".safetensors"
end

local function metadata_of(set, split)
  local metadata = { format = FORMAT, version = VERSION, split = split,
    system = set.system.name, seed = string.format("%d", set.seed),
    dt = string.format("%.17g", set.dt),
    noise = string.format("%.17g", set.noise) }
  for key, value in pairs(set.system.constants) do
    metadata["constant " .. key] = string.format("%.17g", value)
  end
  return metadata
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- --- what is in a file ----------------------------------------------------------

local function number_of(metadata, key)
  local value = tonumber(metadata[key])
  if not value or value ~= value then
    return nil, string.format("%s is %q, expected a number", key,
      tostring(metadata[key]))
  end
  return value
end

local function parameters_of(metadata)
  if metadata.format ~= FORMAT then
    return nil, "it holds no trajectories of torus"
  end
  if metadata.version ~= VERSION then
    return nil, string.format("its version is %q, this program reads %s",
      tostring(metadata.version), VERSION)
  end
  local o = { system = metadata.system, constants = {} }
  for _, key in ipairs { "seed", "dt", "noise" } do
    local value, message = number_of(metadata, key)
    if not value then return nil, message end
    o[key] = value
  end
  if not math.tointeger(o.seed) or o.dt == 0 or o.noise < 0 then
    return nil, "its seed, dt or noise can't be"
  end
  o.seed = math.tointeger(o.seed)
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
  if not states then return nil, "it has no tensor 'states'" end
  local clean = tensors.clean or states
  if states.dtype ~= "float32" or states:dim() ~= 4 or states:size(3) ~= 2
    or states:size(2) < 2 then
    return nil, "expected states as float32 (n, steps + 1, 2, d), got "
      .. states.dtype .. " " .. shape_text(states)
  end
  if clean.dtype ~= "float32" or shape_text(clean) ~= shape_text(states) then
    return nil, "expected clean states like the others, got " .. clean.dtype
      .. " " .. shape_text(clean)
  end
  return states, clean
end

local function same(a, b)
  for _, key in ipairs { "system", "seed", "dt", "noise" } do
    if a[key] ~= b[key] then return false, key end
  end
  for key, value in pairs(a.constants) do
    if b.constants[key] ~= value then return false, key end
  end
  return true
end

-- --- folders --------------------------------------------------------------------

-- Only another set of the same system is written over.
local function may_replace(set, folder)
  for _, name in ipairs(SPLITS) do
    local path = path_of(folder, name)
    if exists(path) then
      local tensors, metadata = safetensors.load(path)
      local o, message = nil, metadata
      if tensors then o, message = parameters_of(metadata) end
      if not o then
        return nil, string.format("%s is in the way: %s", path, message)
      end
      if o.system ~= set.system.name then
        return nil, string.format("%s holds data of %s: remove them, or choose "
          .. "another folder", folder, o.system)
      end
    end
  end
  return true
end

--- Saves a set; one of the same system that is there is replaced.
-- @tparam table set a Dataset of states
-- @tparam string folder that exists
-- @treturn ?boolean true
-- @treturn ?string message
function M.save(set, folder)
  local ok, message = may_replace(set, folder)
  if not ok then return nil, message end
  for _, name in ipairs(SPLITS) do
    local split = set[name]
    local tensors = { states = split.noisy }
    if split.clean_states ~= split.noisy and set.noise > 0 then
      tensors.clean = split.clean_states
    end
    ok, message = safetensors.save(path_of(folder, name), tensors,
      metadata_of(set, name))
    if not ok then return nil, message end
  end
  return true
end

--- Whether a folder holds a data set.
-- @tparam string folder
-- @treturn boolean
function M.exists(folder) return exists(path_of(folder, "train")) end

--- @tparam string folder
-- @treturn ?table system (its name), constants, seed, dt, noise, and for
-- train and test {noisy=, clean=}
-- @treturn ?string message
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
    local equal, key = same(found or o, o)
    if not equal then
      return nil, string.format("%s: its %s is another than that of train",
        path, key)
    end
    found = found or o
    found[name] = { noisy = states, clean = clean }
  end
  return found
end

return M
