-- Where the targets lie: moments and supports from their definitions.
local torus = require "torus"

local targets = torus.data.targets
local COUNT = 20000

-- Samples of a target, float64, and their squared radii.
local function drawn(name, opts)
  local x = assert(targets.get(name, opts)):sample(COUNT, torus.generator(3), "float64")
  return x, x:square():sum(2)
end

-- The mean of numbers is the expected one to five standard errors.
local function has_mean(expected, numbers)
  local error_ = numbers:std(1):item() / math.sqrt(numbers:numel())
  assert.is_near(expected, numbers:mean():item(), 5 * error_)
end

describe("the samples of", function()
  it("rings are around circles of the radii 1.25 and 2.5", function()
    local _, squares = drawn "rings"
    local outer = squares:sqrt():gt(1.875):to("float64")
    -- 1.875 is four standard deviations away from both.
    assert.is_near(0.5, outer:mean():item(), 5 * 0.5 / math.sqrt(COUNT))
    for side, radius in pairs { [0] = 1.25, [1] = 2.5 } do
      local own = squares:masked_select(outer:eq(side))
      has_mean(radius ^ 2 + 2 * 0.15 ^ 2, own)
      -- Along the radius the deviation is 0.15, to five standard errors.
      assert.is_near(0.15, own:sqrt():std(1):item(), 5 * 0.15 / math.sqrt(COUNT))
    end
  end)

  it("spirals are along two arms that reach the radius 3 in one and a quarter turns", function()
    local x, squares = drawn "spirals"
    -- The squared radius is 9 t with t uniform in [0, 1), and the noise adds 2 * 0.12^2.
    has_mean(4.5 + 2 * 0.12 ^ 2, squares)
    has_mean(0, x:select(2, 1)) -- the arms are opposite
    assert.is_true(squares:max():item() < (3 + 6 * 0.12) ^ 2)
    -- At the radius r an arm is at the angle 2.5 pi r / 3, or opposite to it.
    local r = squares:sqrt()
    local far = r:gt(2)
    local turn = x:select(2, 2):masked_select(far):atan2(x:select(2, 1):masked_select(far))
      - r:masked_select(far) * (2.5 * math.pi / 3)
    -- Both arms have the same doubled angle; radius and angle are off by about 0.12, 0.12/r.
    assert.is_true((turn * 2):cos():mean():item() > 0.7)
  end)

  it("moons are around half circles of the radius 1.5", function()
    local x = drawn "moons"
    local centre = torus.tensor({ 0.75, 0.375 }, { dtype = "float64" })
    -- The upper half circle is around -centre, the lower one around it.
    local upper = (x + centre):square():sum(2):sqrt()
    local lower = (x - centre):square():sum(2):sqrt()
    local off = torus.minimum((upper - 1.5):abs(), (lower - 1.5):abs())
    assert.is_true(off:max():item() < 6 * 0.15)
    -- The nearer of both circles is at most the own one, whose mean distance is that of a
    -- normal number.
    assert.is_true(off:mean():item() < 0.15 * math.sqrt(2 / math.pi))
    has_mean(0, x:select(2, 1))
    has_mean(0, x:select(2, 2))
    -- The mean square of 1.5 sin - 0.375, and the noise's; a sine is 2 / pi on average.
    has_mean(1.5 ^ 2 / 2 - 2 * 0.375 * 1.5 * 2 / math.pi + 0.375 ^ 2 + 0.15 ^ 2,
      x:select(2, 2):square())
    -- That of 1.5 cos - 0.75.
    has_mean(1.5 ^ 2 / 2 + 0.75 ^ 2 + 0.15 ^ 2, x:select(2, 1):square())
  end)

  it("a checkerboard are uniform over the squares of one colour", function()
    local x, squares = drawn "checkerboard"
    assert.is_true(x:abs():max():item() < 3)
    local cell = (x / 1.5):floor():sum(2)
    assert.is_true(cell:remainder(2):eq(0):all():item())
    has_mean(2 * 3 ^ 2 / 3, squares) -- both coordinates are uniform in [-3, 3]
  end)

  it("a pinwheel are on arms around the radius 1.8", function()
    local _, squares = drawn "pinwheel"
    has_mean(1.8 ^ 2 + 0.55 ^ 2 + 0.15 ^ 2, squares) -- turning keeps radii
  end)

  it("mixtures are around modes at the radius 2.5, or 1.5 times the root of the dimension",
    function()
      for d, radius in pairs { [1] = 2.5, [2] = 2.5, [5] = 1.5 * math.sqrt(5) } do
        local _, squares = drawn("mixture", { modes = 2, dimension = d })
        has_mean(radius ^ 2 + d * 0.4 ^ 2, squares)
      end
      local _, squares = drawn("mixture", { radius = 1, std = 0.1 })
      has_mean(1 + 2 * 0.1 ^ 2, squares)
    end)
end)
