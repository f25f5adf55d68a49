--- Functions given by samples: differences, integrals, interpolation.
--
-- All of it is composed of differentiable operations, with gradients of any order.
-- @module torus.sampled
-- @public torus

local arguments = require "torus.arguments"
local core = require "torus.core"
local options = require "torus.options"
local tensor = require "torus.tensor"

local ops, methods = core.ops, core.methods
local raise, show, shape_text = options.raise, options.show, options.shape_text
local check, dimension, integer = arguments.tensor, arguments.dimension, arguments.integer

local M = {}

local function is_float(x) return x.dtype == "float32" or x.dtype == "float64" end

local function check_float(operation, name, x)
  check(operation, x)
  if not is_float(x) then
    raise(("%s: expected float32 or float64 as %s, got %s"):format(operation, name, show(x)))
  end
end

-- All but the first, or all but the last, elements along a dimension.
local function later(x, dim) return tensor.narrow(x, dim, 2, x:size(dim) - 1) end
local function earlier(x, dim) return tensor.narrow(x, dim, 1, x:size(dim) - 1) end

--- Returns the differences of neighbouring elements along a dimension.
-- @tparam tensor x
-- @tparam[opt=1] int n the number of times that differences are taken
-- @tparam[opt=-1] int dim
-- @treturn tensor with n elements fewer along the dimension, at least none; a copy if n is 0.
-- Between bools the difference is x & ~y
-- @usage
-- print(torus.tensor{1, 4, 9, 16}:diff())     -- 3 5 7
-- print(torus.tensor{1, 4, 9, 16}:diff(2))    -- 2 2
function M.diff(x, n, dim)
  check("diff", x)
  n, dim = integer("diff", "n", n or 1), dimension("diff", x, dim or -1)
  if n < 0 then raise(("diff: expected n from 0, got %d"):format(n)) end
  local y = x
  for _ = 1, math.min(n, x:size(dim)) do
    y = later(y, dim) - earlier(y, dim)
  end
  return rawequal(y, x) and ops.copy(x) or y
end

-- The areas of the trapezoids between neighbouring samples.
local function trapezoids(operation, y, x, dim)
  check_float(operation, "y", y)
  dim = dimension(operation, y, dim or -1)
  if y:size(dim) == 0 then
    raise(("%s: expected at least one sample along dimension %d, got %s"):format(operation, dim,
      show(y)))
  end
  local means = (later(y, dim) + earlier(y, dim)) * 0.5
  if x == nil then return means, dim end
  if type(x) == "number" then return means * x, dim end
  check_float(operation, "x", x)
  if x:dim() == 1 and x:size(1) == y:size(dim) then
    local shape = {}
    for d = 1, y:dim() do shape[d] = d == dim and x:size(1) or 1 end
    x = ops.reshape(x, shape)
  elseif shape_text(x) ~= shape_text(y) then
    raise(("%s: expected x as a number, or of shape %s%s, got %s"):format(operation,
      shape_text(y), y:dim() > 1 and (" or (%d)"):format(y:size(dim)) or "", show(x)))
  end
  return means * (later(x, dim) - earlier(x, dim)), dim
end

--- Integrates samples along a dimension by the trapezoidal rule.
-- @tparam tensor y float32 or float64
-- @tparam[opt=1] number|tensor x the distance between samples, or their positions: (n), or
-- like y
-- @tparam[opt=-1] int dim
-- @treturn tensor y without that dimension
-- @usage
-- t = torus.linspace(0, math.pi, 101)
-- print(t:sin():trapezoid(t))   -- 1.9998, nearly 2
function M.trapezoid(y, x, dim)
  local areas, d = trapezoids("trapezoid", y, x, dim)
  return ops.sum(areas, d)
end

--- Integrates samples by the trapezoidal rule from the first sample to each later one.
-- @tparam tensor y float32 or float64
-- @tparam[opt=1] number|tensor x as in trapezoid
-- @tparam[opt=-1] int dim
-- @treturn tensor like y, with one element fewer along the dimension
-- @usage
-- print(torus.tensor{1, 2, 3}:cumulative_trapezoid())   -- 1.5 4
function M.cumulative_trapezoid(y, x, dim)
  local areas, d = trapezoids("cumulative_trapezoid", y, x, dim)
  return ops.cumsum(areas, d)
end

local SIDES = { side = { default = "left", choices = { "left", "right" } } }

--- Finds the position of values in a sorted list: the index of the first element that is
-- not below the value, or is above it; n + 1 if there is none. NaN counts as the largest
-- number.
-- @tparam tensor sorted (n), ascending
-- @tparam tensor|number values of any shape
-- @tparam[opt] table opts side="left": sorted[i - 1] < value <= sorted[i];
-- "right": sorted[i - 1] <= value < sorted[i]
-- @treturn tensor int64, like values
-- @usage
-- edges = torus.tensor{0, 1, 2}
-- print(edges:searchsorted(torus.tensor{-1, 1, 1.5, 9}))               -- 1 2 3 4
-- print(edges:searchsorted(torus.tensor{1}, { side = "right" }))      -- 3
function M.searchsorted(sorted, values, opts)
  check("searchsorted", sorted)
  if type(values) == "number" then values = core.tensor(values, { dtype = "float64" }) end
  check("searchsorted", values)
  local side = options.resolve("searchsorted", opts, SIDES).side
  return (ops.searchsorted(sorted, values, side == "right"))
end

local OUTSIDE = { outside = { default = "constant", choices = { "constant", "linear", "nan" } } }

--- Interpolates linearly between samples.
-- @tparam tensor|number x positions at which to interpolate, of any shape
-- @tparam tensor xp (n), n at least 2, ascending: positions of the samples
-- @tparam tensor fp (n, ...): the samples
-- @tparam[opt] table opts outside="constant": below the first position the first sample,
-- above the last one the last (as NumPy does); "linear" extends the outermost lines, "nan"
-- returns NaN
-- @treturn tensor the shape of x, followed by that of a sample
-- @raise if xp does not ascend
-- @usage
-- xp, fp = torus.tensor{0, 1, 3}, torus.tensor{10, 20, 40}
-- print(torus.interp(torus.tensor{0.5, 2, 5}, xp, fp))                            -- 15 30 40
-- print(torus.interp(torus.tensor{5}, xp, fp, { outside = "linear" }))    -- 60
function M.interp(x, xp, fp, opts)
  check_float("interp", "xp", xp)
  if type(x) == "number" then x = core.tensor(x, { dtype = xp.dtype }) end
  check_float("interp", "x", x)
  check_float("interp", "fp", fp)
  local outside = options.resolve("interp", opts, OUTSIDE).outside
  if xp:dim() ~= 1 or xp:size(1) < 2 or fp:dim() == 0 or fp:size(1) ~= xp:size(1) then
    raise(("interp: expected xp of shape (n) with n from 2 and fp of shape (n,...), got %s and %s")
      :format(show(xp), show(fp)))
  end
  local n = xp:size(1)
  if not ops.gt(later(xp, 1), earlier(xp, 1)):all():item() then
    raise("interp: expected ascending positions xp; sort them, and fp with the same indices")
  end
  local flat = ops.reshape(x, -1)
  local count = flat:size(1)
  local index = M.searchsorted(xp, flat:detach(), { side = "right" }) - 1
  index = ops.clamp(index, 1, n - 1)
  local x0, x1 = ops.index_select(xp, index, 1), ops.index_select(xp, index + 1, 1)
  local weight = (flat - x0) / (x1 - x0)
  if outside == "constant" then
    weight = ops.clamp(weight, 0, 1)
  elseif outside == "nan" then
    weight = ops.where(ops.lt(flat, xp[1]) | ops.gt(flat, xp[n]), 0 / 0, weight)
  end
  local shape, column = { table.unpack(x.shape) }, { count }
  for d = 2, fp:dim() do
    shape[#shape + 1], column[d] = fp:size(d), 1
  end
  weight = ops.reshape(weight, column)
  local y0, y1 = ops.index_select(fp, index, 1), ops.index_select(fp, index + 1, 1)
  -- exact at both samples
  return ops.reshape(y0 * (1 - weight) + y1 * weight, shape)
end

for name, f in pairs(M) do methods[name] = f end
methods.interp = nil

return M
