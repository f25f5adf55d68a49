--- The tasks: the model-specific parts of training and evaluation. Runs and scripts know
-- models only through this registry.
--
-- A task is a module torus.tasks.NAME, NAME the model's, with
--
--     title             what the model is and learns from, for help texts
--     rules             for every key of a configuration, in the form of
--                       torus.options, including `model`, `steps` and `batch`;
--                       `doc` of a rule is a sentence about its key
--     preset_variants   {{preset, changes}, ...} whose adapted values `--keys` names; may be nil
--     presets           {[name] = changes of the defaults}, including `full`
--     model_rules       the rules of the keys that determine the model; their
--                       values are fixed for a run
--     data_keys         names of the keys that determine the data, likewise
--     complete(config, given)
--                       fills in derived values, `given` being the values without
--                       the defaults; returns a message if they are contradictory
--     open_data(config) -> data, or nil and a message
--     model(config, generator)
--                       -> an untrained model
--     new(config, data) -> a training task for torus.runs.trainer. One that can be
--                       divided between processes has, in addition to step
--                       (torus.tasks.training.step provides them),
--                           draw(task, n)   -> {size = samples, ...}, what step n
--                                           draws at random for its whole batch
--                           share(task, batch, first, count)
--                                           -> the results of step, as means over
--                                           these samples of the batch
--     learning_rate(config)
--                       -> a function of the step
--     report(model, data, config, opts)
--                       -> {rows = {{name, text}, ...}, numbers = {[key] =
--                       number}, files = {path, ...}, note = text or nil}, or
--                       nil and a message. opts: count, the number of samples of
--                       the data; split and pictures (a folder), if in
--                       report_options
--     report_options    {[name] = true}, those of `split`, `pictures`, `refine`
--                       (number of refinement iterations of the initial states)
--                       and `motion` (number of sampled films to compare with the
--                       true motion) that its report supports
--
-- and, if the model supports it,
--
--     adapt_preset(values, changes)
--                       -> the values of a preset, adapted to the changes
--     film_strips(model, data, config, opts)
--                       -> {path, ...}, or nil and a message; pictures of the
--                       model's predictions. opts: out (a folder), sequences,
--                       samples, seed, refine
--     extrapolation(model, data, config, opts)
--                       -> {window =, ...}, the information about a model of
--                       frames that torus.tasks.extrapolation needs
--     portrait(model, data, config, opts)
--                       -> {path, ...}, or nil and a message; pictures of its
--                       orbits in phase space, empty if it has no phase
--                       space. opts: out (a folder), split, steps, refine
--     arrays(model, data, config, opts)
--                       -> {[name] = tensor}, the model's predictions, for other
--                       programs. opts: count, steps, seed; points, a tensor
--                       (n, d), if the task has `points` = true
--     baselines         the rows of its table, see torus.experiments.baselines
--
-- @module torus.tasks
local modules = require "torus.modules"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

--- The sorted names of the models that have a task: the folders next to this file.
M.names = modules.names("torus.tasks", true)

--- The model of a configuration that names none.
M.default = "hgn"

--- Names of the keys of a configuration that a run records itself, and that none needs to begin
-- with: where its data are and what they contain, and how its system moves.
M.records = { "data_path", "data_hash", "system_energies" }

--- Limit of every integer of a configuration without its own limit, except seeds.
M.MAX_INTEGER = 1000000000

--- Returns the task of a model.
-- @tparam string name of the model
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

--- Returns the names of the models whose task has an optional part.
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

--- Returns the names of models with the titles of their tasks, as text.
-- @tparam[opt] {string,...} names by default all
-- @treturn string
-- @raise for an unknown model
-- @usage print(torus.tasks.titles { "hnn" })   -- hnn (Hamiltonian neural network, from states)
function M.titles(names)
  local list = {}
  for i, name in ipairs(names or M.names) do
    local task, message = M.get(name)
    if not task then options.raise("tasks.titles: %s", message) end
    list[i] = string.format("%s (%s)", name, task.title)
  end
  return table.concat(list, ", ")
end

--- Returns what a run learns from: its data file or folder, its target density or its
-- system.
-- @tparam table config
-- @treturn string
-- @usage print(torus.tasks.subject{ system = "pendulum" })   -- pendulum
function M.subject(config)
  local target = config.target ~= "system" and config.target or nil
  return config.data or target or config.system
end

signature.functions("tasks", M, {
  get = "name: string", having = "name: string", titles = "names?: {string,...}",
  subject = "config: table",
})

return M
