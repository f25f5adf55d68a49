local folders = require "spec.support.folders"
local raises = require "spec.support.raises"
local torus = require "torus"
local hgn = require "torus.tasks.hgn"
local runs = torus.runs

-- Eight sequences of four frames with a bright spot that moves.
local function dataset()
  local frames = torus.rand({ 8, 4, 16, 16, 3 },
    { generator = torus.generator(1) }) * 0.1
  for i = 1, 8 do
    for t = 1, 4 do
      frames[{ i, t, { 2 * t, 2 * t + 3 }, { i, i + 3 } }] = 0.9
    end
  end
  return assert(torus.data.frames(frames, { test = 2 }))
end

local function configuration(changes)
  local given = { width = 4, z = 3, state = 2, resolution = 16, frames = 4,
    energy_layers = 2, batch = 2, steps = 8, lr = 1e-3, tolerance = 1e-3,
    save_every = 3, log_every = 1, evaluate_every = 4, decode_frames = 3 }
  for key, value in pairs(changes or {}) do given[key] = value end
  return assert(runs.configuration.make(nil, given))
end

local function run(folder, changes, opts)
  opts = opts or {}
  opts.data = opts.data or dataset()
  return runs.train(folder, configuration(changes), opts)
end

-- Everything that a checkpoint holds, as bytes.
local function contents(folder)
  local stored = assert(runs.checkpoint.load(folder
    .. "/checkpoint.safetensors"))
  local all = { step = stored.step, adam_steps = stored.adam_steps,
    numbers = stored.numbers }
  for name, tensor in pairs(stored.tensors) do
    all[name] = torus.to_bytes(tensor)
  end
  return all
end

-- The log without the column that tells the time.
local function log_rows(folder)
  local log = assert(runs.log.read(folder .. "/log.csv"))
  for _, row in ipairs(log.rows) do row.seconds = nil end
  return log.rows
end

local function text_of(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

describe("torus.runs", function()
  local whole -- a run of eight steps that nothing disturbed

  setup(function()
    whole = folders.new()
    assert(run(whole))
  end)

  teardown(folders.clear)

  it("leaves a run folder", function()
    local config = assert(runs.read_configuration(whole))
    assert.are.same(configuration(), config)
    local rows = log_rows(whole)
    assert.are.equal(8, #rows)
    assert.are.equal(8, rows[8].step)
    for i, row in ipairs(rows) do
      assert.are.equal(i, row.step)
      -- The errors exceed the tolerance by far: the multiplier grows by its largest factor
      -- from step to step. The log has nine digits.
      assert.is_near(math.exp(0.02 * (i - 1)), row.multiplier, 1e-8)
      -- The divergence is that of a frame, of 16 * 16 * 3 values.
      assert.is_near(row.mse * row.multiplier + row.kl / 768, row.loss, 1e-8)
      assert.are.equal(i == 4 or i == 8, row.test_mse ~= nil)
    end
    local model, _, step = runs.open(whole)
    assert.are.equal(8, step)
    assert.are.equal("HGN", getmetatable(model).__name)
    -- The mean squared error of the two sequences for tests.
    local frames = dataset().test:batch { 1, 2 }
    assert.is_near((model:reconstruct(frames) - frames):square():mean():item(),
      rows[8].test_mse, 1e-7)
  end)

  it("learns", function()
    local folder = folders.new()
    assert(run(folder, { steps = 60, lr = 3e-3, kl_weight = 1e-3,
      save_every = 60, evaluate_every = 60 }))
    local rows = log_rows(folder)
    assert.is_true(rows[60].mse < 0.5 * rows[1].mse)
  end)

  it("resumes to the same bits, row by row of the log", function()
    local folder = folders.new()
    assert(run(folder, { steps = 5 }))
    assert(run(folder, nil, { resume = true }))
    assert.are.same(contents(whole), contents(folder))
    -- the last step of a run is evaluated too: the fifth, here
    local rows = log_rows(folder)
    rows[5].test_mse = nil
    assert.are.same(log_rows(whole), rows)
  end)

  it("resumes to the same bits after kill -9", function()
    local folder = folders.new()
    write(folder .. ".lua", string.format([[
      package.path, package.cpath = %q, %q
      local torus = require "torus"
      local config = assert(torus.runs.configuration.decode(%q))
      local frames = torus.load(%q).frames
      torus.runs.train(%q, config, {
        data = torus.data.frames(frames, { test = 2 }),
        after_step = function(run)
          if run.step == 5 then os.execute("kill -9 $PPID") end
        end })
    ]], package.path, package.cpath, runs.configuration.encode(configuration()),
      folder .. ".frames", folder))
    folders.own(folder .. ".lua")
    folders.own(folder .. ".frames")
    local set = dataset()
    local frames = set.train.source:rows(torus.arange(1, set.train.size + set.test.size,
      { dtype = "int64" }):totable())
    assert(torus.save(folder .. ".frames", { frames = frames }))
    local _, how, code = os.execute("lua5.4 " .. folder .. ".lua 2>/dev/null")
    assert.is_true(how == "signal" and code == 9 or code == 137)
    assert.are.equal(3, contents(folder).step)
    assert.are.equal(5, #log_rows(folder))
    assert(run(folder, nil, { resume = true }))
    assert.are.same(contents(whole), contents(folder))
    assert.are.same(log_rows(whole), log_rows(folder))
  end)

  it("gives the same bits with one thread and with two", function()
    local before = torus.threads()
    for _, threads in ipairs { 1, 2 } do
      torus.set_threads(threads)
      local folder = folders.new()
      assert(run(folder))
      assert.are.same(contents(whole), contents(folder))
      -- the whole file, to the byte
      assert.are.equal(text_of(whole .. "/checkpoint.safetensors"),
        text_of(folder .. "/checkpoint.safetensors"))
    end
    torus.set_threads(before)
  end)

  it("keeps a checkpoint when it is interrupted", function()
    local folder = folders.new()
    local result, message = run(folder, nil, { after_step = function(r)
      if r.step == 4 then error("interrupted!") end
    end })
    assert.is_nil(result)
    assert.matches("interrupted; the checkpoint of step 4", message)
    assert(run(folder, nil, { resume = true }))
    assert.are.same(contents(whole), contents(folder))
  end)

  it("stops at a NaN, names it, and keeps the last good state", function()
    local folder = folders.new()
    local result, message = run(folder, nil, { after_step = function(r)
      if r.step == 4 then
        torus.no_grad(function()
          r.task.model.f_psi[2].weight:mul_(0 / 0)
        end)
      end
    end })
    assert.is_nil(result)
    assert.matches("training stopped at step 5: .*the first tensor that is "
      .. "not finite is f_psi.2.weight; the checkpoint of step 3 is kept", message)
    assert.are.equal(3, contents(folder).step)
    assert.is_nil(runs.open(folder):first_bad(
      dataset().train:batch { 1, 2 }))
  end)

  it("scales large gradients down, and logs their norm and the rate", function()
    local folder, seen = folders.new(), {}
    local a, b = torus.variable(torus.zeros(2)), torus.variable(torus.zeros(1))
    local task = { parameters = { { "a", a }, { "b", b } }, columns = { "loss" },
      optimiser = torus.optim.adam({ a, b }, { lr = 1 }) }
    -- Gradients of norm n in step n: (2, 3, 6) has the norm 7.
    function task.step(self, n)
      self.given = { torus.tensor { 2 * n / 7, 3 * n / 7 }, torus.tensor { 6 * n / 7 } }
      return self.given, { loss = n }
    end
    function task.after_update(self)
      seen[#seen + 1] = torus.cat(self.given, 1):totable()
    end
    function task.numbers() return {} end
    function task.load_numbers() end
    function task.first_bad() end
    assert(runs.loop { folder = folder, task = task, steps = 6, config = "{}", log_every = 1,
      max_gradient = 2.5, learning_rate = function(n) return 0.5 / n end })
    local rows = log_rows(folder)
    assert.are.equal(6, #rows)
    for n = 1, 6 do
      local kept = math.min(n, 2.5)
      for i, part in ipairs { 2, 3, 6 } do
        -- of float32 numbers
        assert.is_near(part / 7 * kept, seen[n][i], 1e-6)
      end
      assert.is_near(n, rows[n].gradient, 1e-6 * n)
      assert.is_near(0.5 / n, rows[n].lr, 1e-9)
      assert.are.equal(n, rows[n].loss)
    end
  end)

  it("stops at a gradient that is not finite", function()
    local folder = folders.new()
    local _, message = run(folder, { multiplier = 1e30, multiplier_max = 1e31,
      tolerance = 1e-3 })
    assert.matches("training stopped at step 1: .*gradient of", message)
  end)

  describe("refuses", function()
    it("a task that is none", function()
      raises("train: task: parameters: expected a table, got nil", function()
        runs.loop { folder = folders.new(), task = { 1 }, steps = 1, config = "{}" }
      end)
    end)

    it("a folder that holds a run, unless it resumes it", function()
      local _, message = run(whole)
      assert.matches("already holds a run: resume it", message)
    end)

    it("a folder that cannot be made or written", function()
      local folder = folders.new()
      write(folder, "a file")
      local _, message = run(folder .. "/run")
      assert.matches("exists and is a file", message)
      _, message = run("/proc/no-such-run")
      assert.matches("cannot create folder /proc/no%-such%-run", message)
    end)

    it("a checkpoint that was cut short", function()
      local folder = folders.new()
      assert(run(folder, { steps = 3 }))
      local path = folder .. "/checkpoint.safetensors"
      local text = text_of(path)
      for _, length in ipairs { 0, 5, 100, #text // 2, #text - 1 } do
        write(path, text:sub(1, length))
        local result, message = run(folder, nil, { resume = true })
        assert.is_nil(result)
        assert.matches("checkpoint.safetensors", message)
        -- the broken file is left for its owner to look at
        assert.are.equal(length, #text_of(path))
      end
    end)

    it("a log with rows whose checkpoint is gone", function()
      local folder = folders.new()
      assert(run(folder, { steps = 3 }))
      assert(os.remove(folder .. "/checkpoint.safetensors"))
      local log = text_of(folder .. "/log.csv")
      for _, resume in ipairs { true, false } do
        local result, message = run(folder, nil, { resume = resume })
        assert.is_nil(result)
        assert.are.equal(("%s has a log of 3 steps but no checkpoint to continue from: choose "
          .. "another folder, or delete %s/log.csv to start again"):format(folder, folder), message)
        assert.are.equal(log, text_of(folder .. "/log.csv"))
      end
      -- As a run leaves it that is killed before its first checkpoint.
      write(folder .. "/log.csv", log:match("^[^\n]*\n"))
      assert(run(folder, nil, { resume = true }))
      assert.are.same(contents(whole), contents(folder))
    end)

    it("a checkpoint of another model, in a word", function()
      local folder, other = folders.new(), folders.new()
      assert(run(folder, { steps = 3 }))
      assert(runs.train(other, assert(runs.configuration.make("small", { model = "hnn",
        system = "mass_spring", trajectories = 4, width = 8, steps = 1 }))))
      os.rename(other .. "/checkpoint.safetensors", folder .. "/checkpoint.safetensors")
      local _, message = run(folder, nil, { resume = true })
      assert.are.equal(folder .. "/checkpoint.safetensors: expected a checkpoint of \"hgn\", got "
        .. "one of \"hnn\"", message)
    end)

    it("a checkpoint of other options, and names three of them", function()
      local folder, other = folders.new(), folders.new()
      assert(run(folder, { steps = 3 }))
      assert(run(other, { steps = 3, width = 6, batch = 3, lr = 2e-3, log_every = 2, z = 5 }))
      os.rename(other .. "/checkpoint.safetensors", folder .. "/checkpoint.safetensors")
      local _, message = run(folder, nil, { resume = true })
      assert.matches("; options have changed: batch was 3 and is 2, log_every was 2 and is 1, "
        .. "lr was 0.002 and is 0.001 and 2 more$", message)
    end)

    it("a checkpoint of another size", function()
      local folder, other = folders.new(), folders.new()
      assert(run(folder, { steps = 3 }))
      assert(run(other, { steps = 3, width = 6 }))
      os.rename(other .. "/checkpoint.safetensors",
        folder .. "/checkpoint.safetensors")
      local _, message = run(folder, nil, { resume = true })
      assert.matches("expected %([%d,]+%) float32, got %([%d,]+%) float32",
        message)
    end)

    it("a checkpoint without the optimiser's state", function()
      local folder = folders.new()
      assert(run(folder, { steps = 3 }))
      local path = folder .. "/checkpoint.safetensors"
      local tensors, metadata = torus.load(path)
      tensors["adam.first.f_psi.1.weight"] = nil
      assert(torus.save(path, tensors, metadata))
      local _, message = run(folder, nil, { resume = true })
      assert.matches("expected moments of f_psi.1.weight: .*got nil", message)
    end)

    it("a checkpoint whose moments or numbers are not the run's", function()
      local folder = folders.new()
      assert(run(folder, { steps = 3 }))
      local path = folder .. "/checkpoint.safetensors"
      local tensors, metadata = torus.load(path)
      local function refused(pattern, key, value, numbers)
        local changed, said = {}, {}
        for name, tensor in pairs(tensors) do changed[name] = tensor end
        for name, text in pairs(metadata) do said[name] = text end
        changed[key], said.numbers = value, numbers or metadata.numbers
        assert(torus.save(path, changed, said))
        local result, message = run(folder, nil, { resume = true })
        assert.is_nil(result)
        assert.matches(pattern, message)
      end
      local name = "adam.first.f_psi.1.weight"
      local moment = tensors[name]
      refused("expected moments of f_psi.1.weight: .*%(4,3,3,3%).*, got .*%(108%)",
        name, moment:reshape(-1))
      refused("checkpoint.safetensors: the state of the run is damaged: ", name, moment,
        "{}")
      refused("expected config, step and numbers in the metadata", name, moment,
        ("["):rep(300000))
      local text = metadata.numbers:gsub('"epoch_used":"%d+"',
        '"epoch_used":"99"')
      refused("the state of the run is damaged: order:set_state", name, moment, text)
    end)

    it("a safetensors file that is no checkpoint", function()
      local folder = folders.new()
      assert(run(folder, { steps = 3 }))
      torus.save(folder .. "/checkpoint.safetensors",
        { x = torus.zeros(1) }, { format = "pt" })
      local _, message = runs.open(folder)
      assert.matches("expected a torus checkpoint 1, got a file of format pt",
        message)
    end)

    it("a log with other columns", function()
      local folder = folders.new()
      assert(run(folder, { steps = 3 }))
      write(folder .. "/log.csv", "step,other\n1,2\n")
      local _, message = run(folder, nil, { resume = true })
      assert.matches("cannot continue log .*log.csv: expected columns", message)
    end)

    it("data that the model does not fit", function()
      local path = folders.new() .. ".npy"
      folders.own(path)
      assert(torus.data.export(path, dataset().train))
      local _, message = hgn.open_data(configuration { data = path,
        frames = 5 })
      assert.matches("the model expects sequences of shape %(5,16,16,3%), "
        .. "got %(4,16,16,3%); set frames = 4 to match$", message)
      -- Shorter ones can be cut from them.
      _, message = hgn.open_data(configuration { data = path, frames = 3 })
      assert.matches("set frames = 4 to match; or set data_stride = 3 to cut sequences of 3 frames "
        .. "from them$", message)
      local set = assert(hgn.open_data(configuration { data = path, frames = 3, data_stride = 3 }))
      assert.are.equal(3, set.train.length)
    end)
  end)
end)
