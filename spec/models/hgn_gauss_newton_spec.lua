-- The fit of an HGN's motion by Gauss and Newton's method: its Jacobian against
-- central differences of the model's own rollout, and what it learns against an
-- oscillator whose coordinates are warped in a known way.
local torus = require "torus"
local chart_prior = require "torus.models.hgn.chart_prior"
local gauss_newton = require "torus.models.hgn.gauss_newton"

local DOUBLE = { dtype = "float64" }
local DT = 0.125

local function model_of(changes)
  local config = { phase = "vector", dimension = 1, width = 4, frames = 8,
    context = 4, kinetic = "quadratic", resolution = 16, dtype = "float64",
    chart = 8, energy_width = 8, energy_init = "oscillator", dt = DT }
  for key, value in pairs(changes or {}) do config[key] = value end
  return torus.models.hgn(config, torus.generator(3))
end

local function normal(shape, seed)
  return torus.randn(shape, { dtype = "float64", generator = torus.generator(seed) })
end

local function tensors_of(nets)
  local list = {}
  for _, module in ipairs(nets.modules) do
    for _, parameter in ipairs(module:parameters()) do list[#list + 1] = parameter end
  end
  return list
end

-- (f(+h) - f(-h)) / 2h by every number of the tensors, in the last dimension.
local function differences(tensors, f)
  local h, columns = 1e-5, {}
  for _, tensor in ipairs(tensors) do
    for i = 1, tensor:numel() do
      local value = tensor:detach():reshape(-1):narrow(1, i, 1)
      value:add_(h)
      local above = f()
      value:add_(-2 * h)
      columns[#columns + 1] = (above - f()) / (2 * h)
      value:add_(h)
    end
  end
  return torus.stack(columns, -1)
end

local FORMS = {
  ["K = p^2 / 2"] = {},
  ["a learned K"] = { kinetic = "network" },
  ["two dimensions"] = { dimension = 2, energy_activation = "tanh" },
  ["no chart"] = { chart = 0 },
  ["friction"] = { friction = "constant" },
}

describe("The Jacobian of a motion", function()
  for name, changes in pairs(FORMS) do
    it("is that of the rollout, with " .. name, function()
      local model = model_of(changes)
      if model.chart then
        -- The identity has no derivatives to speak of.
        torus.no_grad(function()
          for _, p in ipairs(model.chart:parameters()) do p:copy_(normal(p.shape, 7) * 0.3) end
        end)
      end
      local n, batch, frames = model.config.dimension, 3, 5
      local states, targets = normal({ batch, 2 * n }, 1), normal({ frames, batch, n }, 2)
      local roots = normal({ frames, batch, n, n }, 4)
      local function residuals()
        return torus.no_grad(function()
          local q = model:rollout(states:narrow(2, 1, n):contiguous(),
            states:narrow(2, n + 1, n):contiguous(), { steps = frames - 1 }).q
          return torus.cat(roots:matmul((model:coordinates(q) - targets):unsqueeze(4))
            :squeeze(4):unbind(1), 2)
        end)
      end
      local nets = gauss_newton.networks(model)
      local r, by, by_states = torus.no_grad(gauss_newton.residuals, nets, DT, states,
        targets, roots)
      assert.is_true((r - residuals()):abs():max():item() < 1e-12)
      local expected = differences(tensors_of(nets), residuals)
      assert.are.same(expected.shape, by.shape)
      assert.is_true((by - expected):abs():max():item() < 1e-7)
      -- A state moves its own sequence alone.
      local moved = differences({ states }, residuals):reshape(batch, frames * n, batch, 2 * n)
      for i = 1, batch do
        local own = moved[i]:select(2, i)
        assert.is_true((by_states[i] - own):abs():max():item() < 1e-7)
      end
    end)
  end
end)

describe("A prior on the chart", function()
  local n, frames, sequences, weight, count = 2, 40, 200, 0.3, 77
  local model = model_of { dimension = n }
  torus.no_grad(function()
    for _, p in ipairs(model.chart:parameters()) do p:copy_(normal(p.shape, 7) * 0.3) end
  end)
  local root = normal({ frames, sequences, n, n }, 3)
  local flat = normal({ frames, sequences, n }, 1)
  -- Errors on either side of the robust one's scale.
  local located = { coordinates = flat + normal(flat.shape, 2) * 0.02,
    metrics = root:matmul(root:transpose(3, 4)) * 768,
    left = normal({ frames, sequences }, 4):abs() * 5e-4 }
  local prior = chart_prior.new(flat, located, weight)

  it("has the gradient of its error in the normal equations", function()
    local net = gauss_newton.networks(model).chart
    local A, b = torus.no_grad(chart_prior.equations, model, net, prior, count)
    local slope = differences(model.chart:parameters(), function()
      return torus.tensor(torus.no_grad(chart_prior.loss, model, prior), DOUBLE)
    end)
    local expected = slope * (count / 2)
    local off = (b:squeeze(2) - expected):abs():max():item()
    assert.is_true(off < 1e-5 * expected:abs():max():item(), off)
    assert.are.same({ net.size, net.size }, A.shape)
    assert.is_true((A - A:transpose(1, 2)):abs():max():item() < 1e-12)
    assert.is_true((torus.linalg.eigh(A)):min():item() > -1e-9)
  end)

  it("is the weighted mean of the frames' errors, of frames of every sequence", function()
    local total, points = 0, 0
    for t = 1, frames, 2 do
      for i = 1, sequences do
        local d = torus.no_grad(model.coordinates, model, flat[t][i]:unsqueeze(1)):squeeze(1)
          - located.coordinates[t][i]
        local e = d:dot(located.metrics[t][i]:matmul(d)):item() / (16 * 16 * 3)
        local r = 5e-4
        local trust = 1 / (1 + (located.left[t][i]:item() / r) ^ 2)
        total, points = total + trust * r * (math.sqrt(1 + 2 * e / r) - 1), points + 1
      end
    end
    local got = torus.no_grad(chart_prior.loss, model, prior)
    assert.is_true(math.abs(got - weight * total / points) < 1e-9 * got)
  end)
end)

describe("Gauss and Newton's method", function()
  -- Leapfrog of H = (p^2 + u^2) / 2, seen as x = sinh(u).
  local function oscillator(count, frames, seed)
    local q = normal({ count, 1 }, seed):clamp(-1.5, 1.5)
    local p = normal({ count, 1 }, seed + 1):clamp(-1.5, 1.5)
    local first, rows = torus.cat({ q, p }, 2), { q }
    for t = 2, frames do
      p = p - q * (DT / 2)
      q = q + p * DT
      p = p - q * (DT / 2)
      rows[t] = q
    end
    return first, torus.stack(rows, 1)
  end

  local FRAMES = 12
  local states, u = oscillator(30, FRAMES, 5)
  local x, metric = u:sinh(), (u:cosh():square() ^ -1):unsqueeze(-1) * 768
  local left = torus.zeros({ FRAMES, 30 }, DOUBLE)

  it("never steps back, and finds a motion that lasts", function()
    local model = model_of { chart = 16, energy_width = 16, frames = FRAMES }
    local damping, found, losses = gauss_newton.DAMPING, states, {}
    for i = 1, 40 do
      found, damping, losses[i] = gauss_newton.step(model, found, x, metric, left, damping)
      assert.is_true(i == 1 or losses[i] <= losses[i - 1])
    end
    assert.is_true(losses[40] < 1e-4 * losses[1], losses[40] / losses[1])
    -- Ten times as far as it has seen.
    local _, far = oscillator(30, 10 * FRAMES, 5)
    local q = torus.no_grad(function()
      return model:coordinates(model:rollout(found:narrow(2, 1, 1):contiguous(),
        found:narrow(2, 2, 1):contiguous(), { steps = 10 * FRAMES - 1 }).q)
    end)
    local off = (q:asinh() - far):abs():max():item()
    assert.is_true(off < 0.05, off)
  end)

  it("is not held back by too much damping", function()
    local model, found, damping, loss = model_of(), states, 1e6, nil
    local before = model:coordinate_loss(states, x, metric, left):item()
    for _ = 1, 6 do
      found, damping, loss = gauss_newton.step(model, found, x, metric, left, damping,
        { far = true })
    end
    -- With a factor of 8 for every step that is accepted at its first attempt, it is 0.15.
    assert.is_true(damping < 1e6 / 8 ^ 6 / 100, damping)
    assert.is_true(loss < 0.08 * before, loss / before)
  end)

  it("keeps the chart of a prior, which short sequences do not determine", function()
    local short = 4
    local function seen(x_) return x_:narrow(1, 1, short):contiguous() end
    local located = { coordinates = seen(x), metrics = seen(metric), left = seen(left) }
    -- How far the fitted chart is from sinh, beginning with the identity.
    local function chart_error(opts)
      local model = model_of { chart = 16, energy_width = 16, frames = short }
      local found, damping = states, gauss_newton.DAMPING
      for _ = 1, 20 do
        found, damping = gauss_newton.step(model, found, located.coordinates, located.metrics,
          located.left, damping, opts)
      end
      return (torus.no_grad(model.coordinates, model, u) - x):abs():max():item()
    end
    assert.is_true(chart_error() > 0.3)
    local held = chart_error { prior = chart_prior.new(seen(u), located, 0.1) }
    assert.is_true(held < 0.03, held)
  end)

  it("leaves a motion that cannot be better as it is", function()
    local model = model_of()
    -- At the model's own motion.
    local own = torus.no_grad(function()
      return model:coordinates(model:rollout(states:narrow(2, 1, 1):contiguous(),
        states:narrow(2, 2, 1):contiguous(), { steps = FRAMES - 1 }).q)
    end)
    local found, _, loss = gauss_newton.step(model, states, own, metric, left, 1)
    assert.is_true(loss < 1e-20)
    assert.is_true((found - states):abs():max():item() < 1e-6)
  end)

  it("takes float32 where rounding makes matrices indefinite, at any damping", function()
    -- Within three frames of 1e-4 a momentum hardly moves anything, and each frame depends on
    -- two coordinates in nearly the same way.
    local single = { dtype = "float32" }
    local model = model_of { dimension = 2, dt = 1e-4, frames = 3, context = 3,
      dtype = "float32" }
    local first = normal({ 64, 4 }, 1):to "float32"
    local seen = normal({ 3, 64, 2 }, 2):to "float32"
    local along = normal({ 3, 64, 100, 1 }, 3):to "float32"
    local columns = torus.cat({ along, along + normal({ 3, 64, 100, 1 }, 4):to "float32" * 1e-5 },
      4)
    local alike = columns:transpose(3, 4):matmul(columns)
    local nothing = torus.zeros({ 3, 64 }, single)
    for _, damping in ipairs { 0, 1e-12, 1e-8, 1, 1e300 } do
      local before = model:coordinate_loss(first, seen, alike, nothing):item()
      local found, after, loss = gauss_newton.step(model, first, seen, alike, nothing, damping,
        { far = true })
      assert.is_true(loss <= before)
      assert.is_true(found:isfinite():all():item())
      assert.is_true(after >= 1e-8 and after <= 1e8, after)
    end
  end)

  it("is for separable Hamiltonians that leapfrog integrates", function()
    local good = { phase = "vector", hamiltonian = "separable", friction = "none" }
    assert.is_true(gauss_newton.applies(good))
    for key, value in pairs { phase = "map", hamiltonian = "joint",
      friction = "network", method = "rk4", variant = "euler" } do
      local config = { phase = "vector", hamiltonian = "separable", friction = "none" }
      config[key] = value
      assert.is_false(gauss_newton.applies(config), key)
    end
  end)

  it("counts the parameters", function()
    for _, changes in ipairs { {}, { kinetic = "network", chart = 0 }, { dimension = 3 },
      { friction = "constant" } } do
      local model = model_of(changes)
      assert.are.equal(gauss_newton.networks(model).size,
        gauss_newton.count(model.config))
    end
  end)
end)
