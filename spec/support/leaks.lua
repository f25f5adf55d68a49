-- Loaded by busted before the specs (see .busted): a spec file fails when
-- tensors outlive it.
local busted = require "busted"
local core = require "torus.core"

local function live()
  -- Twice: what a finalizer frees is collected by the next cycle.
  collectgarbage()
  collectgarbage()
  return core.memory().tensors
end

-- busted keeps the functions of a file, and their upvalues with them, to the
-- end of the suite: tensors in these are no leak. A block lists its parts by
-- what they are: element.it, element.describe, element.before_each, ...
local function forget(element)
  for key, parts in pairs(element) do
    for _, part in ipairs(type(parts) == "table" and parts or {}) do
      if type(part) == "table" and part.descriptor == key then
        forget(part)
        part.run, part.env = nil, nil
      end
    end
  end
end

local before

busted.subscribe({ "file", "start" }, function() before = live() end)

busted.subscribe({ "file", "end" }, function(file)
  forget(file)
  for name in pairs(package.loaded) do -- each file loads its own, see busted
    if name:find("^spec%.") then package.loaded[name] = nil end
  end
  local left = live() - before
  if left > 0 then
    error(("%s: %d tensors outlive the file"):format(file.name, left), 0)
  end
end)
