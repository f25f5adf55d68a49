--- Samples of distributions, and quasi-random points.
--
-- Everything depends only on the seed and position of the generator: the same seed
-- yields bit-identical results, with any number of threads.
-- @module torus.samples
-- @public torus

local core = require "torus.core"
local options = require "torus.options"
local tensor = require "torus.tensor"

local ops = core.ops
local raise, show, is_tensor = options.raise, options.show, tensor.is_tensor

local M = {}

-- --- arguments --------------------------------------------------------------

local COMMON = { dtype = { type = "string" }, requires_grad = { type = "boolean" },
  generator = {} }

local function rules(...)
  local joined = {}
  for _, key in ipairs { ... } do joined[key] = COMMON[key] end
  return joined
end
local FLOATS = rules("dtype", "requires_grad", "generator")
local NUMBERS = rules("dtype", "generator")

local function is_list(value)
  return type(value) == "table" and (rawlen(value) > 0 or next(value) == nil)
end

-- Reads a shape, given as a list or as numbers (nil without one), then options.
local function shape_and_options(operation, known, ...)
  local args, i, shape = table.pack(...), 1, nil
  if is_list(args[1]) then
    shape, i = args[1], 2
  else
    while type(args[i]) == "number" do
      shape = shape or {}
      shape[i], i = args[i], i + 1
    end
  end
  local sizes = shape and {}
  for k = 1, rawlen(shape or {}) do
    local size = rawget(shape, k)
    if type(size) ~= "number" or not math.tointeger(size) or size < 0 then
      raise("%s: expected integers from 0 as the shape, got %s at %d", operation, show(size), k)
    end
    sizes[k] = math.tointeger(size)
  end
  if args[i + 1] ~= nil then
    raise("%s: too many arguments, the first one too many is %s", operation, show(args[i + 1]))
  end
  return sizes, options.resolve(operation, args[i], known)
end

-- A parameter of a distribution: a number or a tensor of floats, within limits.
local function check_parameter(operation, name, value, limits)
  local function fail(got)
    raise("%s: expected a number or a tensor%s as %s, got %s", operation, limits.text, name, got)
  end
  local low, high = value, value
  if is_tensor(value) then
    if core.is_released(value) or value.dtype ~= "float32" and value.dtype ~= "float64" then
      fail(show(value))
    end
    if value:numel() == 0 then return end
    low, high = core.no_grad(function()
      return ops.min(value):item(), ops.max(value):item()
    end)
  elseif type(value) ~= "number" then
    fail(show(value))
  end
  if not limits.fits(low) or not limits.fits(high) then
    fail(is_tensor(value) and ("elements from %g to %g"):format(low, high) or show(value))
  end
end

local FINITE = { text = " of finite numbers",
  fits = function(v) return v - v == 0 end }
local NOT_NEGATIVE = { text = " of finite numbers from 0",
  fits = function(v) return v >= 0 and v < math.huge end }
local POSITIVE = { text = " of finite numbers above 0",
  fits = function(v) return v > 0 and v < math.huge end }
local PROBABILITY = { text = " of probabilities from 0 to 1",
  fits = function(v) return v >= 0 and v <= 1 end }

-- The broadcast shape of parameters, some of which may be numbers, and their dtype.
local function joint(parameters)
  local sum
  for _, value in ipairs(parameters) do
    if is_tensor(value) then
      local zero = core.zeros(value.shape, { dtype = value.dtype })
      sum = sum and sum + zero or zero
    end
  end
  return sum and sum.shape or {}, sum and sum.dtype or "float32"
end

local function same_shape(a, b)
  if #a ~= #b then return false end
  for i, size in ipairs(a) do
    if b[i] ~= size then return false end
  end
  return true
end

-- Reads the arguments of a distribution's function: shape, dtype and options.
local function read(operation, known, parameters, ...)
  local shape, o = shape_and_options(operation, known, ...)
  local own, dtype = core.no_grad(joint, parameters)
  if shape and #own > 0 then
    local fits, wide = pcall(ops.add, core.zeros(shape), core.zeros(own))
    if not fits or not same_shape(wide.shape, shape) then
      raise("%s: parameters of shape %s don't broadcast to the shape %s", operation,
        options.shape_text(own), options.shape_text(shape))
    end
  end
  return shape or own, o.dtype or dtype, o
end

local function finish(x, o)
  if o.requires_grad then
    x = x.is_leaf and x or tensor.detach(x)
    x.requires_grad = true
  end
  return x
end

local function cast(parameter, dtype)
  return is_tensor(parameter) and ops.to(parameter, dtype) or parameter
end

local function need_float(operation, dtype)
  if dtype ~= "float32" and dtype ~= "float64" then
    raise("%s: expected the dtype \"float32\" or \"float64\", got %s", operation, show(dtype))
  end
end

-- --- distributions ----------------------------------------------------------

--- Draws integers uniformly from `low` to `high` - 1.
-- @tparam[opt=1] integer low
-- @tparam integer high above low; the last one is high - 1
-- @tparam {integer,...} shape a list, or the sizes as arguments; without one: a scalar.
-- If sizes are given as arguments, `low` is required
-- @tparam[opt] table opts dtype="int64" or any other that can represent the numbers;
-- generator
-- @treturn tensor
-- @raise when high is not above low, or the dtype cannot hold the numbers
-- @usage
-- dice = torus.randint(1, 7, 100)        -- 1 .. 6
-- rows = torus.randint(1, 11, { 4, 2 })  -- 1 .. 10
-- print(dice:to("float32"):max():item() <= 6)   -- true
function M.randint(low, high, ...)
  local args = table.pack(...)
  if type(high) == "table" or high == nil then -- randint(high), randint(high, {shape})
    low, high, args = 1, low, table.pack(high, ...)
  end
  if type(high) ~= "number" or not math.tointeger(high) then
    raise("randint: expected an integer as high, got %s", show(high))
  end
  if type(low) ~= "number" or not math.tointeger(low) then
    raise("randint: expected an integer as low, got %s", show(low))
  end
  low, high = math.tointeger(low), math.tointeger(high)
  if high <= low then
    raise("randint: expected high above low = %d, got %d", low, high)
  end
  local shape, o = shape_and_options("randint", NUMBERS, table.unpack(args, 1, args.n))
  local dtype = o.dtype or "int64"
  for _, value in ipairs(dtype == "int64" and {} or { low, high - 1 }) do
    core.full({ 1 }, value, { dtype = dtype }) -- raises if the dtype can't represent it
  end
  local out = core.zeros(shape or {}, { dtype = "int64" })
  core.fill_integers(out, low, high - low, { generator = o.generator }, "randint")
  return dtype == "int64" and out or ops.to(out, dtype)
end

--- Draws normal random numbers with a mean and a standard deviation. Gradients flow to
-- both if they are tensors: a sample is mean + std * z.
-- @tparam[opt=0] number|tensor mean
-- @tparam[opt=1] number|tensor std at least 0
-- @tparam[opt] {integer,...} shape a list, or the sizes as arguments; by default that
-- of the parameters
-- @tparam[opt] table opts dtype (the parameters', or "float32"), requires_grad=false,
-- generator
-- @treturn tensor
-- @raise when std is negative or the parameters don't broadcast to the shape
-- @usage
-- heights = torus.normal(175, 7, { 1000 })
-- mean = torus.zeros(3, { requires_grad = true })
-- z = torus.normal(mean, 0.1)
-- print(torus.grad(z:sum(), mean))   -- ones
function M.normal(mean, std, ...)
  mean, std = mean or 0, std or 1
  check_parameter("normal", "the mean", mean, FINITE)
  check_parameter("normal", "the standard deviation", std, NOT_NEGATIVE)
  local shape, dtype, o = read("normal", FLOATS, { mean, std }, ...)
  need_float("normal", dtype)
  local z = core.randn(shape, { dtype = dtype, generator = o.generator })
  return finish(z * cast(std, dtype) + cast(mean, dtype), o)
end

-- Converts float64 samples to the requested dtype.
local function narrowed(x, dtype) return dtype == "float64" and x or ops.to(x, dtype) end

--- Draws exponentially distributed numbers. Gradients flow to the rate if it is a tensor.
-- @tparam[opt=1] number|tensor rate above 0; the mean is 1 / rate
-- @tparam[opt] {integer,...} shape a list, or the sizes as arguments; by default that
-- of the rate
-- @tparam[opt] table opts dtype (the rate's, or "float32"), requires_grad=false,
-- generator
-- @treturn tensor
-- @raise when the rate is not above 0 or doesn't broadcast to the shape
-- @usage waits = torus.exponential(0.5, { 1000 })   -- mean 2
function M.exponential(rate, ...)
  rate = rate or 1
  check_parameter("exponential", "the rate", rate, POSITIVE)
  local shape, dtype, o = read("exponential", FLOATS, { rate }, ...)
  need_float("exponential", dtype)
  local out = core.zeros(shape, { dtype = "float64" })
  core.fill_exponential(out, { generator = o.generator }, "exponential")
  return finish(narrowed(out, dtype) / cast(rate, dtype), o)
end

--- Draws gamma-distributed numbers. Gradients flow to the rate if it is a tensor; there is
-- no gradient with respect to the concentration.
-- @tparam number|tensor concentration above 0, also called shape or alpha
-- @tparam[opt=1] number|tensor rate above 0; the mean is concentration / rate
-- @tparam[opt] {integer,...} shape a list, or the sizes as arguments; by default that
-- of the parameters
-- @tparam[opt] table opts dtype (the parameters', or "float32"), requires_grad=false,
-- generator
-- @treturn tensor
-- @raise when a parameter is not above 0, the parameters don't broadcast to the shape,
-- or the concentration requires a gradient
-- @usage x = torus.gamma(2, 0.5, { 1000 })   -- mean 4, variance 8
function M.gamma(concentration, rate, ...)
  rate = rate or 1
  check_parameter("gamma", "the concentration", concentration, POSITIVE)
  check_parameter("gamma", "the rate", rate, POSITIVE)
  local shape, dtype, o = read("gamma", FLOATS, { concentration, rate }, ...)
  need_float("gamma", dtype)
  if is_tensor(concentration) then
    if concentration.requires_grad and core.is_recording() then
      raise("gamma: samples have no gradient with respect to the concentration; "
        .. "pass concentration:detach()")
    end
  end
  local out = core.no_grad(function()
    return ops.copy(core.zeros(shape, { dtype = "float64" })
      + cast(concentration, "float64"))
  end)
  core.fill_gamma(out, { generator = o.generator }, "gamma")
  return finish(narrowed(out, dtype) / cast(rate, dtype), o)
end

--- Draws ones with a given probability, else zeros.
-- @tparam number|tensor p probabilities
-- @tparam[opt] {integer,...} shape a list, or the sizes as arguments; by default that
-- of p
-- @tparam[opt] table opts dtype (p's, or "float32"; any), generator
-- @treturn tensor without a gradient
-- @raise when a probability is outside of 0 to 1, or p doesn't broadcast to the shape
-- @usage
-- coins = torus.bernoulli(0.5, 10)
-- kept = torus.full({ 3, 3 }, 0.9):bernoulli()
function M.bernoulli(p, ...)
  check_parameter("bernoulli", "the probability", p, PROBABILITY)
  local shape, dtype, o = read("bernoulli", NUMBERS, { p }, ...)
  return core.no_grad(function()
    local u = core.rand(shape, { dtype = "float64", generator = o.generator })
    return ops.to(ops.lt(u, cast(p, "float64")), dtype)
  end)
end

-- --- choosing ---------------------------------------------------------------

local CHOICES = { generator = {} }

-- Weights as a float64 matrix.
local function weight_rows(operation, weights, count, replacement)
  if not is_tensor(weights) or core.is_released(weights)
    or weights:dim() < 1 or weights:dim() > 2 or weights:size(-1) == 0 then
    raise("%s: expected weights of shape (n) or (rows,n), got %s", operation, show(weights))
  end
  return core.no_grad(function()
    local w = ops.copy(ops.to(weights:detach(), "float64"))
    w = ops.reshape(w, weights:dim() == 2 and weights:size(1) or 1, weights:size(-1))
    if w:size(1) == 0 then return w end
    local low, high = ops.min(w):item(), ops.max(w):item()
    if not (low >= 0 and high < math.huge) then
      raise("%s: expected finite weights from 0, got elements from %g to %g", operation, low,
        high)
    end
    local positive = ops.min(ops.sum(ops.to(ops.gt(w, 0), "float64"), 2)):item()
    local needed = replacement and math.min(count, 1) or count
    if positive < needed then
      raise("%s: expected at least %d weight%s above 0 in each row%s, got %d", operation, needed,
        needed == 1 and "" or "s", replacement and "" or " to draw without replacement",
        positive)
    end
    return w
  end)
end

local function picks(operation, weights, count, replacement, generator)
  local w = weight_rows(operation, weights, count, replacement)
  local out = core.zeros({ w:size(1), count }, { dtype = "int64" })
  core.fill_picks(out, w, replacement, { generator = generator }, operation)
  core.no_grad(function() out:copy_(ops.to(ops.to(out, "float64") + 1, "int64")) end)
  return weights:dim() == 2 and out or out[1]
end

local function check_count(operation, count)
  if type(count) ~= "number" or not math.tointeger(count) or count < 0 then
    raise("%s: expected an integer from 0 as the count, got %s", operation, show(count))
  end
  return math.tointeger(count)
end

--- Draws indices with probabilities proportional to weights.
-- @tparam tensor weights (n) or (rows, n), nonnegative, not all 0 in a row
-- @tparam integer count number of draws in each row
-- @tparam[opt=false] boolean replacement true allows an index to be drawn again; without
-- replacement, the indices are in the order in which they were drawn
-- @tparam[opt] table opts generator
-- @treturn tensor (count) or (rows, count) int64, from 1
-- @raise when a weight is negative or not finite, or when fewer than count are positive
-- without replacement
-- @usage
-- weights = torus.tensor { 0.5, 0.2, 0.3 }
-- print(torus.multinomial(weights, 3))              -- each of 1, 2 and 3
-- print(torus.multinomial(weights, 5, true).shape[1])   -- 5
function M.multinomial(weights, count, replacement, opts)
  local o = options.resolve("multinomial", opts, CHOICES)
  count = check_count("multinomial", count)
  if replacement ~= nil and type(replacement) ~= "boolean" then
    raise("multinomial: expected true or false as replacement, got %s", show(replacement))
  end
  return (picks("multinomial", weights, count, replacement or false, o.generator))
end

-- Indices from 1 to n, int64 (count).
local function draw(n, count, o)
  if o.weights ~= nil then
    local weights = o.weights
    if type(weights) == "table" then weights = core.tensor(weights, { dtype = "float64" }) end
    if not is_tensor(weights) or weights:dim() ~= 1 or weights:size(1) ~= n then
      raise("choice: expected %d weights, one for each, got %s", n, show(weights))
    end
    return picks("choice", weights, count, o.replacement, o.generator)
  end
  if o.replacement then return M.randint(1, n + 1, { count }, { generator = o.generator }) end
  if count > n then
    raise("choice: expected a count of at most %d without replacement, got %d", n, count)
  end
  return core.randperm(n, { generator = o.generator }):narrow(1, 1, count)
end

--- Chooses random rows of a tensor, entries of a list, or integers from 1 to n.
-- @tparam tensor|table|integer items a tensor with at least one dimension, a list, or n
-- @tparam[opt] integer count without it, a single entry instead of a list
-- @tparam[opt] table opts replacement=true; weights, one for each item (default:
-- uniform); generator
-- @return a tensor for a tensor, a list for a list, an int64 tensor for n; without a
-- count a single row, entry or integer
-- @raise when there is nothing to choose from, or not enough without replacement
-- @usage
-- print(torus.choice({ "euler", "leapfrog", "rk4" }))
-- batch = torus.choice(torus.rand(100, 2), 8, { replacement = false })   -- (8,2)
-- print(torus.choice(6, 10))   -- ten throws of a die
function M.choice(items, count, opts)
  local o = options.resolve("choice", opts, { replacement = { default = true, type = "boolean" },
    weights = {}, generator = {} })
  local n
  if options.is_live(items) and items:dim() > 0 then
    n = items:size(1)
  elseif type(items) == "table" and (getmetatable(items) or core.sizes) == core.sizes then
    n = #items
  elseif type(items) == "number" and math.tointeger(items) then
    n = math.tointeger(items)
  else
    raise("choice: expected a tensor with a dimension, a list or an integer, got %s", show(items))
  end
  local single = count == nil
  count = single and 1 or check_count("choice", count)
  if n < 1 and (count > 0 or n < 0) then
    raise("choice: expected at least one thing to choose from, got %s",
      type(items) == "number" and n or "none")
  end
  local index = count == 0 and core.zeros({ 0 }, { dtype = "int64" }) or draw(n, count, o)
  if type(items) == "number" then return single and index[1]:item() or index end
  if is_tensor(items) then
    local rows = tensor.index_select(items, 1, index)
    return single and rows[1] or rows
  end
  local list = {}
  for i, at in ipairs(index:totable()) do list[i] = items[at] end
  return single and list[1] or list
end

-- --- points -----------------------------------------------------------------

local MAX_DIMS, MAX_POINTS, MAX_COLUMNS = 64, 1 << 32, 1000
local BELOW_ONE = { float32 = 0x1.fffffep-1, float64 = 0x1.fffffffffffffp-1 }

-- Rounding may reach 1.
local function in_cube(x, dtype)
  need_float("points", dtype)
  return ops.minimum(narrowed(x, dtype), BELOW_ONE[dtype])
end

--- Returns points of the Sobol sequence, which fill the unit cube far more evenly than
-- random ones: means over them converge almost as 1/count. Counts that are powers of 2
-- are the most even.
--
-- The direction numbers are those of Joe and Kuo (2008). With Owen's (1995) scrambling
-- each point is uniform in the cube and means are unbiased.
-- @tparam integer count
-- @tparam integer dims at most 64
-- @tparam[opt] table opts scramble=true; seed of the scrambling (default: from the
-- generator), generator; first=1, the number of the first point; dtype="float32"
-- @treturn tensor (count, dims), in [0, 1)
-- @raise beyond 64 dimensions or 2^32 points
-- @usage
-- points = torus.sobol(256, 2, { seed = 1, dtype = "float64" })
-- radius = (points * points):sum(2):sqrt()
-- print(4 * torus.le(radius, 1):to("float64"):mean():item())   -- close to pi
function M.sobol(count, dims, opts)
  local o = options.resolve("sobol", opts, {
    scramble = { default = true, type = "boolean" }, seed = { type = "integer" },
    first = { default = 1, type = "integer", min = 1, max = MAX_POINTS },
    dtype = { default = "float32", type = "string", choices = { "float32", "float64" } },
    generator = {} })
  count = check_count("sobol", count)
  if type(dims) ~= "number" or not math.tointeger(dims) or dims < 0 or dims > MAX_DIMS then
    raise("sobol: expected 0 to %d dimensions, got %s", MAX_DIMS, show(dims))
  end
  if count > MAX_POINTS - o.first + 1 then
    raise("sobol: expected at most 2^32 points, got %d from %d on", count, o.first)
  end
  local seed = o.seed
  if o.scramble and not seed then
    local drawn = core.zeros({ 1 }, { dtype = "int64" })
    core.fill_integers(drawn, 0, math.maxinteger, { generator = o.generator }, "sobol")
    seed = drawn:item()
  end
  local out = core.zeros({ count, dims }, { dtype = "float64" })
  core.fill_sobol(out, o.first - 1, o.scramble and seed or nil)
  return in_cube(out, o.dtype)
end

--- Draws a Latin hypercube: in each dimension, each of `count` equal intervals contains
-- exactly one point.
-- @tparam integer count
-- @tparam integer dims at most 1000
-- @tparam[opt] table opts dtype="float32", generator
-- @treturn tensor (count, dims), in [0, 1)
-- @raise when a number is negative
-- @usage
-- x = torus.latin_hypercube(4, 2)
-- print((x:narrow(2, 1, 1) * 4):floor():sum():item())   -- 0 + 1 + 2 + 3
function M.latin_hypercube(count, dims, opts)
  local o = options.resolve("latin_hypercube", opts, { generator = {},
    dtype = { default = "float32", type = "string", choices = { "float32", "float64" } } })
  count, dims = check_count("latin_hypercube", count), check_count("latin_hypercube", dims)
  if dims > MAX_COLUMNS then
    raise("latin_hypercube: expected at most %d dimensions, got %d", MAX_COLUMNS, dims)
  end
  if count == 0 or dims == 0 then return core.zeros({ count, dims }, { dtype = o.dtype }) end
  local wide = { dtype = "float64", generator = o.generator }
  return core.no_grad(function()
    -- Before the first number is drawn: a size too large is refused at once.
    local points = core.zeros({ count, dims }, { dtype = "float64" })
    for d = 1, dims do
      local cells = core.randperm(count, { generator = o.generator })
      tensor.select(points, 2, d):copy_(
        (ops.to(cells, "float64") - 1 + core.rand({ count }, wide)) / count)
    end
    return in_cube(points, o.dtype)
  end)
end

core.methods.bernoulli, core.methods.multinomial = M.bernoulli, M.multinomial

return M
