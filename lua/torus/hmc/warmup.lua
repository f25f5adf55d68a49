--- The warm-up of Hamiltonian Monte Carlo: adapts step size, mass and trajectory
-- length, which all chains share, from all chains together.
-- @module torus.hmc.warmup
local engine = require "torus.engine"
local linalg = require "torus.linalg"

local M = {}

-- --- step size ------------------------------------------------------------------

local Step = {}
Step.__index = Step

--- Dual averaging of the logarithm of the step size (Hoffman and Gelman 2014,
-- section 3.2), with their constants.
-- @tparam number start the first step size
-- @tparam number target acceptance probability
-- @treturn table methods update(acceptance) and average(); field now
-- @usage
-- step = require("torus.hmc.warmup").step(0.1, 0.8)
-- step:update(1)
-- print(step.now > 0.1)   -- true
function M.step(start, target)
  return setmetatable({ centre = math.log(10 * start), target = target, now = start,
    count = 0, shortfall = 0, mean = 0 }, Step)
end

--- Updates the step size after a transition.
-- @tparam number acceptance
function Step:update(acceptance)
  local gamma, first, kappa = 0.05, 10, 0.75
  self.count = self.count + 1
  local n = self.count
  local share = 1 / (n + first)
  self.shortfall = (1 - share) * self.shortfall + share * (self.target - acceptance)
  local log_step = self.centre - math.sqrt(n) / gamma * self.shortfall
  local weight = n ^ -kappa
  self.mean = weight * log_step + (1 - weight) * self.mean
  self.now = math.exp(log_step)
end

--- Returns the averaged step size, which the sequence converges to.
-- @treturn number
function Step:average()
  return self.count == 0 and self.now or math.exp(self.mean)
end

-- --- mass ---------------------------------------------------------------------------

local Mass = {}
Mass.__index = Mass

--- Running mean and covariance of all chains' draws.
-- @tparam string kind "unit", "diagonal" or "dense"
-- @tparam tensor q (chains, d)
-- @treturn table methods add(q), restart() and scale()
-- @usage
-- mass = require("torus.hmc.warmup").mass("diagonal", torus.zeros(100, 2))
-- mass:add(torus.randn({ 100, 2 }) * 3)
-- print(mass:scale())   -- about 3 3
function M.mass(kind, q)
  local self = setmetatable({ kind = kind, dtype = q.dtype, dimension = q:size(2) }, Mass)
  self:restart()
  return self
end

--- Discards all draws.
function Mass:restart() self.count, self.sum, self.squares = 0, nil, nil end

--- Adds a draw of every chain.
-- @tparam tensor q (chains, d)
function Mass:add(q)
  if self.kind == "unit" then return end
  q = q:to("float64")
  -- Relative to the first draws, so that a large mean causes no cancellation.
  self.origin = self.count > 0 and self.origin or q:mean(1, true)
  q = q - self.origin
  local squares = self.kind == "dense" and q:transpose():matmul(q)
    or q:square():sum(1)
  self.sum = self.sum and self.sum + q:sum(1) or q:sum(1)
  self.squares = self.squares and self.squares + squares or squares
  self.count = self.count + q:size(1)
end

--- Returns the scale L: the standard deviations (d) or, for "dense", the Cholesky factor
-- (d, d) of the covariance. The estimate is shrunk slightly towards a small multiple of
-- the unit matrix, as in Stan.
-- @treturn tensor
function Mass:scale()
  local n, as = self.count, { dtype = "float64" }
  if self.kind == "unit" or n < 2 then
    return engine.ones({ self.dimension }, { dtype = self.dtype })
  end
  local mean = self.sum / n
  local shrink, little = n / (n + 5), 1e-3 * 5 / (n + 5)
  if self.kind == "diagonal" then
    local variance = (self.squares / n - mean:square()) * (n / (n - 1))
    return (variance:clamp(0, math.huge) * shrink + little):sqrt():to(self.dtype)
  end
  local d = self.dimension
  local covariance = (self.squares / n - mean:reshape(d, 1) * mean:reshape(1, d))
    * (n / (n - 1))
  return linalg.cholesky(covariance * shrink + engine.eye(d, as) * little)
    :to(self.dtype)
end

-- --- length of trajectories ------------------------------------------------------

local Length = {}
Length.__index = Length

-- Adam without momentum, with the constants of the paper.
local RATE, DECAY = 0.025, 0.95

--- Adapts the maximum time T of a trajectory by gradient ascent on the change in the
-- estimator of the expected square (ChEES: Hoffman, Radul and Sountsov, AISTATS 2021): a
-- quarter of the expected squared change of |z - mean z|^2, where z are the coordinates
-- in units of the scale.
-- @tparam number start
-- @treturn table methods update(...) and average(); field now
-- @usage
-- length = require("torus.hmc.warmup").length(2)
-- print(length:average())   -- 2
function M.length(start)
  return setmetatable({ now = start, log = math.log(start), count = 0, square = 0,
    mean = math.log(start) }, Length)
end

-- Rows in units of the scale: L^-1 x.
local function whitened(scale, x)
  if scale:dim() == 1 then return x / scale end
  return linalg.solve_triangular(scale, x:transpose(), { upper = false }):transpose()
end

--- Updates the time after a transition of several chains.
-- @tparam table before the point at the start
-- @tparam table about the transition's statistics: proposal, momenta, acceptance
-- @tparam tensor scale
-- @tparam number time of this trajectory
-- @tparam number high upper limit of T
function Length:update(before, about, scale, time, high)
  local finite = about.acceptance:gt(0)
  local z = whitened(scale, before.q)
  local moved = engine.where(finite:unsqueeze(2):expand(z.shape),
    whitened(scale, about.proposal), z)
  local r = engine.where(finite:unsqueeze(2):expand(z.shape), about.momenta, 0)
  z, moved = z - z:mean(1, true), moved - moved:mean(1, true)
  local change = moved:square():sum(2) - z:square():sum(2)
  -- The derivative by ln T, as the time of this trajectory is proportional to T.
  local slopes = change * (moved * r):sum(2) * about.acceptance
  local total = about.acceptance:sum():item()
  if not (total > 0) then return end
  local slope = slopes:sum():item() / total * time
  if slope ~= slope or slope == 0 or math.abs(slope) == math.huge then return end
  self.count = self.count + 1
  self.square = DECAY * self.square + (1 - DECAY) * slope ^ 2
  local size = math.sqrt(self.square / (1 - DECAY ^ self.count))
  -- Clipped: a single large slope counts no more than a typical one.
  local move = math.max(-1, math.min(1, slope / size))
  self.log = math.min(math.log(high), self.log + RATE * move)
  local weight = self.count ^ -0.5
  self.mean = weight * self.log + (1 - weight) * self.mean
  self.now = math.exp(self.log)
end

--- Converts the time to the units of a new scale. The extent of the longest direction,
-- which a trajectory has to traverse, stays the same.
-- @tparam tensor before the old scale
-- @tparam tensor after the new scale
function Length:rescale(before, after)
  local function matrix(x) return x:dim() == 1 and x:diag() or x end
  local sizes
  if before:dim() == 1 and after:dim() == 1 then
    sizes = after / before
  else
    sizes = select(2, linalg.svd(linalg.solve_triangular(matrix(before), matrix(after),
      { upper = false })))
  end
  local shift = math.log(sizes:max():item())
  self.log, self.mean = self.log - shift, self.mean - shift
  self.now = math.exp(self.log)
end

--- Returns the averaged time, which the sequence converges to.
-- @treturn number
function Length:average() return math.exp(self.mean) end

-- --- windows --------------------------------------------------------------------------

--- Returns the windows in which the mass is estimated, as in Stan: after an initial phase,
-- in which the chains approach the bulk of the density, and before a final one, in which
-- the step size settles, windows of doubling length. At the end of each the mass is set
-- from its draws.
-- @tparam integer count transitions of the warm-up
-- @treturn table {first =, last =, ends = {[transition] = true}}
-- @usage
-- windows = require("torus.hmc.warmup").windows(1000)
-- print(windows.first, windows.last)   -- 76 950
function M.windows(count)
  local first, last, size = 75, 50, 25
  if count < first + last + size then
    first, last = math.floor(0.15 * count), math.floor(0.1 * count)
    size = count - first - last
  end
  local ends, at, stop = {}, first, count - last
  while at < stop and size > 0 do
    -- The next window would not fit after this one, so this one is extended to the end.
    at = at + size
    if at + 2 * size > stop then at = stop end
    ends[at], size = true, 2 * size
  end
  return { first = first + 1, last = stop, ends = ends }
end

return M
