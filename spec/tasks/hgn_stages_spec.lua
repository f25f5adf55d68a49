-- The three stages of an HGN's training, and resuming in each of them.
local coordinates = require "torus.models.hgn.coordinates"
local flatten = require "torus.models.hgn.flatten"
local folders = require "spec.support.folders"
local options = require "torus.options"
local HGN = require "torus.tasks.hgn"
local Located = require "torus.tasks.hgn.located"
local torus = require "torus"
local runs = torus.runs
local short = require "spec.support.short_stages"
local stages = require "torus.tasks.hgn.stages"

local configuration, contents, errors_of = short.configuration, short.contents, short.errors_of

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

  -- The other second stage begins with states inferred by the encoder.
  for _, case in ipairs { {}, { kinetic = "network", flatten_steps = 0 } } do
    local name = case.kinetic and ", with networks for both energies" or ""
    it("are left out after a decoder that is too poor for them" .. name, function()
      local function made(fit_limit)
        return assert(configuration(options.joined(case,
          { fit_limit = fit_limit, log_every = 10 })))
      end
      local folder, through = folders.new(), folders.new()
      local ended = assert(runs.train(folder, made(0.3)))
      assert.are.equal(3, ended.step)
      local rows = assert(runs.log.read(folder .. "/log.csv")).rows
      assert.are.equal(3, rows[#rows].step)
      assert.matches("^The decoder rendered 100%% of the frames with an error above 0.0005, so "
        .. "the training ended after its first stage: ", ended.note)
      local model = assert(runs.open(folder))
      assert.is_true(model.window_scale:max():item() > 0)
      assert.are.equal(0, model.chart.net[3].weight:abs():max():item())
      -- Again, until it may go on: as if it had not been interrupted.
      ended = assert(runs.train(folder, made(0.3), { resume = true }))
      assert.are.same({ 3, 3 }, { ended.started_at, ended.step })
      assert.are.equal(9, assert(runs.train(folder, made(1), { resume = true })).step)
      assert(runs.train(through, made(1)))
      assert.are.same(contents(through), contents(folder))
      local again = assert(runs.log.read(folder .. "/log.csv")).rows
      rows = assert(runs.log.read(through .. "/log.csv")).rows
      assert.are.equal(rows[#rows].test_mse, again[#again].test_mse)
    end)
  end

  it("say why they are left out, however small the limit", function()
    local uncertain = Located.uncertain
    function Located.uncertain() return 0.03 end
    local ended = assert(runs.train(folders.new(), assert(configuration { fit_limit = 0.02 })))
    Located.uncertain = uncertain
    assert.are.equal(3, ended.step)
    assert.matches("^The decoder rendered 3%% of the frames", ended.note)
  end)

  it("say that the decoder's images do not depend on the coordinates", function()
    local ended = assert(runs.train(folders.new(), assert(configuration()), {
      after_step = function(run)
        if run.step < 3 then return end
        torus.no_grad(function() run.task.model.projection:parameters()[1]:zero_() end)
      end }))
    assert.are.equal(3, ended.step)
    assert.matches("^The decoder's images do not depend on the coordinates", ended.note)
    local model = assert(torus.models.hgn { phase = "vector", width = 4, resolution = 16,
      frames = 5, context = 3, chart = 4, kinetic = "quadratic" })
    assert.error_matches(function()
      flatten.chart(model, torus.randn(5, 4, 1), torus.zeros(5, 4, 1, 1),
        { steps = 1, generator = torus.generator(1) })
    end, "expected a decoder whose images depend on its coordinates")
  end)

  it("have a first one that is as long whichever others follow", function()
    local function first(changes)
      local config = assert(runs.configuration.make("small", options.joined(
        { model = "hgn", phase = "vector" }, changes)))
      return config.steps - stages.later(config)
    end
    local plain = first {}
    for _, changes in ipairs { { flatten_rounds = 0 }, { decoder_steps = 0 },
      { decoder_rounds = 4 }, { fit_steps = 500 }, { fit_steps = 0 }, { teach_steps = 10 },
      { fit_method = "adam" }, { hamiltonian = "joint", method = "tao2" } } do
      assert.are.equal(plain, first(changes))
    end
    assert.are.equal(700, first { steps = 700, fit_steps = 0 })
    assert.is_true(first { data_frames = 256, frames = 64, decoder_rounds = 1 } > plain)
    assert.are.equal(10000, first { dimension = 4 })
    assert.are.equal(first { dimension = 4 },
      first { dimension = 4, fit_steps = 30, teach_steps = 10, chart = 8 })
  end)

  it("follow a poor decoder where frames may be noisy: with data of one's own", function()
    local function limit(data)
      return assert(runs.configuration.make("small", { model = "hgn", phase = "vector",
        data = data })).fit_limit
    end
    assert.is_true(limit(nil) < 1)
    assert.are.equal(1, limit("film.mp4"))
  end)

  it("do not go back, where a run is continued with more steps", function()
    local folder = folders.new()
    runs.train(folder, assert(configuration()), { after_step = function(run)
      if run.step == 5 then error("interrupted!") end
    end })
    local before = contents(folder)
    local ended = assert(runs.train(folder, assert(configuration { steps = 15 }),
      { resume = true }))
    assert.are.equal(5, ended.step)
    assert.matches("^The training ended here: its later stages have begun", ended.note)
    assert.are.same(before, contents(folder))
    -- More steps of the same stage are fine.
    assert.are.equal(10, assert(runs.train(folder, assert(configuration { steps = 10,
      fit_steps = 4 }), { resume = true })).step)
  end)

  it("leave what is not theirs as it is", function()
    -- The states are put in place by the stage's first step, too.
    assert.are.same({ V = true, chart = true, task = true }, short.moved({}, 3, 6))
    assert.are.same({ encoder = true, f = true }, short.moved({}, 6, 9))
  end)

  for step = 1, 8 do
    it("resume to the same bits after step " .. step, function()
      assert.are.same(contents(whole), contents(short.resumed({}, step)))
    end)
  end

  it("resume Gauss and Newton's method to the same bits", function()
    short.check_resuming({ fit_method = "gauss_newton", energy_width = 4,
      teach_from = "coordinates", teach_size = 8, teach_batch = 4 }, 3, 8)
  end)

  -- An interrupt at any point of a step, as by a second Control-C, after the last checkpoint.
  it("lose nothing when a step that changes weights is interrupted", function()
    local config = { fit_method = "gauss_newton", energy_width = 4, save_every = 500,
      teach_from = "coordinates", teach_size = 8, teach_batch = 4 }
    local uninterrupted = folders.new()
    assert(runs.train(uninterrupted, assert(configuration(config))))
    local wanted = contents(uninterrupted)
    for _, case in ipairs { { coordinates, "fit_states", 1 }, { coordinates, "fit_states", 2 },
      { coordinates, "fit_states", 4 }, { flatten, "potential", 1 }, { flatten, "state", 1 } } do
      local module, name, at = table.unpack(case)
      local original, calls, folder = module[name], 0, folders.new()
      module[name] = function(...)
        calls = calls + 1
        local results = table.pack(original(...))
        if calls == at then error "interrupted!" end
        return table.unpack(results, 1, results.n)
      end
      local called, ended, message = pcall(runs.train, folder, assert(configuration(config)))
      module[name] = original
      assert.is_true(called)
      assert.is_nil(ended)
      assert.matches("^interrupted; the checkpoint of step [345678] is in ", message)
      assert(runs.train(folder, assert(configuration(config)), { resume = true }))
      assert.are.same(wanted, contents(folder))
    end
  end)

  it("end as they would have, if interrupted after the last step", function()
    local folder = folders.new()
    local evaluate = HGN.evaluate
    HGN.evaluate = function() error "interrupted!" end
    local ended, message = runs.train(folder, assert(configuration { save_every = 4 }))
    HGN.evaluate = evaluate
    assert.is_nil(ended)
    assert.matches("^interrupted; the checkpoint of step 8 is in ", message)
    assert.is_string(assert(runs.train(folder, assert(configuration()), { resume = true })).note)
    assert.are.same(contents(whole), contents(folder))
    local log = assert(runs.log.read(folder .. "/log.csv"))
    assert.are.equal(9, #log.rows)
  end)

  it("teach what parts of a batch teach together, and what lowers the error", function()
    local config = assert(configuration { steps = 402, fit_steps = 1, teach_steps = 400,
      fit_method = "gauss_newton", energy_width = 4, teach_from = "coordinates",
      teach_size = 8, teach_batch = 8, teach_lr = 3e-3, kl_weight = 0, dtype = "float64",
      train_size = 8 })
    local task = HGN.new(config, assert(HGN.open_data(config)))
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
    local before, after = errors_of(task, 3, 402)
    assert.is_true(after < 0.5 * before, after / before)
  end)

  it("fit whole sequences, and teach from all windows of them", function()
    local config = assert(configuration { data_frames = 12, fit_frames = 11, fit_size = 3,
      fit_method = "gauss_newton", energy_width = 4, teach_from = "coordinates",
      teach_size = 8, teach_batch = 3, fit_steps = 4, steps = 10 })
    local data = assert(HGN.open_data(config))
    local task = HGN.new(config, data)
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
    assert.matches("fit_method: gauss_newton requires variant", message)
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
    for _, key in ipairs { "flatten_rounds", "teach_steps" } do
      config, message = runs.configuration.make(nil, { model = "hgn", [key] = 2 })
      assert.is_nil(config)
      assert.matches("^" .. key .. ": expected 0, as only phase", message)
    end
    config, message = configuration { fit_method = "gauss_newton", variant = "determ" }
    assert.is_nil(config)
    assert.matches("gauss_newton requires variant = \"leapfrog\" or \"no_fpsi\"", message)
    config, message = configuration { steps = 5 }
    assert.is_nil(config)
    assert.matches("steps: expected at least the 6 of the later stages %(redraw_steps, "
      .. "fit_steps, decoder_steps, refit_steps and teach_steps%), got 5; "
      .. "with a preset, fit_steps = 0 leaves them out", message)
    config, message = configuration { flatten_rounds = 1, redraw_steps = 1,
      flatten_steps = 0 }
    assert.is_nil(config)
    assert.matches("flatten_rounds: expected 0 without flat coordinates", message)
    for _, changes in ipairs { { fit_method = "adam" }, { fit_method = "gauss_newton",
      flatten_steps = 0 } } do
      changes.chart_prior = 0.1
      config, message = configuration(changes)
      assert.is_nil(config)
      assert.matches("chart_prior: expected 0 without flat coordinates .* got 0.1", message)
    end
    config, message = configuration { fit_steps = 0, decoder_steps = 1 }
    assert.is_nil(config)
    assert.matches("decoder_steps: expected 0, as fit_steps is 0, got 1", message)
    config, message = configuration { refit_steps = 2 }
    assert.is_nil(config)
    assert.matches("refit_steps: expected 0, as decoder_steps is 0, got 2", message)
  end)
end)
