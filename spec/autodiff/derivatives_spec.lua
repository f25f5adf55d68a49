local raises = require "spec.support.raises"
local torus = require "torus"

local function T(x) return torus.tensor(x, { dtype = "float64" }) end

-- Two derivatives of x^2 y + sin y by x = (x1, x2) and y, in closed form.
local function f(x, y) return (x ^ 2 * y + y:sin()):sum() end

local function near(expected, got, tolerance)
  assert.same(expected.shape, got.shape)
  local off = (expected - got):abs():max():item()
  assert.is_true(off <= (tolerance or 1e-12), "off by " .. off)
end

describe("torus.jacobian", function()
  it("has the shape of the result followed by that of the input", function()
    local A = torus.randn(4, 3, { dtype = "float64" })
    local x = torus.randn(3, 2, { dtype = "float64" })
    local J = torus.jacobian(function(v) return A:matmul(v) end, x)
    assert.same({ 4, 2, 3, 2 }, J.shape)
    -- dy_ij / dx_kl = A_ik delta_jl
    for j = 1, 2 do
      for l = 1, 2 do
        near(j == l and A or torus.zeros_like(A), J[{ {}, j, {}, l }])
      end
    end
  end)

  it("is zero where nothing depends on the input", function()
    local J = torus.jacobian(function(a) return a * 2 end, { T { 1, 2 }, T { 3 } })
    assert.same({ { 2, 0 }, { 0, 2 } }, J[1]:totable())
    assert.same({ { 0 }, { 0 } }, J[2]:totable())
    assert.same({ { 0 } }, torus.jacobian(function() return T { 1 } end, T { 1 }):totable())
    assert.same({ 0, 2 }, torus.jacobian(function(x) return x end,
      torus.zeros(0)):reshape(0, 2).shape)
  end)

  it("has no history, and one with create_graph", function()
    local w = torus.tensor({ 2, 3 }, { dtype = "float64", requires_grad = true })
    local function g(x) return w * x ^ 3 end
    assert.is_false(torus.jacobian(g, T { 1, 2 }).requires_grad)
    local J = torus.jacobian(g, T { 1, 2 }, { create_graph = true })
    -- the trace is 3 w1 x1^2 + 3 w2 x2^2
    assert.same({ 3, 12 }, torus.grad(J:sum(), w):totable())
  end)

  it("differentiates through a point that has a history", function()
    local a = torus.variable(T { 1, 2 })
    local J = torus.jacobian(function(x) return x ^ 2 end, a * 3, { create_graph = true })
    assert.same({ 6, 6 }, torus.grad(J:sum(), a):totable()) -- 2 * 3 a, by a
  end)

  it("works inside no_grad", function()
    torus.no_grad(function()
      assert.same({ { 2 } }, torus.jacobian(function(x) return x ^ 2 end, T { 1 }):totable())
      assert.is_false(torus.is_recording())
    end)
  end)
end)

describe("torus.hessian, vjp, jvp and hvp", function()
  local x, y = T { 0.5, -1.5 }, T { 0.7, 2 }
  local X, Y = torus.zeros(2, 2, { dtype = "float64" }), torus.zeros(2, 2, { dtype = "float64" })
  local mixed = X:copy()
  for i = 1, 2 do
    X[{ i, i }] = 2 * y[i]:item()
    Y[{ i, i }] = -math.sin(y[i]:item())
    mixed[{ i, i }] = 2 * x[i]:item()
  end

  it("are closed forms", function()
    local H = torus.hessian(f, { x, y })
    near(X, H[1][1])
    near(mixed, H[1][2])
    near(mixed, H[2][1])
    near(Y, H[2][2])
    local v, w = T { 1, 2 }, T { -1, 3 }
    local product, value = torus.hvp(f, { x, y }, { v, w })
    near(X:matmul(v) + mixed:matmul(w), product[1])
    near(mixed:matmul(v) + Y:matmul(w), product[2])
    near(f(x, y), value)
  end)

  it("agree with the Jacobian", function()
    local function g(a, b) return torus.cat({ a * b:exp(), (a * a):sum():reshape(1) }, 1) end
    local J = torus.jacobian(g, { x, y })
    local u, v, w = T { 1, -2, 0.5 }, T { 1, 2 }, T { -1, 3 }
    local value, rows = torus.vjp(g, { x, y }, u)
    near(g(x, y), value)
    near(u:matmul(J[1]), rows[1])
    near(u:matmul(J[2]), rows[2])
    local again, along = torus.jvp(g, { x, y }, { v, w })
    near(value, again)
    near(J[1]:matmul(v) + J[2]:matmul(w), along)
    assert.is_false(along.requires_grad or rows[1].requires_grad or value.requires_grad)
  end)

  it("can be differentiated with create_graph", function()
    local p = torus.variable(T { 3 })
    local function cube(a) return (p * a ^ 3):sum() end
    local o = { create_graph = true }
    near(T { 6 * 2 }, torus.grad((torus.hvp(cube, T { 2 }, T { 1 }, o)):sum(), p))
    near(T { 3 * 4 }, torus.grad(select(2, torus.jvp(cube, T { 2 }, T { 1 }, o)), p))
    near(T { 3 * 4 }, torus.grad(select(2, torus.vjp(cube, T { 2 }, T(1), o)):sum(), p))
    near(T { 6 * 2 }, torus.grad(torus.hessian(cube, T { 2 }, o):sum(), p))
  end)

  it("of linear functions are zero or constant", function()
    local function linear(a) return (a * 3):sum() end
    assert.same({ { 0, 0 }, { 0, 0 } }, torus.hessian(linear, x):totable())
    assert.same({ 0, 0 }, torus.hvp(linear, x, x):totable())
    assert.equal(6, select(2, torus.jvp(linear, x, T { 1, 1 })):item())
  end)

  it("say what does not fit", function()
    raises("hvp: expected a function whose result has one element, got tensor "
      .. "(2) float64", function() torus.hvp(function(a) return a end, x, x) end)
    raises("jacobian: expected a function, got 3", function() torus.jacobian(3, x) end)
    raises("jacobian: expected a tensor or a list of tensors as the point, got 3",
      function() torus.jacobian(f, 3) end)
    raises("vjp: expected direction of shape (2), got (3)", function()
      torus.vjp(function(a) return a end, x, torus.ones(3))
    end)
    raises("jvp: expected a direction like tensor (2) float64, got tensor (2) float32",
      function() torus.jvp(function(a) return a end, x, torus.ones(2)) end)
  end)
end)

describe("torus.gradcheck", function()
  it("finds a wrong gradient and says where", function()
    local function wrong(a) return a * a:detach() end
    local ok, message = torus.gradcheck(wrong, T { 0.3, 0.7 })
    assert.is_false(ok)
    assert.truthy(message:find("derivative of order 1 with respect to element 1 of input 1",
      1, true))
  end)

  it("finds a wrong second derivative", function()
    local square = torus.custom {
      forward = function(_, a) return a * a end,
      backward = function(context, g) return 2 * g * context.inputs[1]:detach() end,
    }
    assert.is_true(torus.gradcheck(square, T { 0.3, 0.7 }))
    local ok, message = torus.gradcheck(square, T { 0.3, 0.7 }, { order = 2 })
    assert.is_false(ok)
    assert.truthy(message:find("order 2", 1, true))
  end)

  it("refuses float32", function()
    raises("gradcheck: expected a float64 tensor as input 1, got tensor (1) float32",
      function() torus.gradcheck(f, torus.ones(1)) end)
  end)
end)
