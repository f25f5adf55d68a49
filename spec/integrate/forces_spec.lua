local raises = require "spec.support.raises"
local schemes = require "torus.schemes"
local torus = require "torus"

local function leaf(value)
  return torus.tensor({ { value } }, { dtype = "float64", requires_grad = true })
end

local H = torus.separable(function(p) return (p * p):sum(2) * 0.5 end,
  function(q) return (q * q):sum(2) end) -- k = 2

-- q'' + 2 q = cos(3 t): -cos(3 t) / 7 and a free oscillation
local function driven(_, t) return (t * 3):cos() end
local function exact(t, q0, p0)
  local w = math.sqrt(2)
  local a, b = q0 + 1 / 7, p0 / w
  return a * math.cos(w * t) + b * math.sin(w * t) - math.cos(3 * t) / 7,
    -a * w * math.sin(w * t) + b * w * math.cos(w * t) + 3 * math.sin(3 * t) / 7
end

local function error_of(method, steps)
  local trajectory = torus.no_grad(torus.integrate, { H = H, q = leaf(1), p = leaf(0.5),
    dt = 2 / steps, steps = steps, method = method, force = driven, every = steps })
  local q, p = exact(2, 1, 0.5)
  return math.sqrt((trajectory.q[-1]:item() - q) ^ 2
    + (trajectory.p[-1]:item() - p) ^ 2)
end

describe("forces in torus.integrate", function()
  local STEPS = { 4096, 256, 256, 128, [6] = 48, [8] = 24 }

  for _, method in ipairs(torus.integrate.methods) do
    local scheme = schemes.of(method)
    it(method .. " keeps its order", function()
      local n = STEPS[scheme.order] or 64
      local order = math.log(error_of(method, n // 2) / error_of(method, n), 2)
      assert.is_near(scheme.order, order, 0.15)
    end)
  end

  for _, method in ipairs(schemes.names(schemes.is_reversible)) do
    it(method .. " turns back, and keeps volume", function()
      -- not the gradient of anything
      local function swirl(x, t)
        return torus.cat({ -x:narrow(2, 2, 1), x:narrow(2, 1, 1) }, 2)
          * (t + 1) * 0.3
      end
      local start = torus.tensor({ { 1, 0.3 } }, { dtype = "float64" })
      local there = torus.integrate { H = H, q = start, p = start * 0.5, steps = 50,
        dt = 0.1, method = method, force = swirl, time = 2 }
      local back = torus.integrate { H = H, q = there.q[-1], p = there.p[-1],
        steps = 50, dt = -0.1, method = method, force = swirl, time = 7 }
      assert.is_true((back.q[-1] - start):abs():max():item() < 1e-10)
      local q, p = leaf(1), leaf(0)
      local trajectory = torus.integrate { H = H, q = q, p = p, steps = 30, dt = 0.1,
        method = method, force = function(x, t) return x:sin() * t end }
      local dq = torus.grad(trajectory.q[-1]:sum(), { q, p }, { retain_graph = true })
      local dp = torus.grad(trajectory.p[-1]:sum(), { q, p })
      assert.is_near(1, dq[1]:item() * dp[2]:item() - dq[2]:item() * dp[1]:item(),
        1e-10)
    end)
  end

  it("go with friction: a driven, damped oscillator", function()
    -- q'' + D q' + 2 q = cos(3 t) settles at the phase and amplitude of
    -- 1 / (2 - 9 + 3 i D)
    local D, n = 0.5, 6000
    local trajectory = torus.no_grad(torus.integrate, { H = H, q = leaf(0),
      p = leaf(0), dt = 0.01, steps = n, every = n, friction = D, force = driven })
    local size = (2 - 9) ^ 2 + (3 * D) ^ 2
    local t = n * 0.01
    local want = ((2 - 9) * math.cos(3 * t) + 3 * D * math.sin(3 * t)) / size
    assert.is_near(want, trajectory.q[-1]:item(), 1e-4)
    -- and contracts volume by exp(-D t) all the same
    local q, p = leaf(1), leaf(0.3)
    local way = torus.integrate { H = torus.separable(
      require("torus.models.parts.energy").quadratic(), H.V), q = q, p = p, steps = 30,
      friction = D, force = driven }
    local dq = torus.grad(way.q[-1]:sum(), { q, p }, { retain_graph = true })
    local dp = torus.grad(way.p[-1]:sum(), { q, p })
    assert.is_near(math.exp(-D * 30 * 0.125),
      dq[1]:item() * dp[2]:item() - dq[2]:item() * dp[1]:item(), 1e-12)
  end)

  it("may be a number or a tensor", function()
    local falling = torus.separable(H.K, function(q) return q:sum(2) * 0 end)
    for _, F in ipairs { -9.81, torus.tensor({ -9.81 }, { dtype = "float64" }) } do
      local trajectory = torus.integrate { H = falling, q = leaf(0), p = leaf(0),
        dt = 0.1, steps = 10, force = F }
      assert.is_near(-9.81 / 2, trajectory.q[-1]:item(), 1e-12)
    end
  end)

  it("have messages", function()
    for pattern, value in pairs { ["nil (is a return missing?)"] = false, ['"x"'] = "x",
      ["tensor (3) float64"] = torus.ones({ 3 }, { dtype = "float64" }) } do
      raises("force: expected a number, or a tensor that broadcasts against (1,1), from "
        .. "the function, got " .. pattern, function()
        local function force() return value or nil end
        torus.integrate { H = H, q = leaf(1), p = leaf(0), force = force }
      end)
    end
    raises("integrate: force: expected a number, a tensor that broadcasts against p, (1,1), or "
      .. "a function of q and t that returns one, got \"push\"", function()
      torus.integrate { H = H, q = leaf(1), p = leaf(0), force = "push" }
    end)
    raises("integrate: force: the fused kernels do not support it, so "
      .. "fused = true is not possible", function()
      torus.integrate { H = H, q = leaf(1), p = leaf(0), force = 1, fused = true }
    end)
  end)
end)
