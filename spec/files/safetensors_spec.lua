local torus = require "torus"
local raises = require "spec.support.raises"
local lfs = require "lfs"

local DTYPES = { "float32", "float64", "int64", "uint8" }

local folder

local function path(name) return folder .. "/" .. name end

local function write(name, text)
  local file = assert(io.open(path(name), "wb"))
  assert(file:write(text))
  file:close()
  return path(name)
end

local function read(name)
  local file = assert(io.open(path(name), "rb"))
  local text = file:read("a")
  file:close()
  return text
end

-- A file from a header and its data.
local function pack(header, data)
  return ("<I8"):pack(#header) .. header .. (data or "")
end

local function refused(text, why)
  local t, message = torus.load(write("bad.safetensors", text))
  assert.is_nil(t, "was accepted")
  assert.is_string(message)
  assert.is_nil(message:find("\n"))
  assert.truthy(message:find("^load: .*bad.safetensors is not a safetensors file: "), message)
  if why then assert.truthy(message:find(why, 1, true), message) end
end

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
end)

teardown(function()
  lfs.chdir(".")
  os.execute("chmod -R u+rwx '" .. folder .. "' && rm -rf '" .. folder .. "'")
end)

describe("a file of tensors", function()
  it("gives back every dtype, shape and bit", function()
    local tensors = {}
    for _, dtype in ipairs(DTYPES) do
      local opts = { dtype = dtype }
      tensors[dtype .. ".matrix"] = torus.tensor({ { 1, 2, 3 }, { 4, 5, 250 } }, opts)
      tensors[dtype .. ".scalar"] = torus.tensor(7, opts)
      tensors[dtype .. ".empty"] = torus.zeros({ 2, 0, 3 }, opts)
      tensors[dtype .. ".view"] = torus.tensor({ { 1, 2 }, { 3, 4 } }, opts):transpose()
      tensors[dtype .. ".deep"] = torus.ones({ 1, 1, 2, 1, 1, 1, 1, 1 }, opts)
    end
    tensors.special = torus.tensor({ 0 / 0, math.huge, -0.0, 5e-324 }, { dtype = "float64" })
    tensors.leaf = torus.ones({ 2 }, { requires_grad = true })
    assert.is_true(torus.save(path("all.safetensors"), tensors))
    local loaded, metadata = torus.load(path("all.safetensors"))
    assert.same({}, metadata)
    for name, x in pairs(tensors) do
      assert.same(x.shape, loaded[name].shape, name)
      assert.equal(x.dtype, loaded[name].dtype, name)
      assert.equal(torus.to_bytes(x:detach()), torus.to_bytes(loaded[name]), name)
      loaded[name] = nil
    end
    assert.is_nil(next(loaded))
  end)

  it("gives back its metadata and any names", function()
    local odd = { ["a.b/c"] = "1", ["quote \" and \\"] = "line\nbreak\0zero", [""] = "",
      ["ü"] = "日本" }
    local tensors = {}
    for name in pairs(odd) do tensors[name] = torus.tensor(1) end
    assert(torus.save(path("odd.safetensors"), tensors, odd))
    local loaded, metadata = torus.load(path("odd.safetensors"))
    assert.same(odd, metadata)
    for name in pairs(odd) do assert.equal(1, loaded[name]:item()) end
    assert(torus.save(path("none.safetensors"), {}, {}))
    local empty, nothing = torus.load(path("none.safetensors"))
    assert.same({ {}, {} }, { empty, nothing })
  end)

  it("is laid out as the format says", function()
    assert(torus.save(path("one.safetensors"),
      { x = torus.tensor({ 1, 2 }, { dtype = "uint8" }) }, { k = "v" }))
    local text = read("one.safetensors")
    local length = ("<I8"):unpack(text)
    assert.equal(0, length % 8)
    assert.equal("\1\2", text:sub(9 + length))
    local header = text:sub(9, 8 + length)
    assert.truthy(header:find('"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}', 1, true)
      or header:find('"shape":[2]', 1, true), header)
    assert.truthy(header:find('"__metadata__":{"k":"v"}', 1, true), header)
  end)

  it("written elsewhere is read, whatever the order and white space", function()
    local t, metadata = torus.load(write("other.safetensors", pack(
      ' {"b" : {"shape":[ ],"data_offsets":[0,4],"dtype":"F32"},\n"__metadata__":{"a":"b"},'
      .. '"a":{"dtype":"I64","shape":[1,1],"data_offsets":[4,12]}}   ',
      ("<fi8"):pack(1.5, -7))))
    assert.equal(1.5, t.b:item())
    assert.same({ { -7 } }, t.a:totable())
    assert.same({ a = "b" }, metadata)
  end)

  it("keeps bools and int32", function()
    local tensors = { b = torus.tensor { true, false },
      i = torus.tensor({ -5, 7 }, { dtype = "int32" }) }
    local where = write("kinds", "")
    assert(torus.save(where, tensors))
    local again = assert(torus.load(where))
    assert.same({ true, false }, again.b:totable())
    assert.equal("bool", again.b.dtype)
    assert.same({ -5, 7 }, again.i:totable())
    assert.equal("int32", again.i.dtype)
  end)

  it("of half the width comes as float32, of other integers wider", function()
    -- bfloat16: the upper halves of float32
    local halves = {}
    local values = { 1, -2.5, 2.0 ^ -130, 3.375e38, math.huge }
    for i, v in ipairs(values) do halves[i] = ("<f"):pack(v):sub(3) end
    local data = table.concat(halves) .. ("<I2I2"):pack(0x3555, 0xfbff) .. "\255\255\0\0"
      .. ("<I4"):pack(0xfffffffe)
    local file = '{"a":{"dtype":"BF16","shape":[5],"data_offsets":[0,10]},'
      .. '"b":{"dtype":"F16","shape":[2],"data_offsets":[10,14]},'
      .. '"c":{"dtype":"U32","shape":[2],"data_offsets":[14,22]}}'
    local tensors = assert(torus.load(write("half", pack(file, data))))
    assert.equal("float32", tensors.a.dtype)
    local a = tensors.a:totable()
    assert.same({ 1, -2.5 }, { a[1], a[2] })
    assert.near(2.0 ^ -130, a[3], 1e-44)
    assert.equal(math.huge, a[5])
    assert.same({ 0.333251953125, -65504 }, tensors.b:totable())
    assert.equal("int64", tensors.c.dtype)
    assert.same({ 0xffff, 0xfffffffe }, tensors.c:totable())
  end)

  it("has the same bytes each time", function()
    local function bytes()
      local tensors = {}
      for i = 1, 20 do tensors["t" .. i] = torus.tensor(i) end
      assert(torus.save(path("same.safetensors"), tensors, { a = "1", b = "2", c = "3" }))
      return read("same.safetensors")
    end
    assert.equal(bytes(), bytes())
  end)
end)

describe("a damaged file", function()
  local header = '{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
  local data = ("<ff"):pack(1, 2)

  it("is refused wherever it is cut", function()
    assert(torus.save(path("whole.safetensors"),
      { x = torus.tensor { 1, 2 }, y = torus.tensor({ 3 }, { dtype = "int64" }) }, { a = "b" }))
    local text = read("whole.safetensors")
    for n = 0, #text - 1 do refused(text:sub(1, n)) end
    assert.is_table(torus.load(write("whole.safetensors", text)))
    refused(text .. "x", "bytes of data by its header, got")
  end)

  it("is refused or read, but never crashes, whatever byte changes", function()
    local text = pack(header, data)
    for i = 1, #text do
      for _, byte in ipairs { 0, 34, 45, 57, 91, 125, 255, text:byte(i) ~ 1 } do
        local changed = text:sub(1, i - 1) .. string.char(byte) .. text:sub(i + 1)
        local ok, t, message = pcall(torus.load, write("bad.safetensors", changed))
        assert.is_true(ok, t)
        assert.is_true(type(t) == "table" or type(message) == "string")
      end
    end
  end)

  it("is refused when its header lies", function()
    refused("", "expected at least 8 bytes, got 0")
    refused(("<I8"):pack(1 << 62), "length 4611686018427387904, but 0 bytes follow")
    refused(("<I8"):pack(-1) .. header, "its header has length ")
    refused(("<I8"):pack(0) .. header, "its header has length 0, but")
    refused(pack(header, data:sub(1, 7)), "it is truncated: tensor 'x' ends at byte 8 of 7")
    refused(pack(header, data .. "1"), "expected 8 bytes of data by its header, got 9")
    for _, text in ipairs { "", "  ", "[]", "null", "3", '"x"', "{", '{"x"}', "{x:1}",
      header .. "}", header .. " x", "\0\0\0", ("["):rep(200), '{"a":[1,]}x', '{1:2}' } do
      refused(pack(text, ""))
    end
  end)

  it("is refused when it is nested too deep", function()
    for _, n in ipairs { 1000, 200000, 2000000 } do
      refused(pack('{"x":' .. ("["):rep(n), ""), "its header is not a JSON object")
      refused(pack(('{"x":'):rep(n // 5), ""), "its header is not a JSON object")
    end
  end)

  local function entry(text, bytes, why)
    refused(pack('{"x":' .. text .. "}", ("\0"):rep(bytes)), why)
  end

  it("is refused when an entry makes no sense", function()
    for _, text in ipairs {
      "1", "[]", "{}", '"F32"', '{"dtype":"F32"}', '{"dtype":"F32","shape":[2]}',
      '{"dtype":"F8_E5M2","shape":[8],"data_offsets":[0,8]}',
      '{"dtype":"f32","shape":[2],"data_offsets":[0,8]}',
      '{"dtype":["F32"],"shape":[2],"data_offsets":[0,8]}',
      '{"dtype":"F32","shape":2,"data_offsets":[0,8]}',
      '{"dtype":"F32","shape":{"a":2},"data_offsets":[0,8]}',
      '{"dtype":"F32","shape":[2],"data_offsets":[0]}',
      '{"dtype":"F32","shape":[2],"data_offsets":[0,8,16]}',
      '{"dtype":"F32","shape":[2],"data_offsets":{"a":0,"b":8}}',
    } do
      entry(text, 8, "tensor 'x' has a bad entry or a dtype other than F64")
    end
    for _, text in ipairs {
      '{"dtype":"F32","shape":[3],"data_offsets":[0,8]}',
      '{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}',
      '{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}',
      '{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}',
      '{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}',
      '{"dtype":"F32","shape":[null,2],"data_offsets":[0,8]}',
      '{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}',
      '{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}',
      '{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}',
      '{"dtype":"F32","shape":[2],"data_offsets":[8,0]}',
      '{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}',
      '{"dtype":"F32","shape":[2],"data_offsets":[0.5,8.5]}',
      '{"dtype":"F32","shape":[2],"data_offsets":["0","8"]}',
      '{"dtype":"F32","shape":[2],"data_offsets":[9223372036854775800,9223372036854775807]}',
    } do
      entry(text, 8, "the byte range of tensor 'x' does not fit its shape")
    end
    entry('{"dtype":"F32","shape":[1e400],"data_offsets":[0,8]}', 8,
      "expected a number within the range of floats")
    entry('{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}', 8,
      'duplicate key "dtype"')
    entry('{"dtype":"F32" "shape":[2],"data_offsets":[0,8]}', 8,
      "expected a comma or }")
    entry('{"dtype":"F32","shape":[2],"data_offsets":[4,12]}', 8, "it is truncated")
    entry('{"dtype":"F32","shape":[2],"data_offsets":[4,12]}', 12,
      "tensor 'x' begins at byte 4, expected 0")
  end)

  it("is refused when tensors overlap or leave gaps", function()
    local function two(a, b, bytes, why)
      refused(pack(('{"x":{"dtype":"F32","shape":[2],"data_offsets":[%s]},'
        .. '"y":{"dtype":"F32","shape":[2],"data_offsets":[%s]}}'):format(a, b),
        ("\0"):rep(bytes)), why)
    end
    two("0,8", "0,8", 16, "tensor 'y' begins at byte 0, expected 8")
    two("0,8", "4,12", 16, "tensor 'y' begins at byte 4, expected 8")
    two("0,8", "12,20", 20, "tensor 'y' begins at byte 12, expected 8")
    two("8,16", "16,24", 24, "tensor 'x' begins at byte 8, expected 0")
  end)

  it("is refused when its metadata is not an object of strings", function()
    for _, text in ipairs { "1", "[]", '["a"]', '"a"', '{"a":1}', '{"a":{}}', '{"a":true}' } do
      refused(pack('{"__metadata__":' .. text .. "}"), "its metadata is not an object of strings")
    end
  end)
end)

describe("what the system refuses", function()
  local function fails(why, ...)
    local ok, message = torus.save(...)
    assert.is_nil(ok)
    assert.truthy(message:find(why, 1, true), message)
  end

  it("is returned with the reason, not raised", function()
    local t, message = torus.load(path("missing.safetensors"))
    assert.is_nil(t)
    assert.truthy(message:find("No such file or directory", 1, true))
    t, message = torus.load(folder)
    assert.is_nil(t)
    assert.is_string(message)
    fails("No such file or directory", path("no/such/folder.safetensors"), {})
    fails("is a directory", folder, {})
    fails("Not a directory", write("file", "x") .. "/below", {})
  end)

  it("leaves the old file as it was, and nothing beside it", function()
    assert(torus.save(path("kept.safetensors"), { x = torus.tensor(1) }))
    local old = read("kept.safetensors")
    assert(lfs.mkdir(path("taken")))
    assert(lfs.mkdir(path("taken/inside")))
    fails("is a directory", path("taken"), { x = torus.tensor(2) })
    local core = require "torus.core"
    local x = torus.ones(2, 2):transpose()
    core.fail_allocation(1, true)
    pcall(torus.save, path("kept.safetensors"), { x = x })
    core.fail_allocation(0)
    assert.equal(old, read("kept.safetensors"))
    for name in lfs.dir(folder) do assert.is_nil(name:find("%.tmp"), name) end
  end)

  it("when a folder may not be written", function()
    assert(lfs.mkdir(path("locked")))
    os.execute("chmod 500 '" .. path("locked") .. "'")
    local probe = io.open(path("locked/probe"), "w")
    if probe then -- root may write anywhere
      probe:close()
      return
    end
    fails("Permission denied", path("locked/x.safetensors"), {})
  end)

  it("when the disk is full", function()
    if not lfs.attributes("/dev/full") then return end
    fails("No space left on device", "/dev/full", { x = torus.zeros(100000) })
  end)
end)

describe("misuse of save and load", function()
  it("is raised", function()
    local x = torus.ones(2)
    raises("save: path: expected a path (a string without zero bytes), got nil",
      function() torus.save(nil, {}) end)
    raises("save: expected a table of tensors, got nil", function() torus.save(path("m")) end)
    raises("save: expected a table of tensors, got tensor (2) float32; torus.save(path, { x = x }) "
      .. "or torus.npy.save(path, x)",
      function() torus.save(path("m"), x) end)
    raises("save: expected a tensor for 'x', got",
      function() torus.save(path("m"), { x = 1 }) end)
    raises("save: expected strings as names, got",
      function() torus.save(path("m"), { x }) end)
    raises("save: the name __metadata__ is reserved", function()
      torus.save(path("m"), { __metadata__ = x })
    end)
    raises("save: expected strings as metadata, got \"a\" =", function()
      torus.save(path("m"), {}, { a = 1 })
    end)
    raises("save: expected a table of metadata, got \"", function()
      torus.save(path("m"), {}, "a")
    end)
    local gone = torus.ones(1)
    gone:release()
    raises("the tensor was released", function() torus.save(path("m"), { gone = gone }) end)
    raises("save: path: expected a path (a string without zero bytes), got \"",
      function() torus.save(path("m") .. "\0.old", { x = torus.ones(1) }) end)
    raises("load: path: expected a path (a string without zero bytes), got ",
      function() torus.load() end)
    raises("load: path: expected a path (a string without zero bytes), got ",
      function() torus.load {} end)
    assert.is_nil(lfs.attributes(path("m")))
  end)
end)

describe("saving modules", function()
  local nn = torus.nn
  local function at() return path "modules.safetensors" end

  local function network()
    return nn.Sequential { nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1) }
  end

  it("writes parameters and buffers, and reads them into another", function()
    local a, b = network(), network()
    a(torus.randn(5, 2))
    assert(torus.save(at(), a, { note = "five" }))
    local back, about = assert(torus.load(at(), b))
    assert.equal(b, back)
    assert.equal("five", about.note)
    assert.same(a[2].running_mean:totable(), b[2].running_mean:totable())
    local x = torus.randn(4, 2)
    assert.same(a:eval()(x):totable(), b:eval()(x):totable())
  end)

  it("takes several modules and tensors by name", function()
    local a, b, c, d = nn.Linear(2, 3), nn.Linear(3, 1), nn.Linear(2, 3), nn.Linear(3, 1)
    assert(torus.save(at(), { first = a, second = b }))
    assert(torus.load(at(), { first = c, second = d }))
    assert.same(a.weight:totable(), c.weight:totable())
    assert.same(b.bias:totable(), d.bias:totable())
    assert(torus.save(at(), { first = a, x = torus.ones(2) }))
    local tensors = assert(torus.load(at()))
    assert.same({ 1, 1 }, tensors.x:totable())
    assert.same({ 3, 2 }, tensors["first.weight"].shape)
    local ok, message = torus.load(at(), { first = c })
    assert.is_nil(ok)
    assert.equal("load: " .. at() .. ": no module matches the name x", message)
  end)

  it("returns nil and a message where the file does not fit", function()
    assert(torus.save(at(), nn.Linear(2, 3)))
    local ok, message = torus.load(at(), nn.Linear(2, 4))
    assert.is_nil(ok)
    assert.truthy(message:find("load_parameters: weight: expected shape (4,2), got (3,2)", 1, true))
    assert.has_error(function() torus.load(at(), 3) end)
    assert.has_error(function() torus.load(at(), { net = 3 }) end)
  end)
end)
