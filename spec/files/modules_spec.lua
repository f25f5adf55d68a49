local files = require "torus.files"
local modules = require "torus.modules"
local raises = require "spec.support.raises"
local torus = require "torus"

describe("modules", function()
  local folder, before = nil, package.path

  local function write(path, text)
    local file = assert(io.open(folder .. "/" .. path, "wb"))
    file:write(text)
    file:close()
  end

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    for _, name in ipairs { "/zoo/nested", "/zoo/parts" } do
      assert(files.make_folder(folder .. name))
    end
    for _, path in ipairs { "zoo/init.lua", "zoo/wolf.lua", "zoo/bear.lua",
      "zoo/nested/init.lua", "zoo/parts/helper.lua", "zoo/notes.txt",
      "zoo/.wolf.lua.swp" } do
      write(path, "return {}\n")
    end
    package.path = folder .. "/?.lua;" .. folder .. "/?/init.lua;" .. before
  end)

  after_each(function()
    package.path = before
    os.execute("rm -r '" .. folder .. "'")
  end)

  it("are the files of a folder and the folders with an init.lua", function()
    assert.are.same({ "bear", "nested", "wolf" }, modules.names("zoo"))
    assert.are.same({ "nested" }, modules.names("zoo", true))
    assert.are.same({}, modules.names("no.such.parent"))
  end)

  it("are known one by one too", function()
    for name, expected in pairs { wolf = true, nested = true, parts = false,
      init = false, lion = false, ["../zoo/wolf"] = false,
      ["parts.helper"] = false } do
      assert.are.equal(expected, modules.exists("zoo", name), name)
    end
    assert.is_false(modules.exists("zoo", 3))
  end)

  it("that the library has are found where it is", function()
    assert.are.same({ "hgn", "hnn", "nhf", "pixel_hnn", "sympnet" },
      modules.names("torus.models"))
    for _, name in ipairs(modules.names("torus.systems")) do
      assert.are.equal(name, require("torus.systems." .. name).name)
    end
  end)
end)

describe("the facade and its parts", function()
  it("answer a name that they don't have with the nearest one", function()
    for text, f in pairs {
      ['torus has no "zeross", did you mean "zeros"?'] = function() return torus.zeross end,
      ['torus has no "linlag", did you mean "linalg"?'] = function() return torus.linlag end,
      ['torus.nn has no "Liner", did you mean "Linear"?'] = function() return torus.nn.Liner end,
      ['torus.optim has no "xyz"'] = function() return torus.optim.xyz end,
    } do
      raises(text, f)
    end
    assert.is_nil(torus[1])
    assert.is_nil(rawget(torus, "zeross"))
  end)
end)
