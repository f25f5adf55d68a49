-- Arguments as functions declare them: types, messages, and that they are those of
-- the documentation.
local exposed = require "spec.support.exposed"
local raises = require "spec.support.raises"
local signature = require "torus.signature"
local torus = require "torus"

local function declared(text)
  local M = signature.functions("example", { f = function(...) return ... end },
    { f = text })
  return M.f
end

describe("torus.signature", function()
  it("passes what is of its type, and every argument behind", function()
    local f = declared "x: tensor, n?: integer, list?: {number,...}"
    local x = torus.ones(2)
    assert.same({ x, 3, { 1, 0 / 1 }, "more", n = 4 },
      table.pack(f(x, 3, { 1, 0 }, "more")))
    assert.equal(1, select("#", f(x)))
    assert.equal(3.0, (select(2, f(x, 3.0))))
    f(x, nil, {})
  end)

  it("names the argument, the type and what came", function()
    local x = torus.ones(2, 3)
    local cases = {
      { "n: integer", 1.5, "example.f: n: expected an integer, got 1.5" },
      { "n: integer", 1e300, "example.f: n: expected an integer, got 1e+300" },
      { "s: string", 5, "example.f: s: expected a string, got 5" },
      { "s: string", nil, "example.f: s: expected a string, got nil" },
      { "x: tensor", {}, "example.f: x: expected a tensor, got a table" },
      { "x: string|tensor", 5, "example.f: x: expected a string or a tensor, got 5" },
      { "f: function", x, "expected a function, got tensor (2,3) float32" },
      { "g: generator", io.stdout, "g: expected a generator, got" },
      { "l: {number,...}", { 1, "a" }, "l: expected a list of numbers, got \"a\" at position 2" },
      { "l: {number,...}", { 1, nil, 3 }, "expected a list of numbers, got nil at position 2" },
      { "l: {{integer,...},...}", { { 1 }, { 1.5 } },
        "expected a list of lists of integers, got 1.5 at position 1 at position 2" },
      { "l: {{string,tensor},...}", { { "a", x }, { "b" } },
        "expected a list of lists {a string, a tensor}, got a list of 1 at position 2" },
      { "t: {[string]=number}", { a = x },
        "t: expected a table of numbers by name, got a = tensor (2,3) float32" },
      { "t: {[string]=number}", { 1 }, "expected a table of numbers by name, got the key 1" },
      { "m: Module|tensor", torus.systems.pendulum,
        "m: expected a Module or a tensor, got torus.system" },
      { "a: NoSuchClass", x, "a: expected a NoSuchClass, got tensor" },
    }
    for _, case in ipairs(cases) do
      local f = declared(case[1])
      raises(case[3], function() f(case[2]) end)
    end
  end)

  it("refuses released tensors and methods in front of the wrong object", function()
    local gone = torus.ones(2)
    gone:release()
    local f = declared "x: tensor"
    raises("example.f: x: expected a tensor, got a released tensor", function() f(gone) end)
    local hnn, net = torus.models.hnn.new {}, torus.nn.Linear(2, 2)
    raises("HNN:rollout: expected an HNN in front of the colon, got Linear",
      function() hnn.rollout(net) end)
    raises("Module:parameters: expected a Module in front of the colon, got nil",
      function() net.parameters() end)
    assert.equal(2, #net:parameters())
    assert.equal(#hnn:parameters(), #hnn.parameters(hnn))
  end)

  it("is there for every public class", function()
    local without = {}
    for _, item in ipairs(exposed.all()) do
      local _, parameters = signature.of(item.value)
      local method = item.position and item.name:find("^%u%w*:") and item.name ~= "System:new"
      if method and not (parameters and parameters[1] and parameters[1].name == "self") then
        without[#without + 1] = item.name .. " (signature.methods of its class)"
      end
    end
    assert.equal("", table.concat(without, "\n"))
  end)

  it("declares what the documentation says, of what is public", function()
    local differences, count = {}, 0
    for _, item in ipairs(exposed.all()) do
      local _, parameters
      if type(item.value) == "function" then _, parameters = signature.of(item.value) end
      local documented = {}
      for _, p in ipairs(item.entry and item.entry.params or {}) do
        if not p.name:find "%." then documented[p.name] = p end
      end
      for _, p in ipairs(parameters or {}) do
        local d = documented[p.name]
        count = count + 1
        -- Objects in front of a colon are documented by the class; "any" is
        -- checked by the function itself.
        local fits = p.name == "self" or d and (p.type_name == "any"
          or d.type:gsub("%s", "") == p.type_name:gsub("%s", ""):gsub("^path$", "string"))
          and (d.optional or false) == p.optional
        if not fits then
          differences[#differences + 1] = ("%s: %s: declared %s%s, documented %s"):format(
            item.name, p.name, p.type_name, p.optional and ", optional" or "",
            d and d.type or "nothing")
        end
      end
    end
    assert.equal("", table.concat(differences, "\n"))
    assert.is_true(count > 100)
  end)
end)
