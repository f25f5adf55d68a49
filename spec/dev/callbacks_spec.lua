-- Functions of the caller's that the library calls: what they raise arrives as it was,
-- whatever its type, and what they are given they may only read.
local raises = require "spec.support.raises"
local torus = require "torus"

local function f64(values) return torus.tensor(values, { dtype = "float64" }) end
local function spring(q, p) return ((q * q + p * p) / 2):sum(2) end

-- Calls `run` with a function that raises; what arrives has to be the same value.
local function arrives(run)
  local text = ("a long text "):rep(100)
  for _, raised in ipairs { {}, setmetatable({}, { __tostring = function() return "x" end }),
    false, 3.5, print, torus.ones(1), text, "no\0zero" } do
    local ok, caught = pcall(run, function() error(raised, 0) end)
    assert.is_false(ok)
    assert.is_true(rawequal(raised, caught) or raised == caught)
  end
  local ok, caught = pcall(run, function() error(nil) end)
  assert.is_false(ok)
  assert.is_nil(caught)
end

describe("an error of any type arrives as it was from", function()
  local x = torus.variable(f64 { { 1 } })

  it("the backward part of an operation", function()
    arrives(function(fail)
      local f = torus.custom { forward = function(_, a) return a * 2 end, backward = fail }
      torus.grad(f(x):sum(), x)
    end)
    arrives(function(fail)
      local f = torus.custom { forward = function(_, a) return a * 2 end, backward = fail }
      f(x):sum():backward()
    end)
  end)

  it("a backward part that another one runs", function()
    arrives(function(fail)
      local inner = torus.custom { forward = function(_, a) return a * 2 end, backward = fail }
      local outer = torus.custom { forward = function(_, a) return a * 2 end,
        backward = function(_, g)
          local y = torus.variable(f64 { { 1 } })
          return g * torus.enable_grad(function() return torus.grad(inner(y):sum(), y) end)
        end }
      torus.grad(outer(x):sum(), x)
    end)
  end)

  it("the forward part of an operation", function()
    arrives(function(fail)
      torus.custom { forward = fail, backward = function() end }(x)
    end)
  end)

  it("an error that a backward part has caught is not raised again", function()
    local inner = torus.custom { forward = function(_, a) return a * 2 end,
      backward = function() error({ "inner" }) end }
    local outer = torus.custom { forward = function(_, a) return a * 3 end,
      backward = function(_, g)
        local y = torus.variable(f64 { { 1 } })
        assert.is_false(pcall(torus.enable_grad, function()
          torus.grad(inner(y):sum(), y)
        end))
        return g * 3
      end }
    assert.same({ { 3 } }, torus.grad(outer(x):sum(), x):totable())
  end)

  it("energies, fields, forces and events", function()
    local q, p = f64 { { 1 } }, f64 { { 0 } }
    arrives(function(fail) torus.rk45 { H = fail, q = q, p = p, steps = 2 } end)
    arrives(function(fail)
      require "torus.rk45".states(fail, f64 { { 1, 0 } }, { 0, 1 },
        { rtol = 1e-6, atol = 1e-6, first_step = 0, max_step = 0, max_steps = 10 })
    end)
    arrives(function(fail)
      torus.rk45 { H = spring, q = q, p = p, steps = 2, force = fail }
    end)
    arrives(function(fail)
      torus.rk45 { H = spring, q = q, p = p, steps = 2, events = { fail } }
    end)
    arrives(function(fail) torus.integrate { H = fail, q = q, p = p, method = "rk4" } end)
    arrives(function(fail)
      torus.integrate { H = torus.separable(fail, fail), q = q, p = p, steps = 2 }
    end)
    for _, backprop in ipairs { "reversible", "checkpoints" } do
      arrives(function(fail)
        local calls = 0
        local function V(y)
          calls = calls + 1
          if calls > 6 then fail() end
          return (y * y):sum(2)
        end
        local start = torus.variable(q)
        local trajectory = torus.integrate { H = torus.separable(V, V), q = start, p = p,
          steps = 2, backprop = backprop }
        calls = 7
        torus.grad(trajectory.q:sum(), start)
      end)
    end
  end)

  it("functions that recording, files and plots are handed", function()
    arrives(torus.no_grad)
    arrives(torus.enable_grad)
    arrives(torus.detect_anomaly)
    arrives(function(fail) torus.files.write(os.tmpname(), fail) end)
    arrives(function(fail) torus.files.in_temporary("spec", fail) end)
    arrives(function(fail)
      torus.plot.phase_portrait { path = "never.png", H = fail, points = 5 }
    end)
  end)
end)

describe("a function that writes to its arguments is refused: as", function()
  local q, p
  before_each(function() q, p = f64 { { 1 }, { 2 } }, f64 { { 0 }, { 1 } } end)
  local MESSAGE = "expected a function that only reads its arguments, got one that writes to "
    .. "argument %d, tensor (2,1) float64; x:copy() may be written to"

  -- The same memory, without a history that would refuse it.
  local function overwrite(x) x:detach():mul_(0.5) end

  it("energy of torus.rk45 and torus.integrate", function()
    local function first(a, b)
      overwrite(a)
      return spring(a, b)
    end
    local function second(a, b)
      overwrite(b)
      return spring(a, b)
    end
    for position, H in ipairs { first, second } do
      local text = MESSAGE:format(position)
      raises("rk45: H: " .. text, function() torus.rk45 { H = H, q = q, p = p, steps = 2 } end)
      raises("H: " .. text,
        function() torus.integrate { H = H, q = q, p = p, steps = 2, method = "rk4" } end)
    end
    local function V(x)
      overwrite(x)
      return (x * x):sum(2)
    end
    local function K(x) return (x * x):sum(2) end
    raises("V: " .. MESSAGE:format(1), function()
      torus.integrate { H = torus.separable(K, V), q = q, p = p, steps = 2 }
    end)
    raises("K: " .. MESSAGE:format(1), function()
      torus.integrate { H = torus.separable(V, K), q = q, p = p, steps = 2 }
    end)
  end)

  it("energy of torus.rk45 inside torus.no_grad", function()
    raises("rk45: H: " .. MESSAGE:format(1), function()
      torus.rk45 { H = function(a, b)
        torus.no_grad(function() a:zero_() end)
        return spring(a, b)
      end, q = q, p = p, steps = 2 }
    end)
  end)

  it("force, friction and event", function()
    local function push(x)
      overwrite(x)
      return x
    end
    raises("force: " .. MESSAGE:format(1), function()
      torus.rk45 { H = spring, q = q, p = p, steps = 2, force = push }
    end)
    raises("force: " .. MESSAGE:format(1), function()
      torus.integrate { H = spring, q = q, p = p, steps = 2, method = "rk4", force = push }
    end)
    raises("friction: " .. MESSAGE:format(1), function()
      torus.integrate { H = spring, q = q, p = p, steps = 2, method = "rk4", friction = push }
    end)
    raises("rk45: events: zero: expected a function that only reads its arguments", function()
      torus.rk45 { H = spring, q = q, p = p, steps = 2, events = { function(x)
        overwrite(x)
        return x:sum(2)
      end } }
    end)
  end)

  it("but may write to copies", function()
    local function H(a, b)
      local c = a:detach():copy()
      c:mul_(0.5)
      return spring(a, b) + c:sum(2) * 0
    end
    local one = torus.rk45 { H = H, q = q, p = p, steps = 2 }
    local other = torus.rk45 { H = spring, q = q, p = p, steps = 2 }
    assert.equal(0, (one.q - other.q):abs():max():item())
  end)
end)
