local torus = require "torus"
local raises = require "spec.support.raises"
local trajectory = require "torus.hmc.trajectory"
local warmup = require "torus.hmc.warmup"

local F64 = { dtype = "float64" }

local function largest(x) return x:abs():max():item() end

local function normal(shape, seed)
  return torus.randn(shape, { dtype = "float64", generator = torus.generator(seed) })
end

-- A normal density with a mean and a covariance: its log-density.
local function gaussian(mean, covariance)
  local precision = torus.linalg.inverse(covariance)
  return function(q)
    local x = q - mean
    return (x:matmul(precision) * x):sum(2) * -0.5
  end
end

local MEAN = torus.tensor({ 1, -2, 0.5 }, F64)
local COVARIANCE = torus.tensor({ { 4, 1.2, 0 }, { 1.2, 0.5, 0.1 },
  { 0, 0.1, 0.09 } }, F64)

local function quartic(q) return -(q ^ 4):sum(2) - (q:select(2, 1) * q:select(2, 2)) end

describe("the leapfrog of hmc", function()
  it("is torus.integrate's, with the mass of its scale", function()
    local s = torus.tensor({ 0.5, 2 }, F64)
    local q, r = normal({ 6, 2 }, 1), normal({ 6, 2 }, 2)
    local point, last = trajectory.leapfrog(quartic, trajectory.point(quartic, q), r,
      { scale = s, step_size = 0.07, steps = 9 })
    -- p = r / s, so that dq/dt = s^2 p.
    local path = torus.integrate { q = q, p = r / s, dt = 0.07, steps = 9,
      method = "leapfrog", H = torus.separable(
        function(p) return ((p * s):square()):sum(2) / 2 end,
        function(x) return -quartic(x) end) }
    assert.is_true(largest(point.q - path.q[10]) < 1e-12)
    assert.is_true(largest(last / s - path.p[10]) < 1e-12)
    assert.is_true(largest(point.nats - quartic(point.q)) < 1e-12)
  end)

  for name, scale in pairs { diagonal = torus.tensor({ 0.5, 2 }, F64),
    dense = torus.tensor({ { 1.5, 0 }, { -0.7, 0.4 } }, F64) } do
    it("comes back and keeps volume: " .. name, function()
      local o = { scale = scale, step_size = 0.1, steps = 7 }
      local q, r = normal({ 5, 2 }, 3), normal({ 5, 2 }, 4)
      local point, last = trajectory.leapfrog(quartic, trajectory.point(quartic, q), r, o)
      local back, first = trajectory.leapfrog(quartic, point, -last, o)
      assert.is_true(largest(back.q - q) < 1e-11 and largest(first + r) < 1e-11)
      -- The Jacobian of (q, r) by central differences: its determinant is one.
      local start = torus.cat({ q, r }, 2)[1]:totable()
      local h, columns = 1e-5, {}
      for k = 1, 4 do
        local ends = {}
        for j, sign in ipairs { 1, -1 } do
          local moved = table.move(start, 1, 4, 1, {})
          moved[k] = moved[k] + sign * h
          local x = torus.tensor({ moved }, F64)
          local a, b = trajectory.leapfrog(quartic,
            trajectory.point(quartic, x:narrow(2, 1, 2)), x:narrow(2, 3, 2), o)
          ends[j] = torus.cat({ a.q, b }, 2)[1]
        end
        columns[k] = (ends[1] - ends[2]) / (2 * h)
      end
      assert.is_near(1, math.abs(torus.linalg.det(torus.stack(columns, 2)):item()), 1e-7)
    end)
  end

  it("rejects what has no energy and leaves the other chains alone", function()
    local function half(q) return q:select(2, 1):log() - q:select(2, 1) end -- q > 0
    local start, seen = trajectory.point(half, torus.tensor({ { 0.4 }, { 1 } }, F64)), 0
    for seed = 1, 20 do
      local point, about = trajectory.transition(half, start, { scale = torus.ones({ 1 },
        F64), step_size = 1.5, steps = 2, max_energy_error = 1000 }, torus.generator(seed))
      assert.is_true(point.q:min():item() > 0)
      assert.is_true(largest(point.nats * 0) == 0 and largest(point.gradient * 0) == 0)
      for chain = 1, 2 do
        if about.diverged[chain]:item() then
          seen = seen + 1
          assert.are.equal(start.q[chain]:item(), point.q[chain]:item())
          assert.are.equal(0, about.acceptance[chain]:item())
        end
      end
    end
    assert.is_true(seen > 0 and seen < 40)
  end)
end)

describe("the warm-up of hmc", function()
  it("reaches the acceptance that is wanted", function()
    -- Acceptance falls with the step as 1 / (1 + step).
    local step = warmup.step(3, 0.8)
    for _ = 1, 2000 do step:update(1 / (1 + step.now)) end
    assert.is_near(0.25, step:average(), 0.01)
  end)

  it("learns covariances", function()
    local L = torus.linalg.cholesky(COVARIANCE)
    local x = normal({ 4000, 3 }, 5):matmul(L:transpose()) + MEAN + 1000
    local covariance
    for kind, expected in pairs { diagonal = COVARIANCE:diag(), dense = COVARIANCE } do
      local mass = warmup.mass(kind, x)
      for i = 0, 3 do mass:add(x:narrow(1, i * 1000 + 1, 1000)) end
      local scale = mass:scale()
      covariance = kind == "dense" and scale:matmul(scale:transpose()) or scale:square()
      assert.is_true(largest(covariance - expected) < 0.25)
      -- What the same draws have by their own formula, but for the shrinkage.
      local centred = x - x:mean(1, true)
      local direct = centred:transpose():matmul(centred) / 3999
      if kind == "diagonal" then direct = direct:diag() end
      local share = 4000 / 4005
      local little = kind == "dense" and torus.eye(3, F64) or torus.ones({ 3 }, F64)
      assert.is_true(largest(covariance - direct * share
        - little * (1e-3 * 5 / 4005)) < 1e-8)
      mass:restart()
      assert.are.equal(1, mass:scale():max():item())
    end
  end)

  it("has Stan's windows", function()
    local w = warmup.windows(1000)
    local ends = {}
    for at in pairs(w.ends) do ends[#ends + 1] = at end
    table.sort(ends)
    assert.are.same({ 100, 150, 250, 450, 950 }, ends)
    assert.are.same({ 76, 950 }, { w.first, w.last })
    -- Of a short warm-up 15% and 10%, and one window.
    w = warmup.windows(100)
    assert.are.same({ 16, 90, { [90] = true } }, { w.first, w.last, w.ends })
    assert.are.same({}, warmup.windows(0).ends)
  end)

  it("keeps the longest direction as long when the scale changes", function()
    local one, wide = torus.ones({ 3 }, F64), torus.tensor({ 1, 5, 2 }, F64)
    for _, after in ipairs { wide, wide:diag() } do
      local length = warmup.length(2)
      length:rescale(one, after)
      assert.is_near(2 / 5, length.now, 1e-12)
      length:rescale(after, one)
      assert.is_near(2 / 5, length.now, 1e-12) -- by the first number, of scale one
    end
  end)

  it("finds the time that crosses a normal density", function()
    local chains = torus.hmc { log_density = function(q) return q:square():sum(2) * -0.5 end,
      start = normal({ 32, 4 }, 6), draws = 4, warmup = 1000,
      generator = torus.generator(7) }
    -- The change of the square is greatest after pi / 2, of two steps by jitter.
    assert.is_true(chains.trajectory > 1 and chains.trajectory < 3)
  end)
end)

describe("torus.hmc", function()
  for _, mass in ipairs { "diagonal", "dense", "unit" } do
    it("has the moments of a normal density: " .. mass, function()
      local draws = mass == "unit" and 400 or 1000
      local chains = torus.hmc { log_density = gaussian(MEAN, COVARIANCE), mass = mass,
        start = normal({ 16, 3 }, 8) * 3, draws = draws, warmup = 400,
        generator = torus.generator(9) }
      assert.are.same({ draws, 16, 3 }, chains.draws.shape)
      local x = chains:flat()
      for i, row in ipairs(chains:summary()) do
        assert.is_true(row.rhat < 1.02)
        assert.is_near(MEAN[i]:item(), row.mean, 4.5 * row.error)
        assert.is_near(1, row.std ^ 2 / COVARIANCE[i][i]:item(), 0.12)
        -- The 5% quantile of a normal density.
        assert.is_near(MEAN[i]:item() - 1.6449 * math.sqrt(COVARIANCE[i][i]:item()),
          row.low, 0.2 * row.std)
      end
      local centred = x - x:mean(1, true)
      local covariance = centred:transpose():matmul(centred) / x:size(1)
      assert.is_true(largest(covariance - COVARIANCE) < 0.3)
      assert.are.equal(0, chains.divergences)
      assert.is_true(largest(chains.log_density:reshape(-1)
        - gaussian(MEAN, COVARIANCE)(x)) < 1e-12)
      if mass == "dense" then
        assert.is_true(largest(chains.mass - COVARIANCE) < 0.6)
      end
    end)
  end

  it("has the moments of a banana", function()
    -- x of deviation 2, y = x^2 / 2 + noise of deviation 1: E y = 2, and its
    -- variance is that of x^2 / 2, 8, and 1.
    local chains = torus.hmc { log_density = function(q)
        local x, y = q:select(2, 1), q:select(2, 2)
        return x:square() / -8 - (y - x:square() / 2):square() / 2
      end, start = normal({ 32, 2 }, 10), draws = 1000, warmup = 500,
      generator = torus.generator(11) }
    local rows = chains:summary()
    assert.is_true(rows[1].rhat < 1.02 and rows[2].rhat < 1.02)
    assert.is_near(0, rows[1].mean, 4.5 * rows[1].error)
    assert.is_near(2, rows[1].std, 0.1)
    assert.is_near(2, rows[2].mean, 4.5 * rows[2].error)
    assert.is_near(3, rows[2].std, 0.3)
  end)

  it("draws from an energy at a temperature", function()
    local chains = torus.hmc { energy = function(q) return q:square():sum(2) * 2 end,
      temperature = 3, start = normal({ 8, 1 }, 12), draws = 1000, warmup = 300,
      generator = torus.generator(13) }
    assert.is_near(3 / 4, chains:flat():var():item(), 0.06)
  end)

  it("draws positions of a system in a bath", function()
    local spring = torus.systems.mass_spring
    local chains = torus.hmc { energy = spring:hamiltonian().V, temperature = 0.5,
      start = normal({ 8, 1 }, 19), draws = 800, warmup = 300,
      generator = torus.generator(20) }
    local expected = 0.5 / spring.constants.k -- equipartition
    assert.is_near(1, chains:flat():var():item() / expected, 0.1)
  end)

  it("draws the states of a flow, whose moments are its samples'", function()
    local model = torus.models.nhf({ dimension = 1, flows = 2, width = 8,
      energy_gain = 2, dtype = "float64" }, torus.generator(14))
    local chains = torus.hmc { log_density = function(s)
        return model:log_joint(s:narrow(2, 1, 1), s:narrow(2, 2, 1))
      end, start = normal({ 16, 2 }, 15), draws = 500, warmup = 300,
      generator = torus.generator(16) }
    local q = model:sample(20000, { generator = torus.generator(17) })
    local row = chains:summary()[1]
    assert.is_true(row.rhat < 1.02)
    assert.is_near(q:mean():item(), row.mean, 4.5 * row.error
      + 4.5 * q:std():item() / math.sqrt(20000))
    assert.is_near(1, row.std / q:std():item(), 0.06)
  end)

  it("reports divergences where the density is too sharp", function()
    -- A step that is far too large for a wall of width 1e-3.
    local chains = torus.hmc { log_density = function(q)
        return -(q:abs() - 1):softplus():sum(2) * 1e6 - q:square():sum(2)
      end, start = torus.zeros({ 4, 1 }, F64), draws = 100, warmup = 0, step_size = 0.5,
      trajectory = 3, generator = torus.generator(18) }
    assert.is_true(chains.divergences > 0)
    assert.are.equal(chains.divergences,
      chains.diverged:to("float64"):sum():item())
  end)

  it("is bit-identical with the same seed, and without warm-up its own step", function()
    local function run()
      return torus.hmc { log_density = gaussian(MEAN, COVARIANCE), start = normal({ 4, 3 }, 1),
        draws = 20, warmup = 30, generator = torus.generator(2) }
    end
    assert.are.equal(0, largest(run().draws - run().draws))
    local chains = torus.hmc { log_density = gaussian(MEAN, COVARIANCE), warmup = 0,
      start = normal({ 4, 3 }, 1), draws = 5, step_size = 0.11, trajectory = 0.7,
      generator = torus.generator(2) }
    assert.are.same({ 0.11, 0.7 }, { chains.step_size, chains.trajectory })
    assert.are.equal(chains.gradients, 1 + chains.steps * 5)
  end)

  it("computes in the dtype of the start", function()
    local chains = torus.hmc { log_density = function(q) return q:square():sum(2) * -0.5 end,
      start = torus.zeros(3, 2), draws = 6, warmup = 6, generator = torus.generator(1) }
    assert.are.equal("float32", chains.draws.dtype)
    assert.matches("^6 draws of 3 chains, d = 2: acceptance ", tostring(chains))
    assert.matches("R%-hat", tostring(chains))
  end)

  it("has one message for each mistake", function()
    local start = torus.zeros(2, 3)
    local function f(q) return q:sum(2) end
    raises("hmc: expected either log_density or energy, got neither",
      function() torus.hmc { start = start } end)
    raises("hmc: expected either log_density or energy, got both",
      function() torus.hmc { start = start, log_density = f, energy = f } end)
    raises("hmc: log_density: expected a function or a module, got 5",
      function() torus.hmc { start = start, log_density = 5 } end)
    raises("hmc: temperature: expected together with energy, got 2 with log_density",
      function() torus.hmc { start = start, log_density = f, temperature = 2 } end)
    raises("hmc: expected start of shape (chains,d), got (3)",
      function() torus.hmc { start = torus.zeros(3), log_density = f } end)
    raises("hmc: log_density: expected one number for each chain, shape (2), got (2,3)",
      function() torus.hmc { start = start, log_density = function(q) return q end } end)
    raises("hmc: start: expected a finite log-density with a finite gradient, got -inf "
      .. "for chain 2", function()
      torus.hmc { start = torus.tensor { { 1 }, { 0 } },
        log_density = function(q) return q:log():sum(2) end }
    end)
    raises('hmc: unknown option "step"', function()
      torus.hmc { start = start, log_density = f, step = 1 }
    end)
  end)
end)
