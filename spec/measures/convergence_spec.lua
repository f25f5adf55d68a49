local torus = require "torus"
local raises = require "spec.support.raises"

local convergence = torus.measures.convergence

local function largest(x) return x:abs():max():item() end

-- Chains x' = rho x + noise of variance one: (draws, chains).
local function autoregressive(draws, chains, rho, seed)
  local noise = torus.randn({ draws, chains },
    { dtype = "float64", generator = torus.generator(seed) })
  local rows, scale = { noise[1] }, math.sqrt(1 - rho * rho)
  for i = 2, draws do rows[i] = rows[i - 1] * rho + noise[i] * scale end
  return torus.stack(rows, 1)
end

describe("measures.convergence", function()
  -- Figures of ArviZ (spec/support/convergence_arviz.py): independent and
  -- correlated draws, heavy tails, chains that differ, repeated draws.
  it("has ArviZ's R-hat and effective sizes", function()
    local t = torus.load("data/reference/convergence.safetensors")
    assert.is_true(largest(convergence.rhat(t.draws) / t.rhat - 1) < 1e-9)
    for _, kind in ipairs { "bulk", "tail", "mean" } do
      local found = convergence.effective_size(t.draws, { kind = kind })
      assert.is_true(largest(found / t[kind] - 1) < 1e-9)
    end
    -- One number alone, without its dimension.
    assert.is_near(t.rhat[2]:item(),
      convergence.rhat(t.draws[{ {}, {}, 2 }]):item(), 1e-9)
  end)

  -- The autocorrelation time of x' = rho x + noise is (1 + rho) / (1 - rho).
  it("has the size of an autoregressive chain", function()
    local draws, chains = 20000, 4
    for _, rho in ipairs { 0, 0.5, 0.9, -0.5 } do
      local x = autoregressive(draws, chains, rho, 3)
      local expected = draws * chains * (1 - rho) / (1 + rho)
      for _, kind in ipairs { "bulk", "mean" } do
        -- The estimate's own noise is 3% for the longest time.
        assert.is_near(1, convergence.effective_size(x, { kind = kind }):item()
          / expected, 0.08)
      end
      assert.is_near(1, convergence.rhat(x):item(), 0.005)
    end
  end)

  it("depends on ranks only, but for the size of the mean", function()
    local x = autoregressive(500, 3, 0.3, 4)
    local y = (x * 2):exp()
    assert.are.equal(0, largest(convergence.effective_size(x)
      - convergence.effective_size(y)))
    local function of_mean(a)
      return convergence.effective_size(a, { kind = "mean" }):item()
    end
    assert.is_true(math.abs(of_mean(x) - of_mean(y)) > 1)
  end)

  it("sees chains that disagree and a chain that drifts", function()
    local x = torus.randn({ 400, 4 }, { dtype = "float64",
      generator = torus.generator(5) })
    local apart = x + torus.tensor { 0, 0, 0, 2 }
    assert.is_true(convergence.rhat(apart):item() > 1.2)
    -- One wide chain among narrow ones: the same mean, but not the same law.
    local wide = x * torus.tensor { 1, 1, 1, 5 }
    assert.is_true(convergence.rhat(wide):item() > 1.1)
    local drift = x + torus.linspace(-2, 2, 400):reshape(400, 1)
    assert.is_true(convergence.rhat(drift):item() > 1.3)
    assert.is_true(convergence.effective_size(drift):item() < 20)
  end)

  it("is not a number for what never changes", function()
    local x = torus.zeros(20, 2)
    for _, found in ipairs { convergence.rhat(x), convergence.effective_size(x) } do
      assert.is_true(found:isnan():all():item())
    end
  end)

  it("refuses too few draws", function()
    raises("rhat: expected draws of shape (draws, chains, d), at least four draws "
      .. "and one chain, got (3,2)", function() convergence.rhat(torus.zeros(3, 2)) end)
    raises("effective_size: option \"kind\": expected one of", function()
      convergence.effective_size(torus.zeros(9, 2), { kind = "all" })
    end)
  end)
end)
