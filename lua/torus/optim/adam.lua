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

-- Tensors of a list, each of the shape of its parameter; nil is left out.
local function check_tensors(what, list, params)
  for i, p in ipairs(params) do
    if list[i] ~= nil then
      options.tensor("adam", what .. " " .. i, list[i], engine.is_tensor(p)
        and p.shape or { "..." })
    end
  end
end

--- An Adam optimiser (Kingma & Ba 2015, algorithm 1) with PyTorch's conventions:
-- weight decay is added to the gradient, and eps to the root of the corrected
-- second moment.
-- @function torus.optim.adam
-- @tparam {tensor,...} params leaves, updated in place
-- @tparam[opt] table opts lr=1e-3, betas={0.9, 0.999} (both in [0, 1)),
-- eps=1e-8, weight_decay=0
-- @treturn Adam
-- @raise when params is not a list of tensors, or an option is out of range
-- @usage
-- x = torus.tensor({5}, { requires_grad = true })
-- optimiser = torus.optim.adam({x}, { lr = 0.1 })
-- for _ = 1, 100 do
--   optimiser:step(torus.grad((x * x):sum(), {x}))
-- end
function Adam.new(params, opts)
  opts = options.resolve("adam", opts, RULES)
  local betas = opts.betas or { 0.9, 0.999 }
  for i = 1, 2 do
    local problem = options.check(betas[i], { type = "number", min = 0 })
    if problem or betas[i] >= 1 then
      options.raise("adam: option \"betas\": expected two numbers in "
        .. "[0, 1), got %s, %s", tostring(betas[1]), tostring(betas[2]))
    end
  end
  if type(params) ~= "table" or #params == 0 then
    options.raise("adam: expected a list of at least one tensor, got %s",
      options.show(params))
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
-- @tparam ?{tensor,...} grads in the order of the parameters, each of its
-- parameter's shape; without it every parameter's own .grad
-- @raise when a gradient does not have its parameter's shape
-- @usage
-- net = torus.nn.Linear(2, 1)
-- optimiser = torus.optim.adam(net:parameters())
-- net(torus.ones(4, 2)):square():mean():backward()
-- optimiser:step()
-- optimiser:zero_grad()
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

--- Sets every gradient to nil.
-- @usage
-- net = torus.nn.Linear(2, 1)
-- optimiser = torus.optim.adam(net:parameters())
-- optimiser:zero_grad()
function Adam:zero_grad()
  for _, p in ipairs(self.params) do p.grad = nil end
end

--- What a checkpoint needs.
-- @treturn table {steps=, first={tensor, ...}, second={tensor, ...}}, the
-- tensors themselves, not copies
-- @usage
-- net = torus.nn.Linear(2, 1)
-- optimiser = torus.optim.adam(net:parameters())
-- print(optimiser:state().steps)   -- 0
function Adam:state()
  return { steps = self.steps, first = self.first, second = self.second }
end

local STATE = {
  steps = { required = true, type = "integer", min = 0 },
  first = { required = true, type = "table" },
  second = { required = true, type = "table" },
}

--- Takes a state over; its tensors are copied. All are checked before the
-- first is written.
-- @tparam table state what state() returned, or tensors of the same shapes
-- @raise when the moments do not fit the parameters
-- @usage
-- net = torus.nn.Linear(2, 1)
-- optimiser = torus.optim.adam(net:parameters())
-- optimiser:load_state(optimiser:state())
function Adam:load_state(state)
  state = options.resolve("adam:load_state", state, STATE)
  for _, name in ipairs { "first", "second" } do
    if #state[name] ~= #self.params then
      options.raise("adam: expected the moments of %d parameters, got %d",
        #self.params, #state[name])
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
