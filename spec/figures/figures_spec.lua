local figures = require "torus.figures"
local figure5 = require "torus.figures.figure5"
local figure10 = require "torus.figures.figure10"
local integrators = require "torus.figures.integrators"
local lfs = require "lfs"
local torus = require "torus"

-- A preloaded sanitizer is for torus alone.
torus.plot.program = "env -u LD_PRELOAD gnuplot"
local has_gnuplot = os.execute("command -v gnuplot >/dev/null 2>&1")

local DOUBLE = { dtype = "float64" }

local function near(wanted, got, tolerance)
  assert.is_true(math.abs(wanted - got) <= tolerance,
    string.format("expected %.15g, got %.15g", wanted, got))
end

describe("figure 10", function()
  it("measures areas by the shoelace formula", function()
    local function area(q, p)
      return figure10.area(torus.tensor(q, DOUBLE), torus.tensor(p, DOUBLE))
    end
    assert.equal(6, area({ 0, 4, 0 }, { 0, 0, 3 }):item())
    assert.equal(6, area({ 0, 0, 4 }, { 0, 3, 0 }):item()) -- the other way round
    assert.same({ 4, 1 }, area({ { 0, 2, 2, 0 }, { 5, 6, 6, 5 } },
      { { 1, 1, 3, 3 }, { 0, 0, 1, 1 } }):totable())
  end)

  -- Each area is a sum of products of a few numbers of the size of the
  -- coordinates: rounding stays at some 1e-15 of these, squared.
  it("has a volume that leapfrog keeps and euler blows up by 1 + k dt^2/m",
    function()
      local k, m = 2, 0.5
      for _, dt in ipairs { 0.125, 0.5 } do
        local kept = figure10.follow("leapfrog", dt, 40).area
        local grown = figure10.follow("euler", dt, 40).area
        for step = 0, 40 do
          near(0.25, kept[step + 1]:item(), 1e-13)
          local closed = 0.25 * (1 + k * dt * dt / m) ^ step
          near(closed, grown[step + 1]:item(), 1e-12 * closed)
        end
      end
    end)

  it("has a volume that rk4 shrinks by the determinant of its step", function()
    -- exp(x J) cut off after its fourth power, J^2 = -1, x = dt sqrt(k/m).
    for _, dt in ipairs { 0.125, 0.5 } do
      local x = dt * 2
      local even, odd = 1 - x ^ 2 / 2 + x ^ 4 / 24, x - x ^ 3 / 6
      local area = figure10.follow("rk4", dt, 40).area
      for step = 0, 40 do
        near(0.25 * (even ^ 2 + odd ^ 2) ^ step, area[step + 1]:item(), 1e-13)
      end
      near(even ^ 2 + odd ^ 2, figure10.determinant("rk4", dt), 1e-15)
    end
  end)
end)

describe("figure 5", function()
  it("draws the Hamiltonians of one body in their phase planes", function()
    local energies = {
      mass_spring = function(q, p) return q * q + p * p end,
      pendulum = function(q, p) return 3 * (1 - math.cos(q)) + p * p end,
    }
    for name, energy in pairs(energies) do
      local panel = figure5.landscape(name, { points = 9 })
      for _, i in ipairs { 1, 4, 9 } do
        for _, j in ipairs { 1, 3, 9 } do
          near(energy(panel.x[j]:item(), panel.y[i]:item()),
            panel.z[i][j]:item(), 1e-13)
        end
      end
    end
  end)

  it("draws that of two bodies at an angular momentum", function()
    local system = torus.systems.two_body
    local q, p = system:sample { count = 1, seed = 1 }
    local r, p_r, spin = figure5.relative(q, p)
    local panel = figure5.landscape("two_body", { points = 9, seed = 1 })
    local L = spin[1]:item()
    for _, i in ipairs { 1, 5, 9 } do
      for j = 1, 9 do
        local x, y = panel.x[j]:item(), panel.y[i]:item()
        near(math.min(0, y * y + L * L / (x * x) - 1 / x), panel.z[i][j]:item(),
          1e-14)
      end
    end
    -- The plane goes through the sequence itself, turned to the x axis.
    near(system:energy(q, p)[1]:item(),
      system:energy(figure5.apart(r:reshape(1, 1), p_r:reshape(1, 1), L))[1]:item(),
      1e-14)
  end)

  it("draws the path of two bodies, and its continuation to eight times its length", function()
    local system = torus.systems.two_body
    local panel = figure5.landscape("two_body", { points = 9, seed = 1 })
    local q, p = system:sample { count = 3, seed = 1 }
    local L = select(3, figure5.relative(q, p))[1]:item()
    -- The effective potential L^2 / r^2 - 1 / r has its minimum at r = 2 L^2.
    near(L ^ 2, panel.x[1]:item(), 1e-14)
    near(5 * L ^ 2, panel.x[9]:item(), 1e-13)
    near(-1 / (4 * L), panel.y[1]:item(), 1e-13)
    near(1 / (4 * L), panel.y[9]:item(), 1e-13)
    local long, path = panel.series[1], panel.series[2]
    assert.equal(8 * system.steps + 1, long.x:numel())
    assert.equal(8 * system.steps + 1, path.x:numel()) -- eight points from frame to frame
    for i = 1, long.x:numel() do
      local r, p_r = long.x[i]:item(), long.y[i]:item()
      near(panel.series[2].y[1]:item() ^ 2 + L ^ 2 / path.x[1]:item() ^ 2 - 1 / path.x[1]:item(),
        p_r ^ 2 + L ^ 2 / r ^ 2 - 1 / r, 1e-7)
    end
    for k = 0, system.steps do
      near(path.x[8 * k + 1]:item(), long.x[k + 1]:item(), 1e-7)
      near(path.y[8 * k + 1]:item(), long.y[k + 1]:item(), 1e-7)
    end
  end)

  it("draws that of three bodies by the place of one", function()
    local panel = figure5.landscape("three_body", { points = 9, seed = 1 })
    local q, p = torus.systems.three_body:sample { count = 1, seed = 1 }
    q, p = q[1]:totable(), p[1]:totable()
    local kinetic = 0
    for _, one in ipairs(p) do kinetic = kinetic + one * one / 2 end
    local function distance(x, y, body)
      return math.sqrt((x - q[2 * body - 1]) ^ 2 + (y - q[2 * body]) ^ 2)
    end
    local x, y = panel.x[9]:item(), panel.y[9]:item()
    near(kinetic - 1 / distance(q[1], q[2], 2) - 1 / distance(x, y, 1)
      - 1 / distance(x, y, 2), panel.z[9][9]:item(), 1e-14)
  end)
end)

describe("the integrators' errors", function()
  it("fall by their orders", function()
    -- By the last two of three dt: leading terms, not limits.
    local orders = { leapfrog = 2, euler = 1, symplectic_euler = 1, rk4 = 4,
      yoshida4 = 4 }
    for _, name in ipairs(integrators.systems) do
      local found = integrators.measure(name, { count = 4, dt = 0.125,
        halvings = 2, duration = 1 })
      assert.same({ 0.125, 0.0625, 0.03125 }, found.dts)
      for method, order in pairs(orders) do
        near(order, found.order[method], 0.05)
      end
    end
  end)

  it("are euler's to the last digit for a free particle in one step", function()
    local free = torus.systems.define { name = "quadratic_for_errors",
      dimension = 1, uniforms = 1,
      kinetic = function(p) return (p * p):sum(2) / 2 end,
      potential = function(q) return q:sum(2) end,
      sample = function(u) return u, u * 0 end }
    -- q falls by dt^2/2 where euler leaves it: the mean over q and p of two
    -- times, of which one coordinate is off.
    local found = integrators.measure(free, { count = 3, dt = 0.5,
      halvings = 1, duration = 0.5 })
    near(math.sqrt((0.5 ^ 2 / 2) ^ 2 / 4), found.errors.euler[1], 1e-12)
    near(0, found.errors.leapfrog[1], 1e-12)
  end)

  it("come as a table", function()
    local errors, order = {}, {}
    for _, method in ipairs(torus.integrate.methods) do
      errors[method], order[method] = { 1, 0.25 }, 2
    end
    local text = integrators.markdown("pendulum", { dts = { 0.5, 0.25 },
      errors = errors, order = order })
    assert.matches("^| pendulum | dt = 0.5 | dt = 0.25 | order |\n"
      .. "| %-%-%- | %-%-%- | %-%-%- | %-%-%- |\n"
      .. "| leapfrog | 1.0e%+00 | 2.5e%-01 | 2.00 |\n", text)
  end)
end)

describe("the figure of the systems", function()
  local figure = require "torus.figures.systems"

  it("shows the driven pendulum once per period of its drive", function()
    local panel = figure.panel("driven_pendulum", { periods = 2 })
    local x, y = panel.series[1].x:totable(), panel.series[1].y:totable()
    assert.equal(100, #x) -- of 50 pendulums, one period after the other
    -- dq/dt = p, dp/dt = -sin q - p / 2 + 1.15 cos(2 t / 3), by 400 steps of Runge-Kutta
    local function slope(t, q, p)
      return p, -math.sin(q) - 0.5 * p + 1.15 * math.cos(2 * t / 3)
    end
    local h = 3 * math.pi / 400
    for i = 1, 5 do
      local q, p = x[i], y[i]
      for k = 0, 399 do
        local t = k * h
        local a, b = slope(t, q, p)
        local c, d = slope(t + h / 2, q + a * h / 2, p + b * h / 2)
        local e, f = slope(t + h / 2, q + c * h / 2, p + d * h / 2)
        local g, j = slope(t + h, q + e * h, p + f * h)
        q, p = q + (a + 2 * c + 2 * e + g) * h / 6, p + (b + 2 * d + 2 * f + j) * h / 6
      end
      near(0, math.sin((q - x[50 + i]) / 2), 1e-5)
      near(p, y[50 + i], 1e-5)
      assert.is_true(math.abs(x[i]) <= math.pi and math.abs(x[50 + i]) <= math.pi)
    end
  end)

  it("shows the energies of the chain's modes", function()
    local panel = figure.panel "spring_chain"
    local energies = {}
    for k = 1, 4 do energies[k] = panel.series[k].y end
    -- At rest in the first mode: the energies of the nine springs without their
    -- nonlinear part.
    local initial, q = 0, {}
    for i = 0, 9 do q[i] = 2.5 * math.sin(math.pi * i / 9) end
    for i = 0, 8 do initial = initial + (q[i + 1] - q[i]) ^ 2 / 2 end
    near(initial, energies[1][1]:item(), 1e-12)
    for k = 2, 4 do near(0, energies[k][1]:item(), 1e-25) end
    -- 20 steps later, by projection on the modes.
    local start = torus.tensor({ { table.unpack(q, 1, 8) } }, DOUBLE)
    local motion = torus.integrate { H = torus.systems.spring_chain, q = start, p = start * 0,
      dt = 0.1, steps = 20 }
    assert.equal(2, panel.series[1].x[2]:item())
    for k = 1, 4 do
      local a, b, w = 0, 0, 2 * math.sin(math.pi * k / 18)
      for i = 1, 8 do
        local shape = math.sqrt(2 / 9) * math.sin(math.pi * k * i / 9)
        a, b = a + shape * motion.q[21][1][i]:item(), b + shape * motion.p[21][1][i]:item()
      end
      near((b * b + w * w * a * a) / 2, energies[k][2]:item(), 1e-12)
    end
    assert.has_error(function() figure.panel "pendulum" end)
  end)
end)

describe("figures.lua", function()
  local base

  setup(function()
    base = os.tmpname()
    os.remove(base)
    assert(lfs.mkdir(base))
  end)

  teardown(function() os.execute("rm -r '" .. base .. "'") end)

  local function script(arguments)
    local _, _, status = os.execute(string.format(
      "scripts/torus scripts/figures.lua %s >%s/said 2>&1", arguments, base))
    local file = assert(io.open(base .. "/said"))
    local text = file:read("a")
    file:close()
    return status, text
  end

  it("knows its figures", function()
    assert.is_true(#figures.numbers() >= 3)
    for _, name in ipairs(figures.numbers()) do
      local figure = figures.get(name)
      assert.is_true(#figure.what > 0 and type(figure.make) == "function")
    end
    local status, text = script("11")
    assert.is_true(status ~= 0)
    assert.matches('unknown figure "11" %(known: 5,', text)
  end)

  it("names a setting that is none or can't be", function()
    for arguments, wanted in pairs {
      ["10 --set foo=2"] = 'figure10: unknown option "foo"',
      ["5 --set points=one"] = 'option "points": expected an integer, got "one"',
      ["5 --set seed=1.5"] = 'option "seed": expected an integer, got 1.5',
      ["5 --seed 1.5"] = '--seed: expected an integer of at least 0, got "1.5"',
      ["integrators --set duration=0.3"] = "duration: expected a multiple",
    } do
      local status, text = script(arguments .. " --out " .. base)
      assert.equal(1, status)
      assert.truthy(text:find(wanted, 1, true))
      assert.is_nil(text:find("traceback", 1, true))
    end
  end)

  if has_gnuplot then
    it("draws", function()
      for _, one in ipairs {
        { figures.get(5), { sequences = "1", points = "9", resolution = "8",
          seed = "3" }, { "figure5.png" } },
        { figures.get(10), { steps = "6" },
          { "figure10.png", "figure10-areas.png" } },
        { figures.get("integrators"), { count = "2", halvings = "1",
          seed = "3" },
          { "integrators.png", "integrators.md" } },
        { figures.get("systems"), { periods = "2", sections = "2" },
          { "systems.png" } },
      } do
        local figure, settings, names = table.unpack(one)
        local paths = assert(figure.make { out = base, seed = 2,
          settings = settings })
        for i, name in ipairs(names) do
          assert.equal(base .. "/" .. name, paths[i])
          assert.is_true(lfs.attributes(paths[i], "size") > 300)
        end
      end
    end)
  end
end)

describe("learning curves", function()
  local learning = require "torus.figures.learning"

  -- Run folders with a log each; the folder's name and the paths of the runs.
  local function runs(texts)
    local base, paths = os.tmpname(), {}
    os.remove(base)
    for name, text in pairs(texts) do
      paths[#paths + 1] = base .. "/" .. name
      assert(torus.files.make_folder(base .. "/" .. name))
      assert(torus.files.write(base .. "/" .. name .. "/log.csv", text))
    end
    return base, table.concat(paths, ",")
  end

  it("draw the steps that have a value", function()
    local base, paths = runs { a = "step,loss,test_mse\n1,4,\n2,3,0.5\n3,2,\n4,1,0.25\n",
      b = "step,loss,test_mse\n10,4,1\n10000,0,0.125\n" }
    local one = assert(torus.runs.log.read(base .. "/a/log.csv"))
    one.label = "a"
    assert.same({ x = { 2, 4 }, y = { 0.5, 0.25 }, label = "a" }, learning.line(one, "test_mse"))
    if has_gnuplot then
      local made = assert(learning.make { out = base,
        settings = { runs = paths, columns = "test_mse,loss" } })
      assert.same({ base .. "/learning.png" }, made)
      assert.is_true(torus.image.read(made[1]):size(2) > 500)
    end
    os.execute("rm -r " .. base)
  end)

  it("have a logarithmic axis for positive values, and a few round ticks", function()
    local many = { "step,loss,test_mse,zero\n" }
    for i = 1, 60 do
      many[#many + 1] = ("%d,%d,%s,0\n"):format(i * 5, i, i <= 59 and "1" or "")
    end
    local base, path = runs { a = table.concat(many) }
    local panels = assert(learning.panels { runs = path, columns = "loss,test_mse,zero" })
    assert.same({ "loss", "test_mse", "zero" },
      { panels[1].title, panels[2].title, panels[3].title })
    assert.same({ "y", "y" }, { panels[1].log, panels[2].log, panels[3].log })
    assert.is_nil(panels[1].series[1].style) -- of 60 values, or more
    assert.equal("linespoints", panels[2].series[1].style)
    assert.is_nil(panels[1].legend)
    for k, step in ipairs(panels[1].series[1].x) do assert.equal(5 * k, step) end
    os.execute("rm -r " .. base)
    for last, ticks in pairs { [10000] = 2500, [500] = 100, [300] = 50, [2000] = 250,
      [99] = 10, [3] = 1, [400] = 50, [200] = 25 } do
      base, path = runs { a = ("step,loss\n1,2\n%d,1\n"):format(last),
        b = "step,loss\n1,2\n2,1\n" }
      local panel = assert(learning.panels { runs = path })[1]
      assert.equal("loss", panel.title)
      assert.equal(ticks, panel.xtics)
      assert.equal("below", panel.legend)
      assert.equal(2, #panel.series)
      os.execute("rm -r " .. base)
    end
  end)

  it("say what is missing", function()
    local base, path = runs { a = "step,loss,test_mse\n1,4,\n" }
    local function message(settings)
      local made, text = learning.make { out = base, settings = settings }
      assert.is_nil(made)
      return text
    end
    assert.matches("option \"runs\" is missing", message {})
    assert.matches("runs: expected folders of runs, found no log.csv in " .. base,
      message { runs = base }, 1, true)
    assert.matches("unknown column of .* \"los\", did you mean \"loss\"%?",
      message { runs = path, columns = "los" })
    assert.matches("no run has a value of test_mse yet", message { runs = path })
    os.execute("rm -r " .. base)
  end)
end)
