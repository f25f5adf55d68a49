--- Phase portraits: a Hamiltonian of one degree of freedom as a panel.
-- @module torus.plot.portrait
local engine = require "torus.engine"
local forces = require "torus.forces"
local hamiltonian = require "torus.hamiltonian"
local options = require "torus.options"

local M = {}

--- The options in addition to those of a contour plot.
M.rules = {
  H = { required = true },
  qrange = { default = { -2, 2 }, type = "table" },
  prange = { default = { -2, 2 }, type = "table" },
  points = { default = 81, type = "integer", min = 2, max = 2000 },
  arrows = { default = 15, type = "integer", min = 0, max = 200 },
  trajectories = { default = {}, type = "table" },
}

local COLOURS = { "#ffffff", "#ffb3b3", "#ffe08a", "#b9f6ca", "#e0c3fc" }

local function linspace_of(name, range, count)
  local low, high = range[1], range[2]
  if #range ~= 2 or type(low) ~= "number" or type(high) ~= "number" or not (low < high) then
    options.raise("plot.phase_portrait: %s: expected {low, high}, got %s", name,
      options.show(range))
  end
  return engine.linspace(low, high, count, { dtype = "float64" })
end

-- All pairs of values of two axes, as states (n, 1).
local function states_of(q, p)
  local rows, columns = engine.meshgrid(p, q)
  return columns:reshape(-1, 1), rows:reshape(-1, 1)
end

-- The Hamiltonian and, for a system, its friction and force.
local function parts_of(H)
  if type(H) == "table" and type(H.hamiltonian) == "function" and H.dimension then
    if H.dimension ~= 1 then
      options.raise("plot.phase_portrait: H: expected a system of one degree of freedom, "
        .. "got %s with %d", tostring(H.name), H.dimension)
    end
    return H:hamiltonian(), H.friction or 0, options.is_callable(H.force) and H:force() or 0
  end
  hamiltonian.check("plot.phase_portrait", H)
  return H, 0, 0
end

-- Evaluates a Hamiltonian, which may be a float32 network, at float64 states.
local function with_dtype(H, f)
  return function(q, p)
    local ok, result, other = pcall(f, H, q, p)
    if not ok then result, other = f(H, q:to("float32"), p:to("float32")) end
    return result:to("float64"), other and other:to("float64")
  end
end

local function energies(H, q, p) return H(q, p) end
local function gradients(H, q, p) return hamiltonian.gradients(H, q, p, false) end

-- dq/dt and dp/dt on a coarse grid, as arrows of equal length in the units of the axes:
-- they show the direction only.
local function arrows_of(H, friction, force, o)
  local n = o.arrows
  local width, height = o.qrange[2] - o.qrange[1], o.prange[2] - o.prange[1]
  local function inner(range, extent)
    return { range[1] + extent / (2 * n), range[2] - extent / (2 * n) }
  end
  local q = linspace_of("qrange", inner(o.qrange, width), math.max(n, 2))
  local p = linspace_of("prange", inner(o.prange, height), math.max(n, 2))
  local at_q, at_p = states_of(q, p)
  local dH_dq, dH_dp = with_dtype(H, gradients)(at_q, at_p)
  local dq, dp = dH_dp, -dH_dq - dH_dp * friction + forces.at(force, at_q, 0)
  local u, v = dq / width, dp / height
  local length = (u * u + v * v):sqrt()
  local factor = engine.where(length:gt(1e-12), 0.7 / n / length, length * 0)
  return { x = at_q - dq * factor / 2, y = at_p - dp * factor / 2, dx = dq * factor,
    dy = dp * factor, style = "arrows", colour = "#ffffff", width = 0.8 }
end

-- Each sample of trajectories {q = (states, batch, 1), p =} as a series.
local function add_trajectories(series, o)
  for i, trajectory in ipairs(o.trajectories) do
    local q, p = trajectory.q, trajectory.p
    if not (engine.is_tensor(q) and engine.is_tensor(p) and q:numel() == p:numel()
      and q:numel() > 0) then
      options.raise("plot.phase_portrait: trajectories: expected {q =, p =} of as many "
        .. "numbers at %d, got %s and %s", i, options.show(q), options.show(p))
    end
    local states = q:size(1)
    q, p = q:detach():reshape(states, -1), p:detach():reshape(states, -1)
    for k = 1, q:size(2) do
      series[#series + 1] = { x = q:select(2, k), y = p:select(2, k), width = 2,
        colour = COLOURS[#series % #COLOURS + 1] }
    end
  end
end

--- Returns the options of the panel of kind "contour" that draws a phase portrait.
-- @tparam table opts those of torus.plot.phase_portrait without those of the figure
-- @treturn table
-- @raise for an H of several degrees of freedom, and for unknown options
function M.panel(opts)
  local own, rest = {}, {}
  for key, value in pairs(opts) do
    if M.rules[key] then own[key] = value elseif key ~= "kind" then rest[key] = value end
  end
  local o = options.resolve("plot.phase_portrait", own, M.rules)
  local H, friction, force = parts_of(o.H)
  local q = linspace_of("qrange", o.qrange, o.points)
  local p = linspace_of("prange", o.prange, o.points)
  local series = {}
  local z = engine.no_grad(function()
    add_trajectories(series, o)
    if o.arrows > 0 then table.insert(series, 1, arrows_of(H, friction, force, o)) end
    return with_dtype(H, energies)(states_of(q, p)):reshape(o.points, o.points)
  end)
  table.move(rest.series or {}, 1, #(rest.series or {}), #series + 1, series)
  return options.joined({ title = "phase portrait", xlabel = "position q",
    ylabel = "momentum p", colour_label = "energy H(q, p)" }, rest,
    { kind = "contour", x = q, y = p, z = z, series = series })
end

return M
