local dimension = require "torus.measures.dimension"
local frame_dimension = require "torus.experiments.frame_dimension"
local torus = require "torus"

describe("the dimension of frames", function()
  local function of(system, noise)
    return frame_dimension.measure(torus.data.simulate(system,
      { train = 2000, test = 1, noise = noise or 0 }).train)
  end

  it("is the number of degrees of freedom that are seen", function()
    for system, n in pairs { mass_spring = 1, pendulum = 1, two_body = 2,
      double_pendulum = 2, henon_heiles = 2, three_body = 4 } do
      local found = of(system)
      assert.are.equal(n, found.dimension, system)
      assert.are.equal(2000, found.frames)
    end
  end)

  it("of noisy positions of two bodies is that of both, whose centre then moves", function()
    assert.is_near(4, of("two_body", 0.1).estimates[1], 0.5)
  end)

  it("is of many frames of a few sequences, those that follow each other apart", function()
    local set = torus.data.simulate("two_body", { train = 40, test = 1, noise = 0,
      steps = 299 })
    assert.are.equal(2, frame_dimension.measure(set.train).dimension)
  end)

  it("is told by no noisy images, few frames or few sequences", function()
    torus.manual_seed(1)
    local set = torus.data.simulate("pendulum", { train = 2000, test = 1, noise = 0 })
    local split = { size = 2000, batch = function(_, indices)
      local frames = set.train:batch(indices):narrow(2, 31, 1):to("float32")
      return frames + torus.randn(frames.shape) * 0.03
    end }
    local found = frame_dimension.measure(split)
    assert.is_nil(found.dimension)
    assert.is_true(found.estimates[1] > 2 * found.estimates[3])
    local none, message = frame_dimension.measure(torus.data.simulate("pendulum",
      { train = 30, test = 1, noise = 0 }).train)
    assert.is_nil(none)
    assert.matches("frames are too few", message)
    none, message = frame_dimension.measure(torus.data.simulate("pendulum",
      { train = 5, test = 1, noise = 0, steps = 299 }).train)
    assert.is_nil(none)
    assert.matches("^5 sequences are too few", message)
  end)
end)

describe("the frames whose dimension is estimated", function()
  local original = dimension.estimate
  after_each(function() dimension.estimate = original end)

  -- What is given to the estimate for sequences of frames of one pixel, which shows
  -- 10,000 times the sequence plus the time: lists of numbers and of groups.
  local function taken(size, length, estimates)
    local numbers, groups, asked = nil, nil, {}
    dimension.estimate = function(points, o)
      numbers, groups = points:reshape(-1):totable(), o.groups
      asked[#asked + 1] = o.neighbours
      return estimates and estimates[#asked] or 1
    end
    local times = torus.arange(1, length, { dtype = "float64" }):reshape(1, length, 1, 1, 1)
    local found, message = frame_dimension.measure { size = size, batch = function(_, indices)
      return torus.tensor(indices, { dtype = "float64" }):reshape(-1, 1, 1, 1, 1) * 10000 + times
    end }
    return found, message, numbers, groups, asked
  end

  it("are the last ones of many sequences, or the second halves of fewer", function()
    local found, _, numbers = taken(500, 12)
    assert.are.equal(500, found.frames)
    for i, number in ipairs(numbers) do assert.are.equal(i * 10000 + 12, number) end
    found, _, numbers = taken(499, 12)
    assert.are.equal(499 * 6, found.frames)
    local seen = {}
    for _, number in ipairs(numbers) do seen[number] = true end
    for i = 1, 499 do
      for t = 7, 12 do assert.is_true(seen[i * 10000 + t]) end
    end
  end)

  it("are about 10,000 at most", function()
    local found, _, numbers = taken(40, 2000)
    assert.are.equal(10000, found.frames)
    table.sort(numbers)
    for i = 1, 250 do assert.are.equal(10000 + 1000 + 4 * i, numbers[i]) end
    assert.are.equal(10000, (taken(10300, 1)).frames)
  end)

  it("are of one group within a tenth of a sequence", function()
    local _, _, numbers, groups = taken(20, 60)
    local own = {}
    for k, number in ipairs(numbers) do
      local t = number % 10000
      local tenth = number // 10000 .. " " .. (t - 1) // 6
      own[tenth] = own[tenth] or groups[k]
      assert.are.equal(own[tenth], groups[k])
    end
    local different, count = {}, 0
    for _, group in pairs(own) do
      assert.is_nil(different[group])
      different[group], count = true, count + 1
    end
    assert.are.equal(20 * 5, count) -- times 31 to 60 are five tenths
  end)

  it("are at least 500 of 20 sequences", function()
    assert.matches("^19 sequences are too few .* %(at least 20%)$", select(2, taken(19, 100)))
    assert.is_table((taken(20, 100)))
    assert.matches("^498 frames are too few .* %(at least 500%)$", select(2, taken(83, 12)))
    assert.are.equal(500, (taken(50, 20)).frames)
  end)

  it("have the integer that all estimates are nearest to", function()
    local found, _, _, _, asked = taken(500, 1, { 1.6, 2.4, 2 })
    assert.are.same({ 10, 20, 40 }, asked)
    assert.are.equal(2, found.dimension)
    assert.is_nil(taken(500, 1, { 1.6, 2.4, 2.6 }).dimension)
    assert.is_nil(taken(500, 1, { 1.4, 1.6, 1.6 }).dimension)
    assert.is_nil(taken(500, 1, { 0.1, 0.2, 0.3 }).dimension)
  end)

  it("are smoothed to sums of neighbouring squares, an eighth of their side", function()
    local estimate, points = dimension.estimate, nil
    finally(function() dimension.estimate = estimate end)
    dimension.estimate = function(x)
      points = x
      return 1
    end
    local frames = torus.rand({ 500, 1, 16, 24, 2 }, { dtype = "float64",
      generator = torus.generator(2) })
    frame_dimension.measure { size = 500, batch = function(_, indices)
      return frames:narrow(1, indices[1], #indices)
    end }
    -- 16 / 8 = 2 pixels: squares of 4 x 4 pixels, 2 apart
    local rows, columns = 7, 11
    assert.are.same({ 500, rows * columns * 2 }, points.shape)
    for _, at in ipairs { { 1, 1, 1, 1 }, { 500, 7, 11, 2 }, { 251, 3, 5, 2 } } do
      local n, row, column, channel = table.unpack(at)
      local sum = frames[n][1]:narrow(1, 2 * row - 1, 4):narrow(2, 2 * column - 1, 4)
        :select(3, channel):sum():item()
      local index = ((row - 1) * columns + column - 1) * 2 + channel
      assert.is_near(sum / 4, points[n][index]:item(), 1e-12)
    end
  end)
end)
