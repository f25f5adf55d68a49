--- Dropout.
-- @module torus.nn.dropout
-- @public torus.nn
local Module = require "torus.nn.module"
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

local Dropout = Module.class("Dropout")

--- A dropout layer. In training every element is set to 0 with probability p and the others
-- are multiplied by 1 / (1 - p) (Srivastava et al. 2014); in evaluation it does nothing.
-- @tparam[opt=0.5] number p in [0, 1)
-- @tparam[opt] table opts
-- @tparam[opt] generator opts.generator the default generator if not given
-- @treturn Module tensor -> tensor of the same shape
-- @usage
-- layer = torus.nn.Dropout(0.5)
-- print(layer(torus.ones(8)))           -- zeros and twos
-- print(layer:eval()(torus.ones(2)))    -- [1., 1.]
function M.Dropout(p, opts)
  if p == nil then p = 0.5 end
  p = options.argument("Dropout", "p", p, { type = "number", min = 0 })
  if p >= 1 then options.raise("Dropout: p: expected less than 1, got %g", p) end
  local o = options.resolve("Dropout", opts, { generator = {} })
  return Module.instance(Dropout, { p = p, generator = o.generator })
end

function Dropout:forward(x)
  options.tensor("Dropout", "x", x, { "..." })
  if not self.training or self.p == 0 then return x end
  local kept = engine.rand_like(x, { generator = self.generator }):ge(self.p):to(x.dtype)
  return x * (kept * (1 / (1 - self.p)))
end

function Dropout:describe() return string.format("Dropout(%g)", self.p) end

signature.methods("Dropout", Dropout, {})

return M
