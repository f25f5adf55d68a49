-- Order and statistics against loops over Lua tables.
local torus = require "torus"
local raises = require "spec.support.raises"

local INF, NAN = math.huge, 0 / 0
local function is_nan(x) return x ~= x end
local function T(x) return torus.tensor(x, { dtype = "float64" }) end
local function I(x) return torus.tensor(x, { dtype = "int64" }) end

-- Numbers with many ties, NaN, infinities and both zeros.
local function numbers(n, seed)
  local list, state = {}, seed
  for i = 1, n do
    state = (state * 1103515245 + 12345) % 2147483648
    local k = state // 65536 % 23
    list[i] = k == 0 and NAN or k == 1 and INF or k == 2 and -INF or k == 3 and -0.0
      or (k - 12) / 4
  end
  return list
end

-- Positions in sorted order, equal ones as they come, NaN as the largest.
local function sorted_positions(list, descending)
  local order = {}
  for i = 1, #list do order[i] = i end
  local function less(a, b)
    if is_nan(a) then return false end
    return is_nan(b) or a < b
  end
  table.sort(order, function(i, k)
    local a, b = list[i], list[k]
    if descending then a, b = b, a end
    if less(a, b) then return true end
    if less(b, a) then return false end
    return i < k
  end)
  return order
end

local function same(expected, got)
  assert.equal(#expected, #got)
  for i, e in ipairs(expected) do
    if not (e == got[i] or (is_nan(e) and is_nan(got[i]))) then
      error(("element %d is %s, expected %s"):format(i, got[i], e))
    end
  end
end

local function picked(list, order, count)
  local out = {}
  for i = 1, count or #order do out[i] = list[order[i]] end
  return out
end

describe("sort, argsort and topk", function()
  for _, dtype in ipairs { "float64", "float32", "int64" } do
    it("are stable and put NaN last, of " .. dtype, function()
      for _, n in ipairs { 0, 1, 2, 7, 8, 9, 64, 1000, 5003 } do
        local list = numbers(n, n + 1)
        if dtype == "int64" then
          for i, v in ipairs(list) do list[i] = v - v == 0 and math.floor(v * 4) or 77 end
        end
        local x = torus.tensor(list, { dtype = dtype })
        for _, descending in ipairs { false, true } do
          local order = sorted_positions(list, descending)
          local values, indices = x:sort(1, descending)
          same(order, indices:totable())
          same(picked(list, order), values:totable())
          same(order, x:argsort { descending = descending }:totable())
          for _, k in ipairs { 0, 1, n // 7, n // 2, n } do
            values, indices = x:topk(math.min(k, n), 1, descending)
            same({ table.unpack(order, 1, k) }, indices:totable())
            same(picked(list, order, math.min(k, n)), values:totable())
          end
        end
      end
    end)
  end

  it("run along any dimension and layout", function()
    local x = torus.randn({ 3, 5, 7 }, { generator = torus.generator(3) })
    local turned = x:permute(3, 1, 2):copy():permute(2, 3, 1)
    for d = 1, 3 do
      local values, indices = x:sort(d)
      local others, places = turned:sort(d)
      same(values:flatten():totable(), others:flatten():totable())
      same(indices:flatten():totable(), places:flatten():totable())
      same(values:flatten():totable(), x:gather(d, indices):flatten():totable())
      local steps = values:narrow(d, 2, x:size(d) - 1) - values:narrow(d, 1, x:size(d) - 1)
      assert.is_true(steps:min():item() >= 0)
    end
  end)

  it("and running products are bit-identical with any number of threads", function()
    local x = torus.randn({ 300, 3000 }, { generator = torus.generator(5) })
    local before, found = torus.threads(), {}
    for k, threads in ipairs { 1, 3 } do
      torus.set_threads(threads)
      local parts = { x:argsort(1), x:argtopk(4, 2), x:argmedian(2), x:cumsum(1), x:cumprod(2),
        x:prod(2), torus.recurrence(x, x, 1, true) }
      for i, part in ipairs(parts) do parts[i] = torus.to_bytes(part) end
      found[k] = table.concat(parts)
    end
    torus.set_threads(before)
    assert.is_true(found[1] == found[2])
  end)

  it("say what they expected", function()
    raises("topk: expected k from 0 to the size 2 of dimension 1, got 3",
      function() T { 1, 2 }:topk(3) end)
    raises("sort: dimension 2 is outside", function() T { 1, 2 }:sort(2) end)
    raises("sort: unknown option \"descend\"", function() T { 1 }:sort { descend = true } end)
    raises("median", function() T {}:median() end)
  end)
end)

describe("unique", function()
  it("finds values, the way back and counts", function()
    local list = numbers(500, 3)
    local values, inverse, counts = T(list):unique()
    local seen, expected = {}, {}
    for _, v in ipairs(list) do
      if is_nan(v) then expected[#expected + 1] = v
      elseif not seen[v + 0.0] then seen[v + 0.0], expected[#expected + 1] = 0, v end
      if not is_nan(v) then seen[v + 0.0] = seen[v + 0.0] + 1 end
    end
    local sorted = picked(expected, sorted_positions(expected))
    same(sorted, values:totable())
    same(list, values:index_select(1, inverse):totable())
    for i, v in ipairs(sorted) do
      assert.equal(is_nan(v) and 1 or seen[v + 0.0], counts[i]:item())
    end
    assert.equal(500, counts:to("float64"):sum():item())
    local _, back = T { { 2, 1 }, { 1, 2 } }:unique()
    assert.same({ { 2, 1 }, { 1, 2 } }, back:totable())
    assert.same({}, T {}:unique():totable())
    assert.equal("int64", I { 3, 3 }:unique().dtype)
  end)
end)

describe("median and quantile", function()
  it("lie where sorting puts them", function()
    for n = 1, 9 do
      local list = {}
      for i = 1, n do list[i] = (i * 37 % 11) / 3 end
      local order = sorted_positions(list)
      assert.equal(list[order[(n + 1) // 2]], T(list):median():item())
      for _, q in ipairs { 0, 0.1, 0.25, 0.5, 0.77, 1 } do
        local h = q * (n - 1)
        local a = list[order[math.floor(h) + 1]]
        local b = list[order[math.min(math.floor(h) + 2, n)]]
        local w = h - math.floor(h)
        assert.near(a + w * (b - a), T(list):quantile(q):item(), 1e-14)
        local function by(name) return T(list):quantile(q, { interpolation = name }):item() end
        assert.equal(a, by "lower")
        assert.equal(w > 0 and b or a, by "higher")
        assert.near(w > 0 and (a + b) / 2 or a, by "midpoint", 1e-15)
        if w ~= 0.5 then assert.equal(w > 0.5 and b or a, by "nearest") end
      end
    end
  end)

  it("are NaN where there is a NaN, and keep infinities", function()
    assert.is_true(is_nan(T { 3, NAN, 1 }:median():item()))
    assert.is_true(is_nan(T { 3, NAN, 1 }:quantile(0):item()))
    local _, index = T { { 3, NAN, 1, NAN } }:median(2)
    assert.same({ 2 }, index:totable())
    assert.same({ -INF, 1, INF }, T { INF, 1, -INF }:quantile({ 0, 0.5, 1 }):totable())
  end)

  it("have the shapes that they say", function()
    local x = torus.zeros(2, 3, 4)
    assert.same({ 2, 4 }, x:median(2).shape)
    assert.same({ 2, 1, 4 }, x:median(2, true).shape)
    assert.same({ 1, 1, 1 }, x:median { keepdim = true }.shape)
    assert.same({}, x:quantile(0.5).shape)
    assert.same({ 1, 1, 1 }, x:quantile(0.5, { keepdim = true }).shape)
    assert.same({ 5, 2, 4 }, x:quantile({ 0, 0.1, 0.2, 0.3, 1 }, 2).shape)
    assert.same({ 2, 2, 1, 4 }, x:quantile({ 0, 1 }, 2, true).shape)
    assert.same({ 2, 1, 1, 1 }, x:quantile({ 0, 1 }, { keepdim = true }).shape)
    raises("quantile: expected q from 0 to 1, got 1.5", function() x:quantile(1.5) end)
    raises("quantile: expected at least one element", function() T {}:quantile(0.5) end)
  end)
end)

describe("cumsum, cumprod, prod and recurrence", function()
  it("agree with loops in every layout and dtype", function()
    for _, s in ipairs { { 3, 5, 4 }, { 1, 300, 2 }, { 2, 3, 700 }, { 1, 70000, 1 } } do
      local x = torus.randn(s, { dtype = "float64", generator = torus.generator(1) })
      x = s[2] > 100 and x * 0.02 + 1 or x
      local turned = x:permute(3, 1, 2):copy():permute(2, 3, 1)
      local list = x:permute(1, 3, 2):flatten():totable()
      local sums, products, n = {}, {}, s[2]
      for i, v in ipairs(list) do
        local first = (i - 1) % n == 0
        sums[i] = first and v or sums[i - 1] + v
        products[i] = first and v or products[i - 1] * v
      end
      for _, y in ipairs { x, turned } do
        same(sums, y:cumsum(2):permute(1, 3, 2):flatten():totable())
        same(products, y:cumprod(2):permute(1, 3, 2):flatten():totable())
        same(products, torus.recurrence(y, torus.cat({ y:narrow(2, 1, 1),
          torus.zeros_like(y:narrow(2, 2, n - 1)) }, 2), 2):permute(1, 3, 2):flatten():totable())
        local last = x:cumprod(2):select(2, n)
        same(last:flatten():totable(), y:prod(2):flatten():totable())
        local back = y:flip(2):cumsum(2):flip(2)
        same(back:flatten():totable(), y:cumsum(2, true):flatten():totable())
      end
    end
  end)

  it("of integers stay in int64", function()
    assert.same({ 1, 3, 6 }, I { 1, 2, 3 }:cumsum(1):totable())
    assert.equal("int64", torus.tensor({ 200, 200 }, { dtype = "uint8" }):cumsum(1).dtype)
    assert.same({ 200, 400 }, torus.tensor({ 200, 200 }, { dtype = "uint8" }):cumsum(1):totable())
    assert.equal(24, I { 1, 2, 3, 4 }:prod():item())
  end)

  it("sum float32 without its errors, and nothing to nothing", function()
    local y = torus.full({ 1000000 }, 0.1):cumsum(1)
    assert.near(100000, y[1000000]:item(), 0.01)
    assert.same({ 1, 1 }, torus.zeros(2, 0):prod(2):totable())
    assert.same({ 2, 0 }, torus.zeros(2, 0):cumprod(2).shape)
    raises("recurrence: expected two tensors of one shape, got tensor (1) float64",
      function() torus.recurrence(T { 1 }, T { 1, 2 }, 1) end)
  end)
end)

describe("var, std and norm", function()
  it("divide by n less the correction", function()
    local list = { 1, 2, 4, 9.5 }
    local mean, squares = 16.5 / 4, 0
    for _, v in ipairs(list) do squares = squares + (v - mean) ^ 2 end
    assert.near(squares / 4, T(list):var():item(), 1e-14)
    assert.near(squares / 3, T(list):var { correction = 1 }:item(), 1e-14)
    assert.near((squares / 2.5) ^ 0.5, T(list):std(1, { correction = 1.5 }):item(), 1e-14)
    assert.is_true(is_nan(T { 1 }:var { correction = 1 }:item()))
    assert.equal(INF, T { 1, 2 }:var { correction = 2 }:item())
    assert.same({ 1, 1 }, torus.zeros(2, 3):std { keepdim = true }.shape)
    local x = torus.ones({ 3 }, { requires_grad = true })
    assert.same({ 0, 0, 0 }, torus.grad(x:std(), x):totable())
  end)

  it("name p and the dimensions", function()
    local x = T { { 3, -4 }, { 0, 2 } }
    assert.near(math.sqrt(29), x:norm():item(), 1e-14)
    assert.same({ 5, 2 }, x:norm { dim = 2 }:totable())
    assert.same({ { 7 }, { 2 } }, x:norm { p = 1, dim = 2, keepdim = true }:totable())
    assert.same({ 2, 1 }, x:norm { p = 0, dim = 2 }:totable())
    assert.same({ 4, 2 }, x:norm { p = INF, dim = 2 }:totable())
    assert.same({ 3, 0 }, x:norm { p = -INF, dim = 2 }:totable())
    assert.near((27 + 64 + 8) ^ (1 / 3), x:norm { p = 3 }:item(), 1e-14)
    assert.near(1 / (1 / 3 + 1 / 4), x[1]:norm { p = -1 }:item(), 1e-14)
    raises("norm: expected a named option, x:norm{ p = 1 } or x:norm{ dim = 1 }, got 1",
      function() x:norm(1) end)
    raises("norm: unknown option \"dims\"", function() x:norm { dims = 1 } end)
  end)
end)

describe("integers and bools", function()
  for _, dtype in ipairs { "int64", "int32", "uint8", "bool" } do
    it("are ordered and counted: " .. dtype, function()
      local bool = dtype == "bool"
      local list = bool and { true, false, true, true } or { 3, 1, 2, 1 }
      local x = torus.tensor(list, { dtype = dtype })
      local values, indices = x:sort(1, true)
      assert.same(bool and { true, true, true, false } or { 3, 2, 1, 1 }, values:totable())
      assert.same(bool and { 1, 3, 4, 2 } or { 1, 3, 2, 4 }, indices:totable())
      assert.equal(dtype, values.dtype)
      assert.same(bool and { true, true } or { 3, 2 }, (x:topk(2)):totable())
      local distinct, _, counts = x:unique()
      assert.same(bool and { false, true } or { 1, 2, 3 }, distinct:totable())
      assert.same(bool and { 1, 3 } or { 2, 1, 1 }, counts:totable())
      assert.equal(bool or 1, x:median():item())
      assert.same(bool and { 1, 1, 2, 3 } or { 3, 4, 6, 7 }, x:cumsum(1):totable())
      assert.equal("int64", x:cumprod(1).dtype)
      assert.equal(bool and 0 or 6, x:prod():item())
      assert.is_true(x:any():item())
      assert.equal(not bool, x:all():item())
      assert.equal("bool", x:all(1, true).dtype)
      assert.equal("bool", x:isnan().dtype)
      assert.equal("float32", x:quantile(0.5).dtype)
      assert.near(bool and 0.1875 or 0.6875, x:var():item(), 1e-7)
      assert.equal(bool and 3 or 7, x:norm { p = 1 }:item())
      assert.equal(bool and 3 or 4, x:norm { p = 0 }:item())
      assert.near(math.sqrt(bool and 3 or 15), x:norm():item(), 1e-6)
      assert.is_true(torus.allclose(x, x))
      assert.equal(bool and 3 or 15, torus.einsum("i,i->", x, x):item())
    end)
  end

  it("meet floats in the later dtype", function()
    local a = I { { 1, 2 }, { 3, 4 } }
    assert.same({ { 7, 10 }, { 15, 22 } }, torus.einsum("ij,jk", a, a):totable())
    assert.equal("int64", torus.einsum("ij,jk", a, a).dtype)
    local f = torus.tensor { { 0.5, 1 }, { 1, 1 } }
    assert.equal("float32", torus.einsum("ij,jk", a, f).dtype)
    assert.same({ { 3.5, 5 }, { 4, 6 } }, torus.einsum("ij,jk", f, a):totable())
    assert.equal("float64", torus.einsum("ij,jk", f, f:double()).dtype)
    assert.same({ 1, 2.5 }, torus.recurrence(T { 0.5, 0.5 }, I { 1, 2 }, 1):totable())
  end)
end)

describe("counts and tests", function()
  it("histc counts both ends and nothing outside", function()
    local list = numbers(300, 9)
    local expected = { 0, 0, 0, 0, 0 }
    for _, v in ipairs(list) do
      if v >= -1 and v <= 1 then
        local bin = math.min(math.floor((v + 1) / 2 * 5) + 1, 5)
        expected[bin] = expected[bin] + 1
      end
    end
    assert.same(expected, T(list):histc(5, -1, 1):totable())
    assert.same({ 1, 0, 1 }, T { 2, 5 }:histc(3):totable())
    assert.same({ 0, 2 }, T { 2, 2 }:histc(2):totable())
    assert.equal(100, torus.zeros(3):histc():numel())
    raises("histc: expected at least one bin, got 0", function() T { 1 }:histc(0) end)
    raises("histc: expected a finite range", function() T { 1, INF }:histc(2) end)
  end)

  it("bincount counts from 1", function()
    assert.same({ 1, 2, 1 }, I { 1, 2, 2, 3 }:bincount():totable())
    assert.same({ 0, 1, 0 }, I { 2 }:bincount { minlength = 3 }:totable())
    assert.same({ 0.5, 3 }, I { 2, 1, 2 }:bincount { weights = T { 1, 0.5, 2 } }:totable())
    raises("bincount: expected integers of at least 1, got 0", function() I { 0 }:bincount() end)
    raises("bincount: expected one dimension of integers", function() T { 1 }:bincount() end)
  end)

  it("isnan, isinf, any and all look at every element", function()
    local function flags(x) return x:to("int64"):totable() end
    local x = T { { NAN, 0 }, { -INF, 2 }, { 0, 0 } }
    assert.same({ { 1, 0 }, { 0, 0 }, { 0, 0 } }, flags(x:isnan()))
    assert.same({ { 0, 0 }, { 1, 0 }, { 0, 0 } }, flags(x:isinf()))
    assert.same({ 1, 1, 0 }, flags(x:any(2)))
    assert.same({ 0, 1, 0 }, flags(x:all(2)))
    assert.same({ { 1, 1 } }, flags(x:any(1, true)))
    assert.same({ 0, 0 }, flags(torus.zeros(2, 0):any(2)))
    assert.same({ 1, 1 }, flags(torus.zeros(2, 0):all(2)))
  end)

  it("nan_to_num and allclose treat what is not finite", function()
    local x = T { NAN, INF, -INF, 1 }
    assert.same({ 0, 0x1.fffffffffffffp1023, -0x1.fffffffffffffp1023, 1 },
      x:nan_to_num():totable())
    assert.same({ 5, 9, -9, 1 }, x:nan_to_num(5, 9, -9):totable())
    assert.equal(0x1.fffffep127, torus.tensor { INF }:nan_to_num():item())
    assert.is_true(torus.allclose(T { INF, 1 }, T { INF, 1 + 1e-9 }))
    assert.is_false(torus.allclose(T { INF }, T { 1 }))
    assert.is_false(torus.allclose(T { 1 }, T { INF }))
    assert.is_false(torus.allclose(x, x))
    assert.is_true(torus.allclose(x, x, { equal_nan = true }))
    assert.is_false(torus.allclose(T { 1 }, T { 1.1 }))
    assert.is_true(torus.allclose(T { 1 }, T { 1.1 }, { atol = 0.2 }))
    assert.is_true(torus.allclose(torus.zeros(0), torus.zeros(0)))
  end)
end)
