-- Module:copy: what a copy computes, and that neither it nor the original can change the other.
local raises = require "spec.support.raises"
local torus = require "torus"
local nn, models = torus.nn, torus.models

local function normal(...) return torus.randn(..., { generator = torus.generator(3) }) end

local q, p = normal { 4, 2 }, normal { 4, 2 }

-- Rolled out at random states, and summed over their energies.
local function energies(model, states)
  local H = model.hamiltonian
  local from, to = normal(states), normal(states) * 0.5
  local path = torus.integrate { H = H, q = from, p = to, dt = 0.1, steps = 2, method = "rk4" }
  return H(path.q[3], path.p[3]):sum()
end

local function of_hnn(config)
  return function()
    config.dimension, config.width = 2, 8
    local model = models.hnn(config, torus.generator(1))
    if config.normalise then model:normalise(q * 3 + 1, p * 2, p, q) end
    return model
  end, function(model)
    local dq, dp = model(q, p)
    local sum = dq:sum() + dp:square():sum()
    if model.hamiltonian then sum = sum + energies(model, { 4, 2 }) end
    return sum
  end
end

local frames = torus.rand({ 2, 4, 16, 16, 3 }, { generator = torus.generator(2) })

local function of_hgn(config)
  return function()
    for key, value in pairs { width = 8, frames = 4, z = 6, resolution = 16 } do
      config[key] = value
    end
    return models.hgn(config, torus.generator(1))
  end, function(model)
    local mean = model:encode(frames)
    local at_q, at_p = model:state_of(mean)
    return model.hamiltonian(at_q, at_p):sum() + model:decode(at_q):sum()
  end
end

local CASES = {
  ["a network"] = { function()
    return nn.Sequential { nn.Linear(2, 8), nn.Tanh(), nn.Sequential { nn.Linear(8, 8) },
      function(x) return x * 2 end, nn.LayerNorm(8), nn.MLP { sizes = { 8, 4, 1 } } }
  end, function(net) return net(q):sum() end },
  ["layers with buffers"] = { function()
    return nn.Sequential { nn.BatchNorm1d(2), nn.GRU(2, 3) }:train(false)
  end, function(net) return net(q:unsqueeze(2)):sum() end },
  ["an HNN"] = { of_hnn {} },
  ["an HNN in units"] = { of_hnn { normalise = true, friction = "constant" } },
  ["a separable HNN in units"] = { of_hnn { normalise = true, hamiltonian = "separable" } },
  ["a plain network of derivatives"] = { of_hnn { kind = "mlp" } },
  ["an HGN"] = { of_hgn {} },
  ["an HGN with a vector phase space"] = { of_hgn { phase = "vector", dimension = 2,
    friction = "network", hamiltonian = "joint", method = "rk4", prior = "mixture" } },
  ["an HGN with a quadratic K"] = { of_hgn { phase = "vector", dimension = 2,
    kinetic = "quadratic" } },
  ["an NHF"] = { function()
    return models.nhf({ width = 8, flows = 2 }, torus.generator(1))
  end, function(model) return model:elbo(q, { epsilon = p }):sum() end },
  ["an NHF with a flow as posterior"] = { function()
    return models.nhf({ width = 8, flows = 1, posterior = "flow", couplings = 2 },
      torus.generator(1))
  end, function(model) return model:elbo(q, { epsilon = p }):sum() end },
  ["a SympNet"] = { function()
    local model = models.sympnet({ dimension = 2, layers = 2, width = 4, normalise = true },
      torus.generator(1))
    return model
  end, function(model)
    local to_q, to_p = model(q, p)
    return (to_q + to_p):sum()
  end },
  ["a PixelHNN"] = { function()
    return models.pixel_hnn({ width = 8, resolution = 16 }, torus.generator(1))
  end, function(model)
    local at_q, at_p = normal { 3, 1 }, normal { 3, 1 }
    return model.hamiltonian(at_q, at_p):sum() + model:named()[next(model:named())]:sum()
  end },
}

local function shift(model)
  torus.no_grad(function()
    for _, x in ipairs(model:parameters()) do x:mul_(1.25):add_(0.1) end
  end)
end

describe("a copy", function()
  for name, case in pairs(CASES) do
    it("of " .. name .. " is equal and independent", function()
      local make, value = case[1], case[2]
      local model = make()
      local copy = model:copy()
      assert.equal(getmetatable(model), getmetatable(copy))
      assert.equal(tostring(model), tostring(copy))
      local mine, its = model:named(), copy:named()
      for key, x in pairs(mine) do
        assert.is_false(rawequal(x, its[key]), key)
        assert.is_true(x:eq(its[key]):all():item(), key)
        assert.equal(x.requires_grad, its[key].requires_grad, key)
        its[key] = nil
      end
      assert.is_nil(next(its))

      local before = value(model):item()
      assert.equal(before, value(copy):item())
      shift(model)
      assert.equal(before, value(copy):item())
      local after = value(model):item()
      assert.not_equal(before, after)
      shift(copy)
      assert.equal(after, value(copy):item())
      shift(copy)
      assert.equal(after, value(model):item())

      local loss, found = value(copy), 0
      local grads = torus.grad(loss, copy:parameters(), { allow_unused = true })
      for _ in pairs(grads) do found = found + 1 end
      assert.is_true(found > 0)
    end)
  end

  it("keeps what is shared inside, whether it trains, and what is frozen", function()
    local shared = nn.Linear(2, 2)
    shared.weight.requires_grad = false
    local net = nn.Sequential { shared, nn.Dropout(0.5), shared }:eval()
    local copy = net:copy()
    assert.equal(copy[1], copy[3])
    assert.not_equal(net[1], copy[1])
    assert.is_false(copy[2].training)
    assert.is_false(copy[1].weight.requires_grad)
    assert.is_true(copy[1].bias.requires_grad)
    copy:train()
    assert.is_false(net[2].training)
    copy:to("float64")
    assert.equal("float32", net[1].bias.dtype)
  end)

  it("is refused where a function would keep using the original, also by a table", function()
    local layers = { nn.Linear(2, 2) }
    local net = nn.Sequential { layers[1], function(x) return layers[1](x) end }
    raises("Module:copy: expected functions that do not refer to the module", function()
      net:copy()
    end)
  end)

  it("copies lists of modules and plain fields of a user's class", function()
    local Mine = nn.Module.class("Mine")
    local mine = nn.Module.instance(Mine, { settings = { depth = 2 }, layers = {} })
    for i = 1, 2 do mine.layers[i] = mine:register("layer" .. i, nn.Linear(1, 1)) end
    function Mine:forward(x)
      for _, layer in ipairs(self.layers) do x = layer(x) end
      return x
    end
    local copy = mine:copy()
    copy.settings.depth = 3
    assert.equal(2, mine.settings.depth)
    assert.equal(copy.layers[2], copy.layer2)
    local x = torus.ones(1, 1)
    local before = copy(x):item()
    shift(mine)
    assert.equal(before, copy(x):item())
  end)

  it("is refused where a function would lead back to the original", function()
    local inner = nn.Linear(2, 2)
    local function twice(x) return inner(inner(x)) end
    local net = nn.Sequential { inner, function(x) return twice(x) end }
    raises("Module:copy: expected functions that do not refer to the module, got a function as "
      .. "2, which refers to its Linear; define copy_rest to replace it in the copy",
      function() net:copy() end)
    local other = nn.Linear(2, 2) -- no part of the module may be shared
    local free = nn.Sequential { function(x) return other(x) end }:copy()
    assert.same(other(q):totable(), free(q):totable())
  end)
end)
