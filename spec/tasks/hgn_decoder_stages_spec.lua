-- The stages of an HGN's training in which the decoder learns alone, and resuming in each.
local folders = require "spec.support.folders"
local HGN = require "torus.tasks.hgn"
local torus = require "torus"
local Located = require "torus.tasks.hgn.located"
local runs = torus.runs
local short = require "spec.support.short_stages"
local stages = require "torus.tasks.hgn.stages"

local configuration, contents, errors_of = short.configuration, short.contents, short.errors_of

describe("Rounds that flatten coordinates", function()
  local FLAT = { steps = 13, flatten_rounds = 2, redraw_steps = 2, flatten_size = 4,
    decoder_batch = 6, fit_method = "gauss_newton", energy_width = 4, chart_prior = 0.1,
    teach_from = "coordinates", teach_size = 8, teach_batch = 4 }

  teardown(folders.clear)

  it("precede the second stage", function()
    local config = assert(configuration(FLAT))
    local found, rate = {}, stages.learning_rate(config)
    for step = 1, 13 do
      local name, within, round = stages.of(config, step)
      found[step] = name .. round .. "." .. within
    end
    assert.are.same({ "images1.1", "images1.2", "images1.3", "flatten1.1", "flatten1.2",
      "flatten2.1", "flatten2.2", "fit1.1", "fit1.2", "fit1.3", "teach1.1", "teach1.2",
      "teach1.3" }, found)
    assert.are.equal(config.decoder_lr, rate(4))
  end)

  it("resume to the same bits after any step", function()
    short.check_resuming(FLAT, 3, 10)
  end)

  it("lose nothing when a step that finds coordinates again is interrupted", function()
    local uninterrupted = folders.new()
    assert(runs.train(uninterrupted, assert(configuration(FLAT))))
    local original = Located.find_near
    for at = 1, 2 do
      local calls, folder = 0, folders.new()
      Located.find_near = function(...)
        original(...)
        calls = calls + 1
        if calls == at then error "interrupted!" end
      end
      local config = assert(configuration(FLAT))
      config.save_every = 500
      local called, ended, message = pcall(runs.train, folder, config)
      Located.find_near = original
      assert.is_true(called)
      assert.is_nil(ended)
      assert.matches("^interrupted; the checkpoint of step " .. 2 * at + 3 .. " is in ", message)
      assert(runs.train(folder, assert(configuration(FLAT)), { resume = true }))
      assert.are.same(contents(uninterrupted), contents(folder))
    end
  end)

  it("train the decoder and nothing else", function()
    assert.are.same({ decoder = true, projection = true }, short.moved(FLAT, 3, 7))
  end)
end)

describe("The decoder's own stage", function()
  local ALL = { steps = 13, decoder_steps = 3, decoder_batch = 6, refit_steps = 2 }

  teardown(folders.clear)

  it("follows the second, and is followed by more of it", function()
    local config = assert(configuration(ALL))
    local names, rate = {}, stages.learning_rate(config)
    for step = 1, 13 do names[step] = stages.of(config, step) end
    assert.are.same({ "images", "images", "fit", "fit", "fit", "decoder", "decoder", "decoder",
      "refit", "refit", "teach", "teach", "teach" }, names)
    assert.are.equal(config.decoder_lr, rate(6))
    assert.are.equal(config.fit_lr, rate(9))
    config = assert(configuration { steps = 9, decoder_steps = 1, refit_steps = 1,
      decoder_rounds = 2, fit_steps = 1, teach_steps = 1 })
    local found = {}
    for step = 1, 9 do
      local name, within, round, rounds = stages.of(config, step)
      found[step] = name .. within .. (round < rounds and "+" or "")
    end
    assert.are.same({ "images1", "images2", "images3", "fit1", "decoder1+", "refit1+",
      "decoder1", "refit1", "teach1" }, found)
  end)

  it("is part of the presets where the method of Gauss and Newton fits the motion", function()
    local function made(changes)
      local all = { model = "hgn", phase = "vector", frames = 31 }
      for key, value in pairs(changes) do all[key] = value end
      local config = assert(runs.configuration.make("small", all))
      local rounds = config.decoder_rounds
      local later = config.flatten_rounds * config.redraw_steps + config.fit_steps
        + rounds * (config.decoder_steps + config.refit_steps) + config.teach_steps
      return { flatten = config.flatten_rounds, decoder = config.decoder_steps * rounds,
        refit = config.refit_steps * rounds, first = config.steps - later,
        prior = config.chart_prior }
    end
    local plain = made {}
    assert.is_true(plain.flatten > 0 and plain.decoder > 0 and plain.refit > 0
      and plain.prior > 0)
    assert.are.same(plain, made { data_frames = 31 })
    -- More of it for sequences of which a step of the first stage shows a part, which is longer.
    local long = made { data_frames = 100 }
    assert.are.same({ 1.5 * plain.decoder, plain.first + 5600 }, { long.decoder, long.first })
    assert.is_true(long.refit > plain.refit)
    -- Coordinates are not flat where K is a network.
    local network = made { kinetic = "network" }
    assert.are.same({ 0, 0, plain.decoder, plain.first },
      { network.flatten, network.prior, network.decoder, network.first })
    for _, changes in ipairs { { fit_steps = 0, teach_steps = 0 }, { friction = "network" },
      { dimension = 4 } } do
      changes.data_frames = 100
      local other = made(changes)
      assert.are.same({ 0, 0 }, { other.decoder, other.refit })
    end
  end)

  local METHODS = { adam = ALL, gauss_newton = { steps = 14, decoder_steps = 2,
    decoder_batch = 6, refit_steps = 2, decoder_rounds = 2, fit_steps = 2,
    fit_method = "gauss_newton", energy_width = 4, chart_prior = 0.1, data_frames = 9,
    fit_frames = 8, fit_size = 3, teach_from = "coordinates", teach_size = 8, teach_batch = 4 } }
  for method, changes in pairs(METHODS) do
    it("resumes to the same bits, with " .. method, function()
      short.check_resuming(changes, 4, 12)
    end)
  end

  it("can be stopped while coordinates are found", function()
    local core = require "torus.core"
    local changes = METHODS.gauss_newton
    local through = folders.new()
    assert(runs.train(through, assert(configuration(changes))))
    local each_block = Located.each_block
    -- During the first search, and during the later ones.
    for calls, step in pairs { 1, 5, 9 } do
      local folder, count = folders.new(), 0
      function Located.each_block(...)
        count = count + 1
        if count == calls then core.note_stop(15) end
        return each_block(...)
      end
      local _, message = runs.train(folder, assert(configuration(changes)))
      Located.each_block = each_block
      assert.matches("^interrupted by SIGTERM; the checkpoint of step " .. step .. " is in",
        message)
      assert(runs.train(folder, assert(configuration(changes)), { resume = true }))
      assert.are.same(contents(through), contents(folder))
    end
    assert.is_false(core.stopping())
  end)

  -- A training whose second stage is over.
  local function fitted()
    local config = assert(configuration { steps = 303, fit_steps = 1, decoder_steps = 300,
      decoder_batch = 16, refit_steps = 1, teach_steps = 0, chart = 0, flatten_steps = 0,
      frames = 5, dtype = "float64", width = 8, evaluate_every = 1000, energy_width = 4,
      fit_size = 8 })
    local task = HGN.new(config, assert(HGN.open_data(config)))
    for step = 1, 2 do task.optimiser:step((task:step(step))) end
    return task
  end

  it("gives the decoder's gradients, of parts as of the whole, and no others", function()
    local task = fitted()
    local batch = task:draw(3)
    assert.are.equal("decoder", task.stage)
    local together, numbers = task:share(batch, 1, 16)
    local first, second = task:share(batch, 1, 8), task:share(batch, 9, 8)
    local names = {}
    for i, entry in ipairs(task.parameters) do
      local name = entry[1]
      assert.are.equal(name:match("^decoder%.") ~= nil or name:match("^projection%.") ~= nil,
        together[i] ~= nil, name)
      if together[i] then
        names[name:match("^%w+")] = true
        local sum = (first[i] + second[i]) / 2
        assert.is_true((sum - together[i]):abs():max():item()
          <= 1e-9 * math.max(1e-6, together[i]:abs():max():item()), name)
      end
    end
    assert.are.same({ decoder = true, projection = true }, names)
    -- The error is that of the images at the positions of the motion, and its derivative that
    -- of a finite difference.
    local states = task.states:detach():narrow(1, 1, 8):contiguous()
    local function error_now()
      local q = task.model:rollout(states:narrow(2, 1, 1):contiguous(),
        states:narrow(2, 2, 1):contiguous(), { steps = 4 }).q
      local sum = 0
      for i = 1, 16 do
        local b, t = batch.indices[i], batch.times[i]
        local image = task.model:decode(q[t][b]:reshape(1, 1))[1]
        local frame = task.data.train:batch { b }[1][t]
        sum = sum + (image - frame:to("float64")):square():mean():item() / 16
      end
      return sum
    end
    assert.near(error_now(), numbers.mse, 1e-12)
    for i, entry in ipairs(task.parameters) do
      if entry[1] == "decoder.1.conv1.bias" or entry[1] == "projection.stack.1.weight" then
        local flat, step = entry[2]:detach():reshape(-1), 1e-6
        local before = flat[2]:item()
        flat:narrow(1, 2, 1):fill_(before + step)
        local above = error_now()
        flat:narrow(1, 2, 1):fill_(before - step)
        local below = error_now()
        flat:narrow(1, 2, 1):fill_(before)
        assert.near((above - below) / (2 * step), together[i]:reshape(-1)[2]:item(), 1e-7)
      end
    end
  end)

  it("lowers the error of the frames, and finds their coordinates again", function()
    local task = fitted()
    local left = task.located.left:copy()
    local before, after = errors_of(task, 3, 302)
    assert.is_true(after < 0.5 * before, after / before)
    task:step(303)
    assert.are.equal("refit", task.stage)
    assert.is_true(task.located.left:mean():item() < 0.7 * left:mean():item())
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
