-- Paths: to the system one with a zero byte is another, shorter one. Whatever takes a
-- path refuses it, and the file of the shorter name stays as it was.
local exposed = require "spec.support.exposed"
local folders = require "spec.support.folders"
local lfs = require "lfs"
local raises = require "spec.support.raises"
local torus = require "torus"

local MESSAGE = "expected a path (a string without zero bytes), got "

-- What parameters are called that are paths.
local PATHS = { path = true, folder = true, out = true, data = true }

-- Arguments that a function gets besides its path.
local x = torus.ones(2, 2)
local set = torus.data.simulate("pendulum", { train = 2, test = 1, steps = 2 })
local config = assert(torus.runs.configuration.make("small", { model = "hnn",
  system = "mass_spring", trajectories = 4, width = 8, steps = 3 }))
local ARGUMENTS = {
  ["torus.data.export"] = { [2] = set.train },
  ["torus.runs.train"] = { [2] = config },
  ["torus.runs.loop"] = { { task = {}, config = "{}", steps = 1 } },
}
local BY_TYPE = {
  ["function"] = function() return nil end, integer = 1, number = 1, string = "x",
  table = {}, tensor = x, ["{number,...}"] = { 1, 2 }, ["{string,...}"] = { "step" },
  ["string|function"] = "x", System = torus.systems.pendulum,
}

-- The message of a call whose argument or option `name` is the path.
local function refusal(item, name, path)
  local args, own = {}, ARGUMENTS[item.name] or {}
  local first, option = name:match "^([^.]+)%.?(.*)$"
  local shift = item.object and item.name:find(":", 1, true) and 1 or 0
  if shift == 1 then args[1] = item.name:find "^Dataset" and set or item.object end
  local position = 0
  for _, p in ipairs(item.entry.params) do
    if not p.name:find(".", 1, true) then
      position = position + 1
      local value = own[position]
      if value == nil and not p.optional then value = BY_TYPE[p.type or ""] or {} end
      if p.name == first and option == "" then
        value = path
      elseif p.name == first then
        value = own[position] or {}
        value[option] = path
      end
      args[position + shift] = value
    end
  end
  local ok, message = pcall(function()
    item.value(table.unpack(args, 1, position + shift))
  end)
  return ok and "nothing" or tostring(message)
end

describe("a path with a zero byte", function()
  local base = folders.new()
  setup(function() assert(lfs.mkdir(base)) end)
  teardown(folders.clear)

  it("is refused by every function that takes a path", function()
    local count, faults = 0, {}
    for _, item in ipairs(exposed.all()) do
      for _, p in ipairs(item.entry and item.entry.params or {}) do
        local last = p.name:match "[%w_]+$"
        if PATHS[last] and (p.type or ""):find "string" then
          count = count + 1
          local message = refusal(item, p.name, base .. "/a\0b")
          if not message:find(MESSAGE .. '"', 1, true) then
            faults[#faults + 1] = ("%s, %s: %s"):format(item.name, p.name, message)
          end
        end
      end
    end
    assert.equal("", table.concat(faults, "\n"))
    assert.is_true(count > 30)
    for name in lfs.dir(base) do assert.is_true(name == "." or name == "..") end
  end)

  it("is refused in plots, configurations and the names of systems", function()
    raises("plot.figure: option \"path\": " .. MESSAGE, function()
      torus.plot.lines { path = base .. "/a.png\0.png", series = { { y = { 1, 2 } } } }
    end)
    for _, key in ipairs { "data", "system" } do
      local made, message = torus.runs.configuration.decode(
        ('{"model": "hnn", "%s": "pendulum\\u0000.lua"}'):format(key))
      assert.is_nil(made)
      assert.truthy(message:find(MESSAGE, 1, true), message)
    end
    raises(MESSAGE, function() torus.systems.get(base .. "/a.lua\0.lua") end)
    raises(MESSAGE, function() torus.data.open(base .. "/a.npy\0.npy") end)
    raises(MESSAGE, function() torus.data.frames(base .. "/a.npy\0.npy") end)
  end)

  it("leaves the file of the shorter name as it was", function()
    local file = base .. "/kept"
    assert(torus.files.write(file, "kept"))
    raises(MESSAGE, function() torus.files.write(file .. "\0.txt", "other") end)
    raises(MESSAGE, function() torus.save(file .. "\0.safetensors", { x = x }) end)
    raises(MESSAGE, function() torus.npy.save(file .. "\0.npy", x) end)
    raises(MESSAGE, function() torus.image.write(file .. "\0.png", torus.ones(2, 2, 3)) end)
    assert.equal("kept", torus.files.read(file))
  end)
end)
