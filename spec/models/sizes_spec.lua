local configuration = require "torus.runs.configuration"
local torus = require "torus"

describe("the sizes of a configuration", function()
  it("have bounds", function()
    for _, model in ipairs { "hgn", "hnn", "nhf", "pixel_hnn", "sympnet" } do
      for key, rule in pairs(assert(configuration.rules_of(model))) do
        if rule.type == "integer" and not key:find "seed" then
          assert.is_number(rule.max, model .. "." .. key)
          local config, message = configuration.make(nil, { model = model,
            [key] = rule.max + 1 })
          assert.is_nil(config)
          assert.matches(key .. ".*expected at most", message)
        end
      end
    end
    for _, text in ipairs { '{"model": "hnn", "depth": 1000000}',
      '{"model": "nhf", "flows": 1000000}',
      '{"model": "hgn", "energy_layers": 1000000}' } do
      local config, message = configuration.decode(text)
      assert.is_nil(config)
      assert.matches("expected at most", message)
    end
  end)

  it("fit the machine before anything is built", function()
    local start, peak = torus.clock(), torus.memory().peak_bytes
    for model, config in pairs {
      hgn = { width = 4096, energy_layers = 64, frames = 10000, z = 65536,
        state = 4096 },
      hnn = { width = 16384, depth = 64, dtype = "float64" },
      nhf = { width = 8192, flows = 256, depth = 64 },
      pixel_hnn = { width = 16384, resolution = 1024 },
    } do
      local ok, problem = pcall(torus.models[model], config)
      assert.is_false(ok)
      assert.matches(model .. ": its sizes make about .* parameters, which need .* GB",
        problem)
    end
    assert.is_true(torus.clock() - start < 5)
    assert.are.equal(peak, torus.memory().peak_bytes)
  end)
end)
