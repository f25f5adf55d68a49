-- The fused decoder against the operations of tensors, which are checked
-- against finite differences and PyTorch elsewhere.
local torus = require "torus"

local function relative(a, b)
  return (a - b):norm():item() / (b:norm():item() + 1e-300)
end

-- The largest relative difference of the three results' tensors, and that of
-- the sums of squares.
local function differences(config, images)
  torus.manual_seed(3)
  local model = torus.models.hgn(config)
  local c = model.config
  local opts = { dtype = c.dtype }
  local q = torus.randn({ images, model.size[1], model.size[2], c.state }, opts)
  local targets = torus.rand({ images, c.resolution, c.frame_width or c.resolution,
    c.channels }, opts)
  local squares, gq, grads = model:decoder_gradients(q, targets, 0.7)
  local expected, want_q, wanted =
    model:decoder_gradients(q, targets, 0.7, { fused = false, chunk = 3 })
  local worst = relative(gq, want_q)
  for i, g in ipairs(grads) do worst = math.max(worst, relative(g, wanted[i])) end
  return worst, math.abs(squares / expected - 1)
end

local function config(changes)
  local c = { width = 7, state = 3, frames = 5, z = 4, dtype = "float64" }
  for key, value in pairs(changes) do c[key] = value end
  return c
end

describe("the fused decoder", function()
  for _, skip in ipairs { true, false } do
    for _, images in ipairs { 1, 3, 17 } do
      it(("equals the general path, skip %s, %d images"):format(skip, images),
        function()
          local worst, squares = differences(config { skip = skip }, images)
          assert.is_true(worst < 1e-13, worst)
          assert.is_true(squares < 1e-13, squares)
        end)
    end
  end

  it("takes 64x64 frames and a state as wide as the filters", function()
    local worst = differences(config { resolution = 64, width = 4 }, 2)
    assert.is_true(worst < 1e-13, worst)
    worst = differences(config { state = 7 }, 2)
    assert.is_true(worst < 1e-13, worst)
  end)

  it("takes rectangles, high and wide, of one to four channels", function()
    for channels, sides in ipairs { { 24, 40 }, { 16, 8 }, { 8, 24 }, { 64, 80 } } do
      local worst, squares = differences(config { resolution = sides[1],
        frame_width = sides[2], channels = channels, width = 4 }, 2)
      assert.is_true(worst < 1e-12, worst)
      assert.is_true(squares < 1e-13, squares)
    end
  end)

  -- A leaky ReLU at zero may fall on either side in float32: by the norm, the
  -- few elements that differ for that reason hardly count.
  it("equals the general path in float32", function()
    local worst = differences(config { dtype = "float32", width = 64 }, 5)
    assert.is_true(worst < 1e-4, worst)
  end)

  it("gives the same bits with one thread and two", function()
    torus.manual_seed(4)
    local model = torus.models.hgn(config { dtype = "float32", width = 16 })
    local q = torus.randn(19, 4, 4, 3)
    local targets = torus.rand(19, 32, 32, 3)
    local threads = torus.threads()
    local bytes = {}
    for n = 1, 2 do
      torus.set_threads(n)
      local squares, gq, grads = model:decoder_gradients(q, targets, 1)
      local parts = { string.pack("d", squares), torus.to_bytes(gq) }
      for i, g in ipairs(grads) do parts[i + 2] = torus.to_bytes(g) end
      bytes[n] = table.concat(parts)
    end
    torus.set_threads(threads)
    assert.is_true(bytes[1] == bytes[2])
  end)

  it("says what does not fit", function()
    local model = torus.models.hgn(config {})
    local opts = { dtype = "float64" }
    local ok, message = pcall(function()
      model:decoder_gradients(torus.zeros({ 2, 4, 4, 3 }, opts),
        torus.zeros({ 2, 16, 16, 3 }, opts), 1)
    end)
    assert.is_false(ok)
    assert.matches("decoder_spec.lua:%d+: hgn:decoder_gradients: expected targets of shape "
      .. "%(2,32,32,3%), got %(2,16,16,3%)", message)
  end)
end)
