--- Values for random calls, good ones by documented type and bad ones.
local torus = require "torus"

local M = {}

--- What functions of the pool raise: an error that is the caller's own.
M.TROUBLE = "trouble of the caller's"

--- A function draw(n) that returns a random integer from 1 to n, from a seed.
function M.generator(seed)
  local state = (seed ~ 0x5851f42d4c957f2d) * 6364136223846793005 + 1
  return function(n)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % n + 1
  end
end

local function tensor(shape, opts, value)
  return function() return torus.full(shape, value or 1.5, opts) end
end
local function constant(value) return function() return value end end
local function all(...)
  local list = {}
  for i, value in ipairs { ... } do list[i] = constant(value) end
  return list
end

local tensors = {
  tensor {}, tensor { 0 }, tensor { 1 }, tensor { 3 }, tensor { 2, 2 }, tensor { 2, 3 },
  tensor({ 2, 3 }, { dtype = "float64" }), tensor { 2, 0, 3 }, tensor { 1, 4, 4, 2 },
  tensor { 2, 4, 16, 16, 3 }, tensor { 3, 8, 8, 3 }, tensor { 8, 8, 3 },
  tensor({ 2 }, { requires_grad = true }), tensor({ 2, 2 }, { dtype = "float64" }),
  tensor({ 4, 2 }, nil, 0), tensor({ 3, 3 }, nil, 0 / 0), tensor({ 2 }, nil, math.huge),
  tensor({ 2, 3 }, { dtype = "int64" }, 2), tensor({ 4, 4, 3 }, { dtype = "uint8" }, 2),
  tensor({ 2, 2 }, { dtype = "int64" }, -(1 << 53)),
  function() return torus.ones(2, 3, 4, 1, 1, 2, 1, 1):transpose() end,
  function() return torus.ones(3):expand(2, 3) end,
  function() return torus.ones({ 2, 3 }, { requires_grad = true }):exp() end,
  function() local x = torus.ones(2) x:release() return x end,
}

local function trouble() error(M.TROUBLE, 0) end

local pools = {
  tensor = tensors,
  integer = all(0, 1, 2, 3, 4, 7, -1, 1.0, 1 << 62, math.maxinteger,
    math.mininteger),
  number = all(0, 1, 0.5, -1.5, 1e-3, 2, 1e300, -0.0, math.huge, -math.huge, 0 / 0),
  string = all("float32", "float64", "pendulum", "mass_spring", "leapfrog", "tanh",
    "hnn", "nhf", "hgn", "small", "moons", "train", "x", "", "a/b", "no\0zero", "%s",
    ("long"):rep(200), "leaky_relu", "image.png", "x.npy", "x.safetensors"),
  boolean = all(true, false),
  ["function"] = {
    constant(trouble), constant(function(x) return x end), constant(function() end),
    constant(function(q, p) return ((q * q).sum and (q * q):sum() or 0) + p:sum() end),
  },
  generator = { function() return torus.generator(3) end },
  list = {
    function() return {} end, function() return { 1 } end, function() return { 2, 1 } end,
    function() return { 1, 2, 3 } end, function() return { -1, 2 } end,
    function() return { 1.5 } end, function() return { 1 << 40, 1 << 40 } end,
    function() return { "x" } end, function() return { { 1, 2 }, { 2, 1 } } end,
    function() return { torus.ones(2), torus.zeros(2) } end,
    function() return { torus.ones(2), 5 } end,
    function() return { x = torus.ones(2) } end, function() return { a = "b" } end,
    function() return { model = "hnn", system = "pendulum" } end,
    function() return { dtype = "uint8" } end, function() return { 1, nil, 3 } end,
    function() return setmetatable({}, { __index = trouble, __len = trouble }) end,
  },
  object = {
    function() return torus.nn.Linear(2, 2) end,
    function() return torus.nn.MLP { sizes = { 2, 4, 1 } } end,
    function() return torus.systems.pendulum end,
    function() return torus.models.hnn.new {} end,
  },
  other = { constant(nil), constant(io.stdout), constant(coroutine.create(trouble)) },
}
local names = { "tensor", "integer", "number", "string", "boolean", "function",
  "generator", "list", "object", "other" }

-- The pool that a documented type names: its first word that is one.
local WORDS = { int = "integer", Module = "object", System = "object",
  Adam = "object", table = "list" }
local function pool_of(type_)
  if not type_ then return nil end
  if type_:find "^{" then return pools.list end
  local word = type_:match "^%w+"
  return pools[word] or pools[WORDS[word]]
end

--- A value: two times out of three of the documented type, where there is one.
function M.value(type_, draw)
  local pool = draw(3) > 1 and pool_of(type_) or pools[names[draw(#names)]]
  return pool[draw(#pool)]()
end

--- A value as a report shows it.
function M.show(value)
  if torus.is_tensor(value) then
    local ok, text = pcall(function()
      return ("tensor(%s) %s"):format(table.concat(value.shape, ","), value.dtype)
    end)
    return ok and text or "released tensor"
  end
  if type(value) == "string" then return ("%q"):format(value:sub(1, 40)) end
  if type(value) == "table" and not getmetatable(value) then
    local parts = {}
    for key, item in pairs(value) do
      parts[#parts + 1] = tostring(key) .. "=" .. M.show(item)
    end
    table.sort(parts)
    return "{" .. table.concat(parts, ", ") .. "}"
  end
  return type(value) == "table" and "an object" or tostring(value)
end

return M
