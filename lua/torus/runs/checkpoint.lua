--- Checkpoints: a safetensors file with the weights under their own names, the moments of
-- Adam under `adam.first.` and `adam.second.`, and everything else, exactly, in the
-- metadata: `adam_steps`, `adam_counts` if parameters have taken fewer steps than that, and
-- so on. For other optimisers the result of state() is stored: tensors under
-- `optimiser.KEY`, or `optimiser.KEY.I` for lists, numbers in the metadata in the same way,
-- and the optimiser's name in `optimiser`, which is missing for Adam.
-- @module torus.runs.checkpoint
local json = require "dkjson"
local options = require "torus.options"
local signature = require "torus.signature"
local read_json = require "torus.json"
local safetensors = require "torus.safetensors"

local M = {}

local FORMAT = "torus checkpoint 1"

-- Floats are written as hexadecimal text, which preserves every bit.
local function exact(value)
  if math.type(value) == "integer" then return tostring(value) end
  return string.format("%a", value)
end

-- The keys are sorted, so that equal states result in equal files.
local function encode_numbers(numbers)
  local texts = {}
  for key, value in pairs(numbers) do texts[key] = exact(value) end
  return json.encode(texts, { keyorder = options.sorted_keys(texts) })
end

local function decode_numbers(text)
  local texts = read_json.decode(text)
  if type(texts) ~= "table" then return nil end
  local numbers = {}
  for key, value in pairs(texts) do
    -- Decimal text is an integer, hexadecimal text a float.
    numbers[key] = tonumber(value)
    if not numbers[key] then return nil end
  end
  return numbers
end

-- The step counts, by name, of parameters that did not have a gradient in every step.
local function fewer_steps(moments, parameters)
  local fewer = {}
  for i, entry in ipairs(parameters) do
    local count = moments.counts[i]
    if count ~= moments.steps then fewer[entry[1]] = count end
  end
  return next(fewer) and encode_numbers(fewer) or nil
end

local function is_adam(optimiser) return rawget(optimiser, "first") ~= nil end

-- The state of an optimiser other than Adam: its tensors by name, and its numbers.
local function flat_state(optimiser)
  local tensors, numbers = {}, {}
  local function add(key, value)
    if type(value) == "number" then numbers[key] = value else tensors[key] = value end
  end
  for key, value in pairs(optimiser:state()) do
    if type(value) == "table" then
      for i, entry in ipairs(value) do add(key .. "." .. i, entry) end
    else
      add(key, value)
    end
  end
  return tensors, numbers
end

-- The inverse of flat_state: keys with a number become entries of a list.
local function nested(flat, state)
  for name, value in pairs(flat) do
    local key, i = name:match("^(.*)%.(%d+)$")
    if key then
      state[key] = state[key] or {}
      state[key][math.tointeger(tonumber(i))] = value
    else
      state[name] = value
    end
  end
  return state
end

--- Writes a checkpoint, atomically.
-- @tparam string path
-- @tparam table state
-- @tparam {{string,tensor},...} state.parameters
-- @tparam[opt] {{string,tensor},...} state.buffers as returned by named_buffers
-- @tparam[opt] Optimiser state.optimiser of torus.optim
-- @tparam integer state.step
-- @tparam string state.config text of the configuration
-- @tparam[opt] {[string]=number} state.numbers all other state
-- @treturn ?boolean true
-- @treturn ?string message
-- @usage
-- net = torus.nn.Linear(2, 1)
-- adam = torus.optim.adam(net:parameters())
-- assert(torus.runs.checkpoint.save("net.safetensors", {
--   parameters = net:named_parameters(), optimiser = adam, step = 5,
--   config = "{}", numbers = { multiplier = 1.5 } }))
function M.save(path, state)
  signature.fields("checkpoint.save", state, "parameters: {{string,tensor},...}, "
    .. "buffers?: {{string,tensor},...}, optimiser?: Optimiser, step: integer, "
    .. "config: string, numbers?: {[string]=number}")
  if state.optimiser and #state.optimiser.params ~= #state.parameters then
    options.raise("checkpoint.save: optimiser: expected an optimiser of the %d parameters, "
      .. "got one of %d", #state.parameters, #state.optimiser.params)
  end
  local tensors, other, numbers, moments = {}, nil, nil, nil
  if state.optimiser and is_adam(state.optimiser) then
    moments = state.optimiser:state()
    if state.optimiser.name ~= "adam" then other = state.optimiser.name end
  elseif state.optimiser then
    local kept
    other = state.optimiser.name
    kept, numbers = flat_state(state.optimiser)
    for key, value in pairs(kept) do tensors["optimiser." .. key] = value end
  end
  for _, entry in ipairs(state.buffers or {}) do tensors[entry[1]] = entry[2] end
  for i, entry in ipairs(state.parameters) do
    tensors[entry[1]] = entry[2]
    if moments then
      tensors["adam.first." .. entry[1]] = moments.first[i]
      tensors["adam.second." .. entry[1]] = moments.second[i]
    end
  end
  return safetensors.save(path, tensors, {
    format = FORMAT,
    step = exact(state.step),
    adam_steps = moments and exact(moments.steps) or nil,
    adam_counts = moments and fewer_steps(moments, state.parameters) or nil,
    optimiser = other,
    optimiser_numbers = numbers and encode_numbers(numbers),
    config = state.config,
    numbers = encode_numbers(state.numbers or {}),
  })
end

-- Converts a text to a number of steps, or nil.
local function count_of(text)
  local count = math.tointeger(tonumber(text))
  return count and count >= 0 and count or nil
end

--- Reads a checkpoint.
-- @tparam string path
-- @treturn ?table tensors (by name), step, adam_steps, adam_counts, optimiser,
-- optimiser_numbers, config, numbers
-- @treturn ?string message
-- @usage
-- net = torus.nn.Linear(2, 1)
-- adam = torus.optim.adam(net:parameters())
-- assert(torus.runs.checkpoint.save("net.safetensors", {
--   parameters = net:named_parameters(), optimiser = adam, step = 5,
--   config = "{}", numbers = { multiplier = 1.5 } }))
-- stored = assert(torus.runs.checkpoint.load("net.safetensors"))
-- print(stored.step, stored.numbers.multiplier)   -- 5  1.5
function M.load(path)
  local tensors, metadata = safetensors.load(path)
  if not tensors then return nil, metadata end
  if metadata.format ~= FORMAT then
    return nil, string.format("%s: expected a %s, got a file of format %s",
      path, FORMAT, metadata.format or "unknown")
  end
  local numbers = decode_numbers(metadata.numbers or "")
  local counts = decode_numbers(metadata.adam_counts or "{}")
  local kept = decode_numbers(metadata.optimiser_numbers or "{}")
  local step = count_of(metadata.step)
  if not metadata.config or not numbers or not counts or not kept or not step then
    return nil, path .. ": expected config, step and numbers in the metadata, "
      .. "got damaged text"
  end
  return { tensors = tensors, step = step, config = metadata.config,
    numbers = numbers, optimiser = metadata.optimiser, optimiser_numbers = kept,
    adam_steps = count_of(metadata.adam_steps), adam_counts = counts }
end

-- The part of a table of tensors whose names start with a prefix.
local function below(tensors, prefix)
  local found = {}
  for name, tensor in pairs(tensors) do
    if name:sub(1, #prefix) == prefix then
      found[name:sub(#prefix + 1)] = tensor
    end
  end
  return found
end

--- Returns the weights of a checkpoint, without the optimiser's tensors and without
-- the parameters of the training itself, whose names begin with "task.".
-- @tparam table checkpoint as returned by load
-- @treturn {[string]=tensor}
-- @usage
-- net = torus.nn.Linear(2, 1)
-- adam = torus.optim.adam(net:parameters())
-- assert(torus.runs.checkpoint.save("net.safetensors", {
--   parameters = net:named_parameters(), optimiser = adam, step = 5,
--   config = "{}", numbers = { multiplier = 1.5 } }))
-- stored = assert(torus.runs.checkpoint.load("net.safetensors"))
-- assert(net:load_parameters(torus.runs.checkpoint.weights(stored)))
function M.weights(checkpoint)
  signature.fields("checkpoint.weights", checkpoint, "tensors: {[string]=tensor}")
  local found = {}
  for name, tensor in pairs(checkpoint.tensors) do
    if not name:match("^adam%.") and not name:match("^optimiser%.")
      and not name:match("^task%.") then
      found[name] = tensor
    end
  end
  return found
end

local function moments_of(checkpoint, order, parameters)
  local stored = below(checkpoint.tensors, "adam." .. order .. ".")
  local list = {}
  for i, entry in ipairs(parameters) do
    local tensor = stored[entry[1]]
    if not tensor
      or options.shape_text(tensor) ~= options.shape_text(entry[2])
      or tensor.dtype ~= entry[2].dtype then
      return nil, string.format("expected moments of %s: %s, got %s",
        entry[1], options.show(entry[2]), options.show(tensor))
    end
    list[i] = tensor
  end
  return list
end

-- Restores an optimiser other than Adam, which checks shapes and numbers itself.
local function restore_other(checkpoint, optimiser)
  local state = nested(below(checkpoint.tensors, "optimiser."),
    nested(checkpoint.optimiser_numbers, {}))
  local ok, problem = pcall(optimiser.load_state, optimiser, state)
  if ok then return true end
  return nil, "expected a state that fits " .. optimiser.name .. ", got another: "
    .. tostring(problem):gsub("^[^:]*:%d+: ", "")
end

--- Restores the state of an optimiser.
-- @tparam table checkpoint as returned by load
-- @tparam Optimiser optimiser of torus.optim, of the same type
-- @tparam {{string,tensor},...} parameters in the optimiser's order
-- @treturn ?boolean true
-- @treturn ?string message
-- @usage
-- net = torus.nn.Linear(2, 1)
-- adam = torus.optim.adam(net:parameters())
-- assert(torus.runs.checkpoint.save("net.safetensors", {
--   parameters = net:named_parameters(), optimiser = adam, step = 5,
--   config = "{}", numbers = { multiplier = 1.5 } }))
-- stored = assert(torus.runs.checkpoint.load("net.safetensors"))
-- assert(torus.runs.checkpoint.restore_optimiser(stored, adam,
--   net:named_parameters()))
function M.restore_optimiser(checkpoint, optimiser, parameters)
  signature.fields("checkpoint.restore_optimiser", checkpoint,
    "tensors: {[string]=tensor}, adam_steps?: integer, adam_counts: {[string]=number}")
  -- AdamW's name was not always stored.
  local expected = optimiser.name
  local got = checkpoint.optimiser or is_adam(optimiser) and expected or "adam"
  if expected ~= got then
    return nil, string.format("expected the state of %s, got that of %s",
      optimiser.name, got)
  end
  if not is_adam(optimiser) then return restore_other(checkpoint, optimiser) end
  local first, message = moments_of(checkpoint, "first", parameters)
  if not first then return nil, message end
  local second
  second, message = moments_of(checkpoint, "second", parameters)
  if not second then return nil, message end
  local steps, counts = checkpoint.adam_steps, {}
  if not steps then
    return nil, "expected nonnegative adam_steps in the metadata, got none"
  end
  for i, entry in ipairs(parameters) do
    counts[i] = checkpoint.adam_counts[entry[1]] or steps
    if math.type(counts[i]) ~= "integer" or counts[i] < 0
      or counts[i] > steps then
      return nil, string.format("expected adam_counts of %s from 0 to %d in the "
        .. "metadata, got %s", entry[1], steps, tostring(counts[i]))
    end
  end
  optimiser:load_state { first = first, second = second, steps = steps,
    counts = counts }
  return true
end

signature.functions("checkpoint", M, {
  save = "path: path, state: table", load = "path: path",
  weights = "checkpoint: table",
  restore_optimiser = "checkpoint: table, optimiser: Optimiser, "
    .. "parameters: {{string,tensor},...}",
})

return M
