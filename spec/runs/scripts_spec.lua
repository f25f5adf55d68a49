local json = require "dkjson"
local folders = require "spec.support.folders"
local torus = require "torus"
local files = require "torus.files"

local TINY = " --set width=4 --set z=3 --set state=2 --set energy_layers=2 "
  .. "--set resolution=16 --set frames=4 --set batch=2 --set train_size=8 "
  .. "--set test_size=4 --set noise=0 --set save_every=2 --set log_every=1 "
  .. "--set evaluate_every=4 --set evaluate_count=4 "

local base

-- Runs a script; returns its exit status, output and errors.
local function script(arguments)
  local out, err = base .. "/out", base .. "/err"
  local _, _, status = os.execute(string.format(
    "scripts/torus scripts/%s >%s 2>%s", arguments, out, err))
  return status, files.read(out), files.read(err)
end

local function succeeds(arguments)
  local status, out, err = script(arguments)
  assert.are.equal(0, status, err)
  -- no terminal, no progress line
  assert.are.equal("", err)
  return out
end

local function fails(arguments, pattern)
  local status, _, err = script(arguments)
  assert.is_true(status ~= 0)
  assert.matches(pattern, err)
  assert.is_nil(err:find("stack traceback", 1, true))
end

describe("the scripts", function()
  setup(function()
    base = folders.new()
    assert(files.make_folder(base))
    succeeds("train.lua hgn --steps 4 --out " .. base .. "/run" .. TINY)
  end)

  teardown(folders.clear)

  for _, name in ipairs { "train", "evaluate", "rollout", "compare",
    "dimension", "demo" } do
    it(name .. " explains itself", function()
      assert.matches("Usage: " .. name .. ".lua",
        succeeds(name .. ".lua --help"))
    end)
  end

  it("train checks the system and the activation before it announces the run", function()
    local status, out, err = script("train.lua hnn --system nosuch --out " .. base .. "/none")
    assert.are.equal(1, status)
    assert.are.equal("", out)
    assert.matches("^train.lua: no system is named \"nosuch\" %(known: [^\n]*\n$", err)
    for _, model in ipairs { "hnn", "sympnet" } do
      fails("train.lua " .. model .. " --set activation=foo --out " .. base .. "/none",
        '^train.lua: %-%-set: activation: expected one of "elu", [^\n]*"tanh"; got "foo"[^\n]*\n$')
    end
    assert.is_false(files.exists(base .. "/none"))
  end)

  it("train takes no steps, by --steps as by --set", function()
    for i, option in ipairs { "--steps 0", "--set steps=0" } do
      local path = base .. "/still" .. i
      succeeds("train.lua hnn --preset small " .. option .. " --out " .. path)
      local _, _, step = torus.runs.open(path)
      assert.are.equal(0, step)
    end
    fails("train.lua hnn --steps -1", '%-%-steps: expected an integer of at least 0, got "%-1"')
  end)

  it("train leaves a run folder", function()
    for _, name in ipairs { "config.json", "log.csv",
      "checkpoint.safetensors" } do
      assert.is_true(files.exists(base .. "/run/" .. name))
    end
  end)

  it("train goes on where it was and gets the same weights", function()
    local half = base .. "/half"
    succeeds("train.lua hgn --steps 2 --out " .. half .. TINY)
    succeeds("train.lua hgn --resume --steps 4 --out " .. half)
    local one = torus.load(base .. "/run/checkpoint.safetensors")
    local two = torus.load(half .. "/checkpoint.safetensors")
    for name, tensor in pairs(one) do
      assert.are.equal(torus.to_bytes(tensor), torus.to_bytes(two[name]), name)
    end
    assert.matches("is already at step 4",
      succeeds("train.lua hgn --resume --out " .. half))
  end)

  it("train goes on with the model and the data that the run has", function()
    local path = base .. "/kept"
    succeeds("train.lua hgn --steps 3 --out " .. path .. TINY)
    local text = files.read(path .. "/config.json")
    local function refused(pattern, arguments)
      fails("train.lua " .. arguments .. " --resume --out " .. path, pattern)
      assert.are.equal(text, files.read(path .. "/config.json"))
    end
    refused('kept: system: expected the run\'s "mass_spring", got "pendulum"',
      "hgn --system pendulum")
    refused("kept: width: expected the run's 4, got 8", "--set width=8")
    refused("kept: seed: expected the run's 1, got 2", "--seed 2")
    refused("kept: noise: expected the run's 0, got 0.5", "--set noise=0.5")
    refused("kept is already at step 3, expected at least that many, got 2", "--steps 2")
    refused("kept: model: expected the run's hgn, got hnn", "hnn")
    succeeds("train.lua --resume --steps 4 --set lr=0.01 --out " .. path)
    assert.matches('"lr": 0.01', files.read(path .. "/config.json"))
  end)

  it("evaluate prints figures, or JSON", function()
    local out = succeeds("evaluate.lua " .. base .. "/run --count 4")
    assert.matches("MSE against noise%-free frames +%d+%.%d+e%-4", out)
    assert.matches("noise floor +0%.00e%-4", out)
    local numbers = json.decode(succeeds("evaluate.lua " .. base
      .. "/run --count 4 --json"))
    assert.are.equal(4, numbers.step)
    assert.are.equal(4, #numbers.mse_by_frame)
    local sum = 0
    for _, mse in ipairs(numbers.mse_by_frame) do sum = sum + mse / 4 end
    assert.is_near(numbers.mse_clean, sum, 1e-7)
    assert.is_near(numbers.ratio, numbers.mse_clean / numbers.mse_still, 1e-9)
  end)

  it("evaluate measures rollouts beyond the frames of training", function()
    local n = json.decode(succeeds("evaluate.lua " .. base
      .. "/run --steps 12 --count 6 --json"))
    assert.are.equal(4, n.step)
    assert.are.equal(12, n.steps)
    assert.are.equal(4, n.window)
    assert.are.equal(9, n.prediction_time.limit)
    assert.are.equal(13, #n.mse.by_step)
    assert.matches("needs 5 sequences", n.symetric_missing)
    assert.are.equal(n.count, #n.period.points + n.period.missing)
    for _, key in ipairs { "mean", "median" } do
      assert.is_number(n.valid[key])
      assert.is_number(n.energy_drift[key])
    end
    -- the first four frames are those that are measured without --steps
    local short = json.decode(succeeds("evaluate.lua " .. base
      .. "/run --count 6 --json"))
    assert.is_near(short.mse_clean, n.mse.window, 1e-6 * short.mse_clean)
    assert.is_number(short.valid)
    local out = succeeds("evaluate.lua " .. base
      .. "/run --steps 12 --count 2 --pictures")
    assert.matches("valid steps +mean", out)
    assert.matches("long%-errors.png\n.*long%-frames.png\n", out)
  end)

  it("evaluate draws the phase portrait of a vector phase space", function()
    local run = base .. "/vector"
    succeeds("train.lua hgn --steps 2 --set phase=vector --set context=3 "
      .. "--set fit_steps=0 --set teach_steps=0 --out "
      .. run .. TINY)
    assert.matches("\n" .. run .. "/portrait.png\n$", succeeds("evaluate.lua "
      .. run .. " --count 2 --steps 9 --refine 1 --pictures"))
    assert(os.remove(run .. "/portrait.png"))
    assert.matches("/portrait.png\n$",
      succeeds("evaluate.lua " .. run .. " --count 2 --pictures"))
    assert.are.equal("\137PNG", assert(files.read(run .. "/portrait.png")):sub(1, 4))
  end)

  it("dimension trains with 1, 2, ... degrees of freedom and picks", function()
    local arguments = "dimension.lua --steps 1 --max 2 --count 3 --rollout 6 "
      .. "--out " .. base .. "/dimension --frames 4 --set width=4 --set state=2 "
      .. "--set energy_layers=1 --set resolution=16 --set batch=2 "
      .. "--set train_size=4 --set test_size=3 "
    local status, out, err = script(arguments)
    assert.are.equal(0, status, err)
    assert.matches("%[2/2%] n2: 1 steps", err)
    assert.matches("| valid steps of 6 |", out)
    assert.matches("\n%d degrees? of freedom: ", out)
    local found = json.decode(succeeds(arguments .. "--json"))
    assert.are.same({ 1, 2 }, { found.rows[1].n, found.rows[2].n })
    assert.is_number(found.dimension)
    fails(arguments .. "--set dimension=3",
      "dimension.lua: dimension: changes: expected neither phase nor dimension")
    fails("dimension.lua --data " .. base .. "/none.npy --out " .. base .. "/no",
      "none.npy")
    fails("dimension.lua --system sping --out " .. base .. "/no",
      "no system is named \"sping\"")
  end)

  it("compare puts runs next to each other", function()
    local both = base .. "/run " .. base .. "/run/checkpoint.safetensors"
    local out = succeeds("compare.lua " .. both .. " --steps 9 --count 2 --out "
      .. base .. "/compared")
    assert.matches("^run +valid steps .*\ncheckpoint.safetensors +valid", out)
    for path in out:gmatch("[^\n]+%.png") do
      assert.are.equal("PNG", files.read(path):sub(2, 4))
    end
    local list = json.decode(succeeds("compare.lua " .. both
      .. " --steps 9 --count 2 --json"))
    assert.are.equal(2, #list)
    assert.are.equal(list[1].valid.mean, list[2].valid.mean)
    assert.are.equal(base .. "/run", list[1].run)
  end)

  it("rollout writes strips and animations", function()
    local out = succeeds("rollout.lua " .. base .. "/run --sequences 1 "
      .. "--samples 2 --out " .. base .. "/pictures")
    for path in out:gmatch("[^\n]+") do
      local start = files.read(path):sub(1, 6)
      assert.is_true(start == "GIF89a" or start:sub(2, 4) == "PNG", path)
    end
    assert.matches("strip%-1.png.*strip%-1.gif.*samples.png.*samples.gif", out)
  end)

  it("train, measure and draw in float64", function()
    local run = base .. "/double"
    succeeds("train.lua hgn --steps 4 --set dtype=float64 --out " .. run .. TINY)
    assert.matches("\n4,.-,.-,.-,.-,0%.%d+,", files.read(run .. "/log.csv"))
    succeeds("evaluate.lua " .. run .. " --count 2")
    succeeds("rollout.lua " .. run .. " --sequences 1 --samples 1")
  end)

  it("refuse unknown keys, presets, systems and options", function()
    fails("train.lua hgn --set widht=3",
      "unknown key \"widht\", did you mean \"width\"%? %(known: ")
    fails("train.lua hgn --set width=x", "width: expected an integer, got \"x\"")
    fails("train.lua hgn --preset tiny", "unknown preset \"tiny\"")
    fails("train.lua hgn --system sping --out " .. base .. "/none",
      "no system is named \"sping\" %(known: .*mass_spring, .*pendulum")
    fails("train.lua hgn --colour red", "unknown option '%-%-colour'")
    fails("train.lua nosuch", "must be one of 'hgn'")
    fails("train.lua --steps -1", "integer of at least 0")
    fails("rollout.lua " .. base .. "/run --seed 1.5",
      "integer of at least 0")
    fails("evaluate.lua " .. base .. "/run --pictures",
      "pictures: expected a run with phase = \"vector\", .*rollout.lua writes")
    fails("bench.lua --rounds 0", "integer of at least 1")
    fails("bench.lua --peer --python /none/python3",
      "^bench.lua: %-%-peer: /none/python3 does not run: .*not found\n")
  end)

  it("tell a configuration that can't be in one line", function()
    fails("train.lua hgn --set train_size=10 --set test_size=1 --out " .. base
      .. "/none", "^train.lua: data.order: batch: expected at most 10, the "
      .. "number of sequences, got 16\n$")
    fails("train.lua hgn --threads 100000",
      "^train.lua: set_threads: expected 1%.%.256, got 100000\n$")
    fails("evaluate.lua " .. base .. "/run --threads 100000",
      "^evaluate.lua: set_threads: ")
    fails("table1.lua --list --threads 100000", "^table1.lua: set_threads: ")
  end)

  it("refuse folders that hold no run, or one already", function()
    fails("train.lua hgn --resume --out " .. base .. "/none",
      "expected a run in .*none, found none")
    fails("train.lua hgn --steps 4 --out " .. base .. "/run" .. TINY,
      "already holds a run: resume it")
    fails("evaluate.lua " .. base .. "/none",
      "none: expected a run, with a checkpoint.safetensors, found none")
    fails("train.lua hgn --out /proc/none" .. TINY,
      "cannot create folder /proc/none")
  end)

  it("keep a checkpoint when control-C stops them", function()
    local run = base .. "/stopped"
    -- starts the run in the background, waits for its first step, stops it
    local status = os.execute(string.format([[
      scripts/torus scripts/train.lua hgn --steps 1000000 --set \
        save_every=1000000 --out %s %s >%s/out 2>%s/err & pid=$!
      while ! grep -q '^5,' %s/log.csv 2>/dev/null; do sleep 0.05; done
      kill -INT $pid; wait $pid; test $? -eq 130]], run,
      TINY:gsub("%-%-set save_every=2", ""), base, base, run))
    assert.is_true(status)
    local step = files.read(base .. "/err"):match(
      "interrupted; the checkpoint of step (%d+)")
    assert.is_true(tonumber(step) >= 5)
  end)
end)
