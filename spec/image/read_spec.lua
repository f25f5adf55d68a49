local folders = require "spec.support.folders"
local lfs = require "lfs"
local raises = require "spec.support.raises"
local torus = require "torus"

local image = torus.image

-- Pictures of every kind with Pillow's pixels: spec/support/pictures_pil.py
local known = assert(torus.npz.load("data/reference/pictures.npz"))

local path

local function write(bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

local function put(name) write(torus.to_bytes(known[name .. ".file"])) end

local function largest(x) return x:abs():max():item() end

-- What RGBA looks like over a grey.
local function over(rgba, background)
  local n = rgba:dim()
  local x = rgba:to("float64") / 255
  local alpha = x:narrow(n, 4, 1)
  return x:narrow(n, 1, 3) * alpha + (1 - alpha) * background
end

local function refused(text)
  local x, message = image.read(path)
  assert.is_nil(x, "was accepted")
  assert.truthy(message:find(text, 1, true), message)
  assert.is_nil(message:find("\n"))
end

before_each(function() path = os.tmpname() end)
after_each(function()
  os.remove(path)
  folders.clear()
end)

describe("image.read", function()
  for _, name in ipairs { "grey1", "grey2", "grey4", "grey", "rgb", "palette", "interlaced",
    "grey_alpha", "rgba", "palette_alpha" } do
    it("finds Pillow's pixels in a PNG, " .. name, function()
      put(name)
      local pixels = known[name .. ".pixels"]
      local x = assert(image.read(path, { channels = 3 }))
      assert.same({ 7, 9, 3 }, x.shape)
      assert.equal("float32", x.dtype)
      assert.is_true(largest(x:to("float64") - over(pixels, 1)) < 1e-6)
      local own = assert(image.read(path))
      assert.equal(name:find("^grey") and 1 or 3, own:size(3))
      x = assert(image.read(path, { dtype = "uint8", background = 0.5, channels = 3 }))
      assert.is_true(largest(x:to("float64") - over(pixels, 0.5) * 255) <= 0.5001)
    end)
  end

  it("keeps 16 bits", function()
    put "rgb16"
    local x = assert(image.read(path))
    assert.is_true(largest(x:to("float64") * 65535 - known["rgb16.pixels"]:to("float64")) < 0.01)
    x = assert(image.read(path, { dtype = "uint8" }))
    assert.is_true(largest(x:to("float64") - known["rgb16.pixels"]:to("float64") / 257) < 0.51)
  end)

  for _, name in ipairs { "still", "moving", "disposal1", "disposal2", "disposal3" } do
    it("finds Pillow's frames in a GIF, " .. name, function()
      put(name)
      local pixels = known[name .. ".pixels"]
      local x, delays = assert(image.read(path, { background = 0 }))
      assert.same(pixels:narrow(4, 1, 3).shape, x.shape)
      assert.is_true(largest(x:to("float64") - over(pixels, 0)) < 1e-6)
      if name == "moving" then assert.same({ 50, 100, 150, 200 }, delays) end
    end)
  end

  it("gives back what image.write and image.gif wrote", function()
    local x = torus.randint(0, 256, { 5, 7, 3 }, { dtype = "uint8" })
    assert(image.write(path, x))
    assert.equal(torus.to_bytes(x), torus.to_bytes(image.read(path, { dtype = "uint8" })))
    local floats = assert(image.read(path))
    assert(image.write(path, floats))
    assert.equal(torus.to_bytes(x), torus.to_bytes(image.read(path, { dtype = "uint8" })))
    local grey = x:narrow(3, 1, 1):contiguous()
    assert(image.write(path, grey))
    assert.equal(torus.to_bytes(grey), torus.to_bytes(image.read(path, { dtype = "uint8" })))
    local film = torus.randint(0, 4, { 6, 5, 4, 1 }, { dtype = "uint8" })
      :expand(6, 5, 4, 3):contiguous()
    assert(image.gif(path, film, { delay_ms = 70 }))
    local again, delays = image.read(path, { dtype = "uint8" })
    assert.equal(torus.to_bytes(film), torus.to_bytes(again))
    assert.same({ 70, 70, 70, 70, 70, 70 }, delays)
  end)

  it("makes grey of colours by their luminance", function()
    local x = torus.tensor { { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 }, { 1, 1, 1 } } }
    assert(image.write(path, x))
    local grey = assert(image.read(path, { channels = 1 })):flatten():totable()
    for i, value in ipairs { 0.299, 0.587, 0.114, 1 } do assert.near(value, grey[i], 1e-6) end
  end)

  it("refuses files that are cut anywhere", function()
    for _, name in ipairs { "rgb", "interlaced", "rgb16", "moving", "disposal3" } do
      local bytes = torus.to_bytes(known[name .. ".file"])
      for length = 0, #bytes - 1, #bytes > 400 and 7 or 1 do
        write(bytes:sub(1, length))
        local x, message = image.read(path)
        assert.is_nil(x, name .. " was accepted at " .. length)
        assert.is_string(message)
      end
    end
  end)

  it("refuses what a few bytes claim", function()
    put "rgb"
    local bytes = torus.to_bytes(known["rgb.file"])
    -- 65,535 x 65,535 pixels, with the checksum that belongs to it
    local header = "IHDR" .. (">I4I4"):pack(65535, 65535) .. bytes:sub(25, 29)
    local crc = require("torus.core").crc32(header)
    write(bytes:sub(1, 12) .. header .. (">I4"):pack(crc) .. bytes:sub(34))
    refused("is not a sound PNG: it is truncated")
    local gif = torus.to_bytes(known["still.file"])
    write(gif:sub(1, 6) .. ("<I2I2"):pack(65535, 65535) .. gif:sub(11))
    refused("is not a sound GIF: it has too few bytes for its canvas")
    write(gif:sub(1, 6) .. ("<I2I2"):pack(5, 5) .. gif:sub(11))
    refused("a frame lies outside of its canvas")
  end)

  it("names formats that it does not read", function()
    write ""
    refused("image.read: " .. path .. ": expected a PNG or a GIF, got an empty file")
    write "\xff\xd8\xff\xe0 and so on"
    refused("got a JPEG")
    write "hello"
    refused("got something else")
    local x, message = image.read("/nonexistent/x.png")
    assert.is_nil(x)
    assert.matches("image.read: /nonexistent/x.png: No such file", message)
    x, message = image.read("/tmp")
    assert.is_nil(x)
    assert.matches("/tmp", message)
  end)

  it("says what it expected", function()
    raises("image.read: path: expected a path (a string without zero bytes), got nil",
      function() image.read() end)
    raises('image.read: unknown option "dtyp", did you mean "dtype"?',
      function() image.read("x.png", { dtyp = "uint8" }) end)
    raises('option "channels": expected one of 1, 3; got 2',
      function() image.read("x.png", { channels = 2 }) end)
  end)
end)

describe("image.read_folder", function()
  local function folder()
    local name = folders.new()
    assert(lfs.mkdir(name))
    return name
  end

  it("reads frames in the order in which people count", function()
    local where = folder()
    for _, i in ipairs { 1, 2, 10, 9 } do
      assert(image.write(("%s/f%d.PNG"):format(where, i), torus.full({ 2, 3, 3 }, i / 10)))
    end
    assert(image.write(where .. "/.hidden.png", torus.zeros(1, 1, 3)))
    local film, names = assert(image.read_folder(where))
    assert.same({ 4, 2, 3, 3 }, film.shape)
    assert.same({ "f1.PNG", "f2.PNG", "f9.PNG", "f10.PNG" }, names)
    assert.near(1, film[{ 4, 1, 1, 1 }]:item(), 1e-6)
    local bytes = assert(image.read_folder(where, { dtype = "uint8", channels = 1 }))
    assert.same({ 4, 2, 3, 1 }, bytes.shape)
    assert.equal("uint8", bytes.dtype)
  end)

  it("names the file that does not fit", function()
    local where = folder()
    local film, message = image.read_folder(where)
    assert.is_nil(film)
    assert.matches("contains no .png files", message)
    assert(image.write(where .. "/1.png", torus.zeros(2, 2, 3)))
    assert(image.write(where .. "/2.png", torus.zeros(2, 3, 3)))
    film, message = image.read_folder(where)
    assert.is_nil(film)
    assert.truthy(message:find("2.png: expected a picture of shape (2,2,3) like 1.png, got (2,3,3)",
      1, true))
    for what, command in pairs { ["named pipe"] = "mkfifo '%s'", directory = "mkdir '%s'",
      ["char device"] = "ln -s /dev/zero '%s'" } do
      assert(os.execute("rm -rf '" .. where .. "/2.png'; " .. command:format(where .. "/2.png")))
      film, message = image.read_folder(where)
      assert.is_nil(film)
      assert.truthy(message:find("2.png is a " .. what .. ", expected a file", 1, true))
    end
    film, message = image.read_folder("/nonexistent")
    assert.is_nil(film)
    assert.matches("/nonexistent is not a folder", message)
  end)
end)
