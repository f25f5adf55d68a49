local extrapolation = require "torus.tasks.extrapolation"
local pictures = require "torus.tasks.extrapolation_pictures"
local torus = require "torus"

local COUNT, WINDOW = 10, 5

-- A model that knows the system: its state is the true one, moving `speed`
-- times as fast, back by default as forward. It recognises a state by its first two frames.
local function oracle(set, steps, speed, speed_back)
  local system = set.system
  local part = set:longer("test", COUNT, steps)
  local indices = {}
  for i = 1, COUNT do indices[i] = i end
  local states = part:states(indices, true):narrow(2, 1, steps + 1):to("float64")
  local rows = states:reshape(-1, 2, system.dimension)
  local frames = part:clean(indices):narrow(2, 1, steps + 1)
  local model = { config = { dtype = "float32" }, frame_time = 1 }

  -- |a - b|^2 of the pairs of frames, without the last times of sequences
  local pairs_ = torus.cat({ frames:narrow(2, 1, steps),
    frames:narrow(2, 2, steps) }, 3):reshape(COUNT * steps, -1)
  function model:infer(observed)
    local kept = {}
    for i = 1, observed:size(1) do
      local given = torus.cat({ observed[i]:narrow(1, 1, 1),
        observed[i]:narrow(1, 2, 1) }, 2):reshape(1, -1)
      local nearest = (pairs_ - given):square():sum(2):argmin(1):item() - 1
      kept[i] = nearest // steps * (steps + 1) + nearest % steps + 1
    end
    local found = rows:index_select(1, kept)
    return found:select(2, 1), found:select(2, 2)
  end

  function model:continue(trajectory, o)
    return system:solve(trajectory.q[-1], trajectory.p[-1],
      { steps = o.steps, dt = o.dt * set.dt * (o.dt < 0 and speed_back or speed) })
  end

  function model:images(trajectory)
    return system:render(trajectory.q):transpose(1, 2)
  end

  function model:energies(trajectory)
    local times, batch = trajectory.q:size(1), trajectory.q:size(2)
    return system:energy(trajectory.q:reshape(times * batch, -1),
      trajectory.p:reshape(times * batch, -1)):reshape(times, batch)
  end

  return model
end

local function measure(name, steps, speed, opts)
  local set = torus.data.simulate(name, { train = 1, test = COUNT, noise = 0,
    steps = WINDOW - 1, seed = 3 })
  local o = { steps = steps, window = WINDOW, count = COUNT, batch = 4 }
  for key, value in pairs(opts or {}) do o[key] = value end
  return extrapolation.measure(oracle(set, steps, speed), set, o)
end

describe("tasks.extrapolation", function()
  it("finds nothing wrong with a model that knows the system", function()
    local n = measure("pendulum", 90, 1)
    assert.are.equal(COUNT, n.count)
    assert.are.equal(90, n.valid.mean)
    assert.are.equal(90, n.valid.median)
    -- 91 frames, of which 5 are the window
    assert.are.same({ forward = 86, backward = 86, mean = 86, limit = 86 },
      n.prediction_time)
    assert.are.equal(91, #n.mse.by_step)
    assert.are.equal(60, n.mse.next_frames)
    assert.is_true(n.mse.window < 1e-9 and n.mse.next < 1e-9)
    assert.is_true(n.energy_drift.mean < 1e-6)
    assert.are.equal(1, n.symetric.symetric)
    assert.is_true(n.symetric.r2 > 0.9999 and n.symetric.sym < 1e-6)
    assert.are.equal(2, n.symetric.batches)
    assert.are.equal(COUNT, #n.period.points)
    assert.is_true(n.period.error < 1e-5)
    assert.is_true(n.period.points[1].energy < n.period.points[COUNT].energy)
    assert.is_true(n.period.points[1].truth < n.period.points[COUNT].truth)
  end)

  it("sees a motion that is too fast, forward, backward and in the period",
    function()
      local n = measure("mass_spring", 100, 1.05)
      assert.is_true(n.valid.mean > 4 and n.valid.mean < 95)
      assert.is_true(n.prediction_time.forward < 96)
      assert.is_true(n.prediction_time.backward < 96)
      -- of the same motion, either way
      assert.is_true(math.abs(n.prediction_time.forward
        - n.prediction_time.backward) < 60)
      assert.is_near(1 - 1 / 1.05, n.period.error, 1e-3)
      assert.is_true(n.energy_drift.mean < 1e-6)
      assert.is_true(n.mse.by_step[50] > 10 * n.mse.by_step[2])
    end)

  it("takes the mean of both directions, of which one may be better", function()
    local set = torus.data.simulate("mass_spring", { train = 1, test = COUNT, noise = 0,
      steps = WINDOW - 1, seed = 3 })
    local o = { steps = 60, window = WINDOW, count = COUNT, symetric = false }
    local forward = extrapolation.measure(oracle(set, 60, 1.1, 1), set, o).prediction_time
    local back = extrapolation.measure(oracle(set, 60, 1, 1.1), set, o).prediction_time
    for better, time in pairs { backward = forward, forward = back } do
      -- 61 frames, of which 5 are the window
      assert.are.equal(56, time.limit)
      assert.are.equal(56, time[better])
      local worse = time[better == "forward" and "backward" or "forward"]
      assert.is_true(worse < 40)
      assert.are.equal((56 + worse) / 2, time.mean)
    end
  end)

  it("has the energies of sequences with constants of their own", function()
    local set = torus.data.simulate("mass_spring_colours", { train = 1, test = COUNT,
      noise = 0, steps = WINDOW - 1, seed = 4, resolution = 16 })
    -- A model that knows nothing but moves periodically.
    local model = { config = { dtype = "float32" }, frame_time = 1 }
    function model.infer(_, frames)
      local one = torus.ones(frames:size(1), 1)
      return one, one * 0
    end
    function model.continue(_, start, o)
      local phase = torus.arange(0, o.steps):reshape(-1, 1, 1) * 0.3
      return { q = start.q[-1] * phase:cos(), p = start.q[-1] * -phase:sin() }
    end
    function model.images(_, trajectory)
      return torus.zeros(trajectory.q:size(2), trajectory.q:size(1), 16, 16, 3)
    end
    function model.energies(_, trajectory) return trajectory.q:squeeze(3) end
    local period = extrapolation.measure(model, set, { steps = 100, window = WINDOW,
      count = COUNT, symetric = false }).period
    local column
    for i, name in ipairs(set.system.varying) do column = name == "m" and i or column end
    local k, expected = set.system.constants.k, {}
    for i = 1, COUNT do
      local m = set.test.constants[i][column]:item()
      local first = set.test:states({ i }, true)[1][1]
      local q, p = first[1][1]:item(), first[2][1]:item()
      expected[i] = { energy = k * q ^ 2 / 2 + p ^ 2 / (2 * m),
        truth = 2 * math.pi * math.sqrt(m / k) }
    end
    table.sort(expected, function(a, b) return a.energy < b.energy end)
    assert.are.equal(COUNT, #period.points)
    for i, point in ipairs(period.points) do
      -- of float32 states
      assert.is_near(expected[i].energy, point.energy, 1e-6)
      assert.is_near(expected[i].truth, point.truth, 2e-3 * expected[i].truth)
      assert.is_near(2 * math.pi / 0.3 * set.dt, point.learned, 2e-3)
    end
  end)

  it("compares two bodies in their relative motion", function()
    local n = measure("two_body", 60, 1)
    assert.are.equal(60, n.valid.median)
    assert.is_nil(n.period)
    assert.are.equal(8, n.symetric.variables)
    assert.is_true(n.symetric.r2 > 0.999)
  end)

  it("starts from the states that it is given", function()
    local set = torus.data.simulate("mass_spring", { train = 1, test = COUNT,
      noise = 0, steps = WINDOW - 1, seed = 3 })
    local model, calls = oracle(set, 40, 1), {}
    local n = extrapolation.measure(model, set, { steps = 40, window = WINDOW,
      count = COUNT, infer = function(frames)
        calls[#calls + 1] = frames.shape
        local q, p = model:infer(frames)
        return q * 0, p * 0
      end })
    assert.are.same({ { COUNT, WINDOW, 32, 32, 3 },
      { COUNT, WINDOW, 32, 32, 3 } }, calls)
    assert.is_true(n.valid.mean < 40)
  end)

  it("begins with the whole window where fewer steps are compared", function()
    local set = torus.data.simulate("mass_spring", { train = 1, test = COUNT,
      noise = 0, steps = WINDOW - 1, seed = 3 })
    local model, shape = oracle(set, 20, 1), nil
    local n = extrapolation.measure(model, set, { steps = 2, window = WINDOW, count = COUNT,
      infer = function(frames)
        shape = frames.shape
        return model:infer(frames)
      end })
    assert.are.same({ COUNT, WINDOW, 32, 32, 3 }, shape)
    assert.are.equal(3, #n.mse.by_step)
  end)

  it("shows steps of the first sequence", function()
    local n, shown = measure("mass_spring", 20, 1, { show = { 0, 7, 20 } })
    assert.are.same({ 3, 32, 32, 3 }, shown.seen.shape)
    assert.is_true((shown.seen - shown.truth):abs():max():item() < 1e-3)
    assert.are.equal(21, #n.mse.by_step)
    assert.are.same({ 0, 50, 100, 200, 300 }, pictures.strip_steps(300))
    assert.are.same({ 0, 50, 100 }, pictures.strip_steps(199))
    assert.are.same({ 0, 6, 12, 18, 24, 30 }, pictures.strip_steps(30))
    assert.are.same({ 0, 1, 2 }, pictures.strip_steps(2))
  end)

  it("says what it measured", function()
    local n = measure("pendulum", 60, 1)
    local rows = {}
    for _, row in ipairs(extrapolation.rows(n)) do rows[row[1]] = row[2] end
    assert.matches("^mean 60.0 %+%- 0.0, median 60$", rows["valid steps"])
    assert.matches("^56 of 56", rows["valid prediction time"])
    assert.matches("^1.00 of 2$", rows["SyMetric, mean of batches"])
    assert.matches("of 10 sequences$", rows["period against energy"])
    assert.is_string(rows["MSE in the 56 frames after it"])
    local short = extrapolation.rows(measure("pendulum", 4, 1))
    for _, row in ipairs(short) do rows[row[1]] = row[2] end
    assert.matches("no frames after", rows["valid prediction time"])
  end)

  it("says where frames can't be simulated further", function()
    local frames = torus.rand(4, 6, 8, 8, 3)
    local set = assert(torus.data.frames(frames, { test = 2 }))
    local n, message = extrapolation.measure({ config = { dtype = "float32" } },
      set, { steps = 9, window = 6 })
    assert.is_nil(n)
    assert.matches("expected at most 5 steps, got 9", message)
  end)
end)

describe("what rollouts are compared with", function()
  it("are the set's own sequences, longer", function()
    local set = torus.data.simulate("pendulum", { train = 1, test = 5,
      noise = 0, steps = 6, seed = 8 })
    local long = set:longer("test", 3, 50)
    assert.are.equal(51, long.length)
    assert.are.equal(3, long.size)
    local difference = long:clean({ 1, 2, 3 }):narrow(2, 1, 7)
      - set.test:clean { 1, 2, 3 }
    assert.are.equal(0, difference:abs():max():item())
    assert.are.equal(set.test, set:longer("test", 3, 6))
  end)

  it("keep the constants of each sequence", function()
    local set = torus.data.simulate("mass_spring_colours", { train = 1, test = 3,
      noise = 0, steps = 4, seed = 8, resolution = 16 })
    local long = set:longer("test", 3, 9)
    assert.are.equal(0, (long.constants - set.test.constants):abs():max():item())
    local difference = long:clean({ 1, 2, 3 }):narrow(2, 1, 5)
      - set.test:clean { 1, 2, 3 }
    assert.are.equal(0, difference:abs():max():item())
  end)

  it("are canonical coordinates without the centre of mass", function()
    for name, bodies in pairs { two_body = 2, three_body = 3 } do
      local system = torus.systems[name]
      local d = system.dimension
      -- columns of the Jacobian of a linear map
      local unit = torus.eye(2 * d, { dtype = "float64" })
      local q, p = system:relative(unit:narrow(2, 1, d), unit:narrow(2, d + 1, d))
      local jacobian = torus.cat({ q, p }, 2):transpose(1, 2):unsqueeze(1)
      assert.are.same({ 1, 4 * bodies - 4, 2 * d }, jacobian.shape)
      assert.is_true(torus.measures.symetric.symplecticity(jacobian) < 1e-28)
      -- the kinetic energy is that of reduced masses k m / (k + 1), m = 1
      local _, momenta = system:sample { count = 7, seed = 1 }
      local _, relative = system:relative(momenta, momenta)
      local sum
      for k = 1, bodies - 1 do
        local part = relative:narrow(2, 2 * k - 1, 2):square():sum(2)
          * ((k + 1) / (2 * k))
        sum = sum and sum + part or part
      end
      local kinetic = momenta:square():sum(2) / 2
      assert.is_true((sum - kinetic):abs():max():item() < 1e-12)
    end
    local q = torus.rand(2, 1)
    assert.are.equal(q, (torus.systems.pendulum:relative(q, q)))
  end)
end)
