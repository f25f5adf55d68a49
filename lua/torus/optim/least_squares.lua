--- Nonlinear least squares for many small problems at once, by the method of
-- Levenberg (1944) and Marquardt (1963).
-- @module torus.optim.least_squares
local engine = require "torus.engine"

local M = {}

-- The initial damping, relative to the diagonal of the normal equations, and its factors
-- after an iteration that did or did not reduce a problem's error.
local DAMPING, DECREASE, INCREASE = 1e-2, 0.25, 5
-- Step of the finite differences of a rendering function, which has kinks or edges,
-- relative to the spread of its argument.
local DRAWING_STEP = 1e-2
-- The share of a batch's problems that have to be finished before they are taken out.
local FEWER = 1 / 8

--- Returns the spread of each unknown over a batch, which is the unit of its steps. A
-- single problem has no spread, so its magnitude is used.
-- @tparam tensor x (batch, unknowns)
-- @treturn {number,...}
-- @usage
-- local torus = require "torus"
-- local least_squares = require "torus.optim.least_squares"
-- print(#least_squares.spread(torus.randn(10, 4)))   -- 4
function M.spread(x)
  local centre = x:size(1) > 1 and x:mean(1, true) or 0
  return ((x - centre):square():mean(1):sqrt() + 1e-3):totable()
end

--- Returns a row of zeros with a single other element.
-- @tparam tensor x (..., unknowns)
-- @tparam integer j index of that element
-- @tparam number by its value
-- @treturn tensor (unknowns)
-- @usage
-- local torus = require "torus"
-- local least_squares = require "torus.optim.least_squares"
-- print(least_squares.shift(torus.zeros(5, 3), 2, 0.5))   -- 0 0.5 0
function M.shift(x, j, by)
  local row = engine.zeros({ x:size(-1) }, { dtype = x.dtype })
  row:narrow(1, j, 1):fill_(by)
  return row
end

--- Returns the normal equations for fitting the arguments x of a rendering function to
-- images or other arrays: the metric G = D'D and g = D'r, where D is its Jacobian.
-- @tparam function draw of x (..., n) to images (..., any sizes)
-- @tparam tensor x (..., n)
-- @tparam tensor images draw(x)
-- @tparam tensor residual target images minus these
-- @tparam {number,...} spread of x
-- @treturn tensor G (..., n, n)
-- @treturn tensor g (..., n, 1)
-- @usage
-- local torus = require "torus"
-- local least_squares = require "torus.optim.least_squares"
-- local function draw(x) return x:reshape(-1, 1, 1, 2) * 3 end
-- local x = torus.zeros(5, 2)
-- local G, g = least_squares.equations(draw, x, draw(x),
--   torus.ones(5, 1, 1, 2), { 1, 1 })
-- print(G[1], g[1])
function M.equations(draw, x, images, residual, spread)
  local n, leading, columns = x:size(-1), x.shape, {}
  leading[#leading] = -1
  residual = residual:reshape(leading)
  for j = 1, n do
    local by = DRAWING_STEP * spread[j]
    columns[j] = (draw(x + M.shift(x, j, by)) - images):reshape(leading) / by
  end
  local rows, right = {}, {}
  for j = 1, n do
    local row = {}
    for k = 1, n do
      row[k] = k < j and rows[k]:select(-1, j)
        or (columns[j] * columns[k]):sum(-1)
    end
    rows[j] = engine.stack(row, -1)
    right[j] = (columns[j] * residual):sum(-1)
  end
  return engine.stack(rows, -2), engine.stack(right, -1):unsqueeze(-1)
end

-- The damped step of every problem, (batch, unknowns), from normal equations A
-- (batch, unknowns, unknowns) and b (batch, unknowns, 1). In float64, since they
-- square the condition number of a problem.
local function step(A, b, damping)
  local unknowns, double = A:size(2), { dtype = "float64" }
  A, b, damping = A:to("float64"), b:to("float64"), damping:to("float64")
  local eye = engine.eye(unknowns, double)
  -- Unknowns that the residuals don't depend on remain unchanged.
  local floor = eye * (A * eye):sum(3):mean(2):reshape(-1, 1, 1) * 1e-9
  A = A + A * eye * damping:reshape(-1, 1, 1) + floor + eye * 1e-30
  return engine.solve(A, b):squeeze(3)
end

-- Chooses, problem by problem, between an attempt and its starting point; the
-- batch is dimension `dim`.
local function choose(better, new, old, dim)
  local shape = {}
  for i = 1, new:dim() do shape[i] = i == dim and new:size(i) or 1 end
  return engine.where(better:to(new.dtype):reshape(shape):expand(new.shape),
    new, old)
end

-- Some problems of a batch: the rows of every tensor of `at`.
local function pick(at, dims, rows)
  local picked = {}
  for key, dim in pairs(dims) do picked[key] = at[key]:index_select(dim, rows) end
  return picked
end

-- Puts batches of problems together again, in the order of their rows.
local function gather(parts, dims)
  local rows, whole = {}, {}
  for i, part in ipairs(parts) do rows[i] = part.rows end
  local order = engine.cat(rows, 1):argsort(1)
  for key, dim in pairs(dims) do
    local all = {}
    for i, part in ipairs(parts) do all[i] = part.at[key] end
    whole[key] = engine.cat(all, dim):index_select(dim, order)
  end
  return whole
end

-- One iteration: the better one of each problem's point and its attempt; the new damping;
-- true for each problem whose error the attempt has hardly changed.
local function iterate(problem, at, damping)
  local A, b = problem.equations(at)
  local attempt = problem.evaluate(at.x + step(A, b, damping):to(at.x.dtype), at)
  local better, best = attempt.error:lt(at.error), {}
  for key, dim in pairs(problem.batch_dims) do
    -- What the problem only carries along is the same tensor.
    best[key] = rawequal(attempt[key], at[key]) and at[key]
      or choose(better, attempt[key], at[key], dim)
  end
  return best, choose(better, damping * DECREASE, damping * INCREASE, 1),
    (attempt.error - at.error):abs():le(at.error * (problem.tolerance or 0))
end

--- Minimises the errors of a batch of problems; no error ends above its initial value.
-- @tparam tensor x (batch, unknowns), the starting points
-- @tparam integer rounds maximum number of iterations
-- @tparam table problem
-- @tparam {[string]=integer} problem.batch_dims the dimension of the batch in
-- each tensor that `evaluate` returns
-- @tparam function problem.evaluate of x, then of x and the result for an earlier x; returns
-- a table with x, error (batch) and anything the equations need
-- @tparam function problem.equations of such a table; returns the normal
-- equations, A (batch, unknowns, unknowns) and b (batch, unknowns, 1)
-- @tparam[opt] number problem.tolerance a problem is finished when an iteration changes its
-- error by at most this share of it; then `evaluate` and `equations` are called with the
-- rest of the batch alone. By default all iterations are those of the whole batch
-- @treturn table the result of `evaluate` for the initial x
-- @treturn table the same for the best x, problem by problem
-- @usage
-- local torus = require "torus"
-- local least_squares = require "torus.optim.least_squares"
-- local _, found = least_squares.minimise(torus.ones(1, 1), 20, {
--   batch_dims = { x = 1, error = 1 },
--   evaluate = function(x) return { x = x, error = (x - 3):square():sum(2) } end,
--   equations = function(at)
--     return torus.ones(1, 1, 1), (at.x - 3):unsqueeze(3) * -1
--   end })
-- print(found.x:item())   -- 3
function M.minimise(x, rounds, problem)
  local dims, start, finished = problem.batch_dims, problem.evaluate(x), {}
  local at, rows = start, engine.arange(1, x:size(1), { dtype = "int64" })
  local damping = engine.full({ x:size(1) }, DAMPING, { dtype = x.dtype })
  for _ = 1, rounds do
    local done
    at, damping, done = iterate(problem, at, damping)
    local count = problem.tolerance and done:to("int64"):sum():item() or 0
    if count == rows:size(1) then break end
    -- Picking costs a copy of the problems that remain.
    if count >= FEWER * rows:size(1) then
      local gone, left = done:nonzero():squeeze(2), (~done):nonzero():squeeze(2)
      finished[#finished + 1] = { at = pick(at, dims, gone), rows = rows:index_select(1, gone) }
      at, rows = pick(at, dims, left), rows:index_select(1, left)
      damping = damping:index_select(1, left)
    end
  end
  if #finished == 0 then return start, at end
  finished[#finished + 1] = { at = at, rows = rows }
  return start, gather(finished, dims)
end

--- Finds the arguments of a rendering function whose result is closest to given arrays, in
-- the sum of squares, starting from a guess.
-- @tparam function draw of x (batch, n) to arrays (batch, any sizes)
-- @tparam tensor guess (batch, n)
-- @tparam tensor targets like draw(guess)
-- @tparam integer rounds maximum number of iterations
-- @tparam[opt] table opts
-- @tparam[opt] {number,...} opts.spread spread of x; by default that of the guess
-- @tparam[opt] number opts.tolerance as for `minimise`: draw is then called with parts of
-- the batch, too
-- @treturn table x (batch, n), drawn, the arrays for x, and error (batch)
-- @usage
-- local torus = require "torus"
-- local least_squares = require "torus.optim.least_squares"
-- local found = least_squares.match(function(x) return x:square() end,
--   torus.ones(4, 1), torus.full({ 4, 1 }, 9), 20)
-- print(found.x[1]:item())   -- 3
function M.match(draw, guess, targets, rounds, opts)
  local spread = opts and opts.spread or M.spread(guess)
  local _, best = M.minimise(guess, rounds, {
    tolerance = opts and opts.tolerance,
    batch_dims = { x = 1, error = 1, drawn = 1, targets = 1 },
    evaluate = function(x, before)
      local drawn, wanted = draw(x), before and before.targets or targets
      return { x = x, drawn = drawn, targets = wanted,
        error = (drawn - wanted):square():reshape(x:size(1), -1):sum(2) }
    end,
    equations = function(at)
      return M.equations(draw, at.x, at.drawn, at.targets - at.drawn, spread)
    end })
  return best
end

return M
