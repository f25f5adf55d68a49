-- HGN with a vector phase space, and encoders that see a part of a sequence.
local raises = require "spec.support.raises"
local torus = require "torus"
local hgn = torus.models.hgn

local function small(changes)
  local config = { phase = "vector", dimension = 2, width = 4, state = 3,
    resolution = 16, frames = 5, dtype = "float64",
    energy_init = "oscillator" }
  for key, value in pairs(changes or {}) do config[key] = value end
  return hgn(config, torus.generator(1))
end

local function some_frames(model, batch)
  local c = model.config
  return torus.rand({ batch or 2, c.frames, c.resolution, c.resolution, 3 },
    { dtype = c.dtype, generator = torus.generator(2) })
end

local FORMS = {
  { what = "networks for both energies" },
  { what = "|p|^2 / 2 and swish", kinetic = "quadratic",
    energy_activation = "swish" },
  { what = "|p|^2 / 2 and static coordinates", kinetic = "quadratic", static = 1 },
  { what = "no f_psi", variant = "no_fpsi" },
  { what = "a joint energy", hamiltonian = "joint", variant = "euler" },
}

local function form(changes)
  local config = {}
  for key, value in pairs(changes) do
    if key ~= "what" then config[key] = value end
  end
  return small(config)
end

describe("A vector phase space", function()
  for _, changes in ipairs(FORMS) do
    it("has the gradients of its loss with " .. changes.what, function()
      local model = form(changes)
      local frames = some_frames(model)
      local epsilon = torus.randn({ 2, 1, 1, model.config.z },
        { dtype = "float64", generator = torus.generator(3) })
      local loss = model:loss(frames, { epsilon = epsilon })
      local expected = torus.grad(loss, model:parameters())
      local found, numbers = model:gradients(frames, { epsilon = epsilon })
      assert.is_near(loss:item(), numbers.loss, 1e-12)
      for i, gradient in ipairs(found) do
        assert.is_true((gradient - expected[i]):abs():max():item() < 1e-12)
      end
    end)
  end

  it("has no gradient of the friction without steps", function()
    local model = small { friction = "constant" }
    local gradients, numbers = model:gradients(some_frames(model), { horizon = 0 })
    assert.is_true(numbers.loss > 0)
    for i, entry in ipairs(model:named_parameters()) do
      if entry[1]:match "^friction" then assert.is_nil(gradients[i]) end
      if entry[1]:match "^encoder" then assert.is_not_nil(gradients[i]) end
    end
  end)

  it("runs by the fused kernels, with friction too", function()
    for _, changes in ipairs { { kinetic = "quadratic",
      energy_activation = "swish", friction = "constant" }, { kinetic = "network" },
      { hamiltonian = "joint", variant = "euler", friction = "constant" } } do
      local model = small(changes)
      local q, p = model:infer(some_frames(model, 3))
      local fast = model:rollout(q, p, { steps = 20, fused = true })
      local general = model:rollout(q, p, { steps = 20, fused = false })
      assert.is_true((fast.q - general.q):abs():max():item() < 1e-13)
      assert.is_true((fast.p - general.p):abs():max():item() < 1e-13)
    end
  end)

  it("has states of its dimension, forward and backward", function()
    local model = small()
    local q, p = model:infer(some_frames(model, 3))
    assert.are.same({ 3, 2 }, q.shape)
    local forward = model:rollout(q, p, { steps = 20 })
    local back = model:continue(forward, { steps = 20, dt = -0.125 })
    assert.is_true((back.q[-1] - q):abs():max():item() < 1e-10)
    assert.is_true((back.p[-1] - p):abs():max():item() < 1e-10)
  end)

  it("moves with unit mass where K is |p|^2 / 2", function()
    local model = small { kinetic = "quadratic" }
    local q, p = torus.randn({ 4, 2 }, { dtype = "float64" }),
      torus.randn({ 4, 2 }, { dtype = "float64" })
    -- the first half kick is the only one that the drift sees
    local half = model:rollout(q, p, { steps = 1, method = "leapfrog" })
    local force = torus.grad(model.V(torus.variable(q)):sum(),
      { model.V[1].weight }, { allow_unused = true })
    assert.is_truthy(force[1])
    local x = torus.variable(q)
    local slope = torus.grad(model.V(x):sum(), x)
    local expected = q + (p - slope * 0.0625) * 0.125
    assert.is_true((half.q[2] - expected):abs():max():item() < 1e-12)
  end)

  it("keeps static coordinates where they are", function()
    local model = small { kinetic = "quadratic", static = 2, dimension = 3 }
    local generator = torus.generator(3)
    local function normal() return torus.randn({ 4, 3 }, { dtype = "float64",
      generator = generator }) end
    local q, p = normal(), normal()
    local found = model:rollout(q, p, { steps = 6 })
    assert.are.equal(0, (found.q - q):narrow(-1, 2, 2):abs():max():item())
    -- q_1 moves with p_1, and the others change its force: V depends on them.
    local other = model:rollout(q + torus.tensor({ 0, 1, -1 }, { dtype = "float64" }), p,
      { steps = 6 })
    assert.is_true((other.q - found.q):narrow(-1, 1, 1)[-1]:abs():max():item() > 1e-6)
    assert.is_true((found.q - q):narrow(-1, 1, 1)[-1]:abs():max():item() > 0.1)
    local K = model:energy(q, p) - model:energy(q, p * torus.tensor({ 0, 1, 1 },
      { dtype = "float64" }))
    assert.near(0, (K - p:narrow(-1, 1, 1):squeeze(-1):pow(2) / 2):abs():max():item(), 1e-12)
    assert.are.equal(3, hgn({ phase = "vector", kinetic = "quadratic", static = 2,
      width = 4 }).config.dimension)
  end)

  it("refuses static coordinates that could not be static", function()
    for message, changes in pairs {
      ["static: expected 0 where phase is \"map\", got 2"] = { phase = "map",
        dimension = false, static = 2 },
      ["static: expected at most dimension - 1 = 1"] = { static = 2, kinetic = "quadratic" },
      ["got 1 with hamiltonian = \"separable\" and kinetic = \"network\""] = { static = 1 },
      ["got 1 with hamiltonian = \"joint\""] = { static = 1, hamiltonian = "joint",
        kinetic = "quadratic", variant = "euler" } } do
      local config = { phase = "vector", dimension = 2 }
      for key, value in pairs(changes) do config[key] = value or nil end
      raises(message, function() hgn(config) end)
    end
  end)

  it("is told apart from a map by what goes with it", function()
    raises("hgn: dimension: ", function() hgn { dimension = 2 } end)
    raises("hgn: kinetic: ", function() hgn { kinetic = "quadratic" } end)
    assert.are.equal("vector", hgn { phase = "vector" }.config.latent)
    raises("hgn:rollout: expected q of shape (batch,2), got (1,3)", function()
      small():rollout(torus.zeros(1, 3), torus.zeros(1, 3))
    end)
  end)
end)

describe("An encoder that sees a part of a sequence", function()
  it("takes the part that begins at the frame asked for", function()
    local model = small { context = 2 }
    local frames = some_frames(model)
    local q, p = model:infer(frames, 3)
    local same_q, same_p = model:state_of(
      (model:encode(frames:narrow(2, 3, 2))))
    assert.are.same(same_q:totable(), q:totable())
    assert.are.same(same_p:totable(), p:totable())
    raises("the encoder sees 2 frames: expected at least 6, got 5",
      function() model:infer(frames, 5) end)
  end)

  it("trains from beginnings at every frame", function()
    local model = small { context = 2 }
    local frames = some_frames(model)
    local epsilon = torus.zeros({ 2, 1, 1, model.config.z },
      { dtype = "float64" })
    -- The loss of each beginning, frame by frame.
    local possible = {}
    for first = 1, 4 do
      local q, p = model:state_of((model:encode(frames:narrow(2, first, 2))))
      local sum = 0
      for _, sign in ipairs { -1, 1 } do
        local steps = sign < 0 and first - 1 or 5 - first
        if steps > 0 or sign > 0 then
          local t = model:rollout(q, p, { steps = steps, dt = sign * 0.125 })
          for i = sign < 0 and 2 or 1, steps + 1 do
            local difference = model:decode(t.q[i])
              - frames:select(2, first + sign * (i - 1))
            sum = sum + difference:square():sum():item()
          end
        end
      end
      possible[first] = sum / frames:numel()
    end
    local seen = {}
    for seed = 1, 24 do
      local _, numbers = model:gradients(frames, { epsilon = epsilon,
        generator = torus.generator(seed) })
      for first, mse in ipairs(possible) do
        if math.abs(mse - numbers.mse) < 1e-12 then seen[first] = true end
      end
    end
    assert.are.same({ true, true, true, true }, seen)
  end)

  it("sees no more than there is", function()
    raises("hgn: context: expected at most frames = 5, got 9", function() small { context = 9 } end)
  end)
end)
