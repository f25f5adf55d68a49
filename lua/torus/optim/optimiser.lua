--- The base of optimisers that update each parameter independently.
--
-- A class has a function update(self, i, p, g, count): parameter number i, a leaf, its
-- gradient, and the number of gradients it has had, including this one. Its instances name
-- their slots, the tensors that they keep for every parameter.
-- @module torus.optim.optimiser
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"
local parameters = require "torus.optim.parameters"
local unknown = require "torus.unknown"

--- An optimiser: torus.optim.sgd and torus.optim.rmsprop make one.
-- @type Optimiser
local Optimiser = {}
Optimiser.__index = Optimiser

local M = {}

--- Makes a class.
-- @tparam string name that messages show
-- @tparam function update see the head of this file
-- @treturn table
function M.class(name, update)
  local class = setmetatable({ name = name, _update = update }, Optimiser)
  class.__index = class
  class.__name = "torus.optim." .. name
  class.__tostring = Optimiser.__tostring
  return class
end

--- Makes an instance of a class.
-- @tparam table class
-- @tparam {tensor,...} params
-- @tparam table fields the options; becomes the instance
-- @tparam {string,...} slots names of the tensors it keeps for every parameter
-- @treturn Optimiser
function M.instance(class, params, fields, slots)
  parameters.check(class.name, params)
  local self = setmetatable(fields, class)
  self.params, self.counts, self.steps, self.slots = params, {}, 0, slots
  for i = 1, #params do self.counts[i] = 0 end
  for _, slot in ipairs(slots) do
    self[slot] = {}
    for i, p in ipairs(params) do self[slot][i] = engine.zeros_like(p) end
  end
  return self
end

--- Updates the parameters once. Parameters without a gradient remain unchanged.
-- @tparam[opt] {tensor,...} grads in the order of the parameters, each with the shape of
-- its parameter; by default each parameter's .grad
-- @raise for a gradient of another shape, and without grads if no parameter has a .grad
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- optimiser = torus.optim.sgd({ w }, { lr = 0.1 })
-- optimiser:step(torus.grad((w * w):sum(), { w }))
-- print(w:item())   -- 3 - 0.1 * 6 = 2.4
function Optimiser:step(grads)
  grads = parameters.gradients(self.name, grads, self.params)
  engine.no_grad(function()
    for i, p in ipairs(self.params) do
      local g = grads[i]
      if g then
        self.counts[i] = self.counts[i] + 1
        self:_update(i, p, g:detach(), self.counts[i])
      end
    end
  end)
  self.steps = self.steps + 1
end

--- Sets the gradient of every parameter to nil.
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- optimiser = torus.optim.sgd({ w })
-- loss = (w * w):sum()
-- loss:backward()
-- optimiser:zero_grad()
-- print(w.grad)   -- nil
function Optimiser:zero_grad()
  for _, p in ipairs(self.params) do p.grad = nil end
end

--- Returns the state, to be saved for resuming.
-- @treturn table steps, an integer; counts, a list: in how many of them each parameter
-- had a gradient; and for each slot of the optimiser, under its name, a list of tensors,
-- one for each parameter: the tensors themselves, not copies
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- state = torus.optim.sgd({ w }, { momentum = 0.9 }):state()
-- print(state.steps, state.momentum_buffer[1]:item())   -- 0  0
function Optimiser:state()
  local state = { steps = self.steps,
    counts = table.move(self.counts, 1, #self.params, 1, {}) }
  for _, slot in ipairs(self.slots) do
    state[slot] = table.move(self[slot], 1, #self.params, 1, {})
  end
  return state
end

--- Restores a state, copying its tensors. All are checked before the
-- first is written.
-- @tparam table state as returned by state(), or tensors of the same shapes
-- @raise if the tensors differ from the parameters in number or shape
-- @usage
-- w = torus.full({ 1 }, 3, { requires_grad = true })
-- first = torus.optim.sgd({ w }, { momentum = 0.9 })
-- second = torus.optim.sgd({ w }, { momentum = 0.9 })
-- first:step { torus.ones(1) }
-- second:load_state(first:state())
-- print(second:state().steps)   -- 1
function Optimiser:load_state(state)
  local where = self.name .. ":load_state"
  local rules = { steps = { required = true, type = "integer", min = 0 },
    counts = { required = true, type = "table" } }
  for _, slot in ipairs(self.slots) do rules[slot] = { required = true, type = "table" } end
  state = options.resolve(where, state, rules)
  for _, name in ipairs { "counts", table.unpack(self.slots) } do
    if #state[name] ~= #self.params then
      options.raise("%s: %s: expected those of %d parameters, got %d", where, name,
        #self.params, #state[name])
    end
  end
  local counts = {}
  for i, count in ipairs(state.counts) do
    counts[i] = options.argument(where, "count " .. i, count,
      { type = "integer", min = 0, max = state.steps })
  end
  for _, slot in ipairs(self.slots) do
    parameters.check_tensors(where, slot, state[slot], self.params)
  end
  engine.no_grad(function()
    for _, slot in ipairs(self.slots) do
      for i in ipairs(self.params) do self[slot][i]:copy_(state[slot][i]) end
    end
  end)
  self.steps, self.counts = state.steps, counts
end

function Optimiser:__tostring()
  return string.format("%s(%d tensors, lr=%g, step %d)", self.name, #self.params,
    self.lr, self.steps)
end

signature.methods("Optimiser", Optimiser, {})
unknown.fields("an optimiser", Optimiser, {}, "optimiser")

return M
