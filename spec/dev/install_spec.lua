-- make install and make uninstall, below a temporary prefix.
local lfs = require "lfs"

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local said = pipe:read("a")
  return pipe:close() == true, said
end

local function exists(path) return lfs.attributes(path) ~= nil end

describe("install.sh", function()
  local folder, prefix

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    lfs.mkdir(folder)
    prefix = folder .. "/prefix"
    assert.is_true(run("scripts/dev/install.sh " .. prefix))
  end)
  teardown(function() run("rm -rf " .. folder) end)

  it("makes a torus that works from another folder", function()
    local ok, said = run("cd / && " .. prefix .. "/bin/torus --version")
    assert.is_true(ok, said)
    assert.equal(require("torus")._VERSION .. ", " .. _VERSION .. "\n", said)

    ok, said = run(("cd %s && prefix/bin/torus train hnn --system mass_spring "
      .. "--steps 2 --out run --set width=4 --set trajectories=4"):format(folder))
    assert.is_true(ok, said)
    assert.matches("done: step 2", said)
    assert.is_true(exists(folder .. "/run/checkpoint.safetensors"))

    ok, said = run(("cd %s && prefix/bin/torus prefix/share/torus/scripts/"
      .. "train.lua --resume --steps 3 --out run"):format(folder))
    assert.is_true(ok, said)
    ok, said = run(("cd %s && prefix/bin/torus prefix/share/torus/examples/"
      .. "01_tensors.lua"):format(folder))
    assert.is_true(ok, said)
  end)

  it("installs the texts of help", function()
    local ok, said = run(([[cd %s && prefix/bin/torus -e ]]
      .. [['print(require("torus").help "tensor:sum")']]):format(folder))
    assert.is_true(ok, said)
    assert.matches("^torus%.sum%(x", said)
  end)

  it("removes files of an older version", function()
    local stale = "share/lua/5.4/torus/gone.lua"
    run(("touch %s/%s && echo 'file %s' >>%s/share/torus/manifest"):format(
      prefix, stale, stale, prefix))
    assert.is_true(run("scripts/dev/install.sh " .. prefix))
    assert.is_false(exists(prefix .. "/" .. stale))
  end)

  it("leaves what is not its own", function()
    run("touch " .. prefix .. "/bin/other")
    assert.is_true(run("scripts/dev/uninstall.sh " .. prefix))
    local ok, said = run("cd " .. prefix .. " && find . -type f")
    assert.is_true(ok)
    assert.equal("./bin/other\n", said)
    ok, said = run("scripts/dev/uninstall.sh " .. prefix)
    assert.is_false(ok)
    assert.matches("torus is not installed below", said)
  end)

  it("keeps to DESTDIR, and is undone completely", function()
    assert.is_true(run(("DESTDIR=%s/stage scripts/dev/install.sh /usr"):format(folder)))
    assert.is_true(exists(folder .. "/stage/usr/bin/torus"))
    assert.is_true(run(("DESTDIR=%s/stage scripts/dev/uninstall.sh /usr"):format(folder)))
    assert.is_false(exists(folder .. "/stage/usr"))
  end)
end)

describe("require", function()
  it("refuses a module built from another version", function()
    local ok, said = run([[lua5.4 -e '
      package.preload["torus.core"] = function()
        return { _VERSION = "torus 0.0" }
      end
      require "torus"']])
    assert.is_false(ok)
    assert.matches("the Lua files are torus 0%.1", said)
    assert.matches("is torus 0%.0: run make", said)
  end)
end)
