local folders = require "spec.support.folders"
local raises = require "spec.support.raises"
local torus = require "torus"

local csv = torus.csv
local path

local function load(text, opts)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return csv.load(path, opts)
end

local function refused(why, text, opts)
  local x, message = load(text, opts)
  assert.is_nil(x, "was accepted")
  assert.truthy(message:find("^csv.load: .* is not a table of numbers: "), message)
  assert.truthy(message:find(why, 1, true), message)
end

before_each(function() path = folders.new() end)
after_each(folders.clear)

describe("csv.load", function()
  it("finds delimiter and names by itself", function()
    for _, case in ipairs {
      { "1,2\n3,4\n" }, { "1;2\n3;4\n" }, { "1\t2\r\n3\t4" }, { " 1  2 \n3 4\n" },
      { "1,2\r3,4\r" }, { "1,2\r\n3,4\r" },
      { "# a comment\n\n1, 2\n\n 3 ,4\n" }, { "\xef\xbb\xbf1,2\n3,4" }, { '"1","2"\n3,"4"\n' },
      { "t,q\n1,2\n3,4\n", { "t", "q" } }, { 't, "q, of p"\n1,2\n3,4\n', { "t", "q, of p" } },
      { '"a ""b""";c\n1;2\n3;4', { 'a "b"', "c" } }, { "t q\n1 2\n3 4\n", { "t", "q" } },
    } do
      local x, names = load(case[1])
      assert.same({ { 1, 2 }, { 3, 4 } }, assert(x, names):totable())
      assert.same(case[2], names)
    end
  end)

  it("reads the names that NumPy writes as a comment", function()
    for _, case in ipairs {
      { "# t,q\n1,2\n", { "t", "q" } }, { "# made on Monday\n#t, q\n\n1,2\n", { "t", "q" } },
      { "# t q\n1 2\n", { "t", "q" } }, { "# t,q\na,b\n1,2\n", { "a", "b" } },
      { "# t,q,p\n1,2\n" }, { "# 0,1\n1,2\n" }, { "1,2\n# t,q\n" }, { "# t\n1\n" },
      { "# \"t,q\n1,2\n" },
    } do
      local x, names = load(case[1])
      assert.same({ { 1, 2 } }, x:size(2) == 2 and x:totable() or { { 1, 2 } })
      assert.same(case[2], names)
    end
    assert.is_nil(select(2, load("# t,q\n1,2\n", { header = false })))
  end)

  it("understands numbers in all their forms", function()
    local x = assert(load("-1.5,+2e3,.5,1.,nan,-inf,Infinity,1E-2\n", { dtype = "float64" }))
    local v = x[1]:totable()
    assert.same({ -1.5, 2000, 0.5, 1 }, { table.unpack(v, 1, 4) })
    assert.is_true(v[5] ~= v[5])
    assert.same({ -math.huge, math.huge, 0.01 }, { table.unpack(v, 6, 8) })
  end)

  it("takes a header, a delimiter, a dtype and a value for empty cells", function()
    local x, names = load("1|2\n3|4\n", { delimiter = "|", header = true, dtype = "int64" })
    assert.same({ { 3, 4 } }, x:totable())
    assert.equal("int64", x.dtype)
    assert.same({ "1", "2" }, names)
    assert.same({ { 1, -9 }, { -9, 4 } }, load("1,\n,4\n", { missing = -9 }):totable())
    assert.same({ 0, 0 }, load("", {}).shape)
    assert.same({ 0, 2 }, load("a,b\n").shape)
  end)

  it("names the line and the column that are wrong", function()
    refused("line 2: column 2: expected a number, got \"x\"", "1,2\n3,x\n")
    refused("line 3: expected 2 columns as in the first line, got 3", "1,2\n\n1,2,3\n")
    refused("line 1: column 2: expected a number, got an empty cell", "1,\n")
    refused("line 1: unclosed quote", '"a,b\n')
  end)

  it("keeps every integer, and takes no other number for one", function()
    local x = torus.tensor({ { 9007199254740993, math.mininteger } }, { dtype = "int64" })
    assert(csv.save(path, x))
    assert.equal(0, (assert(csv.load(path, { dtype = "int64" })) - x):abs():max():item())
    assert.same({ { 255, 1 } }, assert(load("255,1.0\n", { dtype = "uint8" })):totable())
    for dtype, text in pairs { uint8 = "256", int32 = "2147483648", int64 = "1e19", bool = "2" } do
      for _, cell in ipairs { text, "1.5", "nan", "-inf" } do
        refused(('line 1: column 2: expected a number that %s can represent, got "%s"')
          :format(dtype, cell), "1," .. cell .. "\n", { dtype = dtype })
      end
    end
    raises('csv.load: option "missing": expected a number that uint8 can represent, got -1',
      function() csv.load(path, { dtype = "uint8", missing = -1 }) end)
  end)

  it("takes no longer than its text is long", function()
    local n = 300000
    for _, text in ipairs { "1" .. (" "):rep(n) .. "1,2\n", ("1"):rep(n) .. "x,2\n",
      (" "):rep(n) .. "1" .. (" "):rep(n) .. "x \n", "1," .. ("x"):rep(n) .. "\rb" } do
      local start = os.clock()
      refused("expected", text)
      -- By its square it would be minutes.
      assert.is_true(os.clock() - start < 1)
    end
  end)

  it("refuses what numbers are in other languages", function()
    for _, word in ipairs { "0x10", "1_000", "1,5;2", "1e", "--1", "1.2.3", "nil", "infinite" } do
      refused("expected", "1;2\n" .. word .. ";2\n")
    end
    refused("it is not text", "1,2\n\0,3\n")
  end)

  it("says what it expected", function()
    raises("csv.load: path: expected a path (a string without zero bytes), got nil",
      function() csv.load() end)
    raises('csv.load: option "delimiter": expected one character such as ",", got ", "',
      function() csv.load("x", { delimiter = ", " }) end)
    raises('option "missing": expected a number', function() csv.load("x", { missing = "0" }) end)
    raises('expected the dtype', function() csv.load("x", { dtype = "double" }) end)
    local x, message = csv.load("/nonexistent/x.csv")
    assert.is_nil(x)
    assert.matches("/nonexistent/x.csv", message)
  end)
end)

describe("csv.save", function()
  it("writes as many digits as give the numbers back", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local x = torus.randn({ 50, 3 }, { dtype = dtype }) * 1e-3
      x[{ 1, 1 }] = 0 / 0
      x[{ 1, 2 }] = -math.huge
      assert(csv.save(path, x, { header = { "a", 'b "c", d', "# e" }, delimiter = ";" }))
      local again, names = assert(csv.load(path, { dtype = dtype }))
      assert.same({ "a", 'b "c", d', "# e" }, names)
      assert.equal(torus.to_bytes(x:narrow(1, 2, 49)), torus.to_bytes(again:narrow(1, 2, 49)))
      assert.equal("nan,-inf", (tostring(again[{ 1, 1 }]:item()):gsub("-", "") .. ","
        .. again[{ 1, 2 }]:item()))
    end
    assert(csv.save(path, torus.tensor { 0.1, 0.25 }))
    assert.equal("0.1\n0.25\n", assert(io.open(path)):read("a"))
    assert(csv.save(path, torus.tensor({ { 1, 1 << 53 } }, { dtype = "int64" })))
    assert.equal("1,9007199254740992\n", assert(io.open(path)):read("a"))
  end)

  it("says what it expected", function()
    raises("csv.save: expected a tensor of shape (rows,columns) or (rows), got "
      .. "tensor (1,1,1) float32", function() csv.save(path, torus.ones(1, 1, 1)) end)
    raises('csv.save: option "header": expected 2 names, one for each column, got 1',
      function() csv.save(path, torus.ones(1, 2), { header = { "a" } }) end)
    local ok, message = csv.save("/nonexistent/x.csv", torus.ones(2))
    assert.is_nil(ok)
    assert.matches("/nonexistent/x.csv", message)
  end)
end)
