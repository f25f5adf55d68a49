local config = require "torus.runs.configuration"
local raises = require "spec.support.raises"
local tasks = require "torus.tasks"
local torus = require "torus"

describe("torus.runs.configuration", function()
  it("has the paper's values by default", function()
    local c = assert(config.make())
    assert.are.equal("leapfrog", c.variant)
    assert.are.equal("separable", c.hamiltonian)
    assert.are.equal(31, c.frames)
    assert.are.equal(0.125, c.dt)
    assert.are.equal(64, c.width)
    assert.are.equal(16, c.state)
    assert.are.equal(1.5e-4, c.lr)
    assert.are.equal("none", c.closing)
    assert.is_true(c.skip)
  end)

  it("takes a preset and then changes", function()
    local c = assert(config.make("small", { width = 12 }))
    assert.are.equal(12, c.width)
    assert.are.equal(tasks.get("hgn").presets.small.skip, c.skip)
  end)

  it("every preset is valid", function()
    for _, name in ipairs(config.preset_names()) do
      assert(config.make(name))
    end
  end)

  it("names the presets when one is unknown", function()
    local c, message = config.make("tiny")
    assert.is_nil(c)
    assert.matches("unknown preset \"tiny\" %(known: .*small", message)
  end)

  it("reads changes by the type of their key", function()
    local function read(text)
      return table.pack(config.parse_override(text))
    end
    assert.are.same({ "width", 32, n = 2 }, read "width=32")
    assert.are.same({ "lr", 1e-3, n = 2 }, read "lr=1e-3")
    assert.are.same({ "skip", false, n = 2 }, read "skip=false")
    assert.are.same({ "variant", "euler", n = 2 }, read "variant=euler")
    assert.are.same({ "background", { 0.1, 0.2, 0.3 }, n = 2 },
      read "background=0.1,0.2,0.3")
    assert.are.same("integer", math.type(read("width=32")[2]))
  end)

  it("refuses what does not fit, saying what does", function()
    local function fails(text, pattern)
      local key, message = config.parse_override(text)
      assert.is_nil(key)
      assert.matches(pattern, message)
    end
    fails("width", "expected key=value, got \"width\"")
    fails("widht=3", "unknown key \"widht\", did you mean \"width\"%? "
      .. "%(known: anchor, background, batch,")
    fails("width=wide", "width: expected an integer, got \"wide\"")
    fails("width=2.5", "width: expected an integer, got 2.5")
    fails("width=0", "width: expected at least 2, got 0")
    fails("skip=maybe", "skip: expected a boolean, got \"maybe\"")
    fails("variant=rk4", "variant: expected one of \"leapfrog\", .*got \"rk4\"")
    fails("lr=nan", "lr: expected a number, got \"nan\"")
    fails("lr=-1", "lr: expected at least 0, got %-1")
    fails("lr=1e999", "lr: expected a number, got \"1e999\"")
    fails("steps=1e999", "steps: expected an integer, got \"1e999\"")
    fails("background=0.3,0.3,a", "background: expected numbers separated "
      .. "by commas, got \"0.3,0.3,a\"")
    fails("background=0.3,0.3,1e999", "background: expected numbers")
  end)

  it("names the key that is meant, and not all there are", function()
    local made, message = config.make(nil, { model = "hgn", energy_widht = 5 })
    assert.is_nil(made)
    assert.matches('unknown option "energy_widht", did you mean "energy_width"%? '
      .. "%(known: anchor, .*, %.%.%. and %d+ more%)$", message)
    assert.is_true(#message < 600)
  end)

  it("writes and reads itself exactly", function()
    local c = assert(config.make("small", { dt = 1 / 3, lr = 0.1 + 0.2 }))
    local text = config.encode(c)
    assert.are.same(c, assert(config.decode(text)))
    assert.are.equal(text, config.encode(assert(config.decode(text))))
  end)

  it("refuses a damaged file", function()
    local c, message = config.decode("{\"width\": ")
    assert.is_nil(c)
    assert.matches("damaged text", message)
    c, message = config.decode("{\"model\": 5}")
    assert.is_nil(c)
    assert.are.equal("configuration: option \"model\": expected a string, got 5", message)
    c, message = config.decode("{\"height\": 3}")
    assert.is_nil(c)
    assert.matches("unknown option \"height\"", message)
    c, message = config.decode(("["):rep(300000))
    assert.is_nil(c)
    assert.matches("damaged text: it is nested too deeply", message)
  end)

  it("and runs of nothing are errors at the caller's line", function()
    local runs = torus.runs
    raises('configuration: unknown model "x"', function() config.preset_names("x") end)
    raises("configuration: the changes: expected a table", function() config.make(nil, 5) end)
    raises("runs.train: the folder: expected a path (a string without zero bytes)",
      function() runs.train() end)
    raises("runs.train: the configuration: expected a table",
      function() runs.train("x") end)
    raises('runs.train: unknown option "resmue"',
      function() runs.train("x", {}, { resmue = true }) end)
    raises("runs.open: the folder: expected a path (a string without zero bytes)",
      function() runs.open() end)
    raises("runs.read_configuration: the folder: expected a path (a string without zero bytes)",
      function() runs.read_configuration() end)
    assert.matches('unknown model "x"', select(2, config.parse_override("a=1", "x")))
  end)

  it("refuses numbers that JSON does not have", function()
    for _, changes in ipairs { { lr = math.huge },
      { background = { 0, 0, -math.huge } } } do
      local c, message = config.make(nil, changes)
      assert.is_nil(c)
      assert.matches("expected a finite value, got", message)
    end
  end)
end)
