--- Deep copies of modules, for Module:copy.
-- @module torus.nn.duplicate
local engine = require "torus.engine"
local options = require "torus.options"
local unknown = require "torus.unknown"

local M = {}

local function copied_tensor(x)
  if not options.is_live(x) then return x end
  local y = x:detach():copy()
  if x.requires_grad and x.is_leaf then y.requires_grad = true end
  return y
end

-- Classes, and what files return, belong to nobody; systems, data sets and optimisers, not to the
-- module.
local function is_shared(value)
  if rawget(value, "__index") ~= nil or unknown.is_guarded(value) then return true end
  for _, loaded in pairs(package.loaded) do
    if loaded == value then return true end
  end
  return false
end

-- done: the copies of tables and tensors, so that what was shared inside the module still is.
-- modules: those of the copies that are modules, with their originals.
local function duplicate(value, done, modules)
  if done[value] ~= nil then return done[value] end
  if engine.is_tensor(value) then
    done[value] = copied_tensor(value)
    return done[value]
  elseif type(value) ~= "table" or is_shared(value) then
    return value
  end
  local meta, copy = getmetatable(value), {}
  done[value] = copy
  for key, entry in next, value do rawset(copy, key, duplicate(entry, done, modules)) end
  if type(meta) == "table" then
    setmetatable(copy, meta)
    if rawget(meta, "is_module") then modules[#modules + 1] = { copy, value } end
  end
  return copy
end

-- True for a tensor, and for a table with one: constants may be shared.
local function holds_tensor(value, seen)
  if engine.is_tensor(value) then return true end
  if type(value) ~= "table" or seen[value] then return false end
  seen[value] = true
  for _, entry in next, value do
    if holds_tensor(entry, seen) then return true end
  end
  return false
end

local captured

-- What was copied of a value that a function refers to: the value, or what a table holds that
-- was not copied itself.
local function copied_of(value, done, seen)
  if type(value) == "function" then return captured(value, done, seen) end
  if value == nil or value == _G then return nil end
  if done[value] ~= nil then return holds_tensor(value, {}) and value or nil end
  if type(value) ~= "table" or seen[value] or is_shared(value) then return nil end
  seen[value] = true
  for _, entry in next, value do
    local found = copied_of(entry, done, seen)
    if found then return found end
  end
end

-- What a function refers to, directly or through other functions and tables, that was copied.
function captured(f, done, seen)
  if seen[f] then return nil end
  seen[f] = true
  for i = 1, math.huge do
    local name, value = debug.getupvalue(f, i)
    if not name then return nil end
    local found = copied_of(value, done, seen)
    if found then return found end
  end
end

-- A function that refers to the original would make the copy depend on it.
local function check_functions(value, done, seen)
  if type(value) ~= "table" or seen[value] or is_shared(value) then return end
  seen[value] = true
  for key, entry in next, value do
    if type(entry) == "function" then
      local found = captured(entry, done, seen)
      if found then
        options.raise("Module:copy: expected functions that do not refer to the module, got %s "
          .. "as %s, which refers to its %s; define copy_rest to replace it in the copy",
          options.show(entry), tostring(key), options.show(found))
      end
    else
      check_functions(entry, done, seen)
    end
  end
end

--- Returns a deep copy of a module.
-- @tparam Module module
-- @treturn Module
-- @raise for a function that refers to the module
-- @usage
-- duplicate = require "torus.nn.duplicate"
-- print(duplicate.of(torus.nn.Linear(2, 3)))   -- Linear(2, 3)
function M.of(module)
  local done, modules = {}, {}
  local copy = duplicate(module, done, modules)
  for _, pair in ipairs(modules) do pair[1]:copy_rest(pair[2]) end
  check_functions(copy, done, {})
  return copy
end

return M
