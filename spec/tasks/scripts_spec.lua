-- The scripts with the smaller models: hnn, pixel_hnn, nhf and figure 9.
local json = require "dkjson"
local lfs = require "lfs"
local files = require "torus.files"
local torus = require "torus"

local base

local function script(arguments)
  local out, err = base .. "/out", base .. "/err"
  local _, _, status = os.execute(string.format(
    "scripts/torus scripts/%s >%s 2>%s", arguments, out, err))
  return status, files.read(out), files.read(err)
end

local function succeeds(arguments, ...)
  local status, out, err = script(arguments:format(...))
  assert.are.equal(0, status, err)
  return out
end

local function fails(pattern, arguments, ...)
  local status, _, err = script(arguments:format(...))
  assert.is_true(status ~= 0)
  assert.matches(pattern, err)
  assert.is_nil(err:find("stack traceback", 1, true))
end

-- A PNG file of some size.
local function is_picture(path)
  local text = assert(files.read(path))
  assert.are.equal("\137PNG", text:sub(1, 4))
  assert.is_true(#text > 500)
end

-- README's example of a system of the user's own, word for word.
local function own_system()
  local text = assert(files.read("README.md"))
    :match("## Your own system.-```lua\n(.-)```")
  local path = base .. "/quartic.lua"
  assert(files.write(path, text))
  return path
end

describe("the scripts with smaller models", function()
  setup(function()
    base = os.tmpname()
    os.remove(base)
    assert(lfs.mkdir(base))
  end)

  teardown(function() os.execute("rm -r " .. base) end)

  it("train and measure an hnn", function()
    succeeds("train.lua hnn --system pendulum --steps 3 --out %s/hnn "
      .. "--set width=8", base)
    local found = json.decode(succeeds("evaluate.lua %s/hnn --json --pictures",
      base))
    assert.are.equal(3, found.step)
    assert.is_true(found.test_loss > 0 and found.energy_rk45 > 0)
    succeeds("evaluate.lua %s/hnn --pictures", base)
    is_picture(base .. "/hnn/rollouts.png")
    fails("^rollout.lua: expected a run of hgn, got .*/hnn of hnn; evaluate.lua "
      .. "%-%-pictures writes its pictures\n$",
      "rollout.lua %s/hnn", base)
    fails("%-%-split: expected a run of hgn or pixel_hnn",
      "evaluate.lua %s/hnn --split train", base)
    fails("%-%-steps: expected a run of hgn or pixel_hnn, got .*/hnn of hnn",
      "evaluate.lua %s/hnn --steps 40", base)
    fails("expected runs of hgn or pixel_hnn, got .*/hnn of hnn",
      "compare.lua %s/hnn", base)
    fails("no system is named", "train.lua hnn --system sping --out %s/none", base)
    fails("unknown key \"tolerance\"", "train.lua hnn --set tolerance=1")
  end)

  it("train and measure a flow, of a user's samples too", function()
    local tiny = "--set width=4 --set flows=1 --set batch=16 --steps 3"
    succeeds("train.lua nhf --preset small --prior soft_uniform --out %s/nhf "
      .. "--set dimension=1 --set modes=2 %s", base, tiny)
    local out = succeeds("evaluate.lua %s/nhf", base)
    assert.matches("integral of the density", out)
    assert.matches("modes found", out)
    assert(torus.npy.save(base .. "/mine.npy", torus.rand { 40, 3 }))
    succeeds("train.lua nhf --data %s/mine.npy --out %s/mine %s", base, base,
      tiny)
    succeeds("train.lua nhf --resume --steps 5 --out %s/mine", base)
    local _, _, said = script(string.format("evaluate.lua %s/mine --pictures "
      .. "--count 20", base))
    assert.matches("expected a flow of 2 dimensions, got 3", said)
    fails("%-%-split: expected a run of hgn or pixel_hnn, got .* of nhf",
      "evaluate.lua %s/mine --split test", base)
    fails("No such file", "train.lua nhf --data %s/none.npy --out %s/none",
      base, base)
  end)

  it("take README's file as a system, and a folder made of it", function()
    local own = own_system()
    local hgn = "--set width=4 --set z=3 --set state=2 --set energy_layers=2 "
      .. "--set resolution=16 --set frames=4 --set batch=2 --steps 1 "
    local few = "--set train_size=6 --set test_size=3 "
    for run, arguments in pairs { ["a-hgn"] = "hgn " .. hgn .. few,
      ["a-hnn"] = "hnn --steps 1 --set width=4",
      ["a-pixels"] = "pixel_hnn --steps 1 --set width=4 --set frames=5 " .. few,
    } do
      succeeds("train.lua %s --system %s --out %s/%s", arguments, own, base, run)
      succeeds("evaluate.lua %s/%s --count 2 --system %s", base, run, own)
      succeeds("train.lua --resume --steps 2 --out %s/%s --system %s", base, run,
        own)
    end
    fails("no system is named \"quartic\" .*%-%-system FILE",
      "evaluate.lua %s/a-hgn --count 2", base)
    succeeds("rollout.lua %s/a-hgn --sequences 1 --samples 1 --system %s", base,
      own)
    succeeds("dataset.lua %s --train 7 --test 3 --steps 3 --seed 5 --out %s/set",
      own, base)
    fails("the data were made with a system \"quartic\", which is not defined",
      "train.lua hgn --data %s/set --out %s/b %s", base, base, hgn)
    fails("system: expected \"quartic\", which the data were made with, got \"pendulum\"",
      "train.lua hgn --data %s/set --system pendulum --out %s/b %s", base,
      base, hgn)
    succeeds("train.lua hgn --data %s/set --system %s --out %s/b %s", base, own,
      base, hgn)
    succeeds("evaluate.lua %s/b --count 2 --system %s", base, own)
    succeeds("train.lua pixel_hnn --steps 1 --set width=4 --data %s/set "
      .. "--system %s --out %s/c", base, own, base)
    fails("cannot open .*none.lua", "train.lua hgn --system %s/none.lua "
      .. "--out %s/d", base, base)
  end)

  it("split a video of the user's as it is", function()
    local path = base .. "/video.npy"
    assert(torus.npy.save(path, torus.rand { 10, 4, 8, 8, 3 }))
    local function trains(model, more)
      return ("train.lua %s --data %s --steps 1 --set resolution=8 "
        .. "--set width=4 --out %s/v-%s %s"):format(model, path, base, model,
        more)
    end
    succeeds(trains("pixel_hnn", ""))
    assert.matches("MSE against observed frames",
      succeeds("evaluate.lua %s/v-pixel_hnn --count 2", base))
    local hgn = "--preset demo --set z=3 --set state=2 --set batch=2 "
    fails("set frames = 4 to match", trains("hgn", hgn))
    succeeds(trains("hgn", hgn .. "--set frames=4"))
    fails("got 20 and 2", trains("hgn", hgn
      .. "--set train_size=20"))
    fails("expected no noise with given frames, got 0.5",
      trains("hgn", hgn .. "--set noise=0.5"))
    fails('expected no system with given frames, got "pendulum"',
      trains("hgn", hgn .. "--system pendulum"))
    fails("set frames = 4 to match", trains("pixel_hnn", "--set frames=31"))
    fails("set resolution = 8 to match", trains("pixel_hnn",
      "--set resolution=16"))
    assert(torus.npy.save(path, torus.rand { 10, 4, 8, 16, 3 }))
    fails("set frame_width = 16 to match", trains("hgn", hgn .. "--set frames=4"))
    succeeds((trains("hgn", hgn .. "--set frames=4 --set frame_width=16")
      :gsub("/v%-hgn", "/v-wide")))
  end)

  it("make figure 9", function()
    succeeds("figures.lua 9 --out %s/figures --steps 2 --set targets=mixture2",
      base)
    is_picture(base .. "/figures/figure9.png")
    -- The same flow again is there; another is not mistaken for it.
    succeeds("figures.lua 9 --out %s/figures --steps 2 --set targets=mixture2",
      base)
    for _, other in ipairs { "--steps 3", "--steps 2 --seed 7",
      "--steps 2 --set objective=geco" } do
      fails("nhf%-mixture2%-one%-soft_uniform holds a run with another "
        .. "configuration", "figures.lua 9 --out %s/figures --set "
        .. "targets=mixture2 %s", base, other)
    end
    fails('unknown figure "99"', "figures.lua 99")
  end)

  it("refuse settings that figure 9 doesn't know", function()
    fails('unknown option "target", did you mean "targets"%? %(known: objective, ',
      "figures.lua 9 --out %s/figures --set target=moons", base)
    fails("figure9: targets is empty",
      "figures.lua 9 --out %s/figures --set targets=", base)
    fails("figure9: .*target.*expected one of",
      "figures.lua 9 --out %s/figures --set targets=moonz", base)
  end)

  it("train and measure a pixel_hnn", function()
    succeeds("train.lua pixel_hnn --out %s/pixels --steps 2 --set width=8 "
      .. "--set resolution=8 --set train_size=8 --set test_size=4 "
      .. "--set frames=8", base)
    local out = succeeds("evaluate.lua %s/pixels --pictures", base)
    assert.matches("valid steps", out)
    is_picture(base .. "/pixels/latent.png")
    is_picture(base .. "/pixels/strip.png")
    fails("no system is named", "train.lua pixel_hnn --system x --out %s/none", base)
  end)
end)
