-- Long rollouts: what is recorded, what is kept, and gradients with the memory of
-- one step.
local raises = require "spec.support.raises"
local schemes = require "torus.schemes"
local torus = require "torus"
local f64 = { dtype = "float64" }

local function kinetic(p) return (p * p):sum(2) * 0.5 end
local function spring(q) return (q * q):sum(2) * 0.5 end
local OSCILLATOR = torus.separable(kinetic, spring)
local function joint(q, p)
  return ((q * q + 1) * p * p * 0.5 + q * q * 0.5 + q * p * 0.1):sum(2)
end

local function leaf(value, recorded)
  return torus.tensor({ { value } }, { dtype = "float64",
    requires_grad = recorded ~= false })
end

local function roll(opts)
  local o = { H = OSCILLATOR, q = leaf(1, false), p = leaf(0, false), dt = 0.1 }
  for key, value in pairs(opts) do o[key] = value end
  return torus.integrate(o)
end

local function peak()
  for line in io.lines("/proc/self/status") do
    local kilobytes = line:match("VmHWM:%s*(%d+)")
    if kilobytes then return tonumber(kilobytes) end
  end
end

describe("a rollout that needs no gradient", function()
  it("is not recorded, whatever the scheme", function()
    for _, method in ipairs(torus.integrate.methods) do
      assert.is_false(roll { method = method, steps = 2 }.q.requires_grad)
    end
  end)

  it("is recorded where the state, dt or a parameter of H asks for it", function()
    local k = leaf(2)
    local H = torus.separable(kinetic, function(q) return (q * q * k):sum(2) end)
    for _, change in ipairs { { q = leaf(1) }, { p = leaf(0) }, { H = H },
      { dt = torus.tensor({ 0.1 }, { dtype = "float64", requires_grad = true }) },
      { friction = leaf(0.1) }, { force = leaf(0.1) } } do
      change.steps = 2
      assert.is_true(roll(change).q.requires_grad)
      assert.is_false(torus.no_grad(roll, change).q.requires_grad)
    end
  end)

  it("stays small over 20,000 steps, with the energy bounded", function()
    local before = peak()
    local e = roll { steps = 20000, every = 100, energies = true }.energy
    -- leapfrog's energy is off by at most dt^2/8 of it
    assert.is_true((e - 0.5):abs():max():item() <= 0.5 * 0.1 ^ 2 / 4)
    -- Tensors are collected when they have grown by 36 MiB; a recorded rollout takes 370 MB. A
    -- sanitizer surrounds every allocation with memory of its own.
    local most = (os.getenv "LD_PRELOAD" or "") == "" and 60000 or 150000
    assert.is_true(peak() - before < most, peak() - before)
  end)
end)

describe("option every", function()
  it("keeps each such state, the same for every path", function()
    local net = torus.nn.MLP { sizes = { 1, 4, 1 }, activation = "tanh",
      scalar = true, dtype = "float64" }
    for _, o in ipairs { {}, { q = leaf(1) }, { q = leaf(1), backprop = "reversible" },
      { q = leaf(1), backprop = "checkpoints" }, { H = torus.separable(net, net) } } do
      o.steps, o.energies = 12, true
      local all = roll(o)
      o.every = 4
      local kept = roll(o)
      assert.are.same({ 4, 1, 1 }, kept.q.shape)
      for i = 1, 4 do
        assert.are.equal(all.q[4 * i - 3]:item(), kept.q[i]:item())
        assert.are.equal(all.p[4 * i - 3]:item(), kept.p[i]:item())
        assert.is_near(all.energy[4 * i - 3]:item(), kept.energy[i]:item(), 1e-15)
      end
    end
  end)

  it("divides the steps", function()
    raises("integrate: steps: expected a multiple of every, got steps = 10 "
      .. "and every = 4", function() roll { steps = 10, every = 4 } end)
  end)

  it("shows states and progress as they come", function()
    local net = torus.nn.MLP { sizes = { 1, 4, 1 }, scalar = true, dtype = "float64" }
    for _, H in ipairs { OSCILLATOR, torus.separable(net, net) } do
      local seen, reported = {}, 0
      local trajectory = roll { H = H, steps = 6, every = 2, time = 5,
        on_state = function(state) seen[#seen + 1] = state end,
        progress = function(done, all)
          assert.are.equal(6, all)
          reported = done
        end }
      assert.are.equal(4, #seen)
      assert.are.equal(6, reported)
      for i, state in ipairs(seen) do
        assert.are.equal(2 * i - 2, state.step)
        assert.is_near(5 + 0.2 * (i - 1), state.time, 1e-14)
        assert.are.equal(trajectory.q[i]:item(), state.q:item())
        assert.are.equal(trajectory.p[i]:item(), state.p:item())
      end
    end
    local line = torus.runs.progress(300, 0, { active = false })
    roll { steps = 300, every = 300, progress = line }
    raises("integrate: progress: expected a function of (steps done", function()
      roll { progress = true }
    end)
  end)
end)

-- A problem with parameters of every sort: of H through a history that all steps
-- share, of the friction, of the force, and dt.
local function gradients(o)
  local q, p, a, c, f = leaf(0.7), leaf(-0.2), leaf(0.3), leaf(0.2), leaf(0.5)
  local dt = torus.tensor({ 0.05 }, { dtype = "float64", requires_grad = true })
  local k = a:exp()
  local leaves = { q, p, a, f, dt }
  local H = o.joint and function(x, y) return joint(x, y) + (x * x * k):sum(2) end
    or torus.separable(function(y) return (y ^ 4 * 0.1 + y * y):sum(2) end,
      function(x) return ((1 - x:cos()) * k):sum(2) end)
  if o.friction then leaves[#leaves + 1] = c end
  local trajectory = torus.integrate { H = H, q = q, p = p, dt = dt, method = o.method,
    steps = 12, every = o.every, backprop = o.backprop, time = 0.3,
    friction = o.friction and c or nil,
    force = function(x, t) return (t * 2):cos() * f * x end }
  -- k is part of the loss, too: the two sweeps meet in its history
  local y = (trajectory.q * trajectory.q):sum() + (trajectory.p[-1] * k):sum()
  local found = torus.grad(y, leaves)
  for i, g in ipairs(found) do found[i] = g:item() end
  return found, y:item()
end

describe("gradients step by step", function()
  for _, method in ipairs(torus.integrate.methods) do
    local scheme = schemes.of(method)
    for _, backprop in ipairs { "reversible", "checkpoints" } do
      if backprop == "checkpoints" or schemes.is_reversible(scheme) then
        it(("equal the recorded ones: %s, %s"):format(method, backprop), function()
          local damps = not scheme.extended
            and (not scheme.splitting or scheme.order <= 2)
          for _, every in ipairs { 1, 12 } do
            local o = { method = method, every = every,
              friction = damps and every > 1, joint = schemes.accepts_joint(scheme) }
            local want, value = gradients(o)
            o.backprop = backprop
            local got, same = gradients(o)
            assert.are.equal(value, same)
            for i, g in ipairs(want) do
              -- rounding; of states that were integrated backward
              assert.is_near(g, got[i], 1e-10 * math.max(1, math.abs(g)))
            end
          end
        end)
      end
    end
  end

  it("are closed forms of an oscillator after 10,000 steps, in little memory", function()
    local n, dt = 10000, 0.1
    -- A leapfrog step turns (q, p) by an angle whose cosine is 1 - dt^2/2.
    local angle = n * math.acos(1 - dt * dt / 2)
    local before = peak()
    for _, backprop in ipairs { "reversible", "checkpoints" } do
      local q, p = leaf(1), leaf(0)
      local trajectory = roll { q = q, p = p, steps = n, every = n,
        backprop = backprop }
      assert.is_near(math.cos(angle), trajectory.q[-1]:item(), 1e-9)
      local dq, dp = table.unpack(torus.grad(trajectory.q[-1]:sum(), { q, p }))
      assert.is_near(math.cos(angle), dq:item(), 1e-9)
      assert.is_near(math.sin(angle) / math.sqrt(1 - dt * dt / 4), dp:item(), 1e-9)
    end
    assert.is_true(peak() - before < 50000, peak() - before)
  end)

  it("fill .grad, sweep again with retain_graph, and say what they can't", function()
    local q = leaf(0.5)
    local function loss() return roll { q = q, steps = 5,
      backprop = "reversible" }.q[-1]:sum() end
    local y = loss()
    local g = torus.grad(y, q, { retain_graph = true }):item()
    assert.are.equal(g, torus.grad(y, q):item())
    loss():backward()
    assert.are.equal(g, q.grad:item())
    raises("integrate: backprop = \"reversible\" has first-order gradients "
      .. "only; use backprop = \"stored\" for higher orders", function()
      torus.grad(loss(), q, { create_graph = true })
    end)
    raises("was freed by an earlier backward pass", function() torus.grad(y, q) end)
  end)

  it("pass an error of H on", function()
    local calls = 0
    local trajectory = roll { q = leaf(1), steps = 3, backprop = "checkpoints",
      H = torus.separable(kinetic, function(q)
        calls = calls + 1
        if calls > 6 then error("no more", 0) end
        return spring(q)
      end) }
    assert.error_matches(function()
      torus.grad(trajectory.q[-1]:sum(), trajectory.q, { allow_unused = true })
      torus.grad(trajectory.q[-1]:sum(), leaf(1), { allow_unused = true })
      trajectory.q[-1]:sum():backward()
    end, "no more")
  end)

  it("leave no tensor and no function behind", function()
    collectgarbage()
    collectgarbage()
    local live = torus.memory().tensors
    local function once()
      local q = leaf(1)
      torus.grad(roll { q = q, steps = 3, backprop = "reversible" }.q[-1]:sum(), q)
      roll { q = q, steps = 3, backprop = "checkpoints" }
    end
    for _ = 1, 20 do once() end
    collectgarbage()
    collectgarbage()
    assert.is_true(torus.memory().tensors <= live)
  end)
end)

describe("schemes for a joint Hamiltonian", function()
  it("are undone by a step of -dt where they are implicit", function()
    for _, method in ipairs { "implicit_midpoint", "gauss4" } do
      local there = roll { H = joint, method = method, steps = 100 }
      local back = roll { H = joint, method = method, steps = 100, dt = -0.1,
        q = there.q[-1], p = there.p[-1] }
      -- the iteration's tolerance, 200 times
      assert.is_near(1, back.q[-1]:item(), 1e-10)
      assert.is_near(0, back.p[-1]:item(), 1e-10)
    end
  end)

  local function volume(final, leaves)
    local rows = {}
    for i, x in ipairs(final) do
      local g = torus.grad(x:sum(), leaves, { retain_graph = true,
        allow_unused = true })
      rows[i] = {}
      for j = 1, #leaves do rows[i][j] = g[j] and g[j]:item() or 0 end
    end
    return torus.linalg.det(torus.tensor(rows, f64)):item()
  end

  it("keep volume where they are implicit", function()
    for _, method in ipairs { "implicit_midpoint", "gauss4" } do
      local q, p = leaf(0.8), leaf(0.3)
      local trajectory = roll { H = joint, method = method, steps = 30, q = q, p = p }
      assert.is_near(1, volume({ trajectory.q[-1], trajectory.p[-1] }, { q, p }), 1e-9)
    end
  end)

  it("keep volume and turn back in both copies of the phase space", function()
    local steppers = require "torus.steppers"
    for _, method in ipairs { "tao2", "tao4" } do
      local stepper = steppers.of { H = joint, omega = 5, scheme = schemes.of(method) }
      local start = { leaf(0.8), leaf(0.3), leaf(0.81), leaf(0.29) }
      local state = start
      for _ = 1, 20 do state = stepper.step(state, nil, 0.1, true) end
      assert.is_near(1, volume(state, start), 1e-10)
      for _ = 1, 20 do state = stepper.step(state, nil, -0.1, false) end
      for i = 1, 4 do assert.is_near(start[i]:item(), state[i]:item(), 1e-12) end
    end
  end)

  it("keep the energy of a joint Hamiltonian near its value, as rk4 does not", function()
    local worst = {}
    for _, method in ipairs { "implicit_midpoint", "gauss4", "tao4", "rk4" } do
      local e = roll { H = joint, method = method, steps = 1000, every = 10, dt = 0.2,
        energies = true, q = leaf(0.8, false), p = leaf(0.3, false) }.energy
      local error = (e - e[1]):abs():reshape(-1)
      worst[method] = { error[{ { 1, 20 } }]:max():item(), error:max():item() }
    end
    for _, method in ipairs { "implicit_midpoint", "gauss4", "tao4" } do
      assert.is_true(worst[method][2] < 2 * worst[method][1])
    end
    assert.is_true(worst.rk4[2] > 4 * worst.rk4[1])
  end)

  it("say when they do not converge", function()
    raises("integrate: implicit_midpoint did not converge in 7 iterations: the last "
      .. "one changed the state by", function()
      roll { method = "implicit_midpoint", iterations = 7, dt = 0.5, steps = 1 }
    end)
    raises("did not converge", function()
      roll { method = "gauss4", dt = 30, steps = 1 }
    end)
  end)

  it("accept a looser tolerance", function()
    local exact = roll { H = joint, method = "gauss4", steps = 5 }.q[-1]:item()
    local loose = roll { H = joint, method = "gauss4", steps = 5,
      tolerance = 1e-5 }.q[-1]:item()
    assert.is_true(loose ~= exact)
    assert.is_near(exact, loose, 1e-4)
  end)
end)

describe("names of schemes", function()
  it("lead to leapfrog", function()
    local want = roll { steps = 3 }.q:totable()
    local net = torus.nn.MLP { sizes = { 1, 4, 1 }, scalar = true, dtype = "float64" }
    for _, name in ipairs { "stormer_verlet", "velocity_verlet", "verlet" } do
      assert.are.same(want, roll { steps = 3, method = name }.q:totable())
      roll { H = torus.separable(net, net), steps = 3, method = name }
    end
  end)
end)

describe("H of torus.integrate", function()
  it("may be a system or a model", function()
    local pendulum = torus.systems.pendulum
    local q, p = pendulum:sample { count = 2 }
    local want = torus.integrate { H = pendulum:hamiltonian(), q = q, p = p }
    assert.are.same(want.q:totable(),
      torus.integrate { H = pendulum, q = q, p = p }.q:totable())
    local damped = torus.systems.pendulum_friction
    want = torus.integrate { H = damped:hamiltonian(), q = q, p = p, friction = 0.05 }
    assert.are.same(want.q:totable(),
      torus.integrate { H = damped, q = q, p = p }.q:totable())
    local model = torus.models.hnn { dimension = 1, width = 8, dtype = "float64" }
    want = model:rollout(q, p, { method = "rk4", steps = 3 })
    assert.are.same(want.q:totable(), torus.integrate { H = model, q = q, p = p,
      method = "rk4", steps = 3 }.q:totable())
  end)
end)
