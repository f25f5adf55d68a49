-- Values of the operations: elementwise ones against Lua's own arithmetic,
-- the others against loops over Lua tables.
local torus = require "torus"
local core = require "torus.core"

local INF, NAN = math.huge, 0 / 0
local function is_nan(x) return x ~= x end

local function log1p(x)
  if x == INF then return x end
  local u = 1 + x
  return u == 1 and x or math.log(u) * x / (u - 1) -- Kahan's correction
end
local function expm1(x)
  local u = math.exp(x)
  if u == 1 or u == INF then return u == 1 and x or u end
  return u == 0 and -1 or (u - 1) * x / math.log(u)
end
local function tanh(x)
  local t = expm1(-2 * math.abs(x))
  return (x < 0 and t or -t) / (t + 2)
end
local function sinh(x)
  local u = expm1(math.abs(x))
  local s = u == INF and u or (u + u / (u + 1)) / 2
  return x < 0 and -s or s
end
local function asinh(x)
  local a = math.abs(x)
  local y = a > 1e8 and math.log(a) + math.log(2)
    or log1p(a + a * a / (1 + math.sqrt(a * a + 1)))
  return x < 0 and -y or y
end
local function round(x) -- halves to even
  if x - x ~= 0 or math.abs(x) >= 2 ^ 52 then return x end
  local low = math.floor(x)
  local rest = x - low
  local up = rest > 0.5 or (rest == 0.5 and low % 2 == 1)
  return low + (up and 1.0 or 0.0)
end
local function truncated(x)
  if x - x ~= 0 then return x end
  return x < 0 and math.ceil(x) + 0.0 or math.floor(x) + 0.0
end
-- A series of positive terms, and the continued fraction of erfc.
local function erf_series(x)
  local term, sum = x, x
  for n = 1, 120 do
    term = term * 2 * x * x / (2 * n + 1)
    sum = sum + term
  end
  return 2 / math.sqrt(math.pi) * math.exp(-x * x) * sum
end
local function erfc(x)
  if is_nan(x) then return x end
  if x < 0 then return 2 - erfc(-x) end
  if x < 1 then return 1 - erf_series(x) end
  if x > 30 then return 0 end
  local tail = x
  for n = 400, 1, -1 do tail = x + n / 2 / tail end
  return math.exp(-x * x) / math.sqrt(math.pi) / tail
end
local function erf(x)
  if math.abs(x) < 2 then return erf_series(x) end
  return x < 0 and erfc(-x) - 1 or 1 - erfc(x)
end
-- By bisection; for large arguments of the complement, which is exact there.
local function erfinv(x)
  if x < 0 then return -erfinv(-x) end
  if not (x < 1) then return x == 1 and INF or NAN end
  local low, high = 0, 7
  for _ = 1, 1100 do
    local y = (low + high) / 2
    local below = x < 0.5 and erf(y) < x or x >= 0.5 and erfc(y) > 1 - x
    if below then low = y else high = y end
    if low > 0 and high / low < 1 + 4e-16 then break end
  end
  return low
end
-- Stirling's series beyond 20, and the recurrences below.
local function lgamma(x)
  if x == -INF then return INF end
  if x <= 0 and x == math.floor(x) then return INF end
  if x == 1 or x == 2 or x - x ~= 0 then return x - x == 0 and 0 or x end
  local product = 1
  while x < 20 do
    product = product * x
    x = x + 1
  end
  local series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / x ^ 2) / x ^ 2) / x ^ 2) / x
  return (x - 0.5) * math.log(x) - x + math.log(2 * math.pi) / 2 + series
    - math.log(math.abs(product))
end
local function digamma(x)
  if x == 0 then return 1 / x > 0 and -INF or INF end
  if x == INF then return x end
  if x ~= x or (x < 0 and x == math.floor(x)) or x == -INF then return NAN end
  local sum = 0
  while x < 30 do
    sum = sum + 1 / x
    x = x + 1
  end
  local s = x ^ -2
  return math.log(x) - 0.5 / x - s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s / 240))) - sum
end
-- -2 times the sum of (x + k)^-3, its tail as an integral with corrections.
local function digamma_second(x)
  if x == INF then return 0 end
  if x ~= x or (x <= 0 and x == math.floor(x)) then return NAN end
  local tail = x + 100
  local sum = tail ^ -2 / 2 + tail ^ -3 / 2 + tail ^ -4 / 4 - tail ^ -6 / 12
  for k = 99, 0, -1 do sum = sum + (x + k) ^ -3 end
  return -2 * sum
end


-- low, high: the arguments; absolute: near a zero of the function rounding of
-- the argument rules, a number says how often.
local reference = {
  neg = { function(x) return -x end },
  exp = { math.exp }, expm1 = { expm1 },
  log = { math.log, 1e-3, 50, absolute = true },
  log1p = { log1p, -0.99, 50 },
  sqrt = { math.sqrt, 0, 50 }, square = { function(x) return x * x end },
  reciprocal = { function(x) return 1 / x end },
  sin = { math.sin, absolute = true }, cos = { math.cos, absolute = true },
  tan = { math.tan, -1.5, 1.5, absolute = true },
  asin = { math.asin, -1, 1 }, acos = { math.acos, -1, 1, absolute = true },
  atan = { math.atan }, sinh = { sinh },
  cosh = { function(x) return (math.exp(x) + math.exp(-x)) / 2 end },
  asinh = { asinh },
  acosh = { function(x)
    if x < 1 then return NAN end
    local u = x - 1
    return x > 1e8 and math.log(x) + math.log(2) or log1p(u + math.sqrt(u * (u + 2)))
  end, 1, 50 },
  atanh = { function(x)
    local y = log1p(2 * math.abs(x) / (1 - math.abs(x))) / 2
    return x < 0 and -y or y
  end, -0.99, 0.99 },
  log2 = { function(x) return math.log(x, 2) end, 1e-3, 50, absolute = true },
  log10 = { function(x) return math.log(x, 10) end, 1e-3, 50, absolute = true },
  exp2 = { function(x) return 2.0 ^ x end },
  erf = { erf }, erfc = { erfc, -3, 4 },
  erfinv = { erfinv, -1, 1 },
  lgamma = { lgamma, 0.05, 40, absolute = 4 }, -- the reference's own sums
  digamma = { digamma, -4, 40, absolute = true },
  polygamma = { digamma_second, 0.05, 40, args = { 2 } },
  silu = { function(x) return x / (1 + math.exp(-x)) end },
  gelu = { function(x) return x * erfc(-x / math.sqrt(2)) / 2 end, absolute = true },
  elu = { function(x) return x > 0 and x or 0.75 * expm1(x) end, args = { 0.75 } },
  tanh = { tanh },
  sigmoid = { function(x) return 1 / (1 + math.exp(-x)) end },
  softplus = { function(x) return math.max(x, 0) + log1p(math.exp(-math.abs(x))) end },
  relu = { function(x) return x <= 0 and 0 or x end },
  abs = { math.abs },
  leaky_relu = { function(x) return x > 0 and x or 0.25 * x end, args = { 0.25 } },
  clamp = { function(x) return x < -2.5 and -2.5 or (x > 1.5 and 1.5 or x) end,
    args = { -2.5, 1.5 } },
  sign = { function(x) return x > 0 and 1 or (x < 0 and -1 or 0) end },
  step = { function(x) return x > 0 and 1 or 0 end },
  floor = { function(x) return x - x ~= 0 and x or math.floor(x) + 0.0 end },
  ceil = { function(x) return x - x ~= 0 and x or math.ceil(x) + 0.0 end },
  trunc = { truncated }, round = { round },
  isinf = { function(x) return math.abs(x) == INF end },
  isnan = { function(x) return is_nan(x) end },
  isfinite = { function(x) return x - x == 0 end },
  add = { function(x, y) return x + y end }, sub = { function(x, y) return x - y end },
  mul = { function(x, y) return x * y end }, div = { function(x, y) return x / y end },
  pow = { function(x, y) return x ^ y end, 0.1, 5 },
  floor_divide = { function(x, y) return x // y end, absolute = true },
  remainder = { function(x, y) return (x + 0.0) % (y + 0.0) end, absolute = true },
  fmod = { function(x, y) return math.fmod(x + 0.0, y + 0.0) end },
  atan2 = { function(x, y) return math.atan(x, y) end },
  hypot = { function(x, y)
    if math.abs(x) == INF or math.abs(y) == INF then return INF end
    return math.sqrt(x * x + y * y)
  end },
  maximum = { function(x, y) return (x > y or is_nan(x)) and x or y end },
  minimum = { function(x, y) return (x < y or is_nan(x)) and x or y end },
  eq = { function(x, y) return x == y end },
  ne = { function(x, y) return x ~= y end },
  lt = { function(x, y) return x < y end },
  le = { function(x, y) return x <= y end },
  gt = { function(x, y) return x > y end },
  ge = { function(x, y) return x >= y end },
  where = { function(x, y, z) if x ~= 0 then return y else return z end end },
}

-- Vector functions stay within 4 units in the last place, Lua's within 1, and
-- these formulas add a few.
local RELATIVE = { float64 = 3e-15, float32 = 8e-7 }
-- Where 1 has been added or subtracted, or an argument was rounded.
local ABSOLUTE = { float64 = 1e-14, float32 = 2e-6 }

local function agrees(got, expected, dtype, absolute)
  if is_nan(expected) then return is_nan(got) end
  if type(expected) == "boolean" then return got == expected end
  if dtype == "float32" then -- as C would round it
    expected = ("f"):unpack(("f"):pack(expected))
  end
  if got == expected then return true end
  local allowed = RELATIVE[dtype] * math.abs(expected)
  if absolute then
    local times = absolute == true and 1 or absolute
    allowed = math.max(allowed, times * ABSOLUTE[dtype])
  end
  -- Below the normal range precision ends.
  return math.abs(got - expected) <= math.max(allowed, dtype == "float32" and 2e-38 or 1e-307)
end

local function compare(name, entry, columns, dtype)
  local inputs = {}
  for k, column in ipairs(columns) do
    inputs[k] = torus.tensor(column, { dtype = dtype })
  end
  local args = table.move(entry.args or {}, 1, 2, #inputs + 1, { table.unpack(inputs) })
  local got = core.ops[name](table.unpack(args)):totable()
  for k, x in ipairs(inputs) do columns[k] = x:totable() end -- rounded
  for i = 1, #columns[1] do
    local arguments = {}
    for k, column in ipairs(columns) do arguments[k] = column[i] end
    local expected = entry[1](table.unpack(arguments))
    if not agrees(got[i], expected, dtype, entry.absolute) then
      error(("%s(%s) in %s is %.17g, expected %.17g"):format(name,
        table.concat(arguments, ", "), dtype, got[i], expected))
    end
  end
end

local function arity(name)
  for _, op in ipairs(torus.registry()) do
    if op.name == name then return op.inputs end
  end
end

describe("the elementwise operation", function()
  for _, op in ipairs(torus.registry()) do
    if op.name == "sum" then break end -- the first of another kind
    local name, entry = op.name, reference[op.name]
    it(name .. " has a reference", function() assert.is_table(entry) end)

    for _, dtype in ipairs { "float64", "float32" } do
      it(name .. " has the right values in " .. dtype, function()
        local low, high = entry[2] or -12, entry[3] or 12
        for _, n in ipairs { 1, 3, 17, 1031 } do -- whole vectors and their rests
          local columns = {}
          for k = 1, op.inputs do
            columns[k] = {}
            for i = 1, n do
              local u = (i * 0.6180339887498949 + 0.31 * k) % 1
              columns[k][i] = low + (high - low) * u
            end
          end
          compare(name, entry, columns, dtype)
        end
      end)

      it(name .. " treats infinities, NaN and zeros like C in " .. dtype, function()
        local special = { INF, -INF, NAN, 0.0, -0.0, 1, -1, 0.5, 2, 3, 1e30, -1e30 }
        local columns = { {}, {}, {} }
        for _, x in ipairs(special) do
          for _, y in ipairs(arity(name) > 1 and special or { 0 }) do
            table.insert(columns[1], x)
            table.insert(columns[2], y)
            table.insert(columns[3], 7)
          end
        end
        for k = op.inputs + 1, 3 do columns[k] = nil end
        local exact = setmetatable({ absolute = false }, { __index = entry })
        if name == "sin" or name == "cos" or name == "tan" then -- huge arguments: libm's own
          for _, column in ipairs(columns) do
            for i, x in ipairs(column) do
              column[i] = math.abs(x) == 1e30 and 1 or x
            end
          end
        end
        compare(name, exact, columns, dtype)
      end)
    end
  end

  it("keeps the sign of zero", function()
    assert.equal(-INF, (1 / torus.zeros(1):neg()):item())
    assert.equal(INF, (1 / torus.tensor { -0.0 }:abs()):item())
  end)
end)

describe("softplus, sigmoid and logsumexp", function()
  it("neither overflow nor lose small values", function()
    for _, dtype in ipairs { "float64", "float32" } do
      local opts = { dtype = dtype }
      local x = torus.tensor({ 1000, -1000, 60, -60 }, opts)
      assert.equal(1000, x:softplus()[1]:item())
      assert.equal(0, x:softplus()[2]:item())
      assert.equal(60, x:softplus()[3]:item())
      assert.near(1, x:softplus()[4]:item() / math.exp(-60), 1e-6)
      assert.same({ 1, 0 }, x:sigmoid()[{ { 1, 2 } }]:totable())
      assert.near(1, x:sigmoid()[4]:item() / math.exp(-60), 1e-6)
      local y = torus.tensor({ { 1000, 1000 }, { -1000, -1000 }, { 1000, -INF } }, opts)
      local z = y:logsumexp(2)
      assert.near(1000 + math.log(2), z[1]:item(), 1e-4)
      assert.near(-1000 + math.log(2), z[2]:item(), 1e-4)
      assert.equal(1000, z[3]:item())
    end
  end)

  it("have finite slopes at large values", function()
    local x = torus.tensor({ 1000, -1000, 0 }, { requires_grad = true })
    local slope = torus.grad(x:softplus():sum(), x, { create_graph = true })
    assert.same({ 1, 0, 0.5 }, slope:totable())
    assert.same({ 0, 0, 0.25 }, torus.grad(slope:sum(), x):totable())
    assert.same({ 1, 0, 0 }, torus.grad(x:logsumexp(), x):totable())
  end)

  it("of infinities alone give what the limit gives", function()
    local x = torus.tensor { { -INF, -INF }, { INF, 1 }, { NAN, 1 } }:logsumexp(2)
    assert.equal(-INF, x[1]:item())
    assert.equal(INF, x[2]:item())
    assert.is_true(is_nan(x[3]:item()))
  end)
end)

describe("polygamma", function()
  it("takes n from 0 to 100, and has an end inside", function()
    local x = torus.tensor({ 1 }, { dtype = "float64" })
    assert.near(math.pi ^ 2 / 6, x:polygamma(1):item(), 1e-15)
    assert.equal(x:digamma():item(), x:polygamma(0):item())
    for _, n in ipairs { -1, 101 } do
      local ok, message = pcall(x.polygamma, x, n)
      assert.is_false(ok)
      assert.truthy(message:find("polygamma: expected n from 0 to 100, got " .. n, 1, true))
    end
    assert.is_true(is_nan(core.ops.polygamma(x, 1e9):item()))
    assert.is_true(is_nan(core.ops.polygamma(x, 0.5):item()))
  end)
end)

describe("pow", function()
  it("has no NaN among the slopes at zero", function()
    local x = torus.tensor({ 0, 2 }, { requires_grad = true, dtype = "float64" })
    local g = x
    for order, expected in ipairs { { 0, 12 }, { 0, 12 }, { 6, 6 }, { 0, 0 } } do
      g = torus.grad((order == 1 and x ^ 3 or g):sum(), x,
        { create_graph = true, allow_unused = true })
      assert.same(expected, g:totable(), "order " .. order)
    end
    assert.same({ 0, 0 }, torus.grad((x ^ 0):sum(), x):totable())
    assert.same({ 1, 1 }, torus.grad((x ^ 1):sum(), x):totable())
  end)

  it("gives the exponent no slope where the base is not positive", function()
    local y = torus.tensor({ 2, 2, -1 }, { requires_grad = true, dtype = "float64" })
    local x = torus.tensor({ 0, -3, 0 }, { dtype = "float64" })
    assert.same({ 0, 0, 0 }, torus.grad((x ^ y):sum(), y):totable())
  end)
end)

describe("where", function()
  it("gives the side not taken a zero, also beside infinite gradients", function()
    local x = torus.tensor({ 0, 4 }, { requires_grad = true })
    local other = torus.tensor({ 1, 1 }, { requires_grad = true })
    local y = torus.where(torus.tensor { 1, 0 }, x, other):sqrt():sum()
    local g = torus.grad(y, { x, other })
    assert.same({ INF, 0 }, g[1]:totable())
    assert.same({ 0, 0.5 }, g[2]:totable())
  end)
end)

-- --- reductions against loops ---------------------------------------------------

local function flat(x) return x:reshape(x:numel()):totable() end

-- fold over dimension d of a contiguous (outer, n, inner) view.
local function fold(x, outer, n, inner, f)
  local values, out = flat(x), {}
  for o = 0, outer - 1 do
    for i = 1, inner do
      local list = {}
      for k = 0, n - 1 do list[k + 1] = values[(o * n + k) * inner + i] end
      out[#out + 1] = f(list)
    end
  end
  return out
end

local function total(list)
  local sum = 0
  for _, v in ipairs(list) do sum = sum + v end
  return sum
end

local folds = {
  sum = total,
  mean = function(list) return total(list) / #list end,
  max = function(list) return math.max(table.unpack(list)) end,
  min = function(list) return math.min(table.unpack(list)) end,
  logsumexp = function(list)
    local m = math.max(table.unpack(list))
    for i, v in ipairs(list) do list[i] = math.exp(v - m) end
    return m + math.log(total(list))
  end,
}

local function all_near(expected, got, tolerance, what)
  assert.equal(#expected, #got, what)
  for i, e in ipairs(expected) do
    if not (math.abs(e - got[i]) <= tolerance * math.max(1, math.abs(e))) then
      error(("%s: element %d is %.12g, expected %.12g"):format(what, i, got[i], e))
    end
  end
end

describe("the reduction", function()
  for name, f in pairs(folds) do
    for dtype, tolerance in pairs { float64 = 1e-12, float32 = 1e-5 } do
      it(name .. " agrees with a loop in " .. dtype, function()
        local generator = torus.generator(7)
        -- Sizes beyond the blocks of 512 and the pieces of 32768 elements.
        for _, s in ipairs { { 3, 5, 4 }, { 2, 700, 1 }, { 1, 3, 700 }, { 1, 1, 9 },
          { 1, 40000, 1 }, { 2, 130, 3 } } do
          local x = torus.randn(s, { dtype = dtype, generator = generator })
          local expected = fold(x, s[1], s[2], s[3], f)
          all_near(expected, flat(x[name](x, 2)), tolerance, "over the middle")
          local turned = x:permute(3, 1, 2):copy():permute(2, 3, 1) -- other strides
          all_near(expected, flat(turned[name](turned, 2)), tolerance, "strided")
          all_near({ f(flat(x)) }, { x[name](x):item() }, tolerance, "over all")
          expected = fold(x, 1, s[1], s[2] * s[3], f)
          all_near(expected, flat(x[name](x, 1)), tolerance, "over the first")
        end
      end)
    end
  end

  it("argmax and argmin find the first extreme element", function()
    local x = torus.tensor { { 1, 5, 5 }, { 2, -1, -1 } }
    assert.same({ 2, 1 }, x:argmax(2):totable())
    assert.same({ 1, 2 }, x:argmin(-1):totable())
    assert.same({ 2, 1, 1 }, x:argmax(1):totable())
    assert.equal("int64", x:argmax(1).dtype)
    assert.same({ 3 }, torus.tensor { { 1, 7, NAN } }:argmax(2):totable())
    assert.equal(2, x:argmax():item())
    assert.equal(4, x:transpose():argmin():item())
    assert.equal(1, torus.zeros():argmax():item())
  end)

  it("max and min let NaN win", function()
    local x = torus.tensor { 1, NAN, 3 }
    assert.is_true(is_nan(x:max():item()) and is_nan(x:min():item()))
  end)

  it("takes dims in every form", function()
    local x = torus.arange(24):reshape(2, 3, 4)
    assert.same({ 2, 4 }, x:sum(2).shape)
    assert.same({ 2, 4 }, x:sum(-2).shape)
    assert.same({ 3 }, x:sum({ 1, 3 }).shape)
    assert.same({ 1, 3, 1 }, x:sum({ 1, 3 }, true).shape)
    assert.same({ 1, 3, 1 }, x:sum({ dim = { 1, 3 }, keepdim = true }).shape)
    assert.same({}, x:sum().shape)
    assert.same({ 1, 1, 1 }, x:sum({ keepdim = true }).shape)
    assert.equal(300, x:sum():item())
    assert.equal(12.5, x:mean():item())
  end)

  it("of nothing gives 0, NaN for the mean", function()
    local x = torus.zeros(2, 0)
    assert.same({ 0, 0 }, x:sum(2):totable())
    assert.is_true(is_nan(x:mean(2)[1]:item()))
    assert.same({}, x:max(1):totable())
  end)

  it("sums float32 without the errors of float32", function()
    -- A running float32 sum of these would stop at 2^24.
    assert.equal(20000000, torus.ones(20000000):sum():item())
    assert.near(0.1, torus.full({ 1000000 }, 0.1):mean():item(), 1e-8)
  end)
end)

-- --- products -----------------------------------------------------------------

local function product(a, b)
  local out = {}
  for i = 1, #a do
    out[i] = {}
    for j = 1, #b[1] do
      local sum = 0
      for k = 1, #b do sum = sum + a[i][k] * b[k][j] end
      out[i][j] = sum
    end
  end
  return out
end

local function same_matrix(expected, got, tolerance)
  for i, row in ipairs(expected) do
    all_near(row, got[i], tolerance, "row " .. i)
  end
end

describe("matmul", function()
  local g = torus.generator(3)
  for dtype, tolerance in pairs { float64 = 1e-12, float32 = 1e-5 } do
    it("agrees with loops for all layouts in " .. dtype, function()
      local function random(...)
        return torus.randn({ ... }, { dtype = dtype, generator = g })
      end
      for _, s in ipairs { { 1, 1, 1 }, { 3, 4, 5 }, { 17, 33, 9 }, { 1, 8, 6 }, { 6, 8, 1 } } do
        local a, b = random(s[1], s[2]), random(s[2], s[3])
        local expected = product(a:totable(), b:totable())
        local at = a:transpose():copy():transpose()
        local bt = b:transpose():copy():transpose()
        local as = random(s[1], 2 * s[2])[{ {}, { 1, 2 * s[2], 2 } }]:copy_(a)
        for _, x in ipairs { a, at, as } do
          for _, y in ipairs { b, bt } do
            same_matrix(expected, x:matmul(y):totable(), tolerance)
          end
        end
      end
    end)
  end

  it("broadcasts batches and takes vectors", function()
    local a = torus.arange(12):reshape(2, 1, 2, 3)
    local b = torus.arange(18):reshape(3, 3, 2)
    local y = a:matmul(b)
    assert.same({ 2, 3, 2, 2 }, y.shape)
    for i = 1, 2 do
      for j = 1, 3 do
        assert.same(product(a[i][1]:totable(), b[j]:totable()), y[i][j]:totable())
      end
    end
    local v = torus.tensor { 1, 2, 3 }
    assert.same({ 22, 28 }, v:matmul(b[1]):totable())
    assert.same({ 22, 28 }, b[1]:transpose():matmul(v):totable())
    assert.equal(14, v:matmul(v):item())
  end)

  it("over an inner size of 0 gives zeros", function()
    assert.same({ { 0, 0 } }, torus.zeros(1, 0):matmul(torus.zeros(0, 2)):totable())
    assert.same({ 0, 2 }, torus.zeros(0, 3):matmul(torus.zeros(3, 2)).shape)
  end)

  it("accepts repeated rows, columns and steps", function()
    local row = torus.tensor { 1, 2, 3 }
    local a, b = row:expand(2, 3), row:unsqueeze(2):expand(3, 2)
    assert.same({ { 14, 14 }, { 14, 14 } }, a:matmul(b):totable())
    assert.same({ { 6, 12, 18 }, { 6, 12, 18 } },
      torus.ones(2, 3):mul(2):matmul(row:expand(3, 3)):totable())
  end)
end)
