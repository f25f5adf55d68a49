local torus = require "torus"
local raises = require "spec.support.raises"

local INF = math.huge

describe("torus.tensor", function()
  it("takes its shape from nested tables", function()
    local x = torus.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.same({ 2, 3 }, x.shape)
    assert.equal("float32", x.dtype)
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, x:totable())
    assert.same({}, torus.tensor(5).shape)
    assert.equal(5, torus.tensor(5):item())
    assert.same({ 0 }, torus.tensor({}).shape)
    assert.same({ 2, 0 }, torus.tensor({ {}, {} }).shape)
  end)

  it("holds each dtype exactly", function()
    local big = 2 ^ 53 | 0
    assert.same({ big, -big, 2 ^ 62 | 0 },
      torus.tensor({ big, -big, 2 ^ 62 | 0 }, { dtype = "int64" }):totable())
    assert.same({ 0, 255 }, torus.tensor({ 0, 255.0 }, { dtype = "uint8" }):totable())
    assert.equal("integer", math.type(torus.tensor({ 3 }, { dtype = "uint8" }):item()))
    assert.equal("float", math.type(torus.tensor({ 3 }):item()))
    assert.same({ 0.1, INF, -INF, 5e-324 },
      torus.tensor({ 0.1, INF, -INF, 5e-324 }, { dtype = "float64" }):totable())
    assert.equal(("f"):unpack(("f"):pack(0.1)), torus.tensor(0.1):item())
  end)

  it("refuses tables that are not regular", function()
    raises("tensor: expected nested tables of equal lengths: 2 elements in dimension 2, got 1",
      function() torus.tensor { { 1, 2 }, { 3 } } end)
    raises("tensor: expected nested tables of equal lengths: 1 elements in dimension 2, got 0",
      function() torus.tensor { { 1 }, 2 } end)
    raises("tensor: expected numbers, got {2}",
      function() torus.tensor { 1, { 2 } } end)
    raises("tensor: expected numbers, got \"2\"",
      function() torus.tensor { 1, "2" } end)
    raises("tensor: expected a plain list as the elements, got one with the key \"dtype\"",
      function() torus.tensor { 1, 2, dtype = "int64" } end)
    raises("tensor: expected a number or a table of numbers, got tensor (2) float32; x:copy() "
      .. "copies a tensor", function() torus.tensor(torus.ones(2)) end)
    raises("tensor: expected numbers, got tensor (2) float32; torus.stack joins tensors, x:item() "
      .. "is the number of one", function() torus.tensor { torus.ones(2), torus.ones(2) } end)
    raises("tensor: expected a number or a table of numbers, got nil",
      function() torus.tensor(nil) end)
  end)

  it("refuses tables that contain themselves", function()
    local t = { 1 }
    t[1] = t
    raises("tensor: expected at most 8 dimensions of nested tables, got more",
      function() torus.tensor(t) end)
    local wide = { 1, 2 }
    wide[2] = wide
    raises("tensor: expected numbers, got a table",
      function() torus.tensor(wide) end)
  end)

  it("refuses numbers that the dtype can't hold", function()
    raises("tensor: expected an integer as an element of int64, got 1.5",
      function() torus.tensor({ 1.5 }, { dtype = "int64" }) end)
    raises("tensor: expected an element of uint8, 0..255, got 256",
      function() torus.tensor({ 256 }, { dtype = "uint8" }) end)
    raises("tensor: expected an element of uint8, 0..255, got -1",
      function() torus.tensor({ -1 }, { dtype = "uint8" }) end)
  end)

  it("checks its options", function()
    raises("tensor: unknown option \"dtyp\", did you mean \"dtype\"? (known: dtype, "
      .. "requires_grad, generator)",
      function() torus.tensor(1, { dtyp = "float64" }) end)
    raises("tensor: expected the dtype \"float32\"",
      function() torus.tensor(1, { dtype = "half" }) end)
    raises("expected the dtype \"float32\", \"float64\", \"int64\", \"int32\", "
      .. "\"uint8\" or \"bool\", got 64",
      function() torus.tensor(1, { dtype = 64 }) end)
    raises("tensor: expected a table of options, got \"float64\"",
      function() torus.tensor(1, "float64") end)
    raises("tensor: options are named by strings, got the key 1",
      function() torus.tensor(1, { "float64" }) end)
    raises("tensor: expected float32 or float64 with requires_grad, got the dtype int64",
      function() torus.tensor(1, { dtype = "int64", requires_grad = true }) end)
    raises("tensor: too many arguments", function() torus.tensor(1, {}, {}) end)
  end)
end)

describe("filled tensors", function()
  it("take sizes as numbers or as a table", function()
    assert.same({ { 0, 0 }, { 0, 0 } }, torus.zeros(2, 2):totable())
    assert.same({ 1, 1 }, torus.ones({ 2 }, { dtype = "float64" }):totable())
    assert.same({ 7, 7 }, torus.full({ 2 }, 7, { dtype = "int64" }):totable())
    assert.same({}, torus.zeros().shape)
    assert.same({}, torus.zeros({}).shape)
    assert.same({ 3, 0, 2 }, torus.zeros(3, 0, 2).shape)
    assert.same({ { 1, 0 }, { 0, 1 } }, torus.eye(2):totable())
    assert.same({ 0, 0 }, torus.eye(0).shape)
    assert.equal("float64", torus.zeros({ 1 }, { dtype = "float64" }).dtype)
  end)

  it("refuse sizes that make no sense", function()
    raises("zeros: expected sizes from 0, got -1", function() torus.zeros(2, -1) end)
    raises("zeros: expected an integer as the shape, got 1.5", function() torus.zeros(1.5) end)
    raises("zeros: expected an integer as the shape, got \"2\"",
      function() torus.zeros { "2" } end)
    raises("ones: the shape has more than 8 entries",
      function() torus.ones(1, 1, 1, 1, 1, 1, 1, 1, 1) end)
    raises("zeros: expected a list of integers as the shape, got \"2\"",
      function() torus.zeros("2") end)
    raises("zeros: expected a plain list as the shape, got one with the key \"dtype\"",
      function() torus.zeros { 2, dtype = "float64" } end)
    raises("full: expected a table as the shape, got 2", function() torus.full(2, 3) end)
    raises("full: expected a number as the value, got no value", function() torus.full({ 2 }) end)
    raises("eye: expected an integer as the size, got no value", function() torus.eye() end)
    raises("zeros: expected a table of options, got 3", function() torus.zeros({ 2 }, 3) end)
    raises("full: expected an element of uint8, 0..255, got 300",
      function() torus.full({ 1 }, 300, { dtype = "uint8" }) end)
    raises("full: expected an integer as an element of int64, got 0.5",
      function() torus.full({ 1 }, 0.5, { dtype = "int64" }) end)
  end)

  it("refuse sizes beyond any memory, also beside a size of 0", function()
    local huge = 1 << 40
    raises("out of memory: cannot allocate a float32 tensor", function() torus.zeros(huge) end)
    raises("can't have the shape", function() torus.zeros(huge, huge) end)
    raises("can't have the shape", function() torus.zeros(0, huge, huge) end)
    raises("can't have the shape", function() torus.zeros(math.maxinteger) end)
    raises("out of memory", function() torus.eye(1 << 26) end)
    raises("out of memory", function() torus.arange(huge) end)
    raises("out of memory", function() torus.randperm(huge) end)
    raises("out of memory", function() torus.randn(huge) end)
    raises("out of memory", function() torus.linspace(0, 1, huge) end)
    assert.equal(6, torus.ones(2, 3):sum():item()) -- and all is well
  end)

  it("follow another tensor's shape and dtype", function()
    local x = torus.full({ 2, 1 }, 3, { dtype = "float64" })
    assert.same({ { 0 }, { 0 } }, torus.zeros_like(x):totable())
    assert.equal("float64", x:ones_like().dtype)
    assert.equal("float32", torus.zeros_like(x, { dtype = "float32" }).dtype)
    assert.same({ 2, 1 }, x:randn_like().shape)
    raises("zeros_like: expected a tensor, got {2}", function() torus.zeros_like { 2 } end)
    raises("ones_like: expected a table of options, got 3",
      function() torus.ones_like(x, 3) end)
    raises("randn_like: expected the dtype float32 or float64, got int64",
      function() torus.randperm(2):randn_like() end)
  end)
end)

describe("ranges", function()
  it("include both ends", function()
    assert.same({ 1, 2, 3 }, torus.arange(3):totable())
    assert.same({ 2, 3, 4 }, torus.arange(2, 4):totable())
    assert.same({ 5, 3, 1 }, torus.arange(5, 1, -2):totable())
    assert.same({ 0, 0.5, 1 }, torus.arange(0, 1, 0.5):totable())
    assert.equal(11, #torus.arange(0, 1, 0.1))
    assert.same({}, torus.arange(0):totable())
    assert.same({}, torus.arange(3, 1):totable())
    assert.equal("int64", torus.arange(3, { dtype = "int64" }).dtype)
  end)

  it("of linspace end exactly", function()
    for n = 2, 200 do
      local x = torus.linspace(0.1, 0.7, n, { dtype = "float64" })
      assert.equal(0.1, x[1]:item())
      assert.equal(0.7, x[-1]:item())
    end
    assert.same({ 3 }, torus.linspace(3, 9, 1):totable())
    assert.same({}, torus.linspace(3, 9, 0):totable())
  end)

  it("refuse what is no range", function()
    raises("arange: expected a step other than 0", function() torus.arange(1, 3, 0) end)
    raises("arange: expected fewer than 2^48 numbers, got the range from 1 to -nan by 1",
      function() torus.arange(1, 0 / 0) end)
    raises("arange: expected fewer than 2^48 numbers, got the range from 1 to inf by 1",
      function() torus.arange(1, INF) end)
    raises("arange: expected a number as the last number, got \"a\"",
      function() torus.arange("a") end)
    raises("linspace: expected sizes from 0, got -1", function() torus.linspace(0, 1, -1) end)
    raises("linspace: expected an integer as the count, got 2.5",
      function() torus.linspace(0, 1, 2.5) end)
  end)
end)

describe("conversions", function()
  it("round toward zero and stay in range", function()
    local x = torus.tensor({ 1.9, -1.9, 300, -5, 0 / 0, 1e30 }, { dtype = "float64" })
    assert.same({ 1, -1, 300, -5, 0, math.maxinteger }, x:to("int64"):totable())
    assert.same({ 1, 0, 255, 0, 0, 255 }, x:to("uint8"):totable())
    assert.same({ 1, 255 }, torus.tensor({ 1, 255 }, { dtype = "uint8" }):to("float32"):totable())
    assert.equal("float64", x:float():double().dtype)
  end)

  it("work on any layout", function()
    local x = torus.arange(6):reshape(2, 3):transpose()
    assert.same({ { 1, 4 }, { 2, 5 }, { 3, 6 } }, x:to("int64"):totable())
  end)

  it("do not happen by themselves in products and joins", function()
    raises("matmul: dtypes differ", function()
      torus.ones(2, 2):matmul(torus.ones({ 2, 2 }, { dtype = "float64" }))
    end)
    raises("cat: tensor 2, float64 (2), does not fit float32 (2) along dimension 1", function()
      torus.cat { torus.ones(2), torus.ones({ 2 }, { dtype = "float64" }) }
    end)
    raises("matmul: expected a float32 or float64 tensor, got int64; convert it with "
      .. "x:to(\"float32\")", function() torus.randperm(3):matmul(torus.randperm(3)) end)
    raises("to: expected the dtype", function() torus.ones(2):to("complex") end)
    raises("to: missing dtype", function() torus.ones(2):to() end)
  end)

  it("of numbers follow the tensor beside them", function()
    assert.equal("float64", (torus.ones({ 2 }, { dtype = "float64" }) * 2).dtype)
    assert.equal("float64", (2 - torus.ones({ 2 }, { dtype = "float64" })).dtype)
    assert.same({ 1, 3 }, (1 + torus.tensor { 0, 2 }):totable())
    raises("add: expected a tensor, got only numbers", function() torus.add(1, 2) end)
  end)

  it("to and from bytes keep every bit", function()
    for _, dtype in ipairs { "float32", "float64", "int64", "int32", "uint8" } do
      local x = torus.tensor({ { 1, 2 }, { 3, 4 } }, { dtype = dtype })
      local bytes = torus.to_bytes(x)
      assert.same(x:totable(), torus.from_bytes(bytes, dtype, { 2, 2 }):totable())
      local turned = torus.from_bytes(torus.to_bytes(x:transpose()), dtype, { 2, 2 })
      assert.same({ 2, 4 }, turned[2]:totable())
    end
    assert.equal(("<d"):pack(1.5), torus.to_bytes(torus.tensor(1.5, { dtype = "float64" })))
    assert.same({ 3 }, torus.from_bytes("\1\2\3", "uint8", { 1 }, 3):totable())
    assert.same({}, torus.from_bytes("", "uint8", { 0 }):totable())
    raises("from_bytes: expected the bytes of float32 (1) from byte 1 on, got a string of 3",
      function() torus.from_bytes("abc", "float32", { 1 }) end)
    raises("from_bytes: expected the bytes of uint8 (1) from byte 4 on, got a string of 3",
      function() torus.from_bytes("abc", "uint8", { 1 }, 4) end)
    raises("from_bytes: expected the bytes of uint8 (1) from byte 0 on, got a string of 3",
      function() torus.from_bytes("abc", "uint8", { 1 }, 0) end)
    raises("from_bytes: expected the bytes of float32 (4611686018427387904,4) from byte 1 "
      .. "on, got a string of 4",
      function()
      torus.from_bytes("abcd", "float32", { 1 << 62, 1 << 2 })
    end)
    raises("from_bytes: expected a string, got nil",
      function() torus.from_bytes(nil, "uint8", { 1 }) end)
    raises("from_bytes: expected sizes from 0, got -1",
      function() torus.from_bytes("", "uint8", { -1 }) end)
  end)
end)

describe("a tensor as a Lua value", function()
  it("tells its shape", function()
    local x = torus.zeros(2, 3)
    assert.same({ 2, 3 }, x:size())
    assert.equal(3, x:size(2))
    assert.equal(2, x:size(-2))
    assert.equal(2, #x)
    assert.equal(2, x:dim())
    assert.equal(6, x:numel())
    assert.is_true(x:is_contiguous())
    assert.is_false(x:transpose():is_contiguous())
    assert.is_true(torus.is_tensor(x))
    assert.is_false(torus.is_tensor {})
    assert.is_false(torus.is_tensor "x")
    assert.is_false(torus.is_tensor())
    raises("size: dimension 3 is outside of a tensor with 2 dimensions", function() x:size(3) end)
    raises("size: dimension 0 is outside", function() x:size(0) end)
    raises("#: expected a tensor with a dimension, got tensor () float32",
      function() return #torus.zeros() end)
    raises("item: expected a tensor with one element, got tensor (2,3) float32",
      function() x:item() end)
  end)

  it("says which fields it has not", function()
    local x = torus.zeros(2)
    raises('a tensor has no property or method "shap", did you mean "shape"?',
      function() return x.shap end)
    raises('a tensor has no property or method "sume", did you mean "sum"?',
      function() return x:sume() end)
    raises('zeros: unknown option "dtpe", did you mean "dtype"?',
      function() torus.zeros(2, { dtpe = "float64" }) end)
    raises('sum: unknown option "kepdim", did you mean "keepdim"?',
      function() x:sum { kepdim = true } end)
    raises("a tensor has no property 'data' that can be set (there are requires_grad and grad)",
      function() x.data = 1 end)
    raises("a tensor has no property 'dtype' that can be set (there are requires_grad and grad)",
      function() x.dtype = "float64" end)
  end)

  it("is equal to itself alone", function()
    local x = torus.zeros(2)
    assert.is_true(x == x)
    assert.is_false(x == torus.zeros(2))
    assert.is_false(x == 1)
  end)

  it("refuses everything once it is released", function()
    local x = torus.zeros(2)
    x:release()
    x:release()
    for _, name in ipairs { "sum", "size", "dim", "exp", "totable", "item", "detach", "backward",
      "transpose", "squeeze", "pad", "copy", "fill_", "numel" } do
      raises("the tensor was released", function() x[name](x, 1) end)
    end
    raises("contiguous: the tensor was released", function() x:contiguous() end)
    raises("add: the tensor was released", function() return torus.ones(2) + x end)
    raises("shape: the tensor was released", function() return x.shape end)
    raises("index: the tensor was released", function() return x[1] end)
    raises("index: the tensor was released", function() x[1] = 2 end)
    raises("#: the tensor was released", function() return #x end)
    raises("cat: input 1 was released", function() torus.cat { x } end)
    assert.is_false(x == x and x == torus.ones(1))
    assert.equal("tensor (released)", tostring(x))
  end)

  it("is released at the end of a block", function()
    collectgarbage()
    local before = torus.memory().tensors
    do
      local x <close> = torus.zeros(10)
      assert.equal(before + 1, torus.memory().tensors)
      assert.equal(10, #x)
    end
    assert.equal(before, torus.memory().tensors)
  end)

  it("works inside coroutines", function()
    local make = coroutine.wrap(function()
      local x = torus.ones({ 2 }, { requires_grad = true })
      coroutine.yield(x)
      coroutine.yield((x * x):sum())
    end)
    local x, y = make(), make()
    assert.same({ 2, 2 }, torus.grad(y, x):totable())
    local co = coroutine.create(function() torus.zeros(-1) end)
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.truthy(message:find("^spec/tensor/create_spec.lua:%d+: zeros: expected sizes"))
  end)
end)
