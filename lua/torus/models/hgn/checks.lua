--- Shape and dtype checks for the methods of an HGN. Each function raises, naming the method,
-- unless its argument fits.
-- @module torus.models.hgn.checks
local options = require "torus.options"
local sides = require("torus.models.parts.frames").sides

local M = {}

--- Returns the shape of q, and of p, of one sample.
-- @tparam Module model an HGN
-- @treturn {integer,...}
function M.state_shape(model)
  local c = model.config
  if c.phase == "vector" then return { c.dimension } end
  return { model.size[1], model.size[2], model.config.state }
end

--- Checks that a model has a vector phase space.
-- @tparam Module model an HGN
-- @tparam string method its name
function M.vector(model, method)
  if model.config.phase ~= "vector" then
    options.raise("hgn:%s: expected a model with phase = \"vector\", got one with "
      .. "phase = %q", method, model.config.phase)
  end
end

--- Checks a batch of sequences of frames.
-- @tparam Module model an HGN
-- @tparam string method its name
-- @param frames expected as a tensor (batch, count, height, width, channels)
-- @tparam integer|string count of frames of a sequence, or "frames" for any
function M.frames(model, method, frames, count)
  local height, width = sides(model.config)
  options.tensor("hgn:" .. method, "frames", frames,
    { "batch", count, height, width, model.config.channels }, model.config.dtype)
end

--- Checks that there is a sequence in a batch, where the numbers of all of them are needed.
-- @tparam string method its name
-- @tparam tensor frames (batch, frames, height, width, channels)
function M.some(method, frames)
  if frames:size(1) == 0 then
    options.raise("hgn:%s: expected frames of at least one sequence, got %s", method,
      options.shape_text(frames))
  end
end

--- Checks images.
-- @tparam Module model an HGN
-- @tparam string method its name
-- @tparam string name of the argument
-- @param x expected as a tensor (count, height, width, channels)
-- @tparam integer count
function M.images(model, method, name, x, count)
  local height, width = sides(model.config)
  options.tensor("hgn:" .. method, name, x, { count, height, width, model.config.channels },
    model.config.dtype)
end

--- Checks a batch of sequences of which the encoder sees a part.
-- @tparam Module model an HGN
-- @tparam string method its name
-- @param frames expected as a tensor (batch, frames, height, width, channels)
-- @tparam integer first index of the part's first frame, from 1
function M.context(model, method, frames, first)
  M.frames(model, method, frames, "frames")
  local last = first + model.config.context - 1
  if last > frames:size(2) then
    options.raise("hgn:%s: the encoder sees %d frames: expected at least %d, "
      .. "got %d", method, model.config.context, last, frames:size(2))
  end
end

--- Checks positions or momenta.
-- @tparam Module model an HGN
-- @tparam string method its name
-- @tparam string name of the argument
-- @param x expected as a tensor
-- @tparam {string,...} leading dimensions before those of a state, as
-- torus.options.tensor names them
function M.states(model, method, name, x, leading)
  local shape = M.state_shape(model)
  options.tensor("hgn:" .. method, name, x,
    table.move(shape, 1, #shape, #leading + 1, leading), model.config.dtype)
end

--- Checks positions and momenta of a batch.
-- @tparam Module model an HGN
-- @tparam string method its name
-- @param q expected as a tensor (batch, size, size, state)
-- @param p expected like q
function M.state(model, method, q, p)
  M.states(model, method, "q", q, { "batch" })
  M.states(model, method, "p", p, { "batch" })
  options.tensor("hgn:" .. method, "p", p, q.shape, model.config.dtype)
end

--- Checks latents.
-- @tparam Module model an HGN
-- @tparam string method its name
-- @tparam string name of the argument
-- @param z expected as a tensor (batch, size, size, z); for a latent vector (batch, z), too
function M.latents(model, method, name, z)
  local shape = model:latent_shape(0)
  shape[1] = "batch"
  if model.config.latent == "vector" then shape = { "...", model.config.z } end
  options.tensor("hgn:" .. method, name, z, shape, model.config.dtype)
end

--- Checks a trajectory.
-- @tparam Module model an HGN
-- @tparam string method its name
-- @param trajectory expected as a table of q and p with time first
function M.trajectory(model, method, trajectory)
  if type(trajectory) ~= "table" then
    options.raise("hgn:%s: expected a trajectory {q=, p=}, got %s", method,
      options.show(trajectory))
  end
  M.states(model, method, "q", trajectory.q, { "steps + 1", "batch" })
  M.states(model, method, "p", trajectory.p, { "steps + 1", "batch" })
  options.tensor("hgn:" .. method, "p", trajectory.p, trajectory.q.shape, model.config.dtype)
end

return M
