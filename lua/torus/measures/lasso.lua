--- Linear regression with an L1 penalty, by coordinate descent on the Gram
-- matrix (Friedman, Hastie & Tibshirani 2010, "Regularization paths for
-- generalized linear models via coordinate descent").
--
-- Minimises |y - X w - b|^2 / (2 n) + alpha |w|_1 with the intercept b free,
-- as scikit-learn's `Lasso` does, for many outputs and sets of rows at once:
-- one coordinate of all of them is one step.
-- @module torus.measures.lasso
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

local SOLVE = {
  max_iterations = { default = 1000, type = "integer", min = 1 },
  tolerance = { default = 1e-4, type = "number", min = 0 },
}

-- Towards zero by alpha.
local function soft_threshold(x, alpha)
  return (x - alpha):relu() - (-x - alpha):relu()
end

-- One pass over all coordinates; returns the largest change of a coefficient
-- relative to the largest coefficient of its column.
-- rest: c - G w (sets, features, outputs), kept up to date.
local function sweep(s)
  local changed, largest = s.zero, s.zero
  for j, w in ipairs(s.w) do
    local new = soft_threshold(s.rest:select(2, j) + s.diagonal[j] * w,
      s.alpha) * s.inverse[j]
    local delta = w - new
    local size = delta:abs()
    if size:max():item() > 0 then
      s.rest:add_(s.gram[j] * delta:unsqueeze(2))
      changed = engine.maximum(changed, size)
      s.w[j] = new
    end
    largest = engine.maximum(largest, new:abs())
  end
  return (changed / (largest + 1e-300)):max():item()
end

-- The columns and the diagonal of G as lists; a feature that does not vary
-- keeps the coefficient 0.
local function prepare(gram, cross)
  local s = { w = {}, gram = {}, diagonal = {}, inverse = {},
    rest = engine.zeros_like(cross):copy_(cross),
    zero = cross:select(2, 1) * 0 }
  for j = 1, gram:size(2) do
    s.gram[j] = gram:narrow(3, j, 1):contiguous()
    local diagonal = s.gram[j]:select(2, j):contiguous()
    s.diagonal[j], s.w[j] = diagonal, s.zero
    s.inverse[j] = diagonal:gt(0):to("float64")
      / (diagonal + diagonal:le(0):to("float64"))
  end
  return s
end

--- Solves for given Gram matrices, one penalty after the other, each from
-- where the one before ended.
-- @tparam tensor gram X^T X / n of centred features, (sets, features,
-- features) float64
-- @tparam tensor cross X^T y / n, (sets, features, outputs) float64
-- @tparam {number,...} alphas penalties; the fastest order is from the
-- largest to the smallest
-- @tparam[opt] table opts max_iterations=1000 passes for each penalty;
-- tolerance=1e-4, the largest change of a coefficient in a last pass, relative
-- to the largest coefficient of its output
-- @treturn {tensor,...} coefficients for each penalty (sets, features,
-- outputs)
-- @usage
-- gram = torus.eye(2, { dtype = "float64" }):reshape(1, 2, 2)
-- cross = torus.tensor({{{1}, {0.5}}}, { dtype = "float64" })
-- w = torus.measures.lasso.solve(gram, cross, {0.1})[1]   -- {0.9, 0.4}
function M.solve(gram, cross, alphas, opts)
  local o = options.resolve("lasso.solve", opts, SOLVE)
  options.tensor("lasso.solve", "gram", gram,
    { "sets", "features", "features" })
  options.tensor("lasso.solve", "cross", cross,
    { gram:size(1), gram:size(2), "outputs" })
  return engine.no_grad(function()
    local s, found = prepare(gram, cross), {}
    for i, alpha in ipairs(alphas) do
      s.alpha = alpha
      for _ = 1, o.max_iterations do
        if sweep(s) <= o.tolerance then break end
      end
      found[i] = engine.stack(s.w, 2)
    end
    return found
  end)
end

-- Centred, with the means (1, columns).
local function centred(x)
  local mean = x:mean(1, true)
  return x - mean, mean
end

local function moments(x, y)
  local n = x:size(1)
  local fx, mx = centred(x)
  local fy, my = centred(y)
  local turned = fx:transpose(1, 2)
  return turned:matmul(fx) / n, turned:matmul(fy) / n, mx, my
end

--- Fits y = X w + b.
-- @tparam tensor x (rows, features) float64
-- @tparam tensor y (rows, outputs) float64
-- @tparam number alpha
-- @tparam[opt] table opts as solve's
-- @treturn tensor coefficients (features, outputs)
-- @treturn tensor intercept (1, outputs)
-- @usage
-- x = torus.randn({50, 3}, { dtype = "float64" })
-- y = x:narrow(2, 1, 1) * 2 + 1
-- w, b = torus.measures.lasso.fit(x, y, 1e-3)   -- nearly {2, 0, 0} and 1
function M.fit(x, y, alpha, opts)
  options.tensor("lasso.fit", "x", x, { "rows", "features" })
  options.tensor("lasso.fit", "y", y, { x:size(1), "outputs" })
  local gram, cross, mx, my = moments(x, y)
  local w = M.solve(gram:unsqueeze(1), cross:unsqueeze(1), { alpha },
    opts)[1]:squeeze(1)
  return w, my - mx:matmul(w)
end

--- The share of each output's variance that predictions explain, a constant
-- offset forgiven.
local function explained(predicted, y)
  local residual = (y - predicted):var(1)
  return 1 - residual / y:var(1)
end

-- Rows first..first+count-1 and the others.
local function split(x, first, count)
  local n = x:size(1)
  local others = {}
  if first > 1 then others[1] = x:narrow(1, 1, first - 1) end
  local behind = first + count
  if behind <= n then
    others[#others + 1] = x:narrow(1, behind, n - behind + 1)
  end
  return x:narrow(1, first, count), engine.cat(others, 1)
end

-- Coefficients for each penalty on the rows outside of each fold: a list of
-- (folds, features, outputs).
local function fit_folds(x, y, folds, alphas, opts)
  local grams, crosses = {}, {}
  for k, fold in ipairs(folds) do
    local _, rest_x = split(x, fold.first, fold.count)
    local _, rest_y = split(y, fold.first, fold.count)
    grams[k], crosses[k] = moments(rest_x, rest_y)
  end
  return M.solve(engine.stack(grams, 1), engine.stack(crosses, 1), alphas,
    opts)
end

local CROSS = {
  alphas = { required = true, type = "table" },
  folds = { default = 2, type = "integer", min = 2 },
  max_iterations = SOLVE.max_iterations,
  tolerance = SOLVE.tolerance,
}

-- Consecutive parts of n rows.
local function parts_of(n, count)
  local folds, first = {}, 1
  for k = 1, count do
    local rows = n // count + (k <= n % count and 1 or 0)
    folds[k] = { first = first, count = rows }
    first = first + rows
  end
  return folds
end

--- The penalty that explains the most of what is held out: cross-validation
-- over consecutive parts of the rows, as scikit-learn's `GridSearchCV` with
-- `scoring = "explained_variance"`.
-- @tparam tensor x (rows, features) float64
-- @tparam tensor y (rows, outputs) float64
-- @tparam table opts alphas, a list; folds=2; max_iterations and tolerance as
-- solve's
-- @treturn number the best penalty, of equals the smallest
-- @treturn {number,...} the score of each, in the order of alphas
-- @usage
-- x = torus.randn({50, 3}, { dtype = "float64" })
-- y = x:narrow(2, 1, 1) * 2 + 1
-- best = torus.measures.lasso.cross_validate(x, y, { alphas = {1e-3, 1e-1} })
-- print(best)   -- 0.001
function M.cross_validate(x, y, opts)
  local o = options.resolve("lasso.cross_validate", opts, CROSS)
  local folds, order = parts_of(x:size(1), o.folds), {}
  for i in ipairs(o.alphas) do order[i] = i end
  table.sort(order, function(a, b) return o.alphas[a] > o.alphas[b] end)
  local falling = {}
  for i, a in ipairs(order) do falling[i] = o.alphas[a] end
  local found = fit_folds(x, y, folds, falling, { tolerance = o.tolerance,
    max_iterations = o.max_iterations })
  local scores, best = {}, nil
  for i, w in ipairs(found) do
    local sum = 0
    for k, fold in ipairs(folds) do
      local held_x = split(x, fold.first, fold.count)
      local held_y = split(y, fold.first, fold.count)
      sum = sum + explained(held_x:matmul(w[k]), held_y):mean():item()
    end
    local a = order[i]
    scores[a] = sum / o.folds
    if not best or scores[a] >= scores[best] then best = a end
  end
  return o.alphas[best], scores
end

return M
