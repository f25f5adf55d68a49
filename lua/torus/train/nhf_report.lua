--- What a trained flow is worth: its bound beside the target's entropy, its
-- true density, its modes, its inverse.
-- @module torus.train.nhf_report
local figure9 = require "torus.figures.figure9"
local nhf_task = require "torus.train.nhf_task"
local options = require "torus.options"
local torus = require "torus"

local M = {}

local RULES = {
  count = { default = 8192, type = "integer", min = 2 },
  importance = { default = 64, type = "integer", min = 1 },
  quadrature = { default = 128, type = "integer", min = 0 },
  points = { type = "integer", min = 3 },
  reach = { default = 6, type = "number", above = 0 },
  grid = { type = "integer", min = 0 },
}

local function mean_and_error(x)
  local mean = x:mean():item()
  local variance = (x - mean):square():mean():item()
  return mean, math.sqrt(variance / x:numel())
end

-- Points with less than this of the largest density are left out of its
-- integral, in nats; a bound from few samples tells which they are.
local NEGLIGIBLE, FEW = 20, 16

-- The integral of the learned density over a square (or an interval) that
-- holds the samples with a wide margin.
local function total(model, x, o, generator)
  local d, dtype = model.config.dimension, model.config.dtype
  local axes, cell = {}, 1
  for i = 1, d do
    local column = x:select(2, i)
    local low, high = column:min():item() - 1.5, column:max():item() + 1.5
    axes[i] = torus.linspace(low, high, o.grid, { dtype = dtype })
    cell = cell * (high - low) / (o.grid - 1)
  end
  local n = o.grid
  local points = d == 1 and axes[1]:reshape(n, 1)
    or torus.stack({ axes[1]:reshape(n, 1):expand(n, n):reshape(-1),
      axes[2]:reshape(1, n):expand(n, n):reshape(-1) }, 2)
  local bound = model:importance_bound(points, { samples = FEW,
    generator = generator })
  local least, places = bound:max():item() - NEGLIGIBLE, {}
  for i, value in ipairs(bound:totable()) do
    if value > least then places[#places + 1] = i end
  end
  points = points:index_select(1, torus.tensor(places, { dtype = "int64" }))
  return model:log_density(points, { points = o.points, reach = o.reach })
    :to("float64"):exp():sum():item() * cell
end

-- How far a state is from where it started, there and back.
local function inverse_error(model, count)
  local generator = torus.generator(7)
  local q, p = model.prior:sample(count, generator)
  local there_q, there_p = model:transport(q, p)
  local back_q, back_p = model:transport(there_q, there_p, { inverse = true })
  return math.max((back_q - q):abs():max():item(),
    (back_p - p):abs():max():item())
end

--- Measures a flow.
-- @tparam Module model an NHF
-- @tparam Target target
-- @tparam[opt] table opts count=8192 samples of the target; importance=64
-- samples for the tighter bound; quadrature=128 samples whose true density is
-- taken, with points=33 momenta along each axis (401 for d = 1) that reach=6
-- standard deviations of f(p | q) far; grid=49 points along each axis (401) for
-- the integral of the density (0: none)
-- @treturn table elbo, importance (a tighter bound), each with ..._error (of
-- the mean); negative_entropy of the target with its error, and gap, how far
-- the bound is below it; log_density, elbo_there and density_minus_elbo with
-- its error, on the samples of the quadrature; integral; inverse; shares of
-- samples by mode and modes_found
function M.measure(model, target, opts)
  local o = options.resolve("nhf_report", opts, RULES)
  local generator, c = torus.generator(99), model.config
  o.points = o.points or (c.dimension == 1 and 401 or 33)
  o.grid = o.grid or (c.dimension == 1 and 401 or 49)
  return torus.no_grad(function()
    local x = target:sample(o.count, generator, c.dtype)
    local found = {}
    found.elbo, found.elbo_error =
      mean_and_error(model:elbo(x, { generator = generator }))
    local some = x:narrow(1, 1, math.min(1024, o.count))
    found.importance, found.importance_error = mean_and_error(
      model:importance_bound(some, { samples = o.importance,
        generator = generator }))
    local entropy, error_ = target:entropy()
    if entropy then
      found.negative_entropy, found.negative_entropy_error = -entropy, error_
      found.gap = -entropy - found.elbo
      found.divergence = -entropy - found.importance
    end
    if c.dimension <= 2 and o.quadrature > 0 then
      local few = x:narrow(1, 1, math.min(o.quadrature, o.count))
      local n = few:size(1)
      local density = model:log_density(few, { points = o.points,
        reach = o.reach })
      -- Several draws of the bound at each sample: less noise.
      local bound = model:elbo(few:unsqueeze(1):expand(64, n, c.dimension)
        :reshape(64 * n, c.dimension), { generator = generator })
        :reshape(64, n):mean(1)
      found.log_density = density:mean():item()
      found.elbo_there = bound:mean():item()
      found.density_minus_elbo, found.density_minus_elbo_error =
        mean_and_error(density - bound)
      found.least_density_minus_elbo = (density - bound):min():item()
    end
    local made = model:sample(o.count, { generator = generator })
    if c.dimension <= 2 and o.grid > 0 then
      found.integral = total(model, made, o, generator)
    end
    found.inverse = inverse_error(model, 1000)
    found.shares = target:shares(made)
    if found.shares then
      local k = #found.shares
      found.modes, found.modes_found = k, 0
      for _, share in ipairs(found.shares) do
        if share > 0.25 / k then found.modes_found = found.modes_found + 1 end
      end
    end
    return found
  end)
end

local function rows_of(n)
  local rows = {
    { "ELBO", string.format("%.4f +- %.4f", n.elbo, n.elbo_error) },
    { "importance-weighted bound", string.format("%.4f +- %.4f", n.importance,
      n.importance_error) },
  }
  local function add(name, format, ...)
    if ... then rows[#rows + 1] = { name, string.format(format, ...) } end
  end
  add("target's negative entropy", "%.4f +- %.4f", n.negative_entropy,
    n.negative_entropy_error)
  add("gap of the ELBO, nats", "%.4f", n.gap)
  add("ln density - ELBO, mean", "%.4f +- %.4f", n.density_minus_elbo,
    n.density_minus_elbo_error)
  add("ln density - ELBO, least", "%.4f", n.least_density_minus_elbo)
  add("integral of the density", "%.5f", n.integral)
  add("there and back", "%.2g", n.inverse)
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

--- For scripts/evaluate.lua.
-- @tparam Module model
-- @tparam table config
-- @tparam table opts pictures, a folder, or nil
-- @treturn ?table rows {{what, value}, ...}, numbers, files
-- @treturn ?string message
function M.report(model, config, opts)
  local target, message = nhf_task.open_data(config)
  if not target then return nil, message end
  local numbers = M.measure(model, target)
  local report = { numbers = numbers, rows = rows_of(numbers), files = {} }
  if opts.pictures and config.dimension == 2 then
    report.files, message = figure9.draw(opts.pictures .. "/figure9.png",
      { { model = model, target = target, label = config.target } })
    if not report.files then return nil, message end
  end
  return report
end

return M
