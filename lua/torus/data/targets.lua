--- Densities to learn: mixtures with any number of modes in any dimension, the usual
-- two-dimensional ones, and the user's own samples.
--
--     local target = torus.data.targets.get("rings")
--     local x = target:sample(512, torus.generator(1))   -- (512, 2)
--     local nats = target:log_density(x)                 -- (512), float64
--
-- All built-in targets lie within about [-4, 4] in each coordinate.
-- @module torus.data.targets
local csv = require "torus.csv"
local npy = require "torus.npy"
local npz = require "torus.npz"
local options = require "torus.options"
local signature = require "torus.signature"
local engine = require "torus.engine"

local M = {}

--- A density to learn. Fields: name, dimension d.
-- @type Target
local Target = {}
Target.__index = Target
Target.__name = "torus.data.target"

local LOG_2PI = math.log(2 * math.pi)
local F64 = { dtype = "float64" }

local function uniform(shape, generator)
  return engine.rand(shape, { dtype = "float64", generator = generator })
end

local function normal(shape, generator)
  return engine.randn(shape, { dtype = "float64", generator = generator })
end

-- Draws uniformly from 1..n: (count) int64.
local function pick(count, n, generator)
  return ((uniform({ count }, generator) * n):floor() + 1):to("int64")
end

-- log of the mean of normal densities around `centres` (k, d), of standard
-- deviation s, at x (n, d): (n).
local function log_mixture(x, centres, s)
  local k, d = centres:size(1), centres:size(2)
  local parts = {}
  local rows = math.max(1, 1000000 // k)
  for first = 1, x:size(1), rows do
    local part = x:narrow(1, first, math.min(rows, x:size(1) - first + 1))
    local squares = nil
    for i = 1, d do
      local gap = part:narrow(2, i, 1) - centres:select(2, i):reshape(1, k)
      local square = gap * gap
      squares = squares and squares + square or square
    end
    parts[#parts + 1] = (squares * (-0.5 / (s * s))):logsumexp(2)
  end
  return engine.cat(parts, 1)
    - (math.log(k) + d * (math.log(s) + 0.5 * LOG_2PI))
end

-- --- mixtures -----------------------------------------------------------------

-- Equally spaced modes: on a line for d = 1, on a circle for d = 2, at random corners of
-- a cube in more dimensions.
local function centres_of(modes, d, radius, seed)
  local rows, generator = {}, engine.generator(seed)
  local corners = d > 2 and (engine.rand({ modes, d }, { dtype = "float64",
    generator = generator }) - 0.5):sign():totable()
  for k = 1, modes do
    local row = {}
    if d == 1 then
      row[1] = modes == 1 and 0 or radius * (2 * (k - 1) / (modes - 1) - 1)
    elseif d == 2 then
      local angle = 2 * math.pi * (k - 1) / modes
      row[1], row[2] = radius * math.cos(angle), radius * math.sin(angle)
    else
      for i = 1, d do row[i] = corners[k][i] * radius / math.sqrt(d) end
    end
    rows[k] = row
  end
  return engine.tensor(rows, F64)
end

local MIXTURE = {
  modes = { default = 4, type = "integer", min = 1, max = 100000 },
  dimension = { default = 2, type = "integer", min = 1, max = 10000 },
  radius = { type = "number", min = 0 },
  std = { default = 0.4, type = "number", above = 0 },
  seed = { default = 1, type = "integer" },
  centres = {},
}

--- Makes a mixture of equally likely normal densities with a common standard deviation.
-- @tparam[opt] table opts
-- @tparam[opt=4] integer opts.modes
-- @tparam[opt=2] integer opts.dimension above 2 the modes are random corners of
-- a cube
-- @tparam[opt] number opts.radius distance of the modes from the origin; 2.5 by
-- default, 1.5 sqrt(dimension) above two dimensions
-- @tparam[opt=0.4] number opts.std standard deviation of each mode
-- @tparam[opt=1] integer opts.seed chooses the corners
-- @tparam[opt] tensor opts.centres (modes, dimension), instead of modes,
-- dimension, radius and seed
-- @treturn Target
-- @usage
-- target = torus.data.targets.mixture { modes = 3, dimension = 1 }
-- print(target)   -- target mixture (d=1, 3 modes)
function M.mixture(opts)
  local o = options.resolve("targets.mixture", opts, MIXTURE)
  local d = o.dimension
  if o.centres then
    options.tensor("targets.mixture", "centres", o.centres, { "modes", "dimension" })
  end
  local radius = o.radius or (d > 2 and 1.5 * math.sqrt(d) or 2.5)
  local centres = o.centres and o.centres:to("float64")
    or centres_of(o.modes, d, radius, o.seed)
  return setmetatable({ name = "mixture", dimension = centres:size(2),
    modes = centres, std = o.std,
    draw = function(count, generator)
      return centres:index_select(1, pick(count, centres:size(1), generator))
        + normal({ count, centres:size(2) }, generator) * o.std
    end,
    log = function(x) return log_mixture(x, centres, o.std) end }, Target)
end

-- --- curves with normal noise -----------------------------------------------

-- Points along several curves, with noise of standard deviation s. curve(i, t)
-- returns x and y of curve i at t, a tensor in [0, 1), like t.
local NODES = 800

local function curves(name, count_of, s, curve)
  local function points(index, t)
    local x, y = curve(index, t)
    return engine.stack({ x, y }, 2)
  end
  local nodes = {}
  local t = (engine.arange(NODES, F64) - 0.5) / NODES
  for i = 1, count_of do nodes[i] = points(engine.full({ NODES }, i, F64), t) end
  nodes = engine.cat(nodes, 1)
  return setmetatable({ name = name, dimension = 2,
    draw = function(count, generator)
      local index = pick(count, count_of, generator):to("float64")
      return points(index, uniform({ count }, generator))
        + normal({ count, 2 }, generator) * s
    end,
    log = function(x) return log_mixture(x, nodes, s) end }, Target)
end

local function rings()
  return curves("rings", 2, 0.15, function(i, t)
    local r, angle = i * 1.25, t * (2 * math.pi)
    return r * angle:cos(), r * angle:sin()
  end)
end

-- Two interleaving half circles.
local function moons()
  return curves("moons", 2, 0.15, function(i, t)
    local side, angle = 3 - i * 2, t * math.pi -- 1 and -1
    return (angle:cos() * 1.5 - 0.75) * side,
      (angle:sin() * 1.5 - 0.375) * side
  end)
end

-- Two arms, one and a quarter turns each.
local function spirals()
  return curves("spirals", 2, 0.12, function(i, t)
    local length = t:sqrt()
    local angle = length * (2.5 * math.pi) + i * math.pi
    return length * 3 * angle:cos(), length * 3 * angle:sin()
  end)
end

-- --- others -------------------------------------------------------------------

-- Black squares of side 1.5 of a board over [-3, 3]^2.
local function checkerboard()
  local side, area = 1.5, 8 * 1.5 ^ 2
  return setmetatable({ name = "checkerboard", dimension = 2,
    known_entropy = math.log(area),
    draw = function(count, generator)
      local column = (uniform({ count }, generator) * 4):floor()
      local pair = (uniform({ count }, generator) * 2):floor() * 2
      local odd = column - (column / 2):floor() * 2
      local corner = engine.stack({ column, pair + odd }, 2) - 2
      return (corner + uniform({ count, 2 }, generator)) * side
    end,
    log = function(x)
      local cell = (x / side):floor()
      local sum = cell:sum(2)
      local even = (sum - (sum / 2):floor() * 2):eq(0)
      local inside = x:abs():max(2):lt(2 * side)
      return engine.where(even * inside, engine.full({ x:size(1) },
        -math.log(area), F64), engine.full({ x:size(1) }, -math.huge, F64))
    end }, Target)
end

-- Turns points about the origin by angles (n).
local function turned(x, angle)
  local a, b = x:select(2, 1), x:select(2, 2)
  local c, s = angle:cos(), angle:sin()
  return engine.stack({ a * c - b * s, a * s + b * c }, 2)
end

-- Five radial arms, twisted by an angle that grows with the radius; the twist preserves
-- areas.
local function pinwheel()
  local arms, along, across, centre, rate = 5, 0.55, 0.15, 1.8, 0.6
  return setmetatable({ name = "pinwheel", dimension = 2,
    draw = function(count, generator)
      local z = normal({ count, 2 }, generator)
      local x = engine.stack({ z:select(2, 1) * along + centre,
        z:select(2, 2) * across }, 2)
      local arm = pick(count, arms, generator):to("float64")
      local radius = (x * x):sum(2):sqrt()
      return turned(x, arm * (2 * math.pi / arms) + radius * rate)
    end,
    log = function(x)
      local radius, terms = (x * x):sum(2):sqrt(), {}
      for arm = 1, arms do
        local y = turned(x, radius * -rate - arm * (2 * math.pi / arms))
        terms[arm] = (y:select(2, 1) - centre):square() * (-0.5 / along ^ 2)
          + y:select(2, 2):square() * (-0.5 / across ^ 2)
      end
      return engine.stack(terms, 2):logsumexp(2)
        - (math.log(arms * along * across) + LOG_2PI)
    end }, Target)
end

local PLANE = { rings = rings, moons = moons, spirals = spirals,
  checkerboard = checkerboard, pinwheel = pinwheel }

--- The names that `get` accepts.
M.names = { "mixture", "rings", "moons", "checkerboard", "spirals", "pinwheel" }

--- Returns the target of a name.
-- @tparam string name "mixture", or one in the plane: rings, moons, checkerboard,
-- spirals, pinwheel
-- @tparam[opt] table opts as in mixture; the other targets have no options
-- @treturn ?Target
-- @treturn ?string message
-- @usage
-- rings = torus.data.targets.get("rings")
-- print(table.unpack(rings:sample(512).shape))   -- 512 2
function M.get(name, opts)
  if name == "mixture" then return M.mixture(opts) end
  local make = PLANE[name]
  if not make then
    return nil, string.format("no target is named %s%s (known: %s)", options.show(name),
      options.did_you_mean(name, M.names), table.concat(M.names, ", "))
  end
  options.resolve("targets." .. name, opts, {})
  return make()
end

-- --- a user's samples -----------------------------------------------------------

local SAMPLES = {
  test_share = { default = 0.2, type = "number", above = 0, max = 0.9 },
  seed = { default = 0, type = "integer" },
}

-- Draws with replacement from the rows of x.
local function drawn_from(x)
  return setmetatable({ name = "samples", dimension = x:size(2), rows = x,
    draw = function(count, generator)
      return x:index_select(1, pick(count, x:size(1), generator))
    end }, Target)
end

-- (n, d) float64, or nil and what is wrong.
local function rows_of(x, where)
  if x:dim() == 1 then x = x:reshape(-1, 1) end
  if x:dim() ~= 2 or x:size(1) < 2 or x:size(2) < 1 then
    return nil, string.format("%s: expected samples of shape (n, d), n at least "
      .. "2, got %s", where, options.shape_text(x))
  end
  x = x:to("float64")
  if (x * 0):sum():item() ~= 0 then
    return nil, where .. ": expected finite samples, got a NaN or an infinity"
  end
  return x
end

local READERS = { npy = npy.load,
  npz = function(path) return npz.load_array(path, "samples") end,
  csv = function(path) return csv.load(path, { dtype = "float64" }) end }

local function read(path)
  local reader = READERS[path:lower():match("%.(%w+)$")]
  return (reader or npy.load)(path)
end

--- Makes a target from samples in a .npy, .npz or .csv file or a tensor (samples, d), which
-- are drawn with replacement. A fraction of them, chosen by the seed, is held out and never
-- drawn; it is a separate Target, the field `held_out` of the result.
-- @tparam string|tensor source
-- @tparam[opt] table opts
-- @tparam[opt=0.2] number opts.test_share above 0, at most 0.9
-- @tparam[opt=0] integer opts.seed
-- @treturn ?Target
-- @treturn ?string message
-- @usage
-- target = torus.data.targets.samples(torus.randn(100, 3))
-- print(target.held_out:sample(5).shape[2])   -- 3
function M.samples(source, opts)
  local o = options.resolve("targets.samples", opts, SAMPLES)
  local given = engine.is_tensor(source)
  if not given and type(source) ~= "string" then
    options.raise("targets.samples: source: expected a tensor or the path of a "
      .. ".npy, .npz or .csv file, got %s", options.show(source))
  end
  local x, message = source, nil
  if not given then x, message = read(source) end
  if not x then return nil, message end
  x, message = rows_of(x, given and "samples" or source)
  if not x then return nil, message end
  local n = x:size(1)
  local order = engine.randperm(n, { generator = engine.generator(o.seed) })
  local test = math.max(1, math.floor(o.test_share * n))
  local target = drawn_from(x:index_select(1, order:narrow(1, test + 1,
    n - test)))
  target.held_out = drawn_from(x:index_select(1, order:narrow(1, 1, test)))
  return target
end

-- --- densities without samples ----------------------------------------------------

local DENSITY = {
  log_density = { required = true, type = "callable" },
  dimension = { required = true, type = "integer", min = 1, max = 10000 },
  name = { default = "density", type = "string" },
}

--- Makes a target from a density of the user's own, known up to a factor, for learning with
-- the reverse KL divergence. It has no samples.
-- @tparam table opts
-- @tparam function|Module opts.log_density of x (n, d), returns (n), differentiable
-- @tparam integer opts.dimension d
-- @tparam[opt="density"] string opts.name
-- @treturn Target
-- @usage
-- ridge = torus.data.targets.density { dimension = 2,
--   log_density = function(x) return -(x:square():sum(2) - 4):square() end }
-- print(ridge:log_density(torus.zeros(1, 2)):item())   -- -16
function M.density(opts)
  local o = options.resolve("targets.density", opts, DENSITY)
  return setmetatable({ name = o.name, dimension = o.dimension, unnormalised = true,
    log = o.log_density }, Target)
end

--- Makes the density of the positions of a system in a heat bath, exp(-V(q) / temperature),
-- unnormalised and without samples. V must be confining: a pendulum that can rotate has no
-- such density.
-- @tparam System system with separate kinetic and potential energies
-- @tparam[opt=1] number temperature
-- @treturn ?Target
-- @treturn ?string message
-- @usage
-- target = assert(torus.data.targets.boltzmann(torus.systems.mass_spring, 2))
-- print(target:log_density(torus.ones(1, 1)):item())   -- -0.5
function M.boltzmann(system, temperature)
  local definition = system.definition
  if not definition.potential then
    return nil, string.format("system: expected a system with a potential energy, got %s, "
      .. "whose energy is not separable", system.name)
  end
  local factor = -1 / options.argument("boltzmann", "temperature", temperature or 1,
    { type = "number", above = 0 })
  return M.density { name = system.name, dimension = system.dimension,
    log_density = function(q)
      return definition.potential(q, system.constants) * factor
    end }
end

-- --- methods of a target ---------------------------------------------------------

--- Draws samples.
-- @tparam integer count
-- @tparam[opt] generator generator
-- @tparam[opt="float32"] string dtype
-- @treturn tensor (count, d)
-- @usage
-- moons = torus.data.targets.get("moons")
-- print(moons:sample(2, torus.generator(1), "float64"))
function Target:sample(count, generator, dtype)
  if not self.draw then
    options.raise("target:sample: expected a target with samples, got %s, which is only "
      .. "known by its density", self.name)
  end
  return engine.no_grad(function()
    return self.draw(count, generator):to(dtype or "float32")
  end)
end

--- Returns the logarithm of the density, differentiable with respect to x; unnormalised for
-- targets made by `density` and `boltzmann`.
-- @tparam tensor x (n, d)
-- @treturn ?tensor (n) float64, nats; nil for a user's samples
-- @usage
-- normal = torus.data.targets.mixture { modes = 1, dimension = 1, std = 1 }
-- print(normal:log_density(torus.zeros(1, 1)):item())   -- -0.91893853320467
function Target:log_density(x)
  if not self.log then return nil end
  options.tensor("log_density", "x", x, { "n", self.dimension or "d" })
  if x:size(1) == 0 then return engine.zeros({ 0 }, { dtype = "float64" }) end
  return self.log(x:to("float64"))
end

--- Returns the entropy in nats, estimated from samples if there is no closed form.
-- @tparam[opt=20000] integer count number of samples, at most ten million
-- @treturn ?number nats; nil for a user's samples and for densities without samples
-- @treturn ?number its standard error, 0 for a closed form
-- @usage
-- print(torus.data.targets.get("checkerboard"):entropy())   -- 2.89... 0
function Target:entropy(count)
  count = options.argument("Target:entropy", "count", count or 20000,
    { type = "integer", min = 1, max = 10000000 })
  if self.known_entropy then return self.known_entropy, 0 end
  if not self.log or not self.draw then return nil end
  local x = self:sample(count, engine.generator(0), "float64")
  local nats = self:log_density(x)
  local mean = nats:mean():item()
  local variance = (nats - mean):square():mean():item()
  return -mean, math.sqrt(variance / nats:numel())
end

--- Returns the fraction of samples closest to each mode of a mixture.
-- @tparam tensor x (n, d)
-- @treturn ?{number,...} one for each mode; nil for other targets
-- @usage
-- target = torus.data.targets.mixture { modes = 4 }
-- print(table.concat(target:shares(target:sample(1000)), " "))
function Target:shares(x)
  if not self.modes then return nil end
  options.tensor("shares", "x", x, { "n", self.dimension })
  return engine.no_grad(function()
    x = x:to("float64")
    local k, distances = self.modes:size(1), {}
    for i = 1, k do
      distances[i] = (x - self.modes:narrow(1, i, 1)):square():sum(2)
    end
    local nearest = engine.stack(distances, 2):argmin(2):to("float64")
    local shares = {}
    for i = 1, k do
      shares[i] = nearest:eq(i):to("float64"):mean():item()
    end
    return shares
  end)
end

function Target:__tostring()
  return string.format("target %s (d=%d%s)", self.name, self.dimension,
    self.modes and ", " .. self.modes:size(1) .. " modes" or "")
end

signature.methods("Target", Target, {
  sample = "count: integer, generator?: generator, dtype?: string",
})
signature.functions("targets", M, { boltzmann = "system: System, temperature?: number" })

return M
