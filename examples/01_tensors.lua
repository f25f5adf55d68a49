--- Tensors: creating, indexing and computing with them.
--
--     scripts/torus examples/01_tensors.lua
--
-- A tensor is an array of numbers with any number of dimensions. Dimensions
-- and indices count from 1, as in Lua, and from the end when negative.
local torus = require "torus"

local function section(title) print("\n--- " .. title) end

section("creation")
-- From a table, nested to any depth. float32 is the default type; use float64 where
-- rounding matters, int64 for counts and indices, uint8 for pixels, bool for masks.
local a = torus.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
print(a)
print(torus.tensor({ 0.1, 0.2 }, { dtype = "float64" }))
-- From a rule. `arange` includes its end, as Lua's `for` does.
print(torus.zeros(2, 2))
print(torus.arange(1, 2, 0.25))
print(torus.linspace(0, 1, 6))

section("looking inside")
print("shape:", table.concat(a.shape, " x "))
print("dimensions, elements, type:", a:dim(), a:numel(), a.dtype)
print("rows and columns:", a:size(1), a:size(-1))
-- Large tensors print only their corners.
print(torus.arange(10000):reshape(100, 100))

section("indexing")
print("second row:", a[2])
print("one element:", a[{ 2, 3 }])
-- A pair is a range, {} is everything: the last two columns.
print(a[{ {}, { -2, -1 } }])
-- Every part of a tensor is a tensor. `item` returns a single element as a Lua
-- number, `totable` all of them as nested tables.
print("a Lua number:", a[{ 2, 3 }]:item(), "and a table:", #a:totable())
-- Parts are views: they share the tensor's memory. Assignment changes it in place.
a[{ 1, {} }] = 0
a[{ 2, 1 }] = -4
print(a)

section("arithmetic and broadcasting")
-- Operators and functions work element by element.
local x = torus.linspace(0, 1, 5)
print(x ^ 2 + 1)
print((x * math.pi / 2):sin())
-- A dimension of size 1, or a missing one on the left, is repeated to fit: a
-- column and a row make a table of all pairs.
local column, row = torus.arange(3):reshape(3, 1), torus.arange(4)
print(column * row)
-- Comparison methods return bools (Lua's own == asks whether both sides are the
-- same tensor); `where` chooses by them, and & | ~ combine them.
print(torus.where(x:gt(0.5), x, 0))
-- Matrix products.
local rotation = torus.tensor { { 0, -1 }, { 1, 0 } }
print("a quarter turn of (1, 2):", rotation:matmul(torus.tensor { 1, 2 }))

section("reductions")
local b = torus.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
print("sum of all:", b:sum())
print("sum of each column:", b:sum(1))
print("mean of each row:", b:mean(2))
-- With keepdim the result still broadcasts against the original.
print(b - b:mean(2, true))
print("index of the largest in each row:", b:argmax(2))

section("another shape")
print(b:reshape(3, 2))
print(b:transpose(1, 2))
print(torus.stack({ b[1], b[2] * 10 }, 2))

section("random numbers")
-- The same seed gives the same numbers with any number of threads. A generator
-- of your own leaves the default one alone.
torus.manual_seed(7)
local first = torus.randn(3)
torus.manual_seed(7)
print("again the same:", first:eq(torus.randn(3)):min():item())
local mine = torus.generator(2024)
print(torus.rand(3, { generator = mine }))
-- Of a million uniform numbers, mean and variance are close to 0.5 and 1/12.
local u = torus.rand(1000000, { generator = mine })
print(("mean %.3f, variance %.4f"):format(u:mean():item(), u:var():item()))

section("mistakes")
-- An error is raised at your line, and names the operation and the shapes.
print(select(2, pcall(function() return a + torus.ones(4) end)))
print(select(2, pcall(function() return a[3] end)))
print(select(2, pcall(function() return torus.zeros(2, { dtpe = "float64" }) end)))
