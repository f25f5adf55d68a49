--- Models, each loaded on first use: torus.models.hgn, ...
--
-- A model is a file in this folder, or a folder with an init.lua; shared code is in
-- torus.models.parts.
-- @module torus.models
local modules = require "torus.modules"

local PARENT = "torus.models"

-- For completion at the prompt: the modules loaded on first use.
local parts = {}
for _, name in ipairs(modules.names(PARENT)) do
  parts[name] = PARENT .. "." .. name
end

return setmetatable({}, {
  __parts = parts,
  __index = function(models, name)
    if not modules.exists(PARENT, name) then return nil end
    local model = require(PARENT .. "." .. name)
    rawset(models, name, model)
    return model
  end,
})
