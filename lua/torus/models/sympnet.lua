--- SympNets (Jin et al. 2020): networks that are symplectic maps by construction, a model
-- of states at fixed intervals that needs neither a Hamiltonian nor an integrator.
--
--     local model = torus.models.sympnet{ dimension = 1, layers = 6, width = 16 }
--     local q1, p1 = model(q, p)                       -- the state one interval later
--     local trajectory = model:rollout(q, p, { steps = 50 })
--
-- The map is a composition of alternating shears, p += f(q) and q += f(p), where f is the
-- gradient of a function; each is symplectic and undone by its negative. A
-- gradient module ("g") has f(x) = K^T (a * s(K x + b)). A linear and activation network
-- ("la") has linear modules, some shears f(x) = S x with symmetric S and a shift, with
-- activation modules f(x) = a * s(x) between them. By theorems 4 and 5 of the paper both
-- approximate every symplectic map.
-- @module torus.models.sympnet
local Module = require "torus.nn.module"
local activation = require "torus.nn.activation"
local engine = require "torus.engine"
local initial_states = require "torus.models.parts.initial_states"
local options = require "torus.options"
local signature = require "torus.signature"
local states = require "torus.models.parts.states"
local size = require "torus.models.parts.size"
local units = require "torus.models.parts.units"

--- A SympNet; torus.models.sympnet makes it.
-- @type SympNet
local SympNet = Module.class("SympNet")

local M = {}

--- The options of a configuration, in the form that torus.options reads.
M.rules = {
  kind = { default = "g", choices = { "g", "la" },
    doc = "\"g\", gradient modules, or \"la\", linear and activation modules." },
  dimension = { default = 1, type = "integer", min = 1, max = 4096,
    doc = "Number of coordinates of q, and of p." },
  layers = { default = 8, type = "integer", min = 1, max = 256,
    doc = "Number of gradient modules, or of activation modules, which alternate with linear "
      .. "ones, beginning and ending with a linear one." },
  width = { default = 32, type = "integer", min = 1, max = 16384,
    doc = "Rows of K of a gradient module." },
  shears = { default = 4, type = "integer", min = 1, max = 64,
    doc = "Number of shears of a linear module." },
  activation = { default = "tanh", choices = activation.names,
    doc = "The activation of the shears (torus.nn.activation)." },
  normalise = { default = false, type = "boolean",
    doc = "True: the shears see states in units that `normalise` determines from data." },
  gain = { default = 0.1, type = "number", above = 0,
    doc = "Factor of the initial weights: the map begins near the identity." },
  dtype = { default = "float32", choices = { "float32", "float64" },
    doc = "The dtype of the parameters and of all results." },
}

-- --- shears: functions of x (batch, d), gradients of a potential ------------------------

local function parameter(self, name, shape, gain, o)
  local x = engine.randn(shape, { dtype = o.dtype, generator = o.generator }) * gain
  local leaf = engine.zeros(shape, { dtype = o.dtype, requires_grad = true })
  engine.no_grad(function() leaf:copy_(x) end)
  return self:register(name, leaf)
end

local Gradient = Module.class("GradientModule")

local function gradient_module(c, o)
  local self = Module.instance(Gradient, { s = o.s })
  parameter(self, "k", { c.width, c.dimension }, 1 / math.sqrt(c.dimension), o)
  parameter(self, "b", { c.width }, 1, o)
  parameter(self, "a", { c.width }, c.gain / math.sqrt(c.width), o)
  return self
end

function Gradient:forward(x)
  return (self.s(x:matmul(self.k:transpose(1, 2)) + self.b) * self.a):matmul(self.k)
end

local Linear = Module.class("SymmetricLinear")

local function symmetric_linear(c, o)
  local self = Module.instance(Linear, {})
  parameter(self, "a", { c.dimension, c.dimension },
    c.gain / math.sqrt(c.dimension), o)
  parameter(self, "shift", { c.dimension }, 0, o)
  return self
end

-- S = A + A^T
function Linear:forward(x)
  return x:matmul(self.a + self.a:transpose(1, 2)) + self.shift
end

local Activation = Module.class("ActivationModule")

local function activation_module(c, o)
  local self = Module.instance(Activation, { s = o.s })
  parameter(self, "a", { c.dimension }, c.gain, o)
  return self
end

function Activation:forward(x) return self.s(x) * self.a end

-- The shears of a configuration, alternately of p and of q.
local function shears_of(c, o)
  local list = {}
  local function add(make, count)
    for _ = 1, count do list[#list + 1] = make(c, o) end
  end
  if c.kind == "g" then
    add(gradient_module, c.layers)
    return list
  end
  for _ = 1, c.layers do
    add(symmetric_linear, c.shears)
    add(activation_module, 1)
  end
  add(symmetric_linear, c.shears)
  return list
end

local function count_of(c)
  local d = c.dimension
  if c.kind == "g" then return c.layers * c.width * (d + 2) end
  return (c.layers + 1) * c.shears * d * (d + 1) + c.layers * d
end

-- --- the model ----------------------------------------------------------------------------

--- Makes a SympNet.
-- @tparam[opt] table config
-- @tparam[opt="g"] string config.kind "g", gradient modules, or "la", linear and activation
-- modules
-- @tparam[opt=1] integer config.dimension number of coordinates of q, and of p
-- @tparam[opt=8] integer config.layers number of gradient or activation modules
-- @tparam[opt=32] integer config.width width of a gradient module
-- @tparam[opt=4] integer config.shears number of shears of a linear module
-- @tparam[opt="tanh"] string config.activation
-- @tparam[opt=false] boolean config.normalise the shears see states in units that
-- SympNet:normalise determines from data
-- @tparam[opt=0.1] number config.gain factor of the initial weights; the map begins near
-- the identity
-- @tparam[opt="float32"] string config.dtype or "float64"
-- @tparam[opt] generator generator source of the initial weights
-- @treturn Module
-- @raise for unknown options
-- @usage
-- model = torus.models.sympnet{ dimension = 2, kind = "la" }
-- q, p = model(torus.randn(8, 2), torus.randn(8, 2))
function M.new(config, generator)
  local c = options.resolve("sympnet", config, M.rules)
  size.check("sympnet", count_of(c), c.dtype)
  local self = Module.instance(SympNet, { config = c })
  self.shears = shears_of(c, { dtype = c.dtype, generator = generator,
    s = activation.get(c.activation, "sympnet") })
  for i, shear in ipairs(self.shears) do self:register("shear" .. i, shear) end
  if c.normalise then units.register(self, 2) end
  return self
end

local STATE = { "q", "p" }

local function check_state(self, method, dtype, q, p)
  states.check("sympnet:" .. method, dtype, { "batch", self.config.dimension }, STATE, q, p)
end

local function step(self, q, p)
  for i, shear in ipairs(self.shears) do
    if i % 2 == 1 then p = p + shear(q) else q = q + shear(p) end
  end
  return q, p
end

local function step_back(self, q, p)
  for i = #self.shears, 1, -1 do
    local shear = self.shears[i]
    if i % 2 == 1 then p = p - shear(q) else q = q - shear(p) end
  end
  return q, p
end

--- Returns the states one interval later; calling the model does the same.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor q (batch, d)
-- @treturn tensor p (batch, d)
-- @usage
-- model = torus.models.sympnet{ dimension = 1 }
-- q, p = model:forward(torus.randn(8, 1), torus.randn(8, 1))
function SympNet:forward(q, p)
  check_state(self, "forward", self.config.dtype, q, p)
  return units.given(self, step(self, units.scaled(self, q, p)))
end

--- Returns the states one interval earlier, the exact inverse of forward.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @treturn tensor q (batch, d)
-- @treturn tensor p (batch, d)
-- @usage
-- model = torus.models.sympnet{ dimension = 1 }
-- q, p = torus.randn(8, 1), torus.randn(8, 1)
-- back = model:inverse(model(q, p))
-- print((back - q):abs():max():item() < 1e-5)   -- true
function SympNet:inverse(q, p)
  check_state(self, "inverse", self.config.dtype, q, p)
  return units.given(self, step_back(self, units.scaled(self, q, p)))
end

local ROLLOUT = { steps = { default = 30, type = "integer", min = 0 },
  backward = { default = false, type = "boolean" } }

--- Applies the map repeatedly.
-- @tparam tensor q (batch, d)
-- @tparam tensor p (batch, d)
-- @tparam[opt] table opts
-- @tparam[opt=30] integer opts.steps
-- @tparam[opt=false] boolean opts.backward goes backward in time
-- @treturn table trajectory: q and p (steps + 1, batch, d)
-- @usage
-- model = torus.models.sympnet{ dimension = 1 }
-- trajectory = model:rollout(torus.randn(8, 1), torus.randn(8, 1), { steps = 50 })
-- print(table.unpack(trajectory.q.shape))   -- 51  8  1
function SympNet:rollout(q, p, opts)
  local o = options.resolve("sympnet:rollout", opts, ROLLOUT)
  check_state(self, "rollout", self.config.dtype, q, p)
  local move = o.backward and step_back or step
  q, p = units.scaled(self, q, p)
  local qs, ps = { q }, { p }
  for i = 2, o.steps + 1 do
    q, p = move(self, q, p)
    qs[i], ps[i] = q, p
  end
  q, p = units.given(self, engine.stack(qs, 1), engine.stack(ps, 1))
  return { q = q, p = p }
end

--- Determines the units of states from data: the mean of every coordinate, and the standard
-- deviation of q and of p, each over all of their coordinates. The configuration must have
-- `normalise`.
-- @tparam tensor q (n, d)
-- @tparam tensor p (n, d)
-- @return self
-- @raise without `normalise`
-- @usage
-- model = torus.models.sympnet{ dimension = 1, normalise = true }
-- model:normalise(torus.randn(100, 1) * 50, torus.randn(100, 1) * 0.01)
-- print(model.scale)   -- about 50 and 0.01
function SympNet:normalise(q, p)
  if not self.shift then
    options.raise("sympnet:normalise: expected a model with normalise = true")
  end
  check_state(self, "normalise", nil, q, p) -- it converts them
  units.take(self, q, p)
  return self
end

local LOSS = { initial = { default = "observed", choices = { "observed", "fitted" } } }

--- Returns the mean squared error of the states after the first along rollouts, half the sum
-- of those of q and p, in units of the data if these are known; with two states it is the
-- loss of the paper.
-- @tparam tensor q (states, batch, d), windows of observed trajectories
-- @tparam tensor p like q
-- @tparam[opt] table opts
-- @tparam[opt="observed"] string opts.initial initial state of the rollouts: the first
-- state of each window or, with "fitted", the one that fits all states of the window best
-- @treturn tensor loss, a scalar
-- @usage
-- model = torus.models.sympnet{ dimension = 1 }
-- model:rollout_loss(torus.randn(2, 8, 1), torus.randn(2, 8, 1)):backward()
function SympNet:rollout_loss(q, p, opts)
  states.check("sympnet:rollout_loss", self.config.dtype,
    { "states", "batch", self.config.dimension }, STATE, q, p)
  local o, steps = options.resolve("sympnet:rollout_loss", opts, LOSS), q:size(1) - 1
  if steps < 1 then
    options.raise("sympnet:rollout_loss: q: expected at least two states, got %s",
      options.show(q))
  end
  local function roll(q0, p0) return self:rollout(q0, p0, { steps = steps }) end
  local q0, p0 = q[1], p[1]
  if o.initial == "fitted" then q0, p0 = initial_states.of_windows(self, roll, q, p) end
  return units.rollout_error(self, roll(q0, p0), q, p)
end

function SympNet:describe()
  local c = self.config
  return string.format("SympNet(%s, d=%d, %d layers, %d shears)", c.kind, c.dimension,
    c.layers, #self.shears)
end

signature.methods("SympNet", SympNet, {})

return setmetatable(M, { __call = function(_, config, generator)
  return M.new(config, generator)
end })
