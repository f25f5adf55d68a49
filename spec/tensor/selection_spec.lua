-- Selecting by masks and indices, and writing to what is selected. Values and
-- first gradients are next to PyTorch's in autodiff/operations_spec, those of
-- the functions checked in autodiff/functions_spec.
local torus = require "torus"
local gradcheck = require "spec.support.gradcheck"
local raises = require "spec.support.raises"

local function ints(list) return torus.tensor(list, { dtype = "int64" }) end
local function mask(list) return torus.tensor(list, { dtype = "bool" }) end
local MATRIX = mask { { true, false, true }, { false, false, true } }

-- The same values in other memory.
local layouts = {
  contiguous = function(x) return x:copy() end,
  transposed = function(x) return x:transpose(1, -1):copy():transpose(1, -1) end,
  strided = function(x)
    local shape = x.shape
    shape[#shape] = 2 * shape[#shape]
    local range = {}
    for d = 1, #shape do range[d] = {} end
    range[#range] = { 1, shape[#shape], 2 }
    return torus.ones(shape, { dtype = x.dtype })[range]:copy_(x)
  end,
}

describe("selecting", function()
  it("keeps every dtype and layout", function()
    for _, dtype in ipairs { "float32", "float64", "int64", "int32", "uint8", "bool" } do
      local x = torus.arange(6):reshape(2, 3):gt(2):to(dtype)
      for name, layout in pairs(layouts) do
        local y = layout(x)
        assert.equal(dtype, y[MATRIX].dtype)
        local t = x:totable()
        assert.same({ t[1][1], t[1][3], t[2][3] }, y[MATRIX]:totable(), name)
        assert.same({ t[2], t[1], t[2] }, y[ints { 2, 1, 2 }]:totable(), name)
        assert.same({ t[2] }, y[mask { false, true }]:totable(), name)
      end
    end
  end)

  it("has gradients of any order", function()
    local cases = {
      { { 2, 3 }, function(x) return x[MATRIX]:square() end },
      { { 2, 3 }, function(x) return x[mask { true, false }]:exp() end },
      { { 3, 2 }, function(x) return x[ints { { 3, 1 }, { 3, 2 } }]:sin() end },
      { { 2, 3 }, function(x) return x[{ {}, ints { 3, 1 } }]:square() end },
      { { 2, 3 }, function(x) return x[{ 1, mask { true, false, true } }]:square() end },
      { { 2, 3 }, function(x) return x[x:gt(0)]:exp() end },
      { { 0, 3 }, function(x) return x[mask {}:reshape(0)] end },
    }
    for i, case in ipairs(cases) do
      for order = 1, 3 do
        for _, layout in ipairs(gradcheck.layouts) do
          local inputs = gradcheck.inputs({ case[1] }, layout)
          if inputs then gradcheck.check(case[2], inputs, order, "case " .. i) end
        end
      end
    end
  end)

  it("goes on inside a second derivative", function()
    -- f = sum over the positive x of x^4 / 12; its second derivative is x^2 there.
    local x = torus.variable(torus.tensor({ -1, 2, 3 }, { dtype = "float64" }))
    local g = torus.grad((x[x:gt(0)] ^ 4 / 12):sum(), x, { create_graph = true })
    local h = torus.grad(g[ints { 2, 3 }]:sum(), x, { create_graph = true })
    assert.same({ 0, 4, 9 }, h:totable())
    assert.same({ 0, 4, 6 }, torus.grad(h:masked_select(h:gt(0)):sum(), x):totable())
  end)

  it("works in lists beside ranges and single indices", function()
    local x = torus.arange(24):reshape(2, 3, 4)
    assert.same(x:index_select(2, { 3, 1 }):totable(), x[{ {}, ints { 3, 1 } }]:totable())
    assert.same(x[2]:index_select(2, { 4 }):totable(), x[{ 2, {}, ints { 4 } }]:totable())
    assert.same({ 2, 3, 2 }, x[{ {}, {}, mask { 1, 0, 0, 1 } }].shape)
    assert.same({ 1, 2, 4 }, x[{ { 2, 2 }, mask { 1, 0, 1 } }].shape)
    raises("index: expected tensors with one dimension in a list of indices, got tensor (1,1)",
      function() return x[{ {}, ints { { 1 } } }] end)
  end)

  it("takes several tensors as the coordinates of points", function()
    local x = torus.randn(2, 3, 4)
    local i, j, k = { 1, 2, 2, 1, 2 }, { 3, 1, 1, 2, 3 }, { 4, 4, 1, 1, 2 }
    local function each(f)
      local list = {}
      for n = 1, #i do list[n] = f(i[n], j[n], k[n]) end
      return torus.stack(list)
    end
    assert.same(each(function(a, b, c) return x[{ a, b, c }] end):totable(),
      x[{ ints(i), ints(j), ints(k) }]:totable())
    assert.same(each(function(a, b) return x[a][b] end):totable(),
      x[{ ints(i), ints(j) }]:totable())
    assert.same(each(function(_, b, c) return x[{ {}, b, c }] end):transpose():totable(),
      x[{ {}, ints(j), ints(k) }]:totable())
    assert.same(each(function(_, b, c) return x[{ 2, b, c }] end):totable(),
      x[{ 2, ints(j), ints(k) }]:totable())
    -- a mask stands for the indices at which it is true
    assert.same(torus.stack { x[{ 1, 3 }], x[{ 2, 1 }] }:totable(),
      x[{ mask { 1, 1 }, ints { 3, 1 } }]:totable())
  end)

  it("writes to points, also through views", function()
    for _, view in ipairs { function(x) return x end,
      function(x) return x:transpose(1, 3) end } do
      local base = torus.arange(24, { dtype = "float64" })
      local x = view(base:reshape(2, 3, 4))
      local want = x:totable()
      x[{ ints { 1, 2, 1 }, ints { 3, 1, 2 } }] = torus.tensor({ 7, 8, 9 },
        { dtype = "float64" }):unsqueeze(2)
      for n, at in ipairs { { 1, 3 }, { 2, 1 }, { 1, 2 } } do
        local row = want[at[1]][at[2]]
        for c = 1, #row do row[c] = 6 + n end
      end
      x[{ {}, ints { 1, 3 }, ints { 2, 1 } }] = -1
      for _, part in ipairs(want) do part[1][2], part[3][1] = -1, -1 end
      assert.same(want, x:totable())
      assert.equal(base:reshape(2, 3, 4):sum():item(), x:sum():item())
    end
  end)

  it("has gradients of points, and says what is wrong with them", function()
    local x = torus.variable(torus.zeros({ 3, 3 }, { dtype = "float64" }))
    local points = x[{ ints { 1, 2, 1 }, ints { 1, 3, 1 } }]
    local g = torus.grad((points * torus.tensor({ 1, 2, 3 }, { dtype = "float64" })):sum(), x)
    assert.same({ { 4, 0, 0 }, { 0, 0, 2 }, { 0, 0, 0 } }, g:totable())
    local y = torus.zeros(2, 3, 4)
    raises("index: expected the tensors in a list of indices next to each other, got a "
      .. "dimension between two", function() return y[{ ints { 1 }, {}, ints { 1 } }] end)
    raises("index: expected index tensors of the same length, the coordinates of points, "
      .. "got 2 and 1", function() return y[{ ints { 1, 1 }, ints { 1 } }] end)
    raises("index: index 4 is outside 1..3 of dimension 2",
      function() return y[{ ints { 1 }, ints { 4 } }] end)
    raises("index: index 0 is outside 1..2 of dimension 1",
      function() y[{ ints { 0 }, ints { 4 } }] = 1 end)
  end)

  it("refuses what is neither a mask nor an index", function()
    local x = torus.zeros(2, 3)
    raises("index: expected a bool tensor as a mask or an int64 one as indices, got "
      .. "tensor (2) float32; compare it", function() return x[torus.ones(2)] end)
    raises("index: expected a mask of the first sizes of tensor (2,3) float32, got tensor (3) bool",
      function() return x[mask { 1, 0, 1 }] end)
    raises("index: expected a tensor with dimensions to select from, got tensor () float32",
      function() return torus.zeros()[ints { 1 }] end)
    raises("index: index 3 is outside 1..2 of dimension 1",
      function() return x[ints { 3 }] end)
    raises("masked_select: expected a bool tensor as the mask, got tensor (2,3) float32",
      function() x:masked_select(x) end)
    raises("masked_fill: expected a mask and a value that broadcast to shape (3), got (2,3)",
      function() torus.zeros(3):masked_fill(MATRIX, 0) end)
  end)
end)

describe("writing to what is selected", function()
  it("changes these elements and no others", function()
    for name, layout in pairs(layouts) do
      local x = layout(torus.arange(6):reshape(2, 3))
      x[MATRIX] = 0
      assert.same({ { 0, 2, 0 }, { 4, 5, 0 } }, x:totable(), name)
      x[MATRIX] = torus.tensor { -1, -2, -3 }
      assert.same({ { -1, 2, -2 }, { 4, 5, -3 } }, x:totable(), name)
      x[mask { false, true }] = torus.tensor { 7, 8, 9 }
      assert.same({ { -1, 2, -2 }, { 7, 8, 9 } }, x:totable(), name)
      x[ints { 2, 1 }] = torus.tensor { { 1 }, { 2 } }
      assert.same({ { 2, 2, 2 }, { 1, 1, 1 } }, x:totable(), name)
      x[ints { { 1, 1 }, { 2, 1 } }] = torus.arange(12):reshape(2, 2, 3)
      assert.same({ { 10, 11, 12 }, { 7, 8, 9 } }, x:totable(), name)
      x[{ {}, ints { 3, 1 } }] = torus.tensor { 5, 6 }
      assert.same({ { 6, 11, 5 }, { 6, 8, 5 } }, x:totable(), name)
      x[{ 1, mask { true, false, true } }] = 0
      assert.same({ { 0, 11, 0 }, { 6, 8, 5 } }, x:totable(), name)
      x[mask { false, false }] = 9
      x[ints {}] = 9
      assert.same({ { 0, 11, 0 }, { 6, 8, 5 } }, x:totable(), name)
    end
  end)

  it("keeps what lies between the elements of a view", function()
    local base = torus.zeros(2, 4)
    base[{ {}, { 1, 4, 2 } }][mask { { 1, 0 }, { 1, 1 } }] = 3
    assert.same({ { 3, 0, 0, 0 }, { 3, 0, 3, 0 } }, base:totable())
  end)

  it("reads the value before it writes", function()
    local x = torus.arange(4)
    x[ints { 1, 2, 3, 4 }] = x:flip(1)
    assert.same({ 4, 3, 2, 1 }, x:totable())
    x[ints { 2, 3, 4 }] = x[{ { 1, 3 } }]
    assert.same({ 4, 4, 3, 2 }, x:totable())
  end)

  it("holds to the dtypes", function()
    local n, b = ints { 1, 2, 3 }, mask { 0, 0, 0 }
    n[n:gt(1)] = torus.tensor({ 8, 9 }, { dtype = "uint8" })
    b[ints { 2 }] = true
    assert.same({ 1, 8, 9 }, n:totable())
    assert.same({ false, true, false }, b:totable())
    raises("index: dtypes differ, int64 and float32; write value:to(\"int64\")",
      function() n[ints { 1 }] = torus.ones(1) end)
    raises("index: expected an integer as an element of int64, got 0.5",
      function() n[n:gt(1)] = 0.5 end)
  end)

  it("is refused in a graph, beyond the sizes and in other shapes", function()
    local x = torus.variable(torus.ones(3))
    raises("index: the tensor is part of a graph", function() x[ints { 1 }] = 0 end)
    torus.no_grad(function() x[ints { 1 }] = 5 end)
    assert.same({ 5, 1, 1 }, x:detach():totable())
    local y = torus.zeros(2, 3)
    raises("index: writing is not recorded, and the value requires a gradient",
      function() y[ints { 1 }] = x end)
    raises("index: index 3 is outside 1..2", function() y[ints { 3 }] = 0 end)
    raises("index: a value of shape (2) does not broadcast to the (3) selected",
      function() y[MATRIX] = torus.zeros(2) end)
    raises("index: expected a number or a tensor to write, got \"a\"",
      function() y[MATRIX] = "a" end)
    raises("index: the tensor repeats elements along dimension 1",
      function() torus.ones(3):expand(2, 3)[MATRIX] = 0 end)
    assert.same({ { 0, 0, 0 }, { 0, 0, 0 } }, y:totable())
  end)

  it("is seen by a gradient that needs the old values", function()
    local x, w = torus.ones(3), torus.variable(torus.ones(3))
    local y = (x * w):sum()
    x[ints { 2 }] = 5
    assert.is_false((pcall(torus.grad, y, w)))
  end)
end)

describe("ipairs", function()
  it("ends behind the last entry, where a script is told of its mistake", function()
    local x, seen = torus.tensor { { 1, 2 }, { 3, 4 } }, {}
    for i, row in ipairs(x) do seen[i] = row:totable() end
    assert.same({ { 1, 2 }, { 3, 4 } }, seen)
    for _ in ipairs(torus.zeros(0, 2)) do error("an entry of none") end
    assert.equal(2, #x)
    raises("index: 3 is outside 1..2 in dimension 1", function() return x[3] end)
  end)
end)

describe("parts", function()
  it("refuse sizes that don't fit", function()
    local x = torus.zeros(5)
    raises("split: expected sizes that sum to the 5 of dimension 1, got {2, 2}",
      function() x:split { 2, 2 } end)
    raises("split: expected sizes that sum to the 5", function() x:split { 6, -1 } end)
    raises("split: expected a size from 1, got 0", function() x:split(0) end)
    raises("roll: expected a shift for each of 1 dimensions, got 2",
      function() x:roll({ 1, 2 }, 1) end)
    raises("tile: expected numbers from 0, got -1", function() x:tile(-1) end)
    raises("diag: expected a matrix or a vector, got tensor (1,1,1)",
      function() torus.zeros(1, 1, 1):diag() end)
    raises("tril: expected matrices, got tensor (5) float32", function() x:tril() end)
    raises("meshgrid: expected vectors, got tensor () float32 as number 2",
      function() torus.meshgrid(x, x:sum()) end)
    raises("take_along_dim: expected an index with 1 dimensions, like x, got tensor (1,1) int64",
      function() x:take_along_dim(ints { { 1 } }, 1) end)
    raises("flip: dimension 1 is named twice", function() x:flip { 1, -1 } end)
  end)

  it("of infinities and NaN leave none behind where they cut", function()
    local x = torus.variable(torus.tensor { { 1, 0 / 0 }, { math.huge, 2 } })
    local y = x:tril():triu()
    assert.same({ { 1, 0 }, { 0, 2 } }, y:detach():totable())
    assert.same({ { 1, 0 }, { 0, 1 } }, torus.grad(y:sum(), x):totable())
  end)

  it("work in eight dimensions", function()
    local x = torus.arange(2):reshape(1, 1, 1, 1, 1, 1, 1, 2)
    assert.same({ 2, 1, 1, 1, 1, 1, 1, 4 }, x:tile(2, 1, 1, 1, 1, 1, 1, 2).shape)
  end)
end)
