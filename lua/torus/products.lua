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

for name, f in pairs(M) do methods[name] = f end

return M
