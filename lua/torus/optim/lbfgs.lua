--- L-BFGS, for smooth, noise-free functions: full batches, few parameters.
-- @module torus.optim.lbfgs
local engine = require "torus.engine"
local line_search = require "torus.optim.line_search"
local options = require "torus.options"
local signature = require "torus.signature"
local parameters = require "torus.optim.parameters"
local unknown = require "torus.unknown"

--- The limited-memory BFGS method; torus.optim.lbfgs makes it.
-- @type LBFGS
local LBFGS = {}
LBFGS.__index = LBFGS
LBFGS.__name = "torus.optim.lbfgs"
LBFGS.name = "lbfgs"

local RULES = {
  lr = { default = 1, type = "number", above = 0 },
  iterations = { default = 20, type = "integer", min = 1 },
  evaluations = { type = "integer", min = 1 },
  history = { default = 100, type = "integer", min = 1 },
  gradient_tolerance = { default = 1e-7, type = "number", min = 0 },
  change_tolerance = { default = 1e-9, type = "number", min = 0 },
  line_search = { default = "strong_wolfe", choices = { "strong_wolfe", "none" } },
}

-- Maximum number of evaluations of a line search.
local MAX_LOOKS = 25
-- Pairs with less curvature than this would degrade the approximation.
local MIN_CURVATURE = 1e-10

--- The limited-memory BFGS method (Nocedal & Wright 2006, algorithms 7.4 and 7.5). A
-- step runs several iterations, each along the negative approximate inverse Hessian times
-- the gradient. It needs the loss of all data, which must be deterministic.
-- @function torus.optim.lbfgs
-- @tparam {tensor,...} params leaves of one dtype, which the steps update in place
-- @tparam[opt] table opts
-- @tparam[opt=1] number opts.lr length of the first step that a line search tries; without
-- a line search, of every step
-- @tparam[opt=20] integer opts.iterations maximum number of iterations in a step
-- @tparam[opt] integer opts.evaluations number of evaluations of the loss in a step after
-- which no iteration begins: by default 5/4 of the iterations
-- @tparam[opt=100] integer opts.history number of pairs of changes that are kept
-- @tparam[opt=1e-7] number opts.gradient_tolerance ends a step when no component of
-- the gradient is larger
-- @tparam[opt=1e-9] number opts.change_tolerance ends a step when neither a parameter
-- nor the loss changes by more
-- @tparam[opt="strong_wolfe"] string opts.line_search or "none"
-- @treturn LBFGS
-- @raise unless params is a list of at least one leaf tensor, each only once, of one dtype
-- @usage
-- w = torus.zeros(2, { requires_grad = true })
-- optimiser = torus.optim.lbfgs { w }
-- target = torus.tensor { 1, -2 }
-- for _ = 1, 3 do
--   optimiser:step(function() return ((w - target) ^ 4):sum() end)
-- end
-- print((w - target):abs():max():item() < 0.05)   -- true
function LBFGS.new(params, opts)
  local o = options.resolve("lbfgs", opts, RULES)
  parameters.check("lbfgs", params)
  for i, p in ipairs(params) do
    if p.dtype ~= params[1].dtype then
      options.raise("lbfgs: expected parameters of one dtype, got %s and %s as "
        .. "parameter %d", params[1].dtype, p.dtype, i)
    end
  end
  o.evaluations = o.evaluations or o.iterations * 5 // 4
  o.params, o.steps, o.looks = params, 0, 0
  o.changes, o.gradient_changes = {}, {} -- s and y, the oldest first
  return setmetatable(o, LBFGS)
end

local function flat(tensors)
  local parts = {}
  for i, x in ipairs(tensors) do parts[i] = x:detach():reshape(-1) end
  return engine.cat(parts, 1)
end

local function dot(a, b) return (a * b):sum():item() end
local function largest(a) return a:abs():max():item() end

-- The loss and its gradient, as one vector, at the current parameters.
local function evaluate(self, closure)
  local loss = engine.enable_grad(closure)
  if not engine.is_tensor(loss) or loss:numel() ~= 1 then
    options.raise("lbfgs: expected the function to return the loss, a tensor with one "
      .. "element, got %s", options.show(loss))
  end
  local ok, grads = pcall(engine.grad, loss, self.params, { allow_unused = true })
  if not ok then
    if tostring(grads):find("freed by an earlier backward pass", 1, true) then
      options.raise("lbfgs: expected the function to return the loss alone, whose gradient is "
        .. "computed here; it must not call backward or grad")
    end
    error(grads, 0)
  end
  if next(grads) == nil then
    options.raise("lbfgs: expected a loss that depends on a parameter of the optimiser, got one "
      .. "that depends on none; net:to(dtype) gives a module new parameters, so convert it before "
      .. "making the optimiser")
  end
  for i, p in ipairs(self.params) do grads[i] = grads[i] or engine.zeros_like(p) end
  self.looks = self.looks + 1
  return loss:item(), flat(grads)
end

local function write(self, vector)
  local at = 1
  for _, p in ipairs(self.params) do
    p:copy_(vector:narrow(1, at, p:numel()):reshape(p.shape))
    at = at + p:numel()
  end
end

-- Stores the changes of parameters and gradient since the previous iteration.
local function remember(self, gradient)
  local y, s = gradient - self.gradient, self.direction * self.length
  local curvature = dot(y, s)
  if not (curvature > MIN_CURVATURE) then return end
  if #self.changes == self.history then
    table.remove(self.changes, 1)
    table.remove(self.gradient_changes, 1)
  end
  table.insert(self.changes, s)
  table.insert(self.gradient_changes, y)
  self.scale = curvature / dot(y, y)
end

-- The negative approximate inverse Hessian times the gradient, by the two-loop recursion.
local function direction_of(self, gradient)
  local d, weights, inverse = -gradient, {}, {}
  for i = #self.changes, 1, -1 do
    local s, y = self.changes[i], self.gradient_changes[i]
    inverse[i] = 1 / dot(y, s)
    weights[i] = dot(s, d) * inverse[i]
    d = d - y * weights[i]
  end
  d = d * self.scale
  for i, s in ipairs(self.changes) do
    d = d + s * (weights[i] - dot(self.gradient_changes[i], d) * inverse[i])
  end
  return d
end

-- Moves the parameters; returns {t =, value =, gradient =} at the new point, without value
-- and gradient if no further iteration needs them.
local function move(self, closure, origin, t, last)
  local from, d = flat(self.params), self.direction
  local function look(step)
    write(self, from + d * step)
    local value, gradient = evaluate(self, closure)
    return { t = step, value = value, gradient = gradient, slope = dot(gradient, d) }
  end
  if self.line_search == "strong_wolfe" then
    local point = line_search.strong_wolfe(look, origin, t, { length = largest(d),
      tolerance = self.change_tolerance, limit = MAX_LOOKS })
    write(self, from + d * point.t)
    return point
  elseif last then
    write(self, from + d * t)
    return { t = t }
  end
  return look(t)
end

local function iterate(self, closure, value, gradient)
  local limit = self.looks - 1 + self.evaluations
  for i = 1, self.iterations do
    self.steps = self.steps + 1
    if self.gradient then remember(self, gradient) else self.scale = 1 end
    self.direction, self.gradient = direction_of(self, gradient), gradient
    local t = self.lr
    if self.steps == 1 then t = math.min(1, 1 / gradient:abs():sum():item()) * self.lr end
    self.length = t
    local slope = dot(gradient, self.direction)
    if slope > -self.change_tolerance then break end
    local before = value
    local point = move(self, closure, { t = 0, value = value, gradient = gradient,
      slope = slope }, t, i == self.iterations)
    self.length = point.t
    if not point.value then break end
    value, gradient = point.value, point.gradient
    if self.looks >= limit or largest(gradient) <= self.gradient_tolerance
      or largest(self.direction) * point.t <= self.change_tolerance
      or math.abs(value - before) < self.change_tolerance then
      break
    end
  end
  return value
end

--- Runs some iterations.
-- @tparam function closure returns the loss, a tensor with one element, at the
-- current parameters; it needs neither backward nor zero_grad
-- @treturn number the last loss computed, which may be NaN
-- @raise unless the closure returns one element, which depends on a parameter
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- optimiser = torus.optim.lbfgs { w }
-- print(optimiser:step(function() return (w * w):sum() end) < 1e-6)   -- true
function LBFGS:step(closure)
  if not options.is_callable(closure) then
    options.raise("lbfgs: expected a function that returns the loss, got %s",
      options.show(closure))
  end
  return engine.no_grad(function()
    local value, gradient = evaluate(self, closure)
    if not (largest(gradient) > self.gradient_tolerance) then return value end
    return iterate(self, closure, value, gradient)
  end)
end

--- Sets the gradient of every parameter to nil; steps need none.
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- torus.optim.lbfgs({ w }):zero_grad()
function LBFGS:zero_grad()
  for _, p in ipairs(self.params) do p.grad = nil end
end

--- Returns the state, to be saved for resuming.
-- @treturn table steps and looks, the numbers of iterations and of evaluations of the
-- loss; changes and gradient_changes, lists of vectors; after the first iteration also
-- scale and length, numbers, and direction and gradient, vectors: the tensors themselves,
-- not copies
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- print(torus.optim.lbfgs({ w }):state().steps)   -- 0
function LBFGS:state()
  return { steps = self.steps, looks = self.looks, scale = self.scale,
    length = self.length, direction = self.direction, gradient = self.gradient,
    changes = table.move(self.changes, 1, #self.changes, 1, {}),
    gradient_changes = table.move(self.gradient_changes, 1, #self.changes, 1, {}) }
end

local COUNT = { required = true, type = "integer", min = 0 }
local STATE = { steps = COUNT, looks = COUNT, scale = { type = "number" },
  length = { type = "number" }, direction = {}, gradient = {},
  changes = { default = {}, type = "table" },
  gradient_changes = { default = {}, type = "table" } }

--- Restores a state, copying its tensors.
-- @tparam table state as returned by state()
-- @raise for vectors whose length differs from the total size of the parameters
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- first, second = torus.optim.lbfgs { w }, torus.optim.lbfgs { w }
-- first:step(function() return (w ^ 4):sum() end)
-- second:load_state(first:state())
-- print(second:state().steps == first:state().steps)   -- true
function LBFGS:load_state(state)
  local where = "lbfgs:load_state"
  state = options.resolve(where, state, STATE)
  local count, dtype = 0, self.params[1].dtype
  for _, p in ipairs(self.params) do count = count + p:numel() end
  local function copied(name, x)
    if x == nil then return nil end
    options.tensor(where, name, x, { count })
    return x:detach():to(dtype):copy()
  end
  local lists = { changes = {}, gradient_changes = {} }
  for name, list in pairs(lists) do
    if #state[name] ~= #state.changes then
      options.raise("%s: gradient_changes: expected %d vectors, got %d", where,
        #state.changes, #state[name])
    end
    for i, x in ipairs(state[name]) do list[i] = copied(name .. " " .. i, x) end
  end
  local direction = copied("direction", state.direction)
  local gradient = copied("gradient", state.gradient)
  if state.steps > 0 and not (direction and gradient and state.scale and state.length) then
    options.raise("%s: expected scale, length, direction and gradient after %d "
      .. "iterations", where, state.steps)
  end
  self.direction, self.gradient = direction, gradient
  self.changes, self.gradient_changes = lists.changes, lists.gradient_changes
  self.steps, self.looks = state.steps, state.looks
  self.scale, self.length = state.scale, state.length
end

function LBFGS:__tostring()
  return string.format("lbfgs(%d tensors, lr=%g, %d iterations)", #self.params, self.lr,
    self.steps)
end

signature.class("Optimiser", LBFGS)
signature.methods("LBFGS", LBFGS, {}, { new = "" })
unknown.fields("an optimiser", LBFGS, { "scale", "length", "direction", "gradient" },
  "optimiser")

return LBFGS
