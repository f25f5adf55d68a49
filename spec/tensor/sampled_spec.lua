-- Differences, integrals and interpolation of samples, and some products and statistics,
-- next to loops over plain numbers and closed forms.
local torus = require "torus"
local raises = require "spec.support.raises"

local F64 = { dtype = "float64" }
local NAN = 0 / 0

local function same(expected, got, tolerance)
  local list = got:reshape(-1):totable()
  assert.are.equal(#expected, #list)
  for i, value in ipairs(expected) do
    if value ~= value then
      assert.is_true(list[i] ~= list[i])
    else
      assert.is_near(value, list[i], tolerance or 0)
    end
  end
end

describe("samples", function()
  it("have differences of any order along any dimension", function()
    same({ 3, 5, 7 }, torus.tensor { 1, 4, 9, 16 }:diff())
    same({ 2, 2 }, torus.tensor { 1, 4, 9, 16 }:diff(2))
    same({ 9, 18, 27 }, torus.tensor { { 1, 2, 3 }, { 10, 20, 30 } }:diff(1, 1))
    assert.are.same({ 0 }, torus.ones(2):diff(5).shape)
    same({ -1, 2 }, torus.tensor({ 5, 4, 6 }, { dtype = "int64" }):diff())
  end)

  it("integrate to the exact value, with an error that falls with the spacing squared", function()
    local errors = {}
    for i, n in ipairs { 51, 101 } do
      local t = torus.linspace(0, 2, n, F64)
      errors[i] = t:exp():trapezoid(t):item() - (math.exp(2) - 1)
      assert.is_near(errors[i] + math.exp(2) - 1, t:exp():trapezoid(2 / (n - 1)):item(), 1e-12)
    end
    assert.is_near(2, math.log(errors[1] / errors[2], 2), 1e-3)
  end)

  it("integrate up to each sample", function()
    local t = torus.tensor({ 0, 1, 1.5, 4 }, F64)
    same({ 0.5, 1.125, 8 }, t:cumulative_trapezoid(t), 1e-15)
    local y = torus.stack({ t, t * 2 }, 2)
    local areas = y:cumulative_trapezoid(t, 1)
    assert.are.same({ 3, 2 }, areas.shape)
    same({ 8, 16 }, areas[-1], 1e-14)
    same({ 8, 16 }, y:trapezoid(t, 1), 1e-14)
  end)

  it("are found like in a loop, with repeated and missing values", function()
    torus.manual_seed(3)
    for _, n in ipairs { 0, 1, 2, 3, 7, 16, 33 } do
      local sorted = (torus.rand(n) * 6):floor():sort()
      local values = torus.arange(-1, 7, 0.5)
      local list, left, right = sorted:totable(), {}, {}
      for i, v in ipairs(values:totable()) do
        left[i], right[i] = 1, 1
        for _, s in ipairs(list) do
          if s < v then left[i] = left[i] + 1 end
          if s <= v then right[i] = right[i] + 1 end
        end
      end
      same(left, sorted:searchsorted(values))
      same(right, sorted:searchsorted(values, { side = "right" }))
    end
    local sorted = torus.tensor { 1, 2, NAN }
    same({ 3, 3 }, sorted:searchsorted(torus.tensor { NAN, 3 }))
    same({ 4, 3 }, sorted:searchsorted(torus.tensor { NAN, 3 }, { side = "right" }))
    assert.are.equal(2, sorted:searchsorted(2):item())
  end)

  it("interpolate exactly between themselves and as asked outside", function()
    local xp, fp = torus.tensor({ 0, 1, 3 }, F64), torus.tensor({ 10, 20, 40 }, F64)
    local x = torus.tensor({ -1, 0, 0.5, 1, 2, 3, 5, NAN }, F64)
    same({ 10, 10, 15, 20, 30, 40, 40, NAN }, torus.interp(x, xp, fp))
    same({ 0, 10, 15, 20, 30, 40, 60, NAN }, torus.interp(x, xp, fp, { outside = "linear" }))
    same({ NAN, 10, 15, 20, 30, 40, NAN, NAN }, torus.interp(x, xp, fp, { outside = "nan" }))
    same({ 15, 1.5 }, torus.interp(0.5, xp, torus.stack({ fp, fp / 10 }, 2)))
    local y = torus.interp(x:narrow(1, 1, 6):reshape(2, 3), xp, torus.stack({ fp, -fp }, 2))
    assert.are.same({ 2, 3, 2 }, y.shape)
    assert.are.equal(-30, y[{ 2, 2, 2 }]:item())
  end)

  it("of a sine are interpolated within the bound of the second derivative", function()
    local xp = torus.linspace(0, 3, 40, F64)
    local x = torus.rand({ 200 }, { dtype = "float64", generator = torus.generator(1) }) * 3
    local error = (torus.interp(x, xp, xp:sin()) - x:sin()):abs():max():item()
    assert.is_true(error < (3 / 39) ^ 2 / 8 and error > 1e-5)
  end)
end)

describe("products and statistics", function()
  it("of vectors and matrices agree with loops", function()
    assert.are.equal(11, torus.tensor { 1, 2 }:dot(torus.tensor { 3, 4 }):item())
    local x = torus.arange(24):reshape(2, 3, 4)
    same({ 1 + 6 + 11, 13 + 18 + 23 }, x:trace())
    assert.are.equal(math.huge, torus.tensor { { math.huge, math.huge }, { 0, 1 } }:trace():item())
    same({ 1, 2, 10, 20 }, torus.tensor { { 1, 2 } }:kron(torus.tensor { { 1 }, { 10 } }))
    local a, b = torus.randn(2, 3), torus.randn(3, 2)
    local k = a:kron(b)
    for i = 1, 6 do
      for j = 1, 6 do
        local expected = a[{ (i - 1) // 3 + 1, (j - 1) // 2 + 1 }]:item()
          * b[{ (i - 1) % 3 + 1, (j - 1) % 2 + 1 }]:item()
        assert.is_near(expected, k[{ i, j }]:item(), 1e-6)
      end
    end
  end)

  it("of several variables are NumPy's", function()
    -- numpy.cov([[1, 2, 4], [6, 5, 1]]) and numpy.corrcoef of it
    local x = torus.tensor({ { 1, 2, 4 }, { 6, 5, 1 } }, F64)
    same({ 7 / 3, -4, -4, 7 }, x:cov(), 1e-14)
    same({ 14 / 9, -8 / 3, -8 / 3, 14 / 3 }, x:cov { correction = 0 }, 1e-14)
    same({ 1, -4 / math.sqrt(49 / 3), -4 / math.sqrt(49 / 3), 1 }, x:corrcoef(), 1e-14)
    assert.are.same({}, x[1]:cov().shape)
    assert.is_near(x[1]:var({ correction = 1 }):item(), x[1]:cov():item(), 1e-14)
  end)

  it("repeat elements next to themselves", function()
    same({ 1, 1, 2, 2 }, torus.tensor { 1, 2 }:repeat_interleave(2))
    same({ 2, 2, 2, 4, 4, 4 }, torus.tensor { { 1, 2 }, { 3, 4 } }:repeat_interleave({ 0, 3 }, 2))
    local times = torus.tensor({ 2, 1 }, { dtype = "int64" })
    same({ 1, 1, 2 }, torus.tensor { 1, 2 }:repeat_interleave(times))
  end)

  it("are made with equal ratios and like others", function()
    same({ 1, 10, 100, 1000 }, torus.logspace(0, 3, 4), 1e-4)
    same({ 1, 2, 4, 8 }, torus.logspace(0, 3, 4, { base = 2, dtype = "int64" }))
    assert.is_true(torus.logspace(0, 1, 2, { requires_grad = true }).requires_grad)
    local x = torus.full_like(torus.zeros({ 2, 1 }, F64), 7, { requires_grad = true })
    assert.are.same({ "float64", true, { 2, 1 } }, { x.dtype, x.requires_grad, x.shape })
    same({ 7, 7 }, x)
  end)
end)

describe("a wrong argument", function()
  local v = torus.tensor { 1, 2 }
  it("raises with what was expected", function()
    raises('diff: expected an integer as n, got "a"', function() v:diff("a") end)
    raises("diff: expected n from 0, got -1", function() v:diff(-1) end)
    raises("trapezoid: expected x as a number, or of shape (2), got tensor (3) float32",
      function() v:trapezoid(torus.ones(3)) end)
    raises("trapezoid: expected at least one sample along dimension 1", function()
      torus.ones(0):trapezoid()
    end)
    raises("cumulative_trapezoid: expected float32 or float64 as y", function()
      v:to("int64"):cumulative_trapezoid()
    end)
    raises("searchsorted: expected a vector as sorted", function()
      torus.ones(2, 2):searchsorted(1)
    end)
    raises("interp: expected ascending positions xp", function() torus.interp(v, -v, v) end)
    raises("interp: expected xp of shape (n) with n from 2", function()
      torus.interp(v, v, torus.ones(3))
    end)
    raises("dot: expected two vectors of the same length", function() v:dot(torus.ones(3)) end)
    raises("trace: expected matrices", function() v:trace() end)
    raises("kron: expected tensors with at most 4 dimensions", function()
      v:kron(torus.ones(1, 1, 1, 1, 1))
    end)
    raises("cov: expected variables by observations (d,n)", function()
      torus.ones(1, 1, 1):cov()
    end)
    raises("corrcoef: expected variables by observations (d,n)", function() v:corrcoef() end)
    raises('logspace: option "base": expected more than 0, got -1', function()
      torus.logspace(0, 1, 2, { base = -1 })
    end)
    raises("full_like: expected a tensor, got 3", function() torus.full_like(3, 3) end)
    raises("repeat_interleave: expected 2 numbers, one for each element of dimension 1, got 1",
      function() v:repeat_interleave { 1 } end)
  end)
end)
