local raises = require "spec.support.raises"
local torus = require "torus"
local f64 = { dtype = "float64" }

local NAMES = torus.systems.names() -- before any is defined here

local function largest(x) return x:abs():max():item() end

-- Hamiltonians once more, on plain numbers. Those of all others follow from
-- their trajectories, up to a constant.
local function gravity(n)
  return function(q, p)
    local energy = 0
    for i = 1, 2 * n do energy = energy + p[i] ^ 2 / 2 end
    for i = 1, n do
      for j = 1, i - 1 do
        energy = energy - 1 / math.sqrt((q[2 * i] - q[2 * j]) ^ 2
          + (q[2 * i - 1] - q[2 * j - 1]) ^ 2)
      end
    end
    return energy
  end
end

local ENERGIES = {
  mass_spring = function(q, p) return q[1] ^ 2 + p[1] ^ 2 end,
  pendulum = function(q, p) return 3 * (1 - math.cos(q[1])) + p[1] ^ 2 end,
  two_body = gravity(2),
  three_body = gravity(3),
  -- From velocities, which solve M v = p: T = p v / 2.
  double_pendulum = function(q, p)
    local c = 0.5 * math.cos(q[1] - q[2])
    local determinant = 1 * 0.5 - c * c
    local v1 = (0.5 * p[1] - c * p[2]) / determinant
    local v2 = (1 * p[2] - c * p[1]) / determinant
    return (p[1] * v1 + p[2] * v2) / 2 + 3 * (1 - math.cos(q[1]))
      + 1.5 * (1 - math.cos(q[2]))
  end,
  henon_heiles = function(q, p)
    return (p[1] ^ 2 + p[2] ^ 2 + q[1] ^ 2 + q[2] ^ 2) / 2
      + q[1] ^ 2 * q[2] - q[2] ^ 3 / 3
  end,
  kepler = function(q, p)
    return (p[1] ^ 2 + p[2] ^ 2) / 2 - 1 / math.sqrt(q[1] ^ 2 + q[2] ^ 2)
  end,
  lennard_jones = function(q, p)
    local energy = 0
    for i = 1, 10 do energy = energy + p[i] ^ 2 / 2 end
    for i = 1, 5 do
      local x, y = q[2 * i - 1], q[2 * i]
      energy = energy + 10 * math.max(math.sqrt(x * x + y * y) - 1.2, 0) ^ 4
      for j = 1, i - 1 do
        local r = math.sqrt((x - q[2 * j - 1]) ^ 2 + (y - q[2 * j]) ^ 2)
        energy = energy + 0.2 * ((0.5 / r) ^ 12 - (0.5 / r) ^ 6)
      end
    end
    return energy
  end,
  spring_chain = function(q, p)
    local energy = 0
    for i = 0, 8 do
      local r = (q[i + 1] or 0) - (q[i] or 0)
      energy = energy + (p[i] or 0) ^ 2 / 2 + r ^ 2 / 2 + 0.25 * r ^ 3 / 3
    end
    return energy
  end,
  toda = function(q, p)
    local energy = 0
    for i = 1, 6 do
      energy = energy + p[i] ^ 2 / 2 + math.exp(q[i] - q[i % 6 + 1]) - 1
    end
    return energy
  end,
  charged_particle = function(q, p)
    return ((p[1] + q[2]) ^ 2 + (p[2] - q[1]) ^ 2) / 2 - 0.3 * q[1]
  end,
  spinning_top = function(q, p)
    local s, c = math.sin(q[1]), math.cos(q[1])
    return p[1] ^ 2 / 2 + (p[2] - p[3] * c) ^ 2 / (2 * s * s) + p[3] ^ 2 + c
  end,
  driven_pendulum = function(q, p) return p[1] ^ 2 / 2 + 1 - math.cos(q[1]) end,
}
ENERGIES.restricted_pendulum = ENERGIES.pendulum

-- What collides, or comes close to a singularity.
local SENSITIVE = { kepler = true, lennard_jones = true, charged_particle = true }

describe("systems", function()
  for _, name in ipairs(NAMES) do
    describe(name, function()
      local system = torus.systems[name]

      local formula = ENERGIES[name]
      if formula then it("has the energy of its formula", function()
        local d = system.dimension
        local q = torus.randn({ 20, d }, { dtype = "float64",
          generator = torus.generator(1) })
        local p = torus.randn({ 20, d }, { dtype = "float64",
          generator = torus.generator(2) })
        local energy = system:energy(q, p):totable()
        local qs, ps = q:totable(), p:totable()
        for i = 1, 20 do
          local want = formula(qs[i], ps[i])
          assert.is_true(math.abs(energy[i] - want) < 1e-12 * (1 + math.abs(want)))
        end
      end) end

      it("moves as SciPy's DOP853 says", function()
        local want = assert(torus.npy.load("data/trajectories/" .. name .. ".npy"))
        local d = system.dimension
        local own = system.varying
          and want:select(2, 1):narrow(2, 2 * d + 1, #system.varying)
        want = want:narrow(3, 1, 2 * d)
        -- Some magnify the default tolerance more than tenfold.
        local trajectory = system:solve(want:select(2, 1):narrow(2, 1, d),
          want:select(2, 1):narrow(2, d + 1, d),
          { dt = 0.125, steps = 30, constants = own,
            rtol = (own or SENSITIVE[name]) and 1e-12 })
        local got = torus.cat({ trajectory.q, trajectory.p }, 3):transpose(1, 2)
        assert.are.same({ want:size(1), 31, 2 * d }, got.shape)
        assert.is_true(largest(got - want) < 1e-8)
        local start = system:energy(trajectory.q[1], trajectory.p[1], own)
        for _, i in ipairs { 2, 16, 31 } do
          local drift = (system:energy(trajectory.q[i], trajectory.p[i], own)
            - start) / torus.maximum(start:abs(), 0.1)
          if system:force() then
            assert.is_true(drift:abs():min():item() > 0)
          elseif system.friction > 0 then
            assert.is_true(drift:max():item() < 0)
          else
            assert.is_true(largest(drift) < 1e-9)
          end
        end
      end)

      it("has a kernel that follows its energy", function()
        local q, p, own = system:sample { count = 7, seed = 4 }
        local kernel = system:solve(q, p, { dt = 0.125, steps = 8, constants = own })
        local general = torus.rk45 { H = system:hamiltonian(own), q = q, p = p,
          friction = system.friction, force = system:force(own), dt = 0.125, steps = 8 }
        -- The same steps but for rounding.
        assert.is_true(largest(kernel.q - general.q) < 1e-11)
        assert.is_true(largest(kernel.p - general.p) < 1e-11)
        assert.are.equal(kernel.steps, general.steps)
      end)

      it("draws its bodies within the canvas", function()
        local q, p, own = system:sample { count = 64 }
        local frames = system:render(
          system:solve(q, p, { steps = 30, constants = own }).q,
          { constants = own })
        assert.are.same({ 31, 64, 32, 32, 3 }, frames.shape)
        assert.are.equal("float32", frames.dtype)
        assert.is_true(frames:min():item() >= 0 and frames:max():item() <= 1)
        if own then return end
        -- Red is the first body's: its amount hardly changes with its place.
        local red = frames:select(5, 1):sum { 3, 4 }
        assert.is_true(red:min():item() > 32 * 32 * 0.321)
      end)
    end)
  end

  it("give derivatives of states", function()
    local q, p = torus.systems.pendulum:sample { count = 5 }
    local dq, dp = torus.systems.pendulum:derivatives(q, p)
    assert.is_true(largest(dq - p * 2) < 1e-14)
    assert.is_true(largest(dp + q:sin() * 3) < 1e-14)
  end)

  it("have initial states that depend on seed, split and place alone", function()
    local three = torus.systems.three_body
    local q, p = three:sample { count = 2500, seed = 5 }
    local q2, p2 = three:sample { count = 30, first = 1010, seed = 5 }
    assert.are.equal(0, largest(q:narrow(1, 1010, 30) - q2))
    assert.are.equal(0, largest(p:narrow(1, 1010, 30) - p2))
    local other = three:sample { count = 30, first = 1010, seed = 6 }
    assert.is_true(largest(other - q2) > 0.1)
    local test = three:sample { count = 30, first = 1010, seed = 5, split = "test" }
    assert.is_true(largest(test - q2) > 0.1)
    assert.are.same({ 0, 6 }, three:sample({ count = 0 }).shape)
  end)

  it("start from the same numbers in another system with the same seed", function()
    local pendulum = torus.systems.pendulum
    local wide = pendulum:with { constants = { l = 2 } }
    local q, p = pendulum:sample { count = 30, seed = 5 }
    local q2, p2 = wide:sample { count = 30, seed = 5 }
    assert.equal(0, largest(q - q2) + largest(p - p2))
    local other = wide:sample { count = 30, seed = 6 }
    assert.is_true(largest(q - other) > 0.1)
    -- r ~ U(1.3, 2.3) of a pendulum and U(0.1, 1) of a mass on a spring, by one u
    local x, y = torus.systems.mass_spring:sample { count = 30, seed = 5 }
    local u = (q * q + p * p):sqrt() - 1.3
    local v = ((x * x + y * y):sqrt() - 0.1) / 0.9
    assert.is_true(largest(u - v) < 1e-12)
  end)

  it("have evenly spread initial states of which each is the same in any set", function()
    local pendulum = torus.systems.pendulum
    local q, p = pendulum:sample { count = 64, points = "sobol", seed = 3 }
    local radius = (q * q + p * p):sqrt():flatten():totable()
    local cells = {}
    for _, r in ipairs(radius) do cells[math.floor((r - 1.3) * 64) + 1] = true end
    assert.equal(64, #cells) -- r ~ U(1.3, 2.3): one in each of 64 intervals
    local third = pendulum:sample { count = 1, points = "sobol", seed = 3, first = 3 }
    assert.equal(q[3]:item(), third:item())
    raises('system:sample: option "points": expected one of "random", "sobol"; got "grid"',
      function() pendulum:sample { count = 1, points = "grid" } end)
  end)

  it("give a message for what they can't do", function()
    local pendulum = torus.systems.pendulum
    assert.has_error(function() torus.systems.get("planets") end,
      'systems: no system is named "planets" (known: '
      .. table.concat(NAMES, ", ") .. ")")
    assert.is_nil((torus.systems.find "planets"))
    raises('torus.systems has no "pendlum", did you mean "pendulum"?',
      function() return torus.systems.pendlum end)
    assert.error_matches(function() pendulum:sample { count = 1.5 } end,
      'option "count": expected an integer, got 1.5')
    assert.error_matches(function() pendulum:with { constants = { h = 1 } } end,
      'system pendulum: has no constant "h"')
    assert.error_matches(function() pendulum:with { name = "x" } end,
      'unknown option "name"')
    assert.error_matches(function() pendulum:render(torus.zeros(3, 2)) end,
      "expected q of shape %(%.%.%., 1%), got %(3,2%)")
    raises("system two_body: solve: expected q as a tensor of shape (batch, 4), got (3,1)",
      function() torus.systems.two_body:solve(torus.ones(3, 1), torus.ones(3, 1)) end)
    raises("system pendulum: solve: expected p as a tensor of shape (batch, 1), got (3)",
      function() torus.systems.pendulum:solve(torus.ones(3, 1), torus.ones(3)) end)
    raises("system pendulum: energy: expected q as a tensor of shape (batch, 1), got 5",
      function() pendulum:energy(5, 5) end)
    raises("system:sample: option \"count\": expected at most 1000000000, got "
      .. "4611686018427387904", function() pendulum:sample { count = 1 << 62 } end)
    raises("system:sample: option \"first\": expected at most", function()
      pendulum:sample { count = 2, first = math.maxinteger }
    end)
    raises("derivatives: expected p as a tensor of shape (batch, 1), got (3,2)",
      function() pendulum:derivatives(torus.zeros(3, 1), torus.zeros(3, 2)) end)
  end)

  it("change by constants, with all that follows from them", function()
    local long = torus.systems.pendulum:with { constants = { l = 4, g = 1 },
      noise = 0 }
    assert.are.equal(4 + math.sqrt(0.5 / math.pi), long.drawing.half_width)
    assert.are.equal(0, long.noise)
    assert.are.equal(1, torus.systems.pendulum.constants.l)
    -- Small swings: T = 2 pi sqrt(l / (2 g)), for H has twice the usual weight.
    local q = torus.tensor({ { 1e-4 } }, f64)
    local period = 2 * math.pi * math.sqrt(4 / 2)
    local trajectory = long:solve(q, q * 0, { times = { 0, period } })
    assert.is_true(largest(trajectory.q[2] - q) < 1e-11)
  end)
end)

describe("initial states", function()
  -- The distance of an empirical distribution from the uniform one on [0, 1]
  -- (Kolmogorov's statistic); above 1.95 / sqrt(n) once in a thousand times.
  local function kolmogorov(values)
    table.sort(values)
    local n, most = #values, 0
    for i, v in ipairs(values) do
      most = math.max(most, math.abs(v - i / n), math.abs(v - (i - 1) / n))
    end
    return most * math.sqrt(n)
  end

  local function angles(x, y)
    local list, xs, ys = {}, x:totable(), y:totable()
    for i = 1, #xs do
      list[i] = math.atan(ys[i], xs[i]) / (2 * math.pi) % 1
    end
    return list
  end

  local function shares(r, low, high)
    return ((r - low) / (high - low)):totable()
  end

  for name, range in pairs { mass_spring = { 0.1, 1 }, pendulum = { 1.3, 2.3 } } do
    it("of " .. name .. " lie on circles of uniform radius and angle", function()
      local q, p = torus.systems[name]:sample { count = 5000, seed = 1 }
      q, p = q:select(2, 1), p:select(2, 1)
      assert.is_true(kolmogorov(shares((q * q + p * p):sqrt(), range[1], range[2])) < 1.95)
      assert.is_true(kolmogorov(angles(q, p)) < 1.95)
    end)
  end

  for name, range in pairs { two_body = { 0.5, 1.5 }, three_body = { 0.9, 1.2 } } do
    local system = torus.systems[name]
    local n = system.dimension // 2

    it("of " .. name .. " have uniform radius and phase, the centre at rest",
      function()
        local q, p = system:sample { count = 5000, seed = 1 }
        local x, y = q:select(2, 1), q:select(2, 2)
        assert.is_true(kolmogorov(shares((x * x + y * y):sqrt(), range[1], range[2])) < 1.95)
        assert.is_true(kolmogorov(angles(x, y)) < 1.95)
        for _, z in ipairs { q, p } do
          assert.is_true(largest(z:reshape(5000, n, 2):mean(2)) < 1e-14)
        end
      end)

    it("of " .. name .. " are circular orbits without perturbation", function()
      local circular = system:with { constants = { perturbation = 0 } }
      local q, p = circular:sample { count = 50 }
      local trajectory = circular:solve(q, p)
      local places = trajectory.q:reshape(31, 50, n, 2)
      local radius = (places * places):sum(4):sqrt()
      assert.is_true(largest(radius - radius:narrow(1, 1, 1)) < 1e-8)
      -- The speed too is that of the start, at a right angle to the radius.
      local turn = (trajectory.q * trajectory.p):sum(3)
      assert.is_true(largest(turn) < 1e-8)
    end)

    it("of " .. name .. " are perturbed by five per cent", function()
      local circular = system:with { constants = { perturbation = 0 } }
      local _, p0 = circular:sample { count = 5000 }
      local _, p = system:sample { count = 5000 }
      local change = (p - p0) / (p0 * p0):sum(2, true):sqrt()
      -- Each of the 2 n components of n unit velocities, less their mean.
      local want = 0.05 ^ 2 * (1 - 1 / n)
      local got = (change * change):sum(2):mean():item()
      assert.is_true(math.abs(got / want - 1) < 0.05)
    end)
  end

  it("of henon_heiles stay below the energy of escape", function()
    local q, p = torus.systems.henon_heiles:sample { count = 5000 }
    assert.is_true(torus.systems.henon_heiles:energy(q, p):max():item() < 1 / 6)
  end)
end)

describe("systems.define", function()
  local function definition(changes)
    local d = {
      name = "quartic", dimension = 1, constants = { k = 1 },
      kinetic = function(p) return (p * p):sum(2) / 2 end,
      potential = function(q, c) return (q ^ 4):sum(2) * (c.k / 4) end,
      uniforms = 2,
      sample = function(u) return u:narrow(2, 1, 1), u:narrow(2, 2, 1) end,
      positions = function(q) return torus.stack({ q, q * 0 }, 3) end,
      radii = { 0.2 }, half_width = 1.5,
    }
    for key, value in pairs(changes or {}) do d[key] = value end
    return d
  end

  it("makes a system that is used as the built-in ones", function()
    local quartic = torus.systems.define(definition())
    assert.are.equal(quartic, torus.systems.quartic)
    local names = table.move(NAMES, 1, #NAMES, 1, {})
    names[#names + 1] = "quartic"
    assert.are.same(names, torus.systems.names())
    local states = torus.data.trajectories { system = "quartic", count = 20 }
    assert.are.same({ 20, 31, 2, 1 }, states.shape)
    local q, p = states:select(3, 1), states:select(3, 2)
    local energy = p * p / 2 + q ^ 4 / 4
    assert.is_true(largest(energy - energy:narrow(2, 1, 1)) < 1e-6) -- float32
    assert.are.same({ 20, 31, 16, 16, 3 },
      quartic:render(q, { resolution = 16 }).shape)
  end)

  it("gives trajectories of one place the same bits in any set", function()
    torus.systems.define(definition())
    local all = torus.data.trajectories { system = "quartic", count = 300,
      noise = 0.1 }
    local few = torus.data.trajectories { system = "quartic", count = 5,
      first = 254, noise = 0.1 }
    assert.are.equal(0, largest(all:narrow(1, 254, 5) - few))
  end)

  it("says what is wrong with a definition", function()
    for pattern, changes in pairs {
      ['option "dimension": expected at least 1'] = { dimension = 0 },
      ['unknown option "positoins"'] = { positoins = print },
      ["expected energy%(q, p, constants%), or kinetic"] =
        { kinetic = false },
      ["kinetic: expected a tensor of shape %(3%), got %(3,1%)"] =
        { kinetic = function(p) return p * p end,
          potential = function(q) return q * q end },
      ["sample: q: expected a tensor of shape %(1024,1%), got %(1024%)"] =
        { sample = function(u) return u:select(2, 1), u:select(2, 2) end },
      ["positions: expected a tensor of shape %(3,1,2%), got %(3,1%)"] =
        { positions = function(q) return q end },
      ["positions: expected radii or masses as well"] = { radii = false },
      ["positions: expected half_width as well, or extent"] = { half_width = false },
      ["radii: expected a list with a number for each body, got 0.2"] =
        { radii = 0.2 },
      ["radii: expected a list with a number for each body, got an empty list"] =
        { radii = {}, half_width = false, extent = 1 },
      ['radii: expected numbers above 0, got "big" for body 1'] = { radii = { "big" } },
      ["masses: expected numbers above 0, got %-1 for body 1"] =
        { radii = false, masses = { -1 } },
      ['half_width: expected a number above 0, got "x"'] = { half_width = "x" },
      ["dt: expected a finite number other than 0, got 0"] = { dt = 0 },
      ['"pendulum" is a built%-in system'] = { name = "pendulum" },
      ['name: expected letters, digits and _, .* got "define"'] = { name = "define" },
      ['constants: expected named numbers, got k = "1m"'] =
        { constants = { k = "1m" } },
    } do
      local d = definition(changes)
      for key, value in pairs(changes) do
        if value == false then d[key] = nil end
      end
      assert.error_matches(function() torus.systems.define(d) end, pattern)
    end
    local wrong = definition { radii = 0.2 }
    raises("radii: expected a list", function() torus.systems.define(wrong) end)
  end)

  it("reads a file, and says what is wrong with one", function()
    local path = os.tmpname()
    local function write(text)
      local file = assert(io.open(path, "w"))
      file:write(text)
      file:close()
    end
    write [[
      local torus = require "torus"
      return { name = "free", dimension = 2,
        energy = function(q, p) return (p * p + q * 0):sum(2) / 2 end,
        normals = 4,
        sample = function(_, z) return z:narrow(2, 1, 2), z:narrow(2, 3, 2) end }]]
    local free = assert(torus.systems.load(path))
    local q, p = free:sample { count = 3 }
    local trajectory = free:solve(q, p, { times = { 0, 2 } })
    assert.is_true(largest(trajectory.q[2] - (q + p * 2)) < 1e-12)
    assert.has_error(function() free:render(q) end,
      "system free: render: drawing needs a function positions(q, constants), which the "
      .. "definition does not have")
    for text, pattern in pairs { ["return 1"] = "got 1", ["retrun"] = "syntax error",
      ["error('oh')"] = "oh", ["return {}"] = 'option "dimension" is missing' } do
      write(text)
      local none, message = torus.systems.load(path)
      assert.is_nil(none)
      assert.matches(pattern, message)
    end
    os.remove(path)
    assert.matches("cannot open", select(2, torus.systems.load(path)))
  end)
end)
