--- Tensor functions that the engine does not provide itself.
--
-- Every function here is part of `torus` and, where its first argument is a
-- tensor, a method too: `torus.narrow(x, 1, 2, 3)` is `x:narrow(1, 2, 3)`.
-- @module torus.tensor
-- @public torus

local arguments = require "torus.arguments"
local core = require "torus.core"
local elsewhere = require "torus.elsewhere"
local format = require "torus.format"
local options = require "torus.options"

local ops, methods, meta = core.ops, core.methods, core.metatable
local raise, show = options.raise, options.show
local check, dimension, integer = arguments.tensor, arguments.dimension, arguments.integer

--- An array of numbers of one dtype, with up to 8 dimensions.
--
-- Fields: `shape` (a list of sizes), `dtype` ("float32", "float64", "int64",
-- "int32", "uint8", "bool"), `requires_grad`, `grad`, `is_leaf`.
--
-- Indices count from 1, and from the end when negative; ranges include both
-- ends:
--
--     x[2]                   the second entry of the first dimension, a view
--     x[{ 2, -1 }]           one element, a scalar tensor
--     x[{ {2, 4}, {} }]      entries 2 to 4, all of the second dimension
--     x[{ {1, -1, 2} }]      every second entry
--     x[{ {}, 1 }] = 0       writes in place
--     x[x:gt(0)]             the elements a mask selects, in row-major order; a copy
--     x[index]               entries at an int64 tensor of indices, any shape; a copy
--     x[{ {}, index }]       the same along the second dimension
--     x[{ i, j }]            the elements at points, whose coordinates index tensors have
--     x[x:lt(0)] = 0         writes to the selected elements; if an index occurs
--                            twice, the last value wins
--     for i, row in ipairs(x) do ... end
--
-- Operators + - * / // % ^ & | ~ broadcast and take numbers; #x is the first
-- size; == tests whether two values are the same tensor. Every operation of
-- `torus` whose first argument is a tensor is also a method.
--
-- Mixed dtypes promote to the later one of bool, uint8, int32, int64, float32,
-- float64. A Lua number never changes the dtype: adding 0.5 to integers is an
-- error. / ^ mean and functions such as exp convert integers to float32, sum to
-- int64. Integers wrap around; // and % by 0 raise for integers and behave as in
-- Lua for floats. Comparisons (eq, ne, lt, le, gt, ge, isnan, ...) return bools.
-- For bools + - * are or, and-not, and, so that 1 - mask is the complement; other
-- arithmetic counts true as 1.
-- @type tensor
local M = {}

--- Returns true if a value is a tensor.
-- @param x anything
-- @treturn boolean
-- @usage
-- print(torus.is_tensor(torus.ones(2)), torus.is_tensor(1))   -- true  false
function M.is_tensor(x) return arguments.is_tensor(x) end

--- Swaps two dimensions; a view.
-- @tparam tensor x
-- @tparam[opt=-2] int a
-- @tparam[opt=-1] int b
-- @treturn tensor
-- @usage
-- x = torus.zeros(2, 3, 4)
-- print(table.unpack(x:transpose().shape))       -- 2  4  3
-- print(table.unpack(x:transpose(1, 2).shape))   -- 3  2  4
function M.transpose(x, a, b)
  check("transpose", x)
  a, b = dimension("transpose", x, a or -2), dimension("transpose", x, b or -1)
  local dims = {}
  for d = 1, x:dim() do dims[d] = d end
  dims[a], dims[b] = b, a
  return ops.permute(x, dims)
end

--- Removes dimensions of size 1: the given one, or all.
-- @tparam tensor x
-- @tparam[opt] int dim an error when its size is not 1
-- @treturn tensor a view
-- @usage print(table.unpack(torus.zeros(1, 3, 1):squeeze(1).shape))   -- 3  1
function M.squeeze(x, dim)
  check("squeeze", x)
  local shape = {}
  local chosen = dim and dimension("squeeze", x, dim)
  for d, size in ipairs(x.shape) do
    if chosen == d and size ~= 1 then
      raise(("squeeze: expected dimension %d to have size 1, got shape %s")
        :format(d, "(" .. table.concat(x.shape, ",") .. ")"))
    end
    if not (chosen == d or (not chosen and size == 1)) then
      shape[#shape + 1] = size
    end
  end
  return ops.reshape(x, shape)
end

--- Adds a dimension of size 1 at position `dim`.
-- @tparam tensor x
-- @tparam int dim
-- @treturn tensor a view
-- @usage print(table.unpack(torus.zeros(3):unsqueeze(1).shape))   -- 1  3
function M.unsqueeze(x, dim)
  check("unsqueeze", x)
  local shape = x.shape
  table.insert(shape, dimension("unsqueeze", x, dim, 1), 1)
  return ops.reshape(x, shape)
end

--- Merges the dimensions from `first` to `last` into one.
-- @tparam tensor x
-- @tparam[opt=1] int first
-- @tparam[opt=-1] int last
-- @treturn tensor
-- @usage
-- print(table.unpack(torus.zeros(2, 3, 4):flatten(2).shape))   -- 2  12
function M.flatten(x, first, last)
  check("flatten", x)
  if x:dim() == 0 then return ops.reshape(x, 1) end
  first, last = dimension("flatten", x, first or 1), dimension("flatten", x, last or -1)
  local shape, joined = {}, 1
  for d, size in ipairs(x.shape) do
    if d >= first and d <= last then
      joined = joined * size
      if d == last then shape[#shape + 1] = joined end
    else
      shape[#shape + 1] = size
    end
  end
  return ops.reshape(x, shape)
end

--- Returns `length` elements of a dimension beginning at `start`; a view.
-- @tparam tensor x
-- @tparam int dim
-- @tparam int start counted from 1, or from the end if negative
-- @tparam int length
-- @treturn tensor
-- @raise when the elements lie outside of the dimension
-- @usage
-- x = torus.arange(5)
-- print(x:narrow(1, 2, 3))   -- 2 3 4
function M.narrow(x, dim, start, length)
  check("narrow", x)
  dim = dimension("narrow", x, dim)
  start, length = integer("narrow", "start", start), integer("narrow", "length", length)
  local from, size, step = {}, x.shape, {}
  if start < 0 then start = size[dim] + 1 + start end
  if start < 1 or length < 0 or length > size[dim] - start + 1 then
    raise(("narrow: %d elements from %d are outside dimension %d of size %d")
      :format(length, start, dim, size[dim]))
  end
  for d = 1, #size do from[d], step[d] = 1, 1 end
  from[dim], size[dim] = start, length
  return ops.slice(x, from, size, step)
end

--- Returns the slice at index `i` of a dimension, without that dimension; a view.
-- @tparam tensor x
-- @tparam int dim
-- @tparam int i
-- @treturn tensor
-- @usage
-- x = torus.tensor{{1, 2}, {3, 4}}
-- print(x:select(2, 1))   -- 1 3, the first column
function M.select(x, dim, i)
  check("select", x)
  local where = {}
  dim = dimension("select", x, dim)
  for d = 1, dim - 1 do where[d] = {} end
  where[dim] = i
  return x[where]
end

--- Returns x itself if its elements are contiguous in row-major order, else a copy.
-- @tparam tensor x
-- @treturn tensor
-- @usage
-- x = torus.zeros(2, 3):transpose()
-- print(x:is_contiguous(), x:contiguous():is_contiguous())   -- false  true
function M.contiguous(x)
  check("contiguous", x)
  return x:is_contiguous() and x or ops.copy(x)
end

--- Pads a tensor with zeros.
-- @tparam tensor x
-- @tparam {{int,int},...} amounts number of zeros before and after, one pair for
-- each dimension
-- @treturn tensor
-- @usage
-- x = torus.ones(1, 2)
-- print(x:pad{{1, 0}, {0, 2}})   -- a row of zeros above, two columns behind
function M.pad(x, amounts)
  check("pad", x)
  if type(amounts) ~= "table" or #amounts ~= x:dim() then
    raise(("pad: expected a pair {before, after} for each of %d dimensions, got %s")
      :format(x:dim(), show(amounts)))
  end
  local start, shape, step = {}, x.shape, {}
  for d, pair in ipairs(amounts) do
    if type(pair) ~= "table" or #pair ~= 2 then
      raise(("pad: expected a pair {before, after} for dimension %d, got %s")
        :format(d, show(pair)))
    end
    local before = integer("pad", "an amount", pair[1])
    local after = integer("pad", "an amount", pair[2])
    if before < 0 or after < 0 then
      raise(("pad: expected nonnegative amounts, got {%d, %d}"):format(before, after))
    end
    start[d], step[d] = before + 1, 1
    shape[d] = shape[d] + before + after
  end
  return ops.embed(x, start, shape, step)
end

--- Stacks tensors of the same shape along a new dimension.
-- @tparam {tensor,...} list
-- @tparam[opt=1] int dim position of the new dimension
-- @treturn tensor
-- @raise when the shapes or dtypes of the tensors differ
-- @usage
-- x, y = torus.zeros(3), torus.ones(3)
-- print(table.unpack(torus.stack({x, y}, 2).shape))   -- 3  2
function M.stack(list, dim)
  if type(list) ~= "table" or #list == 0 then
    raise("stack: expected a list of tensors, got " .. show(list))
  end
  for i = 1, #list do
    local x = list[i]
    if not options.is_live(x) then
      raise(("stack: expected a tensor as input %d, got %s"):format(i, show(x)))
    end
  end
  local parts = {}
  dim = dimension("stack", list[1], dim or 1, 1)
  for i, x in ipairs(list) do parts[i] = M.unsqueeze(x, dim) end
  return ops.cat(parts, dim)
end

-- Lua's stack limits the number of results a function can return.
local MAX_PARTS = 1000

--- Splits a dimension into equal parts.
-- @tparam tensor x
-- @tparam int parts how many, at most 1000; must divide the size
-- @tparam[opt=1] int dim
-- @treturn tensor,... views
-- @usage
-- mean, logvar = torus.randn(4, 6):chunk(2, 2)
-- print(table.unpack(mean.shape))   -- 4  3
function M.chunk(x, parts, dim)
  check("chunk", x)
  dim = dimension("chunk", x, dim or 1)
  local size = x:size(dim)
  if math.type(parts) ~= "integer" or parts < 1 or parts > MAX_PARTS
    or size % parts ~= 0 then
    raise(("chunk: expected an integer that divides the size %d as parts, got %s")
      :format(size, show(parts)))
  end
  local list = {}
  for i = 1, parts do
    list[i] = M.narrow(x, dim, (i - 1) * (size // parts) + 1, size // parts)
  end
  return table.unpack(list)
end

local function index_tensor(index)
  if type(index) == "table" then
    return core.tensor(index, { dtype = "int64" })
  end
  return index
end

--- Returns the slices of a dimension at a list of indices.
-- @tparam tensor x
-- @tparam int dim
-- @tparam tensor|{int,...} index int64, (n)
-- @treturn tensor
-- @raise when an index is out of range
-- @usage
-- x = torus.tensor{{1, 2}, {3, 4}, {5, 6}}
-- print(x:index_select(1, {3, 1}))   -- rows 3 and 1
function M.index_select(x, dim, index)
  return ops.index_select(x, index_tensor(index), dim)
end

--- Gathers elements along a dimension: `out[..., i, ...] = x[..., index[..., i, ...], ...]`.
-- @tparam tensor x
-- @tparam int dim
-- @tparam tensor|table index int64, shaped like x except for the size of `dim`
-- @treturn tensor shaped like index
-- @raise when an index is out of range
-- @usage
-- x = torus.tensor{{1, 2}, {3, 4}}
-- print(x:gather(2, {{2}, {1}}))   -- {{2}, {3}}
function M.gather(x, dim, index)
  return ops.gather(x, index_tensor(index), dim)
end

--- Matrix product: (m,k) x (k,n), batched over leading dimensions; a vector
-- counts as a row on the left and as a column on the right.
-- @tparam tensor a
-- @tparam tensor b
-- @treturn tensor
-- @raise when the inner sizes or the dtypes differ
-- @usage
-- a, b = torus.randn(5, 2, 3), torus.randn(3, 4)
-- print(table.unpack(a:matmul(b).shape))            -- 5  2  4
-- print(table.unpack(b:matmul(torus.ones(4)).shape)) -- 3
function M.matmul(a, b)
  check("matmul", a)
  check("matmul", b)
  -- A vector becomes a row or a column matrix; the extra dimension is removed again.
  local row, column = a:dim() == 1, b:dim() == 1
  if row then a = M.unsqueeze(a, 1) end
  if column then b = M.unsqueeze(b, 2) end
  local y = ops.matmul(a, b)
  if column then y = M.squeeze(y, -1) end
  if row then y = M.squeeze(y, column and -1 or -2) end
  return y
end

--- The n-th derivative of digamma, which is itself the derivative of lgamma.
-- Its gradient is the polygamma function of order n + 1.
-- @tparam tensor x
-- @tparam int n from 0 (digamma itself) to 100
-- @treturn tensor
-- @raise for other n
-- @usage print(torus.polygamma(torus.tensor{1}, 1))   -- pi^2 / 6 = 1.6449
function M.polygamma(x, n)
  check("polygamma", x)
  n = integer("polygamma", "n", n)
  if n < 0 or n > 100 then
    raise(("polygamma: expected n from 0 to 100, got %d"):format(n))
  end
  return ops.polygamma(x, n)
end

--- Converts to float32.
-- @tparam tensor x
-- @treturn tensor
-- @usage print(torus.ones(2, {dtype = "float64"}):float().dtype)   -- float32
function M.float(x)
  check("float", x)
  return ops.to(x, "float32")
end

--- Converts to float64.
-- @tparam tensor x
-- @treturn tensor
-- @usage print(torus.ones(2):double().dtype)   -- float64
function M.double(x)
  check("double", x)
  return ops.to(x, "float64")
end

--- Zeros with the shape and dtype of another tensor.
-- @function torus.zeros_like
-- @tparam tensor x
-- @tparam[opt] table opts dtype (x's by default), requires_grad=false
-- @treturn tensor
-- @usage print(torus.zeros_like(torus.zeros(2, 3)))

--- Ones with the shape and dtype of another tensor.
-- @function torus.ones_like
-- @tparam tensor x
-- @tparam[opt] table opts dtype (x's by default), requires_grad=false
-- @treturn tensor
-- @usage print(torus.ones_like(torus.zeros(2, 3)))

--- A tensor of one number, with the shape and dtype of another tensor.
-- @tparam tensor x
-- @tparam number value
-- @tparam[opt] table opts dtype (x's by default), requires_grad=false
-- @treturn tensor
-- @usage print(torus.full_like(torus.zeros(2, 3), 7))
function M.full_like(x, value, opts)
  check("full_like", x)
  if type(opts or {}) ~= "table" then
    raise(("full_like: expected a table of options, got %s"):format(show(opts)))
  end
  local with = { dtype = x.dtype }
  for key, given in pairs(opts or {}) do with[key] = given end
  return core.full(x.shape, value, with)
end

--- Numbers at equal ratios: base ^ first to base ^ last.
-- @tparam number first exponent
-- @tparam number last exponent
-- @tparam integer count
-- @tparam[opt] table opts base=10, dtype="float32", requires_grad=false
-- @treturn tensor (count)
-- @usage
-- print(torus.logspace(0, 3, 4))                    -- 1 10 100 1000
-- print(torus.logspace(0, 3, 4, { base = 2 }))      -- 1 2 4 8
function M.logspace(first, last, count, opts)
  local o = options.resolve("logspace", opts, { base = { default = 10, type = "number", above = 0 },
    dtype = { default = "float32", type = "string" }, requires_grad = { type = "boolean" } })
  local exponents = core.linspace(first, last, count, { dtype = "float64" })
  local base = core.tensor(o.base, { dtype = "float64" })
  local x = ops.to(ops.pow(base, exponents), o.dtype)
  if o.requires_grad then x.requires_grad = true end
  return x
end

--- Uniform random numbers in [0, 1), with the shape and dtype of another tensor.
-- @function torus.rand_like
-- @tparam tensor x
-- @tparam[opt] table opts dtype (x's by default), requires_grad=false, generator
-- @treturn tensor
-- @usage print(torus.rand_like(torus.zeros(2, 3)))

--- Normal random numbers with the shape and dtype of another tensor.
-- @function torus.randn_like
-- @tparam tensor x
-- @tparam[opt] table opts dtype (x's by default), requires_grad=false, generator
-- @treturn tensor
-- @usage print(torus.randn_like(torus.zeros(2, 3)))

for _, name in ipairs { "zeros", "ones", "randn", "rand" } do
  M[name .. "_like"] = function(x, opts)
    check(name .. "_like", x)
    if type(opts or {}) ~= "table" then
      raise(("%s_like: expected a table of options, got %s"):format(name, show(opts)))
    end
    local with = { dtype = x.dtype }
    for key, value in pairs(opts or {}) do with[key] = value end
    return core[name](x.shape, with)
  end
end

for name, f in pairs(ops) do methods[name] = f end
for name, f in pairs(M) do methods[name] = f end
methods.view = ops.reshape
methods.backward = core.backward
methods.detach = core.detach
M.detach = core.detach
M.stack, methods.stack, methods.is_tensor, methods.logspace = M.stack, nil, nil, nil

meta.__add, meta.__sub, meta.__mul, meta.__div = ops.add, ops.sub, ops.mul, ops.div
meta.__pow, meta.__unm = ops.pow, function(x) return ops.neg(x) end
meta.__idiv, meta.__mod = ops.floor_divide, ops.remainder
meta.__band, meta.__bor, meta.__bxor = ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor
meta.__bnot = function(x) return ops.bitwise_not(x) end
-- Lua converts the results of these metamethods to true or false, so they can't
-- compare elementwise.
for name, sign in pairs { lt = "<", le = "<=" } do
  meta["__" .. name] = function()
    raise(("%s returns a single true or false in Lua: compare elements with "
      .. "x:lt(y), le, gt or ge, numbers with x:item()"):format(sign))
  end
end
meta.__concat = function(a, b)
  local x = arguments.is_tensor(a) and a or b
  raise(("..: expected texts and numbers, got %s; x:item() is the number of one element, "
    .. "tostring(x) the text of any"):format(show(x)))
end
meta.__tostring = format.tensor
meta.__elsewhere = function(name) return elsewhere.hint("tensor", name) end
meta.__name = "tensor"

return M
