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
local signature = require "torus.signature"

local M = {}

local SOLVE = {
  max_iterations = { default = 1000, type = "integer", min = 1 },
  tolerance = { default = 1e-7, type = "number", min = 0 },
  after = { type = "callable" },
}

-- One pass over all coordinates; returns the largest variance of a change in the fit by a
-- single coefficient, relative to that of its output.
-- rest: c - G w (sets, features, outputs), kept up to date.
local function sweep(s)
  local before = engine.stack(s.w, 2)
  for j, w in ipairs(s.w) do
    local x = s.rest:select(2, j) + s.diagonal[j] * w
    -- towards zero by alpha
    local new = (x - x:clamp(-s.alpha, s.alpha)) * s.inverse[j]
    s.rest:add_(s.gram[j] * (w - new):unsqueeze(2))
    s.w[j] = new
  end
  local after = engine.stack(s.w, 2)
  return ((after - before):square() * s.weight):max():item()
end

-- The columns and the diagonal of G as lists; a feature that does not vary
-- keeps the coefficient 0.
local function prepare(gram, cross, variance)
  local s = { w = {}, gram = {}, diagonal = {}, inverse = {},
    rest = engine.zeros_like(cross):copy_(cross) }
  for j = 1, gram:size(2) do
    s.gram[j] = gram:narrow(3, j, 1):contiguous()
    local diagonal = s.gram[j]:select(2, j):contiguous()
    s.diagonal[j], s.w[j] = diagonal, cross:select(2, 1) * 0
    s.inverse[j] = diagonal:gt(0):to("float64")
      / (diagonal + diagonal:le(0):to("float64"))
  end
  s.weight = engine.stack(s.diagonal, 2) / variance:unsqueeze(2)
  return s
end

--- Solves for given Gram matrices, one penalty after the other, each starting from the
-- previous solution.
-- @tparam tensor gram X^T X / n of centred features, (sets, features,
-- features) float64
-- @tparam tensor cross X^T y / n, (sets, features, outputs) float64
-- @tparam tensor variance of y, (sets, outputs) float64, above 0
-- @tparam {number,...} alphas penalties; the fastest order is from the
-- largest to the smallest
-- @tparam[opt] table opts max_iterations=1000 passes for each penalty;
-- tolerance=1e-7, the largest variance of the change by one coefficient in the
-- last pass, relative to the output's (as in the paper's program, glmnet);
-- after, called with a penalty's index and coefficients, stops if it returns true
-- @treturn {tensor,...} coefficients for each penalty (sets, features,
-- outputs)
-- @usage
-- gram = torus.eye(2, { dtype = "float64" }):reshape(1, 2, 2)
-- cross = torus.tensor({{{1}, {0.5}}}, { dtype = "float64" })
-- variance = torus.ones({1, 1}, { dtype = "float64" })
-- w = torus.measures.lasso.solve(gram, cross, variance, {0.1})[1]   -- {0.9, 0.4}
function M.solve(gram, cross, variance, alphas, opts)
  local o = options.resolve("lasso.solve", opts, SOLVE)
  options.tensor("lasso.solve", "gram", gram,
    { "sets", "features", "features" })
  options.tensor("lasso.solve", "cross", cross,
    { gram:size(1), gram:size(2), "outputs" })
  options.tensor("lasso.solve", "variance", variance,
    { gram:size(1), cross:size(3) })
  return engine.no_grad(function()
    local s, found = prepare(gram, cross, variance), {}
    for i, alpha in ipairs(alphas) do
      s.alpha = alpha
      for _ = 1, o.max_iterations do
        if sweep(s) <= o.tolerance then break end
      end
      found[i] = engine.stack(s.w, 2)
      if o.after and o.after(i, found[i]) then break end
    end
    return found
  end)
end

-- X^T X / n and X^T y / n of centred x and y, the variance of y (1 if it is constant),
-- and the means.
local function moments(x, y)
  local n, mx, my = x:size(1), x:mean(1, true), y:mean(1, true)
  local fx, fy = x - mx, y - my
  local turned = fx:transpose(1, 2)
  local variance = y:var(1)
  return turned:matmul(fx) / n, turned:matmul(fy) / n,
    variance + variance:eq(0):to("float64"), mx, my
end

--- Fits y = X w + b.
-- @tparam tensor x (rows, features) float64
-- @tparam tensor y (rows, outputs) float64
-- @tparam number alpha
-- @tparam[opt] table opts as in solve
-- @treturn tensor coefficients (features, outputs)
-- @treturn tensor intercept (1, outputs)
-- @usage
-- x = torus.randn({50, 3}, { dtype = "float64" })
-- y = x:narrow(2, 1, 1) * 2 + 1
-- w, b = torus.measures.lasso.fit(x, y, 1e-3)   -- nearly {2, 0, 0} and 1
function M.fit(x, y, alpha, opts)
  options.tensor("lasso.fit", "x", x, { "rows", "features" })
  options.tensor("lasso.fit", "y", y, { x:size(1), "outputs" })
  local gram, cross, variance, mx, my = moments(x, y)
  local w = M.solve(gram:unsqueeze(1), cross:unsqueeze(1),
    variance:unsqueeze(1), { alpha }, opts)[1]:squeeze(1)
  return w, my - mx:matmul(w)
end

--- Returns the explained fraction of variances, 1 - residual / variance; for a constant output 1
-- if the residual is 0, else 0, as in scikit-learn.
-- @tparam tensor residual (outputs), mean squares
-- @tparam tensor variance (outputs)
-- @treturn tensor (outputs)
-- @usage
-- print(torus.measures.lasso.share(torus.tensor { 1, 0, 2 }, torus.tensor { 4, 0, 0 }))
-- -- 0.75 1 0
function M.share(residual, variance)
  local constant = variance:eq(0)
  local share = 1 - residual / (variance + constant:to(variance.dtype))
  return engine.where(constant, residual:eq(0):to(variance.dtype), share)
end

-- The fraction of each output's variance explained by predictions, ignoring a constant
-- offset.
local function explained(predicted, y)
  return M.share((y - predicted):var(1), y:var(1))
end

-- Rows first..first+count-1 and the others.
local function split(x, first, count)
  local n = x:size(1)
  local others = {}
  if first > 1 then others[1] = x:narrow(1, 1, first - 1) end
  local after = first + count
  if after <= n then
    others[#others + 1] = x:narrow(1, after, n - after + 1)
  end
  return x:narrow(1, first, count), engine.cat(others, 1)
end

-- Fits each penalty to the rows outside of each fold and scores it on those
-- inside: `scored` gets the penalty's index and the mean score, and ends the
-- list where it returns true.
local function score_folds(x, y, folds, alphas, opts, scored)
  local grams, crosses, variances, held = {}, {}, {}, {}
  for k, fold in ipairs(folds) do
    local held_x, rest_x = split(x, fold.first, fold.count)
    local held_y, rest_y = split(y, fold.first, fold.count)
    held[k] = { x = held_x, y = held_y }
    grams[k], crosses[k], variances[k] = moments(rest_x, rest_y)
  end
  M.solve(engine.stack(grams, 1), engine.stack(crosses, 1),
    engine.stack(variances, 1), alphas, options.joined(opts, {
      after = function(i, w)
        local sum = 0
        for k, h in ipairs(held) do
          sum = sum + explained(h.x:matmul(w[k]), h.y):mean():item()
        end
        return scored(i, sum / #held)
      end }))
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

-- Number of consecutive penalties that score less than the best after which the rest,
-- which are smaller and take the longest, are skipped.
local PATIENCE = 3

--- Chooses the penalty that explains the held-out rows best, by cross-validation over
-- consecutive parts of the rows, like scikit-learn's `GridSearchCV` with
-- `scoring = "explained_variance"`, from the largest penalty down until three consecutive
-- ones score less than the best.
-- @tparam tensor x (rows, features) float64
-- @tparam tensor y (rows, outputs) float64
-- @tparam table opts alphas, a list; folds=2; max_iterations and tolerance as in solve
-- @treturn number the best penalty, the smallest of equally good ones
-- @treturn {[number]=number} the scores by penalty
-- @raise without penalties, and for fewer than two rows for each fold
-- @usage
-- x = torus.randn({50, 3}, { dtype = "float64" })
-- y = x:narrow(2, 1, 1) * 2 + 1
-- best = torus.measures.lasso.cross_validate(x, y, { alphas = {1e-3, 1e-1} })
-- print(best)   -- 0.001
function M.cross_validate(x, y, opts)
  local o = options.resolve("lasso.cross_validate", opts, CROSS)
  signature.fields("lasso.cross_validate", o, "alphas: {number,...}")
  if #o.alphas == 0 then
    options.raise("lasso.cross_validate: alphas: expected at least one penalty")
  end
  -- A variance needs two rows.
  if o.folds * 2 > x:size(1) then
    options.raise("lasso.cross_validate: x: expected at least %d rows for %d folds, got %d",
      o.folds * 2, o.folds, x:size(1))
  end
  local falling = table.move(o.alphas, 1, #o.alphas, 1, {})
  table.sort(falling, function(a, b) return a > b end)
  local scores, best, worse = {}, nil, 0
  score_folds(x, y, parts_of(x:size(1), o.folds), falling,
    { tolerance = o.tolerance, max_iterations = o.max_iterations },
    function(i, score)
      local alpha = falling[i]
      scores[alpha] = score
      if not best or score >= scores[best] then
        best, worse = alpha, 0
      else
        worse = worse + 1
      end
      return worse == PATIENCE
    end)
  return best, scores
end

signature.functions("lasso", M, {
  solve = "gram: tensor, cross: tensor, variance: tensor, alphas: {number,...}, "
    .. "opts?: table",
  fit = "x: tensor, y: tensor, alpha: number, opts?: table",
  share = "residual: tensor, variance: tensor",
})

return M
