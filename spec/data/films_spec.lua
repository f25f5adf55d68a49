-- Films that people have: the specs write them, by other means where there are
-- some, and compare what is read with what they were made from.
local data = require "torus.data"
local folders = require "spec.support.folders"
local raises = require "spec.support.raises"
local string_array = require "spec.support.string_array"
local torus = require "torus"

local base

setup(function()
  base = folders.new()
  assert(torus.files.make_folder(base))
end)
teardown(folders.clear)

local function largest(x) return x:abs():max():item() end

local function random(...)
  return torus.rand({ ... }, { generator = torus.generator(7) })
end

local function write(name, bytes)
  local file = assert(io.open(base .. "/" .. name, "wb"))
  file:write(bytes)
  file:close()
  return base .. "/" .. name
end

local function folder(name)
  assert(torus.files.make_folder(base .. "/" .. name))
  return base .. "/" .. name
end

-- All frames of a set, (sequences, length, height, width, channels).
local function frames_of(set)
  local function all(part) return part:batch(torus.arange(1, part.size, { dtype = "int64" })) end
  return torus.cat({ all(set.train), all(set.test) }, 1)
end

local function opened(path, opts) return frames_of(assert(data.open(path, opts))) end

-- Numbers that are exact in eight bits.
local function eight_bits(x) return (x * 255):floor() / 255 end

describe("films in arrays", function()
  local film = eight_bits(random(6, 4, 9, 12, 3))

  local function saved(x, name)
    local path = base .. "/" .. (name or "film.npy")
    assert(torus.npy.save(path, x))
    return path
  end

  it("are uint8, or floats of any width from 0 to 1 or from 0 to 255", function()
    local bytes = (film * 255 + 0.5):floor()
    assert.is_true(largest(opened(saved(bytes:to("uint8"))) - film) < 1e-7)
    for _, dtype in ipairs { "float32", "float64", "int32", "int64" } do
      assert.is_true(largest(opened(saved(bytes:to(dtype))) - film) < 1e-7, dtype)
    end
    for _, dtype in ipairs { "float32", "float64" } do
      assert.is_true(largest(opened(saved(film:to(dtype))) - film) < 1e-7, dtype)
      assert.is_true(largest(opened(saved((bytes * 0.75):to(dtype)))
        - film * 0.75) < 1e-7, dtype)
    end
  end)

  -- The bits of IEEE 754's half precision: sign 0, exponent - 15, fraction / 1024.
  it("are float16", function()
    local halves = { [0] = 0x0000, [0.25] = 0x3400, [0.5] = 0x3800, [0.75] = 0x3a00,
      [1] = 0x3c00, [255] = 0x5bf8, [63.75] = 0x53f8 }
    local function half(values)
      local parts = {}
      for i = 1, 4 * 2 * 8 * 8 do
        parts[i] = string.pack("<I2", halves[values[(i - 1) % #values + 1]])
      end
      local header = "{'descr': '<f2', 'fortran_order': False, 'shape': (4, 2, 8, 8), }"
      header = header .. (" "):rep(-(#header + 11) % 64) .. "\n"
      return write("half.npy", "\x93NUMPY\1\0" .. string.pack("<I2", #header) .. header
        .. table.concat(parts))
    end
    local got = opened(half { 0, 0.25, 0.5, 0.75, 1 }):reshape(-1)
    assert.are.same({ 0, 0.25, 0.5, 0.75, 1, 0, 0.25 }, got:narrow(1, 1, 7):totable())
    got = opened(half { 0, 63.75, 255 }):reshape(-1)
    assert.are.same({ 0, 0.25, 1, 0 }, got:narrow(1, 1, 4):totable())
  end)

  it("have one to four channels, or none in grey", function()
    for channels = 1, 4 do
      local x = random(6, 4, 9, 12, channels)
      assert.are.equal(0, largest(opened(saved(x)) - x))
    end
    local grey = random(6, 4, 9, 12)
    assert.are.equal(0, largest(opened(saved(grey)) - grey:unsqueeze(5)))
  end)

  it("may be one film, which is cut into sequences", function()
    local x = random(11, 9, 12, 2)
    local set = assert(data.open(saved(x), { length = 3 }))
    assert.are.same({ 2, 1, 2 }, { set.train.size, set.test.size, set.steps })
    local want = x:narrow(1, 1, 9):reshape(3, 3, 9, 12, 2)
    assert.are.equal(0, largest(frames_of(set) - want))
    assert.are.equal(0, largest(set.train:windows({ 2 }, { 2 }, 2)
      - want:narrow(1, 2, 1):narrow(2, 2, 2)))
    assert.are.same({ 2, 5, 9, 12, 2 }, opened(saved(x)).shape)
    assert.are.same({ 2, 31, 8, 8, 1 }, opened(saved(random(70, 8, 8))).shape)
  end)

  it("are cut into sequences that overlap, of which no frame is in both parts", function()
    local x = random(40, 8, 8)
    local set = assert(data.open(saved(x), { length = 6, stride = 3, every = 2, test = 2 }))
    -- 20 frames are kept: sequences begin at 1, 4, 7, 10, 13; the last two at 10 and 13
    -- leave those that end before the tenth.
    assert.are.same({ 2, 2, 6 }, { set.train.size, set.test.size, set.train.length })
    local kept = x:index_select(1, torus.arange(1, 40, 2, { dtype = "int64" }))
    for part, starts in pairs { train = { 1, 4 }, test = { 10, 13 } } do
      for i, first in ipairs(starts) do
        assert.are.equal(0, largest(set[part]:batch({ i }):reshape(6, 8, 8)
          - kept:narrow(1, first, 6)))
      end
    end
    assert.matches("cut into 5 sequences of 6 frames, one every 3 frames", set.description)
    local none, message = data.open(saved(x), { length = 6, stride = 3, every = 2, test = 2,
      train = 3 })
    assert.is_nil(none)
    assert.matches("train: expected at most 2 sequences, which share no frame with the last 2 of "
      .. "5, got 3", message)
  end)

  it("that are sequences are cut where a stride is given", function()
    local x = random(3, 10, 8, 8, 2)
    local set = assert(data.open(saved(x), { length = 4, stride = 3, test = 3 }))
    assert.are.same({ 6, 3 }, { set.train.size, set.test.size })
    assert.are.equal(0, largest(set.train:batch({ 5 })[1] - x[2]:narrow(1, 4, 4)))
    assert.are.equal(0, largest(set.test:batch({ 3 })[1] - x[3]:narrow(1, 7, 4)))
  end)

  it("have the time between frames that a .npz specifies", function()
    local path = base .. "/timed.npz"
    for dt, dtype in pairs { [0.04] = "float32", [0.05] = "float64" } do
      assert(torus.npz.save(path, { frames = film, dt = torus.tensor({ dt }, { dtype = dtype }) }))
      assert.are.equal(dt, assert(torus.data.frames(path)).dt)
      assert.near(3 * dt, assert(torus.data.frames(path, { every = 3 })).dt, 1e-15)
      assert.are.equal(1, assert(torus.data.frames(path, { dt = 1 })).dt)
    end
    assert(torus.npz.save(path, { frames = film, dt = torus.tensor({ 123456789 },
      { dtype = "int64" }) }))
    assert.are.equal(123456789, assert(torus.data.frames(path)).dt)
    for _, dt in ipairs { torus.zeros(3), torus.tensor(0 / 0), torus.tensor(math.huge),
      torus.tensor(-1) } do
      assert(torus.npz.save(path, { frames = film, dt = dt }))
      assert.are.equal(0.125, assert(torus.data.frames(path)).dt)
    end
  end)

  it("are read from .npz, and from tensors", function()
    local path = base .. "/film.npz"
    assert(torus.npz.save(path, { clip = film }, { compress = true }))
    assert.are.equal(0, largest(opened(path) - film))
    string_array.save(path, { frames = film, times = torus.arange(4) }, "label")
    assert.are.equal(0, largest(opened(path) - film))
    assert.are.equal(0, largest(frames_of(assert(data.frames(film:to("float64")))) - film))
  end)

  it("say what is wrong", function()
    local path = base .. "/film.npz"
    local function refused(pattern, source, opts)
      local none, message = data.open(source, opts)
      assert.is_nil(none)
      assert.matches(pattern, message)
      assert.is_nil(message:find("\n"))
    end
    assert(torus.npz.save(path, { a = film, b = film }))
    refused("film.npz: expected one array, or one named frames, got a, b", path)
    write("film.npz", "PK")
    refused("is not an .npz archive", path)
    refused("expected numbers from 0 to 1 or from 0 to 255, got %-1", saved(film - 1.5))
    refused("got 0.0 to 300", saved(film / film:max() * 300))
    refused("expected numbers from 0 to 0.5, got", saved(film), { white = 0.5 })
    refused("10 frames make 1 sequence of length 7: expected at least 2, so a length of at most 5",
      saved(random(10, 9, 12)), { length = 7 })
    refused("crop: expected {top, left, height, width} within frames of 9 x 12, got "
      .. "{2, 1, 9, 4}", saved(film), { crop = { 2, 1, 9, 4 } })
    refused("crop: expected", saved(film), { crop = { 1, 1, 2 } })
    refused("expected something left of frames of 9 x 12, got 0 x 1", saved(film),
      { shrink = 10 })
    refused("expected something left of frames of 9 x 12, got 8 x 0", saved(film),
      { crop = { 1, 1, 9, 7 }, fit = "crop" })
    refused("grey: expected frames of 3 or 4 channels, got 2",
      saved(random(4, 2, 9, 12, 2)), { grey = true })
  end)

  it("have the white that they are told", function()
    local x = film:to("float64") * 65535
    assert.is_true(largest(opened(saved(x:to("int32")), { white = 65535 }) - film) < 1e-4)
  end)
end)

describe("of films", function()
  local film = random(6, 8, 12, 18, 3)

  local function cut(opts) return frames_of(assert(data.frames(film, opts))) end

  it("frames are skipped", function()
    local kept = cut { every = 3 }
    for i, t in ipairs { 1, 4, 7 } do
      assert.are.equal(0, largest(kept:select(2, i) - film:select(2, t)))
    end
    assert.are.equal(3, kept:size(2))
    local one = frames_of(assert(data.frames(film:select(1, 1), { every = 3, length = 1 })))
    for i, t in ipairs { 1, 4, 7 } do
      assert.are.equal(0, largest(one:select(1, i) - film:select(1, 1)[t]))
    end
  end)

  it("a part is cropped, shrunk, made grey", function()
    local part = cut { crop = { 2, 5, 9, 11 } }
    assert.are.equal(0, largest(part - film:narrow(3, 2, 9):narrow(4, 5, 11)))
    local small = cut { shrink = 5 }
    assert.are.same({ 6, 8, 2, 3, 3 }, small.shape)
    local square = film:narrow(3, 6, 5):narrow(4, 11, 5):mean { 3, 4 }
    assert.is_true(largest(small:select(3, 2):select(3, 3) - square) < 1e-6)
    local grey = cut { grey = true }
    local white = frames_of(assert(data.frames(torus.ones(2, 1, 8, 8, 3), { grey = true })))
    assert.is_true(largest(white - 1) < 1e-6)
    assert.is_true(largest(grey:narrow(5, 1, 1) - (film:select(5, 1) * 0.299
      + film:select(5, 2) * 0.587 + film:select(5, 3) * 0.114):unsqueeze(5)) < 1e-6)
  end)

  it("sides are made multiples by cropping or padding", function()
    local inner = cut { fit = "crop" }
    assert.are.equal(0, largest(inner - film:narrow(3, 3, 8):narrow(4, 2, 16)))
    local outer = cut { fit = "pad", multiple = 8 }
    assert.are.same({ 6, 8, 16, 24, 3 }, outer.shape)
    assert.are.equal(0, largest(outer:narrow(3, 3, 12):narrow(4, 4, 18) - film))
    assert.are.equal(0, largest(outer:select(3, 1) - outer:select(3, 3)))
    assert.are.equal(0, largest(outer:select(4, 24) - outer:select(4, 21)))
    local by_size = cut { fit = "pad", multiple = function(height, width)
      return math.min(height, width) >= 16 and 10 or 8
    end }
    assert.are.same({ 20, 20 }, { by_size:size(3), by_size:size(4) })
  end)

  -- A disc on a background with noise: at every pixel the background is what is
  -- seen in most frames.
  it("the background is taken away", function()
    local background = random(1, 1, 12, 18, 1)
    local seen = background:expand(5, 20, 12, 18, 1):contiguous()
    for t = 1, 20 do
      for i = 1, 5 do seen[{ i, t, { 4, 6 }, { (t + i) % 15 + 1, (t + i) % 15 + 3 } }] = 1 end
    end
    local set = assert(data.frames(seen, { background = "median" }))
    assert.are.equal(0, largest(set.background - background:reshape(12, 18, 1)))
    local got = frames_of(set)
    assert.is_true(largest(got - ((seen - background) * 0.5 + 0.5)) < 1e-6)
    local restored = require("torus.data.films.background").restored(got, set.background)
    assert.is_true(largest(restored - seen) < 1e-6)
    local noisy = (seen + torus.randn(seen.shape, { generator = torus.generator(3) })
      * 0.02):clamp(0, 1)
    set = assert(data.frames(noisy, { background = "median" }))
    -- The median of 80 numbers has a standard deviation of 1.25 * 0.02 / sqrt(80), and
    -- a tenth of the numbers is the object's.
    local e = (set.background - background:reshape(12, 18, 1)):clamp { max = 1 }
    assert.is_true((e * e):mean():sqrt():item() < 0.006)
  end)

  it("the background is that of 120 frames from 40 sequences, evenly spaced", function()
    local median = require("torus.data.films.background").median
    -- Of `count` equal parts of first..last, the middles.
    local function middles(count, first, last)
      local list, set = {}, {}
      for i = 1, count do
        list[i] = first + math.floor((i - 0.5) * (last - first + 1) / count)
        set[list[i]] = true
      end
      return list, set
    end
    -- Frames that are white at the expected times and black at others.
    for _, case in ipairs { { count = 100, sequences = 40, times = 3 },
      { count = 40, sequences = 40, times = 3 }, { count = 6, sequences = 6, times = 20 },
      { count = 1, sequences = 1, times = 120 } } do
      local seen, _, white = {}, middles(case.times, 1, 500)
      local frames = torus.zeros(1, 500, 1, 1, 1)
      for t in pairs(white) do frames[1][t]:fill_(1) end
      local source = { rows = function(_, indices)
        seen[#seen + 1] = indices[1]
        return frames
      end }
      assert.are.equal(1, median(source, 11, case.count, 500):item())
      assert.are.same(middles(case.sequences, 11, 10 + case.count), seen)
    end
  end)

  it("unknown options are refused at the caller's line", function()
    raises('unknown option "crops", did you mean "crop"?',
      function() data.frames(film, { crops = { 1, 1, 8, 8 } }) end)
    raises('option "fit": expected one of "none", "crop", "pad"',
      function() data.frames(film, { fit = "squeeze" }) end)
  end)
end)

describe("films of pictures", function()
  local film = eight_bits(random(11, 9, 14, 3))

  it("are folders of PNGs in the order of their numbers", function()
    local path = folder("pictures")
    for t = 1, 11 do assert(torus.image.write(path .. "/" .. t .. ".png", film[t])) end
    assert.are.same({ "1.png", "2.png" }, { table.unpack(torus.image.pictures(path), 1, 2) })
    local got = opened(path, { length = 5 })
    assert.is_true(largest(got - film:narrow(1, 1, 10):reshape(2, 5, 9, 14, 3)) < 1e-6)
    local part = opened(path, { length = 2, every = 3, crop = { 2, 3, 8, 10 } })
    assert.is_true(largest(part[2][1] - film[7]:narrow(1, 2, 8):narrow(2, 3, 10)) < 1e-6)
    assert(torus.image.write(path .. "/12.png", film[1]:narrow(1, 1, 4)))
    assert.matches("12.png: expected frames of shape %(9,14,3%) like the first, got %(4,14,3%)",
      select(2, data.open(path)))
  end)

  it("are not JPEGs, of which the message says what to do", function()
    local path = folder("jpegs")
    for _, name in ipairs { "README", "7.JPG" } do
      assert(torus.files.write(path .. "/" .. name, "x"))
    end
    local none, message = torus.data.frames(path)
    assert.is_nil(none)
    assert.matches("expected a film's frames as PNGs, got 7.JPG; convert them, for example with "
      .. "ffmpeg -pattern_type glob -i '*.JPG' %04d.png", message, 1, true)
  end)

  it("are grey PNGs", function()
    local path = folder("grey")
    for t = 1, 6 do
      assert(torus.image.write(path .. "/" .. t .. ".png", film[t]:narrow(3, 1, 1)))
    end
    local got = opened(path, { length = 2 })
    assert.is_true(largest(got - film:narrow(1, 1, 6):narrow(4, 1, 1)
      :reshape(3, 2, 9, 14, 1)) < 1e-6)
  end)

  it("are GIFs", function()
    -- Few colours: a palette holds them all.
    local few = (film:narrow(4, 1, 1):expand(11, 9, 14, 3) * 3 + 0.5):floor() / 3
    local path = base .. "/film.gif"
    assert(torus.image.gif(path, few))
    assert.is_true(largest(opened(path, { length = 5 })
      - few:narrow(1, 1, 10):reshape(2, 5, 9, 14, 3)) < 0.01)
  end)

  it("have the time that a GIF shows each of them for", function()
    local path = base .. "/timed.gif"
    assert(torus.image.gif(path, film, { delay_ms = 40 }))
    local function dt(opts) return assert(data.open(path, opts)).dt end
    assert.is_near(0.04, dt { length = 3 }, 1e-12)
    assert.is_near(0.12, dt { length = 2, every = 3, background = "median" }, 1e-12)
    assert.are.equal(0.5, dt { length = 3, dt = 0.5 })
    local config = assert(torus.runs.configuration.make("small", { model = "hgn", data = path,
      data_every = 2 }))
    assert.are.same({ 0.08, 0.125 }, { config.data_dt, config.dt })
    config = assert(torus.runs.configuration.make("small", { model = "hgn", data = path,
      dt = 0.1 }))
    assert.is_nil(config.data_dt)
  end)

  it("are several in a folder", function()
    local path = folder("several")
    for _, name in ipairs { "a", "b" } do
      folder("several/" .. name)
      for t = 1, 5 do
        assert(torus.image.write(("%s/%s/%d.png"):format(path, name, t),
          film[name == "a" and t or t + 5]))
      end
    end
    local got = opened(path, { length = 2 })
    for i, t in ipairs { 1, 3, 6, 8 } do
      assert.is_true(largest(got[i] - film:narrow(1, t, 2)) < 1e-6)
    end
    assert(torus.image.gif(path .. "/c.gif", film:narrow(2, 1, 4)))
    assert.matches("c.gif: expected frames of shape %(9,14,3%) like those of .*/a, got %(4,14,3%)",
      select(2, data.open(path)))
  end)

  it("that are none give one message", function()
    local function refused(pattern, source)
      local none, message = data.open(source)
      assert.is_nil(none)
      assert.matches(pattern, message)
      assert.is_nil(message:find("\n"))
    end
    refused("bad.gif: expected a PNG or a GIF, got something else", write("bad.gif", "hello"))
    refused("cut.gif", write("cut.gif", "GIF89a\1\0\1"))
    refused("one.gif: expected a GIF, got a PNG; give the folder", (function()
      assert(torus.image.write(base .. "/one.png", film[1]))
      assert(os.rename(base .. "/one.png", base .. "/one.gif"))
      return base .. "/one.gif"
    end)())
    refused("expected train.safetensors, a film's PNGs, or films", folder("nothing"))
    write("nothing/1.png", "\x89PNG\r\n\x1a\nrubbish")
    refused("1.png is not a sound PNG", base .. "/nothing")
    refused('cannot open ".*notes.txt".*a .npy or .npz array of frames, a folder of PNGs',
      write("notes.txt", "hello"))
  end)
end)

describe("films of cameras", function()
  local film = eight_bits(random(5, 6, 7, 3))

  -- A program in ffmpeg's place, which writes what is in a file and keeps its
  -- arguments; the films' names go through the shell.
  local function stand_in(script)
    folder("bin")
    local path = write("bin/ffmpeg", "#!/bin/sh\n" .. script .. "\n")
    assert(os.execute("chmod +x " .. path))
  end

  -- Opens a film in a program of its own with the stand-in first in the path, or
  -- with nothing there at all.
  local function seen_by(path, search)
    local program = write("open.lua", ([[
      local torus = require "torus"
      local set, message = torus.data.open(%q, { length = 2, test = 1 })
      if not set then print(message) return end
      assert(torus.npy.save(%q, set.train:batch { 1 }))
      print(set)]]):format(path, base .. "/seen.npy"))
    local lua = io.popen("command -v lua5.4"):read("l")
    local pipe = io.popen(("PATH=%s LUA_PATH='%s' LUA_CPATH='%s' %s %s 2>&1"):format(search,
      package.path, package.cpath, lua, program))
    local text = pipe:read("a")
    pipe:close()
    return text
  end

  local function ppm(x)
    local bytes = torus.to_bytes((x * 255 + 0.5):floor():to("uint8"))
    return ("P6\n%d %d\n255\n"):format(x:size(2), x:size(1)) .. bytes
  end

  it("are read through ffmpeg, whatever their names", function()
    local parts = {}
    for t = 1, 5 do parts[t] = ppm(film[t]) end
    write("stream", table.concat(parts))
    stand_in(('printf "%%s\\n" "$@" >%s/arguments\ncat %s/stream'):format(base, base))
    local path = write("-it's $a (film).MP4", "a film")
    assert.matches("1 train, 1 test, 1 steps", seen_by(path, base .. "/bin:/usr/bin:/bin"))
    local seen = assert(torus.npy.load(base .. "/seen.npy"))
    assert.is_true(largest(seen - film:narrow(1, 1, 2):unsqueeze(1)) < 1e-6)
    local arguments = assert(torus.files.read(base .. "/arguments"))
    assert.is_truthy(arguments:find("\n-i\nfile:" .. path .. "\n", 1, true))
    assert.is_truthy(arguments:find("-protocol_whitelist\nfile\n", 1, true))
  end)

  it("have the time between frames that ffmpeg says", function()
    write("stream", ppm(film[1]):rep(4))
    stand_in(([[case "$*" in *showinfo*)
      echo "[Parsed_showinfo_1 @ 0x5] config in time_base: 1/25, frame_rate: 25/2" >&2;;
      *) cat %s/stream;; esac]]):format(base))
    assert.matches("1 steps of 0.08", seen_by(write("slow.mp4", "a film"),
      base .. "/bin:/usr/bin:/bin"))
  end)

  it("say what ffmpeg says of a file that is not a film", function()
    stand_in('echo "[mov @ 0x1] moov atom not found" >&2\necho "more" >&2\nexit 1')
    local path = write("bad.mp4", "hello")
    local search = base .. "/bin:/usr/bin:/bin"
    assert.are.equal(path .. ": ffmpeg cannot read it as a film: moov atom not found\n",
      seen_by(path, search))
    stand_in("exit 0")
    assert.matches("it has no frame\n$", seen_by(path, search))
    write("stream", ppm(film[1]):sub(1, -5))
    stand_in(("cat %s/stream; echo it broke >&2; exit 1"):format(base))
    assert.matches("it broke\n$", seen_by(path, search))
    assert.matches("none.mp4: No such file", seen_by(base .. "/none.mp4", search))
  end)

  it("name the package where ffmpeg is not installed", function()
    assert.matches("install the package ffmpeg %(apt install ffmpeg",
      seen_by(write("good.mp4", "a film"), "/nonexistent"))
  end)

  -- Where there is a real one: a film that it made of PNGs, smooth, so that its
  -- compression loses little.
  it("come back from the ffmpeg that is installed", function()
    if not os.execute("command -v ffmpeg >/dev/null 2>&1") then return end
    local path = folder("for_ffmpeg")
    local x = torus.linspace(0, 1, 48):reshape(1, 48, 1):expand(32, 48, 3)
    for t = 1, 8 do
      assert(torus.image.write(("%s/%d.png"):format(path, t), x * (t / 8)))
    end
    assert(os.execute(("ffmpeg -v error -framerate 10 -i %s/%%d.png -pix_fmt yuv420p "
      .. "%s/real.mp4"):format(path, base)))
    local got = opened(base .. "/real.mp4", { length = 4 })
    assert.are.same({ 2, 4, 32, 48, 3 }, got.shape)
    assert.is_near(0.1, assert(data.open(base .. "/real.mp4", { length = 4 })).dt, 1e-12)
    for t = 1, 8 do
      assert.is_true(largest(got[(t - 1) // 4 + 1][(t - 1) % 4 + 1] - x * (t / 8)) < 0.06)
    end
  end)
end)
