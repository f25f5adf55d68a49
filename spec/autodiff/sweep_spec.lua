local torus = require "torus"

local f64 = { dtype = "float64" }

local function leaf(values)
  return torus.tensor(values, { dtype = "float64", requires_grad = true })
end

local function raises(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "nothing was raised")
  assert.truthy(message:find(text, 1, true), message)
  assert.truthy(message:find("^spec/autodiff/sweep_spec.lua:%d+: "), message)
  assert.is_nil(message:find("\n"), message)
end

describe("a gradient", function()
  it("sums over all paths", function()
    local x = leaf { 3 }
    local a = x * x
    local y = a * x + a + x -- x^3 + x^2 + x
    assert.same({ 34 }, torus.grad(y, x):totable())
  end)

  it("takes a time that does not grow with the number of paths", function()
    local x = leaf { 1 }
    local y = x
    for _ = 1, 60 do y = y + y end
    assert.same({ 2 ^ 60 }, torus.grad(y, x):totable())
  end)

  it("is one for y itself", function()
    local x = leaf { 2 }
    assert.same({ 1 }, torus.grad(x, x):totable())
    local y = x * 3
    assert.same({ 1 }, torus.grad(y, y):totable())
  end)

  it("is taken by intermediate tensors, also together with their sources", function()
    local x = leaf { 1, 2 }
    local h = x * 3
    local y = (h * h):sum()
    local g = torus.grad(y, { x, h, y })
    assert.same({ 18, 36 }, g[1]:totable())
    assert.same({ 6, 12 }, g[2]:totable())
    assert.equal(1, g[3]:item())
  end)

  it("by an intermediate tensor leaves what lies before it usable", function()
    local x = leaf { 2 }
    local h = x * x
    local y = h * h
    assert.same({ 8 }, torus.grad(y, h):totable())
    assert.same({ 4 }, torus.grad(h, x):totable())
  end)

  it("of a list may name a tensor twice", function()
    local x, z = leaf { 2 }, leaf { 5 }
    local g = torus.grad(x * z, { x, z, x })
    assert.same({ { 5 }, { 2 }, { 5 } },
      { g[1]:totable(), g[2]:totable(), g[3]:totable() })
    assert.same({}, torus.grad(x * z, {}))
  end)

  it("shares no memory with another one", function()
    local x, z = leaf { 1, 2 }, leaf { 3, 4 }
    local g = torus.grad((x + z):sum(), { x, z, x })
    g[1]:mul_(7)
    assert.same({ 7, 7 }, g[1]:totable())
    assert.same({ 1, 1 }, g[2]:totable())
    assert.same({ 1, 1 }, g[3]:totable())
    local seed = torus.ones(2, f64)
    torus.grad(x, x, { grad_output = seed }):mul_(7)
    assert.same({ 1, 1 }, seed:totable())
  end)

  it("starts from grad_output", function()
    local x = leaf { 1, 2 }
    local g = torus.grad(x * x, x, { grad_output = torus.tensor({ 10, 100 }, f64) })
    assert.same({ 20, 400 }, g:totable())
  end)

  it("flows to grad_output when it is recorded", function()
    local x, seed = leaf { 3 }, leaf { 2 }
    local g = torus.grad(x * x, x, { grad_output = seed, create_graph = true })
    assert.same({ 12 }, g:totable())
    local second = torus.grad(g, { x, seed })
    assert.same({ 4 }, second[1]:totable())
    assert.same({ 6 }, second[2]:totable())
    local through = torus.grad(x, x, { grad_output = seed })
    assert.is_false(through.requires_grad)
  end)

  it("can be differentiated until nothing is left", function()
    local x = leaf { 2 }
    local y = x * x * x
    local d1 = torus.grad(y, x, { create_graph = true })
    local d2 = torus.grad(d1, x, { create_graph = true })
    local d3 = torus.grad(d2, x, { create_graph = true })
    assert.same({ { 12 }, { 12 }, { 6 } },
      { d1:totable(), d2:totable(), d3:totable() })
    assert.same({ 12 }, torus.grad(y, x):totable()) -- y's own history still stands
  end)

  it("of a tenth order is exact for exp", function()
    local x = leaf { 0.5 }
    local g = x:exp()
    for _ = 1, 10 do g = torus.grad(g, x, { create_graph = true }) end
    assert.near(math.exp(0.5), g:item(), 1e-14)
  end)

  it("goes through a chain of 200000 operations and back", function()
    local x = leaf { 1.5 }
    local y = x
    for _ = 1, 200000 do y = y:neg() end
    assert.same({ 1 }, torus.grad(y, x, { retain_graph = true }):totable())
    y:release() -- the whole chain dies here
    collectgarbage()
  end)

  it("goes through a wide sum", function()
    local x = leaf { 1 }
    local parts = {}
    for i = 1, 300 do parts[i] = x * i end
    assert.same({ 45150 }, torus.grad(torus.cat(parts):sum(), x):totable())
  end)

  it("goes back through a long cat in time that grows with its length", function()
    local x, parts = leaf { 1 }, {}
    for i = 1, 40000 do parts[i] = i % 2 == 0 and x * 1 or torus.ones(1, f64) end
    local y = (torus.cat(parts) * torus.arange(40000, f64)):sum()
    local before = os.clock()
    assert.same({ 20000 * 20001 }, torus.grad(y, x):totable())
    assert.is_true(os.clock() - before < 2) -- by squares it was 6 seconds
  end)

  it("is taken by many tensors at once", function()
    local list, total = {}, 0
    for i = 1, 40 do
      list[i] = leaf { i }
      total = list[i] * list[i] + total
    end
    for i, g in ipairs(torus.grad(total, list)) do assert.equal(2 * i, g:item()) end
  end)

  it("does not depend on results that were released", function()
    local x = leaf { 2 }
    local h = x * x
    local y = h * h
    h:release()
    assert.same({ 32 }, torus.grad(y, x):totable())
  end)

  it("is nil for an unused tensor only where that is allowed", function()
    local x, z = leaf { 1 }, leaf { 2 }
    local g = torus.grad(x * x, { x, z }, { allow_unused = true })
    assert.same({ 2 }, g[1]:totable())
    assert.is_nil(g[2])
    assert.is_nil(torus.grad(x * x, z, { allow_unused = true }))
    raises("grad: y does not depend on input 2", torus.grad, x * x, { x, z })
    raises("grad: input 1 does not require a gradient", torus.grad, x * x, torus.ones(1))
  end)

  it("is refused, with a reason, where there can be none", function()
    local x = leaf { 1, 2 }
    local plain = torus.ones(2)
    raises("grad: expected a y with one element", torus.grad, x * 2, x)
    raises("grad: y does not depend on any tensor", torus.grad, plain:sum(), x)
    torus.no_grad(function()
      for name, f in pairs { grad = torus.grad, backward = torus.ones(1).backward } do
        raises(name .. ": y does not depend on any tensor that requires a gradient; if it was "
          .. "computed inside torus.no_grad, where nothing is recorded, compute it in "
          .. "torus.enable_grad", f, (x * 2):sum(), name == "grad" and x or nil)
      end
    end)
    raises("grad: expected grad_output like y, tensor (2) float64, got tensor (1) float64",
      torus.grad,
      x * 2, x, { grad_output = torus.ones(1, f64) })
    raises("grad: expected grad_output like y, tensor (2) float64, got tensor (2) float32",
      torus.grad,
      x * 2, x, { grad_output = plain })
    raises("grad: expected a tensor as grad_output, got 1", torus.grad,
      x * 2, x, { grad_output = 1 })
    raises("grad: unknown option \"creategraph\"", torus.grad, x:sum(), x, { creategraph = true })
    raises("grad: expected a tensor as argument 1, got no value", torus.grad)
    raises("grad: expected a tensor or a list", torus.grad, x:sum(), 5)
    raises("grad: expected a tensor as input 2, got 5", torus.grad, x:sum(), { x, 5 })
    raises("expected a y with one element", x.backward, x * 2)
  end)
end)

describe("a history", function()
  it("is freed by the first sweep unless it is retained", function()
    local x = leaf { 3 }
    local y = x * x
    assert.same({ 6 }, torus.grad(y, x, { retain_graph = true }):totable())
    assert.same({ 6 }, torus.grad(y, x):totable())
    raises("was freed by an earlier backward pass", torus.grad, y, x)
    raises("pass retain_graph = true", y.backward, y)
  end)

  it("gives its memory back at once", function()
    local x = torus.ones({ 1000 }, { requires_grad = true })
    local y = x
    for _ = 1, 100 do y = y:tanh() end
    y = y:sum()
    collectgarbage()
    local full = torus.memory().live_bytes
    y:backward()
    collectgarbage()
    assert.is_true(torus.memory().live_bytes < full - 99 * 4000)
  end)

  it("with a part that was freed still serves the other part", function()
    local x = leaf { 2 }
    local h = x * x
    local a, b = h * 2, h * 3
    assert.same({ 8 }, torus.grad(a, x):totable())
    assert.same({ 3 }, torus.grad(b, h, { retain_graph = true }):totable())
    raises("was freed", torus.grad, b, x)
  end)

  it("is not noted inside no_grad", function()
    local x = leaf { 2 }
    local y = torus.no_grad(function() return x * x end)
    assert.is_false(y.requires_grad)
    assert.is_true(torus.no_grad(torus.enable_grad, function() return x * x end).requires_grad)
    assert.is_true((x * x).requires_grad)
  end)

  it("is noted again after an error inside no_grad", function()
    local x = leaf { 2 }
    assert.has_error(function() torus.no_grad(error, "inside") end, "inside")
    assert.is_true(torus.is_recording())
    torus.no_grad(function()
      pcall(torus.enable_grad, error, "deeper")
      assert.is_false(torus.is_recording())
    end)
    assert.is_true((x * x).requires_grad)
    assert.same({ 1, 2, nil, 4 }, { torus.no_grad(function(...) return ... end, 1, 2, nil, 4) })
    raises("no_grad: expected a function, got no value", torus.no_grad)
  end)

  it("is noted again when a coroutine inside no_grad is given up", function()
    local co = coroutine.create(function()
      torus.no_grad(function() error(setmetatable({}, {})) end)
    end)
    assert.is_false(coroutine.resume(co))
    assert.is_true(torus.is_recording())
    local ok, message = pcall(coroutine.wrap(function()
      torus.no_grad(coroutine.yield)
    end))
    assert.is_false(ok)
    assert.truthy(tostring(message):find("yield"))
    assert.is_true(torus.is_recording())
  end)

  it("ends at detach, which shares memory", function()
    local x = leaf { 2 }
    local y = x * x:detach()
    assert.same({ 2 }, torus.grad(y, x):totable())
    local d = torus.ones(2):detach()
    assert.is_true(d.is_leaf)
    d.requires_grad = true
    assert.is_true((d * 2).requires_grad)
  end)

  it("is refused when what it needs was overwritten", function()
    local text = "was changed in place after it was used"
    local x = leaf { 1, 2 }
    local y = (x * x):sum()
    torus.no_grad(x.mul_, x, 2)
    raises(text, torus.grad, y, x)
    local e = x:exp()
    y = e:sum()
    e:detach():zero_()
    raises(text, torus.grad, y, x)
    local constant = torus.ones(2, f64)
    y = (x * constant):sum()
    constant[1] = 5
    raises(text, torus.grad, y, x)
  end)

  it("is given when what was overwritten is of no use to it", function()
    local x, b = leaf { 1, 2 }, torus.ones(2, f64)
    local parts = { x, x, x, x, b }
    for _, y in ipairs { x + b, b - x, x / 3, torus.cat(parts), x:reshape(2, 1),
      torus.where(b, x, b) } do
      local expected = torus.grad(y:sum(), x, { retain_graph = true }):totable()
      torus.no_grad(x.add_, x, 1)
      assert.same(expected, torus.grad(y:sum(), x):totable())
    end
    local y = b / x -- reads the divisor and the quotient
    b:zero_()
    local g = torus.grad(y:sum(), x, { retain_graph = true })
    assert.is_true((g + y / x):abs():max():item() < 1e-15)
    torus.no_grad(x.add_, x, 1)
    raises("the gradient of div needs", torus.grad, y:sum(), x)
  end)

  it("is refused on a view whose base was overwritten", function()
    local base = torus.ones(4, f64)
    local x = leaf { 1, 2 }
    local y = (x * base[{ { 1, 2 } }]):sum()
    base[4] = 3
    raises("was changed in place", torus.grad, y, x)
  end)

  it("is not disturbed by writes to copies", function()
    local x = leaf { 1, 2 }
    local y = (x * x):sum()
    x:detach():copy():zero_()
    assert.same({ 2, 4 }, torus.grad(y, x):totable())
  end)
end)

describe("torus.variable", function()
  it("gives the partial derivative, with everything else held fixed", function()
    local q = leaf { 3 }
    local p = q * 2 -- p depends on q
    local v = torus.variable(q)
    local H = v * v * p
    assert.same({ 36 }, torus.grad(H, v):totable()) -- 2 q p, not 6 q^2
  end)

  it("lets gradients flow back to what it was made from", function()
    local q = leaf { 3 }
    local p = q * 2
    local v = torus.variable(q)
    local force = torus.grad(v * v * p, v, { create_graph = true }) -- 2 q p = 4 q^2
    assert.same({ 36 }, force:totable())
    assert.same({ 24 }, torus.grad(force, q):totable()) -- 8 q
  end)

  it("of a plain tensor is a leaf with its memory", function()
    local x = torus.tensor({ 1, 2 }, f64)
    local v = torus.variable(x)
    assert.is_true(v.is_leaf and v.requires_grad)
    assert.is_false(x.requires_grad)
    assert.same({ 2, 4 }, torus.grad((v * v):sum(), v):totable())
    x[1] = 7
    assert.equal(7, v[1]:item())
  end)

  it("inside no_grad is a leaf too", function()
    local x = leaf { 2 }
    local v = torus.no_grad(torus.variable, x)
    assert.is_true(v.is_leaf and v.requires_grad)
    assert.same({ 4 }, torus.grad(v * v, v):totable())
  end)

  it("is refused for integers", function()
    raises("variable: expected a float32 or float64 tensor, got tensor (3) int64",
      torus.variable, torus.randperm(3))
  end)
end)

describe("backward", function()
  it("adds to .grad of the leaves alone", function()
    local x, z = leaf { 2 }, leaf { 5 }
    local h = x * z
    h:backward()
    assert.same({ 5 }, x.grad:totable())
    assert.same({ 2 }, z.grad:totable())
    assert.is_nil(h.grad);
    (x * 3):backward()
    assert.same({ 8 }, x.grad:totable())
    assert.is_false(x.grad.requires_grad)
    x.grad = nil;
    (x * 3):backward()
    assert.same({ 3 }, x.grad:totable())
  end)

  it("gives each leaf memory of its own", function()
    local x, z = leaf { 1, 2 }, leaf { 3, 4 };
    (x + z):sum():backward()
    x.grad:mul_(5)
    assert.same({ 5, 5 }, x.grad:totable())
    assert.same({ 1, 1 }, z.grad:totable())
  end)

  it("leaves a gradient that was taken out as it is", function()
    local x = leaf { 1 };
    (x * 2):backward()
    local kept = x.grad;
    (x * 3):backward()
    assert.same({ 2 }, kept:totable())
    assert.same({ 5 }, x.grad:totable())
  end)

  it("of a leaf is one", function()
    local x = leaf { 4 }
    x:backward()
    assert.same({ 1 }, x.grad:totable())
  end)

  it("takes a grad_output and retains on request", function()
    local x = leaf { 1, 2 }
    local y = x * x
    y:backward { grad_output = torus.tensor({ 1, 10 }, f64), retain_graph = true }
    y:backward { grad_output = torus.ones(2, f64) }
    assert.same({ 4, 44 }, x.grad:totable())
    raises("use torus.grad with create_graph", y.backward, y, { create_graph = true })
  end)

  it("does not reach frozen leaves", function()
    local x, w = leaf { 2 }, leaf { 3 }
    w.requires_grad = false;
    (x * w):backward()
    assert.is_nil(w.grad)
    assert.same({ 3 }, x.grad:totable())
  end)

  it("checks what is stored in .grad", function()
    local x = leaf { 1, 2 }
    x.grad = torus.ones(2, f64)
    assert.same({ 1, 1 }, x.grad:totable())
    raises("grad: expected tensor (2) float64, like the tensor itself, got tensor (3) float64",
      function() x.grad = torus.ones(3, f64) end)
    raises("got tensor (2) float32", function() x.grad = torus.ones(2) end)
    raises("grad: expected a tensor", function() x.grad = 5 end)
    local holder = torus.ones(2, f64)
    holder.grad = torus.ones(2, f64)
    for _, g in ipairs { x, x * 2, holder } do
      raises("assign g:detach()", function() x.grad = g end)
      x.grad = g:detach()
    end
  end)
end)

describe("requires_grad", function()
  it("can be switched on leaves of floats alone", function()
    local x = torus.ones(2)
    x.requires_grad = true
    local y = x * 2
    assert.is_true(y.requires_grad)
    assert.is_false(y.is_leaf)
    raises("expected a leaf to switch off, got the result of mul",
      function() y.requires_grad = false end)
    raises("expected a float32 or float64 tensor, got tensor (2) int64",
      function() torus.randperm(2).requires_grad = true end)
    raises("zeros: expected float32 or float64 with requires_grad, got the dtype uint8",
      torus.zeros, { 2 },
      { dtype = "uint8", requires_grad = true })
  end)

  it("does not pass through indices and comparisons", function()
    local x = leaf { 3, 1, 2 }
    assert.is_false(x:gt(1).requires_grad)
    assert.is_false(x:argmax(1).requires_grad)
    assert.is_false(x:to("int64").requires_grad)
    assert.is_true(x:gather(1, x:argmax(1):reshape(1)).requires_grad)
  end)
end)
