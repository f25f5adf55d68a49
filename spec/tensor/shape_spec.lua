local core = require "torus.core"
local torus = require "torus"
local raises = require "spec.support.raises"

local function cube() return torus.arange(24):reshape(2, 3, 4) end

-- Whether writing to the view shows in its base.
local function is_view(view, base)
  local old = view:copy()
  view:fill_(-1)
  local seen = base:reshape(base:numel()):lt(0):sum():item() == view:numel()
  view:copy_(old)
  return seen
end

describe("a shape", function()
  it("prints its numbers, and equals a list of the same ones", function()
    local shape = torus.zeros(2, 3).shape
    assert.equal("{2, 3} {2, 3} {}", tostring(shape) .. " "
      .. tostring(torus.zeros(2, 3):size()) .. " " .. tostring(torus.tensor(1).shape))
    assert.is_true(shape == torus.ones(2, 3).shape and shape == { 2, 3 })
    assert.is_false(shape == torus.ones(3, 2).shape or shape == { 2 } or shape == { 2, 3, 1 })
    assert.same({ 2, 3 }, { table.unpack(shape) })
    assert.same({ 2, 3 }, torus.zeros(shape):size())
  end)
end)

describe("reshape", function()
  it("keeps the order of elements and infers one size", function()
    local x = cube()
    assert.same({ 4, 6 }, x:reshape(4, -1).shape)
    assert.same({ 24 }, x:reshape(-1).shape)
    assert.same(x:reshape(24):totable(), torus.arange(24):totable())
    assert.same({ 2, 12 }, x:view(2, 12).shape)
    assert.same({ 1 }, torus.tensor(3):reshape(1).shape)
    assert.same({}, torus.ones(1, 1):reshape({}).shape)
    assert.same({ 0, 5 }, torus.zeros(2, 0):reshape(0, 5).shape)
  end)

  it("is a view where memory allows, else a copy", function()
    local x = cube()
    assert.is_true(is_view(x:reshape(6, 4), x))
    assert.is_true(is_view(x:transpose(1, 2):reshape(3, 2, 2, 2), x))
    assert.is_true(is_view(x[{ {}, { 1, 2 } }]:reshape(2, 8), x))
    local turned = x:transpose(1, 3):reshape(24)
    assert.is_false(is_view(turned, x))
    assert.same({ 1, 13, 5, 17 }, turned[{ { 1, 4 } }]:totable())
  end)

  it("agrees with a copy for all layouts", function()
    local shapes = { { 24 }, { 2, 12 }, { 12, 2 }, { 4, 3, 2 }, { 2, 2, 3, 2 },
      { 1, 24, 1 }, { 8, 3 } }
    local x = cube()
    local bases = { x, x:transpose(1, 2), x:transpose(), x:permute(3, 1, 2), x:permute { 2, 3, 1 },
      x:copy():reshape(2, 3, 2, 2):permute(1, 3, 2, 4),
      torus.arange(3):reshape(1, 3, 1):expand(4, 3, 2) }
    for _, base in ipairs(bases) do
      local values = base:copy():reshape(24):totable()
      for _, shape in ipairs(shapes) do
        assert.same(values, base:reshape(shape):copy():reshape(24):totable())
      end
    end
  end)

  it("is refused where elements would be lost or made up", function()
    local x = cube()
    raises("reshape: (5,5) does not fit a tensor of shape (2,3,4)", function() x:reshape(5, 5) end)
    raises("reshape: (-1,5) does not fit", function() x:reshape(-1, 5) end)
    raises("reshape: (-1,-1) does not fit", function() x:reshape(-1, -1) end)
    raises("reshape: (-2,-12) does not fit", function() x:reshape(-2, -12) end)
    raises("reshape: (-1,0) does not fit a tensor of shape (0)",
      function() torus.zeros(0):reshape(-1, 0) end)
    raises("reshape: expected an integer as shape, got 1.5", function() x:reshape(1.5, 16) end)
    raises("reshape: too many arguments, the first one too many is \"x\"",
      function() x:reshape(24, "x") end)
    raises("reshape: missing shape", function() x:reshape() end)
    raises("reshape: (4294967296,4294967296) does not fit",
      function() torus.zeros(0):reshape(1 << 32, 1 << 32) end)
  end)
end)

describe("dimensions", function()
  it("are exchanged and permuted as views", function()
    local x = cube()
    assert.same({ 2, 4, 3 }, x:transpose().shape)
    assert.same({ 4, 3, 2 }, x:transpose(1, -1).shape)
    assert.same({ 3, 4, 2 }, x:permute(2, 3, 1).shape)
    assert.equal(x[{ 2, 3, 1 }]:item(), x:permute { 3, 1, 2 }[{ 1, 2, 3 }]:item())
    assert.is_true(is_view(x:permute(2, 3, 1), x))
    raises("permute: expected each dimension of a tensor of shape (2,3,4) once, got 2 of them",
      function() x:permute(1, 2) end)
    raises("permute: dimension 1 is named twice", function() x:permute(1, 1, 2) end)
    raises("permute: dimension 4 is outside of a tensor with 3 dimensions",
      function() x:permute(1, 2, 4) end)
    raises("transpose: dimension 4 is outside of a tensor with 3 dimensions",
      function() x:transpose(1, 4) end)
    raises("transpose: dimension -2 is outside of a tensor with 1 dimensions",
      function() torus.ones(3):transpose() end)
  end)

  it("of size 1 come and go", function()
    local x = torus.ones(1, 3, 1)
    assert.same({ 3 }, x:squeeze().shape)
    assert.same({ 3, 1 }, x:squeeze(1).shape)
    assert.same({ 1, 3 }, x:squeeze(-1).shape)
    assert.same({ 1, 3, 1, 1 }, x:unsqueeze(-1).shape)
    assert.same({ 1, 1, 3, 1 }, x:unsqueeze(2).shape)
    assert.same({ 1 }, torus.tensor(3):unsqueeze(1).shape)
    assert.same({ 1, 3 }, x:flatten(2, 3).shape)
    assert.same({ 3 }, x:flatten().shape)
    assert.same({ 1 }, torus.tensor(3):flatten().shape)
    raises("squeeze: expected dimension 2 to have size 1, got shape (1,3,1)",
      function() x:squeeze(2) end)
    raises("unsqueeze: expected an integer as a dimension, got nil", function() x:unsqueeze() end)
    raises("unsqueeze: dimension 5 is outside", function() x:unsqueeze(5) end)
    raises("unsqueeze: shape has more than 8 entries",
      function() torus.ones(1, 1, 1, 1, 1, 1, 1, 1):unsqueeze(1) end)
  end)

  it("of size 1 expand without memory", function()
    local x = torus.tensor { { 1 }, { 2 } }
    assert.same({ { 1, 1, 1 }, { 2, 2, 2 } }, x:expand(2, 3):totable())
    assert.same({ { 1, 1, 1 }, { 2, 2, 2 } }, x:expand(-1, 3):totable())
    assert.same({ 4, 2, 1 }, x:expand(4, 2, 1).shape)
    assert.equal(1 << 40, torus.ones(1):expand(1 << 40):numel())
    raises("expand: expected a shape that (2,1) broadcasts to, got (3,1)",
      function() x:expand(3, 1) end)
    raises("expand: expected a shape that (2,1) broadcasts to, got (2)", function() x:expand(2) end)
    raises("expand: expected a shape that (2,1) broadcasts to, got (-1,2,1)",
      function() x:expand(-1, 2, 1) end)
    raises("can't have the shape", function() torus.ones(1):expand(1 << 40, 1 << 40) end)
  end)

  it("are cut by narrow, select, slice and chunk", function()
    local x = cube()
    assert.same({ 2, 2, 4 }, x:narrow(2, 2, 2).shape)
    assert.equal(5, x:narrow(2, 2, 2)[1][1][1]:item())
    assert.same({ 2, 1, 4 }, x:narrow(2, -1, 1).shape)
    assert.same({ 2, 0, 4 }, x:narrow(2, 2, 0).shape)
    assert.same({ 4, 8, 12 }, x:select(3, -1)[1]:totable())
    assert.same({ 2, 4 }, x:select(2, 1).shape)
    local a, b = x:chunk(2, 3)
    assert.same({ 2, 3, 2 }, a.shape)
    assert.equal(3, b[1][1][1]:item())
    assert.is_true(is_view(b, x))
    assert.same({ { 1, 4 } }, x[1]:slice({ 1, 1 }, { 1, 2 }, { 1, 3 }):totable())
    raises("narrow: 2 elements from 3 are outside dimension 2 of size 3",
      function() x:narrow(2, 3, 2) end)
    raises("narrow: 1 elements from 0", function() x:narrow(2, 0, 1) end)
    raises("narrow: expected an integer as start, got nil", function() x:narrow(2) end)
    raises("narrow: 9223372036854775807 elements from 2 are outside",
      function() x:narrow(2, 2, math.maxinteger) end)
    raises("select: 5 is outside 1..4 in dimension 3", function() x:select(3, 5) end)
    raises("chunk: expected an integer that divides the size 3 as parts, got 2",
      function() x:chunk(2, 2) end)
    raises("slice: start (1,1), size (3,5), step (1,1) lie outside a tensor of shape (3,4)",
      function() x[1]:slice({ 1, 1 }, { 3, 5 }, { 1, 1 }) end)
    raises("slice: start (1), size (4294967297), step (4294967296) lie outside", function()
      torus.ones(4):slice({ 1 }, { (1 << 32) + 1 }, { 1 << 32 })
    end)
    raises("slice: start (9223372036854775807), size (0)", function()
      torus.ones(4):slice({ math.maxinteger }, { 0 }, { math.maxinteger })
    end)
    assert.same({}, torus.ones(4):slice({ 5 }, { 0 }, { math.maxinteger }):totable())
  end)
end)

describe("joining", function()
  it("puts tensors side by side", function()
    local a, b = torus.tensor { { 1, 2 } }, torus.tensor { { 3, 4 }, { 5, 6 } }
    assert.same({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, torus.cat({ a, b }):totable())
    assert.same({ { 3, 4, 3, 5 }, { 5, 6, 4, 6 } }, torus.cat({ b, b:transpose() }, -1):totable())
    assert.same({ { 1, 2 } }, torus.cat({ a }, 2):totable())
    assert.same({ 0, 2 }, torus.cat({ torus.zeros(0, 2), torus.zeros(0, 2) }).shape)
    assert.same({ 1, 2 }, torus.cat({ torus.tensor({ 1 }, { dtype = "int64" }),
      torus.tensor({ 2 }, { dtype = "int64" }) }):totable())
    assert.same({ { { 1, 2 } }, { { 1, 2 } } }, torus.stack({ a, a }):totable())
    assert.same({ { { 1, 2 }, { 1, 2 } } }, torus.stack({ a, a }, 2):totable())
    assert.same({ 1, 2, 2 }, torus.stack({ a, a }, -1).shape)
    assert.same({ 3 }, torus.stack({ torus.tensor(1), torus.tensor(2), torus.tensor(3) }).shape)
  end)

  it("is refused where sizes differ", function()
    local a = torus.ones(1, 2)
    raises("cat: tensor 2, float32 (1,3), does not fit float32 (1,2) along dimension 1",
      function() torus.cat { a, torus.ones(1, 3) } end)
    raises("cat: tensor 2, float32 (2), does not fit",
      function() torus.cat { a, torus.ones(2) } end)
    raises("cat: expected at least one tensor", function() torus.cat {} end)
    raises("embed: a tensor of shape (0)", function()
      core.ops.embed(torus.ones(0), { 2 }, { math.mininteger }, { 1 })
    end)
    raises("cat: expected a list of tensors, got tensor (1,2) float32",
      function() torus.cat(a, a) end)
    raises("cat: expected a tensor as input 2, got 1", function() torus.cat { a, 1 } end)
    raises("cat: dimension 3 is outside", function() torus.cat({ a, a }, 3) end)
    raises("cat: dimension 1 is outside of a tensor with 0 dimensions",
      function() torus.cat { torus.tensor(1), torus.tensor(2) } end)
    raises("stack: expected a list of tensors", function() torus.stack {} end)
    raises("stack: expected a list of tensors", function() torus.stack(a) end)
    raises("stack: expected a tensor as input 2, got 1", function() torus.stack { a, 1 } end)
  end)

  it("pads with zeros", function()
    local x = torus.tensor { { 1, 2 } }
    assert.same({ { 0, 1, 2 }, { 0, 0, 0 } }, x:pad { { 0, 1 }, { 1, 0 } }:totable())
    assert.same({ { 1, 2 } }, x:pad { { 0, 0 }, { 0, 0 } }:totable())
    raises("pad: expected a pair {before, after} for each of 2 dimensions",
      function() x:pad { { 1, 1 } } end)
    raises("pad: expected nonnegative amounts, got {-1, 0}",
      function() x:pad { { 0, 1 }, { -1, 0 } } end)
    raises("pad: expected an integer as an amount, got 0.5",
      function() x:pad { { 0, 1 }, { 0.5, 0 } } end)
    raises("pad: expected a pair {before, after} for dimension 1, got 1",
      function() x:pad { 1, 1 } end)
    raises("pad: expected a pair {before, after} for each of 2 dimensions", function() x:pad() end)
  end)
end)

describe("reading by index", function()
  local function whole(t) return torus.tensor(t, { dtype = "int64" }) end

  it("takes rows and elements, from 1", function()
    local x = torus.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }
    assert.same({ { 5, 6 }, { 1, 2 }, { 5, 6 } }, x:index_select(1, { 3, 1, 3 }):totable())
    assert.same({ { 2 }, { 4 }, { 6 } }, x:index_select(2, whole { 2 }):totable())
    assert.same({ { 3, 2 } }, x:gather(1, { { 2, 1 } }):totable())
    assert.same({ { 2 }, { 3 }, { 6 } }, x:gather(-1, whole { { 2 }, { 1 }, { 2 } }):totable())
    assert.same({ { 5, 6 }, { 3, 4 }, { 1, 2 } }, x:flip(1):totable())
    assert.same({ { 2, 1 }, { 4, 3 }, { 6, 5 } }, x:flip(-1):totable())
    assert.same({ 7, 5 }, whole { 5, 6, 7 }:index_select(1, { 3, 1 }):totable())
    assert.same({ 3, 2 }, x:transpose():index_select(2, { 1, 2, 3 }):transpose().shape)
  end)

  it("takes index tensors of any layout", function()
    local x = torus.tensor { { 1, 2 }, { 3, 4 } }
    local index = whole { { 1, 2 }, { 1, 2 } }
    assert.same({ { 1, 4 }, { 1, 4 } }, x:gather(1, index):totable())
    assert.same({ { 1, 2 }, { 3, 4 } }, x:gather(1, index:transpose()):totable())
    assert.same({ { 3, 4 }, { 3, 4 } }, x:index_select(1, index[{ {}, 2 }]):totable())
    assert.same({ { 1, 2 }, { 1, 2 } }, x:index_select(1, whole { 1 }:expand(2)):totable())
  end)

  it("adds up where an index repeats", function()
    local g = torus.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }
    assert.same({ { 6, 8 }, { 0, 0 }, { 3, 4 } }, g:index_add(whole { 1, 3, 1 }, 1, 3):totable())
    assert.same({ { 6, 4 }, { 3, 8 } },
      g:scatter_add(whole { { 1, 2 }, { 2, 1 }, { 1, 2 } }, 1, 2):totable())
  end)

  it("checks every index", function()
    local x = torus.ones(2, 3)
    raises("index_select: index 3 is outside 1..2 of dimension 1",
      function() x:index_select(1, { 3 }) end)
    raises("index_select: index 0 is outside 1..2", function() x:index_select(1, { 0 }) end)
    raises("gather: index -1 is outside 1..3 of dimension 2",
      function() x:gather(2, { { 1 }, { -1 } }) end)
    raises("gather: an index of shape (1,2) does not fit a tensor of shape (2,3) along dimension 2",
      function() x:gather(2, { { 1, 2 } }) end)
    raises("index_select: an index of shape (1,1) does not fit",
      function() x:index_select(1, { { 1 } }) end)
    raises("index_select: expected an int64 tensor of indices, got float32",
      function() x:index_select(1, torus.ones(1)) end)
    raises("index_select: dimension 3 is outside", function() x:index_select(3, { 1 }) end)
    raises("can't have the shape (2,-3)",
      function() torus.ones(2, 0):index_add(whole {}, 2, -3) end)
    raises("index_select: expected an integer as an element of int64, got 1.5",
      function() x:index_select(1, { 1.5 }) end)
  end)
end)

describe("images", function()
  it("must have the shapes that a convolution needs", function()
    local x, w = torus.ones(1, 4, 4, 2), torus.ones(3, 2, 3, 3)
    assert.same({ 1, 2, 2, 3 }, x:conv2d(w).shape)
    assert.same({ 1, 4, 4, 3 }, x:conv2d(w, { padding = 1 }).shape)
    assert.same({ 1, 2, 2, 3 }, x:conv2d(w, { padding = 1, stride = 2 }).shape)
    raises("conv2d: expected images (n,h,w,in) and weights (out,in,kh,kw) that fit",
      function() x:conv2d(torus.ones(3, 4, 3, 3)) end)
    raises("conv2d: expected images", function() x:conv2d(torus.ones(3, 2, 5, 5)) end)
    raises("with stride 0 and padding 0", function() x:conv2d(w, { stride = 0 }) end)
    raises("with stride 1 and padding -1", function() x:conv2d(w, { padding = -1 }) end)
    raises("padding 4611686018427387904", function() x:conv2d(w, { padding = 1 << 62 }) end)
    raises("can't have the shape", function() x:conv2d(w, { padding = 1 << 39 }) end)
    raises("conv2d: unknown option \"pad\", did you mean \"padding\"? (known: stride, padding, "
      .. "precision)",
      function() x:conv2d(w, { pad = 1 }) end)
    raises("conv2d: expected a bias of shape (3), got (2)",
      function() x:conv2d(w, torus.ones(2)) end)
    raises("conv2d: expected images", function() torus.ones(4, 4, 2):conv2d(w) end)
  end)

  it("are enlarged by whole factors", function()
    local x = torus.tensor { { { { 1 }, { 2 } } } }
    assert.same({ { 1, 1, 2, 2 }, { 1, 1, 2, 2 } }, x:upsample(2):squeeze():totable())
    raises("upsample: expected images (n,h,w,c) and a factor that fits",
      function() x:upsample(0) end)
    raises("got shape (2,2) and factor 2", function() torus.ones(2, 2):upsample(2) end)
    raises("can't have the shape", function() x:upsample(1 << 39) end)
    raises("upsample_grad: expected images", function() torus.ones(1, 3, 3, 1):upsample_grad(2) end)
  end)

  it("are multiplied as matrices only when these fit", function()
    raises("matmul: inner sizes differ, (2,3) x (4,2)",
      function() torus.ones(2, 3):matmul(torus.ones(4, 2)) end)
    raises("matmul: batch sizes don't broadcast, (2,1,3) x (3,3,1)",
      function() torus.ones(2, 1, 3):matmul(torus.ones(3, 3, 1)) end)
    raises("matmul: expected matrices, got shapes () and (2,2)",
      function() torus.tensor(1):matmul(torus.ones(2, 2)) end)
    raises("matmul: expected a tensor, got 2", function() torus.ones(2, 2):matmul(2) end)
    raises("add: shapes don't broadcast, (2,3) with (2)",
      function() return torus.ones(2, 3) + torus.ones(2) end)
    raises("sum: dimension 3 is outside of a tensor with 2 dimensions",
      function() torus.ones(2, 3):sum(3) end)
    raises("sum: dimension 1 is named twice", function() torus.ones(2, 3):sum({ 1, -2 }) end)
    raises("sum: unknown option \"dims\", did you mean \"dim\"? (known: dim, keepdim)",
      function() torus.ones(2, 3):sum { dims = 1 } end)
    raises("sum: expected a plain list as dim, got one with the key \"dim\"",
      function() torus.ones(2, 3):sum({ dim = 1 }, true) end)
    raises("var: unknown option \"dims\", did you mean \"dim\"?",
      function() torus.ones(2, 3):var { dims = 1 } end)
    raises("sum: expected true or false as keepdim, got 1",
      function() torus.ones(2, 3):sum({ 1 }, 1) end)
    raises("max: expected at least one element to choose from, got shape (2,0)",
      function() torus.zeros(2, 0):max(2) end)
    raises("argmax: expected at least one element", function() torus.zeros(0):argmax() end)
    raises("gather: missing dim", function()
      torus.ones(2):gather(nil, torus.tensor({ 1 }, { dtype = "int64" })) end)
    raises("leaky_relu: expected a number as slope, got \"a\"",
      function() torus.ones(2):leaky_relu("a") end)
    raises("exp: too many arguments", function() torus.ones(2):exp(1) end)
  end)
end)

describe("functions of several operations", function()
  it("give what they name", function()
    local x = torus.tensor({ { 1, 2 }, { 3, 6 } }, { dtype = "float64" })
    assert.same({ 1, 4 }, x:var(1):totable())
    assert.near(3.5, x:var():item(), 1e-15)
    assert.near(math.sqrt(50), x:norm():item(), 1e-14)
    assert.same({ { 5 ^ 0.5 }, { 45 ^ 0.5 } }, x:norm { dim = 2, keepdim = true }:totable())
    local s = x:softmax(2)
    assert.near(1, s[2]:sum():item(), 1e-15)
    assert.near(1 / (1 + math.exp(-3)), s[2][2]:item(), 1e-15)
    assert.is_true(x:contiguous() == x)
    assert.is_true(x:transpose():contiguous():is_contiguous())
  end)

  it("return copies even if they change nothing", function()
    local functions = {
      roll = function(x) return x:roll(4) end,
      ["roll by the size"] = function(x) return x:roll(-2, 2) end,
      ["roll of no dimension"] = function(x) return x:roll({}, {}) end,
      tile = function(x) return x:tile(1, 1) end,
      ["tile to more dimensions"] = function(x) return x:tile(1, 1, 1) end,
      diff = function(x) return x:diff(0) end,
      flip = function(x) return x:flip {} end,
      fftshift = function(x) return torus.fft.fftshift(x:reshape(1, 4), 1) end,
      ifftshift = function(x) return torus.fft.ifftshift(x:reshape(4, 1)) end,
      to = function(x) return x:to("float32") end,
    }
    for name, f in pairs(functions) do
      local x = torus.variable(torus.arange(4):reshape(2, 2))
      local y = f(x)
      assert.same({ 1, 2, 3, 4 }, y:flatten():totable(), name)
      assert.same({ { 1, 1 }, { 1, 1 } }, torus.grad(y:sum(), x):totable(), name)
      f(x:detach()):zero_()
      assert.same({ { 1, 2 }, { 3, 4 } }, x:totable(), name)
    end
    -- A repeated single element is memory of its own, too.
    local tiled = torus.ones(1):tile(3)
    tiled[2] = 5
    assert.same({ 1, 5, 1 }, tiled:totable())
  end)
end)
