local cells = require "torus.experiments.cells"
local report = require "torus.experiments.table1_report"
local run = require "torus.runs.run"
local table1 = require "torus.experiments.table1"
local lfs = require "lfs"

local function count(list, wanted)
  local n = 0
  for _, item in ipairs(list) do
    if wanted(item) then n = n + 1 end
  end
  return n
end

local function filter(text)
  local found, message = table1.parse_filter(text)
  assert.is_nil(message)
  return found
end

describe("the cells of Table 1", function()
  it("are six rows by four systems, all different, on noise-free frames", function()
    for _, scale in ipairs(table1.scale_names) do
      local list, names = table1.cells(scale), {}
      assert.equal(24, #list)
      for _, cell in ipairs(list) do
        assert.is_nil(names[cell.name])
        names[cell.name] = true
        assert.equal(0, cell.config.noise)
        assert.equal(cell.system, cell.config.system)
      end
    end
  end)

  it("are what their rows say", function()
    for _, cell in ipairs(table1.cells("quick", { more = true })) do
      local c = cell.config
      local name = cell.row.name:gsub("_noisy$", ""):gsub("_generative$", "")
        :gsub("_vector$", "")
      if name:match("^hgn_") then
        assert.equal(name, "hgn_" .. c.variant)
      else
        assert.equal(name == "pixel_hnn" and "mlp" or "conv", c.kind)
      end
    end
  end)

  it("on noisy frames keep the system's own noise", function()
    local list = table1.cells("quick", { more = true })
    assert.equal(44, #list)
    local noisy = count(list, function(c) return c.config.noise ~= 0 end)
    assert.equal(12, noisy)
  end)

  it("have a phase space of the system's own dimension in one row", function()
    local dimensions = {}
    for _, scale in ipairs(table1.scale_names) do
      for _, cell in ipairs(table1.cells(scale, { only = { filter "hgn_leapfrog_vector" } })) do
        assert.equal("vector", cell.config.phase)
        dimensions[cell.system] = cell.config.dimension
      end
    end
    assert.same({ mass_spring = 1, pendulum = 1, two_body = 2, three_body = 4 }, dimensions)
  end)

  it("are chosen by row, by system, or by both", function()
    local function chosen(...)
      local only = {}
      for i, text in ipairs { ... } do only[i] = filter(text) end
      return #table1.cells("quick", { only = only })
    end
    assert.equal(4, chosen("hgn_leapfrog"))
    assert.equal(6, chosen("pendulum"))
    assert.equal(1, chosen("hgn_leapfrog,pendulum"))
    assert.equal(2, chosen("hgn_leapfrog,pendulum", "pixel_hnn,two_body"))
    assert.equal(4, chosen("pixel_hnn_noisy"))
  end)

  it("of a PixelHNN are found by the name that older folders have", function()
    assert.same({ row = "pixel_hnn", system = "pendulum" },
      filter "hnn,pendulum")
    assert.same({ row = "pixel_hnn_conv_noisy" }, filter "hnn_conv_noisy")
    local cell = table1.cells("quick", { only = { filter "hnn,pendulum" } })[1]
    local out = os.tmpname()
    os.remove(out)
    assert(lfs.mkdir(out))
    assert.equal(out .. "/pixel_hnn-pendulum", cells.path(out, cell))
    assert(lfs.mkdir(out .. "/hnn-pendulum"))
    assert.equal(out .. "/hnn-pendulum", cells.path(out, cell))
    assert(os.remove(out .. "/hnn-pendulum") and os.remove(out))
  end)

  it("refuse a name that is none", function()
    local found, message = table1.parse_filter("hgn_leapfrg")
    assert.is_nil(found)
    assert.matches("hgn_leapfrg", message, 1, true)
    assert.matches("hgn_leapfrog", message, 1, true)
  end)
end)

-- Figures that can be told apart: everything is a different number.
local function made_up()
  local results, n = {}, 0
  for _, row in ipairs(table1.rows()) do
    for _, system in ipairs(table1.systems) do
      local result = { step = 10, seconds = 90 }
      for _, split in ipairs { "train", "test" } do
        n = n + 1
        result[split] = { mse_clean = n * 1e-4, mse_clean_spread = n * 1e-5,
          mse_given = n * 2e-4, mse_noise = n * 3e-4, mse_still = n * 4e-4,
          ratio = 0.25, valid = n, energy_mean = 1, energy_spread = 2,
          energy_variance = 3, reversal_mse = 4e-9, steps = 30 }
      end
      results[row.name .. "-" .. system] = result
    end
  end
  return results
end

describe("the report of Table 1", function()
  it("has the paper's layout with its figures below each row", function()
    local text = report.markdown(made_up(), "quick")
    -- Rows and systems in order, train before test: the first row is 1 to 8.
    assert.matches("| PixelHNN | 1.00 ± 0.10 | 2.00 ± 0.20 | 3.00 ± 0.30 |", text, 1,
      true)
    assert.matches("| *paper* | *50.38 ± 1.75* | *104.37 ± 52.51* |", text, 1,
      true)
    assert.matches("| HGN leapfrog | 41.00 ± 4.10 |", text, 1, true)
    assert.matches("*9.80 ± 3.72* |", text, 1, true)
    assert.matches("HGN leapfrog, noisy | 65.00", text, 1, true)
    assert.matches("HGN leapfrog, generative | 73.00", text, 1, true)
  end)

  it("leaves out what is not there yet", function()
    local results = made_up()
    for name in pairs(results) do
      if name ~= "pixel_hnn-pendulum" then results[name] = nil end
    end
    local text = report.markdown(results, "quick")
    assert.matches("| PixelHNN |  |  | 3.00", text, 1, true)
    assert.is_nil(text:find("euler", 1, true))
    assert.is_nil(text:find("noisy", 1, true))
  end)

  it("has a place for what is no number or is not there", function()
    local results = made_up()
    local test = results["pixel_hnn-mass_spring"].test
    test.mse_clean, test.mse_clean_spread = math.huge, 0 / 0
    test.valid, results["pixel_hnn-mass_spring"].train.mse_clean = nil, nil
    assert.matches("| PixelHNN | – ± 0.10 | inf ± nan | 3.00", report.markdown(
      results, "quick"), 1, true)
    assert.matches("pixel_hnn,mass_spring,train,10,90.0,0.005038,1,2,3,,1e-05",
      report.csv(results), 1, true)
    assert.matches(",inf,nan,", report.csv(results), 1, true)
    local path = os.tmpname() .. ".png"
    local ok, message = report.picture(path, results)
    os.remove(path)
    assert.is_true(ok or message:find("gnuplot is not installed") ~= nil)
  end)

  it("gives every number as comma-separated values", function()
    local lines, columns = {}, {}
    for line in report.csv(made_up()):gmatch("[^\n]+") do
      lines[#lines + 1] = line
    end
    assert.equal(1 + 44 * 2, #lines)
    local known = {}
    for name in lines[1]:gmatch("[^,]+") do
      assert.is_nil(known[name])
      known[name], columns[#columns + 1] = true, name
    end
    local values, i = {}, 0
    for value in (lines[3] .. ","):gmatch("([^,]*),") do
      i = i + 1
      values[columns[i]] = value
    end
    assert.equal(#columns, i)
    assert.equal("pixel_hnn", values.row)
    assert.equal("test", values.split)
    assert.equal("10", values.training_steps)
    assert.equal("30", values.rollout_steps)
    assert.equal(2e-4, tonumber(values.mse_clean))
    assert.equal(104.37e-4, tonumber(values.paper_mse))
  end)
end)

describe("a small table", function()
  local out

  setup(function()
    out = os.tmpname()
    os.remove(out)
    table1.scales.tiny = { count = 4, data = { train_size = 8, test_size = 4 },
      hgn = { preset = "small", seconds = 1, changes = { width = 4, batch = 2,
        steps = 3, evaluate_every = 100 } },
      mlp = { preset = "full", seconds = 1, changes = { steps = 3, batch = 2,
        width = 8, evaluate_every = 100 } },
      conv = { preset = "full", seconds = 1, changes = { steps = 3, batch = 2,
        conv_width = 4, evaluate_every = 100 } },
    }
  end)

  teardown(function()
    table1.scales.tiny = nil
    for name in lfs.dir(out) do
      local path = out .. "/" .. name
      if name:match("%-") then
        for file in lfs.dir(path) do os.remove(path .. "/" .. file) end
      end
      os.remove(path)
    end
    os.remove(out)
  end)

  local function make(only)
    local said = {}
    local results, message = cells.run(table1.cells("tiny", { only = only }), {
      out = out, say = function(line) said[#said + 1] = line end,
      measure = function(model, data)
        return table1.measure(model, data, "tiny")
      end })
    assert.is_nil(message)
    return results, said
  end

  it("trains and measures each kind of model, once", function()
    local only = { filter "hgn_determ,mass_spring", filter "pixel_hnn,mass_spring",
      filter "pixel_hnn_conv,mass_spring", filter "hgn_leapfrog_noisy,mass_spring" }
    local results, said = make(only)
    assert.equal(4, #said)
    for _, name in ipairs { "hgn_determ", "pixel_hnn", "pixel_hnn_conv",
      "hgn_leapfrog_noisy" } do
      local result = results[name .. "-mass_spring"]
      assert.equal(3, result.step)
      assert.equal(4, result.test.count)
      assert.is_true(result.test.mse_clean > 0)
      assert.equal(name:match("noisy") ~= nil, result.test.mse_noise > 0)
      assert.equal(result.test.mse_noise > 0, result.test.mse_given
        ~= result.test.mse_clean)
    end
    local again, nothing = make(only)
    assert.equal(0, #nothing)
    local before = results["pixel_hnn-mass_spring"].test.mse_clean
    assert.is_near(before, again["pixel_hnn-mass_spring"].test.mse_clean,
      1e-12 * before)
    local files = report.write(out, results, "tiny")
    assert.is_true(#files >= 2)
  end)

  it("measures what the model in the folder does", function()
    local results = make { filter "hgn_determ,mass_spring" }
    local model, config = run.open(out .. "/hgn_determ-mass_spring")
    local data = require("torus.tasks.hgn").open_data(config)
    local clean = data.test:clean { 1, 2, 3, 4 }
    local seen = model:reconstruct(data.test:batch { 1, 2, 3, 4 })
    local direct = (seen - clean):square():mean():item()
    local measured = results["hgn_determ-mass_spring"].test.mse_clean
    assert.is_true(math.abs(direct - measured) < 1e-6 * direct)
  end)
end)
