--- Runs: training in a folder, and opening the model in it.
-- @module torus.runs.run
local checkpoint = require "torus.runs.checkpoint"
local core = require "torus.core"
local dist = require "torus.dist"
local configuration = require "torus.runs.configuration"
local files = require "torus.files"
local tasks = require "torus.tasks"
local options = require "torus.options"
local run_data = require "torus.runs.data"
local shares = require "torus.runs.shares"
local trainer = require "torus.runs.trainer"

local M = {}

local A_PATH = { type = "path" }

local TRAIN = { resume = { type = "boolean" }, progress = { type = "table" },
  data = { type = "table" }, on_data = { type = "callable" },
  after_step = { type = "callable" } }

-- The configuration of the run in a folder, if a run with another one can continue it; or false
-- if there is none. Data may have moved, if their hash tells whether they are the same.
local function earlier_run(path, config)
  if not files.exists(path .. "/checkpoint.safetensors") then return false end
  local earlier, message = M.read_configuration(path)
  if not earlier then return nil, message end
  local moved = earlier.data and config.data and earlier.data_hash
  message = configuration.conflict(earlier,
    moved and options.joined(config, { data = earlier.data }) or config)
  if message then return nil, path .. ": " .. message end
  return earlier
end

-- Opens the data of a configuration. Returns them and what the run records of them, or nil and a
-- message. They must be those of the run to continue, if there is one.
local function open_data(path, config, earlier)
  local found, data, message
  local record = {}
  if config.data then
    found, message = run_data.find(config.data, earlier or nil)
    if not found then return nil, message end
    message = earlier and run_data.changed(found, earlier)
    if message then
      return nil, string.format("%s: %s; restore them, name the original (--data PATH), or begin "
        .. "another run", path, message)
    end
    record = { data_path = found.data_path, data_hash = found.data_hash }
  end
  data, message = tasks.get(config.model).open_data(options.joined(config,
    { data = found and found.data }))
  if not data then return nil, message end
  return data, record
end

-- The first line in which a text differs from another.
local function first_difference(text, other)
  local lines = other:gmatch "[^\n]+"
  for line in text:gmatch "[^\n]+" do
    local found = lines()
    if line ~= found then
      return line:match "^%s*(.-),?$", (found or "nothing"):match "^%s*(.-),?$"
    end
  end
end

-- Checks that build, configuration and data are the same on all processes. If not, returns
-- a message, the same on all of them.
local function refused(path, config, data)
  for _, entry in ipairs {
    { "the build", ("%s, kernels for %s"):format(core._VERSION, core.isa()) },
    { "the configuration", configuration.encode(config) },
    { "the data", "hash " .. dist.hash(data) },
  } do
    local who, texts = dist.disagreement(entry[2])
    for _, other in ipairs(texts or {}) do
      if other ~= texts[1] then
        local expected, got = first_difference(texts[1], other)
        return ("%s: expected %s of rank 0 on all ranks, %s, got %s on %s")
          :format(path, entry[1], expected, got, who)
      end
    end
  end
end

-- The configuration with the number of shares for the current processes.
local function with_shares(config)
  local count = shares.count(config.shares)
  return count == config.shares and config or options.joined(config, { shares = count })
end

--- Trains the model of a configuration. Under mpirun all processes call it, and each
-- computes its part of every step.
-- @function torus.runs.train
-- @tparam string path of the run folder, which is created
-- @tparam table config as returned by torus.runs.configuration.make
-- @tparam[opt] table opts
-- @tparam[opt=false] boolean opts.resume continues from the folder's checkpoint,
-- if there is one; model, data and seed must be the same as in that run. Data in files may have
-- moved, but not changed
-- @tparam[opt] Progress opts.progress instead of a line on standard error
-- @tparam[opt] table opts.data replaces the data of the configuration
-- @tparam[opt] function opts.on_data called with the data before training begins
-- @tparam[opt] function opts.after_step called with the trainer's state
-- @treturn ?table step, the last one; started_at, the first one; task, the training
-- task, with its `model`; data, its data; shares, the number of parts of a batch, or nil
-- @treturn ?string message why it stopped early
-- @raise when path is not a string or config not a table
-- @usage
-- config = assert(torus.runs.configuration.make("small", { model = "hnn",
--   system = "mass_spring", trajectories = 4, width = 8, steps = 3 }))
-- result = assert(torus.runs.train("runs/mine", config))
-- print(result.step)   -- 3
function M.train(path, config, opts)
  options.argument("runs.train", "the folder", path, A_PATH)
  options.argument("runs.train", "the configuration", config, { type = "table" })
  opts = options.resolve("runs.train", opts, TRAIN)
  local task, message = tasks.get(config.model)
  if not task then return nil, message end
  local earlier = false
  if opts.resume then
    earlier, message = earlier_run(path, config)
    if earlier == nil then return nil, message end
  end
  local data = opts.data
  local record = earlier and { data_path = earlier.data_path, data_hash = earlier.data_hash } or {}
  if not data then
    data, record = open_data(path, config, earlier)
    if not data then return nil, record end
  end
  config = with_shares(config)
  message = refused(path, config, data)
  if message then return nil, message end
  config = options.joined(config, record)
  if opts.on_data then opts.on_data(data) end
  local training = task.new(config, data)
  local result
  result, message = trainer.run {
    folder = path, task = training, config = configuration.encode(config),
    steps = config.steps, save_every = config.save_every,
    log_every = config.log_every, evaluate_every = config.evaluate_every,
    max_gradient = config.max_gradient,
    learning_rate = task.learning_rate(config),
    shares = config.shares, resume = opts.resume, progress = opts.progress,
    after_step = opts.after_step,
  }
  if not result then return nil, message end
  result.task, result.shares, result.data = training, config.shares, data
  return result
end

--- Reads the configuration of a run.
-- @function torus.runs.read_configuration
-- @tparam string path of the run folder
-- @treturn ?table
-- @treturn ?string message
-- @usage
-- config = assert(torus.runs.configuration.make("small", { model = "hnn",
--   system = "mass_spring", trajectories = 4, width = 8, steps = 3 }))
-- assert(torus.runs.train("runs/mine", config))
-- print(assert(torus.runs.read_configuration("runs/mine")).width)   -- 8
function M.read_configuration(path)
  options.argument("runs.read_configuration", "the folder", path, A_PATH)
  local text, message = files.read(path .. "/config.json")
  if not text then return nil, message end
  local config
  config, message = configuration.decode(text)
  if not config then return nil, path .. "/config.json: " .. message end
  return config
end

-- The text of a configuration without what a run records itself.
local function wished(config)
  local part = options.joined(config)
  for _, key in ipairs(tasks.records) do part[key] = nil end
  return configuration.encode(part)
end

--- Returns true if a folder is free for a run, or contains one with the same configuration,
-- which can be resumed.
-- @tparam string path of the run folder
-- @tparam table config
-- @treturn ?boolean true
-- @treturn ?string message
function M.check_earlier(path, config)
  options.argument("runs.check_earlier", "the folder", path, A_PATH)
  if not files.exists(path .. "/config.json") then return true end
  local text, message = files.read(path .. "/config.json")
  if not text then return nil, message end
  -- The file may be older than a key, which then has its default.
  local earlier = configuration.decode(text)
  if earlier and wished(earlier) == wished(config) then return true end
  return nil, string.format("%s holds a run with another configuration: "
    .. "remove it, or choose another folder", path)
end

--- Loads the model of a run, to use or to train further: its parameters require gradients, so
-- that what is computed with it is recorded, unless within torus.no_grad.
-- @function torus.runs.open
-- @tparam string path of the run folder, or of a checkpoint
-- @treturn ?Module
-- @treturn table|string config, or the message
-- @treturn ?integer step of the checkpoint
-- @usage
-- config = assert(torus.runs.configuration.make("small", { model = "hnn",
--   system = "mass_spring", trajectories = 4, width = 8, steps = 3 }))
-- assert(torus.runs.train("runs/mine", config))
-- model, config, step = torus.runs.open("runs/mine")
-- q, p = torus.ones(1, 1), torus.zeros(1, 1)
-- motion = torus.no_grad(torus.integrate, { H = model, q = q, p = p, dt = 0.1, method = "gauss4" })
-- print(motion.q[-1])
function M.open(path)
  options.argument("runs.open", "the folder", path, A_PATH)
  local file = path
  if not path:match("%.safetensors$") then
    file = path .. "/checkpoint.safetensors"
    if not files.exists(file) then
      return nil, ("%s: expected a run, with a checkpoint.safetensors, found none"):format(path)
    end
  end
  local stored, message = checkpoint.load(file)
  if not stored then return nil, message end
  local config
  config, message = configuration.decode(stored.config)
  if not config then return nil, file .. ": " .. message end
  local model
  model, message = options.attempt(tasks.get(config.model).model, config)
  if not model then return nil, file .. ": " .. message end
  local ok
  ok, message = model:load_parameters(checkpoint.weights(stored))
  if not ok then return nil, file .. ": " .. message end
  return model, config, stored.step
end

return M
