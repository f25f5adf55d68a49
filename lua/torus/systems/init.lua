--- Physical systems: the paper's four, two more, and the user's own.
--
--     local pendulum = torus.systems.pendulum
--     local q, p = pendulum:sample{ count = 100, seed = 1 }
--     local way = pendulum:solve(q, p)          -- way.q: (31, 100, 1)
--     local frames = pendulum:render(way.q)     -- (31, 100, 32, 32, 3)
--
--     torus.systems.define {
--       name = "quartic", dimension = 1, constants = { k = 1 },
--       kinetic = function(p) return (p * p):sum(2) / 2 end,
--       potential = function(q, c) return (q ^ 4):sum(2) * (c.k / 4) end,
--       uniforms = 2,
--       sample = function(u) return u:narrow(2, 1, 1), u:narrow(2, 2, 1) end,
--       positions = function(q) return torus.stack({ q, q * 0 }, 3) end,
--       radii = { 0.2 }, half_width = 1.5,
--     }
-- @module torus.systems
local modules = require "torus.modules"
local options = require "torus.options"
local System = require "torus.systems.parts.system"

local M = {}

local PARENT = "torus.systems"

local known = {} -- by name, made when first asked for
local named = {} -- for completion at the prompt: every name
local read = {} -- by the path of the file, so that a run reads it once

for _, name in ipairs(modules.names(PARENT)) do
  named[name] = PARENT .. "." .. name
end

-- A built-in system is a file of this folder that returns its definition; what
-- several share is in torus.systems.parts.
local function is_built_in(name) return modules.exists(PARENT, name) end

--- The names of all systems: the built-in ones, then the user's, sorted each.
-- @treturn {string,...}
-- @usage
-- local torus = require "torus"
-- print(table.concat(torus.systems.names(), ", "))
-- @usage print(table.concat(torus.systems.names(), " "))
function M.names()
  local names, own = modules.names(PARENT), {}
  for name in pairs(known) do
    if not is_built_in(name) then own[#own + 1] = name end
  end
  table.sort(own)
  return table.move(own, 1, #own, #names + 1, names)
end

local function is_file(name)
  return type(name) == "string" and name:match("%.lua$") ~= nil
end

--- A system by its name, or by the path of a Lua file, ending in `.lua`, that
-- returns the definition of one; the file is read when it is first asked for.
-- @tparam string name
-- @treturn ?System
-- @treturn ?string message
-- @usage
-- print(torus.systems.find("pendulum").dimension)   -- 1
-- print(torus.systems.find("pendulums"))   -- nil, and what is known
function M.find(name)
  if is_file(name) then
    if read[name] then return read[name] end
    return M.load(name)
  end
  if not known[name] and is_built_in(name) then
    known[name] = System.new(require(PARENT .. "." .. name))
  end
  if known[name] then return known[name] end
  return nil, string.format("%q is no system (known: %s, or a Lua file of "
    .. "your own)", tostring(name), table.concat(M.names(), ", "))
end

--- A system as find has it; an unknown one is an error.
-- @tparam string name
-- @treturn System
-- @raise for an unknown name
-- @usage print(torus.systems.get("two_body"))
function M.get(name)
  local system, message = M.find(name)
  if not system then
    if is_file(name) then options.raise("systems: %s", message) end
    options.raise("systems: no system is named %q (known: %s)", tostring(name),
      table.concat(M.names(), ", "))
  end
  return system
end

--- Defines a system and makes it torus.systems.<name>. Everything is tried
-- out at once, with three initial states.
--
-- `kinetic(p, c)` and `potential(q, c)`, or a joint `energy(q, p, c)`, take
-- tensors (batch, dimension) and the constants, and give (batch).
-- `sample(u, z, c)` makes initial states from random numbers: u has `uniforms`
-- columns in [0, 1), z has `normals` ones, float64, a row for each trajectory;
-- it gives q and p, (rows, dimension). `positions(q, c)` gives (batch, bodies,
-- 2), in a world from -half_width to half_width, y up. Radii default to
-- sqrt(m / pi) of `masses`, half_width to `extent` plus the largest radius;
-- each of the four may be a function of the constants. `noise`, `dt` and
-- `steps` are defaults for data. `field(c)`, optional, names a kernel of the
-- engine and its constants.
-- @tparam table definition name, dimension, constants={}, kinetic and
-- potential or energy, uniforms=0, normals=0, sample, positions, masses or
-- radii, extent or half_width, colours, noise=0, dt=0.125, steps=30, field
-- @treturn System
-- @raise when the definition lacks something, one of its functions returns
-- another shape than it should, or the name is taken
-- @usage
-- quartic = torus.systems.define{ name = "quartic", dimension = 1,
--   constants = { k = 1 }, uniforms = 2,
--   kinetic = function(p) return (p * p):sum(2) / 2 end,
--   potential = function(q, c) return (q * q * q * q):sum(2) * (c.k / 4) end,
--   sample = function(u) return u:narrow(2, 1, 1), u:narrow(2, 2, 1) end }
-- q, p = quartic:sample{ count = 3 }
-- print(quartic:energy(q, p))
function M.define(definition)
  local system = System.new(definition)
  if is_built_in(system.name) then
    options.raise("systems: %q is a built-in system; choose another name",
      system.name)
  end
  if not system.name:match("^[%a_][%w_]*$") or rawget(M, system.name) then
    options.raise("systems: %q can't be a system's name", system.name)
  end
  known[system.name], named[system.name] = system, true
  return system
end

--- Reads a system from a Lua file that returns a definition or a System.
-- @tparam string path
-- @treturn ?System
-- @treturn ?string message
-- @usage
-- file = io.open("free.lua", "w")
-- file:write[[return { name = "free", dimension = 1, normals = 2,
--   kinetic = function(p) return (p * p):sum(2) / 2 end,
--   potential = function(q) return (q * 0):sum(2) end,
--   sample = function(u, z) return z:narrow(2, 1, 1), z:narrow(2, 2, 1) end }]]
-- file:close()
-- print(assert(torus.systems.load("free.lua")))
function M.load(path)
  local chunk, message = loadfile(path)
  if not chunk then return nil, message end
  local ok, found = pcall(chunk)
  if not ok then return nil, tostring(found) end
  if type(found) ~= "table" then
    return nil, string.format("%s: expected it to return the table of a "
      .. "system's definition, got %s", path, tostring(found))
  end
  if getmetatable(found) ~= System then
    found, message = options.attempt(M.define, found)
    if not found then return nil, path .. ": " .. message end
  end
  read[path] = found
  return found
end

--- Whether a value is a system.
-- @param value
-- @treturn boolean
-- @usage print(torus.systems.is_system(torus.systems.pendulum))   -- true
function M.is_system(value) return getmetatable(value) == System end

--- A system, or the one that a name stands for; anything else is an error.
-- @tparam string where name of the operation, for the message
-- @tparam string|System value
-- @treturn System
-- @raise when value is neither a system nor the name of one
-- @usage print(torus.systems.of("my_function", "pendulum"))
function M.of(where, value)
  if type(value) == "string" then return M.get(value) end
  if M.is_system(value) then return value end
  options.raise("%s: expected a system or its name, got %s", where,
    tostring(value))
end

return setmetatable(M, {
  __parts = named, -- for the prompt
  __index = function(_, name) return (M.find(name)) end,
})
