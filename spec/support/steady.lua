--- Whether a loop keeps the size of its memory without a collectgarbage().
local torus = require "torus"

-- Tensors may grow by this much, or by half of what there was, before the next
-- collection (engine/binding/support.c).
local STEP = 36 * 2 ^ 20

--- Raises when the memory of tensors has grown over the second half of the calls by more
-- than they may between two collections.
-- @tparam integer count of calls, which allocate much more than that together
-- @tparam function step
return function(count, step)
  local before
  for k = 1, count do
    step()
    if k == count // 2 then before = torus.memory().live_bytes end
  end
  local grown = torus.memory().live_bytes - before
  assert(grown < STEP + before / 2, ("grown by %.1f MiB"):format(grown / 2 ^ 20))
end
