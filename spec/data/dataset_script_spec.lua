local lfs = require "lfs"
local lock = require "torus.lock"
local torus = require "torus"

local base

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function script(arguments)
  local out, err = base .. "/out", base .. "/err"
  local _, _, status = os.execute(string.format(
    "scripts/torus scripts/dataset.lua %s >%s 2>%s", arguments, out, err))
  return status, read(out), read(err)
end

local function succeeds(arguments)
  local status, out, err = script(arguments)
  assert.are.equal("", err)
  assert.are.equal(0, status)
  return out
end

local function fails(pattern, arguments)
  local status, _, err = script(arguments)
  assert.are_not.equal(0, status)
  assert.matches(pattern, err)
  assert.is_nil(err:find("stack traceback", 1, true))
end

describe("dataset.lua", function()
  setup(function()
    base = os.tmpname()
    os.remove(base)
    assert(lfs.mkdir(base))
  end)

  teardown(function() os.execute("rm -r '" .. base .. "'") end)

  it("explains itself", function()
    assert.matches("Usage: dataset.lua", succeeds("--help"))
  end)

  it("makes a set, tells what is in it and exports its frames", function()
    local path = base .. "/deep/set"
    local made = succeeds("two_body --train 12 --test 3 --seed 5 --noise 0.1 "
      .. "--constant g=2 --steps 7 --out " .. path)
    assert.matches("12 %+ 3 trajectories in %d+%.%d+ s on %d+ threads, 0%.0 MB written",
      made)
    local set = assert(torus.data.load(path))
    assert.are.same({ 12, 3, 5, 0.1, 2, 7 }, { set.train.size, set.test.size,
      set.seed, set.noise, set.system.constants.g, set.steps })
    local told = succeeds(path .. " --info")
    assert.matches("system two_body %(d=4, g=2 m=1", told)
    assert.matches("12 train and 3 test sequences, 7 steps of 0.125, frames of "
      .. "8 x 32 x 32 x 3", told)
    assert.matches("noise floor %d+%.%d%d,", told)
    succeeds(path .. " --export-frames uint8 --export-count 4 --resolution 16")
    local frames = assert(torus.npy.load(path .. "/train.npy"))
    assert.are.same({ 4, 8, 16, 16, 3 }, frames.shape)
    assert.matches("noise floor unknown", succeeds(path .. "/train.npy --info"))
  end)

  it("writes the same bytes every time, with any number of threads", function()
    local texts = {}
    for threads = 1, 3 do
      local path = base .. "/threads" .. threads
      succeeds("two_body --train 600 --test 2 --threads " .. threads .. " --out " .. path)
      texts[threads] = read(path .. "/train.safetensors")
    end
    assert.is_true(texts[1] == texts[2] and texts[1] == texts[3])
  end)

  it("takes a system of the user's", function()
    local file = assert(io.open(base .. "/free.lua", "w"))
    file:write [[
      return { name = "free", dimension = 1, normals = 2,
        energy = function(q, p) return (p * p + q * 0):sum(2) / 2 end,
        sample = function(_, z) return z:narrow(2, 1, 1), z:narrow(2, 2, 1) end,
        positions = function(q) return require("torus").stack({ q, q * 0 }, 3) end,
        radii = { 0.3 }, half_width = 4 }]]
    file:close()
    succeeds(base .. "/free.lua --train 2 --test 1 --out " .. base .. "/free")
    fails('the data were made with a system "free", which is not defined', base .. "/free --info")
    assert.matches("system free", succeeds(base .. "/free --info --system "
      .. base .. "/free.lua"))
  end)

  it("keeps a set of another system, and one that a process is at", function()
    local path = base .. "/kept"
    succeeds("pendulum --train 2 --test 1 --out " .. path)
    local bytes = read(path .. "/train.safetensors")
    fails("kept with data of two_body: remove them",
      "two_body --train 2 --test 1 --out " .. path)
    local held = assert(lock.take(path))
    fails("another process works in it",
      "pendulum --train 3 --test 1 --out " .. path)
    fails("another process works in it", path .. " --export-frames uint8")
    held:release()
    assert.are.equal(bytes, read(path .. "/train.safetensors"))
    succeeds("pendulum --train 2 --test 1 --out " .. path)
    assert.are.equal(bytes, read(path .. "/train.safetensors"))
    fails("its name is empty",
      "pendulum --train 2 --test 1 --out ''")
  end)

  it("keeps a set of the same system that differs, and says in what", function()
    local path, file = base .. "/other", base .. "/quartic.lua"
    local function define(potential)
      local out = assert(io.open(file, "wb"))
      out:write([[return { name = "script_quartic", dimension = 1, constants = { k = 1 },
        kinetic = function(p) return (p * p):sum(2) / 2 end,
        potential = function(q, c) return ]] .. potential .. [[ end, uniforms = 2,
        sample = function(u) return u:narrow(2, 1, 1), u:narrow(2, 2, 1) end }]])
      out:close()
    end
    define "(q ^ 4):sum(2) * (c.k / 4)"
    local make = file .. " --out " .. path .. " --train 4 "
    succeeds(make .. "--test 2 --steps 9")
    local bytes = read(path .. "/train.safetensors")
    for reason, arguments in pairs {
      ["train: 4 trajectories there, 5 here"] = "--train 5 --test 2 --steps 9",
      ["test: 2 trajectories there, 1 here"] = "--test 1 --steps 9",
      ["steps: 9 there, 8 here"] = "--test 2 --steps 8",
      ["seed: 0 there, 3 here"] = "--test 2 --steps 9 --seed 3",
      ["k: 1 there, 2 here"] = "--test 2 --steps 9 --constant k=2",
    } do
      fails("cannot replace the data of script_quartic in .*other with others %(" .. reason
        .. "%): remove them, or choose another folder", make .. arguments)
    end
    define "(q ^ 2):sum(2) * (c.k / 4)"
    fails("with others %(other states, so another definition", make .. "--test 2 --steps 9")
    assert.are.equal(bytes, read(path .. "/train.safetensors"))
  end)

  it("exports from two processes at once: one file or the other", function()
    local path = base .. "/twice"
    succeeds("pendulum --train 400 --test 2 --steps 7 --out " .. path)
    local export = "scripts/torus dataset " .. path .. " --export-frames uint8 "
      .. "--out " .. path .. "/frames --export-count %d 2>&1 &"
    os.execute("(" .. (export .. export):format(400, 300) .. " wait) >" .. base
      .. "/said")
    local said = read(base .. "/said")
    local frames = assert(torus.npy.load(path .. "/frames/train.npy"))
    local set = assert(torus.data.load(path))
    local count = frames:size(1)
    assert.matches("train.npy: " .. count .. " sequences", said)
    local want = (set.train:batch(torus.arange(1, count, { dtype = "int64" })) * 255
      + 0.5):floor():to("uint8")
    assert.are.equal(0, (frames:to("float32") - want:to("float32")):abs():max():item())
    for name in lfs.dir(path .. "/frames") do
      assert.is_nil(name:find(".tmp", 1, true))
    end
  end)

  it("fails where its output can't be written", function()
    local status = select(3, os.execute("scripts/torus dataset pendulum --train 2 "
      .. "--test 1 --out " .. base .. "/full >/dev/full 2>" .. base .. "/err"))
    assert.are.equal(1, status)
    assert.matches("dataset.lua: cannot write to standard output: ",
      read(base .. "/err"))
  end)

  it("gives one message for what it can't do", function()
    fails("expected %-%-out, %-%-info or", "pendulum")
    fails('data: cannot open "planets": expected a system', "planets --info")
    fails("system pendulum: has no constant", "pendulum --constant x=1 --info")
    fails("expected name=value", "pendulum --constant g --info")
    fails('option "train": expected an integer, got 1.5',
      "pendulum --train 1.5 --out " .. base .. "/x")
    fails('option "noise": expected at least 0, got %-1',
      "pendulum --noise -1 --info")
    fails('expected a number, got "some"', "pendulum --noise some --info")
    fails("unknown option '%-%-trian'", "pendulum --trian 3 --info")
    fails("cannot create folder /proc/x", "pendulum --train 1 --test 1 --out /proc/x")
    fails("%-%-export%-frames: expected %-%-out too",
      "pendulum --train 1 --test 1 --export-frames uint8")
    fails("No such file", base .. "/none.npy --info")
    fails("cannot open", base .. "/none.lua --info")
    fails('^dataset.lua: render: option "resolution": expected at most 4096',
      "pendulum --train 1 --test 1 --resolution 5000 --info")
  end)
end)
