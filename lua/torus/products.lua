--- Products of vectors.
-- @module torus.products
-- @public torus

local arguments = require "torus.arguments"
local core = require "torus.core"
local options = require "torus.options"
local tensor = require "torus.tensor"

local ops, methods = core.ops, core.methods
local raise, show = options.raise, options.show
local check = arguments.tensor

local M = {}

-- Maximum number of dimensions of a tensor.
local MAX_DIMS = 8

--- Returns the outer product: the products of every element of one vector with every
-- element of another.
-- @tparam tensor a (m)
-- @tparam tensor b (n)
-- @treturn tensor (m, n)
-- @usage print(torus.tensor{1, 2}:outer(torus.tensor{3, 4}))   -- {3, 4}, {6, 8}
function M.outer(a, b)
  check("outer", a)
  check("outer", b)
  if a:dim() ~= 1 or b:dim() ~= 1 then
    raise(("outer: expected two vectors, got %s and %s"):format(show(a), show(b)))
  end
  return ops.mul(ops.reshape(a, -1, 1), ops.reshape(b, 1, -1))
end

--- Returns the cross product of vectors with three components along a dimension; the
-- other dimensions broadcast.
-- @tparam tensor a
-- @tparam tensor b
-- @tparam[opt=-1] int dim counted in the tensor with more dimensions
-- @treturn tensor
-- @raise if either does not have size 3 along it
-- @usage print(torus.tensor{1, 0, 0}:cross(torus.tensor{0, 1, 0}))   -- 0 0 1
function M.cross(a, b, dim)
  check("cross", a)
  check("cross", b)
  local wider = a:dim() >= b:dim() and a or b
  local d = arguments.dimension("cross", wider, dim or -1) - wider:dim() - 1
  local function parts(x)
    if -d > x:dim() or x:size(d) ~= 3 then
      raise(("cross: expected size 3 along dimension %d, got %s and %s")
        :format(wider:dim() + 1 + d, show(a), show(b)))
    end
    return tensor.narrow(x, d, 1, 1), tensor.narrow(x, d, 2, 1), tensor.narrow(x, d, 3, 1)
  end
  local a1, a2, a3 = parts(a)
  local b1, b2, b3 = parts(b)
  return ops.cat({ a2 * b3 - a3 * b2, a3 * b1 - a1 * b3, a1 * b2 - a2 * b1 }, d)
end

--- Returns the scalar product of two vectors.
-- @tparam tensor a (n)
-- @tparam tensor b (n)
-- @treturn tensor scalar
-- @usage print(torus.tensor{1, 2}:dot(torus.tensor{3, 4}))   -- 11
function M.dot(a, b)
  check("dot", a)
  check("dot", b)
  if a:dim() ~= 1 or b:dim() ~= 1 or a:size(1) ~= b:size(1) then
    raise(("dot: expected two vectors of the same length, got %s and %s; matmul multiplies "
      .. "matrices"):format(show(a), show(b)))
  end
  return ops.sum(a * b)
end

--- Returns the sum of the diagonal elements of matrices.
-- @tparam tensor x (..., m, n)
-- @treturn tensor (...)
-- @usage print(torus.tensor{{1, 2}, {3, 4}}:trace())   -- 5
function M.trace(x)
  check("trace", x)
  if x:dim() < 2 then raise(("trace: expected matrices, got %s"):format(show(x))) end
  local shape = x.shape
  local columns, rows = table.remove(shape), table.remove(shape)
  local batch, places = { table.unpack(shape) }, {}
  for i = 1, math.min(rows, columns) do places[i] = (i - 1) * (columns + 1) + 1 end
  batch[#batch + 1] = rows * columns
  return ops.sum(ops.index_select(ops.reshape(x, batch),
    core.tensor(places, { dtype = "int64" }), -1), -1)
end

--- Returns the Kronecker product: a with every element replaced by its product with b.
-- Missing leading dimensions have size 1.
-- @tparam tensor a
-- @tparam tensor b
-- @treturn tensor whose sizes are the products of those of a and b
-- @usage print(torus.tensor{{1, 2}}:kron(torus.tensor{{1}, {10}}))   -- {1, 2}, {10, 20}
function M.kron(a, b)
  check("kron", a)
  check("kron", b)
  local n = math.max(a:dim(), b:dim())
  if n > MAX_DIMS // 2 then
    raise(("kron: expected tensors with at most %d dimensions, got %s and %s")
      :format(MAX_DIMS // 2, show(a), show(b)))
  end
  local outer, inner, shape = {}, {}, {}
  for d = 1, n do
    local rows = d > n - a:dim() and a:size(d - n + a:dim()) or 1
    local columns = d > n - b:dim() and b:size(d - n + b:dim()) or 1
    outer[2 * d - 1], outer[2 * d] = rows, 1
    inner[2 * d - 1], inner[2 * d] = 1, columns
    shape[d] = rows * columns
  end
  return ops.reshape(ops.mul(ops.reshape(a, outer), ops.reshape(b, inner)), shape)
end

for name, f in pairs(M) do methods[name] = f end

return M
