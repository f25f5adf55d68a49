-- A number's value under an elementwise operation depends neither on its place in a tensor nor
-- on the tensor's size, although vectors and single numbers are computed by different
-- functions of the system's library.
local torus = require "torus"

local NUMBERS = { polygamma = { 2 } }

-- The operations by their number of inputs, from the table that declares them.
local function declared()
  local file = assert(io.open("engine/kernels/elementwise.def"))
  local text = file:read("a"):gsub("/%*.-%*/", ""):gsub("#[^\n]*", "")
  file:close()
  local one, two = {}, {}
  for kind, name in text:gmatch("\n(%u+%d?)%(([%w_]+),") do
    local list = (kind == "BINARY" or kind:match("2$") and kind ~= "UNARY2") and two
      or kind ~= "TERNARY" and one
    if list then list[#list + 1] = name end
  end
  return one, two
end

local SIZES = { 1, 2, 3, 5, 7, 8, 9, 12, 15, 16, 17, 19, 31, 33, 1023, 1025, 2050 }

-- Raises unless all elements of the result for every size are one value.
local function check(name, dtype, values, numbers)
  local whole
  for _, size in ipairs { 64, table.unpack(SIZES) } do
    local inputs = {}
    for i, value in ipairs(values) do inputs[i] = torus.full({ size }, value, { dtype = dtype }) end
    local result = torus[name](table.unpack(table.move(numbers or {}, 1, 2, #inputs + 1, inputs)))
    local first = whole or result[1]:item()
    whole = first
    local same = first ~= first and result:isnan() or result:eq(first)
    assert(same:all():item(), ("%s of %s, %d elements of %s"):format(name,
      table.concat(values, ", "), size, dtype))
  end
end

describe("a value's place", function()
  local one, two = declared()

  it("is asked for of every operation", function()
    assert.is_true(#one > 40 and #two > 12)
  end)

  for _, dtype in ipairs { "float32", "float64" } do
    for _, name in ipairs(one) do
      it("does not matter to " .. name .. " in " .. dtype, function()
        for _, value in ipairs { -3.1, -0.5, 0.3, 0.9, 1.7, 12.25 } do
          check(name, dtype, { value }, NUMBERS[name])
        end
      end)
    end
    for _, name in ipairs(two) do
      it("does not matter to " .. name .. " in " .. dtype, function()
        for _, pair in ipairs { { 1.3, -2.7 }, { 0.7, 0.3 }, { 12.5, 3.1 } } do
          check(name, dtype, pair)
        end
      end)
    end
  end
end)
