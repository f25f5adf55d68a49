local dimension = require "torus.experiments.dimension"
local files = require "torus.files"
local lfs = require "lfs"
local options = require "torus.options"
local run = require "torus.runs.run"
local torus = require "torus"

-- Rows with these mean valid steps, of 64 sequences each.
local function rows(means, spread)
  local list = {}
  for n, mean in ipairs(means) do
    list[n] = { n = n,
      valid = { mean = mean, spread = spread or mean / 2, count = 64 } }
  end
  return list
end

describe("the number of degrees of freedom", function()
  it("is where valid steps stop to rise", function()
    assert.are.equal(2, dimension.pick(rows { 5, 60, 55, 58 }))
    assert.are.equal(1, (dimension.pick(rows { 230, 190, 134, 130 })))
    assert.are.equal(4, (dimension.pick(rows { 3, 9, 14, 30, 28 })))
    -- a step beyond two that are alike
    assert.are.equal(3, (dimension.pick(rows { 6, 6, 40, 41 })))
  end)

  it("is no larger for what another seed could do", function()
    assert.are.equal(1, (dimension.pick(rows { 100, 140, 130 })))
    assert.are.equal(1, (dimension.pick(rows { 300, 300, 300 })))
    -- more than the factor, less than a step: noise of a count
    assert.are.equal(1, (dimension.pick(rows { 0.2, 0.9 })))
    assert.are.equal(1, (dimension.pick(rows({ 10, 20 }, 90))))
    assert.are.equal(2, (dimension.pick(rows({ 10, 20 }, 5))))
  end)

  it("says whether it is the largest that was tried", function()
    local _, largest = dimension.pick(rows { 5, 60 })
    assert.is_true(largest)
    _, largest = dimension.pick(rows { 5, 60, 61 })
    assert.is_false(largest)
    local n = dimension.pick { rows({ 5, 60 })[2], rows({ 5, 60 })[1] }
    assert.are.equal(2, n) -- in any order
    assert.has_error(function() dimension.pick {} end)
  end)
end)

describe("the verdict on degrees of freedom", function()
  local function found(by_frames, estimates)
    local list = rows { 20, 60, 61 }
    for _, row in ipairs(list) do row.window = 31 end
    return { rows = list, dimension = by_frames or 2, by_rollouts = 2, largest = false,
      frames = estimates and { dimension = by_frames, frames = 4000, estimates = estimates },
      no_frames = not estimates and "7 frames are too few" or nil }
  end

  it("is that of the frames, and says whether rollouts agree", function()
    local text = dimension.verdict(found(2, { 2.01, 2, 1.98 }))
    assert.matches("^2 degrees of freedom: by the nearest 10, 20, 40 of 4000 frames, these "
      .. "vary in 2.01, 2.00, 1.98 directions. Rollouts agree: no larger", text)
    assert.matches("brief training runs suggest 2: ", dimension.verdict(found(1, { 1, 1, 1 })))
  end)

  it("is that of the rollouts where frames tell nothing", function()
    assert.matches("^2 degrees of freedom: no larger number than 2 holds clearly longer than "
      .. "60.0 steps. The frames tell nothing: 7 frames are too few",
      dimension.verdict(found()))
    assert.matches("vary in 12.00, 6.70, 3.30 directions, as noisy frames do",
      dimension.verdict(found(nil, { 12, 6.7, 3.3 })))
  end)
end)

describe("training runs of several degrees of freedom", function()
  local base
  local TINY = { width = 4, state = 2, energy_layers = 1, energy_width = 4,
    resolution = 16, batch = 2, train_size = 6, test_size = 5, context = 3 }

  setup(function()
    base = os.tmpname()
    os.remove(base)
    assert(lfs.mkdir(base))
  end)

  teardown(function() os.execute("rm -r " .. base) end)

  local function go(name, opts)
    local o = { out = base .. "/" .. name, max = 2, steps = 2, count = 5,
      refine = 1, say = function() end, changes = TINY }
    for key, value in pairs(opts) do o[key] = value end
    return dimension.run(o)
  end

  it("are runs that an experiment keeps", function()
    local opts = { system = "pendulum", frames = 4, rollout = 9 }
    local found = assert(go("a", opts))
    assert.are.equal(2, #found.rows)
    for n, row in ipairs(found.rows) do
      assert.are.equal(n, row.n)
      assert.are.equal(4, row.window)
      assert.are.equal(9, row.rollout)
      assert.are.equal(5, row.valid.count)
      assert.is_true(row.mse > 0 and row.energy_drift.median >= 0)
      local config = assert(run.read_configuration(base .. "/a/n" .. n))
      assert.are.same({ n, "vector", 0, 0, 0 }, { config.dimension, config.phase,
        config.noise, config.fit_steps, config.chart })
    end
    assert.are.equal(found.dimension, (dimension.pick(found.rows)))
    assert.are.equal(found.dimension, found.by_rollouts)
    assert.matches("6 sequences are too few", found.no_frames)
    local said = {}
    opts.say = function(line) said[#said + 1] = line end
    assert.are.same(found, assert(go("a", opts)))
    assert.are.same({}, said)
    opts.rollout = 8
    local none, message = go("a", opts)
    assert.is_nil(none)
    assert.matches("result.json was measured with another rollout", message)
    assert.matches("^| n | MSE in the 4 frames of training | valid steps of 9 |",
      dimension.markdown(found))
    assert.matches("^%d degrees? of freedom: ", dimension.verdict(found))
  end)

  it("see the first half of given frames", function()
    local path = base .. "/video.npy"
    assert(torus.npy.save(path, torus.rand { 9, 8, 16, 16, 3 }))
    local found = assert(go("video", { data = path, max = 1,
      changes = options.joined(TINY, { test_size = 3 }) }))
    local row = found.rows[1]
    assert.are.same({ 4, 7, 3 }, { row.window, row.rollout, row.valid.count })
    if found.picture then
      assert.matches("^\137PNG", assert(files.read(found.picture)))
    end
    assert(torus.npy.save(path, torus.rand { 9, 8, 13, 24 }))
    assert(go("grey", { data = path, max = 1,
      changes = options.joined(TINY, { test_size = 3, data_fit = "pad" }) }))
    local none, message = go("short", { data = path, frames = 8 })
    assert.is_nil(none)
    assert.matches("expected sequences of more than 8 frames, so that some "
      .. "remain to compare rollouts with, got 8", message)
  end)
end)
