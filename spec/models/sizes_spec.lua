local configuration = require "torus.runs.configuration"
local size = require "torus.models.parts.size"
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

  it("of a sympnet are those of its parameters", function()
    local check, counted = size.check, nil
    finally(function() size.check = check end)
    size.check = function(_, count) counted = count end
    for _, config in ipairs { { kind = "g", dimension = 3, layers = 2, width = 5 },
      { kind = "g", dimension = 1, layers = 7, width = 4 },
      { kind = "la", dimension = 3, layers = 2, shears = 4 },
      { kind = "la", dimension = 1, layers = 5, shears = 2 } } do
      local sum = 0
      for _, parameter in ipairs(torus.models.sympnet(config):parameters()) do
        sum = sum + parameter:numel()
      end
      assert.are.equal(sum, counted)
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
