local files = require "torus.files"
local folders = require "spec.support.folders"
local lfs = require "lfs"
local lock = require "torus.lock"

describe("a lock", function()
  local base

  before_each(function()
    base = folders.new()
    assert(files.make_folder(base))
  end)
  after_each(folders.clear)

  -- The number of a process that has ended.
  local function ended()
    local pipe = io.popen("echo $$")
    local process = pipe:read("n")
    pipe:close()
    return process
  end

  it("comes with a folder without left-overs", function()
    local left = {
      ("checkpoint.safetensors.tmp-%d-4"):format(ended()),
      ("config.json.tmp-%d-0"):format(ended()), "log.csv.tmp", "train.npy.part",
    }
    local kept = { "config.json", "a.tmp-x-1", "b.tmp", "mine.npy.part" }
    for _, name in ipairs(left) do assert(files.write(base .. "/" .. name, "")) end
    for _, name in ipairs(kept) do assert(files.write(base .. "/" .. name, "")) end
    assert(lock.take(base)):release()
    for _, name in ipairs(left) do
      assert.is_false(files.exists(base .. "/" .. name), name)
    end
    for _, name in ipairs(kept) do
      assert.is_true(files.exists(base .. "/" .. name), name)
    end
  end)

  it("comes without what is of a process that no one has collected", function()
    -- The shell becomes a program that does not ask for its child.
    local pipe = io.popen "sh -c 'echo $$' & exec sleep 10"
    local process = pipe:read "n"
    local stat = ("/proc/%d/stat"):format(process)
    local deadline = os.time() + 5
    repeat until files.read(stat):find ") Z" or os.time() > deadline
    local path = ("%s/x.npy.tmp-%d-0"):format(base, process)
    assert(files.write(path, ""))
    assert(lock.take(base)):release()
    assert.is_false(files.exists(path))
    os.execute(("kill $(cut -d ' ' -f 4 %s)"):format(stat))
    pipe:close()
  end)

  it("comes without what is older than the process that has its number", function()
    local pipe = io.popen "echo $$; exec sleep 10"
    local process = pipe:read "n"
    local old = ("%s/x.npy.tmp-%d-0"):format(base, process)
    local own = ("%s/x.npy.tmp-%d-1"):format(base, process)
    for _, path in ipairs { old, own } do assert(files.write(path, "")) end
    assert(lfs.touch(old, os.time() - 3600))
    assert(lock.take(base)):release()
    assert.is_false(files.exists(old))
    assert.is_true(files.exists(own))
    os.execute(("kill %d"):format(process))
    pipe:close()
  end)

  it("is no link to elsewhere", function()
    assert(lfs.link(base .. "/elsewhere", base .. "/.lock", true))
    local mine, message = lock.take(base)
    assert.is_nil(mine)
    assert.matches("cannot lock folder .*: .lock is a symbolic link", message)
    assert.is_false(files.exists(base .. "/elsewhere"))
  end)
end)
