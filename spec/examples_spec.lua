local lfs = require "lfs"
local torus = require "torus"

local root = lfs.currentdir()
local folder -- where the examples run, so that what they write can be removed

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Everything that a shell command says, and its exit status.
local function shell(command)
  local pipe = assert(io.popen(("cd %s && { %s\n} 2>&1; echo \"status $?\"")
    :format(quoted(folder), command)))
  local text = pipe:read("a")
  pipe:close()
  local output, status = text:match("^(.*)status (%d+)\n$")
  return output, tonumber(status)
end

local function example(name, arguments)
  local output, status = shell(("%s %s %s"):format(quoted(root .. "/scripts/torus"),
    quoted(root .. "/examples/" .. name .. ".lua"), arguments or ""))
  assert.equal(0, status, output)
  return output
end

-- The numbers that a pattern finds.
local function numbers(text, pattern)
  local found = { text:match(pattern) }
  assert.is_true(#found > 0, pattern .. " is not in:\n" .. text)
  for i, word in ipairs(found) do found[i] = assert(tonumber(word), word) end
  return table.unpack(found)
end

-- Whether a file was written and starts as it should.
local function has(path, start)
  local file = assert(io.open(folder .. "/runs/examples/" .. path, "rb"))
  local head = file:read(16)
  file:close()
  assert.truthy(head:find(start, 1, true), path)
end

local PNG = "\137PNG\r\n\26\n"
local has_gnuplot = os.execute("command -v gnuplot >/dev/null")

local function picture(path)
  if has_gnuplot then has(path, PNG) end
end

-- Where x'' = force(x) leads, by plain Lua and many small RK4 steps: a witness
-- that shares nothing with torus.
local function motion(force, x, v, time)
  local n = 20000
  local h = time / n
  for _ = 1, n do
    local v1, a1 = v, force(x)
    local v2, a2 = v + a1 * h / 2, force(x + v1 * h / 2)
    local v3, a3 = v + a2 * h / 2, force(x + v2 * h / 2)
    local v4, a4 = v + a3 * h, force(x + v3 * h)
    x = x + (v1 + 2 * v2 + 2 * v3 + v4) * h / 6
    v = v + (a1 + 2 * a2 + 2 * a3 + a4) * h / 6
  end
  return x
end

describe("examples", function()
  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(lfs.mkdir(folder))
  end)

  teardown(function() os.execute("rm -r " .. quoted(folder)) end)

  it("01_tensors prints what its comments say", function()
    local said = example("01_tensors")
    assert.truthy(said:find("[[1., 2., 3.],\n [4., 5., 6.]]\nfloat32 (2,3)", 1, true))
    assert.truthy(said:find("a Lua number:\t6.0\tand a table:\t2", 1, true))
    assert.truthy(said:find("[ 3.,  6.,  9., 12.]]", 1, true))
    assert.truthy(said:find("(1, 2):\t[-2.,  1.]  float32 (2)", 1, true))
    assert.truthy(said:find("again the same:\ttrue", 1, true))
    local mean, variance = numbers(said, "mean ([%d.]+), variance ([%d.]+)")
    -- three standard errors of a million samples, and what is not printed
    assert.is_near(0.5, mean, 0.0014)
    assert.is_near(1 / 12, variance, 0.0003)
    assert.truthy(said:find("01_tensors.lua:%d+: add: shapes don't broadcast, "
      .. "%(2,3%) with %(4%)"))
  end)

  -- The least-squares solution by Cramer's rule, from the same noisy heights.
  local function thrown_ball()
    torus.manual_seed(1)
    local t = torus.linspace(0, 2, 200, { dtype = "float64" })
    local noise = torus.randn(200, { dtype = "float64" }):totable()
    local m, b = { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } }, { 0, 0, 0 }
    for n, time in ipairs(t:totable()) do
      local height = 1.5 + 12 * time - 9.81 / 2 * time ^ 2 + 0.05 * noise[n]
      local row = { 1, time, -0.5 * time ^ 2 }
      for i = 1, 3 do
        b[i] = b[i] + row[i] * height
        for j = 1, 3 do m[i][j] = m[i][j] + row[i] * row[j] end
      end
    end
    local function determinant(a)
      return a[1][1] * (a[2][2] * a[3][3] - a[2][3] * a[3][2])
        - a[1][2] * (a[2][1] * a[3][3] - a[2][3] * a[3][1])
        + a[1][3] * (a[2][1] * a[3][2] - a[2][2] * a[3][1])
    end
    local answer = {}
    for k = 1, 3 do
      local replaced = {}
      for i = 1, 3 do
        replaced[i] = { table.unpack(m[i]) }
        replaced[i][k] = b[i]
      end
      answer[k] = determinant(replaced) / determinant(m)
    end
    return table.unpack(answer)
  end

  it("02_gradients finds the least-squares fit", function()
    local said = example("02_gradients")
    local h, v, g = numbers(said, "descent: h = (%S+)  v = (%S+)  g = (%S+)")
    local h0, v0, g0 = thrown_ball()
    -- printed with three digits
    assert.is_near(h0, h, 0.001)
    assert.is_near(v0, v, 0.001)
    assert.is_near(g0, g, 0.001)
    local A, c, omega = numbers(said,
      "Adam: A = (%S+)  c = (%S+)  omega = (%S+)  ")
    -- a few times noise / sqrt(points) = 0.02 / sqrt(300)
    assert.is_near(1.2, A, 0.01)
    assert.is_near(0.3, c, 0.01)
    assert.is_near(4, omega, 0.01)
  end)

  it("03_second_derivatives agrees with what is done by hand", function()
    local said = example("03_second_derivatives")
    for n = 1, 4 do
      local torus_says, by_hand = numbers(said,
        "derivative " .. n .. ": (%S+)  by hand: (%S+)")
      assert.equal(by_hand, torus_says)
      assert.is_near((0.5 + n) * math.exp(0.5), by_hand, 1e-6)
    end
    assert.truthy(said:find("[[ 4., -3.],\n [-3.,  4.]]", 1, true))
    -- dp/dt at q = (0.1, 0.2): -q1 - 2 q1 q2, -q2 - q1^2 + q2^2
    assert.truthy(said:find("dp/dt:%s+%[%-0.14, %-0.17%]"))
    assert.equal(0, (numbers(said, "{H, H} = (%S+):")))
    assert.equal(0, (numbers(said, "{L, K} = (%S+):")))
    -- {L, V} = q2 dV/dq1 - q1 dV/dq2 = q1 (2 q2^2 - q1^2 + q2^2) for the cubic
    assert.is_near(0.1 * (3 * 0.04 - 0.01), (numbers(said, "{L, H} = (%S+):")), 5e-5)
    local area = {}
    for method, factor in said:gmatch("(%S+) +area grows by (%S+)\n") do
      area[method] = tonumber(factor)
    end
    for _, method in ipairs { "leapfrog", "symplectic_euler", "yoshida4" } do
      assert.is_near(1, area[method], 1e-14)
    end
    assert.is_near(1 + 0.25 * math.cos(1.2), area.euler, 1e-14)
    assert.is_true(math.abs(area.rk4 - 1) > 1e-7)
  end)

  it("14_long_times shows bounded energies, closed forms and passages", function()
    local said = example("14_long_times", "300")
    local error, memory = numbers(said, "largest error of the energy (%S+); peak "
      .. "memory (%d+) MB")
    -- A sanitizer remembers more than what is allocated.
    local sanitized = (os.getenv "LD_PRELOAD" or "") ~= ""
    assert.is_true(error <= 0.5 * 0.1 ^ 2 / 4 and (sanitized or memory < 60))
    local got, want = numbers(said, "dq/dq0 = (%S+), exactly (%S+);")
    assert.is_near(want, got, 1e-9)
    local first, all = numbers(said, "\ngauss4 +(%S+)  (%S+)")
    assert.is_true(all < 1e-3 and first <= all)
    assert.is_true(numbers(said, "orbit 1: (%d+) passages") > 80)
    picture("14_long_times.png")
  end)

  it("19_stability shows a saddle's rates, reciprocal multipliers, paired exponents", function()
    local said = example("19_stability", "150")
    local frequency = numbers(said, "eigenvalue %+0%.000000 %+(1%.7%d+) i")
    assert.is_near(math.sqrt(3), frequency, 1e-6)
    assert.truthy(said:find("eigenvalue +1.000000 +0.000000 i", 1, true))
    -- The period by quadrature: y = middle + half * sin(angle) between the turning points of
    -- 2 E = y^2 - 2 y^3 / 3, which are two roots of a cubic.
    local E = 0.08
    local function speed(y) return 2 * E - y ^ 2 + 2 * y ^ 3 / 3 end
    local function turning(low, high)
      for _ = 1, 200 do
        local y = (low + high) / 2
        if (speed(y) > 0) == (speed(low) > 0) then low = y else high = y end
      end
      return low
    end
    local down, up = turning(-1, 0), turning(0, 1)
    local period, count = 0, 2000
    for k = 1, count do
      local angle = ((k - 0.5) / count - 0.5) * math.pi
      local y = (up + down) / 2 + (up - down) / 2 * math.sin(angle)
      period = period + 2 * (up - down) / 2 * math.cos(angle) / math.sqrt(speed(y))
        * math.pi / count
    end
    assert.is_near(period, (numbers(said, "\n0%.08 +(%S+)")), 2e-6)
    local orbits = 0
    for a, b, c, d in said:gmatch(" (%S+) (%S+) i, (%S+) (%S+) i: %l") do
      a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
      assert.is_near(1, a * c - b * d, 2e-4)
      assert.is_near(0, a * d + b * c, 2e-4)
      orbits = orbits + 1
    end
    assert.equal(6, orbits)
    local first, last = numbers(said, "\nchaotic: (%S+) %S+ %S+ (%S+);")
    local regular = numbers(said, "\nregular: (%S+)")
    assert.is_true(first > 0.05 and math.abs(first + last) < 0.02 and regular < first / 4)
  end)

  it("04_integrators shows orders, drift, reversibility and a target hit", function()
    local said = example("04_integrators")
    local order = { euler = 1, symplectic_euler = 1, leapfrog = 2, rk4 = 4,
      yoshida4 = 4 }
    for method, expected in pairs(order) do
      local coarse, fine, fitted = numbers(said,
        "\n" .. method .. " +(%d%S+) +(%S+) +(%d%.%d%d)\n")
      assert.is_true(coarse > fine)
      assert.is_near(expected, fitted, 0.1)
    end
    local function errors(method)
      return numbers(said, "\n" .. method .. " +(%d%S+) +(%d%S+)\n")
    end
    for _, method in ipairs { "leapfrog", "symplectic_euler", "yoshida4" } do
      local early, late = errors(method)
      assert.is_near(early, late, 0.1 * early)
    end
    for _, method in ipairs { "euler", "rk4" } do
      local early, late = errors(method)
      assert.is_true(late > 5 * early)
    end
    local function miss(method)
      return (numbers(said, method .. " +misses the start by (%S+)\n"))
    end
    assert.is_true(miss("leapfrog") < 1e-12 and miss("yoshida4") < 1e-12)
    assert.is_true(miss("rk4") > 1e-9 and miss("euler") > 1e-2)
    local push, angle = numbers(said, "try 5: push (%S+), angle (%S+)\n")
    assert.equal(1.5, angle)
    -- yoshida4's own error at a step of 0.1
    assert.is_near(1.5, motion(function(x) return -math.sin(x) end, 0, push, 2), 1e-4)
    picture("04_integrators.png")
  end)

  local REPORT = "step +%d+  frames +%d+  error +%S+  KL +%S+  held%-out +(%S+)e%-4"

  it("05_hgn learns something in a few steps", function()
    local said = example("05_hgn", "--steps 60")
    local before, after = numbers(said, REPORT .. " .-\n" .. REPORT)
    assert.is_true(after < before / 2)
    has("05_hgn.png", PNG)
  end)

  it("05_hgn leaves the mean image far behind #slow", function()
    assert.is_true(numbers(example("05_hgn"), "error (%S+) of the mean image's") < 0.25)
  end)

  it("06_own_system conserves its energy and knows its barrier", function()
    local said = example("06_own_system")
    assert.truthy(said:find("06_own_system.lua:%d+: system broken: "))
    assert.is_true(numbers(said, "is off by (%S+)\n") < 1e-7)
    local crossing, able = numbers(said, "(%d+) of 200 cross the barrier, (%d+) have")
    assert.equal(able, crossing)
    assert.is_true(crossing > 20 and crossing < 180)
    for _, k in ipairs { 1, 1.5 } do
      local q = numbers(said, ("k = %.1f: after a time of 4 it is at (%%S+)\n"):format(k))
      assert.is_near(motion(function(x) return k * x - x ^ 3 end, 0, 0.1, 4), q, 0.0051)
    end
    has("06_own_system.gif", "GIF89a")
    picture("06_own_system.png")
  end)

  it("07_hnn_save_load learns a pendulum and reads it back", function()
    local said = example("07_hnn_save_load")
    assert.is_true(numbers(said, "step 600  error of the slopes (%S+)\n") < 0.003)
    local learned, exact = numbers(said, "angle (%S+), the true one is (%S+)\n")
    -- H = 3 (1 - cos q) + p^2: dq/dt = 2 p, dp/dt = -3 sin q
    assert.is_near(motion(function(x) return -6 * math.sin(x) end, 1.5, 0, 5), exact, 6e-4)
    assert.is_near(exact, learned, 0.2)
    assert.truthy(said:find("an energy of a pendulum; the same numbers: true", 1, true))
    assert.truthy(said:find("nil\tload: ", 1, true))
    has("07_energy.safetensors", "{")
    has("07_angles.npy", "\147NUMPY")
  end)

  it("09_modes agrees with formulas and with integration", function()
    local said = example("09_modes")
    for i = 1, 10 do
      local got = numbers(said, ("\n +%d   (%%d%%S+)   %%d"):format(i))
      assert.is_near(2 * math.sin(math.pi * i / 22), got, 6e-8)
    end
    local function off(method)
      return (numbers(said, method .. " +largest difference over a time of 100: (%S+)\n"))
    end
    -- By order: the steps' own errors, of modes with frequencies up to 2.
    assert.is_true(off("leapfrog") < 0.2 and off("yoshida4") < 2e-3)
    local squares, trace = numbers(said, "squares: (%S+), the trace: (%S+)\n")
    assert.is_near(18 + 2 / 100, squares, 1e-9)
    assert.equal(trace, squares)
    assert.is_true(numbers(said, "all of them, largest difference: (%S+)\n") < 1e-14)
    assert.truthy(said:find("try 6: stiffness %S+, ratio 2.000000000\n"))
    assert.truthy(said:find("[ 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 24.0, 18.0, 12.0,  6.0]",
      1, true))
    assert.truthy(said:find("09_modes.lua:%d+: solve: the matrix is singular\n"))
    assert.truthy(said:find("up to rounding:\ttrue\n"))
  end)

  -- By time: a quarter of a swing, in small steps of plain Lua.
  local function pendulum_frequency(angle)
    local x, v, h, steps = angle, 0, 1e-4, 0
    local function force(y) return -9.81 * math.sin(y) end
    while x > 0 do
      local mid = x + v * h / 2
      v = v + force(mid) * h
      x, steps = mid + v * h / 2, steps + 1
    end
    return 1 / (4 * (steps * h - x / v))
  end

  it("10_spectrum finds the frequencies of a pendulum", function()
    local said = example("10_spectrum")
    assert.truthy(said:find("elements:\t33\tof\t64\tsamples"))
    assert.is_true(numbers(said, "back: off by (%S+)\n") < 1e-14)
    for _, angle in ipairs { 0.1, 1, 2, 3 } do
      local peak, exact = numbers(said, ("\n%.1f     (%%S+)   (%%S+)   "):format(angle))
      assert.is_near(pendulum_frequency(angle), exact, 1e-6)
      assert.is_near(exact, peak, 2e-6)
      local even, odd = numbers(said:match("overtones\n.*"),
        ("\n%.1f     (%%S+) (%%S+) "):format(angle))
      assert.is_true(even < 1e-9 and odd > 1e-9)
    end
    local slope, exact = numbers(said, "(%S+) by gradient, (%S+) exactly\n")
    assert.is_near(exact, slope, 2e-5)
    local before, after = numbers(said, "samples: (%S+), of the filtered ones: (%S+)\n")
    assert.is_true(after < before / 3)
    picture("10_spectrum.png")
  end)

  it("11_spirals classifies nearly as well as can be", function()
    local said = example("11_spirals")
    assert.truthy(said:find("points of each class:%s+%[400, 400, 400%]"))
    local before = numbers(said, "before training: (%S+)\n")
    assert.is_true(before < 0.6)
    local share = numbers(said, "\naccuracy: (%S+)\n")
    -- The angles have a noise of 0.4 and arms are 2 pi / 3 apart: nobody gets the share right
    -- that is more than half of that away. Up to three standard errors of 1200 points.
    local best = 1 - 0.00885
    assert.is_true(share > 0.95 and share < best + 3 * math.sqrt(best * (1 - best) / 1200))
    local wrong = numbers(said, "\nwrong: (%d+) of 1200\n")
    assert.is_near(1 - wrong / 1200, share, 5.1e-4)
    local near, inner, far, outer = numbers(said,
      "of 0.3: (%d+) of (%d+), beyond it: (%d+) of (%d+)\n")
    assert.equal(wrong, near + far)
    assert.equal(1200, inner + outer)
    local table_, sum, trace = said:match("predictions:(.-)int64"), {}, 0
    local k = 0
    for count in table_:gmatch("%d+") do
      local row = k // 3 + 1
      sum[row] = (sum[row] or 0) + tonumber(count)
      if k % 4 == 0 then trace = trace + tonumber(count) end
      k = k + 1
    end
    assert.same({ 400, 400, 400 }, sum)
    assert.equal(1200 - wrong, trace)
    assert.is_near(share, numbers(said, "its accuracy was%s+(%S+)\n"), 1e-9)
    assert.truthy(said:find("says the same:%s+true\n"))
  end)

  -- E - e sin E = M by bisection.
  local function kepler(M, e)
    local low, high = M - 1, M + 1
    for _ = 1, 60 do
      local E = (low + high) / 2
      if E - e * math.sin(E) < M then low = E else high = E end
    end
    return low
  end

  it("12_own_operation finds an orbit by its own gradient", function()
    local said = example("12_own_operation")
    local angles = { numbers(said, "E:%s+%[(%S+), (%S+), (%S+), (%S+)%]") }
    for i, M in ipairs { 0.5, 1, 2, 3 } do
      assert.is_near(kepler(M, 0.3), angles[i], 1e-13)
    end
    assert.truthy(said:find("order 1 and 2:\ttrue\n"))
    -- both numbers have the weight of the first element in gradcheck's sum
    local right, wrong = numbers(said, "a wrong one:%s+false%s+gradcheck: derivative of "
      .. "order 1 with respect to element 1 of input 1: expected (%S+) by finite differences, "
      .. "got (%S+)\n")
    local h = 1e-5
    local slope = (kepler(0.5 + h, 0.3) - kepler(0.5 - h, 0.3)) / (2 * h)
    assert.is_near(slope, right / wrong, 1e-7)
    for _, energy in ipairs { numbers(said,
      "-1/2 all along:%s+%[(%S+), (%S+), (%S+), (%S+)%]") } do
      assert.is_near(-0.5, energy, 1e-12)
    end
    local momentum, found = numbers(said, "sqrt%(1 %- e^2%) =%s+([%d.]+):%s+%[(%S+),")
    assert.is_near(momentum, found, 1e-7) -- printed with seven digits
    assert.is_true(numbers(said, "gravity differ by%s+(%S+)\n") < 1e-13)
    local e, e_off, t, t_off = numbers(said,
      "e = (%S+) %+%- (%S+), closest at (%S+) %+%- (%S+)\n")
    -- what it was made with, to three standard errors
    assert.is_near(0.6, e, 3 * e_off)
    assert.is_near(0.7, t, 3 * t_off)
    assert.is_true(e_off < 0.01 and t_off < 0.01)
    -- half of chi squared with 78 degrees of freedom, to three standard deviations
    local misfit = numbers(said, "before, (%S+) after")
    assert.is_near(39, misfit, 3 * math.sqrt(78 / 2))
    assert.truthy(said:find("gradient at e = 0.3:%s+%[%-?nan%]"))
    local called = said:match("the gradient of %w+, called at [^:]+:(%d+), makes the first NaN")
    local line = 0
    for text in io.lines(root .. "/examples/12_own_operation.lua") do
      line = line + 1
      if text:find("(qx - exact_x) ^ 2", 1, true) then break end
    end
    assert.equal(line, tonumber(called))
  end)

  -- What is typed at the prompt in the file's blocks, and what comes back.
  local function transcript(path)
    local typed, answers = {}, {}
    local inside = false
    for line in io.lines(path) do
      if line:match("^```") then
        inside = not inside
      elseif inside then
        local input = line:match("^>>? (.*)$")
        if input then typed[#typed + 1] = input else answers[#answers + 1] = line end
      end
    end
    return table.concat(typed, "\n") .. "\n", table.concat(answers, "\n") .. "\n"
  end

  it("08_prompt is what the prompt says", function()
    local typed, answers = transcript("examples/08_prompt.md")
    local file = assert(io.open(folder .. "/typed", "w"))
    file:write(typed)
    file:close()
    assert.equal(answers, (shell(quoted(root .. "/scripts/torus") .. " <typed")))
  end)

  it("13_pytorch writes what PyTorch reads, and reads what that writes", function()
    local said = example("13_pytorch")
    assert.truthy(said:find("nothing from PyTorch yet", 1, true))
    has("to_torch.npz", "PK\3\4")
    local tensors = assert(torus.load(folder .. "/runs/examples/to_torch.safetensors"))
    assert.same({ 4, 3, 3, 3 }, tensors["1.weight"].shape)
    -- As if PyTorch had changed nothing.
    for _, ending in ipairs { "safetensors", "npz" } do
      shell(("cp runs/examples/to_torch.%s runs/examples/from_torch.%s"):format(ending, ending))
    end
    said = example("13_pytorch")
    assert.truthy(said:find("read weights of torus", 1, true), said)
    assert.equal(0, (numbers(said, "outputs differ by at most (%S+)\n")))
  end)

  it("17_posterior draws by both ways what a grid says", function()
    local said = example("17_posterior", "150")
    -- The same density on plain numbers.
    local z, squares, h = 0, { 0, 0 }, 0.05
    for i = -90, 90 do
      for k = -90, 90 do
        local q, p = i * h, k * h
        local energy, x = (q * q + p * p) / 2, q * math.cos(0.5) + p * math.sin(0.5)
        local w = math.exp(-0.5 * ((energy - 2) / 0.35) ^ 2
          - 0.5 * ((x * x - 1.5) / 0.9) ^ 2 - (q * q + p * p) / 8) * h * h
        z, squares[1], squares[2] = z + w, squares[1] + w * q * q, squares[2] + w * p * p
      end
    end
    local grid, bound, found, error_ = numbers(said,
      "ln Z: grid (%-?[%d.]+), bound (%-?[%d.]+), by .- (%-?[%d.]+) %+%- ([%d.]+)")
    assert.is_near(math.log(z), grid, 2e-3)
    assert.is_true(bound < grid)
    assert.is_near(grid, found, 5 * error_ + 0.01)
    local a, b = numbers(said, "HMC   mean of q%^2 ([%d.]+), of p%^2 ([%d.]+)")
    assert.is_near(squares[1] / z, a, 0.2)
    assert.is_near(squares[2] / z, b, 0.2)
    picture("posterior.png")
  end)

  it("16_film finds the wall and the period that its film was made with", function()
    local said = example("16_film")
    assert.truthy(said:find("16 train, 4 test, 11 steps", 1, true))
    -- Sensor noise of 0.02, over 4 pixels and the median of 120 frames, and 8 bits.
    assert.is_true(numbers(said, "the wall, found to ([%d.]+)") < 0.003)
    assert.is_true(math.abs(numbers(said, "swings in ([%d.]+) frames") - 24) < 0.25)
    local error_ = numbers(said, "squared error of a pixel ([%d.]+)")
    assert.is_true(error_ > 0 and error_ < 0.01)
    has("16_film/strip.png", PNG)
    example("16_film") -- again, over what it has written
  end)

  it("15_export opens a run, keeps its energy and writes arrays", function()
    local said = example("15_export")
    assert.is_true(numbers(said, "state MSE, rk4%s+(%S+)") < 0.1, said)
    assert.is_true(numbers(said, "changed by at most (%S+)\n") < 1e-3)
    has("15_export/energy.npy", "\147NUMPY")
    assert.truthy(torus.load(folder .. "/runs/examples/15_export/weights.safetensors"))
  end)
end)
