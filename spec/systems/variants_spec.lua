local raises = require "spec.support.raises"
local torus = require "torus"
local systems = torus.systems
local f64 = { dtype = "float64" }

local function largest(x) return x:abs():max():item() end

describe("friction", function()
  it("damps an oscillator as the closed form has it", function()
    -- q'' + (c/m) q' + (k/m) q = 0 from (q, p) = (1, 0), with a = c / (2 m) and
    -- w^2 = k/m - a^2: q = exp(-a t) (cos w t + (a/w) sin w t).
    local k, m, c = 2, 0.5, 0.3
    local spring = systems.mass_spring_friction:with {
      constants = { friction = c } }
    local q = torus.ones({ 1, 1 }, f64)
    local found = spring:solve(q, q * 0, { dt = 0.05, steps = 255 }).q
      :reshape(-1):totable()
    local a = c / (2 * m)
    local w = math.sqrt(k / m - a * a)
    for i, value in ipairs(found) do
      local t = 0.05 * (i - 1)
      local want = math.exp(-a * t) * (math.cos(w * t) + a / w * math.sin(w * t))
      assert.is_true(math.abs(value - want) < 1e-9)
    end
  end)

  it("takes -c |dH/dp|^2 of the energy per time", function()
    local system = systems.double_pendulum_friction
    local q, p = system:sample { count = 5 }
    p = p + 0.3
    local dq, dp = system:derivatives(q, p)
    local free = system:with { constants = { friction = 0 } }
    local fq, fp = free:derivatives(q, p)
    assert.are.equal(0, largest(dq - fq))
    assert.is_true(largest(dp - (fp - fq * 0.05)) < 1e-14)
    -- dH/dt = dH/dq dq/dt + dH/dp dp/dt, the gradients being those of free.
    local power = (fq * dp - fp * dq):sum(2)
    assert.is_true(largest(power + (fq * fq):sum(2) * 0.05) < 1e-13)
  end)

  it("lets the energy of every trajectory fall throughout", function()
    for _, name in ipairs { "mass_spring", "pendulum", "double_pendulum" } do
      for _, suffix in ipairs { "_friction", "_colours_friction" } do
        local system = systems[name .. suffix]
        local q, p, own = system:sample { count = 9 }
        local trajectory = system:solve(q, p, { dt = 0.05, steps = 255, constants = own })
        local before = system:energy(trajectory.q[1], trajectory.p[1], own)
        for i = 2, 256 do
          local energy = system:energy(trajectory.q[i], trajectory.p[i], own)
          assert.is_true((energy - before):max():item() <= 1e-12)
          before = energy
        end
      end
    end
  end)

  it("can't be negative", function()
    raises("system mass_spring_friction: constants: friction: expected at least 0, "
      .. "got -1", function()
      systems.mass_spring_friction:with { constants = { friction = -1 } }
    end)
    raises("rk45: friction: expected as the third entry of field", function()
      local pendulum = systems.pendulum
      local q, p = pendulum:sample { count = 1 }
      torus.rk45 { field = pendulum:field(), friction = 1, q = q, p = p }
    end)
  end)
end)

describe("constants that vary", function()
  local spring = systems.mass_spring_colours

  it("are uniform, and depend on seed, split and number alone", function()
    local q, _, own = spring:sample { count = 3000, seed = 3 }
    local again, _, part = spring:sample { count = 20, seed = 3, first = 1015 }
    assert.are.same({ "hue", "m", "x", "y" }, spring.varying)
    assert.are.equal(0, largest(own:narrow(1, 1015, 20) - part))
    assert.are.equal(0, largest(q:narrow(1, 1015, 20) - again))
    local m = own:select(2, 2)
    assert.is_true(m:min():item() >= 0.2 and m:max():item() < 1)
    assert.is_true(math.abs(m:mean():item() - 0.6) < 0.02)
  end)

  it("give each trajectory its own motion and energy", function()
    local q, p, own = spring:sample { count = 4 }
    local trajectory = spring:solve(q, p, { steps = 7, constants = own })
    for i, m in ipairs(own:select(2, 2):totable()) do
      local single = systems.mass_spring:with { constants = { m = m } }
      local one, other = q:narrow(1, i, 1), p:narrow(1, i, 1)
      local alone = single:solve(one, other, { steps = 7 })
      assert.are.equal(0, largest(trajectory.q:narrow(2, i, 1) - alone.q))
      local energy = spring:energy(q, p, own):narrow(1, i, 1)
      assert.is_true(largest(energy - single:energy(one, other)) < 1e-15)
    end
  end)

  it("show as size, place and colour of the discs", function()
    -- hue 2 of six is green, m = pi has the radius 1.
    local own = torus.tensor({ { 2.5, math.pi, 0.5, -0.25 } }, f64)
    local o = { resolution = 65, half_width = 2, sharpness = 1000,
      background = { 0, 0, 0 } }
    o.constants = own
    local frame = spring:render(torus.zeros(1, 1), o)[1]
    assert.are.equal(0, largest(frame:select(3, 1)))
    assert.are.equal(0, largest(frame:select(3, 3)))
    local green = frame:select(3, 2)
    local area = green:sum():item() * (4 / 64) ^ 2
    assert.is_true(math.abs(area - math.pi) < 0.03)
    local x = torus.linspace(-2, 2, 65)
    local share = green / green:sum()
    assert.is_true(math.abs((share:sum(1) * x):sum():item() - 0.5) < 1e-3)
    assert.is_true(math.abs((share:sum(2) * x):sum():item() - 0.25) < 1e-3)
  end)

  it("have two different hues of two bodies", function()
    local two = systems.two_body_colours
    local q, _, own = two:sample { count = 200 }
    local frames = two:render(q, { constants = own, background = { 0, 0, 0 } })
    -- The colour where both are: the sums of two hues differ from each alone.
    local seen = {}
    local hue, gap = own:select(2, 2):totable(), own:select(2, 3):totable()
    for i = 1, 200 do
      local first = math.floor(hue[i])
      local second = (first + math.floor(gap[i])) % 6
      assert.are_not.equal(first, second)
      seen[first] = true
    end
    assert.are.equal(5, #seen) -- and 0
    assert.is_true(frames:max():item() > 0.9)
  end)

  it("are fixed by giving them a value", function()
    local light = spring:with { constants = { m = 0.2 } }
    assert.are.same({ "hue", "x", "y" }, light.varying)
    local fixed = light:with { constants = { hue = 1, x = 0, y = 0 } }
    assert.is_nil(fixed.varying)
    assert.is_nil(select(3, fixed:sample { count = 2 }))
  end)

  it("are drawn alike at any place", function()
    local q, p, own = systems.double_pendulum_colours:sample { count = 53 }
    local trajectory = systems.double_pendulum_colours:solve(q, p,
      { steps = 2, constants = own }).q
    local all = systems.double_pendulum_colours:render(trajectory, { constants = own })
    local batch = systems.double_pendulum_colours:render(trajectory:transpose(1, 2),
      { constants = own:unsqueeze(2) })
    assert.are.equal(0, largest(all:transpose(1, 2) - batch))
    local one = systems.double_pendulum_colours:render(trajectory[3]:narrow(1, 17, 1),
      { constants = own:narrow(1, 17, 1) })
    assert.are.equal(0, largest(one[1] - all[3][17]))
  end)

  it("have messages", function()
    local q, p = spring:sample { count = 2 }
    raises("system mass_spring: constants: expected none, as no constant varies, "
      .. "got (2,4)", function()
      systems.mass_spring:energy(q, p, torus.zeros(2, 4))
    end)
    raises("system mass_spring_colours: constants: expected a tensor of shape "
      .. "(rows, 4), hue, m, x, y, got (2,3)",
      function() spring:energy(q, p, torus.zeros(2, 3)) end)
    raises("hnn_data: system: expected constants that are the same for all "
      .. "trajectories, got mass_spring_colours",
      function() torus.data.hnn_data.make(spring) end)
  end)
end)

describe("data of variants", function()
  it("keep their constants in memory and on disk", function()
    local lfs = require "lfs"
    local set = torus.data.simulate("pendulum_colours_friction",
      { train = 5, test = 3, steps = 255, dt = 0.05 })
    assert.are.same({ 5, 256, 2, 1 }, set.train:states({ 1, 2, 3, 4, 5 }).shape)
    local q, _, own = set.system:sample { count = 5 }
    assert.are.equal(0, largest(own - set.train.constants))
    local first = set.train:clean({ 4 }):select(2, 1)
    local want = set.system:render(q:narrow(1, 4, 1):to("float32"),
      { constants = own:narrow(1, 4, 1) })
    assert.are.equal(0, largest(first - want))
    local path = os.tmpname()
    os.remove(path)
    assert(lfs.mkdir(path))
    assert(set:save(path))
    local again = assert(torus.data.load(path, { train = 4 }))
    assert.are.equal(0.05, again.system.friction)
    assert.are.equal(0, largest(again.train:batch({ 2, 4 })
      - set.train:batch({ 2, 4 })))
    assert.are.equal(0, largest(again.train:windows({ 3 }, { 100 }, 5)
      - set.train:batch({ 3 }):narrow(2, 100, 5)))
    for name in lfs.dir(path) do os.remove(path .. "/" .. name) end
    lfs.rmdir(path)
  end)
end)
