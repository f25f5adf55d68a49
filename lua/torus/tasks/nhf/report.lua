--- Evaluation of a trained flow: its bound compared with the target's entropy, its
-- true density, its modes, its inverse.
-- @module torus.tasks.nhf.report
local flow = require "torus.plot.flow"
local options = require "torus.options"
local engine = require "torus.engine"

local M = {}

local RULES = {
  count = { default = 8192, type = "integer", min = 2 },
  importance = { default = 64, type = "integer", min = 1 },
  quadrature = { default = 128, type = "integer", min = 0 },
  points = { type = "integer", min = 3 },
  grid = { default = 201, type = "integer", min = 0 },
  mass = { default = 400000, type = "integer", min = 0 },
  evidence = { default = false, type = "boolean" },
}

local function mean_and_error(x)
  local mean = x:mean():item()
  local variance = (x - mean):square():mean():item()
  return mean, math.sqrt(variance / x:numel())
end

-- The integral of the learned density over an interval that contains the samples.
local function integral(model, x, o)
  local low, high = x:min():item() - 1, x:max():item() + 1
  local axis = engine.linspace(low, high, o.grid, { dtype = model.config.dtype })
  return model:log_density(axis:reshape(-1, 1), { points = o.points }):exp()
    :sum():item() * (high - low) / (o.grid - 1)
end

local LOG_2PI = math.log(2 * math.pi)

-- ln of a normal density with one mean and scale for each coordinate: (n).
local function log_normal(x, mean, std)
  return (((x - mean) / std):square() * -0.5 - std:log()
    - 0.5 * LOG_2PI):sum(2)
end

-- The proposal of the importance sampling: q is the target's or, with probability
-- BROAD, of a normal density WIDER than the samples, which covers what the target
-- does not; p is of f(p|q), MOMENTA times as wide.
local BROAD, WIDER, MOMENTA = 0.15, 1.5, 1.2
local CHUNK = 20000

-- The integral of the joint density by importance sampling, which in four
-- dimensions takes far fewer states than a grid, and its standard error. Each q
-- has a pair of opposite momenta.
local function mass(model, target, x, o, generator)
  local c, n = model.config, math.min(CHUNK, o.mass // 2)
  local function normal()
    return engine.randn({ n, c.dimension }, { dtype = c.dtype,
      generator = generator })
  end
  local mean = x:mean(1, true)
  local std = (x - mean):square():mean(1, true):sqrt() * WIDER
  local parts = {}
  for i = 1, o.mass // (2 * n) do
    local far = engine.rand({ n, 1 }, { generator = generator }):lt(BROAD)
    local q = engine.where(far:expand(n, c.dimension), mean + std * normal(),
      target:sample(n, generator, c.dtype))
    local log_r = engine.stack({
      target:log_density(q) + math.log(1 - BROAD),
      log_normal(q, mean, std):to("float64") + math.log(BROAD) }, 2)
      :logsumexp(2)
    -- The proposal draws the noise of f(p|q) MOMENTA times as wide.
    local e, one = normal(), engine.ones({ 1 }, { dtype = c.dtype })
    local wider = log_normal(e, 0, one) - log_normal(e * MOMENTA, 0, one)
      - c.dimension * math.log(MOMENTA)
    local weight
    for _, sign in ipairs { 1, -1 } do
      local p, log_f = model.posterior:sample(q, e * (MOMENTA * sign))
      local w = (model:log_joint(q, p):to("float64") - log_r
        - (log_f + wider):to("float64")):exp() / 2
      weight = weight and weight + w or w
    end
    parts[i] = weight
  end
  return mean_and_error(engine.cat(parts, 1))
end

-- The largest difference of a coordinate after the flow and its inverse.
local function inverse_error(model, count)
  local generator = engine.generator(7)
  local q0, p0 = model.prior:sample(count, generator)
  local q, p = model:transport(q0, p0)
  q, p = model:transport(q, p, { inverse = true })
  return math.max((q - q0):abs():max():item(), (p - p0):abs():max():item())
end

-- The log-density of the target minus a bound, sample by sample: taken so, what
-- they have in common adds nothing to the error of the mean. A uniform target's
-- density is one number, also at a sample that was rounded across its edge.
local function above(target, x, bound)
  local truth = target.known_entropy and -target.known_entropy
    or target:log_density(x)
  return truth - bound:to("float64")
end

-- The parts of a measurement; each adds its numbers to `found`. They draw from one
-- generator in turn, so their order is part of the result.

-- Number of samples of the tighter bound, the first ones.
local TIGHTER = 1024

-- The bounds on x, the tighter one on some of it, and how far they are below the
-- target's negative entropy.
local function measure_bounds(found, model, target, x, o, generator)
  local bound = model:elbo(x, { generator = generator })
  found.elbo, found.elbo_error = mean_and_error(bound)
  local some = x:narrow(1, 1, math.min(TIGHTER, o.count))
  local tighter = model:importance_bound(some, { samples = o.importance,
    generator = generator })
  found.importance, found.importance_error = mean_and_error(tighter)
  local entropy, error_ = target:entropy()
  if not entropy then return end
  found.negative_entropy, found.negative_entropy_error = -entropy, error_
  found.gap, found.gap_error = mean_and_error(above(target, x, bound))
  found.divergence, found.divergence_error =
    mean_and_error(above(target, some, tighter))
end

-- The density by quadrature, compared with the bound at the same samples.
local function measure_density(found, model, x, o, generator)
  local few = x:narrow(1, 1, math.min(o.quadrature, o.count))
  local n, d = few:size(1), few:size(2)
  local density = model:log_density(few, { points = o.points })
  -- 256 draws of the bound at each sample reduce its noise.
  local mean = model:elbo(few:unsqueeze(1):expand(256, n, d)
    :reshape(256 * n, d), { generator = generator }):reshape(256, n):mean(1)
  found.log_density = density:mean():item()
  found.elbo_there = mean:mean():item()
  found.density_minus_elbo, found.density_minus_elbo_error =
    mean_and_error(density - mean)
  found.least_density_minus_elbo = (density - mean):min():item()
end

-- How well the model's own samples know the target: the bound on ln Z, its estimate
-- by their weights, and how many of them the weights leave.
local function measure_evidence(found, model, target, o, generator)
  local parts, n = {}, 0
  while n < o.count do
    local k = math.min(CHUNK, o.count - n)
    parts[#parts + 1] = model:evidence(function(q) return target:log_density(q) end, k,
      { generator = generator }):to("float64")
    n = n + k
  end
  local nats = engine.cat(parts, 1)
  found.bound, found.bound_error = mean_and_error(nats)
  local top = nats:max():item()
  local weight = (nats - top):exp()
  local mean, error_ = mean_and_error(weight)
  found.evidence, found.evidence_error = top + math.log(mean), error_ / mean
  found.efficiency = mean ^ 2 / weight:square():mean():item()
end

local function measure_integral(found, model, target, sampled, o, generator)
  local d = model.config.dimension
  if d == 1 then
    if o.grid == 0 then return end
    found.integral, found.integral_error = integral(model, sampled, o), 0
  elseif d <= 3 and o.mass > 1 and found.negative_entropy then
    found.integral, found.integral_error =
      mass(model, target, sampled, o, generator)
  end
end

local function measure_modes(found, target, sampled)
  local shares = target:shares(sampled)
  if not shares then return end
  found.shares, found.modes, found.modes_found = shares, #shares, 0
  for _, share in ipairs(shares) do
    if share > 0.25 / #shares then found.modes_found = found.modes_found + 1 end
  end
end

--- Measures a flow.
-- @tparam Module model an NHF
-- @tparam Target target
-- @tparam[opt] table opts evidence=false, also of the model's own samples, always
-- where the target has none; count=8192 samples of the target; importance=64
-- samples for the tighter bound; quadrature=128 samples whose true density is
-- taken, with points=49 momenta along each axis (401 for d = 1); for the
-- integral of the density, 0 for none: grid=201 points for d = 1, mass=400000
-- random states for 2 and 3
-- @treturn table elbo, importance (a tighter bound), each with ..._error (of
-- the mean); negative_entropy of the target with its error; gap and divergence,
-- how far the bound and the tighter one are below it, with their errors, which
-- are smaller, as they are taken sample by sample; log_density, elbo_there and
-- density_minus_elbo with its error, on the samples of the quadrature; integral
-- with its error; inverse; shares of samples by mode and modes_found; of the
-- evidence bound and evidence, ln Z, with their errors, and efficiency, the share of
-- effective samples
function M.measure(model, target, opts)
  local o = options.resolve("nhf_report", opts, RULES)
  local generator, c = engine.generator(99), model.config
  o.points = o.points or (c.dimension == 1 and 401 or 49)
  return engine.no_grad(function()
    local found = {}
    if target.draw then
      local x = target:sample(o.count, generator, c.dtype)
      measure_bounds(found, model, target, x, o, generator)
      if c.dimension <= 2 and o.quadrature > 0 then
        measure_density(found, model, x, o, generator)
      end
    end
    if o.evidence or not target.draw then
      measure_evidence(found, model, target, o, engine.generator(98))
    end
    local sampled = model:sample(o.count, { generator = generator })
    measure_integral(found, model, target, sampled, o, generator)
    found.inverse = inverse_error(model, 1000)
    measure_modes(found, target, sampled)
    return found
  end)
end

local function rows_of(n)
  local rows = {}
  local function add(name, format, ...)
    if ... then rows[#rows + 1] = { name, string.format(format, ...) } end
  end
  add("ELBO", "%.4f +- %.4f", n.elbo, n.elbo_error)
  add("importance-weighted bound", "%.4f +- %.4f, of at most %d samples", n.importance,
    n.importance_error, TIGHTER)
  add("target's negative entropy", "%.4f +- %.4f", n.negative_entropy,
    n.negative_entropy_error)
  add("gap of the ELBO, nats", "%.4f +- %.4f", n.gap, n.gap_error)
  add("ln density - ELBO, mean", "%.4f +- %.4f", n.density_minus_elbo,
    n.density_minus_elbo_error)
  add("ln density - ELBO, minimum", "%.4f", n.least_density_minus_elbo)
  add("bound on ln Z", "%.4f +- %.4f", n.bound, n.bound_error)
  add("ln Z by importance sampling", "%.4f +- %.4f", n.evidence, n.evidence_error)
  add("effective share of samples", "%.3f", n.efficiency)
  add("integral of the density", "%.4f +- %.4f", n.integral, n.integral_error)
  add("error of flow and inverse", "%.2g", n.inverse)
  if n.shares then
    local texts = {}
    for i, share in ipairs(n.shares) do
      texts[i] = string.format("%.3f", share)
    end
    add("modes found", "%d of %d", n.modes_found, n.modes)
    add("share of samples by mode", "%s (truth %.3f each)",
      table.concat(texts, " "), 1 / n.modes)
  end
  return rows
end

-- A picture of a flow of the plane; of others a note.
local function draw(report, model, config, target, folder)
  if not target.draw then
    report.note = "pictures: expected a target with samples, got one of which only the "
      .. "density is known: none drawn"
    return true
  end
  if config.dimension ~= 2 then
    report.note = string.format("pictures: expected a flow of 2 dimensions, got "
      .. "%d: none drawn", config.dimension)
    return true
  end
  local label = config.data and config.data:match("[^/]+$") or config.target
  local files, message = flow.draw(folder .. "/figure9.png",
    { { model = model, target = target, label = label } })
  if not files then return nil, message end
  report.files = files
  return true
end

--- For scripts/evaluate.lua.
-- @tparam Module model
-- @tparam Target data
-- @tparam table config
-- @tparam table opts count=8192, of samples; pictures, a folder, or nil
-- @treturn ?table rows {{name, text}, ...}, numbers, files, and a note where no
-- pictures could be drawn; a flow of a user's samples is measured on those held
-- out
-- @treturn ?string message
function M.report(model, data, config, opts)
  local target = data.held_out or data
  local numbers = M.measure(model, target, { count = opts.count,
    evidence = config.objective == "reverse" })
  local report = { numbers = numbers, rows = rows_of(numbers), files = {} }
  if opts.pictures then
    local ok, message = draw(report, model, config, target, opts.pictures)
    if not ok then return nil, message end
  end
  return report
end

return M
