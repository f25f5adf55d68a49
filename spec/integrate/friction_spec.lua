local energy = require "torus.models.parts.energy"
local friction = require "torus.models.parts.friction"
local gradcheck = require "spec.support.gradcheck"
local raises = require "spec.support.raises"
local schemes = require "torus.schemes"
local torus = require "torus"
local f64 = { dtype = "float64" }

local D = 0.4
local function spring(q) return (q * q):sum(2) end -- k = 2
local H = torus.separable(energy.quadratic(), spring)
local general = torus.separable(function(p) return (p * p):sum(2) * 0.5 end, spring)

local function leaf(value)
  return torus.tensor({ { value } }, { dtype = "float64", requires_grad = true })
end

-- q'' + D q' + 2 q = 0 from (1, 0)
local function oscillator(t)
  local a = D / 2
  local w = math.sqrt(2 - a * a)
  local q = math.exp(-a * t) * (math.cos(w * t) + a / w * math.sin(w * t))
  return q, -2 / w * math.exp(-a * t) * math.sin(w * t)
end

local function roll(opts)
  local o = { H = H, q = leaf(1), p = leaf(0), friction = D }
  for key, value in pairs(opts) do o[key] = value end
  return torus.integrate(o)
end

local function error_of(method, steps, other)
  local trajectory = roll { method = method, steps = steps, dt = 2 / steps, H = other }
  local q, p = oscillator(2)
  return math.sqrt((trajectory.q[-1]:item() - q) ^ 2 + (trajectory.p[-1]:item() - p) ^ 2)
end

-- d(q_T, p_T) / d(q_0, p_0)
local function volume(trajectory, q, p)
  local dq = torus.grad(trajectory.q[-1]:sum(), { q, p }, { retain_graph = true })
  local dp = torus.grad(trajectory.p[-1]:sum(), { q, p })
  return dq[1]:item() * dp[2]:item() - dq[2]:item() * dp[1]:item()
end

describe("friction in torus.integrate", function()
  local STEPS = { 512, 128, 128, 64 }

  for _, name in ipairs(schemes.names()) do
    local scheme = schemes.of(name)
    if not scheme.extended and (not scheme.splitting or scheme.order <= 2) then
      for kind, hamiltonian in pairs { exact = H, midpoint = general } do
        it(name .. " keeps its order, damping " .. kind, function()
          local n = STEPS[scheme.order] or 64
          local order = math.log(error_of(name, n // 2, hamiltonian)
            / error_of(name, n, hamiltonian), 2)
          assert.is_near(scheme.order, order, 0.1)
        end)
      end
    end
  end

  it("contracts volume by exp(-D T) in each direction", function()
    local q, p = leaf(1), leaf(0.3)
    local trajectory = roll { q = q, p = p, steps = 30 }
    assert.is_near(math.exp(-D * 30 * 0.125), volume(trajectory, q, p), 1e-12)
  end)

  it("is undone by steps of -dt", function()
    for _, hamiltonian in ipairs { H, general } do
      local there = roll { H = hamiltonian, steps = 200 }
      local back = roll { H = hamiltonian, q = there.q[-1], p = there.p[-1],
        steps = 200, dt = -0.125 }
      -- Backward in time an error of rounding grows by exp(D T / 2) = 150.
      assert.is_near(1, back.q[-1]:item(), 1e-9)
      assert.is_near(0, back.p[-1]:item(), 1e-9)
    end
  end)

  it("lets the energy fall as the closed form has it", function()
    local trajectory = roll { steps = 3000, dt = 0.01, energies = true }
    local energies = trajectory.energy:reshape(-1):totable()
    for i = 101, #energies, 100 do
      local q, p = oscillator(0.01 * (i - 1))
      assert.is_near(q * q + p * p / 2, energies[i], 1e-4)
      assert.is_true(energies[i] < energies[i - 100])
    end
  end)

  it("may depend on q and on the direction", function()
    local q = torus.randn({ 3, 2 }, { dtype = "float64",
      generator = torus.generator(1) })
    local p = q * 0.5
    local a = torus.integrate { H = H, q = q, p = p, steps = 3,
      friction = torus.tensor({ 0.1, 0 }, f64) }
    local b = torus.integrate { H = H, q = q, p = p, steps = 3,
      friction = function(x) return torus.ones({ 1, 2 }, f64) * 0.1 + x * 0 end }
    local free = torus.integrate { H = H, q = q, p = p, steps = 3 }
    assert.is_true((a.q:select(3, 2) - free.q:select(3, 2)):abs():max():item()
      < 1e-15)
    assert.is_true((a.q:select(3, 1) - b.q:select(3, 1)):abs():max():item() < 1e-15)
  end)

  it("has gradients to state, energy and friction, of either order", function()
    local function input(shape, value)
      return torus.full(shape, value, { dtype = "float64", requires_grad = true })
    end
    local inputs = { input({ 2, 1 }, 0.8), input({ 2, 1 }, -0.6),
      input({ 1 }, 0.7), input({ 1 }, D) }
    for _, method in ipairs { "leapfrog", "rk4" } do
      for _, exact in ipairs { true, false } do
        local function f(x, y, stiffness, amount)
          local trajectory = torus.integrate { steps = 2, dt = 0.3, method = method,
            q = x, p = y, friction = amount, H = torus.separable(
              exact and energy.quadratic()
                or function(z) return (z ^ 2):sum(2) + (z ^ 4):sum(2) * 0.1 end,
              function(z) return (z ^ 4):sum(2) * stiffness end) }
          return trajectory.q:sum() + (trajectory.p * trajectory.p):sum()
        end
        gradcheck.check(f, inputs, 1, method)
        gradcheck.check(f, inputs, 2, method)
      end
    end
  end)

  it("has messages", function()
    local q = torus.zeros(1, 1)
    for pattern, value in pairs { ["nil (is a return missing?)"] = false, ['"x"'] = "x",
      ["tensor (3) float64"] = torus.ones({ 3 }, { dtype = "float64" }) } do
      raises("friction: expected a number, or a tensor that broadcasts against (1,1), from "
        .. "the function, got " .. pattern, function()
        torus.integrate { H = H, q = q, p = q, friction = function() return value or nil end }
      end)
    end
    for what, pattern in pairs { [-1] = "got -1", [true] = "got true" } do
      raises("integrate: friction: expected a number of at least 0, a tensor that "
        .. "broadcasts against p, (1,1), or a function of q that returns one, " .. pattern,
        function() torus.integrate { H = H, q = q, p = q, friction = what } end)
    end
    raises("integrate: friction: yoshida4 would drop to second order; "
      .. "expected one of: leapfrog", function()
      torus.integrate { H = H, q = q, p = q, friction = 1, method = "yoshida4" }
    end)
    raises("integrate: friction: the fused kernels do not support it, so "
      .. "fused = true is not possible", function()
      torus.integrate { H = H, q = q, p = q, friction = 1, fused = true }
    end)
  end)
end)

describe("learned friction", function()
  it("is 0.05 at first, positive, and has a gradient", function()
    for _, choice in ipairs { "constant", "network" } do
      local D0 = friction.new(choice, 2, f64)
      local at = D0(torus.randn({ 5, 2 }, f64))
      assert.is_true(math.abs(at:mean():item() - 0.05) < 0.02)
      assert.is_true(at:min():item() > 0)
      at:sum():backward()
      assert.is_true(D0:parameters()[1].grad ~= nil)
    end
    assert.is_nil(friction.new("none", 1))
  end)

  it("damps an HGN's rollouts and is undone backward", function()
    for _, options in ipairs { { friction = "constant" }, { friction = "network" },
      { friction = "constant", kinetic = "network" },
      { friction = "constant", kinetic = "network", hamiltonian = "joint",
        method = "rk4" } } do
      local config = { phase = "vector", dimension = 2, width = 4, frames = 5,
        resolution = 16, dtype = "float64", kinetic = options.kinetic or "quadratic",
        friction = options.friction, hamiltonian = options.hamiltonian,
        method = options.method, energy_init = "oscillator", energy_width = 8 }
      local model = torus.models.hgn(config, torus.generator(3))
      local q = torus.randn({ 4, 2 }, { dtype = "float64",
        generator = torus.generator(1) })
      local trajectory = model:rollout(q, q * 0.5, { steps = 40, dt = 0.05 })
      local energies = model:energies(trajectory)
      assert.is_true((energies[-1] - energies[1]):max():item() < 0)
      local back = model:continue(trajectory, { steps = 40, dt = -0.05 })
      local tolerance = options.method == "rk4" and 1e-6 or 1e-12
      assert.is_near(0, (back.q[-1] - q):abs():max():item(), tolerance)
      local gradients = model:gradients(torus.rand({ 2, 5, 16, 16, 3 }, f64))
      local total = 0
      for i, entry in ipairs(model:named_parameters()) do
        if entry[1]:match("^friction") then
          total = total + gradients[i]:abs():sum():item()
        end
      end
      assert.is_true(total > 0)
    end
  end)

  it("is part of an HNN's motion and rollouts", function()
    local model = torus.models.hnn({ friction = "constant", width = 16,
      dtype = "float64" }, torus.generator(1))
    local q, p = torus.randn({ 5, 1 }, f64), torus.randn({ 5, 1 }, f64)
    local dq, dp = model:motion(q, p)
    local gq, gp = torus.field(model.hamiltonian, q, p)
    assert.is_true((dq - gp):abs():max():item() < 1e-14)
    assert.is_true((dp + gq + gp * 0.05):abs():max():item() < 1e-14)
    local rk4 = model:rollout(q, p, { steps = 10 })
    local rk45 = model:rollout(q, p, { steps = 10, method = "rk45" })
    assert.is_true((rk4.q - rk45.q):abs():max():item() < 1e-5)
    assert.is_true((model:energy(rk4.q[-1], rk4.p[-1])
      - model:energy(q, p)):max():item() < 0)
    raises('hnn: friction: expected "none" for the plain network',
      function() torus.models.hnn { kind = "mlp", friction = "constant" } end)
    raises('hgn: friction: expected "none" or "constant" where phase is "map"',
      function() torus.models.hgn { friction = "network" } end)
  end)

  it("is found by an HNN in states of a damped spring", function()
    local set = torus.data.hnn_data.make("mass_spring_friction", { seed = 1,
      noise = 0, trajectories = 10 })
    local model = torus.models.hnn({ friction = "constant", width = 32 },
      torus.generator(1))
    local adam = torus.optim.adam(model:parameters(), { lr = 1e-2 })
    local train = set.train
    for _ = 1, 300 do
      local loss = model:loss(train.q, train.p, train.dq, train.dp)
      adam:step(torus.grad(loss, model:parameters(), { allow_unused = true }))
    end
    local found = model.friction(train.q):item()
    assert.is_true(math.abs(found - 0.05) < 0.01, "friction " .. found)
  end)
end)
