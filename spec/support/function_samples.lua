--- Samples of the functions of operations that are written in Lua: cases as in
-- op_samples.lua, by the function's name. `constant` marks those without a
-- gradient.
local torus = require "torus"

local M = {}

local function cases(list)
  for _, case in ipairs(list) do
    local extra = table.pack(table.unpack(case, 2, case.n or #case))
    case.call = case.call or function(f, ...)
      local args = table.pack(...)
      table.move(extra, 1, extra.n, args.n + 1, args)
      return f(table.unpack(args, 1, args.n + extra.n))
    end
  end
  return list
end

M.sort = cases {
  { { { 5 } } }, { { { 3, 4 } }, 1 }, { { { 2, 3, 2 } }, -2, true }, { { { 2, 0 } } },
  { { { 0, 3 } } }, { { { 1 } } },
}
M.topk = cases {
  { { { 5 } }, 2 }, { { { 3, 4 } }, 2, 1 }, { { { 2, 13 } }, 2, -1, false },
  { { { 2, 0 } }, 0 }, { { { 3 } }, 3 },
}
M.unique = cases { { { { 5 } } }, { { { 3, 2 } } }, { { {} } }, { { { 0 } } } }
M.median = cases {
  { { { 5 } } }, { { { 4, 3 } } }, { { { 4, 3 } }, 1 }, { { { 2, 3, 2 } }, -2, true },
  { { { 0, 3 } }, 2 }, { { {} } },
}
M.quantile = cases {
  { { { 5 } }, 0.3 }, { { { 3, 4 } }, { 0, 0.4, 1 }, 1 },
  { { { 2, 3, 2 } }, 0.25, 2, true }, { { { 3, 4 } }, 0.6 },
  { { { 3, 4 } }, { 0.1, 0.7 }, { dim = 2, keepdim = true, interpolation = "midpoint" } },
  { { { 4 } }, 0.4, { interpolation = "nearest" } }, { { { 0, 3 } }, 0.5, 2 },
}
local spread = {
  { { { 5 } } }, { { { 3, 4 } }, 1 }, { { { 3, 4 } }, { correction = 1 } },
  { { { 2, 3, 2 } }, { 1, 3 }, true }, { { { 3, 4 } }, 2, { correction = 1, keepdim = true } },
  { { { 0, 3 } }, 2 },
}
M.var, M.std = cases { table.unpack(spread) }, cases { table.unpack(spread) }
M.norm = cases {
  { { { 5 } } }, { { { 3, 4 } }, { dim = 1 } }, { { { 3, 4 } }, { p = 1, dim = -1 } },
  { { { 2, 3, 2 } }, { p = 3, dim = { 1, 2 }, keepdim = true } },
  { { { 5 } }, { p = 1.5 }, low = 0.3, high = 2 },
  { { { 5 } }, { p = math.huge } }, { { { 3, 2 } }, { p = -math.huge, dim = 2 } },
  { { { 4 } }, { p = -2 } }, { { { 0, 3 } }, { dim = 2 } },
}
M.nan_to_num = cases { { { { 3, 4 } } }, { { {} } } }
M.bincount = cases {
  { { { 4 } }, call = function(f, w)
    return f(torus.tensor({ 2, 1, 2, 5 }, { dtype = "int64" }), { weights = w, minlength = 6 })
  end },
}
M.outer = cases { { { { 3 }, { 2 } } }, { { { 0 }, { 2 } } } }
M.cross = cases {
  { { { 3 }, { 3 } } }, { { { 2, 3 }, { 3 } } }, { { { 3, 2 }, { 3, 1 } }, 1 },
  { { { 3 }, { 2, 3, 2 } }, call = function(f, a, b) return f(a:reshape(3, 1), b, 2) end },
}
M.dot = cases { { { { 3 }, { 3 } } }, { { { 0 }, { 0 } } } }
M.trace = cases { { { { 3, 3 } } }, { { { 2, 2, 3 } } }, { { { 3, 2 } } }, { { { 0, 2 } } } }
M.kron = cases {
  { { { 2, 2 }, { 1, 3 } } }, { { { 2 }, { 3, 2 } } }, { { {}, { 2 } } }, { { { 0 }, { 2 } } },
}
M.cov = cases { { { { 3, 4 } } }, { { { 5 } } }, { { { 2, 3 } }, { correction = 0 } } }
M.corrcoef = cases { { { { 2, 5 } } }, { { { 3, 4 } } } }

-- --- functions given by samples -----------------------------------------------

local AXIS = torus.tensor({ -1.1, -0.3, 0.4, 1.3 }, { dtype = "float64" })
M.diff = cases {
  { { { 5 } } }, { { { 3, 4 } }, 2 }, { { { 4, 2 } }, 1, 1 }, { { { 2 } }, 3 }, { { { 3 } }, 0 },
}
local integrals = {
  { { { 5 } } }, { { { 3, 4 } }, 0.25, 1 }, { { { 4, 2 }, { 4 } }, 1 }, { { { 2, 3 }, { 2, 3 } } },
  { { { 1 } } },
}
M.trapezoid = cases { table.unpack(integrals) }
M.cumulative_trapezoid = cases { table.unpack(integrals) }
-- The positions to interpolate at are the first input; none of them is a kink.
local function between(opts)
  return function(f, x, fp) return f(x:tanh() * 1.4, AXIS, fp, opts) end
end
M.interp = cases {
  { { { 5 }, { 4 } }, call = between() }, { { { 2, 3 }, { 4, 2 } }, call = between() },
  { { { 6 }, { 4 } }, call = between { outside = "linear" } },
  { { { 3 }, { 4 } }, call = function(f, xp, fp)
    return f(torus.tensor({ 0.4, 1.2, 2.1 }, { dtype = "float64" }), xp:exp():cumsum(1), fp)
  end, low = -0.5, high = 0.2 },
}
M.interp[4][1][1] = { 4 }

-- --- selecting ------------------------------------------------------------------

local function mask(values) return torus.tensor(values, { dtype = "bool" }) end
local function index(values) return torus.tensor(values, { dtype = "int64" }) end
-- All results of one list as one tensor.
local function flattened(list)
  for i, x in ipairs(list) do list[i] = x:reshape(x:numel()) * (1 + 0.5 * i) end
  return torus.cat(list)
end
local ODD = mask { { 1, 0, 1, 0 }, { 0, 1, 0, 1 }, { 1, 1, 0, 0 } }

M.masked_select = cases {
  { { { 3, 4 } }, ODD }, { { { 3, 1 } }, ODD }, { { { 2, 3 } }, mask { 1, 0, 1 } },
  { { { 3 } }, mask { 0, 0, 0 } }, { { { 0, 3 } }, mask { 1, 0, 1 } }, { { {} }, mask(1) },
}
M.masked_fill = cases {
  { { { 3, 4 } }, ODD, -2 }, { { { 2, 3 } }, mask { 1, 0, 1 }, 0.5 }, { { { 0, 2 } }, mask(1), 1 },
  { { { 3, 4 }, {} }, call = function(f, x, v) return f(x, ODD, v) end },
}
M.take_along_dim = cases {
  { { { 3, 2 } }, index { { 3, 1 }, { 1, 1 } }, 1 }, { { { 2, 3 } }, index { { 3, 1, 1, 2 } }, 2 },
  { { { 1, 3 } }, index { { 1, 3 }, { 2, 2 } }, -1 }, { { { 2, 3 } }, index { 6, 1, 6 } },
}
M.flip = cases {
  { { { 3, 4 } }, 1 }, { { { 2, 3, 2 } }, { 1, -1 } }, { { { 3, 2 } } }, { { {} } },
  { { { 0, 3 } }, 2 },
}
M.roll = cases {
  { { { 3, 4 } }, 1, 2 }, { { { 2, 3, 2 } }, { -1, 2 }, { 1, 2 } }, { { { 3, 2 } }, 2 },
  { { { 5 } }, -7 }, { { { 0, 3 } }, 1, 1 }, { { {} }, 3 },
}
M.tril = cases {
  { { { 3, 3 } } }, { { { 2, 3, 4 } }, 1 }, { { { 4, 2 } }, -2 }, { { { 0, 3 } } },
  { { { 2, 0 } } }, { { { 1, 1 } }, 5 },
}
M.triu = M.tril
M.diag = cases {
  { { { 3, 3 } } }, { { { 2, 4 } }, 1 }, { { { 4, 2 } }, -2 }, { { { 3, 3 } }, 7 }, { { { 3 } } },
  { { { 2 } }, -1 }, { { { 2 } }, 2 }, { { { 0 } } }, { { { 0 } }, 1 }, { { { 0, 3 } } },
}
M.meshgrid = cases {
  { { { 3 }, { 2 } }, call = function(f, ...) return flattened { f(...) } end },
  { { { 1 }, { 2 }, { 3 } }, call = function(f, ...) return flattened { f(...) } end },
  { { { 0 }, { 2 } }, call = function(f, ...) return flattened { f(...) } end },
}
local function in_parts(...)
  local args = { ... }
  return function(f, x) return flattened(f(x, table.unpack(args))) end
end
M.split = cases {
  { { { 5 } }, call = in_parts { 2, 3 } }, { { { 3, 5 } }, call = in_parts(2, 2) },
  { { { 2, 3, 2 } }, call = in_parts({ 1, 0, 2 }, -2) }, { { { 0, 3 } }, call = in_parts(2) },
}
M.unbind = cases {
  { { { 3 } }, call = in_parts() }, { { { 2, 3, 2 } }, call = in_parts(2) },
  { { { 3, 0 } }, call = in_parts(1) },
}
M.repeat_interleave = cases {
  { { { 3 } }, 2 }, { { { 2, 3 } }, { 1, 0, 2 }, 2 }, { { { 2, 2 } }, 0, -1 },
}
M.tile = cases {
  { { { 3 } }, 2 }, { { { 2, 3 } }, 2, 3 }, { { { 2, 1, 3 } }, { 2, 2 } }, { { { 2 } }, { 3, 2 } },
  { { { 0, 3 } }, 2, 2 }, { { { 2, 2 } }, { 0, 1 } }, { { {} }, 3 },
}

local function of(equation)
  return function(f, ...) return f(equation, ...) end
end
M.einsum = {}
for equation, shapes in pairs {
  ["ij,jk->ik"] = { { 2, 3 }, { 3, 4 } }, ["bij,bj->bi"] = { { 2, 2, 3 }, { 2, 3 } },
  ["ii->"] = { { 3, 3 } }, ["ii->i"] = { { 3, 3 } }, ["iji"] = { { 2, 3, 2 } },
  ["ij->ji"] = { { 2, 3 } }, ["i,i"] = { { 3 }, { 3 } }, ["i,j"] = { { 3 }, { 2 } },
  ["...ij,...jk->...ik"] = { { 2, 1, 2, 3 }, { 2, 3, 2 } }, [",i->i"] = { {}, { 3 } },
  ["ij,jk,kl->il"] = { { 2, 3 }, { 3, 2 }, { 2, 2 } }, ["i...,i->..."] = { { 3, 2 }, { 3 } },
  ["bi,i->b"] = { { 2, 3 }, { 1 } }, ["ij,jk"] = { { 2, 0 }, { 0, 2 } },
} do
  table.insert(M.einsum, { shapes, call = of(equation), equation = equation })
end
table.sort(M.einsum, function(a, b) return a.equation < b.equation end)

local constant = {
  searchsorted = { { { { 4 }, { 3 } } } },
  any = { { { { 3, 4 } } }, { { { 2, 0 } }, 2 } },
  all = { { { { 3, 4 } }, 1, true }, { { { 0 } } } },
  allclose = { { { { 3, 4 }, { 4 } } } },
}
for name, list in pairs(constant) do
  M[name] = cases(list)
  M[name].constant = true
end

return M
