-- Experiments made of many training runs.
local lfs = require "lfs"
local cells = require "torus.experiments.cells"
local files = require "torus.files"
local run = require "torus.runs.run"
local configuration = require "torus.runs.configuration"

local base, count

local function tiny(name, changes)
  local all = { model = "hnn", system = "mass_spring", trajectories = 4,
    points = 5, width = 4, steps = 4, save_every = 1, log_every = 1 }
  for key, value in pairs(changes or {}) do all[key] = value end
  return { name = name, cost = 1,
    config = assert(configuration.make("full", all)) }
end

-- A new folder for every experiment.
local function place()
  count = count + 1
  return base .. "/" .. count
end

local function measure(model, data)
  return { test_loss = model:loss(data.test.q, data.test.p, data.test.dq,
    data.test.dp):item() }
end

local function silent() end

describe("the cells of an experiment", function()
  setup(function()
    count, base = 0, os.tmpname()
    os.remove(base)
    assert(lfs.mkdir(base))
  end)

  teardown(function() os.execute("rm -r " .. base) end)

  it("are trained, measured and kept", function()
    local out, changes, said = place(), 0, {}
    local list = { tiny("a"), tiny("b", { seed = 2 }) }
    local results = assert(cells.run(list, { out = out, measure = measure,
      changed = function() changes = changes + 1 end,
      say = function(line) said[#said + 1] = line end }))
    assert.are.equal(2, changes)
    assert.are.equal(2, #said)
    assert.matches("%[2/2%] b: 4 steps", said[2])
    assert.are.equal(4, results.a.step)
    assert.is_true(results.a.seconds >= 0)
    assert.are_not.equal(results.a.test_loss, results.b.test_loss)
    assert.are.same(results, assert(cells.results(out, list)))
    assert.is_nil(cells.result(out, tiny("c")))
  end)

  it("keep numbers that JSON has none for", function()
    local out, list = place(), { tiny("a") }
    local function odd()
      return { test = { worst = math.huge, least = -math.huge,
        undefined = 0 / 0, one = 1 } }
    end
    for _ = 1, 2 do
      local test = assert(cells.run(list, { out = out, measure = odd,
        say = silent })).a.test
      assert.are.same({ math.huge, -math.huge, 1 },
        { test.worst, test.least, test.one })
      assert.are.equal("number", type(test.undefined))
      assert.is_true(test.undefined ~= test.undefined)
    end
  end)

  it("that are there are not trained again after a failure", function()
    local out, measured = place(), {}
    local list = { tiny("a"), tiny("b"), tiny("c") }
    local function failing(model, data, cell)
      if cell.name == "b" then error("out of luck", 0) end
      return measure(model, data)
    end
    assert.has_error(function()
      cells.run(list, { out = out, measure = failing, say = silent })
    end, "out of luck")
    -- A training would write it anew.
    assert(os.remove(out .. "/a/checkpoint.safetensors"))
    local results = assert(cells.run(list, { out = out, say = silent,
      measure = function(model, data, cell)
        measured[#measured + 1] = cell.name
        return measure(model, data)
      end }))
    assert.are.same({ "b", "c" }, measured)
    assert.is_false(files.exists(out .. "/a/checkpoint.safetensors"))
    assert.are.equal(results.a.test_loss, results.c.test_loss)
  end)

  it("go on from their last checkpoint, to the same bits", function()
    local cell, out, steps = tiny("a"), place(), {}
    local whole = assert(cells.run({ cell }, { out = place(),
      measure = measure, say = silent }))
    assert.has_error(function()
      assert(run.train(cells.path(out, cell), cell.config, {
        after_step = function(state)
          if state.step == 2 then error("pulled the plug", 0) end
        end }))
    end)
    local parts = assert(cells.run({ cell }, { out = out, say = silent,
      measure = function(...)
        for line in io.lines(cells.path(out, cell) .. "/log.csv") do
          steps[#steps + 1] = line:match("^(%d+),")
        end
        return measure(...)
      end }))
    assert.are.same({ "1", "2", "3", "4" }, steps)
    assert.are.equal(whole.a.test_loss, parts.a.test_loss)
  end)

  it("are left to the process that is at them", function()
    local out, said = place(), {}
    local list = { tiny("a"), tiny("b", { seed = 2 }) }
    assert(files.make_folder(cells.path(out, list[1])))
    local script, ready = out .. "/holder.lua", out .. "/ready"
    assert(files.write(script, string.format([[
      local mine = assert(require("torus.lock").take(%q))
      assert(io.open(%q, "w")):close()
      io.read("a")
      mine:release()]], cells.path(out, list[1]), ready)))
    local other = assert(io.popen("scripts/torus " .. script, "w"))
    local deadline = os.time() + 20
    repeat until files.exists(ready) or os.time() > deadline
    assert.is_true(files.exists(ready))
    local o = { out = out, measure = measure,
      say = function(line) said[#said + 1] = line end }
    local results = assert(cells.run(list, o))
    assert.is_nil(results.a)
    assert.are.equal(4, results.b.step)
    assert.matches("^a: another process works on it", said[2])
    local trained, message = run.train(cells.path(out, list[1]),
      list[1].config)
    assert.is_nil(trained)
    assert.matches("/a: another process works in it$", message)
    other:close()
    results = assert(cells.run(list, o))
    assert.are.equal(4, results.a.step)
  end)

  it("take a key that is newer than the run as its default", function()
    local out, cell = place(), tiny("a")
    local o = { out = out, measure = measure, say = silent }
    assert(cells.run({ cell }, o))
    local path = out .. "/a/config.json"
    local text = assert(files.read(path))
    local older, found = text:gsub('  "seed": %d+,\n', "")
    assert.are.equal(1, found)
    assert(files.write(path, older))
    assert.is_table(assert(cells.result(out, cell)))
  end)

  it("say what is wrong with a folder", function()
    local out, cell = place(), tiny("a")
    local o = { out = out, measure = measure, say = silent }
    assert(cells.run({ cell }, o))
    assert(os.remove(out .. "/a/result.json"))
    local results, message = cells.run({ tiny("a", { width = 5 }) }, o)
    assert.is_nil(results)
    assert.matches("^a: .*/a holds a run with another configuration", message)
    for _, text in ipairs { "{ \"test_loss\": 0.", ("["):rep(300000) } do
      assert(files.write(out .. "/a/result.json", text))
      results, message = cells.run({ cell }, o)
      assert.is_nil(results)
      assert.matches("/a/result.json: expected a result in JSON, got damaged "
        .. "text .*: remove it", message)
    end
    assert(os.remove(out .. "/a/result.json"))
    results, message = cells.run({ tiny("b", { system = "sping" }) }, o)
    assert.is_nil(results)
    assert.matches("^b: no system is named \"sping\"", message)
    assert.is_nil(cells.run({ cell }, { out = "/dev/null/x",
      measure = measure, say = silent }))
  end)
end)
