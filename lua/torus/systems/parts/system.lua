--- A physical system: constants, energy, initial states, drawing.
-- @module torus.systems.parts.system
local drawing = require "torus.systems.parts.drawing"
local engine = require "torus.engine"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"
local signature = require "torus.signature"
local rk45 = require "torus.rk45"
local unknown = require "torus.unknown"
local random = require "torus.random"

--- A physical system, such as torus.systems.pendulum. Fields: name, dimension
-- d, constants, noise, dt, steps; varying, the sorted names of the constants that differ
-- between trajectories, or nil.
-- @type System
local System = {}
System.__index = System
System.__name = "torus.system"

local RULES = {
  name = { required = true, type = "string" },
  dimension = { required = true, type = "integer", min = 1 },
  constants = { default = {}, type = "table" },
  varying = { type = "table" },
  kinetic = { type = "callable" },
  potential = { type = "callable" },
  energy = { type = "callable" },
  force = { type = "callable" },
  field = { type = "callable" },
  uniforms = { default = 0, type = "integer", min = 0 },
  normals = { default = 0, type = "integer", min = 0 },
  sample = { required = true, type = "callable" },
  positions = { type = "callable" },
  relative = { type = "callable" },
  masses = {},
  radii = {},
  colours = { type = "table" },
  hues = { type = "callable" },
  extent = {},
  half_width = {},
  noise = { default = 0, type = "number", min = 0 },
  dt = { default = 0.125, type = "number" },
  steps = { default = 30, type = "integer", min = 1 },
  recipe = { default = {}, type = "table" },
  starts = { default = {}, type = "table" },
}

-- Initial states are generated in full blocks of this size, so that the bits of each
-- don't depend on the number requested.
local BLOCK = 1024

local shape_text = options.shape_text

-- --- definition -----------------------------------------------------------

local complain, is_above = drawing.complain, drawing.is_above

local function check_energies(o)
  if o.energy and (o.kinetic or o.potential) then
    complain(o, "expected either energy or kinetic and potential, got both")
  end
  if not o.energy and not (o.kinetic and o.potential) then
    complain(o, "expected energy(q, p, constants), or kinetic(p, constants) "
      .. "and potential(q, constants)")
  end
end

-- The names of the constants that vary, sorted.
local function resolve_varying(o, constants)
  if not o.varying then return nil end
  local names = options.sorted_keys(o.varying)
  for _, name in ipairs(names) do
    local range = o.varying[name]
    if constants[name] == nil then
      complain(o, "varying: there is no constant %q", name)
    end
    if type(range) ~= "table" or not (is_above(range[1], -math.huge)
      and is_above(range[2], range[1])) then
      complain(o, "varying: %s: expected {lowest, highest}, got %s", name,
        options.show(range))
    end
  end
  return names[1] and names or nil
end

local function check_rows(o, name, x, ...)
  local want = { ... }
  local same = options.is_live(x) and x:dim() == #want
  for i = 1, same and #want or 0 do same = same and x:size(i) == want[i] end
  if not same then
    complain(o, "%s: expected a tensor of shape (%s), got %s", name,
      table.concat(want, ","), shape_text(x))
  end
end

-- Raises for an energy that cannot be differentiated, which would exert no force.
local function check_gradients(o, q, p, constants)
  if o.energy then
    hamiltonian.gradients(function(a, b) return o.energy(a, b, constants) end, q, p, false)
    return
  end
  local function check(name, x)
    hamiltonian.gradient(("%s of system %s"):format(name, o.name),
      function(v) return o[name](v, constants) end, x, false)
  end
  check("kinetic", p)
  check("potential", q)
end

-- Calls every function at three states, so that mistakes are found where the system is
-- defined.
local function try_out(self)
  local o, d = self.definition, self.dimension
  local q, p, own = self:sample { count = 3 }
  local constants = own and self:constants_of(own) or self.constants
  check_rows(o, "q", q, 3, d)
  -- Before the energy, which adds them.
  if o.kinetic then
    check_rows(o, "kinetic", o.kinetic(p, constants), 3)
    check_rows(o, "potential", o.potential(q, constants), 3)
  end
  check_rows(o, "energy", self:energy(q, p, own), 3)
  check_gradients(o, q, p, constants)
  if o.force then
    check_rows(o, "force", o.force(q, q:narrow(2, 1, 1) * 0, constants) + q * 0, 3, d)
  end
  if o.positions then
    check_rows(o, "positions", o.positions(q, constants), 3, self.bodies, 2)
  end
end

--- Makes a system from its definition, without adding it to torus.systems.
-- @tparam table definition as in torus.systems.define
-- @treturn System
-- @raise for missing or inconsistent entries
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
  self.varying = resolve_varying(o, constants)
  self.friction = constants.friction or 0
  if self.friction < 0 then
    complain(o, "constants: friction: expected at least 0, got %g",
      self.friction)
  end
  self.drawing = drawing.resolve(o, self.constants)
  self.bodies = self.drawing and #self.drawing.radii
  try_out(self)
  return self
end

local WITH = { constants = { type = "table" }, noise = RULES.noise,
  dt = RULES.dt, steps = RULES.steps, half_width = RULES.half_width,
  radii = RULES.radii, colours = RULES.colours }

--- Returns a copy of the system with other constants, noise, dt, steps, half_width,
-- radii or colours.
-- @tparam table changes as in torus.systems.define; constants not mentioned keep their
-- values, and a varying constant that is set no longer varies
-- @treturn System a new system
-- @raise for unknown constants, and for entries that can't be changed
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
  if self.varying then
    definition.varying = {}
    for _, name in ipairs(self.varying) do
      if not (given.constants or {})[name] then
        definition.varying[name] = self.definition.varying[name]
      end
    end
  end
  return System.new(definition)
end

-- --- physics --------------------------------------------------------------

local function check_state(self, operation, name, x)
  if not options.is_live(x) or x:dim() ~= 2 or x:size(2) ~= self.dimension then
    complain(self, "%s: expected %s as a tensor of shape (batch, %d), got %s",
      operation, name, self.dimension, shape_text(x))
  end
end

-- Raises unless q and p are states of this system; torus.integrate and torus.rk45 call it.
function System:_expect_state(where, q, p)
  where = ("%s: system %s"):format(where, self.name)
  options.tensor(where, "q", q, { "batch", self.dimension })
  options.tensor(where, "p", p, { "batch", self.dimension })
end

--- Returns the constants in the form that the functions of a definition receive, with
-- varying ones as columns.
-- @tparam tensor own (rows, varying constants), in the order of `varying`
-- @treturn {[string]=number|tensor}
-- @raise for a tensor of another shape, and for a system without varying constants
-- @usage
-- spring = torus.systems.mass_spring_colours
-- q, p, own = spring:sample { count = 3 }
-- print(spring:constants_of(own).m)   -- three masses
function System:constants_of(own)
  if not self.varying then
    complain(self, "constants: expected none, as no constant varies, got %s",
      shape_text(own))
  end
  if not options.is_live(own) or own:dim() ~= 2
    or own:size(2) ~= #self.varying then
    complain(self, "constants: expected a tensor of shape (rows, %d), %s, got %s",
      #self.varying, table.concat(self.varying, ", "), shape_text(own))
  end
  local constants = options.joined(self.constants)
  for i, name in ipairs(self.varying) do
    constants[name] = own:narrow(2, i, 1)
  end
  return constants
end

-- The constants of trajectories, or of all where `own` is nil.
local function constants_of(self, own)
  return own == nil and self.constants or self:constants_of(own)
end

--- Returns the energy H(q, p).
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam[opt] tensor own each trajectory's constants, as returned by sample;
-- by default the values in `constants`
-- @treturn tensor (batch), differentiable
-- @usage
-- spring = torus.systems.mass_spring
-- print(spring:energy(torus.ones(1, 1), torus.ones(1, 1)))   -- [2.]
function System:energy(q, p, own)
  check_state(self, "energy", "q", q)
  check_state(self, "energy", "p", p)
  local o, constants = self.definition, constants_of(self, own and own:to(q.dtype))
  if o.energy then return o.energy(q, p, constants) end
  return o.kinetic(p, constants) + o.potential(q, constants)
end

--- Returns the Hamiltonian in the form torus.integrate and torus.rk45 accept, without
-- friction.
-- @tparam[opt] tensor own as in energy, in the dtype of the states
-- @treturn table|function torus.separable(K, V), or a function of q and p
-- @usage
-- pendulum = torus.systems.pendulum
-- q, p = pendulum:sample { count = 3 }
-- trajectory = torus.integrate { H = pendulum:hamiltonian(), q = q, p = p,
--   dt = 0.125, steps = 30 }
-- print(table.unpack(trajectory.q.shape))   -- 31 3 1
function System:hamiltonian(own)
  local o, constants = self.definition, constants_of(self, own)
  if o.energy then
    return function(q, p) return o.energy(q, p, constants) end
  end
  return hamiltonian.separable(
    function(p) return o.kinetic(p, constants) end,
    function(q) return o.potential(q, constants) end)
end

--- Returns the force of a driven system in the form torus.integrate and torus.rk45 accept:
-- the term of dp/dt besides -dH/dq and friction.
-- @tparam[opt] tensor own as in energy, in the dtype of the states
-- @treturn ?function of q (batch, d) and t (a tensor that broadcasts against q); nil for
-- a system without a force
-- @usage
-- F = torus.systems.driven_pendulum:force()
-- print(F(torus.zeros(1, 1), torus.zeros(1, 1)))   -- 1.15
function System:force(own)
  local o, constants = self.definition, constants_of(self, own)
  if not o.force then return nil end
  return function(q, t) return o.force(q, t, constants) end
end

--- Returns canonical coordinates of the relative motion: without a centre of mass at rest,
-- if the definition has a function `relative`, else the state itself.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor q (batch, at most d)
-- @treturn tensor p like q
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

--- Returns the exact time derivatives (dH/dp, -dH/dq - friction dH/dp) at states; for a
-- driven system at t = 0.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam[opt] tensor own as in energy
-- @treturn tensor dq/dt (batch, d) float64
-- @treturn tensor dp/dt (batch, d) float64
-- @usage
-- spring = torus.systems.mass_spring
-- print(spring:derivatives(torus.ones(1, 1), torus.ones(1, 1)))
-- -- [[2.]] and [[-2.]]
function System:derivatives(q, p, own)
  check_state(self, "derivatives", "q", q)
  check_state(self, "derivatives", "p", p)
  local d = self.dimension
  local field = self:general_field(own)
  local slopes = field(engine.cat({ q:detach(), p:detach() }, 2):to("float64"),
    engine.zeros({ q:size(1) }, { dtype = "float64" }))
  return slopes:narrow(2, 1, d):contiguous(),
    slopes:narrow(2, d + 1, d):contiguous()
end

-- A kernel's constants as one tensor (rows, constants).
local function columns(list, rows)
  for i, value in ipairs(list) do
    list[i] = engine.is_tensor(value) and value
      or engine.full({ rows, 1 }, value, { dtype = "float64" })
  end
  return engine.cat(list, 2)
end

--- Returns the engine's kernel for the vector field in the form torus.rk45 accepts.
-- @tparam[opt] tensor own as in energy
-- @treturn ?table {name, {constant, ...}, friction}, with the constants as a tensor
-- (batch, constants) if they differ between trajectories; nil if there is no kernel
-- @usage
-- print(torus.systems.pendulum:field()[1])   -- pendulum
function System:field(own)
  local field = self.definition.field
  if not field then return nil end
  local name, list = field(constants_of(self, own))
  return { name, own and columns(list, own:size(1)) or list, self.friction }
end

--- Returns the vector field by gradients of the energy, in the form torus.rk45.states
-- accepts.
-- @tparam[opt] tensor own as in energy
-- @treturn function
-- @usage
-- f = torus.systems.pendulum:general_field()
-- print(f(torus.tensor({{0, 1}}, { dtype = "float64" })))   -- dq/dt, dp/dt
function System:general_field(own)
  return rk45.field_of(self:hamiltonian(own), self.dimension, self.friction,
    self:force(own))
end

-- Larger values would exhaust the memory, block by block, or overflow the largest
-- integer.
local COUNT_LIMIT, FIRST_LIMIT = 1000000000, 1 << 50

local SAMPLE = {
  count = { required = true, type = "integer", min = 0, max = COUNT_LIMIT },
  seed = { default = 0, type = "integer" },
  split = { default = "train", type = "string" },
  first = { default = 1, type = "integer", min = 1, max = FIRST_LIMIT },
  points = { default = "random", choices = { "random", "sobol" } },
}

-- The uniform numbers of the rows from `first` on.
local function sample_uniforms(o, first, uniforms)
  local key = random.key(o.seed, o.split, "uniform")
  if o.points == "random" then
    return random.rows(engine.rand, key, first, BLOCK, uniforms)
  end
  return engine.sobol(BLOCK, uniforms, { first = first, seed = key, dtype = "float64" })
end

-- (BLOCK, varying constants), uniform in their ranges
local function sample_constants(self, o, first)
  if not self.varying then return nil end
  local u = random.rows(engine.rand, random.key(o.seed, o.split, "constants"),
    first, BLOCK, #self.varying)
  local drawn = {}
  for i, name in ipairs(self.varying) do
    local low, high = table.unpack(self.definition.varying[name])
    drawn[i] = u:narrow(2, i, 1) * (high - low) + low
  end
  return engine.cat(drawn, 2)
end

local function sample_block(self, o, block)
  local d, first = self.definition, (block - 1) * BLOCK + 1
  local own = sample_constants(self, o, first)
  local u = sample_uniforms(o, first, d.uniforms)
  local z = random.rows(engine.randn, random.key(o.seed, o.split, "normal"),
    first, BLOCK, d.normals)
  local q, p = d.sample(u, z, constants_of(self, own))
  check_rows(d, "sample: q", q, BLOCK, d.dimension)
  check_rows(d, "sample: p", p, BLOCK, d.dimension)
  return q:to("float64"), p:to("float64"), own
end

--- Draws initial states and the constants of their trajectories. State i depends only on
-- the seed, the split and i.
-- @tparam table opts
-- @tparam integer opts.count at most 1e9
-- @tparam[opt=0] integer opts.seed
-- @tparam[opt="train"] string opts.split any name
-- @tparam[opt=1] integer opts.first index of the first state
-- @tparam[opt="random"] string opts.points "sobol" spreads the states evenly (see
-- torus.sobol): it applies to the uniform numbers of the sampler, not the normal ones
-- @treturn tensor q (count, d) float64
-- @treturn tensor p (count, d) float64
-- @treturn ?tensor constants (count, varying constants) float64, in the order of
-- `varying`; nil for a system without varying constants
-- @usage
-- all = torus.systems.pendulum:sample { count = 10, seed = 1 }
-- tenth = torus.systems.pendulum:sample { count = 1, seed = 1, first = 10 }
-- print((all[10] - tenth[1]):abs():item())   -- 0.0
function System:sample(opts)
  local o = options.resolve("system:sample", opts, SAMPLE)
  return engine.no_grad(function()
    local qs, ps, owns = {}, {}, {}
    local first, last = o.first, o.first + o.count - 1
    for block = (first - 1) // BLOCK + 1, (last - 1) // BLOCK + 1 do
      local q, p, own = sample_block(self, o, block)
      local start = (block - 1) * BLOCK
      local from = math.max(first - start, 1)
      local to = math.min(last - start, BLOCK)
      if to >= from then
        qs[#qs + 1] = q:narrow(1, from, to - from + 1)
        ps[#ps + 1] = p:narrow(1, from, to - from + 1)
        owns[#owns + 1] = own and own:narrow(1, from, to - from + 1)
      end
    end
    if #qs == 0 then
      local none = engine.zeros({ 0, self.dimension }, { dtype = "float64" })
      return none, none, self.varying
        and engine.zeros({ 0, #self.varying }, { dtype = "float64" })
    end
    return engine.cat(qs, 1), engine.cat(ps, 1),
      self.varying and engine.cat(owns, 1)
  end)
end

--- Solves for the exact motion from q and p, by torus.rk45.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam[opt] table opts as in torus.rk45: times, or dt and steps, by default those of
-- the system, and tolerances; and constants, as in energy
-- @treturn table trajectory: q and p, each (times, batch, d) float64
-- @usage
-- q, p = torus.systems.two_body:sample { count = 3 }
-- trajectory = torus.systems.two_body:solve(q, p, { dt = 0.1, steps = 50 })
-- print(table.unpack(trajectory.q.shape))   -- 51 3 4
function System:solve(q, p, opts)
  check_state(self, "solve", "q", q)
  check_state(self, "solve", "p", p)
  options.argument("solve", "opts", opts or {}, { type = "table" })
  local o = {}
  for key, value in pairs(opts or {}) do o[key] = value end
  if not o.times then o.dt, o.steps = o.dt or self.dt, o.steps or self.steps end
  local own = o.constants
  o.constants = nil
  o.q, o.p, o.field = q, p, self:field(own)
  if not o.field then
    o.H, o.friction, o.force = self:hamiltonian(own), self.friction, self:force(own)
  end
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
-- @tparam[opt] tensor opts.constants of trajectories, (..., varying constants),
-- with leading dimensions that broadcast against those of q
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
    complain(o, "render: drawing needs a function positions(q, constants), which the "
      .. "definition does not have")
  end
  local shape = options.is_live(q) and q.shape or {}
  if shape[#shape] ~= self.dimension then
    complain(o, "render: expected q of shape (..., %d), got %s",
      self.dimension, shape_text(q))
  end
  return engine.no_grad(function()
    local frames, side = drawing.draw(self, q, opts)
    shape[#shape] = side
    shape[#shape + 1], shape[#shape + 2] = side, 3
    return frames:reshape(shape)
  end)
end

function System:__tostring()
  local constants = {}
  for key, value in pairs(self.constants) do
    constants[#constants + 1] = string.format("%s=%.14g", key, value)
  end
  table.sort(constants)
  return string.format("system %s (d=%d%s)", self.name, self.dimension,
    #constants > 0 and ", " .. table.concat(constants, " ") or "")
end

signature.methods("System", System, {
  field = "own?: tensor", general_field = "own?: tensor",
  hamiltonian = "own?: tensor", energy = "q: any, p: any, own?: tensor",
  derivatives = "q: any, p: any, own?: tensor", render = "q: any, opts?: table",
}, { new = "definition: table" })
unknown.fields("a system", System, { "varying", "drawing", "bodies" }, "system")

return System
