-- Functions composed of operations in Lua: their derivatives in all layouts, as
-- those of the operations themselves.
local torus = require "torus"
local gradcheck = require "spec.support.gradcheck"
local samples = require "spec.support.function_samples"

describe("the function", function()
  it("of every name has a sample", function()
    for _, part in ipairs { "selection", "statistics", "products", "sampled",
      "einsum" } do
      for name in pairs(require("torus." .. part)) do
        assert.is_table(samples[name], name)
      end
    end
  end)

  for name, cases in pairs(samples) do
    if cases.constant then
      it(name .. " has no gradient", function()
        for _, case in ipairs(cases) do
          local y = case.call(torus[name], table.unpack(gradcheck.inputs(case[1], "contiguous")))
          assert.is_false(torus.is_tensor(y) and y.requires_grad)
        end
      end)
    end
    for order, text in ipairs(cases.constant and {} or { "first", "second" }) do
      it(name .. " has correct " .. text .. " derivatives", function()
        for number, case in ipairs(cases) do
          for _, layout in ipairs(gradcheck.layouts) do
            local inputs = gradcheck.inputs(case[1], layout, case.low, case.high)
            if inputs then
              gradcheck.check(function(...)
                -- Indices and counts come after the values.
                return (case.call(torus[name], ...))
              end, inputs, order, ("%s, case %d, %s"):format(name, number, layout))
            end
          end
        end
      end)
    end
  end

  for _, name in ipairs { "masked_select", "tile", "sort", "quantile", "std", "norm", "einsum" } do
    it(name .. " has correct third derivatives", function()
      local case = samples[name][1]
      local inputs = gradcheck.inputs(case[1], "contiguous")
      gradcheck.check(function(...) return (case.call(torus[name], ...)) end, inputs, 3, name)
    end)
  end
end)
