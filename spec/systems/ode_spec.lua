-- torus.ode next to closed forms, finite differences, SciPy's figures and torus.rk45.
local torus = require "torus"
local raises = require "spec.support.raises"

local F64 = { dtype = "float64" }

local function tensor(values) return torus.tensor(values, F64) end
local function same(expected, got, tolerance)
  assert.is_near(0, (got - expected):abs():max():item(), tolerance)
end

local function van_der_pol(y)
  local x, v = y:select(2, 1), y:select(2, 2)
  return torus.stack({ v, (1 - x ^ 2) * v * 1.5 - x }, 2)
end

local function lorenz(y)
  local a, b, c = y:select(2, 1), y:select(2, 2), y:select(2, 3)
  return torus.stack({ (b - a) * 10, a * (28 - c) - b, a * b - c * (8 / 3) }, 2)
end

describe("torus.ode", function()
  it("solves what has a closed form, forward and backward, in one batch", function()
    local k, y = tensor { { 1 }, { -0.5 }, { 3 } }, tensor { { 1 }, { 2 }, { -1 } }
    for _, times in ipairs { { 0, 0.3, 2 }, { 1, 0, -1.5 } } do
      local result = torus.ode { f = function(x) return -x * k end, y = y, times = times }
      for i, t in ipairs(times) do
        local expected = y * (k * (times[1] - t)):exp()
        same(torus.ones({ 3, 1 }, F64), result.y[i] / expected, 1e-8)
      end
      assert.are.equal("float64", result.y.dtype)
      assert.is_true(result.steps > 3 and result.rejected >= 0)
    end
  end)

  it("hands on the time, of each trajectory's own steps", function()
    local shapes = {}
    local result = torus.ode { y = torus.zeros({ 2, 1, 2 }, F64), dt = 1, steps = 3, time = 0.5,
      f = function(y, t)
        shapes[table.concat(t.shape, ",")] = true
        return t:cos() * torus.ones_like(y)
      end }
    for i = 0, 3 do
      same(torus.full({ 2, 1, 2 }, math.sin(0.5 + i) - math.sin(0.5), F64), result.y[i + 1], 1e-9)
    end
    assert.is_true(shapes["2,1,1"])
  end)

  -- scipy.integrate.solve_ivp, DOP853, rtol = atol = 1e-12
  it("agrees with SciPy on systems without a Hamiltonian", function()
    local vdp = torus.ode { f = van_der_pol, y = tensor { { 2, 0 } }, times = { 0, 10 } }
    same(tensor { { -1.16881748, -3.1055408 } }, vdp.y[2], 2e-8)
    local chaos = torus.ode { f = lorenz, y = torus.ones({ 2, 3 }, F64), times = { 0, 5 } }
    same(tensor { { -6.5121137, -6.97404279, 23.92412957 } }, chaos.y[2], 2e-7)
  end)

  it("takes the steps that torus.rk45 takes for a Hamiltonian", function()
    local pendulum = torus.systems.pendulum
    local q, p = pendulum:sample { count = 3, seed = 1 }
    local f = torus.rk45.field_of(pendulum:hamiltonian(), 1)
    local other = torus.rk45 { H = pendulum:hamiltonian(), q = q, p = p, steps = 20, dt = 0.2 }
    local result = torus.ode { f = f, y = torus.cat({ q, p }, 2), steps = 20, dt = 0.2 }
    assert.are.equal(other.steps, result.steps)
    assert.is_true(result.y:eq(torus.cat({ other.q, other.p }, 3)):all():item())
  end)

  it("has fixed steps of the schemes' orders", function()
    for method, order in pairs { euler = 1, rk4 = 4 } do
      local errors = {}
      for i, n in ipairs { 8, 16 } do
        local result = torus.ode { f = function(y, t) return -y * t end, y = tensor { { 1 } },
          times = { 0, 1, 2 }, method = method, substeps = n }
        errors[i] = math.abs(result.y[-1]:item() - math.exp(-2))
        assert.are.equal(2 * n, result.steps)
      end
      assert.is_near(order, math.log(errors[1] / errors[2], 2), 0.15)
    end
    local single = torus.ode { f = function(y) return -y end, y = torus.ones(1, 1),
      method = "rk4", dt = 0.1, steps = 10 }
    assert.are.equal("float32", single.y.dtype)
    assert.is_near(math.exp(-1), single.y[-1]:item(), 1e-6)
  end)

  local GRADIENTS = { { method = "rk45" }, { method = "rk45", backprop = "checkpoints" },
    { method = "rk4", substeps = 50 }, { method = "rk4", substeps = 50, backprop = "checkpoints" } }

  it("differentiates with respect to the state and the parameters of f", function()
    for _, given in ipairs(GRADIENTS) do
      local k, y = tensor { 0.7 }, tensor { { 1 }, { -2 } }
      k.requires_grad, y.requires_grad = true, true
      local o = { f = function(x) return -x * k end, y = y, times = { 0, 1.5, 2 } }
      for key, value in pairs(given) do o[key] = value end
      local last = torus.ode(o).y[-1]
      local dk, dy = table.unpack(torus.grad(last:sum(), { k, y }))
      same(tensor { -2 * (1 - 2) * math.exp(-1.4) }, dk, 1e-7)
      same(torus.full({ 2, 1 }, math.exp(-1.4), F64), dy, 1e-7)
      -- without the state
      o.y = y:detach()
      same(dk, torus.grad(torus.ode(o).y[-1]:sum(), k), 1e-12)
    end
  end)

  it("has second derivatives where all is stored", function()
    local k = tensor { 0.7 }
    k.requires_grad = true
    local y = torus.ode { f = function(x) return -x * k end, y = tensor { { 1 } },
      times = { 0, 2 } }.y[-1]
    local g = torus.grad(y:sum(), k, { create_graph = true })
    assert.is_near(4 * math.exp(-1.4), torus.grad(g:sum(), k):item(), 1e-7)
  end)

  it("records nothing if nothing needs a gradient, or on request", function()
    local k = tensor { 0.7 }
    k.requires_grad = true
    local function y(o)
      o.y, o.times = tensor { { 1 } }, { 0, 1 }
      return torus.ode(o).y
    end
    assert.is_false(y({ f = function(x) return x:tanh() end }).requires_grad)
    local f = function(x) return -x * k end
    for _, method in ipairs { "rk45", "rk4" } do
      assert.is_true(y({ f = f, method = method }).requires_grad)
      assert.is_false(y({ f = f, method = method, backprop = "none" }).requires_grad)
      assert.is_false(torus.no_grad(y, { f = f, method = method }).requires_grad)
    end
  end)

  it("lets f differentiate an energy, recorded or not", function()
    local function f(y)
      local x = torus.variable(y:select(2, 1))
      local slope = torus.grad((x ^ 4 / 4):sum(), x, { create_graph = true })
      return torus.stack({ y:select(2, 2), -slope }, 2)
    end
    for _, method in ipairs { "rk45", "rk4" } do
      local o = { f = f, y = tensor { { 1, 0 } }, dt = 0.05, steps = 40, method = method }
      local y = torus.no_grad(torus.ode, o).y
      local energy = y:select(3, 2) ^ 2 / 2 + y:select(3, 1) ^ 4 / 4
      same(torus.full({ 41, 1 }, 0.25, F64), energy, 1e-6)
    end
  end)

  it("finds events, stops at them, and is a function of time", function()
    local result = torus.ode { y = tensor { { 10, 0 }, { 5, 0 } }, times = { 0, 1, 2 },
      dense = true, events = { { zero = function(y) return y:select(2, 1) end, terminal = true },
        function(_, t) return t - 0.25 end },
      f = function(y) return torus.stack({ y:select(2, 2), y:select(2, 2) * 0 - 9.81 }, 2) end }
    for b, height in ipairs { 10, 5 } do
      local fall = math.sqrt(2 * height / 9.81)
      assert.is_near(fall, result.events[1][b].t:item(), 1e-10)
      assert.is_near(fall, result.stopped[b], 1e-10)
      same(tensor { { 0, -9.81 * fall } }, result.events[1][b].y, 1e-8)
      assert.is_near(0.25, result.events[2][b].t:item(), 1e-12)
    end
    assert.is_true(result.y[3]:isnan():all():item())
    same(tensor { { 10 - 9.81 * 0.125, -4.905 }, { 5 - 9.81 * 0.125, -4.905 } }, result.at(0.5),
      1e-9)
    assert.are.same({ 2, 2, 2 }, result.at({ 0.1, 0.2 }).shape)
  end)

  it("accepts empty batches and states of any shape", function()
    assert.are.same({ 31, 0, 2 }, torus.ode { f = van_der_pol,
      y = torus.zeros({ 0, 2 }, F64) }.y.shape)
    assert.are.same({ 3, 4 }, torus.ode { f = function(y) return -y end, y = torus.ones(4),
      steps = 2 }.y.shape)
  end)

  it("says what it expected", function()
    local y = torus.ones(2, 2)
    for text, o in pairs {
      ['ode: option "f" is missing'] = {},
      ["ode: expected y of shape (batch,...), got 3"] = { f = van_der_pol, y = 3 },
      ["ode: y: expected float32 or float64, got tensor (2) int64"] = { f = van_der_pol,
        y = torus.ones({ 2 }, { dtype = "int64" }) },
      ["ode: f: expected dy/dt, of shape (2,2) like y, from f(y, t), got tensor (1,1) float32"] =
        { f = function(_, t) return t end, y = y },
      ["ode: f: expected dy/dt, of shape (2,2) like y, from f(y, t), got nil (is a return "
        .. "missing?)"] = { f = function() end, y = y },
      ['ode: option "method": expected one of "rk45", "euler", "rk4"; got "leapfrog"'] =
        { f = van_der_pol, y = y, method = "leapfrog" },
      ['ode: rtol: expected only with method "rk45", got method = "rk4"'] = { f = van_der_pol,
        y = y, method = "rk4", rtol = 1e-3 },
      ['ode: events: expected only with method "rk45", got method = "euler"'] = {
        f = van_der_pol, y = y, method = "euler", events = { van_der_pol } },
      ['ode: substeps: expected none for method "rk45"'] = { f = van_der_pol, y = y,
        substeps = 2 },
      ["ode: expected times as a list of numbers, got"] = { f = van_der_pol, y = y, times = 3 },
      ["ode: expected either times or dt and steps, got both"] = { f = van_der_pol, y = y,
        times = { 0 }, dt = 1 },
      ["ode: events: expected a list of functions of y and t"] = { f = van_der_pol, y = y,
        events = {} },
      ["ode: events: expected one number for each state from zero(y, t)"] = { f = van_der_pol,
        y = y, steps = 1, events = { function() return 1 end } },
    } do
      raises(text, function() torus.ode(o) end)
    end
    raises("trajectory 1 failed at t = 1", function()
      torus.ode { f = function(x) return x ^ 2 end, y = tensor { { 1 } }, times = { 0, 2 } }
    end)
    raises("trajectory 1 failed at t = 1", function()
      torus.ode { f = function(x) return x ^ 2 end, y = tensor { { 1 } }, times = { 0, 2 },
        dense = true }
    end)
  end)
end)
