--- The modules in a folder, found by listing its files, so that a module needs no entry in
-- a list.
-- @module torus.modules
local lfs = require "lfs"
local options = require "torus.options"

local M = {}

-- Adds the names of the modules that one template of package.path, `folder`,
-- "?" and `ending`, leads to.
local function add_names(found, folder, ending)
  if lfs.attributes(folder, "mode") ~= "directory" then return end
  for entry in lfs.dir(folder) do
    local name = entry:match("^([%a_][%w_]*)")
    if name and name ~= "init"
      and lfs.attributes(folder .. name .. ending, "mode") == "file" then
      found[name] = true
    end
  end
end

--- Returns the names of the modules directly below another one, anywhere on package.path.
-- @tparam string parent as in `require`
-- @tparam[opt=false] boolean only_folders leaves out modules NAME.lua and keeps
-- NAME/init.lua
-- @treturn {string,...} sorted, without the parent's name
-- @usage
-- modules = require "torus.modules"
-- print(table.concat(modules.names("torus.models"), ", "))
function M.names(parent, only_folders)
  local found = {}
  for template in package.path:gmatch("[^;]+") do
    local front, ending = template:match("^([^?]*)%?([^?]*)$")
    if front and not (only_folders and ending == ".lua") then
      add_names(found, front .. parent:gsub("%.", "/") .. "/", ending)
    end
  end
  return options.sorted_keys(found)
end

--- Returns true if a module exists directly below another one.
-- @tparam string parent
-- @param name without the parent's
-- @treturn boolean false also for anything that can't be a module's name
-- @usage
-- modules = require "torus.modules"
-- print(modules.exists("torus.models", "hgn"))   -- true
function M.exists(parent, name)
  if type(name) ~= "string" or not name:match("^[%a_][%w_]*$")
    or name == "init" then
    return false
  end
  local full = parent .. "." .. name
  return package.preload[full] ~= nil
    or package.searchpath(full, package.path) ~= nil
end

return M
