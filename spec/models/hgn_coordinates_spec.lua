-- What a trained decoder says of frames: refined states, located coordinates,
-- and the motion fitted to them. The frames are the model's own, so that the
-- right answers are known.
local raises = require "spec.support.raises"
local torus = require "torus"
local coordinates = require "torus.models.hgn.coordinates"

local function model_of(changes)
  local config = { phase = "vector", dimension = 2, width = 8, frames = 8,
    context = 4, init = "kaiming", energy_init = "oscillator", skip = false,
    kinetic = "quadratic", resolution = 16, dtype = "float64" }
  for key, value in pairs(changes or {}) do config[key] = value end
  return torus.models.hgn(config, torus.generator(3))
end

local function normal(shape, seed, scale)
  return torus.randn(shape, { dtype = "float64",
    generator = torus.generator(seed) }) * (scale or 1)
end

local function furthest(a, b) return (a - b):abs():max():item() end

describe("hgn:refine", function()
  local model = model_of()
  local q, p = normal({ 3, 2 }, 1), normal({ 3, 2 }, 2)
  local frames = model:images(model:rollout(q, p))

  it("finds the states that made the frames", function()
    local found_q, found_p, numbers = model:refine(q + normal({ 3, 2 }, 3, 0.05),
      p + normal({ 3, 2 }, 4, 0.05), frames, { rounds = 20 })
    assert.is_true(furthest(found_q, q) < 1e-6)
    assert.is_true(furthest(found_p, p) < 1e-6)
    assert.is_true(numbers.after < 1e-12 and numbers.before > 1e-6)
  end)

  it("does so from a state in the middle", function()
    local trajectory = model:rollout(q, p)
    local found_q, found_p = model:refine(
      trajectory.q[4] + normal({ 3, 2 }, 3, 0.05),
      trajectory.p[4] + normal({ 3, 2 }, 4, 0.05), frames,
      { rounds = 20, first = 4 })
    assert.is_true(furthest(found_q, trajectory.q[4]) < 1e-6)
    assert.is_true(furthest(found_p, trajectory.p[4]) < 1e-6)
  end)

  it("never ends worse than it began, sequence by sequence", function()
    local noise = torus.rand(frames.shape, { dtype = "float64",
      generator = torus.generator(9) })
    local function errors(at_q, at_p)
      local difference = model:images(model:rollout(at_q, at_p)) - noise
      return difference:square():reshape(3, -1):mean(2)
    end
    local start_q, start_p = q * 3, p * 3
    local found_q, found_p = model:refine(start_q, start_p, noise)
    local change = errors(found_q, found_p) - errors(start_q, start_p)
    assert.is_true(change:max():item() <= 1e-15)
  end)

  it("takes one sequence", function()
    local found = model:refine(q:narrow(1, 1, 1) + 0.02, p:narrow(1, 1, 1),
      frames:narrow(1, 1, 1), { rounds = 20 })
    assert.is_true(furthest(found, q:narrow(1, 1, 1)) < 1e-6)
  end)

  it("is part of a reconstruction where it is asked for", function()
    local other = model_of()
    local plain = other:reconstruct(frames)
    local refined = other:reconstruct(frames, { refine = 6 })
    local function error_(images)
      return (images - frames):square():mean():item()
    end
    assert.is_true(error_(refined) < error_(plain))
  end)

  it("needs a vector phase space", function()
    local map = torus.models.hgn { width = 4, frames = 3, resolution = 16 }
    local x = torus.randn(1, 2, 2, 16)
    raises("hgn:refine: expected a model with phase = \"vector\", got one with "
      .. "phase = \"map\"", function()
      map:refine(x, x, torus.rand(1, 3, 16, 16, 3))
    end)
  end)
end)

describe("hgn:locate", function()
  it("inverts the decoder, whatever chart and Hamiltonian are", function()
    local model = model_of { chart = 8 }
    local q, p = normal({ 3, 2 }, 1), normal({ 3, 2 }, 2)
    local trajectory = model:rollout(q, p)
    local frames = model:images(trajectory)
    -- A trained encoder's guess is near.
    function model.infer_anchor(_, _, first)
      return trajectory.q[first] + normal({ 3, 2 }, first, 0.02)
    end
    local found, metric, left = model:locate(frames, { charted = false })
    assert.are.same({ 8, 3, 2, 2 }, metric.shape)
    assert.is_true(furthest(found, trajectory.q) < 1e-5)
    assert.is_true(left:max():item() < 1e-10)
    torus.no_grad(function()
      model.chart.net[3].weight:fill_(0.1)
      model.V.readout.weight:mul_(2)
    end)
    assert.are.same(found:totable(),
      (model:locate(frames, { charted = false })):totable())
  end)

  it("does so where the encoder's state is in the middle of its frames", function()
    local model = model_of { chart = 8, anchor = 3 }
    local q, p = normal({ 3, 2 }, 1), normal({ 3, 2 }, 2)
    local trajectory = model:rollout(q, p)
    local frames = model:images(trajectory)
    function model.state_of(_, z)
      -- The latents are not looked at: the guesses come in order of time.
      assert.are.equal(3, z:size(1))
      model.calls = (model.calls or 0) + 1
      return trajectory.q[model.calls + 2] + normal({ 3, 2 }, model.calls, 0.02)
    end
    local found = model:locate(frames)
    assert.is_true(furthest(found, trajectory.q) < 1e-5)
    torus.no_grad(function() model.V.readout.weight:mul_(2) end)
    model.calls = 0
    assert.are.same(found:totable(), (model:locate(frames)):totable())
  end)

  it("begins near given coordinates, without the encoder", function()
    local model = model_of { chart = 8 }
    local trajectory = model:rollout(normal({ 3, 2 }, 1), normal({ 3, 2 }, 2))
    local frames = model:images(trajectory)
    function model.infer_anchor() error "the encoder is not needed" end
    local found, metric, left = model:locate(frames,
      { near = trajectory.q + normal({ 8, 3, 2 }, 4, 0.02) })
    assert.are.same({ { 8, 3, 2 }, { 8, 3, 2, 2 }, { 8, 3 } },
      { found.shape, metric.shape, left.shape })
    assert.is_true(furthest(found, trajectory.q) < 1e-5)
    assert.is_true(left:max():item() < 1e-10)
    raises("hgn:locate: expected near of shape (8,3,2), got (3,8,2)",
      function() model:locate(frames, { near = torus.zeros(3, 8, 2) }) end)
  end)

  it("gives the error of nearby coordinates to second order", function()
    local model = model_of()
    local q = normal({ 1, 2 }, 5)
    local frames = model:decode(q:unsqueeze(1):expand(1, 8, 2))
    function model.infer_anchor() return q end
    local _, metric = model:locate(frames)
    -- The metric is of finite differences over steps that have kinks in them.
    local shift = torus.tensor({ { 2e-2, -1e-2 } }, { dtype = "float64" })
    local exact = (model:decode(q + shift) - frames:select(2, 1)):square():sum()
    local form = shift:matmul(metric[1][1]):matmul(shift:transpose()):item()
    assert.is_near(1, form / exact:item(), 0.3)
  end)
end)

describe("The motion in coordinates", function()
  local model = model_of { chart = 8 }
  local states = normal({ 5, 4 }, 1)
  local trajectory = model:rollout(states:narrow(2, 1, 2):contiguous(),
    states:narrow(2, 3, 2):contiguous())
  local target = model:coordinates(trajectory.q):detach()
  local metric = torus.eye(2, { dtype = "float64" }):expand(8, 5, 2, 2) * 3

  it("is fitted by states", function()
    local found = coordinates.fit_states(model, states + normal({ 5, 4 }, 2, 0.1),
      target, metric)
    assert.is_true(furthest(found, states) < 1e-6)
  end)

  it("has the robust error of its quadratic form", function()
    local shift = 0.05
    local loss = model:coordinate_loss(states, target + shift, metric):item()
    -- two coordinates are off, in every frame
    local e = 2 * 3 * shift ^ 2 / (16 * 16 * 3)
    local robust = 5e-4 * (math.sqrt(1 + 2 * e / 5e-4) - 1)
    assert.is_near(robust, loss, 1e-12)
    local left = torus.full({ 8, 5 }, 1e-3, { dtype = "float64" })
    assert.is_near(robust / 5, model:coordinate_loss(states, target + shift,
      metric, left):item(), 1e-12)
  end)

  it("has gradients of Hamiltonian, chart and states", function()
    local leaf = torus.variable(states)
    local function value()
      return model:coordinate_loss(leaf, target + 0.1, metric)
    end
    local weight = model.V[1].weight
    local grads = torus.grad(value(), { leaf, weight,
      model.chart.net[3].weight })
    for i, x in ipairs { leaf, weight, model.chart.net[3].weight } do
      local function at(by)
        return torus.no_grad(function()
          local element = x:reshape(-1):narrow(1, 2, 1)
          element:add_(by)
          local result = value():item()
          element:add_(-by)
          return result
        end)
      end
      local difference = (at(1e-5) - at(-1e-5)) / 2e-5
      assert.is_near(difference, grads[i]:reshape(-1)[2]:item(),
        1e-6 * math.max(1e-4, math.abs(difference)))
    end
  end)
end)
