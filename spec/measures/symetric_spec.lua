local torus = require "torus"
local raises = require "spec.support.raises"

local lasso, polynomial = torus.measures.lasso, torus.measures.polynomial
local symetric = torus.measures.symetric
local F64 = { dtype = "float64" }

local function largest(x) return x:abs():max():item() end

-- Figures of scikit-learn (spec/support/lasso_sklearn.py).
local function figures()
  return (torus.load("data/reference/lasso.safetensors"))
end

describe("measures.polynomial", function()
  it("has scikit-learn's monomials in scikit-learn's order", function()
    local t = figures()
    local exponents = polynomial.exponents(3, 4)
    assert.are.equal(#exponents, polynomial.count(3, 4))
    local want = t.features_4
    local got = polynomial.features(t.x, exponents)
    assert.is_true(largest((got - want) / (want:abs() + 1)) < 1e-13)
  end)

  it("counts as many as there are", function()
    for variables = 1, 5 do
      for order = 1, 4 do
        assert.are.equal(#polynomial.exponents(variables, order),
          polynomial.count(variables, order))
      end
    end
  end)

  it("has the Jacobian that differences have, also at zero", function()
    local o = { dtype = "float64", generator = torus.generator(2) }
    local exponents = polynomial.exponents(3, 4)
    local c = torus.randn({ #exponents, 2 }, o)
    local x = torus.randn({ 5, 3 }, o)
    x[1]:fill_(0)
    local found = polynomial.jacobian(x, exponents, c)
    assert.are.same({ 5, 2, 3 }, found.shape)
    local h = 1e-5
    for v = 1, 3 do
      local step = torus.zeros({ 1, 3 }, F64)
      step:narrow(2, v, 1):fill_(h)
      local slope = (polynomial.features(x + step, exponents)
        - polynomial.features(x - step, exponents)):matmul(c) / (2 * h)
      assert.is_true(largest(found:select(3, v) - slope) < 1e-6)
    end
  end)
end)

describe("measures.lasso", function()
  local EXACT = { tolerance = 1e-26, max_iterations = 100000 }
  local function problem()
    local t = figures()
    return t, polynomial.features(t.standard_x, polynomial.exponents(3, 2)),
      (symetric.standardise(t.y))
  end

  it("finds scikit-learn's coefficients and intercept", function()
    local t, x, y = problem()
    for i, alpha in ipairs(t.alphas:totable()) do
      local w, b = lasso.fit(x, y, alpha, EXACT)
      assert.is_true(largest(w - t.coefficients[i]) < 1e-7)
      assert.is_true(largest(b - t.intercepts[i]) < 1e-7)
    end
  end)

  it("finds the penalty of scikit-learn's grid search", function()
    local t, x, y = problem()
    local best, scores = lasso.cross_validate(x, y,
      { alphas = t.alphas:totable(),
        tolerance = 1e-26, max_iterations = 100000 })
    assert.are.equal(t.best:totable()[1], best)
    local want = t.cv_scores:totable()
    for i, alpha in ipairs(t.alphas:totable()) do
      assert.is_near(want[i], scores[alpha], 1e-7)
    end
  end)

  it("satisfies the conditions of the optimum, more features than rows too",
    function()
      local o = { dtype = "float64", generator = torus.generator(8) }
      local x, y = torus.randn({ 20, 30 }, o), torus.randn({ 20, 2 }, o)
      local w, b = lasso.fit(x, y, 0.1, EXACT)
      local rest = y - x:matmul(w) - b
      assert.is_true(largest(rest:mean(1)) < 1e-12)
      -- X^T rest / n is alpha sign(w), and within [-alpha, alpha] at w = 0
      local slope = x:transpose(1, 2):matmul(rest) / 20
      local active = w:ne(0):to("float64")
      local count = active:sum():item()
      assert.is_true(count > 5 and count < 60)
      assert.is_true(largest((slope - w:sign() * 0.1) * active) < 1e-9)
      assert.is_true(largest(slope) < 0.1 + 1e-9)
    end)

  it("gives a feature that does not vary no weight", function()
    local x = torus.cat({ torus.ones({ 6, 1 }, F64),
      torus.linspace(1, 6, 6, F64):reshape(6, 1) }, 2)
    local w, b = lasso.fit(x, x:narrow(2, 2, 1) * 3 + 1, 0, EXACT)
    assert.are.equal(0, w[1][1]:item())
    assert.is_near(3, w[2][1]:item(), 1e-9)
    assert.is_near(1, b:item(), 1e-9)
  end)

  -- A line through ten points.
  local function line()
    local x = torus.linspace(1, 10, 10, F64):reshape(10, 1)
    return x, x * 3 + 1
  end

  it("chooses the smallest of equally good penalties", function()
    local x, y = line()
    -- No coefficient survives penalties above the covariance of x and y, about 25: all of
    -- these explain nothing.
    local best, scores = lasso.cross_validate(x, y, { alphas = { 200, 100, 300 } })
    assert.are.same({ [100] = 0, [200] = 0, [300] = 0 }, scores)
    assert.are.equal(100, best)
  end)

  it("scores constant outputs by 1 where they are predicted exactly, else by 0", function()
    assert.are.same({ 0.75, -1, 1, 0 }, lasso.share(torus.tensor { 1, 2, 0, 3 },
      torus.tensor { 4, 1, 0, 0 }):totable())
    -- The first half of the outputs is constant, which the slope of the other half does not
    -- predict; without a slope, the other half remains unexplained.
    local x = line()
    local _, scores = lasso.cross_validate(x, (x - 5):relu(), { alphas = { 1e-3 } })
    assert.are.same({ [1e-3] = 0 }, scores)
  end)

  it("says what it needs for a choice", function()
    local x, y = line()
    raises("lasso.cross_validate: alphas: expected at least one penalty",
      function() lasso.cross_validate(x, y, { alphas = {} }) end)
    raises("lasso.cross_validate: x: expected at least 12 rows for 6 folds, got 10",
      function() lasso.cross_validate(x, y, { alphas = { 1 }, folds = 6 }) end)
  end)
end)

-- q and p of `d` degrees of freedom, (trajectories, steps, 2 d): turning with
-- its own speed in each, so that all have about one scale.
local function orbits(d, seed)
  local o = { dtype = "float64", generator = torus.generator(seed) }
  local time = torus.linspace(0, 59 * 0.3, 60, F64):reshape(1, 60, 1)
  local speed = torus.linspace(1, d, d, F64):reshape(1, 1, d):sqrt()
  local phase = torus.rand({ 5, 1, d }, o) * (2 * math.pi)
  local radius = torus.rand({ 5, 1, d }, o) * 0.8 + 0.6
  local angle = time * speed + phase
  return torus.cat({ radius * angle:cos(), radius * angle:sin() * -1 }, 3)
end

-- Its columns mixed by a matrix of plain rows, x' = M x.
local function mapped(x, rows)
  return x:matmul(torus.tensor(rows, F64):transpose(1, 2))
end

local function measure(latent, truth, opts)
  local o = { generator = torus.generator(1) }
  for key, value in pairs(opts or {}) do o[key] = value end
  return symetric.measure(latent, truth, o)
end

-- q and p of two degrees of freedom turned alike: canonical.
local function rotation(angle)
  local c, s = math.cos(angle), math.sin(angle)
  return { { c, -s, 0, 0 }, { s, c, 0, 0 }, { 0, 0, c, -s }, { 0, 0, s, c } }
end

local SWAP = { { 0, 0, 1, 0 }, { 0, 0, 0, 1 }, { -1, 0, 0, 0 },
  { 0, -1, 0, 0 } }

describe("measures.symetric", function()
  it("has the Sym of a computation matrix by matrix", function()
    local t = figures()
    local want = t.sym:totable()[1]
    assert.is_near(want, symetric.symplecticity(t.jacobians), 1e-12 * want)
  end)

  it("has a Sym of 0 for symplectic Jacobians, whatever their common factor",
    function()
      -- a shear of p by q with a symmetric matrix, reciprocal scales, a swap
      local shear = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 2, 3, 1, 0 },
        { 3, -1, 0, 1 } }
      local scale = { { 2, 0, 0, 0 }, { 0, 5, 0, 0 }, { 0, 0, 0.5, 0 },
        { 0, 0, 0, 0.2 } }
      local j = torus.tensor(shear, F64):matmul(torus.tensor(scale, F64))
        :matmul(torus.tensor(SWAP, F64))
      for _, factor in ipairs { 1, 2, 0.01 } do
        local points = torus.stack({ j * factor, j * factor }, 1)
        assert.is_true(symetric.symplecticity(points) < 1e-20)
      end
    end)

  it("has a large Sym for a coordinate that is scaled alone, or mixed in",
    function()
      local scaled = torus.tensor({ { { 2, 0, 0, 0 }, { 0, 1, 0, 0 },
        { 0, 0, 1, 0 }, { 0, 0, 0, 1 } } }, F64)
      -- A A* / c = diag(1, 1/4, 1, 1/4)
      assert.is_near(2 * 0.75 ^ 2 / 16, symetric.symplecticity(scaled), 1e-12)
      local mixed = torus.tensor({ { { 1, 1, 0, 0 }, { 0, 1, 0, 0 },
        { 0, 0, 1, 0 }, { 0, 0, 0, 1 } } }, F64)
      assert.is_true(symetric.symplecticity(mixed) > 0.05)
    end)

  it("is 1 for linear symplectic maps", function()
    local truth = orbits(2, 5)
    for _, rows in ipairs { rotation(0.7), SWAP } do
      local found = measure(mapped(truth, rows), truth)
      assert.are.equal(1, found.symetric)
      assert.are.equal(1, found.order)
      -- standardising leaves the difference of the scales in Sym
      assert.is_true(found.sym < 0.03, tostring(found.sym))
      -- the smallest penalty leaves about 1e-4 of every coefficient
      assert.is_true(found.sym_given < 1e-5, tostring(found.sym_given))
      assert.is_true(found.r2 > 0.9999)
    end
  end)

  it("is 0 for maps that mix positions alone", function()
    local truth = orbits(2, 5)
    local found = measure(mapped(truth, { { 1, 0.9, 0, 0 }, { 0, 1, 0, 0 },
      { 0, 0, 1, 0 }, { 0, 0, 0, 1 } }), truth)
    assert.are.equal(0, found.symetric)
    assert.is_true(found.sym > 0.05, tostring(found.sym))
    assert.is_true(found.sym_given > 0.05)
    assert.is_true(found.r2 > 0.9999)
  end)

  it("hides a position that is scaled alone, but not in given coordinates",
    function()
      local truth = orbits(2, 5)
      local found = measure(mapped(truth, { { 4, 0, 0, 0 }, { 0, 1, 0, 0 },
        { 0, 0, 1, 0 }, { 0, 0, 0, 1 } }), truth)
      assert.is_true(found.sym < 0.01, tostring(found.sym))
      assert.is_true(found.sym_given > 0.05, tostring(found.sym_given))
    end)

  it("is 1 for a canonical map that is not linear, by a higher order",
    function()
      local truth = orbits(1, 6)
      local q, p = truth:narrow(3, 1, 1), truth:narrow(3, 2, 1)
      -- p moves by a function of q alone: volume, and with it E, is kept
      local bent = torus.cat({ q, p + q * q * q * 0.6 - q * q * 0.5 }, 3)
      local found = measure(bent, truth, { threshold = 0.99 })
      assert.is_true(found.order > 1)
      assert.is_true(found.sym < 0.01, tostring(found.sym))
      assert.are.equal(1, found.symetric)
    end)

  it("is 0 for a map whose volume changes from point to point", function()
    local latent = orbits(1, 6)
    local q, p = latent:narrow(3, 1, 1), latent:narrow(3, 2, 1)
    local found = measure(latent, torus.cat({ q + q * q * q * 0.6, p }, 3),
      { threshold = 0.999 })
    assert.is_true(found.r2 > 0.9, tostring(found.r2))
    assert.is_true(found.sym > 0.05, tostring(found.sym))
    assert.are.equal(0, found.symetric)
  end)

  it("is 0, with a small R^2, where a coordinate is missing", function()
    local truth = orbits(2, 7)
    local found = measure(torus.cat({ truth:narrow(3, 1, 1),
      truth:narrow(3, 3, 1) }, 3), truth, { max_order = 2 })
    assert.is_true(found.r2 < 0.9, tostring(found.r2))
    assert.are.equal(0, found.symetric)
  end)

  it("drops pairs that the posterior says nothing of", function()
    assert.are.same({ 1, 3 }, symetric.informative(torus.tensor {
      { 0.1, 0.8, 0.9, 0.9, 0.9, 0.1 }, { 0.1, 0.8, 0.9, 0.9, 0.9, 0.1 } }))
    assert.are.same({ 1, 2 }, symetric.informative(torus.ones(3, 4)))
    local truth = orbits(1, 8)
    local noise = torus.randn({ 5, 60, 2 }, { dtype = "float64",
      generator = torus.generator(9) })
    local latent = torus.cat({ truth:narrow(3, 1, 1), noise:narrow(3, 1, 1),
      truth:narrow(3, 2, 1), noise:narrow(3, 2, 1) }, 3)
    local variances = torus.tensor { { 0.1, 1, 0.1, 1 } }
    local found = measure(latent, truth, { variances = variances })
    assert.are.equal(2, found.variables)
    assert.are.equal(1, found.symetric)
    assert.are.equal(4, measure(latent, truth).variables)
  end)

  it("explains with scikit-learn's R^2, of the lowest order that reaches it",
    function()
      local t = figures()
      local y = symetric.standardise(t.y)
      for i, alpha in ipairs(t.alphas:totable()) do
        local found = symetric.explain(t.standard_x, y, { alphas = { alpha },
          threshold = 0.999, max_order = 2 })
        -- solved to 1e-7 of the variance
        assert.is_near(t.r2[i]:item(), found.r2, 1e-4)
        assert.are.equal(2, found.order)
        assert.are.equal(2, #found.r2_by_output)
      end
      assert.are.equal(1, symetric.explain(t.standard_x, y,
        { threshold = 0.1 }).order)
      assert.are.equal(1, symetric.explain(t.standard_x, y,
        { threshold = 1, max_monomials = 8 }).order)
    end)

  it("standardises, and leaves what does not vary at zero", function()
    local x, scale = symetric.standardise(torus.tensor { { 1, 5 }, { 3, 5 } })
    assert.are.same({ { -1, 0 }, { 1, 0 } }, x:totable())
    assert.are.same({ { 1, 1 } }, scale:totable())
  end)

  it("takes the pairs whose variance is below the threshold", function()
    local truth = orbits(2, 5)
    local variances = torus.tensor { { 0.1, 0.3, 0.1, 0.3 } }
    for threshold, variables in pairs { [0.2] = 2, [0.4] = 4, [0.05] = 4 } do
      assert.are.equal(variables, measure(truth, truth, { variances = variances,
        variance_threshold = threshold, max_order = 1 }).variables)
    end
    assert.are.equal(4, measure(truth, truth, { variances = variances,
      max_order = 1 }).variables)
  end)

  -- A map whose volume changes from point to point: its latent and true states.
  local function swelling()
    local latent = orbits(1, 6)
    local q, p = latent:narrow(3, 1, 1), latent:narrow(3, 2, 1)
    return latent, torus.cat({ q + q * q * q * 0.6, p }, 3)
  end

  it("compares as many points of each trajectory as it was asked to", function()
    local latent, truth = swelling()
    local function sym(points, seed)
      return measure(latent, truth, { threshold = 0.999, points = points,
        generator = torus.generator(seed) }).sym
    end
    -- A single Jacobian of one degree of freedom is det J times a symplectic one.
    assert.is_true(sym(1, 1) < 1e-20)
    assert.is_true(sym(2, 1) > 1e-3)
    -- All points are the same for any generator, ten are not.
    assert.is_near(sym(60, 1), sym(60, 2), 1e-12)
    assert.is_near(sym(60, 1), sym(100, 2), 1e-12)
    assert.is_true(math.abs(sym(10, 1) - sym(10, 2)) > 1e-4)
  end)

  it("ignores small coefficients in the Jacobian, and bounds Sym", function()
    local truth = orbits(1, 6)
    local o = { weight_tolerance = 1e6 }
    local found = measure(truth, truth, o)
    -- Without any coefficient, A A* = 0 is off the two ones among the four entries of I.
    assert.are.equal(0.5, found.sym)
    assert.are.equal(0.5, found.sym_given)
    assert.is_true(found.r2 > 0.9999)
    o.max_sym = 0.125
    found = measure(truth, truth, o)
    assert.are.equal(0.125, found.sym)
    assert.are.equal(0.125, found.sym_given)
    assert.is_true(measure(truth, truth).sym < 1e-6)
  end)

  it("is 1 for a Sym below its threshold alone", function()
    local latent, truth = swelling()
    local o = { threshold = 0.999 }
    local found = measure(latent, truth, o)
    assert.is_true(found.r2 > 0.999 and found.sym > 0.05)
    assert.are.equal(0, found.symetric)
    o.sym_threshold = found.sym * 1.01
    assert.are.equal(1, measure(latent, truth, o).symetric)
    o.sym_threshold = found.sym * 0.99
    assert.are.equal(0, measure(latent, truth, o).symetric)
  end)

  it("is linear in more variables than it was allowed for more", function()
    local x = torus.randn({ 100, 2 }, { dtype = "float64", generator = torus.generator(3) })
    local y = (x:narrow(2, 1, 1) * x:narrow(2, 2, 1))
    local o = { max_order = 2 }
    for most, order in pairs { [1] = 1, [2] = 2, [3] = 2 } do
      o.max_variables = most
      assert.are.equal(order, symetric.explain(x, y, o).order)
    end
  end)

  it("explains a constant output", function()
    local x = torus.randn({ 100, 2 }, { dtype = "float64", generator = torus.generator(3) })
    local y = torus.cat({ x:narrow(2, 1, 1), torus.zeros({ 100, 1 }, F64) }, 2)
    local found = symetric.explain(symetric.standardise(x), (symetric.standardise(y)))
    assert.is_true(found.r2_by_output[1] > 0.999)
    assert.are.equal(1, found.r2_by_output[2])
    assert.is_near((found.r2_by_output[1] + 1) / 2, found.r2, 1e-12)
  end)

  it("counts infinities and NaN as 0, and values beyond a million as 999999", function()
    local truth = orbits(1, 6)
    local wild, tame = (truth * 2e6):totable(), (truth * 2e6):totable()
    for i, trajectory in ipairs(tame) do
      for _, state in ipairs(trajectory) do
        for k = 1, 2 do state[k] = math.max(-999999, math.min(999999, state[k])) end
      end
      wild[i][7], trajectory[7] = { 0 / 0, math.huge }, { 0, 0 }
      wild[i][9][2], trajectory[9][2] = -math.huge, 0
    end
    local o = { max_order = 2 }
    local found = measure(torus.tensor(wild, F64), truth, o)
    local expected = measure(torus.tensor(tame, F64), truth, o)
    assert.is_true(found.r2 < 0.95, tostring(found.r2))
    assert.are.same(expected, found)
  end)

  it("asks for q and p", function()
    raises("symplecticity: expected even numbers of coordinates, q and then p, "
      .. "got Jacobians of shape (3,4)", function()
      symetric.symplecticity(torus.zeros(2, 3, 4))
    end)
    raises("symetric.measure: expected truth of shape (5,60,2 d)", function()
      symetric.measure(torus.zeros(5, 60, 2), torus.zeros(5, 59, 4))
    end)
  end)
end)
