local torus = require "torus"
local posteriors = require "torus.models.nhf.posterior"
local nhf = torus.models.nhf

local F64 = { dtype = "float64" }

local function largest(x) return x:abs():max():item() end

local function normal(shape, seed)
  return torus.randn(shape, { dtype = "float64", generator = torus.generator(seed) })
end

-- A flow whose f(p | q) is well away from a normal density with independent
-- numbers.
local function made(kind, d, changes, noise)
  local config = { dimension = d, flows = 1, width = 12, posterior = kind,
    dtype = "float64", energy_gain = 3 }
  for key, value in pairs(changes or {}) do config[key] = value end
  local model = nhf(config, torus.generator(1))
  torus.no_grad(function()
    local generator = torus.generator(2)
    for _, entry in ipairs(model:named_parameters()) do
      local name, x = table.unpack(entry)
      if name:match "^coupling" or name:match "^lower" then
        x:add_(torus.randn(x.shape, { dtype = x.dtype, generator = generator })
          * (noise or 0.4))
      end
    end
  end)
  return model
end

describe("f(p | q) of nhf", function()
  for _, kind in ipairs(posteriors.names) do
    it("has the density of its own samples: " .. kind, function()
      for _, d in ipairs { 1, 2, 3, 5 } do
        local model = made(kind, d)
        local q = normal({ 40, d }, 3)
        local p, nats = model.posterior:sample(q, normal({ 40, d }, 4))
        assert.is_true(largest(nats - model.posterior:log_density(q, p)) < 1e-11)
      end
    end)

    it("integrates to one: " .. kind, function()
      for _, d in ipairs { 1, 2 } do
        local model = made(kind, d, {}, 0.15)
        local n, reach = d == 1 and 4001 or 201, d == 1 and 30 or 10
        local axis = torus.linspace(-reach, reach, n, F64)
        local p = d == 1 and axis:reshape(n, 1) or torus.stack({
          axis:reshape(n, 1):expand(n, n):reshape(-1),
          axis:reshape(1, n):expand(n, n):reshape(-1) }, 2)
        local q = normal({ 1, d }, 5):expand(p.shape)
        local mass = model.posterior:log_density(q, p):exp():sum():item()
          * (2 * reach / (n - 1)) ^ d
        assert.is_near(1, mass, 2e-3)
      end
    end)

    it("has the gradients of its density by differences: " .. kind, function()
      local model = made(kind, 3)
      local q, p = torus.variable(normal({ 2, 3 }, 6)), torus.variable(normal({ 2, 3 }, 7))
      local function density(a, b) return model.posterior:log_density(a, b):sum() end
      local slopes = torus.grad(density(q, p), { q, p })
      local h = 1e-6
      for which = 1, 2 do
        for k = 1, 3 do
          local shift = torus.zeros({ 2, 3 }, F64)
          shift[1][k] = h
          local function at(sign)
            return torus.no_grad(function()
              return density(which == 1 and q + shift * sign or q,
                which == 2 and p + shift * sign or p):item()
            end)
          end
          assert.is_near((at(1) - at(-1)) / (2 * h), slopes[which][1][k]:item(), 1e-6)
        end
      end
    end)
  end

  it("has the covariance L L^T: full", function()
    local model = made("full", 3)
    local n = 40000
    local q = normal({ 1, 3 }, 8)
    local p = model.posterior:sample(q:expand(n, 3), normal({ n, 3 }, 9))
    local centred = p - p:mean(1, true)
    local covariance = centred:transpose():matmul(centred) / n
    local L = (model.log_std(q):exp():reshape(3, 1) * torus.eye(3, F64)):detach()
    local entries = model.lower(q)[1]:totable()
    L[2][1], L[3][1], L[3][2] = entries[1], entries[2], entries[3]
    local expected = L:matmul(L:transpose())
    assert.is_true(largest(expected - expected * torus.eye(3, F64)) > 0.05)
    -- 40,000 samples know a covariance to about 1%.
    assert.is_true(largest(covariance - expected) < 0.04 * largest(expected))
    assert.is_true(largest(p:mean(1) - model.mean(q)[1]) < 0.05)
  end)

  it("may have several peaks for a single number: flow", function()
    local model = made("flow", 1)
    local last = model.coupling1[#model.coupling1.sizes - 1]
    torus.no_grad(function()
      for i = 1, 4 do
        local bias = model["coupling" .. i][#model["coupling" .. i].sizes - 1]
        bias.weight:zero_()
        bias.bias:zero_()
      end
      -- One steep term: y = x + 2 tanh(5 x) leaves little density at zero.
      last.bias[3], last.bias[7] = 2 * 5 * 4 / 0.95, 5
    end)
    local p = torus.linspace(-5, 5, 201, F64):reshape(-1, 1)
    local nats = model.posterior:log_density(torus.zeros({ 201, 1 }, F64), p
      * model.log_std(torus.zeros({ 1, 1 }, F64)):exp()
      + model.mean(torus.zeros({ 1, 1 }, F64)))
    local values, peaks = nats:totable(), 0
    for i = 2, 200 do
      if values[i] > values[i - 1] and values[i] > values[i + 1] then peaks = peaks + 1 end
    end
    assert.are.equal(2, peaks)
  end)

  it("works in the dtype that it is converted to", function()
    for _, kind in ipairs(posteriors.names) do
      local model = made(kind, 2, { dtype = "float32" }):to("float64")
      local q = normal({ 6, 2 }, 10)
      assert.are.equal("float64", model:elbo(q).dtype)
      assert.are.equal("float64", model.posterior:log_density(q, q).dtype)
    end
  end)

  it("is part of a bound below the density: the mean of many draws", function()
    for _, kind in ipairs { "full", "flow" } do
      local model = made(kind, 1)
      local q = torus.linspace(-2, 2, 9, F64):reshape(-1, 1)
      local nats = model:log_density(q, { points = 801, low = { -14 }, high = { 14 } })
      local draws = 400
      local bound = model:elbo(q:unsqueeze(1):expand(draws, 9, 1):reshape(-1, 1),
        { generator = torus.generator(11) }):reshape(draws, 9)
      local error_ = (bound:var(1) / draws):sqrt()
      assert.is_true((nats - bound:mean(1) + error_ * 4):min():item() > 0)
    end
  end)

  it("leaves the parameters of a diagonal one where they were", function()
    local names = {}
    for i, entry in ipairs(nhf({ flows = 1, width = 4, depth = 1 }):named_parameters()) do
      names[i] = entry[1]
    end
    assert.are.same({ "flow1.K.1.weight", "flow1.K.1.bias", "flow1.K.2.weight",
      "flow1.K.2.bias", "flow1.V.1.weight", "flow1.V.1.bias", "flow1.V.2.weight",
      "flow1.V.2.bias", "mean.1.weight", "mean.1.bias", "mean.2.weight", "mean.2.bias",
      "log_std.1.weight", "log_std.1.bias", "log_std.2.weight", "log_std.2.bias" }, names)
  end)
end)
