--- The configuration of a training run: one flat table of plain values, what
-- each may be, presets, and changes from a command line.
-- @module torus.train.config
local common = require "torus.train.common"
local json = require "dkjson"
local hgn = require "torus.models.hgn"
local kinds = require "torus.train.kinds"
local options = require "torus.options"
local read_json = require "torus.json"
local render = require "torus.systems.render"
local sequences = require "torus.train.sequences"

local M = {}

-- What a run needs beside its model and what torus.train.common has. `data` is
-- a folder or a .npy file and takes the place of `system`, which then names the
-- folder's where that is the user's own; noise and sizes are by default the
-- data's own. A `tolerance`, of errors beyond the frames' noise floor, makes
-- GECO adapt the multiplier of the error.
local TRAINING = {
  model = { default = "hgn", choices = { "hgn" } },
  system = { type = "string" },
  data = { type = "string" },
  noise = { type = "number", min = 0 },
  train_size = { type = "integer", min = 1 },
  test_size = { type = "integer", min = 1 },
  data_seed = { type = "integer", min = 0 },
  batch = { default = 16, type = "integer", min = 1 },
  steps = { default = 10000, type = "integer", min = 0 },
  lr = { default = 1.5e-4, type = "number", min = 0 },
  kl_weight = { default = 1, type = "number", min = 0 },
  kl_warmup = { default = 0, type = "integer", min = 0 },
  multiplier = { default = 1, type = "number", above = 0 },
  tolerance = { type = "number", min = 0 },
  geco_rate = { default = 1, type = "number", min = 0 },
  geco_bound = { default = 0.02, type = "number", min = 0 },
  geco_decay = { default = 0.99, type = "number", min = 0, max = 1 },
  multiplier_max = { default = 1e6, type = "number", above = 0 },
  chunk = { default = 4, type = "integer", min = 1 },
  decode_frames = { type = "integer", min = 1 },
  horizon_start = { default = 2, type = "integer", min = 0 },
  horizon_steps = { default = 0, type = "integer", min = 0 },
  evaluate_count = { default = 64, type = "integer", min = 1 },
}

--- Every key of a run's configuration with its rule, as in torus.options.
M.rules = common.rules(hgn.rules, TRAINING)
M.model_rules = hgn.rules

local GREY = render.grey

-- Found by experiments:
-- - With PyTorch's usual first weights the second derivatives of K and V are
--   about 1e-6, so nothing moves and a rollout's gradients say nothing.
--   `energy_gain` makes the untrained latent state swing about as fast as a
--   pendulum does, see torus.models.parts.energy for `energy_init`.
-- - A horizon that grows lets the model find the picture, then the motion.
-- - A disc is a small part of a frame: `input_gain`.
-- - Without the decoder's skips the picture is found in half the steps.
local LEARNS = { skip = false, background = GREY, init = "kaiming",
  input_gain = 8, energy_init = "oscillator", energy_gain = 4.3, lr = 1e-3,
  warmup = 30, lr_decay = "cosine", horizon_start = 3, horizon_steps = 600,
  kl_warmup = 1000, max_gradient = 0.02 }

-- Half as wide as the paper's model, and with four of the frames decoded at a
-- step.
local SMALL = options.joined(LEARNS, { width = 32, decode_frames = 4 })

--- A divergence that weighs nearly what it does in the evidence lower bound of
-- a whole sequence whose pixels have unit variance (2 / 31; eq. (4) takes the
-- mean over frames, whose weight empties the latent before the decoder can use
-- it), and few latent numbers. The paper's 768 say what a few could, so they
-- are far from independent, and samples of the prior are no frames. Four numbers
-- instead of a map of one channel, 1,800 steps: a sampled frame's error against
-- the nearest real one (median) is 9e-4 instead of 54e-4 for a pendulum and
-- 35e-4 instead of 168e-4 for three bodies, with 16 and 13 nats instead of 39
-- and 33, and reconstructions as good. With 12 numbers it was as with the map.
M.generative = { kl_weight = 6e-2, posterior_logvar = 0, latent = "vector",
  z = 4 }

--- Named changes to the defaults. `full` is of the paper's sizes and adapts the
-- error's weight by GECO; `small` is half as wide, with a latent to sample from;
-- `sharp` is `small` with the paper's latent, little weight on the
-- divergence and a posterior that is narrow from the start: it can't be sampled
-- from, but learns what it sees faster; `demo` is the training of
-- scripts/demo.lua: `small` on noise-free frames, in 1,600 steps.
M.presets = {
  full = options.joined(LEARNS, { kl_weight = M.generative.kl_weight,
    tolerance = 4e-4, geco_rate = 20, multiplier_max = 10 }),
  small = options.joined(SMALL, M.generative, { steps = 10000 }),
  sharp = options.joined(SMALL, { kl_weight = 5e-4, posterior_logvar = -5,
    steps = 10000 }),
  demo = options.joined(SMALL, M.generative, { steps = 1600, noise = 0,
    train_size = 4000, test_size = 256, save_every = 200,
    evaluate_every = 200 }),
}

--- Fills in what is simulated where nothing is said.
-- @tparam table config
function M.complete(config)
  if config.data then return end
  config.system = config.system or "mass_spring"
  config.data_seed = config.data_seed or 0
end

-- What may be said about a kind of model; HGN's is what M holds itself.
local function declared(model)
  if (model or "hgn") == "hgn" then return M end
  local task, message = kinds.task(model)
  if not task then return nil, message end
  return task
end

--- The rules of a kind of model, as in torus.options.
-- @tparam[opt="hgn"] string model
-- @treturn ?table
-- @treturn ?string message
function M.rules_of(model)
  local kind, message = declared(model)
  if not kind then return nil, message end
  return kind.rules
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

--- The names of the presets, sorted.
-- @tparam[opt="hgn"] string model
function M.preset_names(model)
  local kind, message = declared(model)
  if not kind then options.raise("config: " .. message) end
  return sorted_keys(kind.presets)
end

local BOOLEANS = { ["true"] = true, ["false"] = false }

-- Text as the type that a rule asks for. A rule without a type has choices,
-- which are strings.
local function parse(text, rule)
  local kind = rule.type
  if kind == "boolean" then return BOOLEANS[text] end
  if kind == "integer" or kind == "number" then return tonumber(text) end
  if kind == "table" then
    local list = {}
    for item in text:gmatch("[^,%s]+") do
      local number = tonumber(item)
      if not number then return nil end
      list[#list + 1] = number
    end
    return #list > 0 and list or nil
  end
  return text
end

local EXPECTED = { boolean = "a boolean", integer = "an integer",
  number = "a number", table = "numbers with commas between them" }

-- JSON has no infinity.
local function is_finite(value)
  if type(value) == "table" then
    for _, item in pairs(value) do
      if not is_finite(item) then return false end
    end
  end
  return type(value) ~= "number" or math.abs(value) < math.huge
end

--- Reads one change of the form key=value.
-- @tparam string text
-- @tparam[opt="hgn"] string model whose key it is
-- @treturn ?string key
-- @return value of the key's type, or the message when key is nil
function M.parse_override(text, model)
  local rules, unknown = M.rules_of(model)
  if not rules then return nil, unknown end
  local key, value = text:match("^([%w_]+)=(.*)$")
  if not key then
    return nil, string.format("expected key=value, got %q", text)
  end
  local rule = rules[key]
  if not rule then
    return nil, string.format("unknown key %q (known: %s)", key,
      table.concat(sorted_keys(rules), ", "))
  end
  local parsed = parse(value, rule)
  if parsed == nil or not is_finite(parsed) then
    return nil, string.format("%s: expected %s, got %q", key,
      EXPECTED[rule.type], value)
  end
  local problem, checked = options.check(parsed, rule)
  if problem then return nil, key .. ": " .. problem end
  return key, checked
end

--- A full configuration: the defaults, a preset, then changes.
-- @tparam ?string preset
-- @tparam ?{[string]=any} changes
-- @treturn ?table
-- @treturn ?string message
function M.make(preset, changes)
  changes = options.argument("config", "the changes", changes or {},
    { type = "table" })
  local kind, unknown = declared(changes.model)
  if not kind then return nil, unknown end
  local values = preset and kind.presets[preset] or {}
  if preset and not kind.presets[preset] then
    return nil, string.format("unknown preset %q (known: %s)", preset,
      table.concat(M.preset_names(changes.model), ", "))
  end
  local given = {}
  for key, value in pairs(values) do
    if not (changes.data and sequences.simulated_only[key]) then
      given[key] = value
    end
  end
  for key, value in pairs(changes) do given[key] = value end
  -- Without f_psi it is the state that says what the latent is.
  if given.variant == "no_fpsi" then
    given.z, given.latent = changes.z, changes.latent
  end
  local ok, result = pcall(options.resolve, "config", given, kind.rules)
  if not ok then return nil, (tostring(result):gsub("^[^:]+:%d+: ", "")) end
  for _, key in ipairs(sorted_keys(result)) do
    if not is_finite(result[key]) then
      return nil, "config: option \"" .. key .. "\" is not finite"
    end
  end
  local wrong = kind.complete(result, given)
  if wrong then return nil, wrong end
  return result
end

-- The shortest decimal text that reads back as the same number.
local function exact(value)
  if math.type(value) == "integer" then return tostring(value) end
  for digits = 15, 17 do
    local text = string.format("%." .. digits .. "g", value)
    if tonumber(text) == value then return text end
  end
end

local function encode_value(value)
  if type(value) == "number" then return exact(value) end
  if type(value) ~= "table" then return json.encode(value) end
  local items = {}
  for i, item in ipairs(value) do items[i] = encode_value(item) end
  return "[" .. table.concat(items, ", ") .. "]"
end

--- A configuration as JSON: keys in order, numbers exact.
-- @tparam table config plain values and lists of them
-- @treturn string
function M.encode(config)
  local lines = {}
  for i, key in ipairs(sorted_keys(config)) do
    lines[i] = string.format("  %s: %s", json.encode(key),
      encode_value(config[key]))
  end
  return "{\n" .. table.concat(lines, ",\n") .. "\n}\n"
end

-- What a run has started from beside its model: whoever changes it wants another
-- run.
local STARTED_FROM = { "model", "seed", "system", "data", "target", "noise",
  "train_size", "test_size", "data_seed", "frames", "dt", "centre", "modes",
  "radius", "std", "trajectories", "points", "span", "test_share",
  "derivatives", "start" }

--- What is wrong with going on with another configuration, or nil: a run's
-- model and data stay what they are.
-- @tparam table earlier the run's configuration
-- @tparam table config that it is to go on with
-- @treturn ?string message
function M.conflict(earlier, config)
  local fixed = sorted_keys(declared(earlier.model).model_rules)
  table.move(STARTED_FROM, 1, #STARTED_FROM, #fixed + 1, fixed)
  local function show(value)
    return value == nil and "nothing" or encode_value(value)
  end
  for _, key in ipairs(fixed) do
    local before, after = show(earlier[key]), show(config[key])
    if before ~= after then
      return string.format("its %s is %s and can't become %s: that takes "
        .. "another run", key, before, after)
    end
  end
end

--- The contrary of encode, checked like any other configuration.
-- @tparam string text
-- @treturn ?table
-- @treturn ?string message
function M.decode(text)
  local given, message = read_json.decode(text)
  if type(given) ~= "table" then
    return nil, "the configuration is damaged: " .. tostring(message)
  end
  return M.make(nil, setmetatable(given, nil))
end

--- The part of a configuration that the model takes.
-- @tparam table config
-- @treturn table
function M.model_part(config)
  return common.part(config, hgn.rules)
end

return M
