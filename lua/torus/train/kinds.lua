--- The kinds of models that scripts/train.lua trains. Each has a task, a
-- module with
--
--     rules, presets              of its configuration (HGN's are those of
--                                 torus.train.config itself)
--     model_rules                 those of its model, which a run keeps
--     complete(config, given)     fills in what depends on other values; gives
--                                 a message when what was given can't be
--     open_data(config)           -> data, or nil and a message
--     model(config, generator)    -> an untrained model
--     new(config, data)           -> a task, as torus.train.trainer wants it
--     learning_rate(config)       -> function of the step
--     report(model, config, opts) -> rows of text, numbers, files; for
--                                 scripts/evaluate.lua, optional
--
-- @module torus.train.kinds
local M = {}

--- Their names.
M.names = { "hgn", "hnn", "pixel_hnn", "nhf" }

--- The task of a kind.
-- @tparam string name
-- @treturn ?table
-- @treturn ?string message
function M.task(name)
  for _, known in ipairs(M.names) do
    if known == name then return require("torus.train." .. name .. "_task") end
  end
  return nil, string.format("unknown model %q (known: %s)", tostring(name),
    table.concat(M.names, ", "))
end

return M
