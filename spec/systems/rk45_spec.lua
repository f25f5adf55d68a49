local core = require "torus.core"
local raises = require "spec.support.raises"
local rk45 = require "torus.rk45"
local torus = require "torus"

local function f64(values) return torus.tensor(values, { dtype = "float64" }) end
local function largest(x) return x:abs():max():item() end
local function spring(q, p) return ((q * q + p * p) / 2):sum(2) end

describe("torus.rk45", function()
  it("gives the states at any times, rising or falling", function()
    local q, p = f64 { { 1 }, { 0.5 } }, f64 { { 0 }, { 1 } }
    for _, times in ipairs { { 0, 0.01, 0.02, 3, 3.5, 10 }, { 2, 1, -3 } } do
      local trajectory = torus.rk45 { H = spring, q = q, p = p, times = times }
      for i, t in ipairs(times) do
        local c, s = math.cos(t - times[1]), math.sin(t - times[1])
        assert.is_true(largest(trajectory.q[i] - (q * c + p * s)) < 1e-9)
        assert.is_true(largest(trajectory.p[i] - (p * c - q * s)) < 1e-9)
      end
    end
  end)

  it("takes steps of dt, and 30 of 0.125 without being told", function()
    local q = f64 { { 1 } }
    local trajectory = torus.rk45 { H = spring, q = q, p = q }
    assert.are.same({ 31, 1, 1 }, trajectory.q.shape)
    local back = torus.rk45 { H = spring, q = trajectory.q[31], p = trajectory.p[31],
      dt = -3.75, steps = 1 }
    assert.is_true(largest(back.q[2] - q) < 1e-9)
  end)

  it("keeps the shape of q and takes separable and joint energies", function()
    local q = torus.randn({ 3, 2, 2 }, { dtype = "float64",
      generator = torus.generator(1) })
    local function half(x) return (x * x):sum { 2, 3 } / 2 end
    local trajectory = torus.rk45 { H = torus.separable(half, half), q = q, p = q * 0,
      times = { 0, math.pi } }
    assert.are.same({ 2, 3, 2, 2 }, trajectory.q.shape)
    assert.is_true(largest(trajectory.q[2] + q) < 1e-9)
  end)

  it("takes samples that are next to each other", function()
    local q = f64 { { 1 } }
    for _, times in ipairs { { 0, 1e-14, 100 }, { 0, -1e-14, -100 },
      { 0, 1e-14, 2e-14, 50, 50 + 1e-14, 100 } } do
      local motion = torus.rk45 { field = { "mass_spring", { 1, 1 } }, q = q, p = q * 0,
        times = times }
      assert.is_true(math.abs(motion.q[-1]:item() - math.cos(100)) < 1e-8)
      assert.is_true(motion.steps < 5000)
    end
  end)

  it("computes systems in float64, by their kernels, whatever the state's dtype", function()
    local system = torus.systems.double_pendulum
    for _, case in ipairs { torus.systems.pendulum, system,
      torus.systems.pendulum_friction } do
      local q, p = case:sample { count = 3, seed = 2 }
      q, p = q:to "float32", p:to "float32"
      local truth = case:solve(q:to "float64", p:to "float64", { times = { 0, 5 } })
      local single = torus.rk45 { H = case, q = q, p = p, times = { 0, 5 } }
      assert.is_true(largest(single.q - truth.q) < 1e-9)
      local variable = torus.rk45 { H = case, q = torus.variable(q), p = p, times = { 0, 5 },
        backprop = "stored" }
      assert.is_true(variable.q.requires_grad and largest(variable.q:detach() - truth.q) < 1e-8)
    end
  end)

  it("calls the caller's force in the dtype of the state", function()
    local net = torus.nn.Linear(1, 1)
    local q = torus.tensor { { 0.3 }, { -0.2 } }
    local motion = torus.rk45 { H = torus.systems.pendulum, q = q, p = q, times = { 0, 1 },
      force = function(x) return net(x) end }
    local double = net:copy():to "float64"
    local truth = torus.rk45 { H = torus.systems.pendulum, q = q:to "float64",
      p = q:to "float64", times = { 0, 1 }, force = function(x) return double(x) end }
    assert.is_true(largest(motion.q - truth.q) < 1e-5)
  end)

  it("does not ask more of float32 than it holds", function()
    local H = torus.systems.kepler:hamiltonian()
    local q, p = torus.systems.kepler:sample { count = 2, seed = 1 }
    local fine = torus.rk45 { H = H, q = q, p = p, times = { 0, 10 } }
    local single = torus.rk45 { H = H, q = q:to "float32", p = p:to "float32", times = { 0, 10 } }
    assert.is_true(single.steps + single.rejected < fine.steps / 2)
    assert.is_true(largest(single.q - fine.q) < 1e-3)
  end)

  it("answers at a time, with a dot or a colon, also of no trajectories", function()
    local q = f64 { { 1 } }
    local motion = torus.rk45 { H = spring, q = q, p = q, times = { 0, 1 }, dense = true }
    assert.same(motion.at(0.5):totable(), (motion:at(0.5)):totable())
    local flow = torus.ode { f = function(y) return -y end, y = q, times = { 0, 1 },
      dense = true }
    assert.same(flow.at(0.5):totable(), flow:at(0.5):totable())
    local none = torus.rk45 { H = spring, q = torus.zeros(0, 2), p = torus.zeros(0, 2),
      times = { 0, 1 }, dense = true, events = { function(x) return x:sum(2) end } }
    assert.same({ { 0, 2 }, { 3, 0, 2 } },
      { none.at(0.5).shape, none:at({ 0, 0.5, 1 }).shape })
    assert.same({ {} }, none.events)
  end)

  it("differentiates in the dtype of q and steps in float64", function()
    local net = torus.nn.MLP { sizes = { 1, 8, 1 }, activation = "tanh",
      generator = torus.generator(1) }
    local H = torus.separable(function(p) return (p * p):sum(2) / 2 end,
      function(q) return net(q):sum(2) end)
    local q = torus.tensor { { 0.3 }, { -0.2 } }
    local trajectory = torus.rk45 { H = H, q = q, p = q, rtol = 1e-5, atol = 1e-6 }
    assert.are.equal("float64", trajectory.q.dtype)
    local fixed = torus.integrate { H = H, q = q, p = q, method = "rk4",
      dt = 0.0625, steps = 60 }
    assert.is_true(largest(trajectory.q[31]:to("float32") - fixed.q[61]) < 1e-4)
    assert.is_false(trajectory.q.requires_grad)
  end)

  it("is as exact as it is told to be", function()
    local q = f64 { { 1 } }
    local last = 1
    for _, rtol in ipairs { 1e-4, 1e-7, 1e-10 } do
      local trajectory = torus.rk45 { H = spring, q = q, p = q * 0, rtol = rtol,
        atol = rtol, times = { 0, 2 * math.pi } }
      local error = largest(trajectory.q[2] - q)
      assert.is_true(error < 30 * rtol and error < last / 100)
      last = error
    end
  end)

  it("passes the error of an energy on as it was", function()
    local q = f64 { { 1 } }
    assert.error_matches(function()
      torus.rk45 { H = function() error("no energy today", 0) end, q = q, p = q }
    end, "^no energy today$")
    local thrown = { code = 7 }
    local ok, caught = pcall(torus.rk45, { H = function() error(thrown) end,
      q = q, p = q })
    assert.is_false(ok)
    assert.are.equal(thrown, caught)
  end)

  it("names the trajectory that fails", function()
    local q = f64 { { 1, 0, -1, 0 }, { 1, 0, -1, 0 } }
    local p = f64 { { 0, 0.5, 0, -0.5 }, { 0, 0, 0, 0 } }
    assert.error_matches(function()
      torus.systems.two_body:solve(q, p)
    end, "rk45: trajectory 2 failed at t = 2%.22%d+ after %d+ steps: its step "
      .. "size fell below the resolution of time")
    assert.error_matches(function()
      torus.rk45 { H = spring, q = q, p = q, max_steps = 5 }
    end, "trajectory 1 failed at t = %S+ after 5 steps: it needs more than")
    assert.error_matches(function()
      torus.rk45 { H = spring, q = f64 { { 0 / 0 } }, p = f64 { { 1 } } }
    end, "its vector field is not finite")
  end)

  it("takes times that lie very close", function()
    local q = f64 { { 1 } }
    local trajectory = torus.rk45 { H = spring, q = q, p = q, dt = 1e-170, steps = 2 }
    assert.are.same({ { { 1 } }, { { 1 } }, { { 1 } } }, trajectory.q:totable())
  end)

  it("names the place of an error in the field once", function()
    local states = f64 { { 1, 1 } }
    local o = { rtol = 1, atol = 1, first_step = 0, max_step = 0, max_steps = 5 }
    raises("rk45: expected a contiguous tensor (batch, size) float64, got tensor (1,2) float32",
      function()
      rk45.states(function(x) return x:to("float32") end, states, { 0, 1 }, o)
    end)
    raises("boo", function()
      rk45.states(function() error("boo") end, states, { 0, 1 }, o)
    end)
  end)

  it("says what it expected", function()
    local q = f64 { { 1 } }
    for pattern, opts in pairs {
      ["rk45: expected either H or field, got neither"] = {},
      ['unknown option "Q"'] = { H = spring, Q = q },
      ["rk45: q and p differ"] = { H = spring, p = f64 { 1 } },
      ["expected either times or dt and steps, got both"] = { H = spring, times = { 0 }, dt = 1 },
      ["expected a nonzero dt, got 0"] = { H = spring, dt = 0 },
      ["times that do not fall or do not rise, got 1 after 2 at 3"] =
        { H = spring, times = { 0, 2, 1 } },
      ['expected times as a list of numbers, got "x" at 2'] =
        { H = spring, times = { 0, "x" } },
      ["H must return one energy per sample, shape %(1%); got %(1,1%)"] =
        { H = function(x) return x end },
      ["H must return one energy per sample, shape %(1%); got 3"] =
        { H = function() return 3 end },
      ["H depends on neither q nor p"] =
        { H = function(x) return x:detach():sum(2) end },
      ['unknown vector field "planets"'] = { field = { "planets", {} } },
      ["pendulum: expected 3 constants, got 1"] = { field = { "pendulum", { 1 } } },
      ["pendulum: expected states of 2 numbers, got 4"] =
        { field = { "pendulum", { 1, 1, 1 } }, q = f64 { { 1, 1 } },
          p = f64 { { 1, 1 } } },
      ['option "rtol": expected at least 0'] = { H = spring, rtol = -1 },
    } do
      opts.q, opts.p = opts.q or q, opts.p or q
      assert.error_matches(function() torus.rk45(opts) end, pattern)
    end
  end)

  it("measures the fixed-step schemes: their error falls by their order", function()
    local system = torus.systems.pendulum
    local q, p = system:sample { count = 20 }
    local truth = system:solve(q, p, { times = { 0, 2 }, rtol = 1e-13,
      atol = 1e-14 }).q[2]
    local coarsest = { 512, 64, 64, 64, [6] = 16, [8] = 12 }
    for _, scheme in ipairs(core.schemes()) do
      local method, order = scheme.name, scheme.order
      local function error(steps)
        local trajectory = torus.integrate { H = system:hamiltonian(), q = q, p = p,
          dt = 2 / steps, steps = steps, method = method, every = steps }
        return largest(trajectory.q[-1] - truth)
      end
      local fine = coarsest[order] or 64
      local fitted = math.log(error(fine) / error(2 * fine), 2)
      assert.is_true(math.abs(fitted - order) < 0.2, method .. " " .. fitted)
    end
  end)
end)
