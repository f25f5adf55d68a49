--- Sums over processes in a fixed order.
--
-- The sum is divided into shares, numbered from 0, and each process has a contiguous range
-- of them. Shares are added in pairs, then pairs of pairs, and so on: a tree that depends
-- only on the number of shares, so that the bits are the same for any number of processes.
-- A process adds up the branches in its own range.
-- @module torus.dist_sum
local core = require "torus.core"
local engine = require "torus.engine"

local M = {}

--- Returns the range of shares of a process.
-- @tparam integer count number of shares
-- @tparam integer rank
-- @tparam integer size number of processes
-- @treturn integer first share, from 0
-- @treturn integer the one after the last
function M.range(count, rank, size)
  return rank * count // size, (rank + 1) * count // size
end

-- --- the tree ---------------------------------------------------------------

local Tree = {}
Tree.__index = Tree

--- Makes a tree to which nodes are added from left to right.
-- @tparam function add of two values; returns their sum and may overwrite both
-- @treturn Tree
function M.tree(add) return setmetatable({ add = add, nodes = {} }, Tree) end

--- Adds a node.
-- @tparam integer start its first share
-- @tparam integer size its number of shares, a power of two
-- @param value
function Tree:push(start, size, value)
  local nodes = self.nodes
  nodes[#nodes + 1] = { start = start, size = size, value = value }
  while true do
    local left, right = nodes[#nodes - 1], nodes[#nodes]
    if not left or left.size ~= right.size or left.start % (2 * left.size) ~= 0 then
      return
    end
    nodes[#nodes] = nil
    if left.value ~= nil then left.value = self.add(left.value, right.value) end
    left.size = 2 * left.size
  end
end

--- Returns the sum of all nodes; nodes without a partner are added from the right.
-- @return value
function Tree:total()
  local nodes = self.nodes
  local sum = nodes[#nodes].value
  for i = #nodes - 1, 1, -1 do sum = self.add(nodes[i].value, sum) end
  return sum
end

-- The nodes of shares `first` to `last` - 1, without values.
local function nodes_of(first, last)
  local tree = M.tree()
  for share = first, last - 1 do tree:push(share, 1) end
  return tree.nodes
end

-- --- over processes ---------------------------------------------------------

-- Up to this total size in bytes every process receives everything, which saves a message.
local SMALL = 65536
-- Elements at a time: MPI counts bytes in 32 bits.
local PIECE = 1 << 24

local function add_in_place(a, b) return a:add_(b) end

local function scaled(list, factor)
  local result = {}
  for i, n in ipairs(list) do result[i] = n * factor end
  return result
end

-- Adds the rows (nodes, columns) of all processes, each at its node of the tree.
local function added(rows, nodes, add)
  local tree = M.tree(add)
  for i, node in ipairs(nodes) do tree:push(node.start, node.size, rows[i]) end
  return tree:total()
end

local function gather_all(world, mine, layout, add)
  local columns = mine:size(2)
  local all = engine.zeros({ #layout.all, columns }, { dtype = mine.dtype })
  local from, bytes = core.address(mine)
  local row = bytes // math.max(1, mine:size(1))
  world.mpi.gather(from, bytes, core.address(all, true), scaled(layout.counts, row))
  return added(all, layout.all, add)
end

-- Each process sums a slice of the columns over all nodes, and then all slices are
-- gathered: each sends and receives the columns about twice, for any number of processes.
local function sum_slices(world, mine, layout, add)
  local columns, rows = mine:size(2), mine:size(1)
  local width, parts, begins = {}, {}, {}
  for r = 0, world.size - 1 do
    begins[r + 1] = r * columns // world.size
    width[r + 1] = (r + 1) * columns // world.size - begins[r + 1]
    parts[r + 1] = mine:narrow(2, begins[r + 1] + 1, width[r + 1]):reshape(-1)
  end
  local send = rows == 1 and mine or engine.cat(parts, 1)
  local own = width[world.rank + 1]
  local arrived = engine.zeros({ #layout.all, own }, { dtype = mine.dtype })
  local from, bytes = core.address(send)
  local element = bytes // (rows * columns)
  world.mpi.exchange(from, scaled(width, rows * element), core.address(arrived, true),
    scaled(layout.counts, own * element))
  local slice = added(arrived, layout.all, add):contiguous()
  local sum = engine.zeros({ columns }, { dtype = mine.dtype })
  world.mpi.gather(core.address(slice), own * element, core.address(sum, true),
    scaled(width, element))
  return sum
end

-- The nodes of all processes in order, and the number of each process.
local function layout_of(count, size)
  local layout = { all = {}, counts = {} }
  for r = 0, size - 1 do
    local nodes = nodes_of(M.range(count, r, size))
    layout.counts[r + 1] = #nodes
    table.move(nodes, 1, #nodes, #layout.all + 1, layout.all)
  end
  return layout
end

local Sum = {}
Sum.__index = Sum

--- Makes a sum of one tensor for each share.
-- @tparam table world mpi (nil for a single process), rank, size
-- @tparam integer count number of shares, at least one for each process
-- @tparam[opt] function add by default in place
-- @treturn Sum with `first` and `last`, the shares of this process as returned by range
function M.new(world, count, add)
  local first, last = M.range(count, world.rank, world.size)
  return setmetatable({ world = world, count = count, add = add or add_in_place,
    first = first, last = last, next = first, tree = M.tree(add or add_in_place) }, Sum)
end

--- Adds the next share of this process.
-- @tparam tensor value (n), which may be overwritten
function Sum:push(value)
  self.tree:push(self.next, 1, value)
  self.next = self.next + 1
end

--- Returns the sum of all shares of all processes; all of them must call it.
-- @treturn tensor (n)
function Sum:total()
  local world = self.world
  if not world.mpi or world.size == 1 then return self.tree:total() end
  local layout = layout_of(self.count, world.size)
  local values = {}
  for i, node in ipairs(self.tree.nodes) do values[i] = node.value:reshape(1, -1) end
  local mine = #values == 1 and values[1]:contiguous() or engine.cat(values, 1)
  local columns = mine:size(2)
  local _, bytes = core.address(mine)
  if bytes // mine:size(1) * #layout.all <= SMALL then
    return gather_all(world, mine, layout, self.add)
  end
  if columns <= PIECE then return sum_slices(world, mine, layout, self.add) end
  local sums = {}
  for first = 1, columns, PIECE do
    sums[#sums + 1] = sum_slices(world, mine:narrow(2, first,
      math.min(PIECE, columns - first + 1)):contiguous(), layout, self.add)
  end
  return engine.cat(sums, 1)
end

return M
