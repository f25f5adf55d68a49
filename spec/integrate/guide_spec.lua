-- The table of examples/integrators.md says what the engine's rows say.
local schemes = require "torus.schemes"

describe("the guide of integrators", function()
  it("has a row for every scheme, with its order and properties", function()
    local file = assert(io.open("examples/integrators.md"))
    local text = file:read("a")
    file:close()
    local found = {}
    for name, order, H, back, symplectic in
      text:gmatch("\n| `([%w_]+)` | (%d) | (%w+) | ([^|]-) | ([^|]-) | [^|]- |") do
      found[#found + 1] = name
      local row = assert(schemes.of(name), name)
      assert.are.equal(row.order, tonumber(order), name)
      assert.are.equal(schemes.accepts_joint(row) and "any" or "separable", H, name)
      local undone = row.extended and "in both copies"
        or row.implicit and "to the tolerance" or row.symmetric and "yes" or "no"
      assert.are.equal(undone, back, name)
      assert.are.equal(row.extended and "in both copies"
        or schemes.keeps_volume(row) and "yes" or "no", symplectic, name)
    end
    assert.are.same(schemes.names(), found)
  end)
end)
