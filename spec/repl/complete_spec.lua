local torus = require "torus"
local complete = require "torus.repl.complete"

describe("repl.complete", function()
  local called
  local class = { method = function() called = true end, size = 3 }
  class.__index = class
  local environment = {
    alpha = { beta = { gamma = 1, _hidden = 2 }, list = { { inner = 1 } } },
    alpine = 1,
    object = setmetatable({ field = 1 }, { __index = setmetatable({ own = print }, class) }),
    text = "a string",
    fun = function() called = true end,
  }

  local function candidates(before)
    return (complete.candidates(before, environment))
  end

  it("finds globals and keywords", function()
    assert.same({ "alpha", "alpine" }, candidates("x = al"))
    assert.same({ "repeat", "return" }, candidates("re"))
    assert.same({}, candidates("nothing_like_it"))
  end)

  it("follows fields and list items", function()
    assert.same({ "beta", "list" }, candidates("print(alpha."))
    assert.same({ "gamma" }, candidates("alpha.beta.g"))
    assert.same({ "inner" }, candidates("alpha.list[1].i"))
    assert.same({ "gamma" }, candidates('"a"..alpha.beta.'))
    assert.same({}, candidates("alpha.list[2].i"))
  end)

  it("keeps names with an underscore for who asks", function()
    assert.same({ "gamma" }, candidates("alpha.beta."))
    assert.same({ "_hidden" }, candidates("alpha.beta._"))
  end)

  it("follows metatables, and after a colon offers what can be called", function()
    assert.same({ "field", "method", "own", "size" }, candidates("object."))
    assert.same({ "method", "own" }, candidates("object:"))
    assert.same({ "upper" }, candidates("text:up"))
  end)

  it("offers what a module would load", function()
    environment.module = setmetatable({ here = 1 }, { __parts = { there = "x.there" } })
    assert.same({ "here", "there" }, candidates("module."))
  end)

  it("offers models, systems and what makes data", function()
    environment.torus = torus
    assert.same({ "restricted_pendulum" }, candidates("torus.systems.rest"))
    assert.same({ "hgn" }, candidates("torus.models.hg"))
    assert.same({ "targets" }, candidates("torus.data.ta"))
    assert.is_function(torus.data.targets.get)
    assert.is_function(torus.data.hnn_data.make)
    assert.is_nil(torus.data.nothing)
    torus.systems.define { name = "completed", dimension = 1, normals = 1,
      energy = function(q, p) return (q * q + p * p):sum(2) end,
      sample = function(_, z) return z, z end }
    assert.same({ "completed" }, candidates("torus.systems.comp"))
  end)

  it("knows a tensor's methods and properties", function()
    environment.tensor = torus.zeros(2)
    assert.same({ "logsumexp" }, candidates("tensor:logs"))
    assert.same({ "sigmoid", "sign", "sin", "size" }, candidates("tensor:si"))
    assert.same({ "shape" }, candidates("tensor.sha"))
    assert.same({}, candidates("tensor:sha"))
  end)

  it("calls nothing that is typed", function()
    assert.same({}, candidates("fun()."))
    assert.same({}, candidates("fun().x"))
    assert.same({}, candidates("nosuch.a.b"))
    assert.falsy(called)
  end)

  it("survives a value that fails when indexed", function()
    environment.broken = setmetatable({}, { __index = function() error("boo") end })
    assert.same({}, candidates("broken.x.y"))
    assert.same({}, candidates("broken."))
  end)

  it("inserts what all have in common, then lists", function()
    assert.equal("p", (complete.complete("al", environment)))
    local insert, listing = complete.complete("alp", environment)
    assert.equal("", insert)
    assert.equal("alpha   alpine", listing)
    assert.equal("mma", (complete.complete("alpha.beta.ga", environment)))
  end)

  it("indents an empty line", function()
    assert.equal("  ", (complete.complete("", environment)))
    assert.equal("  ", (complete.complete("  ", environment)))
  end)

  it("writes columns that are read downwards", function()
    local names = {}
    for i = 1, 9 do names[i] = ("n"):rep(20) .. i end
    local first = complete.columns(names):match("^[^\n]*")
    assert.equal(names[1] .. "  " .. names[4] .. "  " .. names[7], first)
  end)
end)
