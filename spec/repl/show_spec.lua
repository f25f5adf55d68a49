local show = require("torus.repl.show").show

describe("repl.show", function()
  it("writes plain values as Lua reads them", function()
    assert.equal("nil", show(nil))
    assert.equal("1.5", show(1.5))
    assert.equal("true", show(true))
    assert.equal('"a \\"b\\"\\n\\tc"', show 'a "b"\n\tc')
  end)

  it("writes tables that load again", function()
    local value = { 1, "two", { x = 3, ["a key"] = false }, [-1] = 0.5, y = {} }
    local text = show(value)
    assert.same(value, load("return " .. text)())
    assert.equal('{1, "two", {["a key"] = false, x = 3}, [-1] = 0.5, y = {}}', text)
  end)

  it("breaks tables that are too wide into lines", function()
    local value = {}
    for i = 1, 20 do value["name" .. i] = ("v"):rep(i) end
    local text = show(value)
    assert.truthy(text:find("\n  name1 = \"v\",\n", 1, true))
    assert.same(value, load("return " .. text)())
  end)

  it("cuts long, deep and circular tables", function()
    local long = {}
    for i = 1, 1000 do long[i] = i end
    assert.truthy(show(long):find("49,%s+50,%s+%.%.%. 950 more"))
    assert.equal("{{{{...}}}}", show { { { { { 1 } } } } })
    local circle = {}
    circle.self = circle
    assert.equal("{self = <cycle>}", show(circle))
  end)

  it("names what a module would load", function()
    assert.equal("{here = 1, there = <part>}", show(setmetatable({ here = 1 },
      { __parts = { there = "x.there", here = "x.here" } })))
  end)

  it("shows a table met twice both times", function()
    local shared = { 1 }
    assert.equal("{{1}, {1}}", show { shared, shared })
  end)

  it("lets values speak for themselves, on one line inside a table", function()
    local meta = { __tostring = function() return "a\nb" end }
    local object = setmetatable({}, meta)
    assert.equal("a\nb", show(object))
    assert.equal("{a ...}", show { object })
    local tensor = setmetatable({
      dtype = "float32", size = function() return { 2, 3 } end,
    }, meta)
    assert.equal("{<float32 (2,3)>}", show { tensor })
  end)

  it("survives a value whose __tostring fails", function()
    local broken = setmetatable({}, { __tostring = function() error("boo", 0) end })
    assert.equal("<table that cannot be shown: boo>", show(broken))
  end)
end)
