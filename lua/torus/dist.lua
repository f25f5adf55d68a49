--- Training in several processes by MPI: `mpirun -n 4 scripts/torus FILE`.
--
-- Every process runs the same script. Ranks count from 0, as in MPI. A script that was not
-- started by mpirun or srun is the only process, rank 0 of 1, for which all functions work
-- trivially. All processes must call the collective functions in the same order: each waits
-- for the others. No gradients are recorded.
--
--     local dist = torus.dist
--     local x = torus.full({ 2 }, dist.rank() + 1)
--     dist.all_reduce(x)                    -- the sum of all ranks' tensors
--     if dist.rank() == 0 then print(x) end
--
-- torus must be built with Open MPI: Debian's libopenmpi-dev and openmpi-bin.
-- @module torus.dist
local core = require "torus.core"
local dist_sum = require "torus.dist_sum"
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

local SINGLE = { rank = 0, size = 1, local_rank = 0, local_size = 1 }

-- The processes of the job, once known, and whether this one currently works alone.
local world
local alone = 0

-- --- the beginning ----------------------------------------------------------

-- The number of processes that a launcher started, according to its environment variables.
local function declared()
  return math.tointeger(tonumber(os.getenv "OMPI_COMM_WORLD_SIZE"
    or os.getenv "PMI_SIZE" or os.getenv "SLURM_STEP_NUM_TASKS"))
end

--- Returns true if mpirun or srun has started this process, unless the environment variable
-- TORUS_MPI is "no", which makes each process of a job independent.
-- @treturn boolean
-- @usage print(torus.dist.launched())   -- false
function M.launched()
  if os.getenv "TORUS_MPI" == "no" then return false end
  local from_slurm = (declared() or 1) > 1
  return os.getenv "OMPI_COMM_WORLD_SIZE" ~= nil or os.getenv "PMI_SIZE" ~= nil
    or os.getenv "PMIX_RANK" ~= nil or from_slurm
end

-- Chooses the number of threads of a process if the user has not: the processors that it
-- may use, divided by the number of processes that share them.
local function choose_threads(found)
  if not os.getenv "TORUS_THREADS" then
    -- At most the default, which observes the largest number of threads.
    local most = engine.threads()
    engine.set_threads(math.max(1, math.min(most, math.floor(found.processors + 1e-6))))
  end
  if found.local_rank == 0 and found.bound < found.online
    and found.local_size < found.online and not os.getenv "SLURM_JOB_ID" then
    io.stderr:write(("torus: the processes on this machine are bound to %d of %d processors: "
      .. "use mpirun --bind-to none to use all\n"):format(found.bound, found.online))
  end
end

local function open()
  if not M.launched() then return SINGLE end
  if not package.searchpath("torus.mpi", package.cpath) then
    if (declared() or 1) == 1 then return SINGLE end
    error(("torus was built without MPI, but %d processes were started: install "
      .. "libopenmpi-dev and openmpi-bin (scripts/dev/setup.sh mpi) and run make again")
      :format(declared()), 0)
  end
  local mpi = require "torus.mpi"
  local found = mpi.open()
  if declared() and found.size ~= declared() then
    error(("expected %d processes, according to %s, got %d: that program belongs to another "
      .. "MPI than the one torus was built with, or was started without it (srun "
      .. "--mpi=pmix)"):format(declared(), os.getenv "OMPI_COMM_WORLD_SIZE"
      and "mpirun" or "the launcher", found.size), 0)
  end
  found.mpi = mpi
  choose_threads(found)
  return found
end

local function the_world()
  world = world or open()
  return world
end

-- The processes that currently work together.
local function group()
  if alone > 0 then return SINGLE end
  return the_world()
end

-- --- who is there -----------------------------------------------------------

--- Returns the rank of this process.
-- @treturn integer from 0
-- @usage print(torus.dist.rank())   -- 0
function M.rank() return group().rank end

--- Returns the number of processes.
-- @treturn integer
-- @usage print(torus.dist.size())   -- 1
function M.size() return group().size end

--- Returns the rank of this process among those on the same machine.
-- @treturn integer from 0
-- @usage print(torus.dist.local_rank())   -- 0
function M.local_rank() return group().local_rank end

--- Returns the number of processes on the same machine. By default, the number of threads of
-- each is the number of processors it may use divided by this.
-- @treturn integer
-- @usage print(torus.dist.local_size())   -- 1
function M.local_size() return group().local_size end

--- Calls a function as if there were no other process: a training run in it runs in this process
-- only, with its own run folder. Tables distribute their training runs in this way.
-- @tparam function f
-- @param ... its arguments
-- @return its results
-- @usage print(torus.dist.alone(torus.dist.size))   -- 1
function M.alone(f, ...)
  alone = alone + 1
  local results = table.pack(pcall(f, ...))
  alone = alone - 1
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- --- tensors ----------------------------------------------------------------

-- Checks that the tensors of all ranks have the same shape and dtype.
local function check_alike(name, processes, x)
  local texts = processes.mpi.texts(options.show(x))
  for r = 2, #texts do
    if texts[r] ~= texts[1] then
      options.raise("%s: expected tensors of equal shape and dtype, got %s on rank 0 and %s on "
        .. "rank %d", name, texts[1], texts[r], r - 1)
    end
  end
end

local function pairwise(f)
  return function(a, b) return a:copy_(f(a, b)) end
end

local ADD = {
  sum = function(a, b) return a:add_(b) end,
  mean = function(a, b) return a:add_(b) end,
  min = pairwise(engine.minimum),
  max = pairwise(engine.maximum),
}

local REDUCE = { op = { default = "sum", choices = { "sum", "mean", "min", "max" } } }

-- Raises if writing to a tensor would be lost on its gradient.
local function check_written(where, x)
  if x.requires_grad then
    options.raise("%s: expected a tensor that does not require a gradient, got %s that does; pass "
      .. "x:detach(), which shares its elements", where, options.show(x))
  end
end

--- Replaces a tensor by the sum of those of all ranks, with the same bits on all of them. The
-- order of summation is fixed, so that the bits are the same in every run.
-- @tparam tensor x contiguous, of the same shape and dtype on all ranks; overwritten
-- @tparam[opt] table opts
-- @tparam[opt="sum"] string opts.op sum, mean, min or max, elementwise
-- @treturn tensor x
-- @raise for tensors that differ in shape or dtype, a mean of integers
-- @usage
-- x = torus.ones(3) * (torus.dist.rank() + 1)
-- torus.dist.all_reduce(x, { op = "max" })
-- print(x:max():item() == torus.dist.size())   -- true
function M.all_reduce(x, opts)
  local o = options.resolve("dist.all_reduce", opts, REDUCE)
  if o.op == "mean" and not x.dtype:find "^float" then
    options.raise("dist.all_reduce: op mean: expected a float32 or float64 tensor, got %s",
      options.show(x))
  end
  check_written("dist.all_reduce", x)
  core.address(x, true)
  local processes = group()
  if processes.size == 1 then return x end
  check_alike("dist.all_reduce", processes, x)
  if x:numel() == 0 then return x end
  engine.no_grad(function()
    local sum = dist_sum.new(processes, processes.size, ADD[o.op])
    sum:push(engine.cat({ x:detach():reshape(-1) }, 1))
    local total = sum:total()
    if o.op == "mean" then total = total / processes.size end
    x:copy_(total:reshape(x.shape))
  end)
  return x
end

--- Replaces a tensor by that of one rank.
-- @tparam tensor x contiguous, of the same shape and dtype on all ranks; overwritten on all
-- but the root
-- @tparam[opt=0] integer root the rank it comes from
-- @treturn tensor x
-- @raise for tensors that differ in shape or dtype, and for a rank that does not exist
-- @usage
-- x = torus.full({ 2 }, torus.dist.rank())
-- print(torus.dist.broadcast(x))   -- zeros, of rank 0
function M.broadcast(x, root)
  local processes = group()
  root = options.argument("dist.broadcast", "the root", root or 0,
    { type = "integer", min = 0, max = processes.size - 1 })
  check_written("dist.broadcast", x)
  local at, bytes = core.address(x, true)
  if processes.size == 1 then return x end
  check_alike("dist.broadcast", processes, x)
  processes.mpi.broadcast(at, bytes, root)
  return x
end

--- Waits until all ranks have called it.
-- @tparam[opt] function meanwhile called about every ten seconds
-- @usage torus.dist.barrier()
function M.barrier(meanwhile)
  local processes = group()
  if processes.size == 1 then return end
  processes.mpi.arrive()
  while not processes.mpi.arrived(10) do
    if meanwhile then meanwhile() end
  end
end

-- --- for training runs ----------------------------------------------------------

--- Makes a sum over shares in a fixed order; see torus.dist_sum. Each rank pushes its own
-- shares, from `first` to `last` - 1.
-- @tparam integer count number of shares, at least one for each rank
-- @treturn Sum
-- @usage
-- sum = torus.dist.sum(4)
-- for share = sum.first, sum.last - 1 do sum:push(torus.full({ 2 }, share)) end
-- print(sum:total())   -- [6, 6], on all ranks
function M.sum(count) return dist_sum.new(group(), count) end

-- The ranks whose text differs from that of rank 0, as text, or nil.
local function strangers(texts)
  local list = {}
  for r = 2, #texts do
    if texts[r] ~= texts[1] then list[#list + 1] = tostring(r - 1) end
  end
  if #list == 0 then return nil end
  return (#list > 1 and "ranks " or "rank ") .. table.concat(list, ", ")
end

--- Compares a text between all ranks. Returns nil if they all have the same.
-- @tparam string text
-- @treturn ?string the ranks whose text differs from that of rank 0, as text
-- @treturn ?{string,...} the texts
-- @usage print(torus.dist.disagreement("a"))   -- nil
function M.disagreement(text)
  local processes = group()
  if processes.size == 1 then return nil end
  local texts = processes.mpi.texts(text)
  local who = strangers(texts)
  return who, who and texts
end

--- Calls a function on rank 0 only; all ranks return its first two results, which must be
-- strings, booleans, numbers or nil.
-- @tparam function f
-- @param ... its arguments
-- @return its first two results
-- @usage print(torus.dist.first(function() return torus.dist.rank() end))   -- 0
function M.first(f, ...)
  local processes = group()
  if processes.size == 1 then return f(...) end
  local text = ""
  if processes.rank == 0 then
    local a, b = f(...)
    text = ("return %q, %q"):format(a, b)
  end
  return load(processes.mpi.texts(text)[1], "=dist", "t", {})()
end

-- Hashes all data in a value: numbers, strings and tensors, in the order of the keys.
local function digest(mpi, value, h, seen)
  local kind = type(value)
  if engine.is_tensor(value) then
    h = digest(mpi, options.show(value), h, seen)
    local dense = value:detach():contiguous()
    local at, bytes = core.address(dense)
    return mpi.hash(at, bytes, h)
  elseif kind == "number" or kind == "string" or kind == "boolean" then
    local text = kind:sub(1, 1) .. (kind == "number" and ("%q"):format(value)
      or tostring(value))
    return mpi.hash(text, #text, h)
  elseif kind ~= "table" or seen[value] then
    return h
  end
  seen[value] = true
  local keys = {}
  for key in pairs(value) do
    if type(key) == "string" or type(key) == "number" then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b)
    if type(a) ~= type(b) then return type(a) == "number" end
    return a < b
  end)
  for _, key in ipairs(keys) do
    h = digest(mpi, key, h, seen)
    h = digest(mpi, value[key], h, seen)
  end
  return h
end

--- Returns a hash of all numbers, strings and tensors in a value.
-- @param value plain values, tensors and tables of them; anything else is ignored
-- @treturn string 16 hexadecimal digits; empty if there are no other ranks
-- @usage print(torus.dist.hash({ 1, "a", torus.ones(3) }) == "")   -- true
function M.hash(value)
  local processes = group()
  if processes.size == 1 then return "" end
  return ("%016x"):format(digest(processes.mpi, value, 0, {}))
end

--- Returns true if all ranks are about to end with an error, so that one of them can print it
-- for all; otherwise the others must be stopped, which happens when this process exits.
-- @treturn boolean
-- @treturn integer the rank, also within `alone`
-- @usage print(torus.dist.end_together())   -- true  0
function M.end_together()
  if not world or not world.mpi then return true, 0 end
  -- A rank that was stopped may still have to finish an update.
  return world.mpi.leave(core.stopped() and 60 or 5), world.rank
end

signature.functions("dist", M, {
  all_reduce = "x: tensor, opts?: table", broadcast = "x: tensor, root?: integer",
  barrier = "meanwhile?: function", alone = "f: function", first = "f: function",
  disagreement = "text: string", sum = "count: integer",
})

return M
