local torus = require "torus"
local raises = require "spec.support.raises"

local function seeded(seed, opts)
  local all = { dtype = "float64", generator = torus.generator(seed) }
  for key, value in pairs(opts or {}) do all[key] = value end
  return all
end

-- Kolmogorov's and Smirnov's distance between samples and a distribution, times the
-- root of their number: above 1.63 once in a hundred seeds.
local function distance(x, cdf)
  local samples = x:totable()
  table.sort(samples)
  local n, worst = #samples, 0
  for i, v in ipairs(samples) do
    local p = cdf(v)
    worst = math.max(worst, i / n - p, p - (i - 1) / n)
  end
  return worst * math.sqrt(n)
end

-- Pearson's statistic of counts against equal or given probabilities.
local function chi_square(counts, n, probability)
  local sum = 0
  for i, count in ipairs(counts) do
    local expected = n * (probability and probability[i] or 1 / #counts)
    sum = sum + (count - expected) ^ 2 / expected
  end
  return sum
end

local function tally(x, size)
  local counts = {}
  for i = 1, size do counts[i] = 0 end
  for _, v in ipairs(x:totable()) do counts[v] = counts[v] + 1 end
  return counts
end

-- The regularised lower incomplete gamma function, by its series.
local function gamma_cdf(a, x)
  local log_gamma = 0 -- Stirling's series from a + 10 down
  local b = a
  while b < 10 do log_gamma, b = log_gamma - math.log(b), b + 1 end
  log_gamma = log_gamma + (b - 0.5) * math.log(b) - b + 0.5 * math.log(2 * math.pi)
    + 1 / (12 * b) - 1 / (360 * b ^ 3) + 1 / (1260 * b ^ 5)
  local term = 1 / a
  local sum = term
  for k = 1, 1000 do
    term = term * x / (a + k)
    sum = sum + term
    if term < sum * 1e-16 then break end
  end
  return x <= 0 and 0 or math.min(1, sum * math.exp(a * math.log(x) - x - log_gamma))
end

describe("randint", function()
  it("draws each integer equally often, without the upper end", function()
    local x = torus.randint(1, 7, 60000, { generator = torus.generator(1) })
    assert.equal("int64", x.dtype)
    -- above 15.1 once in a hundred seeds, with 5 degrees of freedom
    assert.is_true(chi_square(tally(x, 6), 60000) < 15.1)
  end)

  it("reaches both ends of wide and of single ranges", function()
    local g = { generator = torus.generator(2) }
    local x = torus.randint(math.mininteger, math.maxinteger, 1000, g):totable()
    local low, high = math.maxinteger, math.mininteger
    for _, v in ipairs(x) do low, high = math.min(low, v), math.max(high, v) end
    assert.is_true(low < -0.9 * 2.0 ^ 63 and high > 0.9 * 2.0 ^ 63)
    assert.same({ -3, -3 }, torus.randint(-3, -2, 2):totable())
    -- Three quarters of all 64 bits would be twice as likely without rejection.
    local limit = 3 << 61
    local below = 0
    for _, v in ipairs(torus.randint(0, limit, 20000, g):totable()) do
      below = below + (v < limit // 2 and 1 or 0)
    end
    assert.near(10000, below, 4 * math.sqrt(5000))
  end)

  it("takes shapes, dtypes and one bound", function()
    assert.same({ 2, 3 }, torus.randint(1, 3, 2, 3).shape)
    assert.same({ 2, 3 }, torus.randint(1, 3, { 2, 3 }).shape)
    assert.same({}, torus.randint(1, 3).shape)
    local x = torus.randint(4, { 500 })
    assert.equal(3, x:to("float64"):max():item())
    assert.equal(1, x:to("float64"):min():item())
    assert.equal("uint8", torus.randint(0, 256, { 4 }, { dtype = "uint8" }).dtype)
  end)

  it("says what it expected", function()
    raises("randint: expected high above low = 3, got 3", function() torus.randint(3, 3, 2) end)
    raises("randint: expected an integer as high, got 1.5",
      function() torus.randint(1, 1.5, 2) end)
    raises("randint: expected an integer as high, got nil", function() torus.randint() end)
    raises("an element of uint8", function()
      torus.randint(0, 300, { 2 }, { dtype = "uint8" })
    end)
    raises('randint: unknown option "dtpe", did you mean "dtype"?', function()
      torus.randint(0, 3, { 2 }, { dtpe = "uint8" })
    end)
    raises("randint: expected integers from 0 as the shape, got -1 at 2",
      function() torus.randint(0, 3, 2, -1) end)
    raises("randint: expected a generator, got 5",
      function() torus.randint(0, 3, 2, { generator = 5 }) end)
    raises("randint: too many arguments", function() torus.randint(0, 3, { 2 }, {}, 1) end)
  end)
end)

describe("exponential and gamma samples", function()
  local n = 20000

  it("have their distributions", function()
    local x = torus.exponential(2, { n }, seeded(1))
    assert.is_true(distance(x, function(v) return 1 - math.exp(-2 * v) end) < 1.63)
    for seed, concentration in ipairs { 0.05, 0.5, 0.99, 1, 1.5, 4, 40 } do
      x = torus.gamma(concentration, 1, { n }, seeded(seed))
      assert.is_true(distance(x, function(v) return gamma_cdf(concentration, v) end) < 1.63)
      assert.near(concentration, x:mean():item(), 4 * math.sqrt(concentration / n))
    end
    -- Erlang's: a witness of the witness
    assert.near(1 - math.exp(-2) * (1 + 2 + 2), gamma_cdf(3, 2), 1e-10)
  end)

  it("have the rates and concentrations of tensors, which broadcast", function()
    local rate = torus.tensor({ 1, 10 }, { dtype = "float64" })
    local x = torus.exponential(rate, { n, 2 }, { generator = torus.generator(3) })
    assert.equal("float64", x.dtype)
    assert.near(1, x:mean(1)[1]:item(), 4 / math.sqrt(n))
    assert.near(0.1, x:mean(1)[2]:item(), 0.4 / math.sqrt(n))
    local y = torus.gamma(torus.tensor { 1, 2, 3 }, 1)
    assert.same({ 3 }, y.shape)
    -- each element is a function of its position and parameters alone
    local g = torus.generator(5)
    g:set_state(5, 2)
    local third = torus.gamma(3, 1, { 1 }, { generator = g })
    local all = torus.gamma(torus.tensor { 1, 2, 3 }, 1, { generator = torus.generator(5) })
    assert.equal(all[3]:item(), third[1]:item())
  end)

  it("have gradients with respect to the rate alone", function()
    local rate = torus.tensor({ 2 }, { dtype = "float64", requires_grad = true })
    local x = torus.exponential(rate, { 3 })
    assert.near(-x:sum():item() / 2, torus.grad(x:sum(), rate):item(), 1e-12)
    raises("gamma: samples have no gradient with respect to the concentration",
      function() torus.gamma(rate, 1) end)
    assert.is_true(torus.exponential(1, { 2 }, { requires_grad = true }).requires_grad)
  end)

  it("say what they expected", function()
    raises("exponential: expected a number or a tensor of finite numbers above 0 as the rate, "
      .. "got 0", function() torus.exponential(0, 2) end)
    raises("as the concentration, got elements from -1 to 1",
      function() torus.gamma(torus.tensor { -1, 1 }) end)
    raises("gamma: parameters of shape (2) don't broadcast to the shape (3)",
      function() torus.gamma(torus.ones(2), 1, { 3 }) end)
    raises('exponential: expected the dtype "float32" or "float64", got "int64"',
      function() torus.exponential(1, 2, { dtype = "int64" }) end)
    raises("as the rate, got tensor (2) int64", function()
      torus.exponential(torus.ones({ 2 }, { dtype = "int64" }))
    end)
  end)
end)

describe("normal samples with a mean and a deviation", function()
  it("are scaled standard ones", function()
    local x = torus.normal(5, 2, { 4 }, seeded(1))
    local z = torus.randn({ 4 }, seeded(1))
    assert.near(0, (x - (z * 2 + 5)):abs():max():item(), 1e-15)
    assert.same({ 0, 0 }, torus.normal(0, 0, 2):totable())
  end)

  it("have gradients with respect to both", function()
    local mean = torus.zeros({ 2 }, { requires_grad = true })
    local std = torus.ones({ 3, 1 }, { requires_grad = true })
    local x = torus.normal(mean, std)
    assert.same({ 3, 2 }, x.shape)
    local g = torus.grad(x:sum(), { mean, std })
    assert.same({ 3, 3 }, g[1]:totable())
    assert.near(0, (g[2] - x:sum(2, true)):abs():max():item(), 1e-6)
  end)

  it("say what they expected", function()
    raises("normal: expected a number or a tensor of finite numbers from 0 as the standard "
      .. "deviation, got -1", function() torus.normal(0, -1) end)
    raises("of finite numbers as the mean, got ", function() torus.normal(0 / 0, 1) end)
  end)
end)

describe("bernoulli", function()
  it("has its probabilities, 0 and 1 exactly", function()
    local p = torus.tensor { 0, 0.25, 0.75, 1 }
    local x = torus.bernoulli(p, { 10000, 4 }, { generator = torus.generator(1) })
    local mean = x:mean(1):totable()
    assert.same({ 0, 1 }, { mean[1], mean[4] })
    assert.near(0.25, mean[2], 4 * math.sqrt(0.1875 / 10000))
    assert.near(0.75, mean[3], 4 * math.sqrt(0.1875 / 10000))
  end)

  it("keeps shape and dtype", function()
    local x = torus.full({ 2, 3 }, 0.5, { dtype = "float64" }):bernoulli()
    assert.same({ 2, 3 }, x.shape)
    assert.equal("float64", x.dtype)
    assert.equal("uint8", torus.bernoulli(0.5, 4, { dtype = "uint8" }).dtype)
    raises("bernoulli: expected a number or a tensor of probabilities from 0 to 1 as the "
      .. "probability, got 1.5", function() torus.bernoulli(1.5, 2) end)
  end)
end)

describe("multinomial", function()
  local weights = torus.tensor({ 1, 0, 3, 4 }, { dtype = "float64" })
  local share = { 1 / 8, 3 / 8, 4 / 8 }

  it("draws with the probabilities of the weights", function()
    local x = torus.multinomial(weights, 40000, true, { generator = torus.generator(1) })
    local counts = tally(x, 4)
    assert.equal(0, counts[2])
    -- above 9.2 once in a hundred seeds, with 2 degrees of freedom
    assert.is_true(chi_square({ counts[1], counts[3], counts[4] }, 40000, share) < 9.2)
    local huge = torus.multinomial(weights * 4e307, 5, true)
    assert.same({ 5 }, huge.shape)
  end)

  it("without replacement gives the pairs of successive draws", function()
    local rows = 20000
    local x = torus.multinomial(weights:unsqueeze(1):expand(rows, 4), 2, false,
      { generator = torus.generator(2) })
    local counts = {}
    for _, pair in ipairs(x:totable()) do
      local key = pair[1] .. pair[2]
      counts[key] = (counts[key] or 0) + 1
    end
    local w, sum = { 1, 0, 3, 4 }, 0
    for i = 1, 4 do
      for j = 1, 4 do
        local p = i ~= j and w[i] / 8 * w[j] / (8 - w[i]) or 0
        local got = counts[i .. j] or 0
        if p == 0 then assert.equal(0, got) else sum = sum + (got - p * rows) ^ 2 / (p * rows) end
      end
    end
    assert.is_true(sum < 15.1) -- 6 pairs
  end)

  it("says what it expected", function()
    raises("multinomial: expected at least 4 weights above 0 in each row to draw without "
      .. "replacement, got 3", function() weights:multinomial(4) end)
    raises("multinomial: expected finite weights from 0, got elements from -1 to 1",
      function() torus.multinomial(torus.tensor { -1, 1 }, 1) end)
    raises("multinomial: expected at least 1 weight above 0 in each row, got 0",
      function() torus.multinomial(torus.zeros(3), 1, true) end)
    raises("multinomial: expected finite weights", function()
      torus.multinomial(torus.tensor { 0 / 0, 1 }, 1, true)
    end)
    raises("multinomial: expected weights of shape (n) or (rows,n), got tensor (1,1,1) float32",
      function() torus.multinomial(torus.ones(1, 1, 1), 1) end)
    raises("multinomial: expected an integer from 0 as the count, got 1.5",
      function() weights:multinomial(1.5) end)
    assert.same({ 0 }, weights:multinomial(0).shape)
  end)
end)

describe("choice", function()
  it("chooses from lists, rows and integers", function()
    local names = { "a", "b", "c" }
    local g = { generator = torus.generator(1) }
    local seen = {}
    for _, name in ipairs(torus.choice(names, 50, g)) do seen[name] = true end
    assert.same({ a = true, b = true, c = true }, seen)
    assert.is_string(torus.choice(names, nil, g))
    local x = torus.arange(10):reshape(5, 2)
    local rows = torus.choice(x, 5, { replacement = false }):totable()
    table.sort(rows, function(a, b) return a[1] < b[1] end)
    assert.same(x:totable(), rows)
    assert.same({ 2 }, torus.choice(x).shape)
    assert.same({ 10 }, torus.choice(6, 10).shape)
    assert.equal("integer", math.type(torus.choice(6)))
    assert.same({ "b", "b" }, torus.choice(names, 2, { weights = { 0, 1, 0 } }))
    assert.same({}, torus.choice(names, 0))
  end)

  it("says what it expected", function()
    raises("choice: expected at least one thing to choose from, got none",
      function() torus.choice({}) end)
    raises("choice: expected a count of at most 2 without replacement, got 3",
      function() torus.choice({ 1, 2 }, 3, { replacement = false }) end)
    raises("choice: expected 2 weights, one for each, got tensor (3) float64",
      function() torus.choice({ 1, 2 }, 1, { weights = { 1, 1, 1 } }) end)
    raises("choice: expected a tensor with a dimension, a list or an integer, got \"x\"",
      function() torus.choice("x") end)
  end)
end)

describe("Sobol's points", function()
  it("are SciPy's, in 64 dimensions and 30 directions", function()
    local expected = assert(torus.npy.load("data/reference/sobol.npy"))
    for k = 0, 29 do
      local point = torus.sobol(1, 64, { scramble = false, first = (1 << k) + 1,
        dtype = "float64" })
      -- SciPy writes 30 digits
      assert.is_true((point[1] - expected[k + 1]):abs():max():item() <= 2.0 ^ -30)
    end
  end)

  it("fill each elementary interval once, scrambled or not", function()
    for _, scramble in ipairs { false, true } do
      local x = torus.sobol(64, 2, { scramble = scramble, seed = 3, dtype = "float64" })
      if not scramble then assert.same({ 0, 0 }, x[1]:totable()) end
      for bits = 0, 6 do
        local cells = {}
        for _, point in ipairs(x:totable()) do
          local cell = ("%d,%d"):format(point[1] * 2 ^ bits // 1, point[2] * 2 ^ (6 - bits) // 1)
          assert.is_nil(cells[cell])
          cells[cell] = true
        end
      end
    end
  end)

  it("integrate far better than random points, without bias", function()
    -- the integral of cos x cos y cos z over the cube
    local exact = math.sin(1) ^ 3
    local function error_of(x)
      local c = x:cos()
      return (c:select(2, 1) * c:select(2, 2) * c:select(2, 3)):mean():item() - exact
    end
    local square, random = 0, 0
    for seed = 1, 40 do
      square = square + error_of(torus.sobol(1024, 3, { seed = seed, dtype = "float64" })) ^ 2
      random = random + error_of(torus.rand({ 1024, 3 }, seeded(seed))) ^ 2
    end
    assert.is_true(square < random / 1e4)
  end)

  it("are uniform where they are scrambled", function()
    local first = {}
    for seed = 1, 4000 do first[seed] = torus.sobol(1, 1, { seed = seed, dtype = "float64" }) end
    assert.is_true(distance(torus.cat(first, 1):reshape(4000), function(v) return v end) < 1.63)
  end)

  it("go on where they ended, and repeat", function()
    local all = torus.sobol(3000, 5, { seed = 7 })
    local rest = torus.sobol(1000, 5, { seed = 7, first = 2001 })
    assert.equal(torus.to_bytes(all:narrow(1, 2001, 1000)), torus.to_bytes(rest))
    local a = torus.sobol(10, 2, { generator = torus.generator(1) })
    local b = torus.sobol(10, 2, { generator = torus.generator(1) })
    assert.equal(torus.to_bytes(a), torus.to_bytes(b))
    assert.is_true(torus.sobol(1 << 14, 2):max():item() < 1)
  end)

  it("say what they expected", function()
    raises("sobol: expected 0 to 64 dimensions, got 65", function() torus.sobol(1, 65) end)
    raises("sobol: expected at most 2^32 points", function()
      torus.sobol(2, 1, { first = 1 << 32 })
    end)
  end)
end)

describe("a Latin hypercube", function()
  it("has one point in each interval of each dimension", function()
    local n = 500
    local x = torus.latin_hypercube(n, 3, seeded(1))
    for d = 1, 3 do
      local cells = {}
      for _, v in ipairs(x:select(2, d):totable()) do cells[math.floor(v * n) + 1] = true end
      assert.equal(n, #cells)
    end
    local a, b = x:select(2, 1) - 0.5, x:select(2, 2) - 0.5
    assert.near(0, (a * b):mean():item() * 12, 4 / math.sqrt(n))
    assert.same({ 0, 3 }, torus.latin_hypercube(0, 3).shape)
  end)
end)

describe("every distribution", function()
  it("is bit-identical with any number of threads, and in parts", function()
    local function draw()
      local g = torus.generator(11)
      local o = { generator = g, dtype = "float64" }
      return table.concat {
        torus.to_bytes(torus.randint(0, 1000, { 20000 }, { generator = g })),
        torus.to_bytes(torus.exponential(1, { 20000 }, o)),
        torus.to_bytes(torus.gamma(0.3, 1, { 20000 }, o)),
        torus.to_bytes(torus.normal(1, 2, { 20000 }, o)),
        torus.to_bytes(torus.bernoulli(0.3, { 20000 }, o)),
        torus.to_bytes(torus.multinomial(torus.ones(50), 500, true, { generator = g })),
        torus.to_bytes(torus.latin_hypercube(5000, 2, o)),
        torus.to_bytes(torus.sobol(5000, 2, { generator = g })),
      }
    end
    local before, bytes = torus.threads(), {}
    for i, count in ipairs { 1, 2, 7 } do
      torus.set_threads(count)
      bytes[i] = draw()
    end
    torus.set_threads(before)
    assert.equal(bytes[1], bytes[2])
    assert.equal(bytes[1], bytes[3])
    local g, whole = torus.generator(3), torus.gamma(0.5, 1, { 9000 }, seeded(3))
    local parts = { torus.gamma(0.5, 1, { 1 }, { generator = g, dtype = "float64" }),
      torus.gamma(0.5, 1, { 8999 }, { generator = g, dtype = "float64" }) }
    assert.equal(torus.to_bytes(whole), torus.to_bytes(torus.cat(parts)))
  end)
end)
