local raises = require "spec.support.raises"
local torus = require "torus"

-- The figures of a printed tensor, without the line of shape and dtype.
local function figures(x) return (tostring(x):gsub("%s+%w+ %b()$", "")) end

describe("a printed tensor", function()
  it("shows integers as such", function()
    assert.equal("[1., 2.]  float32 (2)", tostring(torus.tensor { 1, 2 }))
    assert.equal("[ 1, 20]  int64 (2)",
      tostring(torus.tensor({ 1, 20 }, { dtype = "int64" })))
    assert.equal("[0.]", figures(torus.tensor { -0.0 }))
  end)

  it("writes all its numbers in one way", function()
    assert.equal("[0.0000, 0.5000, 1.0000]", figures(torus.linspace(0, 1, 3)))
    assert.equal("[1.0000e-06, 1.0000e+00]", figures(torus.tensor { 1e-6, 1 }))
    assert.equal("[1.5000e+05, 2.5000e+00]",
      figures(torus.tensor { 150000, 2.5 }))
  end)

  it("says what is no number", function()
    assert.equal("[  1.,  nan,  inf, -inf]",
      figures(torus.tensor { 1, 0 / 0, 1 / 0, -1 / 0 }))
  end)

  it("aligns rows and nests brackets", function()
    assert.equal("[[ 1.,  2.],\n [ 3., 40.]]\nfloat32 (2,2)",
      tostring(torus.tensor { { 1, 2 }, { 3, 40 } }))
    assert.equal("[[[1.],\n  [2.]],\n [[3.],\n  [4.]]]",
      figures(torus.arange(4):reshape(2, 2, 1)))
  end)

  it("is whole up to a thousand numbers, broken into lines of equal columns", function()
    local text = tostring(torus.arange(1000))
    for line in text:gmatch("[^\n]+") do assert.is_true(#line <= 80) end
    local _, numbers = text:gsub("%d+%.", "")
    assert.equal(1000, numbers)
    assert.is_nil(text:find("...", 1, true))
    assert.equal("[ 1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13., 14., 15., "
      .. "16.,\n 17., 18.]\nfloat32 (18)", tostring(torus.arange(18)))
    assert.equal("[[[ 1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13., 14., 15.,\n"
      .. "   16., 17., 18.]]]\nfloat32 (1,1,18)", tostring(torus.arange(18):reshape(1, 1, 18)))
  end)

  it("shows all that float64 has, up to 15 digits", function()
    local f64 = { dtype = "float64" }
    assert.equal("3.14159265358979  float64 ()", tostring(torus.tensor(math.pi, f64)))
    assert.equal("[0.30, 0.25]", figures(torus.tensor({ 0.1 + 0.2, 0.25 }, f64)))
    assert.equal("[ 0.3333333333333, 33.3333333333333]",
      figures(torus.tensor({ 1 / 3, 100 / 3 }, f64)))
    assert.equal("[1.23456789012346e-20, 1.00000000000000e+00]",
      figures(torus.tensor({ 1.23456789012345678e-20, 1 }, f64)))
    assert.equal("[123456789.]", figures(torus.tensor({ 123456789 }, f64)))
  end)

  it("follows the options, which can be restored", function()
    local before = torus.print_options { precision = 2, threshold = 10, width = 20 }
    local x = torus.tensor({ 1 / 3, 2 / 3, 1e-3, 3 }, { dtype = "float64" })
    local ok, message = pcall(function()
      assert.equal("[0.33, 0.67, 0.00,\n 3.00]\nfloat64 (4)", tostring(x))
      assert.equal("[1.00e-09]", figures(torus.tensor { 1e-9 } * 1))
      assert.equal("[ 1.,  2.,  3., ...,\n 10., 11., 12.]", figures(torus.arange(12)))
      local now = torus.print_options { threshold = 0 }
      assert.same({ precision = 2, threshold = 10, width = 20 }, now)
    end)
    torus.print_options(before)
    assert(ok, message)
    assert.same(before, torus.print_options())
    raises('print_options: unknown option "precison", did you mean "precision"?',
      function() torus.print_options { precison = 2 } end)
    raises('print_options: option "precision": expected 0 to 17 or "default", got 99',
      function() torus.print_options { precision = 99 } end)
    raises('print_options: option "width": expected at least 1, got 0',
      function() torus.print_options { width = 0 } end)
    assert.same(before, torus.print_options())
  end)

  it("is cut in the middle when it is long", function()
    assert.equal("[   1.,    2.,    3.,   ..., 1010., 1011., 1012.]",
      figures(torus.arange(1012)))
    local lines = 0
    for _ in tostring(torus.zeros(50, 50)):gmatch("[^\n]+") do lines = lines + 1 end
    assert.equal(8, lines)
  end)

  it("shows the first and last matrices of many, with their indices", function()
    local before = torus.print_options { threshold = 100 }
    local text = tostring(torus.arange(192):reshape(8, 6, 2, 2))
    torus.print_options(before)
    local lines = {}
    for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.equal("[{1,1}]\n[[  1.,   2.],\n [  3.,   4.]]\n[{1,2}]\n[[  5.,   6.],",
      table.concat(lines, "\n", 1, 5))
    assert.equal("...\n[{8,4}]", table.concat(lines, "\n", 10, 11))
    assert.equal("[{8,6}]\n[[189., 190.],\n [191., 192.]]\nfloat32 (8,6,2,2)",
      table.concat(lines, "\n", 17))
  end)

  it("never takes more than a screen when it is cut", function()
    for _, shape in ipairs { { 2, 31, 32, 32, 3 }, { 4, 8, 8, 8 },
      { 9, 9, 9, 9 }, { 64, 3, 3, 64 }, { 2, 2, 2, 2, 4, 4, 4 } } do
      local _, breaks = tostring(torus.zeros(shape)):gsub("\n", "")
      assert.is_true(breaks < 60)
    end
    -- A short one keeps its brackets.
    assert.equal("[[[[1., 2.]]],\n [[[3., 4.]]]]",
      figures(torus.arange(4):reshape(2, 1, 1, 2)))
  end)

  it("is one line where that is enough", function()
    assert.equal("3.5000  float32 ()", tostring(torus.tensor(3.5)))
    assert.equal("5.  float64 ()", tostring(torus.tensor(5, { dtype = "float64" })))
    assert.equal("[]  float32 (0,3)", tostring(torus.zeros(0, 3)))
  end)

  it("says that it is released or takes part in gradients", function()
    local x = torus.ones({ 2 }, { requires_grad = true })
    assert.equal("[1., 1.]  float32 (2) requires_grad", tostring(x))
    x:release()
    assert.equal("tensor (released)", tostring(x))
  end)
end)

describe("comparing tensors with < and <=", function()
  it("is refused, naming what to use", function()
    local x = torus.ones(2)
    assert.has_error(function() return x < 1 end)
    local _, message = pcall(function() return x <= x end)
    assert.truthy(message:find("compare elements with x:lt(y), le, gt or ge", 1, true))
  end)

  it("joins no text, and says how", function()
    local x = torus.ones(1)
    for _, f in ipairs { function() return "loss " .. x end, function() return x .. 3 end } do
      local ok, message = pcall(f)
      assert.is_false(ok)
      assert.matches("format_spec.lua:%d+: %.%.: expected texts and numbers, got tensor %(1%) "
        .. "float32; "
        .. "x:item%(%) is the number of one element, tostring%(x%) the text of any", message)
    end
  end)
end)
