local folders = require "spec.support.folders"
local raises = require "spec.support.raises"
local string_array = require "spec.support.string_array"
local torus = require "torus"

local npz = torus.npz
local path

local function read_bytes()
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("a")
  file:close()
  return bytes
end

local function write(bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

local function refused(text)
  local arrays, message = npz.load(path)
  assert.is_nil(arrays, "was accepted")
  assert.truthy(message:find("^npz.load: "), message)
  assert.truthy(message:find(text, 1, true), message)
  assert.is_nil(message:find("\n"))
end

local function sample()
  return { x = torus.randn(3, 4), empty = torus.zeros(0, 2), ["a/b c"] = torus.arange(5),
    pixels = torus.randint(0, 256, { 4, 4 }, { dtype = "uint8" }),
    wide = torus.ones({ 1000 }, { dtype = "float64" }), scalar = torus.tensor(3) }
end

-- An archive with one member as zip tools may write it.
local function archive(o)
  local name, data, size = o.name or "x.npy", o.data, o.size or #o.data
  local crc = o.crc or require("torus.core").crc32(o.plain or data)
  local method, flags = o.method or 0, o.flags or 0
  local fields = ("<I2I2I2I2I2I4I4I4I2I2"):pack(20, flags, method, 0, 33, crc, #data, size, #name,
    #(o.extra or ""))
  local head = "PK\3\4" .. fields .. name .. (o.extra or "") .. data
  local entry = "PK\1\2" .. "\20\0" .. fields .. ("<I2I2I2I4I4"):pack(0, 0, 0, 0, o.offset or 0)
    .. name .. (o.extra or "")
  local directory = entry:rep(o.members or 1)
  return head .. directory .. (o.between or "") .. "PK\5\6" .. ("<I2I2I2I2I4I4I2"):pack(o.disk or 0,
    0, o.members or 1, o.members or 1, #directory, #head, #(o.comment or "")) .. (o.comment or "")
end

local body = torus.npy.header("uint8", { 3 }) .. "\1\2\3"

before_each(function() path = folders.new() end)
after_each(folders.clear)

describe("an .npz archive", function()
  it("gives back every array, stored or compressed", function()
    for _, compress in ipairs { false, true } do
      local arrays = sample()
      assert.is_true(npz.save(path, arrays, { compress = compress }))
      local again = assert(npz.load(path))
      for name, x in pairs(arrays) do
        assert.same(x.shape, again[name].shape)
        assert.equal(x.dtype, again[name].dtype)
        assert.equal(torus.to_bytes(x), torus.to_bytes(again[name]))
        again[name] = nil
      end
      assert.is_nil(next(again))
    end
    assert.is_true(npz.save(path, {}))
    assert.same({}, npz.load(path))
  end)

  it("depends on its content alone", function()
    local arrays = sample()
    assert(npz.save(path, arrays, { compress = true }))
    local before = read_bytes()
    assert(npz.save(path, arrays, { compress = true }))
    assert.equal(before, read_bytes())
    assert.is_true(#before < 8000) -- a thousand ones
  end)

  it("of numpy.savez_compressed is read, with 64-bit fields", function()
    -- data/reference/pictures.npz is one; its pixels are compared elsewhere
    local arrays = assert(npz.load("data/reference/pictures.npz"))
    assert.same({ 7, 9, 4 }, arrays["rgb.pixels"].shape)
    assert.equal("int64", arrays["rgb16.pixels"].dtype)
  end)

  it("of other tools is read", function()
    write(archive { data = body, comment = "made by hand PK\5\6", extra = "\7\0\2\0ab" })
    assert.same({ 1, 2, 3 }, npz.load(path).x:totable())
    local packed = require("torus.core").deflate(body)
    write(archive { data = packed, plain = body, method = 8, size = #body, flags = 8 })
    assert.same({ 1, 2, 3 }, npz.load(path).x:totable())
  end)

  it("that is damaged is refused with the reason", function()
    local packed = require("torus.core").deflate(body)
    for text, bytes in pairs {
      ["it has no end record of a zip archive"] = "",
      ["its checksum is wrong"] = archive { data = body, crc = 1 },
      ["its sizes differ"] = archive { data = body, size = #body + 1 },
      ["expected it stored or deflated, got method 12"] = archive { data = body, method = 12 },
      ["it is encrypted"] = archive { data = body, flags = 1 },
      ['expected .npy members, got "x.txt"'] = archive { data = body, name = "x.txt" },
      ["its place in the archive is wrong"] = archive { data = body, offset = 1 },
      ["it is a part of an archive of several files"] = archive { data = body, disk = 1 },
      ["its compressed data is damaged"] =
        archive { data = packed, plain = body, method = 8, size = #body + 1 },
      ["its compressed data is too short"] =
        archive { data = packed, plain = body, method = 8, size = 1 << 30 },
      ['array "x": it does not start with'] = archive { data = "hello" },
      ['array "x": its shape (3) needs 3 bytes, it has 4'] = archive { data = body .. "\4" },
    } do
      write(bytes)
      refused(text)
    end
    -- Members that share one place: the bytes of a bomb.
    write(archive { data = body, members = 2 })
    refused('it has two arrays named "x"')
    write(archive { data = body, members = 5000 })
    refused('it has two arrays named "x"')
  end)

  it("is refused wherever it is cut, and never crashes whatever byte changes", function()
    assert(npz.save(path, { x = torus.arange(3), y = torus.ones(2) }, { compress = true }))
    local bytes = read_bytes()
    for length = 0, #bytes - 1 do
      write(bytes:sub(1, length))
      assert.is_nil((npz.load(path)))
    end
    for i = 1, #bytes do
      for _, byte in ipairs { 0, 255, bytes:byte(i) ~ 1 } do
        write(bytes:sub(1, i - 1) .. string.char(byte) .. bytes:sub(i + 1))
        local ok, arrays, message = pcall(npz.load, path)
        assert.is_true(ok, arrays)
        assert.is_true(arrays ~= nil or type(message) == "string")
      end
    end
  end)

  it("gives the arrays that are named, whatever the others are", function()
    string_array.save(path, { x = torus.arange(3), y = torus.ones(2) }, "label")
    local none, message = npz.load(path)
    assert.is_nil(none)
    assert.are.equal(("npz.load: %s: array \"label\": expected numbers as the dtype (f2, f4, f8, "
      .. "i1 to i8, u1 to u8 or b1), got <U1; to read others, give their names: npz.load(path, "
      .. "{ names = ... })"):format(path), message)
    local arrays, names = npz.load(path, { names = { "y", "z" } })
    assert.are.same({ "y" }, { next(arrays), next(arrays, "y") })
    assert.are.same({ 1, 1 }, arrays.y:totable())
    assert.are.same({ "label", "x", "y" }, names)
    assert.are.same({ 1, 2, 3 }, npz.load_array(path, "x"):totable())
    none, message = npz.load_array(path, "z")
    assert.is_nil(none)
    assert.are.equal(path .. ": expected one array, or one named z, got label, x, y", message)
    assert.matches("expected numbers", select(2, npz.load_array(path, "label")))
    assert(npz.save(path, { only = torus.ones(1) }))
    assert.are.same({ 1 }, npz.load_array(path, "z"):totable())
  end)

  it("says what it expected", function()
    raises("npz.save: expected a tensor for \"x\", got 5", function() npz.save(path, { x = 5 }) end)
    raises("npz.save: expected strings as names, got 1",
      function() npz.save(path, { torus.ones(1) }) end)
    raises("npz.save: expected a table of tensors, got nil", function() npz.save(path) end)
    raises('npz.save: unknown option "compres", did you mean "compress"?',
      function() npz.save(path, {}, { compres = true }) end)
    raises("npz.load: path: expected a path (a string without zero bytes), got nil",
      function() npz.load() end)
    raises("npz.load: names", function() npz.load(path, { names = { "x", nil, "y" } }) end)
    raises("npz.load: names", function() npz.load(path, { names = { x = true } }) end)
    raises("npz.load: names: expected a list of strings, got 3",
      function() npz.load(path, { names = { 3 } }) end)
    raises("npz.load_array: name: expected a string, got nil",
      function() npz.load_array(path) end)
    local x, message = npz.load("/nonexistent/x.npz")
    assert.is_nil(x)
    assert.matches("/nonexistent/x.npz", message)
  end)
end)
