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
