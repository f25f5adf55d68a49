--- Forces in torus.integrate and torus.rk45: dp/dt = -dH/dq + F, with F a function
-- of position and time that need not come from a potential.
--
-- A splitting scheme adds F to its kicks, in which q and t are constant: it keeps
-- its order, is undone by a step of -dt, and keeps volume, since F does not depend
-- on p. Time advances with the drifts.
-- @module torus.forces
local engine = require "torus.engine"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"

local M = {}

--- Returns true if a tensor broadcasts against another one.
-- @tparam tensor x
-- @tparam tensor against
-- @treturn boolean
-- @usage
-- forces = require "torus.forces"
-- print(forces.broadcasts(torus.ones(1, 3), torus.ones(2, 3)))   -- true
function M.broadcasts(x, against)
  local added = against:dim() - x:dim()
  if added < 0 then return false end
  for i, size in ipairs(x.shape) do
    if size ~= 1 and size ~= against:size(added + i) then return false end
  end
  return true
end

--- Raises unless a value can be a force.
-- @tparam string where name of the operation, for the message
-- @param F a number, a tensor, or a function of q and t
-- @tparam tensor p the momentum that it acts on
-- @usage
-- forces = require "torus.forces"
-- print(pcall(forces.check, "example", "push", torus.ones(2, 1)))
function M.check(where, F, p)
  local fits = options.is_callable(F) or options.is_live(F) and M.broadcasts(F, p)
    or type(F) == "number" and F == F and math.abs(F) < math.huge
  if not fits then
    options.raise("%s: force: expected a number, a tensor that broadcasts against p, %s, or a "
      .. "function of q and t that returns one, got %s", where, options.shape_text(p),
      options.show(F))
  end
end

--- Checks the result of a function of the position: a number, or a tensor that
-- broadcasts against the position.
-- @tparam string name of the function, for the message
-- @param value its result
-- @tparam tensor q (batch, ...)
-- @treturn number|tensor the value
-- @usage
-- forces = require "torus.forces"
-- print(pcall(forces.returned, "force", "push", torus.ones(2, 1)))
function M.returned(name, value, q)
  if not (type(value) == "number" or options.is_live(value) and M.broadcasts(value, q)) then
    options.raise("%s: expected a number, or a tensor that broadcasts against %s, from "
      .. "the function, got %s%s", name, options.shape_text(q), options.show(value),
      value == nil and " (is a return missing?)" or "")
  end
  return value
end

--- Returns the force at a position and a time.
-- @param F a number, a tensor, or a function of q and t
-- @tparam tensor q (batch, ...)
-- @tparam number|tensor t a time, or one for each sample in a tensor that
-- broadcasts against q. F is always called with a tensor.
-- @treturn number|tensor
-- @usage
-- forces = require "torus.forces"
-- print(forces.at(function(q, t) return t:cos() - q end, torus.ones(1, 1), 0))   -- 0
function M.at(F, q, t)
  if engine.is_tensor(F) or type(F) == "number" then return F end
  local shape = {}
  for i = 1, q:dim() do shape[i] = 1 end
  if type(t) == "number" then
    t = engine.full(shape, t, { dtype = q.dtype })
  elseif t:numel() == 1 then
    t = t:to(q.dtype):reshape(shape)
  end
  return M.returned("force", hamiltonian.unchanged("force", F, q, t), q)
end

return M
