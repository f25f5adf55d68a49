--- States with time derivatives, for networks that learn a vector field (eq. (1) of the
-- paper), with the data of Greydanus et al. (2019) for each of their systems.
--
--     local set = torus.data.hnn_data.make("pendulum", { seed = 1 })
--     set.train.q, set.train.p       -- (1125, 1), noisy states
--     set.train.dq, set.train.dp     -- their derivatives
--
-- @module torus.data.hnn_data
local forces = require "torus.forces"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"
local random = require "torus.random"
local systems = require "torus.systems"
local engine = require "torus.engine"

local M = {}

-- The defaults of a recipe.
local GENERAL = { trajectories = 50, points = 30, span = 3, noise = 0.1,
  test_share = 0.5, steps = 2000, weight_decay = 1e-4 }

--- Returns the recipe of a system: the field `recipe` of its definition, with defaults.
-- @tparam string|System system
-- @treturn table for the data: trajectories, points per trajectory, span (time from
-- first to last), noise (standard deviation on every coordinate of a state),
-- test_share (fraction of the trajectories); for the training: steps, batch (points
-- per step; nil: all), weight_decay. For an unknown name, only the defaults
-- @usage
-- print(torus.data.hnn_data.recipe("two_body").trajectories)   -- 1000
function M.recipe(system)
  if not systems.is_system(system) then system = systems.find(system) end
  return options.joined(GENERAL, system and system.definition.recipe or {})
end

local RULES = {
  seed = { default = 0, type = "integer", min = 0 },
  trajectories = { type = "integer", min = 2 },
  points = { type = "integer", min = 2 },
  span = { type = "number", above = 0 },
  noise = { type = "number", min = 0 },
  test_share = { type = "number", above = 0 },
  derivatives = { default = "true", choices = { "true", "difference", "central" } },
  start = { default = "system", choices = { "system", "square" } },
  dtype = { default = "float32", choices = { "float32", "float64" } },
}

local function systems_with(start)
  local found = {}
  for _, name in ipairs(systems.names()) do
    if systems.get(name).definition.starts[start] then
      found[#found + 1] = name
    end
  end
  return found
end

-- Initial states by one of the system's other samplers, which, unlike its own, are drawn
-- in one block.
local function start_by(system, name, seed, split, count)
  local start = system.definition.starts[name]
  if not start then
    options.raise("hnn_data: start: expected \"system\" for %s, got %q (systems with it: %s)",
      system.name, name,
      table.concat(systems_with(name), ", "))
  end
  local function rows(draw, purpose, columns)
    return random.rows(draw, random.key(seed, split, purpose), 1, count,
      columns or 0)
  end
  return start.sample(rows(engine.rand, "uniform", start.uniforms),
    rows(engine.randn, "normal", start.normals), system.constants)
end

local function initial(system, o, split, count)
  local name = "hnn " .. split
  if o.start ~= "system" then
    return start_by(system, o.start, o.seed, name, count)
  end
  return system:sample { count = count, seed = o.seed, split = name }
end

-- (points, trajectories, d) -> (trajectories * points, d), trajectory by
-- trajectory.
local function flat(x)
  return x:transpose(1, 2):reshape(-1, x:size(3))
end

-- Central or forward differences, without the states at the ends of a trajectory that
-- have none.
local function differences(x, dt, central)
  local n, apart = x:size(1), central and 2 or 1
  return (x:narrow(1, 1 + apart, n - apart) - x:narrow(1, 1, n - apart)) / (dt * apart)
end

local function noise_like(x, o, key)
  local shape = x.shape
  local z = random.rows(engine.randn, key, 1, shape[1] * shape[2], shape[3])
  return x + z:reshape(shape) * o.noise
end

-- Adds a system's force at each state of a trajectory (points, trajectories, d) to dp/dt.
local function with_force(system, dp, q, dt)
  local force = system:force()
  if not force then return dp end
  local points, trajectories = q:size(1), q:size(2)
  local t = (engine.arange(points, { dtype = "float64" }) - 1) * dt
  return dp + forces.at(force, flat(q),
    t:reshape(1, points):expand(trajectories, points):reshape(-1, 1))
end

local function part(system, o, split, count)
  local q0, p0 = initial(system, o, split, count)
  local dt = o.span / (o.points - 1)
  local trajectory = system:solve(q0, p0, { dt = dt, steps = o.points - 1 })
  local q = noise_like(trajectory.q, o, random.key(o.seed, split, "noise of q"))
  local p = noise_like(trajectory.p, o, random.key(o.seed, split, "noise of p"))
  local found = { trajectory = { q = trajectory.q, p = trajectory.p } }
  if o.derivatives ~= "true" then
    local central = o.derivatives == "central"
    local first, n = central and 2 or 1, o.points - (central and 2 or 1)
    found.q, found.p = flat(q:narrow(1, first, n)), flat(p:narrow(1, first, n))
    found.dq, found.dp = flat(differences(q, dt, central)),
      flat(differences(p, dt, central))
  else
    local gq, gp = hamiltonian.gradients(system:hamiltonian(), flat(trajectory.q),
      flat(trajectory.p), false)
    found.q, found.p = flat(q), flat(p)
    found.dq = gp
    found.dp = with_force(system, -gq - gp * system.friction, trajectory.q, dt)
  end
  for _, name in ipairs { "q", "p", "dq", "dp" } do
    found[name] = found[name]:detach():to(o.dtype):contiguous()
  end
  found.size = found.q:size(1)
  found.sequence = { q = flat(q):detach():to(o.dtype):contiguous(),
    p = flat(p):detach():to(o.dtype):contiguous(), lengths = {} }
  for i = 1, q:size(2) do found.sequence.lengths[i] = o.points end
  return found
end

--- Generates states and derivatives.
-- @tparam string|System system
-- @tparam[opt] table opts defaults are those of the system's recipe, and
-- @tparam[opt=0] integer opts.seed
-- @tparam[opt] integer opts.trajectories at least 2
-- @tparam[opt] integer opts.points of each trajectory, at least 2
-- @tparam[opt] number opts.span time from the first point to the last
-- @tparam[opt] number opts.noise standard deviation on every coordinate of a
-- state
-- @tparam[opt] number opts.test_share fraction of the trajectories used for tests
-- @tparam[opt="true"] string opts.derivatives "true", exact ones at the noise-free
-- state, "difference", forward differences of the noisy states, or "central", central
-- differences of them (points must be at least 3)
-- @tparam[opt="system"] string opts.start "system", the system's own sampler, or the
-- name of another one in its definition, such as "square" of two_body
-- @tparam[opt="float32"] string opts.dtype or "float64"
-- @treturn table system, dt between points, and train and test, each with size,
-- q, p, dq, dp (size, d); sequence, all noisy states in order: q and p (rows, d) and
-- lengths of the trajectories; and trajectory, the exact motion: q and p (points,
-- trajectories, d) float64
-- @raise for a test_share that leaves a part without trajectories
-- @usage
-- set = torus.data.hnn_data.make("pendulum", { seed = 1 })
-- print(set.train.size, table.unpack(set.train.dq.shape))   -- 1125 1125 1
function M.make(system, opts)
  system = systems.of("hnn_data", system)
  if system.varying then
    options.raise("hnn_data: system: expected constants that are the same for "
      .. "all trajectories, got %s, whose %s vary", system.name,
      table.concat(system.varying, ", "))
  end
  local o = options.resolve("hnn_data", opts, RULES)
  for key, value in pairs(M.recipe(system)) do
    if RULES[key] and o[key] == nil then o[key] = value end
  end
  if o.derivatives == "central" and o.points < 3 then
    options.raise("hnn_data: points: expected at least 3 for central differences, got %d",
      o.points)
  end
  local test = math.floor(o.test_share * o.trajectories + 0.5)
  local train = o.trajectories - test
  if test < 1 or train < 1 then
    options.raise("hnn_data: test_share: expected at least one trajectory of %d "
      .. "for training and one for tests, got %d and %d by %g", o.trajectories,
      train, test, o.test_share)
  end
  return engine.no_grad(function()
    return { system = system, dt = o.span / (o.points - 1),
      train = part(system, o, "train", train),
      test = part(system, o, "test", test) }
  end)
end

return M
