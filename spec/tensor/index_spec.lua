local torus = require "torus"
local raises = require "spec.support.raises"

local function grid() return torus.arange(12):reshape(3, 4) end

describe("indexing", function()
  it("by one place selects along the first dimension", function()
    local x = grid()
    assert.same({ 5, 6, 7, 8 }, x[2]:totable())
    assert.same({ 9, 10, 11, 12 }, x[-1]:totable())
    assert.equal(7, x[2][3]:item())
    assert.same({}, x[2][3].shape)
    assert.same({ 1, 2, 3, 4 }, x[1.0]:totable())
  end)

  it("by a list takes places and ranges, ends included", function()
    local x = grid()
    assert.equal(7, x[{ 2, 3 }]:item())
    assert.same({ { 6, 7 }, { 10, 11 } }, x[{ { 2, 3 }, { 2, 3 } }]:totable())
    assert.same({ 3, 7, 11 }, x[{ {}, 3 }]:totable())
    assert.same({ { 3 }, { 7 }, { 11 } }, x[{ {}, { 3, 3 } }]:totable())
    assert.same({ 5, 7 }, x[{ 2, { 1, 4, 2 } }]:totable())
    assert.same({ 5, 8 }, x[{ 2, { 1, -1, 3 } }]:totable())
    assert.same({ 3, 4 }, x[{ 1, { -2, -1 } }]:totable())
    assert.same({ 0, 4 }, x[{ { 3, 2 } }].shape)
    assert.same({ 3, 4 }, x[{}].shape)
    assert.same({ { 9, 10, 11, 12 } }, x[{ { 3, 3, 100 } }]:totable())
  end)

  it("gives views of the same memory", function()
    local x = grid()
    x[2][3] = 70
    x[{ {}, 1 }]:fill_(0)
    assert.same({ { 0, 2, 3, 4 }, { 0, 6, 70, 8 }, { 0, 10, 11, 12 } }, x:totable())
  end)

  it("is refused beyond the sizes", function()
    local x = grid()
    raises("index: 0 is outside 1..3 in dimension 1 of a tensor of shape (3,4)",
      function() return x[0] end)
    raises("index: 4 is outside 1..3", function() return x[4] end)
    raises("index: -4 is outside 1..3", function() return x[-4] end)
    raises("index: 5 is outside 1..4 in dimension 2", function() return x[{ 1, 5 }] end)
    raises("index: 0 is outside 1..4", function() return x[{ 1, { 0, 2 } }] end)
    raises("index: 9 is outside 1..4", function() return x[{ 1, { 2, 9 } }] end)
    raises("index: expected an integer as an index, got 1.5", function() return x[1.5] end)
    raises("index: expected an integer as an index, got inf",
      function() return x[math.huge] end)
    raises("index: expected an integer as an index, got true", function() return x[true] end)
    raises("index: expected an integer as an index, got nil", function() return x[nil] end)
    raises("index: expected an integer as an index, got \"1\"",
      function() return x[{ "1", 2 }] end)
    raises("index: expected a bool tensor as a mask or an int64 one as indices, got "
      .. "tensor (3,4) float32",
      function() return x[x] end)
    raises("index: expected at most 2 indices for a tensor of shape (3,4), got 3",
      function() return x[{ 1, 1, 1 }] end)
    raises("index: expected at most 0 indices for a tensor of shape (), got 1",
      function() return torus.tensor(1)[1] end)
    raises("index: expected {}, {first, last} or {first, last, step}, got 1 entries",
      function() return x[{ { 1 } }] end)
    raises("got 4 entries", function() return x[{ { 1, 2, 1, 1 } }] end)
    raises("index: expected a step above 0, got 0", function() return x[{ { 1, 2, 0 } }] end)
    raises("index: expected a step above 0, got -1", function() return x[{ { 3, 1, -1 } }] end)
    raises("got one with the key \"dim\"", function() return x[{ dim = 1 }] end)
    raises("got one with the key \"first\"", function() return x[{ { first = 1 } }] end)
    raises("index: 1 is outside 1..0", function() return torus.zeros(0)[1] end)
    raises("index: " .. math.mininteger .. " is outside", function() return x[math.mininteger] end)
  end)
end)

describe("assignment", function()
  it("writes numbers and tensors, broadcast", function()
    local x = torus.zeros(2, 3)
    x[1] = 5
    x[{ 2, { 2, 3 } }] = torus.tensor { 7, 8 }
    assert.same({ { 5, 5, 5 }, { 0, 7, 8 } }, x:totable())
    x[{ {}, { 1, 2 } }] = torus.tensor { { 1 }, { 2 } }
    assert.same({ { 1, 1, 5 }, { 2, 2, 8 } }, x:totable())
    x[{}] = torus.tensor { 3, 2, 1 }
    assert.same({ { 3, 2, 1 }, { 3, 2, 1 } }, x:totable())
    x[{ 1, { 1, 3, 2 } }] = 0
    assert.same({ 0, 2, 0 }, x[1]:totable())
  end)

  it("between overlapping parts of one tensor takes the old values", function()
    local x = torus.arange(6)
    x[{ { 2, 6 } }] = x[{ { 1, 5 } }]
    assert.same({ 1, 1, 2, 3, 4, 5 }, x:totable())
    local y = torus.arange(4):reshape(2, 2)
    y:copy_(y:transpose())
    assert.same({ { 1, 3 }, { 2, 4 } }, y:totable())
    y[{}] = y[1]
    assert.same({ { 1, 3 }, { 1, 3 } }, y:totable())
  end)

  it("keeps integers exact", function()
    local x = torus.zeros({ 2 }, { dtype = "int64" })
    x[1] = 2 ^ 53
    x[2] = -7
    assert.same({ 2 ^ 53 | 0, -7 }, x:totable())
    raises("index: expected an integer as an element of int64, got 1.5",
      function() x[1] = 1.5 end)
    raises("index: expected an element of int64, at most 2^53 in size",
      function() x[1] = math.maxinteger end)
    -- 2^53 + 1 is the first integer that a double would round.
    local v = (1 << 53) + 1
    for name, f in pairs {
      index = function() x[1] = v end,
      full = function() return (torus.full({ 1 }, v, { dtype = "int64" })) end,
      fill_ = function() return (x:fill_(-v)) end,
      masked_fill = function() return (x:masked_fill(x:eq(x), v)) end,
      where = function() return (torus.where(x:eq(x), v, x)) end,
      add = function() return x + v end,
      maximum = function() return (torus.maximum(x, v)) end,
      add_ = function() return (x:add_(v)) end,
    } do
      raises(name .. ": expected an element of int64, at most 2^53 in size, got "
        .. (name == "fill_" and "-" or "") .. "9007199254740993; torus.tensor({ v }, "
        .. "{ dtype = \"int64\" }) holds it", f)
    end
    x[1] = torus.tensor(v, { dtype = "int64" })
    assert.equal(v, x[1]:item())
    x[1] = v - 1
    assert.equal(1 << 53, x[1]:item())
    local y = torus.zeros({ 2 }, { dtype = "uint8" })
    y:fill_(255)
    assert.same({ 255, 255 }, y:totable())
    raises("fill_: expected an element of uint8, 0..255, got 256", function() y:fill_(256) end)
  end)

  it("is refused where shapes or dtypes differ", function()
    local x = torus.zeros(2, 3)
    raises("index: a value of shape (2) doesn't broadcast to shape (3)",
      function() x[1] = torus.ones(2) end)
    raises("index: a value of shape (2,3) doesn't broadcast to shape (3)",
      function() x[1] = torus.ones(2, 3) end)
    raises("index: dtypes differ, float32 and float64",
      function() x[1] = torus.ones({ 3 }, { dtype = "float64" }) end)
    raises("index: expected a number or a tensor to write, got nil", function() x[1] = nil end)
    raises("index: expected a number or a tensor to write, got \"1\"", function() x[1] = "1" end)
    raises("index: expected a number or a tensor to write, got {1, 2, 3}",
      function() x[1] = { 1, 2, 3 } end)
    raises("index: 3 is outside 1..2", function() x[3] = 1 end)
    raises("copy_: a value of shape (4) doesn't broadcast to shape (2,3)",
      function() x:copy_(torus.ones(4)) end)
    raises("copy_: expected a number or a tensor to write, got nil", function() x:copy_() end)
    raises("add_: expected a number as alpha, got \"2\"", function() x:add_(1, "2") end)
  end)

  it("is refused where a gradient would get lost", function()
    local x = torus.ones({ 2 }, { requires_grad = true })
    raises("index: the tensor is part of a graph", function() x[1] = 5 end)
    raises("mul_: the tensor is part of a graph", function() (x * 2):mul_(2) end)
    local buffer = torus.zeros(2)
    raises("index: writing is not recorded, and the value requires a gradient",
      function() buffer[1] = x[1] end)
    raises("add_: writing is not recorded", function() buffer:add_(x) end)
    torus.no_grad(function()
      x[1] = 5
      buffer:copy_(x)
    end)
    buffer:add_(x:detach())
    assert.same({ 10, 2 }, buffer:totable())
  end)

  it("is refused where elements repeat", function()
    local x = torus.ones(3):expand(2, 3)
    raises("index: the tensor repeats elements along dimension 1; write to x:copy()",
      function() x[1] = 5 end)
    raises("add_: the tensor repeats elements", function() x:add_(1) end)
    local y = x:copy()
    y[1] = 5
    assert.same({ { 5, 5, 5 }, { 1, 1, 1 } }, y:totable())
    torus.ones(1):expand(1, 1):fill_(3)
  end)
end)

describe("in-place arithmetic", function()
  it("changes the tensor and returns it", function()
    local x = torus.tensor { 1, 2 }
    assert.is_true(x == x:add_(1):mul_(2):add_(torus.tensor { 10, 20 }, 0.5))
    assert.same({ 9, 16 }, x:totable())
    assert.same({ 0, 0 }, x:zero_():totable())
    assert.same({ 7, 7 }, x:copy_(7):totable())
    x:add_(x)
    assert.same({ 14, 14 }, x:totable())
  end)

  it("reaches through views", function()
    local x = torus.zeros(2, 3)
    x:transpose()[2]:add_(5)
    x:reshape(6)[{ { 1, 6, 5 } }]:add_(torus.tensor { 1, 2 })
    assert.same({ { 1, 5, 0 }, { 0, 5, 2 } }, x:totable())
    torus.zeros(0, 3):add_(1)
  end)
end)
