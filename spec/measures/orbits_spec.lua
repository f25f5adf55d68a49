local torus = require "torus"
local raises = require "spec.support.raises"

local energy, period = torus.measures.energy, torus.measures.period
local F64 = { dtype = "float64" }

local function agm(a, b)
  for _ = 1, 40 do a, b = (a + b) / 2, math.sqrt(a * b) end
  return a
end

-- Of a pendulum of length l with amplitude theta: T = 2 pi sqrt(l/g) / agm(1,
-- cos(theta/2)) for H = m g l (1 - cos q) + p^2/(2 m l^2). The paper's has twice
-- that potential, and so 2 g.
local function pendulum_period(g, l, theta)
  return 2 * math.pi * math.sqrt(l / (2 * g)) / agm(1, math.cos(theta / 2))
end

describe("measures.energy", function()
  it("is the spread along a rollout in units of that between sequences",
    function()
      local e = torus.tensor({ { 1, 10, 6 }, { 3, 10, 6 } }, F64)
      -- rollouts' spreads 1, 0, 0; their means 2, 10, 6
      local between = math.sqrt((16 + 16 + 0) / 3)
      local found = energy.drift(e)
      assert.is_near(1 / between, found[1], 1e-12)
      assert.are.equal(0, found[2])
      -- a learned energy's unit and zero are free
      for i, x in ipairs(energy.drift(e * -7 + 3)) do
        assert.is_near(found[i], x, 1e-12)
      end
    end)

  it("is small where a symplectic scheme integrates, and larger with Euler",
    function()
      local system = torus.systems.pendulum
      local q, p = system:sample { count = 20, seed = 1 }
      local H = system:hamiltonian()
      local function worst(method)
        local trajectory = torus.integrate { H = H, q = q, p = p, dt = 0.05,
          steps = 200, method = method }
        return math.max(table.unpack(energy.drift(
          system:energy(trajectory.q:reshape(-1, 1),
            trajectory.p:reshape(-1, 1)):reshape(201, 20))))
      end
      assert.is_true(worst("yoshida4") < worst("leapfrog") / 5)
      assert.is_true(worst("leapfrog") < 0.05)
      assert.is_true(worst("euler") > 0.3)
    end)

  it("needs sequences to compare", function()
    raises("drift: expected at least 2 sequences to compare with each other, "
      .. "got 1", function() energy.drift(torus.ones(4, 1)) end)
  end)
end)

describe("measures.period", function()
  it("finds where a cubic rises through a level exactly", function()
    local function f(t) return (t - 1.3) * (t * t + 1) + 2 end
    local signal = {}
    for i = 0, 5 do signal[i + 1] = f(i * 0.5) end
    assert.is_near(1.3, period.crossings(signal, 0.5, 2)[1], 1e-12)
    assert.are.same({}, period.crossings({ 3, 2, 1, -1 }, 1))
  end)

  it("is linear at the ends of a signal and counts a sample at the level once",
    function()
      local times = period.crossings({ -1, 3, -1, 0, 1, -3, 3 }, 2)
      assert.are.equal(3, #times)
      assert.are.equal(0.5, times[1])
      assert.are.equal(6, times[2])
      assert.are.equal(11, times[3])
    end)

  it("finds the period of a sine to the fourth order of the step", function()
    local function miss(dt)
      local signal = {}
      for i = 0, math.floor(40 / dt) do
        signal[i + 1] = 3 + math.sin(1.7 * i * dt + 0.4)
      end
      return math.abs(period.period(signal, dt) - 2 * math.pi / 1.7)
    end
    assert.is_true(miss(0.125) < 1e-4)
    assert.is_true(miss(0.02) < 1e-6)
  end)

  it("has the same period backward in time", function()
    local signal = { 0, 1, 0, -1, 0, 1, 0, -1, 0, 1 }
    assert.is_near(2, period.period(signal, -0.5), 1e-9)
  end)

  it("has none where nothing swings, or where it diverges", function()
    for _, signal in ipairs { { 1, 1, 1, 1 }, { 1, 2, 3, 4 },
      { 0, 1, 0, -1, 0, 1 / 0 }, { 0, 0 / 0, 0, 1, 0 }, {} } do
      local found = period.period(signal, 1)
      assert.is_true(found ~= found)
    end
  end)

  it("is the harmonic oscillator's at every energy", function()
    local system = torus.systems.mass_spring
    local q, p = system:sample { count = 12, seed = 3 }
    local trajectory = system:solve(q, p, { dt = 0.125, steps = 120 })
    for _, found in ipairs(period.periods(trajectory.q, 0.125)) do
      -- omega = sqrt(k/m) = 2; the middle of the range is known to a sample
      assert.is_near(math.pi, found, 3e-4)
    end
  end)

  it("is the pendulum's by the arithmetic-geometric mean, and longer with the "
    .. "energy", function()
    local system = torus.systems.pendulum
    local amplitudes = { 0.3, 1.2, 2, 2.6, 3 }
    local q = torus.tensor(amplitudes, F64):reshape(-1, 1)
    local trajectory = system:solve(q, q * 0, { dt = 0.05, steps = 800 })
    local found = period.periods(trajectory.q, 0.05)
    for i, theta in ipairs(amplitudes) do
      local want = pendulum_period(3, 1, theta)
      assert.is_near(want, found[i], 1e-4 * want)
      assert.is_true(i == 1 or found[i] > found[i - 1])
    end
  end)

  it("follows the coordinate that swings the most", function()
    local t = torus.arange(0, 20, 0.1, F64):reshape(-1, 1, 1)
    local q = torus.cat({ (t * 5):sin() * 0.1, (t * 2):sin() }, 3)
    assert.is_near(math.pi, period.periods(q, 0.1)[1], 1e-3)
  end)

  it("puts learned periods next to true ones by rising energy", function()
    local nan = 0 / 0
    local found = period.against_energy({ 3, 1, 2, 4 }, { 2.2, 1.1, nan, 4 },
      { 2, 1, 1.5, 5 })
    assert.are.same({ { energy = 1, learned = 1.1, truth = 1 },
      { energy = 3, learned = 2.2, truth = 2 },
      { energy = 4, learned = 4, truth = 5 } }, found.points)
    assert.is_near((0.1 + 0.1 + 0.2) / 3, found.error, 1e-12)
    assert.are.equal(1, found.missing)
    assert.is_nil(period.against_energy({ 1 }, { nan }, { 1 }).error)
    raises("against_energy: expected lists of equal length, got 1 energies, 2 "
      .. "learned and 1 true periods", function()
      period.against_energy({ 1 }, { 1, 2 }, { 1 })
    end)
  end)
end)
