--- Models, each loaded when it is first used: torus.models.hgn, ...
-- @module torus.models
local parts = {}
for _, name in ipairs { "hgn", "hnn", "nhf", "pixel_hnn" } do
  parts[name] = "torus.models." .. name
end

return setmetatable({}, {
  __parts = parts, -- for the prompt
  __index = function(models, name)
    local found, model = pcall(require, "torus.models." .. name)
    if not found then
      if package.searchpath("torus.models." .. name, package.path) then
        error(model, 0)
      end
      return nil
    end
    rawset(models, name, model)
    return model
  end,
})
