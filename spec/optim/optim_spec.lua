local raises = require "spec.support.raises"
local torus = require "torus"
local optim = torus.optim

local function option(meta, name) return tonumber(meta[name]) end

-- Six steps of PyTorch's Adam (spec/support/make_reference.py), through
-- `advance(optimiser, params, grads)`.
local function follow(dtype, tolerance, advance)
  local t, meta = torus.load("data/reference/adam.safetensors")
  local params = {}
  for i = 1, option(meta, "params") do
    params[i] = torus.variable(t[i .. ".start"]:to(dtype))
  end
  local adam = optim.adam(params, { lr = option(meta, "lr"),
    betas = { option(meta, "beta1"), option(meta, "beta2") },
    eps = option(meta, "eps"), weight_decay = option(meta, "weight_decay") })
  for step = 1, option(meta, "steps") do
    local grads = {}
    for i = 1, #params do grads[i] = t[i .. ".grad." .. step]:to(dtype) end
    advance(adam, params, grads)
    for i, p in ipairs(params) do
      local off = (p:detach():to("float64") - t[i .. ".value." .. step])
        :abs():max():item()
      assert.is_true(off <= tolerance, "off by " .. off)
    end
  end
end

describe("torus.optim.adam", function()
  it("takes PyTorch's steps", function()
    follow("float64", 1e-12, function(adam, _, grads) adam:step(grads) end)
    follow("float32", 1e-5, function(adam, _, grads) adam:step(grads) end)
  end)

  it("reads the gradients that backward left", function()
    follow("float64", 1e-12, function(adam, params, grads)
      adam:zero_grad()
      for i, p in ipairs(params) do (p * grads[i]):sum():backward() end
      adam:step()
    end)
  end)

  it("continues from a saved state with the same bits", function()
    local function train(p, adam, from, to)
      for step = from, to do
        adam:step { (p - step):detach() * 0.3 }
      end
    end
    local a = torus.variable(torus.tensor { 1, 2, 3 })
    local adam_a = optim.adam({ a }, { lr = 0.1 })
    train(a, adam_a, 1, 3)
    local b = torus.variable(a:detach() + 0)
    local adam_b = optim.adam({ b }, { lr = 0.1 })
    adam_b:load_state(adam_a:state())
    train(a, adam_a, 4, 8)
    train(b, adam_b, 4, 8)
    assert.are.same(a:totable(), b:totable())
  end)

  it("leaves parameters without a gradient alone", function()
    local a, b = torus.variable(torus.ones(2)), torus.variable(torus.ones(2))
    local adam = optim.adam({ a, b })
    local y = (a * 2):sum()
    y:backward()
    adam:step()
    assert.are.same({ 1, 1 }, b:totable())
    assert.is_true(a:totable()[1] < 1)
  end)

  it("counts the steps of every parameter by itself, as PyTorch does", function()
    local a, b = torus.variable(torus.zeros(1)), torus.variable(torus.zeros(1))
    local adam = optim.adam({ a, b }, { lr = 0.1 })
    local one = torus.ones(1)
    for _ = 1, 10000 do adam:step { one } end
    assert.same({ 10000, 0 }, adam:state().counts)
    adam:step { one, one }
    -- the first step of a parameter is lr times the gradient's sign
    assert.near(-0.1, b:item(), 1e-7)
    assert.same({ 10001, 1 }, adam:state().counts)

    local c = torus.variable(b:detach():copy())
    local other = optim.adam({ torus.variable(torus.zeros(1)), c }, { lr = 0.1 })
    other:load_state(adam:state())
    adam:step { nil, one * 3 }
    other:step { nil, one * 3 }
    assert.equal(b:item(), c:item())
    assert.equal(2, other:state().counts[2])
  end)

  it("continues from a state with one count as if all had taken all steps", function()
    local p = torus.variable(torus.zeros(2))
    local adam = optim.adam({ p }, { lr = 0.1 })
    adam:load_state { steps = 7, first = { torus.ones(2) }, second = { torus.ones(2) } }
    assert.same({ 7 }, adam:state().counts)
    raises("adam:load_state: count 1: expected at most 7, got 8", function()
      adam:load_state { steps = 7, first = { torus.ones(2) }, second = { torus.ones(2) },
        counts = { 8 } }
    end)
  end)

  it("has PyTorch's second moment in float32, not 1 - beta2 rounded", function()
    local p = torus.variable(torus.zeros(1))
    local adam = optim.adam({ p })
    adam:step { torus.ones(1) }
    -- (float32)(1 - 0.999), which is 0.001 to half a unit in the last place
    assert.equal(("f"):unpack(("f"):pack(0.001)), adam:state().second[1]:item())
  end)

  it("refuses unknown options and impossible values", function()
    local p = { torus.variable(torus.ones(1)) }
    assert.error_matches(function() optim.adam(p, { rate = 1 }) end,
      "adam: unknown option \"rate\" %(known: betas, eps, lr, weight_decay%)")
    assert.error_matches(function() optim.adam(p, { lr = -1 }) end,
      "\"lr\": expected at least 0, got %-1")
    assert.error_matches(function()
      optim.adam(p, { betas = { 0.9, 1 } })
    end, "\"betas\": expected two numbers")
    assert.error_matches(function() optim.adam {} end,
      "expected a list of at least one tensor")
    raises("adam: params: parameter 2 is the same tensor as parameter 1",
      function() optim.adam { p[1], p[1] } end)
    raises("adam: expected parameter 1 of shape (...), got 5",
      function() optim.adam { 5 } end)
    local net = torus.nn.Linear(2, 1)
    raises("adam: params: expected a list of at least one tensor, such as net:parameters(), "
      .. "got Linear", function() optim.adam(net) end)
    raises("such as net:parameters(), got a list of lists, as of net:named_parameters()",
      function() optim.adam(net:named_parameters()) end)
  end)

  it("keeps parameters that require no gradient, of layers that are frozen", function()
    local net = torus.nn.Sequential { torus.nn.Linear(2, 2), torus.nn.Linear(2, 1) }
    net[1].weight.requires_grad = false
    for _, name in ipairs { "adam", "adamw", "sgd", "rmsprop" } do
      local optimiser = optim[name](net:parameters(), { lr = 0.1 })
      local frozen, free = net[1].weight:copy(), net[2].weight:detach():copy()
      net:zero_grad()
      net(torus.ones(3, 2)):sum():backward()
      optimiser:step()
      assert.is_true(net[1].weight:eq(frozen):all():item())
      assert.is_false(net[2].weight:eq(free):any():item())
    end
    local w = torus.ones(2)
    optim.sgd({ w }, { lr = 1 }):step { torus.ones(2) }
    assert.same({ 0, 0 }, w:totable())
  end)

  it("refuses results of operations", function()
    local w = torus.variable(torus.ones(2))
    for _, name in ipairs { "adam", "adamw", "sgd", "rmsprop", "lbfgs" } do
      raises("params: expected leaf tensors, got tensor (2) float32 as parameter 2, which is a "
        .. "result of operations", function() optim[name] { w, w * 2 } end)
    end
  end)

  it("refuses a step without any gradient", function()
    local net = torus.nn.Linear(2, 1)
    for _, name in ipairs { "adam", "adamw", "sgd", "rmsprop" } do
      local optimiser = optim[name](net:parameters())
      raises(name .. ": expected a gradient of at least one parameter, got none: call "
        .. "loss:backward() first; net:to(dtype) gives a module new parameters, so convert it "
        .. "before making the optimiser", function() optimiser:step() end)
      assert.equal(0, optimiser.steps)
      optimiser:step { [2] = torus.ones(1) } -- parameter 1 stays
      optimiser:step {} -- so do all
      assert.equal(2, optimiser.steps)
    end
    -- The parameters of a converted module are others than the optimiser's.
    local adam = optim.adam(net:parameters())
    net:to("float64")
    net(torus.ones({ 1, 2 }, { dtype = "float64" })):sum():backward()
    raises("convert it before making the optimiser", function() adam:step() end)
  end)

  it("refuses gradients and states that do not fit, and takes no part of them",
    function()
      local p = torus.variable(torus.ones(2))
      local adam = optim.adam { p }
      raises("adam: grads: expected a table, got 5",
        function() adam:step(5) end)
      raises("adam: expected gradient 1 of shape (2), got (3)",
        function() adam:step { torus.ones(3) } end)
      assert.are.equal(0, adam.steps)
      raises("adam:load_state: option \"first\" is missing",
        function() adam:load_state {} end)
      raises("adam:load_state: option \"first\" is missing",
        function() adam:load_state() end)
      raises("adam: expected second moment 1 of shape (2), got (3)", function()
        adam:load_state { steps = 3, first = { torus.ones(2) },
          second = { torus.ones(3) } }
      end)
      assert.are.same({ 0, 0 }, adam:state().first[1]:totable())
    end)
end)

describe("torus.optim.geco", function()
  it("raises the multiplier above the tolerance, lowers it below", function()
    local geco = optim.geco { tolerance = 0.1, decay = 0 }
    assert.are.equal(1, geco:multiplier())
    local high = geco:update(0.11)
    assert.is_near(math.exp(0.01), high, 1e-12)
    assert.is_true(geco:update(0.05) < high)
  end)

  it("bounds each update", function()
    local geco = optim.geco { tolerance = 0, bound = 0.5, max = 3 }
    assert.is_near(math.exp(0.5), geco:update(1000), 1e-12)
    for _ = 1, 10 do geco:update(1000) end
    assert.is_near(3, geco:multiplier(), 1e-12)
  end)

  it("changes by its rate, and stays above its minimum", function()
    local slow = optim.geco { tolerance = 0.1, decay = 0, rate = 0.25 }
    assert.is_near(math.exp(0.25 * 0.02), slow:update(0.12), 1e-12)
    assert.is_near(math.exp(0.25 * (0.02 - 0.06)), slow:update(0.04), 1e-12)
    local low = optim.geco { tolerance = 1, bound = 0.2, min = 0.75 }
    assert.is_near(math.exp(-0.2), low:update(0), 1e-12)
    assert.is_near(0.75, low:update(0), 1e-12)
    local lowest = optim.geco { tolerance = 100, bound = 50 }
    assert.is_near(1e-3, lowest:update(0), 1e-15)
  end)

  it("follows the moving average of the error", function()
    local geco = optim.geco { tolerance = 0, decay = 0.9 }
    geco:update(1)
    geco:update(2)
    assert.is_near(0.9 * 1 + 0.1 * 2, geco:state().moving, 1e-15)
  end)

  it("continues from its state", function()
    local a = optim.geco { tolerance = 0.2 }
    a:update(0.3)
    local b = optim.geco { tolerance = 0.2 }
    b:load_state(a:state())
    assert.are.equal(a:update(0.25), b:update(0.25))
  end)

  it("refuses errors and states that are not valid", function()
    local geco = optim.geco { tolerance = 0.2 }
    raises("geco:update: reconstruction: expected a number, got \"a\"",
      function() geco:update("a") end)
    raises("geco:update: reconstruction: expected a number, got ",
      function() geco:update(math.huge - math.huge) end)
    raises("geco:load_state: option \"exponent\" is missing",
      function() geco:load_state {} end)
  end)

  it("needs a tolerance", function()
    assert.error_matches(function() optim.geco {} end,
      "geco: option \"tolerance\" is missing")
  end)
end)
