-- Control-C, from a child of the process that gets it.
local function output(body)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  assert(file:write([[
    local core = require "torus.core"
    local function interrupt()
      io.popen("kill -INT $PPID"):close()
    end
  ]], body))
  file:close()
  local pipe = assert(io.popen("scripts/torus " .. path .. " 2>&1"))
  local text = pipe:read("a")
  pipe:close()
  os.remove(path)
  return text
end

describe("a control-C", function()
  it("stops a script where it stands", function()
    local text = output [[
      print("before")
      interrupt()
      for _ = 1, 10 do io.write("") end
      print("after")
    ]]
    assert.matches("before", text)
    assert.matches("interrupted!", text)
    assert.is_nil(text:find("after", 1, true))
  end)

  it("waits for what may not be interrupted", function()
    local text = output [[
      local a, b = core.uninterrupted(function(x)
        interrupt()
        for _ = 1, 10 do io.write("") end
        print("whole")
        return x, "two"
      end, 1)
      for _ = 1, 10 do io.write("") end
      print("after", a, b)
    ]]
    assert.matches("whole", text)
    assert.matches("interrupted!", text)
    assert.is_nil(text:find("after", 1, true))
  end)

  it("that does not come changes nothing", function()
    assert.are.equal("1\ttwo\tfalse\tno\n", output [[
      local a, b = core.uninterrupted(function(x) return x, "two" end, 1)
      print(a, b, pcall(core.uninterrupted, error, "no"))
    ]])
  end)

  it("leaves calls of the engine and the memory as they were", function()
    local text = output [[
      local torus = require "torus"
      local function net(width)
        return torus.nn.MLP { sizes = { 2, width, width, 1 }, activation = "softplus",
          scalar = true }
      end
      local H, rows = torus.separable(net(64), net(64)), 256
      local q, p = torus.randn(rows, 2), torus.randn(rows, 2)
      local a, image, filter = torus.randn(700, 700), torus.randn(8, 32, 32, 64),
        torus.randn(64, 64, 3, 3)
      local function rollout(method)
        return function()
          local x = (q * 1):detach() x.requires_grad = true
          local t = torus.integrate { H = H, q = x, p = p, dt = 0.01, steps = 60,
            method = method }
          return torus.grad(t.q:square():sum(), { x, H.K:parameters()[1] })[2]
        end
      end
      local s = torus.systems.three_body
      local sq, sp = s:sample { count = 3000 }
      local jobs = { rollout "leapfrog", rollout "rk4",
        function() return a:matmul(a):matmul(a) end,
        function() return torus.conv2d(image, filter) end,
        function() return (s:solve(sq, sp).q) end,
        function() return (a:narrow(1, 1, 200):narrow(2, 1, 200):double():inverse()) end }
      local expected, seconds = {}, {}
      for i, job in ipairs(jobs) do
        expected[i] = job()
        local start = torus.clock()
        job()
        seconds[i] = torus.clock() - start
      end
      local pid = io.popen("echo $PPID"):read("n")
      collectgarbage() collectgarbage()
      local before, stopped = torus.memory().tensors, 0
      for round = 1, 4 do
        for i, job in ipairs(jobs) do
          core.interrupts(true)
          -- Not at once: while os.execute waits for the shell, the signal is ignored.
          os.execute(("(sleep %.3f; kill -INT %d) &"):format(
            0.15 + seconds[i] * (round - 0.5) / 4, pid))
          local ok, message = pcall(function()
            -- The signal comes; on a busy machine it comes late.
            local last = torus.clock() + 60
            while torus.clock() < last do job() end
          end)
          core.interrupts(false)
          assert(not ok and message:find("interrupted$"), message)
          stopped = stopped + 1
        end
      end
      collectgarbage() collectgarbage()
      assert(torus.memory().tensors == before, "tensors are left")
      for i, job in ipairs(jobs) do
        assert(job():eq(expected[i]):all():item(), "other bits: job " .. i)
      end
      print("stopped", stopped)
    ]]
    assert.equal("stopped\t24\n", text)
  end)
end)
