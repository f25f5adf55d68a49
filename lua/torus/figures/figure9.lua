--- Figure 9: densities learned by Neural Hamiltonian Flows, which are trained first if
-- necessary; drawn by torus.plot.flow.
-- @module torus.figures.figure9
local flow = require "torus.plot.flow"
local tasks = require "torus.tasks"
local run = require "torus.runs.run"
local configuration = require "torus.runs.configuration"
local settings = require "torus.figures.settings"

local M = {}

M.what = "densities learned by NHF (--set targets=mixture4,moons,...; "
  .. "preset=one, small or full; prior=normal or soft_uniform; "
  .. "objective=elbo or geco)"

-- "mixture8" is a mixture of eight modes, "moons" the target of that name.
local function target_of(word)
  local modes = word:match("^mixture(%d+)$")
  if modes then return { target = "mixture", modes = math.tointeger(modes) } end
  return { target = word }
end

local SETTINGS = {
  targets = { default = "mixture2,mixture4,mixture8", type = "string" },
  preset = { default = "one", type = "string" },
  prior = { type = "string" },
  objective = { type = "string" },
}

-- The trained flow for a word, from its run folder; trained first if it is missing.
local function trained(word, o, given)
  local changes = target_of(word)
  changes.model, changes.seed, changes.steps = "nhf", given.seed, given.steps
  changes.prior, changes.objective = o.prior, o.objective
  local config, message = configuration.make(o.preset, changes)
  if not config then return nil, message end
  local folder = string.format("%s/nhf-%s-%s-%s", given.out, word, o.preset,
    config.prior)
  local result
  result, message = run.check_earlier(folder, config)
  if not result then return nil, message end
  result, message = run.train(folder, config, { resume = true })
  if not result then return nil, message end
  return { model = result.task.model, target = tasks.get("nhf")
    .open_data(config), label = word }
end

--- For scripts/figures.lua.
-- @tparam table given out, steps, seed; settings: targets (words separated by commas),
-- prior, objective, preset
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.make(given)
  local o, message = settings.resolve("figure9", given.settings, SETTINGS)
  if not o then return nil, message end
  local entries = {}
  for word in o.targets:gmatch("[^,%s]+") do
    local entry
    entry, message = trained(word, o, given)
    if not entry then return nil, "figure9: " .. message end
    entries[#entries + 1] = entry
  end
  if #entries == 0 then return nil, "figure9: targets is empty" end
  return flow.draw(given.out .. "/figure9.png", entries)
end

return M
