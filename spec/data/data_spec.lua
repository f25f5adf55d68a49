local lfs = require "lfs"
local raises = require "spec.support.raises"
local torus = require "torus"
local windows = require "torus.data.windows"

local data = torus.data
local pendulum = torus.systems.pendulum

local function largest(x) return x:abs():max():item() end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("a")
  file:close()
  return bytes
end

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

local function with_folder(f)
  local path = os.tmpname()
  os.remove(path)
  assert(lfs.mkdir(path))
  local ok, message = pcall(f, path)
  for name in lfs.dir(path) do os.remove(path .. "/" .. name) end
  lfs.rmdir(path)
  if not ok then error(message, 0) end
end

describe("data.trajectories", function()
  it("gives (n, steps + 1, 2, d): q and p, that move as the system does", function()
    local states = data.trajectories { system = "three_body", count = 9,
      noise = 0, steps = 12, dt = 0.25 }
    assert.are.same({ 9, 13, 2, 6 }, states.shape)
    assert.are.equal("float32", states.dtype)
    local q, p = torus.systems.three_body:sample { count = 9 }
    local trajectory = torus.systems.three_body:solve(q, p, { dt = 0.25, steps = 12 })
    local want = torus.stack({ trajectory.q, trajectory.p }, 3):transpose(1, 2):to("float32")
    assert.are.equal(0, largest(states - want))
  end)

  it("has the same bits for a place in any part and on any threads", function()
    local threads = torus.threads()
    for _, name in ipairs { "pendulum", "three_body" } do
      torus.set_threads(1)
      local noisy, clean = data.trajectories { system = name, count = 4200, seed = 3 }
      torus.set_threads(2)
      local again, clean_again = data.trajectories { system = name, count = 4200, seed = 3 }
      assert.are.equal(0, largest(noisy - again))
      assert.are.equal(0, largest(clean - clean_again))
      local part, clean_part = data.trajectories { system = name, count = 13,
        first = 4091, seed = 3 }
      assert.are.equal(0, largest(noisy:narrow(1, 4091, 13) - part))
      assert.are.equal(0, largest(clean:narrow(1, 4091, 13) - clean_part))
    end
    torus.set_threads(threads)
  end)

  it("adds normal noise of the given deviation to every coordinate", function()
    local noisy, clean = data.trajectories { system = "two_body", count = 300,
      noise = 0.2, seed = 8 }
    local z = ((noisy - clean) / 0.2):to("float64")
    local n = z:numel() -- 74,400: four standard errors are allowed
    assert.is_true(math.abs(z:mean():item()) < 4 / math.sqrt(n))
    assert.is_true(math.abs((z * z):mean():item() - 1) < 4 * math.sqrt(2 / n))
    assert.is_true(math.abs((z ^ 4):mean():item() - 3) < 4 * math.sqrt(96 / n))
    local neighbours = (z:narrow(2, 1, 30) * z:narrow(2, 2, 30)):mean():item()
    assert.is_true(math.abs(neighbours) < 4 / math.sqrt(n))
    local same, exact = data.trajectories { system = "two_body", count = 3, noise = 0 }
    assert.are.equal(same, exact)
  end)

  it("names the trajectory that fails, counted from the first", function()
    local two = torus.systems.two_body
    local fall = torus.systems.define {
      name = "fall", dimension = 4, uniforms = 1,
      energy = function(q, p) return two:energy(q, p) end,
      field = function() return "n_body", { 1, 1, 1 } end,
      sample = function(u)
        -- The 77th has no speed and falls into a collision.
        local speed = u * 0 + 0.5
        speed[77] = 0
        return torus.cat({ u * 0 + 1, u * 0, u * 0 - 1, u * 0 }, 2),
          torus.cat({ u * 0, speed, u * 0, -speed }, 2)
      end,
    }
    assert.error_matches(function()
      data.trajectories { system = fall, count = 100, first = 50 }
    end, 'data: fall, split "train", seed 0: rk45: trajectory 77 failed at t = 2%.22')
  end)

  it("says what it expected", function()
    assert.error_matches(function() data.trajectories { system = 3, count = 1 } end,
      "expected a system or its name, got 3")
    assert.error_matches(function() data.trajectories { system = "x", count = 1 } end,
      'no system is named "x"')
    assert.error_matches(function()
      data.trajectories { system = "pendulum", count = 1, noise = -1 }
    end, 'option "noise": expected at least 0')
    assert.error_matches(function()
      data.trajectories { system = "pendulum", count = 1, dt = 0 }
    end, "dt: expected a number other than 0, got 0")
  end)
end)

describe("a simulated data set", function()
  local set

  setup(function()
    set = data.simulate("pendulum", { train = 40, test = 12, seed = 2 })
  end)

  it("has train and test parts that differ", function()
    assert.are.equal(40, set.train.size)
    assert.are.equal(12, #set.test)
    assert.are.equal(31, set.test.length)
    local a = set.train:states({ 1, 2 }, true)
    assert.is_true(largest(a - set.test:states({ 1, 2 }, true)) > 0.1)
    assert.are.equal(0.1, set.noise)
    assert.are.equal("data of pendulum: 40 train, 12 test, 30 steps of 0.125",
      tostring(set))
  end)

  it("renders the frames of places, noisy and clean, with the same bits", function()
    local batch = set.train:batch { 7, 39, 7 }
    assert.are.same({ 3, 31, 32, 32, 3 }, batch.shape)
    assert.are.equal(0, largest(batch:select(1, 1) - batch:select(1, 3)))
    local alone = set.train:batch(torus.tensor({ 39 }, { dtype = "int64" }))
    assert.are.equal(0, largest(batch:select(1, 2) - alone:select(1, 1)))
    local clean = set.train:clean { 7 }
    assert.is_true(largest(clean:select(1, 1) - batch:select(1, 1)) > 0.01)
    assert.are.equal(0, largest(clean - pendulum:render(
      set.train:states({ 7 }, true):select(3, 1))))
  end)

  it("says which index is wrong", function()
    for pattern, places in pairs {
      ["indices: expected 1 to 40, got 41 at position 2"] = { 3, 41 },
      ["indices: expected 1 to 40, got 0 at position 1"] = { 0 },
      ["indices: expected integers, got 1.5 at position 2"] = { 1, 1.5 },
      ["indices: expected a tensor %(n%) int64, got a tensor %(2%) float32"] =
        torus.ones(2),
      ["indices: expected at least one"] = {},
      ["indices: expected a list or an int64 tensor, got 3"] = 3,
    } do
      assert.error_matches(function() set.train:batch(places) end, pattern)
    end
  end)

  it("measures the floor of its noise", function()
    local measured = set.train:measure { chunk = 7 }
    local places = {}
    for i = 1, 40 do places[i] = i end
    local noisy = set.train:batch(places):to("float64")
    local clean = set.train:clean(places):to("float64")
    local function mse(x) return (x * x):mean():item() end
    local function close(a, b) assert.is_true(math.abs(a / b - 1) < 1e-4) end
    close(measured.floor, mse(noisy - clean))
    close(measured.own_mean, mse(clean - clean:mean(2, true)))
    close(measured.constant, mse(clean - clean:mean({ 1, 2 }, true)))
    assert.are.equal(40, measured.count)
  end)

  it("has the floors of the paper's noise, and none without noise", function()
    -- By an independent simulation of the same drawing (NumPy, 6,000 frames).
    for name, want in pairs { mass_spring = 13.6e-4, two_body = 3.0e-4,
      three_body = 89.8e-4 } do
      local some = data.simulate(name, { train = 100, test = 1 })
      local floor = some.train:measure().floor
      assert.is_true(math.abs(floor / want - 1) < 0.1, name .. " " .. floor)
    end
    local clean = data.simulate("pendulum", { train = 4, test = 1, noise = 0 })
    assert.are.equal(0, clean.train:measure().floor)
  end)
end)

describe("a data set in a folder", function()
  it("comes back with the same bits, physics and seed", function()
    with_folder(function(path)
      local changed = pendulum:with { constants = { g = 2 } }
      local set = data.simulate(changed, { train = 9, test = 4, seed = 77,
        dt = 0.2, steps = 5, noise = 0.05 })
      assert(set:save(path))
      local back = assert(data.open(path, { resolution = 20 }))
      assert.are.equal(2, back.system.constants.g)
      assert.are.same({ 77, 0.2, 5, 0.05, 9, 4 }, { back.seed, back.dt,
        back.steps, back.noise, back.train.size, back.test.size })
      for _, name in ipairs { "train", "test" } do
        for _, clean in ipairs { false, true } do
          assert.are.equal(0, largest(set[name]:states({ 1, 2, 3, 4 }, clean)
            - back[name]:states({ 1, 2, 3, 4 }, clean)))
        end
      end
      assert.are.same({ 1, 6, 20, 20, 3 }, back.test:batch({ 4 }).shape)
      local few = assert(data.open(path, { train = 3, seed = 77 }))
      assert.are.equal(3, few.train.size)
      -- The same bytes when it is made again.
      local bytes = read(path .. "/train.safetensors")
      assert(data.simulate(changed, { train = 9, test = 4, seed = 77,
        dt = 0.2, steps = 5, noise = 0.05 }):save(path))
      assert.are.equal(bytes, read(path .. "/train.safetensors"))
    end)
  end)

  it("keeps no second copy when there is no noise", function()
    with_folder(function(path)
      assert(data.simulate("pendulum", { train = 2, test = 1, noise = 0 }):save(path))
      assert.is_nil(torus.load(path .. "/train.safetensors").clean)
      local back = assert(data.load(path))
      assert.are.equal(0, largest(back.train:batch { 1, 2 } - back.train:clean { 1, 2 }))
    end)
  end)

  it("is refused with a message when it is not what it should be", function()
    with_folder(function(path)
      local set = data.simulate("pendulum", { train = 3, test = 2 })
      assert(set:save(path))
      local function refused(pattern, opts)
        local none, message = data.load(path, opts)
        assert.is_nil(none)
        assert.matches(pattern, message)
      end
      refused("noise: expected 0.1, which the data were made with, got 0.3", { noise = 0.3 })
      refused("test: expected at most 2 trajectories, the number stored, got 5", { test = 5 })
      refused('system: expected "pendulum", which the data were made with, got "two_body"',
        { system = "two_body" })
      local file = path .. "/train.safetensors"
      local good = read(file)
      write(file, good:sub(1, -10))
      refused("train.safetensors is not a safetensors file: it is truncated")
      write(file, good:sub(1, 5))
      refused("expected at least 8 bytes, got 5")
      local tensors, metadata = torus.load(path .. "/test.safetensors")
      local function stored(changes, states)
        local changed = {}
        for key, value in pairs(metadata) do changed[key] = value end
        for key, value in pairs(changes) do changed[key] = value end
        assert(torus.save(file, states or tensors, changed))
      end
      stored { format = "other" }
      refused('expected trajectories of torus .*, got "other"')
      stored { version = "9" }
      refused('version: expected "1", got "9"')
      stored { dt = "fast" }
      refused('dt: expected a number, got "fast"')
      stored { noise = "0.2" }
      refused("test.safetensors: noise: expected 0.2, as in train, got 0.1")
      stored({}, { states = torus.zeros(3, 31, 2) })
      refused("states: expected a tensor %(n,steps %+ 1,2,d%) float32, got a tensor "
        .. "%(3,31,2%) float32")
      stored({}, { other = torus.zeros(3) })
      refused('its tensor "states" is missing')
      stored({}, { states = torus.zeros(3, 31, 2, 3) })
      refused("states: expected 1 coordinates, as pendulum has, got 3")
      os.remove(file)
      local none, message = data.open(path)
      assert.is_nil(none)
      assert.matches("expected train.safetensors, a film's PNGs, or films",
        message)
    end)
  end)

  it("of an unknown system asks for it", function()
    with_folder(function(path)
      local mine = torus.systems.define { name = "mine", dimension = 1, normals = 1,
        energy = function(q, p) return (q * q + p * p):sum(2) end,
        sample = function(_, z) return z, z end }
      assert(data.simulate(mine, { train = 2, test = 1 }):save(path))
      for _, name in ipairs { "train", "test" } do
        local file = path .. "/" .. name .. ".safetensors"
        local tensors, metadata = torus.load(file)
        metadata.system = "yours"
        assert(torus.save(file, tensors, metadata))
      end
      local none, message = data.load(path)
      assert.is_nil(none)
      assert.matches('the data were made with a system "yours", which is not defined: define it '
        .. 'first', message)
    end)
  end)
end)

describe("a Lua file", function()
  local OWN = [[return { name = "by_file", dimension = 1, normals = 1,
    energy = function(q, p) return (q * q + p * p):sum(2) end,
    sample = function(_, z) return z, z end }]]

  it("stands for the system that it returns", function()
    with_folder(function(path)
      local file = path .. "/own.lua"
      write(file, OWN)
      local set = assert(data.open(file, { train = 2, test = 1 }))
      assert.are.equal("by_file", set.system.name)
      assert.are.equal(set.system, torus.systems.get(file))
      assert(set:save(path))
      assert.are.equal(2, assert(data.load(path, { system = file })).train.size)
    end)
  end)

  it("that can't be one gives a message", function()
    with_folder(function(path)
      local file = path .. "/own.lua"
      local none, message = data.open(file)
      assert.is_nil(none)
      assert.matches("cannot open", message)
      write(file, OWN:gsub("dimension = 1", "dimension = 0"))
      none, message = data.open(file)
      assert.is_nil(none)
      assert.matches("own.lua: system: option \"dimension\": expected at least 1",
        message)
    end)
  end)
end)

describe("the user's frames", function()
  local function npy(path, descr, shape, bytes, order)
    local header = ("{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }"):format(
      descr, order or "False", shape)
    header = header .. (" "):rep(-(#header + 11) % 64) .. "\n"
    write(path, "\x93NUMPY\1\0" .. string.pack("<I2", #header) .. header .. bytes)
  end

  local path

  before_each(function() path = os.tmpname() .. ".npy" end)
  after_each(function() os.remove(path) end)

  it("of uint8 and float32 are split and read", function()
    local bytes = torus.arange(0, 6 * 2 * 2 * 2 * 3 - 1):reshape(6, 2, 2, 2, 3)
    assert(torus.npy.save(path, bytes:to("uint8")))
    local set = assert(data.open(path, { test = 2, train = 3 }))
    assert.are.same({ 3, 2, 1 }, { set.train.size, set.test.size, set.steps })
    assert.is_nil(set.system)
    local want = bytes / 255
    assert.are.equal(0, largest(set.train:batch { 3, 1 } - torus.cat({
      want:narrow(1, 3, 1), want:narrow(1, 1, 1) }, 1)))
    assert.are.equal(0, largest(set.test:batch { 2 } - want:narrow(1, 6, 1)))
    assert(torus.npy.save(path, want))
    local floats = assert(data.open(path))
    assert.are.same({ 5, 1 }, { floats.train.size, floats.test.size })
    assert.are.equal(0, largest(floats.test:clean { 1 } - want:narrow(1, 6, 1)))
    local measured = floats.train:measure()
    assert.is_nil(measured.floor)
    assert.is_true(measured.constant > measured.own_mean)
  end)

  it("take no options that are for others", function()
    assert(torus.npy.save(path, torus.zeros(4, 2, 2, 2, 3)))
    raises('unknown option "trian"', function() data.open(path, { trian = 5 }) end)
    raises('unknown option "noise"', function() data.open(path, { noise = 0.5 }) end)
  end)

  it("may be a tensor", function()
    local frames = torus.rand({ 10, 4, 8, 8, 3 }, { generator = torus.generator(1) })
    local set = assert(data.frames(frames, { test = 0.3 }))
    assert.are.same({ 7, 3 }, { set.train.size, set.test.size })
    assert.are.equal(0, largest(set.test:batch { 1 } - frames:narrow(1, 8, 1)))
  end)

  it("hold frames back for rollouts to be compared with", function()
    local frames = torus.rand({ 5, 7, 8, 8, 3 }, { generator = torus.generator(1) })
    local set = assert(data.frames(frames, { test = 2, held_back = 3 }))
    assert.are.same({ 4, 4, 3 }, { set.train.length, set.test.length, set.steps })
    assert.are.equal(0, largest(set.test:batch { 2 }
      - frames:narrow(1, 5, 1):narrow(2, 1, 4)))
    assert.are.same({ 1, 3, 8, 8, 3 }, set.train:windows({ 1 }, { 2 }, 3).shape)
    assert.are.equal(set.test, set:longer("test", 2, 3))
    local whole = set:longer("test", 2, 6)
    assert.are.equal(0, largest(whole:batch { 1, 2 } - frames:narrow(1, 4, 2)))
    local none, message = set:longer("test", 2, 7)
    assert.is_nil(none)
    assert.matches("expected at most 6 steps, got 7", message)
    none, message = data.frames(frames, { held_back = 7 })
    assert.is_nil(none)
    assert.matches("held_back: expected fewer than the 7 frames of a sequence, "
      .. "got 7", message)
  end)

  it("are refused with a message when they can't be used", function()
    local one = ("\0"):rep(4 * 2 * 2 * 2 * 3)
    local floats = string.pack("<f", 0.5):rep(4 * 2 * 2 * 2 * 3)
    local cases = {
      { "is truncated: its shape %(4,2,2,2,3%) needs 96 bytes, it has 95",
        "|u1", "4, 2, 2, 2, 3", one:sub(2) },
      { "expected the shape .* got %(4,24%)", "|u1", "4, 24", one },
      { "expected the shape .* got %(2,2,2,2,6%)", "|u1", "2, 2, 2, 2, 6", one },
      { "got %(2,2,3,2,8%): the channels come last, numpy.moveaxis", "|u1",
        "2, 2, 3, 2, 8", one:rep(2) },
      { "got <c4", "<c4", "4, 2, 2, 2, 3", floats },
      { "expected C order, got Fortran order: save numpy.ascontiguousarray",
        "|u1", "4, 2, 2, 2, 3", one, "True" },
      { "expected at least one frame, got %(4,0,2,2,3%)", "|u1", "4, 0, 2, 2, 3", "" },
      { "expected numbers from 0 to 1 or from 0 to 255, got 0.5 to 7.0 in sequence 4; "
        .. "divide by the largest one, or set white to it %(%-%-set data_white=",
        "<f4", "4, 2, 2, 2, 3", floats:sub(1, -5) .. string.pack("<f", 7) },
      { "got NaN to .* in sequence 4; replace the NaNs", "<f4", "4, 2, 2, 2, 3",
        floats:sub(1, -5) .. string.pack("<f", 0 / 0) },
      { "at most 1, the number of sequences, .* got 0 and 1",
        "|u1", "1, 8, 2, 2, 3", one },
    }
    for _, case in ipairs(cases) do
      npy(path, table.unpack(case, 2))
      local none, message = data.open(path)
      assert.is_nil(none)
      assert.matches(case[1], message)
    end
    write(path, "\x93NUMPY\1\0" .. string.pack("<I2", 60000) .. "{")
    assert.matches("its header is truncated", select(2, data.open(path)))
    write(path, "\x93NUMPY\2\0" .. string.pack("<I4", 0xfffffff0) .. "{")
    assert.matches("1048576 bytes, got 4294967280", select(2, data.open(path)))
    write(path, "GIF89a")
    assert.matches("is not a .npy array", select(2, data.open(path)))
    os.remove(path)
    assert.matches("No such file", select(2, data.open(path)))
  end)

  it("are what export writes", function()
    local set = data.simulate("pendulum", { train = 5, test = 1, noise = 0 })
    assert(data.export(path, set.train, { dtype = "float32", count = 3 }))
    local frames = assert(torus.npy.load(path))
    assert.are.same({ 3, 31, 32, 32, 3 }, frames.shape)
    assert.are.equal(0, largest(frames - set.train:batch { 1, 2, 3 }))
    assert(data.export(path, set.train))
    local bytes = assert(torus.npy.load(path))
    assert.are.equal("uint8", bytes.dtype)
    local back = bytes:narrow(1, 1, 3):to("float32") / 255
    assert.is_true(largest(back - frames) < 0.5001 / 255)
    local none, message = data.export("/nonexistent/x.npy", set.train)
    assert.is_nil(none)
    assert.matches("No such file", message)
  end)

  it("leave nothing behind when their export is stopped", function()
    local set = data.simulate("pendulum", { train = 2, test = 1, noise = 0 })
    assert.error_matches(function()
      data.export(path, set.train, { progress = function() error("interrupted!") end })
    end, "interrupted!")
    assert.is_nil(lfs.attributes(path .. ".part", "mode"))
    assert.is_nil(lfs.attributes(path, "mode"))
  end)
end)

describe("data of nothing", function()
  it("is an error at the caller's line", function()
    raises("data.load: path: expected a path (a string without zero bytes), got nil",
      function() data.load() end)
    raises("data.simulate: expected a system or its name, got 5",
      function() data.simulate(5) end)
    local set = data.simulate("pendulum", { train = 1, test = 1 })
    raises("data.export: split: expected train or test of a data set, got 5",
      function() data.export("x.npy", 5) end)
    raises("data.export: path: expected a path (a string without zero bytes), got 5",
      function() data.export(5, set.train) end)
    raises("data.save: path: expected a path (a string without zero bytes), got nil",
      function() set:save() end)
    raises("hnn_data: expected a system or its name, got nil",
      function() data.hnn_data.make() end)
  end)
end)

describe("data.order", function()
  it("visits every place once in an epoch, each time in another order", function()
    local order = data.order { count = 10, batch = 3, seed = 1, drop_last = false }
    local epochs = {}
    for i = 1, 12 do
      local places, epoch = order:next()
      assert.are.equal((i - 1) // 4 + 1, epoch)
      assert.are.equal(i % 4 == 0 and 1 or 3, #places)
      local seen = epochs[epoch] or {}
      epochs[epoch] = seen
      for _, place in ipairs(places:totable()) do seen[#seen + 1] = place end
    end
    local texts = {}
    for e = 1, 3 do
      texts[table.concat(epochs[e], ",")] = true
      table.sort(epochs[e])
      assert.are.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, epochs[e])
    end
    local different = 0
    for _ in pairs(texts) do different = different + 1 end
    assert.are.equal(3, different)
  end)

  it("depends on the seed alone", function()
    local function first(seed)
      return table.concat(data.order { count = 40, batch = 40, seed = seed }:next():totable(), ",")
    end
    local seen, count = {}, 0
    for seed = 0, 4 do
      local text = first(seed)
      assert.are.equal(text, first(seed))
      if not seen[text] then seen[text], count = true, count + 1 end
    end
    assert.are.equal(5, count)
  end)

  it("goes on from a saved state, also in a fresh one", function()
    local order = data.order { count = 50, batch = 8, seed = 9 }
    for _ = 1, 10 do order:next() end
    local state = order:state()
    local other = data.order { count = 50, batch = 8, seed = 9 }
    other:set_state(state)
    for _ = 1, 10 do
      assert.are.same(order:next():totable(), other:next():totable())
    end
  end)

  it("leaves out what doesn't fill a batch, or the shuffling", function()
    local order = data.order { count = 5, batch = 2, shuffle = false }
    local seen = {}
    for i = 1, 4 do seen[i] = order:next():totable() end
    assert.are.same({ { 1, 2 }, { 3, 4 }, { 1, 2 }, { 3, 4 } }, seen)
    assert.error_matches(function() data.order { count = 5, batch = 6 } end,
      "batch: expected at most 5, the number of sequences, got 6")
    assert.error_matches(function() order:set_state { epoch = 1, used = 9 } end,
      'option "used": expected at most 5')
  end)
end)

describe("windows of sequences", function()
  it("begin anywhere they fit, everywhere as often", function()
    local seen = {}
    for _, start in ipairs(windows.random_starts(1000, 7, 3, torus.generator(1))) do
      seen[start] = (seen[start] or 0) + 1
    end
    local total = 0
    for start = 1, 5 do
      -- 200 of each expected, with a deviation of 12.6
      assert.is_near(200, seen[start] or 0, 57)
      total = total + seen[start]
    end
    assert.are.equal(1000, total)
    assert.are.same({ 1, 1, 1 }, windows.random_starts(3, 4, 4))
  end)

  it("are the elements from their starts on", function()
    local x = torus.arange(24):reshape(3, 4, 2)
    local found = windows.cut(x, { 1, 3, 2 }, 2)
    for i, start in ipairs { 1, 3, 2 } do
      for k = 1, 2 do
        assert.are.same(x[i][start + k - 1]:totable(), found[i][k]:totable())
      end
    end
    raises("windows: start 2: expected at most 3, got 4", function()
      windows.cut(x, { 1, 4, 1 }, 2)
    end)
  end)
end)
