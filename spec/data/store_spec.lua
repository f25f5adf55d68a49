local lfs = require "lfs"
local raises = require "spec.support.raises"
local torus = require "torus"

describe("a data set that replaces another", function()
  local base

  before_each(function()
    base = os.tmpname()
    os.remove(base)
    assert(torus.files.make_folder(base))
  end)
  after_each(function() os.execute("rm -r " .. base) end)

  local function set_of(seed, count)
    return torus.data.simulate("pendulum", { train = count or 3, test = 2,
      seed = seed, steps = 4 })
  end

  local function names()
    local list = {}
    for name in lfs.dir(base) do
      if not name:find "^%.%.?$" and name ~= ".lock" then list[#list + 1] = name end
    end
    table.sort(list)
    return table.concat(list, " ")
  end

  -- Saves while renames fail from the nth on, as if the process ended there.
  local function save_until(n, set)
    local rename, calls = os.rename, 0
    os.rename = function(...) -- luacheck: ignore
      calls = calls + 1
      if calls >= n then error("killed", 0) end
      return rename(...)
    end
    local ok = pcall(set.save, set, base)
    os.rename = rename -- luacheck: ignore
    return ok
  end

  it("is the old one or the new one, wherever it was cut off", function()
    for n, expected in ipairs { 1, 2, 2, 2 } do
      assert(set_of(1):save(base))
      assert.are.equal(n == 4, save_until(n, set_of(2)))
      local set = assert(torus.data.load(base))
      assert.are.equal(expected, set.seed)
      local want = set_of(expected)
      for _, name in ipairs { "train", "test" } do
        assert.are.equal(0, (set[name].noisy - want[name].noisy):abs():max():item())
      end
      -- The next one finds nothing in its way.
      assert(set_of(3, 5):save(base))
      assert.are.equal("test.safetensors train.safetensors", names())
      assert.are.equal(5, assert(torus.data.load(base)).train.size)
    end
  end)

  it("has a system that is one, or its name", function()
    assert(set_of(1):save(base))
    raises("data.load: system: expected a system, its name or the path of its Lua file, "
      .. "got true", function() torus.data.load(base, { system = true }) end)
  end)

  -- The number of a process that has ended.
  local function ended()
    local pipe = io.popen "echo $$"
    local process = pipe:read "n"
    pipe:close()
    return process
  end

  it("is not kept out by what a killed writer had begun", function()
    assert(set_of(1):save(base))
    for _, name in ipairs { "/.set-being-written", "/.set-committed" } do
      assert(lfs.mkdir(base .. name))
      assert(torus.files.write(base .. name .. "/train.safetensors.tmp-" .. ended() .. "-0",
        "half of a fi"))
      assert(set_of(2):save(base))
      assert.are.equal(2, assert(torus.data.load(base)).seed)
      assert.are.equal("test.safetensors train.safetensors", names())
    end
  end)

  -- The path of a program that saves a set to the folder.
  local function saving(train, seed)
    local path = base .. "-saving.lua"
    assert(torus.files.write(path, ([[
      local torus = require "torus"
      assert(torus.data.simulate("pendulum", { train = %d, test = 20, steps = 4, seed = %d })
        :save(%q))]]):format(train, seed, base)))
    return path
  end

  -- A kill while a file is written, not between two.
  it("survives kills in the middle of a file", function()
    local child = ("exec 2>/dev/null; scripts/torus %s >/dev/null & child=$!; ")
      :format(saving(4000, 0))
    for _ = 1, 3 do
      os.execute(child .. ("while kill -0 $child && ! ls %s/.set-being-written/*.tmp-*; do :; done"
        .. " >/dev/null; kill -9 $child; wait $child"):format(base))
      assert(set_of(1):save(base))
      assert.are.equal("test.safetensors train.safetensors", names())
    end
  end)

  it("is refused while another process works in the folder", function()
    assert(set_of(1):save(base))
    local script, ready = base .. "-holder.lua", base .. "/ready"
    assert(torus.files.write(script, ([[
      assert(require("torus.lock").take(%q))
      assert(io.open(%q, "w")):close()
      io.read("a")]]):format(base, ready)))
    local other = assert(io.popen("scripts/torus " .. script, "w"))
    local deadline = os.time() + 20
    repeat until torus.files.exists(ready) or os.time() > deadline
    local ok, message = set_of(2):save(base)
    other:close()
    os.remove(script)
    assert.is_nil(ok)
    assert.matches("another process works in it$", message)
    assert.are.equal(1, assert(torus.data.load(base)).seed)
  end)

  it("survives a kill at any time", function()
    assert(set_of(1):save(base))
    for i = 1, 8 do
      os.execute(("exec 2>/dev/null; scripts/torus %s >/dev/null & child=$!; sleep %.2f; "
        .. "kill -9 $child; wait $child"):format(saving(20, i + 1), 0.05 * i))
      local set = assert(torus.data.load(base))
      local want = torus.data.simulate("pendulum", { train = 3, test = 2,
        seed = set.seed, steps = 4 })
      for _, name in ipairs { "train", "test" } do
        assert.are.equal(0, (set[name].noisy:narrow(1, 1, 2)
          - want[name].noisy:narrow(1, 1, 2)):abs():max():item())
      end
    end
    assert(set_of(1):save(base))
    assert.is_nil(names():find("set-", 1, true))
  end)

  it("is refused where its parts have different steps", function()
    assert(set_of(1):save(base))
    local other = base .. "/other"
    assert(torus.files.make_folder(other))
    assert(torus.data.simulate("pendulum", { train = 3, test = 2, seed = 1,
      steps = 5 }):save(other))
    assert(os.rename(other .. "/test.safetensors", base .. "/test.safetensors"))
    local set, message = torus.data.load(base)
    assert.is_nil(set)
    assert.matches("test.safetensors: steps: expected 4, as in train, got 5", message)
  end)
end)
