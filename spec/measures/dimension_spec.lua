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

  -- The estimate by a loop over the points of these indices.
  local function direct(x, k, groups, indices)
    local total = 0
    for _, i in ipairs(indices) do
      local distances = {}
      for j = 1, x:size(1) do
        if groups[j] ~= groups[i] then
          distances[#distances + 1] = (x[i] - x[j]):square():sum():sqrt():item()
        end
      end
      table.sort(distances)
      for j = 1, k - 1 do total = total + math.log(distances[k] / distances[j]) end
    end
    return #indices * (k - 1) / total
  end

  it("is the mean over all points of a direct loop", function()
    local x, groups, all = torus.randn(60, 3, { dtype = "float64" }), {}, {}
    for i = 1, 60 do groups[i], all[i] = i % 7, i end
    assert.is_near(direct(x, 6, groups, all),
      estimate(x, { neighbours = 6, groups = groups }), 1e-9)
    assert.is_near(direct(x, 6, all, { 1, 11, 21, 31, 41, 51 }),
      estimate(x, { neighbours = 6, count = 6 }), 1e-9)
  end)

  it("averages over points that are evenly spaced in the list", function()
    local generator = torus.generator(4)
    local line = torus.rand(1000, 2, { generator = generator }) * torus.tensor { 1, 0 } + 5
    local plane = torus.rand(1000, 2, { generator = generator })
    local x = torus.cat({ line, plane }, 1)
    -- 1/d is the mean of 1 and 1/2; 100 points leave a standard error of 1/sqrt(100 * 19).
    assert.is_near(4 / 3, estimate(x, { count = 100 }), 0.15)
  end)

  it("is that of the places where points lie, which may coincide", function()
    local x, m = torus.randn(60, 3, { dtype = "float64" }), 6
    -- Every distance occurs twice among 2 m neighbours: twice the sum over m of them, by
    -- 2 m - 1 instead of m - 1.
    assert.is_near(estimate(x, { neighbours = m }) * (2 * m - 1) / (2 * (m - 1)),
      estimate(torus.cat({ x, x }, 1), { neighbours = 2 * m }), 1e-6)
    raises("dimension.estimate: points: expected at least neighbours = 5 different ones beside "
      .. "each point, outside its group, got fewer", function()
      estimate(torus.cat({ torus.ones(20, 2), torus.eye(2), -torus.eye(2) }, 1),
        { neighbours = 5 })
    end)
  end)

  it("needs more points than neighbours, and a group for each", function()
    raises("dimension.estimate: expected more points than neighbours = 20, got 20",
      function() estimate(torus.rand(20, 2)) end)
    raises("dimension.estimate: groups: expected one number for each of the 30 points, got 1",
      function() estimate(torus.rand(30, 2), { groups = { 1 } }) end)
    local groups = {}
    for i = 1, 30 do groups[i] = i <= 25 and 1 or i end
    local x, all = torus.rand(30, 2, { dtype = "float64" }), {}
    for i = 1, 30 do all[i] = i end
    assert.is_near(direct(x, 5, groups, all),
      estimate(x, { groups = groups, neighbours = 5 }), 1e-9)
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
