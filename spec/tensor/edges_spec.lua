-- Sizes and values at the edge of what is possible.
local raises = require "spec.support.raises"
local torus = require "torus"

describe("a tensor without elements", function()
  it("may be written to, whatever its shape", function()
    for _, shape in ipairs { { 5, 0, 2 }, { 0, 3 }, { 3, 0 }, { 2, 0, 0, 4 } } do
      local x = torus.zeros(shape)
      assert.equal(x, x:fill_(0))
      x:copy_(torus.zeros(shape))
      x:add_(1):mul_(2):zero_()
      assert.equal(0, x:numel())
    end
    local x = torus.zeros(5, 0, 2)
    x[2] = 1
    x[{ {}, {}, 1 }] = 1
  end)

  it("becomes tables where there are not too many", function()
    assert.same({ {}, {}, {} }, torus.zeros(3, 0):totable())
    assert.same({}, torus.zeros(0, 1 << 40):totable())
    local huge = torus.zeros(1 << 40, 0)
    raises("totable: tensor (1099511627776,0) float32 has no elements but too many rows",
      function() huge:totable() end)
    assert.equal("[]  float32 (1099511627776,0)", tostring(huge))
  end)
end)

describe("clamp", function()
  it("refuses bounds in the wrong order, and takes equal ones", function()
    local x = torus.variable(torus.tensor { -2, 0, 2 })
    raises("clamp: expected min up to max, got min 5 and max 2", function() x:clamp(5, 2) end)
    raises("clamp: expected min up to max", function() x:clamp(0 / 0, 2) end)
    local y = x:clamp(1, 1)
    assert.same({ 1, 1, 1 }, y:detach():totable())
    assert.same({ 0, 0, 0 }, torus.grad(y:sum(), x):totable())
  end)

  it("passes gradients on at the bounds and between them", function()
    local x = torus.variable(torus.tensor { -2, -1, 0, 1, 2 })
    assert.same({ 0, 1, 1, 1, 0 }, torus.grad(x:clamp(-1, 1):sum(), x):totable())
  end)
end)

describe("ranges of integers", function()
  it("never saturate", function()
    assert.same({ 254, 255 }, torus.arange(254, 255, { dtype = "uint8" }):totable())
    assert.same({ 2, 1, 0 }, torus.arange(2, 0, -1, { dtype = "uint8" }):totable())
    assert.same({}, torus.arange(300, 1, { dtype = "uint8" }):totable())
    raises("arange: expected numbers of uint8, got the range from 1 to 300",
      function() torus.arange(300, { dtype = "uint8" }) end)
    raises("arange: expected numbers of uint8, got the range from 1 to -1",
      function() torus.arange(1, -1, -1, { dtype = "uint8" }) end)
    raises("linspace: expected numbers of uint8, got the range from 0 to 256",
      function() torus.linspace(0, 256, 2, { dtype = "uint8" }) end)
    raises("arange: expected numbers of int64, got the range from 1e+19 to 1e+19",
      function() torus.arange(1e19, 1e19, { dtype = "int64" }) end)
  end)
end)

describe("sizes whose products overflow", function()
  it("are refused by the decoder's gradients", function()
    local q, t = torus.zeros(1, 1, 1, 1), torus.zeros(1, 2, 2, 1)
    raises("1 to 1048576, got 1 of width 4294967296", function()
      torus.decoder_error(q, t, { torus.zeros(1) }, 1, 1 << 32)
    end)
  end)

  it("do no harm in upsampling", function()
    for _, shape in ipairs { { 1, 0, 0, 1 }, { 0, 1 << 32, 1 << 20, 1 } } do
      assert.equal(0, torus.upsample_grad(torus.zeros(shape), 1 << 20):numel())
    end
    assert.equal(0, torus.upsample_grad(torus.zeros(1, 0, 0, 1), 1 << 32):numel())
    assert.equal(0, torus.upsample(torus.zeros(1, 0, 0, 1), 1 << 32):numel())
  end)

  it("are no delay of an animation", function()
    local x = torus.zeros({ 1, 2, 2, 3 }, { dtype = "uint8" })
    local ok, message = require "torus.core".write_gif("x.gif", x, 1 << 32)
    assert.is_nil(ok)
    assert.equal("gif: expected a delay of 10 to 655350 ms, got 4294967296", message)
  end)
end)

describe("values at the edge", function()
  local FLOAT64 = { dtype = "float64" }

  it("have means without rounding where all are equal", function()
    for n = 1, 300 do
      assert.equal(1, torus.ones({ n }, FLOAT64):mean():item())
      assert.equal(1, torus.ones(n):mean():item())
    end
  end)

  it("fall into bins of ranges that would overflow or vanish", function()
    local x = torus.tensor({ -1e308, -0.9e308, 1e308 }, FLOAT64)
    assert.same({ 2, 0, 0, 1 }, x:histc(4):totable())
    assert.equal(3, torus.full({ 3 }, 1e17, FLOAT64):histc(4):sum():item())
    assert.equal(3, torus.full({ 3 }, 1.7976931348623157e308, FLOAT64):histc(4):sum():item())
    assert.same({ 1, 0, 0, 1 }, torus.tensor({ 0, 5e-324 }, FLOAT64):histc(4):totable())
  end)

  it("bound a range", function()
    assert.same({ -1e308, 0, 1e308 }, torus.linspace(-1e308, 1e308, 3, FLOAT64):totable())
  end)

  it("are exact in comparisons of integers, or refused", function()
    local x = torus.tensor({ math.maxinteger - 1 }, { dtype = "int64" })
    for _, bound in ipairs { math.maxinteger, 1 << 54, math.mininteger } do
      raises("at most 2^53 in size", function() x:ge(bound) end)
    end
    assert.is_true(x:ge(x):item() and x:gt(1.5):item() and x:lt(math.huge):item())
  end)

  it("have precise slopes of inverse functions", function()
    local function slope(name, value, dtype)
      local x = torus.variable(torus.tensor(value, { dtype = dtype }))
      return torus.grad(x[name](x), x):item()
    end
    assert.near(1, slope("acosh", 1e20, "float32") * 1e20, 1e-6)
    assert.near(1, slope("acosh", 1e200, "float64") * 1e200, 1e-14)
    local near = ("f"):unpack(("f"):pack(1 + 1e-4)) - 1
    assert.near(1, slope("acosh", 1 + near, "float32") * (near * (2 + near)) ^ 0.5, 4e-7)
    local below = 1 - ("f"):unpack(("f"):pack(1 - 1e-4))
    local root = (below * (2 - below)) ^ 0.5
    assert.near(1, slope("asin", 1 - below, "float32") * root, 4e-7)
    assert.near(-1, slope("acos", 1 - below, "float32") * root, 4e-7)
    assert.near(1, slope("atanh", 1 - below, "float32") * root ^ 2, 4e-7)
  end)

  it("are steps past the end", function()
    local row = torus.randn(5, 3)[{ { 1, 1, 1 << 33 } }]
    assert.same({ 1, 2 }, row:matmul(torus.ones(3, 2)).shape)
  end)

  it("are windows and paddings of images", function()
    raises("of at least one pixel that windows fit", function()
      torus.avg_pool2d(torus.zeros(1, 0, 4, 1), { kernel = 2, padding = 1 })
    end)
    raises("of at least one pixel that windows fit", function()
      torus.argmax_pool2d(torus.zeros(1, 4, 0, 1), { kernel = 2, padding = 1 })
    end)
    raises("padding 9223372036854775807", function()
      torus.avg_pool2d(torus.ones(1, 8, 8, 1), { kernel = 2, padding = math.maxinteger })
    end)
    local mean = torus.avg_pool2d(torus.ones(1, 4, 4, 1), { kernel = 1 << 32, padding = 1 << 31 })
    assert.near(16 / 2 ^ 64, mean:item(), 1e-24)
  end)

  it("are the most dimensions", function()
    local x = torus.variable(torus.ones(1, 1, 1, 1, 1, 1, 1, 2) * 3)
    assert.same({ 1, 1 }, torus.grad(x:prod({}):sum(), x):flatten():totable())
    assert.same({ 3, 3 }, torus.grad(x:prod(8):sum(), x):flatten():totable())
    raises("irfft: expected at most 7 dimensions", function() torus.fft.irfft(x, x) end)
  end)
end)
