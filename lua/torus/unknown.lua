--- Messages about unknown names: reading one raises at once, as a nil would only fail later,
-- far from the cause.
-- @module torus.unknown
local elsewhere = require "torus.elsewhere"
local options = require "torus.options"

local M = {}

-- Raises for a key that is not a name of some tables. owner: that of elsewhere.hint.
local function refuse(lacks, owner, key, ...)
  local names = {}
  for _, known in ipairs { ... } do
    for name in pairs(known) do
      name = tostring(name)
      if not name:find "^_" then names[#names + 1] = name end
    end
  end
  options.raise("%s %s%s", lacks, options.show(key),
    elsewhere.hint(owner, key) or options.did_you_mean(key, names))
end

--- Returns an `__index` that raises for every string.
-- @tparam string noun what has no such name
-- @tparam ?{[string]=any} known names that are not in the table itself
-- @treturn function
-- @usage
-- unknown = require "torus.unknown"
-- box = setmetatable({ width = 2 }, { __index = unknown.index("a box") })
-- print(pcall(function() return box.widht end))   -- a box has no "widht", did you mean "width"?
function M.index(noun, known)
  return function(t, key)
    if type(key) ~= "string" then return nil end
    refuse(noun .. " has no", noun:match "%w+$", key, t, known or {})
  end
end

-- True for what a file returned, but not for a class: objects lack some of their fields.
local function is_module(value)
  if type(value) ~= "table" or rawget(value, "__index") ~= nil then return false end
  for name, loaded in pairs(package.loaded) do
    if loaded == value then return name:find "^torus%." ~= nil end
  end
  return false
end

--- Makes a module, and those that it holds, raise for unknown names.
-- @tparam string name of the module, for messages
-- @tparam table module which may load parts of its own on first use
-- @usage
-- unknown = require "torus.unknown"
-- numbers = { one = 1 }
-- unknown.guard("numbers", numbers)
-- print(pcall(function() return numbers.oen end))   -- numbers has no "oen", ...
function M.guard(name, module)
  local meta = getmetatable(module) or {}
  if meta.guarded then return end
  local load, raise = meta.__index, M.index(name, meta.__parts)
  if load ~= nil and type(load) ~= "function" then return end
  local function guard_part(key, value)
    if is_module(value) then M.guard(name .. "." .. key, value) end
  end
  for key, value in pairs(module) do guard_part(key, value) end
  meta.guarded = true
  meta.__index = load and function(t, key)
    local value = load(t, key)
    if value == nil then return raise(t, key) end
    guard_part(key, value)
    return value
  end or raise
  setmetatable(module, meta)
end

local guarded = setmetatable({}, { __mode = "k" }) -- the classes passed to `fields`

--- True for an object of a class whose objects raise for unknown names.
-- @tparam any value
-- @treturn boolean
-- @usage
-- unknown = require "torus.unknown"
-- print(unknown.is_guarded(torus.systems.pendulum))   -- true
function M.is_guarded(value) return guarded[getmetatable(value) or false] == true end

--- Makes the objects of a class raise for unknown names.
-- @tparam string noun for messages: "an optimiser"
-- @tparam table class the metatable of its objects, without a metatable of its own
-- @tparam {string,...} optional fields that some of them lack
-- @tparam[opt] string owner that of `elsewhere.hint`
-- @usage
-- unknown = require "torus.unknown"
-- Dog = { bark = function() return "woof" end }
-- Dog.__index = Dog
-- unknown.fields("a dog", Dog, { "owner" })
-- rex = setmetatable({}, Dog)
-- print(rex.owner, pcall(function() return rex:brak() end))   -- nil, and a message
function M.fields(noun, class, optional, owner)
  guarded[class] = true
  local absent, lacks = {}, noun .. " has no field or method"
  for _, name in ipairs(optional) do absent[name] = true end
  setmetatable(class, { __index = function(_, key)
    -- Programs look for metamethods in a metatable as in any table.
    if type(key) ~= "string" or absent[key] or key:find "^__" then return nil end
    refuse(lacks, owner, key, class, absent)
  end })
end

-- Methods with shorter names are too similar to names that a class may give its fields.
local MIN_LETTERS, MAX_WRONG = 9, 2

local function is_misspelt(key, methods)
  for name, value in pairs(methods) do
    if type(value) == "function" and #name >= MIN_LETTERS and name:sub(1, #key) ~= key
      and not key:find(name, 1, true) and options.distance(key, name) <= MAX_WRONG then
      return true
    end
  end
  return false
end

--- Makes the objects of a class raise for other libraries' names and for misspelt methods.
-- Any other absent field is nil: classes derived from it may have optional ones.
-- @tparam string noun for messages: "a module"
-- @tparam table class the base class, without a metatable of its own
-- @tparam string owner that of `elsewhere.hint`
-- @usage
-- unknown = require "torus.unknown"
-- Cat = { stretch_out = function() return "meow" end }
-- Cat.__index = Cat
-- unknown.methods("a cat", Cat, "module")
-- tom = setmetatable({}, Cat)
-- print(tom.owner, pcall(function() return tom:strech_out() end))   -- nil, and a message
function M.methods(noun, class, owner)
  local lacks, wrong = noun .. " has no method", {} -- by key
  setmetatable(class, { __index = function(_, key)
    if type(key) ~= "string" then return nil end
    if wrong[key] == nil then
      wrong[key] = elsewhere.hint(owner, key) ~= nil or is_misspelt(key, class)
    end
    if wrong[key] then refuse(lacks, owner, key, class) end
  end })
end

return M
