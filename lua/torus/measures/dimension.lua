--- The dimension of the set on which points lie, estimated from the distances to their
-- nearest neighbours.
-- @module torus.measures.dimension
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

-- Points whose distances to all others are in memory at a time.
local BLOCK = 200

local RULES = {
  neighbours = { default = 20, type = "integer", min = 3 },
  count = { default = 2000, type = "integer", min = 1 },
  groups = {},
}

-- Squared distances below this part of the squared sizes, whose difference they are, are rounding.
local ROUNDING = 1e-14

-- Raises if points count as equal that differ by less than rounding: their neighbours can't be
-- found. Of those equal to each point the farthest is compared.
local function check_equal(set, indices, squared, equal)
  local farthest = squared:masked_fill(~equal, -1):argmax(2)
  local rows = equal:any(2):nonzero():reshape(-1)
  local one = set.points:index_select(1, indices):index_select(1, rows)
  local other = set.points:index_select(1, farthest:index_select(1, rows))
  if one:ne(other):any():item() then
    options.raise("dimension.estimate: points: expected neighbours farther apart than rounding, "
      .. "got different points closer than 1e-7 of their distance from the mean; estimate "
      .. "clusters one by one, and leave out outliers")
  end
end

-- The squared distances from the points of these indices to all points; infinite within a
-- group, and between equal points, such as the frames of a film at rest.
local function distances(set, indices)
  local own = set.points:index_select(1, indices)
  local sizes = set.squares:index_select(1, indices):reshape(-1, 1)
    + set.squares:reshape(1, -1)
  local squared = sizes - own:matmul(set.points:transpose(1, 2)) * 2
  local same = set.groups:index_select(1, indices):reshape(-1, 1)
    :eq(set.groups:reshape(1, -1))
  local equal = squared:le(sizes * ROUNDING) & ~same
  check_equal(set, indices, squared, equal)
  return squared:masked_fill(same | equal, math.huge)
end

-- The means of ln(r_k / r_j) over the neighbours j < k of the points of these indices.
local function mean_logarithms(set, indices, k)
  local near = distances(set, indices):topk(k, 2, false)
  if near:max():item() == math.huge then
    options.raise("dimension.estimate: points: expected at least neighbours = %d different ones "
      .. "beside each point, outside its group, got fewer", k)
  end
  local r = near:clamp(1e-300, math.huge):log() * 0.5
  return (r:max(2, true) - r):sum(2) / (k - 1)
end

-- Without k points outside a point's group, its k-th neighbour does not exist.
local function check_groups(groups, n, k)
  if #groups ~= n then
    options.raise("dimension.estimate: groups: expected one number for each of the %d "
      .. "points, got %d", n, #groups)
  end
  local sizes = {}
  for _, group in ipairs(groups) do
    sizes[group] = (sizes[group] or 0) + 1
    if n - sizes[group] < k then
      options.raise("dimension.estimate: groups: expected at least neighbours = %d of the %d "
        .. "points outside each group, got more than %d points in group %s", k, n, n - k,
        options.show(group))
    end
  end
end

--- Estimates by maximum likelihood in how many directions points vary within small
-- neighbourhoods. On a set of dimension d, the number of neighbours within a distance r
-- grows as r^d; with r_j the distance to the j-th nearest of k neighbours, 1/d is the mean
-- of ln(r_k / r_j) over j < k and over the points. No model is trained.
--
-- Noise in all directions makes small neighbourhoods appear to have a larger dimension,
-- and in large ones curvature matters, so compare results for several k.
--
-- Source: Levina and Bickel (2004), with MacKay and Ghahramani's (2005) average.
-- @tparam tensor points (n, any sizes)
-- @tparam[opt] table opts
-- @tparam[opt=20] integer opts.neighbours k, from 3
-- @tparam[opt=2000] integer opts.count number of points to average over, evenly spaced among
-- the n; neighbours are always sought among all of them; points equal to it are not counted
-- @tparam[opt] {integer,...} opts.groups one for each point: points of the same group, such
-- as frames of one film, are not counted as neighbours
-- @treturn number d
-- @raise for too few points, also outside a group
-- @usage
-- local torus = require "torus"
-- local angle = torus.rand(1000) * (2 * math.pi)
-- local circle = torus.stack({ angle:cos(), angle:sin() }, 2)
-- print(torus.measures.dimension.estimate(circle))   -- about 1
function M.estimate(points, opts)
  local o = options.resolve("dimension.estimate", opts, RULES)
  if points:dim() == 0 then
    options.raise("dimension.estimate: points: expected a tensor (n, any sizes), got %s",
      options.show(points))
  end
  local n, k = points:size(1), o.neighbours
  if n <= k then
    options.raise("dimension.estimate: expected more points than neighbours = %d, got %d",
      k, n)
  end
  if o.groups then
    signature.fields("dimension.estimate", o, "groups: {integer,...}")
    check_groups(o.groups, n, k)
  end
  return engine.no_grad(function()
    local flat = points:reshape(n, -1):to("float64")
    flat = flat - flat:mean(1, true)
    local set = { points = flat, squares = flat:square():sum(2),
      groups = o.groups and engine.tensor(o.groups, { dtype = "float64" })
        or engine.arange(1, n, 1, { dtype = "float64" }) }
    local chosen, total = {}, 0
    for i = 1, math.min(o.count, n) do chosen[i] = 1 + (i - 1) * n // math.min(o.count, n) end
    for first = 1, #chosen, BLOCK do
      local indices = { table.unpack(chosen, first, math.min(first + BLOCK - 1, #chosen)) }
      total = total + mean_logarithms(set, indices, k):sum():item()
    end
    return #chosen / total
  end)
end

signature.functions("dimension", M, { estimate = "points: tensor, opts?: table" })

return M
