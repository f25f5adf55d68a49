local raises = require "spec.support.raises"
local torus = require "torus"
local nn = torus.nn
local Module = require "torus.nn.module"

local function names(module)
  local list = {}
  for i, entry in ipairs(module:named_parameters()) do list[i] = entry[1] end
  return table.concat(list, " ")
end

local function net()
  return nn.Sequential { nn.Linear(3, 4), nn.Tanh(),
    nn.Sequential { nn.Linear(4, 2, { bias = false }) } }
end

describe("torus.nn modules", function()
  it("name their parameters by their path, in a fixed order", function()
    assert.are.equal("1.weight 1.bias 3.1.weight", names(net()))
    assert.are.equal(3, #net():parameters())
    assert.are.equal(3 * 4 + 4 + 8, net():count())
  end)

  it("count and move once when they are used twice", function()
    local shared = nn.Linear(2, 2)
    local twice = nn.Sequential { shared, nn.Tanh(), shared }
    assert.are.equal("1.weight 1.bias", names(twice))
    assert.are.equal(6, twice:count())
    local start = shared.bias:detach():copy()
    local adam = torus.optim.adam(twice:parameters(), { lr = 0.1 })
    twice(torus.ones(1, 2)):sum():backward()
    adam:step()
    -- Adam's first step is lr in every coordinate
    assert.near(0.1, (shared.bias:detach() - start):abs():max():item(), 1e-6)

    twice:to("float64")
    assert.are.equal(twice[1], twice[3])
    assert.are.equal("1.weight 1.bias", names(twice))
    assert.are.equal("float64", twice(torus.ones({ 1, 2 }, { dtype = "float64" })).dtype)
    -- Files that have it under both names open, too.
    local values = twice:named()
    values["3.weight"], values["3.bias"] = values["1.weight"], values["1.bias"]
    assert(twice:load_parameters(values))
  end)

  it("keep a tensor that two of them share shared", function()
    local a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    b.members[1][2], b.weight = a.weight, a.weight
    local both = nn.Sequential { a, b }:to("float64")
    assert.are.equal(both[1].weight, both[2].weight)
    assert.are.equal("1.weight 1.bias 2.bias", names(both))
  end)

  it("print their structure", function()
    assert.are.equal("Sequential, 24 parameters\n  1: Linear(3, 4)\n"
      .. "  2: tanh\n  3: Sequential\n    1: Linear(4, 2, bias=false)",
      tostring(net()))
  end)

  it("give the same weights for the same seed", function()
    local a = nn.Linear(3, 4, { generator = torus.generator(5) })
    local b = nn.Linear(3, 4, { generator = torus.generator(5) })
    local c = nn.Linear(3, 4, { generator = torus.generator(6) })
    assert.are.same(a.weight:totable(), b.weight:totable())
    assert.are_not.same(a.weight:totable(), c.weight:totable())
  end)

  it("start uniform within one over the root of the inputs", function()
    local w = nn.Conv2d(5, 40, { generator = torus.generator(1) }).weight
    local bound = 1 / math.sqrt(45)
    assert.is_true(w:max():item() <= bound and w:max():item() > 0.98 * bound)
    assert.is_true(w:min():item() >= -bound)
    -- variance of a uniform number: bound^2 / 3; 1,800 of them give 3%
    local variance = (w * w):mean():item() / (bound * bound)
    assert.is_near(1 / 3, variance, 0.03)
  end)

  it("start by the scheme of Kaiming within the root of six over the inputs", function()
    assert.are.equal(0.5, torus.nn.initialise.bound("kaiming", 24))
    assert.are.equal(0, torus.nn.initialise.bias_bound("kaiming", 24))
    local layer = torus.nn.MLP { sizes = { 24, 200, 1 }, init = "kaiming",
      generator = torus.generator(5) }[1]
    -- none of 4,800 numbers within 1 % of the bound has probability 1e-21
    local largest = layer.weight:abs():max():item()
    assert.is_true(largest <= 0.5 and largest > 0.495)
    -- uniform: a variance of a third of the bound's square, to five standard errors
    assert.is_near(0.25 / 3, layer.weight:square():mean():item(),
      5 * 0.25 * math.sqrt(4 / 45 / 4800))
    assert.are.equal(0, layer.bias:abs():max():item())
  end)

  it("load values by name", function()
    local from, to = net(), net()
    assert.is_true(to:load_parameters(from:named()))
    assert.are.same(from[1].weight:totable(), to[1].weight:totable())
    assert.are.same(from[3][1].weight:totable(), to[3][1].weight:totable())
    assert.is_true(to[1].weight.requires_grad)
  end)

  it("load nothing when something does not fit", function()
    local m, values = net(), net():named()
    local before = m[1].weight:totable()
    values["3.1.weight"] = torus.zeros(2, 3)
    local ok, message = m:load_parameters(values)
    assert.is_nil(ok)
    assert.matches("3.1.weight: expected shape %(2,4%), got %(2,3%)", message)
    values["3.1.weight"] = nil
    ok, message = m:load_parameters(values)
    assert.is_nil(ok)
    assert.matches("3.1.weight is missing", message)
    values = net():named()
    values.extra = torus.zeros(1)
    ok, message = m:load_parameters(values)
    assert.is_nil(ok)
    assert.matches("the module has no parameter extra", message)
    assert.are.same(before, m[1].weight:totable())
  end)

  it("load below a prefix and leave other names aside", function()
    local from, values = net(), { other = torus.zeros(1) }
    for name, value in pairs(from:named()) do values["net." .. name] = value end
    local to = net()
    assert.is_true(to:load_parameters(values, "net."))
    assert.are.same(from[1].bias:totable(), to[1].bias:totable())
  end)

  it("loads what torus.load returns, and hands on why it could not", function()
    local path = os.tmpname()
    local from, to = nn.Linear(2, 3), nn.Linear(2, 3)
    assert(torus.save(path, from, { made = "today" }))
    assert(to:load_parameters(torus.load(path)))
    assert.is_true(to.weight:eq(from.weight):all():item())
    os.remove(path)
    local none, message = to:load_parameters(torus.load(path))
    assert.is_nil(none)
    assert.matches("^load: .*: No such file", message)
  end)

  it("refuses parameters that were assigned instead of registered", function()
    local Net = nn.Module.class("Net")
    local mine = nn.Module.instance(Net)
    mine.inner = nn.Linear(2, 2)
    local text = "Net: the field inner is a module that is not registered, so its parameters "
      .. "would not be found; expected self:register(\"inner\", ...)"
    raises(text, function() mine:parameters() end)
    raises(text, function() mine:named() end)
    raises(text, function() nn.Sequential({ mine }):count() end)
    mine:register("inner", mine.inner)
    assert.are.equal(2, #mine:parameters())
    mine.gain = torus.ones({ 1 }, { requires_grad = true })
    raises("Net: the field gain is a parameter that is not registered", function()
      mine:named_parameters()
    end)
    mine:register("gain", mine.gain)
    -- A second name, a result with a history, a plain tensor, and what a table keeps are no
    -- parameters.
    mine.alias, mine.last, mine.mean = mine.inner, mine.gain * 2, torus.zeros(2)
    mine.others = { nn.Linear(1, 1) }
    assert.are.equal(3, #mine:parameters())
  end)

  it("refuse to go on with a member whose field was assigned", function()
    local text = "Linear: the registered parameter weight has been assigned tensor (2,2) "
      .. "float32; expected copy_ in torus.no_grad to write to it, or "
      .. "self:register(\"weight\", ...) to replace it"
    local layer, x = nn.Linear(2, 2), torus.ones(1, 2)
    local both = nn.Sequential { layer }
    layer.weight = torus.zeros(2, 2)
    raises(text, function() layer(x) end)
    raises(text, function() layer:parameters() end)
    raises(text, function() both:named() end)
    raises(text, function() both:to("float64") end)
    layer:register("weight", torus.variable(layer.weight))
    assert.same({ { 0, 0 } }, (layer(x) - layer.bias):totable())
    assert.equal(layer.weight, both:parameters()[1])

    layer.bias = nil
    raises("Linear: the registered parameter bias has been assigned nil",
      function() layer(x) end)
    both[1] = nn.Linear(2, 3)
    raises("Sequential: the registered module 1 has been assigned Linear; expected "
      .. "self:register(1, ...) to replace it", function() both(x) end)
    local norm = nn.BatchNorm1d(2)
    norm[norm:named_buffers()[1][1]] = torus.zeros(2)
    raises("or self:register_buffer(", function() norm(x) end)
  end)

  it("say that they cannot be called without a forward", function()
    local Pair = nn.Module.class("Pair")
    local pair = nn.Module.instance(Pair)
    raises("Pair has no forward, so it cannot be called; define function Pair:forward(...)",
      function() pair(1) end)
    function Pair:sum() return self end
    raises("Pair has no forward, so it cannot be called; it has the methods sum",
      function() pair(1) end)
    raises("HGN has no forward, so it cannot be called; it has the methods calibrate, ",
      function() torus.models.hgn { width = 8, frames = 3 } (torus.ones(1)) end)
  end)

  it("convert to float64 with the same values", function()
    local m = net()
    local before = m[1].weight:totable()
    m:to("float64")
    assert.are.equal("float64", m[1].weight.dtype)
    assert.are.same(before, m[1].weight:totable())
    assert.are.equal("1.weight 1.bias 3.1.weight", names(m))
    assert.is_true(m:parameters()[3].requires_grad)
  end)

  it("refuse a dtype that has no gradient", function()
    for _, dtype in ipairs { "int64", "float16" } do
      raises("Module:to: dtype: expected one of \"float32\", \"float64\"; got",
        function() net():to(dtype) end)
    end
  end)

  it("can be written by a user", function()
    local Scale = Module.class("Scale")
    function Scale:forward(x) return x * self.factor end
    local m = Module.instance(Scale)
    m:register("factor", torus.full({ 1 }, 3, { requires_grad = true }))
    assert.are.equal(6, m(torus.full({ 1 }, 2)):item())
    assert.are.equal("factor", names(nn.Sequential { m }):sub(3))
  end)
end)

describe("layers", function()
  it("Linear works on any leading dimensions", function()
    local m = nn.Linear(3, 2)
    assert.are.same({ 4, 5, 2 }, m(torus.zeros(4, 5, 3)).shape)
    assert.are.same({ 2 }, m(torus.zeros(3)).shape)
  end)

  it("Linear is x W^T + b", function()
    local m = nn.Linear(2, 2, { dtype = "float64" })
    m:load_parameters { weight = torus.tensor { { 1, 2 }, { 3, 4 } },
      bias = torus.tensor { 10, 20 } }
    local y = m(torus.tensor({ { 5, 6 } }, { dtype = "float64" }))
    assert.are.same({ { 5 + 12 + 10, 15 + 24 + 20 } }, y:totable())
  end)

  it("Conv2d keeps the size by default and halves it with stride 2",
    function()
      assert.are.same({ 2, 6, 6, 4 }, nn.Conv2d(3, 4)(
        torus.zeros(2, 6, 6, 3)).shape)
      assert.are.same({ 2, 3, 3, 4 }, nn.Conv2d(3, 4, { stride = 2 })(
        torus.zeros(2, 6, 6, 3)).shape)
    end)

  it("MLP ends in a number per sample when scalar", function()
    local m = nn.MLP { sizes = { 2, 8, 1 }, activation = "softplus",
      scalar = true }
    assert.are.same({ 5 }, m(torus.zeros(5, 2)).shape)
    assert.are.equal("MLP(2 8 1, softplus)", m:describe())
  end)

  it("refuse what makes no sense", function()
    assert.error_matches(function() nn.Linear(2, 3, { biass = true }) end,
      "Linear: unknown option \"biass\".* %(known: bias, dtype")
    assert.error_matches(function() nn.Linear(3, 2)(torus.zeros(4, 2)) end,
      "Linear: expected x of shape %(%.%.%.,3%), got %(4,2%)")
    assert.error_matches(function() nn.MLP { sizes = { 3 } } end,
      "MLP: sizes: expected inputs and outputs at least")
    assert.error_matches(function()
      nn.MLP { sizes = { 3, 1 }, activation = "gauss" }
    end, "unknown activation \"gauss\"")
    assert.error_matches(function() nn.Sequential { 3 } end,
      "Sequential: layer 1: expected a module or a function, got 3")
  end)

  it("refuse sizes and kernels that are none, at the caller's line", function()
    raises("Linear: inputs: expected an integer, got nil",
      function() local _ = nn.Linear() end)
    raises("Linear: inputs: expected an integer, got \"a\"",
      function() local _ = nn.Linear("a", 2) end)
    raises("Linear: outputs: expected at least 1, got 0",
      function() local _ = nn.Linear(2, 0) end)
    raises("Conv2d: inputs: expected an integer, got nil",
      function() local _ = nn.Conv2d() end)
    for shown, kernel in pairs { ["\"a\""] = "a", ["{3}"] = { 3 }, ["0"] = 0,
      ["{3, 2.5}"] = { 3, 2.5 } } do
      raises("Conv2d: kernel: expected a positive integer or a list "
        .. "{height, width}, got " .. shown,
        function() nn.Conv2d(2, 2, { kernel = kernel }) end)
    end
    assert.are.same({ 1, 5, 6, 2 }, nn.Conv2d(3, 2, { kernel = { 4, 3 },
      padding = 1 })(torus.zeros(1, 6, 6, 3)).shape)
    raises("Sequential: expected a list of modules and functions, got nil",
      function() local _ = nn.Sequential() end)
    raises("MLP: unknown activation 5 (known: elu, gelu, identity",
      function() nn.MLP { sizes = { 2, 1 }, activation = 5 } end)
    raises("MLP: unknown activation a table (known: ",
      function() nn.MLP { sizes = { 2, 1 }, output = {} } end)
    raises("LeakyReLU: slope: expected a number, got \"a\"",
      function() local _ = nn.LeakyReLU("a") end)
    raises("initialise: scheme: expected one of \"default\", \"kaiming\"",
      function() local _ = nn.initialise.bound("keiming", 3) end)
  end)

  it("refuse values that are not tensors of their shape", function()
    raises("Linear: expected x of shape (...,2), got 5",
      function() local _ = nn.Linear(2, 2)(5) end)
    raises("Conv2d: expected x of shape (images,height,width,2), got (2,3)",
      function() local _ = nn.Conv2d(2, 2)(torus.zeros(2, 3)) end)
    raises("relu: expected x of shape (...), got 5",
      function() local _ = nn.ReLU()(5) end)
  end)

  it("refuse to load anything but values", function()
    local m = nn.Linear(2, 2)
    raises("load_parameters: values: expected a table, got nil",
      function() m:load_parameters() end)
    local ok, message = m:load_parameters { weight = 5, bias = m.bias }
    assert.is_nil(ok)
    assert.are.equal(
      "load_parameters: weight: expected shape (2,2), got 5", message)
    ok, message = m:load_parameters { weight = m.weight, bias = m.bias, 3 }
    assert.is_nil(ok)
    assert.are.equal("load_parameters: the module has no parameter 1", message)
  end)
end)
