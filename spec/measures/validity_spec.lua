local raises = require "spec.support.raises"
local torus = require "torus"

local validity = torus.measures.validity
local statistics = torus.measures.statistics

-- The definition once more, on plain numbers and frame by frame: a sequence is
-- valid to the last step up to which no frame was over the threshold.
local function valid_by_hand(predicted, truth, threshold)
  local valid, dead = 0, false
  for t = 1, #truth do
    local error_, norm = 0, 0
    for k = 1, #truth[t] do
      error_ = error_ + (predicted[t][k] - truth[t][k]) ^ 2
      norm = norm + truth[t][k] ^ 2
    end
    if error_ > threshold * norm then dead = true end
    if not dead then valid = t - 1 end
  end
  return valid
end

describe("measures.validity", function()
  it("has squared errors and norms of frames, per value", function()
    local errors, norms = validity.frame_errors(
      torus.tensor { { { 1, 2 }, { 3, 4 } } },
      torus.tensor { { { 1, 0 }, { 0, 2 } } })
    assert.are.same({ { 2, 6.5 } }, errors:totable())
    assert.are.same({ { 0.5, 2 } }, norms:totable())
  end)

  it("counts valid steps as the definition says, on random walks", function()
    local g = torus.generator(4)
    local truth = torus.randn({ 40, 30, 6 }, { generator = g })
    local predicted = truth + torus.randn({ 40, 30, 6 }, { generator = g })
      * torus.rand({ 40, 1, 1 }, { generator = g }) * 0.35
    local found = validity.valid_steps(validity.frame_errors(predicted, truth))
    local want, different = {}, {}
    local a, b = predicted:totable(), truth:totable()
    for i = 1, 40 do
      want[i] = valid_by_hand(a[i], b[i], 0.025)
      different[want[i]] = true
    end
    assert.are.same(want, found)
    local lengths = 0
    for _ in pairs(different) do lengths = lengths + 1 end
    assert.is_true(lengths > 4)
  end)

  it("ends a sequence at its first bad frame, at NaN, or with the frames",
    function()
      local errors = torus.tensor { { 1, 2, 9, 1 }, { 1, 1, 1, 1 },
        { 9, 1, 1, 1 }, { 1, 9, 1, 1 }, { 1, 2, 4, 0 / 0 } }
      assert.are.same({ 1, 3, 0, 0, 2 },
        validity.valid_steps(errors, torus.full({ 5, 4 }, 8), 0.5))
    end)

  it("counts the prediction time from the end of the window, and forgives what "
    .. "the window holds", function()
    local norms = torus.ones(5, 7)
    local errors = torus.tensor {
      { 0, 0, 0, 0, 0, 0, 0 }, -- all four after the window
      { 9, 9, 9, 0, 0, 9, 0 }, -- the window's own errors don't count
      { 0, 0, 0, 9, 0, 0, 0 },
      { 0, 0, 0, 0, 0 / 0, 0, 0 },
      { 0, 0, 0, 0.0249, 0.0251, 0, 0 } }
    local function times(limit)
      return validity.prediction_times(errors, norms,
        { window = 3, limit = limit })
    end
    assert.are.same({ 4, 2, 0, 1, 1 }, times())
    assert.are.same({ 2, 2, 0, 1, 1 }, times(2))
  end)

  it("needs frames after the window for a prediction time", function()
    raises("prediction_times: expected more frames than the window of 3, got 3",
      function()
        validity.prediction_times(torus.ones(2, 3), torus.ones(2, 3),
          { window = 3 })
      end)
    raises("valid_steps: expected norms of shape (2,3)", function()
      validity.valid_steps(torus.ones(2, 3), torus.ones(2, 2))
    end)
  end)

  it("splits errors into window, what follows, and steps", function()
    local errors = torus.tensor { { 1, 1, 2, 4, 8, 16, 32 },
      { 3, 1, 0, 0, 0, 0, 0 } }
    local found = validity.windows(errors, { window = 2, next = 3, times = 4 })
    assert.is_near((2 + 1) / 2, found.window, 1e-12)
    assert.is_near((1 + 2 + 4) / 3, found.next, 1e-12)
    assert.are.equal(3, found.next_frames)
    assert.are.same({ 2, 1, 1, 2, 4 }, found.by_step)
    local short = validity.windows(errors, { window = 7 })
    assert.is_nil(short.next)
    assert.are.equal(7, #short.by_step)
    assert.are.equal(2, validity.windows(errors, { window = 5 }).next_frames)
    -- ten windows of 3 frames: 20 steps, and step 0
    local long = torus.ones(2, 50)
    assert.are.equal(21, #validity.windows(long, { window = 3 }).by_step)
    assert.are.equal(50, #validity.windows(long, { window = 3, times = math.huge }).by_step)
  end)
end)

describe("measures.statistics", function()
  it("has the mean, the sample's spread and the lower median", function()
    local found = statistics.summary { 5, 1, 2, 4 }
    assert.are.equal(3, found.mean)
    assert.are.equal(2, found.median)
    assert.is_near(math.sqrt((4 + 4 + 1 + 1) / 3), found.spread, 1e-12)
    assert.are.equal(4, found.count)
    assert.are.equal(0, statistics.summary({ 7 }).spread)
    raises("median: expected at least one number, got none", function()
      statistics.median {}
    end)
  end)
end)
