-- Systems as H: their states, their energies, and callbacks that may only read.
local raises = require "spec.support.raises"
local torus = require "torus"

local f64 = { dtype = "float64" }

local function half(x) return (x * x):sum(2) / 2 end

-- The widths, from the equations of motion.
local WIDTHS = { pendulum = 1, mass_spring = 1, driven_pendulum = 1, kepler = 2,
  double_pendulum = 2, henon_heiles = 2, two_body = 4, three_body = 6, lennard_jones = 10 }

describe("the state of a system or a model", function()
  it("has its width, in torus.integrate and torus.rk45", function()
    for name, width in pairs(WIDTHS) do
      local system = torus.systems[name]
      for _, wrong in ipairs { width + 1, width + 2, width - 1 } do
        local x = torus.ones({ 1, wrong }, f64)
        local text = ("system %s: expected q of shape (batch,%d), got (1,%d)"):format(name,
          width, wrong)
        raises("integrate: " .. text, function()
          torus.integrate { H = system, q = x, p = x, steps = 1, method = "rk4" }
        end)
        raises("rk45: " .. text, function()
          torus.rk45 { H = system, q = x, p = x, steps = 1 }
        end)
      end
      local q, p = system:sample { count = 2 }
      assert.are.same({ 2, 2, width },
        torus.integrate { H = system, q = q, p = p, steps = 1, method = "rk4" }.q.shape)
    end
    local x = torus.ones(1, 1, 1)
    raises("integrate: system pendulum: expected q of shape (batch,1), got (1,1,1)", function()
      torus.integrate { H = torus.systems.pendulum, q = x, p = x }
    end)
  end)

  it("has a model's width and dtype", function()
    local model = torus.models.hnn { dimension = 2, width = 4 }
    local wide, long = torus.ones(1, 3), torus.ones({ 1, 2 }, f64)
    for where, f in pairs { integrate = torus.integrate, rk45 = torus.rk45 } do
      raises(where .. ": hnn: expected q of shape (batch,2), got (1,3)", function()
        f { H = model, q = wide, p = wide, steps = 1, method = where == "integrate" and "rk4"
          or nil }
      end)
      raises(where .. ": hnn: expected q of dtype float32, as its parameters, got tensor (1,2) "
        .. 'float64; convert it by q:to("float32") or the module by :to("float64")', function()
        f { H = model, q = long, p = long, steps = 1, method = where == "integrate" and "rk4"
          or nil }
      end)
    end
    model:to("float64")
    assert.are.equal("float64",
      torus.integrate { H = model, q = long, p = long, steps = 1, method = "rk4" }.q.dtype)
  end)
end)

describe("an energy without a gradient", function()
  local function stopped(x) return half(x):detach() end
  local x = torus.ones({ 1, 1 }, f64)
  local WHY = " does not depend on its argument; an energy must be computed by differentiable "
    .. "operations, without detach"

  it("is refused by torus.integrate and torus.rk45", function()
    for part, H in pairs { V = torus.separable(half, stopped),
      K = torus.separable(stopped, half) } do
      raises("Hamiltonian: " .. part .. WHY, function()
        torus.integrate { H = H, q = x, p = x, steps = 1 }
      end)
      raises("rk45: " .. part .. WHY, function() torus.rk45 { H = H, q = x, p = x, steps = 1 } end)
    end
    raises("rk45: H depends on neither q nor p; an energy must be", function()
      torus.rk45 { H = function(q, p) return stopped(q) + stopped(p) end, q = x, p = x }
    end)
  end)

  local function define(changes)
    local o = { name = "without_gradient", dimension = 1, kinetic = half, potential = half,
      uniforms = 2, sample = function(u) return u:narrow(2, 1, 1), u:narrow(2, 2, 1) end }
    for key, value in pairs(changes) do o[key] = value or nil end
    return torus.systems.define(o)
  end

  it("is refused where a system is defined", function()
    raises("potential of system without_gradient" .. WHY,
      function() define { potential = stopped } end)
    raises("kinetic of system without_gradient" .. WHY, function() define { kinetic = stopped } end)
    raises("H depends on neither q nor p", function()
      define { kinetic = false, potential = false,
        energy = function(q, p) return stopped(q) + stopped(p) end }
    end)
  end)

  it("may be constant on purpose: a free particle moves uniformly", function()
    local function zero(q) return (q * 0):sum(2) end
    local function constant(q) return torus.full({ q:size(1) }, 3, f64) end
    local free = define { name = "free_particle", potential = zero }
    local plain = define { name = "plain_free_particle", potential = constant }
    local joint = define { name = "free_joint_particle", kinetic = false, potential = false,
      energy = function(_, p) return half(p) end }
    local q, p = x * 3, x * 2
    for _, system in ipairs { free, plain, joint } do
      for _, trajectory in ipairs {
        torus.integrate { H = system, q = q, p = p, dt = 0.5, steps = 4, method = "rk4" },
        torus.integrate { H = system ~= joint and system or free, q = q, p = p, dt = 0.5,
          steps = 4 },
        torus.rk45 { H = system, q = q, p = p, dt = 0.5, steps = 4 },
        system:solve(q, p, { dt = 0.5, steps = 4 }) } do
        -- q + t p at t = 2, to rounding
        assert.is_near(7, trajectory.q[-1]:item(), 1e-12)
        assert.are.equal(2, trajectory.p[-1]:item())
      end
    end
  end)
end)

describe("a call with more than a table", function()
  it("says that options are one table", function()
    local H, x = torus.separable(half, half), torus.ones(1, 1)
    for where, f in pairs { integrate = torus.integrate, rk45 = torus.rk45 } do
      raises(where .. ": expected one table { H =, q =, p =, ... }, got 3 arguments",
        function() f(H, x, x) end)
      raises(where .. ": expected one table { H =, q =, p =, ... }, got ", function() f(H) end)
      raises(where .. ": expected one table { H =, q =, p =, ... }, got nil", function() f() end)
    end
    raises("ode: expected one table { f =, y =, ... }, got 2 arguments",
      function() torus.ode(half, x) end)
    raises("hmc: expected one table { log_density =, start =, ... }, got 2 arguments",
      function() torus.hmc(half, x) end)
  end)

  it("says that times are at least one", function()
    local x = torus.ones(1, 1)
    local text = ": times: expected at least one number, that of the initial state, got none"
    raises("rk45" .. text, function()
      torus.rk45 { H = torus.separable(half, half), q = x, p = x, times = {} }
    end)
    raises("ode" .. text, function() torus.ode { f = half, y = x, times = {} } end)
  end)
end)

describe("on_state of torus.integrate", function()
  local net = torus.nn.MLP { sizes = { 1, 4, 1 }, activation = "softplus", scalar = true,
    dtype = "float64" }
  local forms = { general = torus.separable(half, half), fused = torus.separable(net, net) }

  it("may not write to the state", function()
    for _, H in pairs(forms) do
      for _, name in ipairs { "q", "p" } do
        for _, at in ipairs { 0, 2 } do
          local q = torus.ones({ 1, 1 }, f64)
          raises("integrate: on_state: expected a function that only reads the state, got one "
            .. "that writes to it; state.q:copy() may be written to", function()
            torus.integrate { H = H, q = q, p = q * 2, steps = 3, on_state = function(state)
              if state.step == at then state[name]:detach():mul_(2) end
            end }
          end)
        end
      end
    end
  end)

  it("may write to copies, and keep the states", function()
    for _, H in pairs(forms) do
      local q, kept = torus.ones({ 1, 1 }, f64), {}
      local o = { H = H, q = q, p = q * 2, steps = 3 }
      local expected = torus.integrate(o)
      o.on_state = function(state)
        state.q:detach():copy():mul_(2)
        kept[#kept + 1] = state.q
      end
      local trajectory = torus.integrate(o)
      assert.are.same(expected.q:totable(), trajectory.q:totable())
      assert.are.same(expected.q:totable(), torus.stack(kept, 1):totable())
    end
  end)
end)
