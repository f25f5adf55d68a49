local torus = require "torus"
local Task = require "torus.tasks.hgn"
local configuration = require "torus.runs.configuration"
local measure = require "torus.tasks.frames"
local pictures = require "torus.tasks.hgn.pictures"

local CONFIG = { width = 4, z = 3, state = 2, resolution = 16, frames = 5,
  energy_layers = 2, batch = 2, train_size = 8, test_size = 6 }

local function task(changes)
  local given = {}
  for key, value in pairs(CONFIG) do given[key] = value end
  for key, value in pairs(changes or {}) do given[key] = value end
  local config = assert(configuration.make(nil, given))
  return Task.new(config, assert(Task.open_data(config)))
end

describe("tasks.frames", function()
  it("agrees with the data's own account of noise and mean images", function()
    local t = task()
    local ours = measure.measure(t.model, t.data.test, { count = 6, batch = 4 })
    local theirs = t.data.test:measure { count = 6 }
    assert.is_near(theirs.floor, ours.mse_noise, 1e-6 * theirs.floor)
    assert.is_near(theirs.own_mean, ours.mse_still, 1e-5 * theirs.own_mean)
    assert.is_true(ours.mse_noise > 0)
    assert.are.equal(6, ours.count)
  end)

  it("finds the nearest of other images", function()
    local images = torus.rand({ 70, 12 }, { generator = torus.generator(5) })
    local others = torus.rand({ 9, 12 }, { generator = torus.generator(6) })
    others[3]:copy_(images[67])
    local found = measure.nearest(images, others)
    local left, right = images:totable(), others:totable()
    for i, image in ipairs(left) do
      local least = math.huge
      for _, other in ipairs(right) do
        local sum = 0
        for k = 1, 12 do sum = sum + (image[k] - other[k]) ^ 2 end
        least = math.min(least, sum / 12)
      end
      assert.is_near(least, found[i], 1e-6)
    end
    assert.is_near(0, found[67], 1e-6)
  end)

  it("compares samples with the data, frame by frame", function()
    local t = task { noise = 0 }
    local o = { count = 3, sequences = 4, stride = 2 }
    o.generator = torus.generator(8)
    local result = measure.samples(t.model, t.data.train, o)
    local seen = t.model:sample(3, { generator = torus.generator(8) })
    local real = t.data.train:clean { 1, 2, 3, 4 }:reshape(20, -1)
    local all = {}
    for i = 1, 3 do
      for frame = 1, 5, 2 do
        local away = real - seen[i][frame]:reshape(1, -1)
        all[#all + 1] = (away * away):mean(2):min():item()
      end
    end
    local sum = 0
    for _, value in ipairs(all) do sum = sum + value end
    assert.is_near(sum / 9, result.sample_distance, 1e-6)
    table.sort(all)
    assert.is_near(all[5], result.sample_distance_median, 1e-6)
    assert.matches("^%d.*median", measure.rows(require("torus.options")
      .joined(measure.measure(t.model, t.data.test), result))[12][2])
  end)

  it("gives the error of the reconstruction", function()
    local t = task { noise = 0 }
    local frames = t.data.test:clean { 1, 2, 3 }
    local result = measure.measure(t.model, t.data.test, { count = 3 })
    local difference = t.model:reconstruct(frames) - frames
    local expected = (difference * difference):mean():item()
    assert.is_near(expected, result.mse_clean, 1e-6 * expected)
    assert.are.equal(result.mse_clean, result.mse_given)
    assert.are.equal(0, result.mse_noise)
    assert.are.equal(5, #result.mse_by_frame)
    assert.is_near(expected / result.mse_still, result.ratio, 1e-5)
  end)

  it("claims nothing of clean frames that it does not know", function()
    local t = task { noise = 0 }
    local set = assert(torus.data.frames(t.data.test:batch { 1, 2, 3, 4 },
      { test = 3 }))
    local known = measure.measure(t.model, t.data.test, { count = 3 })
    local result = measure.measure(t.model, set.test, { count = 3 })
    assert.is_nil(result.mse_clean)
    assert.is_nil(result.mse_noise)
    assert.is_true(result.mse_given > 0 and result.ratio > 0)
    local function rows(of)
      local found = {}
      for _, row in ipairs(measure.rows(of)) do found[row[1]] = row[2] end
      return found
    end
    local unknown = rows(result)
    assert.are.equal("unknown", unknown["MSE against noise-free frames"])
    assert.are.equal("unknown", unknown["noise floor"])
    assert.is_string(unknown["MSE / mean image"])
    assert.is_string(rows(known)["noise-free MSE / mean image"])
    assert.matches("^0.00e", rows(known)["noise floor"])
  end)

  it("follows the learned energy along a rollout", function()
    local t = task { noise = 0, dtype = "float32", energy_gain = 3 }
    local energy = pictures.energy_along(t.model, t.data.test:batch { 1, 2 })
    assert.are.same({ 5, 2 }, energy.shape)
    local q, p = t.model:infer(t.data.test:batch { 1, 2 })
    local start = t.model:energy(q, p):detach()
    assert.is_near(0, (energy[1] - start):abs():max():item(), 1e-6)
    local result = measure.measure(t.model, t.data.test, { count = 2 })
    assert.is_near(energy:mean():item(), result.energy_mean, 1e-6)
    assert.is_near(torus.var(energy, 1):mean():item(), result.energy_variance,
      1e-9)
    -- leapfrog goes back to where it came from, but for float32's rounding
    assert.is_true(result.reversal < 1e-5)
  end)

  it("counts the steps before an error passes its limit", function()
    local errors = torus.tensor { { 1, 2, 9, 1 }, { 1, 1, 1, 1 },
      { 9, 1, 1, 1 }, { 1, 9, 1, 1 }, { 1, 2, 4, 0 / 0 } }
    local norms = torus.full({ 5, 4 }, 8)
    assert.are.same({ 1, 3, 0, 0, 2 },
      measure.valid_steps(errors, norms, 0.5))
    assert.are.same({ 2 }, measure.valid_steps(torus.tensor { { 1, 1, 1 } },
      torus.tensor { { 2, 2, 2 } }, 0.5))
  end)

  -- A float64 model, whose leapfrog goes back to the last digits.
  for variant, reversible in pairs { leapfrog = true, euler = false } do
    it("compares the frames of " .. variant .. "'s rollout backward with those forward",
      function()
        local t = task { noise = 0, dtype = "float64", variant = variant,
          energy_gain = 4 }
        local model, expected = t.model, 0
        local q, p = model:infer(t.data.test:clean { 1, 2, 3 }:to("float64"))
        local there = model:rollout(q, p)
        local back = model:rollout(there.q[5], there.p[5], { dt = -0.125 })
        for step = 1, 5 do
          expected = expected + (model:decode(there.q[step])
            - model:decode(back.q[6 - step])):square():mean():item() / 5
        end
        local found = measure.measure(model, t.data.test, { count = 3,
          batch = 2 })
        if reversible then
          assert.is_true(found.reversal_mse < 1e-12)
        else
          -- the frames are compared in float32
          assert.is_true(expected > 1e-12)
          assert.is_near(expected, found.reversal_mse, 1e-3 * expected)
        end
      end)
  end
end)

describe("tasks.frames of a PixelHNN", function()
  local model = torus.models.pixel_hnn({ width = 5, resolution = 8,
    latent = 4, dtype = "float64" }, torus.generator(1))
  local split = torus.data.simulate("pendulum", { train = 1, test = 5,
    steps = 6, resolution = 8 }).test
  local all = { 1, 2, 3, 4, 5 }
  local frames, clean = split:batch(all), split:clean(all)
  local found = measure.measure(model, split, { count = 9, batch = 2 })

  it("has the errors of what it makes of the first pair", function()
    local z = model:encode(frames:narrow(2, 1, 2):to("float64"))
    local trajectory = model:rollout(z, { steps = 6 })
    local sums = { clean = 0, given = 0 }
    for t = 1, 7 do
      local seen = model:decode(torus.cat({ trajectory.q[t], trajectory.p[t] }, 2))
        :select(2, 1)
      local error_ = (seen - clean:select(2, t):to("float64")):square()
        :mean():item()
      assert.is_near(error_, found.mse_by_frame[t], 1e-6 * error_)
      sums.clean = sums.clean + error_ / 7
      sums.given = sums.given + (seen - frames:select(2, t):to("float64"))
        :square():mean():item() / 7
    end
    assert.is_near(sums.clean, found.mse_clean, 1e-6)
    assert.is_near(sums.given, found.mse_given, 1e-6)
    local theirs = split:measure { count = 5 }
    assert.is_near(theirs.floor, found.mse_noise, 1e-6 * theirs.floor)
    assert.is_near(theirs.own_mean, found.mse_still, 1e-5 * theirs.own_mean)
    assert.are.equal(5, found.count)
    assert.are.equal(6, found.steps)
  end)

  it("has its energy and its rollout backward", function()
    local z = model:encode(frames:narrow(2, 1, 2):to("float64"))
    local trajectory = model:rollout(z, { steps = 6 })
    local energies, means = {}, 0
    for t = 1, 7 do
      energies[t] = model:energy(torus.cat({ trajectory.q[t], trajectory.p[t] }, 2))
      means = means + energies[t]:mean():item() / 7
    end
    assert.is_near(means, found.energy_mean, 1e-9)
    assert.is_near(torus.stack(energies, 1):var(1):mean():item(),
      found.energy_variance, 1e-12)
    assert.is_near(torus.stack(energies, 1):mean(1):var(1):item() * 5 / 4,
      found.energy_spread ^ 2, 1e-9)
    -- rk4 all but goes back
    assert.is_true(found.reversal < 1e-4 and found.reversal_mse < 1e-9)
  end)

  it("has every field that an HGN's has", function()
    local t = task()
    local theirs = measure.measure(t.model, t.data.test, { count = 3 })
    for key in pairs(theirs) do assert.is_not_nil(found[key], key) end
    for key in pairs(found) do assert.is_not_nil(theirs[key], key) end
    for _, row in ipairs(measure.rows(theirs)) do
      assert.are.same({ "string", "string" }, { type(row[1]), type(row[2]) })
    end
  end)

  it("looks at the first steps alone where that is asked for", function()
    local short = measure.measure(model, split, { count = 5, steps = 3 })
    for t = 1, 4 do
      assert.is_near(found.mse_by_frame[t], short.mse_by_frame[t], 1e-12)
    end
    assert.are.equal(4, #short.mse_by_frame)
  end)
end)

describe("the schedules of a training", function()
  it("raise the learning rate, then lower it along a cosine", function()
    local config = assert(configuration.make(nil, { lr = 1, warmup = 10,
      lr_decay = "cosine", steps = 110 }))
    local rate = Task.learning_rate(config)
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
    assert.are.same({ 1, 6 }, seen[3])
    assert.are.same({ 2, 8 }, seen[6])
    assert.are.same({ 4, 8 }, seen[9])
  end)

  it("lets GECO tolerate the noise of the frames", function()
    local floor = task().data.train:measure { count = 8 }.floor
    assert.is_true(floor > 1e-4)
    local noisy = task { tolerance = 1e-3 }
    assert.is_near(1e-3 + floor, noisy.geco.options.tolerance, 1e-9)
    local clean = task { tolerance = 1e-3, noise = 0 }
    assert.is_near(1e-3, clean.geco.options.tolerance, 1e-12)
  end)
end)
