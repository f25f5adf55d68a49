--- Simulated trajectories of a system: initial states, exact motion, noise.
-- @module torus.data.states
local options = require "torus.options"
local rk45 = require "torus.rk45"
local random = require "torus.random"
local systems = require "torus.systems"
local engine = require "torus.engine"

local M = {}

--- The maximum number of states after the first of a trajectory.
M.max_steps = 10000000

local RULES = {
  system = { required = true },
  count = { required = true, type = "integer", min = 0 },
  split = { default = "train", type = "string" },
  seed = { default = 0, type = "integer" },
  first = { default = 1, type = "integer", min = 1 },
  steps = { type = "integer", min = 1, max = M.max_steps },
  dt = { type = "number" },
  noise = { type = "number", min = 0 },
  progress = { type = "callable" },
}

-- Number of trajectories solved together. If the vector field is a Lua function, blocks
-- are always solved in full, so that a trajectory's bits don't depend on how many others
-- are requested; the engine's kernels guarantee that by themselves.
local CHUNK, BLOCK = 4096, 256

local TOLERANCES = { rtol = 1e-10, atol = 1e-12, first_step = 0, max_step = 0,
  max_steps = 1000000 }

-- Renumbers the trajectory in a message of failure, counting from the first one of the
-- data set.
local function renumbered(message, first)
  return (message:gsub("trajectory (%d+)", function(n)
    return "trajectory " .. math.tointeger(tonumber(n)) + first - 1
  end, 1))
end

-- (count, times, 2 d) float64, trajectories first .. first + count - 1, and
-- their constants (count, varying constants) where some vary.
local function solve(o, times, first, count)
  local q, p, own = o.system:sample { count = count, seed = o.seed,
    split = o.split, first = first }
  local field = o.system:field(own) or o.system:general_field(own)
  local states, message = options.attempt(rk45.states, field,
    engine.cat({ q, p }, 2), times, TOLERANCES)
  if not states then
    options.raise("data: %s, split %q, seed %d: %s", o.system.name, o.split,
      o.seed, renumbered(message, first))
  end
  return states, own
end

local function chunks(o)
  if o.system:field() then
    return CHUNK, function(times, first, count)
      return solve(o, times, first, count)
    end
  end
  return BLOCK, function(times, first, count)
    local start = (first - 1) // BLOCK * BLOCK + 1
    local states, own = solve(o, times, start, BLOCK)
    return states:narrow(1, first - start + 1, count),
      own and own:narrow(1, first - start + 1, count)
  end
end

--- Simulates trajectories. Trajectory i, including its noise, depends only on the seed,
-- the split, i and the physics, not on the count, the first one requested or the number
-- of threads.
-- @function torus.data.trajectories
-- @tparam table opts
-- @tparam string|System opts.system
-- @tparam integer opts.count number of trajectories
-- @tparam[opt="train"] string opts.split any name
-- @tparam[opt=0] integer opts.seed
-- @tparam[opt=1] integer opts.first index of the first trajectory
-- @tparam[opt] integer opts.steps number of states after the first; the system's by
-- default
-- @tparam[opt] number opts.dt time between states; the system's by default
-- @tparam[opt] number opts.noise standard deviation on every coordinate; the
-- system's by default
-- @tparam[opt] function opts.progress called with done and count
-- @treturn tensor observed states (count, steps + 1, 2, d) float32, q and p
-- @treturn tensor noise-free states; the same tensor if noise is 0
-- @treturn ?tensor constants of the trajectories (count, varying constants)
-- float64; nil for a system whose constants don't vary
-- @raise for an unknown system, and for a trajectory that can't be solved
-- @usage
-- states = torus.data.trajectories { system = "two_body", count = 3 }
-- print(table.unpack(states.shape))   -- 3 31 2 4
function M.make(opts)
  local o = options.resolve("data.trajectories", opts, RULES)
  o.system = systems.of("data.trajectories", o.system)
  local system, d = o.system, o.system.dimension
  local steps, dt = o.steps or system.steps, o.dt or system.dt
  local sigma = o.noise or system.noise
  if dt == 0 then
    options.raise("data.trajectories: dt: expected a number other than 0, got 0")
  end
  local times = {}
  for i = 0, steps do times[i + 1] = i * dt end
  local chunk, solved = chunks(o)
  local noise_key = random.key(o.seed, o.split, "noise")
  return engine.no_grad(function()
    local shape = { o.count, steps + 1, 2, d }
    local clean = engine.zeros(shape)
    local noisy = sigma == 0 and clean or engine.zeros(shape)
    local own = system.varying and engine.zeros({ o.count, #system.varying },
      { dtype = "float64" })
    local done = 0
    while done < o.count do
      local first = o.first + done
      -- Up to the next boundary of a block.
      local n = math.min(o.count - done, chunk - (first - 1) % chunk)
      local states, constants = solved(times, first, n)
      states = states:reshape(n, steps + 1, 2, d)
      if own then own:narrow(1, done + 1, n):copy_(constants) end
      clean:narrow(1, done + 1, n):copy_(states:to("float32"))
      if sigma ~= 0 then
        local z = random.rows(engine.randn, noise_key, first, n,
          (steps + 1) * 2 * d)
        noisy:narrow(1, done + 1, n):copy_(
          (states + z:reshape(n, steps + 1, 2, d) * sigma):to("float32"))
      end
      done = done + n
      if o.progress then o.progress(done, o.count) end
    end
    return noisy, clean, own or nil
  end)
end

return M
