-- Values and first gradients of the operations next to PyTorch's, stored by
-- spec/support/operations_torch.py: in both floating dtypes and all layouts.
local torus = require "torus"
local core = require "torus.core"
local json = require "torus.json"

local arrays, about = torus.load("data/reference/operations.safetensors")
local calls, counts = json.decode(about.args), json.decode(about.count)

-- Compared with figures elsewhere: linear algebra and Fourier transforms in
-- linalg_spec and fft_spec, the decoder as a part of models in nn/reference_spec and
-- models/decoder_spec; interpolation, which needs ascending positions, in
-- tensor/sampled_spec.
local ELSEWHERE = { interp = true, decoder_error = true, allclose = true, fft = true, ifft = true,
  rfft = true, irfft = true }
for name in pairs(select(2, torus.load("data/reference/linalg.safetensors"))) do
  ELSEWHERE[name] = true
end

-- float32: its rounding, and a few more of intermediate results; of the gradient
-- of a norm with p = -2 some tens.
local TOLERANCE = { float64 = 2e-12, float32 = 2e-5 }
-- PyTorch's first derivative of digamma is right to 5e-10 only.
local PYTORCH = { digamma = 1e-9, polygamma = 1e-9 }

local layouts = {
  contiguous = function(x) return x end,
  transposed = function(x)
    return x:dim() > 1 and x:transpose(1, -1):copy():transpose(1, -1) or nil
  end,
  strided = function(x)
    if x:dim() == 0 or x:numel() == 0 then return nil end
    local shape, range = x.shape, {}
    for d = 1, #shape do range[d] = {} end
    range[#range] = { 2, 2 * shape[#shape], 2 }
    shape[#shape] = 2 * shape[#shape] + 1
    return torus.zeros(shape, { dtype = x.dtype })[range]:copy_(x)
  end,
}

-- The inputs of a case in a dtype and layout; nil where none has the layout.
local function inputs_of(key, dtype, layout)
  local list, leaves, changed = {}, {}, layout == "contiguous"
  for i = 1, math.huge do
    local x = arrays[key .. ".x" .. i]
    if not x then break end
    local float = x.dtype == "float32"
    if float then x = x:to(dtype) end
    local view = layouts[layout](x)
    changed = changed or view ~= nil
    list[i] = (view or x):detach()
    if float then
      list[i].requires_grad = true
      leaves[#leaves + 1] = list[i]
    end
  end
  return changed and list or nil, leaves
end

local function compare(expected, got, dtype, name)
  if table.concat(expected.shape, ",") ~= table.concat(got.shape, ",") then
    error(("%s has shape (%s), expected (%s)"):format(name, table.concat(got.shape, ","),
      table.concat(expected.shape, ",")))
  end
  if not expected.dtype:find("^float") then assert.equal(expected.dtype, got.dtype, name) end
  if expected:numel() == 0 then return end
  expected = expected:to("float64")
  local difference = (got:to("float64") - expected):abs() / expected:abs():maximum(1)
  local largest = difference:max():item()
  if expected:isfinite():to("float64"):min():item() == 0 then
    assert.is_true(torus.allclose(got, expected, { equal_nan = true }), name)
    return
  end
  local allowed = math.max(TOLERANCE[dtype], PYTORCH[name:match("^[%w_]+")] or 0)
  if not (largest <= allowed) then
    error(("%s is off by %.3g: %s, expected %s"):format(name, largest, got, expected))
  end
end

-- Inputs q and p, then the parameters of the networks that are described.
local function call_networks(f, given, list)
  local args, at = {}, 3
  for k, v in pairs(given) do args[k] = v end
  args.networks = {}
  for i, network in ipairs(given.networks) do
    args.networks[i] = { kind = network.kind, activation = network.activation,
      layers = network.layers, readout_bias = network.readout_bias,
      parameters = table.move(list, at, at + network.count - 1, 1, {}) }
    at = at + network.count
  end
  return f(list[1], list[2], args)
end

-- Functions that take more than the operation of their name.
local WRAPPED = { bincount = true, searchsorted = true }

local function call(name, key, list)
  if name == "index" then return list[1][list[2]] end
  local args = calls[key].args
  if type(args[1]) == "table" and args[1].networks then
    return call_networks(core.ops[name], args[1], list)
  end
  if calls[key].list then list = { list } end
  local f = not WRAPPED[name] and core.ops[name] or torus[name]
  if name == "einsum" then return torus.einsum(args[1], table.unpack(list)) end
  local all = table.move(args, 1, #args, #list + 1, { table.unpack(list) })
  if name == "split" or name == "unbind" then return table.unpack(f(table.unpack(all))) end
  return f(table.unpack(all))
end

local function run(name, number, dtype, layout)
  local key = ("%s.%d"):format(name, number)
  local list, leaves = inputs_of(key, dtype, layout)
  if not list then return false end
  local label = ("%s, case %d, %s, %s"):format(name, number, dtype, layout)
  local results, loss = { call(name, key, list) }, nil
  for i, y in ipairs(results) do
    compare(arrays[key .. ".y" .. i], y, dtype, label .. ": result " .. i)
    local g = arrays[key .. ".g" .. i]
    if g and y.requires_grad then
      local part = (y * g:to(y.dtype)):sum()
      loss = loss and loss + part or part
    end
  end
  assert.is_nil(arrays[key .. ".y" .. #results + 1], label)
  if arrays[key .. ".d1"] then
    -- PyTorch has gradients 0 of what is locally constant.
    local found = loss and torus.grad(loss, leaves, { allow_unused = true }) or {}
    for i, x in ipairs(leaves) do
      compare(arrays[key .. ".d" .. i], found[i] or torus.zeros_like(x), dtype,
        label .. ": gradient " .. i)
    end
  end
  return true
end

describe("next to PyTorch", function()
  it("are figures of every operation and function", function()
    local names = {}
    for _, op in ipairs(torus.registry()) do names[#names + 1] = op.name end
    for _, part in ipairs { "selection", "statistics", "products", "sampled",
      "einsum" } do
      for name in pairs(require("torus." .. part)) do names[#names + 1] = name end
    end
    local missing = {}
    for _, name in ipairs(names) do
      if not counts[name] and not ELSEWHERE[name] then missing[#missing + 1] = name end
    end
    assert.equal("", table.concat(missing, " "),
      "give them a line in spec/support/operations_torch.py and run it")
  end)

  for name, count in pairs(counts) do
    if name == "index" or core.ops[name] or torus[name] then
      it(name .. " has the same values and gradients", function()
        local runs = 0
        for number = 1, count do
          for _, dtype in ipairs { "float64", "float32" } do
            for layout in pairs(layouts) do
              if run(name, number, dtype, layout) then runs = runs + 1 end
            end
          end
        end
        assert.is_true(runs >= count)
      end)
    end
  end
end)
