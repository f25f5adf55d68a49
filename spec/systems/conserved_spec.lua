-- Systems against what theory says of them: closed forms and conserved quantities.
local torus = require "torus"

local function f64(values) return torus.tensor(values, { dtype = "float64" }) end
local function largest(x) return x:abs():max():item() end

-- A function of the state hardly changes along exact motion.
local function assert_conserved(name, quantity, tolerance)
  local system = torus.systems[name]
  local q, p = system:sample { count = 10, seed = 2 }
  local trajectory = system:solve(q, p, { dt = 1, steps = 10 })
  local start = quantity(q, p)
  for i = 2, 11 do
    local now = quantity(trajectory.q[i], trajectory.p[i])
    assert.is_true(largest(now - start) < tolerance, i)
  end
end

describe("the system kepler", function()
  it("returns after a period, 2 pi sqrt(a^3)", function()
    local system = torus.systems.kepler
    local q, p = system:sample { count = 5 }
    local a = (system:energy(q, p) * -2):reciprocal():totable()
    for i = 1, 5 do
      local one = { q:narrow(1, i, 1), p:narrow(1, i, 1) }
      local trajectory = system:solve(one[1], one[2],
        { times = { 0, 2 * math.pi * a[i] ^ 1.5 } })
      assert.is_true(largest(trajectory.q[2] - one[1]) < 1e-7)
    end
  end)

  it("keeps angular momentum and the perihelion", function()
    assert_conserved("kepler", function(q, p)
      local x, y, u, v = q:select(2, 1), q:select(2, 2), p:select(2, 1), p:select(2, 2)
      local momentum = x * v - y * u
      local r = (x * x + y * y):sqrt()
      return torus.stack({ momentum, v * momentum - x / r, -u * momentum - y / r }, 2)
    end, 1e-8)
  end)
end)

describe("the system toda", function()
  it("keeps the eigenvalues of Flaschka's matrix, and the centre of mass", function()
    assert_conserved("toda", function(q, p)
      local n, rows = 6, {}
      local qs, ps = q:totable(), p:totable()
      for k = 1, #qs do
        local matrix = {}
        for i = 1, n do
          matrix[i] = {}
          for j = 1, n do matrix[i][j] = 0 end
        end
        for i = 1, n do
          local j = i % n + 1
          matrix[i][i] = ps[k][i] / 2
          local a = math.exp((qs[k][i] - qs[k][j]) / 2) / 2
          matrix[i][j], matrix[j][i] = matrix[i][j] + a, matrix[j][i] + a
        end
        rows[k] = torus.linalg.eigh(f64(matrix))
      end
      return torus.cat({ torus.stack(rows, 1), q:sum(2, true), p:sum(2, true) }, 2)
    end, 1e-8)
  end)
end)

describe("the system charged_particle", function()
  it("turns around a drifting centre", function()
    -- v = drift + circle at the frequency b / m = 2, clockwise; drift = -e / b in y
    local system = torus.systems.charged_particle
    local v, drift = 1.2, -0.3 / 2
    local trajectory = system:solve(f64 { { 0, 0 } }, f64 { { v, drift } },
      { dt = 0.3, steps = 20 })
    for i = 0, 20 do
      local t = 0.3 * i
      assert.is_near(v / 2 * math.sin(2 * t), trajectory.q[{ i + 1, 1, 1 }]:item(), 1e-8)
      assert.is_near(drift * t + v / 2 * (math.cos(2 * t) - 1),
        trajectory.q[{ i + 1, 1, 2 }]:item(), 1e-8)
    end
  end)
end)

describe("the system spinning_top", function()
  it("precesses steadily at the rate of its closed form", function()
    -- i1 cos(theta) w^2 - p_psi w + weight = 0, the slow root
    local theta, spin = 0.7, 4
    local c, s = math.cos(theta), math.sin(theta)
    local w = (spin - math.sqrt(spin ^ 2 - 4 * c)) / (2 * c)
    local trajectory = torus.systems.spinning_top:solve(f64 { { theta, 0, 0 } },
      f64 { { 0, w * s * s + spin * c, spin } }, { dt = 1, steps = 5 })
    for i = 1, 5 do
      assert.is_near(theta, trajectory.q[{ i + 1, 1, 1 }]:item(), 1e-8)
      assert.is_near(w * i, trajectory.q[{ i + 1, 1, 2 }]:item(), 1e-8)
    end
  end)

  it("keeps two momenta", function()
    assert_conserved("spinning_top", function(_, p) return p:narrow(2, 2, 2) end, 1e-12)
  end)
end)

describe("the system spring_chain", function()
  it("swings in its modes where the springs are linear", function()
    local system = torus.systems.spring_chain:with { constants = { alpha = 0 } }
    local q, p = system:sample { count = 3 }
    local trajectory = system:solve(q, p, { dt = 1, steps = 10 })
    local w = 2 * math.sin(math.pi / 18)
    for i = 0, 10 do
      assert.is_true(largest(trajectory.q[i + 1] - q * math.cos(w * i)) < 1e-8)
    end
  end)

  it("sends the energy of its lowest mode away and gets it back", function()
    -- Fermi, Pasta, Ulam and Tsingou (1955)
    local system = torus.systems.spring_chain
    local shape, w = {}, 2 * math.sin(math.pi / 18)
    for i = 1, 8 do shape[i] = math.sin(math.pi * i / 9) end
    local mode = f64(shape)
    local trajectory = torus.integrate { H = system, q = mode:reshape(1, 8) * 2.5,
      p = torus.zeros({ 1, 8 }, { dtype = "float64" }), dt = 0.1, steps = 20000,
      every = 20 }
    local function amount(x) return (x:reshape(-1, 8) * mode):sum(2) * (2 / 9) end
    local energy = amount(trajectory.p) ^ 2 + amount(trajectory.q) ^ 2 * w ^ 2
    local share = (energy / energy[1]):totable()
    local lowest, at = 1, 1
    for i, value in ipairs(share) do
      if value < lowest and i < #share // 2 then lowest, at = value, i end
    end
    local back = 0
    for i = at, #share do back = math.max(back, share[i]) end
    assert.is_true(lowest < 0.6, lowest)
    assert.is_true(back > 0.9, back)
  end)
end)

describe("the system lennard_jones", function()
  it("keeps angular momentum", function()
    local system = torus.systems.lennard_jones
    local q, p = system:sample { count = 10 }
    local trajectory = system:solve(q, p, { dt = 0.5, steps = 6 })
    local function momentum(x, y)
      x, y = x:reshape(10, 5, 2), y:reshape(10, 5, 2)
      return (x:select(3, 1) * y:select(3, 2) - x:select(3, 2) * y:select(3, 1)):sum(2)
    end
    for i = 2, 7 do
      assert.is_true(largest(momentum(trajectory.q[i], trajectory.p[i])
        - momentum(q, p)) < 1e-8)
    end
  end)
end)

describe("the system driven_pendulum", function()
  it("takes from the drive what friction loses", function()
    -- dH/dt = (drive cos(w t) - friction q') q' with q' = p, by Simpson's rule
    local system = torus.systems.driven_pendulum
    local n, dt = 2000, 0.005
    local trajectory = system:solve(f64 { { 0.5 } }, f64 { { 0 } },
      { dt = dt, steps = n })
    local p, work = trajectory.p:reshape(-1):totable(), 0
    for i = 0, n do
      local v, t = p[i + 1], i * dt
      local weight = (i == 0 or i == n) and 1 or i % 2 == 1 and 4 or 2
      work = work + weight * dt / 3 * (1.15 * math.cos(2 * t / 3) - 0.5 * v) * v
    end
    local energy = system:energy(trajectory.q[-1], trajectory.p[-1])
      - system:energy(trajectory.q[1], trajectory.p[1])
    assert.is_near(work, energy:item(), 1e-8)
  end)

  it("moves the same by fixed steps", function()
    local system = torus.systems.driven_pendulum
    local q, p = system:sample { count = 3 }
    local want = system:solve(q, p, { times = { 0, 2 } })
    local got = torus.integrate { H = system, q = q, p = p, dt = 1 / 64, steps = 128,
      method = "rk4", every = 128 }
    assert.is_true(largest(want.q[2] - got.q[2]) < 1e-8)
  end)
end)
