--- Adam (Kingma & Ba 2015), with PyTorch's conventions: weight decay is added
-- to the gradient, and epsilon to the root of the corrected second moment.
-- @module torus.optim.adam
local engine = require "torus.engine"
local core = require "torus.core"
local options = require "torus.options"
local parameters = require "torus.optim.parameters"
local signature = require "torus.signature"
local unknown = require "torus.unknown"

--- An Adam optimiser; torus.optim.adam makes it.
-- @type Adam
local Adam = {}
Adam.__index = Adam
Adam.__name = "torus.optim.adam"

local RULES = {
  lr = { default = 1e-3, type = "number", min = 0 },
  betas = { type = "table" },
  eps = { default = 1e-8, type = "number", min = 0 },
  weight_decay = { default = 0, type = "number", min = 0 },
}

-- Makes an optimiser of a class; messages begin with its name.
local function make(class, name, params, opts, rules)
  opts = options.resolve(name, opts, rules)
  local betas = opts.betas or { 0.9, 0.999 }
  for i = 1, 2 do
    local problem = options.check(betas[i], { type = "number", min = 0 })
    if problem or betas[i] >= 1 then
      options.raise("%s: option \"betas\": expected two numbers in "
        .. "[0, 1), got %s, %s", name, options.show(betas[1]), options.show(betas[2]))
    end
  end
  parameters.check(name, params)
  local self = setmetatable({ params = params, first = {}, second = {},
    counts = {}, steps = 0, lr = opts.lr, beta1 = betas[1], beta2 = betas[2],
    eps = opts.eps, weight_decay = opts.weight_decay, name = name }, class)
  for i, p in ipairs(params) do
    self.first[i] = engine.zeros_like(p)
    self.second[i] = engine.zeros_like(p)
    self.counts[i] = 0
  end
  return self
end

--- An Adam optimiser (Kingma & Ba 2015, algorithm 1) with PyTorch's conventions:
-- weight decay is added to the gradient, and eps to the root of the corrected
-- second moment.
-- @function torus.optim.adam
-- @tparam {tensor,...} params leaves, which the steps update in place
-- @tparam[opt] table opts
-- @tparam[opt=0.001] number opts.lr learning rate; the field `lr` may change
-- between steps
-- @tparam[opt] {number,number} opts.betas decays of the two moments, in [0, 1):
-- {0.9, 0.999} by default
-- @tparam[opt=1e-8] number opts.eps added to the root of the second moment
-- @tparam[opt=0] number opts.weight_decay multiple of a parameter added to its
-- gradient
-- @treturn Adam
-- @raise unless params is a list of at least one leaf tensor, each only once
-- @usage
-- net = torus.nn.Linear(2, 1)
-- optimiser = torus.optim.adam(net:parameters(), { lr = 0.01 })
-- x = torus.randn(8, 2)
-- for _ = 1, 3 do
--   optimiser:zero_grad()
--   net(x):square():mean():backward()
--   optimiser:step()
-- end
-- print(optimiser)   -- adam(2 tensors, lr=0.01, step 3)
function Adam.new(params, opts)
  return make(Adam, "adam", params, opts, RULES)
end

local DECOUPLED = options.joined(RULES,
  { weight_decay = { default = 0.01, type = "number", min = 0 } })

--- AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2). Every
-- parameter is multiplied by 1 - lr weight_decay before its step, and the decay does not
-- enter the moments.
-- @function torus.optim.adamw
-- @tparam {tensor,...} params leaves, which the steps update in place
-- @tparam[opt] table opts
-- @tparam[opt=0.001] number opts.lr learning rate; the field `lr` may change
-- between steps
-- @tparam[opt] {number,number} opts.betas decays of the two moments, in [0, 1):
-- {0.9, 0.999} by default
-- @tparam[opt=1e-8] number opts.eps added to the root of the second moment
-- @tparam[opt=0.01] number opts.weight_decay
-- @treturn Adam
-- @raise unless params is a list of at least one leaf tensor, each only once
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- optimiser = torus.optim.adamw({ w }, { lr = 0.1, weight_decay = 0.5 })
-- optimiser:step(torus.grad((w * w):sum(), { w }))
-- print(w:item())   -- 3 (1 - 0.1 * 0.5) - 0.1 = 2.75
function Adam.decoupled_new(params, opts)
  local self = make(Adam, "adamw", params, opts, DECOUPLED)
  self.decoupled = true
  return self
end

--- Updates the parameters once. Parameters without a gradient remain unchanged, as do their
-- moments and their step counts, which determine the bias correction.
-- @tparam[opt] {tensor,...} grads in the order of the parameters, each with the shape of
-- its parameter; by default each parameter's .grad
-- @raise for a gradient of another shape, and without grads if no parameter has a .grad
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- optimiser = torus.optim.adam({ w }, { lr = 0.1 })
-- optimiser:step(torus.grad((w * w):sum(), { w }))
-- print(w:item())   -- 2.9
function Adam:step(grads)
  grads = parameters.gradients(self.name, grads, self.params)
  local params, given, first, second, steps = {}, {}, {}, {}, {}
  local counts = table.move(self.counts, 1, #self.params, 1, {})
  for i, p in ipairs(self.params) do
    local g = grads[i]
    if g then
      local n = #params + 1
      params[n], given[n] = p, g
      first[n], second[n] = self.first[i], self.second[i]
      counts[i] = counts[i] + 1
      steps[n] = counts[i]
    end
  end
  local o = { lr = self.lr, beta1 = self.beta1, beta2 = self.beta2,
    eps = self.eps, weight_decay = self.weight_decay }
  if self.decoupled then
    engine.no_grad(function()
      for _, p in ipairs(params) do p:mul_(1 - self.lr * self.weight_decay) end
    end)
    o.weight_decay = 0
  end
  core.adam_step(params, given, first, second, o, steps)
  self.counts, self.steps = counts, self.steps + 1
end

--- Sets the gradient of every parameter to nil.
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- optimiser = torus.optim.adam({ w }, { lr = 0.1 })
-- loss = (w * w):sum()
-- loss:backward()
-- optimiser:zero_grad()
-- print(w.grad)   -- nil
function Adam:zero_grad()
  for _, p in ipairs(self.params) do p.grad = nil end
end

--- Returns the state, to be saved for resuming.
-- @treturn table steps, an integer; counts, a list: in how many of them each
-- parameter had a gradient; first and second, lists with the two moments of
-- every parameter: the tensors themselves, not copies
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- print(torus.optim.adam({ w }):state().steps)   -- 0
function Adam:state()
  return { steps = self.steps, first = self.first, second = self.second,
    counts = table.move(self.counts, 1, #self.params, 1, {}) }
end

local STATE = {
  steps = { required = true, type = "integer", min = 0 },
  first = { required = true, type = "table" },
  second = { required = true, type = "table" },
  counts = { type = "table" },
}

-- The step count of each parameter in a state to be restored.
local function counts_of(where, state, params)
  local counts = {}
  for i = 1, #params do
    counts[i] = state.steps
    if state.counts then
      counts[i] = options.argument(where, "count " .. i,
        state.counts[i], { type = "integer", min = 0, max = state.steps })
    end
  end
  return counts
end

--- Restores a state, copying its tensors. All are checked before
-- the first is written. Without counts, the step count of every parameter is `steps`.
-- @tparam table state as returned by state(), or tensors of the same shapes
-- @raise if the moments differ from the parameters in number or shape
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- first, second = torus.optim.adam { w }, torus.optim.adam { w }
-- first:step { torus.ones(1) }
-- second:load_state(first:state())
-- print(second:state().steps)   -- 1
function Adam:load_state(state)
  local where = self.name .. ":load_state"
  state = options.resolve(where, state, STATE)
  for _, name in ipairs { "first", "second" } do
    if #state[name] ~= #self.params then
      options.raise("%s: %s: expected the moments of %d parameters, got %d",
        where, name, #self.params, #state[name])
    end
    parameters.check_tensors(self.name, name .. " moment", state[name], self.params)
  end
  local counts = counts_of(where, state, self.params)
  engine.no_grad(function()
    for i in ipairs(self.params) do
      self.first[i]:copy_(state.first[i])
      self.second[i]:copy_(state.second[i])
    end
  end)
  self.steps, self.counts = state.steps, counts
end

function Adam:__tostring()
  return string.format("%s(%d tensors, lr=%g, step %d)", self.name, #self.params,
    self.lr, self.steps)
end

signature.class("Optimiser", Adam)
signature.methods("Adam", Adam, {}, { new = "", decoupled_new = "" })
unknown.fields("an optimiser", Adam, { "decoupled" }, "optimiser")

return Adam
