local torus = require "torus"
local raises = require "spec.support.raises"
local lfs = require "lfs"

local npy = torus.npy
local DTYPES = { "float32", "float64", "int64", "int32", "uint8" }

local folder

local function path(name) return folder .. "/" .. name end

local function write(name, text)
  local file = assert(io.open(path(name), "wb"))
  assert(file:write(text))
  file:close()
  return path(name)
end

-- A file as numpy writes it: magic, version, header length, header, data.
local function pack(header, data, version)
  local width = version == 1 and 2 or 4
  return "\x93NUMPY" .. string.char(version or 1, 0)
    .. ("<I" .. (version == nil and 2 or width)):pack(#header) .. header .. (data or "")
end

local function header(descr, shape, fortran)
  return ("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n"):format(descr,
    fortran and "True" or "False", shape)
end

local function refused(text, why)
  local x, message = npy.load(write("bad.npy", text))
  assert.is_nil(x, "was accepted")
  assert.truthy(message:find("^npy.load: .*bad.npy"), message)
  assert.is_nil(message:find("\n"))
  if why then assert.truthy(message:find(why, 1, true), message) end
end

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
end)

teardown(function() os.execute("rm -rf '" .. folder .. "'") end)

describe("an .npy file", function()
  it("gives back every dtype, shape and bit", function()
    for _, dtype in ipairs(DTYPES) do
      local opts = { dtype = dtype }
      for _, x in ipairs {
        torus.tensor({ { 1, 2, 3 }, { 4, 5, 250 } }, opts), torus.tensor({ 1, 2 }, opts),
        torus.tensor(7, opts), torus.zeros({ 2, 0, 3 }, opts), torus.zeros({ 0 }, opts),
        torus.tensor({ { 1, 2 }, { 3, 4 } }, opts):transpose(),
      } do
        assert.is_true(npy.save(path("x.npy"), x))
        local y = assert(npy.load(path("x.npy")))
        assert.same(x.shape, y.shape)
        assert.equal(dtype, y.dtype)
        assert.equal(torus.to_bytes(x), torus.to_bytes(y))
      end
    end
  end)

  it("keeps bools", function()
    local x = torus.tensor { { true, false, true } }
    assert(npy.save(path("b.npy"), x))
    local y = assert(npy.load(path("b.npy")))
    assert.equal("bool", y.dtype)
    assert.same({ { true, false, true } }, y:totable())
    assert.same("|b1", npy.header("bool", { 1 }):match("'descr': '([^']+)'"))
  end)

  it("begins as numpy's own, with the data aligned", function()
    assert(npy.save(path("x.npy"), torus.zeros({ 3 }, { dtype = "float64" })))
    local file = io.open(path("x.npy"), "rb")
    local text = file:read("a")
    file:close()
    assert.equal("\x93NUMPY\1\0", text:sub(1, 8))
    local length = ("<I2"):unpack(text, 9)
    assert.equal(0, (10 + length) % 64)
    assert.equal(10 + length + 24, #text)
    assert.truthy(text:find("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", 1, true))
    assert.equal("\n", text:sub(10 + length, 10 + length))
  end)

  it("is read in all versions and styles of header", function()
    local data = ("<ff"):pack(1.5, -2)
    for version = 1, 3 do
      local x = assert(npy.load(write("v.npy", pack(header("<f4", "(2,)"), data, version))))
      assert.same({ 1.5, -2 }, x:totable())
    end
    local x = assert(npy.load(write("s.npy",
      pack('{"shape": (1, 2L), "fortran_order":False,"descr":"<f4"}', data))))
    assert.same({ { 1.5, -2 } }, x:totable())
    assert.equal(3, npy.load(write("u.npy", pack(header("|u1", "()"), "\3"))):item())
  end)

  it("is read in either order of bytes, and in widths that torus does not have", function()
    local function read(descr, data, n)
      return assert(npy.load(write("w.npy", pack(header(descr, ("(%d,)"):format(n)), data))))
    end
    local function check(dtype, wanted, x)
      assert.equal(dtype, x.dtype)
      assert.same(wanted, x:totable())
    end
    check("int32", { -2, 1 << 30 }, read("<i4", ("<i4i4"):pack(-2, 1 << 30), 2))
    check("int32", { -2, 3 }, read(">i2", (">i2i2"):pack(-2, 3), 2))
    check("int32", { 65534 }, read("<u2", "\254\255", 1))
    check("int32", { -1, 127 }, read("|i1", "\255\127", 2))
    check("bool", { true, false }, read("|b1", "\1\0", 2))
    check("float32", { 1.5, -2 }, read(">f4", (">ff"):pack(1.5, -2), 2))
    check("float64", { 0.1 }, read(">f8", (">d"):pack(0.1), 1))
    check("int64", { -2, 1 << 40 }, read(">i8", (">i8i8"):pack(-2, 1 << 40), 2))
    check("int64", { 0xffffffff, 1 }, read("<u4", ("<I4I4"):pack(0xffffffff, 1), 2))
    check("int64", { 0x80000000 }, read(">u4", (">I4"):pack(0x80000000), 1))
    check("int64", { math.maxinteger }, read("<u8", ("<I8"):pack(math.maxinteger), 1))
    -- float16: 1, -2, the largest, the smallest normal and subnormal, -0, infinity, NaN
    local halves = { 0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x03ff, 0x8000, 0x7c00, 0x7e00 }
    local values = { 1, -2, 65504, 2.0 ^ -14, 2.0 ^ -24, 1023 * 2.0 ^ -24, 0, math.huge }
    for _, order in ipairs { "<", ">" } do
      local x = read(order .. "f2", (order .. ("I2"):rep(9)):pack(table.unpack(halves)), 9)
      assert.equal("float32", x.dtype)
      assert.same(values, { table.unpack(x:totable(), 1, 8) })
      assert.is_true(x[9]:item() ~= x[9]:item())
      assert.equal(-math.huge, 1 / x[7]:item())
    end
  end)

  it("in Fortran order comes out the right way round", function()
    local x = assert(npy.load(write("f.npy",
      pack(header("<i8", "(2, 3)", true), ("<i8i8i8i8i8i8"):pack(1, 4, 2, 5, 3, 6)))))
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, x:totable())
    assert.is_true(x:is_contiguous())
    x = assert(npy.load(write("f.npy", pack(header("|u1", "(2, 2, 2)", true), "\1\5\3\7\2\6\4\8"))))
    assert.same({ { { 1, 2 }, { 3, 4 } }, { { 5, 6 }, { 7, 8 } } }, x:totable())
    x = assert(npy.load(write("f.npy", pack(header("|u1", "(0, 2)", true), ""))))
    assert.same({ 0, 2 }, x.shape)
  end)

  it("tells what it holds without its data", function()
    write("i.npy", pack(header("<f8", "(2, 1)"), ("\0"):rep(16)))
    local info = assert(npy.info(path("i.npy")))
    assert.same({ 2, 1 }, info.shape)
    assert.equal("float64", info.dtype)
    assert.equal(2, info.count)
    assert.is_false(info.fortran)
  end)
end)

describe("a damaged .npy file", function()
  it("is refused wherever it is cut", function()
    local text = pack(header("<f4", "(2,)"), ("<ff"):pack(1, 2))
    for n = 0, #text - 1 do refused(text:sub(1, n)) end
    refused(text:sub(1, -2), "truncated: its shape (2) needs 8 bytes, it has 7")
  end)

  it("is refused or read, but never crashes, whatever byte changes", function()
    local text = pack(header("<f4", "(2,)"), ("<ff"):pack(1, 2))
    for i = 1, #text - 8 do
      for _, byte in ipairs { 0, 10, 40, 57, 255, text:byte(i) ~ 1 } do
        local changed = text:sub(1, i - 1) .. string.char(byte) .. text:sub(i + 1)
        local ok, x, message = pcall(npy.load, write("bad.npy", changed))
        assert.is_true(ok, x)
        assert.is_true(x ~= nil or type(message) == "string")
      end
    end
  end)

  it("is refused with the reason", function()
    refused("", "it does not start with \\x93NUMPY")
    refused("\x93NUMPX\1\0", "it does not start with \\x93NUMPY")
    refused("\x93NUMPY\9\0" .. ("\0"):rep(100), "expected version 1, 2 or 3, got 9")
    refused("\x93NUMPY\2\0" .. ("<I4"):pack(1 << 31) .. "x", "got 2147483648")
    refused(pack("hello"), "expected descr, fortran_order and shape")
    -- As NumPy does; a word that is not read would be a wrong layout.
    local good = "{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }\n"
    local bytes = ("\0"):rep(8)
    assert(npy.load(write("g.npy", pack(good, bytes))))
    for from, to in pairs {
      ["True"] = { "true", "TRUE", "1", "'True'", "Truex", "None" },
      ["%(2,%)"] = { "(2)", "[2]", "2", "(2,,)", "(,2)", "(02,)", "(2 2)", "(2,", "()1",
        "(True,)", "('2',)" },
      ["'descr'"] = { "'Descr'", "descr", "'descr", "'descr\\x27", "'shape'",
        "'other': 1, 'descr'" },
      ["^{"] = { "", "[", "{{", "{,", "x{", "{'shape': (3,), " },
      [", }"] = { ", ", ", ,}", ", } x", ", }, {}", ", 'more': 1}", ")}" },
      ["', '"] = { "' '", "'; '" },
    } do
      for _, text in ipairs(to) do
        local changed = good:gsub(from, (text:gsub("%%", "%%%%")), 1)
        refused(pack(changed, bytes), "expected descr, fortran_order and shape")
      end
    end
    refused(pack(""))
    refused(pack(header("|O", "(2,)"), ("\0"):rep(16)),
      "expected numbers as the dtype (f2, f4, f8, i1 to i8, u1 to u8 or b1), got |O")
    refused(pack(header("<c8", "(2,)"), ("\0"):rep(16)), "got <c8")
    refused(pack(header("<M8[s]", "(2,)"), ("\0"):rep(16)), "got <M8[s]")
    refused(pack(header("|f4", "(2,)"), ("\0"):rep(8)), "got |f4")
    refused(pack(header("<f3", "(2,)"), ("\0"):rep(8)), "got <f3")
    refused(pack(header("|b1", "(2,)"), "\1\2"), "element 2: expected a bool as 0 or 1, got 2")
    refused(pack(header("<u8", "(1,)"), ("\255"):rep(8)),
      "element 1: expected an integer below 2^63, got 18446744073709551615")
    refused(pack(header("<U3", "(2,)"), ("\0"):rep(24)), "bad.npy: expected numbers as")
    refused(pack(""), "bad.npy is not a .npy array: ")
    refused(pack("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"),
      "got a structure")
    refused(pack(header("<f4", "(-2,)"), ("\0"):rep(8)), "expected descr, fortran_order and shape")
    refused(pack(header("<f4", "(2.5,)"), ("\0"):rep(8)), "expected descr, fortran_order and shape")
    refused(pack(header("<f4", "(99999999999999999999,)")), "expected at most 8 dimensions")
    refused(pack(header("<f4", "(4294967296, 4294967296)")), "expected at most 8 dimensions")
    refused(pack(header("<f4", "(0, 4294967296, 4294967296)")), "expected at most 8 dimensions")
    refused(pack(header("<f4", "(1,1,1,1,1,1,1,1,1)")), "expected at most 8 dimensions")
    refused(pack(header("<f4", "(1000000000,)")), "is truncated")
  end)
end)

describe("npy.save and npy.load", function()
  it("return what the system refuses", function()
    local x, message = npy.load(path("missing.npy"))
    assert.is_nil(x)
    assert.truthy(message:find("No such file", 1, true))
    x, message = npy.load(folder)
    assert.is_nil(x)
    assert.is_string(message)
    x, message = npy.save(path("no/such/x.npy"), torus.zeros(1))
    assert.is_nil(x)
    assert.truthy(message:find("No such file", 1, true))
  end)

  it("raise on misuse", function()
    raises("npy.save: expected a tensor, got {1}", function() npy.save(path("x"), { 1 }) end)
    raises("npy.save: path: expected a path (a string without zero bytes), got nil",
      function() npy.save(nil, torus.zeros(1)) end)
    raises("npy.load: path: expected a path (a string without zero bytes), got nil",
      function() npy.load() end)
    raises("npy.info: path: expected a path (a string without zero bytes), got 3",
      function() npy.info(3) end)
    assert.is_nil(lfs.attributes(path("x")))
  end)
end)
