local files = require "torus.files"
local folders = require "spec.support.folders"
local lfs = require "lfs"
local torus = require "torus"

describe("files.write", function()
  local base

  before_each(function()
    base = folders.new()
    assert(files.make_folder(base))
  end)

  after_each(folders.clear)

  local function names()
    local list = {}
    for name in lfs.dir(base) do
      if name:sub(1, 1) ~= "." then list[#list + 1] = name end
    end
    return table.concat(list, " ")
  end

  -- A function that returns the items of a list, one per call.
  local function each(list)
    local i = 0
    return function()
      i = i + 1
      return list[i]
    end
  end

  it("writes a text, or parts as they come", function()
    local path = base .. "/a"
    assert(files.write(path, "one"))
    assert.are.equal("one", files.read(path))
    assert(files.write(path, each { "two", torus.tensor({ 51, 52 },
      { dtype = "uint8" }), "" }))
    assert.are.equal("two34", files.read(path))
    assert.are.equal("a", names())
  end)

  it("leaves the old file where a part fails", function()
    local path = base .. "/a"
    assert(files.write(path, "old"))
    assert.has_error(function()
      files.write(path, function() error("boo", 0) end)
    end, "boo")
    assert.error_matches(function() files.write(path, each { "new", 5 }) end,
      "write_file: expected strings and tensors, got 5")
    assert.are.equal("old", files.read(path))
    assert.are.equal("a", names())
  end)

  it("reads no device, which may never end", function()
    local text, message = files.read "/dev/zero"
    assert.is_nil(text)
    assert.are.equal("/dev/zero is a char device, expected a file", message)
  end)

  it("says where it could not write", function()
    local ok, message = files.write(base .. "/none/a", "text")
    assert.is_nil(ok)
    assert.matches(base .. "/none/a: ", message, 1, true)
    ok, message = files.write(base, each { "text" })
    assert.is_nil(ok)
    assert.matches("is a directory", message)
  end)
end)

describe("files.make_folder", function()
  it("follows no link and leaves no file", function()
    local base = os.tmpname()
    os.remove(base)
    assert(files.make_folder(base))
    local target = base .. ".target"
    assert(lfs.link(target, base .. "/.write-probe", true))
    assert(files.make_folder(base))
    assert.is_false(files.exists(target))
    os.execute("rm -r " .. base)
  end)

  it("takes no empty name for the root", function()
    local ok, message = files.make_folder("")
    assert.is_nil(ok)
    assert.matches("its name is empty", message)
  end)

  it("makes a folder and those above it", function()
    local base = os.tmpname()
    os.remove(base)
    assert(files.make_folder(base .. "/a/b"))
    assert.is_true(files.exists(base .. "/a/b"))
    assert(files.make_folder(base .. "/a/b/"))
    for _, part in ipairs { "/a/b", "/a", "" } do os.remove(base .. part) end
  end)
end)
