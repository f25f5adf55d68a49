--- Models, each loaded when it is first used: torus.models.hgn, ...
--
-- A model is a file of this folder, or a folder with an init.lua; what several
-- share is in torus.models.parts.
-- @module torus.models
local modules = require "torus.modules"

local PARENT = "torus.models"

-- For completion at the prompt: what is loaded when it is first used.
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
