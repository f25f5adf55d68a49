--- Hamiltonian Monte Carlo: samples from a density that is known up to a factor.
--
--     local chains = torus.hmc {
--       log_density = function(q) return q:square():sum(2) * -0.5 end,
--       start = torus.randn({ 16, 3 }, { dtype = "float64" }),
--     }
--     print(chains)                       -- means, deviations, R-hat, sizes
--     local draws = chains.draws          -- (1000, 16, 3)
--
-- All chains move in one batch, along leapfrog trajectories. During the warm-up,
-- the step size is adapted by dual averaging (Hoffman and Gelman 2014), the mass
-- from the draws of all chains in Stan's windows, and the trajectory length by the
-- ChEES criterion (Hoffman, Radul and Sountsov 2021). Lengths are jittered by a
-- Halton sequence, so that a trajectory never matches a period exactly.
-- @module torus.hmc
local convergence = require "torus.measures.convergence"
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"
local trajectory = require "torus.hmc.trajectory"
local warmup = require "torus.hmc.warmup"

local M = {}

local RULES = {
  log_density = {},
  energy = {},
  temperature = { type = "number", above = 0 },
  start = { required = true },
  draws = { default = 1000, type = "integer", min = 1, max = 100000000 },
  warmup = { default = 1000, type = "integer", min = 0, max = 100000000 },
  step_size = { type = "number", above = 0 },
  trajectory = { type = "number", above = 0 },
  mass = { default = "diagonal", choices = { "unit", "diagonal", "dense" } },
  acceptance = { default = 0.65, type = "number", above = 0, max = 0.99 },
  max_steps = { default = 1000, type = "integer", min = 1, max = 1000000 },
  max_energy_error = { default = 1000, type = "number", above = 0 },
  generator = {},
}

-- The initial trajectory length; the optimum is 2.25 for a normal density in units of
-- its standard deviations.
local FIRST_TIME = 2

-- --- the target -----------------------------------------------------------------------

local function density_of(o)
  if (o.log_density == nil) == (o.energy == nil) then
    options.raise("hmc: expected either log_density or energy, got %s",
      o.energy == nil and "neither" or "both")
  end
  local name = o.energy == nil and "log_density" or "energy"
  if not options.is_callable(o[name]) then
    options.raise("hmc: %s: expected a function or a module, got %s", name,
      options.show(o[name]))
  end
  if o.log_density ~= nil then
    if o.temperature then
      options.raise("hmc: temperature: expected together with energy, got %s with "
        .. "log_density", options.show(o.temperature))
    end
    return o.log_density
  end
  local energy, factor = o.energy, -1 / (o.temperature or 1)
  return function(q)
    local e = energy(q)
    return engine.is_tensor(e) and e * factor or e
  end
end

local function first_point(log_density, start)
  options.tensor("hmc", "start", start, { "chains", "d" })
  if start.dtype ~= "float32" and start.dtype ~= "float64" then
    options.raise("hmc: start: expected float32 or float64, got %s", start.dtype)
  end
  local point = trajectory.point(log_density, start:detach())
  local off = (point.nats * 0 + point.gradient:sum(2) * 0):ne(0)
  if off:any():item() then
    local chain = off:to("float64"):argmax(1):item()
    options.raise("hmc: start: expected a finite log-density with a finite gradient, "
      .. "got %g for chain %d, with %d of %d derivatives that are not finite",
      point.nats[chain]:item(), chain,
      (~point.gradient[chain]:isfinite()):sum():item(), start:size(2))
  end
  return point
end

-- --- the motion -------------------------------------------------------------------------

-- Element i of the van der Corput sequence, in (0, 1).
local function halton(i)
  local value, part = 0, 0.5
  while i > 0 do
    value, part, i = value + part * (i % 2), part / 2, i // 2
  end
  return value
end

local Sampler = {}
Sampler.__index = Sampler

-- Makes one transition and returns its statistics.
function Sampler:transition()
  self.count = self.count + 1
  local jitter = halton(self.count)
  local wanted = math.ceil(jitter * self.length.now / self.step.now)
  local steps = math.max(1, math.min(self.max_steps, wanted))
  local before = self.point
  local point, about = trajectory.transition(self.log_density, before,
    { scale = self.scale, step_size = self.step.now, steps = steps,
      max_energy_error = self.max_energy_error }, self.generator)
  self.point, self.gradients = point, self.gradients + steps
  about.before, about.time, about.steps = before, steps * self.step.now, steps
  return about
end

-- Finds a step size at which a single step is accepted about as often as wanted.
function Sampler:search(start)
  local step, direction = start, nil
  for _ = 1, 60 do
    local _, about = trajectory.transition(self.log_density, self.point,
      { scale = self.scale, step_size = step, steps = 1, max_energy_error = 1000 },
      self.generator)
    self.gradients = self.gradients + 1
    local now = about.acceptance:mean():item() > self.target and 2 or 0.5
    if direction and now ~= direction then break end
    direction, step = now, step * now
  end
  return step
end

-- If one chain is stuck, the arithmetic mean over the chains would still be near one.
-- The harmonic mean is not, so the step size shrinks until all chains move.
local function harmonic(acceptance)
  return 1 / (1 / acceptance:clamp(1e-3, 1)):mean():item()
end

function Sampler:warm_up(o)
  local windows = warmup.windows(o.warmup)
  local mass = warmup.mass(o.mass, self.point.q)
  self.step = warmup.step(o.step_size or self:search(1), o.acceptance)
  for i = 1, o.warmup do
    local about = self:transition()
    if not o.trajectory and i > windows.first // 2 then
      self.length:update(about.before, about, self.scale, about.time,
        self.max_steps * self.step.now)
    end
    self.step:update(harmonic(about.acceptance))
    if i >= windows.first and i <= windows.last then mass:add(self.point.q) end
    if windows.ends[i] and o.mass ~= "unit" then
      local scale = mass:scale()
      if not o.trajectory then self.length:rescale(self.scale, scale) end
      self.scale = scale
      mass:restart()
      self.step = warmup.step(self:search(self.step.now), o.acceptance)
    end
  end
  self.step.now, self.length.now = self.step:average(), self.length:average()
end

-- --- the result ------------------------------------------------------------------------

--- The result of torus.hmc.
-- @type Chains
local Chains = {}
Chains.__index = Chains
Chains.__name = "torus.hmc.chains"

--- Returns the draws of all chains in one tensor.
-- @treturn tensor (draws * chains, d)
-- @usage
-- chains = torus.hmc { log_density = function(q) return q:square():sum(2) * -0.5 end,
--   start = torus.zeros(4, 2), draws = 50, warmup = 50 }
-- print(table.unpack(chains:flat().shape))   -- 200 2
function Chains:flat()
  return self.draws:reshape(-1, self.draws:size(3))
end

--- Returns moments, quantiles and convergence diagnostics of every coordinate.
-- @treturn {table,...} for each coordinate mean, std, low and high (5% and 95%
-- quantiles), rhat, bulk and tail (effective sample sizes), error (of the mean)
-- @usage
-- chains = torus.hmc { log_density = function(q) return q:square():sum(2) * -0.5 end,
--   start = torus.zeros(4, 2), draws = 50, warmup = 50 }
-- print(chains:summary()[1].rhat)
function Chains:summary()
  return engine.no_grad(function()
    local all, rows = self:flat():to("float64"), {}
    local mean, std = all:mean(1), all:std(1, { correction = 1 })
    local edges = all:quantile({ 0.05, 0.95 }, 1)
    local rhat = convergence.rhat(self.draws)
    local bulk = convergence.effective_size(self.draws)
    local tail = convergence.effective_size(self.draws, { kind = "tail" })
    local plain = convergence.effective_size(self.draws, { kind = "mean" })
    for i = 1, all:size(2) do
      rows[i] = { mean = mean[i]:item(), std = std[i]:item(), low = edges[1][i]:item(),
        high = edges[2][i]:item(), rhat = rhat[i]:item(), bulk = bulk[i]:item(),
        tail = tail[i]:item(), error = std[i]:item() / math.sqrt(plain[i]:item()) }
    end
    return rows
  end)
end

-- Rows of a printed summary.
local MAX_ROWS = 20

function Chains:__tostring()
  local n, chains, d = table.unpack(self.draws.shape)
  local lines = { ("%d draws of %d chains, d = %d: acceptance %.2f, step %.3g, "
    .. "%.1f steps, %d divergences"):format(n, chains, d, self.acceptance,
    self.step_size, self.steps, self.divergences) }
  if n < 4 then return lines[1] end
  lines[2] = ("%4s %11s %10s %11s %11s %7s %8s %8s"):format("", "mean", "std", "5%",
    "95%", "R-hat", "bulk", "tail")
  local rows = self:summary()
  for i = 1, math.min(#rows, MAX_ROWS) do
    local r = rows[i]
    lines[#lines + 1] = ("%4d %11.4g %10.4g %11.4g %11.4g %7.3f %8.0f %8.0f"):format(i,
      r.mean, r.std, r.low, r.high, r.rhat, r.bulk, r.tail)
  end
  if #rows > MAX_ROWS then lines[#lines + 1] = ("and %d more"):format(#rows - MAX_ROWS) end
  return table.concat(lines, "\n")
end

signature.methods("Chains", Chains, {})

-- --- drawing ------------------------------------------------------------------------------

local function draw(self, o)
  local draws, nats, diverged, accepted, steps = {}, {}, {}, 0, 0
  for i = 1, o.draws do
    local about = self:transition()
    draws[i], nats[i], diverged[i] = self.point.q, self.point.nats, about.diverged
    accepted = accepted + about.acceptance:mean():item()
    steps = steps + about.steps
  end
  diverged = engine.stack(diverged, 1)
  return setmetatable({
    draws = engine.stack(draws, 1), log_density = engine.stack(nats, 1),
    diverged = diverged, divergences = diverged:to("int64"):sum():item(),
    acceptance = accepted / o.draws, steps = steps / o.draws,
  }, Chains)
end

--- Samples from a density by Hamiltonian Monte Carlo.
-- @function torus.hmc
-- @tparam table opts
-- @tparam[opt] function|Module opts.log_density of q (chains, d), returns the
-- logarithm of the density up to a constant, (chains); or
-- @tparam[opt] function|Module opts.energy of q (chains, d), returns (chains): the
-- density is exp(-energy / temperature)
-- @tparam[opt=1] number opts.temperature only with energy
-- @tparam tensor opts.start (chains, d), initial positions of the chains; its dtype is
-- used for everything. They should be more widely spread than the density, or R-hat
-- says little
-- @tparam[opt=1000] integer opts.draws number of draws per chain
-- @tparam[opt=1000] integer opts.warmup number of transitions before them, during which
-- everything is adapted
-- @tparam[opt] number opts.step_size initial step size; by default it is found by a
-- search. With warmup = 0 it stays fixed
-- @tparam[opt] number opts.trajectory maximum time of a trajectory, in units of
-- the mass's periods over 2 pi; by default adapted, beginning at 2. Adaptation needs
-- several chains: with a single one it stays at 2
-- @tparam[opt="diagonal"] string opts.mass form of the adapted mass: "diagonal" or
-- "dense"; "unit" keeps the unit matrix
-- @tparam[opt=0.65] number opts.acceptance target of the step size adaptation: the
-- harmonic mean of the chains' acceptance probabilities, which is below their mean
-- @tparam[opt=1000] integer opts.max_steps limit for a trajectory
-- @tparam[opt=1000] number opts.max_energy_error energy error above which a trajectory
-- counts as divergent
-- @tparam[opt] generator opts.generator source of all random numbers
-- @treturn Chains with draws (draws, chains, d), log_density (draws, chains),
-- diverged (draws, chains) and divergences, their number, acceptance (mean
-- probability), step_size, trajectory (maximum time), steps (mean number), mass (the
-- variances (d) or covariance (d, d) whose inverse is the mass), gradients (evaluations
-- per chain, including the warm-up)
-- @raise if log_density does not return one number for each chain, or is not finite at
-- the start
-- @usage
-- chains = torus.hmc {
--   energy = function(q) return (q:square():sum(2) - 1):square() * 2 end,
--   start = torus.randn({ 8, 2 }, { generator = torus.generator(1) }),
--   draws = 100, warmup = 100, generator = torus.generator(2),
-- }
-- print(chains)
-- -- Positions of a system in a heat bath, and states from the density of a flow:
-- bath = torus.hmc { energy = torus.systems.mass_spring:hamiltonian().V,
--   temperature = 0.5, start = torus.randn(8, 1), draws = 20, warmup = 20 }
-- flow = torus.models.nhf { dimension = 1, flows = 2, width = 8 }
-- states = torus.hmc { start = torus.randn(8, 2), draws = 20, warmup = 20,
--   log_density = function(s)
--     return flow:log_joint(s:narrow(2, 1, 1), s:narrow(2, 2, 1))
--   end }
function M.sample(opts)
  local o = options.resolve("hmc", opts, RULES)
  local log_density = density_of(o)
  local point = first_point(log_density, o.start)
  local self = setmetatable({
    log_density = log_density, point = point, generator = o.generator,
    scale = engine.ones({ o.start:size(2) }, { dtype = o.start.dtype }),
    length = warmup.length(o.trajectory or FIRST_TIME), count = 0, gradients = 1,
    max_steps = o.max_steps, max_energy_error = o.max_energy_error,
    target = o.acceptance,
  }, Sampler)
  self:warm_up(o)
  local chains = draw(self, o)
  chains.step_size, chains.trajectory = self.step.now, self.length.now
  chains.gradients = self.gradients
  chains.mass = self.scale:dim() == 1 and self.scale:square()
    or self.scale:matmul(self.scale:transpose())
  return chains
end

return setmetatable(M, { __call = function(_, ...)
  options.alone("hmc", "{ log_density =, start =, ... }", ...)
  return M.sample(...)
end })
