-- Data that move or change after a run has been trained on them.
local files = require "torus.files"
local fingerprint = require "torus.data.fingerprint"
local folders = require "spec.support.folders"
local json = require "dkjson"
local lfs = require "lfs"
local torus = require "torus"

local runs = torus.runs
local home = lfs.currentdir()
local base

-- A mass on a spring, as text; the factor scales q.
local function states(factor)
  local lines = { "t,q,p" }
  for i = 0, 40 do
    local t = i * 0.1
    lines[#lines + 1] = ("%.3f,%.6f,%.6f"):format(t, factor * math.cos(t), -math.sin(t))
  end
  return table.concat(lines, "\n") .. "\n"
end

local function write(path, text) assert(files.write(base .. "/" .. path, text)) end

-- Runs a script in a folder of `base`; returns its exit status, output and errors.
local function script(folder, text, ...)
  local out, err = base .. "/out", base .. "/err"
  local _, _, status = os.execute(("cd %s/%s && %s/scripts/torus %s >%s 2>%s"):format(base,
    folder, home, text:format(...), out, err))
  return status, files.read(out), files.read(err)
end

local function succeeds(...)
  local status, out, err = script(...)
  assert.are.equal(0, status, err)
  return out, err
end

local function fails(pattern, ...)
  local status, _, err = script(...)
  assert.are.equal(1, status, err)
  assert.matches(pattern, err)
  assert.are.equal(1, select(2, err:gsub("\n", "")), err)
end

local TRAIN = "train hnn --set width=4 --steps 2 --data "
local RESUME = "train --resume --steps 3 --out "

before_each(function()
  base = folders.new()
  assert(files.make_folder(base .. "/own"))
  assert(files.make_folder(base .. "/sub"))
  write("own/states.csv", states(1))
end)

after_each(folders.clear)

describe("a run on a file", function()
  it("is opened, exported and resumed from any folder", function()
    succeeds("own", TRAIN .. "states.csv --out ../run")
    assert.matches("test loss", succeeds("sub", "evaluate ../run"))
    succeeds("sub", "export ../run")
    assert.matches("done: step 3", succeeds("sub", RESUME .. "../run"))
    local config = assert(runs.read_configuration(base .. "/run"))
    assert.are.equal("states.csv", config.data)
    assert.are.equal(base .. "/own/states.csv", config.data_path)
  end)

  it("takes a file in the current folder only if it is the same", function()
    succeeds("own", TRAIN .. "states.csv --out ../run")
    local numbers = json.decode((succeeds("own", "evaluate ../run --json")))
    write("sub/states.csv", states(3))
    local out, err = succeeds("sub", "evaluate ../run --json")
    assert.are.same(numbers, json.decode(out))
    assert.are.equal("", err)
  end)

  it("whose data have moved says so, and accepts their new path", function()
    succeeds("", TRAIN .. "own/states.csv --out run")
    local numbers = json.decode((succeeds("", "evaluate run --json")))
    assert(os.rename(base .. "/own", base .. "/new"))
    for _, command in ipairs { "evaluate run", "export run", RESUME .. "run" } do
      fails("own/states.csv: No such file or folder, nor is there .*/own/states.csv; if the data "
        .. "have moved, name their path %(%-%-data PATH%)", "", command)
    end
    assert.are.same(numbers,
      json.decode((succeeds("", "evaluate run --json --data new/states.csv"))))
    succeeds("", "export run --data new/states.csv")
    succeeds("", RESUME .. "run --data new/states.csv")
    assert.are.equal("new/states.csv", runs.read_configuration(base .. "/run").data)
    local _, err = succeeds("sub", "evaluate ../run")
    assert.are.equal("", err)
  end)

  it("whose data have changed is not resumed, and is evaluated with a warning", function()
    succeeds("", TRAIN .. "own/states.csv --out run")
    local before = files.read(base .. "/run/log.csv")
    write("own/states.csv", states(2))
    local reason = "own/states.csv is not what the run was trained on: expected data with the hash "
      .. "%x+ of %d+ bytes, got %x+ of %d+ bytes"
    fails("run: " .. reason .. "; restore them, name the original", "", RESUME .. "run")
    assert.are.equal(before, files.read(base .. "/run/log.csv"))
    for _, command in ipairs { "evaluate run", "export run" } do
      local _, err = succeeds("", command)
      assert.matches("^%a+.lua: " .. reason .. "\n$", err)
    end
    write("other.csv", states(1))
    succeeds("", RESUME .. "run --data other.csv")
  end)

  it("uses the data that a changed configuration or the caller names", function()
    succeeds("own", TRAIN .. "states.csv --out ../run")
    write("own/other.csv", states(2))
    local config = assert(runs.read_configuration(base .. "/run"))
    config.data = base .. "/own/other.csv"
    local result = assert(runs.train(base .. "/again", config))
    local again = assert(runs.read_configuration(base .. "/again"))
    assert.are.equal(config.data, again.data_path)
    assert.are_not.equal(config.data_hash, again.data_hash)
    assert.is_true(result.data.train.q:max():item() > 1.5)
    local data, _, note = assert(runs.open_data(config))
    assert.is_true(data.train.q:max():item() > 1.5)
    assert.matches("is not what the run was trained on", note)
    -- Another file of the same name, in this folder.
    write("sub/states.csv", states(3))
    local _, err = succeeds("sub", "evaluate ../run --data states.csv")
    assert.matches("states.csv is not what the run was trained on", err)
  end)

  it("whose folder holds the run's own files is resumed", function()
    assert(files.make_folder(base .. "/film"))
    for i = 1, 24 do
      assert(torus.image.write(("%s/film/%d.png"):format(base, i), torus.full({ 16, 16, 3 },
        i / 24)))
    end
    succeeds("film", "train pixel_hnn --data . --set frames=3 --set resolution=16 --set batch=2 "
      .. "--set width=4 --steps 1 --out runs/x")
    succeeds("film", "train --resume --out runs/x --steps 2")
  end)

  it("that is older than these records opens as before, and has them when resumed", function()
    succeeds("", TRAIN .. "own/states.csv --out run")
    for _, name in ipairs { "config.json", "checkpoint.safetensors" } do
      local path = base .. "/run/" .. name
      local text = files.read(path)
      if name == "config.json" then
        text = text:gsub(' *"data_[hp]a[st]h": "[^"]*",\n', "")
        assert(files.write(path, text))
      else
        local tensors, metadata = torus.load(path)
        metadata.config = metadata.config:gsub(' *"data_[hp]a[st]h": "[^"]*",\n', "")
        assert.is_nil(metadata.config:find "data_hash")
        assert(torus.save(path, tensors, metadata))
      end
    end
    write("own/states.csv", states(2))
    local _, err = succeeds("", "evaluate run")
    assert.are.equal("", err)
    write("other.csv", states(2))
    fails('data: expected the run\'s "own/states.csv", got "other.csv"', "",
      RESUME .. "run --data other.csv")
    succeeds("", RESUME .. "run")
    assert.is_string(runs.read_configuration(base .. "/run").data_hash)
  end)

  it("may be checked against a configuration without its records", function()
    local config = assert(runs.configuration.make(nil, { model = "hnn", width = 4, steps = 1,
      data = base .. "/own/states.csv" }))
    assert(runs.train(base .. "/run", config))
    assert.is_true(require("torus.runs.run").check_earlier(base .. "/run", config))
  end)

  it("is the only one that can be told where its data are", function()
    succeeds("", "train hnn --set width=4 --set trajectories=4 --steps 1 --out run")
    fails("data: expected a run on data of its own, got one on mass_spring", "",
      "evaluate run --data own/states.csv")
  end)
end)

describe("a fingerprint", function()
  it("tells contents from each other, wherever they are", function()
    write("own/same.csv", states(1))
    local one = assert(fingerprint.of(base .. "/own/states.csv"))
    assert.are.equal(one, fingerprint.of(base .. "/own/same.csv"))
    assert.matches("^%x+ of " .. #states(1) .. " bytes$", one)
    write("own/same.csv", (states(1):gsub("1", "2", 1)))
    assert.are_not.equal(one, fingerprint.of(base .. "/own/same.csv"))
  end)

  it("of a folder is that of its films, by their names", function()
    local folder = base .. "/films"
    assert(files.make_folder(folder .. "/take"))
    assert.is_nil((fingerprint.of(folder .. "/take")))
    write("films/take/1.png", "a")
    write("films/b.gif", "b")
    local one = assert(fingerprint.of(folder))
    write("films/notes.txt", "not read")
    write("films/.hidden.gif", "nor this")
    assert.are.equal(one, fingerprint.of(folder))
    assert(os.rename(folder .. "/b.gif", folder .. "/c.gif"))
    local two = assert(fingerprint.of(folder))
    assert.are_not.equal(one, two)
    write("films/take/2.png", "a")
    assert.are_not.equal(two, fingerprint.of(folder))
  end)

  it("of a stored set leaves out what else is in the folder", function()
    local set = torus.data.simulate("pendulum", { train = 3, test = 2, steps = 4 })
    assert(set:save(base .. "/own"))
    local one = assert(fingerprint.of(base .. "/own"))
    write("own/train.npy", "an export")
    assert.are.equal(one, fingerprint.of(base .. "/own"))
    assert(torus.data.simulate("pendulum", { train = 3, test = 2, steps = 4, seed = 1 })
      :save(base .. "/own"))
    assert.are_not.equal(one, fingerprint.of(base .. "/own"))
  end)

  it("of a large file is that of its ends", function()
    local function sparse(at)
      local file = assert(io.open(base .. "/film.npy", "wb"))
      file:seek("set", at)
      file:write("x")
      file:seek("set", (100 << 20) - 1)
      file:write("y")
      file:close()
      return fingerprint.of(base .. "/film.npy")
    end
    local whole = sparse(50 << 20)
    assert.are.equal(whole, sparse(51 << 20))
    assert.are_not.equal(whole, sparse(31 << 20))
    assert.are_not.equal(whole, sparse(69 << 20))
  end)

  it("says what there is none of", function()
    local none, message = fingerprint.of(base .. "/none")
    assert.is_nil(none)
    assert.matches("/none: expected a file or a folder, found none", message)
  end)
end)
