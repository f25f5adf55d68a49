-- What other libraries call otherwise: everything that the answers name is here, and no
-- answer stands for a name that torus has itself.
local torus = require "torus"
local core = require "torus.core"
local elsewhere = require "torus.elsewhere"
local raises = require "spec.support.raises"

local PROPERTIES = { shape = true, dtype = true, requires_grad = true, grad = true,
  is_leaf = true }

local function has(owner, name)
  if owner == "tensor" then return core.methods[name] ~= nil or PROPERTIES[name] ~= nil end
  local value = torus
  for part in (owner == "torus" and name or owner .. "." .. name):gmatch("[%w_]+") do
    local ok, found = pcall(function() return value[part] end)
    if not ok or found == nil then return false end
    value = found
  end
  return true
end

describe("a name of another library", function()
  for owner, names in pairs(elsewhere) do
    if type(names) == "table" then
      it("of " .. owner .. " is answered with what exists", function()
        for name, text in pairs(names) do
          assert.is_false(has(owner, name), owner .. " has " .. name .. " itself")
          for method in text:gmatch("%f[%w]%a:([%w_]+)") do
            assert.is_true(has("tensor", method), name .. ": " .. method)
          end
          for path in text:gmatch("torus%.([%w_.]*[%w_])") do
            assert.is_true(has("torus", path), name .. ": torus." .. path)
          end
        end
      end)
    end
  end

  it("is answered with an expression of the same value", function()
    local x, y = torus.tensor { 1, 5 }, torus.tensor { 3, 5 }
    assert.same({ 1.5, 5 }, (x + (y - x) * 0.25):totable()) -- lerp
    assert.same({ false, true }, x:unsqueeze(-1):eq(y):any(-1):totable()) -- isin
    assert.same({ { 1, 1 }, { 1, 2 }, { 2, 2 } }, torus.ones(2, 2):triu():nonzero():totable())
    local nan = torus.tensor { 1, 0 / 0, 5 }
    assert.equal(5, nan[~nan:isnan()]:max():item())
    local window = (torus.linspace(0, math.pi, 5):sin()) ^ 2 -- hanning
    local periodic = (torus.arange(0, 3) * (math.pi / 4)):sin() ^ 2 -- hann_window
    for n = 0, 4 do
      local expected = 0.5 - 0.5 * math.cos(2 * math.pi * n / 4)
      assert.near(expected, window[n + 1]:item(), 1e-6)
      if n < 4 then assert.near(expected, periodic[n + 1]:item(), 1e-6) end
    end
  end)

  it("is part of the message at the caller's line", function()
    local x = torus.ones(2)
    raises('a tensor has no property or method "clone"; here it is x:copy()', function()
      return x:clone()
    end)
    raises('torus has no "concatenate"; here it is torus.cat({ x, y }, dim)', function()
      return torus.concatenate
    end)
    raises('torus.nn has no "MSELoss"; here it is torus.nn.mse(x, y)', function()
      return torus.nn.MSELoss
    end)
    raises('torus.optim has no "Adam"; here it is torus.optim.adam(parameters)', function()
      return torus.optim.Adam
    end)
    raises('torus.linalg has no "inv"; here it is torus.linalg.inverse(A)', function()
      return torus.linalg.inv
    end)
    raises('torus has no "identity"; here it is torus.eye(n)', function()
      return torus.identity
    end)
    raises('a tensor has no property or method "clamp_min"; here it is x:clamp { min = low }',
      function() return x.clamp_min end)
    raises('torus.data has no "DataLoader"; here it is torus.data.tensors { x, y, batch = n }',
      function() return torus.data.DataLoader end)
    raises('torus.image has no "save"; here it is torus.image.write(path, x)',
      function() return torus.image.save end)
    raises('torus.nn has no "nll_loss"; here it is torus.nn.cross_entropy(scores, index)',
      function() return torus.nn.nll_loss end)
    raises('a tensor has no property or method "shap", did you mean "shape"?', function()
      return x.shap
    end)
  end)
end)
