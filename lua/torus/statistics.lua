--- Sorting, order statistics, and statistics.
--
-- Sorting and selecting determine indices, and values are gathered at these: gradients
-- of any order flow to the selected elements. NaN counts as the largest number.
-- @module torus.statistics
-- @public torus

local arguments = require "torus.arguments"
local core = require "torus.core"
local options = require "torus.options"
local selection = require "torus.selection"
local tensor = require "torus.tensor"

local ops, methods = core.ops, core.methods
local raise, show = options.raise, options.show
local check, dimension = arguments.tensor, arguments.dimension
local parameters = arguments.parameters

local M = {}

local FLAG = { type = "boolean", default = false }

local function is_float(x)
  return x.dtype == "float32" or x.dtype == "float64"
end

local function flat(x) return ops.reshape(x, x:numel()) end

-- --- order ------------------------------------------------------------------

--- Sorts along a dimension. The sort is stable; NaN comes last, or first in descending
-- order.
-- @tparam tensor x of any dtype
-- @tparam[opt=-1] int dim
-- @tparam[opt=false] boolean descending
-- @treturn tensor the sorted elements
-- @treturn tensor int64, their indices in x
-- @usage
-- values, indices = torus.sort(torus.tensor{3, 1, 2})   -- 1 2 3; 2 3 1
-- print(torus.tensor{3, 1, 2}:sort{ descending = true })
function M.sort(x, dim, descending)
  check("sort", x)
  local o = parameters("sort", { "dim", "descending" },
    { dim = { default = -1 }, descending = FLAG }, dim, descending)
  dim = dimension("sort", x, o.dim)
  local indices = ops.argsort(x, dim, o.descending)
  return ops.gather(x, indices, dim), indices
end

--- Returns the k largest elements along a dimension, in order; the first of equal ones.
-- @tparam tensor x of any dtype
-- @tparam int k
-- @tparam[opt=-1] int dim
-- @tparam[opt=true] boolean largest false: the k smallest, ascending
-- @treturn tensor like x, with size k along the dimension
-- @treturn tensor int64, their indices
-- @raise when there are fewer than k
-- @usage values, indices = torus.tensor{5, 9, 7, 1}:topk(2)   -- 9 7; 2 3
function M.topk(x, k, dim, largest)
  check("topk", x)
  local o = parameters("topk", { "k", "dim", "largest" },
    { k = { required = true, type = "integer" }, dim = { default = -1 },
      largest = { type = "boolean", default = true } }, k, dim, largest)
  dim = dimension("topk", x, o.dim)
  local ok = o.k >= 0 and o.k <= x:size(dim)
  if not ok then
    raise(("topk: expected k from 0 to the size %d of dimension %d, got %d")
      :format(x:size(dim), dim, o.k))
  end
  local indices = ops.argtopk(x, o.k, dim, o.largest)
  return ops.gather(x, indices, dim), indices
end

--- Returns the distinct values of a tensor, ascending. Every NaN counts as distinct.
-- The gradient flows to the first of equal elements.
-- @tparam tensor x of any dtype
-- @treturn tensor (m)
-- @treturn tensor int64 like x: the index of each element's value
-- @treturn tensor int64 (m): the number of occurrences of each value
-- @usage
-- values, inverse, counts = torus.tensor{2, 1, 2, 3, 1}:unique()
-- print(values)   -- 1 2 3
function M.unique(x)
  check("unique", x)
  local first, inverse, counts = ops.argunique(x)
  return ops.index_select(flat(x), first, 1), inverse, counts
end

--- Returns the median. For an even number of elements it is the lower of the two in the
-- middle (as in PyTorch; NumPy returns their mean, which is `x:quantile(0.5)`). It is NaN
-- if there is a NaN.
-- @tparam tensor x of any dtype
-- @tparam[opt] int dim default: over all elements
-- @tparam[opt=false] boolean keepdim
-- @treturn tensor
-- @treturn ?tensor with a dimension, int64: its indices
-- @raise when there are no elements
-- @usage
-- print(torus.tensor{3, 1, 2}:median())                           -- 2
-- values, indices = torus.tensor{{3, 1, 2}, {6, 5, 4}}:median(2)  -- 2 5; 3 2
function M.median(x, dim, keepdim)
  check("median", x)
  local o = parameters("median", { "dim", "keepdim" },
    { dim = {}, keepdim = FLAG }, dim, keepdim)
  if not o.dim then
    local all = flat(x)
    local value = ops.gather(all, ops.argmedian(all, 1), 1)
    local shape = {}
    for d = 1, o.keepdim and x:dim() or 0 do shape[d] = 1 end
    return ops.reshape(value, shape)
  end
  dim = dimension("median", x, o.dim)
  local indices = ops.argmedian(x, dim)
  local values = ops.gather(x, indices, dim)
  if o.keepdim then return values, indices end
  return tensor.squeeze(values, dim), tensor.squeeze(indices, dim)
end

-- The interpolation rules: the weight of the upper one of two neighbouring elements.
local INTERPOLATION = {
  linear = function(rest) return rest end,
  lower = function() return 0 end,
  higher = function(rest) return rest > 0 and 1 or 0 end,
  midpoint = function(rest) return rest > 0 and 0.5 or 0 end,
  nearest = function(rest, low) -- the even index, counted from 0, if both are equally near
    if rest == 0.5 then return low % 2 end
    return rest > 0.5 and 1 or 0
  end,
}

local function quantiles(q)
  if type(q) == "number" then q = { q } end
  if arguments.is_tensor(q) and q:dim() < 2 then q = flat(q):totable() end
  if type(q) ~= "table" then
    raise("quantile: expected a number or a list of numbers as q, got " .. show(q))
  end
  for i = 1, #q do
    local value = q[i]
    if type(value) ~= "number" or not (value >= 0 and value <= 1) then
      raise("quantile: expected q from 0 to 1, got " .. show(value))
    end
  end
  return q
end

-- Interpolates quantiles between the neighbouring elements of a sorted dimension.
local function interpolated(sorted, dim, q, weigh)
  local n = sorted:size(dim)
  local low, high, weights, shape = {}, {}, { {}, {} }, {}
  for k, value in ipairs(q) do
    local position = value * (n - 1)
    local below = math.min(math.floor(position), n - 1)
    local weight = weigh(position - below, below)
    low[k], high[k] = below + 1, below + 1
    if weight == 0 then weight = 0.5 -- the same element twice: 0 * infinity is NaN
    elseif weight == 1 then low[k], high[k], weight = below + 2, below + 2, 0.5
    else high[k] = below + 2 end
    weights[1][k], weights[2][k] = 1 - weight, weight
  end
  for d = 1, sorted:dim() do shape[d] = d == dim and #q or 1 end
  local function part(index, weight)
    local chosen = core.tensor(index, { dtype = "int64" })
    weight = ops.reshape(core.tensor(weight, { dtype = sorted.dtype }), shape)
    return ops.mul(ops.index_select(sorted, chosen, dim), weight)
  end
  return ops.add(part(low, weights[1]), part(high, weights[2]))
end

--- Returns quantiles, interpolated between the elements. The result is NaN if there is a
-- NaN.
-- @tparam tensor x integers are converted to float32
-- @tparam number|{number,...}|tensor q from 0 to 1; a list adds a first dimension to the
-- result
-- @tparam[opt] int dim default: over all elements
-- @tparam[opt=false] boolean keepdim
-- @tparam[opt] table opts dim and keepdim by name, and interpolation="linear", or
-- "lower", "higher", "midpoint", "nearest"
-- @treturn tensor
-- @raise when there are no elements
-- @usage
-- x = torus.tensor{1, 2, 3, 4}
-- print(x:quantile(0.5))                                   -- 2.5
-- print(x:quantile({ 0, 1 }))                              -- 1 4
-- print(x:quantile(0.5, { interpolation = "lower" }))      -- 2
function M.quantile(x, q, dim, keepdim, opts)
  check("quantile", x)
  local o = parameters("quantile", { "q", "dim", "keepdim" },
    { q = { required = true }, dim = {}, keepdim = FLAG,
      interpolation = { default = "linear",
        choices = { "linear", "lower", "higher", "midpoint", "nearest" } } },
    q, dim, keepdim, opts)
  local list, dims = quantiles(o.q), x:dim()
  if not is_float(x) then x = ops.to(x, "float32") end
  if o.dim then dim = dimension("quantile", x, o.dim) else x, dim = flat(x), 1 end
  local n = x:size(dim)
  if n == 0 then
    raise(("quantile: expected at least one element along dimension %d, got %s")
      :format(dim, show(x)))
  end
  local sorted = M.sort(x, dim)
  local y = interpolated(sorted, dim, list, INTERPOLATION[o.interpolation])
  local last = tensor.narrow(sorted, dim, n, 1)
  y = ops.where(ops.isnan(last), last, y)
  if type(o.q) == "number" then
    if not o.keepdim then return tensor.squeeze(y, dim) end
    if o.dim then return y end
  elseif not o.keepdim then
    local order = { dim }
    for d = 1, y:dim() do if d ~= dim then order[#order + 1] = d end end
    return ops.permute(y, order)
  end
  -- The reduced dimensions with size 1.
  local shape = { table.unpack(y.shape) }
  shape[dim] = 1
  if not o.dim then
    for d = 1, dims do shape[d] = 1 end
  end
  if type(o.q) == "number" then return ops.reshape(y, shape) end
  local order = { dim }
  for d = 1, y:dim() do if d ~= dim then order[#order + 1] = d end end
  table.insert(shape, 1, #list)
  return ops.reshape(ops.permute(y, order), shape)
end

--- Counts the occurrences of 1, 2, ... up to the largest element, or sums the weights of
-- each.
-- @tparam tensor x (n), integers from 1 on
-- @tparam[opt] table opts weights=nil (a tensor (n) of floats, through which
-- gradients flow), minlength=0
-- @treturn tensor int64, or with weights their dtype; at least minlength long
-- @raise when an element is below 1
-- @usage
-- x = torus.tensor({ 1, 2, 2, 3 }, { dtype = "int64" })
-- print(x:bincount())                                              -- 1 2 1
-- print(x:bincount{ weights = torus.tensor{ 0.5, 1, 1, 3 } })      -- 0.5 2 3
function M.bincount(x, opts)
  check("bincount", x)
  local o = options.resolve("bincount", opts,
    { weights = {}, minlength = { type = "integer", default = 0 } })
  local counts = ops.bincount(x, o.minlength)
  if not o.weights then return counts end
  check("bincount", o.weights)
  return ops.index_add(o.weights, ops.to(x, "int64"), 1, counts:size(1))
end

-- --- spread -----------------------------------------------------------------

local SPREAD = { dim = {}, keepdim = FLAG,
  correction = { type = "number", default = 0 } }
local SPREAD_NAMES = { "dim", "keepdim" }

local function squared_deviations(x, dim)
  return ops.square(x - ops.mean(x, dim, true))
end

local function variance(operation, x, dim, keepdim, opts)
  if type(dim) ~= "table" and type(keepdim) ~= "table" and opts == nil then
    return ops.mean(squared_deviations(x, dim), dim, keepdim)
  end
  check(operation, x)
  local o = parameters(operation, SPREAD_NAMES, SPREAD, dim, keepdim, opts)
  local squares = squared_deviations(x, o.dim)
  if o.correction == 0 then return ops.mean(squares, o.dim, o.keepdim) end
  local total = ops.sum(squares, o.dim, o.keepdim)
  local n = x:numel() // math.max(total:numel(), 1)
  return ops.div(total, math.max(n - o.correction, 0))
end

--- Returns the variance, the mean squared deviation from the mean.
--
-- It divides by n - correction. The default 0 is the variance of the elements
-- themselves, as in NumPy and in normalisation layers; PyTorch's default is 1, an
-- estimate for the population that the elements were drawn from.
-- @tparam tensor x
-- @tparam[opt] int|{int,...} dim default: all
-- @tparam[opt=false] boolean keepdim
-- @tparam[opt] table opts dim and keepdim by name, and correction=0; the result is NaN or
-- infinite if n - correction is 0
-- @treturn tensor
-- @usage
-- x = torus.tensor{1, 2, 3, 4}
-- print(x:var())                        -- 1.25
-- print(x:var{ correction = 1 })        -- 1.6667
-- print(x:var(1, { correction = 1 }))   -- the same
function M.var(x, dim, keepdim, opts)
  return (variance("var", x, dim, keepdim, opts))
end

-- The square root, with gradient 0 at 0.
local function root(x)
  local zero = ops.eq(x, 0)
  return ops.where(zero, 0, ops.sqrt(ops.where(zero, 1, x)))
end

--- Returns the standard deviation, the square root of var, with the same parameters and
-- defaults. Its gradient is zero if all elements are equal.
-- @tparam tensor x
-- @tparam[opt] int|{int,...} dim default: all
-- @tparam[opt=false] boolean keepdim
-- @tparam[opt] table opts dim and keepdim by name, and correction=0
-- @treturn tensor
-- @usage
-- x = torus.tensor{1, 2, 3, 4}
-- print(x:std(), x:std{ correction = 1 })   -- 1.118   1.291
function M.std(x, dim, keepdim, opts)
  return root(variance("std", x, dim, keepdim, opts))
end

--- Returns the covariances of the rows of a matrix, of which each column is one
-- observation, as in NumPy and PyTorch: of observations in rows, `x:transpose():cov()`.
-- @tparam tensor x (d, n), or (n) for one variable
-- @tparam[opt] table opts correction=1: divides by n - correction
-- @treturn tensor (d, d), or a scalar
-- @usage print(torus.tensor{{1, 2, 3}, {6, 5, 1}}:cov())   -- {1, -2.5}, {-2.5, 7}
function M.cov(x, opts)
  check("cov", x)
  local correction = options.resolve("cov", opts,
    { correction = { type = "number", default = 1 } }).correction
  if x:dim() < 1 or x:dim() > 2 then
    raise(("cov: expected variables by observations (d,n), got %s"):format(show(x)))
  end
  if not is_float(x) then x = ops.to(x, "float32") end
  local rows = x:dim() == 1 and ops.reshape(x, 1, x:size(1)) or x
  local deviations = rows - ops.mean(rows, 2, true)
  local products = ops.matmul(deviations, tensor.transpose(deviations))
  local y = ops.div(products, math.max(rows:size(2) - correction, 0))
  return x:dim() == 1 and ops.reshape(y, {}) or y
end

--- Returns the correlation coefficients of the rows of a matrix, of which each column is
-- one observation. They are NaN for a row of equal elements.
-- @tparam tensor x (d, n)
-- @treturn tensor (d, d)
-- @usage print(torus.tensor{{1, 2, 3}, {6, 4, 2}}:corrcoef())   -- {1, -1}, {-1, 1}
function M.corrcoef(x)
  check("corrcoef", x)
  if x:dim() ~= 2 then
    raise(("corrcoef: expected variables by observations (d,n), got %s"):format(show(x)))
  end
  local c = M.cov(x, { correction = 0 })
  local deviation = ops.sqrt(selection.diag(c))
  return c / ops.reshape(deviation, -1, 1) / ops.reshape(deviation, 1, -1)
end

local NORM = { p = { type = "number", default = 2 }, dim = {}, keepdim = FLAG }

-- Squares and sums of integers would wrap around.
local function floating(x) return is_float(x) and x or ops.to(x, "float32") end

-- (sum |x|^p)^(1/p)
local function power_norm(x, p, dim, keepdim)
  local total = ops.sum(ops.pow(ops.abs(x), p), dim, keepdim)
  local zero = ops.eq(total, 0)
  return ops.where(zero, 0, ops.pow(ops.where(zero, 1, total), 1 / p))
end

--- Returns the p-norm over dimensions, (sum |x|^p)^(1/p). Its gradient at zero is zero.
--
-- Options must be named: x:norm(1) raises, because it is the 1-norm in PyTorch but
-- would be the norm over the first dimension in other functions here.
-- @tparam tensor x
-- @tparam[opt] table opts p=2 (math.huge: the largest absolute value, 0: the
-- number of nonzero elements), dim (default: all), keepdim=false
-- @treturn tensor
-- @usage
-- x = torus.tensor{{3, 4}, {0, -2}}
-- print(x:norm())                            -- 5.3852
-- print(x:norm{ dim = 2 })                   -- 5 2
-- print(x:norm{ p = 1 }, x:norm{ p = math.huge, dim = 1 })   -- 9   3 4
function M.norm(x, opts)
  check("norm", x)
  if opts == nil then return root(ops.sum(ops.square(floating(x)))) end
  if type(opts) ~= "table" or (next(opts) ~= nil and type(next(opts)) ~= "string") then
    local text = show(opts)
    raise(("norm: expected a named option, x:norm{ p = %s } or x:norm{ dim = %s }, got %s")
      :format(text, text, text))
  end
  local o = options.resolve("norm", opts, NORM)
  local p, dim, keepdim = o.p, o.dim, o.keepdim
  if p == 0 then
    local count = ops.sum(ops.ne(x, 0), dim, keepdim)
    return is_float(x) and ops.to(count, x.dtype) or count
  end
  if p == math.huge then return ops.max(ops.abs(x), dim, keepdim) end
  if p == -math.huge then return ops.min(ops.abs(x), dim, keepdim) end
  x = floating(x)
  if p == 2 then return root(ops.sum(ops.square(x), dim, keepdim)) end
  if p == 1 then return ops.sum(ops.abs(x), dim, keepdim) end
  return power_norm(x, p, dim, keepdim)
end

-- --- tests ------------------------------------------------------------------

-- The dimensions and keepdim of a test.
local function over(operation, x, ...)
  check(operation, x)
  local o = parameters(operation, { "dim", "keepdim" }, { dim = {}, keepdim = FLAG }, ...)
  for _, d in ipairs(type(o.dim) == "table" and o.dim or { o.dim }) do
    dimension(operation, x, d)
  end
  return o.dim, o.keepdim
end

--- Returns true if any element is true or nonzero (NaN counts as nonzero); false if there
-- are no elements.
-- @tparam tensor x
-- @tparam[opt] int|{int,...} dim default: all
-- @tparam[opt=false] boolean keepdim
-- @treturn tensor bool
-- @usage print(torus.tensor{0, 2}:eq(2):any():item())   -- true
function M.any(x, dim, keepdim)
  dim, keepdim = over("any", x, dim, keepdim)
  return ops.gt(ops.sum(ops.ne(x, 0), dim, keepdim), 0)
end

--- Returns true if all elements are true or nonzero, or if there are no elements.
-- @tparam tensor x
-- @tparam[opt] int|{int,...} dim default: all
-- @tparam[opt=false] boolean keepdim
-- @treturn tensor bool
-- @usage print(torus.tensor{0, 2}:ge(0):all():item())   -- true
function M.all(x, dim, keepdim)
  dim, keepdim = over("all", x, dim, keepdim)
  return ops.eq(ops.sum(ops.eq(x, 0), dim, keepdim), 0)
end

local LARGEST = { float32 = 0x1.fffffep127, float64 = 0x1.fffffffffffffp1023 }

--- Replaces NaN and infinities by numbers; their gradient is 0.
-- @tparam tensor x
-- @tparam[opt=0] number nan
-- @tparam[opt] number posinf default: the largest number of the dtype
-- @tparam[opt] number neginf default: the smallest
-- @treturn tensor
-- @usage print(torus.tensor{0 / 0, math.huge}:nan_to_num(0, 9, -9))   -- 0 9
function M.nan_to_num(x, nan, posinf, neginf)
  check("nan_to_num", x)
  local number = { type = "number" }
  local o = parameters("nan_to_num", { "nan", "posinf", "neginf" },
    { nan = { type = "number", default = 0 }, posinf = number, neginf = number },
    nan, posinf, neginf)
  if not is_float(x) then return ops.copy(x) end
  local y = ops.where(ops.isnan(x), o.nan, x)
  y = ops.where(ops.eq(x, math.huge), o.posinf or LARGEST[x.dtype], y)
  return ops.where(ops.eq(x, -math.huge), o.neginf or -LARGEST[x.dtype], y)
end

--- Returns true if all elements of two tensors are equal up to a tolerance:
-- |a - b| <= atol + rtol |b|. Infinities are close to themselves.
-- @tparam tensor a
-- @tparam tensor b broadcasts with a
-- @tparam[opt] table opts rtol=1e-5, atol=1e-8, equal_nan=false
-- @treturn boolean
-- @usage
-- a = torus.tensor({ 1, 2 }, { dtype = "float64" })
-- print(torus.allclose(a, a + 1e-9))   -- true
function M.allclose(a, b, opts)
  check("allclose", a)
  check("allclose", b)
  local tolerance = { type = "number", min = 0 }
  local o = options.resolve("allclose", opts, {
    rtol = options.joined(tolerance, { default = 1e-5 }),
    atol = options.joined(tolerance, { default = 1e-8 }), equal_nan = FLAG })
  a, b = ops.to(core.detach(a), "float64"), ops.to(core.detach(b), "float64")
  local difference = ops.abs(ops.sub(a, b))
  local near = ops.le(difference, ops.add(ops.mul(ops.abs(b), o.rtol), o.atol))
  near = ops.where(ops.isfinite(difference), ops.to(near, "float64"), 0)
  near = ops.where(ops.eq(a, b), 1, near)
  if o.equal_nan then
    local nan = ops.where(ops.isnan(a), ops.to(ops.isnan(b), "float64"), 0)
    near = ops.where(nan, 1, near)
  end
  return ops.sum(ops.eq(near, 0)):item() == 0
end

for name, f in pairs(M) do methods[name] = f end

return M
