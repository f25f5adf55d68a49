--- Sums of products in Einstein notation, by batched matrix products.
-- @module torus.einsum
-- @public torus

local arguments = require "torus.arguments"
local core = require "torus.core"
local options = require "torus.options"

local ops = core.ops
local raise, show = options.raise, options.show

local M = {}

local MAX_DIMS = 8

-- --- the equation -----------------------------------------------------------

local function refuse(equation, text, ...)
  raise("einsum: %s: " .. text, show(equation), ...)
end

-- The letters of one operand or of the result, and the number of letters before "...".
local function parse_term(equation, term)
  local letters, dots = {}, nil
  local position = 1
  while position <= #term do
    if term:sub(position, position + 2) == "..." then
      if dots then refuse(equation, "expected \"...\" once in %s", show(term)) end
      dots = #letters
      position = position + 3
    else
      local letter = term:sub(position, position)
      if not letter:match("%a") then
        refuse(equation, "expected letters, \"...\", \",\" and one \"->\", got %s", show(letter))
      end
      letters[#letters + 1] = letter
      position = position + 1
    end
  end
  return { letters = letters, dots = dots, text = term }
end

local function parse(equation, count)
  local text = equation:gsub("%s", "")
  local left, right = text:match("^(.-)%->(.*)$")
  left = left or text
  local terms = {}
  for term in (left .. ","):gmatch("([^,]*),") do
    terms[#terms + 1] = parse_term(equation, term)
  end
  if #terms ~= count then
    refuse(equation, "expected %d tensor%s, got %d", #terms, #terms == 1 and "" or "s", count)
  end
  return terms, right and parse_term(equation, right)
end

-- The indices of a term, with those that "..." stands for: numbers from the
-- right, so that those of several operands meet as in broadcasting.
local function indices_of(term, extra)
  local list = { table.unpack(term.letters) }
  for k = 1, extra do table.insert(list, (term.dots or 0) + 1, k) end
  return list
end

-- Each operand as {x =, indices =}, and the maximum number of dimensions of a "...".
local function operands_of(equation, terms, tensors)
  local operands, widest = {}, 0
  for i, term in ipairs(terms) do
    local x = tensors[i]
    arguments.tensor("einsum", x)
    local extra = x:dim() - #term.letters
    if extra < 0 or (extra > 0 and not term.dots) then
      refuse(equation, "operand %d: %s does not fit %s", i, show(term.text), show(x))
    end
    widest = math.max(widest, extra)
    operands[i] = { x = x, indices = indices_of(term, extra) }
  end
  return operands, widest
end

-- The indices of the result: as written, or those that occur once, in order.
local function result_indices(equation, operands, right, widest, size)
  if not right then
    local seen, letters = {}, {}
    for _, operand in ipairs(operands) do
      for _, index in ipairs(operand.indices) do seen[index] = (seen[index] or 0) + 1 end
    end
    for index, times in pairs(seen) do
      if times == 1 and type(index) == "string" then letters[#letters + 1] = index end
    end
    table.sort(letters)
    return indices_of({ letters = letters, dots = 0 }, widest)
  end
  local known = {}
  for _, letter in ipairs(right.letters) do
    if known[letter] then
      refuse(equation, "index %s occurs twice in the result", letter)
    elseif not size[letter] then
      refuse(equation, "index %s of the result occurs in no operand", letter)
    end
    known[letter] = true
  end
  return indices_of(right, right.dots and widest or 0)
end

-- The size of every index; sizes of 1 broadcast.
local function sizes_of(equation, operands)
  local size, from = {}, {}
  for i, operand in ipairs(operands) do
    for d, index in ipairs(operand.indices) do
      local n = operand.x:size(d)
      if size[index] == nil or size[index] == 1 then
        size[index], from[index] = n, i
      elseif n ~= 1 and n ~= size[index] then
        refuse(equation, "index %s has size %d in operand %d and %d in operand %d",
          type(index) == "string" and index or "...", size[index], from[index], n, i)
      end
    end
  end
  return size
end

-- --- operands ---------------------------------------------------------------

local function position(list, value)
  for i, v in ipairs(list) do
    if v == value then return i end
  end
end

-- Dimensions in the order of a list of indices.
local function arranged(operand, indices)
  local order = {}
  for i, index in ipairs(indices) do order[i] = position(operand.indices, index) end
  if #order == 0 then return operand.x end
  return ops.permute(operand.x, order)
end

-- The diagonal of dimensions a < b, which becomes the last one: of the n x n
-- elements every (n + 1)-th.
local function diagonal(equation, operand, a, b)
  local x, index = operand.x, operand.indices[a]
  local n = x:size(a)
  if x:size(b) ~= n then
    refuse(equation, "index %s occurs with sizes %d and %d in %s", index, n, x:size(b), show(x))
  end
  local order, rest, shape, start, step = {}, {}, {}, {}, {}
  for d = 1, x:dim() do
    if d ~= a and d ~= b then
      order[#order + 1], rest[#rest + 1] = d, operand.indices[d]
      shape[#shape + 1], start[#start + 1], step[#step + 1] = x:size(d), 1, 1
    end
  end
  order[#order + 1], order[#order + 2] = a, b
  local from = { table.unpack(shape) }
  from[#from + 1] = n * n
  shape[#shape + 1], start[#start + 1], step[#step + 1] = n, 1, n + 1
  rest[#rest + 1] = index
  local flat = ops.reshape(ops.permute(x, order), from)
  return { x = ops.slice(flat, start, shape, step), indices = rest }
end

local function without_repeats(equation, operand)
  for b = #operand.indices, 2, -1 do
    local a = position(operand.indices, operand.indices[b])
    if a < b then
      return without_repeats(equation, diagonal(equation, operand, a, b))
    end
  end
  return operand
end

-- Sums over the indices that are not in a set.
local function reduced(operand, needed)
  local dims, rest = {}, {}
  for d, index in ipairs(operand.indices) do
    if needed[index] then rest[#rest + 1] = index else dims[#dims + 1] = d end
  end
  if #dims == 0 then return operand end
  return { x = ops.sum(operand.x, dims), indices = rest }
end

-- --- one product ------------------------------------------------------------

local function joined(...)
  local list = {}
  for _, part in ipairs { ... } do table.move(part, 1, #part, #list + 1, list) end
  return list
end

local function volume(indices, size)
  local n = 1
  for _, index in ipairs(indices) do n = n * size[index] end
  return n
end

-- With sizes of 1 repeated along the indices.
local function expanded(operand, indices, size)
  local x, shape = arranged(operand, indices), {}
  for d, index in ipairs(indices) do shape[d] = size[index] end
  if #shape == 0 then return x end
  return ops.expand(x, shape)
end

-- By the matrix product: (batch, left, common) x (batch, common, right).
local function contracted(a, b, batch, left, right, common, size)
  local m, k, n = volume(left, size), volume(common, size), volume(right, size)
  local x = expanded(a, joined(batch, left, common), size)
  local y = expanded(b, joined(batch, common, right), size)
  if #batch == 0 then
    return ops.matmul(ops.reshape(x, m, k), ops.reshape(y, k, n))
  end
  local count = volume(batch, size)
  return ops.matmul(ops.reshape(x, count, m, k), ops.reshape(y, count, k, n))
end

-- By elements: every operand's missing indices have size 1.
local function multiplied(equation, a, b, indices)
  if #indices > MAX_DIMS then
    refuse(equation, "expected at most %d indices in one product, got %d", MAX_DIMS, #indices)
  end
  local function spread(operand)
    local own, shape = {}, {}
    for d, index in ipairs(indices) do
      local at = position(operand.indices, index)
      if at then own[#own + 1] = index end
      shape[d] = at and operand.x:size(at) or 1
    end
    return ops.reshape(arranged(operand, own), shape)
  end
  return ops.mul(spread(a), spread(b))
end

local function is_float(x)
  return x.dtype == "float32" or x.dtype == "float64"
end

local function in_float64(operand)
  return { x = ops.to(operand.x, "float64"), indices = operand.indices }
end

-- The product of two operands, summed over the indices that are not needed later.
local function product(equation, a, b, needed, size)
  local batch, left, right, common = {}, {}, {}, {}
  for _, index in ipairs(a.indices) do
    local shared = position(b.indices, index)
    local to = not shared and left or needed[index] and batch or common
    to[#to + 1] = index
  end
  for _, index in ipairs(b.indices) do
    if not position(a.indices, index) then right[#right + 1] = index end
  end
  local indices = joined(batch, left, right)
  if #common > 0 and is_float(a.x) and is_float(b.x) then
    if a.x.dtype ~= b.x.dtype then -- matmul needs equal dtypes
      a, b = in_float64(a), in_float64(b)
    end
    local y, shape = contracted(a, b, batch, left, right, common, size), {}
    for d, index in ipairs(indices) do shape[d] = size[index] end
    return { x = ops.reshape(y, shape), indices = indices }
  end
  local all = joined(indices, common)
  return reduced({ x = multiplied(equation, a, b, all), indices = all }, needed)
end

local function needed_by(list, more)
  local set = {}
  for _, index in ipairs(more) do set[index] = true end
  for _, operand in ipairs(list) do
    for _, index in ipairs(operand.indices) do set[index] = true end
  end
  return set
end

--- Computes sums of products of tensors whose dimensions are named by letters.
--
-- An index that is not in the result is summed over. Without "->" the result
-- has the indices that occur once, in alphabetical order. An index that occurs
-- twice in one operand selects the diagonal. "..." stands for any number of
-- dimensions, which broadcast; so do sizes of 1. Products are evaluated from
-- left to right, each as one batched matrix product.
-- @tparam string equation "ij,jk->ik"
-- @tparam tensor ... the operands, or one list of them
-- @treturn tensor; a view of the operand if nothing is multiplied or summed
-- @raise when the equation is malformed or does not fit the tensors
-- @usage
-- a, b = torus.randn(2, 3), torus.randn(3, 4)
-- print(table.unpack(torus.einsum("ij,jk->ik", a, b).shape))   -- 2  4
-- print(torus.einsum("ii->", torus.eye(3)))                    -- 3, the trace
-- x, y = torus.randn(5, 2, 3), torus.randn(5, 3)
-- print(table.unpack(torus.einsum("...ij,...j->...i", x, y).shape))   -- 5  2
function M.einsum(equation, ...)
  if type(equation) ~= "string" then
    raise("einsum: expected an equation such as \"ij,jk->ik\", got " .. show(equation))
  end
  local tensors = { ... }
  if #tensors == 1 and type(tensors[1]) == "table" then tensors = tensors[1] end
  local terms, right = parse(equation, #tensors)
  local operands, widest = operands_of(equation, terms, tensors)
  local size = sizes_of(equation, operands)
  local result = result_indices(equation, operands, right, widest, size)
  for i, operand in ipairs(operands) do
    operands[i] = without_repeats(equation, operand)
  end
  local total = table.remove(operands, 1)
  total = reduced(total, needed_by(operands, result))
  while #operands > 0 do
    local next_one = table.remove(operands, 1)
    local later = needed_by(operands, result)
    total = reduced(total, needed_by({ next_one, table.unpack(operands) }, result))
    next_one = reduced(next_one, needed_by({ total, table.unpack(operands) }, result))
    total = product(equation, total, next_one, later, size)
  end
  return arranged(total, result)
end

return M
