-- The list of operations that scripts/dev/operations.lua prints.
local torus = require "torus"

describe("scripts/dev/operations.lua", function()
  local pipe = assert(io.popen("scripts/torus scripts/dev/operations.lua 2>&1"))
  local text = pipe:read("a")
  local ended = pipe:close()

  it("lists every operation with its dtypes and checks", function()
    assert.is_true(ended == true, text)
    local rows = {}
    for line in text:gmatch("[^\n]+") do
      local name, order, dtypes, checked = line:match(
        "^([%w_]+) +%d%+? +%d +(%a+) +([%l%d ]-) +(%d+) +%d+")
      if name then rows[name] = { order = order, dtypes = dtypes, checked = tonumber(checked) } end
    end
    for _, op in ipairs(torus.registry()) do
      local row = rows[op.name]
      assert.is_table(row, op.name)
      assert.equal(op.constant and "constant" or op.first_order and "first" or "any", row.order)
      assert.is_true(row.checked > 0 and #row.dtypes > 0, op.name)
    end
  end)

  it("counts, and finds every differentiable one checked", function()
    local n = tonumber(text:match("(%d+) operations and %d+ functions of them"))
    assert.equal(#torus.registry(), n)
    local checked, all = text:match("(%d+) of (%d+) differentiable ones checked")
    assert.equal(all, checked)
  end)
end)
