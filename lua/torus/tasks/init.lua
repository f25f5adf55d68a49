--- The tasks: what is particular to training and measuring each model. What
-- trains a run, and the scripts, know models only through this registry.
--
-- A task is a module torus.tasks.NAME, NAME the model's, with
--
--     rules             of every key of a configuration, as torus.options has
--                       them; `model`, `steps` and `batch` are among them
--     presets           {[name] = changes of the defaults}, `full` among them
--     model_rules       the rules of the keys that the model is built from; a
--                       run keeps their values for good
--     data_keys         names of the keys that determine the data, likewise
--     complete(config, given)
--                       fills in what follows from other values, `given` without
--                       the defaults; returns a message where they contradict
--                       each other
--     open_data(config) -> data, or nil and a message
--     model(config, generator)
--                       -> an untrained model
--     new(config, data) -> a training, as torus.runs.trainer wants it. One that
--                       several processes are to divide has, next to step
--                       (torus.tasks.training.step does),
--                           draw(task, n)   -> {size = samples, ...}, what step n
--                                           draws at random for its whole batch
--                           share(task, batch, first, count)
--                                           -> what step returns, as means over
--                                           these samples of the batch
--     learning_rate(config)
--                       -> a function of the step
--     report(model, data, config, opts)
--                       -> {rows = {{name, text}, ...}, numbers = {[key] =
--                       number}, files = {path, ...}, note = text or nil}, or
--                       nil and a message. opts: count, how many samples of the
--                       data; split and pictures (a folder), where
--                       report_options has them
--     report_options    {[name] = true}, which of `split`, `pictures`, `refine`
--                       (rounds of refinement of the initial states) and
--                       `motion` (how many sampled films are compared with the
--                       true motion) its report knows
--
-- and, where the model has it,
--
--     adapt_preset(values, changes)
--                       -> the values of a preset that hold next to changes
--     film_strips(model, data, config, opts)
--                       -> {path, ...}, or nil and a message; pictures of what
--                       the model predicts. opts: out (a folder), sequences,
--                       samples, seed, refine
--     extrapolation(model, data, config, opts)
--                       -> {window =, ...}, what torus.tasks.extrapolation
--                       needs to know of a model of frames
--     portrait(model, data, config, opts)
--                       -> {path, ...}, or nil and a message; pictures of its
--                       orbits in phase space, none where it has no such
--                       space. opts: out (a folder), split, steps, refine
--     arrays(model, data, config, opts)
--                       -> {[name] = tensor}, what the model predicts, for other
--                       programs. opts: count, steps, seed; points, a tensor
--                       (n, d), where the task has the part `points`, true
--     baselines         the rows of its table, as torus.experiments.baselines
--                       has them
--
-- @module torus.tasks
local modules = require "torus.modules"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

--- The names of the models that have a task, sorted: the folders next to this
-- file.
M.names = modules.names("torus.tasks", true)

--- A task.
-- @tparam string name of its model
-- @treturn ?table
-- @treturn ?string message
-- @usage
-- task = assert(torus.tasks.get("hnn"))
-- print(task.rules.width.default)   -- 200
function M.get(name)
  for _, known in ipairs(M.names) do
    if known == name then return require("torus.tasks." .. name) end
  end
  return nil, options.unknown("model", name, M.names)
end

--- The names of the models whose task has an optional part.
-- @tparam string name of the part: film_strips, extrapolation, portrait,
-- arrays, baselines, or an option of the report
-- @treturn {string,...}
-- @usage print(table.concat(torus.tasks.having("baselines"), " "))
function M.having(name)
  local found = {}
  for _, model in ipairs(M.names) do
    local task = M.get(model)
    if task[name] or task.report_options[name] then found[#found + 1] = model end
  end
  return found
end

--- What a run learns from: its file or folder of data, else its target density
-- or its system.
-- @tparam table config
-- @treturn string
-- @usage print(torus.tasks.subject{ system = "pendulum" })   -- pendulum
function M.subject(config)
  local target = config.target ~= "system" and config.target or nil
  return config.data or target or config.system
end

signature.functions("tasks", M, {
  get = "name: string", having = "name: string", subject = "config: table",
})

return M
