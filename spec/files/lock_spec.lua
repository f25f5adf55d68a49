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

  it("is no link to elsewhere", function()
    assert(lfs.link(base .. "/elsewhere", base .. "/.lock", true))
    local mine, message = lock.take(base)
    assert.is_nil(mine)
    assert.matches("cannot lock folder .*: .lock is a symbolic link", message)
    assert.is_false(files.exists(base .. "/elsewhere"))
  end)
end)
