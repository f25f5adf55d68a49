--- A physical system: constants, energy, initial states, drawing.
-- @module torus.systems.parts.system
local engine = require "torus.engine"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"
local render = require "torus.systems.parts.render"
local rk45 = require "torus.rk45"
local random = require "torus.random"

--- A physical system, such as torus.systems.pendulum. Fields: name, dimension
-- d, constants, noise, dt, steps.
-- @type System
local System = {}
System.__index = System
System.__name = "torus.system"

local RULES = {
  name = { required = true, type = "string" },
  dimension = { required = true, type = "integer", min = 1 },
  constants = { default = {}, type = "table" },
  kinetic = { type = "callable" },
  potential = { type = "callable" },
  energy = { type = "callable" },
  field = { type = "callable" },
  uniforms = { default = 0, type = "integer", min = 0 },
  normals = { default = 0, type = "integer", min = 0 },
  sample = { required = true, type = "callable" },
  positions = { type = "callable" },
  relative = { type = "callable" },
  masses = {},
  radii = {},
  colours = { type = "table" },
  extent = {},
  half_width = {},
  noise = { default = 0, type = "number", min = 0 },
  dt = { default = 0.125, type = "number" },
  steps = { default = 30, type = "integer", min = 1 },
  recipe = { default = {}, type = "table" },
  starts = { default = {}, type = "table" },
}

-- Initial states are made in full blocks of this many, so that each has the
-- same bits however many are asked for.
local BLOCK = 1024

local shape_text = options.shape_text

-- --- definition -----------------------------------------------------------

local function complain(o, message, ...)
  options.raise("system %s: " .. message, o.name, ...)
end

local function check_energies(o)
  if o.energy and (o.kinetic or o.potential) then
    complain(o, "expected either energy or kinetic and potential, got both")
  end
  if not o.energy and not (o.kinetic and o.potential) then
    complain(o, "expected energy(q, p, constants), or kinetic(p, constants) "
      .. "and potential(q, constants)")
  end
end

local function evaluated(value, constants)
  if type(value) == "function" then return value(constants) end
  return value
end

local function is_above(value, minimum)
  return type(value) == "number" and value > minimum and value < math.huge
end

-- A list with one number above 0 for each body, or nil.
local function list_of(o, name, constants)
  local list = evaluated(o[name], constants)
  if list == nil then return nil end
  if type(list) ~= "table" or #list == 0 then
    complain(o, "%s: expected a list with a number for each body, got %s", name,
      type(list) == "table" and "an empty one" or options.show(list))
  end
  for i, value in ipairs(list) do
    if not is_above(value, 0) then
      complain(o, "%s: expected numbers above 0, got %s for body %d", name,
        options.show(value), i)
    end
  end
  return list
end

local function radii_of(o, constants)
  local radii = list_of(o, "radii", constants)
  if radii then return radii end
  local masses = list_of(o, "masses", constants)
  if not masses then
    complain(o, "positions: expected radii or masses too, a list with one for "
      .. "each body")
  end
  radii = {}
  for i, m in ipairs(masses) do radii[i] = math.sqrt(m / math.pi) end
  return radii
end

local function half_width_of(o, constants, radii)
  local width = evaluated(o.half_width, constants)
  if width == nil then
    local extent = evaluated(o.extent, constants)
    if type(extent) ~= "number" then
      complain(o, "positions: expected half_width too, or extent, the largest "
        .. "distance from the centre")
    end
    width = extent + math.max(table.unpack(radii))
  end
  if not is_above(width, 0) then
    complain(o, "half_width: expected a number above 0, got %s",
      options.show(width))
  end
  return width
end

-- Radii and the width of the canvas follow from constants.
local function resolve_drawing(self)
  local o = self.definition
  if not o.positions then return end
  local radii = radii_of(o, self.constants)
  self.bodies = #radii
  self.drawing = { radii = radii, colours = o.colours,
    half_width = half_width_of(o, self.constants, radii) }
end

local function check_rows(o, name, x, ...)
  local want = { ... }
  local same = engine.is_tensor(x) and x:dim() == #want
  for i = 1, same and #want or 0 do same = same and x:size(i) == want[i] end
  if not same then
    complain(o, "%s: expected a tensor of shape (%s), got %s", name,
      table.concat(want, ","), shape_text(x))
  end
end

-- Calls everything once: a mistake shows where the system is defined.
local function try_out(self)
  local o, d = self.definition, self.dimension
  local q, p = self:sample { count = 3 }
  check_rows(o, "q", q, 3, d)
  check_rows(o, "energy", self:energy(q, p), 3)
  if o.kinetic then
    check_rows(o, "kinetic", o.kinetic(p, self.constants), 3)
    check_rows(o, "potential", o.potential(q, self.constants), 3)
  end
  if o.positions then
    check_rows(o, "positions", o.positions(q, self.constants), 3, self.bodies, 2)
  end
end

--- A system from its definition, without a name in torus.systems.
-- @tparam table definition as of torus.systems.define
-- @treturn System
-- @raise for what is missing or does not fit
-- @usage
-- System = require "torus.systems.parts.system"
-- definition = require "torus.systems.pendulum"
-- print(System.new(definition))
function System.new(definition)
  local o = options.resolve("system", definition, RULES)
  check_energies(o)
  if not is_above(math.abs(o.dt), 0) then
    complain(o, "dt: expected a finite number other than 0, got %s", o.dt)
  end
  local constants = {}
  for key, value in pairs(o.constants) do
    if type(key) ~= "string" or type(value) ~= "number" then
      complain(o, "constants: expected named numbers, got %s = %s",
        tostring(key), options.show(value))
    end
    constants[key] = value
  end
  local self = setmetatable({ definition = o, constants = constants }, System)
  for _, key in ipairs { "name", "dimension", "noise", "dt", "steps" } do
    self[key] = o[key]
  end
  resolve_drawing(self)
  try_out(self)
  return self
end

local WITH = { constants = { type = "table" }, noise = RULES.noise,
  dt = RULES.dt, steps = RULES.steps, half_width = RULES.half_width,
  radii = RULES.radii, colours = RULES.colours }

--- The same system with other constants, noise, dt, steps, half_width, radii
-- or colours.
-- @tparam table changes as of torus.systems.define; constants that are not named
-- keep their values
-- @treturn System a new one
-- @raise for unknown constants and for what can't be changed
-- @usage
-- long = torus.systems.pendulum:with { constants = { l = 4 }, noise = 0 }
-- print(long.constants.l, long.noise)   -- 4 0
function System:with(changes)
  local rules = {}
  for key, rule in pairs(WITH) do rules[key] = { type = rule.type, min = rule.min } end
  local given = options.resolve("system:with", changes, rules)
  local definition = {}
  for key, value in pairs(self.definition) do definition[key] = value end
  for key, value in pairs(given) do definition[key] = value end
  definition.constants = {}
  for key, value in pairs(self.constants) do definition.constants[key] = value end
  for key, value in pairs(given.constants or {}) do
    if self.constants[key] == nil then
      complain(self, "has no constant %q", tostring(key))
    end
    definition.constants[key] = value
  end
  return System.new(definition)
end

-- --- physics --------------------------------------------------------------

local function check_state(self, operation, name, x)
  if not engine.is_tensor(x) or x:dim() ~= 2 or x:size(2) ~= self.dimension then
    complain(self, "%s: expected %s as a tensor of shape (batch, %d), got %s",
      operation, name, self.dimension, shape_text(x))
  end
end

--- The energy H(q, p).
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor (batch), differentiable
-- @usage
-- spring = torus.systems.mass_spring
-- print(spring:energy(torus.ones(1, 1), torus.ones(1, 1)))   -- [2.]
function System:energy(q, p)
  check_state(self, "energy", "q", q)
  check_state(self, "energy", "p", p)
  local o = self.definition
  if o.energy then return o.energy(q, p, self.constants) end
  return o.kinetic(p, self.constants) + o.potential(q, self.constants)
end

--- The Hamiltonian as torus.integrate and torus.rk45 accept it.
-- @treturn table|function torus.separable(K, V), or a function of q and p
-- @usage
-- pendulum = torus.systems.pendulum
-- q, p = pendulum:sample { count = 3 }
-- trajectory = torus.integrate { H = pendulum:hamiltonian(), q = q, p = p,
--   dt = 0.125, steps = 30 }
-- print(table.unpack(trajectory.q.shape))   -- 31 3 1
function System:hamiltonian()
  local o, constants = self.definition, self.constants
  if o.energy then
    return function(q, p) return o.energy(q, p, constants) end
  end
  return hamiltonian.separable(
    function(p) return o.kinetic(p, constants) end,
    function(q) return o.potential(q, constants) end)
end

--- Canonical coordinates of what can be seen to move: without the motion of a
-- centre of mass that is at rest, where the definition says how (`relative`),
-- else the state itself.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor q (batch, at most d)
-- @treturn tensor p likewise
-- @usage
-- local torus = require "torus"
-- local q, p = torus.systems.two_body:sample { count = 3 }
-- print(table.unpack(torus.systems.two_body:relative(q, p).shape))   -- 3 2
function System:relative(q, p)
  check_state(self, "relative", "q", q)
  check_state(self, "relative", "p", p)
  local relative = self.definition.relative
  if not relative then return q, p end
  return relative(q, p, self.constants)
end

--- The exact time derivatives (dH/dp, -dH/dq) at states.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor dq/dt (batch, d) float64
-- @treturn tensor dp/dt (batch, d) float64
-- @usage
-- spring = torus.systems.mass_spring
-- print(spring:derivatives(torus.ones(1, 1), torus.ones(1, 1)))
-- -- [[2.]] and [[-2.]]
function System:derivatives(q, p)
  check_state(self, "derivatives", "q", q)
  check_state(self, "derivatives", "p", p)
  local d = self.dimension
  local field = rk45.field_of(self:hamiltonian(), d)
  local slopes = field(engine.cat({ q:detach(), p:detach() }, 2):to("float64"))
  return slopes:narrow(2, 1, d):contiguous(),
    slopes:narrow(2, d + 1, d):contiguous()
end

--- The engine's kernel for the vector field, as torus.rk45 accepts it.
-- @treturn ?table {name, {constant, ...}}; nil where there is none
-- @usage
-- print(torus.systems.pendulum:field()[1])   -- pendulum
function System:field()
  local field = self.definition.field
  if not field then return nil end
  return { field(self.constants) }
end

local SAMPLE = {
  count = { required = true, type = "integer", min = 0 },
  seed = { default = 0, type = "integer" },
  split = { default = "train", type = "string" },
  first = { default = 1, type = "integer", min = 1 },
}

local function sample_block(self, o, block)
  local d, first = self.definition, (block - 1) * BLOCK + 1
  local u = random.rows(engine.rand, random.key(o.seed, o.split, "uniform"),
    first, BLOCK, d.uniforms)
  local z = random.rows(engine.randn, random.key(o.seed, o.split, "normal"),
    first, BLOCK, d.normals)
  local q, p = d.sample(u, z, self.constants)
  check_rows(d, "sample: q", q, BLOCK, d.dimension)
  check_rows(d, "sample: p", p, BLOCK, d.dimension)
  return q:to("float64"), p:to("float64")
end

--- Initial states. State i depends on the seed, the split and i alone.
-- @tparam table opts
-- @tparam integer opts.count
-- @tparam[opt=0] integer opts.seed
-- @tparam[opt="train"] string opts.split any word
-- @tparam[opt=1] integer opts.first index of the first state
-- @treturn tensor q (count, d) float64
-- @treturn tensor p (count, d) float64
-- @usage
-- all = torus.systems.pendulum:sample { count = 10, seed = 1 }
-- tenth = torus.systems.pendulum:sample { count = 1, seed = 1, first = 10 }
-- print((all[10] - tenth[1]):abs():item())   -- 0.0
function System:sample(opts)
  local o = options.resolve("system:sample", opts, SAMPLE)
  return engine.no_grad(function()
    local qs, ps = {}, {}
    local first, last = o.first, o.first + o.count - 1
    for block = (first - 1) // BLOCK + 1, (last - 1) // BLOCK + 1 do
      local q, p = sample_block(self, o, block)
      local start = (block - 1) * BLOCK
      local from = math.max(first - start, 1)
      local to = math.min(last - start, BLOCK)
      if to >= from then
        qs[#qs + 1] = q:narrow(1, from, to - from + 1)
        ps[#ps + 1] = p:narrow(1, from, to - from + 1)
      end
    end
    if #qs == 0 then
      local none = engine.zeros({ 0, self.dimension }, { dtype = "float64" })
      return none, none
    end
    return engine.cat(qs, 1), engine.cat(ps, 1)
  end)
end

--- The exact motion from q and p, by torus.rk45.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam[opt] table opts as of torus.rk45: times, or dt and steps, by default
-- the system's, and tolerances
-- @treturn table trajectory: q and p, each (times, batch, d) float64
-- @usage
-- q, p = torus.systems.two_body:sample { count = 3 }
-- trajectory = torus.systems.two_body:solve(q, p, { dt = 0.1, steps = 50 })
-- print(table.unpack(trajectory.q.shape))   -- 51 3 4
function System:solve(q, p, opts)
  local o = {}
  for key, value in pairs(opts or {}) do o[key] = value end
  if not o.times then o.dt, o.steps = o.dt or self.dt, o.steps or self.steps end
  o.q, o.p, o.field = q, p, self:field()
  if not o.field then o.H = self:hamiltonian() end
  return rk45.solve(o)
end

-- --- pictures -------------------------------------------------------------

--- Draws the bodies at q.
-- @tparam tensor q (..., d)
-- @tparam[opt] table opts
-- @tparam[opt=32] integer opts.resolution height and width in pixels
-- @tparam[opt] {number,number,number} opts.background a grey by default
-- @tparam[opt=80] number opts.sharpness of the edges
-- @tparam[opt] {{r,g,b},...} opts.colours the system's by default
-- @tparam[opt] {number,...} opts.radii in the system's units; the system's by
-- default
-- @tparam[opt] number opts.half_width of the canvas; the system's by default
-- @treturn tensor (..., resolution, resolution, 3) float32 in [0, 1]
-- @raise for a system without positions
-- @usage
-- pendulum = torus.systems.pendulum
-- trajectory = pendulum:solve(pendulum:sample { count = 2 })
-- print(table.unpack(pendulum:render(trajectory.q, { resolution = 64 }).shape))
-- -- 31 2 64 64 3
function System:render(q, opts)
  local o = self.definition
  if not self.drawing then
    complain(o, "render: its definition has no positions(q, constants), which "
      .. "drawing needs")
  end
  local shape = engine.is_tensor(q) and q.shape or {}
  if shape[#shape] ~= self.dimension then
    complain(o, "render: expected q of shape (..., %d), got %s",
      self.dimension, shape_text(q))
  end
  local scene = render.scene(self.drawing, self.bodies, opts)
  return engine.no_grad(function()
    local rows = q:detach():reshape(q:numel() // self.dimension, self.dimension)
    local frames = render.discs(render.positions(
      function(x) return o.positions(x, self.constants) end, rows), scene)
    shape[#shape] = scene.resolution
    shape[#shape + 1], shape[#shape + 2] = scene.resolution, 3
    return frames:reshape(shape)
  end)
end

function System:__tostring()
  local constants = {}
  for key, value in pairs(self.constants) do
    constants[#constants + 1] = string.format("%s=%.14g", key, value)
  end
  table.sort(constants)
  return string.format("system %s (d=%d, %s)", self.name, self.dimension,
    table.concat(constants, " "))
end

return System
