--- The phase portrait of a trained HGN with a vector phase space: the orbits that it learned
-- from frames, next to the true orbits of the same sequences.
-- @module torus.tasks.hgn.portrait
local engine = require "torus.engine"
local lists = require "torus.tasks.lists"
local options = require "torus.options"
local plot = require "torus.plot"

local M = {}

local RULES = {
  split = { default = "test", choices = { "test", "train" } },
  orbits = { default = 10, type = "integer", min = 1 },
  steps = { default = 300, type = "integer", min = 1 },
  refine = { type = "integer", min = 1 },
}

-- Number of sequences that the orbits are chosen from, by energy.
local CANDIDATES = 64

-- --- orbits -------------------------------------------------------------------

local function observed_frames(model, part, indices)
  return part:batch(indices):to(model.config.dtype)
end

-- The indices of sequences evenly spaced in order of learned energy, since the first ones of
-- a set may be close to each other.
local function spread_over_energy(model, part, count)
  local energies = {}
  for first = 1, math.min(CANDIDATES, part.size), 16 do
    local last = math.min(first + 15, CANDIDATES, part.size)
    local q, p = model:infer(observed_frames(model, part,
      lists.range(first, last)))
    lists.extend(energies, model:energy(q, p):totable())
  end
  local order = lists.range(1, #energies)
  table.sort(order, function(a, b)
    if energies[a] ~= energies[b] then return energies[a] < energies[b] end
    return a < b
  end)
  local chosen = {}
  count = math.min(count, #order)
  for i = 1, count do
    local share = count > 1 and (i - 1) / (count - 1) or 0
    chosen[i] = order[1 + math.floor(share * (#order - 1) + 0.5)]
  end
  return chosen
end

local function learned_orbits(model, part, indices, o)
  local frames = observed_frames(model, part, indices)
  local q, p = model:infer(frames)
  if o.refine then
    q, p = model:refine(q, p, frames, { rounds = o.refine })
  end
  local trajectory = model:rollout(q, p, { steps = o.steps })
  -- Static coordinates don't move.
  local moving = model.config.dimension - model.config.static
  local function coordinates(x) return x:narrow(3, 1, moving):to("float64") end
  return { q = coordinates(trajectory.q), p = coordinates(trajectory.p),
    energies = model:energies(trajectory):to("float64") }
end

-- The constants of the sequences, if they differ.
local function own_constants(part, indices)
  return part.constants and part.constants:index_select(1,
    engine.tensor(indices, { dtype = "int64" }))
end

local function true_orbits(set, part, indices, o)
  local system, own = part.system, own_constants(part, indices)
  local states = part:states(indices, true):select(2, 1):to("float64")
  local orbits = system:solve(states:select(2, 1), states:select(2, 2),
    { dt = set.dt, steps = o.steps, constants = own })
  local times, batch, d = table.unpack(orbits.q.shape)
  local q, p = orbits.q:reshape(-1, d), orbits.p:reshape(-1, d)
  own = own and own:unsqueeze(1):expand(times, batch, own:size(2))
    :reshape(times * batch, -1)
  local energies = system:energy(q, p, own):reshape(times, batch)
  q, p = system:relative(q, p)
  return { q = q:reshape(times, batch, -1), p = p:reshape(times, batch, -1),
    energies = energies }
end

--- Returns orbits of sequences whose learned energies are spread over the whole range. The
-- true ones are in canonical coordinates of the visible motion, see System:relative.
-- @tparam Module model an HGN with phase = "vector"
-- @tparam Dataset set
-- @tparam[opt] table opts split="test"; orbits=10; steps=300 of a rollout;
-- refine, the number of refinement iterations of the initial states on the observed frames
-- @treturn table learned: q and p (steps + 1, orbits, dimension - static) and energies
-- (steps + 1, orbits), float64
-- @treturn ?table the true orbits in the same form; nil if the true states are unknown
function M.orbits(model, set, opts)
  local o = options.resolve("hgn: portrait", opts, RULES)
  local part = set[o.split]
  return engine.no_grad(function()
    local indices = spread_over_energy(model, part, o.orbits)
    return learned_orbits(model, part, indices, o),
      part.system and true_orbits(set, part, indices, o) or nil
  end)
end

-- --- pictures -------------------------------------------------------------------

-- For one degree of freedom, position and momentum; for more, the first two positions.
local function plane_of(orbits)
  local function coordinate(x, i) return x:select(3, i) end
  if orbits.q:size(3) == 1 then
    return coordinate(orbits.q, 1), coordinate(orbits.p, 1), "q", "p"
  end
  return coordinate(orbits.q, 1), coordinate(orbits.q, 2), "q1", "q2"
end

-- The range of a tensor's elements, with a margin.
local function range_of(x)
  local low, high = x:min():item(), x:max():item()
  local margin = math.max(0.08 * (high - low), 1e-6)
  return { low - margin, high + margin }
end

local function orbits_panel(orbits, name, energy)
  local x, y, xlabel, ylabel = plane_of(orbits)
  local panel = { title = name .. (xlabel == "q" and " phase portrait"
    or " orbits"), xlabel = "position " .. xlabel,
    ylabel = (ylabel == "p" and "momentum " or "position ") .. ylabel, colour_label = energy,
    colour_range = { orbits.energies:min():item(),
      orbits.energies:max():item() },
    xrange = range_of(x), yrange = range_of(y), series = {},
    square = xlabel ~= "q" }
  for i = 1, x:size(2) do
    panel.series[i] = { x = x:select(2, i), y = y:select(2, i),
      values = orbits.energies:select(2, i) }
  end
  return panel
end

local GRID = 101 -- points along a side of the energy's contours

-- Level sets of the energy behind the orbits, up to somewhat above the orbits' energies.
local function add_contours(panel, energy, dtype)
  local function axis(range)
    return engine.linspace(range[1], range[2], GRID, { dtype = dtype })
  end
  local x, y = axis(panel.xrange), axis(panel.yrange)
  local p, q = engine.meshgrid(y, x)
  local z = energy(q:reshape(-1, 1), p:reshape(-1, 1)):reshape(GRID, GRID)
  local low, high = table.unpack(panel.colour_range)
  panel.kind, panel.filled, panel.x, panel.y = "contour", false, x, y
  panel.z = z:minimum(high + 0.5 * (high - low))
end

-- One half of the picture: the orbits and, for one degree of freedom and if `energy` is a
-- function, its contours.
local function half(orbits, name, energy_name, energy, dtype)
  local panel = orbits_panel(orbits, name, energy_name)
  if energy and orbits.q:size(3) == 1 then
    engine.no_grad(function() add_contours(panel, energy, dtype) end)
  end
  return panel
end

--- Draws the learned orbits, coloured by learned energy, next to the true ones, coloured by
-- true energy: for one degree of freedom in phase space, with level sets of the energy, for
-- more in the plane of the first two positions. The coordinates of a learned phase space are
-- determined only up to a canonical transformation, its energy up to unit and zero; the
-- orbits and their order are determined.
-- @tparam string path of a .png
-- @tparam Module model an HGN with phase = "vector"
-- @tparam Dataset set
-- @tparam[opt] table opts as in orbits
-- @treturn ?boolean true
-- @treturn ?string message
function M.draw(path, model, set, opts)
  local learned, truth = M.orbits(model, set, opts)
  -- Sequences with different static coordinates have different level sets.
  local panels = { half(learned, "learned", "learned energy", model.config.static == 0
    and function(q, p) return model:energy(q, p) end, model.config.dtype) }
  if truth then
    -- Sequences with different constants have different level sets.
    local alike = not set.system.varying
    panels[2] = half(truth, "true", "energy", alike
      and function(q, p) return set.system:energy(q, p) end, "float64")
  end
  return plot.figure { path = path, panels = panels, columns = #panels,
    width = #panels == 2 and 1240 or 660, height = 480 }
end

--- For scripts/evaluate.lua; see torus.tasks.
-- @tparam Module model
-- @tparam Dataset data
-- @tparam table config
-- @tparam table opts out, a folder; split, steps and refine, see orbits
-- @treturn ?{string,...} the picture's path; empty for a model whose phase space consists
-- of feature maps
-- @treturn ?string message
function M.pictures(model, data, config, opts)
  if model.config.phase ~= "vector" then return {} end
  local path = opts.out .. "/portrait.png"
  local ok, message = M.draw(path, model, data, { split = opts.split,
    steps = opts.steps, refine = opts.refine })
  if not ok then return nil, message end
  return { path }
end

return M
