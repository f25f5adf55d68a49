-- Signals during a training, and at any other time of a program.
local torus = require "torus"
local Log = require "torus.runs.log"

local TINY = "--set width=4 --set z=3 --set state=2 --set energy_layers=2 "
  .. "--set resolution=16 --set frames=4 --set batch=2 --set train_size=4 "
  .. "--set test_size=2 --set log_every=1 --set save_every=100000 "

describe("a signal", function()
  local base

  before_each(function()
    base = os.tmpname()
    os.remove(base)
    assert(torus.files.make_folder(base))
  end)
  after_each(function() os.execute("rm -r " .. base) end)

  -- Runs a program in the background, and a shell's commands that end it.
  local function run(program, commands)
    os.execute(([[
      env --default-signal scripts/torus %s >%s/out 2>%s/err & child=$!
      %s
      wait $child; echo $? >%s/status]]):format(program, base, base, commands, base))
    return tonumber(torus.files.read(base .. "/status")),
      torus.files.read(base .. "/out") .. torus.files.read(base .. "/err")
  end

  local function wait_for_rows(path, rows)
    return ([[for i in $(seq 600); do
        [ "$(cat %s/log.csv 2>/dev/null | wc -l)" -gt %d ] && break
        kill -0 $child 2>/dev/null || break; sleep 0.1
      done]]):format(path, rows)
  end

  for signal, number in pairs { INT = 2, TERM = 15, HUP = 1 } do
    it("SIG" .. signal .. " ends a training after its step", function()
      local path = base .. "/run"
      local status, said = run("train hgn --system pendulum --steps 100000 " .. TINY
        .. "--out " .. path,
        wait_for_rows(path, 3) .. "; kill -" .. signal .. " $child")
      assert.are.equal(128 + number, status, said)
      local how = signal == "INT" and "interrupted" or "interrupted by SIG" .. signal
      local step = tonumber(said:match("train.lua: " .. how
        .. "; the checkpoint of step (%d+) is in "))
      assert.is_number(step, said)
      local rows = assert(Log.read(path .. "/log.csv")).rows
      assert.are.equal(step, #rows)
      for i, row in ipairs(rows) do
        assert.are.equal(i, row.step)
        assert.is_number(row.loss)
      end
      local stored = assert(torus.runs.checkpoint.load(path
        .. "/checkpoint.safetensors"))
      assert.are.equal(step, stored.step)
    end)
  end

  it("ends a program without a traceback, whatever it is doing", function()
    for i = 1, 12 do
      local status, said = run("train hgn --system pendulum --steps 100000 " .. TINY
        .. "--out " .. base .. "/r" .. i, ("sleep %.3f; kill -INT $child")
        :format(i * 0.02))
      assert.is_nil(said:find("stack traceback", 1, true), said)
      assert.is_nil(said:find("JSON", 1, true), said)
      assert.are.equal(130, status, said)
    end
  end)
end)

describe("a stoppable function", function()
  local core = require "torus.core"

  it("returns and raises like any other", function()
    assert.are.same({ 1, "two" }, { core.stoppable(function(x) return x, "two" end,
      1) })
    assert.is_nil((core.stopped()))
    local ok, problem = pcall(core.stoppable, error, "no")
    assert.is_false(ok)
    assert.are.equal("no", problem)
    assert.has_error(core.stoppable, "stoppable: expected a function, got nothing")
  end)
end)
