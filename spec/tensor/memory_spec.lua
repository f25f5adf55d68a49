-- Memory that runs out, and memory that must come back.
local torus = require "torus"
local core = require "torus.core"
local gradcheck = require "spec.support.gradcheck"
local samples = require "spec.support.op_samples"

local function held()
  collectgarbage()
  local m = torus.memory()
  return m.tensors, m.live_blocks
end

-- Runs f with the nth allocation failing, alone or with all that follow, for
-- every n that f gets to: it succeeds or says that memory is exhausted, and
-- leaves nothing behind.
local function survives(name, f)
  f()
  local tensors, blocks = held()
  for _, on in ipairs { false, true } do
    local n, failed = 0, true
    while failed or (not on and n < 12) do
      n = n + 1
      core.fail_allocation(n, on)
      local ok, message = pcall(f)
      core.fail_allocation(0)
      if ok then message = nil end -- the result
      failed = on and not ok
      if not ok and not tostring(message):find("out of memory", 1, true) then
        error(("%s, allocation %d%s: %s"):format(name, n, on and " and on" or "",
          tostring(message)), 0)
      end
      if not ok and not on and name:find("^retry") then
        error(("%s did not survive one failure: %s"):format(name, message), 0)
      end
      local now_tensors, now_blocks = held()
      if now_tensors ~= tensors or now_blocks ~= blocks then
        error(("%s, allocation %d%s: %d tensors and %d blocks leak"):format(name, n,
          on and " and on" or "", now_tensors - tensors, now_blocks - blocks), 0)
      end
      if n > 2000 then error(name .. " never succeeds", 0) end
    end
  end
end

describe("when memory is exhausted", function()
  teardown(function() core.fail_allocation(0) end)

  for _, op in ipairs(torus.registry()) do
    it(op.name .. " fails cleanly", function()
      local case = samples[op.name][1]
      local inputs = gradcheck.inputs(case[1], "transposed", case.low, case.high)
        or gradcheck.inputs(case[1], "contiguous", case.low, case.high)
      survives("retry: " .. op.name, function()
        return case.call(core.ops[op.name], table.unpack(inputs))
      end)
      if not op.constant then
        survives("gradient of " .. op.name, function()
          local y = case.call(core.ops[op.name], table.unpack(inputs))
          return torus.grad(y, inputs, { grad_output = y:detach() })
        end)
      end
    end)
  end

  it("second derivatives fail cleanly", function()
    local x = torus.ones({ 3 }, { requires_grad = true })
    survives("second derivatives", function()
      local y = (x:exp() * x:reshape(3, 1)):sum()
      local g = torus.grad(y, x, { create_graph = true })
      return torus.grad(g:square():sum(), { x, x })
    end)
  end)

  it("backward changes all gradients or none", function()
    local x = torus.ones({ 3 }, { requires_grad = true })
    local z = torus.ones({ 3, 1 }, { requires_grad = true })
    survives("backward", function()
      local kept = torus.ones(3, 1) -- also held here: the sum needs new memory
      z.grad = kept
      local ok, message = pcall(function() ((x + z) * x):sum():backward() end)
      if ok then
        assert.same({ 9, 9, 9 }, x.grad:totable())
        assert.same({ { 4 }, { 4 }, { 4 } }, z.grad:totable())
      else
        assert.is_nil(x.grad)
        assert.same({ { 1 }, { 1 }, { 1 } }, z.grad:totable())
      end
      assert.is_true(kept ~= z.grad or not ok)
      x.grad, z.grad = nil, nil
      if not ok then error(message, 0) end
    end)
  end)

  it("a sweep that retains the history can be tried again", function()
    local x = torus.ones({ 3 }, { requires_grad = true })
    local y = (x:exp() * x):sum()
    survives("retry: retained sweep", function()
      return torus.grad(y, x, { retain_graph = true })
    end)
  end)

  it("making, indexing and writing fail cleanly", function()
    local x = torus.arange(12):reshape(3, 4)
    local y = torus.arange(12):reshape(4, 3):transpose()
    survives("retry: tensor", function() return torus.tensor { { 1, 2 }, { 3, 4 } } end)
    survives("retry: zeros", function() return torus.zeros(3, 4) end)
    survives("retry: arange", function() return torus.arange(5, { dtype = "int64" }) end)
    survives("retry: eye", function() return torus.eye(3) end)
    survives("retry: randn", function() return torus.randn(3) end)
    survives("retry: randperm", function() return torus.randperm(5) end)
    survives("retry: index", function() return x[2][3], x[{ {}, { 1, 4, 2 } }] end)
    survives("retry: write", function() x[{ {}, 2 }] = y[{ {}, 1 }] end)
    survives("retry: number", function() x[2] = 7 end)
    survives("retry: add_", function() x:add_(y, 2) end)
    survives("retry: copy_", function() x:copy_(x[1]) end)
    survives("retry: detach", function() return x:detach() end)
    survives("retry: variable", function() return torus.variable(x) end)
    survives("retry: stack", function() return torus.stack({ x, y }, 2) end)
    survives("retry: bytes", function()
      return torus.from_bytes(torus.to_bytes(y), "float32", { 12 })
    end)
    survives("tostring", function() return tostring(y) end)
  end)

  it("the generator has not moved", function()
    local g = torus.generator(1)
    core.fail_allocation(1, true)
    assert.is_false(pcall(torus.randn, 5, { generator = g }))
    core.fail_allocation(0)
    assert.same({ 1, 0 }, { g:state() })
    core.fail_allocation(1) -- the second try succeeds
    torus.randn(5, { generator = g })
    core.fail_allocation(0)
    assert.same({ 1, 5 }, { g:state() })
  end)

  it("saving and loading fail cleanly", function()
    local path = os.tmpname()
    local x = torus.ones(3, 4)
    survives("save", function()
      local ok, message = torus.save(path, { x = x, turned = x:transpose() }, { a = "b" })
      if not ok then error(message, 0) end
    end)
    survives("load", function()
      local t, message = torus.load(path)
      if not t then error(message, 0) end
    end)
    survives("npy", function()
      local ok, message = torus.npy.save(path, x:transpose())
      if not ok then error(message, 0) end
      ok, message = torus.npy.load(path)
      if not ok then error(message, 0) end
    end)
    os.remove(path)
  end)

  it("a full collection makes room", function()
    -- Garbage that Lua does not hurry to collect, then a failure.
    for _ = 1, 10 do torus.zeros(1000) end
    core.fail_allocation(3)
    assert.equal(1000, torus.ones(1000):exp():numel())
    core.fail_allocation(0)
  end)
end)

describe("without any collectgarbage()", function()
  it("a loop that allocates much stays bounded", function()
    collectgarbage()
    local before = torus.memory().live_bytes
    local most = 0
    for _ = 1, 3000 do
      local _ = torus.zeros(100000) + 1 -- 400 kB each, 2.4 GB in all
      most = math.max(most, torus.memory().live_bytes)
    end
    assert.is_true(most - before < 100e6, most)
  end)

  it("a loop over histories stays bounded", function()
    collectgarbage()
    local before = torus.memory().live_bytes
    local x = torus.ones({ 20000 }, { requires_grad = true })
    local most = 0
    for _ = 1, 300 do
      local y = x
      for _ = 1, 10 do y = y:tanh() end
      local g = torus.grad(y:sum(), x, { create_graph = true })
      torus.grad((g * g):sum(), x)
      most = math.max(most, torus.memory().live_bytes)
    end
    assert.is_true(most - before < 150e6, most)
  end)

  it("what is freed by hand is reused at once", function()
    torus.zeros(1000):release()
    local before = torus.memory()
    for _ = 1, 100 do torus.zeros(1000):release() end
    local after = torus.memory()
    assert.equal(before.live_bytes, after.live_bytes)
    assert.equal(before.tensors, after.tensors)
  end)
end)

describe("a long history", function()
  it("is released without recursion", function()
    local tensors = held()
    local x = torus.ones({ 1 }, { requires_grad = true })
    for _ = 1, 3 do
      local y = x
      for _ = 1, 50000 do y = y + x end
      y:release()
    end
    x:release()
    assert.equal(tensors, (held()))
  end)

  it("of gradients of gradients is released too", function()
    local tensors = held()
    do
      local x = torus.ones({ 2 }, { requires_grad = true })
      local y = (x * x):sum()
      for _ = 1, 4 do
        y = torus.grad(y * x[1]:exp(), x, { create_graph = true }):sum()
      end
      local kept = torus.grad(y, x, { create_graph = true })
      x.grad = kept:detach()
    end
    assert.equal(tensors, (held()))
  end)
end)
