-- The order of writes, flushes and renames that lets a loss of power leave either the old
-- or the new files.
local durable = require "spec.support.durable"
local files = require "torus.files"
local folders = require "spec.support.folders"
local raises = require "spec.support.raises"

local TINY = " --set width=4 --set z=3 --set state=2 --set energy_layers=2 "
  .. "--set resolution=16 --set frames=4 --set batch=2 --set train_size=4 "
  .. "--set test_size=2 --set noise=0 --set save_every=2 --set log_every=1 "

describe("a loss of power", function()
  local base, record

  setup(function()
    base = folders.new()
    assert(files.make_folder(base))
    record = durable.recorder(base)
  end)
  teardown(folders.clear)

  local function torus(arguments)
    return record(("scripts/torus %s >%s/out"):format(arguments, base))
  end

  -- The paths below `base` that files were renamed to, without "problems".
  local function durable_renames(events, observe)
    local problems, renamed = durable.problems(events, observe)
    assert.are.same({}, problems)
    for i, path in ipairs(renamed) do renamed[i] = path:match "([^/]+/[^/]+)$" end
    return renamed
  end

  it("is seen by the recorder where files are not flushed", function()
    local path = base .. "/careless"
    local problems, renamed = durable.problems(record(([[lua5.4 -e '
      local lfs = require "lfs"
      lfs.mkdir "%s"
      local file = io.open("%s/a.tmp", "w")
      file:write("text")
      file:flush()
      os.rename("%s/a.tmp", "%s/a")']]):format(path, path, path, path)))
    assert.are.same({ path .. "/a" }, renamed)
    assert.are.equal(3, #problems)
    assert.are.equal(path .. "/a.tmp was renamed before " .. path .. "/a.tmp was flushed",
      problems[1])
  end)

  -- A checkpoint whose rows may be missing from the log would be continued without them.
  local function log_comes_first(event, written, problems)
    if event.type ~= "rename" or not event.to:find "/checkpoint%.safetensors$" then return end
    local log = event.to:gsub("checkpoint%.safetensors$", "log.csv")
    if written[log] then
      problems[#problems + 1] = event.to .. " was renamed before the log was flushed"
    end
  end

  it("leaves a training's configuration, log and checkpoint complete", function()
    local path = base .. "/new/run"
    local events = torus("train hgn --system pendulum --steps 4 --out " .. path .. TINY)
    local rows = 0
    for _, event in ipairs(events) do
      if event.type == "write" and event.path == path .. "/log.csv" then rows = rows + 1 end
    end
    assert.is_true(rows >= 4)
    assert.are.same({ "run/config.json", "run/log.csv", "run/checkpoint.safetensors",
      "run/checkpoint.safetensors", "run/checkpoint.safetensors" },
      durable_renames(events, log_comes_first))
    events = torus("train hgn --resume --steps 5 --out " .. path)
    assert.are.same({ "run/config.json", "run/log.csv", "run/checkpoint.safetensors" },
      durable_renames(events, log_comes_first))
  end)

  it("leaves the rows of an interrupted training, too", function()
    local path = base .. "/stopped"
    local events = record(([[scripts/torus -e '
      local torus = require "torus"
      local config = assert(torus.runs.configuration.make(nil, { model = "hgn", width = 4,
        z = 3, state = 2, resolution = 16, frames = 4, energy_layers = 2, batch = 2,
        steps = 9, system = "pendulum" }))
      local set = torus.data.simulate("pendulum", { train = 4, test = 2, steps = 3,
        resolution = 16 })
      local result, message = torus.runs.loop { folder = "%s", config = "{}", steps = 9,
        task = require("torus.tasks.hgn").new(config, set), log_every = 1,
        after_step = function() require("torus.core").note_stop(15) end }
      assert(not result and message:find "checkpoint of step 1 is in", message)']])
      :format(path))
    assert.are.same({ "stopped/config.json", "stopped/log.csv",
      "stopped/checkpoint.safetensors", "stopped/checkpoint.safetensors" },
      durable_renames(events, log_comes_first))
  end)

  it("leaves both files of a data set, old or new", function()
    for seed = 1, 2 do
      local events = record(([[scripts/torus -e '
        local torus, folder = require "torus", "%s/set"
        assert(torus.files.make_folder(folder))
        assert(torus.data.simulate("mass_spring", { train = 3, test = 2, seed = %d })
          :save(folder))']]):format(base, seed))
      assert.are.same({ ".set-being-written/train.safetensors",
        ".set-being-written/test.safetensors", "set/.set-committed",
        "set/train.safetensors", "set/test.safetensors" }, durable_renames(events))
    end
  end)

  it("leaves every written file, old or new", function()
    local events = record(([[scripts/torus -e '
      local torus, folder = require "torus", "%s"
      local x = torus.rand(4, 4, 3)
      for _ = 1, 2 do
        assert(torus.save(folder .. "/a.safetensors", { x = x }))
        assert(torus.npy.save(folder .. "/a.npy", x))
        assert(torus.npz.save(folder .. "/a.npz", { x = x }))
        assert(torus.csv.save(folder .. "/a.csv", torus.rand(2, 2)))
        assert(torus.image.write(folder .. "/a.png", x))
        assert(torus.image.gif(folder .. "/a.gif", torus.rand(2, 4, 4, 3)))
        assert(torus.files.write(folder .. "/a.txt", "text"))
      end']]):format(base))
    local folder = base:match "[^/]+$"
    local expected = {}
    for i, extension in ipairs { "safetensors", "npy", "npz", "csv", "png", "gif", "txt" } do
      expected[i] = folder .. "/a." .. extension
      expected[i + 7] = expected[i]
    end
    assert.are.same(expected, durable_renames(events))
  end)

  it("is no matter for a pipe, nor for a log that is closed", function()
    local core, log = require "torus.core", require "torus.runs.log"
    local pipe = assert(io.popen("cat >/dev/null", "w"))
    assert.is_true(core.flush_file(pipe))
    pipe:close()
    assert.error_matches(function() core.flush_file(pipe) end,
      "flush_file: expected an open file")
    local closed = assert(log.open(base .. "/log.csv", { "step" }, 0))
    closed:close()
    raises("Log:flush: the log of ", function() closed:flush() end)
  end)
end)
