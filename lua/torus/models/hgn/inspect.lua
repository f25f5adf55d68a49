--- Finds the first non-finite numbers in an HGN's forward pass.
-- @module torus.models.hgn.inspect
local checks = require "torus.models.hgn.checks"
local engine = require "torus.engine"
local objective = require "torus.models.hgn.objective"
local options = require "torus.options"

local M = {}

local NOISE = { epsilon = {}, generator = {} }

local function is_finite(x) return x:isfinite():all():item() end

local function bad_parameter(model)
  for _, entry in ipairs(model:named_parameters()) do
    if not is_finite(entry[2]) then return entry[1] end
  end
end

local function bad_state(trajectory)
  for t = 1, trajectory.q:size(1) do
    if not is_finite(trajectory.q[t]) then return "q at frame " .. t end
    if not is_finite(trajectory.p[t]) then return "p at frame " .. t end
  end
end

local function bad_image(model, q)
  for t = 1, q:size(1) do
    if not is_finite(model:decode(q[t])) then
      return "the decoded frame " .. t
    end
  end
end

local function bad_in_forward_pass(model, frames, opts)
  if not is_finite(frames) then return "the frames" end
  frames = frames:narrow(2, 1, model.config.context)
  local mean, logvar = model:encode(frames)
  if not is_finite(mean) then return "the mean of z" end
  if not is_finite(logvar) then return "the log-variance of z" end
  local z = objective.draw(model, "first_bad", frames, opts)
  if not is_finite(z) then return "z" end
  local trajectory = model:rollout(model:to_first(model:state_of(z)))
  return bad_state(trajectory) or bad_image(model, trajectory.q)
end

--- A method of HGN: the first tensor that contains a NaN or an infinity, of
-- the parameters and then of a forward pass.
-- @function HGN:first_bad
-- @tparam tensor frames (batch, frames, height, width, channels)
-- @tparam[opt] table opts
-- @tparam[opt] tensor opts.epsilon the noise of the posterior sample, like z
-- @tparam[opt] generator opts.generator draws it otherwise
-- @treturn ?string its name; nil when all is finite
-- @usage
-- model = torus.models.hgn { width = 8, frames = 4 }
-- print(model:first_bad(torus.rand(2, 4, 32, 32, 3)))            -- nil
-- print(model:first_bad(torus.full({ 2, 4, 32, 32, 3 }, 0/0)))   -- the frames
function M.first_bad(model, frames, opts)
  opts = options.resolve("hgn:first_bad", opts, NOISE)
  checks.frames(model, "first_bad", frames, model.config.frames)
  return engine.no_grad(function()
    return bad_parameter(model) or bad_in_forward_pass(model, frames, opts)
  end)
end

return M
