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

  it("is cut in the middle when it is long", function()
    assert.equal("[ 1.,  2.,  3., ..., 10., 11., 12.]",
      figures(torus.arange(12)))
    local lines = 0
    for _ in tostring(torus.zeros(50, 50)):gmatch("[^\n]+") do lines = lines + 1 end
    assert.equal(8, lines)
  end)

  it("shows the first and last matrices of many, with their indices", function()
    local text = tostring(torus.arange(192):reshape(8, 6, 2, 2))
    local lines = {}
    for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.equal("[{1,1}]\n[[  1.,   2.],\n [  3.,   4.]]\n[{1,2}]\n[[  5.,   6.],",
      table.concat(lines, "\n", 1, 5))
    assert.equal("...\n[{8,4}]", table.concat(lines, "\n", 10, 11))
    assert.equal("[{8,6}]\n[[189., 190.],\n [191., 192.]]\nfloat32 (8,6,2,2)",
      table.concat(lines, "\n", 17))
  end)

  it("never takes more than a screen", function()
    for _, shape in ipairs { { 2, 31, 32, 32, 3 }, { 2, 4, 8, 8 },
      { 9, 9, 9, 9 }, { 64, 3, 3, 64 }, { 2, 2, 2, 2, 2, 2, 2 } } do
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
end)
