local torus = require "torus"
local convergence = require "torus.measures.convergence"
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

-- The standard normal density, and the number of times it was evaluated.
local function counted()
  local calls = { count = 0 }
  return function(q)
    calls.count = calls.count + 1
    return q:square():sum(2) * -0.5
  end, calls
end

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
      local variances = COVARIANCE:diag()
      local deviations = variances:sqrt()
      local scale = deviations:reshape(3, 1) * deviations
      assert.is_true(largest((covariance - COVARIANCE) / scale) < 0.12)
      assert.are.equal(0, chains.divergences)
      assert.is_true(largest(chains.log_density:reshape(-1)
        - gaussian(MEAN, COVARIANCE)(x)) < 1e-12)
      -- The last window has about 3000 draws, of which those of "diagonal" are correlated.
      if mass == "unit" then
        assert.are.same({ 1, 1, 1 }, chains.mass:totable())
      elseif mass == "diagonal" then
        assert.is_true(largest(chains.mass / variances - 1) < 0.25)
      else
        assert.is_true(largest((chains.mass - COVARIANCE) / scale) < 0.15)
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

  it("makes steps for the time of a trajectory times a Halton sequence", function()
    -- 10 steps, times 1/2, 1/4, 3/4, 1/8 and 5/8, rounded up
    local expected, sum = { 5, 3, 8, 2, 7 }, 0
    for draws, steps in ipairs(expected) do
      sum = sum + steps
      local log_density, calls = counted()
      local chains = torus.hmc { log_density = log_density, start = normal({ 2, 3 }, 1),
        warmup = 0, draws = draws, step_size = 0.125, trajectory = 1.25,
        generator = torus.generator(2) }
      assert.are.equal(1 + sum, calls.count)
      assert.are.equal(1 + sum, chains.gradients)
      assert.is_near(sum / draws, chains.steps, 1e-12)
    end
  end)

  it("makes no more steps than max_steps", function()
    for _, max_steps in ipairs { 1, 4 } do
      local log_density, calls = counted()
      local chains = torus.hmc { log_density = log_density, start = normal({ 2, 3 }, 1),
        warmup = 0, draws = 6, step_size = 0.01, trajectory = 5, max_steps = max_steps,
        generator = torus.generator(2) }
      assert.are.equal(max_steps, chains.steps)
      assert.are.equal(1 + 6 * max_steps, calls.count)
    end
    local log_density, calls = counted()
    torus.hmc { log_density = log_density, start = normal({ 2, 3 }, 1), warmup = 20, draws = 5,
      step_size = 0.01, trajectory = 5, max_steps = 3, mass = "unit",
      generator = torus.generator(2) }
    assert.is_true(calls.count <= 1 + 25 * 3)
  end)

  it("counts the gradients of the warm-up and of its searches for a step", function()
    for _, mass in ipairs { "unit", "diagonal", "dense" } do
      local log_density, calls = counted()
      local chains = torus.hmc { log_density = log_density, start = normal({ 4, 2 }, 3),
        warmup = 40, draws = 5, mass = mass, generator = torus.generator(4) }
      assert.are.equal(calls.count, chains.gradients)
      assert.is_true(chains.gradients > 40 + 5 * chains.steps)
    end
  end)

  it("accepts about as often as is wanted", function()
    -- A single chain and single steps, whose acceptance falls steadily with their size.
    -- Of a mass that is learned, few transitions are left to adapt the step to the last one.
    for _, case in ipairs { { "unit", 0.5, 0.08 }, { "unit", 0.9, 0.03 },
      { "diagonal", 0.95, 0.05 } } do
      local mass, wanted, tolerance = table.unpack(case)
      local chains = torus.hmc { log_density = counted(), start = normal({ 1, 5 }, 21),
        warmup = 600, draws = 600, mass = mass, acceptance = wanted, trajectory = 1e-3,
        generator = torus.generator(22) }
      assert.is_near(wanted, chains.acceptance, tolerance)
    end
    local fine = torus.hmc { log_density = counted(), start = normal({ 4, 5 }, 21), warmup = 0,
      draws = 10, step_size = 1e-3, trajectory = 0.01, generator = torus.generator(22) }
    assert.is_near(1, fine.acceptance, 1e-5)
  end)

  it("searches for the first step by the acceptance that is wanted", function()
    -- Of a step of size s in units of the deviation, in plain formulas.
    local q, r = normal({ 20000 }, 1), normal({ 20000 }, 2)
    local function acceptance(s)
      local x = q * (1 - s ^ 2 / 2) + r * s
      local y = r * (1 - s ^ 2 / 2) - q * (s - s ^ 3 / 4)
      local gain = (q:square() + r:square() - x:square() - y:square()) / 2
      return gain:clamp(-math.huge, 0):exp():mean():item()
    end
    -- Halved from 1, which is 64 deviations, until it is accepted more often.
    for wanted, expected in pairs { [0.3] = 2, [0.65] = 1, [0.97] = 0.5 } do
      assert.is_true(acceptance(expected) > wanted and wanted > acceptance(2 * expected))
      local chains = torus.hmc { log_density = function(x) return (x * 64):square():sum(2) / -2 end,
        start = normal({ 400, 1 }, 3) / 64, warmup = 0, draws = 1, acceptance = wanted,
        generator = torus.generator(22) }
      assert.are.equal(expected / 64, chains.step_size)
    end
  end)

  it("counts energy errors above max_energy_error as divergences", function()
    local function run(max_energy_error)
      return torus.hmc { log_density = counted(), start = normal({ 8, 4 }, 23), warmup = 0,
        draws = 50, step_size = 1.2, trajectory = 1.2, max_energy_error = max_energy_error,
        generator = torus.generator(24) }
    end
    local usual, strict, stricter = run(nil), run(0.3), run(0.1)
    assert.are.equal(0, usual.divergences)
    assert.is_true(0 < strict.divergences and strict.divergences < stricter.divergences)
    assert.is_true(stricter.divergences < 400)
    assert.are.equal(0, largest(usual.draws - strict.draws))
    -- The energy error is minus the logarithm of the acceptance.
    local start = trajectory.point(counted(), normal({ 200, 4 }, 25))
    local _, about = trajectory.transition(counted(), start, { scale = torus.ones({ 4 }, F64),
      step_size = 1.2, steps = 1, max_energy_error = 0.3 }, torus.generator(26))
    for i, acceptance in ipairs(about.acceptance:totable()) do
      assert.are.equal(acceptance < math.exp(-0.3), about.diverged[i]:item())
    end
  end)

  it("sums up its draws", function()
    -- Skew, so that all numbers of a summary differ: exp(q) is of a gamma density.
    local chains = torus.hmc { log_density = function(q) return (q - q:exp()):sum(2) end,
      start = normal({ 4, 2 }, 27), draws = 150, warmup = 100, generator = torus.generator(28) }
    local bulk = convergence.effective_size(chains.draws)
    local tail = convergence.effective_size(chains.draws, { kind = "tail" })
    local plain = convergence.effective_size(chains.draws, { kind = "mean" })
    local rhat = convergence.rhat(chains.draws)
    for k, row in ipairs(chains:summary()) do
      local list, sum, squares = chains.draws:select(3, k):reshape(-1):totable(), 0, 0
      table.sort(list)
      for _, x in ipairs(list) do sum = sum + x / 600 end
      for _, x in ipairs(list) do squares = squares + (x - sum) ^ 2 / 599 end
      -- 0.05 and 0.95 of the way from the first to the last of 600, by interpolation
      local low = list[30] + 0.95 * (list[31] - list[30])
      local high = list[570] + 0.05 * (list[571] - list[570])
      local expected = { mean = sum, std = math.sqrt(squares), low = low, high = high,
        rhat = rhat[k]:item(), bulk = bulk[k]:item(), tail = tail[k]:item(),
        error = math.sqrt(squares / plain[k]:item()) }
      for name, value in pairs(expected) do
        assert.is_near(value, row[name], 1e-12 * math.abs(value), name)
      end
      assert.is_true(math.abs(row.bulk / row.tail - 1) > 0.01)
      assert.is_true(math.abs(row.bulk / plain[k]:item() - 1) > 0.01)
      -- and prints them
      local e = expected
      local line = ("%d %.4g %.4g %.4g %.4g %.3f %.0f %.0f"):format(k, e.mean, e.std, e.low,
        e.high, e.rhat, e.bulk, e.tail)
      local printed = tostring(chains):gsub(" +", " ")
      assert.is_truthy(printed:find("\n " .. line, 1, true), printed)
    end
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
