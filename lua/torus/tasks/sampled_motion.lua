--- Motion of sampled films compared with the true system: the error of each film against
-- the nearest film of the true system, frame by frame. It is not enough that single frames
-- look right: their sequence must follow from one initial state.
-- @module torus.tasks.sampled_motion
local engine = require "torus.engine"
local frames = require "torus.tasks.frames"
local least_squares = require "torus.optim.least_squares"
local lists = require "torus.tasks.lists"
local options = require "torus.options"

local M = {}

local RULES = {
  pool = { default = 2048, type = "integer", min = 1 },
  starts = { default = 3, type = "integer", min = 1 },
  rounds = { default = 12, type = "integer", min = 1, max = 1000 },
  threshold = { default = 0.1, type = "number", above = 0 },
  dt = { type = "number" },
  noise = { default = 0, type = "number", min = 0 },
  seed = { default = 0, type = "integer" },
}

-- Frames of a film that the search in the pool compares.
local COMPARED = 6
-- Number of films of the pool rendered at a time.
local DRAWN = 256
-- Number of noisy images that are averaged to a mean image. With the largest noise of the built-in
-- systems, the mean of 256 is off by a squared error of 0.3e-4.
local NOISY = 256

-- Positions (times, count, d) of the motion from states (count, 2 d), q and p concatenated.
local function positions(system, states, own, times)
  local q, p = states:chunk(2, 2)
  return system:solve(q:contiguous(), p:contiguous(), { times = times, constants = own }).q
end

-- Films (count, times, height, width, 3) of positions.
local function filmed(system, q, resolution, own)
  return system:render(q, { resolution = resolution,
    constants = own and own:unsqueeze(1) or nil }):transpose(1, 2):contiguous()
end

-- Returns a function from states (count, 2 d) to films of their motion at given times.
local function filming(system, resolution, own, times)
  return function(states)
    return filmed(system, positions(system, states, own, times), resolution, own)
  end
end

-- Films of the motion from states whose frames are mean images of noisy positions: those that
-- the squared error prefers to all others, blurred ones.
local function blurred(system, states, own, times, resolution, o)
  local q = positions(system, states, own, times)
  local generator = engine.generator(o.seed)
  local sum
  for _ = 1, NOISY do
    local z = engine.randn(q.shape, { dtype = q.dtype, generator = generator })
    local films = filmed(system, q + z * o.noise, resolution, own)
    sum = sum and sum:add_(films) or films
  end
  return sum / NOISY
end

-- The times of all frames, and the indices of those that the search compares.
local function times_of(system, frames_, o)
  local times, compared = {}, {}
  for t = 1, frames_ do times[t] = (t - 1) * (o.dt or system.dt) end
  local count = math.min(COMPARED, frames_)
  for i = 1, count do
    compared[i] = count == 1 and 1
      or 1 + (i - 1) * (frames_ - 1) // (count - 1)
  end
  return times, compared
end

local function flattened(films) return films:reshape(films:size(1), -1) end

-- The `starts` films of the pool that are nearest to each given one: states
-- (films * starts, 2 d), their constants, if these vary, and their number for each film.
local function nearest(system, films, times, compared, o)
  local q, p, own = system:sample { count = o.pool, seed = o.seed,
    split = "sampled motion" }
  local wanted = flattened(films:index_select(2,
    engine.tensor(compared, { dtype = "int64" })))
  local some_times, distances = {}, {}
  for i, t in ipairs(compared) do some_times[i] = times[t] end
  for first = 1, o.pool, DRAWN do
    local count = math.min(DRAWN, o.pool - first + 1)
    local film = filming(system, films:size(3),
      own and own:narrow(1, first, count):contiguous(), some_times)
    local drawn = flattened(film(engine.cat({ q:narrow(1, first, count),
      p:narrow(1, first, count) }, 2)))
    distances[#distances + 1] = (drawn * drawn):sum(2):reshape(1, -1)
      - wanted:matmul(drawn:transpose(1, 2)) * 2
  end
  local starts = math.min(o.starts, o.pool)
  local _, order = engine.cat(distances, 2):topk(starts, 2, false)
  local indices = order:reshape(-1)
  return engine.cat({ q, p }, 2):index_select(1, indices),
    own and own:index_select(1, indices), starts
end

-- Repeats each row of a tensor `times` times.
local function repeated(x, times)
  local shape = x.shape
  table.insert(shape, 2, times)
  return x:unsqueeze(2):expand(shape):reshape(-1, table.unpack(shape, 3))
end

-- The indices of the problems with the smallest error among every `starts`.
local function winners(errors, starts)
  local best = errors:reshape(-1, starts):argmin(2)
  return best + engine.arange(0, best:size(1) - 1, { dtype = "int64" }) * starts
end

--- Finds the motion of the true system that is nearest to films: the nearest of a pool of
-- simulated ones, whose initial state is then fitted to all frames by least squares. A film
-- moves like the system if its squared error against that motion is at most a fraction of
-- the film's own variance around its mean image.
-- @tparam System system
-- @tparam tensor films (count, frames, resolution, resolution, 3) in [0, 1]
-- @tparam[opt] table opts
-- @tparam[opt=2048] integer opts.pool simulated trajectories to begin from, drawn
-- with opts.seed=0
-- @tparam[opt=3] integer opts.starts number of nearest ones from which each film is fitted
-- @tparam[opt=12] integer opts.rounds number of iterations of the fit
-- @tparam[opt=0.1] number opts.threshold fraction of the variance
-- @tparam[opt] number opts.dt time between frames; the system's by default
-- @tparam[opt=0] number opts.noise standard deviation of the positions' noise in the frames
-- that a sampler has learned from. What it learns at best is then the mean image of noisy
-- positions, so the films are compared with such images of the nearest motion
-- @treturn table moves, the fraction of the `count` films that move like the system;
-- motion_distance, the mean over films of the mean squared error of a pixel against the
-- nearest true film, with ..._spread between films and ..._median; films, the
-- nearest true ones, shaped like the given ones; relative, each film's error as
-- a fraction of its variance
-- @usage
-- local torus = require "torus"
-- local motion = require "torus.tasks.sampled_motion"
-- local spring = torus.systems.mass_spring
-- local q, p = spring:sample { count = 3, seed = 5 }
-- local true_ones = spring:render(spring:solve(q, p).q):transpose(1, 2)
-- print(motion.measure(spring, true_ones:contiguous()).moves)   -- 1.0
function M.measure(system, films, opts)
  local o = options.resolve("sampled_motion.measure", opts, RULES)
  return engine.no_grad(function()
    local times, compared = times_of(system, films:size(2), o)
    local states, own, starts = nearest(system, films, times, compared, o)
    local best = least_squares.match(filming(system, films:size(3), own, times),
      states, repeated(films, starts), o.rounds)
    local winner = winners(best.error, starts)
    local true_films = o.noise == 0 and best.drawn:index_select(1, winner)
      or blurred(system, best.x:index_select(1, winner),
        own and own:index_select(1, winner), times, films:size(3), o)
    local errors = frames.squares(true_films - films)
    local variance = frames.squares(films - films:mean(2, true)):mean(2)
    local relative = errors:mean(2) / (variance + 1e-12)
    local moving = relative:le(o.threshold):to("float64"):mean():item()
    local distances = errors:mean(2):totable()
    local mean, spread = lists.mean_and_spread(distances)
    return { moves = moving, count = films:size(1), motion_distance = mean,
      motion_distance_spread = spread,
      motion_distance_median = lists.median(distances), films = true_films,
      relative = relative:totable() }
  end)
end

--- Returns the result of measure as text.
-- @tparam table result
-- @treturn {{string,string},...} names and values
-- @usage
-- local motion = require "torus.tasks.sampled_motion"
-- local rows = motion.rows { moves = 1, count = 48, motion_distance = 1e-5,
--   motion_distance_spread = 1e-6, motion_distance_median = 1e-5 }
-- print(rows[1][1], rows[1][2])
function M.rows(result)
  return {
    { "sampled films that move as the system", string.format("%.0f%% of %d",
      100 * result.moves, result.count) },
    { "sampled films / nearest true motion", string.format(
      "%.2fe-4 +- %.2fe-4, median %.2fe-4", result.motion_distance * 1e4,
      result.motion_distance_spread * 1e4,
      result.motion_distance_median * 1e4) },
  }
end

return M
