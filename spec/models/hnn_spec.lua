local raises = require "spec.support.raises"
local torus = require "torus"
local field = require "torus.models.parts.field"
local hnn = torus.models.hnn
local hnn_data = require "torus.data.hnn_data"
local report = require "torus.tasks.hnn.report"
local run = require "torus.runs.run"
local configuration = require "torus.runs.configuration"
local task = require "torus.tasks.hnn"

local F64 = { dtype = "float64" }

local function largest(x) return x:abs():max():item() end

local function states(n, d, seed)
  local g = torus.generator(seed)
  return torus.randn({ n, d }, { dtype = "float64", generator = g }),
    torus.randn({ n, d }, { dtype = "float64", generator = g })
end

local function small(changes, seed)
  local config = { dimension = 2, width = 6, dtype = "float64" }
  for key, value in pairs(changes or {}) do config[key] = value end
  return hnn(config, torus.generator(seed or 1))
end

-- df/dx of a function of no arguments at one entry of a leaf, by central
-- differences: an error of about 1e-10 in float64.
local function difference(f, leaf, i)
  local h = 1e-5
  local flat = leaf:detach():reshape(-1)
  local old = flat[i]:item()
  local function at(value)
    torus.no_grad(function()
      local changed = flat:contiguous():totable()
      changed[i] = value
      leaf:copy_(torus.tensor(changed, F64):reshape(leaf.shape))
    end)
    return f()
  end
  local above, below = at(old + h), at(old - h)
  at(old)
  return (above - below) / (2 * h)
end

describe("field", function()
  it("has the slopes of a pendulum in closed form", function()
    local q, p = states(7, 1, 1)
    local c = torus.systems.pendulum.constants
    local dq, dp = field.gradients(torus.systems.pendulum:hamiltonian(), q, p)
    local scale = 2 * c.m * c.g * c.l
    assert.is_true(largest(dq - q:sin() * scale) < 1e-13)
    assert.is_true(largest(dp - p / (c.m * c.l ^ 2)) < 1e-13)
    local vq, vp = field.motion(torus.systems.pendulum:hamiltonian(), q, p)
    assert.is_true(largest(vq - dp) == 0 and largest(vp + dq) == 0)
  end)

  it("is the same by the engine's kernel and by tensors", function()
    local model = small()
    local q, p = states(5, 2, 2)
    local aq, ap = field.gradients(model.hamiltonian, q, p)
    local bq, bp = field.gradients(model.hamiltonian, q, p, { fused = false })
    assert.is_true(largest(aq - bq) < 1e-12 and largest(ap - bp) < 1e-12)
  end)

  it("is that of the energy, by finite differences", function()
    local model = small()
    local q, p = states(1, 2, 3)
    local dq, dp = field.gradients(model.hamiltonian, q, p)
    local function energy() return model:energy(q, p):item() end
    for i = 1, 2 do
      assert.is_near(difference(energy, q, i), dq[1][i]:item(), 1e-8)
      assert.is_near(difference(energy, p, i), dp[1][i]:item(), 1e-8)
    end
  end)
end)

describe("hnn", function()
  it("has the loss of eq. (1)", function()
    local model = small { dimension = 1 }
    local q, p = states(4, 1, 4)
    local dq, dp = states(4, 1, 5)
    local gq, gp = field.gradients(model.hamiltonian, q, p)
    local sum = 0
    for i = 1, 4 do
      sum = sum + 0.5 * ((gp[i]:item() - dq[i]:item()) ^ 2
        + (gq[i]:item() + dp[i]:item()) ^ 2)
    end
    assert.is_near(sum / 4, model:loss(q, p, dq, dp):item(), 1e-12)
  end)

  it("has the loss's gradients by every weight, by finite differences",
    function()
      local model = small { width = 3 }
      local q, p = states(3, 2, 6)
      local dq, dp = states(3, 2, 7)
      local function loss() return model:loss(q, p, dq, dp):item() end
      local parameters = model:parameters()
      local grads = torus.grad(model:loss(q, p, dq, dp), parameters,
        { allow_unused = true })
      for i, parameter in ipairs(parameters) do
        for k = 1, math.min(4, parameter:numel()) do
          local exact = grads[i] and grads[i]:reshape(-1)[k]:item() or 0
          assert.is_near(difference(loss, parameter, k), exact, 1e-7)
        end
      end
    end)

  it("moves without divergence, which the plain network does not", function()
    local function divergence(model)
      local q, p = states(4, 2, 8)
      local x = torus.cat({ q, p }, 2)
      local leaf = torus.tensor(x:totable(),
        { dtype = "float64", requires_grad = true })
      local lq, lp = leaf:narrow(2, 1, 2), leaf:narrow(2, 3, 2)
      local vq, vp
      if model.hamiltonian then
        vq, vp = field.motion(model.hamiltonian, lq, lp, { fused = false })
      else
        vq, vp = model:motion(lq, lp)
      end
      local v, total = torus.cat({ vq, vp }, 2), 0
      for i = 1, 4 do
        local g = torus.grad(v:select(2, i):sum(), leaf,
          { retain_graph = true })
        total = total + g:select(2, i)
      end
      return largest(total)
    end
    assert.is_true(divergence(small()) < 1e-13)
    assert.is_true(divergence(small { kind = "mlp" }) > 1e-3)
  end)

  it("rolls out alike by rk4 with small steps and by rk45", function()
    for _, kind in ipairs { "hnn", "mlp" } do
      local model = small { kind = kind }
      local q, p = states(3, 2, 9)
      torus.no_grad(function()
        local fine = model:rollout(q, p, { dt = 0.3, steps = 5,
          substeps = 8 })
        local adaptive = model:rollout(q, p, { dt = 0.3, steps = 5,
          method = "rk45", rtol = 1e-10, atol = 1e-12 })
        assert.are.same({ 6, 3, 2 }, fine.q.shape)
        assert.is_true(largest(fine.q - adaptive.q) < 1e-8)
        assert.is_true(largest(fine.p - adaptive.p) < 1e-8)
      end)
    end
  end)

  it("works in the dtype that it is converted to", function()
    local model = small({ dtype = "float32" }):to("float64")
    local q, p = states(3, 2, 9)
    for _, method in ipairs { "rk4", "rk45" } do
      local trajectory = model:rollout(q, p, { steps = 3, method = method })
      assert.are.equal("float64", trajectory.q.dtype)
    end
  end)

  it("keeps its energy along a rollout", function()
    local model = small({ width = 20 }, 3)
    local q, p = states(3, 2, 10)
    local trajectory = model:rollout(q, p, { dt = 0.1, steps = 50 })
    local before, after = model:energy(q, p), model:energy(trajectory.q[51], trajectory.p[51])
    assert.is_true(largest(after - before) < 1e-7)
  end)

  it("says what it expects", function()
    local model = small()
    local q, p = states(3, 1, 1)
    raises("hnn:motion: expected q of shape (batch,2), got (3,1)",
      function() model:motion(q, p) end)
    q, p = states(3, 2, 1)
    raises("hnn:motion: expected p of shape (3,2), got nil",
      function() model:motion(q) end)
    raises("hnn:rollout: expected p of shape (3,2), got (2,2)",
      function() model:rollout(q, p:narrow(1, 1, 2)) end)
    -- These would broadcast: a number, and a wrong one.
    raises("hnn:rollout_loss: q: expected at least two states, got", function()
      model:rollout_loss(q:unsqueeze(1), p:unsqueeze(1))
    end)
    raises("hnn:loss: expected dq of shape (3,2), got (2)",
      function() model:loss(q, p, q[1], p) end)
    raises("hnn:loss: expected dp of shape (3,2), got (1,2)",
      function() model:loss(q, p, q, p:narrow(1, 1, 1)) end)
    raises('hnn:rollout: substeps: expected none for method "rk45", which chooses its steps by '
      .. "rtol and atol, got 7", function()
      model:rollout(q, p, { method = "rk45", substeps = 7 })
    end)
    for _, name in ipairs { "rtol", "atol" } do
      local text = ('hnn:rollout: %s: expected only with method "rk45", got method = "rk4"; '
        .. "substeps make rk4 more accurate"):format(name)
      raises(text, function() model:rollout(q, p, { [name] = 1 }) end)
      raises(text, function()
        model:rollout_loss(torus.stack({ q, q }, 1), torus.stack({ p, p }, 1), { [name] = 1 })
      end)
    end
    assert.error_matches(function() hnn { dimesion = 1 } end, "dimesion")
    assert.error_matches(function()
      small { kind = "mlp" }:energy(q, p)
    end, "has no energy")
  end)
end)

describe("hnn data", function()
  it("follows the recipe: sizes, noise, exact derivatives", function()
    local set = hnn_data.make("mass_spring", { seed = 3, dtype = "float64" })
    assert.are.equal(750, set.train.size)
    assert.are.equal(750, set.test.size)
    assert.is_near(3 / 29, set.dt, 1e-15)
    -- H = q^2 + p^2: derivatives 2 p and -2 q of the state without noise.
    local trajectory = set.train.trajectory
    local q = trajectory.q:transpose(1, 2):reshape(-1, 1)
    local p = trajectory.p:transpose(1, 2):reshape(-1, 1)
    assert.is_true(largest(set.train.dq - p * 2) < 1e-12)
    assert.is_true(largest(set.train.dp + q * 2) < 1e-12)
    -- 750 draws of standard deviation 0.1: it is known to 2.6% (one sigma).
    for _, noise in ipairs { set.train.q - q, set.train.p - p } do
      assert.is_near(0.1, math.sqrt(noise:square():mean():item()), 0.01)
    end
    local other = hnn_data.make("mass_spring", { seed = 3, dtype = "float64" })
    assert.is_true(largest(other.test.q - set.test.q) == 0)
  end)

  it("takes differences of neighbours where asked", function()
    local set = hnn_data.make("mass_spring", { seed = 3, noise = 0,
      points = 301, trajectories = 4, derivatives = "difference",
      dtype = "float64" })
    -- One interval less than points; first order: about dt |x''| / 2.
    assert.are.equal(600, set.train.size)
    assert.is_true(largest(set.train.dq - set.train.p * 2) < 0.03)
    assert.is_true(largest(set.train.dq - set.train.p * 2) > 0.001)
  end)

  it("has derivatives of a driven system that include its force", function()
    local system = torus.systems.driven_pendulum
    local points, dt, h = 4, 1, 1e-3
    local set = hnn_data.make(system, { trajectories = 4, points = points, noise = 0,
      span = (points - 1) * dt, dtype = "float64" })
    for _, part in ipairs { set.train, set.test } do
      local count = #part.sequence.lengths
      local first = part.trajectory
      local fine = system:solve(first.q[1], first.p[1], { dt = h, steps = 3000, rtol = 1e-11,
        atol = 1e-12 })
      for i = 1, count do
        for k = 0, points - 1 do
          local row, at = (i - 1) * points + k + 1, k * 1000 + 1
          local q, p = part.q[row]:item(), part.p[row]:item()
          assert.is_near(fine.q[at][i]:item(), q, 1e-6)
          if k > 0 and k < points - 1 then
            local function slope(x)
              return (x[at + 1][i]:item() - x[at - 1][i]:item()) / (2 * h)
            end
            -- third derivatives of about 1 times h^2 / 6, and the solver's error by h
            assert.is_near(slope(fine.q), part.dq[row]:item(), 1e-5)
            assert.is_near(slope(fine.p), part.dp[row]:item(), 1e-5)
          end
          assert.is_near(-math.sin(q) - 0.5 * p + 1.15 * math.cos(2 / 3 * k * dt),
            part.dp[row]:item(), 1e-12)
        end
      end
    end
  end)

  it("starts two bodies as the original's code does where asked", function()
    local set = hnn_data.make("two_body", { start = "square",
      trajectories = 10, points = 5, dtype = "float64" })
    local q, p = set.train.trajectory.q[1], set.train.trajectory.p[1]
    local first = q:narrow(2, 1, 2)
    assert.is_true(first:min():item() >= 0.5 and first:max():item() <= 1.5)
    assert.is_true(largest(q:narrow(2, 3, 2) + first) < 1e-15)
    -- At right angles, near the circular speed 1/(2 sqrt r).
    assert.is_true(largest((first * p:narrow(2, 1, 2)):sum(2)) < 1e-14)
    local r = first:square():sum(2):sqrt()
    local speed = p:narrow(2, 1, 2):square():sum(2):sqrt()
    assert.is_true(largest(speed * r:sqrt() * 2 - 1) < 0.25)
    assert.error_matches(function()
      hnn_data.make("pendulum", { start = "square" })
    end, "two_body")
  end)
end)

describe("training an hnn", function()
  local silent = { update = function() end, finish = function() end }

  local function trained(steps, path, opts)
    opts = opts or {}
    opts.progress = silent
    local config = assert(configuration.make("full", { model = "hnn",
      steps = steps, evaluate_every = 1000, save_every = 1000 }))
    return assert(run.train(path, config, opts))
  end

  local function scratch()
    local path = os.tmpname()
    os.remove(path)
    return path
  end

  it("has the dimension of its system", function()
    local none, message = configuration.make(nil, { model = "hnn",
      system = "pendulum", dimension = 2 })
    assert.is_nil(none)
    assert.matches("dimension: expected that of pendulum, 1, got 2", message)
  end)

  it("reaches the noise of mass_spring and keeps its energy", function()
    local path = scratch()
    local result = trained(250, path)
    local config = result.task.config
    local n = report.measure(result.task.model, task.open_data(config))
    -- The derivatives' error from noise alone is about 4 x 0.1^2; the
    -- original reports 0.036 and 0.38e-3.
    assert.is_true(n.test_loss < 0.045)
    assert.is_true(n.energy_rk4 < 2e-3)
    assert.is_near(n.energy_rk4, n.energy_rk45, 1e-5)
    local model, stored, step = run.open(path)
    assert.are.equal(250, step)
    assert.are.equal("hnn", stored.model)
    assert.is_near(n.test_loss, report.measure(model,
      task.open_data(stored)).test_loss, 1e-9)
    os.execute("rm -r " .. path)
  end)

  it("resumes to the same bits", function()
    local whole, half = scratch(), scratch()
    local one = trained(6, whole)
    trained(3, half)
    local two = trained(6, half, { resume = true })
    for i, entry in ipairs(one.task.parameters) do
      assert.are.equal(0, largest(entry[2]:detach()
        - two.task.parameters[i][2]:detach()))
    end
    os.execute("rm -r " .. whole .. " " .. half)
  end)
end)
