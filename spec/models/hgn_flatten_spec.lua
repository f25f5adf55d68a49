-- The start of an HGN's second stage, on an oscillator whose coordinates are
-- warped in a known way: chart, potential and states have right answers.
local torus = require "torus"
local flatten = require "torus.models.hgn.flatten"

local DT, FRAMES, BATCH = 0.125, 12, 40

local function model_of(changes)
  local config = { phase = "vector", dimension = 2, width = 4, frames = FRAMES,
    context = 4, init = "kaiming", energy_init = "oscillator", skip = false,
    kinetic = "quadratic", resolution = 16, dtype = "float64", chart = 32,
    energy_width = 32, dt = DT }
  for key, value in pairs(changes or {}) do config[key] = value end
  return torus.models.hgn(config, torus.generator(3))
end

local function normal(shape, seed)
  return torus.randn(shape, { dtype = "float64",
    generator = torus.generator(seed) })
end

local function options() return { steps = 1500, generator = torus.generator(1) } end

-- Leapfrog of H = |p|^2 / 2 + |q|^2, written out.
local function positions(q, p)
  local rows = { q }
  for t = 2, FRAMES do
    p = p - q * DT
    q = q + p * DT
    p = p - q * DT
    rows[t] = q
  end
  return torus.stack(rows, 1)
end

-- Each coordinate u becomes sinh(u): compressed in the middle, stretched
-- outside. The metric is that of u.
local function warped(u)
  local slope = u:cosh()
  local inverse = (slope:square() ^ -1):unsqueeze(-1)
  return u:sinh(), inverse * torus.eye(2, { dtype = "float64" })
end

describe("The start of the second stage", function()
  local model = model_of()
  local q, p = normal({ BATCH, 2 }, 1):clamp(-1.5, 1.5), normal({ BATCH, 2 }, 2)
  local u = positions(q, p:clamp(-1.5, 1.5))
  local x, metric = warped(u)
  local flat = flatten.chart(model, x, metric, options())

  it("finds coordinates in which lengths are those of the screen", function()
    -- Steps from frame to frame, in units of their median ratio.
    local function steps(y)
      return (y:narrow(1, 2, FRAMES - 1) - y:narrow(1, 1, FRAMES - 1))
        :square():sum(3):sqrt():reshape(-1)
    end
    local function spread(y)
      local ratios = (steps(y) / steps(u)):totable()
      table.sort(ratios)
      return ratios[#ratios * 9 // 10] / ratios[#ratios // 10]
    end
    assert.is_true(spread(x) > 1.5)
    assert.is_true(spread(flat) < 1.02)
  end)

  it("leaves the coordinates where they are, although a translation is free", function()
    local centre = { 40, -70 }
    local away = x + torus.tensor(centre, { dtype = "float64" })
    local there = flatten.map(away, metric, options())(away)
    for i, at in ipairs(centre) do
      assert.is_true((there:select(3, i):mean() - x:select(3, i):mean() - at):abs():item() < 1e-9)
    end
  end)

  it("fits the chart to them", function()
    local off = (model:coordinates(flat) - x):abs()
    assert.is_true(off:mean():item() < 0.05)
  end)

  it("fits the potential to accelerations", function()
    local other = model_of()
    flatten.potential(other, u, options())
    local at = torus.variable(u[5]:contiguous())
    local gradient = torus.grad(other.V(at):sum(), { at })[1]
    -- dV/dq = 2 q
    local relative = (gradient - at * 2):square():sum():item()
      / (at * 2):square():sum():item()
    assert.is_true(relative < 2e-3)
  end)

  it("teaches f_psi states", function()
    local z = normal({ 400, 4 }, 7)
    -- Other coordinates of what f_psi returns, of another size, and some that are wrong.
    local states = torus.no_grad(function()
      local old_q, old_p = model:state_of(z)
      return torus.cat({ old_q:sinh() * 3, old_p - old_q * 2 }, 2)
    end)
    local right = states:contiguous()
    states:narrow(1, 1, 8):add_(100)
    flatten.state(model, z, states, { steps = 3000, generator = torus.generator(2) })
    local new_q, new_p = torus.no_grad(function() return model:state_of(z) end)
    local errors = (torus.cat({ new_q, new_p }, 2) - right):square():sum(2)
    assert.is_true(errors:median():item() / right:square():sum(2):mean():item() < 0.01)
  end)

  -- A disc at the position x + sin(x) / 1.3 has the metric (1 + cos(x) / 1.3)^2.
  it("maps to coordinates whose unit is the same everywhere", function()
    local at = torus.linspace(-6, 6, 600, { dtype = "float64" }):reshape(6, 100, 1)
    local slope = at:cos() / 1.3 + 1
    local map = flatten.map(at, slope:square():unsqueeze(4),
      { steps = 1500, generator = torus.generator(1) })
    local place = (at + at:sin() / 1.3):reshape(-1)
    local function correlation(a, b)
      a, b = a - a:mean(), b - b:mean()
      return ((a * b):sum() / (a:square():sum() * b:square():sum()):sqrt()):abs():item()
    end
    assert.is_true(correlation(at:reshape(-1), place) < 0.99)
    assert.is_true(correlation(map(at):reshape(-1), place) > 0.9999)
  end)
end)
