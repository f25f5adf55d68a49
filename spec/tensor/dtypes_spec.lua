-- Integers and bools that compute, and where dtypes meet. Values of every
-- operation on integers are next to PyTorch's in autodiff/operations_spec.
local torus = require "torus"
local raises = require "spec.support.raises"

local ORDER = { "bool", "uint8", "int32", "int64", "float32", "float64" }

local function of(dtype, list) return torus.tensor(list or { 1, 0 }, { dtype = dtype }) end
local function ints(list) return of("int64", list) end

describe("dtypes that meet", function()
  it("become the later one of the order", function()
    for i, a in ipairs(ORDER) do
      for k, b in ipairs(ORDER) do
        local joint = ORDER[math.max(i, k)]
        for _, name in ipairs { "add", "mul", "maximum" } do
          assert.equal(joint, torus[name](of(a), of(b)).dtype, a .. " " .. name .. " " .. b)
        end
        assert.equal(joint, torus.where(of("bool"), of(a), of(b)).dtype)
        assert.equal("bool", of(a):eq(of(b)).dtype)
        assert.same({ true, true }, of(a):eq(of(b)):totable())
      end
    end
  end)

  it("make floats of integers where the result is one", function()
    for i, dtype in ipairs(ORDER) do
      local float = ORDER[math.max(i, 5)]
      assert.equal(float, (of(dtype) / of("uint8", { 2, 2 })).dtype)
      assert.equal(float, (of(dtype) ^ 2).dtype)
      assert.equal(float, of(dtype):exp().dtype)
      assert.equal(float, of(dtype):mean().dtype)
      assert.equal(0.5, of(dtype):mean():item())
    end
  end)

  it("send gradients back through the conversion", function()
    local x = torus.variable(torus.tensor { 1, 2 })
    local y = x * of("float64", { 3, 4 }) * ints { 5, 6 }
    assert.equal("float64", y.dtype)
    local g = torus.grad(y:sum(), x, { create_graph = true })
    assert.equal("float32", g.dtype)
    assert.same({ 15, 24 }, g:totable())
    local second = torus.grad((x:square() * of("bool")):sum(), x, { create_graph = true })
    assert.same({ 2, 0 }, torus.grad(second:sum(), x):totable())
  end)

  it("write into a later one alone", function()
    local x = of("float64", { 0, 0 })
    x[{ {} }] = ints { 1, 2 }
    x:add_(of("bool"))
    assert.same({ 2, 2 }, x:totable())
    raises("copy_: dtypes differ, int64 and float32; write value:to(\"int64\")",
      function() ints { 1 }:copy_(torus.ones(1)) end)
    raises("add_: dtypes differ, bool and int64",
      function() of("bool"):add_(ints { 1, 2 }) end)
  end)
end)

describe("a number", function()
  it("never changes the dtype", function()
    for _, dtype in ipairs(ORDER) do
      assert.equal(dtype, (of(dtype) + 1).dtype)
      assert.equal(dtype, (1 - of(dtype)).dtype)
      assert.equal(dtype, torus.where(of("bool"), of(dtype), 0).dtype)
    end
    assert.equal("float32", torus.where(of("bool"), 1.5, 0).dtype)
    assert.equal("float32", (ints { 1, 2 } / 2).dtype)
    assert.same({ 0.5, 1 }, (ints { 1, 2 } * 1.0 / 2):totable())
  end)

  it("beside integers is one that they hold", function()
    raises("mul: expected an integer as an element of int64, got 0.5; x:to(\"float32\")",
      function() return ints { 1 } * 0.5 end)
    raises("add: expected an element of uint8, 0..255, got 256",
      function() return of("uint8") + 256 end)
    raises("sub: expected an element of int32, -2^31..2^31-1, got 2147483648",
      function() return of("int32") - (1 << 31) end)
    raises("mul: expected an element of bool, true, false, 0 or 1, got 2",
      function() return of("bool") * 2 end)
    raises("add: expected a number beside a tensor of int64, got true",
      function() return ints { 1 } + true end)
    raises("clamp: expected numbers that int64 can represent, got 0.5",
      function() return ints { 1 }:clamp(0.5, 2) end)
  end)

  it("is compared exactly, whatever the dtype", function()
    assert.same({ false, true }, ints { 1, 2 }:gt(1.5):totable())
    assert.same({ true, true }, of("uint8", { 0, 255 }):gt(-1):totable())
    assert.same({ true, false }, of("bool"):gt(0.5):totable())
    local big = (1 << 53) - 1
    assert.same({ true, false }, ints { big, big - 1 }:eq(big):totable())
  end)
end)

describe("integers", function()
  it("divide as Lua's", function()
    for _, y in ipairs { 3, -3, 1, -1, 7 } do
      for x = -8, 8 do
        assert.equal(x // y, (ints { x } // y):item())
        assert.equal(x % y, (ints { x } % y):item())
        assert.equal((x + 0.0) // y, (torus.tensor { x } // y):item())
        assert.equal((x + 0.0) % y, (torus.tensor { x } % y):item())
      end
    end
    assert.equal(math.mininteger, (ints { math.mininteger } // -1):item())
    assert.equal(0, (ints { math.mininteger } % -1):item())
    raises("floor_divide: integers can't be divided by 0, got a divisor with 0 at element 2",
      function() return ints { 1, 1 } // ints { 1, 0 } end)
    raises("remainder: integers can't be divided by 0", function() return ints { 1 } % 0 end)
  end)

  it("wrap around, as Lua's do", function()
    local max, min = math.maxinteger, math.mininteger
    assert.same({ max + max, max * max, min - 1 },
      { (ints { max } + ints { max }):item(), (ints { max } * ints { max }):item(),
        (ints { min } - 1):item() })
    assert.equal(44, (of("uint8", { 200 }) + of("uint8", { 100 })):item())
    assert.equal(-2147483648, (of("int32", { 2147483647 }) + 1):item())
    assert.equal(max + max, ints { max, max }:sum():item())
  end)

  it("are summed in int64, over any dimensions of any layout", function()
    for _, dtype in ipairs { "bool", "uint8", "int32", "int64" } do
      local x = torus.arange(0, 2099, { dtype = "int64" }):reshape(3, 700, 1)
      x = (x % (dtype == "bool" and 2 or 200)):to(dtype)
      local turned = x:permute(2, 3, 1):copy():permute(3, 1, 2)
      local total = 0
      for i = 0, 2099 do total = total + i % (dtype == "bool" and 2 or 200) end
      for _, y in ipairs { x, turned } do
        assert.equal("int64", y:sum().dtype)
        assert.equal(total, y:sum():item())
        assert.equal(total, y:sum(2):sum():item())
        assert.same({ 3, 1 }, y:sum({ 2 }).shape)
        assert.equal(dtype, y:max().dtype)
        assert.same(x:sum(1):totable(), y:sum(1):totable())
      end
    end
    assert.equal(2, ints { 5, 9, 9 }:argmax(1):item())
    assert.same({ 0, 0 }, torus.zeros({ 2, 0 }, { dtype = "int32" }):sum(2):totable())
    raises("max: expected at least one element", function()
      return torus.zeros({ 0 }, { dtype = "int32" }):max()
    end)
  end)
end)

describe("bools", function()
  local yes, no = of("bool", { true, true, false, false }), of("bool", { true, false, true, false })

  it("come from tables and go back to them", function()
    assert.equal("bool", torus.tensor { true, false }.dtype)
    assert.equal("bool", torus.tensor(true).dtype)
    assert.equal("bool", torus.full({ 2 }, true).dtype)
    assert.same({ { true }, { false } }, of("bool", { { 1 }, { 0 } }):totable())
    assert.is_true(torus.tensor(true):item())
    assert.same({ 1, 0 }, torus.tensor({ true, false }, { dtype = "int32" }):totable())
    assert.equal("[ true, false]  bool (2)", tostring(torus.tensor { true, false }))
    raises("tensor: expected booleans, got 1", function() torus.tensor { true, 1 } end)
    raises("tensor: expected numbers, got true", function() torus.tensor { 1, true } end)
    local x = torus.zeros({ 2 }, { dtype = "bool" })
    x[1] = true
    assert.same({ true, false }, x:totable())
  end)

  it("are what differs from 0", function()
    assert.same({ true, false, true, true },
      torus.tensor { 0.25, 0, -3, 0 / 0 }:to("bool"):totable())
    assert.same({ 1, 1, 0, 0 }, yes:to("float64"):totable())
    assert.same({ true, false }, torus.from_bytes("\7\0", "bool", { 2 }):totable())
  end)

  it("have the operators of logic", function()
    assert.same({ true, false, false, false }, (yes & no):totable())
    assert.same({ true, true, true, false }, (yes | no):totable())
    assert.same({ false, true, true, false }, (yes ~ no):totable())
    assert.same({ false, false, true, true }, (~yes):totable())
    assert.same({ false, false, true, true }, (1 - yes):totable())
    assert.same((yes & no):totable(), (yes * no):totable())
    assert.same((yes | no):totable(), (yes + no):totable())
    assert.same({ 4, -4 }, { (ints { 12 } & 6):item(), (~ints { 3 }):item() })
    raises("bitwise_and: expected bool or integer tensors, got tensor (2) float32; compare it",
      function() return torus.ones(2) & torus.ones(2) end)
    raises("bitwise_or: shapes don't broadcast, (4) with (3)",
      function() return yes | of("bool", { true, true, true }) end)
  end)

  it("count as numbers elsewhere", function()
    assert.equal("int64", (-yes).dtype)
    assert.same({ -1, -1, 0, 0 }, (-yes):totable())
    assert.same({ 0, 0, 0.5, 0 }, (torus.full({ 4 }, 0.5) * (~yes & no)):totable())
    assert.equal(2, yes:sum():item())
    assert.is_true(yes:max():item())
    assert.is_false(yes:min():item())
  end)

  it("make an accuracy", function()
    local scores = torus.tensor { { 0.1, 0.9 }, { 0.8, 0.2 }, { 0.3, 0.7 }, { 0.6, 0.4 } }
    assert.equal(0.75, scores:argmax(2):eq(ints { 2, 1, 2, 2 }):mean():item())
  end)
end)

describe("files", function()
  it("keep bool and int32", function()
    local folder = os.tmpname()
    os.remove(folder)
    for _, x in ipairs { torus.tensor { { true, false } }, of("int32", { -5, 2147483647 }),
      torus.zeros({ 0, 2 }, { dtype = "bool" }) } do
      local path = folder .. ".npy"
      assert(torus.npy.save(path, x))
      local y = assert(torus.npy.load(path))
      assert.same({ x.dtype, x.shape, x:totable() }, { y.dtype, y.shape, y:totable() })
      os.remove(path)
      path = folder .. ".safetensors"
      assert(torus.save(path, { x = x }))
      y = assert(torus.load(path)).x
      assert.same({ x.dtype, x.shape, x:totable() }, { y.dtype, y.shape, y:totable() })
      os.remove(path)
    end
  end)
end)
