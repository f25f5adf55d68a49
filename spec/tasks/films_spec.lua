-- Films of every form train models: two steps, then a reconstruction.
local configuration = require "torus.runs.configuration"
local files = require "torus.files"
local folders = require "spec.support.folders"
local options = require "torus.options"
local tasks = require "torus.tasks"
local torus = require "torus"

local base, film

-- A bright square that swings over a shaded background, with a camera's noise:
-- (48, 20, 28, 3) from 0 to 1.
local function swinging()
  local x = torus.linspace(0.1, 0.6, 28):reshape(1, 1, 28, 1):expand(48, 20, 28, 3):contiguous()
  for t = 1, 48 do
    local at = 12 + math.floor(8 * math.sin(t / 4) + 0.5)
    x[{ t, { 8, 12 }, { at, at + 4 } }] = 0.9
  end
  return (x + torus.randn(x.shape, { generator = torus.generator(5) }) * 0.01):clamp(0, 1)
end

setup(function()
  base = folders.new()
  assert(files.make_folder(base .. "/bin"))
  film = swinging()
end)
teardown(folders.clear)

-- Numbers as IEEE 754's half precision: from 0 to 1 rounded to multiples of 2^-11.
local function float16(x, path)
  local parts = {}
  for i, value in ipairs(x:reshape(-1):totable()) do
    local exponent = value > 0 and math.max(-14, math.floor(math.log(value, 2))) or -14
    local fraction = math.floor((value / 2.0 ^ exponent) * 1024 + 0.5)
    local bits = value < 2.0 ^ -14 and 0 or ((exponent + 15) << 10) + fraction - 1024
    parts[i] = string.pack("<I2", bits)
  end
  local header = ("{'descr': '<f2', 'fortran_order': False, 'shape': (%s), }")
    :format(table.concat(x.shape, ", "))
  header = header .. (" "):rep(-(#header + 11) % 64) .. "\n"
  return files.write(path, "\x93NUMPY\1\0" .. string.pack("<I2", #header) .. header
    .. table.concat(parts))
end

local function ppm(x)
  return ("P6\n%d %d\n255\n"):format(x:size(2), x:size(1))
    .. torus.to_bytes((x * 255 + 0.5):floor():to("uint8"))
end

local FORMATS = {
  { "uint8 in colour", "colour.npy", 3, function(path)
    return torus.npy.save(path, (film * 255 + 0.5):floor():to("uint8"))
  end },
  { "float64 from 0 to 255", "wide.npy", 3, function(path)
    return torus.npy.save(path, film:to("float64") * 255)
  end },
  { "float16", "half.npy", 3, function(path) return float16(film, path) end },
  { "grey sequences", "grey.npy", 1, function(path)
    return torus.npy.save(path, film:mean(4):reshape(12, 4, 20, 28))
  end },
  { "two channels", "two.npy", 2, function(path)
    return torus.npy.save(path, film:narrow(4, 1, 2):contiguous())
  end },
  { "four channels", "four.npz", 4, function(path)
    return torus.npz.save(path, { frames = torus.cat({ film, film:narrow(4, 1, 1) }, 4) })
  end },
  { "PNGs", "pictures", 3, function(path)
    assert(files.make_folder(path))
    for t = 1, 48 do assert(torus.image.write(path .. "/" .. t .. ".png", film[t])) end
    return true
  end },
  { "a GIF", "film.gif", 3, function(path) return torus.image.gif(path, film) end },
}

local MODELS = {
  hgn = { width = 4, state = 2, energy_layers = 2, batch = 2 },
  pixel_hnn = { kind = "conv", conv_width = 4, width = 4, batch = 2 },
}

-- Two steps on a film; the model, its data and what it evaluates.
local function trained(model, path, changes)
  local config = assert(configuration.make(model == "hgn" and "demo" or "small",
    options.joined({ model = model, data = path, steps = 2, frames = 4, resolution = 24,
      frame_width = 32, data_fit = "pad" }, MODELS[model], changes)))
  local task = assert(tasks.get(model))
  local set = assert(task.open_data(config))
  local training = task.new(config, set)
  local before = training.model.decoder:parameters()[1]:detach() + 0
  for step = 1, 2 do
    training.optimiser:step((training:step(step)))
    assert.is_nil(training:first_bad())
  end
  assert.is_true((training.model.decoder:parameters()[1] - before):abs():max():item() > 0)
  return training.model, set, training:evaluate().test_mse
end

describe("films train", function()
  for _, format in ipairs(FORMATS) do
    local name, file, channels, write = table.unpack(format)
    for model in pairs(MODELS) do
      it(model .. " as " .. name, function()
        local path = base .. "/" .. file
        assert(write(path))
        local net, set, error_ = trained(model, path, { channels = channels })
        assert.is_true(error_ > 0 and error_ < 1)
        local frames = set.test:batch { 1 }
        assert.are.same({ 1, 4, 24, 32, channels }, frames.shape)
        local images = net:reconstruct(frames)
        assert.are.same(frames.shape, images.shape)
        assert.is_true((images * 0):sum():item() == 0)
        -- The middle is the film, whatever held it: 8 bits, a palette, a mean of colours.
        local inner = frames:narrow(3, 3, 20):narrow(4, 3, 28):select(1, 1)
        local at = 1 + 4 * set.train.size
        local want = film:narrow(1, at, 4)
        local shown = math.min(channels, 3)
        if channels == 1 then want = want:mean(4, true) end
        assert.is_true((inner:narrow(4, 1, shown) - want:narrow(4, 1, shown)):abs()
          :mean():item() < 0.03)
      end)
    end
  end

  it("without the background of a still camera", function()
    local path = base .. "/median.npy"
    assert(torus.npy.save(path, film))
    for model in pairs(MODELS) do
      local net, set = trained(model, path, { background = "median" })
      local shade = torus.linspace(0.1, 0.6, 28):reshape(1, 28, 1)
      local background = set.background:narrow(1, 3, 20):narrow(2, 3, 28)
      -- Where the square is seen less than half of the time, as it is everywhere.
      assert.is_true((background - shade):abs():max():item() < 0.02)
      local frames = set.test:batch { 1 }
      assert.is_true(math.abs(frames:narrow(3, 1, 6):mean():item() - 0.5) < 0.002)
      assert.is_true(frames:max():item() > 0.6)
      assert.are.same(frames.shape, net:reconstruct(frames).shape)
    end
  end)

  it("as cropped, shrunk and skipped", function()
    local path = base .. "/parts.npy"
    assert(torus.npy.save(path, film))
    local _, set = trained("hgn", path, { data_crop = { 3, 5, 16, 16 }, data_shrink = 2,
      data_every = 2, data_grey = true, data_fit = "none", resolution = 8,
      frame_width = 8, frames = 3, channels = 1 })
    local want = film:narrow(2, 3, 16):narrow(3, 5, 16):reshape(48, 8, 2, 8, 2, 3)
      :mean { 3, 5 }
    want = want:narrow(4, 1, 1) * 0.299 + want:narrow(4, 2, 1) * 0.587
      + want:narrow(4, 3, 1) * 0.114
    local got = set.train:batch { 2 }:squeeze(1)
    for i, t in ipairs { 7, 9, 11 } do
      assert.is_true((got[i] - want[t]):abs():max():item() < 1e-6)
    end
  end)
end)

describe("films by the scripts", function()
  local function script(text, ...)
    local out = base .. "/out"
    local _, _, status = os.execute(("PATH=%s/bin:$PATH scripts/torus scripts/%s >%s 2>&1")
      :format(base, text:format(...), out))
    return status, assert(files.read(out))
  end

  local SMALL = "--preset demo --steps 2 --set frames=4 --set batch=2 --set width=4 "
    .. "--set state=2 "

  it("train on mp4, are described and drawn", function()
    local frames = {}
    for t = 1, 48 do frames[t] = ppm(film[t]) end
    assert(files.write(base .. "/stream", table.concat(frames)))
    assert(files.write(base .. "/bin/ffmpeg", "#!/bin/sh\ncat " .. base .. "/stream\n"))
    assert(os.execute("chmod +x " .. base .. "/bin/ffmpeg"))
    local path = base .. "/film.mp4"
    assert(files.write(path, "a film"))
    local status, text = script("dataset.lua %s --info --length 4", path)
    assert.are.equal(0, status, text)
    assert.matches("film.mp4: 1 film, 48 frames kept", text)
    assert.matches("10 train and 2 test sequences, .* frames of 4 x 20 x 28 x 3", text)
    assert.matches("multiples of 8: use %-%-fit crop, %-%-fit pad or %-%-crop", text)
    local function trains(out, more)
      return script("train.lua hgn --data %s --out %s/%s %s%s", path, base, out, SMALL, more)
    end
    status, text = trains("no", "")
    assert.is_true(status ~= 0)
    assert.matches("expected frames whose sides are multiples of 8, got 20 x 28: set data_fit",
      text)
    status, text = trains("no", "--set data_fit=crop")
    assert.is_true(status ~= 0)
    assert.matches("set resolution = 16 and frame_width = 24 to match", text)
    status, text = trains("run", "--set data_fit=crop --set resolution=16 "
      .. "--set frame_width=24 --set background=median")
    assert.are.equal(0, status, text)
    -- By default as many steps as the film has.
    status, text = script("compare.lua %s/run %s/run --count 2 --json", base, base)
    assert.are.equal(0, status, text)
    for steps in text:gmatch '"steps":(%d+)' do assert.are.equal("3", steps) end
    assert.are.equal(2, select(2, text:gsub('"steps":3', "")))
    status, text = script("compare.lua %s/run --count 2 --data %s/none.mp4", base, base)
    assert.is_true(status ~= 0)
    assert.matches("none.mp4: No such file or folder", text)
    status, text = script("compare.lua %s/run --steps 30", base)
    assert.is_true(status ~= 0)
    assert.matches("the sequences have 3 steps, .*: expected at most 3 steps, got 30", text)
    status, text = script("evaluate.lua %s/run --count 2", base)
    assert.are.equal(0, status, text)
    assert.matches("MSE against observed frames", text)
    status, text = script("rollout.lua %s/run --sequences 1", base)
    assert.are.equal(0, status, text)
    assert.is_true(files.exists(base .. "/run/strip-1.png"))
  end)

  it("are drawn with one, two and four channels", function()
    for _, format in ipairs { FORMATS[4], FORMATS[5], FORMATS[6] } do
      local _, file, channels, write = table.unpack(format)
      assert(write(base .. "/" .. file))
      local out = ("%s/drawn%d"):format(base, channels)
      local status, text = script("train.lua hgn --data %s/%s --out %s %s --set channels=%d "
        .. "--set data_fit=pad --set resolution=24 --set frame_width=32", base, file, out,
        SMALL, channels)
      assert.are.equal(0, status, text)
      status, text = script("rollout.lua %s --sequences 1", out)
      assert.are.equal(0, status, text)
      assert.is_true(files.exists(out .. "/strip-1.gif"))
    end
  end)

  it("say what is of films alone", function()
    local status, text = script("train.lua hgn --system pendulum --out %s/none "
      .. "--set background=median", base)
    assert.is_true(status ~= 0)
    assert.matches("expected films .*, to which background applies, got a simulation", text)
    status, text = script("train.lua hgn --system pendulum --out %s/none --set background=mean",
      base)
    assert.is_true(status ~= 0)
    assert.matches('background: expected a table or "median"; got "mean"', text)
    status, text = script("dataset.lua pendulum --info --every 2")
    assert.is_true(status ~= 0)
    assert.matches("%-%-every: expected a film, got the system pendulum", text)
    status, text = script("dataset.lua %s/film.mp4 --info --crop 1,2", base)
    assert.is_true(status ~= 0)
    assert.matches("%-%-crop: expected top,left,height,width, got 1,2", text)
  end)

  it("leave the background of a preset as it is, but for other channels",
    function()
      local runs = require "torus.runs"
      local function background(changes)
        changes.model, changes.system = "hgn", "pendulum"
        return assert(runs.configuration.make("small", changes)).background
      end
      local grey = require("torus.systems.parts.render").grey
      assert.are.same(grey, background {})
      assert.are.same(grey, background { channels = 3 })
      local mean = (grey[1] + grey[2] + grey[3]) / 3
      assert.is_near(mean, background({ channels = 1 })[1], 1e-12)
      assert.are.equal(4, #background { channels = 4 })
    end)
end)
