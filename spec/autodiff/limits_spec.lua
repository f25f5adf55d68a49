-- Gradients at kinks, ties, limits and NaN, with finite and infinite gradients
-- arriving, against PyTorch (spec/support/limits_torch.py).
local torus = require "torus"

local INF = math.huge
local stored = assert(torus.load("data/reference/limits.safetensors"))

local function is_nan(x) return x ~= x end

local function same(expected, got, name, tolerance)
  expected, got = expected:flatten():totable(), got:flatten():totable()
  assert.equal(#expected, #got, name)
  for i, e in ipairs(expected) do
    local g = got[i]
    local fits = is_nan(e) and is_nan(g) or e == g
      or math.abs(e - g) <= (tolerance or 0) * math.max(1, math.abs(e))
    if not fits then
      error(("%s, element %d: expected %g, got %g"):format(name, i, e, g))
    end
  end
end

local unary = {
  relu = torus.relu,
  leaky_relu = function(x) return x:leaky_relu(0.25) end,
  abs = torus.abs,
  clamp = function(x) return x:clamp(-1, 0.5) end,
  pow0 = function(x) return x ^ torus.zeros_like(x) end,
  tanh = torus.tanh,
  sigmoid = torus.sigmoid,
}

-- Where torus selects 0 and PyTorch multiplies infinity by 0.
local selected = { ["abs.infinite"] = { [3] = 0, [4] = 0 } }

describe("the gradient at limits is PyTorch's: of", function()
  for _, arriving in ipairs { "finite", "infinite" } do
    local up = arriving == "finite" and 3 or INF
    for name, f in pairs(unary) do
      it(name .. ", arriving " .. arriving, function()
        local key = name .. "." .. arriving
        local x = torus.variable(stored.x:copy())
        local g = torus.grad(f(x), x, { grad_output = torus.full({ #x }, up,
          { dtype = "float64" }) })
        local expected = stored[key]:copy()
        for i, value in pairs(selected[key] or {}) do expected[i] = value end
        -- one rounding of tanh and sigmoid
        same(expected, g, key, 1e-15)
      end)
    end
    for _, name in ipairs { "maximum", "minimum" } do
      it(name .. ", arriving " .. arriving, function()
        local x, y = torus.variable(stored.left:copy()), torus.variable(stored.right:copy())
        local z = torus[name](x, y)
        local d = torus.grad(z, { x, y }, { grad_output = torus.full({ #x }, up,
          { dtype = "float64" }) })
        same(stored[name .. "." .. arriving .. ".left"], d[1], name)
        same(stored[name .. "." .. arriving .. ".right"], d[2], name)
      end)
    end
  end

  it("norm at zero", function()
    local x = torus.zeros(3, { dtype = "float64", requires_grad = true })
    local g = torus.grad(x:norm(), x, { create_graph = true })
    same(stored["norm.gradient"], g, "norm")
    same(torus.zeros(3), torus.grad((g * g):sum() + x:sum() * 0, x), "norm, second")
    local rows = torus.variable(torus.tensor({ { 0, 0 }, { 3, 4 } }, { dtype = "float64" }))
    same(torus.tensor { 0, 0, 0.6, 0.8 }:double(),
      torus.grad(rows:norm { dim = 2 }:sum(), rows), "rows", 1e-7)
  end)
end)

describe("a cut-off gradient is selected, not multiplied by zero: of", function()
  local function slope(f, values)
    local x = torus.variable(torus.tensor(values))
    return torus.grad(f(x):sum(), x):totable()
  end
  it("relu before a root", function()
    assert.same({ 0, 0.25 }, slope(function(x) return x:relu():sqrt() end, { -1, 4 }))
  end)
  it("clamp before a logarithm", function()
    assert.same({ 0, 0.5 }, slope(function(x) return x:clamp { min = 0 }:log() end, { -1, 2 }))
  end)
  it("maximum and minimum before a reciprocal root", function()
    local zero = torus.zeros(2)
    assert.same({ 0, -0.0625 },
      slope(function(x) return torus.maximum(x, zero) ^ -0.5 end, { -1, 4 }))
    assert.same({ 0, -0.0625 },
      slope(function(x) return torus.minimum(-x, zero):neg() ^ -0.5 end, { -1, 4 }))
  end)
  it("max and min over dimensions before a root", function()
    assert.same({ 0, INF, 0 }, slope(function(x) return x:max():sqrt() end, { -1, 0, -2 }))
    assert.same({ INF, 0, 0 }, slope(function(x) return x:min():sqrt() end, { 0, 1, 2 }))
  end)
  it("where, condition included", function()
    local c = torus.variable(torus.tensor { 1, 0 })
    local x = torus.variable(torus.tensor { 0, -1 })
    local y = torus.where(c, x, 0):sqrt():sum()
    local d = torus.grad(y, { c, x })
    assert.same({ 0, 0 }, d[1]:totable())
    assert.same({ INF, 0 }, d[2]:totable())
  end)
  it("x^0, while x^y keeps the mixed derivative 1/x at y = 0", function()
    assert.same({ 0, 0 }, slope(function(x) return (x ^ 0 - 1):sqrt() end, { 0, 2 }))
    local x = torus.variable(torus.tensor { 4 })
    local y = torus.variable(torus.tensor { 0 })
    local dx = torus.grad((x ^ y):sum(), x, { create_graph = true })
    assert.equal(0.25, torus.grad(dx:sum(), y):item())
  end)
  it("NaN in max over dimensions goes to the NaN", function()
    local x = torus.variable(torus.tensor { 1, 0 / 0, 2 })
    assert.same({ 0, 1, 0 }, torus.grad(x:max(), x):totable())
  end)
end)

describe("softmax, log_softmax and the gradient of logsumexp", function()
  for name, f in pairs {
    softmax = function(x) return x:softmax(2) end,
    log_softmax = function(x) return x:log_softmax(2) end,
    logsumexp = function(x) return x:logsumexp(2) end,
  } do
    -- a few roundings of exp and log; gradients up to 18
    for dtype, tolerance in pairs { float64 = 1e-14, float32 = 5e-6 } do
      it(name .. " is PyTorch's in " .. dtype, function()
        local x = torus.variable(stored.rows:to(dtype))
        local y = f(x)
        local up = torus.arange(1, y:numel(), { dtype = dtype }):reshape(y.shape)
        local g = torus.grad(y, x, { grad_output = up })
        same(stored[name .. ".value"], y:detach(), name, tolerance)
        same(stored[name .. ".gradient"], g, name .. "'s gradient", tolerance)
      end)
    end
  end

  it("give exact halves at large numbers", function()
    local x = torus.variable(torus.tensor { 1e3, 1e3, -1e3 })
    assert.same({ 0.5, 0.5, 0 }, x:softmax():detach():totable())
    assert.same({ 0.5, 0.5, 0 }, torus.grad(x:logsumexp(), x):totable())
    assert.same({ 0.5, 0.5 }, torus.tensor { 1e6, 1e6 }:softmax(1):totable())
  end)

  it("logsumexp of nothing but -infinity has gradient 0", function()
    local x = torus.variable(torus.tensor { -INF, -INF })
    assert.same({ 0, 0 }, torus.grad(x:logsumexp(), x):totable())
  end)
end)
