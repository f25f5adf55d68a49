local torus = require "torus"
local train = torus.train
local Task = require "torus.train.hgn_task"

local CONFIG = { width = 4, z = 3, state = 2, resolution = 16, frames = 5,
  energy_layers = 2, batch = 2, train_size = 8, test_size = 6 }

local function task(changes)
  local given = {}
  for key, value in pairs(CONFIG) do given[key] = value end
  for key, value in pairs(changes or {}) do given[key] = value end
  local config = assert(train.config.make(nil, given))
  return Task.new(config, assert(train.open_data(config)))
end

describe("train.measure", function()
  it("agrees with the data's own account of noise and mean images", function()
    local t = task()
    local ours = train.measure(t.model, t.data.test, { count = 6, batch = 4 })
    local theirs = t.data.test:measure { count = 6 }
    assert.is_near(theirs.floor, ours.mse_noise, 1e-6 * theirs.floor)
    assert.is_near(theirs.own_mean, ours.mse_still, 1e-5 * theirs.own_mean)
    assert.is_true(ours.mse_noise > 0)
    assert.are.equal(6, ours.count)
  end)

  it("gives the error of the reconstruction", function()
    local t = task { noise = 0 }
    local frames = t.data.test:clean { 1, 2, 3 }
    local result = train.measure(t.model, t.data.test, { count = 3 })
    local difference = t.model:reconstruct(frames) - frames
    local expected = (difference * difference):mean():item()
    assert.is_near(expected, result.mse_clean, 1e-6 * expected)
    assert.are.equal(result.mse_clean, result.mse_given)
    assert.are.equal(0, result.mse_noise)
    assert.are.equal(5, #result.mse_by_frame)
    assert.is_near(expected / result.mse_still, result.ratio, 1e-5)
  end)

  it("follows the learned energy along a rollout", function()
    local t = task { noise = 0, dtype = "float32", energy_gain = 3 }
    local energy = train.energy_along(t.model, t.data.test:batch { 1, 2 })
    assert.are.same({ 5, 2 }, energy.shape)
    local q, p = t.model:infer(t.data.test:batch { 1, 2 })
    local start = t.model:energy(q, p):detach()
    assert.is_near(0, (energy[1] - start):abs():max():item(), 1e-6)
    local result = train.measure(t.model, t.data.test, { count = 2 })
    assert.is_near(energy:mean():item(), result.energy_mean, 1e-6)
    assert.is_near(torus.var(energy, 1):mean():item(), result.energy_variance,
      1e-9)
    -- leapfrog goes back to where it came from, but for float32's rounding
    assert.is_true(result.reversal < 1e-5)
  end)
end)

describe("the schedules of a training", function()
  it("raise the learning rate, then lower it along a cosine", function()
    local config = assert(train.config.make(nil, { lr = 1, warmup = 10,
      lr_decay = "cosine", steps = 110 }))
    local rate = train.learning_rate(config)
    assert.are.equal(0.1, rate(1))
    assert.are.equal(1, rate(10))
    assert.is_near(0.505, rate(60), 1e-12)
    assert.is_near(0.01, rate(110), 1e-12)
  end)

  it("lengthen the horizon and raise the divergence's weight", function()
    local t = task { horizon_start = 1, horizon_steps = 9, kl_warmup = 4,
      kl_weight = 8 }
    local seen = {}
    local gradients = t.model.gradients
    t.model.gradients = function(model, frames, o)
      seen[#seen + 1] = { o.horizon, o.kl_weight }
      return gradients(model, frames, o)
    end
    for step = 1, 10 do t:step(step) end
    assert.are.same({ 1, 2 }, seen[1])
    assert.are.same({ 2, 6 }, seen[3])
    assert.are.same({ 3, 8 }, seen[6])
    assert.are.same({ 4, 8 }, seen[9])
  end)
end)
