-- Scripts that run inside of a call: finalisers, callbacks, metamethods. What
-- they release must outlive the call that has read it.
local torus = require "torus"
local core = require "torus.core"
local raises = require "spec.support.raises"

-- Lets a finaliser release x within f(x), if it comes to that, and write over
-- the memory that this frees. Returns the result of that call, and the memory.
local function interrupted(f, x, release)
  local ran, over = false, {}
  setmetatable({}, { __gc = function()
    local shape = x.shape;
    (release or x.release)(x)
    for i = 1, 8 do over[i] = torus.full(shape, 77) end
    ran = true
  end })
  local y
  repeat y = f(x) until ran
  return y, over
end

describe("a finaliser that releases a tensor", function()
  it("does not take it from the operation that it interrupts", function()
    for _ = 1, 20 do
      local y = interrupted(function(x) return x + 1 end, torus.ones(1000))
      assert.equal(2, y:min():item())
      assert.equal(2, y:max():item())
    end
  end)

  it("does not take it from totable", function()
    local t = interrupted(function(x) return x:totable() end, torus.ones(300, 20))
    for _, row in ipairs(t) do
      for _, value in ipairs(row) do assert.equal(1, value) end
    end
  end)

  it("has released it for everyone else, and frees it in time", function()
    collectgarbage()
    local before = torus.memory().tensors
    local x = torus.ones(3)
    setmetatable({}, { __gc = function() x:release() x:release() end })
    collectgarbage()
    raises("the tensor was released", function() return x + 1 end)
    assert.equal(before + 1, torus.memory().tensors)
    x:release()
    assert.equal(before, torus.memory().tensors)
    x = torus.ones(3)
    setmetatable({}, { __gc = function() x:release() x = nil end })
    collectgarbage()
    collectgarbage()
    assert.equal(before, torus.memory().tensors)
  end)
end)

describe("the metatable", function()
  local meta = debug.getmetatable(torus.ones(1))

  it("is closed to scripts", function()
    assert.equal("torus.tensor", getmetatable(torus.ones(1)))
    assert.equal("torus.generator", getmetatable(torus.generator(1)))
    assert.has_error(function() setmetatable({}, getmetatable(torus.ones(1))) end)
  end)

  it("has a __gc that a finaliser may call without taking the tensor from a call", function()
    for _ = 1, 5 do
      local x = torus.ones(1000)
      local y = interrupted(function() return x + 1 end, x, function()
        meta.__gc(x)
        meta.__gc(x)
      end)
      assert.equal(2, y:min():item())
      assert.equal(2, y:max():item())
      raises("add: the tensor was released", function() return x + 1 end)
    end
  end)

  it("has a __gc that is final, and may be called again", function()
    collectgarbage()
    local before = torus.memory().tensors
    local x = torus.ones(3)
    meta.__gc(x)
    meta.__gc(x)
    assert.equal(before, torus.memory().tensors)
    raises("sum: the tensor was released", function() return x:sum() end)
    raises("release: expected a tensor, got 5", function() meta.__gc(5) end)
    raises("release: expected a tensor, got a generator",
      function() meta.__gc(torus.generator(1)) end)
    local kept = {}
    do
      local y = torus.ones(3)
      setmetatable({ y }, { __gc = function(t) kept.late = t[1] end })
    end
    collectgarbage()
    collectgarbage()
    if kept.late then pcall(kept.late.sum, kept.late) end
    kept.late = nil
    collectgarbage()
    collectgarbage()
    assert.equal(before, torus.memory().tensors)
  end)
end)

describe("a field that releases the states", function()
  it("does not take them from the solver", function()
    local states = torus.ones({ 40, 2 }, { dtype = "float64" })
    local over = {}
    local function decay(x)
      if #over == 0 then
        states:release()
        for i = 1, 8 do
          over[i] = torus.full({ 40, 2 }, 77, { dtype = "float64" })
        end
      end
      return -x
    end
    local out = core.rk45(decay, states, { 0, 1 }, { rtol = 1e-8, atol = 1e-8,
      first_step = 0, max_step = 0, max_steps = 1000 })
    local last = out:narrow(2, 2, 1)
    assert.is_true((last - math.exp(-1)):abs():max():item() < 1e-6)
  end)
end)

describe("a list with metamethods", function()
  local OPTIONS = { rtol = 1e-3, atol = 1e-3, first_step = 0, max_step = 0,
    max_steps = 9, lr = 1, beta1 = 0, beta2 = 0, eps = 1, weight_decay = 0,
    step = 1 }
  -- Pretends to have `length` entries, which entry(i) makes up.
  local function pretender(length, entry)
    return setmetatable({}, { __len = function() return length end,
      __index = function(_, i) return entry(i) end })
  end

  it("is read as the table that it is", function()
    local x = torus.tensor({ { 1, 2 } }, { dtype = "float64" })
    local function one() return torus.ones(1) end
    local endless = pretender(1 << 61, function(i) return i + 0.0 end)
    raises("rk45: expected at least one time", function()
      core.rk45({ "pendulum", { 3, 0.5, 1 } }, x, endless, OPTIONS)
    end)
    raises("pendulum: expected 3 constants, got 0", function()
      core.rk45({ "pendulum", endless }, x, { 0 }, OPTIONS)
    end)
    raises("rk45: expected a number as rtol, got nil", function()
      core.rk45({ "pendulum", { 3, 0.5, 1 } }, x, { 0 },
        pretender(0, function() return 1 end))
    end)
    raises("network 1 is described as having 3 parameters, got 0", function()
      core.ops.network_field(x, x, { networks = { { kind = "dense",
        activation = "tanh", layers = 1, parameters = pretender(3, one) },
        { kind = "dense", activation = "tanh", layers = 1,
          parameters = { x, x, x } } } })
    end)
    raises("network_field: expected one network or two, got 0", function()
      core.ops.network_field(x, x, { networks = pretender(1, one) })
    end)
    raises("decoder_error: expected 6 parameters, got 0", function()
      core.ops.decoder_error(torus.ones(1, 2, 2, 2), torus.ones(1, 4, 4, 3),
        { parameters = pretender(6, one), blocks = 1, width = 4, skip = false })
    end)
    core.adam_step(pretender(3, one), { one() }, {}, {}, OPTIONS, {})
    raises("adam_step: expected a tensor as parameter 1, got nil", function()
      local first = {}
      first[1] = one()
      core.adam_step({ nil, one() }, { one(), one() }, first, first, OPTIONS,
        { 1, 1 })
    end)
  end)

  it("has no length beyond its entries", function()
    local sparse = {} -- 2^60 is a border of this table
    for i = 0, 60 do sparse[1 << i] = 1 end
    if #sparse < 1 << 40 then return end -- this Lua found another one
    local x = torus.tensor({ { 1, 2 } }, { dtype = "float64" })
    raises("entries is too long", function()
      core.rk45({ "pendulum", sparse }, x, { 0 }, OPTIONS)
    end)
    raises("entries is too long", function() torus.cat(sparse) end)
    raises("entries is too long", function() torus.grad(x:sum(), sparse) end)
  end)

  it("says which of its tensors was released", function()
    local x, gone = torus.ones({ 2 }, { requires_grad = true }), torus.ones(2)
    gone:release()
    raises("cat: input 2 was released", function() torus.cat { x, gone } end)
    raises("grad: input 2 was released", function()
      torus.grad(x:sum(), { x, gone })
    end)
    raises("adam_step: gradient 1 was released", function()
      core.adam_step({ x }, { gone }, { x }, { x }, OPTIONS, { 1 })
    end)
  end)
end)
