local raises = require "spec.support.raises"
local torus = require "torus"
local Task = require "torus.tasks.nhf"
local pictures = require "torus.plot.flow"
local kde = require "torus.plot.kde"
local nhf = torus.models.nhf
local priors = require "torus.models.nhf.prior"
local report = require "torus.tasks.nhf.report"
local configuration = require "torus.runs.configuration"
local targets = require "torus.data.targets"

local F64 = { dtype = "float64" }
local LOG_2PI = math.log(2 * math.pi)

local function largest(x) return x:abs():max():item() end

-- Flows that move states well away from where they were.
local function small(changes)
  local config = { flows = 3, width = 12, dtype = "float64", energy_gain = 4 }
  for key, value in pairs(changes or {}) do config[key] = value end
  local model = nhf(config, torus.generator(1))
  for i, flow in ipairs(model.flow) do
    if flow.squeeze then
      torus.no_grad(function() flow.squeeze:fill_(0.3 * i):narrow(1, 1, 1):fill_(-0.4) end)
    end
  end
  return model
end

local function normal(shape, seed)
  return torus.randn(shape, { dtype = "float64",
    generator = torus.generator(seed) })
end

-- ln |det| of a list of rows, by elimination with pivots.
local function log_determinant(rows)
  local n, total = #rows, 0
  for i = 1, n do
    local best = i
    for k = i + 1, n do
      if math.abs(rows[k][i]) > math.abs(rows[best][i]) then best = k end
    end
    rows[i], rows[best] = rows[best], rows[i]
    total = total + math.log(math.abs(rows[i][i]))
    for k = i + 1, n do
      local factor = rows[k][i] / rows[i][i]
      for j = i, n do rows[k][j] = rows[k][j] - factor * rows[i][j] end
    end
  end
  return total
end

local function square_grid(reach, n)
  local axis = torus.linspace(-reach, reach, n, F64)
  return torus.stack({ axis:reshape(n, 1):expand(n, n):reshape(-1),
    axis:reshape(1, n):expand(n, n):reshape(-1) }, 2), (2 * reach / (n - 1)) ^ 2
end

describe("the priors of nhf", function()
  it("integrate to one and have the moments of their closed forms", function()
    local width, sharpness = 3, 5
    local prior = priors.new { prior = "soft_uniform", prior_width = width,
      prior_sharpness = sharpness, dimension = 1, dtype = "float64" }
    local n, reach = 4001, 12
    local x = torus.linspace(-reach, reach, n, F64):reshape(-1, 1)
    -- Both coordinates are alike: the density at (x, x) is that of x squared.
    local density = (prior:log_density(x, x) * 0.5):exp()
    local step = 2 * reach / (n - 1)
    assert.is_near(1, density:sum():item() * step, 1e-9)
    -- A uniform number plus a logistic one.
    local variance = width ^ 2 / 12 + math.pi ^ 2 / (3 * sharpness ^ 2)
    assert.is_near(variance,
      (density * x:reshape(-1):square()):sum():item() * step, 1e-8)
    local q, p = prior:sample(20000, torus.generator(3))
    for _, s in ipairs { q, p } do
      -- 20,000 samples know the variance to about 1%.
      assert.is_near(variance, s:square():mean():item(), 0.04 * variance)
      assert.is_near(0, s:mean():item(), 0.03)
    end
    local entropy = -2 * (density * density:log()):sum():item() * step
    assert.is_near(entropy, prior:entropy(), 1e-6)
  end)

  it("are the normal density by default", function()
    local prior = small().prior
    local q, p = normal({ 4, 2 }, 1), normal({ 4, 2 }, 2)
    local expected = (q:square() + p:square()):sum(2) * -0.5 - 2 * LOG_2PI
    assert.is_true(largest(prior:log_density(q, p) - expected) < 1e-13)
    assert.is_near(2 * (LOG_2PI + 1), prior:entropy(), 1e-13)
  end)
end)

describe("the flow of nhf", function()
  it("is undone by -dt in the reverse order", function()
    for _, squeeze in ipairs { false, true } do
      local model = small { squeeze = squeeze }
      local q, p = normal({ 200, 2 }, 3), normal({ 200, 2 }, 4)
      local a, b = model:transport(q, p)
      assert.is_true(largest(a - q) > 0.5)
      local c, d = model:transport(a, b, { inverse = true })
      assert.is_true(largest(c - q) < 1e-10 and largest(d - p) < 1e-10)
    end
  end)

  it("ends with that of s . q p where it squeezes", function()
    local plain, model = small(), small { squeeze = true }
    local q, p = normal({ 20, 2 }, 3), normal({ 20, 2 }, 4)
    for i, flow in ipairs(model.flow) do
      local a, b = q, p
      local end_ = plain.flow[i](a, b, { leaps = 2, dt = 0.25 })
      local s = flow.squeeze:detach()
      local exact = torus.rk45 { H = function(x, y) return (x * y * s):sum(2) end,
        q = end_.q[3], p = end_.p[3], times = { 0, 1 }, rtol = 1e-12, atol = 1e-13 }
      local got = flow(a, b, { leaps = 2, dt = 0.25 })
      assert.is_true(largest(got.q[3] - exact.q[2]) < 1e-9)
      assert.is_true(largest(got.p[3] - exact.p[2]) < 1e-9)
    end
  end)

  it("keeps volume: |det J| = 1 by differentiation", function()
    for _, case in ipairs { { true }, { false }, { true, true } } do
      local fused, squeeze = table.unpack(case)
      local model = small { flows = 2, squeeze = squeeze }
      local start = normal({ 1, 4 }, 5)
      local leaf = torus.tensor(start:totable(),
        { dtype = "float64", requires_grad = true })
      local q, p = model:transport(leaf:narrow(2, 1, 2), leaf:narrow(2, 3, 2),
        { fused = fused })
      local out, rows = torus.cat({ q, p }, 2), {}
      for i = 1, 4 do
        rows[i] = torus.grad(out[1][i], leaf, { retain_graph = true })[1]
          :totable()
      end
      local size = math.abs(rows[1][1] - 1) + math.abs(rows[1][3])
      assert.is_true(size > 0.1)
      assert.is_near(0, log_determinant(rows), 1e-9)
    end
  end)

  it("is leapfrog with the slopes of K and V", function()
    local model = small { flows = 1, leaps = 1, width = 5 }
    local flow, dt = model.flow[1], model.config.dt
    local q, p = normal({ 1, 2 }, 6), normal({ 1, 2 }, 7)
    -- Slopes by central differences of the networks.
    local function slope(net, x)
      local g, h = {}, 1e-5
      for i = 1, 2 do
        local shift = torus.tensor({ { i == 1 and h or 0, i == 2 and h or 0 } },
          F64)
        g[i] = (net(x + shift):item() - net(x - shift):item()) / (2 * h)
      end
      return torus.tensor({ g }, F64)
    end
    local half = p - slope(flow.V, q) * (dt / 2)
    local q1 = q + slope(flow.K, half) * dt
    local p1 = half - slope(flow.V, q1) * (dt / 2)
    local a, b, path = model:transport(q, p, { path = true })
    assert.is_true(largest(a - q1) < 1e-8 and largest(b - p1) < 1e-8)
    assert.are.same({ 2, 1, 2 }, path.q.shape)
    assert.are.equal(0, largest(path.q[1] - q) + largest(path.p[2] - b))
  end)

  it("moves the prior's density along", function()
    local model = small()
    local q0, p0 = normal({ 50, 2 }, 8), normal({ 50, 2 }, 9)
    local q, p = model:transport(q0, p0)
    assert.is_true(largest(model:log_joint(q, p)
      - model.prior:log_density(q0, p0)) < 1e-10)
  end)
end)

describe("the bound of nhf", function()
  -- Without flows q and p are independent: f = N(0, 1) makes it exact.
  it("is the density itself where f is the posterior", function()
    local model = small { flows = 0 }
    torus.no_grad(function()
      for _, net in ipairs { model.mean, model.log_std } do
        for _, parameter in ipairs(net:parameters()) do parameter:zero_() end
      end
    end)
    local q = normal({ 20, 2 }, 10)
    local expected = q:square():sum(2) * -0.5 - LOG_2PI
    local bound = model:elbo(q, { generator = torus.generator(1) })
    assert.is_true(largest(bound - expected) < 1e-12)
    assert.is_true(largest(model:importance_bound(q, { samples = 3,
      generator = torus.generator(1) }) - expected) < 1e-12)
    assert.is_true(largest(model:log_density(q, { points = 61 })
      - expected) < 1e-4)
  end)

  it("works in the dtype that it is converted to", function()
    for _, prior in ipairs { "normal", "soft_uniform" } do
      local model = small({ dtype = "float32", prior = prior }):to("float64")
      local q = model:sample(5)
      assert.are.equal("float64", q.dtype)
      assert.are.equal("float64", model:elbo(q).dtype)
      assert.are.equal("float64", model:log_density(q, { points = 5 }).dtype)
    end
  end)

  it("has its gradients by finite differences", function()
    local model = small { flows = 2, width = 4 }
    local q, epsilon = normal({ 5, 2 }, 11), normal({ 5, 2 }, 12)
    local function bound()
      return model:elbo(q, { epsilon = epsilon }):mean()
    end
    local named, list = model:named_parameters(), model:parameters()
    local grads = torus.grad(bound(), list, { allow_unused = true })
    local checked = 0
    for i, entry in ipairs(named) do
      if entry[1]:match("%.1%.weight$") then
        local old, h = entry[2]:detach():reshape(-1):totable(), 1e-5
        local function at(change)
          local values = table.move(old, 1, #old, 1, {})
          values[2] = values[2] + change
          torus.no_grad(function()
            entry[2]:copy_(torus.tensor(values, F64):reshape(entry[2].shape))
          end)
          return bound():item()
        end
        local slope = (at(h) - at(-h)) / (2 * h)
        at(0)
        assert.is_near(slope, grads[i]:reshape(-1)[2]:item(),
          1e-7 * (1 + math.abs(slope)))
        checked = checked + 1
      end
    end
    assert.are.equal(6, checked)
  end)

  for _, prior in ipairs { "normal", "soft_uniform" } do
    it("lies below the density, which integrates to one: d = 1, " .. prior,
      function()
        local model = small { dimension = 1, prior = prior, energy_gain = 2.5 }
        -- An f that is wide enough for importance sampling.
        torus.no_grad(function()
          for _, net in ipairs { model.mean, model.log_std } do
            net[3].weight:zero_()
            net[3].bias:fill_(net == model.mean and 0 or math.log(2.5))
          end
        end)
        local n, reach = 201, 12
        local q = torus.linspace(-reach, reach, n, F64):reshape(-1, 1)
        local nats = model:log_density(q, { points = 401, low = { -12 },
          high = { 12 } })
        assert.is_near(1, nats:exp():sum():item() * 2 * reach / (n - 1), 1e-3)
        -- The mean of 400 draws of the bound, with its own standard error.
        local some = q:narrow(1, 81, 41)
        local draws = 400
        local bound = model:elbo(some:unsqueeze(1):expand(draws, 41, 1)
          :reshape(draws * 41, 1), { generator = torus.generator(2) })
          :reshape(draws, 41)
        local mean = bound:mean(1)
        local error_ = ((bound - mean):square():mean(1) / draws):sqrt()
        local below = nats:narrow(1, 81, 41) - mean + error_ * 4
        assert.is_true(below:min():item() > 0)
        -- More importance samples come nearer to it.
        local g = torus.generator(5)
        local few = model:importance_bound(some, { samples = 4,
          generator = g }):mean():item()
        local many = model:importance_bound(some, { samples = 4000,
          generator = g }):mean():item()
        local exact = nats:narrow(1, 81, 41):mean():item()
        assert.is_true(few < many and few < exact)
        assert.is_near(exact, many, 0.05)
      end)
  end

  it("goes with a density that integrates to one: d = 2", function()
    local model = small { flows = 1, width = 6, energy_gain = 3 }
    local q, cell = square_grid(7, 29)
    local nats = model:log_density(q, { points = 33, low = { -8, -8 },
      high = { 8, 8 } })
    assert.is_near(1, nats:exp():sum():item() * cell, 1e-3)
    assert.error_matches(function()
      small { dimension = 3 }:log_density(normal({ 2, 3 }, 1))
    end, "expected a dimension of 1 or 2")
  end)

  it("refuses what it does not know", function()
    local model = small { flows = 1, width = 4 }
    local q = normal({ 2, 2 }, 1)
    local o
    local function fails(name, option, f)
      o = { [option] = true }
      raises("nhf:" .. name .. ": unknown option \"" .. option .. "\"", f)
    end
    fails("transport", "inverted", function() model:transport(q, q, o) end)
    fails("terms", "seed", function() model:elbo(q, o) end)
    fails("importance_bound", "count",
      function() model:importance_bound(q, o) end)
    fails("sample", "seed", function() model:sample(2, o) end)
    raises("nhf:importance_bound: expected q of shape (batch,2), got 5",
      function() model:importance_bound(5) end)
    raises("nhf:transport: expected p of shape (2,2), got (1,2)",
      function() model:transport(q, q:narrow(1, 1, 1)) end)
    raises("nhf:terms: expected epsilon of shape (2,2), got (2)",
      function() model:elbo(q, { epsilon = q[1] }) end)
    for _, box in ipairs { { low = { 1, 2 } }, { high = { 1, 2 } },
      { low = { 1 }, high = { 2 } }, { low = { 1, 2 }, high = { 3, "4" } } } do
      raises(": expected a list of 2 numbers, got ",
        function() model:log_density(q, box) end)
    end
  end)

  it("is the trapezoidal rule over the momenta", function()
    local low, high, n = { -1, -2 }, { 2, 1.5 }, 5
    -- The distance of the points, and half of it at the ends, along axis i.
    local function weight(i, k)
      return (high[i] - low[i]) / (n - 1) * ((k == 0 or k == n - 1) and 0.5 or 1)
    end
    local function at(i, k) return low[i] + (high[i] - low[i]) * k / (n - 1) end
    for d = 1, 2 do
      local model, q = small { dimension = d }, normal({ 3, d }, 6)
      local found = model:log_density(q, { points = n, low = { table.unpack(low, 1, d) },
        high = { table.unpack(high, 1, d) } })
      for row = 1, 3 do
        local sum = 0
        for k = 0, n - 1 do
          for l = 0, d == 2 and n - 1 or 0 do
            local p = d == 2 and { at(1, k), at(2, l) } or { at(1, k) }
            local joint = model:log_joint(q:narrow(1, row, 1), torus.tensor({ p }, F64)):item()
            sum = sum + math.exp(joint) * weight(1, k) * (d == 2 and weight(2, l) or 1)
          end
        end
        assert.is_near(math.log(sum), found[row]:item(), 1e-12)
      end
    end
  end)

  it("goes with samples of that density", function()
    local model = small { dimension = 1, prior = "soft_uniform" }
    local x = model:sample(4000, { generator = torus.generator(4) })
    local q = torus.linspace(-9, 9, 181, F64):reshape(-1, 1)
    local density = model:log_density(q, { points = 201, low = { -12 },
      high = { 12 } }):exp()
    -- Their mean and variance by quadrature; 4,000 samples know the mean to
    -- sigma / 63.
    local mean = (density * q:reshape(-1)):sum():item() * 0.1
    local variance = (density * (q:reshape(-1) - mean):square()):sum():item()
      * 0.1
    assert.is_near(mean, x:mean():item(), 4 * math.sqrt(variance / 4000))
    assert.is_near(variance, (x - mean):square():mean():item(), 0.1 * variance)
  end)
end)

describe("targets", function()
  it("have densities that integrate to one and entropies that fit", function()
    local points, cell = square_grid(5, 101)
    for _, name in ipairs(targets.names) do
      local target = assert(targets.get(name))
      local nats = target:log_density(points)
      local density = nats:exp()
      -- The board's edges cost the sum a few per cent.
      local coarse = name == "checkerboard"
      assert.is_near(1, density:sum():item() * cell, coarse and 0.05 or 1e-3)
      if not coarse then
        local entropy = -(density * nats:maximum(
          torus.full({ 1 }, -600, F64))):sum():item() * cell
        local estimate, error_ = target:entropy(2000)
        assert.is_near(entropy, estimate, 4 * error_ + 1e-3)
      end
      local x = target:sample(500, torus.generator(2))
      assert.are.equal("float32", x.dtype)
      assert.is_true(target:log_density(x):min():item() > -20)
      assert.are.equal(0, largest(x - target:sample(500, torus.generator(2))))
    end
  end)

  it("of one mode have the entropy of a normal density", function()
    for _, d in ipairs { 1, 2, 5 } do
      local target = targets.mixture { modes = 1, dimension = d, std = 0.7 }
      local entropy = d * (0.5 * (LOG_2PI + 1) + math.log(0.7))
      local estimate, error_ = target:entropy(4000)
      assert.is_near(entropy, estimate, 4 * error_)
    end
  end)

  it("in 16 dimensions with modes apart have ln 4 more", function()
    local target = targets.mixture { modes = 4, dimension = 16 }
    local entropy = math.log(4) + 16 * (0.5 * (LOG_2PI + 1) + math.log(0.4))
    local estimate, error_ = target:entropy(4000)
    assert.is_near(entropy, estimate, 4 * error_ + 1e-4)
    local shares = target:shares(target:sample(4000, torus.generator(1)))
    for i = 1, 4 do assert.is_near(0.25, shares[i], 0.03) end
  end)

  it("can be a user's samples", function()
    local path = os.tmpname()
    os.remove(path)
    path = path .. ".npy"
    local rows = torus.rand({ 50, 3 }, { generator = torus.generator(1) })
    assert(torus.npy.save(path, rows))
    local target = assert(targets.samples(path))
    assert.are.equal(3, target.dimension)
    local x = target:sample(20, torus.generator(1))
    local gap = (x:unsqueeze(2) - rows:unsqueeze(1)):abs():sum(3):min(2)
    assert.is_true(largest(gap) < 1e-6)
    assert.is_nil(target:log_density(x))
    local config = assert(configuration.make("small", { model = "nhf",
      data = path }))
    assert.are.equal(3, config.dimension)
    for text, changes in pairs { ["npy, 3, got 2"] = { dimension = 2 },
      ["modes: expected none for the samples of "] = { modes = 5 } } do
      changes.model, changes.data = "nhf", path
      local none, message = configuration.make(nil, changes)
      assert.is_nil(none)
      assert.matches(text, message, 1, true)
    end
    os.remove(path)
    assert.is_nil((targets.samples(path)))
    -- The same samples from the other formats.
    for _, case in ipairs { { "csv", torus.csv.save, rows },
      { "npz", torus.npz.save, { x = rows } }, { "npz", torus.npz.save, { samples = rows,
        more = rows } } } do
      local other = path:gsub("npy$", case[1])
      assert(case[2](other, case[3]))
      assert.is_true(largest(assert(targets.samples(other))
        :sample(20, torus.generator(1)) - x) < 1e-6)
      os.remove(other)
    end
    local two = path:gsub("npy$", "npz")
    assert(torus.npz.save(two, { a = rows, b = rows }))
    assert.matches("expected one array, or one named samples, got a, b",
      select(2, targets.samples(two)), 1, true)
    os.remove(two)
    local _, message = targets.samples(torus.zeros(2, 2, 2))
    assert.matches("expected samples of shape", message)
    _, message = targets.samples(torus.zeros(100, 0))
    assert.matches("of shape %(n, d%), n at least 2, got %(100,0%)", message)
    _, message = targets.get("torus")
    assert.matches("no target is named", message)
  end)

  it("holds a share of a user's samples out, the same every time", function()
    local rows = torus.arange(1, 40, { dtype = "float64" }):reshape(40, 1)
    local function parts(opts)
      local target = assert(targets.samples(rows, opts))
      return target.rows:reshape(-1):totable(),
        target.held_out.rows:reshape(-1):totable(), target
    end
    local train, test, target = parts { test_share = 0.3, seed = 4 }
    assert.are.same({ 28, 12 }, { #train, #test })
    local all = table.move(test, 1, 12, 29, { table.unpack(train) })
    table.sort(all)
    assert.are.same(rows:reshape(-1):totable(), all)
    local again, test_again = parts { test_share = 0.3, seed = 4 }
    assert.are.same({ train, test }, { again, test_again })
    assert.are_not.same(test, (select(2, parts { test_share = 0.3 })))
    local held = {}
    for _, value in ipairs(test) do held[value] = true end
    for _, one in ipairs { target, target.held_out } do
      for _, value in ipairs(one:sample(200, torus.generator(1)):reshape(-1)
        :totable()) do
        assert.are.equal(one == target.held_out, held[value] == true)
      end
    end
  end)

  it("takes no options that mean nothing for it", function()
    assert.error_matches(function() targets.get("rings", { modes = 5 }) end,
      'targets.rings: unknown option "modes"')
    for text, changes in pairs {
      ["dimension: expected that of target rings, 2, got 3"] = { dimension = 3 },
      ["modes: expected none for target rings, got 5"] = { modes = 5 },
      ["test_share: expected none for target rings, got 0.1"] =
        { test_share = 0.1 } } do
      changes.model, changes.target = "nhf", "rings"
      local none, message = configuration.make(nil, changes)
      assert.is_nil(none)
      assert.matches(text, message, 1, true)
    end
    local config = assert(configuration.make("small", { model = "nhf",
      target = "rings" }))
    assert.are.same(config, assert(configuration.decode(configuration.encode(config))))
  end)
end)

describe("training nhf", function()
  local function trained(changes, steps)
    local given = { model = "nhf", dimension = 1, modes = 2, radius = 1.5,
      width = 24, flows = 2, batch = 128, warmup = 5, steps = steps }
    for key, value in pairs(changes or {}) do given[key] = value end
    local config = assert(configuration.make("small", given))
    local task = Task.new(config, assert(Task.open_data(config)))
    local first = task:evaluate().test_elbo
    local rate, seen = Task.learning_rate(config), {}
    for i = 1, steps do
      local grads, numbers = task:step(i)
      task.optimiser.lr = rate(i)
      task.optimiser:step(grads)
      task:after_update(numbers)
      seen[i] = numbers
    end
    return task, first, seen
  end

  it("finds both modes of a mixture", function()
    local task, first = trained({}, 250)
    local n = report.measure(task.model, task.data, { count = 2000,
      points = 201, grid = 101, quadrature = 32 })
    assert.is_true(n.elbo > first + 0.5)
    assert.is_true(n.gap < 0.3)
    assert.are.equal(2, n.modes_found)
    -- Both by the same samples: the mean of 64 draws of the bound each.
    assert.is_true(n.density_minus_elbo > 0)
    assert.is_near(1, n.integral, 2e-3)
    assert.is_true(n.elbo < n.importance)
  end)

  it("has a density of integral one in the plane too", function()
    local task = trained({ dimension = 2, modes = 3 }, 40)
    local n = report.measure(task.model, task.data, { count = 1000,
      quadrature = 0, importance = 2, mass = 40000 })
    -- The error is about 0.005, and an integral that misses something, or
    -- counts it twice, is wrong by more.
    assert.is_true(n.integral_error < 0.02)
    assert.is_near(1, n.integral, 3.5 * n.integral_error)
  end)

  it("by GECO moves the multiplier with the constraint", function()
    local task, _, seen = trained({ objective = "geco" }, 30)
    assert.are.equal(1, seen[1].multiplier)
    local tolerance = task.model.prior:entropy()
    -- At the start states lie outside of the prior: the multiplier grows.
    assert.is_true(seen[1].cross_entropy > tolerance)
    assert.is_true(seen[10].multiplier > 1.02)
    local numbers = task:numbers()
    local again = Task.new(task.config, task.data)
    again:load_numbers(numbers)
    assert.are.equal(task.geco:multiplier(), again.geco:multiplier())
  end)
end)

describe("the report of a flow", function()
  it("has a picture of the samples that it was trained on", function()
    local path = os.tmpname() .. ".npy"
    assert(torus.npy.save(path, torus.rand { 50, 2 }))
    local config = assert(configuration.make("small", { model = "nhf",
      data = path, width = 4, flows = 1 }))
    local draw, label = pictures.draw, nil
    pictures.draw = function(_, entries)
      label = entries[1].label
      return {}
    end
    local ok, problem = pcall(report.report, Task.model(config),
      assert(Task.open_data(config)), config, { count = 10, pictures = "nowhere" })
    pictures.draw = draw
    os.remove(path)
    assert(ok, problem)
    assert.are.equal(path:match("[^/]+$"), label)
  end)
end)

describe("kernel density estimates", function()
  it("of one sample are the kernel", function()
    local axis = torus.linspace(-3, 3, 61, F64)
    local z = kde.estimate(torus.tensor { { 0.5, -1 } }, axis, 0.3)
    assert.is_near(1, z:sum():item() * 0.01, 1e-4)
    -- Row 21 is -1, column 36 is 0.5.
    assert.is_near(1 / (2 * math.pi * 0.09), z[21][36]:item(), 1e-6)
  end)
end)
