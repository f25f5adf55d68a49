local torus = require "torus"
local raises = require "spec.support.raises"

local f64 = { dtype = "float64" }

local function drawn(kind, seed, n, dtype)
  return torus[kind](n, { dtype = dtype, generator = torus.generator(seed) })
end

-- The standard normal distribution function, by its series and continued
-- fraction.
local function phi(x)
  local a = math.abs(x)
  local tail
  if a < 3 then
    local term, sum = a, a
    for k = 1, 100 do
      term = term * a * a / (2 * k + 1)
      sum = sum + term
    end
    tail = 0.5 - sum * math.exp(-a * a / 2) / math.sqrt(2 * math.pi)
  else
    local f = 0
    for k = 60, 1, -1 do f = k / (a + f) end
    tail = math.exp(-a * a / 2) / math.sqrt(2 * math.pi) / (a + f)
  end
  return x < 0 and tail or 1 - tail
end

-- Kolmogorov's and Smirnov's distance between samples and a distribution, times
-- the root of their number: above 1.63 once in a hundred seeds.
local function distance(samples, cdf)
  table.sort(samples)
  local n, worst = #samples, 0
  for i, v in ipairs(samples) do
    local p = cdf(v)
    worst = math.max(worst, i / n - p, p - (i - 1) / n)
  end
  return worst * math.sqrt(n)
end

describe("a generator", function()
  it("is Philox4x32-10 by Salmon et al.", function()
    -- Their known answer for key 0 and counter 0: 6627e8d5 e169c58d ...
    local expected = (0xe169c58d6627e8d5 >> 11) * 2.0 ^ -53
    assert.equal(expected, drawn("rand", 0, 1, "float64")[1]:item())
    -- Box-Muller of all four words: ... bc57ac4c 9b00dbd8
    local angle = 2 * math.pi * (0x9b00dbd8bc57ac4c >> 11) * 2.0 ^ -53
    assert.near(math.sqrt(-2 * math.log(1 - expected)) * math.cos(angle),
      drawn("randn", 0, 1, "float64")[1]:item(), 1e-15)
  end)

  it("gives the same numbers for the same seed", function()
    for _, kind in ipairs { "rand", "randn", "randperm" } do
      local a = drawn(kind, 5, 100)
      assert.same(a:totable(), drawn(kind, 5, 100):totable())
      assert.not_same(a:totable(), drawn(kind, 6, 100):totable())
    end
    torus.manual_seed(3)
    local a = torus.randn(5):totable()
    torus.manual_seed(3)
    assert.same(a, torus.randn(5):totable())
    assert.same(a, drawn("randn", 3, 5):totable())
  end)

  it("fills in parts as it fills at once", function()
    for _, kind in ipairs { "rand", "randn" } do
      local whole = drawn(kind, 9, 10000):totable()
      local g = torus.generator(9)
      local parts = {}
      for i, n in ipairs { 1, 0, 4095, 4097, 1807 } do
        parts[i] = torus[kind](n, { generator = g })
      end
      assert.same(whole, torus.cat(parts):totable())
    end
  end)

  it("saves its state as two integers", function()
    local g = torus.generator(11)
    torus.randn(7, { generator = g })
    local seed, position = g:state()
    assert.same({ 11, 7 }, { seed, position })
    local a = torus.rand(3, { generator = g }):totable()
    g:set_state(seed, position)
    assert.same(a, torus.rand(3, { generator = g }):totable())
    assert.equal("generator(seed 11, position 10)", tostring(g))
    torus.manual_seed(4)
    torus.randperm(5)
    assert.same({ 4, 5 }, { torus.random_state() })
    local b = torus.rand(3):totable()
    torus.set_random_state(4, 5)
    assert.same(b, torus.rand(3):totable())
  end)

  it("draws alike in both dtypes and in all shapes", function()
    local wide = drawn("rand", 2, 50, "float64")
    local narrow = drawn("rand", 2, 50)
    assert.near(0, (wide - narrow:double()):abs():max():item(), 6e-8)
    assert.same(drawn("randn", 2, { 50 }):totable(),
      drawn("randn", 2, { 5, 10 }):reshape(50):totable())
  end)

  it("takes any integer as seed", function()
    for _, seed in ipairs { 0, -1, math.maxinteger, math.mininteger, 2.0 ^ 40 } do
      assert.equal(3, #drawn("rand", seed, 3))
    end
    raises("generator: expected an integer as the seed, got 1.5",
      function() torus.generator(1.5) end)
    raises("manual_seed: expected an integer as the seed, got no value",
      function() torus.manual_seed() end)
    raises("rand: expected a generator, got 5",
      function() torus.rand(3, { generator = 5 }) end)
    raises("set_state: expected an integer as the position, got no value",
      function() torus.generator(1):set_state(1) end)
    raises("state: expected a generator, got no value", function() torus.generator(1).state() end)
    raises('a generator has no method "sate", did you mean "state"?',
      function() torus.generator(1):sate() end)
    raises("randperm: the result is int64", function() torus.randperm(3, f64) end)
    raises("rand: expected the dtype float32 or float64, got uint8",
      function() torus.rand(3, { dtype = "uint8" }) end)
  end)
end)

describe("uniform samples", function()
  for _, dtype in ipairs { "float64", "float32" } do
    it("are uniform in [0, 1) in " .. dtype, function()
      local x = drawn("rand", 1, 20000, dtype)
      assert.is_true(x:min():item() >= 0 and x:max():item() < 1)
      assert.near(0.5, x:mean():item(), 4 * math.sqrt(1 / 12 / 20000))
      assert.near(1 / 12, x:var():item(), 0.002)
      assert.is_true(distance(x:totable(), function(v) return v end) < 1.63)
    end)
  end

  it("are not correlated with their neighbours nor with the next seed", function()
    local n = 20000
    local x, y = drawn("rand", 1, n, "float64"), drawn("rand", 2, n, "float64")
    local function correlation(a, b)
      return ((a - 0.5) * (b - 0.5)):mean():item() * 12
    end
    local limit = 4 / math.sqrt(n)
    assert.near(0, correlation(x, y), limit)
    for lag = 1, 5 do
      assert.near(0, correlation(x:narrow(1, 1, n - lag), x:narrow(1, 1 + lag, n - lag)), limit)
    end
  end)
end)

describe("normal samples", function()
  for _, dtype in ipairs { "float64", "float32" } do
    it("are normal in " .. dtype, function()
      local n = 20000
      local x = drawn("randn", 1, n, dtype)
      assert.near(0, x:mean():item(), 4 / math.sqrt(n))
      assert.near(1, x:var():item(), 4 * math.sqrt(2 / n))
      assert.near(0, (x ^ 3):mean():item(), 4 * math.sqrt(15 / n))
      assert.near(3, (x ^ 4):mean():item(), 4 * math.sqrt(96 / n))
      assert.is_true(distance(x:totable(), phi) < 1.63)
      assert.equal(n, x:isfinite():sum():item())
    end)
  end
end)

describe("a random permutation", function()
  it("holds each number once", function()
    for _, n in ipairs { 0, 1, 2, 100 } do
      local list = drawn("randperm", 8, n):totable()
      table.sort(list)
      for i = 1, n do assert.equal(i, list[i]) end
      assert.equal(n, #list)
    end
  end)

  it("takes every order equally often", function()
    local counts, g = {}, torus.generator(1)
    for _ = 1, 6000 do
      local key = table.concat(torus.randperm(3, { generator = g }):totable())
      counts[key] = (counts[key] or 0) + 1
    end
    local orders = 0
    for _, count in pairs(counts) do
      orders = orders + 1
      assert.near(1000, count, 4 * math.sqrt(1000 * 5 / 6))
    end
    assert.equal(6, orders)
  end)
end)
