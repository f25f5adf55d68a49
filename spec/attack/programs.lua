--- Random programs in torus, compared with what PyTorch made of them: values and
-- first gradients, in float64.
--
--   spec/attack/lua.sh spec/attack/programs.lua [PROGRAMS [SEED]]
--
-- programs_torch.py writes the programs; data/reference/programs.* are 500 of them.
local json = require "torus.json"
local torus = require "torus"

local M = {}

-- Operations that are defined near their singular points by what is put in.
local function positive(x) return x * x + 0.5 end
local functions = {
  log = function(x) return positive(x):log() end,
  sqrt = function(x) return positive(x):sqrt() end,
  log1p = function(x) return (x * x):log1p() end,
  reciprocal = function(x) return positive(x):reciprocal() end,
  leaky_relu = function(x) return x:leaky_relu(0.2) end,
  clamp = function(x) return x:clamp(-0.5, 1) end,
  div = function(x, y) return x / positive(y) end,
  pow = function(x, y) return positive(x) ^ y end,
  where = function(x, y) return torus.where(x:gt(y), x, y * 2) end,
  cat = function(x, dim) return torus.cat({ x, x * 2 }, dim) end,
}
-- How many of a step's numbers are values of earlier steps; one, otherwise.
local OPERANDS = { add = 2, sub = 2, mul = 2, div = 2, pow = 2, maximum = 2,
  minimum = 2, where = 2, matmul = 2 }

local function evaluate(program, inputs)
  local values = table.move(inputs, 1, #inputs, 1, {})
  for _, step in ipairs(program.steps) do
    local name, args = step[1], {}
    for i = 2, #step do
      args[i - 1] = i - 1 <= (OPERANDS[name] or 1) and values[step[i] + 1] or step[i]
      if type(args[i - 1]) == "table" then setmetatable(args[i - 1], nil) end
    end
    values[#values + 1] = (functions[name] or torus[name])(table.unpack(args, 1, #step - 1))
  end
  return values[#values]
end

local function gradients_of(y, inputs)
  local weights = torus.linspace(1, y:numel(), y:numel(), { dtype = "float64" }):sin()
  local loss = (y:reshape { y:numel() } * weights):sum()
  if not loss.requires_grad then
    local zeros = {}
    for i, x in ipairs(inputs) do zeros[i] = torus.zeros_like(x) end
    return zeros
  end
  return torus.grad(loss, inputs, { allow_unused = true })
end

-- The largest difference in units of 1 + |value|.
local function difference(got, wanted)
  if wanted:numel() == 0 then return 0 end
  local worst = ((got - wanted):abs() / (wanted:abs() + 1)):max():item()
  return worst == worst and worst or math.huge
end

local function count_of(shape)
  local n = 1
  for _, size in ipairs(shape) do n = n * size end
  return n
end

-- Steps that amplify the rounding of a value near 1e4 stay far below this; a
-- wrong formula does not. What a sign or a floor makes of a rounding does not
-- either: PyTorch 2.15 has sqrt(0.5) one unit below the nearest number, and so
-- sign(log(sqrt(0.5)^2 + 0.5)) = -1 instead of 0.
local TOLERANCE = 1e-9

local function compare(program, take)
  local inputs = {}
  for i, shape in ipairs(program.inputs) do
    inputs[i] = torus.variable(take(shape))
  end
  local y = evaluate(program, inputs)
  local wanted = take(program.shape)
  if table.concat(y.shape, ",") ~= table.concat(wanted.shape, ",") then
    return "another shape"
  end
  local problem = difference(y:detach(), wanted) > TOLERANCE and "another value"
  for i, gradient in ipairs(gradients_of(y, inputs)) do
    local stored = take(program.inputs[i])
    if difference(gradient or torus.zeros_like(stored), stored) > TOLERANCE then
      problem = problem or "another gradient of input " .. i
    end
  end
  return problem
end

local function text_of(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

--- Runs the programs of a file.
-- @tparam string path without its .json and .safetensors
-- @treturn integer how many there are
-- @treturn {string,...} what differs
function M.run(path)
  local programs = assert(json.decode(text_of(path .. ".json")))
  local numbers = assert(torus.load(path .. ".safetensors")).numbers
  local at, faults = 1, {}
  for number, program in ipairs(programs) do
    local first = at
    local total = count_of(program.shape)
    for _, shape in ipairs(program.inputs) do total = total + 2 * count_of(shape) end
    local ok, problem = pcall(compare, program, function(shape)
      local n = count_of(shape)
      at = at + n
      return numbers:narrow(1, at - n, n):reshape(setmetatable(shape, nil)):copy()
    end)
    at = first + total
    if problem then
      local steps = {}
      for i, step in ipairs(program.steps) do steps[i] = step[1] end
      faults[#faults + 1] = ("program %d: %s%s (%s)"):format(number,
        ok and "" or "raises ", problem, table.concat(steps, " "))
    end
  end
  return #programs, faults
end

-- PyTorch takes as long to load as to run a thousand programs.
local BATCH = 6000

if arg and arg[0] and arg[0]:find "programs%.lua$" then
  local wanted, seed = tonumber(arg[1] or 1000), tonumber(arg[2] or 1)
  local base, done, faults = os.tmpname(), 0, 0
  while done < wanted do
    local count = math.min(BATCH, wanted - done)
    assert(os.execute(("%s spec/attack/programs_torch.py %d %d %s >%s")
      :format(os.getenv "PYTHON" or "/usr/bin/python3", count, seed, base, base)))
    local ran, found = M.run(base)
    for _, text in ipairs(found) do print(("seed %d, %s"):format(seed, text)) end
    done, faults, seed = done + ran, faults + #found, seed + 1
  end
  for _, ending in ipairs { "", ".json", ".safetensors" } do os.remove(base .. ending) end
  print(("%d programs, %d differ"):format(done, faults))
  os.exit(faults == 0, true)
end

return M
