-- Sorting, the largest entries and the median against Lua's own sort, for rows that are sorted
-- by comparisons and for long ones, which are sorted by digits of their keys.
local torus = require "torus"

local LENGTHS = { 1, 9, 100, 4095, 4096, 9001 }

-- Pairs of values and indices, sorted; equal values by ascending index.
local function sorted(values, descending)
  local list = {}
  for i, v in ipairs(values) do list[i] = { v, i } end
  table.sort(list, function(a, b)
    if a[1] == b[1] then return a[2] < b[2] end
    return (a[1] < b[1]) ~= descending
  end)
  return list
end

local function check(x)
  local n = x:numel()
  for _, descending in ipairs { false, true } do
    local wanted = sorted(x:totable(), descending)
    local values, indices = x:sort { descending = descending }
    values, indices = values:totable(), indices:totable()
    for i, pair in ipairs(wanted) do
      assert(values[i] == pair[1] and indices[i] == pair[2])
    end
    for _, k in ipairs { 1, n // 10, n // 2 } do
      local _, best = x:topk(k, { largest = descending })
      for i, index in ipairs(k > 0 and best:totable() or {}) do
        assert.are.equal(wanted[i][2], index)
      end
    end
    if not descending then
      local middle, index = x:median(1)
      assert.are.same(wanted[(n - 1) // 2 + 1], { middle:item(), index:item() })
    end
  end
end

describe("order", function()
  for _, dtype in ipairs { "float32", "float64", "int64" } do
    it("is that of Lua's sort for " .. dtype, function()
      local generator = torus.generator(1)
      for _, n in ipairs(LENGTHS) do
        local x = torus.randn({ n }, { dtype = "float64", generator = generator })
        check((x * 1e6):to(dtype))
        check((x * 3):floor():to(dtype))   -- many equal ones
      end
    end)
  end

  it("puts NaN last, and takes zeros of either sign for equal, in long rows", function()
    local n = 5000
    local x = torus.randn({ n }, { generator = torus.generator(2) })
    x[17], x[4000], x[5], x[6] = 0 / 0, -(0 / 0), 0.0, -0.0
    local values, indices = x:sort()
    assert.are.same({ 17, 4000 }, indices:narrow(1, n - 1, 2):totable())
    local at = {}
    for i, index in ipairs(indices:totable()) do at[index] = i end
    assert.are.equal(at[5] + 1, at[6])
    assert.is_true((values:narrow(1, 2, n - 3) - values:narrow(1, 1, n - 3)):min():item() >= 0)
    local _, index = x:median(1)
    assert.are.equal(17, index:item())
  end)
end)
