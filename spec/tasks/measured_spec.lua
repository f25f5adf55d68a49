-- An HNN on states of one's own: what files are read as, the units, training through the
-- integrator.
local files = require "torus.files"
local json = require "dkjson"
local lfs = require "lfs"
local measured = require "torus.data.measured"
local raises = require "spec.support.raises"
local string_array = require "spec.support.string_array"
local report = require "torus.tasks.hnn.measured_report"
local rollouts = require "torus.tasks.hnn.rollouts"
local torus = require "torus"

local F64 = { dtype = "float64" }

local function largest(x) return x:abs():max():item() end

local base

setup(function()
  base = os.tmpname()
  os.remove(base)
  assert(lfs.mkdir(base))
end)

teardown(function() os.execute("rm -r " .. base) end)

-- A mass on a spring as another program prints it: H = (q^2 + p^2) / 2.
local function spring_csv(name, header, trajectories, noise)
  local path, lines = base .. "/" .. name, { header }
  for k = 1, trajectories do
    for i = 0, 60 do
      local t, r = i * 0.1, 0.5 + 7 * k % trajectories / trajectories
      local wiggle = (noise or 0) * math.sin(12345.6 * (i + 100 * k) ^ 2)
      lines[#lines + 1] = ("%.4f,%.12g,%.12g"):format(t, r * math.cos(t + k) + wiggle,
        -r * math.sin(t + k) - wiggle)
    end
  end
  assert(files.write(path, table.concat(lines, "\n") .. "\n"))
  return path
end

local function refused(pattern, path, opts)
  local none, message = measured.open(path, opts)
  assert.is_nil(none)
  assert.matches(pattern, message)
end

local function write(name, text)
  assert(files.write(base .. "/" .. name, text))
  return base .. "/" .. name
end

describe("measured states", function()
  it("are trajectories of a table, with differences of second order", function()
    local path = spring_csv("spring.csv", "t,q,p", 5)
    local set = assert(measured.open(path, F64))
    assert.is_near(0.1, set.dt, 1e-12)
    assert.are.same({ 61, 61, 61, 61 }, set.train.sequence.lengths)
    assert.are.same({ 61 }, set.test.sequence.lengths)
    assert.are.equal(4 * 59, set.train.size)
    -- dq/dt = p: the difference of neighbours is p sin(h) / h.
    local factor = math.sin(0.1) / 0.1
    assert.is_true(largest(set.train.dq - set.train.p * factor) < 1e-10)
    assert.is_true(largest(set.train.dp + set.train.q * factor) < 1e-10)
    local forward = assert(measured.open(path, { derivatives = "difference",
      dtype = "float64" }))
    assert.are.equal(4 * 60, forward.train.size)
    assert.is_true(largest(forward.train.dq - forward.train.p) > 0.04)
  end)

  it("are told by the names of columns, in any order", function()
    local path = write("named.csv", "p2;run;q1;dq1;noise;q2;p1;dp2;dq2;dp1\n"
      .. "4;1;1;5;0;2;3;8;6;7\n40;1;10;50;0;20;30;80;60;70\n1;2;1;1;0;1;1;1;1;1\n")
    local set = assert(measured.open(path))
    assert.are.equal("true", set.derivatives)
    assert.are.equal(2, set.dimension)
    assert.are.same({ { 1, 2 }, { 10, 20 } }, set.train.q:totable())
    assert.are.same({ { 3, 4 }, { 30, 40 } }, set.train.p:totable())
    assert.are.same({ { 5, 6 }, { 50, 60 } }, set.train.dq:totable())
    assert.are.same({ { 7, 8 }, { 70, 80 } }, set.train.dp:totable())
    assert.are.equal(1, set.test.size)
  end)

  it("are arrays with time in the second place", function()
    local q, p = torus.randn({ 4, 20, 2 }, F64), torus.randn({ 4, 20, 2 }, F64)
    local path = base .. "/states.npy"
    local function first_q(opts)
      return assert(measured.open(path, opts)).train.sequence.q
    end
    local expected = q:narrow(1, 1, 3):reshape(-1, 2)
    local o = { dt = 0.5, dtype = "float64" }
    assert(torus.npy.save(path, torus.cat({ q, p }, 3)))
    assert.are.equal(0, largest(first_q(o) - expected))
    assert(torus.npy.save(path, torus.stack({ q, p }, 3)))
    assert.are.equal(0, largest(first_q(o) - expected))
    local archive = base .. "/states.npz"
    assert(torus.npz.save(archive, { q = q, p = p, dq = q * 2, dp = p * 3, dt =
      torus.tensor(0.5) }))
    local set = assert(measured.open(archive, F64))
    assert.are.equal("true", set.derivatives)
    assert.are.equal(0, largest(set.train.dq - expected * 2))
    for key, x in pairs { dt = torus.zeros(0), t = torus.arange(7) } do
      assert(torus.npz.save(archive, { q = q, p = p, [key] = x }))
      local none, message = measured.open(archive, F64)
      assert.is_nil(none)
      assert.matches(key == "dt" and "states.npz: expected one number as dt, got tensor %(0%)"
        or "states.npz: expected t to have a time for each of the %d+ states", message)
    end
    string_array.save(archive, { q = q, p = p, dt = torus.tensor(0.5) }, "label")
    assert.are.equal(0, largest(measured.open(archive, F64).train.sequence.q - expected))
    -- A single trajectory is cut in time.
    assert(torus.npy.save(path, torus.cat({ q[1], p[1] }, 2)))
    set = assert(measured.open(path, o))
    assert.are.same({ 16 }, set.train.sequence.lengths)
    assert.are.same({ 4 }, set.test.sequence.lengths)
  end)

  it("have the differences of neighbours, forward or central, of each trajectory", function()
    local dt, q, p, lines = 0.25, {}, {}, { "t,q,p" }
    for k = 1, 3 do
      q[k], p[k] = {}, {}
      for i = 1, 5 do
        q[k][i], p[k][i] = k * i ^ 3, 10 * k - i ^ 2
        lines[#lines + 1] = ("%g,%g,%g"):format((i - 1) * dt, q[k][i], p[k][i])
      end
    end
    local path = write("cubes.csv", table.concat(lines, "\n") .. "\n")
    for derivatives, before in pairs { difference = 0, central = 1 } do
      local set = assert(measured.open(path, { derivatives = derivatives, dtype = "float64" }))
      local row = 0
      for k = 1, 2 do -- the third is the test
        for i = 1 + before, 4 do
          row = row + 1
          local span = (1 + before) * dt
          local train = set.train
          assert.are.equal(q[k][i], train.q[row][1]:item())
          assert.are.equal(p[k][i], train.p[row][1]:item())
          assert.are.equal((q[k][i + 1] - q[k][i - before]) / span, train.dq[row][1]:item())
          assert.are.equal((p[k][i + 1] - p[k][i - before]) / span, train.dp[row][1]:item())
        end
      end
      assert.are.equal(row, set.train.size)
    end
  end)

  it("may have uneven times next to derivatives, and then no time step", function()
    local path = write("uneven.csv", "t,q,p,dq,dp\n0,1,2,3,4\n1,5,6,7,8\n1.5,9,10,11,12\n"
      .. "4,13,14,15,16\n9,17,18,19,20\n")
    local set = assert(measured.open(path, F64))
    assert.is_nil(set.dt)
    assert.is_nil(set.train.sequence)
    assert.is_nil(set.test.sequence)
    assert.are.same({ { 1 }, { 5 }, { 9 }, { 13 } }, set.train.q:totable())
    assert.are.same({ { 3 }, { 7 }, { 11 }, { 15 } }, set.train.dq:totable())
    assert.are.same({ { 20 } }, set.test.dp:totable())
    assert.are.equal(("data of %s: 1 coordinate, dt unknown, 4 points for training, 1 for tests; "
      .. "q = q; p = p; 5 states in 1 trajectory"):format(path), tostring(set))
    for _, o in ipairs { { derivatives = "central" }, { derivatives = "central", dt = 1 },
      { dt = 1 } } do
      assert.matches("expected equal time steps, got different ones", select(2, measured.open(path,
        o)), 1, true)
    end
  end)

  it("have finite times", function()
    for _, times in ipairs { { 0, "nan", 1.5 }, { "nan", 1, 2 }, { 0, 1, "inf" } } do
      local path = write("times.csv", ("t,q,p,dq,dp\n%s,1,2,3,4\n%s,5,6,7,8\n%s,9,10,11,12\n")
        :format(table.unpack(times)))
      assert.matches("expected finite times, got ", select(2, measured.open(path)), 1, true)
    end
  end)

  it("print how the file was read", function()
    local path = write("columns.csv", "time,p2,q1,q2,p1\n0,1,2,3,4\n0.5,1,2,3,4\n1,1,2,3,4\n"
      .. "0,1,2,3,4\n0.5,1,2,3,4\n1,1,2,3,4\n")
    assert.are.equal(("data of %s: 2 coordinates, dt 0.5, 1 point for training, 1 for tests; "
      .. "q = q1, q2; p = p1, p2; 6 states in 2 trajectories"):format(path),
      tostring(assert(measured.open(path))))
    path = write("bare.csv", "1,2\n3,4\n5,6\n7,8\n")
    assert.are.equal(("data of %s: 1 coordinate, dt 2, 1 point for training, 1 for tests; "
      .. "q = column 1; p = column 2; 4 states in 1 trajectory"):format(path),
      tostring(assert(measured.open(path, { dt = 2, derivatives = "difference",
        test_share = 0.4 }))))
    path = base .. "/print.npy"
    assert(torus.npy.save(path, torus.zeros(4, 6, 2, 3)))
    assert.are.equal(("data of %s: 3 coordinates, dt 0.1, 12 points for training, 4 for tests; "
      .. "an array of shape (4,6,2,3), read as 4 trajectories of 6 times with 3 coordinates")
      :format(path), tostring(assert(measured.open(path, { dt = 0.1 }))))
  end)

  it("hold out other points with another seed where they have no order", function()
    local x = torus.arange(40):reshape(10, 4)
    local path = base .. "/points.csv"
    assert(torus.csv.save(path, x, { header = { "q", "p", "dq", "dp" } }))
    local one, two = assert(measured.open(path)), assert(measured.open(path, { seed = 1 }))
    assert.are.equal(8, one.train.size)
    assert.is_true(largest(one.test.q - two.test.q) > 0)
    assert.are.equal(0, largest(one.train.dp - one.train.q - 3))
    local all = torus.cat({ one.train.q, one.test.q }, 1):sort(1)
    assert.are.equal(0, largest(all - x:narrow(2, 1, 1)))
  end)

  it("are held out by the nearest number of states or trajectories", function()
    local o = { dt = 1, derivatives = "difference", test_share = 0.2 }
    -- 0.2 * 11 = 2.2 and 0.2 * 13 = 2.6
    for count, test in pairs { [11] = 2, [13] = 3 } do
      local function lengths(q)
        assert(torus.npy.save(base .. "/held.npy", torus.cat({ q, q }, 3)))
        local set = assert(measured.open(base .. "/held.npy", o))
        return set.train.sequence.lengths, set.test.sequence.lengths
      end
      local train, held = lengths(torus.zeros(1, count, 1))
      assert.are.same({ { count - test }, { test } }, { train, held })
      train, held = lengths(torus.zeros(count, 4, 1))
      assert.are.same({ count - test, test }, { #train, #held })
      assert(torus.csv.save(base .. "/held.csv", torus.rand(count, 4),
        { header = { "q", "p", "dq", "dp" } }))
      local points = assert(measured.open(base .. "/held.csv"))
      assert.are.same({ count - test, test }, { points.train.size, points.test.size })
    end
  end)

  it("have steps that are equal to a thousandth", function()
    -- Ten times, the fourth of which is off by a part of the step.
    local function opened(part, dt)
      local lines = { "t,q,p" }
      for i = 0, 9 do
        lines[#lines + 1] = ("%.9f,%d,0"):format(i * 0.5 + (i == 3 and part * 0.5 or 0), i)
      end
      return measured.open(write("steps.csv", table.concat(lines, "\n") .. "\n"),
        { dt = dt, test_share = 0.4 })
    end
    for _, part in ipairs { 0, 0.0008, -0.0008 } do
      assert.is_near(0.5, assert(opened(part)).dt, 1e-9)
    end
    for _, part in ipairs { 0.0012, -0.0012 } do
      assert.matches("expected equal time steps", select(2, opened(part)))
    end
    assert.is_near(0.5, assert(opened(0, 0.5003)).dt, 1e-9)
    assert.matches("expected time steps of dt = 0.5007, got 0.5", select(2, opened(0, 0.5007)))
  end)

  it("are refused with what was expected", function()
    refused("No such file", base .. "/none.csv")
    refused("expected the time between states as dt", write("a.csv", "q,p\n1,2\n2,3\n3,4\n"))
    refused("expected equal time steps, got 1 and, at row 3, 2",
      write("b.csv", "t,q,p\n0,1,2\n1,2,3\n3,3,4\n"))
    refused("the same number of columns each, got 3", write("c.csv", "1,2,3\n2,3,4\n"), { dt = 1 })
    refused("the same number of columns for q, p and",
      write("d.csv", "q1,q2,p1\n1,2,3\n"), { dt = 1 })
    refused("a NaN or an infinity in row 2 of q", write("e.csv",
      "t,q,p\n0,1,2\n1,nan,3\n2,3,4\n3,1,1\n"))
    refused("expected dq and dp, got only q and p", write("f.csv",
      "t,q,p\n0,1,2\n1,2,3\n2,3,4\n3,1,1\n"), { derivatives = "true" })
    refused("at least 3 states for training and for tests, .*, got 2 states in 1 trajectory$",
      write("g.csv", "t,q,p\n0,1,2\n1,2,3\n"))
    local x = torus.zeros(10, 30)
    assert(torus.npz.save(base .. "/flat.npz", { q = x, p = x }))
    refused("got q of shape %(10,30%), read as 1 trajectory of 10 times with 30 coordinates; "
      .. "several trajectories are %(trajectories, times, d%)$", base .. "/flat.npz", { dt = 1 })
    assert(torus.npy.save(base .. "/short.npy", torus.zeros(5, 2, 4)))
    refused("got an array of shape %(5,2,4%), read as 5 trajectories of 2 times with 2 "
      .. "coordinates$", base .. "/short.npy", { dt = 1 })
    refused("steps of dt = 0.5, got 1", base .. "/f.csv", { dt = 0.5 })
    -- Ten times in each of three trajectories, but pieces of 10, 12 and 8, or of 30, or of 5.
    x = torus.zeros(3, 10, 1)
    local function rising(...)
      local list = {}
      for i, n in ipairs { ... } do list[i] = torus.arange(1, n) end
      return torus.cat(list, 1)
    end
    for pieces, t in pairs { [12] = rising(10, 12, 8), [30] = rising(30), [5] = rising(5, 5) } do
      assert(torus.npz.save(base .. "/times.npz", { q = x, p = x, t = t }))
      refused("expected times t that rise in each trajectory of q, got " .. pieces .. " rising "
        .. "ones .*q of shape %(3,10,1%), read as 3 trajectories of 10 times with 1 coordinate",
        base .. "/times.npz")
    end
    for _, t in ipairs { rising(10), rising(10, 10, 10) } do
      assert(torus.npz.save(base .. "/times.npz", { q = x, p = x, t = t * 0.5 }))
      assert.are.equal(0.5, assert(measured.open(base .. "/times.npz")).dt)
    end
    assert(torus.npy.save(base .. "/odd.npy", torus.zeros(2, 3, 5)))
    refused("%(trajectories, times, 2 d%), .* got %(2,3,5%)", base .. "/odd.npy", { dt = 1 })
  end)
end)

describe("windows of trajectories", function()
  it("stay within one", function()
    local q = torus.arange(9):reshape(9, 1) -- the row itself
    local sequence = { q = q, p = q * 10, lengths = { 4, 2, 3 } }
    local starts = rollouts.starts(sequence, 2)
    assert.are.same({ 1, 2, 7 }, starts:totable())
    local a, b = rollouts.windows(sequence, starts, 2)
    assert.are.same({ 3, 3, 1 }, a.shape)
    assert.are.same({ { 1, 2, 7 }, { 2, 3, 8 }, { 3, 4, 9 } }, a:squeeze(3):totable())
    assert.are.equal(0, largest(b - a * 10))
    assert.is_nil(rollouts.starts(sequence, 4))
    assert.are.same({ 1, 3, 5, 7 }, rollouts.starts(sequence, 1, 2):totable())
  end)
end)

describe("an hnn in units of the data", function()
  local function model_of(changes)
    local config = { dimension = 2, width = 6, normalise = true, dtype = "float64" }
    for key, value in pairs(changes or {}) do config[key] = value end
    return torus.models.hnn(config, torus.generator(3))
  end

  local function states()
    local g = torus.generator(5)
    local o = { dtype = "float64", generator = g }
    return torus.randn({ 20, 2 }, o) * 30 + 4, torus.randn({ 20, 2 }, o) * 0.1 - 1
  end

  it("moves by the gradients of its energy in the given ones", function()
    for _, changes in ipairs { {}, { hamiltonian = "separable" } } do
      local model, q, p = model_of(changes), states()
      model:normalise(q, p, p * 300, q * -0.002)
      local vq, vp = torus.variable(q), torus.variable(p)
      local g = torus.grad(model:energy(vq, vp):sum(), { vq, vp })
      local dq, dp = model:motion(q, p)
      assert.is_true(largest(dq - g[2]) < 1e-12 * largest(dq))
      assert.is_true(largest(dp + g[1]) < 1e-12 * largest(dp))
    end
  end)

  it("rolls out as torus.integrate does, friction included", function()
    for _, form in ipairs { "joint", "separable" } do
      local model, q, p = model_of { hamiltonian = form, friction = "network" }, states()
      model:normalise(q, p, p * 300, q * -0.002)
      local o = { dt = 0.01, steps = 20, method = "rk4" }
      local a = model:rollout(q, p, o)
      local b = torus.integrate { H = model, q = q, p = p, dt = 0.01, steps = 20,
        method = "rk4" }
      assert.is_true(largest(a.q - b.q) < 1e-11 and largest(a.p - b.p) < 1e-12)
    end
  end)

  it("sees states of mean 0 and deviation 1", function()
    local model, q, p = model_of(), states()
    model:normalise(q, p, p * 300, q * -0.002)
    local s = model.scale:totable()
    assert.is_near(math.sqrt((q - q:mean(1, true)):square():mean():item()), s[1], 1e-12)
    assert.is_near(math.sqrt((p - p:mean(1, true)):square():mean():item()), s[2], 1e-12)
    raises("hnn:normalise: expected a model with normalise = true", function()
      model_of { normalise = false }:normalise(q, p, q, p)
    end)
  end)

  it("measures time by the rate at which states change", function()
    local model = model_of()
    -- q deviates by -2, 0, 2, 0 and p by -3, -1, 3, 1 from their means.
    model:normalise(torus.tensor({ { 0, 2 }, { 4, 2 } }, F64),
      torus.tensor({ { 0, 0 }, { 6, 2 } }, F64), torus.tensor({ { 2, 0 }, { 0, 2 } }, F64),
      torus.tensor({ { 5, 0 }, { -5, 0 } }, F64))
    -- Mean squares of 1 for dq and of 2.5 for dp in these units.
    for i, expected in ipairs { math.sqrt(2), math.sqrt(5), math.sqrt(1 + 2.5) } do
      assert.is_near(expected, model.scale[i]:item(), 1e-15)
    end
  end)

  it("has a loss of rollouts in its own units", function()
    local model, q, p = model_of(), states()
    model:normalise(q, p, p * 300, q * -0.2)
    local variance = { q = 0, p = 0 } -- about 900 and 0.01
    for name, x in pairs { q = q, p = p } do
      local rows = x:totable()
      for k = 1, 2 do
        local mean = 0
        for i = 1, 20 do mean = mean + rows[i][k] / 20 end
        for i = 1, 20 do variance[name] = variance[name] + (rows[i][k] - mean) ^ 2 / 40 end
      end
    end
    q, p = q:reshape(4, 5, 2), p:reshape(4, 5, 2)
    local found = torus.integrate { H = model, q = q[1], p = p[1], dt = 0.01, steps = 3,
      method = "rk4" }
    local sum = 0
    for i = 2, 4 do
      sum = sum + (found.q[i] - q[i]):square():sum():item() / variance.q
        + (found.p[i] - p[i]):square():sum():item() / variance.p
    end
    -- 3 states of 5 trajectories with 2 coordinates, and half the sum of both means
    assert.is_near(1, model:rollout_loss(q, p, { dt = 0.01 }):item() / (sum / 60), 1e-12)
  end)

  it("has a loss of rollouts that is a mean of squares", function()
    local model, q, p = model_of { hamiltonian = "separable", normalise = false },
      states()
    q, p = q:reshape(4, 5, 2) / 30, p:reshape(4, 5, 2)
    local found = torus.integrate { H = model, q = q[1], p = p[1], dt = 0.1, steps = 3 }
    local sum = 0
    for i = 2, 4 do
      sum = sum + (found.q[i] - q[i]):square():sum():item()
        + (found.p[i] - p[i]):square():sum():item()
    end
    assert.is_near(sum / 60, model:rollout_loss(q, p, { dt = 0.1,
      method = "leapfrog" }):item(), 1e-12)
  end)
end)

describe("the report on measured states", function()
  it("has errors in units of each variance and the drift from the first state", function()
    local function column(list) return torus.tensor(list, F64):unsqueeze(2) end
    local model = { config = F64, hamiltonian = true }
    function model.energy(_, q) return q:square():squeeze(2) end
    -- Variances over all states: of q, 2, and of p, 50, around 2 and 0.
    local data = { dt = 1, test = { sequence = { q = column { 0, 2, 4, 1, 3 },
      p = column { 0, 10, -10, 5, -5 }, lengths = { 3, 2 } } } }
    local n = report.measure(model, data, { roll = function(q, p, steps)
      local i = torus.arange(0, steps, F64):reshape(-1, 1, 1)
      return { q = q + i, p = p + i * 0 }
    end })
    -- Predicted: q = 0, 1, 2 with p = 0, and q = 1, 2 with p = 5. The mean squared errors are
    -- 5/3 and 200/3, then 1/2 and 50.
    local function check(name, a, b)
      assert.is_near((a + b) / 2, n[name], 1e-12)
      assert.is_near(math.abs(a - b) / math.sqrt(2), n[name .. "_spread"], 1e-12)
    end
    check("state_rk4", (5 / 3 + 200 / 3) / 2, (1 / 2 + 50) / 2)
    check("state_share", (5 / 3 / 2 + 200 / 3 / 50) / 2, (1 / 2 / 2 + 50 / 50) / 2)
    -- q^2 is predicted as 0, 1, 4 and 1, 4, and measured as 0, 4, 16 and 1, 9.
    check("energy_drift", 4, 3)
    check("energy_measured", math.sqrt((0 + 4 ^ 2 + 16 ^ 2) / 3 - (20 / 3) ^ 2), 4)
  end)
end)

describe("training on a file of states", function()
  local function script(command)
    local out, err = base .. "/out", base .. "/err"
    local _, _, status = os.execute(("scripts/torus scripts/%s >%s 2>%s"):format(command,
      out, err))
    return status, files.read(out), files.read(err)
  end

  local function succeeds(command, ...)
    local status, out, err = script(command:format(...))
    assert.are.equal(0, status, err)
    return out
  end

  local function fails(pattern, command, ...)
    local status, _, err = script(command:format(...))
    assert.is_true(status ~= 0)
    assert.matches(pattern, err)
    assert.is_nil(err:find("stack traceback", 1, true))
  end

  it("is one command, and keeps the units in the checkpoint", function()
    local path = spring_csv("plain.csv", "t,q,p", 10)
    succeeds("train.lua hnn --data %s --steps 200 --set width=32 --set lr=0.01 --out %s/d",
      path, base)
    local found = json.decode(succeeds("evaluate.lua %s/d --json --pictures", base))
    -- Predicting the mean has 1.
    assert.is_true(found.state_share < 0.05)
    assert.matches("^\137PNG", files.read(base .. "/d/rollouts.png"))
    local model = assert(torus.runs.open(base .. "/d"))
    assert.is_true(largest(model.scale - 1) > 0.1)
    succeeds("train.lua --resume --steps 201 --out %s/d", base)
    -- The run opens without its file.
    assert(os.rename(path, path .. ".away"))
    local again = assert(torus.runs.open(base .. "/d"))
    assert.are.equal(0, largest(again.scale - model.scale))
    fails("No such file", "evaluate.lua %s/d", base)
  end)

  it("goes through the integrator, next to the plain network", function()
    local path = spring_csv("noisy.csv", "t,q,p", 10, 0.02)
    local common = ("--data %s --steps 60 --set width=24 --set lr=0.01 "
      .. "--set loss=rollout"):format(path)
    succeeds("train.lua hnn %s --set hamiltonian=separable --out %s/s", common, base)
    local found = json.decode(succeeds("evaluate.lua %s/s --json", base))
    assert.is_true(found.state_share < 0.2)
    succeeds("train.lua hnn %s --set hamiltonian=separable --set initial=fitted "
      .. "--set stride=2 --out %s/f", common, base)
    assert.matches("training windows +224 of 5 steps, of 8 trajectories, from fitted states",
      succeeds("evaluate.lua %s/f", base))
    found = json.decode(succeeds("evaluate.lua %s/f --json", base))
    assert.is_true(found.state_share < 0.2)
    fails("initial: expected none with loss=derivatives", "train.lua hnn --data %s "
      .. "--set initial=fitted --out %s/g", path, base)
    succeeds("train.lua hnn %s --set kind=mlp --out %s/m --steps 2", common, base)
    local out = succeeds("evaluate.lua %s/m --pictures", base)
    assert.is_nil(out:find("learned energy"))
    fails("integrator: leapfrog needs hamiltonian=separable", "train.lua hnn %s "
      .. "--set integrator=leapfrog --out %s/n", common, base)
    fails("horizon: expected at most 60, the steps of the longest trajectory for training, "
      .. "got 61", "train.lua hnn %s --set horizon=61 --out %s/n", common, base)
    fails("integrator: expected rk4 for the plain network", "train.lua hnn %s "
      .. "--set kind=mlp --set integrator=gauss4 --out %s/n", common, base)
    fails("noise: expected none for the states of", "train.lua hnn %s --set noise=1 "
      .. "--out %s/n", common, base)
    fails("dt: expected none without data", "train.lua hnn --set dt=1 --out %s/n", base)
  end)

  it("of a sympnet needs no integrator", function()
    local path = spring_csv("map.csv", "t,q,p", 10)
    succeeds("train.lua sympnet --data %s --steps 150 --set lr=0.01 --set layers=4 "
      .. "--set lr_decay=cosine --out %s/map", path, base)
    local found = json.decode(succeeds("evaluate.lua %s/map --json --pictures", base))
    assert.is_true(found.state_share < 0.2)
    assert.is_nil(found.energy_drift)
    assert.matches("^\137PNG", files.read(base .. "/map/rollouts.png"))
    succeeds("train.lua --resume --steps 151 --out %s/map", base)
    fails("horizon: expected at most 60", "train.lua sympnet --data %s --set horizon=99 "
      .. "--out %s/n", path, base)
  end)

  it("compares with the system where it is known", function()
    local path = spring_csv("known.csv", "t,q,p", 4)
    succeeds("train.lua hnn --data %s --system mass_spring --steps 2 --set width=8 "
      .. "--out %s/k", path, base)
    local found = json.decode(succeeds("evaluate.lua %s/k --json --pictures", base))
    assert.is_true(found.truth_rk4 > 0 and found.energy_rk4 > 0)
    fails("dimension: expected that of two_body, 4, got 1", "train.lua hnn --data %s "
      .. "--system two_body --out %s/l", path, base)
  end)
end)
