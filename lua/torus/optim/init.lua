--- Optimisers, schedules of their learning rates, and gradient clipping.
-- @module torus.optim
local adam = require "torus.optim.adam"
local clip = require "torus.optim.clip"
local geco = require "torus.optim.geco"
local lbfgs = require "torus.optim.lbfgs"
local rmsprop = require "torus.optim.rmsprop"
local schedule = require "torus.optim.schedule"
local sgd = require "torus.optim.sgd"

return {
  adam = adam.new, adamw = adam.decoupled_new, sgd = sgd.new, rmsprop = rmsprop.new,
  lbfgs = lbfgs.new, geco = geco.new, schedule = schedule,
  clip_norm = clip.clip_norm, clip_value = clip.clip_value,
}
