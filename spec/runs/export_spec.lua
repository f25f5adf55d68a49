-- What a run has learned, as files for other programs.
local files = require "torus.files"
local json = require "dkjson"
local options = require "torus.options"
local runs = require "torus.runs"
local torus = require "torus"

local base

setup(function()
  base = os.tmpname()
  os.remove(base)
  assert(files.make_folder(base))
end)

teardown(function() os.execute("rm -r " .. base) end)

local TINY = { steps = 2, width = 4 }

local function trained(name, changes)
  local path = base .. "/" .. name
  local config = assert(runs.configuration.make("full", options.joined(TINY, changes)))
  assert(runs.train(path, config, { progress = { update = function() end,
    finish = function() end } }))
  return path
end

describe("a folder of other files", function()
  local function written(folder, name)
    assert(files.make_folder(base .. "/" .. folder))
    local path = ("%s/%s/%s"):format(base, folder, name)
    assert(files.write(path, "mine"))
    return path
  end

  it("is not trained into", function()
    for i, name in ipairs { "config.json", "log.csv" } do
      local path = written("other" .. i, name)
      local config = assert(runs.configuration.make("full", options.joined(TINY,
        { model = "hnn" })))
      local ended, message = runs.train(path:match("^(.*)/"), config)
      assert.is_nil(ended)
      assert.are.equal(path .. " is not of a run, and a run in its folder would replace it: "
        .. "choose another folder", message)
      assert.are.equal("mine", files.read(path))
    end
  end)

  it("is not exported to", function()
    local run = trained("exporting", { model = "hnn" })
    for i, name in ipairs { "q.npy", "weights.safetensors" } do
      local path = written("lab" .. i, name)
      local list, message = runs.export(run, { out = path:match("^(.*)/") })
      assert.is_nil(list)
      assert.are.equal(path .. " exists and is not of an export: choose another folder (out)",
        message)
      assert.are.equal("mine", files.read(path))
    end
    -- An earlier export is replaced.
    assert(runs.export(run, { out = base .. "/again" }))
    assert(runs.export(run, { out = base .. "/again" }))
  end)
end)

local function exported(path, opts)
  local found = {}
  for _, file in ipairs(assert(runs.export(path, opts))) do
    local name, ending = file:match("([%w_]+)%.(%w+)$")
    if ending == "npy" then found[name] = assert(torus.npy.load(file))
    elseif ending == "csv" then found[name] = { assert(torus.csv.load(file)) }
    else found[name] = { assert(torus.load(file)) } end
  end
  return found
end

local function shape(x) return table.concat(x.shape, " ") end

-- A dense network with tanh on plain numbers.
local function network(weights, x)
  local i = 1
  while weights["net." .. i .. ".weight"] do
    local w = weights["net." .. i .. ".weight"]:totable()
    local b = weights["net." .. i .. ".bias"]:totable()
    local y = {}
    for r, row in ipairs(w) do
      y[r] = b[r]
      for c, value in ipairs(row) do y[r] = y[r] + value * x[c] end
    end
    i = i + 1
    if weights["net." .. i .. ".weight"] then
      for r, value in ipairs(y) do y[r] = (math.exp(2 * value) - 1) / (math.exp(2 * value) + 1) end
    end
    x = y
  end
  return x[1]
end

describe("an exported run", function()
  it("of hnn has energies that its weights give by hand", function()
    local path = trained("hnn", { model = "hnn", system = "two_body", trajectories = 4,
      points = 7, batch = 0, test_share = 0.5, dtype = "float64" })
    local found = exported(path)
    assert.are.equal("7 2 4", shape(found.q))
    assert.are.equal("7 2", shape(found.energy))
    assert.are.equal(7, found.time:numel())
    local weights, about = table.unpack(found.weights)
    assert.are.equal("hnn", about.model)
    assert.are.equal("2", about.step)
    assert.are.equal(4, json.decode(about.config).dimension)
    local x = torus.cat({ found.q[7][2], found.p[7][2] }, 1):totable()
    assert.is_near(network(weights, x), found.energy[7][2]:item(), 1e-12)
  end)

  it("of a sympnet has the map's rollouts", function()
    local path = trained("map", { model = "sympnet", trajectories = 4, points = 7,
      dtype = "float64" })
    local found = exported(path, { steps = 3 })
    local model = assert(runs.open(path))
    local q = model:forward(found.q[3], found.p[3])
    assert.are.equal(0, (q - found.q[4]):abs():max():item())
    assert.is_nil(found.energy)
    assert.are.equal(4, found.time:numel())
  end)

  it("is a table where asked, with indices from 0", function()
    local path = trained("table", { model = "hnn", system = "mass_spring",
      trajectories = 4, points = 5 })
    local found = exported(path, { format = "csv", count = 2, steps = 3,
      out = base .. "/tables" })
    local q, names = table.unpack(found.q)
    assert.are.same({ "i", "j", "q" }, names)
    assert.are.equal("8 3", shape(q))
    assert.are.same({ 0, 1 }, q[2]:narrow(1, 1, 2):totable())
    assert.are.same({ 3, 1 }, q[8]:narrow(1, 1, 2):totable())
    local again = exported(path, { count = 2, steps = 3, out = base .. "/arrays" })
    assert.are.equal(again.q[4][2]:item(), q[8][3]:item())
    assert.are.same({ "i", "energy1", "energy2" }, found.energy[2])
  end)

  it("of nhf has samples and the density there", function()
    local path = trained("nhf", { model = "nhf", flows = 1, batch = 8 })
    local found = exported(path, { count = 5, seed = 3 })
    assert.are.equal("5 2", shape(found.q))
    local model = assert(runs.open(path))
    local there = torus.no_grad(model.log_density, model, found.q)
    assert.is_true((there - found.log_density):abs():max():item() < 1e-6)
    -- Its integral over a grid around few samples is below 1.
    assert.are.equal("61 61", shape(found.grid_log_density))
    local corner = torus.tensor { { found.grid_x[61]:item(), found.grid_y[1]:item() } }
    assert.is_near(torus.no_grad(model.log_density, model, corner):item(),
      found.grid_log_density[1][61]:item(), 0.05)
    local deep = trained("deep", { model = "nhf", flows = 1, batch = 8, dimension = 3 })
    assert.are.equal("4", shape(exported(deep, { count = 4 }).elbo))
  end)

  it("of nhf has the density at points of a file, between its bounds' errors", function()
    local path = trained("points", { model = "nhf", dimension = 1, flows = 1,
      dtype = "float64" })
    local x = torus.linspace(-1, 1, 5, { dtype = "float64" })
    for _, ending in ipairs { "npy", "csv" } do
      local file = base .. "/x." .. ending
      assert(torus[ending].save(file, ending == "csv" and x:reshape(5, 1) or x))
      local found = exported(path, { points = file })
      assert.is_nil(found.q)
      local model = assert(runs.open(path))
      assert.is_true((found.log_density - model:log_density(x:reshape(5, 1))):abs():max()
        :item() < 1e-12)
      assert.is_true((found.log_density - found.elbo + found.elbo_error * 4.5):min():item() > 0)
      assert.is_true(((found.importance - found.log_density):abs()
        - found.importance_error * 4.5):max():item() < 0.01)
    end
    local file = base .. "/wide.npy"
    assert(torus.npy.save(file, torus.zeros(4, 2)))
    local none, message = runs.export(path, { points = file })
    assert.is_nil(none)
    assert.matches("points: expected an array of shape (n, 1), got " .. file
      .. " with (4,2)", message, 1, true)
    none, message = runs.export(trained("points_hnn", { model = "hnn",
      system = "mass_spring", trajectories = 4, points = 7, batch = 0 }), { points = file })
    assert.is_nil(none)
    assert.matches("points: expected a run of nhf, got a run of hnn", message, 1, true)
  end)

  it("of models of frames has films, states and energies", function()
    local few = { train_size = 4, test_size = 3, resolution = 16, frames = 4, batch = 2 }
    local hgn = trained("hgn", options.joined(few, { model = "hgn", z = 3, state = 2,
      energy_layers = 2 }))
    local found = exported(hgn, { count = 2, steps = 5 })
    assert.are.equal("2 6 16 16 3", shape(found.predicted))
    assert.are.equal("6 2", shape(found.energy))
    assert.are.equal("2 6 16 16 3", shape(found.sample_frames))
    local model = assert(runs.open(hgn))
    local e = torus.no_grad(model.energy, model, found.sample_q[6], found.sample_p[6])
    assert.is_true((e - found.sample_energy[6]):abs():max():item() < 1e-5)
    local pixels = exported(trained("pixels", options.joined(few, { model = "pixel_hnn" })))
    assert.are.equal("3 4 16 16 3", shape(pixels.frames))
    assert.is_nil(pixels.sample_q)
  end)

  it("has its weights without the data", function()
    local states = base .. "/states.csv"
    assert(torus.csv.save(states, torus.rand(20, 3), { header = { "q", "p", "x" } }))
    local path = trained("away", { model = "hnn", data = states, dt = 1 })
    os.remove(states)
    local none, message = runs.export(path)
    assert.is_nil(none)
    assert.matches("No such file", message)
    local files_ = assert(runs.export(path, { weights_only = true }))
    assert.are.same({ path .. "/export/weights.safetensors" }, files_)
    local names = torus.load(files_[1])
    assert.is_not_nil(names.scale)
    assert.is_nil(next(files_, 1))
    none, message = runs.export(base .. "/nothing")
    assert.is_nil(none)
    assert.matches("/nothing: expected a run, with a checkpoint.safetensors, found none",
      message, 1, true)
  end)
end)
