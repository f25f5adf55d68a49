local torus = require "torus"
local mixture = require "torus.models.parts.mixture"
local runs = require "torus.runs"
local folders = require "spec.support.folders"
local raises = require "spec.support.raises"

-- Two components in the plane: means, lower triangular roots, weights.
local MEANS = { { -1, 0.5 }, { 2, -1 } }
local ROOTS = { { { 0.5, 0 }, { 0.3, 0.4 } }, { { 0.2, 0 }, { -0.1, 0.6 } } }
local WEIGHTS = { 0.3, 0.7 }

local function known()
  local m = mixture.new { dimension = 2, components = 2, dtype = "float64" }
  m.weights:copy_(torus.tensor(WEIGHTS, { dtype = "float64" }))
  m.means:copy_(torus.tensor(MEANS, { dtype = "float64" }))
  m.factors:copy_(torus.tensor(ROOTS, { dtype = "float64" }))
  return m
end

-- The density from its definition, with the inverse of 2 x 2 covariances written out.
local function density(x, y)
  local total = 0
  for k = 1, 2 do
    local L = ROOTS[k]
    local a, b = L[1][1] ^ 2, L[1][1] * L[2][1]
    local c = L[2][1] ^ 2 + L[2][2] ^ 2
    local det = a * c - b * b
    local dx, dy = x - MEANS[k][1], y - MEANS[k][2]
    local square = (c * dx * dx - 2 * b * dx * dy + a * dy * dy) / det
    total = total + WEIGHTS[k] * math.exp(-square / 2) / (2 * math.pi * math.sqrt(det))
  end
  return total
end

describe("a mixture of normal densities", function()
  it("has the log-density of its definition", function()
    local points = { { 0, 0 }, { -1, 0.5 }, { 1.7, -2 }, { 3, 3 } }
    local found = known():log_density(torus.tensor(points, { dtype = "float64" }))
    for i, p in ipairs(points) do
      assert.near(math.log(density(p[1], p[2])), found[i]:item(), 1e-12)
    end
  end)

  it("draws points of its mean and covariance", function()
    local count = 40000
    local x = known():sample(count, torus.generator(3))
    local mean = x:mean(1)
    -- Of each coordinate: sum of w_k m_k; the covariances of the components and of
    -- their means.
    for j = 1, 2 do
      local expected, square = 0, 0
      for k = 1, 2 do
        expected = expected + WEIGHTS[k] * MEANS[k][j]
        square = square + WEIGHTS[k] * (MEANS[k][j] ^ 2 + ROOTS[k][j][1] ^ 2
          + (j == 2 and ROOTS[k][2][2] ^ 2 or 0))
      end
      local variance = square - expected ^ 2
      assert.near(expected, mean[j]:item(), 5 * math.sqrt(variance / count))
      assert.near(variance, x:var(1)[j]:item(), 0.05 * variance)
    end
  end)

  it("of one component is fitted by mean and covariance", function()
    local x = torus.randn({ 50, 3 }, { dtype = "float64", generator = torus.generator(1) })
    local m = mixture.new { dimension = 3, components = 1, dtype = "float64" }
    m:fit(x, torus.generator(2))
    local centred = x - x:mean(1)
    local covariance = centred:transpose():matmul(centred) / 50
    local root = m.factors[1]
    assert.is_true((m.means[1] - x:mean(1)):abs():max():item() < 1e-9)
    assert.is_true((root:matmul(root:transpose()) - covariance):abs():max():item() < 1e-5)
    assert.near(1, m.weights[1]:item(), 1e-12)
  end)

  it("finds the components that points were drawn from", function()
    local x = known():sample(4000, torus.generator(5))
    local m = mixture.new { dimension = 2, components = 2, dtype = "float64" }
    local reached = m:fit(x, torus.generator(6))
    assert.near(m:log_density(x):mean():item(), reached, 1e-3)
    assert.is_true(reached > known():log_density(x):mean():item() - 1e-3)
    local first = m.means[1][1]:item() < m.means[2][1]:item() and 1 or 2
    for k, own in ipairs { first, 3 - first } do
      assert.near(WEIGHTS[k], m.weights[own]:item(), 0.03)
      for j = 1, 2 do assert.near(MEANS[k][j], m.means[own][j]:item(), 0.06) end
    end
  end)

  it("finds two clusters whatever the points it begins with", function()
    local count, sigma = 200, 0.1
    -- ln(1/2) minus the entropy of a normal density; the log-densities have variance 1/2.
    local expected = math.log(0.5) - 0.5 * math.log(2 * math.pi * math.exp(1) * sigma ^ 2)
    for seed = 1, 40 do
      local g = torus.generator(seed)
      local x = torus.cat { torus.randn({ count, 1 }, { generator = g }) * sigma - 1,
        torus.randn({ count, 1 }, { generator = g }) * sigma + 1 }
      local m = mixture.new { dimension = 1, components = 2 }
      local reached = m:fit(x, g)
      local signs = 0
      for k = 1, 2 do
        local mean = m.means[k]:item()
        signs = signs + (mean > 0 and 1 or -1)
        -- five standard errors
        assert.near(1, math.abs(mean), 5 * sigma / math.sqrt(count))
        assert.near(0.5, m.weights[k]:item(), 1e-6)
      end
      assert.equal(0, signs)
      assert.near(expected, reached, 5 * math.sqrt(0.5 / (2 * count)))
    end
  end)

  it("keeps the best of several fits, which find ten clusters", function()
    -- A single fit misses one in about a tenth of the cases.
    for seed = 1, 20 do
      local g, parts = torus.generator(seed), {}
      for k = 1, 10 do parts[k] = torus.randn({ 20, 1 }, { generator = g }) * 0.1 + 2 * k end
      local m = mixture.new { dimension = 1, components = 10 }
      m:fit(torus.cat(parts), g)
      local means = m.means:reshape(-1):totable()
      table.sort(means)
      -- five standard errors
      for k = 1, 10 do assert.near(2 * k, means[k], 5 * 0.1 / math.sqrt(20)) end
    end
  end)

  it("has as many components as there are points for", function()
    local m = mixture.new { dimension = 2, components = 16 }
    m:fit(torus.randn({ 40, 2 }, { generator = torus.generator(1) }), torus.generator(2))
    assert.equal(5, m.weights:gt(0):sum():item())
    assert.near(1, m.weights:sum():item(), 1e-6)
    assert.same({ 7, 2 }, m:sample(7, torus.generator(3)).shape)
  end)

  it("can be fitted to points that are all the same", function()
    local m = mixture.new { dimension = 2, components = 2 }
    m:fit(torus.ones(20, 2), torus.generator(1))
    assert.is_true((m:sample(5, torus.generator(2)) - 1):abs():max():item() < 1e-3)
  end)

  it("works in the dtype that it is converted to", function()
    local m = mixture.new { dimension = 2 }
    m:to("float64")
    m:fit(torus.randn({ 40, 2 }, { generator = torus.generator(1) }), torus.generator(2))
    assert.are.equal("float64", m:sample(3).dtype)
  end)

  it("says that it is not fitted, and of what dimension it is", function()
    local m = mixture.new { dimension = 2 }
    assert.is_false(m:is_fitted())
    raises("mixture:sample: expected a fitted mixture; call mixture:fit first",
      function() m:sample(3) end)
    raises("mixture:fit: expected x of shape", function() m:fit(torus.ones(4, 3)) end)
  end)
end)

describe("the prior of an HGN", function()
  after_each(folders.clear)

  local TINY = { width = 4, state = 2, resolution = 16, frames = 4, z = 2,
    latent = "vector", energy_layers = 2, prior = "mixture" }

  it("is N(0, I) until the mixture is fitted, and wherever it is asked for", function()
    local model = torus.models.hgn(TINY, torus.generator(1))
    local function films(prior)
      return model:sample(3, { generator = torus.generator(2), prior = prior })
    end
    local plain = films("normal")
    assert.is_true((films() - plain):abs():max():item() == 0)
    model:fit_prior(torus.full({ 40, 1, 1, 2 }, 5), torus.full({ 40, 1, 1, 2 }, -20),
      torus.generator(3))
    assert.is_true((films("normal") - plain):abs():max():item() == 0)
    local q, p = model:state_of(torus.full({ 3, 1, 1, 2 }, 5))
    local expected = model:images(model:rollout(q, p))
    assert.is_true((films() - expected):abs():max():item() < 1e-3)
    assert.is_true((plain - expected):abs():max():item() > 1e-3)
    raises("hgn:sample: prior: expected \"normal\" for a model with prior = \"normal\", got "
      .. "\"mixture\"", function()
      torus.models.hgn({ width = 4, frames = 4, resolution = 16, z = 3 })
        :sample(1, { prior = "mixture" })
    end)
  end)

  it("is a mixture only of a vector that can be sampled", function()
    raises("hgn: prior: expected \"normal\" where latent is \"map\"", function()
      torus.models.hgn { prior = "mixture" }
    end)
    raises("hgn: prior: expected \"normal\" where variant is \"determ\"", function()
      torus.models.hgn { prior = "mixture", latent = "vector", variant = "determ" }
    end)
    local model = torus.models.hgn { width = 4, frames = 4 }
    raises("expected a model with prior = \"mixture\"", function()
      model:fit_prior(torus.ones(1), torus.ones(1))
    end)
  end)

  it("is fitted at the end of a training, and again at that of a longer one", function()
    local folder = folders.new()
    local config = assert(runs.configuration.make("small", { model = "hgn", width = 4,
      state = 2, resolution = 16, frames = 4, energy_layers = 2, steps = 2, batch = 2,
      train_size = 40, test_size = 2, noise = 0 }))
    assert.equal("mixture", config.prior)
    assert(runs.train(folder, config))
    local model = assert(runs.open(folder))
    assert.is_true(model.prior:is_fitted())
    local before = model.prior.means + 0
    config.steps = 4
    assert(runs.train(folder, config, { resume = true }))
    local after = assert(runs.open(folder)).prior.means
    assert.is_true((after - before):abs():max():item() > 0)
  end)

  it("of a preset is normal where the latent is a map or has no noise", function()
    for _, changes in ipairs { { latent = "map" }, { variant = "determ" },
      { variant = "no_fpsi" } } do
      changes.model = "hgn"
      local config = assert(runs.configuration.make("small", changes))
      assert.equal("normal", config.prior)
    end
    assert.equal("mixture", assert(runs.configuration.make("small",
      { model = "hgn", phase = "vector" })).prior)
  end)
end)
