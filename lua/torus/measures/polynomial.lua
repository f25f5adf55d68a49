--- Polynomials of several variables: their monomials and derivatives.
-- @module torus.measures.polynomial
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

local VARIABLES = { type = "integer", min = 1, max = 10000 }
local ORDER = { type = "integer", min = 0, max = 100 }
local MAX_MONOMIALS = 1e7

local function check_size(operation, variables, order)
  options.argument(operation, "variables", variables, VARIABLES)
  options.argument(operation, "order", order, ORDER)
  local count = 1.0 -- a float, which can't wrap around
  for i = 1, order do count = count * (variables + i) / i end
  if count > MAX_MONOMIALS then
    options.raise("%s: expected at most %d monomials, got %.3g", operation,
      MAX_MONOMIALS, count)
  end
end

--- Returns the exponents of all monomials of degree 1 to `order`, by degree, and
-- within a degree in lexicographic order: x, y, x^2, x y, y^2, ...
-- @tparam integer variables
-- @tparam integer order
-- @treturn {{integer,...},...} one list of `variables` exponents for each
-- @raise for more than ten million monomials
-- @usage
-- list = torus.measures.polynomial.exponents(2, 2)
-- -- {{1,0}, {0,1}, {2,0}, {1,1}, {0,2}}
function M.exponents(variables, order)
  check_size("polynomial.exponents", variables, order)
  local list, last = {}, { { powers = {}, first = 1 } }
  for v = 1, variables do last[1].powers[v] = 0 end
  for _ = 1, order do
    local degree = {}
    -- Each monomial of this degree is one of the previous degree times a variable that
    -- does not precede its last one.
    for _, parent in ipairs(last) do
      for v = parent.first, variables do
        local powers = table.move(parent.powers, 1, variables, 1, {})
        powers[v] = powers[v] + 1
        degree[#degree + 1] = { powers = powers, first = v }
        list[#list + 1] = powers
      end
    end
    last = degree
  end
  return list
end

--- Returns the number of monomials of degree 1 to `order`: C(v + order, order) - 1.
-- @tparam integer variables
-- @tparam integer order
-- @treturn integer
-- @raise for more than ten million
-- @usage print(torus.measures.polynomial.count(2, 2))   -- 5
function M.count(variables, order)
  check_size("polynomial.count", variables, order)
  local count = 1
  for i = 1, order do count = count * (variables + i) // i end
  return count - 1
end

-- Checks that there is one power for each column of x, and that none is too large.
local function check_exponents(operation, x, exponents)
  options.tensor(operation, "x", x, { "points", "variables" })
  for i, powers in ipairs(exponents) do
    if #powers ~= x:size(2) then
      options.raise("%s: exponents: expected %d powers, one for each variable, got "
        .. "%d at position %d", operation, x:size(2), #powers, i)
    end
    for _, power in ipairs(powers) do
      local problem = options.check(power, ORDER)
      if problem then
        options.raise("%s: exponents: %s at position %d", operation, problem, i)
      end
    end
  end
end

-- The monomial x^powers at rows of x, from the powers of each variable.
local function monomial(columns, powers)
  local product
  for v, power in ipairs(powers) do
    for _ = 1, power do
      product = product and product * columns[v] or columns[v]
    end
  end
  return product
end

local function columns_of(x)
  local columns = {}
  for v = 1, x:size(2) do columns[v] = x:narrow(2, v, 1) end
  return columns
end

--- Evaluates monomials at points.
-- @tparam tensor x (points, variables)
-- @tparam {{integer,...},...} exponents as returned by `exponents`
-- @treturn tensor (points, monomials)
-- @usage
-- polynomial = torus.measures.polynomial
-- x = torus.tensor{{2, 3}}
-- print(polynomial.features(x, polynomial.exponents(2, 2)))   -- 2 3 4 6 9
function M.features(x, exponents)
  check_exponents("polynomial.features", x, exponents)
  local columns, parts = columns_of(x), {}
  for i, powers in ipairs(exponents) do
    parts[i] = monomial(columns, powers) or engine.ones_like(x:narrow(2, 1, 1))
  end
  return engine.cat(parts, 2)
end

-- d(monomials)/dx_v at points: (points, monomials).
local function derivatives(x, exponents, v)
  local columns, parts = columns_of(x), {}
  local zero, one = columns[v] * 0, columns[v] * 0 + 1
  for i, powers in ipairs(exponents) do
    local power = powers[v]
    if power == 0 then
      parts[i] = zero
    else
      local lower = table.move(powers, 1, #powers, 1, {})
      lower[v] = power - 1
      parts[i] = (monomial(columns, lower) or one) * power
    end
  end
  return engine.cat(parts, 2)
end

--- Returns the Jacobian of polynomials at points.
-- @tparam tensor x (points, variables)
-- @tparam {{integer,...},...} exponents
-- @tparam tensor coefficients (monomials, outputs)
-- @treturn tensor (points, outputs, variables)
-- @usage
-- polynomial = torus.measures.polynomial
-- x = torus.tensor({{2, 3}}, { dtype = "float64" })
-- w = torus.tensor({{0}, {0}, {1}, {0}, {0}}, { dtype = "float64" })   -- x^2
-- print(polynomial.jacobian(x, polynomial.exponents(2, 2), w))   -- 4 0
function M.jacobian(x, exponents, coefficients)
  check_exponents("polynomial.jacobian", x, exponents)
  options.tensor("polynomial.jacobian", "coefficients", coefficients,
    { #exponents, "outputs" })
  local parts = {}
  for v = 1, x:size(2) do
    parts[v] = derivatives(x, exponents, v):matmul(coefficients)
  end
  return engine.stack(parts, 3)
end

signature.functions("polynomial", M, {
  features = "x: tensor, exponents: {{integer,...},...}",
  jacobian = "x: tensor, exponents: {{integer,...},...}, coefficients: tensor",
})

return M
