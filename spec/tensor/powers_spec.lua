-- Powers with one small integer exponent are products; they agree with the power of any
-- exponent, which an exponent for each element gets.
local torus = require "torus"

-- Units in the last place: of a product of products, and of the vector pow.
local ULP = { float32 = 2 ^ -23, float64 = 2 ^ -52 }

describe("a power with one exponent", function()
  for _, dtype in ipairs { "float32", "float64" } do
    local x = torus.randn({ 3000 }, { dtype = dtype, generator = torus.generator(1) })

    it("of 2 is the square and of 1 the number itself, to the bit, in " .. dtype, function()
      assert.is_true((x ^ 2):eq(x * x):all():item())
      assert.is_true((x ^ 1):eq(x):all():item())
      assert.is_true((x ^ -1):eq(1 / x):all():item())
    end)

    it("is that of plain numbers in " .. dtype, function()
      for _, p in ipairs { -1, 1, 2, 3, 4, 5, -2 } do
        local got = (x ^ p):totable()
        for i, value in ipairs(x:totable()) do
          local expected = value ^ p
          assert.is_true(math.abs(got[i] - expected) <= 4 * ULP[dtype] * math.abs(expected))
        end
      end
    end)

    it("is the same for a single number, in rows, and for a view, in " .. dtype, function()
      for p = -1, 4 do
        local all, rows = x ^ p, x:reshape(3, 1000):transpose() ^ p
        for _, i in ipairs { 1, 1024, 1025, 3000 } do
          assert.are.equal(all[i]:item(), (x[i] ^ p):item())
        end
        assert.is_true(rows:transpose():reshape(3000):eq(all):all():item())
      end
    end)

    it("treats zeros, infinities and NaN as any power does, in " .. dtype, function()
      local odd = torus.tensor({ 0, -0.0, math.huge, -math.huge, 0 / 0, -3 }, { dtype = dtype })
      for p = -1, 4 do
        local one = (1 / (odd ^ p)):totable()
        local each = (1 / (odd ^ torus.full_like(odd, p))):totable()
        for i, value in ipairs(each) do
          assert.is_true(value == one[i] or value ~= value and one[i] ~= one[i]
            or math.abs(value - one[i]) <= 4 * ULP[dtype])
        end
      end
    end)
  end
end)
