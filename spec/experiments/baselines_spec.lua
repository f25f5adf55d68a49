-- The tables of the models beside HGN.
local lfs = require "lfs"
local baselines = require "torus.experiments.baselines"
local files = require "torus.files"
local hnn_rows = require "torus.tasks.hnn.baselines"
local pixel_hnn_rows = require "torus.tasks.pixel_hnn.baselines"
local torus = require "torus"

-- The line of a table that begins with a label.
local function line_of(text, label)
  for line in text:gmatch("[^\n]+") do
    if line:sub(1, #label + 4) == "| " .. label .. " |" then return line end
  end
end

-- Until the end of a test, an experiment has one row; gives a folder for it.
local function one_row(definition, preset, changes)
  local out = os.tmpname()
  os.remove(out)
  local rows = definition.rows
  finally(function()
    definition.rows = rows
    os.execute("rm -r " .. out)
  end)
  definition.rows = function()
    return { { name = "tiny", label = "tiny", preset = preset, cost = 1,
      changes = changes } }
  end
  return out
end

describe("baselines", function()
  it("plan a training for every row and seed", function()
    local plan = assert(baselines.plan("hnn", { scale = "full", seeds = 2 }))
    assert.are.equal(6, #plan.rows)
    assert.are.equal(12, #plan.cells)
    local names = {}
    for _, cell in ipairs(plan.cells) do names[cell.name] = cell.config end
    assert.are.equal("square", names["two_body-mlp-2"].start)
    assert.are.equal("mlp", names["two_body-mlp-2"].kind)
    assert.are.equal(2, names["two_body-mlp-2"].seed)
    assert.are.equal(10000, names["two_body-mlp-2"].steps)
    assert.are.equal(2000, names["pendulum-hnn-1"].steps)
    plan = assert(baselines.plan("hnn", { seeds = 1, only = "pendulum" }))
    assert.are.equal(2, #plan.cells)
    assert.are.equal(200, plan.cells[1].config.steps)
    for _, what in ipairs { "nhf", "pixel_hnn" } do
      for _, scale in ipairs { "quick", "full" } do
        assert.is_true(#assert(baselines.plan(what, { scale = scale })).cells
          > 9)
      end
    end
  end)

  it("say what they don't know", function()
    local plan, message = baselines.plan("cnn")
    assert.is_nil(plan)
    assert.matches('unknown model with baselines "cnn", did you mean "hnn"%? '
      .. "%(known: hnn, ", message)
    plan, message = baselines.plan("hnn", { scale = "huge" })
    assert.is_nil(plan)
    assert.matches("expected \"quick\" or \"full\", got \"huge\"", message)
    plan, message = baselines.plan("hnn", { only = "spring" })
    assert.is_nil(plan)
    assert.matches("expected the beginning of a row's name, got \"spring\" "
      .. "%(known: mass_spring%-hnn",
      message)
  end)

  it("take means and spreads over the results that are there", function()
    local plan = assert(baselines.plan("hnn", { scale = "full" }))
    local losses = { 0.034, 0.037, 0.0385 }
    local results = {}
    for seed, loss in ipairs(losses) do
      results["pendulum-hnn-" .. seed] = { train_loss = 1, test_loss = loss,
        energy_rk4 = seed < 3 and 2e-3 * seed or nil }
    end
    results["pendulum-mlp-2"] = { train_loss = 0.25, test_loss = 0.5 }
    -- The same by torus, in another way.
    local x = torus.tensor(losses, { dtype = "float64" })
    local mean = x:mean():item()
    local spread = ((x - mean):square():sum() / 2):sqrt():item()
    local m, s = baselines.summary({ results["pendulum-hnn-1"],
      results["pendulum-hnn-2"], results["pendulum-hnn-3"] }, "test_loss")
    assert.is_true(math.abs(m - mean) < 1e-12)
    assert.is_true(math.abs(s - spread) < 1e-12)
    local text = baselines.markdown(plan, results)
    assert.matches("| pendulum, HNN | 3 | 1e+03 ± 0 | "
      .. ("%.3g ± %.3g"):format(mean * 1e3, spread * 1e3)
      .. " | 36 ± 2 | 3 ± 1.41 | – |",
      line_of(text, "pendulum, HNN"), 1, true)
    assert.matches("| pendulum, plain network | 1 of 3 | 250 | 500 |",
      line_of(text, "pendulum, plain network"), 1, true)
    assert.matches("| mass on a spring, HNN | 0 of 3 | – | – | 36 ± 2 |",
      line_of(text, "mass on a spring, HNN"), 1, true)
    local csv = baselines.csv(plan, results)
    assert.matches("^row,runs,train_loss,train_loss_spread,test_loss,", csv)
    assert.matches(("\npendulum-hnn,3,1,0,%.9g,%.9g,0.003,0.00141421356,,")
      :format(mean, spread), csv, 1, true)
    assert.matches("\nmass_spring-hnn,0,,,,", csv, 1, true)
  end)

  it("repeat the original's energy error", function()
    -- A model that stays where it is: of the mass on a spring q^2 + p^2 is
    -- kept, of the pendulum it changes along the true motion alone.
    local config = { dtype = "float64" }
    local still = { config = config, rollout = function(_, q, p, o)
      assert.are.equal("rk45", o.method)
      local n = o.steps + 1
      return { q = q:unsqueeze(1):expand(n, q:size(1), 1),
        p = p:unsqueeze(1):expand(n, p:size(1), 1) }
    end }
    local spring = torus.systems.get "mass_spring"
    local pendulum = torus.systems.get "pendulum"
    assert.is_true(hnn_rows.original_energy(still, spring) < 1e-14)
    assert.is_true(hnn_rows.original_energy(still, pendulum) > 0.01)
    local exact = { config = config, rollout = function(_, q, p, o)
      return pendulum:solve(q, p, { dt = o.dt, steps = o.steps })
    end }
    assert.are.equal(0, hnn_rows.original_energy(exact, pendulum))
  end)

  it("find every number of a row in what a training gave", function()
    local out = one_row(pixel_hnn_rows, "full", { width = 4, steps = 1,
      train_size = 4, test_size = 4, batch = 4, evaluate_count = 2 })
    local text = assert(baselines.run("pixel_hnn", { out = out, seeds = 1,
      say = function() end }))
    assert.is_nil(line_of(text, "tiny"):find("–", 1, true))
  end)

  it("run, go on and write their table", function()
    local said = {}
    local out = one_row(hnn_rows, "small", { trajectories = 4, points = 5,
      width = 4, steps = 2 })
    local o = { out = out, seeds = 2, say = function(line)
      said[#said + 1] = line
    end }
    local text = assert(baselines.run("hnn", o))
    assert.are.equal(text, files.read(out .. "/table.md"))
    assert.matches("^| tiny | 2 | ", line_of(text, "tiny"), 1, false)
    assert.matches("\ntiny,2,", assert(files.read(out .. "/table.csv")))
    assert.matches("^| tiny | 1 of 2 |", said[4])
    said = {}
    assert.are.equal(text, baselines.run("hnn", o))
    assert.are.same({}, said)
    assert(lfs.rmdir(out .. "/tiny-1") == nil)
  end)
end)
