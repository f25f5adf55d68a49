--- Optimisers.
-- @module torus.optim
local adam = require "torus.optim.adam"
local geco = require "torus.optim.geco"

return { adam = adam.new, geco = geco.new }
