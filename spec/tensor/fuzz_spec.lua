-- Every function of torus and every method, called with values of every kind:
-- they return or raise one message at the caller's line, and nothing crashes
-- or leaks.
local torus = require "torus"
local core = require "torus.core"

local function tensor(shape, opts)
  return function() return torus.full(shape, 1.5, opts) end
end

local makers = {
  function() return nil end, function() return true end, function() return false end,
  function() return 0 end, function() return 1 end, function() return -1 end,
  function() return 2 end, function() return 3.0 end, function() return 1.5 end,
  function() return math.huge end, function() return 0 / 0 end,
  function() return math.maxinteger end, function() return math.mininteger end,
  function() return "" end, function() return "float64" end, function() return "int64" end,
  function() return {} end, function() return { 1 } end, function() return { 2, 1 } end,
  function() return { -1, 2 } end, function() return { { 1, 2 }, { 2, 1 } } end,
  function() return { dim = 1 } end, function() return { "x" } end,
  function() return { 1, nil, 3 } end,
  function() return { dtype = "uint8" } end, function() return { requires_grad = true } end,
  function() return setmetatable({}, { __index = function() error("inside") end }) end,
  function() return setmetatable({}, { __len = function() return 1 << 61 end }) end,
  function() return function() return 1 end end,
  function() return io.stdout end, function() return torus.generator(1) end,
  tensor {}, tensor { 0 }, tensor { 1 }, tensor { 3 }, tensor { 2, 3 },
  tensor({ 2, 3 }, { dtype = "float64" }), tensor { 2, 0, 3 }, tensor { 1, 4, 4, 2 },
  tensor({ 2 }, { requires_grad = true }),
  function() return torus.ones(2, 3, 4, 1, 1, 2, 1, 1):transpose() end,
  function() return torus.ones(3):expand(2, 3) end,
  function() return torus.full({ 2, 3 }, 2, { dtype = "int64" }) end,
  function() return torus.full({ 2 }, 2, { dtype = "uint8" }) end,
  function() return torus.ones({ 2, 3 }, { requires_grad = true }):exp() end,
  function() local x = torus.ones(2) x:release() return x end,
  function() return { torus.ones(2), torus.zeros(2) } end,
  function() return { torus.ones(2), 5 } end,
}

-- A random number from 1 to n, the same ones in each run.
local state = 1
local function draw(n)
  state = (state * 6364136223846793005 + 1442695040888963407)
  return (state >> 33) % n + 1
end

local function arguments(n, first)
  local args = { n = n }
  for i = 1, n do args[i] = makers[i == 1 and first or draw(#makers)]() end
  return args
end

local function check(name, f, args)
  local ok, message = pcall(f, table.unpack(args, 1, args.n))
  if ok then return end
  local rest = type(message) == "string" and message:match("^spec/tensor/fuzz_spec.lua:%d+: (.*)$")
  if not rest or rest:find("\n") or #rest > 400 then
    local shown = {}
    for i = 1, args.n do
      local a = args[i]
      shown[i] = torus.is_tensor(a) and "tensor" or tostring(a)
    end
    error(("%s(%s) raised: %s"):format(name, table.concat(shown, ", "), tostring(message)), 0)
  end
end

local function try(name, f)
  for first = 1, #makers do
    check(name, f, arguments(1, first))
    for _ = 1, 6 do check(name, f, arguments(2, first)) end
    for _ = 1, 6 do check(name, f, arguments(3, first)) end
    check(name, f, arguments(4, first))
    check(name, f, arguments(5, first))
  end
  check(name, f, { n = 0 })
end

-- Those that write files, or call what they are given.
local apart = { save = true, load = true, no_grad = true, enable_grad = true }

describe("misuse of", function()
  local functions, names = {}, {}
  for _, from in ipairs { torus, core.methods, debug.getmetatable(torus.generator(1)).__index } do
    for name, f in pairs(from) do
      if type(f) == "function" and not apart[name] and not functions[f] then
        functions[f] = name
        names[#names + 1] = { name, f }
      end
    end
  end
  table.sort(names, function(a, b) return a[1] < b[1] end)

  local threads, seed, position
  setup(function()
    threads = torus.threads()
    seed, position = torus.random_state()
  end)
  teardown(function()
    torus.set_threads(threads)
    torus.set_random_state(seed, position)
  end)

  for _, entry in ipairs(names) do
    it(entry[1] .. " raises one message at the caller's line", function()
      try(entry[1], entry[2])
      assert.is_true(torus.is_recording())
    end)
  end

  it("operators and indexing raises one message at the caller's line", function()
    local uses = {
      add = function(x, y) return x + y end, sub = function(x, y) return x - y end,
      mul = function(x, y) return x * y end, div = function(x, y) return x / y end,
      pow = function(x, y) return x ^ y end, neg = function(x) return -x end,
      lt = function(x, y) return x < y end, le = function(x, y) return x <= y end,
      eq = function(x, y) return x == y end, len = function(x) return #x end,
      index = function(x, i) return x[i] end,
      newindex = function(x, i, v) if type(x) == "userdata" then x[i] = v end end,
      range = function(x, a, b) return x[{ { a, b } }] end,
      field = function(x, v) if torus.is_tensor(x) then x.grad = v end end,
      requires = function(x, v) if torus.is_tensor(x) then x.requires_grad = v end end,
      string = function(x) return tostring(x) end,
      close = function(x) if torus.is_tensor(x) then local y <close> = x return #y end end,
    }
    for name, f in pairs(uses) do
      for _, first in ipairs { 32, 33, 34, 35, 36, 37, 38, 40, 41, 42, 43, 44, 45, 46 } do
        for _ = 1, 60 do check(name, f, arguments(3, first)) end
      end
    end
  end)

  it("options by metamethods is not possible: they are read raw", function()
    local x = torus.ones({ 3 }, { requires_grad = true })
    local y = (x * 2):sum()
    local trap = { __index = function() x:release() y:release() end, __len = error }
    assert.same({}, torus.sum(x, setmetatable({ dim = 1 }, trap)).shape)
    assert.same({ 2, 2, 2 }, torus.grad(y, x, setmetatable({}, trap)):totable())
    assert.same({ 2 }, torus.zeros(setmetatable({ 2 }, trap), setmetatable({}, trap)).shape)
    assert.same({ 1 }, torus.tensor(setmetatable({ 1 }, trap)):totable())
    assert.equal(1, x[setmetatable({ 1 }, trap)]:item())
    assert.equal(3, torus.cat(setmetatable({ x }, trap)):numel())
  end)

  it("no_grad passes on what a function raises", function()
    for _, f in ipairs { torus.no_grad, torus.enable_grad } do
      assert.has_error(function() f(error, { "any value" }) end, { "any value" })
      assert.equal(3, f(setmetatable({}, { __call = function(_, x) return x end }), 3))
      for _, maker in ipairs(makers) do
        local value = maker()
        if type(value) ~= "function" then check("no_grad", f, { value, n = 1 }) end
      end
    end
    assert.is_true(torus.is_recording())
  end)
end)
