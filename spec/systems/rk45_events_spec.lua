-- What torus.rk45 offers besides states at samples: repeated times, tolerances of
-- zero, dense output, events, forces and gradients.
local gradcheck = require "spec.support.gradcheck"
local raises = require "spec.support.raises"
local torus = require "torus"

local function f64(values) return torus.tensor(values, { dtype = "float64" }) end
local function spring(q, p) return ((q * q + p * p) / 2):sum(2) end
local function largest(x) return x:abs():max():item() end

local function solve(opts)
  local o = { H = spring, q = f64 { { 1 }, { 0 } }, p = f64 { { 0 }, { 2 } } }
  for key, value in pairs(opts) do o[key] = value end
  return torus.rk45(o)
end

describe("times of torus.rk45", function()
  it("may repeat, at the start, between and at the end", function()
    for _, field in ipairs { false, true } do
      local times = { 1, 1, 1.5, 1.5, 1.5, 3, 3 }
      local trajectory = field and torus.systems.mass_spring:solve(f64 { { 1 } },
        f64 { { 0 } }, { times = times }) or solve { times = times }
      for i, t in ipairs(times) do
        -- k = 2, m = 0.5: the frequency is 2
        local angle = (t - 1) * (field and 2 or 1)
        assert.is_near(math.cos(angle), trajectory.q[{ i, 1, 1 }]:item(), 1e-9)
      end
    end
    local still = solve { times = { 2, 2, 2 } }
    assert.are.same({ { { 1 }, { 0 } }, { { 1 }, { 0 } }, { { 1 }, { 0 } } },
      still.q:totable())
  end)
end)

describe("tolerances of torus.rk45", function()
  it("may leave atol at 0 where a number is zero, and stays so", function()
    local q, p = f64 { { 0, 1 } }, f64 { { 0, 0 } }
    for _, rtol in ipairs { 1e-6, 1e-10 } do
      local trajectory = solve { q = q, p = p, rtol = rtol, atol = 0, times = { 0, 3 } }
      assert.is_near(math.cos(3), trajectory.q[{ 2, 1, 2 }]:item(), 1e3 * rtol)
      assert.are.equal(0, trajectory.q[{ 2, 1, 1 }]:item())
    end
    local pendulum = torus.systems.pendulum
    local at_rest = pendulum:solve(f64 { { 1 } }, f64 { { 0 } }, { atol = 0 })
    local usual = pendulum:solve(f64 { { 1 } }, f64 { { 0 } })
    assert.is_true(largest(at_rest.q - usual.q) < 1e-8)
  end)

  it("still tell a field that is not finite", function()
    raises("its vector field is not finite", function()
      solve { H = function(q, p) return (p * p + (q - 2):sqrt()):sum(2) end, atol = 0 }
    end)
  end)
end)

describe("dense output of torus.rk45", function()
  it("is the solution at any time, of every trajectory", function()
    for _, times in ipairs { { 0, 4 }, { 1, -3 } } do
      local trajectory = solve { times = times, dense = true }
      local list = {}
      for i = 0, 40 do list[i + 1] = times[1] + (times[2] - times[1]) * i / 40 end
      local q, p = trajectory.at(list)
      assert.are.same({ 41, 2, 1 }, q.shape)
      for i, t in ipairs(list) do
        local s = t - times[1]
        -- the extension's error: of fourth order in steps of about 0.05
        assert.is_near(math.cos(s), q[{ i, 1, 1 }]:item(), 1e-8)
        assert.is_near(2 * math.sin(s), q[{ i, 2, 1 }]:item(), 1e-8)
        assert.is_near(-math.sin(s), p[{ i, 1, 1 }]:item(), 1e-8)
      end
      local one = trajectory.at(times[2])
      assert.are.same({ 2, 1 }, one.shape)
      assert.are.same(trajectory.q[2]:totable(), one:totable())
      assert.are.same(trajectory.q[1]:totable(), trajectory.at(times[1]):totable())
    end
  end)

  it("comes from the engine's kernels, too, and keeps the state's shape", function()
    local system = torus.systems.two_body
    local q, p = system:sample { count = 20 }
    local trajectory = system:solve(q, p, { times = { 0, 2 }, dense = true })
    local want = system:solve(q, p, { times = { 0, 0.77, 2 } })
    assert.is_true(largest(trajectory.at(0.77) - want.q[2]) < 1e-7)
    local wide = solve { q = torus.ones({ 2, 3, 4 }), p = torus.zeros({ 2, 3, 4 }),
      H = function(x, y) return ((x * x + y * y) / 2):sum { 2, 3 } end, dense = true }
    assert.are.same({ 5, 2, 3, 4 }, wide.at({ 0, 0.1, 0.2, 0.3, 0.4 }).shape)
  end)

  it("ends where the solution does", function()
    local at = solve { times = { 0, 2 }, dense = true }.at
    raises("rk45: at: expected times from 0 to 2, got 2.5", function() at(2.5) end)
    raises("rk45: at: expected times from 0 to 2, got -1 at 2", function()
      at { 0, -1 }
    end)
    raises("rk45: at: expected a time or a list of times, got \"now\"", function()
      at "now"
    end)
  end)
end)

describe("events of torus.rk45", function()
  local function position(q) return q:sum(2) end

  it("are where a function passes through zero, to the last digits", function()
    -- cos t and 2 sin t; the second starts on zero, which is no passage
    local found = solve { times = { 0, 10 }, events = { position } }.events[1]
    for i, t in ipairs(found[1].t:totable()) do
      assert.is_near((i - 0.5) * math.pi, t, 1e-8)
      assert.is_near(0, found[1].q[i]:item(), 1e-12)
      assert.is_near((-1) ^ i, found[1].p[i]:item(), 1e-8)
    end
    assert.are.equal(3, found[1].t:size(1))
    assert.are.same({ 3, 1 }, found[1].q.shape)
    assert.are.equal(3, found[2].t:size(1))
    assert.is_near(math.pi, found[2].t[1]:item(), 1e-8)
  end)

  it("have a direction, and may depend on time and momentum", function()
    local events = solve { times = { 0, 10 }, events = {
      { zero = position, direction = 1 }, { zero = position, direction = -1 },
      function(_, p, t) return p:sum(2) * 0 + t - 5 end } }.events
    local function times(list) return list[1].t:totable() end
    assert.are.equal(1, #times(events[1]))
    assert.is_near(1.5 * math.pi, times(events[1])[1], 1e-8)
    assert.are.equal(2, #times(events[2]))
    assert.is_near(5, times(events[3])[1], 1e-12)
    -- backward: in the order of the integration
    local back = solve { times = { 0, -10 }, events = { position } }.events[1][1].t
    assert.is_near(-0.5 * math.pi, back[1]:item(), 1e-8)
  end)

  it("stop a trajectory where they are terminal", function()
    local trajectory = solve { times = { 0, 1, 2, 3, 4 }, dense = true, events = {
      { zero = position, terminal = true }, function(_, p) return p:sum(2) end } }
    assert.is_near(math.pi / 2, trajectory.stopped[1], 1e-8)
    assert.is_near(math.pi, trajectory.stopped[2], 1e-8)
    local q = trajectory.q:totable()
    assert.is_near(math.cos(1), q[2][1][1], 1e-9)
    assert.is_true(q[3][1][1] ~= q[3][1][1])
    assert.is_near(2 * math.sin(3), q[4][2][1], 1e-9)
    assert.is_true(q[5][2][1] ~= q[5][2][1])
    -- what comes later is left out
    assert.are.equal(0, trajectory.events[2][1].t:size(1))
    assert.are.equal(1, trajectory.events[2][2].t:size(1))
  end)

  it("end the dense output, too, and only that of their trajectory", function()
    for _, direction in ipairs { 1, -1 } do
      local trajectory = solve { times = { 0, 4 * direction }, dense = true, events = {
        { zero = function(q) return q:sum(2) - 0.25 end, terminal = true } },
        q = f64 { { 1 }, { 0 } }, p = f64 { { 0 }, { 0 } } }
      local stop = trajectory.stopped[1]
      assert.is_near(math.acos(0.25), stop * direction, 1e-8) -- q = cos t, and 0
      local q = trajectory.at { stop, stop + 1e-6 * direction, 3 * direction }
      assert.is_near(0.25, q[{ 1, 1, 1 }]:item(), 1e-8)
      for i = 2, 3 do
        local late = q[{ i, 1, 1 }]:item()
        assert.is_true(late ~= late)
        assert.are.equal(0, q[{ i, 2, 1 }]:item())
      end
    end
  end)

  it("are missed if they occur twice within a step, which max_step limits", function()
    local function times(max_step)
      local o = { times = { 0, 4 }, rtol = 1e-6, max_step = max_step,
        q = f64 { { 1 } }, p = f64 { { 0 } },
        events = { function(q) return q:sum(2) + 0.99999 end } }
      return solve(o).events[1][1].t:totable()
    end
    assert.are.same({}, times())
    -- q = cos t, twice within 0.009
    local found, half = times(0.004), math.acos(0.99999)
    assert.are.equal(2, #found)
    assert.is_near(math.pi - half, found[1], 1e-4) -- the error of q, 1e-6, over its velocity
    assert.is_near(math.pi + half, found[2], 1e-4)
  end)

  it("stop before a collision that would be an error", function()
    local two = torus.systems.two_body
    local q, p = f64 { { -1, 0, 1, 0 } }, f64 { { 0, 0, 0, 0 } }
    raises("its step size fell below the resolution of time", function()
      torus.rk45 { H = two, q = q, p = p, times = { 0, 10 } }
    end)
    raises("rk45: trajectory 1 failed at t = ", function()
      torus.rk45 { H = two, q = q, p = p, times = { 0, 10 }, dense = true }
    end)
    local trajectory = torus.rk45 { H = two, q = q, p = p, times = { 0, 10 },
      events = { { terminal = true, zero = function(x)
        return x:narrow(2, 3, 1):squeeze(2) - 0.1
      end } } }
    -- Free fall of the distance r from 2 to 0.2, r'' = -2 / r^2, at rest:
    -- t = sqrt(2) (acos(sqrt(x)) + sqrt(x (1 - x))) with x = r / 2.
    local want = math.sqrt(2) * (math.acos(math.sqrt(0.1)) + math.sqrt(0.09))
    assert.is_near(want, trajectory.stopped[1], 1e-8)
  end)

  it("have messages", function()
    raises("rk45: events: expected a list of functions of q, p and t, or of tables with "
      .. "zero, direction and terminal, got 3", function() solve { events = 3 } end)
    raises("rk45: event 1: option \"zero\" is missing", function()
      solve { events = { { direction = 1 } } }
    end)
    raises("rk45: events: expected one number for each state from zero(q, p, t), shape",
      function() solve { events = { function(q) return q end } } end)
  end)
end)

describe("forces of torus.rk45", function()
  it("drive an oscillator as its closed form says", function()
    -- q'' + q = cos(3 t) from rest: (cos t - cos 3 t) / 8
    local trajectory = solve { q = f64 { { 0 }, { 0 } }, p = f64 { { 0 }, { 0 } },
      force = function(_, t) return (t * 3):cos() end }
    for i = 1, 31 do
      local t = (i - 1) * 0.125
      assert.is_near((math.cos(t) - math.cos(3 * t)) / 8,
        trajectory.q[{ i, 2, 1 }]:item(), 1e-9)
    end
    local later = solve { time = 2, steps = 1, force = function(_, t) return t end }
    -- q'' + q = t from (1, 0) at t = 2: t + a cos(t - 2) + b sin(t - 2)
    assert.is_near(2.125 - math.cos(0.125) - math.sin(0.125),
      later.q[{ 2, 1, 1 }]:item(), 1e-9)
    raises("rk45: force needs H, got field", function()
      torus.rk45 { field = torus.systems.pendulum:field(), force = 1, q = f64 { { 1 } },
        p = f64 { { 1 } } }
    end)
  end)
end)

describe("gradients of torus.rk45", function()
  it("are the closed forms of an oscillator, for both ways to them", function()
    for _, backprop in ipairs { "stored", "checkpoints" } do
      local q = torus.tensor({ { 1 }, { 0.3 } }, { dtype = "float64",
        requires_grad = true })
      local k = torus.tensor({ 1.7 }, { dtype = "float64", requires_grad = true })
      local function H(x, y) return ((x * x * k + y * y) / 2):sum(2) end
      local trajectory = torus.rk45 { H = H, q = q, p = q * 0, times = { 0, 1, 1, 3 },
        backprop = backprop }
      local plain = torus.rk45 { H = H, q = q, p = q * 0, times = { 0, 1, 1, 3 } }
      assert.is_false(plain.q.requires_grad)
      -- the same steps but for those that end at samples
      assert.is_true(largest(trajectory.q - plain.q) < 1e-9)
      local dq, dk = table.unpack(torus.grad(trajectory.q[-1]:sum(), { q, k }))
      local w = math.sqrt(1.7)
      assert.is_near(math.cos(3 * w), dq[1]:item(), 1e-8)
      assert.is_near(-1.3 * math.sin(3 * w) * 3 / (2 * w), dk:item(), 1e-8)
    end
  end)

  it("agree with differences, of the second order too", function()
    local input = torus.tensor({ { 0.4, -0.3 } }, { dtype = "float64",
      requires_grad = true })
    local function f(x)
      local trajectory = torus.rk45 { q = x, p = x * 0.5, times = { 0, 0.7 }, rtol = 1e-4,
        atol = 1e-4, backprop = "stored", friction = 0.1,
        first_step = 0.2, max_step = 0.2, -- the same steps on either side
        force = function(q, t) return (q * t):sin() end,
        H = function(q, p) return ((q ^ 4 + p * p + q * p) / 2):sum(2) end }
      return (trajectory.q[-1] * trajectory.p[-1]):sum()
    end
    gradcheck.check(f, { input }, 1, "rk45")
    gradcheck.check(f, { input }, 2, "rk45")
  end)

  it("need H, and leave a network's parameters float32", function()
    local net = torus.nn.MLP { sizes = { 2, 8, 1 }, activation = "tanh", scalar = true }
    local q, p = torus.rand(3, 1), torus.rand(3, 1)
    local trajectory = torus.rk45 { H = torus.joint(net), q = q, p = p, steps = 2,
      rtol = 1e-4, atol = 1e-4, backprop = "checkpoints" }
    trajectory.q[-1]:sum():backward()
    assert.are.equal("float32", net:parameters()[1].grad.dtype)
    assert.is_true(largest(net:parameters()[1].grad) > 0)
    raises('rk45: backprop = "stored" needs H, got field', function()
      torus.rk45 { field = torus.systems.pendulum:field(), q = q, p = p,
        backprop = "stored" }
    end)
  end)
end)
