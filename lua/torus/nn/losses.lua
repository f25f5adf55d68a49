--- Losses. Each compares the output of a model with its target element by element and
-- optionally reduces the result to one number.
-- @module torus.nn.losses
-- @public torus.nn
local engine = require "torus.engine"
local options = require "torus.options"

local M = {}

local REDUCTION = { default = "mean", choices = { "mean", "sum", "none" } }

local function resolve(name, opts, rules)
  return options.resolve(name, opts, options.joined({ reduction = REDUCTION }, rules or {}))
end

local function reduced(loss, o)
  if o.reduction == "none" then return loss end
  return o.reduction == "mean" and loss:mean() or loss:sum()
end

-- A prediction (n, 1) and a target (n) would broadcast to (n, n).
local function check_pair(name, x, target, what)
  options.tensor(name, "prediction", x, { "..." })
  options.tensor(name, what or "target", target, x.shape)
end

local function is_index(x)
  return engine.is_tensor(x) and not x.dtype:find("^float")
end

-- x - target; of integers as float32, since they would wrap around.
local function difference(x, target)
  if is_index(x) and is_index(target) then x = x:to("float32") end
  return x - target
end

--- The squared error.
-- @function torus.nn.mse
-- @tparam tensor x
-- @tparam tensor target of the same shape
-- @tparam[opt] table opts
-- @tparam[opt="mean"] string opts.reduction "mean", "sum" or "none"
-- @treturn tensor one element, or like x
-- @raise for a target of another shape
-- @usage print(torus.nn.mse(torus.tensor { 0, 1 }, torus.tensor { 2, 1 }):item())   -- 2
function M.mse(x, target, opts)
  check_pair("mse", x, target)
  return reduced(difference(x, target):square(), resolve("mse", opts))
end

--- The absolute error.
-- @function torus.nn.l1
-- @tparam tensor x
-- @tparam tensor target of the same shape
-- @tparam[opt] table opts
-- @tparam[opt="mean"] string opts.reduction "mean", "sum" or "none"
-- @treturn tensor one element, or like x
-- @raise for a target of another shape
-- @usage print(torus.nn.l1(torus.tensor { 0, 1 }, torus.tensor { 2, 1 }):item())   -- 1
function M.l1(x, target, opts)
  check_pair("l1", x, target)
  return reduced(difference(x, target):abs(), resolve("l1", opts))
end

--- The Huber loss: d^2 / 2 for a difference |d| <= delta, else delta (|d| - delta / 2)
-- (Huber 1964).
-- @function torus.nn.huber
-- @tparam tensor x
-- @tparam tensor target of the same shape
-- @tparam[opt] table opts
-- @tparam[opt=1] number opts.delta
-- @tparam[opt="mean"] string opts.reduction "mean", "sum" or "none"
-- @treturn tensor one element, or like x
-- @raise for a target of another shape
-- @usage print(torus.nn.huber(torus.tensor { 0 }, torus.tensor { 2 }):item())   -- 1.5
function M.huber(x, target, opts)
  check_pair("huber", x, target)
  local o = resolve("huber", opts, { delta = { default = 1, type = "number", above = 0 } })
  local d = difference(x, target)
  local near = d:clamp(-o.delta, o.delta) -- d^2 / 2 + delta (|d| - delta), both by it
  return reduced(near * (d - near * 0.5), o)
end

-- Minus the log-probabilities of the targets' classes, for indices or probabilities.
local function negative_log(logits, target)
  local log_p = logits - logits:logsumexp(-1, true)
  if not is_index(target) then return -(log_p * target):sum(-1), log_p end
  local chosen = log_p:gather(-1, target:to("int64"):unsqueeze(-1))
  return -chosen:squeeze(-1), log_p
end

--- The cross entropy: the negative log-probability of the correct class, with the softmax
-- of x as the class probabilities.
-- @function torus.nn.cross_entropy
-- @tparam tensor x (..., classes): unnormalised scores (logits)
-- @tparam tensor target (...) integers: classes, from 1; or (..., classes):
-- probabilities
-- @tparam[opt] table opts
-- @tparam[opt=0] number opts.label_smoothing fraction of every target that is spread
-- evenly over all classes (Szegedy et al. 2016)
-- @tparam[opt="mean"] string opts.reduction "mean", "sum" or "none"
-- @treturn tensor one element, or (...)
-- @raise for a target of another shape, and for a class out of range
-- @usage
-- scores = torus.tensor { { 2, 0, 0 }, { 0, 1, 0 } }
-- classes = torus.tensor({ 1, 2 }, { dtype = "int64" })
-- print(torus.nn.cross_entropy(scores, classes):item())   -- 0.395...
function M.cross_entropy(x, target, opts)
  local o = resolve("cross_entropy", opts,
    { label_smoothing = { default = 0, type = "number", min = 0, max = 1 } })
  options.tensor("cross_entropy", "scores", x, { "...", "classes" })
  local shape = x.shape
  local classes = is_index(target) and table.remove(shape)
  if not classes and options.is_live(target) and target:dim() == x:dim() - 1 then
    options.raise("cross_entropy: expected target as probabilities of shape %s, or as classes in "
      .. "an integer dtype, got %s; target:to(\"int64\") holds classes", options.shape_text(x),
      options.show(target))
  end
  options.tensor("cross_entropy", "target", target, shape)
  if classes and target:numel() > 0 then
    local numbers = target:to("float64")
    local low, high = numbers:min():item(), numbers:max():item()
    if low < 1 or high > classes then
      options.raise("cross_entropy: expected classes from 1 to %d, got %.0f", classes,
        low < 1 and low or high)
    end
  end
  local loss, log_p = negative_log(x, target)
  if o.label_smoothing > 0 then
    loss = loss * (1 - o.label_smoothing) - log_p:mean(-1) * o.label_smoothing
  end
  return reduced(loss, o)
end

--- The binary cross entropy, with the logistic function of x as the probability of 1:
-- y softplus(-x) + (1 - y) softplus(x), which neither overflows nor suffers from
-- cancellation.
-- @function torus.nn.bce_with_logits
-- @tparam tensor x unnormalised scores (logits)
-- @tparam tensor target y, of the same shape: 0, 1, or a probability
-- @tparam[opt] table opts
-- @tparam[opt=1] number|tensor opts.positive_weight factor of the first term
-- @tparam[opt="mean"] string opts.reduction "mean", "sum" or "none"
-- @treturn tensor one element, or like x
-- @raise for a target of another shape
-- @usage
-- print(torus.nn.bce_with_logits(torus.zeros(1), torus.ones(1)):item())   -- 0.693...
function M.bce_with_logits(x, target, opts)
  check_pair("bce_with_logits", x, target)
  local o = resolve("bce_with_logits", opts, { positive_weight = { default = 1 } })
  local y = target:to(x.dtype)
  return reduced(y * o.positive_weight * (-x):softplus() + (1 - y) * x:softplus(), o)
end

--- The negative log-likelihood of a normal distribution with a mean and a variance for
-- every element: ln(v) / 2 + (mean - target)^2 / (2 v).
-- @function torus.nn.gaussian_nll
-- @tparam tensor mean
-- @tparam tensor target of the same shape
-- @tparam tensor variance v, of the same shape; below eps it counts as eps, and its
-- gradient is 0 there
-- @tparam[opt] table opts
-- @tparam[opt=1e-6] number opts.eps
-- @tparam[opt=false] boolean opts.full adds the constant ln(2 pi) / 2
-- @tparam[opt="mean"] string opts.reduction "mean", "sum" or "none"
-- @treturn tensor one element, or like the mean
-- @raise for a target or variance of another shape
-- @usage
-- x, one = torus.zeros(2), torus.ones(2)
-- print(torus.nn.gaussian_nll(x, one, one):item())   -- 0.5
function M.gaussian_nll(mean, target, variance, opts)
  check_pair("gaussian_nll", mean, target)
  check_pair("gaussian_nll", mean, variance, "variance")
  local o = resolve("gaussian_nll", opts, { eps = { default = 1e-6, type = "number", above = 0 },
    full = { default = false, type = "boolean" } })
  local v = variance:clamp { min = o.eps }
  local loss = (v:log() + (mean - target):square() / v) * 0.5
  if o.full then loss = loss + 0.5 * math.log(2 * math.pi) end
  return reduced(loss, o)
end

return M
