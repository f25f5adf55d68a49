--- Recurrent layers, with weights named and laid out as in PyTorch.
-- @module torus.nn.recurrent
-- @public torus.nn
local Module = require "torus.nn.module"
local engine = require "torus.engine"
local initialise = require "torus.nn.initialise"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

local SIZE = { type = "integer", min = 1 }

local RULES = {
  layers = { default = 1, type = "integer", min = 1, max = 1000 },
  bias = { default = true, type = "boolean" },
  dtype = { default = "float32", choices = { "float32", "float64" } },
  generator = {},
}

local function make(class, name, gates, inputs, hidden, opts)
  inputs = options.argument(name, "inputs", inputs, SIZE)
  hidden = options.argument(name, "hidden", hidden, SIZE)
  local o = options.resolve(name, opts, RULES)
  local self = Module.instance(class, { inputs = inputs, hidden = hidden,
    layers = o.layers, bias = o.bias })
  local bound = 1 / math.sqrt(hidden)
  for k = 0, o.layers - 1 do
    local from = k == 0 and inputs or hidden
    for _, part in ipairs { { "weight_ih_l", { gates * hidden, from } },
      { "weight_hh_l", { gates * hidden, hidden } }, { "bias_ih_l", { gates * hidden } },
      { "bias_hh_l", { gates * hidden } } } do
      if o.bias or not part[1]:find("^bias") then
        self:register(part[1] .. k, initialise.uniform(part[2], bound, o))
      end
    end
  end
  return self
end

-- x W^T + b of one layer, from its input or its hidden state.
local function affine(self, x, from, k)
  local y = x:matmul(self["weight_" .. from .. "_l" .. k]:transpose(1, 2))
  return self.bias and y + self["bias_" .. from .. "_l" .. k] or y
end

local function gates_of(x, count)
  local size = x:size(-1) // count
  local list = {}
  for i = 1, count do list[i] = x:narrow(-1, (i - 1) * size + 1, size) end
  return table.unpack(list)
end

-- Splits a state (layers, batch, hidden) into a list; without one, returns zeros.
local function states(self, name, state, x)
  local list, shape = {}, { self.layers, x:size(2), self.hidden }
  if state == nil then
    state = engine.zeros(shape, { dtype = x.dtype })
  else
    options.tensor(getmetatable(self).__name, name, state, shape)
  end
  for k = 1, self.layers do list[k] = state[k] end
  return list
end

-- Runs all layers over all times. cell(projected, state, k) -> the next state, a list
-- whose first tensor is the output.
local function run(self, x, initial, cell)
  local finals = {}
  for k = 1, self.layers do
    local projected, state, outputs = affine(self, x, "ih", k - 1), initial[k], {}
    for t = 1, x:size(1) do
      state = cell(projected[t], state, k - 1)
      outputs[t] = state[1]
    end
    x, finals[k] = engine.stack(outputs), state
  end
  return x, finals
end

local function check_input(self, x)
  local name = getmetatable(self).__name
  options.tensor(name, "x", x, { "time", "batch", self.inputs })
  if x:size(1) == 0 then options.raise("%s: expected at least one time step, got none", name) end
end

local function stacked(finals, i)
  local list = {}
  for k, state in ipairs(finals) do list[k] = state[i] end
  return engine.stack(list)
end

local function describe(self)
  return string.format("%s(%d, %d%s)", getmetatable(self).__name, self.inputs, self.hidden,
    self.layers > 1 and ", layers=" .. self.layers or "")
end

local GRU = Module.class("GRU")
GRU.describe = describe

--- Gated recurrent units (Cho et al. 2014). With the logistic function s,
-- r = s(W_r x + U_r h), z = s(W_z x + U_z h), n = tanh(W_n x + r U_n h), and the next
-- state is (1 - z) n + z h; each product has a bias.
-- @tparam integer inputs size of x's last dimension
-- @tparam integer hidden size of the state
-- @tparam[opt] table opts
-- @tparam[opt=1] integer opts.layers at most 1000; the input of each layer after the first
-- is the states of the previous one
-- @tparam[opt=true] boolean opts.bias
-- @tparam[opt="float32"] string opts.dtype or "float64"
-- @tparam[opt] generator opts.generator source of the initial values
-- @treturn Module x (time, batch, inputs)[, state (layers, batch, hidden)] -> the last
-- layer's states (time, batch, hidden), and the last states (layers, batch, hidden)
-- @usage
-- layer = torus.nn.GRU(3, 8)
-- y, state = layer(torus.randn(10, 2, 3))
-- print(table.unpack(y.shape))   -- 10 2 8
-- y = layer(torus.randn(1, 2, 3), state)   -- one more time step
function M.GRU(inputs, hidden, opts)
  return make(GRU, "GRU", 3, inputs, hidden, opts)
end

function GRU:forward(x, state)
  check_input(self, x)
  local initial = states(self, "state", state, x)
  for k = 1, self.layers do initial[k] = { initial[k] } end
  local y, finals = run(self, x, initial, function(projected, before, k)
    local h = before[1]
    local xr, xz, xn = gates_of(projected, 3)
    local hr, hz, hn = gates_of(affine(self, h, "hh", k), 3)
    local r, z = (xr + hr):sigmoid(), (xz + hz):sigmoid()
    local n = (xn + r * hn):tanh()
    return { n + z * (h - n) }
  end)
  return y, stacked(finals, 1)
end

local LSTM = Module.class("LSTM")
LSTM.describe = describe

--- Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000). With the
-- logistic function s and products with x and h, i = s(..), f = s(..), g = tanh(..) and
-- o = s(..), the next cell is f c + i g and the next state o tanh(c).
-- @tparam integer inputs size of x's last dimension
-- @tparam integer hidden size of state and cell
-- @tparam[opt] table opts as in GRU
-- @treturn Module x (time, batch, inputs)[, state and cell, (layers, batch, hidden) each]
-- -> the last layer's states (time, batch, hidden), the last states and the last cells
-- (layers, batch, hidden)
-- @usage
-- layer = torus.nn.LSTM(3, 8, { layers = 2 })
-- y, state, cell = layer(torus.randn(10, 2, 3))
-- print(table.unpack(cell.shape))   -- 2 2 8
function M.LSTM(inputs, hidden, opts)
  return make(LSTM, "LSTM", 4, inputs, hidden, opts)
end

function LSTM:forward(x, state, cell)
  check_input(self, x)
  local hs, cs = states(self, "state", state, x), states(self, "cell", cell, x)
  local initial = {}
  for k = 1, self.layers do initial[k] = { hs[k], cs[k] } end
  local y, finals = run(self, x, initial, function(projected, before, k)
    local i, f, g, o = gates_of(projected + affine(self, before[1], "hh", k), 4)
    local c = f:sigmoid() * before[2] + i:sigmoid() * g:tanh()
    return { o:sigmoid() * c:tanh(), c }
  end)
  return y, stacked(finals, 1), stacked(finals, 2)
end

signature.methods("GRU", GRU, {})
signature.methods("LSTM", LSTM, {})

return M
