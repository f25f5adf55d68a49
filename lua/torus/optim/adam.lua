--- Adam (Kingma & Ba 2015), with PyTorch's conventions: weight decay is added
-- to the gradient, and epsilon to the root of the corrected second moment.
-- @module torus.optim.adam
local engine = require "torus.engine"
local core = require "torus.core"
local options = require "torus.options"

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

-- Raises unless each tensor of a list has its parameter's shape; nil passes.
local function check_tensors(name, list, params)
  for i, p in ipairs(params) do
    if list[i] ~= nil then
      options.tensor("adam", name .. " " .. i, list[i], engine.is_tensor(p)
        and p.shape or { "..." })
    end
  end
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
-- @tparam[opt=0] number opts.weight_decay times the parameter is added to its
-- gradient
-- @treturn Adam
-- @raise unless params is a list of at least one tensor
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
  opts = options.resolve("adam", opts, RULES)
  local betas = opts.betas or { 0.9, 0.999 }
  for i = 1, 2 do
    local problem = options.check(betas[i], { type = "number", min = 0 })
    if problem or betas[i] >= 1 then
      options.raise("adam: option \"betas\": expected two numbers in "
        .. "[0, 1), got %s, %s", options.show(betas[1]), options.show(betas[2]))
    end
  end
  if type(params) ~= "table" or #params == 0 then
    options.raise("adam: params: expected a list of at least one tensor, got "
      .. "%s", options.show(params))
  end
  check_tensors("parameter", params, params)
  local self = setmetatable({ params = params, first = {}, second = {},
    steps = 0, lr = opts.lr, beta1 = betas[1], beta2 = betas[2],
    eps = opts.eps, weight_decay = opts.weight_decay }, Adam)
  for i, p in ipairs(params) do
    self.first[i] = engine.zeros_like(p)
    self.second[i] = engine.zeros_like(p)
  end
  return self
end

-- The general path: one parameter at a time with ordinary operations.
local function update(p, g, m, v, o)
  if o.weight_decay ~= 0 then g = g + p * o.weight_decay end
  m:mul_(o.beta1):add_(g, 1 - o.beta1)
  v:mul_(o.beta2):add_(g * g, 1 - o.beta2)
  local correction1 = 1 - o.beta1 ^ o.step
  local correction2 = 1 - o.beta2 ^ o.step
  local denominator = v:sqrt() / math.sqrt(correction2) + o.eps
  p:add_(m / denominator, -o.lr / correction1)
end

--- One update. Parameters without a gradient stay as they are, as do their
-- moments.
-- @tparam[opt] {tensor,...} grads in the order of the parameters, each of its
-- parameter's shape; every parameter's own .grad by default
-- @raise for a gradient of another shape
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- optimiser = torus.optim.adam({ w }, { lr = 0.1 })
-- optimiser:step(torus.grad((w * w):sum(), { w }))
-- print(w:item())   -- 2.9
function Adam:step(grads)
  if grads ~= nil then
    options.argument("adam", "grads", grads, { type = "table" })
    check_tensors("gradient", grads, self.params)
  end
  self.steps = self.steps + 1
  local params, given, first, second = {}, {}, {}, {}
  for i, p in ipairs(self.params) do
    local g
    if grads then g = grads[i] else g = p.grad end
    if g then
      local n = #params + 1
      params[n], given[n] = p, g
      first[n], second[n] = self.first[i], self.second[i]
    end
  end
  local o = { lr = self.lr, beta1 = self.beta1, beta2 = self.beta2,
    eps = self.eps, weight_decay = self.weight_decay, step = self.steps }
  if core.adam_step then
    core.adam_step(params, given, first, second, o)
    return
  end
  engine.no_grad(function()
    for i, p in ipairs(params) do
      update(p, given[i], first[i], second[i], o)
    end
  end)
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

--- What to save to continue from here.
-- @treturn table steps, an integer, and first and second, lists with the two
-- moments of every parameter: the tensors themselves, not copies
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- print(torus.optim.adam({ w }):state().steps)   -- 0
function Adam:state()
  return { steps = self.steps, first = self.first, second = self.second }
end

local STATE = {
  steps = { required = true, type = "integer", min = 0 },
  first = { required = true, type = "table" },
  second = { required = true, type = "table" },
}

--- Continues from a state, whose tensors are copied. All are checked before
-- the first is written.
-- @tparam table state what state() returned, or tensors of the same shapes
-- @raise for moments of another number or shape
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- first, second = torus.optim.adam { w }, torus.optim.adam { w }
-- first:step { torus.ones(1) }
-- second:load_state(first:state())
-- print(second:state().steps)   -- 1
function Adam:load_state(state)
  state = options.resolve("adam:load_state", state, STATE)
  for _, name in ipairs { "first", "second" } do
    if #state[name] ~= #self.params then
      options.raise("adam:load_state: %s: expected the moments of %d "
        .. "parameters, got %d", name, #self.params, #state[name])
    end
    check_tensors(name .. " moment", state[name], self.params)
  end
  engine.no_grad(function()
    for i in ipairs(self.params) do
      self.first[i]:copy_(state.first[i])
      self.second[i]:copy_(state.second[i])
    end
  end)
  self.steps = state.steps
end

function Adam:__tostring()
  return string.format("adam(%d tensors, lr=%g, step %d)", #self.params,
    self.lr, self.steps)
end

return Adam
