-- Fused rollouts and fields against the general path, whose gradients are
-- checked against finite differences elsewhere.
local energy = require "torus.models.parts.energy"
local friction = require "torus.models.parts.friction"
local raises = require "spec.support.raises"
local schemes = require "torus.schemes"
local torus = require "torus"

local DOUBLE = { dtype = "float64" }

local function join(...)
  local all = {}
  for _, list in ipairs { ... } do
    table.move(list, 1, #list, #all + 1, all)
  end
  return all
end

local function dense(inputs, activation, dtype)
  return torus.nn.MLP { sizes = { inputs, 13, 9, 1 }, activation = activation,
    scalar = true, dtype = dtype or "float64" }
end

-- Outputs and gradients of a random linear functional of everything.
local function run(case, fused)
  torus.manual_seed(5)
  local q, p = torus.variable(case.q), torus.variable(case.p)
  local dt = torus.tensor(case.dt or 0.1,
    { dtype = case.q.dtype, requires_grad = true })
  local trajectory = torus.integrate { H = case.H, q = q, p = p, dt = dt,
    steps = case.steps or 4, method = case.method, energies = true,
    friction = case.friction,
    fused = fused, backprop = fused and case.backprop or nil }
  local functional = torus.zeros({}, { dtype = case.q.dtype })
  for _, x in ipairs { trajectory.q, trajectory.p, trajectory.energy } do
    functional = functional + (x * torus.randn_like(x)):sum()
  end
  return trajectory, torus.grad(functional, join({ q, p, dt }, case.parameters),
    { allow_unused = true })
end

local function relative(a, b)
  local size = b:abs():max():item()
  return (a - b):abs():max():item() / (size + 1e-12)
end

local function compare(case, tolerance)
  local fast, gradients = run(case, true)
  local general, expected = run(case, false)
  for _, key in ipairs { "q", "p", "energy" } do
    assert.are.same(general[key].shape, fast[key].shape)
    assert.is_true(relative(fast[key], general[key]) < tolerance, key)
  end
  for i = 1, 3 + #case.parameters do
    local a, b = gradients[i], expected[i]
    if b then
      local error = relative(a, b)
      assert.is_true(error < tolerance, ("gradient %d: %g"):format(i, error))
    elseif a then -- what the general path never touched gets a plain zero
      assert.are.equal(0, a:abs():max():item())
    end
  end
end

local function separable_case(changes)
  torus.manual_seed(changes.seed or 1)
  local activation = changes.activation or "softplus"
  local dtype = changes.dtype or "float64"
  local K, V = dense(2, activation, dtype), dense(2, activation, dtype)
  local case = { H = torus.separable(K, V),
    parameters = join(K:parameters(), V:parameters()) }
  local batch = changes.batch or 5
  case.q = torus.randn({ batch, 2 }, { dtype = dtype })
  case.p = torus.randn({ batch, 2 }, { dtype = dtype })
  for key, value in pairs(changes) do case[key] = value end
  return case
end

local function conv_case(changes)
  torus.manual_seed(2)
  local model = torus.models.hgn { width = 6, z = 4, state = 3, frames = 5,
    dtype = "float64" }
  local shape = { changes.batch or 3, 4, 4, 3 }
  local case = { H = model.hamiltonian,
    parameters = join(model.K:parameters(), model.V:parameters()),
    q = torus.randn(shape, DOUBLE), p = torus.randn(shape, DOUBLE) }
  for key, value in pairs(changes) do case[key] = value end
  return case
end

describe("a fused rollout", function()
  for _, method in ipairs(schemes.names(schemes.is_fused)) do
    for _, activation in ipairs { "softplus", "tanh", "silu" } do
      it(("equals the general path: %s, %s stacks"):format(method, activation),
        function()
          compare(separable_case { method = method, activation = activation },
            1e-11)
        end)
    end
    it("equals the general path: " .. method .. ", convolutions", function()
      compare(conv_case { method = method }, 1e-11)
    end)
  end

  local function joint_and_fused(row)
    return schemes.accepts_joint(row) and schemes.is_fused(row)
  end

  for _, method in ipairs(schemes.names(joint_and_fused)) do
    it("takes joint Hamiltonians: " .. method, function()
      torus.manual_seed(3)
      local net = dense(4, "tanh")
      compare({ H = torus.joint(net), parameters = net:parameters(),
        q = torus.randn({ 5, 2 }, DOUBLE), p = torus.randn({ 5, 2 }, DOUBLE),
        method = method }, 1e-11)
    end)
  end

  -- K(p) = |p|^2 / 2, of `moving` numbers, and V a swish network of an HGN.
  local function quadratic_case(changes, moving)
    torus.manual_seed(4)
    local V = energy.dense(2, { width = 8, layers = 2, activation = "swish",
      layer = DOUBLE })
    local case = { H = torus.separable(energy.quadratic(moving), V),
      parameters = V:parameters(), dt = 0.3,
      q = torus.randn({ 5, 2 }, DOUBLE), p = torus.randn({ 5, 2 }, DOUBLE) }
    for key, value in pairs(changes) do case[key] = value end
    return case
  end

  for _, method in ipairs(schemes.names(schemes.is_fused)) do
    it("takes a quadratic K: " .. method, function()
      compare(quadratic_case { method = method }, 1e-11)
      compare(conv_case { method = method, H = torus.separable(energy.quadratic(),
        conv_case({}).H.V), parameters = {} }, 1e-11)
    end)

    it("takes a quadratic V: " .. method, function()
      torus.manual_seed(3)
      local K = dense(2, "tanh", "float64")
      compare({ method = method, H = torus.separable(K, energy.quadratic()),
        parameters = K:parameters(), dt = 0.3, q = torus.randn({ 5, 2 }, DOUBLE),
        p = torus.randn({ 5, 2 }, DOUBLE) }, 1e-11)
    end)

    it("takes a quadratic K of some coordinates: " .. method, function()
      compare(quadratic_case({ method = method }, 1), 1e-11)
      compare(conv_case { method = method, H = torus.separable(energy.quadratic(5),
        conv_case({}).H.V), parameters = {} }, 1e-11)
    end)
  end

  local function damps(row)
    return schemes.is_fused(row) and (not row.splitting or row.order <= 2)
  end

  for _, method in ipairs(schemes.names(damps)) do
    it("takes friction of a quadratic K: " .. method, function()
      compare(quadratic_case { method = method, friction = 0.7 }, 1e-11)
      for _, shape in ipairs { { 1 }, { 2 }, { 1, 1 }, { 1, 2 }, {} } do
        local D = (torus.rand(shape, DOUBLE) + 0.2):detach()
        D = torus.variable(D)
        local case = quadratic_case { method = method, friction = D }
        table.insert(case.parameters, D)
        compare(case, 1e-11)
      end
      compare(quadratic_case({ method = method, friction = 0.7 }, 1), 1e-11)
      if schemes.is_reversible(schemes.of(method)) then
        compare(quadratic_case { method = method, friction = 0.7,
          backprop = "reversible" }, 1e-11)
      end
    end)
  end

  it("takes a learned friction of networks in Runge-Kutta schemes", function()
    local D = friction.new("constant", 2, DOUBLE)
    for _, method in ipairs { "euler", "rk4" } do
      local case = separable_case { method = method, friction = D }
      table.insert(case.parameters, D:parameters()[1])
      compare(case, 1e-11)
    end
  end)

  it("leaves friction that varies to the general path", function()
    local varying = { function(q) return q * q end, torus.rand({ 5, 1 }, DOUBLE),
      torus.rand({ 5, 2 }, DOUBLE), torus.rand { 1 } }
    for _, D in ipairs(varying) do
      local case = quadratic_case { friction = D }
      raises("friction: the fused kernels do not support it", function()
        torus.integrate { H = case.H, q = case.q, p = case.p, friction = D, fused = true }
      end)
    end
    local case = separable_case {}
    raises("friction: the fused kernels do not support it", function()
      torus.integrate { H = case.H, q = case.q, p = case.p, friction = 0.1, fused = true }
    end)
  end)

  it("takes odd sizes, no steps, one step and steps backward", function()
    for _, changes in ipairs { { batch = 1 }, { batch = 3 }, { batch = 17 },
      { steps = 0 }, { steps = 1 }, { dt = -0.1 } } do
      changes.method = "leapfrog"
      compare(separable_case(changes), 1e-11)
    end
  end)

  it("is the same in float32 up to rounding", function()
    compare(separable_case { method = "leapfrog", dtype = "float32" }, 2e-5)
  end)

  it("gives the same gradient from no tape, over 300 steps", function()
    for _, make in ipairs { separable_case, conv_case } do
      local stored = make { method = "leapfrog", steps = 300, batch = 2,
        dt = 0.05 }
      local _, expected = run(stored, true)
      stored.backprop = "reversible"
      local _, found = run(stored, true)
      for i, g in ipairs(expected) do
        assert.is_true(relative(found[i], g) < 1e-8, "gradient " .. i)
      end
    end
  end)

  it("says that higher orders need the general path", function()
    local case = separable_case { method = "leapfrog" }
    local q = torus.variable(case.q)
    local trajectory = torus.integrate { H = case.H, q = q, p = case.p, steps = 2 }
    local ok, message = pcall(torus.grad, trajectory.q:sum(), q,
      { create_graph = true })
    assert.is_false(ok)
    assert.matches("torus.integrate with fused = false", message)
  end)

  it("refuses what it can't do", function()
    local case = separable_case { method = "rk4" }
    assert.has_error(function()
      torus.integrate { H = case.H, q = case.q, p = case.p, method = "rk4",
        backprop = "reversible" }
    end)
    local ok, message = pcall(function()
      torus.integrate { H = function(q, p) return (q * p):sum(2) end,
        q = case.q, p = case.p, method = "rk4", fused = true }
    end)
    assert.is_false(ok)
    assert.matches("fused = true needs a Hamiltonian that the fused kernels support", message)
  end)

  it("refuses so many steps that sizes overflow", function()
    local case = separable_case { method = "leapfrog" }
    local q = torus.variable(case.q)
    for _, steps in ipairs { 1 << 54, 1 << 60, 1 << 62, math.maxinteger } do
      for _, method in ipairs { "leapfrog", "rk4" } do
        raises("steps of a batch of", function()
          torus.integrate { H = case.H, q = q, p = case.p, steps = steps,
            method = method }
        end)
      end
    end
    raises("steps of a batch of", function()
      torus.no_grad(function()
        torus.integrate { H = case.H, q = q, p = case.p, steps = 1 << 60 }
      end)
    end)
  end)

  it("takes the kind alone of a quadratic energy", function()
    local q = torus.ones(2, 3)
    local steps = { networks = { { kind = "quadratic" }, { kind = "quadratic" } },
      steps = 1, dt = 1, method = "euler" }
    local found = torus.network_rollout(q, q * 2, steps)
    assert.are.equal(3, found[2][1][1]:item())   -- q + p dt
    local more = { { kind = "quadratic", layers = 2 }, { kind = "quadratic" } }
    raises("network_rollout: unknown option", function()
      torus.network_rollout(q, q, { networks = more })
    end)
    local one = { networks = { { kind = "quadratic", moving = 1 }, { kind = "quadratic" } },
      steps = 1, dt = 1, method = "euler" }
    local q1, p1 = torus.network_rollout(q, q * 2, one)
    assert.are.same({ 3, 1, 1 }, q1[2][1]:totable())
    assert.are.same({ 1, 1, 1 }, p1[2][1]:totable())   -- p - q dt
    for moving, message in pairs {
      [0] = "network_rollout: moving: expected at least 1, got 0",
      [4] = "expected 1 to 3 moving numbers in K, got 4" } do
      one.networks[1].moving = moving
      raises(message, function() torus.network_rollout(q, q, one) end)
    end
    raises("got a quadratic energy", function()
      torus.network_field(q, q, { networks = { { kind = "quadratic" } } })
    end)
    raises("network_rollout: expected a number or a tensor as dt, got nan", function()
      torus.network_rollout(q, q, { networks = steps.networks, dt = 0 / 0 })
    end)
  end)

  it("refuses parameters that the description leaves out", function()
    local net = dense(4, "tanh")
    local forgetful = setmetatable({
      network = function()
        return { kind = "dense", activation = "tanh", layers = 2,
          parameters = net:parameters() }
      end,
    }, { __call = function(_, q, p) return net(torus.cat({ q, p }, 2)) end })
    local q = torus.randn({ 3, 2 }, DOUBLE)
    raises("network 1 is described as having 5 parameters, got 6", function()
      torus.integrate { H = forgetful, q = q, p = q, method = "euler" }
    end)
    raises("network 1 is described as having 5 parameters, got 6", function()
      torus.field(forgetful, q, q)
    end)
  end)
end)

describe("a fused field", function()
  it("equals the general path with its gradients", function()
    torus.manual_seed(6)
    local net = dense(4, "tanh")
    local H = torus.joint(net)
    local q, p = torus.randn({ 7, 2 }, DOUBLE), torus.randn({ 7, 2 }, DOUBLE)
    local results = {}
    for i, fused in ipairs { true, false } do
      local dq, dp = torus.field(H, q, p, { fused = fused })
      local loss = (dq * dq * 2 + dp * dp * dq):sum()
      results[i] = join({ dq, dp },
        torus.grad(loss, net:parameters(), { allow_unused = true }))
    end
    for i = 1, #net:parameters() + 1 do
      assert.is_true(relative(results[1][i], results[2][i]) < 1e-12,
        "result " .. i)
    end
  end)
end)
