local hgn = require "torus.models.hgn"
local files = require "torus.files"
local portrait = require "torus.tasks.hgn.portrait"
local torus = require "torus"

local has_gnuplot = os.execute("command -v gnuplot >/dev/null 2>&1")

local function model_of(changes)
  local config = { phase = "vector", width = 4, state = 2, resolution = 16,
    frames = 5, context = 3, energy_layers = 1, energy_width = 4,
    init = "kaiming" }
  for key, value in pairs(changes or {}) do config[key] = value end
  return hgn.new(config, torus.generator(4))
end

local function set_of(name)
  return torus.data.simulate(name, { train = 1, test = 9, steps = 4, noise = 0,
    resolution = 16, seed = 2 })
end

describe("a phase portrait", function()
  it("has orbits from the lowest learned energy to the highest", function()
    local model, set = model_of(), set_of "pendulum"
    local learned, truth = portrait.orbits(model, set, { orbits = 4,
      steps = 30 })
    assert.are.same({ 31, 4, 1 }, learned.q.shape)
    assert.are.same({ 31, 4 }, learned.energies.shape)
    assert.are.equal("float64", learned.p.dtype)
    local q, p = model:infer(set.test:batch { 1, 2, 3, 4, 5, 6, 7, 8, 9 })
    local all = model:energy(q, p):totable()
    table.sort(all)
    local first = learned.energies[1]:totable()
    assert.is_near(all[1], first[1], 1e-6)
    assert.is_near(all[9], first[4], 1e-6)
    assert.is_true(first[1] <= first[2] and first[3] <= first[4])
    -- the true motion of the same number of sequences keeps its energy
    assert.are.same({ 31, 4, 1 }, truth.q.shape)
    local drift = (truth.energies - truth.energies[1]):abs():max():item()
    assert.is_true(drift < 1e-7)
  end)

  it("shows the true orbits of the sequences whose frames were inferred from",
    function()
      local model, set = model_of(), set_of "mass_spring"
      function model.infer(_, frames)
        local batch = frames:size(1)
        return torus.arange(batch):reshape(batch, 1), torus.zeros(batch, 1)
      end
      function model.energy(_, q) -- of the states inferred above
        return (q - 3.9):square():reshape(-1)
      end
      local order = { 4, 3, 5, 2, 6, 1, 7, 8, 9 }
      local _, truth = portrait.orbits(model, set, { orbits = 9, steps = 4 })
      local states = set.test:states(order, true):to("float64")
      local off = truth.q:select(3, 1):transpose(1, 2)
        - states:select(3, 1):select(3, 1)
      assert.is_true(off:abs():max():item() < 1e-6)
    end)

  it("shows bodies relative to each other", function()
    local learned, truth = portrait.orbits(model_of { dimension = 2 },
      set_of "two_body", { orbits = 3, steps = 5, refine = 1 })
    assert.are.same({ 6, 3, 2 }, learned.q.shape)
    assert.are.same({ 6, 3, 2 }, truth.q.shape)
  end)

  it("shows the coordinates that move, of a model with static ones", function()
    local learned = portrait.orbits(model_of { dimension = 3, static = 2, kinetic = "quadratic" },
      set_of "pendulum_colours", { orbits = 3, steps = 5 })
    assert.are.same({ 6, 3, 1 }, learned.q.shape)
    assert.are.same({ 6, 3, 1 }, learned.p.shape)
  end)

  it("has the true orbits of masses that differ, each with its energy",
    function()
      local _, truth = portrait.orbits(model_of(), set_of "mass_spring_colours",
        { orbits = 4, steps = 20 })
      local drift = (truth.energies - truth.energies[1]):abs():max():item()
      assert.is_true(drift < 1e-6)
    end)

  it("has one half where the true state is not known", function()
    local set = assert(torus.data.frames(torus.rand(8, 5, 16, 16, 3),
      { test = 3 }))
    local learned, truth = portrait.orbits(model_of(), set, { steps = 6 })
    assert.are.same({ 7, 3, 1 }, learned.q.shape)
    assert.is_nil(truth)
    if not has_gnuplot then return end
    local path = os.tmpname()
    assert(portrait.draw(path, model_of { dimension = 3 }, set, { steps = 6 }))
    assert.matches("^\137PNG", (files.read(path)))
    os.remove(path)
  end)

  it("is not drawn of a map", function()
    local model = hgn.new { width = 4, state = 2, z = 3, resolution = 16,
      frames = 5, energy_layers = 1 }
    assert.are.same({}, portrait.pictures(model, nil, {}, { out = "." }))
  end)
end)
