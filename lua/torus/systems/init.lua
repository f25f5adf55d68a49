--- Physical systems: those of the paper (section 4), further ones, and
-- user-defined ones.
--
--     local pendulum = torus.systems.pendulum
--     local q, p = pendulum:sample{ count = 100, seed = 1 }
--     local trajectory = pendulum:solve(q, p)       -- q, p: (31, 100, 1)
--     local frames = pendulum:render(trajectory.q)  -- (31, 100, 32, 32, 3)
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
local signature = require "torus.signature"
local System = require "torus.systems.parts.system"

local M = {}

local PARENT = "torus.systems"

local known = {} -- by name, created on first use
local named = {} -- every name, for completion at the prompt
local read = {} -- by path, so that each file is read only once

for _, name in ipairs(modules.names(PARENT)) do
  named[name] = PARENT .. "." .. name
end

-- A built-in system is a file in this folder that returns its definition; shared
-- code is in torus.systems.parts.
local function is_built_in(name) return modules.exists(PARENT, name) end

--- Returns the names of all systems: first the built-in, then the user-defined ones,
-- each sorted.
-- @treturn {string,...}
-- @usage
-- print(table.concat(torus.systems.names(), ", "))
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

-- A system that was loaded from a file of the same name in any folder.
local function loaded_from(path)
  if read[path] then return read[path] end
  local file = path:match("[^/]+$")
  for other, system in pairs(read) do
    if other:match("[^/]+$") == file then return system end
  end
end

--- Finds a system by name: a built-in one, or one that this program has defined or
-- loaded. No file is read: the name may come from data or a run, and a system's
-- file is code. The path of a file that the program has already loaded counts as a name.
-- @tparam string name
-- @treturn ?System
-- @treturn ?string message
-- @usage
-- print(assert(torus.systems.find("pendulum")))
-- print(torus.systems.find("planets"))   -- nil and a message
function M.find(name)
  if is_file(name) then
    local system = loaded_from(name)
    if system then return system end
    return nil, string.format("the system of %s has not been loaded: the file is "
      .. "code, which only runs if it is named explicitly (--system FILE, or "
      .. "torus.systems.load)", name)
  end
  if not known[name] and is_built_in(name) then
    known[name] = System.new(require(PARENT .. "." .. name))
  end
  if known[name] then return known[name] end
  return nil, string.format("no system is named %s%s (known: %s; to use your own, "
    .. "name its Lua file: --system FILE, or torus.systems.load)", options.show(name),
    options.did_you_mean(name, M.names()), table.concat(M.names(), ", "))
end

--- Finds a system that the user names: by its name, or by the path of a Lua file ending in
-- `.lua`, which is run once. Don't call it with names from data files or runs; use `find`
-- for those.
-- @tparam string name or path
-- @treturn ?System
-- @treturn ?string message
-- @usage
-- print(assert(torus.systems.given("pendulum")))
-- print(torus.systems.given("no_such_file.lua"))   -- nil and a message
function M.given(name)
  if is_file(name) then
    if read[name] then return read[name] end
    return M.load(name)
  end
  return M.find(name)
end

--- Finds a system like `given`, but raises if it is unknown.
-- @tparam string name or path
-- @treturn System
-- @raise for an unknown name, and for a file that does not define a system
-- @usage
-- print(torus.systems.get("two_body").dimension)   -- 4
function M.get(name)
  local system, message = M.given(name)
  if not system then
    if is_file(name) then options.raise("systems: %s", message) end
    options.raise("systems: no system is named %s%s (known: %s)", options.show(name),
      options.did_you_mean(name, M.names()), table.concat(M.names(), ", "))
  end
  return system
end

--- Defines a system and makes it available as torus.systems.<name>. Each function is
-- called with three initial states, and the energy differentiated, so that mistakes are found
-- here.
--
-- `c` is always the table of constants. masses, radii, extent and half_width may each
-- be a function of c.
-- @tparam table definition
-- @tparam string definition.name
-- @tparam integer definition.dimension number of coordinates of q, and of p
-- @tparam[opt] {[string]=number} definition.constants a positive one named friction adds
-- -friction dH/dp to dp/dt, so that the energy falls
-- @tparam[opt] {[string]={number,number}} definition.varying the constants that differ
-- between trajectories, with their minimum and maximum; c then has them as columns
-- (rows, 1), and their values in `constants` apply to states without a trajectory
-- @tparam[opt] function definition.kinetic (p, c) -> (batch), p (batch,
-- dimension); together with
-- @tparam[opt] function definition.potential (q, c) -> (batch)
-- @tparam[opt] function definition.energy (q, p, c) -> (batch), instead of those two, if
-- the Hamiltonian is not separable
-- @tparam[opt] function definition.force (q, t, c) -> the force added to -dH/dq in dp/dt,
-- (batch, dimension) or a tensor that broadcasts against it; t broadcasts against q
-- @tparam function definition.sample (u, z, c) -> q, p: initial states (rows,
-- dimension) from u (rows, uniforms), uniform in [0, 1), and z (rows, normals),
-- normal, both float64
-- @tparam[opt=0] integer definition.uniforms columns of u
-- @tparam[opt=0] integer definition.normals columns of z
-- @tparam[opt] function definition.positions (q, c) -> (batch, bodies, 2), x and y
-- (upwards) of the bodies to draw, from -half_width to half_width
-- @tparam[opt] {number,...} definition.masses one for each body, with radii
-- sqrt(m / pi)
-- @tparam[opt] {number,...} definition.radii one for each body
-- @tparam[opt] number definition.extent largest distance from the centre; half_width is
-- this plus the largest radius
-- @tparam[opt] number definition.half_width of the canvas, in the system's units
-- @tparam[opt] {{r,g,b},...} definition.colours in [0, 1], one for each body;
-- evenly spaced hues by default
-- @tparam[opt] function definition.hues (c) -> a list with the hue of each body,
-- in turns of the colour circle, a number or (rows, 1), instead of colours
-- @tparam[opt=0] number definition.noise standard deviation of the noise added to every
-- coordinate of observed states
-- @tparam[opt=0.125] number definition.dt time between frames
-- @tparam[opt=30] integer definition.steps number of frames after the first
-- @tparam[opt] function definition.field (c) -> the name of an engine kernel for the
-- vector field, and the list of its constants
-- @tparam[opt] table definition.recipe defaults for an HNN's data and training, see
-- torus.data.hnn_data.recipe
-- @tparam[opt] table definition.starts other samplers by name, for
-- torus.data.hnn_data.make: {uniforms =, normals =, sample =} each
-- @tparam[opt] function definition.relative (q, p, c) -> q, p: canonical
-- coordinates without the centre of mass, if that is at rest
-- @treturn System
-- @raise for missing or inconsistent entries, for an energy that cannot be differentiated, and
-- for the name of a built-in system
-- @usage
-- spring = torus.systems.define {
--   name = "stiff_spring", dimension = 1, constants = { k = 9 },
--   kinetic = function(p) return (p * p):sum(2) / 2 end,
--   potential = function(q, c) return (q * q):sum(2) * (c.k / 2) end,
--   uniforms = 2,
--   sample = function(u) return u:narrow(2, 1, 1), u:narrow(2, 2, 1) end,
--   positions = function(q) return torus.stack({ q, q * 0 }, 3) end,
--   radii = { 0.2 }, half_width = 1.5,
-- }
-- q, p = spring:sample { count = 2 }
-- print(spring:energy(q, p))
function M.define(definition)
  local system = System.new(definition)
  if is_built_in(system.name) then
    options.raise("systems.define: name: %q is a built-in system; choose another "
      .. "name", system.name)
  end
  if not system.name:match("^[%a_][%w_]*$") or rawget(M, system.name) then
    options.raise("systems.define: name: expected letters, digits and _, and not "
      .. "a function of torus.systems, got %q", system.name)
  end
  known[system.name], named[system.name] = system, true
  return system
end

--- Loads a system: runs a Lua file (source code, not bytecode) that returns the
-- definition of a system or a System. From then on its name is known.
-- @tparam string path
-- @treturn ?System
-- @treturn ?string message
-- @usage
-- print(torus.systems.load("no_such_file.lua"))   -- nil and a message
function M.load(path)
  local chunk, message = loadfile(path, "t")
  if not chunk then return nil, message end
  local ok, found = pcall(chunk)
  if not ok then return nil, tostring(found) end
  if type(found) ~= "table" then
    return nil, string.format("%s: expected the file to return the definition of a "
      .. "system, a table, got %s", path, tostring(found))
  end
  if getmetatable(found) ~= System then
    found, message = options.attempt(M.define, found)
    if not found then return nil, path .. ": " .. message end
  end
  read[path] = found
  return found
end

--- Returns true if a name is that of a built-in system.
-- @tparam string name
-- @treturn boolean
-- @usage
-- print(torus.systems.is_built_in("pendulum"))   -- true
M.is_built_in = is_built_in

--- Returns true if a value is a system.
-- @param value anything
-- @treturn boolean
-- @usage
-- print(torus.systems.is_system(torus.systems.pendulum))   -- true
function M.is_system(value) return getmetatable(value) == System end

--- Returns the system that an argument refers to.
-- @tparam string where name of the operation, for the message
-- @tparam string|System value a system, its name or the path of its Lua file
-- @treturn System
-- @raise for anything else
-- @usage
-- print(torus.systems.of("example", "pendulum"))
function M.of(where, value)
  if type(value) == "string" then return M.get(value) end
  if M.is_system(value) then return value end
  options.raise("%s: expected a system or its name, got %s", where:sub(1, 60),
    options.show(value))
end

signature.functions("systems", M, {
  find = "name: string", given = "name: string", get = "name: string",
  of = "where: string, value: any", load = "path: path",
  is_built_in = "name: string", define = "definition: table",
})

return setmetatable(M, {
  __parts = named, -- for the prompt
  __index = function(_, name)
    local system = M.find(name)
    if system or type(name) ~= "string" or is_file(name) then return system end
    local functions = M.names()
    for key in pairs(M) do functions[#functions + 1] = key end
    options.raise("torus.systems has no %s%s", options.show(name),
      options.did_you_mean(name, functions))
  end,
})
