local raises = require "spec.support.raises"
local torus = require "torus"

local function T(x) return torus.tensor(x, { dtype = "float64" }) end

-- exp from its own value
local exp = torus.custom {
  name = "own exp",
  forward = function(_, x) return x:exp() end,
  backward = function(context, g) return g * context.outputs[1] end,
}

-- (x y, x + y), and a factor that is not a tensor
local products = torus.custom {
  forward = function(context, x, factor, y)
    context.factor = factor
    return factor * x * y, x + y
  end,
  backward = function(context, g, h)
    local x, _, y = table.unpack(context.inputs, 1, 3)
    return context.factor * g * y + h, nil, context.factor * g * x + h
  end,
}

describe("torus.custom", function()
  it("has derivatives of any order", function()
    assert(torus.gradcheck(exp, T { 0.3, -0.7 }, { order = 3 }))
    assert(torus.gradcheck(function(x, y) return products(x, 2.5, y) end,
      { T { { 0.3, -0.7 } }, T { { 1.2, 0.4 } } }, { order = 3 }))
  end)

  it("uses the gradient it was given, not the true one", function()
    local straight = torus.custom { -- rounds; its gradient passes unchanged
      forward = function(_, x) return (x + 0.5):floor() end,
      backward = function(_, g) return g end,
    }
    local x = torus.variable(T { 0.2, 1.7 })
    local y = straight(x)
    assert.same({ 0, 2 }, y:totable())
    assert.same({ 1, 1 }, torus.grad(y:sum(), x):totable())
  end)

  it("computes without a history where none is needed", function()
    assert.is_false(exp(T { 1 }).requires_grad)
    local x = torus.variable(T { 1 })
    assert.is_false(torus.no_grad(exp, x).requires_grad)
    assert.is_true(exp(x).requires_grad)
  end)

  it("returns integers beside floats", function()
    local best = torus.custom {
      forward = function(context, x)
        context.index = x:argmax(1)
        return x:max(1), context.index
      end,
      backward = function(context, g)
        local x = context.inputs[1]
        return torus.scatter_add(g:reshape(1), context.index:reshape(1), 1, x:numel())
      end,
    }
    local x = torus.variable(T { 1, 5, 2 })
    local value, index = best(x)
    assert.equal(2, index:item())
    assert.same({ 0, 1, 0 }, torus.grad(value, x):totable())
  end)

  it("may differentiate inside backward, by the same tensors", function()
    local function energy(x) return (x ^ 4):sum() end
    local implicit = torus.custom {
      forward = function(_, x) return energy(x) end,
      backward = function(context, g)
        local slope = torus.enable_grad(function()
          local x = context.inputs[1]
          if not x.requires_grad then x = torus.variable(x) end
          return torus.grad(energy(x), x, { create_graph = true })
        end)
        return g * slope
      end,
    }
    local x = T { 0.5, -1.5 }
    assert(torus.gradcheck(function(a) return implicit(a * 2) * (a * 3):sum() end, x,
      { order = 2 }))
    -- next to other paths to the same tensors, which wait for the sweep
    local a = torus.variable(x)
    local b = a * 2
    local y = implicit(b) + implicit(b + a) + (b * a):sum()
    local g = torus.grad(y, { a, b }, { retain_graph = true })
    local v = x:totable()
    for i = 1, 2 do
      local db = 4 * (2 * v[i]) ^ 3 + 4 * (3 * v[i]) ^ 3 + v[i]
      assert.near(db, g[2][i]:item(), 1e-10)
      assert.near(2 * db + 4 * (3 * v[i]) ^ 3 + 2 * v[i], g[1][i]:item(), 1e-10)
    end
  end)

  -- A function x * 3 whose gradient calls another one first.
  local function tripled(before)
    return torus.custom { forward = function(_, x) return x * 3 end,
      backward = function(_, g)
        before()
        return g * 3
      end }
  end

  it("may differentiate what the outer gradient is taken of", function()
    local w, x = torus.variable(T { 2 }), torus.variable(T { 1 })
    local z, found = w * 3, nil
    torus.grad(tripled(function()
      torus.enable_grad(function()
        found = torus.grad((z * z):sum(), w, { partial = true, retain_graph = true }):item()
      end)
    end)(x):sum(), { x, z }, { allow_unused = true })
    assert.equal(36, found)
  end)

  it("may release what the outer gradient is taken of", function()
    local x, z, kept = torus.variable(T { 1, 1 }), torus.variable(torus.ones(175)), {}
    local g = torus.grad(tripled(function()
      z:release()
      for i = 1, 4 do kept[i] = torus.ones(225) end
    end)(x):sum(), { x, z }, { allow_unused = true })
    assert.same({ 3, 3 }, g[1]:totable())
    assert.is_nil(g[2])
    assert.equal(4, #kept)
  end)

  it("may not free history that the outer gradient needs", function()
    local x = torus.variable(T { 1, 2, 3 })
    local h = x * 2
    local other = (h * 10):sum()
    local y = tripled(function() torus.grad(other, x) end)(h) + x * 5
    local ok, message = pcall(torus.grad, y:sum(), x)
    assert.is_false(ok)
    assert.truthy(message:find("history of this result of mul was freed", 1, true), message)
  end)

  it("sums gradients over broadcast dimensions", function()
    local scaled = torus.custom {
      forward = function(_, x, s) return x * s end,
      backward = function(context, g)
        return g * context.inputs[2], g * context.inputs[1]
      end,
    }
    local x, row, one = T { { 1, 2 }, { 3, 4 } }, T { { 0.5, -1 } }, T(0.7)
    assert(torus.gradcheck(scaled, { x, row }, { order = 2 }))
    assert(torus.gradcheck(scaled, { x, one }, { order = 2 }))
    local s = torus.variable(row)
    assert.same({ { 4, 6 } }, torus.grad(scaled(x, s):sum(), s):totable())
  end)

  it("works with backward, in loops, without holding memory", function()
    local x = torus.variable(torus.ones(1000))
    collectgarbage()
    collectgarbage()
    local before
    for step = 1, 60 do
      local y, z = products(exp(x), 0.5, x);
      (y + z):sum():backward()
      x.grad = nil
      if step == 10 then
        collectgarbage()
        before = torus.memory().live_bytes
      end
    end
    collectgarbage()
    assert.is_true(torus.memory().live_bytes <= before + 8192)
  end)

  it("raises the script's own error, with its line", function()
    local bad = torus.custom {
      forward = function(_, x) return x * 2 end,
      backward = function() error("no gradient today") end,
    }
    local x = torus.variable(T { 1 })
    local ok, message = pcall(torus.grad, bad(x):sum(), x)
    assert.is_false(ok)
    assert.truthy(message:find("custom_spec.lua:%d+: no gradient today"))
    assert.is_true(torus.is_recording())
  end)

  it("says what forward and backward returned wrongly", function()
    local function with(forward, backward)
      return torus.custom { forward = forward, backward = backward, name = "mine" }
    end
    local x = torus.variable(T { 1, 2 })
    raises("mine: expected tensors from forward, got 3 as result 1", function()
      with(function() return 3 end, function() end)(x)
    end)
    raises("mine: expected a gradient of argument 1 like it, tensor (2) float64, from "
      .. "backward, got tensor (1) float64", function()
      torus.grad(with(function(_, a) return a * 2 end,
        function() return T { 1 } end)(x):sum(), x)
    end)
    raises("mine: expected at most 1 gradients from backward, one for each argument "
      .. "of forward, got 2", function()
      torus.grad(with(function(_, a) return a * 2 end,
        function(_, g) return g, g end)(x):sum(), x)
    end)
    local function released(_, a)
      local y = a * 2
      y:release()
      return y
    end
    local function double(_, a) return a * 2 end
    raises("mine: expected tensors from forward, got a released tensor as result 1", function()
      with(released, double)(x)
    end)
    raises("mine: expected a gradient of argument 1 like it, tensor (2) float64, from "
      .. "backward, got a released tensor", function()
      torus.grad(with(double, released)(x):sum(), x)
    end)
    raises("mine: backward released argument 1", function()
      torus.grad(with(double, function(context, g)
        context.inputs[1]:release()
        return g
      end)(x):sum(), x)
    end)
    raises("custom: option \"backward\" is missing", function()
      torus.custom { forward = function() end }
    end)
  end)

  it("refuses values that were overwritten", function()
    local x = torus.variable(T { 1, 2 })
    local a = x:detach():copy()
    local y = products(x, 1, a)
    a:mul_(2)
    local ok, message = pcall(torus.grad, y:sum(), x)
    assert.is_false(ok)
    assert.truthy(message:find("changed in place", 1, true))
  end)
end)

describe("anomaly mode", function()
  local function line() return debug.getinfo(2, "l").currentline end
  local function failure(f)
    local ok, message = pcall(torus.detect_anomaly, f)
    assert.is_false(ok)
    assert.is_false(torus.set_detect_anomaly(false))
    return message
  end

  it("names the operation that makes the first NaN", function()
    local message = failure(function() return (T { 1, -1 }:log() * 2):exp() end)
    assert.truthy(message:find("anomaly: log makes the first NaN, element 2 of its "
      .. "result, tensor (2) float64; its inputs have none", 1, true))
    assert.truthy(message:find("custom_spec.lua:%d+: "))
  end)

  it("names the input that brings one in", function()
    local message = failure(function() return T { 1, 2 } * T { 1, 0 / 0 } end)
    assert.truthy(message:find("anomaly: input 2 of mul, tensor (2) float64, brings in "
      .. "the first NaN, as element 2", 1, true))
  end)

  it("looks once at elements that a view repeats", function()
    local view = T { { 1 }, { 0 / 0 } }:expand(2, 3)
    local message = failure(function() return view * 1 end)
    assert.truthy(message:find("brings in the first NaN, as element 4", 1, true), message)
    local long = torus.detect_anomaly(function() return T { 2 }:expand(1 << 40) end)
    assert.equal(1 << 40, long:numel())
  end)

  it("names the call whose gradient makes one, with its line", function()
    local x, called = torus.variable(T { 0, 4 }), nil
    local message = failure(function()
      local y = x:sqrt(); called = line() -- its gradient at 0 is infinite
      torus.grad((y * T { 0, 1 }):sum(), x) -- and times 0 it is NaN
    end)
    local text = ("anomaly: the gradient of sqrt, called at %s:%d, makes the first NaN, "
      .. "element 1 for input 1, tensor (2) float64; the gradient that arrives has none")
      :format(debug.getinfo(1, "S").short_src, called)
    assert.truthy(message:find(text, 1, true), message)
  end)

  it("keeps the line of a call through its second derivative", function()
    local x, called = torus.variable(T { 0 }), nil
    local message = failure(function()
      local y = x:relu() ^ 1.5; called = line()
      local g = torus.grad(y:sum(), x, { create_graph = true })
      torus.grad((g * 0):sum(), x) -- 0.75 x^-0.5 at 0, times 0
    end)
    assert.truthy(message:find((":%d, makes"):format(called), 1, true), message)
  end)

  it("leaves gradients alone that mask a NaN", function()
    local x = torus.variable(T { 0, 0 })
    torus.detect_anomaly(function()
      assert.same({ 0, 0 }, torus.grad(x:norm(), x):totable())
    end)
  end)

  it("is off again after the function, and after an error", function()
    assert.equal(3, torus.detect_anomaly(function(n) return n end, 3))
    assert.is_true(torus.log(T { -1 }):ne(torus.log(T { -1 })):sum():item() == 1)
    assert.is_false(torus.set_detect_anomaly(true))
    assert.is_true(torus.set_detect_anomaly(false))
    raises("set_detect_anomaly: expected true or false, got no value",
      function() torus.set_detect_anomaly() end)
  end)

  it("changes no values", function()
    local function train()
      torus.manual_seed(4)
      local net = torus.nn.MLP { sizes = { 2, 8, 1 } }
      local adam = torus.optim.adam(net:parameters())
      for _ = 1, 3 do
        adam:zero_grad()
        net(torus.randn(5, 2)):square():mean():backward()
        adam:step()
      end
      return net:parameters()[1]:totable()
    end
    assert.same(train(), torus.detect_anomaly(train))
  end)
end)
