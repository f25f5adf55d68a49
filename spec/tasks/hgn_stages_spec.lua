-- The three stages of an HGN's training, and resuming in each of them.
local folders = require "spec.support.folders"
local torus = require "torus"
local runs = torus.runs
local stages = require "torus.tasks.hgn.stages"

local CHANGES = { model = "hgn", system = "mass_spring", phase = "vector",
  dimension = 1, noise = 0, width = 4, state = 2, resolution = 16, frames = 5,
  context = 3, windows = 3, chart = 4,
  kinetic = "quadratic", flatten_steps = 3, train_size = 8, test_size = 4, batch = 4,
  steps = 9, fit_steps = 3, teach_steps = 3, fit_size = 6, fit_batch = 4,
  save_every = 1, log_every = 1, evaluate_every = 9 }

local function configuration(changes)
  local given = {}
  for key, value in pairs(CHANGES) do given[key] = value end
  for key, value in pairs(changes or {}) do given[key] = value end
  return runs.configuration.make(nil, given)
end

local function contents(folder)
  local stored = assert(runs.checkpoint.load(folder
    .. "/checkpoint.safetensors"))
  local all = { step = stored.step, numbers = stored.numbers }
  for name, tensor in pairs(stored.tensors) do
    all[name] = torus.to_bytes(tensor)
  end
  return all
end

describe("The stages of an HGN's training", function()
  local whole, result

  setup(function()
    whole = folders.new()
    result = assert(runs.train(whole, assert(configuration())))
  end)

  teardown(folders.clear)

  it("are more than one up to two dimensions", function()
    for dimension, later in pairs { true, true, false, false } do
      local config = assert(runs.configuration.make("small", { model = "hgn",
        system = "three_body", phase = "vector", dimension = dimension }))
      assert.are.equal(later, config.fit_steps > 0 and config.teach_steps > 0)
      assert.are.equal(later, config.chart > 0)
    end
  end)

  it("fit whole sequences by default, up to four times the frames of a training step", function()
    for _, case in ipairs { { 31, nil, 31, 512 }, { 31, 100, 100, 158 },
      { 64, 256, 256, 128 }, { 31, 1000, 124, 128 } } do
      local config = assert(runs.configuration.make("small", { model = "hgn",
        phase = "vector", frames = case[1], data_frames = case[2] }))
      assert.are.same({ case[3], case[4] }, { config.fit_frames, config.fit_size })
    end
  end)

  it("follow each other", function()
    local config = assert(configuration())
    local names = {}
    for step = 1, 9 do names[step] = stages.of(config, step) end
    assert.are.same({ "images", "images", "images", "fit", "fit", "fit",
      "teach", "teach", "teach" }, names)
    local rate = stages.learning_rate(config)
    assert.are.equal(config.lr, rate(1))
    assert.are.equal(config.fit_lr, rate(4))
    assert.are.equal(config.teach_lr, rate(7))
  end)

  it("end with a word about coordinates that a poor decoder left uncertain", function()
    assert.matches("^The decoder rendered %d+%% of the frames with an error above 0.0005, ",
      result.note)
    assert.is_nil(assert(runs.train(folders.new(), assert(configuration { fit_steps = 0,
      teach_steps = 0, chart = 0, teach_from = "images" }))).note)
  end)

  it("leave what is not theirs as it is", function()
    local function moved(steps)
      local folder = folders.new()
      local before, names = nil, {}
      local config = assert(configuration())
      runs.train(folder, config, { after_step = function(run)
        if run.step == steps - 3 then
          before = {}
          for _, entry in ipairs(run.task.parameters) do
            before[entry[1]] = torus.to_bytes(entry[2])
          end
        elseif run.step == steps then
          for _, entry in ipairs(run.task.parameters) do
            if torus.to_bytes(entry[2]) ~= before[entry[1]] then
              names[entry[1]:match("^%w+")] = true
            end
          end
          error("interrupted!")
        end
      end })
      return names
    end
    -- The states are put in place by the stage's first step, too.
    assert.are.same({ V = true, chart = true, task = true }, moved(6))
    assert.are.same({ encoder = true, f = true }, moved(9))
  end)

  for step = 1, 8 do
    it("resume to the same bits after step " .. step, function()
      local folder = folders.new()
      local _, message = runs.train(folder, assert(configuration()),
        { after_step = function(run)
          if run.step == step then error("interrupted!") end
        end })
      assert.matches("interrupted", message)
      assert(runs.train(folder, assert(configuration()), { resume = true }))
      assert.are.same(contents(whole), contents(folder))
    end)
  end

  for step = 3, 8 do
    it("resume Gauss and Newton's method to the same bits after step " .. step, function()
      local changes = { fit_method = "gauss_newton", energy_width = 4,
        teach_from = "coordinates", teach_size = 8, teach_batch = 4 }
      local through, folder = folders.new(), folders.new()
      assert(runs.train(through, assert(configuration(changes))))
      runs.train(folder, assert(configuration(changes)), { after_step = function(run)
        if run.step == step then error("interrupted!") end
      end })
      assert(runs.train(folder, assert(configuration(changes)), { resume = true }))
      assert.are.same(contents(through), contents(folder))
    end)
  end

  it("teach what parts of a batch teach together, and what lowers the error", function()
    local config = assert(configuration { steps = 202, fit_steps = 1, teach_steps = 200,
      fit_method = "gauss_newton", energy_width = 4, teach_from = "coordinates",
      teach_size = 8, teach_batch = 8, teach_lr = 3e-3, kl_weight = 0, dtype = "float64",
      train_size = 8 })
    local Task = require "torus.tasks.hgn"
    local task = Task.new(config, assert(Task.open_data(config)))
    -- An untrained decoder finds no coordinates: instead, the place of the disc.
    local frames = task.data.train:batch { 1, 2, 3, 4, 5, 6, 7, 8 }:to("float64")
    local disc = (frames - frames[1][1][1][1]):abs():sum(5):sum(4)
    local rows = torus.linspace(-1, 1, 16, { dtype = "float64" })
    task.located.coordinates:copy_(((disc * rows):sum(3) / disc:sum(3))
      :transpose(1, 2):unsqueeze(3))
    task.located.metrics:fill_(1)
    task.located.left:fill_(0)
    for step = 1, 2 do task.optimiser:step((task:step(step))) end
    local batch = task:draw(3)
    local together = task:share(batch, 1, 8)
    local first, second = task:share(batch, 1, 4), task:share(batch, 5, 4)
    local compared = 0
    for i, gradient in pairs(together) do
      local sum = (first[i] + second[i]) / 2
      assert.is_true((sum - gradient):abs():max():item()
        <= 1e-9 * math.max(1e-6, gradient:abs():max():item()))
      compared = compared + 1
    end
    assert.is_true(compared > 10)
    local errors = {}
    for step = 3, 202 do
      local gradients, numbers = task:step(step)
      task.optimiser.lr = 3e-3
      task.optimiser:step(gradients)
      errors[#errors + 1] = numbers.mse
    end
    local function mean(from)
      local sum = 0
      for i = from, from + 9 do sum = sum + errors[i] / 10 end
      return sum
    end
    assert.is_true(mean(191) < 0.5 * mean(1), mean(191) / mean(1))
  end)

  it("fit whole sequences, and teach from all windows of them", function()
    local config = assert(configuration { data_frames = 12, fit_frames = 11, fit_size = 3,
      fit_method = "gauss_newton", energy_width = 4, teach_from = "coordinates",
      teach_size = 8, teach_batch = 3, fit_steps = 4, steps = 10 })
    local Task = require "torus.tasks.hgn"
    local data = assert(Task.open_data(config))
    local task = Task.new(config, data)
    -- Eight windows of five frames are as many frames as three sequences of 11.
    assert.are.same({ 11, 3, 1 }, task.located.coordinates.shape)
    for step = 1, 7 do task.optimiser:step((task:step(step))) end
    local batch, seen = task:draw(8), {}
    for i = 1, 20 do
      batch = i > 1 and task:draw(8) or batch
      for _, start in ipairs(batch.starts) do seen[start] = true end
    end
    assert.are.same({ true, true, true, true, true, true, true }, seen)
    local some = task.located:windows({ 3, 1 }, { 2, 7 })
    assert.are.same({ 5, 2, 1, 1 }, some.metrics.shape)
    for t = 1, 5 do
      assert.are.equal(task.located.coordinates[t + 1][3]:item(), some.coordinates[t][1]:item())
      assert.are.equal(task.located.left[t + 6][1]:item(), some.left[t][2]:item())
    end
    local folder, through = folders.new(), folders.new()
    assert(runs.train(through, config))
    runs.train(folder, config, { after_step = function(run)
      if run.step == 5 then error("interrupted!") end
    end })
    assert(runs.train(folder, config, { resume = true }))
    assert.are.same(contents(through), contents(folder))
  end)

  it("say how many frames of a sequence they can fit", function()
    for _, case in ipairs { { 4, 12 }, { 13, 12 }, { 6 } } do
      local config, message = configuration { fit_frames = case[1], data_frames = case[2] }
      assert.is_nil(config)
      assert.are.equal(string.format("fit_frames: expected from frames = 5 to %d, the length "
        .. "of a training sequence, got %d", case[2] or 5, case[1]), message)
    end
    assert.are.equal(5, assert(configuration()).fit_frames)
    assert.is_nil(assert(configuration { fit_steps = 0, steps = 6 }).fit_frames)
  end)

  it("say what Gauss and Newton's method is not for", function()
    local config, message = configuration { fit_method = "gauss_newton",
      friction = "network" }
    assert.is_nil(config)
    assert.matches("fit_method: gauss_newton requires a separable Hamiltonian", message)
    config, message = configuration { fit_method = "gauss_newton", chart = 128 }
    assert.is_nil(config)
    assert.matches("fit_method: gauss_newton supports at most 8000 parameters", message)
    config, message = configuration { teach_from = "coordinates", fit_steps = 0 }
    assert.is_nil(config)
    assert.matches("teach_from: expected \"images\", as no coordinates are found", message)
    config, message = configuration { static = 1, dimension = 2 }
    assert.is_nil(config)
    assert.matches("fit_steps: expected 0, as the second stage does not support static", message)
    -- A preset knows.
    assert.are.equal(0, assert(runs.configuration.make("small", { model = "hgn",
      phase = "vector", static = 3 })).fit_steps)
    assert.are.equal("adam", assert(runs.configuration.make("small", { model = "hgn",
      phase = "vector", friction = "network" })).fit_method)
    assert.are.equal("gauss_newton", assert(runs.configuration.make("small", { model = "hgn",
      phase = "vector", friction = "constant" })).fit_method)
  end)

  it("leave a model that opens without the training's own tensors", function()
    local model = assert(runs.open(whole))
    for _, entry in ipairs(model:named_parameters()) do
      assert.is_nil(entry[1]:match("^task"))
    end
  end)

  it("are of a vector phase space, and no longer than the whole", function()
    local config, message = configuration { phase = "map", chart = 0 }
    assert.is_nil(config)
    assert.matches("fit_steps: expected 0", message)
    config, message = configuration { steps = 5 }
    assert.is_nil(config)
    assert.matches("steps: expected at least fit_steps %+ teach_steps = 6, got 5",
      message)
  end)
end)

describe("evaluate.lua --refine", function()
  local folder

  setup(function()
    folder = folders.new()
    assert(runs.train(folder, assert(configuration { steps = 4, fit_steps = 0,
      teach_steps = 0 })))
  end)

  teardown(folders.clear)

  local function evaluate(options)
    local pipe = assert(io.popen("scripts/torus scripts/evaluate.lua " .. folder
      .. " --count 2 --json " .. options .. " 2>&1"))
    local text = pipe:read("a")
    pipe:close()
    return assert(require("dkjson").decode(text), text)
  end

  it("lowers the error on the observed frames", function()
    local plain, refined = evaluate "", evaluate "--refine 50"
    assert.is_true(refined.mse_given < plain.mse_given)
  end)

  it("refines rollouts beyond them too", function()
    local plain, refined = evaluate "--steps 6", evaluate "--steps 6 --refine"
    assert.is_true(refined.mse.window < plain.mse.window)
    assert.is_number(refined.valid.median)
  end)
end)
