-- What every task has to have, found in the registry; see torus.tasks.
local configuration = require "torus.runs.configuration"
local files = require "torus.files"
local lfs = require "lfs"
local options = require "torus.options"
local run = require "torus.runs.run"
local tasks = require "torus.tasks"
local training = require "torus.tasks.training"

-- Values that make a training small, of those keys that a task has.
local SMALL = { width = 4, conv_width = 4, z = 3, state = 2, energy_layers = 2,
  flows = 1, resolution = 16, frames = 5, batch = 2, train_size = 6,
  test_size = 4, trajectories = 4, evaluate_count = 2, steps = 2 }

local FUNCTIONS = { "complete", "open_data", "model", "new", "learning_rate",
  "report" }
local TABLES = { "rules", "presets", "model_rules", "data_keys",
  "report_options" }

local function small_configuration(name, task)
  local changes = { model = name }
  for key, value in pairs(SMALL) do
    if task.rules[key] then changes[key] = value end
  end
  return assert(configuration.make("full", changes))
end

for _, name in ipairs(tasks.names) do
  describe("the task of " .. name, function()
    local task = assert(tasks.get(name))

    it("has all parts", function()
      for _, part in ipairs(FUNCTIONS) do
        assert.are.equal("function", type(task[part]), part)
      end
      for _, part in ipairs(TABLES) do
        assert.are.equal("table", type(task[part]), part)
      end
      assert.is_string(task.title)
      assert.is_table(task.presets.full)
      for _, key in ipairs { "model", "steps", "batch", "seed" } do
        assert.is_table(task.rules[key], key)
      end
      assert.are.equal(name, task.rules.model.default)
    end)

    it("has rules for all of its keys", function()
      for key in pairs(task.model_rules) do
        assert.is_not_nil(task.rules[key], key)
      end
      for _, key in ipairs(task.data_keys) do
        assert.is_not_nil(task.rules[key], key)
      end
    end)

    it("completes every preset to a configuration that reads back", function()
      for preset in pairs(task.presets) do
        local config = assert(configuration.make(preset, { model = name }))
        assert.are.same(config,
          assert(configuration.decode(configuration.encode(config))))
        assert.is_string(tasks.subject(config))
        assert.is_nil(configuration.conflict(config, config))
      end
    end)

    it("keeps model and data of a run", function()
      local config = small_configuration(name, task)
      for _, key in ipairs(task.data_keys) do
        local other = options.joined(config, { [key] = "other" })
        assert.matches("^" .. key .. ": expected the run's",
          configuration.conflict(config, other))
      end
    end)

    it("trains, opens and reports", function()
      local path = os.tmpname()
      os.remove(path)
      finally(function() os.execute("rm -r " .. path) end)
      local config = small_configuration(name, task)
      assert.are.equal(2, assert(run.train(path, config)).step)
      local model, opened = run.open(path)
      assert.are.same(config, opened)
      local report = assert(task.report(model, assert(task.open_data(config)),
        config, { count = 2 }))
      assert.is_table(report.files)
      assert.is_true(#report.rows > 0)
      for _, row in ipairs(report.rows) do
        assert.are.same({ "string", "string" }, { type(row[1]), type(row[2]) })
      end
      for _, number in pairs(report.numbers) do
        assert.is_true(type(number) == "number" or type(number) == "table")
      end
    end)

    if task.baselines then
      it("has rows of baselines that can be trained", function()
        local baselines = task.baselines
        assert.is_string(baselines.scales[baselines.default_scale])
        for scale in pairs(baselines.scales) do
          for _, row in ipairs(baselines.rows(scale)) do
            assert(configuration.make(row.preset,
              options.joined(row.changes, { model = name })))
          end
        end
      end)
    end
  end)
end

describe("the learning rate of a run", function()
  it("rises linearly, then falls to a hundredth along half a cosine", function()
    local rate = training.learning_rate { lr = 1e-3, warmup = 10, steps = 110,
      lr_decay = "cosine" }
    -- The cosine is 0 after half of the 100 steps and -1 after all of them.
    for step, share in pairs { [1] = 0.1, [5] = 0.5, [10] = 1, [60] = 0.01 + 0.99 / 2,
      [110] = 0.01 } do
      assert.is_near(share * 1e-3, rate(step), 1e-17)
    end
    rate = training.learning_rate { lr = 2, warmup = 0, steps = 6, lr_decay = "cosine" }
    -- It is 1/2 after a third and -1/2 after two thirds.
    for step, share in pairs { [2] = 0.01 + 0.99 * 3 / 4, [3] = 0.01 + 0.99 / 2,
      [4] = 0.01 + 0.99 / 4, [6] = 0.01 } do
      assert.is_near(2 * share, rate(step), 1e-14)
    end
  end)

  it("stays where it is without decay", function()
    local rate = training.learning_rate { lr = 0.5, warmup = 4, steps = 20, lr_decay = "none" }
    local seen = {}
    for i, step in ipairs { 1, 2, 3, 4, 5, 20 } do seen[i] = rate(step) end
    assert.are.same({ 0.125, 0.25, 0.375, 0.5, 0.5, 0.5 }, seen)
  end)
end)

describe("the registry of tasks", function()
  it("names the nearest model", function()
    local none, message = tasks.get("pixelhnn")
    assert.is_nil(none)
    assert.matches('unknown model "pixelhnn", did you mean "pixel_hnn"%? '
      .. "%(known: ", message)
  end)

  it("knows which models have an optional part", function()
    assert.are.same({ "hgn" }, tasks.having "film_strips")
    assert.are.same({ "hgn", "pixel_hnn" }, tasks.having "split")
    assert.are.same({}, tasks.having "nothing")
  end)

  it("is all that runs and scripts know of models", function()
    local function check(path)
      local text = assert(files.read(path))
      for _, name in ipairs(tasks.names) do
        assert.is_nil(text:match('model%s*[=~]=%s*"' .. name .. '"'), path)
      end
    end
    for _, folder in ipairs { "scripts", "lua/torus/runs" } do
      for entry in lfs.dir(folder) do
        if entry:match("%.lua$") then check(folder .. "/" .. entry) end
      end
    end
  end)
end)
