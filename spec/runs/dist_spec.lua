-- Several processes: sums in a fixed order, shares of a batch, training runs under mpirun.
local cells = require "torus.experiments.cells"
local checkpoint = require "torus.runs.checkpoint"
local core = require "torus.core"
local dist_sum = require "torus.dist_sum"
local folders = require "spec.support.folders"
local mpi = require "spec.support.mpi"
local sorted_keys = require("torus.options").sorted_keys
local raises = require "spec.support.raises"
local shares = require "torus.runs.shares"
local torus = require "torus"

local mpi_it = mpi.with(it, pending)

describe("sums over shares", function()
  after_each(folders.clear)

  -- The tree, by definition: the largest power of two of leaves below a half, and the rest.
  local function bracketed(first, last)
    local count = last - first
    if count == 1 then return tostring(first) end
    local left = 1
    while 2 * left < count do left = 2 * left end
    return ("(%s+%s)"):format(bracketed(first, first + left), bracketed(first + left, last))
  end

  local function joined(a, b) return ("(%s+%s)"):format(a, b) end

  it("have one order, however many processes divide them", function()
    for count = 1, 40 do
      for size = 1, count do
        local all = dist_sum.tree(joined)
        local next_share = 0
        for rank = 0, size - 1 do
          local first, last = dist_sum.range(count, rank, size)
          assert.are.equal(next_share, first)
          assert.is_true(last > first)
          next_share = last
          local mine = dist_sum.tree(joined)
          for share = first, last - 1 do mine:push(share, 1, tostring(share)) end
          for _, node in ipairs(mine.nodes) do all:push(node.start, node.size, node.value) end
        end
        assert.are.equal(count, next_share)
        assert.are.equal(bracketed(0, count), all:total())
      end
    end
  end)

  it("are those of plain numbers", function()
    local sum = torus.dist.sum(5)
    assert.are.equal(5, sum.last - sum.first)
    for share = 0, 4 do sum:push(torus.tensor { share, share * share }) end
    assert.are.same({ 10, 30 }, sum:total():totable())
  end)
end)

describe("a single process", function()
  it("is rank 0 of 1, and its tensors are the sums", function()
    local dist = torus.dist
    assert.are.same({ 0, 1, 0, 1 }, { dist.rank(), dist.size(), dist.local_rank(),
      dist.local_size() })
    local x = torus.tensor { 1, 2 }
    assert.are.equal(x, dist.all_reduce(x, { op = "mean" }))
    assert.are.same({ 1, 2 }, dist.broadcast(x):totable())
    dist.barrier()
    assert.is_nil(dist.disagreement "a")
    assert.are.equal("b", (dist.first(function() return "b" end)))
    assert.are.same({ 1, 2 }, { dist.alone(function(...) return ... end, 1, 2) })
  end)

  it("is told of misuse", function()
    local dist, x = torus.dist, torus.ones(2, 3)
    raises("dist.all_reduce: x: expected a tensor, got 3", function() dist.all_reduce(3) end)
    raises([[option "op": expected one of "sum", "mean", "min", "max"; got "product"]],
      function() dist.all_reduce(x, { op = "product" }) end)
    raises("op mean: expected a float32 or float64 tensor, got tensor (2) int64",
      function() dist.all_reduce(torus.arange(1, 2, { dtype = "int64" }), { op = "mean" }) end)
    raises("expected a contiguous tensor, got", function() dist.all_reduce(x:transpose(1, 2)) end)
    raises("the root: expected", function() dist.broadcast(x, 1) end)
    assert.has_error(function() dist.alone(error, "boom") end, "boom")
  end)

  it("is alone among others where the environment says so", function()
    local text, ok = mpi.run("env OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=1 TORUS_MPI=no "
      .. "scripts/torus -e 'print(require(\"torus\").dist.size())'")
    assert.is_true(ok, text)
    assert.are.equal("1\n", text)
  end)

  it("that others were started with says that MPI is missing", function()
    local base = folders.new()
    local build = mpi.build_without(base)
    local text, ok = mpi.run(("env OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 TORUS_BUILD=%s "
      .. "LUA_CPATH_5_4= LUA_CPATH= scripts/torus train hnn --out %s/run"):format(build, base))
    folders.clear()
    assert.is_false(ok)
    assert.matches("train.lua: torus was built without MPI, but 2 processes were started: "
      .. "install libopenmpi-dev and openmpi-bin", text, 1, true)
    assert.is_nil(text:find("traceback", 1, true))
  end)
end)

-- --- shares of a batch --------------------------------------------------------

local HGN = { model = "hgn", system = "mass_spring", train_size = 8, test_size = 2, width = 4,
  z = 3, state = 2, resolution = 16, frames = 6, context = 4, batch = 8, energy_layers = 2,
  decode_frames = 3, steps = 4, dtype = "float64" }

local function joined(...) return require("torus.options").joined(...) end

local CASES = {
  HGN = HGN,
  ["HGN with windows of longer films"] = joined(HGN, { data_frames = 9 }),
  ["HGN without noise"] = joined(HGN, { variant = "determ" }),
  ["HGN's second stage"] = joined(HGN, { state = false, z = false, phase = "vector", frames = 4,
    fit_steps = 4, fit_size = 8, fit_batch = 6, chart = 4 }),
  ["HGN's second stage, all of it at once"] = joined(HGN, { state = false, z = false,
    phase = "vector", frames = 4, fit_steps = 4, fit_size = 8, chart = 4, energy_width = 4,
    energy_layers = false, fit_method = "gauss_newton" }),
  HNN = { model = "hnn", system = "pendulum", trajectories = 4, points = 6, width = 8,
    batch = 9, dtype = "float64" },
  ["HNN on rollouts"] = { model = "hnn", system = "pendulum", trajectories = 4, points = 9,
    width = 8, batch = 0, loss = "rollout", horizon = 3, dtype = "float64" },
  SympNet = { model = "sympnet", system = "pendulum", trajectories = 4, points = 9, batch = 7,
    dtype = "float64" },
  NHF = { model = "nhf", target = "moons", batch = 12, width = 8, dtype = "float64" },
  PixelHNN = { model = "pixel_hnn", system = "pendulum", train_size = 6, test_size = 2,
    resolution = 8, frames = 4, width = 8, batch = 6, dtype = "float64" },
}

local function training_of(changes)
  local given = {}
  for key, value in pairs(changes) do given[key] = value or nil end
  local config = assert(torus.runs.configuration.make(nil, given))
  local task = assert(torus.tasks.get(config.model))
  return task.new(config, assert(task.open_data(config)))
end

describe("shares of a batch", function()
  for name, changes in pairs(CASES) do
    it("have the gradients of the batch together: " .. name, function()
      local whole = training_of(changes)
      local expected, numbers = whole:step(1)
      for _, count in ipairs { 1, 2, 3, 4, 7 } do
        local parts = training_of(changes)
        local got, found, stop = shares.step(parts, 1, count)
        assert.is_nil(stop)
        for key, value in pairs(numbers) do
          assert.is_true(math.abs(found[key] - value) <= 1e-12 * math.max(1, math.abs(value)),
            key)
        end
        for i, entry in ipairs(whole.parameters) do
          assert.are.equal(expected[i] == nil, got[i] == nil, entry[1])
          if got[i] then
            assert.are.same(expected[i].shape, got[i].shape)
            local scale = math.max(expected[i]:abs():max():item(), 1e-6)
            -- Rounding of float64, amplified by the rollout.
            assert.is_true((expected[i] - got[i]):abs():max():item() <= 1e-9 * scale,
              entry[1] .. " of " .. count)
          end
        end
        -- The next step draws what it would have drawn.
        assert.are.same(whole:numbers(), parts:numbers())
      end
    end)
  end

  it("are the whole batch where one process has nothing to divide", function()
    assert.is_nil(shares.count(nil))
    assert.are.equal(3, shares.count(3))
  end)

  it("need a task that draws a batch", function()
    local task = training_of(CASES.HNN)
    raises("train: task: expected a task with draw and share", function()
      torus.runs.loop { folder = folders.new(), task = setmetatable({ draw = false },
        { __index = task }), config = "{}", steps = 1, shares = 2 }
    end)
  end)
end)

describe("the cells of a table", function()
  it("go to ranks by their length", function()
    local list = {}
    for i, cost in ipairs { 5, 1, 4, 2, 3, 9 } do list[i] = { name = "c" .. i, cost = cost } end
    local owners = cells.divide(list, 3)
    -- 9; 5, 2, 1; 4, 3
    assert.are.same({ c6 = 0, c1 = 1, c3 = 2, c5 = 2, c4 = 1, c2 = 1 }, owners)
  end)
end)

-- --- under mpirun --------------------------------------------------------------

local TRAIN = "train hgn --system mass_spring --set train_size=16 --set test_size=2 "
  .. "--set width=4 --set z=3 --set state=2 --set resolution=16 --set frames=6 "
  .. "--set context=4 --set batch=8 --set energy_layers=2 --set evaluate_count=2 "
  .. "--set decode_frames=3 --set lr_decay=none --set save_every=3 --set log_every=1 "

local function bytes_of(path)
  local stored = assert(checkpoint.load(path .. "/checkpoint.safetensors"))
  local parts = { stored.step }
  for _, name in ipairs(sorted_keys(stored.tensors)) do
    parts[#parts + 1] = torus.to_bytes(stored.tensors[name])
  end
  return table.concat(parts, "\0")
end

local function losses_of(path)
  local losses = {}
  for i, row in ipairs(assert(torus.runs.log.read(path .. "/log.csv")).rows) do
    assert.are.equal(i, row.step)
    losses[i] = row.loss
  end
  return losses
end

local function trained(n, arguments, options)
  local text, ok = mpi.run(mpi.command(n, arguments, options))
  assert.is_true(ok, text)
  return text
end

describe("mpirun", function()
  local base

  before_each(function()
    base = folders.new()
    assert(torus.files.make_folder(base))
  end)
  after_each(folders.clear)

  mpi_it("adds, compares and distributes tensors", function()
    for n = 1, 4 do
      local text, ok = mpi.script(n, [[
        local torus = require "torus"
        local dist = torus.dist
        local rank, size = dist.rank(), dist.size()
        local function is(x, value) assert((x - value):abs():max():item() == 0, "wrong values") end
        local triangle = size * (size + 1) // 2
        for _, count in ipairs { 1, 3, 1000, 100003 } do
          local x = torus.arange(1, count):to("float64") * (rank + 1)
          assert(dist.all_reduce(x) == x)
          is(x, torus.arange(1, count):to("float64") * triangle)
          x = torus.full({ count }, rank + 1)
          is(dist.all_reduce(x, { op = "min" }), 1)
          x = torus.full({ count }, rank + 1)
          is(dist.all_reduce(x, { op = "max" }), size)
          x = torus.full({ count }, rank + 1, { dtype = "float64" })
          is(dist.all_reduce(x, { op = "mean" }), (size + 1) / 2)
          x = torus.full({ count }, rank + 1, { dtype = "int64" })
          is(dist.all_reduce(x), triangle)
          x = torus.full({ count }, rank)
          is(dist.broadcast(x, size - 1), size - 1)
        end
        dist.all_reduce(torus.zeros(0))
        -- Sums of small numbers and a large one: ((a + b) + (c + d)) in float32.
        local values = { 1e8, 3, -1e8, 2 }
        local x = torus.full({ 1 }, values[rank + 1])
        dist.all_reduce(x)
        local f = torus.tensor(values)
        local expected = size == 1 and f[1] or size == 2 and f[1] + f[2]
          or size == 3 and (f[1] + f[2]) + f[3] or (f[1] + f[2]) + (f[3] + f[4])
        is(x, expected:item())
        local ok, message = pcall(dist.all_reduce, torus.zeros(rank + 1))
        assert(ok == (size == 1))
        assert(ok or message:find("got tensor (1) float32 on rank 0 and tensor (2) float32 on "
          .. "rank 1", 1, true), message)
        assert(dist.local_size() == size and dist.local_rank() == rank)
        assert(dist.alone(dist.size) == 1 and dist.alone(dist.rank) == 0)
        dist.barrier()
        if rank == 0 then print("all is well") end
      ]])
      assert.is_true(ok, text)
      assert.matches("all is well", text)
    end
  end)

  mpi_it("trains to the bits of one process, on 1, 2 and 4", function()
    local alone, ok = mpi.run("scripts/torus " .. TRAIN .. "--set shares=4 --steps 7 --out "
      .. base .. "/alone")
    assert.is_true(ok, alone)
    for _, n in ipairs { 1, 2, 4 } do
      local path = base .. "/" .. n
      local text = trained(n, TRAIN .. "--set shares=4 --steps 7 --out " .. path)
      assert.matches("done: step 7", text)
      assert.is_true(bytes_of(base .. "/alone") == bytes_of(path), "other bits")
      assert.are.same(losses_of(base .. "/alone"), losses_of(path))
    end
    -- A share for each of three: other roundings of float32, the same in every run.
    for _, name in ipairs { "3", "again" } do
      trained(3, TRAIN .. "--steps 7 --out " .. base .. "/" .. name)
    end
    assert.is_true(bytes_of(base .. "/3") == bytes_of(base .. "/again"), "other bits")
    for i, loss in ipairs(losses_of(base .. "/3")) do
      assert.is_true(math.abs(loss / losses_of(base .. "/alone")[i] - 1) < 1e-4)
    end
  end)

  mpi_it("resumes on another number of processes with the same bits", function()
    trained(4, TRAIN .. "--steps 9 --out " .. base .. "/whole")
    local path = base .. "/parts"
    trained(2, TRAIN .. "--set shares=4 --steps 3 --out " .. path)
    trained(4, "train --resume --steps 6 --out " .. path)
    local text, ok = mpi.run("scripts/torus train --resume --steps 9 --out " .. path)
    assert.is_true(ok, text)
    assert.is_true(bytes_of(base .. "/whole") == bytes_of(path), "other bits")
    assert.are.same(losses_of(base .. "/whole"), losses_of(path))
    -- More processes than shares: it says that the roundings change.
    text = trained(5, "train --resume --steps 11 --out " .. path)
    assert.matches("shares: 4 until now, 5 from here on", text)
  end)

  mpi_it("refuses a rank with another configuration, data or kernels", function()
    local function refused(first, second, second_options)
      local text, ok = mpi.run(mpi.command(1, TRAIN .. first .. " --out " .. base .. "/run")
        .. (" : -n 1 %s scripts/torus %s %s --out %s/run"):format(second_options or "", TRAIN,
        second, base))
      assert.is_false(ok)
      local _, said = text:gsub("train%.lua: ", "")
      assert.are.equal(1, said, text)
      return text
    end
    assert.matches('expected the configuration of rank 0 on all ranks, "lr": 0.001, got '
      .. '"lr": 0.1 on rank 1', refused("", "--set lr=0.1"), 1, true)
    local text, ok = mpi.script(2, ([[
      local torus = require "torus"
      local config = assert(torus.runs.configuration.make("small", { model = "hnn",
        system = "pendulum", trajectories = 4, steps = 3 }))
      local task = torus.tasks.get "hnn"
      local data = assert(task.open_data(config))
      if torus.dist.rank() == 1 then data.train.q[3] = 0.5 end
      local result, message = torus.runs.train(%q, config, { data = data })
      assert(not result)
      if torus.dist.rank() == 0 then print(message) end
    ]]):format(base .. "/data"))
    assert.is_true(ok, text)
    assert.matches("expected the data of rank 0 on all ranks, hash %x+, got hash %x+ on rank 1",
      text)
    if core.isa() ~= "portable" then
      assert.matches("expected the build of rank 0 on all ranks, .*, got .*portable on rank 1",
        refused("", "", "-x TORUS_ISA=portable"))
    end
  end)

  mpi_it("ends all with one message where a rank fails", function()
    local text, ok = mpi.run(mpi.command(1, TRAIN .. " --out " .. base .. "/run")
      .. " : -n 1 scripts/torus train --set nothing=1 --out " .. base .. "/run")
    assert.is_false(ok)
    assert.matches('train.lua: rank 1: --set: unknown key "nothing"', text, 1, true)
    local busy = mpi.command(2, TRAIN .. "--steps 2 --out " .. base .. "/twice")
    assert.is_true(select(2, mpi.run(busy)))
    text, ok = mpi.run(busy)
    assert.is_false(ok)
    local _, said = text:gsub("already holds a run", "")
    assert.are.equal(1, said, text)
    text, ok = mpi.run(mpi.command(2, "evaluate " .. base .. "/twice"))
    assert.is_false(ok)
    assert.matches("expected one process, got 2", text, 1, true)
    -- A batch that has nothing for some of them.
    text, ok = mpi.run(mpi.command(3, TRAIN .. "--set batch=2 --out " .. base .. "/small"))
    assert.is_false(ok)
    assert.matches("batch: expected at least 3, one sample for each process, got 2", text, 1, true)
  end)

  -- Steps that take long enough to be hit.
  local SLOWER = TRAIN:gsub("width=4", "width=16"):gsub("resolution=16", "resolution=32")

  -- A training in the background, and what the shell does to it; how long mpirun then
  -- waits before it kills what has not ended.
  local function disturbed(commands, patience)
    local path = base .. "/run"
    local text = mpi.run(([[{ %s --steps 100000 --out %s & child=$!
      for i in $(seq 600); do
        [ "$(cat %s/log.csv 2>/dev/null | wc -l)" -gt 4 ] && break; sleep 0.1
      done
      ranks=$(cat /proc/$child/task/*/children)
      %s
      wait $child; echo "status $?"; }]]):format(mpi.command(2, SLOWER,
      "--mca odls_base_sigkill_timeout " .. patience), path, path, commands))
    return path, text
  end

  -- What was kept is what an undisturbed training has at that step.
  local function check_resumes(path)
    local step = assert(checkpoint.load(path .. "/checkpoint.safetensors")).step
    local last = step + 4
    trained(2, ("train --resume --steps %d --out %s"):format(last, path))
    trained(2, ("%s --steps %d --out %s/whole"):format(SLOWER, last, base))
    assert.is_true(bytes_of(base .. "/whole") == bytes_of(path), "other bits")
    assert.are.same(losses_of(base .. "/whole"), losses_of(path))
    return step
  end

  mpi_it("ends all after the update at a signal to one", function()
    local path, text = disturbed("kill -TERM $(echo $ranks | cut -d' ' -f2)", 20)
    assert.matches("interrupted by SIGTERM; the checkpoint of step %d+ is in", text)
    local kept = assert(checkpoint.load(path .. "/checkpoint.safetensors")).step
    assert.are.equal(kept, #losses_of(path))
    assert.are.equal(kept, check_resumes(path))
  end)

  mpi_it("ends all after the update at Control-C", function()
    local path, text = disturbed("kill -INT $child", 20)
    local step = tonumber(text:match "interrupted by SIGTERM; the checkpoint of step (%d+) is in")
    assert.is_number(step, text)
    assert.are.equal(step, #losses_of(path))
    local _, said = text:gsub("interrupted", "")
    assert.are.equal(1, said, text)
    assert.are.equal(step, check_resumes(path))
  end)

  mpi_it("ends all where a rank is killed, and goes on from the last checkpoint", function()
    local path, text = disturbed("kill -9 $(echo $ranks | cut -d' ' -f1)", 1)
    local _, noticed = text:gsub("mpirun noticed that process rank 0 ", "")
    assert.are.equal(1, noticed, text)
    assert.is_nil(text:find("train.lua:", 1, true), text)
    assert.are.equal(0, check_resumes(path) % 3)
  end)

  mpi_it("divides the training runs of a table by rank", function()
    local function run(n, out)
      local text, ok = mpi.script(n, ([[
        local torus = require "torus"
        local cells = require "torus.experiments.cells"
        local list, tables = {}, 0
        for i = 1, 5 do
          list[i] = { name = "c" .. i, cost = i, config = assert(torus.runs.configuration.make(
            "full", { model = "hnn", system = "mass_spring", trajectories = 4, points = 5,
            width = 4, steps = 4, seed = i })) }
        end
        local results = assert(cells.run(list, { out = %q, say = function() end,
          measure = function(model) return { rank = torus.dist.alone(function() return 0 end),
            x = model:parameters()[1]:sum():item() } end,
          changed = function() tables = tables + 1 end }))
        assert(torus.dist.rank() == 0 or tables == 0)
        if torus.dist.rank() == 0 then
          for i = 1, 5 do print(("%%.17g"):format(results["c" .. i].x)) end
        end
      ]]):format(out))
      assert.is_true(ok, text)
      return text
    end
    local one = run(1, base .. "/one")
    local _, lines = one:gsub("\n", "")
    assert.are.equal(5, lines)
    assert.are.equal(one, run(3, base .. "/three"))
    -- All are there: nothing is trained again.
    assert.are.equal(one, run(2, base .. "/three"))
  end)
end)
