-- What is stored names a system and never runs one.
local store = require "torus.data.store"
local torus = require "torus"

local OWN = [[
local torus = require "torus"
io.open(%q, "a"):write("ran"):close()
return { name = "stored_own", dimension = 1, constants = { k = %s },
  energy = function(q, p, c) return (p * p + q * q * c.k):sum(2) / 2 end,
  uniforms = 2,
  sample = function(u) return u:narrow(2, 1, 1), u:narrow(2, 2, 1) end,
  positions = function(q) return torus.stack({ q, q * 0 }, 3) end,
  radii = { 0.2 }, half_width = 1.5 }
]]

local TINY = " --set width=4 --set z=3 --set state=2 --set energy_layers=2 "
  .. "--set resolution=16 --set frames=4 --set batch=2 --set train_size=4 "
  .. "--set test_size=2"

describe("a stored system", function()
  local base, own, marker

  local function write(path, text)
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
  end

  local function has_run()
    local ran = torus.files.exists(marker)
    os.remove(marker)
    return ran
  end

  local function script(text, ...)
    local pipe = io.popen("scripts/torus " .. text:format(...) .. " 2>&1")
    local said = pipe:read("a")
    return pipe:close() == true, said
  end

  -- A set whose files name `name` as its system.
  local function stored_as(name, folder)
    local set = torus.data.simulate("pendulum", { train = 3, test = 3, steps = 3 })
    local fake = setmetatable({ name = name,
      constants = set.system.constants }, { __index = set.system })
    assert(torus.files.make_folder(folder))
    assert(store.save({ system = fake, seed = set.seed, dt = set.dt,
      noise = set.noise, train = set.train, test = set.test }, folder))
  end

  before_each(function()
    base = os.tmpname()
    os.remove(base)
    assert(torus.files.make_folder(base))
    own, marker = base .. "/own.lua", base .. "/marker"
    write(own, OWN:format(marker, "1"))
  end)
  after_each(function() os.execute("rm -rf " .. base) end)

  it("that is a file's path is not run by opening data", function()
    stored_as(own, base .. "/set")
    local set, message = torus.data.load(base .. "/set")
    assert.is_nil(set)
    assert.matches("the data were made with a system .*which is not defined", message)
    assert.is_nil((torus.data.open(base .. "/set")))
    assert.is_false((script("dataset %s/set --info", base)))
    assert.is_false((script("train hgn --data %s/set --steps 1 --out %s/r %s", base,
      base, TINY)))
    assert.is_false(has_run())
    -- Given, it is run, and is another system.
    set, message = torus.data.load(base .. "/set", { system = own })
    assert.is_nil(set)
    assert.matches("expected \".*own.lua\", which the data were made with", message)
    assert.is_true(has_run())
  end)

  it("that is a file's path is not run by opening a run", function()
    for _, model in ipairs { "hgn", "hnn", "pixel_hnn" } do
      local run = base .. "/" .. model
      local config = assert(torus.runs.configuration.make("small", { model = model,
        system = "pendulum" }))
      config.system = base .. "/other.lua"
      write(config.system, OWN:format(marker, "1"))
      assert(torus.files.make_folder(run))
      write(run .. "/config.json", torus.runs.configuration.encode(config))
      torus.runs.read_configuration(run)
      assert.is_false((script("train --resume --steps 1 --out %s", run)))
      assert.is_false(has_run())
    end
  end)

  it("of a run is given again, with its constants", function()
    local run = base .. "/run"
    assert.is_true((script("train hgn --system %s --steps 1 --out %s %s", own, run,
      TINY)))
    assert.is_true(has_run())
    local config = assert(torus.runs.read_configuration(run))
    assert.are.equal("stored_own", config.system)
    assert.are.equal("k = 1", config.system_constants)
    assert.is_truthy(torus.runs.open(run))
    local ok, said = script("evaluate %s --count 2", run)
    assert.is_false(ok)
    assert.matches("no system is named \"stored_own\"", said)
    assert.is_false(has_run())
    ok, said = script("evaluate %s --count 2 --system %s", run, own)
    assert.is_true(ok, said)
    write(own, OWN:format(marker, "2"))
    ok, said = script("evaluate %s --count 2 --system %s", run, own)
    assert.is_false(ok)
    assert.matches("system: expected stored_own with the constants of the run "
      .. "%(k = 1%), got k = 2", said)
  end)

  it("of a run has to have the energies that it had", function()
    local run = base .. "/run"
    local text = OWN:format(marker, "1")
    assert.is_true((script("train hgn --system %s --steps 1 --out %s %s", own, run, TINY)))
    -- Rounded differently.
    local function redefine(energy)
      write(own, (text:gsub("%(p %* p %+ q %* q %* c.k%):sum%(2%) / 2", energy)))
    end
    redefine "(p * p / 2 + q * q * c.k * 0.5):sum(2)"
    local ok, said = script("train --resume --steps 2 --out %s --system %s", run, own)
    assert.is_true(ok, said)
    for _, energy in ipairs { "(p * p + q * q * q * q * c.k):sum(2) / 2",
      "(p * p + q * q * c.k * 1.00001):sum(2) / 2" } do
      redefine(energy)
      for _, command in ipairs { "train --resume --steps 3 --out", "evaluate --count 2" } do
        ok, said = script("%s %s --system %s", command, run, own)
        assert.is_false(ok)
        assert.matches("system: expected stored_own with the energies and forces of the run %(at "
          .. "fixed states [-%d., ]+%), got another definition %([-%d., ]+%)", said)
        assert.is_nil(said:find("traceback"))
      end
    end
    write(own, text)
    assert.is_true((script("evaluate --count 2 %s --system %s", run, own)))
    -- H = (p^2 + q^2) / 2 at the states that the run records.
    local config = assert(torus.runs.read_configuration(run))
    local i = 0
    for energy in config.system_energies:gmatch("[^, ]+") do
      i = i + 1
      assert.is_near((math.cos(2.3 * i) ^ 2 + math.sin(1.7 * i) ^ 2) / 2, tonumber(energy), 1e-8)
    end
    assert.are.equal(4, i)
  end)

  it("of an older run, which kept the path, is given as well", function()
    local run = base .. "/run"
    assert.is_true((script("train hgn --system %s --steps 1 --out %s %s", own, run,
      TINY)))
    local text = assert(torus.files.read(run .. "/config.json"))
    write(run .. "/config.json", (text:gsub("stored_own", "./own.lua")))
    os.remove(run .. "/checkpoint.safetensors")
    os.remove(run .. "/log.csv")
    has_run()
    local ok, said = script("train --resume --steps 1 --out %s", run)
    assert.is_false(ok)
    assert.matches("own.lua has not been loaded: the file is code", said)
    assert.is_false(has_run())
    ok, said = script("train --resume --steps 1 --out %s --system %s", run, own)
    assert.is_true(ok, said)
  end)

  it("has the constants of the one that is given", function()
    local set = assert(torus.data.open(own, { train = 2, test = 1, steps = 3 }))
    assert(set:save(base))
    write(own, (OWN:format(marker, "1"):gsub("k = 1", "k = 1, m = 2")))
    local none, message = torus.data.load(base, {
      system = assert(torus.systems.load(own)) })
    assert.is_nil(none)
    assert.matches("constants: expected those of stored_own %(k, m%), got k",
      message)
  end)

  it("has a file of text, not of bytecode", function()
    write(own, string.dump(assert(loadfile(own))))
    local system, message = torus.systems.load(own)
    assert.is_nil(system)
    assert.matches("attempt to load a binary chunk", message)
  end)
end)
