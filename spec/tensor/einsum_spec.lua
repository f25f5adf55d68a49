-- einsum against a loop over all values of all indices; outer and cross against
-- their definitions.
local torus = require "torus"
local raises = require "spec.support.raises"

local function T(x) return torus.tensor(x, { dtype = "float64" }) end

-- terms: lists of letters; sizes by letter. The sum over everything.
local function by_loops(terms, result, size, tensors)
  local letters, seen = {}, {}
  for _, term in ipairs(terms) do
    for letter in term:gmatch(".") do
      if not seen[letter] then seen[letter], letters[#letters + 1] = true, letter end
    end
  end
  local shape, values = {}, {}
  for letter in result:gmatch(".") do shape[#shape + 1] = size[letter] end
  for k, x in ipairs(tensors) do values[k] = x:reshape(x:numel()):totable() end
  local total, value = {}, {}
  local function offset(term, x)
    local at = 0
    for letter in term:gmatch(".") do
      local n = x and size[letter] or size[letter]
      at = at * n + value[letter]
    end
    return at + 1
  end
  local function visit(depth)
    local letter = letters[depth]
    if not letter then
      local product = 1
      for k, term in ipairs(terms) do product = product * values[k][offset(term)] end
      local at = offset(result)
      total[at] = (total[at] or 0) + product
      return
    end
    for i = 0, size[letter] - 1 do
      value[letter] = i
      visit(depth + 1)
    end
  end
  visit(1)
  return total, shape
end

describe("einsum", function()
  for _, equation in ipairs { "ij,jk->ik", "ij,jk->ki", "bij,bjk->bik", "bij,bkj->bki", "ij->ji",
    "ij->j", "ij->", "ii->", "ii->i", "iji->j", "iijj->ij", "i,j->ij", "i,i->", "i,i->i",
    "ij,ij->", "ij,kj,jl->kil", "abc,bcd,de->ae", "ab,cd->acbd", "ij,j,k->ik", "ijk,jil,kl->il",
    "i,j,k->kji", "iij,jk->k" } do
    it("computes " .. equation, function()
      local size = { i = 3, j = 2, k = 4, l = 2, a = 2, b = 3, c = 2, d = 3, e = 2 }
      local left, result = equation:match("(.*)%->(.*)")
      local terms, tensors = {}, {}
      for term in left:gmatch("[^,]+") do
        terms[#terms + 1] = term
        local shape = {}
        for letter in term:gmatch(".") do shape[#shape + 1] = size[letter] end
        tensors[#tensors + 1] = torus.randn(shape,
          { dtype = "float64", generator = torus.generator(#terms) })
      end
      local expected, shape = by_loops(terms, result, size, tensors)
      local got = torus.einsum(equation, table.unpack(tensors))
      assert.same(shape, got.shape)
      for i, v in ipairs(got:reshape(got:numel()):totable()) do
        assert.near(expected[i], v, 1e-12)
      end
      local turned = {}
      for k, x in ipairs(tensors) do
        turned[k] = x:dim() > 1 and x:transpose(1, -1):copy():transpose(1, -1) or x
      end
      assert.is_true(torus.allclose(got, torus.einsum(equation, turned)))
    end)
  end

  it("aligns \"...\" at the right and broadcasts sizes of 1", function()
    local a, b = torus.randn(2, 1, 3, 4), torus.randn(5, 4, 2)
    assert.is_true(torus.allclose(a:matmul(b), torus.einsum("...ij,...jk->...ik", a, b)))
    assert.is_true(torus.allclose(a:matmul(b), torus.einsum("...ij,...jk", a, b)))
    assert.is_true(torus.allclose(a:sum { 1, 2 }, torus.einsum("...ij->ij", a)))
    assert.same({ 3, 4, 2, 1 }, torus.einsum("...ij->ij...", a).shape)
    local x, y = T { { 1, 2 }, { 3, 4 } }, T { { 10 } }
    assert.same({ 30, 70 }, torus.einsum("ij,jk->i", x, y):totable())
  end)

  it("without an arrow takes the indices that occur once, in order", function()
    local x = torus.randn(2, 3)
    assert.same({ 3, 2 }, torus.einsum("ba", x).shape)
    assert.equal(5, torus.einsum("ii", T { { 1, 2 }, { 3, 4 } }):item())
    assert.same({ 4, 2 }, torus.einsum(" kj , j l ", torus.ones(4, 3), torus.ones(3, 2)).shape)
  end)

  it("takes sizes of 0", function()
    assert.same({ { 0, 0 } }, torus.einsum("ij,jk", torus.ones(1, 0), torus.ones(0, 2)):totable())
    assert.same({ 0, 2 }, torus.einsum("ij->ij", torus.ones(0, 2)).shape)
  end)

  it("says what is wrong with an equation", function()
    local x, v = torus.ones(2, 3), torus.ones(4)
    for equation, message in pairs {
      ["ij,j"] = "index j has size 3 in operand 1 and 4 in operand 2",
      ["ij"] = "expected 1 tensor, got 2",
      ["i,j"] = "operand 1: \"i\" does not fit tensor (2,3) float32",
      ["i1,j"] = "expected letters, \"...\", \",\" and one \"->\", got \"1\"",
      ["ij,k->ijj"] = "index j occurs twice in the result",
      ["ij,k->im"] = "index m of the result occurs in no operand",
      ["...i...,j"] = "expected \"...\" once in \"...i...\"",
      ["ij->k->i"] = "expected 1 tensor, got 2",
    } do
      raises(("einsum: %q: "):format(equation) .. message,
        function() torus.einsum(equation, x, v) end)
    end
    raises("einsum: \"ii\": index i", function() torus.einsum("ii", x) end)
    raises("einsum: expected an equation", function() torus.einsum(x, x) end)
    raises("einsum: expected a tensor, got 3", function() torus.einsum("i", 3) end)
  end)
end)

describe("outer and cross", function()
  it("are products of vectors", function()
    assert.same({ { 3, 4 }, { 6, 8 } }, T { 1, 2 }:outer(T { 3, 4 }):totable())
    assert.same({ -3, 6, -3 }, T { 1, 2, 3 }:cross(T { 4, 5, 6 }):totable())
    local a = T { { 1, 0, 0 }, { 0, 1, 0 } }
    assert.same({ { 0, 0, 1 }, { 0, 0, 0 } }, a:cross(T { 0, 1, 0 }):totable())
    assert.same({ { 0, 0 }, { 0, 0 }, { 1, 0 } },
      a:transpose():cross(T { { 0 }, { 1 }, { 0 } }, 1):totable())
    raises("outer: expected two vectors", function() a:outer(a) end)
    raises("cross: expected size 3 along dimension 1", function() a:cross(a, 1) end)
  end)
end)
