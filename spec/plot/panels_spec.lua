-- The numbers in the panels of phase portraits and of flows.
local flow = require "torus.plot.flow"
local portrait = require "torus.plot.portrait"
local raises = require "spec.support.raises"
local torus = require "torus"

local F64 = { dtype = "float64" }

local function near(expected, got, tolerance)
  assert.is_true(math.abs(expected - got) <= tolerance,
    string.format("expected %.15g, got %.15g", expected, got))
end

local function list(x) return x:reshape(-1):totable() end

describe("the arrows of a phase portrait", function()
  -- Checks those of a system of whose motion dq/dt and dp/dt are given.
  local function follow(H, motion)
    local n, width, height = 6, 8, 3
    local panel = portrait.panel { H = H, arrows = n, points = 3, qrange = { -4, 4 },
      prange = { -1, 2 } }
    local a = panel.series[1]
    local x, y, dx, dy = list(a.x), list(a.y), list(a.dx), list(a.dy)
    assert.equal(n * n, #x)
    for k = 1, n * n do
      -- the middle of an arrow: of 6 x 6 equal parts of the panel
      local q, p = x[k] + dx[k] / 2, y[k] + dy[k] / 2
      near(-4 + width * ((k - 1) % n + 0.5) / n, q, 1e-12)
      near(-1 + height * ((k - 1) // n + 0.5) / n, p, 1e-12)
      local dq, dp = motion(q, p)
      local length = math.sqrt((dq / width) ^ 2 + (dp / height) ^ 2)
      near(0.7 / n * dq / length, dx[k], 1e-12)
      near(0.7 / n * dp / length, dy[k], 1e-12)
    end
  end

  it("follow the motion, with friction and with the force at t = 0", function()
    -- H = 3 (1 - cos q) + p^2
    follow(torus.systems.pendulum, function(q, p) return 2 * p, -3 * math.sin(q) end)
    local system = torus.systems.pendulum_friction
    assert.is_true(system.friction > 0.01)
    follow(system, function(q, p)
      return 2 * p, -3 * math.sin(q) - system.friction * 2 * p
    end)
    -- H = 1 - cos q + p^2 / 2, a friction of 0.5 and the force 1.15 cos(2 t / 3)
    follow(torus.systems.driven_pendulum, function(q, p)
      return p, -math.sin(q) - 0.5 * p + 1.15
    end)
  end)
end)

describe("the panels of flows", function()
  local model = torus.models.nhf({ dimension = 2, flows = 3, width = 8, energy_gain = 4,
    dtype = "float64" }, torus.generator(1))
  local target = torus.data.targets.mixture { modes = 3 }
  local panels = flow.panels({ { model = model, target = target } },
    { samples = 40, paths = 7, points = 9 })

  it("have the mean energies of the flows", function()
    assert.equal(6, #panels)
    for k, name in pairs { [3] = "K", [4] = "V" } do
      local panel = panels[k]
      for _, at in ipairs { { 1, 1 }, { 2, 7 }, { 9, 4 } } do
        local row, column = table.unpack(at)
        local point = torus.tensor({ { panel.x[column]:item(), panel.y[row]:item() } }, F64)
        local sum = 0
        for _, one in ipairs(model.flow) do sum = sum + one[name](point):item() end
        near(sum / 3, panel.z[row][column]:item(), 1e-12)
      end
    end
  end)

  it("have the estimates of both densities", function()
    -- The same samples, and the kernel estimate at one place of the grid as a loop.
    local generator = torus.generator(1)
    local drawn = { target:sample(40, generator), (model:sample(40, { generator = generator })) }
    for k = 1, 2 do
      local panel, sum = panels[k], 0
      local a, b = panel.x[6]:item(), panel.y[4]:item()
      for _, point in ipairs(drawn[k]:totable()) do
        sum = sum + math.exp(-((point[1] - a) ^ 2 + (point[2] - b) ^ 2) / (2 * 0.3 ^ 2))
      end
      near(sum / (40 * 2 * math.pi * 0.3 ^ 2), panel.z[4][6]:item(), 1e-12)
    end
  end)

  it("have paths from the prior's samples to the learned ones", function()
    local generator = torus.generator(1)
    target:sample(40, generator)
    local learned, _, path = model:sample(40, { generator = generator, path = true })
    for k, last in pairs { [5] = 2, [6] = path.q:size(1) } do
      local series = panels[k].series
      assert.equal(7 + 3, #series)
      for i = 1, 7 do
        assert.same(list(path.q[{ { 1, last }, i, 1 }]), list(series[i].x))
        assert.same(list(path.q[{ { 1, last }, i, 2 }]), list(series[i].y))
        assert.equal(series[i].x[1]:item(), series[8].x[i]:item())
        assert.equal(series[i].y[1]:item(), series[8].y[i]:item())
        assert.equal(series[i].x[last]:item(), series[9].x[i]:item())
        assert.equal(series[i].y[last]:item(), series[9].y[i]:item())
      end
      assert.same(list(target.modes:select(2, 1)), list(series[10].x))
      assert.same(list(target.modes:select(2, 2)), list(series[10].y))
    end
    assert.same(list(learned[{ { 1, 7 }, 1 }]), list(panels[6].series[9].x))
    assert.is_true((learned - path.q[1]):abs():max():item() > 0.1)
  end)

  it("are those of two dimensions", function()
    raises("plot.flow: expected flows of two dimensions, got 1", function()
      flow.panels { { model = torus.models.nhf { dimension = 1, width = 4, flows = 1 },
        target = target } }
    end)
  end)
end)
