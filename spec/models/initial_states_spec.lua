-- Initial states that are fitted to windows, against closed forms: of linear motion the
-- fit is a linear least squares problem, which is solved here by itself.
local initial_states = require "torus.models.parts.initial_states"
local torus = require "torus"

local F64 = { dtype = "float64" }

local function largest(x) return x:abs():max():item() end

local function noise(...)
  return torus.randn({ ... }, { dtype = "float64", generator = torus.generator(11) })
end

-- The matrix of a mass on a spring over a time, for states (q, p) as rows.
local function turn(t)
  return torus.tensor({ { math.cos(t), -math.sin(t) }, { math.sin(t), math.cos(t) } }, F64)
end

local function turned(x, states, dt)
  local list = {}
  for i = 1, states do list[i] = x:matmul(turn((i - 1) * dt)) end
  return torus.stack(list, 1)
end

describe("fitted initial states", function()
  -- Rotations R_k are orthogonal: the least squares are the mean of what R_k takes back.
  it("are the mean of the states taken back, of a rotation", function()
    local observed = turned(noise(7, 2), 6, 0.3) + noise(6, 7, 2) * 0.2
    local want = torus.zeros({ 7, 2 }, F64)
    for k = 1, 6 do want = want + observed[k]:matmul(turn(-(k - 1) * 0.3)) / 6 end
    local got = initial_states.fit(function(x) return turned(x, 6, 0.3) end, observed)
    assert.is_true(largest(got - want) < 1e-9)
    assert.is_false(got.requires_grad)
  end)

  it("make the gradient by them vanish, of a motion that is not linear", function()
    local H = torus.separable(function(p) return (p * p):sum(2) / 2 end,
      function(q) return -q:cos():sum(2) end)
    local function roll(x)
      local found = torus.integrate { H = H, q = x:narrow(2, 1, 1), p = x:narrow(2, 2, 1),
        dt = 0.2, steps = 5 }
      return torus.cat({ found.q, found.p }, 3)
    end
    local observed = torus.no_grad(roll, noise(9, 2)) + noise(6, 9, 2) * 0.1
    local x = torus.variable(initial_states.fit(roll, observed, 6))
    local loss = (roll(x) - observed):square():sum()
    assert.is_true(largest(torus.grad(loss, x)) < 1e-4)
    local from_observed = (torus.no_grad(roll, observed[1]) - observed):square():sum()
    assert.is_true(loss:item() < 0.6 * from_observed:item())
  end)

  it("stay as they are observed where a rollout overflows", function()
    local observed = torus.ones({ 3, 2, 2 }, F64)
    local function roll(x) return x:unsqueeze(1):expand(3, x:size(1), 2) * (1 / 0) end
    assert.are.equal(0, largest(initial_states.fit(roll, observed) - 1))
  end)
end)

describe("training on noisy windows", function()
  -- The true energy of a spring is k q^2 / 2; a rollout that begins in a noisy state is
  -- best with another k. The loss' minimum is found by its sign on either side.
  local function stiffness(initial)
    local q = turned(noise(4000, 2), 9, 0.25) + noise(9, 4000, 2) * 0.5
    local model = torus.models.hnn { dimension = 1, width = 1, hamiltonian = "separable",
      dtype = "float64" }
    local k = torus.tensor(1, F64)
    model.hamiltonian = torus.separable(function(p) return (p * p):sum(2) / 2 end,
      function(x) return (x * x):sum(2) * k / 2 end)
    model.scaled = model.hamiltonian
    local low, high = 0.3, 2
    local function slope(value)
      local losses = {}
      for i, at in ipairs { value - 1e-4, value + 1e-4 } do
        k:fill_(at)
        losses[i] = model:rollout_loss(q:narrow(3, 1, 1), q:narrow(3, 2, 1), { dt = 0.25,
          method = "yoshida4", initial = initial }):item()
      end
      return losses[2] - losses[1]
    end
    for _ = 1, 10 do
      local middle = (low + high) / 2
      if slope(middle) > 0 then high = middle else low = middle end
    end
    return (low + high) / 2
  end

  it("is not biased by the noise of the first state where that is fitted", function()
    assert.is_near(1, stiffness("fitted"), 0.02)
  end)

  it("of a SympNet has a smaller error from fitted states than from observed ones", function()
    local x = turned(noise(30, 2), 5, 0.3) + noise(5, 30, 2) * 0.2
    local model = torus.models.sympnet({ dimension = 1, normalise = true, dtype = "float64",
      gain = 1 }, torus.generator(2))
    model:normalise(x:narrow(3, 1, 1):reshape(-1, 1) * 3, x:narrow(3, 2, 1):reshape(-1, 1))
    local function loss(initial)
      return model:rollout_loss(x:narrow(3, 1, 1), x:narrow(3, 2, 1), { initial = initial })
    end
    assert.are.equal(loss():item(), loss("observed"):item())
    assert.is_true(loss("fitted"):item() < loss():item())
    loss("fitted"):backward()
  end)
end)
