local cells = require "torus.figures.table_runs"
local figures = require "torus.figures"
local figure6 = require "torus.figures.figure6"
local figure7 = require "torus.figures.figure7"
local tasks = require "torus.tasks"
local lfs = require "lfs"
local run = require "torus.runs.run"
local configuration = require "torus.runs.configuration"
local sheet = require "torus.figures.sheet"
local torus = require "torus"

-- A preloaded sanitizer is for torus alone.
torus.plot.program = "env -u LD_PRELOAD gnuplot"
local has_gnuplot = os.execute("command -v gnuplot >/dev/null 2>&1")

local TINY = { frames = 5, resolution = 16, batch = 2, train_size = 6,
  test_size = 4, steps = 1, evaluate_count = 2 }
local HGN = { width = 4, z = 3, state = 2, energy_layers = 2, energy_gain = 4 }

-- A cell of the table after one step of training.
local function make_cell(folder, row, system, more)
  local given = { system = system }
  local hgn = row:match("^hgn_(.*)")
  for _, part in ipairs { TINY, hgn and HGN or {}, more or {} } do
    for key, value in pairs(part) do given[key] = value end
  end
  if hgn then
    given.model, given.variant = "hgn", hgn
  else
    given.model, given.width, given.conv_width = "pixel_hnn", 6, 4
    given.kind = row == "pixel_hnn_conv" and "conv" or "mlp"
  end
  local config = assert(configuration.make(nil, given))
  assert(run.train(folder .. "/" .. row .. "-" .. system, config))
end

local function size_of(path)
  local file = assert(io.open(path, "rb"))
  local head = file:read(24)
  file:close()
  assert.equal("\x89PNG\r\n\x1a\n", head:sub(1, 8))
  return (">I4I4"):unpack(head:sub(17))
end

local function largest(x) return x:abs():max():item() end

describe("a sheet of film strips", function()
  it("shows frames at equal distances, first and last included", function()
    local film = torus.arange(0, 30):reshape(31, 1, 1, 1):expand(31, 1, 1, 3)
    local function shown(count)
      return sheet.even(film, count):select(4, 1):reshape(-1):totable()
    end
    assert.same({ 0, 10, 20, 30 }, shown(4))
    assert.same({ 0, 4, 9, 13, 17, 21, 26, 30 }, shown(8))
    assert.same({ 0 }, shown(1))
    assert.equal(31, #shown(99))
  end)

  it("lays out groups two by two", function()
    -- 16 pixels become 64; a title takes 14 pixels and 8 around it, rows and
    -- columns have 2 between them, groups 8.
    local function group(shade)
      return { title = "i", rows = { { frames = torus.full({ 3, 16, 16, 3 },
        shade) }, { frames = torus.full({ 3, 16, 16, 3 }, shade / 2) } } }
    end
    local picture = sheet.picture({ group(0.25), group(0.5), group(0.75) }, 2)
    local wide, high = 2 + 2 * 66, 22 + 2 + 2 * 66
    assert.same({ 2 * high + 8, 2 * wide + 8, 3 }, picture.shape)
    local function at(y, x) return picture[{ y, x, 1 }]:item() end
    assert.equal(0.25, at(22 + 3, 3))
    assert.equal(0.125, at(22 + 3 + 66, 3))
    assert.equal(1, at(22 + 3, 3 + 64))
    assert.equal(0.25, at(22 + 3, 3 + 66))
    assert.equal(0.5, at(22 + 3, wide + 8 + 3))
    assert.equal(0.75, at(high + 8 + 22 + 3, 3))
    assert.equal(1, at(high + 8 + 22 + 3, wide + 8 + 3))
    local ink = 1 - picture:narrow(1, 1, 22):narrow(2, 1, wide)
    assert.is_true(ink:sum():item() > 10)
  end)
end)

describe("the figures of Table 1's runs", function()
  local base

  setup(function()
    base = os.tmpname()
    os.remove(base)
    assert(lfs.mkdir(base))
    for _, system in ipairs(cells.systems) do
      make_cell(base, "hgn_leapfrog", system, { noise = 0 })
    end
    -- named as older tables named it
    make_cell(base, "hnn", "three_body", { noise = 0 })
    make_cell(base, "hgn_euler", "pendulum", { noise = 0.1 })
    make_cell(base, "pixel_hnn_conv", "pendulum")
  end)

  teardown(function() os.execute("rm -r '" .. base .. "'") end)

  -- A figure, or nil and a message.
  local function make(number, settings)
    settings.table = settings.table or base
    return figures.get(number).make { out = base, seed = 2,
      settings = settings }
  end

  it("see the sequences that the models were trained on", function()
    for _, row in ipairs { "hgn_euler", "pixel_hnn_conv" } do
      local cell = assert(cells.open(base, row, "pendulum", 2))
      local all = assert(tasks.get(cell.config.model)
        .open_data(cell.config))
      for _, split in ipairs { "train", "test" } do
        assert.equal(2, cell.data[split].size)
        assert.equal(0, largest(cell.data[split]:batch { 1, 2 }
          - all[split]:batch { 1, 2 }))
        assert.equal(0, largest(cell.data[split]:clean { 2 }
          - all[split]:clean { 2 }))
      end
    end
  end)

  it("show HGN's errors by step and the energy on the way", function()
    local cell = assert(cells.open(base, "hgn_euler", "pendulum", 3))
    local model, split = cell.model, cell.data.test
    local curves = figure6.curves(cell, "test", 3, 2)
    local sums, energies = { 0, 0, 0, 0, 0 }, {}
    for place = 1, 3 do
      local q, p = model:infer(split:batch { place })
      local clean = split:clean { place }
      for t = 1, 5 do
        local mse = (model:decode(q)[1] - clean[1][t]):square():mean():item()
        sums[t] = sums[t] + mse / 3
        if place == 2 then
          assert.is_near(mse, curves.single[t], 1e-6 * mse)
          energies[t] = model:energy(q, p):item()
        end
        local trajectory = model:rollout(q, p, { steps = 1 })
        q, p = trajectory.q[2], trajectory.p[2]
      end
    end
    for t = 1, 5 do assert.is_near(sums[t], curves.average[t], 1e-6 * sums[t]) end
    local e = torus.tensor(energies, { dtype = "float64" })
    local variance = (e - e:mean()):square():mean():item()
    assert.is_near(e:mean():item(), curves.energy_mean, 1e-6)
    assert.is_true(variance > 0)
    -- float32 energies differ by some 1e-7 from one path of the same to another
    assert.is_near(variance, curves.energy_variance, 1e-2 * variance + 1e-12)
    assert.equal(3, curves.count)
  end)

  it("show an HNN's too, from the first pair", function()
    local cell = assert(cells.open(base, "pixel_hnn_conv", "pendulum", 4))
    local curves = figure6.curves(cell, "train", 9, 1)
    assert.equal(4, curves.count)
    local frames = cell.data.train:batch { 1, 2, 3, 4 }
    local clean = cell.data.train:clean { 1, 2, 3, 4 }
    local film = cell.model:film(frames:narrow(2, 1, 2), { steps = 4 })
    local own = clean:mean(2)
    for t = 1, 5 do
      local difference = (film - clean):select(2, t):square()
      assert.is_near(difference[1]:mean():item(), curves.single[t], 1e-7)
      assert.is_near(difference:mean():item(), curves.average[t], 1e-7)
      assert.is_near((clean:select(2, t) - own):square():mean():item(),
        curves.still[t], 1e-7)
    end
  end)

  it("go through all the table's cells that there are", function()
    local found, missing = figure6.data { table = base, count = 2,
      sequence = 1 }
    local names = {}
    for i, entry in ipairs(found) do
      names[i] = entry.system
      for _, row in ipairs(entry.rows) do
        names[i] = names[i] .. " " .. row.row
      end
    end
    assert.same({ "mass_spring hgn_leapfrog",
      "pendulum pixel_hnn_conv hgn_euler hgn_leapfrog", "two_body hgn_leapfrog",
      "three_body pixel_hnn hgn_leapfrog" }, names)
    assert.equal(24 - 7, #missing)
    assert.equal("pixel_hnn-mass_spring", missing[1])
  end)

  it("show the way back, and other speeds", function()
    local hgn = assert(cells.open(base, "hgn_leapfrog", "three_body", 2))
    local hnn = assert(cells.open(base, "pixel_hnn", "three_body", 2))
    local rows, by_label = figure7.rows(hgn, { hnn }, "test", 2), {}
    for _, row in ipairs(rows) do
      assert.same({ 5, 16, 16, 3 }, row.frames.shape)
      by_label[row.label] = row.frames
    end
    assert.equal(6, #rows)
    local split, model = hgn.data.test, hgn.model
    assert.equal(0, largest(by_label.original - split:clean({ 2 })[1]))
    local forward, backward = by_label.forward, by_label.backward
    local film = model:reconstruct(split:batch { 2 })
    assert.is_true(largest(forward - film[1]) < 1e-6)
    -- leapfrog goes back but for float32's rounding
    for t = 1, 5 do
      assert.is_true(largest(backward[t] - forward[6 - t]) < 1e-5)
    end
    local q, p = model:infer(split:batch { 2 })
    for label, dt in pairs { ["double speed"] = 0.25,
      ["half speed"] = 0.0625 } do
      local trajectory = model:rollout(q, p, { dt = dt })
      assert.is_true(largest(by_label[label]
        - model:decode(trajectory.q:select(2, 1))) < 1e-6)
    end
    assert.is_true(largest(by_label.PixelHNN - hnn.model:film(
      split:batch({ 2 }):narrow(2, 1, 2), { steps = 4 })[1]) < 1e-6)
  end)

  it("7 and 8 are drawn", function()
    local files, text = make(7, { frames = "5" })
    assert.same({ base .. "/figure7.png" }, files)
    assert.matches("has no row for a model: expected a run in "
      .. ".*/pixel_hnn_conv%-three_body", text)
    local width, height = size_of(files[1])
    -- labels of twelve letters, two strips of five frames; six rows
    assert.equal((12 * 12 - 2 + 6) + 5 * 66 + 8 + (2 + 5 * 66), width)
    assert.equal(22 + 2 + 6 * 66, height)
    files, text = make(8, { row = "hgn_leapfrog", samples = "2", frames = "4" })
    assert.same({ base .. "/figure8.png" }, files)
    assert.is_nil(text)
    width, height = size_of(files[1])
    assert.equal(2 * (2 + 4 * 66) + 8, width)
    assert.equal(2 * (22 + 2 + 2 * 66) + 8, height)
  end)

  if has_gnuplot then
    it("6 is drawn, and says what it does without", function()
      local files, text = make(6, { count = "2" })
      assert.same({ base .. "/figure6.png" }, files)
      local width, height = size_of(files[1])
      assert.equal(1100, width)
      assert.equal(30 + 4 * 360, height)
      assert.matches("without pixel_hnn%-mass_spring, .*%-%-only ROW,SYSTEM", text)
    end)
  end

  it("name the command that makes what is missing", function()
    local none = base .. "/none"
    for number, command in pairs { [6] = "%-%-only ROW,SYSTEM",
      [7] = "%-%-only hgn_leapfrog,two_body",
      [8] = "%-%-only hgn_leapfrog_generative,mass_spring" } do
      local files, message = make(number, { table = none,
        system = number == 7 and "two_body" or nil })
      assert.is_nil(files)
      assert.matches("^figure" .. number .. ": .*scripts/torus table1 %-%-out "
        .. none:gsub("%p", "%%%0") .. " " .. command, message)
    end
    local files, message = make(7, { sequence = "5" })
    assert.is_nil(files)
    assert.matches("sequence: expected at most 4, the size of the test set, got 5", message)
  end)

  it("tell a damaged cell from a missing one", function()
    local broken = base .. "/broken"
    assert(lfs.mkdir(broken))
    for _, name in ipairs { "hgn_leapfrog-three_body", "hnn-three_body" } do
      assert(lfs.mkdir(broken .. "/" .. name))
      assert(require("torus.files").write(broken .. "/" .. name
        .. "/checkpoint.safetensors", "no weights"))
    end
    for number = 6, 7 do
      local files, message = make(number, { table = broken })
      assert.is_nil(files)
      assert.matches("^figure" .. number .. ": .*broken/", message)
      assert.is_nil(message:find("table1", 1, true))
    end
  end)
end)
