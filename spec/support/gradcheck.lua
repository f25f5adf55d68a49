--- Derivatives of any order against central finite differences, in float64.
local torus = require "torus"

local M = {}

local STEP = 1e-5
-- Truncation is about STEP^2 / 6 of the third derivative, rounding about
-- 1e-16 / STEP of the value: both 1e-10 for values and derivatives near 1.
-- What is checked stays below some tens.
local TOLERANCE = 1e-7

-- Fixed weights, all different, so that no two errors cancel.
local function weights(x, k)
  local n = x:numel()
  local w = torus.arange(n, { dtype = "float64" })
  return ((w * (2.3 + k) + k):sin() + 1.5):reshape(x.shape)
end

-- A scalar from all elements of a list; nonlinear, so that gradients depend on
-- the incoming ones and linear operations have second derivatives too.
local function combine(list, k, bend)
  local total
  for i, x in ipairs(list) do
    if x then
      local part = (weights(x, k + 0.37 * i) * (bend and (x + 0.3):square() or x)):sum()
      total = total and total + part or part
    end
  end
  return total
end

-- The scalar whose gradients are the order-th derivatives.
local function scalar(f, inputs, order)
  local s = combine({ f(table.unpack(inputs)) }, 0, true)
  for k = 1, order - 1 do
    if not s.requires_grad then return nil end
    local g = torus.grad(s, inputs, { create_graph = true, allow_unused = true })
    s = combine(g, k)
    if not s then return nil end
  end
  return s
end

local function value(f, inputs, order)
  local s = scalar(f, inputs, order)
  return s and s:item() or 0
end

-- Writes v to one element of x, wherever x's memory lies.
local function with_element(x, flat, i, v)
  flat[i] = v
  torus.no_grad(x.copy_, x, flat:reshape(x.shape))
end

local function numeric(f, inputs, which, order)
  local x = inputs[which]
  local flat = x:detach():copy():reshape(x:numel())
  local out = {}
  for i = 1, x:numel() do
    local v = flat[i]:item()
    with_element(x, flat, i, v + STEP)
    local high = value(f, inputs, order)
    with_element(x, flat, i, v - STEP)
    local low = value(f, inputs, order)
    with_element(x, flat, i, v)
    out[i] = (high - low) / (2 * STEP)
  end
  return out
end

local function analytic(f, inputs, order)
  local s = scalar(f, inputs, order)
  if not s or not s.requires_grad then return {} end
  return torus.grad(s, inputs, { allow_unused = true })
end

--- Raises when a derivative of f is wrong.
-- @tparam function f tensors to one or more float64 tensors
-- @tparam {tensor,...} inputs float64 leaves that require gradients
-- @tparam int order
-- @tparam string name for messages
function M.check(f, inputs, order, name)
  local gradients = analytic(f, inputs, order)
  for which, x in ipairs(inputs) do
    local expected = numeric(f, inputs, which, order)
    local g = gradients[which]
    if g then
      if table.concat(g.shape, ",") ~= table.concat(x.shape, ",") then
        error(("%s: the gradient of input %d has shape (%s), not (%s)"):format(
          name, which, table.concat(g.shape, ","), table.concat(x.shape, ",")), 2)
      end
      g = g:reshape(g:numel())
    end
    for i, e in ipairs(expected) do
      local got = g and g[i]:item() or 0
      if not (math.abs(got - e) <= TOLERANCE * math.max(1, math.abs(e))) then
        error(("%s: derivative %d by element %d of input %d is %.10g, differences "
          .. "give %.10g"):format(name, order, i, which, got, e), 2)
      end
    end
  end
end

-- --- inputs -------------------------------------------------------------------

-- A number for each element, all of them different, also between inputs:
-- strata of a range, permuted, each input at its own place within a stratum.
local STRATA = 61
local function spread(shape, low, high, k)
  local n = 1
  for _, size in ipairs(shape) do n = n * size end
  local values = {}
  for i = 1, n do
    values[i] = low + (high - low) * ((i * 23 + 7 * k) % STRATA + 0.2 + 0.27 * k) / STRATA
  end
  if n == 0 then return torus.zeros(shape, { dtype = "float64" }) end
  return torus.tensor(values, { dtype = "float64" }):reshape(shape)
end

-- The same values in other memory.
local layouts = {}
M.layouts = { "contiguous", "transposed", "strided" }

function layouts.contiguous(x) return x:copy() end

function layouts.transposed(x)
  if x:dim() < 2 then return nil end
  return x:transpose(1, -1):copy():transpose(1, -1)
end

-- Every other element of a larger tensor, from the second one.
function layouts.strided(x)
  if x:dim() == 0 or x:numel() == 0 then return nil end
  local shape, range = x.shape, {}
  for d = 1, #shape do range[d] = {} end
  range[#range] = { 2, 2 * shape[#shape], 2 }
  shape[#shape] = 2 * shape[#shape] + 1
  local view = torus.full(shape, 7, { dtype = "float64" })[range]
  return view:copy_(x)
end

--- Leaves of the given shapes in one of M.layouts; nil when none of them has
-- that layout.
-- @tparam {table,...} shapes
-- @tparam string layout
-- @tparam[opt=-1.5] number low
-- @tparam[opt=1.5] number high
-- @treturn ?{tensor,...}
function M.inputs(shapes, layout, low, high)
  local list, changed = {}, layout == "contiguous"
  for k, shape in ipairs(shapes) do
    local x = spread(shape, low or -1.5, high or 1.5, k)
    local view = layouts[layout](x)
    changed = changed or view ~= nil
    list[k] = (view or x):detach()
    list[k].requires_grad = true
  end
  return changed and list or nil
end

return M
