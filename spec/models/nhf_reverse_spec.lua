local raises = require "spec.support.raises"
local torus = require "torus"
local Task = require "torus.tasks.nhf"
local configuration = require "torus.runs.configuration"
local report = require "torus.tasks.nhf.report"
local targets = require "torus.data.targets"
local nhf = torus.models.nhf

local F64 = { dtype = "float64" }

local function small(changes)
  local config = { flows = 2, width = 12, dtype = "float64", energy_gain = 2 }
  for key, value in pairs(changes or {}) do config[key] = value end
  return nhf(config, torus.generator(1))
end

-- ln of a normal density of deviation s around m, times exp(c).
local function bump(s, m, c)
  return function(q) return ((q - m) / s):square():sum(2) * -0.5 + c end
end

describe("the evidence of nhf", function()
  it("has weights whose mean is the integral, whatever was learned", function()
    for _, posterior in ipairs { "diagonal", "full", "flow" } do
      local model = small { dimension = 2, posterior = posterior }
      -- Z = 2 pi s^2 exp(c); wide enough that weights are bounded.
      local g = bump(0.7, 0.3, 1.5)
      local nats, q = model:evidence(g, 40000, { generator = torus.generator(2) })
      assert.are.same({ 40000, 2 }, q.shape)
      local weight = nats:exp()
      local expected = 2 * math.pi * 0.49 * math.exp(1.5)
      local error_ = weight:std():item() / 200
      assert.is_true(error_ < 0.05 * expected)
      assert.is_near(expected, weight:mean():item(), 4.5 * error_)
      -- Its mean logarithm is below.
      assert.is_true(nats:mean():item() < math.log(expected))
    end
  end)

  it("is ln Z itself where the flow and f are the density", function()
    local model = small { flows = 0, dimension = 2 }
    torus.no_grad(function()
      for _, net in ipairs { model.mean, model.log_std } do
        for _, parameter in ipairs(net:parameters()) do parameter:zero_() end
      end
    end)
    local nats = model:evidence(bump(1, 0, 2), 50, { generator = torus.generator(1) })
    assert.is_true((nats - (math.log(2 * math.pi) + 2)):abs():max():item() < 1e-12)
  end)

  it("has its gradients by finite differences", function()
    for _, posterior in ipairs { "full", "flow" } do
      local model = small { dimension = 2, width = 4, posterior = posterior }
      local function bound()
        return model:evidence(bump(0.7, 0.3, 0), 6, { generator = torus.generator(3) }):mean()
      end
      local named = model:named_parameters()
      local grads = torus.grad(bound(), model:parameters(), { allow_unused = true })
      local checked = 0
      for i, entry in ipairs(named) do
        local x, h = entry[2], 1e-5
        if grads[i] and entry[1]:match "weight$" then
          local old = torus.tensor(x:totable(), F64)
          local function at(change)
            torus.no_grad(function()
              local flat = (old + 0):reshape(-1)
              flat[1] = flat[1] + change
              x:copy_(flat:reshape(x.shape))
            end)
            return torus.no_grad(function() return bound():item() end)
          end
          local slope = (at(h) - at(-h)) / (2 * h)
          torus.no_grad(function() x:copy_(old) end)
          assert.is_near(slope, grads[i]:reshape(-1)[1]:item(), 2e-6 * (1 + math.abs(slope)))
          checked = checked + 1
        end
      end
      assert.is_true(checked >= 18)
    end
  end)

  it("refuses a density that is no number for each sample", function()
    local model = small()
    raises("nhf:evidence: log_density: expected one number for each sample, shape (3), "
      .. "got (3,2)", function() model:evidence(function(q) return q end, 3) end)
  end)
end)

describe("the bounds of nhf at given points", function()
  it("are in order and tend to the density", function()
    local model = small { dimension = 1 }
    torus.no_grad(function() -- an f that is wide enough
      for _, net in ipairs { model.mean, model.log_std } do
        net[3].weight:zero_()
        net[3].bias:fill_(net == model.mean and 0 or math.log(2))
      end
    end)
    local q = torus.linspace(-2, 2, 9, F64):reshape(-1, 1)
    local found = model:bounds(q, { samples = 20000, generator = torus.generator(4) })
    local exact = model:log_density(q, { points = 801, low = { -14 }, high = { 14 } })
    assert.is_true((exact - found.elbo + found.elbo_error * 4.5):min():item() > 0)
    local gap = (found.importance - exact):abs() - found.importance_error * 4.5
    assert.is_true(gap:max():item() < 0 and found.importance_error:max():item() < 0.05)
  end)
end)

describe("targets without samples", function()
  it("have a differentiable density and no samples", function()
    local target = targets.density { dimension = 2, log_density = bump(1, 0, 0) }
    local x = torus.variable(torus.ones({ 3, 2 }, F64))
    local slope = torus.grad(target:log_density(x):sum(), x)
    assert.are.equal(-1, slope:max():item())
    assert.is_nil(target:entropy())
    raises("target:sample: expected a target with samples, got density, which is only known by "
      .. "its density", function() target:sample(3) end)
    raises("targets.density", function() targets.density { dimension = 2 } end)
  end)

  it("can be the positions of a system in a bath", function()
    local target = assert(targets.boltzmann(torus.systems.pendulum, 2))
    local c = torus.systems.pendulum.constants
    local x = torus.tensor({ { 0.3 }, { 2 } }, F64)
    local a, b = table.unpack(target:log_density(x):totable())
    -- V = 2 m g l (1 - cos q), over the temperature 2.
    assert.is_near(c.m * c.g * c.l * (math.cos(0.3) - math.cos(2)), a - b, 1e-12)
    local none, message = targets.boltzmann(torus.systems.double_pendulum)
    assert.is_nil(none)
    assert.matches("expected a system with a potential energy, got double_pendulum", message)
  end)

  it("of named targets have the gradients of their densities", function()
    for _, name in ipairs { "mixture", "rings", "moons", "spirals", "pinwheel" } do
      local target = assert(targets.get(name))
      local x = torus.variable(torus.tensor({ { 1.1, -0.6 }, { 0.4, 1.7 } }, F64))
      local slope = torus.grad(target:log_density(x):sum(), x)
      local h = 1e-6
      for k = 1, 2 do
        local shift = torus.zeros({ 1, 2 }, F64)
        shift[1][k] = h
        local up = target:log_density(x:detach() + shift)
        local down = target:log_density(x:detach() - shift)
        local gap = (up - down) / (2 * h) - slope[{ {}, k }]
        assert.is_true(gap:abs():max():item() < 1e-4)
      end
    end
  end)
end)

describe("the report of a flow", function()
  -- A flow that moves nothing and whose samples and weights are given.
  local function given(weights, samples)
    local model = { config = { dimension = 1, dtype = "float64" }, prior = {} }
    function model.prior.sample(_, count)
      return torus.zeros({ count, 1 }, F64), torus.zeros({ count, 1 }, F64)
    end
    function model.transport(_, q, p) return q, p end
    function model.evidence(_, _, count)
      assert.are.equal(#weights, count)
      return torus.tensor(weights, F64):log()
    end
    function model.sample() return torus.tensor(samples or { 0 }, F64):reshape(-1, 1) end
    return model
  end

  it("has the evidence and the efficiency of known weights", function()
    local target = targets.density { dimension = 1, log_density = bump(1, 0, 0) }
    local n = report.measure(given { 1, 2, 3, 6 }, target, { count = 4, grid = 0 })
    assert.is_near(math.log(3), n.evidence, 1e-14)
    -- the error of the mean of the weights, whose variance is 3.5, relative to it
    assert.is_near(math.sqrt(3.5 / 4) / 3, n.evidence_error, 1e-14)
    -- (sum w)^2 / sum w^2 = 144 / 50 of four samples
    assert.is_near(144 / 50 / 4, n.efficiency, 1e-14)
    assert.is_near(math.log(36) / 4, n.bound, 1e-14)
    assert.are.equal(0, n.inverse)
    n = report.measure(given { 5, 5, 5, 5 }, target, { count = 4, grid = 0 })
    assert.is_near(1, n.efficiency, 1e-14)
  end)

  it("counts modes that have at least a quarter of their share", function()
    local target = targets.mixture { modes = 2, dimension = 1, radius = 1.5 }
    local modes = target.modes:reshape(-1):totable()
    -- Of 40 samples, 20 each would be right, and 5 are a quarter of that.
    for few, found in pairs { [0] = 1, [1] = 1, [4] = 1, [6] = 2, [20] = 2 } do
      local samples = {}
      for i = 1, 40 do samples[i] = modes[i <= few and 2 or 1] + 0.1 end
      local model = given({}, samples)
      -- Bounds that are a known number of nats below the density.
      function model.elbo(_, x) return target:log_density(x) - 0.5 end
      function model.importance_bound(_, x) return target:log_density(x) - 0.125 end
      local n = report.measure(model, target, { count = 40, grid = 0, mass = 0, quadrature = 0 })
      assert.is_near(0.5, n.gap, 1e-12)
      assert.is_near(0.125, n.divergence, 1e-12)
      assert.are.same({ (40 - few) / 40, few / 40 }, n.shares)
      assert.are.equal(2, n.modes)
      assert.are.equal(found, n.modes_found)
    end
  end)
end)

describe("learning from a density", function()
  local function trained(changes, steps)
    local given = { model = "nhf", objective = "reverse", width = 24, flows = 2,
      batch = 128, warmup = 5, steps = steps }
    for key, value in pairs(changes) do given[key] = value end
    local config = assert(configuration.make("small", given))
    local task = Task.new(config, assert(Task.open_data(config)))
    local first, rate = task:evaluate().test_elbo, Task.learning_rate(config)
    for i = 1, steps do
      local grads = task:step(i)
      torus.optim.clip_norm(grads, 10)
      task.optimiser.lr = rate(i)
      task.optimiser:step(grads)
    end
    return task, first
  end

  it("finds the evidence of an oscillator in a bath", function()
    local task, first = trained({ system = "mass_spring", temperature = 0.5,
      posterior = "full" }, 200)
    -- Z = sqrt(2 pi T / k).
    local k = torus.systems.mass_spring.constants.k
    local expected = 0.5 * math.log(2 * math.pi * 0.5 / k)
    local n = report.measure(task.model, task.data, { count = 4000, grid = 201 })
    assert.is_true(n.bound > first and n.bound < expected + 4 * n.bound_error)
    assert.is_near(expected, n.bound, 0.03)
    assert.is_near(expected, n.evidence, 4.5 * n.evidence_error + 1e-4)
    assert.is_true(n.efficiency > 0.9)
    assert.is_near(1, n.integral, 2e-3)
    local q = task.model:sample(20000, { generator = torus.generator(1) })
    assert.is_near(0.5 / k, q:var():item(), 0.05)
    assert.is_nil(n.elbo)
  end)

  it("finds both modes of a mixture when annealed", function()
    local task = trained({ dimension = 1, modes = 2, radius = 1.5, anneal = 0.5,
      posterior = "flow", couplings = 2 }, 250)
    local n = report.measure(task.model, task.data, { count = 2000, points = 201,
      quadrature = 0, grid = 0, evidence = true })
    assert.are.equal(2, n.modes_found)
    assert.is_true(n.bound > -0.3 and n.bound < 4 * n.bound_error)
  end)

  it("has its report and refuses what contradicts it", function()
    local config = assert(configuration.make("small", { model = "nhf",
      system = "mass_spring", width = 4, flows = 1 }))
    assert.are.same({ "reverse", 1, "system" },
      { config.objective, config.dimension, config.target })
    assert.are.equal("mass_spring", torus.tasks.subject(config))
    assert.are.same(config, assert(configuration.decode(configuration.encode(config))))
    local found = assert(report.report(Task.model(config), assert(Task.open_data(config)),
      config, { count = 50, pictures = "nowhere" }))
    assert.are.equal("bound on ln Z", found.rows[1][1])
    assert.matches("expected a target with samples", found.note)
    for text, changes in pairs {
      ["objective: expected reverse for system mass_spring, of which there are no samples, "
        .. "got \"elbo\""] = { system = "mass_spring", objective = "elbo" },
      ["target: expected none next to a system, got \"rings\""] =
        { system = "mass_spring", target = "rings" },
      ["dimension: expected that of system mass_spring, 1, got 2"] =
        { system = "mass_spring", dimension = 2 },
      ["modes: expected none for system mass_spring, got 5"] =
        { system = "mass_spring", modes = 5 },
      ["temperature: expected none for target rings, got 2"] =
        { target = "rings", temperature = 2 },
      ["objective: expected elbo or geco for target checkerboard"] =
        { target = "checkerboard", objective = "reverse" },
      ["system: expected its name, got none"] = { target = "system" },
    } do
      changes.model = "nhf"
      local none, message = configuration.make(nil, changes)
      assert.is_nil(none)
      assert.matches(text, message, 1, true)
    end
  end)
end)
