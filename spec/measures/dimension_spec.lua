local raises = require "spec.support.raises"
local torus = require "torus"

local estimate = torus.measures.dimension.estimate

describe("the dimension of a set of points", function()
  -- Uniform in d dimensions, mapped smoothly into thirty.
  local function points(d, count)
    local generator = torus.generator(d)
    local x = torus.rand(count, d, { generator = generator })
    return (x:matmul(torus.randn(d, 30, { generator = generator }))):sin()
  end

  it("is that of the parameters", function()
    for d = 1, 4 do
      for _, k in ipairs { 5, 20 } do
        assert.is_near(d, estimate(points(d, 4000), { neighbours = k }), 0.08 * d)
      end
    end
  end)

  it("is the mean over all points of a direct loop", function()
    local x, k, total = torus.randn(60, 3, { dtype = "float64" }), 6, 0
    for i = 1, 60 do
      local distances = {}
      for j = 1, 60 do
        if j ~= i and (j - i) % 7 ~= 0 then
          distances[#distances + 1] = (x[i] - x[j]):square():sum():sqrt():item()
        end
      end
      table.sort(distances)
      for j = 1, k - 1 do total = total + math.log(distances[k] / distances[j]) end
    end
    local groups = {}
    for i = 1, 60 do groups[i] = i % 7 end
    assert.is_near(60 * (k - 1) / total,
      estimate(x, { neighbours = k, groups = groups }), 1e-9)
  end)

  it("needs more points than neighbours, and a group for each", function()
    raises("dimension.estimate: expected more points than neighbours = 20, got 20",
      function() estimate(torus.rand(20, 2)) end)
    raises("dimension.estimate: groups: expected one number for each of the 30 points, got 1",
      function() estimate(torus.rand(30, 2), { groups = { 1 } }) end)
    local groups = {}
    for i = 1, 30 do groups[i] = i <= 25 and 1 or i end
    assert.is_number(estimate(torus.rand(30, 2), { groups = groups, neighbours = 5 }))
    raises("dimension.estimate: groups: expected at least neighbours = 6 of the 30 points "
      .. "outside each group, got more than 24 points in group 1", function()
      estimate(torus.rand(30, 2), { groups = groups, neighbours = 6 })
    end)
  end)

  it("checks its arguments", function()
    raises("points: expected a tensor, got 5", function() estimate(5) end)
    raises("points: expected a tensor (n, any sizes), got tensor () float64",
      function() estimate(torus.tensor(1, { dtype = "float64" })) end)
    raises("groups: expected a list of integers", function()
      estimate(torus.rand(30, 2), { groups = { "a" } })
    end)
    raises("groups: expected a list of integers", function()
      estimate(torus.rand(30, 2), { groups = 5 })
    end)
  end)
end)
