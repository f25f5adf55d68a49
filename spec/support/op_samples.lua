--- Samples of every registered operation, for the generated specs: cases with
-- the shapes of the differentiable inputs and how to call.
--
-- A case is {shapes, call = function(op, inputs...), low =, high =}: values lie
-- between low and high, and away from kinks. `integers` marks results that
-- have no gradient, as those of argmax.
local torus = require "torus"

local M = {}

local function plain(op, ...) return op(...) end

-- Arguments after the inputs.
local function with(...)
  local extra = table.pack(...)
  return function(op, ...)
    local args = table.pack(...)
    table.move(extra, 1, extra.n, args.n + 1, args)
    return op(table.unpack(args, 1, args.n + extra.n))
  end
end

-- An index tensor between the input and the other arguments.
local function with_index(index, ...)
  local extra = { torus.tensor(index, { dtype = "int64" }), ... }
  return function(op, x) return op(x, table.unpack(extra)) end
end

local function cases(list)
  for _, case in ipairs(list) do case.call = case.call or plain end
  return list
end

local UNARY = { { { 3, 4 } }, { {} }, { { 1 } }, { { 0, 3 } }, { { 2, 1, 3 } } }
local BINARY = {
  { { 3, 4 }, { 3, 4 } }, { { 2, 3 }, { 3 } }, { { 3, 1 }, { 1, 2 } },
  { {}, { 2, 2 } }, { { 2, 1, 3 }, { 2, 1 } }, { { 0, 3 }, { 1, 3 } },
  { { 1 }, {} },
}

local function elementwise(shapes, low, high, call)
  local list = {}
  for i, case in ipairs(shapes) do
    list[i] = { case, call = call or plain, low = low, high = high }
  end
  return list
end

local function unary(...) return elementwise(UNARY, ...) end
local function binary(...) return elementwise(BINARY, ...) end

-- --- elementwise --------------------------------------------------------------

M.neg, M.exp, M.expm1, M.square = unary(), unary(), unary(), unary()
M.sin, M.cos, M.tanh = unary(), unary(), unary()
M.sigmoid, M.softplus = unary(), unary()
M.log, M.sqrt, M.reciprocal = unary(0.4, 3), unary(0.4, 3), unary(0.4, 3)
M.log1p = unary(-0.5, 2)
M.relu, M.abs, M.silu, M.gelu = unary(), unary(), unary(), unary()
M.elu = unary(nil, nil, with(0.7))
M.tan, M.asin, M.acos = unary(-1.2, 1.2), unary(-0.8, 0.8), unary(-0.8, 0.8)
M.atan, M.sinh, M.cosh = unary(), unary(), unary()
M.asinh, M.acosh, M.atanh = unary(), unary(1.5, 3), unary(-0.7, 0.7)
M.log2, M.log10, M.exp2 = unary(0.4, 3), unary(0.4, 3), unary()
M.erf, M.erfc, M.erfinv = unary(), unary(), unary(-0.8, 0.8)
M.lgamma, M.digamma = unary(0.6, 3), unary(0.8, 3)
M.polygamma = unary(0.9, 3, with(1))
M.leaky_relu = unary(nil, nil, with(0.2))
M.clamp = unary(nil, nil, with(-0.7123, 0.9123))
M.sign, M.step, M.floor, M.isfinite = unary(), unary(), unary(), unary()
M.ceil, M.trunc, M.round, M.isinf, M.isnan = unary(), unary(), unary(), unary(), unary()

M.add, M.sub, M.mul = binary(), binary(), binary()
M.div, M.pow = binary(0.5, 2.5), binary(0.5, 2.5)
M.fmod, M.remainder, M.floor_divide = binary(0.31, 2.5), binary(0.31, 2.5), binary(0.31, 2.5)
M.atan2, M.hypot = binary(0.5, 2.5), binary(0.5, 2.5)
M.maximum, M.minimum = binary(), binary()
M.eq, M.ne, M.lt, M.le, M.gt, M.ge =
  binary(), binary(), binary(), binary(), binary(), binary()

-- The condition is no input to differentiate by.
local function where(condition)
  return function(op, y, z)
    return op(torus.tensor(condition, { dtype = "bool" }), y, z)
  end
end
M.where = cases {
  { { { 3 }, { 3 } }, call = where { 1, 0, 1 } },
  { { { 2, 1 }, {} }, call = where { 0, 1, 1 } },
  { { {}, { 2, 3 } }, call = where { { 1 }, { 0 } } },
  { { { 0, 2 }, { 2 } }, call = where { 1, 0 } },
}

-- Of bits there is no derivative: of whether the inputs are positive.
local function of_bits(op, x, y) return op(x:gt(0), y and y:gt(0)) end
M.bitwise_and, M.bitwise_or = binary(nil, nil, of_bits), binary(nil, nil, of_bits)
M.bitwise_xor, M.bitwise_not = binary(nil, nil, of_bits), unary(nil, nil, function(op, x)
  return op(x:gt(0))
end)

-- --- reductions ---------------------------------------------------------------

local function reduction(...)
  local list = {
    { { { 3, 4 } } }, { { {} } }, { { { 2, 3, 2 } }, call = with(2) },
    { { { 2, 3, 2 } }, call = with({ 1, 3 }, true) },
    { { { 2, 1, 3 } }, call = with({ dim = -2, keepdim = true }) },
    { { { 2, 0, 3 } }, call = with(1) },
    ...,
  }
  return cases(list)
end
-- Of no element there is a sum, but no largest one.
local of_none = { { { 2, 0, 3 } }, call = with(2) }
M.sum, M.mean = reduction(of_none), reduction(of_none)
M.max, M.min, M.logsumexp = reduction(), reduction(), reduction()

M.softmax = cases {
  { { { 3, 4 } } }, { { {} } }, { { { 2, 3, 2 } }, call = with(2) },
  { { { 2, 3, 2 } }, call = with { 1, 3 } }, { { { 2, 1, 3 } }, call = with { dim = -2 } },
  { { { 2, 0, 3 } }, call = with(2) },
}
M.log_softmax = M.softmax

local places = cases {
  { { { 3, 4 } }, call = with(1) }, { { { 3, 4 } }, call = with(-1) },
  { { { 2, 1, 3 } }, call = with(2) }, { { { 2, 0 } }, call = with(1) },
}
M.argmax, M.argmin = { { { { 3, 4 } }, call = plain }, table.unpack(places) },
  { { { {} }, call = plain }, table.unpack(places) }

-- --- running results and order ------------------------------------------------

local function along(...)
  return cases {
    { { { 3, 4 } }, call = with(1) }, { { { 3, 4 } }, call = with(-1, true) },
    { { { 2, 1, 3 } }, call = with(2) }, { { { 5 } }, call = with { dim = 1, reverse = true } },
    { { { 2, 0 } }, call = with(1) }, { { { 0, 2 } }, call = with(1) }, ...,
  }
end
-- With elements that are 0, of which there is no quotient.
local function of_zeros(zeros, ...)
  local mask = torus.tensor(zeros, { dtype = "float64" })
  local extra = { ... }
  return function(op, x) return op(x * mask, table.unpack(extra)) end
end
M.cumsum = along()
M.cumprod = along(
  { { { 5 } }, call = of_zeros({ 1, 0, 1, 1, 0 }, 1) },
  { { { 2, 3 } }, call = of_zeros({ { 0, 1, 1 }, { 1, 1, 0 } }, 2, true) },
  { { { 1, 3 } }, call = of_zeros({ { 1, 0, 1 } }, 1) })
M.recurrence = cases {
  { { { 5 }, { 5 } }, call = with(1) }, { { { 3, 2 }, { 3, 2 } }, call = with(1, true) },
  { { { 2, 3, 2 }, { 2, 3, 2 } }, call = with(-2) }, { { { 1 }, { 1 } }, call = with(1) },
  { { { 2, 0 }, { 2, 0 } }, call = with(2) },
}
M.prod = reduction(of_none,
  { { { 4 } }, call = of_zeros({ 1, 0, 1, 1 }) }, { { { 4 } }, call = of_zeros({ 0, 1, 0, 1 }) },
  { { { 2, 3 } }, call = of_zeros({ { 0, 1, 1 }, { 1, 1, 1 } }, 2) })
M.argsort = cases {
  { { { 3, 4 } } }, { { { 3, 4 } }, call = with(1, true) }, { { { 2, 1, 3 } }, call = with(2) },
  { { { 2, 0 } } }, { { { 0, 2 } } },
}
M.argtopk = cases {
  { { { 3, 4 } }, call = with(2) }, { { { 3, 4 } }, call = with(3, 1, false) },
  { { { 12 } }, call = with(1) }, { { { 2, 0 } }, call = with(0) },
}
M.argmedian = places
M.searchsorted = cases {
  { { { 5 }, { 3, 4 } }, call = function(op, x, y) return op((x:sort()), y) end },
  { { { 4 }, { 7 } }, call = function(op, x, y) return op((x:sort()), y, true) end },
  { { { 0 }, { 2 } } },
}
M.argunique = cases { { { { 3, 4 } } }, { { {} } }, { { { 2, 0 } } } }
M.histc = cases { { { { 3, 4 } }, call = with(5, -1, 1) }, { { { 7 } }, call = with(3) },
  { { { 0 } }, call = with(2, 0, 1) } }
M.bincount = cases { { { { 5 } }, call = function(op, x)
  return op((x:abs() + 1):to("int64")) end } }

-- --- views and movement -------------------------------------------------------

M.alias, M.copy, M.to = unary(), unary(), unary(nil, nil, with("float64"))
M.reshape = cases {
  { { { 3, 4 } }, call = with(2, -1) }, { { {} }, call = with { 1, 1 } },
  { { { 2, 1, 3 } }, call = with { 3, 2 } }, { { { 0, 3 } }, call = with(3, 0, 2) },
  { { { 1, 1 } }, call = with {} },
}
M.permute = cases {
  { { { 2, 3, 2 } }, call = with { 3, 1, 2 } }, { { {} }, call = with {} },
  { { { 3, 2 } }, call = with(2, -2) }, { { { 0, 3 } }, call = with { 2, 1 } },
}
M.expand = cases {
  { { { 3, 1 } }, call = with(3, 4) }, { { {} }, call = with(2, 2) },
  { { { 2, 1, 3 } }, call = with { 2, -1, 2, 3 } },
  { { { 1, 2 } }, call = with(0, 2) }, { { { 1, 1 } }, call = with(1, 1) },
}
M.slice = cases {
  { { { 4, 5 } }, call = with({ 2, 1 }, { 2, 3 }, { 2, 2 }) },
  { { {} }, call = with({}, {}, {}) },
  { { { 3, 2 } }, call = with({ 1, 2 }, { 0, 1 }, { 1, 1 }) },
  { { { 0, 3 } }, call = with({ 1, 1 }, { 0, 2 }, { 1, 2 }) },
}
M.embed = cases {
  { { { 2, 3 } }, call = with({ 2, 1 }, { 4, 5 }, { 2, 2 }) },
  { { {} }, call = with({}, {}, {}) },
  { { { 0, 2 } }, call = with({ 1, 2 }, { 3, 3 }, { 1, 1 }) },
}
local function joined(dim)
  return function(op, ...) return op({ ... }, dim) end
end
M.cat = cases {
  { { { 2, 3 }, { 1, 3 } }, call = joined(1) },
  { { { 2, 3 }, { 2, 1 }, { 2, 2 } }, call = joined(-1) },
  { { { 0, 2 }, { 2, 2 } }, call = joined() },
  { { { 2 } }, call = joined(1) },
  { { { 1 }, { 1 }, { 1 }, { 1 }, { 1 }, { 1 }, { 1 }, { 1 }, { 1 } }, call = joined(1) },
}

-- --- by index -----------------------------------------------------------------

M.index_select = cases {
  { { { 3, 2 } }, call = with_index({ 3, 1, 3 }, 1) },
  { { { 2, 3, 2 } }, call = with_index({ 2 }, -2) },
  { { { 3, 2 } }, call = with_index({}, 1) },
}
M.index_add = cases {
  { { { 3, 2 } }, call = with_index({ 4, 1, 4 }, 1, 5) },
  { { { 2, 1, 2 } }, call = with_index({ 2 }, -2, 3) },
  { { { 0, 2 } }, call = with_index({}, 1, 3) },
}
M.gather = cases {
  { { { 3, 2 } }, call = with_index({ { 3, 1 }, { 1, 1 } }, 1) },
  { { { 2, 3 } }, call = with_index({ { 3, 1, 1, 2 }, { 2, 2, 3, 1 } }, 2) },
  { { { 2 } }, call = with_index({}, 1) },
}
M.scatter_add = cases {
  { { { 2, 2 } }, call = with_index({ { 3, 1 }, { 3, 1 } }, 1, 3) },
  { { { 2, 3 } }, call = with_index({ { 2, 1, 2 }, { 4, 4, 1 } }, 2, 4) },
}

M.nonzero = unary()

-- --- products and images ------------------------------------------------------

M.matmul = cases {
  { { { 2, 3 }, { 3, 4 } } }, { { { 2, 2, 3 }, { 3, 2 } } },
  { { { 2, 1, 2, 2 }, { 3, 2, 1 } } }, { { { 1, 1 }, { 1, 1 } } },
  { { { 2, 0 }, { 0, 3 } } }, { { { 0, 2 }, { 2, 3 } } },
}
M.conv2d = cases {
  { { { 2, 4, 4, 2 }, { 2, 2, 3, 3 } }, call = with { padding = 1 } },
  { { { 1, 5, 4, 1 }, { 2, 1, 2, 3 } }, call = with(2, 1) },
  { { { 1, 3, 3, 2 }, { 3, 2, 1, 1 }, { 3 } }, call = plain },
  { { { 0, 3, 3, 1 }, { 1, 1, 2, 2 } }, call = plain },
}
M.conv2d_input_grad = cases {
  { { { 2, 4, 4, 2 }, { 2, 2, 3, 3 } }, call = with(1, 1, 4, 4) },
  { { { 1, 3, 2, 2 }, { 2, 1, 2, 3 } }, call = with(2, 1, 5, 4) },
}
M.conv2d_weight_grad = cases {
  { { { 2, 4, 4, 2 }, { 2, 4, 4, 2 } }, call = with(1, 1, 3, 3) },
  { { { 1, 5, 4, 1 }, { 1, 3, 2, 2 } }, call = with(2, 1, 2, 3) },
}
M.avg_pool2d = cases {
  { { { 2, 4, 6, 2 } }, call = with(2) },
  { { { 1, 5, 4, 1 } }, call = with { kernel = 3, stride = 2, padding = 1 } },
  { { { 1, 5, 5, 2 } }, call = with(3, 1) },
  { { { 0, 4, 4, 1 } }, call = with(2) },
}
M.avg_pool2d_grad = cases {
  { { { 2, 2, 3, 2 } }, call = with(2, 2, 0, 4, 6) },
  { { { 1, 3, 2, 1 } }, call = with(3, 2, 1, 5, 4) },
}
M.argmax_pool2d = cases {
  { { { 2, 4, 6, 2 } }, call = with(2), integers = true },
}
M.upsample = cases {
  { { { 1, 2, 3, 2 } }, call = plain }, { { { 2, 1, 1, 1 } }, call = with(3) },
  { { { 0, 2, 2, 1 } }, call = plain },
}
M.upsample_grad = cases {
  { { { 1, 4, 2, 2 } }, call = plain }, { { { 2, 3, 3, 1 } }, call = with(3) },
}

-- --- networks and images ------------------------------------------------------

local function network(activation, kind, parameters)
  return { kind = kind, activation = activation, parameters = parameters,
    layers = (#parameters - 1) // 2, readout_bias = #parameters % 2 == 0 }
end

-- A joint Hamiltonian of q, p and its parameters; other arguments by name.
local function of_joint(kind, activation, more)
  return function(op, q, p, ...)
    local args = { networks = { network(activation, kind, { ... }) } }
    for key, value in pairs(more or {}) do args[key] = value end
    return op(q, p, args)
  end
end

-- K and V of n parameters each; a tensor after them is dt.
local function of_pair(n, more)
  return function(op, q, p, ...)
    local all = { ... }
    local args = { dt = all[2 * n + 1], networks = {
      network("tanh", "dense", { table.unpack(all, 1, n) }),
      network("softplus", "dense", { table.unpack(all, n + 1, 2 * n) }) } }
    for key, value in pairs(more or {}) do args[key] = value end
    return op(q, p, args)
  end
end

local JOINT = { { 3, 2 }, { 3, 2 }, { 5, 4 }, { 5 }, { 1, 5 }, { 1 } }
local PAIR = { { 2, 1 }, { 2, 1 }, { 3, 1 }, { 3 }, { 1, 3 }, { 4, 1 }, { 4 }, { 1, 4 } }
local IMAGES = { { 2, 3, 3, 1 }, { 2, 3, 3, 1 }, { 3, 2, 3, 3 }, { 3 }, { 1, 3, 3, 3 } }
local function followed_by(shapes, last)
  return table.move({ last }, 1, 1, #shapes + 1, { table.unpack(shapes) })
end

M.network_field = cases {
  { JOINT, call = of_joint("dense", "tanh") },
  { IMAGES, call = of_joint("conv", "softplus") },
  { PAIR, call = of_pair(3) },
}
M.network_rollout = cases {
  { JOINT, call = of_joint("dense", "softplus", { method = "rk4", steps = 2, energies = true }) },
  { IMAGES, call = of_joint("conv", "tanh", { method = "euler", steps = 2, dt = -0.2 }) },
  { PAIR, call = of_pair(3, { steps = 3, dt = 0.2, energies = true, last_only = true }) },
  { followed_by(PAIR, {}), call = of_pair(3, { steps = 2, method = "yoshida4" }) },
  { followed_by(PAIR, { 1 }), call = of_pair(3, { steps = 3, reversible = true }) },
  { PAIR, call = of_pair(3, { steps = 0 }) },
}

-- Without the kink of a leaky ReLU: slope 1.
local function decoded(blocks, channels, more)
  return function(op, q, ...)
    local side = q:size(2) << blocks
    local targets = torus.full({ q:size(1), side, side, channels }, 0.4, { dtype = "float64" })
    local args = { parameters = { ... }, blocks = blocks, slope = 1 }
    for key, value in pairs(more) do args[key] = value end
    return op(q, targets, args)
  end
end
M.decoder_error = cases {
  { { { 2, 1, 1, 2 }, { 2, 2, 3, 3 }, { 2 }, { 2, 2, 3, 3 }, { 2 }, { 1, 2, 3, 3 }, { 1 } },
    call = decoded(1, 1, { width = 2, weight = 0.5 }) },
  { { { 3, 2, 2, 1 }, { 2, 1, 3, 3 }, { 2 }, { 2, 2, 3, 3 }, { 2 }, { 2, 1, 1, 1 }, { 2 },
    { 3, 2, 3, 3 }, { 3 } }, call = decoded(1, 3, { width = 2, weight = 0 }) },
  { { { 1, 1, 1, 1 }, { 2, 1, 3, 3 }, { 2 }, { 2, 2, 3, 3 }, { 2 },
    { 2, 2, 3, 3 }, { 2 }, { 2, 2, 3, 3 }, { 2 }, { 1, 2, 3, 3 }, { 1 } },
    call = decoded(2, 1, { width = 2, skip = false }) },
}

-- --- linear algebra -----------------------------------------------------------

-- Matrices away from singular ones: x plus 3, 5, 7, ... on the diagonal.
local function regular(x)
  local m, n = x:size(-2), x:size(-1)
  local diagonal = {}
  for i = 1, m do
    diagonal[i] = {}
    for j = 1, n do diagonal[i][j] = i == j and 2 * i + 1 or 0 end
  end
  if m * n == 0 then return x end
  return x + torus.tensor(diagonal, { dtype = "float64" })
end

local function of_regular(op, x, ...) return op(regular(x), ...) end

local function upper(op, x, b) return op(regular(x), b, true) end

M.solve = cases {
  { { { 3, 3 }, { 3, 2 } }, call = of_regular }, { { { 2, 2 }, { 2 } }, call = of_regular },
  { { { 2, 2, 2 }, { 2, 2 } }, call = of_regular },
  { { { 2, 1, 2, 2 }, { 3, 2, 1 } }, call = of_regular },
  { { { 2, 2, 2 }, { 2 } }, call = of_regular },
  { { { 1, 1 }, { 1, 1 } }, call = of_regular }, { { { 0, 0 }, { 0, 2 } } },
  { { { 0, 2, 2 }, { 2, 3 } } }, { { { 2, 2 }, { 2, 0 } }, call = of_regular },
}
M.solve_triangular = cases {
  { { { 3, 3 }, { 3, 2 } }, call = of_regular }, { { { 3, 3 }, { 3 } }, call = upper },
  { { { 2, 2, 2 }, { 2, 2 } }, call = upper },
  { { { 2, 2 }, { 3, 2, 1 } }, call = of_regular },
  { { { 1, 1 }, { 1 } }, call = of_regular }, { { { 0, 0 }, { 0 } } },
}
local square = cases {
  { { { 3, 3 } }, call = of_regular }, { { { 2, 2, 2 } }, call = of_regular },
  { { { 1, 1 } }, call = of_regular }, { { { 0, 0 } } }, { { { 0, 2, 2 } } },
}
M.inverse, M.slogdet = square, square
M.eigh, M.svd, M.qr = { table.unpack(square) }, { table.unpack(square) }, { table.unpack(square) }
M.eig = { table.unpack(square) }
-- Small ones, so that products of many elements stay small.
M.det = cases {
  { { { 3, 3 } } }, { { { 2, 2, 2 } } }, { { { 1, 1 } } }, { { { 0, 0 } } }, { { { 0, 2, 2 } } },
}
M.cofactor = M.det

local function of_positive(op, x) return op(x:matmul(x:transpose()) + torus.eye(x:size(-1),
  { dtype = "float64" })) end
M.cholesky = cases {
  { { { 3, 3 } }, call = of_positive }, { { { 2, 2, 2 } }, call = of_positive },
  { { { 3, 3 } }, call = of_regular }, { { { 1, 1 } }, call = of_regular },
  { { { 0, 0 } } }, { { { 0, 2, 2 } } },
}

-- Result number i alone.
local function only(i)
  return function(op, x) return (select(i, op(regular(x)))) end
end
for _, case in ipairs(cases {
  { { { 3, 3 } }, call = only(1) }, { { { 2, 3, 3 } }, call = only(2) },
}) do table.insert(M.eigh, case) end
-- The part that is not symmetric is so large that eigenvalues are complex.
local function turning(i)
  return function(op, x)
    local a = x - x:transpose() * 2
    if i then return (select(i, op(a))) end
    return op(a)
  end
end
for _, case in ipairs(cases {
  { { { 3, 3 } }, call = turning() }, { { { 2, 4, 4 } }, call = turning() },
  { { { 3, 3 } }, call = turning(1) }, { { { 3, 3 } }, call = turning(2) },
  { { { 3, 3 } }, call = turning(3) }, { { { 3, 3 } }, call = turning(4) },
}) do table.insert(M.eig, case) end
for _, case in ipairs(cases {
  { { { 3, 2 } }, call = of_regular }, { { { 2, 2, 3 } }, call = of_regular },
  { { { 4, 2 } }, call = only(1) }, { { { 2, 4 } }, call = only(3) },
  { { { 3, 2 } }, call = only(2) }, { { { 1, 3 } } }, { { { 3, 1 } } }, { { { 0, 3 } } },
}) do table.insert(M.svd, case) end
for _, case in ipairs(cases {
  { { { 3, 2 } }, call = of_regular }, { { { 2, 2, 3 } }, call = of_regular },
  { { { 2, 4 } }, call = only(1) }, { { { 4, 2 } }, call = only(2) },
  { { { 1, 3 } } }, { { { 3, 1 } } }, { { { 0, 3 } } }, { { { 3, 0 } } },
}) do table.insert(M.qr, case) end

M.lstsq = cases {
  { { { 4, 2 }, { 4, 3 } }, call = of_regular }, { { { 2, 3 }, { 2, 2 } }, call = of_regular },
  { { { 3, 2 }, { 3 } }, call = of_regular }, { { { 2, 3, 2 }, { 2, 3 } }, call = of_regular },
  { { { 2, 2 }, { 2, 1 } }, call = of_regular }, { { { 2, 2, 3 }, { 2, 1 } }, call = of_regular },
  { { { 0, 2 }, { 0 } } }, { { { 3, 0 }, { 3, 2 } } }, { { { 0, 3, 2 }, { 3, 2 } } },
}

-- --- Fourier transforms -------------------------------------------------------

M.fft = cases {
  { { { 2, 5 }, { 2, 5 } } }, { { { 6 } } }, { { { 4, 3 }, { 4, 3 } }, call = with(nil, 1) },
  { { { 2, 3, 2 } }, call = with { n = 4, dim = 2 } },
  { { { 2, 5 }, { 2, 5 } }, call = with { n = 3, scale = 0.5 } },
  { { { 1 }, { 1 } } }, { { { 0, 3 } } }, { { { 2, 0 } }, call = with { n = 2 } },
}
M.ifft = M.fft
M.rfft = cases {
  { { { 2, 5 } } }, { { { 6 } } }, { { { 4, 3 } }, call = with(nil, 1) },
  { { { 2, 3, 2 } }, call = with { n = 4, dim = 2 } },
  { { { 2, 7 } }, call = with { n = 3, scale = 0.5 } },
  { { { 1 } } }, { { { 2 } } }, { { { 0, 3 } } }, { { { 2, 0 } }, call = with { n = 2 } },
}
M.irfft = cases {
  { { { 2, 4 }, { 2, 4 } } }, { { { 4 } } }, { { { 4, 3 }, { 4, 3 } }, call = with(7, 1) },
  { { { 2, 3, 2 } }, call = with { n = 8, dim = 2 } },
  { { { 2, 5 }, { 2, 5 } }, call = with { n = 3, scale = 0.5 } },
  { { { 1 }, { 1 } }, call = with(1) }, { { { 0, 3 } } },
  { { { 2, 0 } }, call = with { n = 2 } },
}

return M
