-- What a call gives is used or refused: nothing is ignored.
local raises = require "spec.support.raises"
local torus = require "torus"
local nn = torus.nn

describe("an argument", function()
  it("beyond a function's parameters is refused", function()
    local x = torus.arange(4):reshape(2, 2)
    raises("flip: too many arguments, the first one too many is 2",
      function() x:flip(1, 2) end)
    raises("pad: too many arguments", function() x:pad({ { 1, 1 } }, { value = 9 }) end)
    raises("unique: too many arguments", function() torus.unique(x, 1) end)
    raises("narrow: too many arguments, the first one too many is a table",
      function() x:narrow(1, 1, 1, { foo = 1 }) end)
    assert.are.same({ 2, 2 }, x:flip(1, nil).shape)
  end)

  it("in a list after a gap, or with a name, is refused", function()
    local a, b = nn.Linear(2, 4), nn.Linear(4, 1)
    raises("Sequential: expected a list without gaps, got nil as entry 2",
      function() nn.Sequential { a, nil, b } end)
    local p, q = torus.ones(2, { requires_grad = true }), torus.ones(2, { requires_grad = true })
    raises("adam: params: expected a list without gaps", function()
      torus.optim.adam { p, nil, q }
    end)
    raises("adam: params: expected a plain list, got one with the key \"lr\"",
      function() torus.optim.adam { p, lr = 0.5 } end)
    raises("tensor: expected a list without gaps or named entries, got one of 1 with the key 3",
      function() torus.tensor { 1, [3] = 3 } end)
    raises("cat: expected a list without gaps or named entries, got one of 2 with the key \"dim\"",
      function() torus.cat { p, q, dim = 1 } end)
    raises("flip: expected a plain list", function() p:flip { 1, foo = 1 } end)
    -- A list that was filled from its end.
    local backwards = {}
    for i = 40, 1, -1 do backwards[i] = i end
    assert.are.equal(40, torus.tensor(backwards):numel())
  end)

  it("that an integer tensor can't represent is refused", function()
    local x = torus.tensor({ 1, 2 }, { dtype = "int64" })
    raises("add_: expected an integer as an element of int64, got 0.5",
      function() x:add_(1, 0.5) end)
    assert.are.same({ 3, 4 }, x:add_(1, 2):totable())
  end)
end)

describe("integers", function()
  it("don't wrap around in norms", function()
    for _, dtype in ipairs { "uint8", "int32", "int64" } do
      local x = torus.tensor({ 200, 200 }, { dtype = dtype })
      assert.is_near(200 * math.sqrt(2), x:norm():item(), 1e-3)
      assert.are.equal(400, x:norm { p = 1 }:item())
      assert.are.equal(200, x:norm { p = math.huge }:item())
    end
    assert.is_near(1e5 * math.sqrt(2),
      torus.tensor({ 100000, -100000 }, { dtype = "int32" }):norm { dim = 1 }:item(), 1)
  end)

  it("don't wrap around in losses", function()
    local function bytes(value) return torus.tensor({ value }, { dtype = "uint8" }) end
    assert.are.equal(199 ^ 2, nn.mse(bytes(200), bytes(1)):item())
    assert.are.equal(199, nn.l1(bytes(1), bytes(200)):item())
    assert.are.equal(198.5, nn.huber(bytes(1), bytes(200)):item())
  end)
end)

describe("clipping", function()
  local function gradients()
    local list = {}
    for i = 1, 3 do list[i] = torus.ones(2, { requires_grad = true }) end
    return torus.grad((list[1] * 3 + list[3] * 4):sum(), list, { allow_unused = true })
  end

  it("reaches the gradients after one that is nil", function()
    local g = gradients()
    assert.is_nil(g[2])
    assert.is_near(math.sqrt(50), torus.optim.clip_norm(g, 1), 1e-5)
    assert.is_near(1, math.sqrt(g[1]:square():sum():item() + g[3]:square():sum():item()), 1e-6)
    g = gradients()
    torus.optim.clip_value(g, 3.5)
    assert.are.same({ { 3, 3 }, { 3.5, 3.5 } }, { g[1]:totable(), g[3]:totable() })
  end)

  it("reaches gradients with a history", function()
    local w = torus.full({ 2 }, 3, { requires_grad = true })
    local g = torus.grad((w ^ 3):sum(), { w }, { create_graph = true })
    assert.is_near(27 * math.sqrt(2), torus.optim.clip_norm(g, 1), 1e-4)
    assert.is_near(1, g[1]:norm():item(), 1e-6)
  end)
end)

describe("a module", function()
  it("can't contain itself", function()
    local a, b = nn.Sequential { nn.Linear(2, 2) }, nn.Sequential { nn.Linear(2, 2) }
    raises("register: \"self\": expected a module that does not contain Sequential itself",
      function() a:register("self", a) end)
    a:register("child", b)
    raises("register: \"parent\": expected a module that does not contain",
      function() b:register("parent", a) end)
    assert.are.equal(4, #a:parameters())
  end)

  it("has the last one of two members with the same name", function()
    local layer = nn.Linear(2, 3)
    local weight = torus.ones({ 3, 2 }, { requires_grad = true })
    layer:register("weight", weight)
    assert.are.equal(2, #layer:parameters())
    assert.is_true(layer:parameters()[1] == weight)
  end)

  it("names the dtype that it expects", function()
    raises("Linear: expected x of dtype float32, as its parameters, got tensor (1,2) float64; "
      .. "convert it by x:to(\"float32\") or the module by :to(\"float64\")",
      function() nn.Linear(2, 3)(torus.ones(1, 2):double()) end)
    raises("Conv2d: expected x of dtype float32", function()
      nn.Conv2d(3, 4)(torus.ones(1, 8, 8, 3):double())
    end)
  end)
end)

describe("a name that a module does not have", function()
  it("is refused, also where the module can be called", function()
    raises("torus.fft has no \"rftt\"", function() local _ = torus.fft.rftt end)
    raises("torus.data has no \"simulat\"", function() local _ = torus.data.simulat end)
    raises("torus.hmc has no \"samples\"", function() local _ = torus.hmc.samples end)
  end)
end)

describe("a mistake is named by the call that was made:", function()
  local q = torus.ones(2, 1)
  local H = torus.separable(function(p) return (p * p):sum(2) / 2 end,
    function(x) return (x * x):sum(2) / 2 end)
  local function with(changes)
    local o = { H = H, q = q, p = q, dt = 0.1, steps = 2 }
    for key, value in pairs(changes) do o[key] = value end
    return o
  end

  it("of an integration", function()
    raises("integrate: friction: expected a number of at least 0, a tensor that broadcasts "
      .. "against p, (2,1), ", function() torus.integrate(with { friction = torus.ones(2) }) end)
    raises("integrate: force: expected a number, a tensor that broadcasts against p, (2,1), ",
      function() torus.integrate(with { force = torus.ones(2) }) end)
    raises("rk45: force: expected a number, a tensor that broadcasts against p", function()
      torus.rk45 { H = H, q = q, p = q, times = { 0, 1 }, force = torus.ones(2) }
    end)
    raises("integrate: expected a number or a floating tensor with one element as dt",
      function() torus.integrate(with { dt = torus.tensor({ 1 }, { dtype = "int64" }) }) end)
    raises("integrate: expected q and p of dtype float32 or float64, got (2,1) int64",
      function() torus.integrate(with { q = q:to "int64", p = q:to "int64" }) end)
  end)

  it("of an optimiser", function()
    local w = torus.ones(2, { requires_grad = true })
    raises("adam: params: expected floating-point tensors, got tensor (2) int64 as parameter 1",
      function() torus.optim.adam { torus.ones(2, { dtype = "int64" }) } end)
    for _, name in ipairs { "adam", "sgd" } do
      local optimiser = torus.optim[name] { w }
      raises(name .. ": grads: expected at most one gradient for each of 1 parameters",
        function() optimiser:step { w:detach(), w:detach() } end)
      raises("got one with the key \"foo\"", function() optimiser:step { foo = 1 } end)
    end
    raises("requires_grad: expected true or false, got \"no\"",
      function() w.requires_grad = "no" end)
  end)

  it("of a dtype by its name in C or Torch7", function()
    raises("got \"double\", did you mean \"float64\"?",
      function() torus.ones(2, { dtype = "double" }) end)
    raises("did you mean \"int64\"?", function() torus.ones(2):to("long") end)
  end)

  it("of a sum over processes", function()
    raises("dist.all_reduce: expected a tensor that does not require a gradient",
      function() torus.dist.all_reduce(torus.ones(2, { requires_grad = true })) end)
    raises("dist.broadcast: expected a tensor that does not require a gradient",
      function() torus.dist.broadcast(torus.ones(2, { requires_grad = true })) end)
  end)

  it("of a range of integers beyond the precision of numbers", function()
    raises("arange: expected integers from -2^53 to 2^53", function()
      torus.arange((1 << 53) - 1, (1 << 53) + 3, { dtype = "int64" })
    end)
    assert.are.equal(1 << 53, torus.arange(1 << 53, 1 << 53, { dtype = "int64" }):item())
  end)

  it("of a system's kinetic energy", function()
    local definition = { name = "mistaken", dimension = 1, constants = { k = 1 }, uniforms = 2,
      kinetic = function(p) return p * p / 2 end,
      potential = function(x) return (x * x):sum(2) / 2 end,
      sample = function(u) return u:narrow(2, 1, 1), u:narrow(2, 2, 1) end,
      positions = function(x) return torus.stack({ x, x * 0 }, 3) end,
      radii = { 0.2 }, half_width = 1.5 }
    raises("system mistaken: kinetic: expected a tensor of shape (3), got (3,1)",
      function() torus.systems.define(definition) end)
  end)
end)
