local font = require "torus.image.font"
local torus = require "torus"
local folders = require "spec.support.folders"
local raises = require "spec.support.raises"

local image = torus.image

local function largest(x) return x:abs():max():item() end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("a")
  file:close()
  return bytes
end

describe("torus.image", function()
  local path

  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  it("writes floats and bytes as the same PNG", function()
    local bytes = torus.arange(0, 4 * 5 * 3 - 1):reshape(4, 5, 3)
    assert(image.write(path, bytes / 255))
    local grey = torus.tensor({ { 0, 51, 255 }, { 102, 0, 1 } }, { dtype = "uint8" })
    assert(image.write(path, grey))
    assert.same({ { 0, 51, 255 }, { 102, 0, 1 } },
      image.read(path, { dtype = "uint8" }):reshape(2, 3):totable())
    assert(image.write(path, bytes / 255))
    local png = read(path)
    assert.are.equal("\x89PNG\r\n\x1a\n", png:sub(1, 8))
    assert.are.same({ 5, 4, 9 }, { (">I4I4"):unpack(png:sub(17, 24)) })
    assert(image.write(path, bytes:to("uint8")))
    assert.are.equal(png, read(path))
    assert(image.write(path, (bytes / 255):to("float64")))
    assert.are.equal(png, read(path))
  end)

  it("clips what lies outside of 0..1, and shows NaN as black", function()
    local wild = torus.tensor { { { -1, 0.5, 7 }, { 0 / 0, math.huge, -math.huge } } }
    local tame = torus.tensor { { { 0, 0.5, 1 }, { 0, 1, 0 } } }
    assert(image.write(path, tame))
    local png = read(path)
    assert(image.write(path, wild))
    assert.are.equal(png, read(path))
  end)

  it("writes a film that is a little brighter than white, and one with NaN", function()
    assert(image.write(path, torus.full({ 8, 8, 3 }, 1.01)))
    local bad = torus.full({ 8, 8, 3 }, 200)
    bad[{ 1, 1, 1 }] = 0 / 0
    raises("expected floats from 0 to 1, got floats up to 200", function()
      image.write(path, bad)
    end)
  end)

  it("takes floats from 0 to 255 for a mistake, but not what a model predicts", function()
    local film = torus.rand({ 3, 4, 5, 3 }, { generator = torus.generator(2) }) * 254 + 1
    film[{ 1, 1, 1, 1 }] = 255
    local text = "expected floats from 0 to 1, got floats up to 255: divide them by the value of "
      .. "white, such as 255"
    raises("image.write: " .. text, function() image.write(path, film[1]) end)
    raises("image.write: " .. text, function() image.write(path, film[1]:to("float64")) end)
    raises("image.gif: " .. text, function() image.gif(path, film) end)
    raises("image.show: " .. text, function() image.show(film[1], { protocol = "blocks" }) end)
    raises("got floats up to 65535", function() image.write(path, film[1] * 257) end)
    raises("image.write: expected floats", function()
      image.write(path, image.strip { rows = { { frames = film } } })
    end)
    assert(image.write(path, film[1]:to("uint8")))
    local predicted = film[1] / 255
    predicted[{ 1, 1, {} }] = 9
    assert(image.write(path, predicted))
    assert(image.write(path, film[1] * -1))
    assert(image.write(path, torus.full({ 2, 2, 3 }, math.huge)))
    assert(image.write(path, torus.full({ 2, 2, 3 }, 0 / 0)))
  end)

  it("writes nothing under the name of another format", function()
    local x, base = torus.rand(2, 3, 3), folders.new()
    finally(folders.clear)
    assert(torus.files.make_folder(base .. "/run.jpg"))
    for _, name in ipairs { "a.jpg", "a.gif", "a.b.JPEG" } do
      local file = base .. "/" .. name
      raises(("image.write: path: expected a name that ends in .png, the only format that it "
        .. "writes, got %q"):format(file), function() image.write(file, x) end)
      assert.is_false(torus.files.exists(file))
    end
    raises("image.gif: path: expected a name that ends in .gif",
      function() image.gif(base .. "/a.png", x:unsqueeze(1)) end)
    for _, name in ipairs { "a.png", "a.PNG", "a", "run.jpg/a", "step.5", ".hidden" } do
      assert(image.write(base .. "/" .. name, x))
    end
    assert(image.gif(base .. "/a.gif", x:unsqueeze(1)))
  end)

  it("writes grey images, masks, and films as GIF", function()
    assert(image.write(path, torus.tensor { { { true }, { false } } }))
    assert.same({ { { 255 }, { 0 } } }, image.read(path, { dtype = "uint8" }):totable())
    assert(image.write(path, torus.rand(3, 3, 1)))
    assert(image.gif(path, torus.rand(4, 6, 5, 3), { delay_ms = 50, scale = 3 }))
    local gif = read(path)
    assert.are.equal("GIF89a", gif:sub(1, 6))
    assert.are.same({ 15, 18, 5 }, { ("<I2I2"):unpack(gif:sub(7, 10)) })
  end)

  it("enlarges by integer factors", function()
    local x = torus.arange(1, 2 * 3 * 2):reshape(1, 2, 3, 2)
    local big = image.upscale(x, 3)
    assert.are.same({ 1, 6, 9, 2 }, big.shape)
    for row = 1, 6 do
      for column = 1, 9 do
        assert.are.equal(x[{ 1, (row + 2) // 3, (column + 2) // 3, 2 }]:item(),
          big[{ 1, row, column, 2 }]:item())
      end
    end
    assert.are.equal(x, image.upscale(x, 1))
  end)

  it("writes text in capitals", function()
    local rows = font.pixels("i1")
    assert.are.equal(7, #rows)
    assert.are.equal("01110" .. "0" .. "00100", table.concat(rows[1]))
    assert.are.equal("01110" .. "0" .. "01110", table.concat(rows[7]))
    assert.are.same({ 14, 22, 1 }, image.text("Hi", 2).shape)
    assert.are.same({ 7, 0, 1 }, image.text("").shape)
    -- Every letter and digit looks different.
    local seen = {}
    for character in ("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,-+=()/:% "):gmatch(".") do
      local picture = {}
      for y, row in ipairs(font.pixels(character)) do picture[y] = table.concat(row) end
      local text = table.concat(picture, "/")
      assert.is_nil(seen[text], character)
      seen[text] = true
    end
  end)

  it("lays out film strips with labels on the left", function()
    local red = torus.zeros(31, 4, 4, 3)
    red[{ {}, {}, {}, 1 }] = 1
    local strip = image.strip { rows = {
      { label = "AB", frames = red },
      { label = "", frames = (red * 255):to("uint8"):narrow(1, 1, 5) } },
      every = 5, scale = 2, gap = 3, background = 0.5 }
    -- Seven columns of 8 pixels; rows as high as a letter or a frame.
    local left = 11 + 2 * 3 + 2
    assert.are.same({ 2 * (8 + 3) + 3, left + 7 * (8 + 3), 3 }, strip.shape)
    local function pixel(y, x) return strip[{ y, x }]:totable() end
    assert.are.same({ 0.5, 0.5, 0.5 }, pixel(1, 1))
    assert.are.same({ 1, 0, 0 }, pixel(4, left + 1))
    assert.are.same({ 1, 0, 0 }, pixel(11, left + 8))
    assert.are.same({ 0.5, 0.5, 0.5 }, pixel(4, left + 9))
    assert.are.same({ 1, 0, 0 }, pixel(4, left + 6 * 11 + 1))
    assert.are.same({ 1, 0, 0 }, pixel(15, left + 1))
    -- The second row has one frame of its five.
    assert.are.same({ 0.5, 0.5, 0.5 }, pixel(15, left + 11 + 1))
    local ink = (strip:narrow(2, 1, left):narrow(1, 1, 14) - 0.5):abs():sum():item()
    assert.is_true(ink > 10)
    assert.are.equal(16 * (2 * 4 + 2) + 2,
      image.strip({ rows = { { frames = red } } }):size(2))
    local rows = { { label = "AB", frames = red:narrow(1, 1, 1) } }
    local small = image.strip { rows = rows, scale = 4 }
    local large = image.strip { rows = rows, scale = 4, text = 2 }
    assert.are.same({ small:size(1), small:size(2) + 11 },
      { large:size(1), large:size(2) })
    assert.are.equal(0, largest(image.upscale(image.text("AB"), 2)
      - (1 - large:narrow(1, 4, 14):narrow(2, 3, 22):narrow(3, 1, 1))))
  end)

  it("puts films side by side, the shorter one waiting", function()
    local a, b = torus.full({ 2, 3, 3, 3 }, 0.25), torus.rand(5, 3, 4, 3)
    local both = image.side_by_side { a, b }
    assert.are.same({ 5, 3, 3 + 2 + 4, 3 }, both.shape)
    assert.are.equal(0, largest(both:narrow(3, 1, 3) - 0.25))
    assert.are.equal(0, largest(both:narrow(3, 6, 4) - b))
  end)

  it("says what it expected", function()
    local film = torus.zeros(2, 4, 4, 3)
    for pattern, f in pairs {
      ["image.write: expected an image %(height, width, 3%) or %(height, width%), got tensor "
        .. "%(2,4,4,3%) float32"] =
        function() image.write(path, film) end,
      ["image.write: expected an image .* got 7"] = function() image.write(path, 7) end,
      ["expected floats from 0 to 1, uint8 or bool, got tensor %(4,4,3%) int64"] =
        function() image.write(path, film[1]:to("int64")) end,
      ["image.gif: expected a film"] = function() image.gif(path, film[1]) end,
      ['option "delay_ms": expected at least 10'] =
        function() image.gif(path, film, { delay_ms = 1 }) end,
      ["image.upscale: expected an integer factor above 0, got 1.5"] =
        function() image.upscale(film, 1.5) end,
      ["image.strip: row 2: expected frames of the height and width of row 1, .* got %(2,5,4,3%)"] =
        function()
          image.strip { rows = { { frames = film }, { frames = torus.zeros(2, 5, 4, 3) } } }
        end,
      ["image.strip: rows: expected at least one row"] = function() image.strip { rows = {} } end,
      ["image.side_by_side: film 2: expected a height of 4 like film 1, got 5"] =
        function() image.side_by_side { film, torus.zeros(1, 5, 5, 3) } end,
    } do
      assert.error_matches(f, pattern)
    end
    raises("image.write: path: expected a path (a string without zero bytes), got nil",
      function() image.write(nil, film[1]) end)
    raises("image.gif: path: expected a path (a string without zero bytes), got 5",
      function() image.gif(5, film) end)
    raises("image.text: scale: expected an integer",
      function() image.text("", torus.nn.Linear(1, 1)) end)
    raises("image.text: text: expected a string, got 5",
      function() image.text(5) end)
    raises("image.strip: row 1: expected {label =, frames =}, got 5",
      function() image.strip { rows = { 5 } } end)
    raises("image.strip: row 1: expected {label =, frames =}, got tensor (2,4,4,3) float32",
      function() image.strip { rows = { film } } end)
    raises("image.strip: row 1: label: expected a string, got 5",
      function() image.strip { rows = { { label = 5, frames = film } } } end)
    raises('image.strip: option \"rows\": expected a table, got tensor (2,4,4,3) float32',
      function() image.strip { rows = film } end)
    local none, message = image.write("/nonexistent/x.png", film[1])
    assert.is_nil(none)
    assert.matches("/nonexistent/x.png", message)
  end)
end)
