--- States with time derivatives, for networks that learn a vector field: the
-- recipe of Greydanus et al. (2019) for each of their systems.
--
--     local set = torus.data.hnn_data.make("pendulum", { seed = 1 })
--     set.train.q, set.train.p       -- (1125, 1), noisy states
--     set.train.dq, set.train.dp     -- their derivatives
--
-- @module torus.data.hnn_data
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"
local stream = require "torus.systems.stream"
local systems = require "torus.systems"
local engine = require "torus.engine"

local M = {}

--- How many trajectories of how many points over how long, the standard
-- deviation of the noise on states, the share held out; and how long the
-- original trains, with batches of how many points (nil: all at once) and with
-- how much weight decay.
M.recipes = {
  mass_spring = { trajectories = 50, points = 30, span = 3, noise = 0.1,
    test_share = 0.5, steps = 2000, weight_decay = 1e-4 },
  pendulum = { trajectories = 50, points = 45, span = 3, noise = 0.1,
    test_share = 0.5, steps = 2000, weight_decay = 1e-4 },
  two_body = { trajectories = 1000, points = 50, span = 20, noise = 0,
    test_share = 0.2, batch = 200, steps = 10000, weight_decay = 0 },
}

-- What a system without a recipe of its own takes.
local GENERAL = { trajectories = 50, points = 30, span = 3, noise = 0.1,
  test_share = 0.5, steps = 2000, weight_decay = 1e-4 }

--- The recipe of a system.
-- @tparam string name
-- @treturn table
function M.recipe(name) return M.recipes[name] or GENERAL end

local RULES = {
  seed = { default = 0, type = "integer", min = 0 },
  trajectories = { type = "integer", min = 2 },
  points = { type = "integer", min = 2 },
  span = { type = "number", above = 0 },
  noise = { type = "number", min = 0 },
  test_share = { type = "number", above = 0 },
  derivatives = { default = "true", choices = { "true", "difference" } },
  start = { default = "system", choices = { "system", "square" } },
  dtype = { default = "float32", choices = { "float32", "float64" } },
}

-- The original's two bodies do not start as its text says: x and y of the
-- first are uniform in [r_min, r_max], so that all orbits start in one
-- quadrant and are wider, and one number perturbs both velocities.
local function square_start(system, count, seed, split)
  local c = system.constants
  if not (c.r_min and c.r_max and c.perturbation and system.dimension == 4) then
    options.raise("hnn_data: start = \"square\" is for two_body, got %s",
      system.name)
  end
  local u = stream.rows(engine.rand, stream.key(seed, split, "uniform"), 1,
    count, 2)
  local z = stream.rows(engine.randn, stream.key(seed, split, "normal"), 1,
    count, 1)
  local at = u * (c.r_max - c.r_min) + c.r_min
  local r = (at * at):sum(2, true):sqrt()
  local speed = (r:reciprocal() * (c.g * c.m / 4)):sqrt()
    * (z * c.perturbation + 1) * c.m / r
  local v = engine.cat({ at:narrow(2, 2, 1) * -1, at:narrow(2, 1, 1) }, 2) * speed
  return engine.cat({ at, -at }, 2), engine.cat({ v, -v }, 2)
end

local function initial(system, o, split, count)
  local name = "hnn " .. split
  if o.start == "square" then return square_start(system, count, o.seed, name) end
  return system:sample { count = count, seed = o.seed, split = name }
end

-- (points, trajectories, d) -> (trajectories * points, d), trajectory by
-- trajectory.
local function flat(x)
  return x:transpose(1, 2):reshape(-1, x:size(3))
end

-- Forward differences of neighbours; the last point of a trajectory has none.
local function differences(x, dt)
  local n = x:size(1)
  return (x:narrow(1, 2, n - 1) - x:narrow(1, 1, n - 1)) / dt
end

local function noise_like(x, o, key)
  local shape = x.shape
  local z = stream.rows(engine.randn, key, 1, shape[1] * shape[2], shape[3])
  return x + z:reshape(shape) * o.noise
end

local function part(system, o, split, count)
  local q0, p0 = initial(system, o, split, count)
  local dt = o.span / (o.points - 1)
  local way = system:solve(q0, p0, { dt = dt, steps = o.points - 1 })
  local q = noise_like(way.q, o, stream.key(o.seed, split, "noise of q"))
  local p = noise_like(way.p, o, stream.key(o.seed, split, "noise of p"))
  local found = { way = { q = way.q, p = way.p } }
  if o.derivatives == "difference" then
    local n = o.points - 1
    found.q, found.p = flat(q:narrow(1, 1, n)), flat(p:narrow(1, 1, n))
    found.dq, found.dp = flat(differences(q, dt)), flat(differences(p, dt))
  else
    local gq, gp = hamiltonian.slopes(system:hamiltonian(), flat(way.q),
      flat(way.p), false)
    found.q, found.p, found.dq, found.dp = flat(q), flat(p), gp, -gq
  end
  for _, name in ipairs { "q", "p", "dq", "dp" } do
    found[name] = found[name]:detach():to(o.dtype):contiguous()
  end
  found.size = found.q:size(1)
  return found
end

--- Makes states and derivatives.
-- @tparam string|System system
-- @tparam[opt] table opts seed=0; trajectories, points, span (time), noise (on
-- states) and test_share, by default the recipe's; derivatives="true", exact
-- ones at the state without noise, or "difference", forward differences of the
-- noisy states; start="system", the system's own sampler, or "square", the
-- original's two_body; dtype="float32"
-- @treturn table system, dt between points, and train and test, each with
-- size, q, p, dq, dp (size, d) and way, the exact motion: q and p (points,
-- trajectories, d) float64
function M.make(system, opts)
  system = systems.of("hnn_data", system)
  local o = options.resolve("hnn_data", opts, RULES)
  for key, value in pairs(M.recipe(system.name)) do
    if RULES[key] and o[key] == nil then o[key] = value end
  end
  local test = math.floor(o.test_share * o.trajectories + 0.5)
  local train = o.trajectories - test
  if test < 1 or train < 1 then
    options.raise("hnn_data: a test_share of %g leaves %d of %d trajectories "
      .. "for training", o.test_share, train, o.trajectories)
  end
  return engine.no_grad(function()
    return { system = system, dt = o.span / (o.points - 1),
      train = part(system, o, "train", train),
      test = part(system, o, "test", test) }
  end)
end

return M
