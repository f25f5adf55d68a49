--- The conditional densities f(p | q) of a Neural Hamiltonian Flow, from which the
-- bound of eq. (6) draws momenta.
--
-- Each of them maps standard normal noise e to p, for given q:
--
--     diagonal   p = m + s e, with m(q) and s(q) = exp(log_std(q)) per number
--     full       p = m + L e, L(q) lower triangular with s on its diagonal
--     flow       p = m + s u, where u is e transformed by couplings
--
-- A coupling (Dinh et al. 2017) keeps one half of the numbers and transforms each
-- number x of the other half by a strictly increasing function
--
--     y = exp(l) (x + sum_k a_k tanh(b_k x + c_k)) + t
--
-- whose parameters are computed by a network from the kept half and q. All a_k b_k are
-- above -0.95 / K, so its slope is above 0.05 exp(l). With several terms it can make a
-- normal density skewed, flat or multimodal, even for a single number, for which an affine
-- coupling would leave it normal.
-- @module torus.models.nhf.posterior
local MLP = require "torus.nn.mlp"
local size = require "torus.models.parts.size"
local engine = require "torus.engine"
local linalg = require "torus.linalg"

local M = {}

--- The names that a configuration accepts.
M.names = { "diagonal", "full", "flow" }

local LOG_2PI = math.log(2 * math.pi)

-- Number of terms of a coupling's function, and the maximum fraction by which they reduce
-- its slope.
local TERMS, SHARE = 4, 0.95
-- Parameters for each number that a coupling moves.
local PARAMETERS = 2 + 3 * TERMS

-- ln of the standard normal density of e: (batch).
local function log_normal(e)
  return e:square():sum(2) * -0.5 - 0.5 * LOG_2PI * e:size(2)
end

-- --- diagonal -----------------------------------------------------------------

local Diagonal = {}
Diagonal.__index = Diagonal

function Diagonal:sample(q, epsilon)
  local mean, log_std = self.model.mean(q), self.model.log_std(q)
  local log_f = (epsilon:square() * -0.5 - log_std):sum(2)
    - 0.5 * LOG_2PI * q:size(2)
  return mean + log_std:exp() * epsilon, log_f
end

function Diagonal:log_density(q, p)
  local mean, log_std = self.model.mean(q), self.model.log_std(q)
  return log_normal((p - mean) / log_std:exp()) - log_std:sum(2)
end

-- --- full covariance ------------------------------------------------------------

local Full = {}
Full.__index = Full

-- For each entry of a (d, d) matrix, its index among the entries below the diagonal, row by
-- row, or that of the zero that follows them.
local function indices_below(d)
  local count, list = d * (d - 1) // 2, {}
  for i = 1, d do
    for j = 1, d do
      list[#list + 1] = j < i and (i - 1) * (i - 2) // 2 + j or count + 1
    end
  end
  return engine.tensor(list, { dtype = "int64" })
end

-- The part of L below its diagonal: (batch, d, d), nil for d = 1.
local function below(self, q)
  if not self.indices_below then return nil end
  local entries, d = self.model.lower(q), q:size(2)
  local zero = engine.zeros({ q:size(1), 1 }, { dtype = q.dtype })
  return engine.cat({ entries, zero }, 2):index_select(2, self.indices_below)
    :reshape(q:size(1), d, d)
end

function Full:sample(q, epsilon)
  local mean, log_std = self.model.mean(q), self.model.log_std(q)
  local moved, lower = log_std:exp() * epsilon, below(self, q)
  if lower then moved = moved + (lower * epsilon:unsqueeze(2)):sum(3) end
  return mean + moved, log_normal(epsilon) - log_std:sum(2)
end

function Full:log_density(q, p)
  local mean, log_std = self.model.mean(q), self.model.log_std(q)
  local lower, scale = below(self, q), log_std:exp()
  local d, gap = q:size(2), p - mean
  if not lower then return log_normal(gap / scale) - log_std:sum(2) end
  local eye = engine.eye(d, { dtype = q.dtype })
  local epsilon = linalg.solve_triangular(lower + eye * scale:unsqueeze(3),
    gap:unsqueeze(3), { upper = false }):squeeze(3)
  return log_normal(epsilon) - log_std:sum(2)
end

-- --- a flow of couplings ----------------------------------------------------------

local Flow = {}
Flow.__index = Flow

local function indices(list)
  return engine.tensor(list, { dtype = "int64" })
end

-- The numbers that coupling i keeps and those that it transforms: alternating halves, of
-- neighbours or of odd and even ones. A single number is always transformed.
local function split(d, i)
  local kept, moved, back = {}, {}, {}
  for k = 1, d do
    local first = (i - 1) // 2 % 2 == 0 and k <= d // 2
      or (i - 1) // 2 % 2 == 1 and d > 1 and k % 2 == 0
    if first == (i % 2 == 1) and d > 1 then
      kept[#kept + 1] = k
    else
      moved[#moved + 1] = k
    end
  end
  for at, k in ipairs(kept) do back[k] = at end
  for at, k in ipairs(moved) do back[k] = #kept + at end
  return { kept = #kept > 0 and indices(kept) or nil, moved = indices(moved),
    back = indices(back), count = #moved }
end

-- The parameters of the increasing functions, from a network's numbers (batch,
-- count * PARAMETERS): l and t (batch, count), a, b, c (batch, count, TERMS).
local function parameters_of(numbers, count)
  local all = numbers:reshape(numbers:size(1), count, PARAMETERS)
  local function terms(i) return all:narrow(3, 3 + i * TERMS, TERMS) end
  local b = terms(1):softplus() + 0.05
  return { l = (all:select(3, 1) * 0.5):tanh() * 2, t = all:select(3, 2),
    w = terms(0):elu() * (SHARE / TERMS), b = b, c = terms(2) }
end

-- The function of x, without exp(l) and t, and its slope there.
local function bend(x, w, b, c)
  local tanh = (x:unsqueeze(3) * b + c):tanh()
  return x + (tanh * (w / b)):sum(3), ((1 - tanh:square()) * w):sum(3) + 1
end

-- The inverse of bend at y, by bisection between bounds, then a Newton step, which also
-- carries the gradients.
local BISECTIONS = 30
local function unbend(y, w, b, c)
  local x = engine.no_grad(function()
    local reach = (w / b):abs():sum(3)
    local low, high = y - reach, y + reach
    for _ = 1, BISECTIONS do
      local middle = (low + high) * 0.5
      local above = bend(middle, w, b, c):gt(y)
      low, high = engine.where(above, low, middle),
        engine.where(above, middle, high)
    end
    local middle = (low + high) * 0.5
    local value, slope = bend(middle, w, b, c)
    return middle - (value - y) / slope
  end)
  local value, slope = bend(x, w, b, c)
  return x - (value - y) / slope:detach()
end

-- The parameters of coupling i at q and the numbers that it keeps.
local function coupling(self, i, q, u)
  local s = self.splits[i]
  local kept = s.kept and u:index_select(2, s.kept)
  local input = kept and engine.cat({ kept, q }, 2) or q
  return s, kept, parameters_of(self.model["coupling" .. i](input), s.count)
end

local function joined(s, kept, moved)
  if not kept then return moved end
  return engine.cat({ kept, moved }, 2):index_select(2, s.back)
end

function Flow:sample(q, epsilon)
  local mean, log_std = self.model.mean(q), self.model.log_std(q)
  local u, log_det = epsilon, log_std:sum(2)
  for i = 1, #self.splits do
    local s, kept, o = coupling(self, i, q, u)
    local y, slope = bend(u:index_select(2, s.moved), o.w, o.b, o.c)
    u = joined(s, kept, y * o.l:exp() + o.t)
    log_det = log_det + (slope:log() + o.l):sum(2)
  end
  return mean + log_std:exp() * u, log_normal(epsilon) - log_det
end

function Flow:log_density(q, p)
  local mean, log_std = self.model.mean(q), self.model.log_std(q)
  local u, log_det = (p - mean) / log_std:exp(), log_std:sum(2)
  for i = #self.splits, 1, -1 do
    local s, kept, o = coupling(self, i, q, u)
    local y = (u:index_select(2, s.moved) - o.t) / o.l:exp()
    local x = unbend(y, o.w, o.b, o.c)
    local _, slope = bend(x, o.w, o.b, o.c)
    u = joined(s, kept, x)
    log_det = log_det + (slope:log() + o.l):sum(2)
  end
  return log_normal(u) - log_det
end

-- Initialises the last layer so that a coupling is nearly the identity: the weights small,
-- a_k, l and t zero, b_k one, c_k spread.
local function start(net, count)
  local last, bias = net[#net.sizes - 1], {}
  for _ = 1, count do
    bias[#bias + 1], bias[#bias + 2] = 0, 0
    for _ = 1, TERMS do bias[#bias + 1] = 0 end
    for _ = 1, TERMS do bias[#bias + 1] = math.log(math.exp(0.95) - 1) end
    for k = 1, TERMS do
      bias[#bias + 1] = 3 * (k - 0.5 * (TERMS + 1)) / TERMS
    end
  end
  engine.no_grad(function()
    last.weight:mul_(0.1)
    last.bias:copy_(engine.tensor(bias, { dtype = last.bias.dtype }))
  end)
end

-- --- making one -------------------------------------------------------------------

-- A network with the configuration's hidden layers.
local function network(c, inputs, outputs, generator)
  local sizes = { inputs }
  for i = 1, c.depth do sizes[i + 1] = c.width end
  sizes[#sizes + 1] = outputs
  return MLP.new { sizes = sizes, activation = "relu", dtype = c.dtype,
    generator = generator }
end

--- Makes the density that a configuration names, with its networks registered in the
-- model: mean, log_std, and lower or coupling1, coupling2, ...
-- @tparam Module model
-- @tparam table c posterior, couplings, dimension, width, depth, dtype
-- @tparam[opt] generator generator source of the initial values
-- @treturn table methods sample(q, epsilon), which returns p (batch, d) and
-- ln f (batch), and log_density(q, p), which returns ln f (batch); both with
-- gradients
-- @usage
-- posteriors = require "torus.models.nhf.posterior"
-- model = torus.models.nhf { dimension = 2, flows = 1, width = 8,
--   posterior = "full" }
-- q, e = torus.randn(5, 2), torus.randn(5, 2)
-- p, log_f = model.posterior:sample(q, e)
-- print((log_f - model.posterior:log_density(q, p)):abs():max():item() < 1e-4)
function M.new(model, c, generator)
  local d = c.dimension
  model:register("mean", network(c, d, d, generator))
  model:register("log_std", network(c, d, d, generator))
  if c.posterior == "full" then
    if d > 1 then
      model:register("lower", network(c, d, d * (d - 1) // 2, generator))
    end
    return setmetatable({ model = model, indices_below = d > 1 and indices_below(d) or nil },
      Full)
  elseif c.posterior == "flow" then
    local splits = {}
    for i = 1, c.couplings do
      local s = split(d, i)
      local net = network(c, 2 * d - s.count, s.count * PARAMETERS, generator)
      start(net, s.count)
      splits[i] = s
      model:register("coupling" .. i, net)
    end
    return setmetatable({ model = model, splits = splits }, Flow)
  end
  return setmetatable({ model = model }, Diagonal)
end

--- Returns the approximate number of parameters of a density.
-- @tparam table c as in new
-- @treturn number
-- @usage
-- posteriors = require "torus.models.nhf.posterior"
-- print(posteriors.count { posterior = "diagonal", dimension = 2, width = 8,
--   depth = 1, couplings = 4 })   -- 84.0
function M.count(c)
  local d = c.dimension * 1.0
  local total = 2 * size.stack(d, c.width, c.depth, d)
  if c.posterior == "full" then
    return total + size.stack(d, c.width, c.depth, d * (d - 1) / 2)
  elseif c.posterior == "flow" then
    return total + c.couplings * size.stack(1.5 * d, c.width, c.depth,
      0.5 * (d + 1) * PARAMETERS)
  end
  return total
end

return M
