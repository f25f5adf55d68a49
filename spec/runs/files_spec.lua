local torus = require "torus"
local checkpoint = require "torus.runs.checkpoint"
local files = require "torus.files"
local Log = require "torus.runs.log"
local Progress = require "torus.progress"
local raises = require "spec.support.raises"
local adam = require "torus.optim.adam"

local function temporary()
  local path = os.tmpname()
  finally(function() os.remove(path) end)
  return path
end

describe("log.csv", function()
  it("keeps rows up to the step that is resumed from", function()
    local path = temporary()
    local log = assert(Log.open(path, { "step", "loss" }, 0))
    for step = 1, 5 do assert(log:row { step = step, loss = step / 10 }) end
    log:close()
    -- a crash in the middle of a row
    local file = io.open(path, "ab")
    file:write("6,0.")
    file:close()
    log = assert(Log.open(path, { "step", "loss" }, 3))
    log:row { step = 4 }
    log:close()
    assert.are.equal("step,loss\n1,0.1\n2,0.2\n3,0.3\n4,\n",
      files.read(path))
    local read = Log.read(path)
    assert.are.same({ "step", "loss" }, read.columns)
    assert.are.same({ step = 4 }, read.rows[4])
  end)

  it("keeps nine digits of a number, and every digit of an integer", function()
    local path = temporary()
    local log = assert(Log.open(path, { "step", "loss", "count" }, 0))
    local values = { 0.123456789, 12345.6789, 1.23456789e-12, -0.987654321 }
    for i, value in ipairs(values) do
      assert(log:row { step = i, loss = value, count = 12345678901 + i })
    end
    assert(log:row { step = 5, loss = 1 / 0 })
    log:close()
    local rows = Log.read(path).rows
    for i, value in ipairs(values) do
      assert.are.equal(value, rows[i].loss)
      assert.are.equal(12345678901 + i, rows[i].count)
    end
    assert.matches("\n5,inf,\n$", files.read(path))
  end)

  it("is read in the time that its length takes, whatever is in it", function()
    local path = temporary()
    files.write(path, "step,loss\n1,2\n" .. ("x"):rep(1000000))
    local start = os.clock()
    assert.are.equal(1, #Log.read(path).rows)
    local log, message = Log.open(path, { "step" }, 3)
    assert.is_nil(log)
    assert.matches('expected columns "step", got "step,loss"; delete it to', message)
    -- By the square of the last line it would be an hour.
    assert.is_true(os.clock() - start < 2)
  end)

  it("is shown, with the way out, if it is empty or of something else", function()
    local path = temporary()
    for text, shown in pairs { [""] = "an empty file", ["no line break"] = '"no line break"',
      ["\n1,2\n"] = '""' } do
      files.write(path, text)
      local log, message = Log.open(path, { "step", "loss" }, 7)
      assert.is_nil(log)
      assert.are.equal(("cannot continue log %s: expected columns \"step,loss\", got %s; delete "
        .. "it to continue without the rows of the first 7 steps"):format(path, shown), message)
      assert.are.equal(text, files.read(path))
    end
  end)

  it("tells its last step", function()
    local path = temporary()
    for text, step in pairs { [""] = false, ["step,loss\n"] = false,
      ["step,loss\n1,2\n30,2\n31,"] = 30, ["garbage\n"] = false } do
      files.write(path, text)
      assert.are.equal(step or nil, Log.last_step(path))
    end
    assert.matches("/nowhere", select(2, Log.last_step("/nowhere")))
  end)

  it("starts anew when nothing is resumed", function()
    local path = temporary()
    files.write(path, "step\n1\n")
    assert(Log.open(path, { "step" }, 0)):close()
    assert.are.equal("step\n", files.read(path))
  end)

  it("says where it could not write", function()
    local log, message = Log.open("/proc/nowhere/log.csv", { "step" }, 0)
    assert.is_nil(log)
    assert.matches("/proc/nowhere", message)
  end)
end)

describe("a checkpoint", function()
  it("keeps every bit of weights, moments and numbers", function()
    local path = temporary()
    local w = torus.variable(torus.randn({ 3, 2 }))
    local optimiser = adam.new { w }
    optimiser:step { torus.randn { 3, 2 } }
    assert(checkpoint.save(path, { parameters = { { "w", w } },
      optimiser = optimiser, step = 7, config = "{}",
      numbers = { third = 1 / 3, position = 1 << 60 } }))
    local c = assert(checkpoint.load(path))
    assert.are.equal(7, c.step)
    assert.are.equal(1, c.adam_steps)
    assert.are.same({ third = 1 / 3, position = 1 << 60 }, c.numbers)
    assert.are.same(w:totable(), c.tensors.w:totable())
    assert.are.same({ "w" }, { (next(checkpoint.weights(c))) })
    assert.are.same(optimiser.second[1]:totable(),
      c.tensors["adam.second.w"]:totable())
  end)

  it("checks the entries of its lists", function()
    local path = temporary()
    for _, key in ipairs { "parameters", "buffers" } do
      local state = { parameters = {}, step = 1, config = "{}" }
      state[key] = { 1.5 }
      raises(key .. ": expected a list of lists", function() checkpoint.save(path, state) end)
    end
  end)

  it("keeps the steps of parameters that had fewer gradients", function()
    local path = temporary()
    local entries = { { "a", torus.variable(torus.ones(2)) },
      { "b", torus.variable(torus.ones(2)) } }
    local leaves = { entries[1][2], entries[2][2] }
    local optimiser = adam.new(leaves)
    local function save()
      assert(checkpoint.save(path, { parameters = entries, optimiser = optimiser,
        step = 3, config = "{}" }))
      return assert(checkpoint.load(path))
    end
    optimiser:step { torus.ones(2), torus.ones(2) }
    save()
    assert.is_nil(select(2, torus.load(path)).adam_counts)
    optimiser:step { torus.ones(2) }
    local stored = save()
    assert.are.same({ b = 1 }, stored.adam_counts)
    local other = adam.new(leaves)
    assert(checkpoint.restore_optimiser(stored, other, entries))
    assert.are.same({ 2, 1 }, other:state().counts)

    -- as before there were counts
    stored.adam_counts = {}
    assert(checkpoint.restore_optimiser(stored, other, entries))
    assert.are.same({ 2, 2 }, other:state().counts)
  end)

  it("with damaged numbers of steps is a message", function()
    local path = temporary()
    local w = torus.variable(torus.ones(1))
    local entries, optimiser = { { "w", w } }, adam.new { w }
    assert(checkpoint.save(path, { parameters = entries, optimiser = optimiser,
      step = 1, config = "{}" }))
    local tensors, metadata = torus.load(path)
    local function damaged(key, value)
      local all = { [key] = value }
      for name, text in pairs(metadata) do all[name] = all[name] or text end
      assert(torus.save(path, tensors, all))
      local stored, message = checkpoint.load(path)
      if not stored then return message end
      local ok
      ok, message = checkpoint.restore_optimiser(stored, optimiser, entries)
      assert.is_nil(ok)
      return message
    end
    assert.matches("expected nonnegative adam_steps", damaged("adam_steps", "-1"))
    assert.matches("expected config, step and numbers", damaged("step", "-1"))
    assert.matches("expected adam_counts of w from 0 to 0 in the metadata, got 4",
      damaged("adam_counts", '{"w": "4"}'))
    assert.matches("got damaged text", damaged("adam_counts", '{"w": "x"}'))
  end)

  it("says what is wrong with a file", function()
    local c, message = checkpoint.load("/no/such/file")
    assert.is_nil(c)
    assert.matches("/no/such/file", message)
    local path = temporary()
    files.write(path, "nonsense")
    c, message = checkpoint.load(path)
    assert.is_nil(c)
    assert.matches(path, message, 1, true)
  end)
end)

describe("the progress line", function()
  local function fake()
    local shown, time = {}, 0
    local out = { write = function(_, ...)
      shown[#shown + 1] = table.concat { ... }
    end, flush = function() end }
    return shown, out, function() return time end,
      function(seconds) time = time + seconds end
  end

  it("shows share, rate, time left and loss", function()
    local _, out, now, wait = fake()
    local p = Progress.new(100, 20, { active = true, out = out, now = now })
    wait(15)
    assert.are.equal("[############............] 50/100  2.0 steps/s  "
      .. "0:25 left  loss 0.125", p:line(50, 0.125))
    wait(585)
    assert.are.equal("[############............] 50/100  20.00 s/step  "
      .. "16:40 left", p:line(50))
  end)

  it("writes at most ten times a second, and the last step always",
    function()
      local shown, out, now, wait = fake()
      local p = Progress.new(100, 0, { active = true, out = out, now = now })
      for step = 1, 100 do
        wait(0.01)
        p:update(step, 1)
      end
      assert.is_true(#shown >= 9 and #shown <= 12)
      assert.matches("100/100", shown[#shown])
      p:finish()
      assert.are.equal("\n", shown[#shown])
    end)

  it("shows how far a long step has come, for whoever knows", function()
    local shown, out, now, wait = fake()
    local p = Progress.new(4, 0, { active = true, out = out, now = now })
    p:update(2, 1)
    for i = 1, 8 do
      wait(0.06)
      Progress.within("reading files", i, 8)
    end
    assert.are.equal(5, #shown)
    assert.matches("^\r%[############%.*%] 2/4  reading files: 8 of 8 *$", shown[5])
    p:update(4, 1)
    p:finish()
    wait(1)
    Progress.within("reading files", 1, 8)   -- without a line
    assert.are.equal("\n", shown[#shown])
  end)

  it("is silent where there is no terminal", function()
    local shown, out, now = fake()
    local p = Progress.new(10, 0, { active = false, out = out, now = now })
    p:update(10, 1)
    p:within("reading files", 1, 8)
    p:finish()
    assert.are.equal(0, #shown)
  end)
end)

describe("torus.progress", function()
  local function silent(text)
    return { write = function(_, ...) text[#text + 1] = table.concat { ... } end,
      flush = function() end }
  end

  it("counts in a for, and shows what was noted", function()
    local text, seen, time = {}, {}, 0
    local o = { active = true, out = silent(text), now = function() return time end }
    for step, line in torus.progress(3, o) do
      seen[step], time = true, time + 1
      line:note { loss = 0.5 / step, best = "no" }
    end
    assert.same({ true, true, true }, seen)
    assert.truthy(table.concat(text):find("1/3  1.0 steps/s  0:02 left  best no  loss 0.5",
      1, true))
    assert.truthy(table.concat(text):find("3/3  1.0 steps/s  0:00 left  best no  loss 0.166667",
      1, true))
    assert.equal("\n", text[#text])
    for _ in torus.progress(0, o) do error("no step") end
  end)

  it("ends its line when the loop is left", function()
    local text = {}
    local o = { active = true, out = silent(text) }
    for step in torus.progress(9, o) do
      if step == 2 then break end
    end
    assert.equal("\n", text[#text])
    pcall(function()
      for step in torus.progress(9, o) do assert(step < 2) end
    end)
    assert.equal("\n", text[#text])
    assert.has_error(function() torus.progress(-1) end)
  end)
end)

describe("a run whose configuration does not build", function()
  it("opens as nil and a message", function()
    local folder = os.tmpname()
    os.remove(folder)
    finally(function() os.execute("rm -r '" .. folder .. "'") end)
    local config = assert(torus.runs.configuration.make("full", { model = "hnn",
      system = "mass_spring", trajectories = 4, width = 8, steps = 0 }))
    local quiet = { update = function() end, finish = function() end }
    assert(torus.runs.train(folder, config, { progress = quiet }))
    local path = folder .. "/checkpoint.safetensors"
    local tensors, metadata = assert(torus.load(path))
    local function open(key, value)
      local changed, count = metadata.config:gsub('"' .. key .. '": [^,}]+',
        ('"%s": %s'):format(key, value))
      assert.are.equal(1, count)
      assert(torus.save(path, tensors, { format = metadata.format, step = "0",
        adam_steps = "0", numbers = metadata.numbers, config = changed }))
      local model, message = torus.runs.open(folder)
      assert.is_nil(model)
      return message
    end
    assert.matches('"activation": expected one of .*"tanh"; got "none"',
      open("activation", '"none"'))
    assert.matches("\"width\": expected at most", open("width", "3000000000"))
  end)
end)
