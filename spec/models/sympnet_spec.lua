local raises = require "spec.support.raises"
local torus = require "torus"

local F64 = { dtype = "float64" }

local function largest(x) return x:abs():max():item() end

local function states(n, d, seed)
  local o = { dtype = "float64", generator = torus.generator(seed) }
  return torus.randn({ n, d }, o), torus.randn({ n, d }, o)
end

-- A network far from the identity.
local function strong(kind, d)
  local model = torus.models.sympnet({ kind = kind, dimension = d, layers = 3, width = 7,
    shears = 3, gain = 0.3, dtype = "float64" }, torus.generator(4))
  torus.no_grad(function()
    for _, entry in ipairs(model:named_parameters()) do
      if entry[1]:find("shift") then entry[2]:add_(0.3) end
    end
  end)
  return model
end

-- The Jacobian of the map at a state (2 d), by the derivatives of the engine and, as
-- `difference`, by central differences.
local function map_of(model, d)
  return function(x)
    local q, p = model(x:narrow(1, 1, d):unsqueeze(1), x:narrow(1, d + 1, d):unsqueeze(1))
    return torus.cat({ q, p }, 2):squeeze(1)
  end
end

local function difference(f, x)
  local columns, h = {}, 1e-5
  for i = 1, x:size(1) do
    local shift = torus.zeros({ x:size(1) }, F64)
    shift[i] = h
    columns[i] = (f(x + shift) - f(x - shift)) / (2 * h)
  end
  return torus.stack(columns, 2):detach()
end

describe("a SympNet", function()
  for _, kind in ipairs { "g", "la" } do
    it("of kind " .. kind .. " keeps the symplectic form: J' Omega J = Omega", function()
      local d = 3
      local model = strong(kind, d)
      local x = torus.randn({ 2 * d }, { dtype = "float64", generator = torus.generator(2) })
      local f = map_of(model, d)
      local zero, one = torus.zeros({ d, d }, F64), torus.eye(d, F64)
      local omega = torus.cat({ torus.cat({ zero, one }, 2), torus.cat({ -one, zero }, 2) }, 1)
      local J = torus.jacobian(f, x)
      assert.is_true(largest(J - difference(f, x)) < 1e-6)
      assert.is_true(largest(J - torus.eye(2 * d, F64)) > 0.1)
      assert.is_true(largest(J:transpose(1, 2):matmul(omega):matmul(J) - omega)
        < 1e-13 * math.max(1, largest(J) ^ 2))
    end)

    it("of kind " .. kind .. " is undone exactly", function()
      local model = strong(kind, 2)
      local q, p = states(5, 2, 3)
      local bq, bp = model:inverse(model(q, p))
      assert.is_true(largest(bq - q) < 1e-11 and largest(bp - p) < 1e-11)
      local there = model:rollout(q, p, { steps = 3 })
      local back = model:rollout(there.q[4], there.p[4], { steps = 3, backward = true })
      assert.is_true(largest(back.q[4] - q) < 1e-9)
      assert.is_true(largest(back.p[2] - there.p[3]) < 1e-9)
    end)
  end

  it("has gradient modules that are gradients", function()
    local model = strong("g", 2)
    local shear = model.shears[1]
    local x = states(1, 2, 5)[1]
    -- The potential's second derivatives are symmetric.
    local H = torus.jacobian(function(y) return shear(y:unsqueeze(1)):squeeze(1) end, x)
    assert.is_true(largest(H - H:transpose(1, 2)) < 1e-12 and largest(H) > 1e-3)
  end)

  it("keeps the form in units of the data too", function()
    local model = torus.models.sympnet({ dimension = 2, layers = 4, width = 7, gain = 1,
      normalise = true, dtype = "float64" }, torus.generator(4))
    local q, p = states(20, 2, 7)
    model:normalise(q * 30 + 4, p * 0.1 - 1)
    local J = torus.jacobian(map_of(model, 2), torus.tensor({ 10, -20, -1.1, -0.9 }, F64))
    local zero, one = torus.zeros({ 2, 2 }, F64), torus.eye(2, F64)
    local omega = torus.cat({ torus.cat({ zero, one }, 2), torus.cat({ -one, zero }, 2) }, 1)
    assert.is_true(largest(J:transpose(1, 2):matmul(omega):matmul(J) - omega) < 1e-12)
    assert.is_true(largest(J - torus.eye(4, F64)) > 1)
    raises("sympnet:normalise: expected a model with normalise = true", function()
      torus.models.sympnet {}:normalise(torus.zeros(1, 1), torus.zeros(1, 1))
    end)
  end)

  it("learns a rotation, and stays on it for a thousand steps", function()
    -- A mass on a spring, H = (q^2 + p^2) / 2: one step is a rotation by dt.
    local dt = 0.3
    local model = torus.models.sympnet({ kind = "la", layers = 1, shears = 4,
      dtype = "float64" }, torus.generator(1))
    local q, p = states(40, 1, 6)
    local function turned(t) return q * math.cos(t) + p * math.sin(t),
      p * math.cos(t) - q * math.sin(t) end
    local q1, p1 = turned(dt)
    local targets = { torus.stack({ q, q1 }, 1), torus.stack({ p, p1 }, 1) }
    local adam = torus.optim.adam(model:parameters(), { lr = 2e-2 })
    for i = 1, 600 do
      adam.lr = 2e-2 * (1 - i / 601)
      adam:zero_grad()
      model:rollout_loss(targets[1], targets[2]):backward()
      adam:step()
    end
    local loss = model:rollout_loss(targets[1], targets[2]):item()
    assert.is_true(loss < 1e-10)
    local orbit = torus.no_grad(model.rollout, model, q, p, { steps = 1000 })
    local function energy(i) return (orbit.q[i]:square() + orbit.p[i]:square()) / 2 end
    -- A symplectic map that is off a rotation by about sqrt(loss) conserves an energy that is
    -- off by sqrt(loss) / sin dt. Errors that add up would be a thousand times sqrt(loss).
    assert.is_true(largest((energy(1001) - energy(1)) / energy(1))
      < 30 * math.sqrt(loss) / math.sin(dt) + 1e-10)
  end)

  it("says what it expects", function()
    local model = torus.models.sympnet { dimension = 2 }
    raises("sympnet:forward: expected q of shape (batch,2), got (3,1)", function()
      model(torus.zeros(3, 1), torus.zeros(3, 1))
    end)
    assert.error_matches(function() torus.models.sympnet { kind = "x" } end, "kind")
    assert.error_matches(function()
      model:rollout_loss(torus.zeros(1, 3, 2), torus.zeros(1, 3, 2))
    end, "at least two states")
  end)
end)
