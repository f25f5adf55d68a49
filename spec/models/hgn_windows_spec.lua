-- The state of a sequence from several windows of it. The motion is that of a
-- harmonic oscillator, whose leapfrog steps are a matrix, so that the least-squares
-- solution is known in closed form.
local raises = require "spec.support.raises"
local torus = require "torus"
local hamiltonian = require "torus.hamiltonian"
local windows = require "torus.models.hgn.windows"

local DOUBLE = { dtype = "float64" }
local OMEGA2 = 1.7

local function normal(shape, seed, scale)
  return torus.randn(shape, { dtype = "float64", generator = torus.generator(seed) })
    * (scale or 1)
end

local function furthest(a, b) return (a - b):abs():max():item() end

local function sum_of_squares(x, factor) return x:square():sum(-1) * (factor / 2) end

-- A model of that motion, whose encoder reads the state off two pixels of the
-- anchored frame.
local function oscillator(changes)
  local config = { phase = "vector", dimension = 1, width = 4, resolution = 16,
    frames = 12, context = 4, windows = 5, dtype = "float64", kinetic = "quadratic" }
  for key, value in pairs(changes or {}) do config[key] = value end
  local model = torus.models.hgn(config, torus.generator(1))
  model.hamiltonian = hamiltonian.separable(
    function(p) return sum_of_squares(p, 1) end,
    function(q) return sum_of_squares(q, OMEGA2) end)
  local n = model.config.dimension
  function model:encode(frames)
    return frames:select(2, self.config.anchor):reshape(frames:size(1), -1)
      :narrow(2, 1, 2 * n)
  end
  function model.state_of(_, z) return z:narrow(2, 1, n), z:narrow(2, n + 1, n) end
  if config.windows > 1 then model.window_scale:fill_(1) end
  return model
end

-- The matrix of `steps` leapfrog steps, of either sign.
local function matrix(steps, dt)
  local h = steps < 0 and -dt or dt
  local a = 1 - h * h * OMEGA2 / 2
  local M = torus.tensor({ { a, h }, { -h * OMEGA2 * (1 - h * h * OMEGA2 / 4), a } },
    DOUBLE)
  local all = torus.eye(2, DOUBLE)
  for _ = 1, math.abs(steps) do all = M:matmul(all) end
  return all
end

-- Frames in which `encode` finds given states (frames, batch, 2 n).
local function frames_of(states)
  local time, batch, size = table.unpack(states.shape)
  local flat = torus.zeros({ batch, time, 16 * 16 * 3 }, DOUBLE)
  flat:narrow(3, 1, size):copy_(states:transpose(1, 2))
  return flat:reshape(batch, time, 16, 16, 3)
end

local function true_states(model, start, count)
  local n = model.config.dimension
  local t = model:rollout(start:narrow(2, 1, n):contiguous(),
    start:narrow(2, n + 1, n):contiguous(), { steps = count - 1 })
  return torus.cat({ t.q, t.p }, 3)
end

-- Errors (frames, batch, 2) of given deviation and correlation in time.
local function correlated(frames, batch, scale, correlation)
  local steps = {}
  local fresh = normal({ frames, batch, 2 }, 11)
  scale, correlation = torus.tensor(scale, DOUBLE), torus.tensor(correlation, DOUBLE)
  steps[1] = fresh[1]
  for t = 2, frames do
    steps[t] = steps[t - 1] * correlation
      + fresh[t] * (correlation:square() * -1 + 1):sqrt()
  end
  return torus.stack(steps, 1) * scale
end

describe("States of several windows", function()
  it("are fitted as generalised least squares in closed form", function()
    local model, at = oscillator(), { 1, 3, 4, 8 }
    local states = normal({ 4, 3, 2 }, 5)
    local scale, correlation = { 0.3, 0.8 }, { 0.6, 0.2 }
    local found, frame, left = windows.fit(model, states, at,
      { scale = torus.tensor(scale, DOUBLE),
        correlation = torus.tensor(correlation, DOUBLE) })
    assert.are.equal(3, frame)
    local design, covariance = {}, torus.zeros({ 8, 8 }, DOUBLE)
    for i, t in ipairs(at) do
      design[i] = matrix(t - frame, model.config.dt)
      for k, s in ipairs(at) do
        for j = 1, 2 do
          covariance:narrow(1, 2 * i - 2 + j, 1):narrow(2, 2 * k - 2 + j, 1)
            :fill_(scale[j] ^ 2 * correlation[j] ^ math.abs(t - s))
        end
      end
    end
    local D, P = torus.cat(design, 1), torus.inverse(covariance)
    local z = states:transpose(1, 2):reshape(3, 8, 1)
    local DP = D:transpose(1, 2):matmul(P)
    local expected = torus.solve(DP:matmul(D):expand(3, 2, 2):contiguous(), DP:matmul(z))
    assert.is_true(furthest(found, expected:squeeze(3)) < 1e-7)
    local residual = D:matmul(expected) - z
    assert.is_true(furthest(left:transpose(1, 2):reshape(3, 8, 1), residual) < 1e-7)
  end)

  for _, case in ipairs { { anchor = 1, windows = 5 }, { anchor = 3, windows = 100 },
    { anchor = 4, windows = 2 }, { anchor = 2, windows = 3, dimension = 2 } } do
    it(string.format("lead to the first frame, of %d windows and anchor %d", case.windows,
      case.anchor), function()
      local model = oscillator(case)
      local n = model.config.dimension
      local start = normal({ 3, 2 * n }, 6)
      local q, p = model:infer(frames_of(true_states(model, start, 12)))
      assert.is_true(furthest(torus.cat({ q, p }, 2), start) < 1e-9)
      -- Other windows than the first make a difference, and only the chosen ones.
      local states = true_states(model, start, 12)
      local chosen = {}
      for _, first in ipairs(windows.starts(12, 4, case.windows)) do
        chosen[first + case.anchor - 1] = true
      end
      for t = 2, 12 do
        local changed = states + 0
        changed[t]:add_(0.1)
        q = model:infer(frames_of(changed))
        assert.are.equal(chosen[t] or false,
          furthest(q, start:narrow(2, 1, n)) > 1e-4)
      end
    end)
  end

  it("are nearer to the truth than one window is, each sequence for itself", function()
    local model = oscillator { frames = 31, context = 11, windows = 21 }
    local start = normal({ 64, 2 }, 7)
    local truth = true_states(model, start, 31)
    local frames = frames_of(truth + normal({ 31, 64, 2 }, 8, 0.05))
    local function error_of(q, p)
      return (torus.cat({ q, p }, 2) - start):square():mean():item()
    end
    -- 42 numbers for two unknowns.
    assert.is_true(error_of(model:infer(frames)) < error_of(model:infer(frames, 1)) / 8)
    local q = model:infer(frames)
    local alone = model:infer(frames:narrow(1, 5, 1))
    assert.is_true(furthest(q:narrow(1, 5, 1), alone) < 1e-7)
  end)

  it("are weighed by errors whose deviation and correlation are measured", function()
    local model = oscillator { frames = 31, context = 11, windows = 21 }
    local start = normal({ 400, 2 }, 9)
    local truth = true_states(model, start, 31)
    local scale, correlation = { 0.02, 0.05 }, { 0.7, 0.3 }
    local frames = frames_of(truth + correlated(31, 400, scale, correlation))
    local function near(expected, found, tolerance)
      for i, value in ipairs(found:totable()) do
        assert.is_near(expected[i], value, tolerance * expected[i])
      end
    end
    model:calibrate(frames, start)
    near(scale, model.window_scale, 0.05)
    near(correlation, model.window_correlation, 0.05)
    -- Without the truth, errors that windows have in common are hidden.
    model:calibrate(frames)
    near(scale, model.window_scale, 0.3)
    near(correlation, model.window_correlation, 0.4)
    assert.is_true(model.window_correlation[1]:item() < correlation[1])
  end)

  it("count when their errors have been measured, until then the first alone", function()
    local model = torus.models.hgn({ phase = "vector", width = 4, resolution = 16,
      frames = 12, context = 4, windows = 5 }, torus.generator(1))
    local frames = torus.rand({ 3, 12, 16, 16, 3 }, { generator = torus.generator(2) })
    local function states(first) return torus.cat({ model:infer(frames, first) }, 2) end
    assert.are.same(states(1):totable(), states():totable())
    model:calibrate(frames)
    assert.is_true(furthest(states(1), states()) > 1e-6)
  end)

  it("are fitted whatever the encoder says of the momenta of static coordinates", function()
    local model = oscillator { dimension = 2, static = 1 }
    model.hamiltonian = hamiltonian.separable(
      function(p) return p:select(2, 1):square() * 0.5 end,
      function(q)
        return q:select(2, 1):square() * (q:select(2, 2):square() + 1) * (OMEGA2 / 2)
      end)
    local q, p = normal({ 5, 2 }, 1), normal({ 5, 2 }, 2)
    local true_ = model:rollout(q, p, { steps = 8 })
    local at, seen = { 1, 3, 5, 9 }, {}
    for i, frame in ipairs(at) do
      seen[i] = torus.cat({ true_.q[frame], true_.p[frame]:narrow(2, 1, 1),
        normal({ 5, 1 }, 10 + i, 20) }, 2)
    end
    local found, frame = windows.fit(model, torus.stack(seen, 1), at,
      { scale = torus.ones({ 4 }, DOUBLE), correlation = torus.zeros({ 4 }, DOUBLE) })
    assert.are.equal(3, frame)
    assert.is_true(furthest(found:narrow(2, 1, 3),
      torus.cat({ true_.q[3], true_.p[3]:narrow(2, 1, 1) }, 2)) < 1e-6)
  end)

  it("are those of one window where there is no more, or one is asked for", function()
    local model = oscillator()
    local frames = frames_of(normal({ 12, 2, 2 }, 10))
    local q, p = model:infer(frames, 3)
    assert.are.same(torus.cat({ q, p }, 2):totable(),
      frames:select(2, 3):reshape(2, -1):narrow(2, 1, 2):totable())
    local short = frames:narrow(2, 1, 4)
    assert.is_true(furthest((model:infer(short)), (model:infer(frames, 1))) < 1e-12)
  end)

  it("begin at equal distances", function()
    assert.are.same({ 1, 6, 11, 16, 21 }, windows.starts(31, 11, 5))
    assert.are.same({ 1, 2, 3 }, windows.starts(5, 3, 21))
    assert.are.same({ 1 }, windows.starts(31, 11, 1))
    assert.are.same({ 1, 21 }, windows.starts(31, 11, 2))
    assert.are.same({ 1, 3, 4, 6, 7 }, windows.starts(10, 4, 5))
  end)

  it("are of a vector phase space, and of frames enough", function()
    raises("hgn: windows: expected 1 where phase is \"map\", got 3", function()
      torus.models.hgn { windows = 3 }
    end)
    local model = oscillator()
    raises("hgn:infer: the encoder sees 4 frames: expected at least 4, got 3", function()
      model:infer(torus.zeros({ 1, 3, 16, 16, 3 }, DOUBLE))
    end)
    raises("hgn:calibrate: expected states of shape (3,2), got (2,2)", function()
      model:calibrate(torus.zeros({ 3, 6, 16, 16, 3 }, DOUBLE), torus.zeros(2, 2))
    end)
  end)

  it("are saved with the model, if there are several", function()
    local names = {}
    for _, entry in ipairs(oscillator():named_buffers()) do names[entry[1]] = true end
    assert.are.same({ window_scale = true, window_correlation = true }, names)
    assert.are.same({}, oscillator { windows = 1 }:named_buffers())
  end)
end)
