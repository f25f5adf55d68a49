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
    raises('a tensor has no property or method "shap", did you mean "shape"?', function()
      return x.shap
    end)
  end)
end)
