-- Optimisers, schedules and clipping, against figures of PyTorch
-- (spec/support/kit_torch.py).
local raises = require "spec.support.raises"
local steady = require "spec.support.steady"
local torus = require "torus"

local optim = torus.optim
local figures = assert(torus.load("data/reference/kit.safetensors"))

local function close(expected, got, tolerance, what)
  local off = (expected - got:detach():to("float64")):abs():max():item()
  assert.is_true(off <= tolerance, ("%s: off by %g"):format(what, off))
end

-- The loss of kit_torch.py.
local function toy_loss(a, b)
  return ((a * 1.3):sin() + a ^ 2 * 0.1):sum() + ((b - 1) ^ 4):sum()
    + (a:sum() - b:sum()) ^ 2 * 0.2
end

local function leaves(dtype)
  local a = torus.variable(figures.a:to(dtype):copy())
  return a, torus.variable(figures.b:to(dtype):copy())
end

local cases = {
  sgd = { "sgd", { lr = 0.05 } },
  sgd_decay = { "sgd", { lr = 0.05, weight_decay = 0.1 } },
  sgd_momentum = { "sgd", { lr = 0.02, momentum = 0.9 } },
  sgd_dampening = { "sgd", { lr = 0.05, momentum = 0.8, dampening = 0.3, weight_decay = 0.01 } },
  sgd_nesterov = { "sgd", { lr = 0.02, momentum = 0.9, nesterov = true, weight_decay = 0.01 } },
  adamw = { "adamw", { lr = 0.05 } },
  adamw_decay = { "adamw", { lr = 0.05, betas = { 0.8, 0.95 }, weight_decay = 0.2 } },
  rmsprop = { "rmsprop", { lr = 0.02 } },
  rmsprop_all = { "rmsprop", { lr = 0.01, alpha = 0.9, momentum = 0.7, centered = true,
    weight_decay = 0.05, eps = 1e-6 } },
  lbfgs = { "lbfgs", { iterations = 1, history = 5 } },
  lbfgs_plain = { "lbfgs", { lr = 0.3, iterations = 2, line_search = "none" } },
}

local function step(optimiser, a, b)
  local function closure() return toy_loss(a, b) end
  if optimiser.name == "lbfgs" then return optimiser:step(closure) end
  optimiser:step(torus.grad(closure(), { a, b }))
end

-- Rounding grows over 20 steps: by less than 1e4 here, where nothing is chaotic.
local TOLERANCE = { float64 = 1e-11, float32 = 1e-3 }

for name, case in pairs(cases) do
  for dtype, tolerance in pairs(TOLERANCE) do
    it(("%s takes PyTorch's 20 steps in %s"):format(name, dtype), function()
      local a, b = leaves(dtype)
      local optimiser = optim[case[1]]({ a, b }, case[2])
      for k = 1, 20 do
        step(optimiser, a, b)
        close(figures["optim." .. name][k], torus.cat({ a:detach():reshape(-1), b:detach() }, 1),
          tolerance, name .. " step " .. k)
      end
    end)
  end

  it(name .. " continues from its state and from a checkpoint with the same bits", function()
    local path = os.tmpname()
    local a, b = leaves("float32")
    local first = optim[case[1]]({ a, b }, case[2])
    for _ = 1, 6 do step(first, a, b) end
    local checkpoint = torus.runs.checkpoint
    assert(checkpoint.save(path, { parameters = { { "a", a }, { "b", b } }, optimiser = first,
      step = 6, config = "{}" }))
    local c, d = torus.variable(a:detach():copy()), torus.variable(b:detach():copy())
    local second = optim[case[1]]({ c, d }, case[2])
    second:load_state(first:state())
    local stored = assert(checkpoint.load(path))
    os.remove(path)
    local weights = checkpoint.weights(stored)
    local e, f = torus.variable(weights.a), torus.variable(weights.b)
    weights.a, weights.b = nil, nil
    assert.is_nil(next(weights))
    local third = optim[case[1]]({ e, f }, case[2])
    assert(checkpoint.restore_optimiser(stored, third, { { "a", e }, { "b", f } }))
    for _ = 1, 6 do
      step(first, a, b)
      step(second, c, d)
      step(third, e, f)
    end
    assert.same(a:totable(), c:totable())
    assert.same(b:totable(), d:totable())
    assert.same(a:totable(), e:totable())
    assert.same(b:totable(), f:totable())
    assert.equal(tostring(first), tostring(third))
  end)
end

describe("L-BFGS", function()
  it("follows PyTorch down Rosenbrock's valley", function()
    local w = torus.tensor({ -1.2, 1 }, { dtype = "float64", requires_grad = true })
    local optimiser = optim.lbfgs { w }
    for k = 1, 3 do
      optimiser:step(function()
        return 100 * (w[2] - w[1] ^ 2) ^ 2 + (1 - w[1]) ^ 2
      end)
      close(figures["optim.rosenbrock"][k], w, 1e-6, "step " .. k)
    end
    close(torus.ones(2, { dtype = "float64" }), w, 1e-4, "the minimum")
  end)

  it("solves a quadratic problem in as many iterations as it has dimensions", function()
    torus.manual_seed(3)
    local A = torus.randn(6, 6, { dtype = "float64" })
    A = A:matmul(A:transpose()) + torus.eye(6, { dtype = "float64" })
    local b = torus.randn(6, { dtype = "float64" })
    local x = torus.zeros(6, { dtype = "float64", requires_grad = true })
    local optimiser = optim.lbfgs({ x }, { iterations = 60, evaluations = 200,
      gradient_tolerance = 1e-10, change_tolerance = 0 })
    optimiser:step(function() return (x * A:matmul(x)):sum() / 2 - (b * x):sum() end)
    close(torus.linalg.solve(A, b), x, 1e-6, "solution")
  end)

  it("ends a step at its gradient tolerance", function()
    -- The minimum of w^4 / 4, whose gradient is w^3.
    local function minimise(tolerance)
      local w, calls = torus.tensor({ 2 }, { dtype = "float64", requires_grad = true }), 0
      optim.lbfgs({ w }, { iterations = 100, evaluations = 1000, change_tolerance = 0,
        gradient_tolerance = tolerance }):step(function()
        calls = calls + 1
        return (w ^ 4):sum() / 4
      end)
      return math.abs(w:item()) ^ 3, calls
    end
    local reached, calls = minimise(8)
    assert.equal(8, reached) -- it was below the tolerance from the beginning
    assert.equal(1, calls)
    local before = 1
    for _, tolerance in ipairs { 1e-1, 1e-4, 1e-8 } do
      reached, calls = minimise(tolerance)
      -- Newton's method would multiply the gradient of a quartic by 8/27 in an iteration, so
      -- a step does not go far beyond.
      assert.is_true(reached <= tolerance and reached > tolerance / 1000)
      assert.is_true(calls > before)
      before = calls
    end
  end)

  it("learns an HNN from states", function()
    torus.manual_seed(5)
    local net = torus.nn.MLP { sizes = { 2, 16, 1 }, activation = "tanh", dtype = "float64" }
    local s = torus.rand(60, 2, { dtype = "float64" }) * 2 - 1
    local function loss()
      local x = torus.variable(s)
      local g = torus.grad(net(x):sum(), x, { create_graph = true })
      return (g - s):square():mean() -- H = (q^2 + p^2) / 2
    end
    local optimiser = optim.lbfgs(net:parameters())
    local before, after = loss():item(), nil
    for _ = 1, 10 do after = optimiser:step(loss) end
    assert.is_true(after < 1e-4 * before, after .. " of " .. before)
  end)

  it("says what it needs", function()
    local w = torus.variable(torus.ones(2))
    raises("lbfgs: expected a function that returns the loss, got nil",
      function() optim.lbfgs({ w }):step() end)
    raises("lbfgs: expected the function to return the loss, a tensor with one element, "
      .. "got tensor (2) float32", function()
      optim.lbfgs({ w }):step(function() return w * 2 end)
    end)
    raises("lbfgs: expected the function to return the loss alone, whose gradient is computed "
      .. "here; it must not call backward or grad", function()
      optim.lbfgs({ w }):step(function()
        local loss = (w - 1):square():sum()
        loss:backward()
        return loss
      end)
    end)
    raises("lbfgs: expected a loss that depends on a parameter of the optimiser, got one that "
      .. "depends on none", function()
      local other = torus.variable(torus.ones(1))
      optim.lbfgs({ w }):step(function() return other * 2 end)
    end)
    raises("lbfgs: expected parameters of one dtype, got float32 and float64 as parameter 2",
      function() optim.lbfgs { w, torus.variable(torus.zeros(1, { dtype = "float64" })) } end)
  end)
end)

describe("optimisers", function()
  it("leave parameters without a gradient alone", function()
    for _, name in ipairs { "sgd", "rmsprop", "adamw" } do
      local a, b = torus.variable(torus.ones(2)), torus.variable(torus.ones(2))
      local optimiser = optim[name]({ a, b })
      a:sum():backward()
      optimiser:step()
      assert.same({ 1, 1 }, b:totable())
      assert.is_true(a[1]:item() < 1)
      assert.same({ 1, 0 }, optimiser:state().counts)
      optimiser:zero_grad()
      assert.is_nil(a.grad)
    end
  end)

  it("refuse unknown options and impossible values", function()
    local p = { torus.variable(torus.ones(1)) }
    raises("sgd: option \"nesterov\": expected a momentum above 0 and no dampening, got "
      .. "momentum 0 and dampening 0", function() optim.sgd(p, { nesterov = true }) end)
    raises("rmsprop: option \"alpha\": expected at most 1, got 2",
      function() optim.rmsprop(p, { alpha = 2 }) end)
    raises("adamw: option \"betas\": expected two numbers in [0, 1), got 1, 0.9",
      function() optim.adamw(p, { betas = { 1, 0.9 } }) end)
    raises("sgd: params: expected a list of at least one tensor, such as net:parameters(), got "
      .. "a table",
      function() optim.sgd {} end)
    raises("sgd: params: parameter 2 is the same tensor as parameter 1",
      function() optim.sgd { p[1], p[1] } end)
    raises("rmsprop: expected gradient 1 of shape (1), got (2)",
      function() optim.rmsprop(p):step { torus.ones(2) } end)
    raises("sgd:load_state: momentum_buffer: expected those of 1 parameters, got 0", function()
      optim.sgd(p, { momentum = 0.5 }):load_state { steps = 0, counts = { 0 },
        momentum_buffer = {} }
    end)
  end)

  it("do not mistake another's checkpoint for their own", function()
    local path = os.tmpname()
    local w = torus.variable(torus.ones(1))
    local named, checkpoint = { { "w", w } }, torus.runs.checkpoint
    assert(checkpoint.save(path, { parameters = named, optimiser = optim.sgd { w }, step = 0,
      config = "{}" }))
    local stored = assert(checkpoint.load(path))
    os.remove(path)
    local ok, message = checkpoint.restore_optimiser(stored, optim.rmsprop { w }, named)
    assert.is_nil(ok)
    assert.equal("expected the state of rmsprop, got that of sgd", message)
    ok, message = checkpoint.restore_optimiser(stored, optim.adam { w }, named)
    assert.is_nil(ok)
    assert.equal("expected the state of adam, got that of sgd", message)
  end)

  it("keep a steady size without a collectgarbage", function()
    for _, name in ipairs { "sgd", "rmsprop", "adamw", "lbfgs" } do
      local a, b = torus.variable(torus.randn(200, 200)), torus.variable(torus.randn(1000))
      local o = (name == "sgd" or name == "rmsprop") and { momentum = 0.9, lr = 1e-4 }
        or name == "lbfgs" and { iterations = 2, history = 3 } or { lr = 1e-4 }
      local optimiser = optim[name]({ a, b }, o)
      steady(200, function() step(optimiser, a, b) end)
    end
  end)
end)

describe("schedules", function()
  local function optimiser()
    return optim.sgd({ torus.variable(torus.zeros(1)) }, { lr = 0.2 })
  end

  local made = {
    step = function(o) return optim.schedule.step(o, { every = 7, factor = 0.5 }) end,
    milestones = function(o)
      return optim.schedule.step(o, { at = { 4, 11, 12 }, factor = 0.3 })
    end,
    exponential = function(o) return optim.schedule.exponential(o, { factor = 0.9 }) end,
    linear = function(o) return optim.schedule.linear_decay(o, { steps = 12, last = 0.25 }) end,
    cosine = function(o) return optim.schedule.cosine(o, { steps = 25, last = 0.05 }) end,
    warmup = function(o)
      return optim.schedule.exponential(o, { factor = 0.9, warmup = 5, warmup_start = 0.1 })
    end,
  }
  for name, make in pairs(made) do
    it(name .. " has PyTorch's rates, also from a state", function()
      local o, expected = optimiser(), figures["schedule." .. name]
      local schedule = make(o)
      local other = optimiser()
      for k = 1, 25 do
        assert.near(expected[k]:item(), o.lr, 1e-14, name .. " step " .. k)
        local again = make(optimiser())
        again.optimiser = other
        again:load_state(schedule:state())
        assert.equal(o.lr, other.lr)
        schedule:step()
      end
    end)
  end

  it("plateau has PyTorch's rates", function()
    local o = optimiser()
    local schedule = optim.schedule.plateau(o, { factor = 0.5, patience = 2 })
    for k, loss in ipairs(figures["schedule.losses"]:totable()) do
      schedule:step(loss)
      assert.near(figures["schedule.plateau"][k]:item(), o.lr, 1e-14, "loss " .. k)
      local again = optim.schedule.plateau(optimiser(), { factor = 0.5, patience = 2 })
      again:load_state(schedule:state())
      assert.same(schedule:state(), again:state())
    end
  end)

  it("plateau lowers the rate to its minimum", function()
    local o = optimiser()
    local schedule = optim.schedule.plateau(o, { factor = 0.5, patience = 0, min = 0.07 })
    local rates = {}
    for k = 1, 4 do rates[k] = schedule:step(1) end
    assert.same({ 0.2, 0.1, 0.07, 0.07 }, rates)
    assert.equal(0.07, o.lr)
  end)

  it("lambda follows a function after a warm-up", function()
    local o = optimiser()
    local schedule = optim.schedule.lambda(o, function(n) return 1 / (1 + n) end,
      { warmup = 2, warmup_start = 0.5 })
    local rates = { o.lr }
    for _ = 1, 4 do rates[#rates + 1] = schedule:step() end
    for k, rate in ipairs { 0.1, 0.15, 0.2, 0.1, 0.2 / 3 } do assert.near(rate, rates[k], 1e-15) end
  end)

  it("say what is wrong", function()
    raises("schedule.step: expected one of the options \"every\" and \"at\", got neither",
      function() optim.schedule.step(optimiser(), {}) end)
    raises("schedule.cosine: option \"steps\" is missing",
      function() optim.schedule.cosine(optimiser()) end)
    raises("schedule.linear_decay: expected an optimiser with a learning rate, got a table",
      function() optim.schedule.linear_decay({}, { steps = 3 }) end)
  end)
end)

describe("clipping", function()
  it("scales gradients of parameters to a norm", function()
    local a, b = torus.variable(torus.zeros(2)), torus.variable(torus.zeros(1));
    (a * torus.tensor { 3, 4 }):sum():backward()
    assert.equal(5, optim.clip_norm({ a, b }, 10)) -- b has none
    assert.same({ 3, 4 }, a.grad:totable())
    assert.equal(5, optim.clip_norm({ a, b }, 2.5))
    assert.same({ 1.5, 2 }, a.grad:totable())
  end)

  it("clips gradients as torus.grad returns them", function()
    local g = { torus.tensor { 3, -4 }, torus.tensor { { 12 } } }
    assert.equal(13, optim.clip_norm(g, 1.3))
    local off = math.abs(g[2]:item() - 1.2) + math.abs(g[1][2]:item() + 0.4)
    assert.is_true(off < 1e-6)
    optim.clip_value(g, 0.5)
    assert.equal(0.5, g[2]:item())
    assert.near(0.3, g[1][1]:item(), 1e-6)
  end)

  it("has norms whose squares leave the range of float32", function()
    for _, size in ipairs { 1e25, 1e-25 } do
      local g = torus.tensor { size, size }
      local norm = optim.clip_norm({ g }, size)
      -- the rounding of float32 in the elements
      assert.near(1, norm / (size * math.sqrt(2)), 1e-7)
      for i = 1, 2 do assert.near(math.sqrt(0.5), g[i]:item() / size, 1e-6) end
    end
  end)

  it("leaves gradients alone that are not finite", function()
    local g = torus.tensor { 1, math.huge }
    assert.equal(math.huge, optim.clip_norm({ g }, 1))
    assert.same({ 1, math.huge }, g:totable())
    raises("clip_norm: expected a tensor as gradient 1, got 3",
      function() optim.clip_norm({ 3 }, 1) end)
  end)
end)
