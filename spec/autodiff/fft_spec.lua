-- Fourier transforms: PyTorch's figures, the definition, what they conserve,
-- and what is said where arguments don't fit.
local torus = require "torus"
local core = require "torus.core"
local raises = require "spec.support.raises"

local fft = torus.fft
local FLOAT64 = { dtype = "float64" }

local function T(values) return torus.tensor(values, FLOAT64) end
local function largest(x) return x:numel() == 0 and 0 or x:abs():max():item() end

-- Rounding of log2(n) <= 8 stages, of results up to some tens; float32: inputs
-- are exact and only the result is rounded, but gradients and what several
-- dimensions pass on are float32.
local TOLERANCE = { float64 = 2e-15, float32 = 1e-6 }

for dtype, tolerance in pairs(TOLERANCE) do
  describe("PyTorch's figures in " .. dtype, function()
    local t, counts = torus.load("data/reference/fft.safetensors")

    local function close(key, got)
      local want = t[key]
      assert.are.same(want.shape, got.shape, key)
      local difference = largest(want - got:detach():to("float64"))
      assert.is_true(difference <= tolerance * math.max(1, largest(want)),
        ("%s: off by %g"):format(key, difference))
    end

    it("and gradients", function()
      local cases = 0
      for name, count in pairs(counts) do
        local f, n, dim, norm = name:match("^(.-):(.-):(.-):(.-)$")
        local options = { norm = norm ~= "-" and norm or nil,
          n = math.tointeger(tonumber(n)), dim = math.tointeger(tonumber(dim)) }
        for case = 1, tonumber(count) do
          cases = cases + 1
          local key = ("%s.%d."):format(name, case)
          local inputs, loss = {}, nil
          for i = 1, 2 do
            local x = t[key .. "x" .. i]
            inputs[i] = x and torus.variable(x:to(dtype))
          end
          local arguments = { table.unpack(inputs) }
          arguments[#arguments + 1] = options
          for i, y in ipairs { fft[f](table.unpack(arguments)) } do
            close(key .. "y" .. i, y)
            local part = (y * t[key .. "g" .. i]:to(dtype)):sum()
            loss = loss and loss + part or part
          end
          for i, g in ipairs(torus.grad(loss, inputs)) do close(key .. "d" .. i, g) end
        end
      end
      assert.is_true(cases > 90)
    end)
  end)
end

-- By the definition, in matrices.
local function definition(re, im)
  local n = re:size(-1)
  local j = torus.arange(0, n - 1, 1, FLOAT64)
  local jk = j:reshape(n, 1) * j
  jk = (jk - (jk * (1 / n)):floor() * n) * (-2 * math.pi / n)
  local c, s = jk:cos(), jk:sin()
  return re:matmul(c) - im:matmul(s), re:matmul(s) + im:matmul(c)
end

describe("transforms", function()
  before_each(function() torus.manual_seed(9) end)

  it("of every length are those of the definition, and their inverses", function()
    local lengths = { 127, 128, 131, 243, 250, 256, 289, 300 }
    for n = 1, 64 do lengths[#lengths + 1] = n end
    for _, n in ipairs(lengths) do
      -- more lines than a block has, across and along
      local x, y = torus.randn({ 11, n }, FLOAT64), torus.randn({ 11, n }, FLOAT64)
      local re, im = fft.fft(x, y)
      local want_re, want_im = definition(x, y)
      -- the definition's own error, of n terms and angles
      local limit = 1e-15 * n + 1e-14
      assert.is_true(largest(re - want_re) < limit, n)
      assert.is_true(largest(im - want_im) < limit, n)
      local across, _ = fft.fft(x:transpose():copy(), y:transpose():copy(), { dim = 1 })
      assert.is_true(largest(across:transpose() - re) < 1e-13, n)
      local back, back_im = fft.ifft(re, im)
      assert.is_true(largest(back - x) < 1e-14 and largest(back_im - y) < 1e-14, n)
      local half_re, half_im = fft.rfft(x)
      local whole_re, whole_im = fft.fft(x)
      local h = n // 2 + 1
      assert.same({ 11, h }, half_re.shape)
      assert.is_true(largest(half_re - whole_re:narrow(2, 1, h)) < 1e-13, n)
      assert.is_true(largest(half_im - whole_im:narrow(2, 1, h)) < 1e-13, n)
      assert.is_true(largest(fft.irfft(half_re, half_im, n) - x) < 1e-14, n)
    end
  end)

  it("of long lengths keep the sum of squares", function()
    for _, n in ipairs { 65536, 59049, 65537, 100003, 2 * 32749 } do -- some are primes
      local x = torus.randn({ n }, FLOAT64)
      local re, im = fft.rfft(x, { norm = "ortho" })
      local power = re:square() + im:square()
      local ends = power[1]:item() + (n % 2 == 0 and power[-1]:item() or 0)
      assert.is_near(x:square():sum():item(), 2 * power:sum():item() - ends, 1e-9)
      assert.is_true(largest(fft.irfft(re, im, { n = n, norm = "ortho" }) - x) < 1e-13)
    end
  end)

  it("of one wave have one line", function()
    local n, k = 48, 5
    local t = torus.arange(0, n - 1, 1, FLOAT64) * (2 * math.pi / n)
    local re, im = fft.rfft((t * k + 0.3):cos())
    for i = 1, n // 2 + 1 do
      local there = i == k + 1
      assert.is_near(there and n / 2 * math.cos(0.3) or 0, re[i]:item(), 1e-13)
      assert.is_near(there and n / 2 * math.sin(0.3) or 0, im[i]:item(), 1e-13)
    end
  end)

  it("turn convolutions into products", function()
    local x, y = { 1, 2, 3, 4 }, { 0.5, -1, 2 }
    local want = {}
    for i = 1, #x + #y - 1 do
      want[i] = 0
      for j = 1, #x do want[i] = want[i] + x[j] * (y[i - j + 1] or 0) end
    end
    local a_re, a_im = fft.rfft(T(x), 6)
    local b_re, b_im = fft.rfft(T(y), 6)
    local got = fft.irfft(a_re * b_re - a_im * b_im, a_re * b_im + a_im * b_re, 6)
    for i, w in ipairs(want) do assert.is_near(w, got[i]:item(), 1e-14) end
  end)

  it("of float32 are rounded once", function()
    local x = torus.randn { 1000 }
    local re = fft.rfft(x)
    assert.equal("float32", re.dtype)
    assert.is_true(largest(re:to("float64") - fft.rfft(x:to("float64"))) < 6e-8 * largest(re))
  end)

  it("of NaN are NaN, of each line for itself", function()
    local re = fft.fft(torus.tensor { { 1, 0 / 0 }, { 1, 2 } })
    assert.is_true(re[1][1]:item() ~= re[1][1]:item())
    assert.same({ 3, -1 }, re[2]:totable())
  end)

  it("are bit-identical with any number of threads", function()
    local threads = torus.threads()
    local x = torus.randn({ 100, 360 }, FLOAT64)
    local results = {}
    for _, n in ipairs { 1, 2, 5 } do
      torus.set_threads(n)
      local re, im = fft.fft(x)
      local half, _ = fft.rfft(x, { dim = 1 })
      results[#results + 1] = core.to_bytes(re:copy()) .. core.to_bytes(im:copy())
        .. core.to_bytes(half:copy())
    end
    torus.set_threads(threads)
    assert.is_true(results[1] == results[2] and results[1] == results[3])
  end)

  it("are called as torus.fft(x) and as methods too", function()
    local x = T { 1, 2, 3 }
    assert.same(fft.fft(x):totable(), (torus.fft(x)):totable())
    assert.same(fft.rfft(x):totable(), (x:rfft()):totable())
  end)
end)

describe("several dimensions", function()
  it("are one after the other", function()
    torus.manual_seed(10)
    local x = torus.randn({ 2, 3, 4 }, FLOAT64)
    local re, im = fft.fftn(x, { dims = { 1, 3 } })
    local a, b = fft.fft(x, { dim = 3 })
    a, b = fft.fft(a, b, { dim = 1 })
    assert.is_true(largest(re - a) < 1e-14 and largest(im - b) < 1e-14)
    re, im = fft.rfftn(x, { sizes = { 5, 7 } })
    assert.same({ 2, 5, 4 }, re.shape)
    local back = fft.irfftn(re, im, { sizes = { 5, 7 } })
    assert.is_true(largest(back:narrow(2, 1, 3):narrow(3, 1, 4) - x) < 1e-14)
    assert.is_true(largest(back:narrow(2, 4, 2)) < 1e-14)
  end)
end)

describe("frequencies", function()
  it("are in cycles per unit of time", function()
    assert.same({ 0, 0.5, 1 }, fft.rfftfreq(4, 0.5):totable())
    assert.same({ 0, 0.25, -0.5, -0.25 }, fft.fftfreq(4):totable())
    assert.same({ 0 }, fft.fftfreq(1):totable())
    local five = fft.fftfreq(5, 0.1, FLOAT64)
    for i, f in ipairs { 0, 2, 4, -4, -2 } do assert.is_near(f, five[i]:item(), 1e-15) end
    assert.same({ 0, 2 }, { fft.rfftfreq(5, 1):dim() - 1, fft.rfftfreq(5, 1):size(1) - 1 })
  end)

  it("are shifted so that zero is in the middle, and back", function()
    for n = 1, 5 do
      local f = fft.fftfreq(n)
      local shifted = fft.fftshift(f)
      for i = 2, n do assert.is_true(shifted[i]:item() > shifted[i - 1]:item()) end
      assert.same(f:totable(), fft.ifftshift(shifted):totable())
    end
    assert.same({ { 3, 4 }, { 1, 2 } }, fft.fftshift(T { { 1, 2 }, { 3, 4 } }, 1):totable())
  end)
end)

describe("arguments that don't fit", function()
  local x = torus.zeros(2, 3)
  it("are named", function()
    raises("fft: expected a length n from 1 to 2^30, got 0 for dimension 2 of tensor (3,0) float32",
      function() fft.fft(torus.zeros(3, 0)) end)
    raises("rfft: expected a length n from 1 to 2^30, got -2", function() fft.rfft(x, -2) end)
    raises("fft: expected imaginary parts like the real ones, tensor (2,3) float32, got "
      .. "tensor (2) float32", function() fft.fft(x, torus.zeros(2)) end)
    raises("rfft: expected one tensor of real numbers, got two", function() fft.rfft(x, x) end)
    raises("fft: expected a tensor", function() fft.fft(3) end)
    raises("fft: unknown option \"dims\"", function() fft.fft(x, { dims = 1 }) end)
    raises("fft: option \"norm\": expected one of", function() fft.fft(x, { norm = "none" }) end)
    raises("dimension 3", function() fft.fft(x, { dim = 3 }) end)
    raises("fftn: expected 1 sizes", function() fft.fftn(x, { sizes = { 1, 2 }, dims = { 1 } }) end)
    raises("fft2: expected at least 2 dimensions", function() fft.fft2(x[1]) end)
    raises("fftn: dimension 0 is outside of", function() fft.fftn(x, { dims = { 0 } }) end)
    raises("rfftfreq: n: expected", function() fft.rfftfreq(0) end)
    raises("fftfreq: dt: expected", function() fft.fftfreq(3, 0) end)
    raises("fftshift: dimension 3", function() fft.fftshift(x, 3) end)
    raises("fft: expected at most 7 dimensions",
      function() fft.fft(torus.zeros(1, 1, 1, 1, 1, 1, 1, 1)) end)
    raises("fft: expected a float32 or float64 tensor, got", function()
      fft.fft(torus.zeros({ 2 }, { dtype = "int64" }))
    end)
  end)
end)
