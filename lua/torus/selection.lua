--- Selecting elements by masks and indices; reordering, splitting and repeating. All of
-- it is composed of differentiable operations, with gradients of any order.
-- @module torus.selection
-- @public torus

local arguments = require "torus.arguments"
local core = require "torus.core"
local options = require "torus.options"
local tensor = require "torus.tensor"

local ops, methods = core.ops, core.methods
local raise, show, shape_text = options.raise, options.show, options.shape_text
local check, dimension, integer = arguments.tensor, arguments.dimension, arguments.integer

local M = {}

-- Maximum number of dimensions of a tensor.
local MAX_DIMS = 8

-- A list of the entries from first to last.
local function part_of(list, first, last) return table.move(list, first, last, 1, {}) end

local function product(sizes)
  local n = 1
  for _, size in ipairs(sizes) do n = n * size end
  return n
end

local function joined(a, b) return table.move(b, 1, #b, #a + 1, part_of(a, 1, #a)) end

local function check_mask(operation, mask)
  check(operation, mask)
  if mask.dtype ~= "bool" then
    raise(("%s: expected a bool tensor as the mask, got %s; compare it, as with mask:ne(0)")
      :format(operation, show(mask)))
  end
end

-- --- x[mask] and x[index] -----------------------------------------------------

-- The selected entries of the flattened leading dimensions: the number of these
-- dimensions, the int64 indices (n), and the shape that replaces them.
local function chosen(x, key)
  if x:dim() == 0 then
    raise(("index: expected a tensor with dimensions to select from, got %s"):format(show(x)))
  end
  if key.dtype == "int64" or key.dtype == "int32" then
    return 1, ops.reshape(ops.to(key, "int64"), key:numel()), key.shape
  elseif key.dtype ~= "bool" then
    raise(("index: expected a bool tensor as a mask or an int64 one as indices, got %s; "
      .. "compare it, as with y:gt(0), or convert it with y:to(\"int64\")"):format(show(key)))
  end
  local n = key:dim()
  if n == 0 or n > x:dim() or shape_text(key.shape) ~= shape_text(part_of(x.shape, 1, n)) then
    raise(("index: expected a mask of the first sizes of %s, got %s"):format(show(x), show(key)))
  end
  local flat = ops.nonzero(ops.reshape(key, key:numel()))
  return n, ops.reshape(flat, flat:size(1)), { flat:size(1) }
end

-- x with its first n dimensions merged into one.
local function in_rows(x, n)
  if n == 1 then return x end
  local shape = x.shape
  return ops.reshape(x, joined({ product(part_of(shape, 1, n)) },
    part_of(shape, n + 1, #shape)))
end

-- A value to write as the rows of a selection of this shape.
local function as_rows(value, shape, rest)
  if not arguments.is_tensor(value) then return value end
  check("index", value)
  local full, from = joined(shape, rest), value.shape
  local fits = #from <= #full
  for d = 1, fits and #from or 0 do
    local size = from[#from + 1 - d]
    fits = fits and (size == 1 or size == full[#full + 1 - d])
  end
  if not fits then
    raise(("index: a value of shape %s does not broadcast to the %s selected")
      :format(shape_text(from), shape_text(full)))
  end
  return ops.reshape(ops.expand(value, full), joined({ product(shape) }, rest))
end

-- The tensors of a list of indices, the dimension of the first one, and the list with whole
-- dimensions instead.
local function tensors_of(keys)
  local plain, found, dim, last = {}, {}, nil, nil
  local at = 1 -- the dimension, without those that single indices remove
  for i, k in ipairs(keys) do
    plain[i] = k
    if arguments.is_tensor(k) then
      if not options.is_live(k) or k:dim() ~= 1 then
        raise(("index: expected tensors with one dimension in a list of indices, got %s")
          :format(show(k)))
      end
      if last and last ~= at - 1 then
        raise("index: expected the tensors in a list of indices next to each other, got a "
          .. "dimension between two; x:permute(...) moves it")
      end
      found[#found + 1], plain[i], dim, last = k, {}, dim or at, at
    end
    if type(plain[i]) == "table" then at = at + 1 end
  end
  return found, dim, plain
end

-- An index tensor or mask of dimension `dim` of y as int64 indices. They are checked here, as
-- those of merged dimensions could be right although these are wrong.
local function indices_of(y, dim, key)
  local _, index = chosen(tensor.transpose(y, 1, dim), key)
  if index:numel() > 0 then
    local low, high = ops.min(index):item(), ops.max(index):item()
    if low < 1 or high > y:size(dim) then
      raise(("index: index %d is outside 1..%d of dimension %d"):format(low < 1 and low or high,
        y:size(dim), dim))
    end
  end
  return index
end

-- The indices in the dimensions from `dim` on, merged into one, of the points whose coordinates
-- the tensors are. Those of a single one are checked where they are used.
local function merged(y, dim, keys)
  if #keys == 1 then
    local _, index = chosen(tensor.transpose(y, 1, dim), keys[1])
    return index
  end
  local flat
  for k, key in ipairs(keys) do
    local index = indices_of(y, dim + k - 1, key)
    if flat and flat:numel() ~= index:numel() then
      raise(("index: expected index tensors of the same length, the coordinates of points, "
        .. "got %d and %d"):format(flat:numel(), index:numel()))
    end
    flat = flat and ops.add(ops.mul(ops.sub(flat, 1), y:size(dim + k - 1)), index) or index
  end
  return flat
end

-- The order of y's dimensions that puts `count` of them, from `dim` on, first.
local function first_ones(y, dim, count)
  local order = {}
  for d = dim, dim + count - 1 do order[#order + 1] = d end
  for d = 1, y:dim() do
    if d < dim or d >= dim + count then order[#order + 1] = d end
  end
  return order
end

local function get(x, key)
  if type(key) == "table" then
    local keys, dim, plain = tensors_of(key)
    local y = x[plain]
    local flat, shape, last = merged(y, dim, keys), y.shape, dim + #keys - 1
    local joint = joined(part_of(shape, 1, dim - 1), { product(part_of(shape, dim, last)) })
    y = ops.reshape(y, joined(joint, part_of(shape, last + 1, #shape)))
    return ops.index_select(y, flat, dim)
  end
  check("index", key)
  local n, index, shape = chosen(x, key)
  local y = ops.index_select(in_rows(x, n), index, 1)
  if #shape == 1 then return y end
  return ops.reshape(y, joined(shape, part_of(x.shape, n + 1, x:dim())))
end

-- Writes to entries of x's first n dimensions, merged into one.
local function write_rows(x, n, index, value)
  -- Joined dimensions are a view of these where the layout allows it.
  local target = (n == 1 or x:is_contiguous()) and x or ops.copy(x)
  core.put_rows(in_rows(target, n), index, value)
  if target ~= x then x:copy_(target) end
end

local function set(x, key, value)
  core.check_writable(x)
  if type(key) == "table" then
    local keys, dim, plain = tensors_of(key)
    local y, count = x[plain], #keys
    local flat = merged(y, dim, keys)
    if arguments.is_tensor(value) then
      local full = joined(joined(part_of(y.shape, 1, dim - 1), { flat:numel() }),
        part_of(y.shape, dim + count, y:dim()))
      value = ops.reshape(as_rows(value, full, {}), full)
      value = ops.permute(value, first_ones(value, dim, 1))
    end
    return write_rows(ops.permute(y, first_ones(y, dim, count)), count, flat, value)
  end
  check("index", key)
  local n, index, shape = chosen(x, key)
  write_rows(x, n, index, as_rows(value, shape, part_of(x.shape, n + 1, x:dim())))
end

core.set_selection { get = get, set = set }

-- --- masks --------------------------------------------------------------------

local function broadcast(operation, a, b)
  local shape, n = {}, math.max(#a, #b)
  for d = 1, n do
    local p, q = a[d - n + #a] or 1, b[d - n + #b] or 1
    if p ~= q and p ~= 1 and q ~= 1 then
      raise(("%s: shapes don't broadcast, %s with %s")
        :format(operation, shape_text(a), shape_text(b)))
    end
    shape[d] = p == 1 and q or p
  end
  return shape
end

--- Returns the elements at which a mask is true, in row-major order. x[mask] does the same
-- for a mask over the leading dimensions of x, and keeps the other dimensions.
-- @tparam tensor x
-- @tparam tensor mask bool; both broadcast against each other
-- @treturn tensor (elements selected)
-- @raise when the mask is not bool or the shapes don't broadcast
-- @usage
-- x = torus.tensor{{1, 2}, {3, 4}}
-- print(x:masked_select(x:gt(1)))                    -- 2 3 4
-- print(x:masked_select(torus.tensor{true, false}))  -- 1 3
function M.masked_select(x, mask)
  check("masked_select", x)
  check_mask("masked_select", mask)
  local shape = broadcast("masked_select", x.shape, mask.shape)
  local count = product(shape)
  return get(ops.reshape(ops.expand(x, shape), count),
    ops.reshape(ops.expand(mask, shape), count))
end

--- Returns x with a value in place of the elements at which a mask is true.
-- @tparam tensor x
-- @tparam tensor mask bool; broadcasts to x
-- @tparam number|boolean|tensor value broadcasts to x
-- @treturn tensor like x
-- @raise when the mask is not bool or does not broadcast to x
-- @usage
-- x = torus.tensor{1, -2, 3}
-- print(x:masked_fill(x:lt(0), 0))   -- 1 0 3
function M.masked_fill(x, mask, value)
  check("masked_fill", x)
  check_mask("masked_fill", mask)
  local shape = broadcast("masked_fill", x.shape, mask.shape)
  if arguments.is_tensor(value) then
    shape = broadcast("masked_fill", shape, value.shape)
    value = ops.to(value, x.dtype)
  end
  if shape_text(shape) ~= shape_text(x.shape) then
    raise(("masked_fill: expected a mask and a value that broadcast to shape %s, got %s")
      :format(shape_text(x.shape), shape_text(shape)))
  end
  return ops.where(mask, value, x)
end

--- Returns the elements at indices along a dimension, such as those from argsort and
-- argmax: like gather, but the other dimensions broadcast.
-- @tparam tensor x
-- @tparam tensor|table index int64, with as many dimensions as x
-- @tparam[opt] int dim by default both are flattened
-- @treturn tensor
-- @raise when an index is out of range or the other sizes don't
-- broadcast
-- @usage
-- x = torus.tensor{{3, 1, 2}, {9, 7, 8}}
-- print(x:take_along_dim(x:argsort(2), 2))        -- {1, 2, 3}, {7, 8, 9}
-- print(x:take_along_dim(torus.tensor({{1, 3}}, {dtype = "int64"}), 2))
function M.take_along_dim(x, index, dim)
  check("take_along_dim", x)
  if type(index) == "table" then index = core.tensor(index, { dtype = "int64" }) end
  check("take_along_dim", index)
  if dim == nil then
    return ops.gather(ops.reshape(x, x:numel()), ops.reshape(index, index:numel()), 1)
  end
  dim = dimension("take_along_dim", x, dim)
  if index:dim() ~= x:dim() then
    raise(("take_along_dim: expected an index with %d dimensions, like x, got %s")
      :format(x:dim(), show(index)))
  end
  local a, b = x.shape, index.shape
  a[dim], b[dim] = 1, 1
  local shape = broadcast("take_along_dim", a, b)
  a, b = part_of(shape, 1, #shape), shape
  a[dim], b[dim] = x:size(dim), index:size(dim)
  return ops.gather(ops.expand(x, a), ops.expand(index, b), dim)
end

-- --- another order --------------------------------------------------------------

-- A result that is never the tensor itself, so that writing to it does not change that one.
local function apart(y, x)
  return rawequal(y, x) and ops.copy(x) or y
end

local function dimensions(operation, x, dims)
  if type(dims) ~= "table" then dims = { dims } end
  options.list(operation, dims)
  local list, seen = {}, {}
  for i, dim in ipairs(dims) do
    list[i] = dimension(operation, x, dim)
    if seen[list[i]] then
      raise(("%s: dimension %d is named twice"):format(operation, list[i]))
    end
    seen[list[i]] = true
  end
  return list
end

--- Reverses the elements along dimensions.
-- @tparam tensor x
-- @tparam[opt] int|{int,...} dim one or several; all by default
-- @treturn tensor
-- @usage print(torus.arange(3):flip(1))   -- 3 2 1
function M.flip(x, dim)
  check("flip", x)
  if dim == nil then
    dim = {}
    for d = 1, x:dim() do dim[d] = d end
  end
  local y = x
  for _, d in ipairs(dimensions("flip", x, dim)) do
    y = ops.index_select(y, core.arange(x:size(d), 1, -1, { dtype = "int64" }), d)
  end
  return apart(y, x)
end

--- Shifts the elements along a dimension cyclically.
-- @tparam tensor x
-- @tparam int|{int,...} shift by how many positions, to higher indices
-- @tparam[opt] int|{int,...} dim one for each shift; by default the elements are
-- shifted in row-major order
-- @treturn tensor like x, a copy
-- @usage
-- print(torus.arange(4):roll(1))   -- 4 1 2 3
-- x = torus.rand(2, 3):roll({1, -1}, {1, 2})
function M.roll(x, shift, dim)
  check("roll", x)
  if dim == nil then
    shift = integer("roll", "the shift", shift)
    return ops.reshape(M.roll(ops.reshape(x, x:numel()), shift, 1), x.shape)
  end
  local shifts = type(shift) == "table" and shift or { shift }
  local dims = dimensions("roll", x, dim)
  if #shifts ~= #dims then
    raise(("roll: expected a shift for each of %d dimensions, got %d"):format(#dims, #shifts))
  end
  local y = x
  for i, d in ipairs(dims) do
    local size = x:size(d)
    local by = integer("roll", "a shift", shifts[i])
    by = size > 0 and by % size or 0
    if by ~= 0 then
      y = ops.cat({ tensor.narrow(y, d, size - by + 1, by),
        tensor.narrow(y, d, 1, size - by) }, d)
    end
  end
  return apart(y, x)
end

-- --- triangles and diagonals ----------------------------------------------------

-- Column minus row of the elements of matrices, (m, n) int64.
local function above_diagonal(operation, x, k)
  check(operation, x)
  if x:dim() < 2 then
    raise(("%s: expected matrices, got %s"):format(operation, show(x)))
  end
  -- Beyond the corners there are no further diagonals.
  k = math.max(-x:size(-2), math.min(x:size(-1), integer(operation, "the diagonal", k or 0)))
  local int = { dtype = "int64" }
  local rows = ops.reshape(core.arange(x:size(-2), int), -1, 1)
  if x:size(-2) == 0 then rows = core.zeros({ 0, 1 }, int) end
  return ops.sub(core.arange(x:size(-1), int), rows), k
end

--- Returns the lower triangles of matrices, with zeros above a diagonal.
-- @tparam tensor x (..., m, n)
-- @tparam[opt=0] int k the diagonal; above the main one if positive
-- @treturn tensor like x
-- @usage print(torus.ones(2, 2):tril())   -- {1, 0}, {1, 1}
function M.tril(x, k)
  local above, diagonal = above_diagonal("tril", x, k)
  return ops.where(ops.le(above, diagonal), x, 0)
end

--- Returns the upper triangles of matrices, with zeros below a diagonal.
-- @tparam tensor x (..., m, n)
-- @tparam[opt=0] int k the diagonal; above the main one if positive
-- @treturn tensor like x
-- @usage print(torus.ones(2, 2):triu(1))   -- {0, 1}, {0, 0}
function M.triu(x, k)
  local above, diagonal = above_diagonal("triu", x, k)
  return ops.where(ops.ge(above, diagonal), x, 0)
end

--- Returns a diagonal of a matrix, or the matrix that has a vector on a diagonal.
-- @tparam tensor x (m, n) or (n)
-- @tparam[opt=0] int k the diagonal; above the main one if positive
-- @treturn tensor (length) for a matrix, a view if its memory allows it;
-- (n + |k|, n + |k|) for a vector
-- @raise when x is neither
-- @usage
-- print(torus.tensor{{1, 2}, {3, 4}}:diag())   -- 1 4
-- print(torus.tensor{5, 6}:diag())             -- {5, 0}, {0, 6}
function M.diag(x, k)
  check("diag", x)
  k = integer("diag", "the diagonal", k or 0)
  local down, right = math.max(-k, 0), math.max(k, 0)
  if x:dim() == 1 then
    local n = x:size(1) + down + right
    if n == 0 then return ops.reshape(x, 0, 0) end
    return ops.reshape(ops.embed(x, { down * n + right + 1 }, { n * n }, { n + 1 }), n, n)
  elseif x:dim() ~= 2 then
    raise(("diag: expected a matrix or a vector, got %s"):format(show(x)))
  end
  local m, n = x:size(1), x:size(2)
  local length = math.max(math.min(m - down, n - right), 0)
  local first = length > 0 and down * n + right + 1 or 1
  return ops.slice(ops.reshape(x, m * n), { first }, { length }, { n + 1 })
end

-- --- parts and copies -------------------------------------------------------------

--- Returns the coordinates of the points of a grid: one tensor for each axis, constant along
-- the others ("ij" indexing in NumPy and PyTorch). The results are views.
-- @tparam tensor,... axes (n1), (n2), ...
-- @treturn tensor,... (n1, n2, ...) each
-- @usage
-- q, p = torus.meshgrid(torus.linspace(-1, 1, 3), torus.linspace(0, 1, 2))
-- print(table.unpack(q.shape))   -- 3  2
function M.meshgrid(...)
  local axes, shape = { ... }, {}
  if #axes == 0 then raise("meshgrid: expected at least one vector") end
  for i, axis in ipairs(axes) do
    check("meshgrid", axis)
    if axis:dim() ~= 1 then
      raise(("meshgrid: expected vectors, got %s as number %d"):format(show(axis), i))
    end
    shape[i] = axis:size(1)
  end
  for i, axis in ipairs(axes) do
    local along = {}
    for d = 1, #axes do along[d] = d == i and shape[i] or 1 end
    axes[i] = ops.expand(ops.reshape(axis, along), shape)
  end
  return table.unpack(axes)
end

--- Splits a dimension into parts of given sizes.
-- @tparam tensor x
-- @tparam int|{int,...} sizes size of each part; with a single size for all, the last part
-- may be smaller
-- @tparam[opt=1] int dim
-- @treturn {tensor,...} views
-- @raise when the sizes don't sum to the size of the dimension
-- @usage
-- parts = torus.arange(5):split{2, 3}
-- print(parts[2])                        -- 3 4 5
-- print(#torus.zeros(7, 2):split(3))     -- 3
function M.split(x, sizes, dim)
  check("split", x)
  dim = dimension("split", x, dim or 1)
  local total = x:size(dim)
  if type(sizes) ~= "table" then
    local size = integer("split", "the size of a part", sizes)
    if size < 1 then raise(("split: expected a size from 1, got %d"):format(size)) end
    sizes = {}
    for first = 1, math.max(total, 1), size do
      sizes[#sizes + 1] = math.min(size, total - first + 1)
    end
  end
  local list, first = {}, 1
  for i, size in ipairs(sizes) do
    size = integer("split", "the size of a part", size)
    if size < 0 or size > total - first + 1 then break end
    list[i], first = tensor.narrow(x, dim, first, size), first + size
  end
  if first ~= total + 1 or #list ~= #sizes then
    raise(("split: expected sizes that sum to the %d of dimension %d, got %s")
      :format(total, dim, show(sizes)))
  end
  return list
end

--- Splits a dimension into its entries and removes it.
-- @tparam tensor x
-- @tparam[opt=1] int dim
-- @treturn {tensor,...} views
-- @usage
-- x = torus.tensor{{1, 2}, {3, 4}}
-- print(x:unbind(2)[1])   -- 1 3
function M.unbind(x, dim)
  check("unbind", x)
  dim = dimension("unbind", x, dim or 1)
  local list = {}
  for i = 1, x:size(dim) do list[i] = tensor.select(x, dim, i) end
  return list
end

-- Repeats the whole dimension. The reshaped expansion alone may be a view.
local function repeated(x, dim, times)
  local shape = x.shape
  local outer = product(part_of(shape, 1, dim - 1))
  local inner = product(part_of(shape, dim, #shape))
  local y = ops.copy(ops.expand(ops.reshape(x, outer, 1, inner), outer, times, inner))
  shape[dim] = shape[dim] * times
  return ops.reshape(y, shape)
end

-- The indices of repeat_interleave are a Lua table: 16 bytes each.
local MAX_REPEATED = 1 << 26

--- Repeats the elements along a dimension, each one next to its copies.
-- @tparam tensor x
-- @tparam int|{int,...} times number for every element, or one for each
-- @tparam[opt=1] int dim
-- @treturn tensor
-- @raise for more than 2^26 elements along the dimension
-- @usage
-- print(torus.tensor{1, 2}:repeat_interleave(2))          -- 1 1 2 2
-- print(torus.tensor{1, 2}:repeat_interleave{ 1, 3 })    -- 1 2 2 2
function M.repeat_interleave(x, times, dim)
  check("repeat_interleave", x)
  dim = dimension("repeat_interleave", x, dim or 1)
  if arguments.is_tensor(times) then
    check("repeat_interleave", times)
    if times:dim() == 1 then times = times:totable() end
  end
  local n, total, index = x:size(dim), 0, {}
  if type(times) == "table" and #times ~= n then
    raise(("repeat_interleave: expected %d numbers, one for each element of dimension %d, got %d")
      :format(n, dim, #times))
  end
  for i = 1, n do
    local count = integer("repeat_interleave", "a number of times",
      type(times) == "table" and times[i] or times)
    if count < 0 then
      raise(("repeat_interleave: expected numbers from 0, got %d"):format(count))
    end
    total = total + count
    if count > MAX_REPEATED or total > MAX_REPEATED then
      raise(("repeat_interleave: expected at most %d elements along dimension %d, got more")
        :format(MAX_REPEATED, dim))
    end
    for _ = 1, count do index[#index + 1] = i end
  end
  return ops.index_select(x, core.tensor(index, { dtype = "int64" }), dim)
end

--- Repeats a tensor along its dimensions.
-- @tparam tensor x
-- @tparam int|{int,...} times number for each dimension, as a list or as arguments; fewer
-- numbers apply to the last dimensions, more add leading dimensions
-- @treturn tensor a copy
-- @usage
-- print(torus.tensor{1, 2}:tile(2))      -- 1 2 1 2
-- x = torus.tensor{{1, 2}}:tile(3, 2)    -- (3, 4)
function M.tile(x, times, ...)
  check("tile", x)
  times = type(times) == "table" and times or { times, ... }
  if #times > MAX_DIMS then
    raise(("tile: expected at most %d numbers, one for each dimension, got %d"):format(MAX_DIMS,
      #times))
  end
  times = part_of(times, 1, #times)
  for i, n in ipairs(times) do
    times[i] = integer("tile", "a number of times", n)
    if times[i] < 0 then raise(("tile: expected numbers from 0, got %d"):format(times[i])) end
  end
  local copied = false
  while x:dim() < #times do x = tensor.unsqueeze(x, 1) end
  for i, n in ipairs(times) do
    if n ~= 1 then x, copied = repeated(x, x:dim() - #times + i, n), true end
  end
  return copied and x or ops.copy(x)
end

for name, f in pairs(M) do methods[name] = f end
methods.meshgrid = nil

return M
