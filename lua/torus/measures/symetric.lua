--- SyMetric: whether a learned phase space is the true one up to a symplectic
-- map (Higgins et al. 2021, "SyMetric: measuring the quality of learnt
-- Hamiltonian dynamics inferred from vision"; with the settings of the
-- authors' code, deepmind-research, physics_inspired_models).
--
-- A polynomial from the latent to the true state is fitted by Lasso. Its
-- Jacobian J at a point of a symplectic map satisfies J E J^T = E, with E the
-- symplectic matrix: A = J E J^T and A* = J E^T J^T then give A A* = I. States
-- are q and then p along the last dimension.
-- @module torus.measures.symetric
local engine = require "torus.engine"
local lasso = require "torus.measures.lasso"
local options = require "torus.options"
local signature = require "torus.signature"
local polynomial = require "torus.measures.polynomial"
local statistics = require "torus.measures.statistics"

local M = {}

-- Ten penalties from 1e-4 to 10^-0.5.
local ALPHAS = {}
for i = 0, 9 do ALPHAS[i + 1] = 10 ^ (-4 + 3.5 * i / 9) end

local EXPLAIN = {
  max_order = { default = 5, type = "integer", min = 1 },
  max_variables = { default = 32, type = "integer", min = 1 },
  max_monomials = { default = 200, type = "integer", min = 1 },
  threshold = { default = 0.9, type = "number" },
  alphas = { default = ALPHAS, type = "table" },
  folds = { default = 2, type = "integer", min = 2 },
  max_iterations = { default = 1000, type = "integer", min = 1 },
}

--- Standardises each column to mean 0 and variance 1; a constant column becomes 0.
-- @tparam tensor x (rows, columns)
-- @treturn tensor the same in float64
-- @treturn tensor the divisors of the columns (1, columns)
-- @usage x, scale = torus.measures.symetric.standardise(torus.randn(100, 2))
function M.standardise(x)
  options.tensor("symetric.standardise", "x", x, { "rows", "columns" })
  x = x:to("float64")
  local scale = x:var(1, true):sqrt()
  scale = scale + scale:eq(0):to("float64")
  return (x - x:mean(1, true)) / scale, scale
end

--- Returns the informative pairs (q_i, p_i): those of which q_i or p_i has a posterior
-- variance below a threshold, or all pairs if there is none.
-- @tparam tensor variances of the posterior over (q, p), (sequences, 2 n)
-- @tparam[opt=0.5] number threshold
-- @treturn {integer,...} the indices i of these pairs
-- @usage
-- variances = torus.tensor{{0.1, 1, 0.2, 1}, {0.1, 1, 0.2, 1}}
-- print(table.unpack(torus.measures.symetric.informative(variances)))   -- 1
function M.informative(variances, threshold)
  options.tensor("symetric.informative", "variances", variances,
    { "sequences", "2 n" })
  threshold = threshold or 0.5
  local mean = variances:mean(1):totable()
  local kept, n = {}, #mean // 2
  for i = 1, n do
    if mean[i] < threshold or mean[n + i] < threshold then
      kept[#kept + 1] = i
    end
  end
  if #kept == 0 then for i = 1, n do kept[i] = i end end
  return kept
end

-- R^2 of each output, (outputs).
local function determination(predicted, y)
  return lasso.share((y - predicted):square():mean(1), y:var(1))
end

local function orders(variables, o)
  if variables > o.max_variables then return 1 end
  local order = o.max_order
  while order > 1 and polynomial.count(variables, order) > o.max_monomials do
    order = order - 1
  end
  return order
end

--- Measures how well polynomials of one set of coordinates explain another, for the lowest
-- order that reaches the threshold, or else the highest: R^2 from the latent to the true
-- state. The penalty is found by cross-validation; R^2 is computed on the points of the fit
-- and averaged over outputs.
-- @tparam tensor x (points, variables), as returned by standardise
-- @tparam tensor y (points, outputs), likewise
-- @tparam[opt] table opts max_order=5; max_variables=32, above which the polynomial is
-- linear; max_monomials=200, above which an order is not tried; threshold=0.9 of R^2;
-- alphas, by default ten from 1e-4 to 0.316; folds=2; max_iterations=1000
-- @treturn table r2, r2_by_output (a list), order, alpha, exponents and
-- coefficients (monomials, outputs)
-- @usage
-- symetric = torus.measures.symetric
-- x = symetric.standardise(torus.randn(100, 2))
-- print(symetric.explain(x, x * 2).r2)   -- nearly 1
function M.explain(x, y, opts)
  local o = options.resolve("symetric.explain", opts, EXPLAIN)
  options.tensor("symetric.explain", "x", x, { "points", "variables" })
  options.tensor("symetric.explain", "y", y, { x:size(1), "outputs" })
  return engine.no_grad(function()
    local highest, found = orders(x:size(2), o), nil
    for order = 1, highest do
      local exponents = polynomial.exponents(x:size(2), order)
      local features = polynomial.features(x, exponents)
      local settings = { max_iterations = o.max_iterations }
      local alpha = lasso.cross_validate(features, y, options.joined(settings,
        { alphas = o.alphas, folds = o.folds }))
      local w, b = lasso.fit(features, y, alpha, settings)
      local by_output = determination(features:matmul(w) + b, y)
      found = { r2 = by_output:mean():item(), order = order, alpha = alpha,
        r2_by_output = by_output:totable(), exponents = exponents,
        coefficients = w }
      if found.r2 >= o.threshold then break end
    end
    return found
  end)
end

-- E with E(q, p) = (-p, q), as a product with J (..., 2 n): J E.
local function times_symplectic(jacobian)
  local n = jacobian:size(-1) // 2
  return engine.cat({ jacobian:narrow(-1, n + 1, n),
    jacobian:narrow(-1, 1, n) * -1 }, -1)
end

--- Measures the deviation of a map from a symplectic one: the mean of (A A* / c - I)^2 over
-- points and entries, with c the mean over points of the largest |A A*|. It is 0 for a
-- symplectic map, also times a uniform factor, which cancels.
-- @tparam tensor jacobians (points, 2 d, 2 n): of d true and n latent degrees
-- of freedom
-- @treturn number
-- @usage
-- jacobians = torus.eye(2):reshape(1, 2, 2)
-- print(torus.measures.symetric.symplecticity(jacobians))   -- 0.0
function M.symplecticity(jacobians)
  options.tensor("symplecticity", "jacobians", jacobians,
    { "points", "outputs", "variables" })
  if jacobians:size(2) % 2 ~= 0 or jacobians:size(3) % 2 ~= 0 then
    options.raise("symplecticity: expected even numbers of coordinates, q and "
      .. "then p, got Jacobians of shape (%d,%d)", jacobians:size(2),
      jacobians:size(3))
  end
  return engine.no_grad(function()
    local a = times_symplectic(jacobians):matmul(jacobians:transpose(2, 3))
    -- A* = J E^T J^T = -A
    local product = a:matmul(a) * -1
    local points, size = product:size(1), product:size(2)
    local c = product:abs():reshape(points, -1):max(2):mean():item()
    if c ~= 0 then product = product / c end
    return (product - engine.eye(size, { dtype = product.dtype })):square()
      :mean():item()
  end)
end

local MEASURE = options.joined(EXPLAIN, {
  variances = {},
  variance_threshold = { default = 0.5, type = "number" },
  sym_threshold = { default = 0.05, type = "number" },
  max_sym = { default = 1000, type = "number" },
  points = { default = 10, type = "integer", min = 1 },
  weight_tolerance = { default = 1e-3, type = "number", min = 0 },
  generator = {},
})

-- The columns of kept pairs.
local function masked(latent, o)
  if not o.variances then return latent end
  local n = latent:size(3) // 2
  local kept = M.informative(o.variances, o.variance_threshold)
  local columns = {}
  for i, pair in ipairs(kept) do
    columns[i], columns[#kept + i] = pair, n + pair
  end
  return latent:index_select(3, columns)
end

-- Numbers of `points` steps of each trajectory, drawn without repetition.
local function draw_points(steps, o)
  return engine.randperm(steps, { generator = o.generator })
    :narrow(1, 1, math.min(o.points, steps))
end

-- Sym, trajectory by trajectory, in standardised coordinates and in the given ones.
local function score(x, fit, scale_x, scale_y, trajectories, o)
  local steps = x:size(1) // trajectories
  local w = fit.coefficients
  w = w * w:abs():gt(o.weight_tolerance):to("float64")
  local scaled, given = {}, {}
  for t = 1, trajectories do
    local rows = x:narrow(1, (t - 1) * steps + 1, steps)
      :index_select(1, draw_points(steps, o))
    local jacobian = polynomial.jacobian(rows, fit.exponents, w)
    scaled[t] = M.symplecticity(jacobian)
    given[t] = M.symplecticity(jacobian * scale_y:reshape(1, -1, 1)
      / scale_x:reshape(1, 1, -1))
  end
  return math.min(o.max_sym, statistics.summary(scaled).mean),
    math.min(o.max_sym, statistics.summary(given).mean)
end

-- Replaces the values of a diverged rollout by finite numbers, as in the authors' code.
local LARGEST = 999999

local function finite(x)
  x = x:to("float64")
  return engine.where(x:isfinite(), x, engine.zeros_like(x))
    :clamp(-LARGEST, LARGEST)
end

local EXPLAIN_KEYS = { "max_order", "max_variables", "max_monomials",
  "threshold", "alphas", "folds", "max_iterations" }

--- Computes SyMetric of one batch of trajectories.
--
-- The authors standardise every coordinate separately and compute Sym in these. That is not
-- a symplectic map if pairs differ in scale: it hides the scaling of a single coordinate,
-- and penalises matching scales. sym_given is Sym in the given coordinates.
-- @tparam tensor latent (trajectories, steps, 2 n); 5 trajectories of 60 steps
-- in the authors' code
-- @tparam tensor truth (trajectories, steps, 2 d)
-- @tparam[opt] table opts variances of the posterior over the latent state
-- (trajectories, 2 n), to drop pairs whose variances are both at least
-- variance_threshold=0.5; threshold=0.9 that R^2 must pass and
-- sym_threshold=0.05 that Sym must stay below; max_sym=1000; points=10 of each
-- trajectory; weight_tolerance=1e-3, up to which a coefficient counts as 0 in
-- the Jacobian; generator, which draws the points; further explain's
-- @treturn table symetric, 1 or 0; sym, sym_given, r2, order, alpha, and
-- variables, the number of latent coordinates that were kept
-- @usage
-- spring = torus.systems.mass_spring
-- q, p = spring:sample{ count = 5 }
-- motion = spring:solve(q, p, { steps = 59 })
-- truth = torus.cat({ motion.q, motion.p }, 3):transpose(1, 2)
-- print(torus.measures.symetric.measure(truth, truth).symetric)   -- 1
function M.measure(latent, truth, opts)
  local o = options.resolve("symetric.measure", opts, MEASURE)
  options.tensor("symetric.measure", "latent", latent,
    { "trajectories", "steps", "2 n" })
  options.tensor("symetric.measure", "truth", truth,
    { latent:size(1), latent:size(2), "2 d" })
  return engine.no_grad(function()
    local kept = finite(masked(latent, o))
    local x, scale_x = M.standardise(kept:reshape(-1, kept:size(3)))
    local y, scale_y = M.standardise(truth:reshape(-1, truth:size(3)))
    local settings = {}
    for _, key in ipairs(EXPLAIN_KEYS) do settings[key] = o[key] end
    local fit = M.explain(x, y, settings)
    local sym, sym_given = score(x, fit, scale_x, scale_y, latent:size(1), o)
    return { r2 = fit.r2, order = fit.order, alpha = fit.alpha, sym = sym,
      sym_given = sym_given, variables = kept:size(3),
      symetric = (fit.r2 > o.threshold and sym < o.sym_threshold) and 1 or 0 }
  end)
end

signature.functions("symetric", M, {
  standardise = "x: tensor", informative = "variances: tensor, threshold?: number",
})

return M
