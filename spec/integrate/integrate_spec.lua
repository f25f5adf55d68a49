local core = require "torus.core"
local raises = require "spec.support.raises"
local schemes = require "torus.schemes"
local torus = require "torus"
local f64 = { dtype = "float64" }

-- The pendulum with m = 0.5, l = 1, g = 3, and a joint Hamiltonian; where
-- they are after two units of time is from scipy's DOP853 at rtol 1e-13.
local function kinetic(p) return (p * p):sum(2) end
local function potential(q) return (3 - q:cos() * 3):sum(2) end
local function joint(q, p)
  return ((q * q + 1) * p * p * 0.5 + q * q * 0.5 + q * p * 0.1):sum(2)
end

local PENDULUM = { H = torus.separable(kinetic, potential), q = 1.2, p = 0.5,
  end_q = -0.850937921487537, end_p = 1.0680643133968826 }
local JOINT = { H = joint, q = 0.8, p = 0.3,
  end_q = -0.2484546917286976, end_p = -0.8306625828013774 }

-- Known orders; other schemes are held to what their row says.
local ORDERS = { euler = 1, symplectic_euler = 1, leapfrog = 2, rk4 = 4,
  yoshida4 = 4, position_verlet = 2, yoshida6 = 6, kahan_li6 = 6, yoshida8 = 8,
  kahan_li8 = 8, implicit_midpoint = 2, gauss4 = 4, tao2 = 2, tao4 = 4 }
local function order_of(method)
  return ORDERS[method] or schemes.of(method).order
end

-- Steps, by order, fine enough for the leading term of the error to rule, and
-- few enough for rounding to stay far below it.
local STEPS = { 4096, 256, 256, 128, [6] = 64, [8] = 32 }
local MORE = { yoshida4 = 256 }

local function leaf(value)
  return torus.tensor({ { value } }, { dtype = "float64",
    requires_grad = true })
end

local function run(case, method, steps)
  return torus.integrate { H = case.H, q = leaf(case.q), p = leaf(case.p),
    dt = 2 / math.max(steps, 1), steps = steps, method = method, fused = false }
end

local function error_at_end(case, method, steps)
  local trajectory = run(case, method, steps)
  local q, p = trajectory.q[steps + 1]:item(), trajectory.p[steps + 1]:item()
  return math.sqrt((q - case.end_q) ^ 2 + (p - case.end_p) ^ 2)
end

local function fitted_order(case, method)
  local steps = MORE[method] or STEPS[order_of(method)] or 64
  return math.log(error_at_end(case, method, steps // 2)
    / error_at_end(case, method, steps), 2)
end

-- det d(q_T, p_T) / d(q_0, p_0) of one degree of freedom.
local function jacobian_determinant(case, method, steps)
  local q, p = leaf(case.q), leaf(case.p)
  local trajectory = torus.integrate { H = case.H, q = q, p = p, dt = 0.125,
    steps = steps, method = method, fused = false }
  local dq = torus.grad(trajectory.q[steps + 1]:sum(), { q, p },
    { retain_graph = true })
  local dp = torus.grad(trajectory.p[steps + 1]:sum(), { q, p })
  return dq[1]:item() * dp[2]:item() - dq[2]:item() * dp[1]:item()
end

describe("torus.integrate", function()
  for _, method in ipairs(torus.integrate.methods) do
    it(method .. " has its order on the pendulum, recording", function()
      assert.is_near(order_of(method), fitted_order(PENDULUM, method), 0.1)
    end)
  end

  for _, method in ipairs(schemes.names(schemes.accepts_joint)) do
    it(method .. " has its order on a joint Hamiltonian", function()
      assert.is_near(order_of(method), fitted_order(JOINT, method), 0.1)
    end)
  end

  it("takes partial derivatives when p is made from q", function()
    -- leapfrog falls to first order if p's dependence on q leaks in
    local function error_of(steps)
      local q = leaf(1.2)
      local trajectory = torus.integrate { H = PENDULUM.H, q = q, p = q * (0.5 / 1.2),
        dt = 2 / steps, steps = steps, fused = false }
      return math.abs(trajectory.q[steps + 1]:item() - PENDULUM.end_q)
    end
    assert.is_near(2, math.log(error_of(64) / error_of(128), 2), 0.1)
  end)

  for _, method in ipairs(schemes.names(schemes.is_reversible)) do
    it(method .. " retraces 1,000 steps", function()
      local function roll(q, p, dt)
        local trajectory = torus.no_grad(torus.integrate, { H = PENDULUM.H, q = q,
          p = p, dt = dt, steps = 1000, method = method, fused = false })
        return trajectory.q[-1], trajectory.p[-1]
      end
      local q, p = roll(leaf(1.2), leaf(0.5), 0.125)
      q, p = roll(q, p, -0.125)
      -- rounding of 2,000 steps, far above it anything systematic
      assert.is_near(1.2, q:item(), 1e-10)
      assert.is_near(0.5, p:item(), 1e-10)
    end)
  end

  for _, method in ipairs(schemes.names(schemes.keeps_volume)) do
    it(method .. " keeps volume", function()
      assert.is_near(1, jacobian_determinant(PENDULUM, method, 30), 1e-9)
    end)
  end

  it("does not keep volume with euler", function()
    assert.is_true(
      math.abs(jacobian_determinant(PENDULUM, "euler", 30) - 1) > 0.1)
  end)

  -- What else a row claims, and what it denies.
  for _, scheme in ipairs(core.schemes()) do
    local method = scheme.name
    it(method .. " is described", function()
      assert.is_string(scheme.doc)
    end)

    it(method .. (scheme.symmetric and " is" or " is not")
      .. " undone by a step of -dt", function()
      local forward = torus.integrate { H = PENDULUM.H, q = leaf(1.2),
        p = leaf(0.5), dt = 0.125, steps = 10, method = method, fused = false }
      local backward = torus.integrate { H = PENDULUM.H, q = forward.q[11],
        p = forward.p[11], dt = -0.125, steps = 10, method = method,
        fused = false }
      local error = math.abs(backward.q[11]:item() - 1.2)
      assert.equal(scheme.symmetric, error < 1e-12, error)
    end)

    if not schemes.accepts_joint(scheme) then
      it(method .. " needs a separable Hamiltonian", function()
        raises(method .. " needs a separable Hamiltonian", function()
          run(JOINT, method, 1)
        end)
      end)
    end

    it(method .. (schemes.is_reversible(scheme) and " integrates"
      or " can't integrate") .. " backward for gradients", function()
      local net = torus.nn.MLP { sizes = { 1, 3, 1 }, activation = "tanh",
        scalar = true, dtype = "float64" }
      local ok, message = pcall(torus.integrate, { H = torus.separable(net, net),
        q = leaf(1), p = leaf(0), steps = 2, method = method,
        backprop = "reversible" })
      assert.equal(schemes.is_reversible(scheme), ok)
      if not ok then
        assert.matches("needs a scheme that a step of %-dt undoes %(leapfrog",
          message)
      end
    end)
  end

  it("gives gradients to the state and to the Hamiltonian", function()
    local function final(q0, p0, k0)
      local q, p, k = leaf(q0), leaf(p0), leaf(k0)
      local H = torus.separable(kinetic, function(x)
        return (x * x * k * 0.5):sum(2)
      end)
      local trajectory = torus.integrate { H = H, q = q, p = p, dt = 0.1, steps = 7,
        fused = false }
      return trajectory.q[8]:sum() + trajectory.p[4]:sum() * 2, { q, p, k }
    end
    local at, h = { 0.7, -0.2, 1.5 }, 1e-6
    local y, leaves = final(table.unpack(at))
    local grads = torus.grad(y, leaves)
    for i = 1, 3 do
      local up, down = { table.unpack(at) }, { table.unpack(at) }
      up[i], down[i] = up[i] + h, down[i] - h
      local difference = (final(table.unpack(up)):item()
        - final(table.unpack(down)):item()) / (2 * h)
      assert.is_near(difference, grads[i]:item(), 1e-8)
    end
  end)

  it("gives the same numbers whether or not it records", function()
    for _, method in ipairs(torus.integrate.methods) do
      local recorded = run(PENDULUM, method, 8)
      local plain = torus.no_grad(run, PENDULUM, method, 8)
      assert.is_true(recorded.q.requires_grad)
      assert.is_false(plain.q.requires_grad)
      assert.are.same(recorded.q:totable(), plain.q:totable())
      assert.are.same(recorded.p:totable(), plain.p:totable())
    end
  end)

  it("returns the start alone for zero steps", function()
    local trajectory = run(PENDULUM, "leapfrog", 0)
    assert.are.same({ 1, 1, 1 }, trajectory.q.shape)
    assert.are.equal(1.2, trajectory.q:item())
  end)

  it("keeps the shape of the state", function()
    local q = torus.zeros({ 2, 3, 4 }, f64)
    local function square(x) return (x * x):sum { 2, 3 } end
    local trajectory = torus.integrate { H = torus.separable(square, square), q = q,
      p = q + 1, steps = 5, fused = false }
    assert.are.same({ 6, 2, 3, 4 }, trajectory.q.shape)
    assert.are.same({ 6, 2, 3, 4 }, trajectory.p.shape)
  end)

  describe("refuses", function()
    local function fails(message, change)
      local o = { H = PENDULUM.H, q = leaf(1), p = leaf(0) }
      for key, value in pairs(change) do o[key] = value end
      assert.error_matches(function() torus.integrate(o) end, message)
    end

    it("unknown options, naming the known ones", function()
      fails("unknown option \"stepz\".* %(known: .*steps", { stepz = 3 })
    end)
    it("unknown methods", function()
      fails("option \"method\": expected one of .*leapfrog", { method = "x" })
    end)
    it("a fractional or negative number of steps", function()
      fails("\"steps\": expected an integer, got 2.5", { steps = 2.5 })
      fails("\"steps\": expected at least 0, got %-1", { steps = -1 })
    end)
    it("a step that is not a number", function()
      fails("expected a number or a floating tensor with one element as dt", { dt = 0 / 0 })
    end)
    it("a joint Hamiltonian with a splitting scheme", function()
      fails("leapfrog needs a separable Hamiltonian", { H = joint })
      fails("yoshida4 needs a separable", { H = joint, method = "yoshida4" })
    end)
    it("states that do not fit", function()
      fails("q and p differ: %(1,1%) float64 and %(2,1%) float64",
        { p = torus.zeros({ 2, 1 }, f64) })
      fails("q and p differ", { p = torus.zeros(1, 1) })
      fails("expected q of shape %(batch,%.%.%.%), got 3", { q = 3 })
      fails("expected p of shape %(batch,%.%.%.%), got %(%)",
        { p = torus.zeros({}, f64) })
    end)
    it("an energy of the wrong shape", function()
      fails("V must return one energy per sample, shape %(1%); got %(1,1%)",
        { H = torus.separable(kinetic, function(q) return q * q end) })
    end)
    it("an energy that is not a tensor", function()
      local x = leaf(1)
      local function no_return(q) potential(q) end
      for _, H in ipairs { torus.separable(kinetic, no_return),
        torus.separable(no_return, potential), no_return } do
        local name = H == no_return and "H" or H.K == no_return and "K" or "V"
        local message = name .. " must return one energy per sample, shape (1); "
          .. "got nil (is a return missing?)"
        raises(message, function()
          torus.integrate { H = H, q = x, p = x, method = "rk4" }
        end)
        raises(message, function()
          torus.integrate { H = H, q = x, p = x, method = "rk4", steps = 0,
            energies = true }
        end)
        raises(message, function() torus.rk45 { H = H, q = x, p = x } end)
        raises(message, function() torus.field(H, x, x) end)
      end
      raises("H must return one energy per sample, shape (1); got 5", function()
        torus.integrate { H = function() return 5 end, q = x, p = x,
          method = "euler" }
      end)
    end)
    it("half of a separable pair", function()
      raises("separable: expected a function or a module as V, got nil",
        function() torus.separable(kinetic) end)
      raises("separable: expected a function or a module as K, got nil",
        function() torus.separable(nil, potential) end)
    end)
    it("an energy that does not depend on the state", function()
      fails("V does not depend on its argument",
        { H = torus.separable(kinetic, function(q)
          return (q:detach() * 2):sum(2)
        end) })
    end)
    it("the adaptive method, which is another function", function()
      raises('integrate: method: expected steps of a given dt, got "rk45", which chooses its '
        .. "own: torus.rk45 {", function()
        torus.integrate { H = joint, q = leaf(1), p = leaf(0), method = "rk45" }
      end)
    end)
    it("at the caller's line", function()
      local ok, message = pcall(function()
        torus.integrate { H = joint, q = leaf(1), p = leaf(0) }
      end)
      assert.is_false(ok)
      assert.matches("integrate_spec.lua:%d+: integrate: ", message)
    end)
  end)
end)

describe("torus.integrate of nothing", function()
  it("has no states, by every scheme", function()
    local none = torus.zeros({ 0, 2 }, f64)
    for _, method in ipairs(require "torus.integrate".methods) do
      local motion = torus.integrate { H = PENDULUM.H, q = none, p = none, dt = 0.1, steps = 2,
        method = method }
      assert.same({ 3, 0, 2 }, motion.q.shape, method)
    end
  end)

  it("has no friction of 0 that a scheme could lack", function()
    local x = torus.ones({ 1, 2 }, f64)
    local o = { H = PENDULUM.H, q = x, p = x, dt = 0.1, steps = 2, method = "yoshida4" }
    local without = torus.integrate(o)
    o.friction = 0
    assert.same(without.q:totable(), torus.integrate(o).q:totable())
  end)
end)

describe("torus.field", function()
  it("refuses what it does not know", function()
    local x = torus.zeros({ 2, 3 }, f64)
    raises("field: expected a function, a module, a system (torus.systems) or "
      .. "torus.separable(K, V) as H, got 5", function() torus.field(5, x, x) end)
    raises("field: q and p differ: (2,3) float64 and (2,4) float64", function()
      torus.field(PENDULUM.H, x, torus.zeros({ 2, 4 }, f64))
    end)
    raises("field: expected p of shape (batch,...), got nil",
      function() torus.field(PENDULUM.H, x) end)
    raises("field: unknown option \"fuse\", did you mean \"fused\"? (known: fused)", function()
      torus.field(PENDULUM.H, x, x, { fuse = false })
    end)
    raises("field: the fused kernels do not support this Hamiltonian", function()
      torus.field(PENDULUM.H, x, x, { fused = true })
    end)
  end)
end)
