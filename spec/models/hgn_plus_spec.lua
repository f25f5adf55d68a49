local raises = require "spec.support.raises"
local tasks = require "torus.tasks"
local torus = require "torus"
local configuration = torus.runs.configuration
local f64 = { dtype = "float64" }

local function largest(x) return x:abs():max():item() end

local SMALL = { model = "hgn", width = 4, dimension = 2, energy_width = 6,
  resolution = 16, dtype = "float64", frames = 9, data_frames = 24, batch = 2,
  train_size = 6, test_size = 3, steps = 3, evaluate_count = 2 }

local function small(changes)
  local all = {}
  for _, part in ipairs { SMALL, changes or {} } do
    for key, value in pairs(part) do all[key] = value end
  end
  return assert(configuration.make("plus", all))
end

local function model_of(changes)
  return tasks.get("hgn").model(small(changes), torus.generator(1))
end

local function frames(batch, count)
  return torus.rand({ batch, count, 16, 16, 3 }, { dtype = "float64",
    generator = torus.generator(5) })
end

describe("preset plus", function()
  it("is HGN++ as its authors' code has it", function()
    local c = assert(configuration.make("plus", { model = "hgn" }))
    local model = tasks.get("hgn").model(c)
    assert.are.same({ 16, 65, 5, 3, 0.125, 0.05, 256 }, { c.dimension, c.frames,
      c.context, c.anchor, c.dt, c.data_dt, c.data_frames })
    assert.are.equal(32, model.config.z)
    assert.is_nil(model.f_psi)
    for _, name in ipairs { "K", "V" } do
      assert.are.equal(4, model[name].layers)
      assert.are.same({ 250, 16 }, model[name][1].weight.shape)
    end
    assert.are.same({ 64, 15, 3, 3 }, model.encoder[1].weight.shape)
    assert.are.equal(7, model.encoder.depth)
    assert.are.same({ 1, 4, 4, 2 }, model.constants.shape)
    assert.are.same({ 64, 18, 3, 3 }, model.decoder[1].conv1.weight.shape)
    assert.is_nil(model.decoder[1].skip)
  end)

  it("trains on random windows of longer sequences", function()
    local c = small()
    local task = tasks.get("hgn")
    local set = assert(task.open_data(c))
    assert.are.same({ 24, 0.05 }, { set.train.length, set.dt })
    local training = task.new(c, set)
    local seen = {}
    for step = 1, 3 do
      local gradients, numbers = training:step(step)
      assert.are.same({ 2, 9, 16, 16, 3 }, training.frames.shape)
      assert.is_true(numbers.loss == numbers.loss and numbers.kl > 0)
      seen[training.frames:sum():item()] = true
      for i, entry in ipairs(training.parameters) do
        assert.is_true(gradients[i] ~= nil, entry[1])
      end
    end
    local count = 0
    for _ in pairs(seen) do count = count + 1 end
    assert.are.equal(3, count)
    assert.is_true(training:evaluate().test_mse > 0)
    local report = task.report(training.model, set, c, { count = 2 })
    assert.is_true(report.numbers ~= nil)
  end)

  it("keeps its phase space when that is named", function()
    local c = small { phase = "vector", dimension = 3 }
    assert.are.same({ "network", 5, 0 }, { c.kinetic, c.context, c.fit_steps })
  end)
end)

describe("anchor", function()
  it("is the frame whose state z is", function()
    local model = model_of()
    local x = frames(2, 9)
    local q, p = model:state_of((model:encode(x:narrow(2, 3, 5))))
    local first_q, first_p = model:infer(x, 3)
    local trajectory = model:rollout(first_q, first_p, { steps = 2 })
    assert.is_true(largest(trajectory.q[-1] - q) < 1e-12)
    assert.is_true(largest(trajectory.p[-1] - p) < 1e-12)
  end)

  it("has the same loss in one piece and in bounded memory", function()
    -- With the context at the first frame; that is one of both ends.
    local model, x = model_of(), frames(2, 9)
    local epsilon = torus.randn({ 2, 1, 1, 4 }, f64)
    local loss = model:loss(x, { epsilon = epsilon })
    local found = {}
    for seed = 1, 8 do
      local _, numbers = model:gradients(x, { epsilon = epsilon,
        generator = torus.generator(seed) })
      found[string.format("%.9f", numbers.loss)] = true
    end
    assert.is_true(found[string.format("%.9f", loss:item())])
    local count = 0
    for _ in pairs(found) do count = count + 1 end
    assert.are.equal(2, count) -- both ends, nothing else
  end)

  it("has the gradients of the loss, constant channels included", function()
    local model = model_of { context = 9, anchor = 5 }
    local x = frames(2, 9)
    local epsilon = torus.randn({ 2, 1, 1, 4 }, f64)
    local loss = model:loss(x, { epsilon = epsilon })
    local want = torus.grad(loss, model:parameters())
    local got = model:gradients(x, { epsilon = epsilon })
    for i, entry in ipairs(model:named_parameters()) do
      assert.is_true(largest(got[i] - want[i]) < 1e-9 * (1 + largest(want[i])),
        entry[1])
    end
  end)

  it("goes with refinement and location", function()
    local model, x = model_of(), frames(2, 9)
    local q, p = model:infer(x)
    local _, _, numbers = model:refine(q, p, x, { rounds = 2 })
    assert.is_true(numbers.after <= numbers.before)
    assert.are.same({ 9, 2, 2 }, model:locate(x).shape)
  end)

  it("has messages", function()
    raises("hgn: anchor: expected at most context = 5, got 6",
      function() model_of { anchor = 6 } end)
    local none, message = configuration.make("plus",
      { model = "hgn", data_frames = 64 })
    assert.is_nil(none)
    assert.matches("data_frames: expected at least frames = 65, got 64", message)
  end)
end)
