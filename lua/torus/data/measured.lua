--- Measured states: the user's own trajectories, or points with their time derivatives,
-- from a .csv, .npy or .npz file.
--
--     local set = assert(torus.data.measured.open("states.csv"))
--     set.train.q, set.train.p       -- (n, d), like dq and dp, their derivatives
--
-- A table (.csv) has a row for each state. Its columns are identified by their names: q or
-- q1, q2, ..., the same for p, t or time, dq and dp if the derivatives were measured too,
-- and `trajectory` (or run, sequence, id, episode) for several trajectories; without this
-- column, a new trajectory begins wherever the time decreases. Without columns named q and
-- p, all columns other than t and trajectory are q, then p (then dq and dp with
-- derivatives = "true"). A .npy array is (trajectories, times, 2 d), (trajectories, times,
-- 2, d) or (times, 2 d), with q before p. A .npz archive contains q and p, (trajectories,
-- times, d) or (times, d), optionally dq and dp, and dt or t; other arrays are ignored.
-- @module torus.data.measured
local csv = require "torus.csv"
local engine = require "torus.engine"
local npy = require "torus.npy"
local npz = require "torus.npz"
local options = require "torus.options"
local random = require "torus.random"

local M = {}

local PARTS = { "q", "p", "dq", "dp" }
local OF_ARCHIVE = { "dt", "t", table.unpack(PARTS) }
local OF_TRAJECTORY = { trajectory = true, run = true, sequence = true, id = true,
  episode = true }

-- Problems with a file are thrown as {text} and caught in M.open.
local function fail(text, ...) error({ string.format(text, ...) }, 0) end

-- Tolerance for equal time steps, whose printed numbers are rounded.
local STEP_TOLERANCE = 1e-3

-- --- readers: {q =, p =, dq =, dp = (rows, d) float64, lengths = {...}, dt =} ---------

-- The role of a column by its name, one of PARTS, "t", "trajectory", or nil; and the
-- number in the name.
local function role_of(name)
  name = name:lower():gsub("[%s_%[%]]", ""):gsub("/dt$", "")
  if name == "t" or name == "time" then return "t" end
  if OF_TRAJECTORY[name] then return "trajectory" end
  local part, number = name:match("^(d?[qp])(%d*)$")
  return part, tonumber(number)
end

-- Columns by role. If none is called q, the unnamed ones are split into equal parts.
local function columns_of(names, count, derivatives)
  local found, rest = { q = {}, p = {}, dq = {}, dp = {}, t = {}, trajectory = {} }, {}
  local order = {}
  for i = 1, count do
    local role, number
    if names then role, number = role_of(names[i]) end
    table.insert(role and found[role] or rest, i)
    order[i] = (number or 0) * count + i
  end
  for _, part in ipairs(PARTS) do
    table.sort(found[part], function(a, b) return order[a] < order[b] end)
  end
  if #found.q == 0 and #found.p == 0 and #found.dq + #found.dp == 0 then
    local parts = derivatives == "true" and 4 or 2
    local d = #rest // parts
    if d == 0 or #rest % parts ~= 0 then
      fail("expected columns named q and p, or %s the same number of columns each, got %d",
        parts == 2 and "q and p in" or "q, p, dq and dp in", #rest)
    end
    for k = 1, parts do table.move(rest, (k - 1) * d + 1, k * d, 1, found[PARTS[k]]) end
  end
  local d = #found.q
  if #found.p ~= d or (#found.dq > 0 or #found.dp > 0)
    and (#found.dq ~= d or #found.dp ~= d) then
    fail("expected the same number of columns for q, p and, if present, dq and dp, got %d for "
      .. "q, %d for p, %d for dq and %d for dp", d, #found.p, #found.dq, #found.dp)
  end
  return found
end

-- Which columns are q and p, for the description.
local function roles(names, columns)
  local texts = {}
  for _, part in ipairs { "q", "p" } do
    local list = {}
    for k, column in ipairs(columns[part]) do
      list[k] = names and names[column] or "column " .. column
    end
    texts[#texts + 1] = part .. " = " .. table.concat(list, ", ")
  end
  return table.concat(texts, "; ")
end

local function pick(x, columns)
  if #columns == 0 then return nil end
  return x:index_select(2, engine.tensor(columns, { dtype = "int64" }))
end

-- The lengths of the trajectories and their common time step; nil and true if the steps differ,
-- which `uneven` allows.
local function cut(times, ids, rows, uneven)
  local lengths, first, dt, differ = {}, 1, nil, false
  for i = 2, rows + 1 do
    local ends = i > rows or ids and ids[i] ~= ids[i - 1]
      or times and times[i] <= times[i - 1]
    if ends then
      lengths[#lengths + 1] = i - first
      first = i
    elseif times then
      local step = times[i] - times[i - 1]
      if not (step > 0 and step < math.huge) then
        fail("expected finite times, got %g and then %g at row %d", times[i - 1], times[i], i)
      end
      dt = dt or step
      differ = differ or math.abs(step - dt) > STEP_TOLERANCE * dt
      if differ and not uneven then
        fail("expected equal time steps, got %g and, at row %d, %g; resample the "
          .. "states, or provide derivatives (dq, dp)", dt, i, step)
      end
    end
  end
  if differ then dt = nil end
  -- Averaging many steps reduces the rounding error.
  if dt then
    local longest, at, start = 0, 1, 1
    for _, n in ipairs(lengths) do
      if n > longest then longest, at = n, start end
      start = start + n
    end
    dt = (times[at + longest - 1] - times[at]) / (longest - 1)
  end
  return lengths, dt, differ
end

local function from_csv(path, o)
  local x, names = csv.load(path, { dtype = "float64" })
  if not x then return nil, names end
  local rows = x:size(1)
  if rows == 0 then fail("expected rows of states, got none") end
  local columns = columns_of(names, x:size(2), o.derivatives)
  local function list(name)
    local c = columns[name][1]
    return c and x:select(2, c):totable()
  end
  local found = {}
  for _, part in ipairs(PARTS) do found[part] = pick(x, columns[part]) end
  found.lengths, found.dt, found.uneven = cut(list "t", list "trajectory", rows,
    found.dq ~= nil)
  found.ordered = #columns.t > 0 or #columns.trajectory > 0 or not found.dq
  found.roles = roles(names, columns)
  return found
end

-- How an array of states was read, for messages.
local function reading_of(name, shape, trajectories, times, d)
  return ("%s of shape %s, read as %d trajector%s of %d time%s with %d coordinate%s"):format(name,
    options.shape_text(shape), trajectories, trajectories == 1 and "y" or "ies", times,
    times == 1 and "" or "s", d, d == 1 and "" or "s")
end

-- Splits (trajectories, times, k d) into parts (trajectories * times, d).
local function from_array(x, o)
  local shape = x.shape
  local parts = o.derivatives == "true" and 4 or 2
  if #shape == 4 and shape[3] == parts then
    x = x:reshape(shape[1], shape[2], shape[3] * shape[4])
  elseif #shape == 2 then
    x = x:unsqueeze(1)
  end
  local d = x:dim() == 3 and x:size(3) // parts or 0
  if d == 0 or x:size(3) % parts ~= 0 or x:numel() == 0 then
    fail("expected the shape (trajectories, times, %d d), (trajectories, times, %d, d) or "
      .. "(times, %d d), got %s", parts, parts, parts, options.shape_text(shape))
  end
  local n, t = x:size(1), x:size(2)
  local found = { lengths = {}, ordered = parts == 2 or n > 1 }
  x = x:to("float64"):reshape(n * t, parts * d)
  for k = 1, parts do found[PARTS[k]] = x:narrow(2, (k - 1) * d + 1, d):contiguous() end
  for i = 1, n do found.lengths[i] = t end
  found.reading = reading_of("an array", shape, n, t, d)
  return found
end

-- Reads the time step of an archive from its array dt or t.
local function read_times(found, arrays)
  if arrays.dt then
    if arrays.dt:numel() ~= 1 then
      fail("expected one number as dt, got %s", options.show(arrays.dt))
    end
    found.dt = arrays.dt:to("float64"):item()
    return
  end
  local count, t = found.q:size(1), arrays.t
  if t:numel() ~= count and t:numel() ~= found.lengths[1] then
    fail("expected t to have a time for each of the %d states of a trajectory, or for all "
      .. "%d, got %s; %s", found.lengths[1], count, options.show(t), found.reading)
  end
  local lengths
  lengths, found.dt, found.uneven = cut(t:reshape(-1):to("float64"):totable(), nil, t:numel(),
    found.dq ~= nil)
  for i, n in ipairs(lengths) do
    if n ~= found.lengths[i] then
      fail("expected times t that rise in each trajectory of q, got %d rising ones in "
        .. "trajectory %d; %s", n, i, found.reading)
    end
  end
end

local function from_npz(path)
  local arrays, message = npz.load(path, { names = OF_ARCHIVE })
  if not arrays then return nil, message end
  local q = arrays.q
  if not q or not arrays.p then fail("expected arrays q and p") end
  local found, shape = { lengths = {} }, options.shape_text(q)
  local hint = q:dim() == 2 and "; several trajectories are (trajectories, times, d)" or ""
  for _, part in ipairs(PARTS) do
    local x = arrays[part]
    if x then
      if options.shape_text(x) ~= shape then
        fail("expected %s of the shape of q, %s, got %s", part, shape,
          options.shape_text(x))
      end
      if x:dim() == 2 then x = x:unsqueeze(1) end
      if x:dim() ~= 3 or x:numel() == 0 then
        fail("expected q of shape (trajectories, times, d) or (times, d), got %s", shape)
      end
      for i = 1, x:size(1) do found.lengths[i] = x:size(2) end
      found[part] = x:to("float64"):reshape(-1, x:size(3))
    end
  end
  found.reading = reading_of("q", q.shape, #found.lengths, found.lengths[1], found.q:size(2))
    .. hint
  if arrays.dt or arrays.t then read_times(found, arrays) end
  found.ordered = found.dt ~= nil or not found.dq or #found.lengths > 1
  return found
end

local function read(path, o)
  if path:find("%.npz$") then return from_npz(path) end
  if not path:find("%.npy$") then return from_csv(path, o) end
  local x, message = npy.load(path)
  if not x then return nil, message end
  return from_array(x, o)
end

-- --- derivatives ------------------------------------------------------------------------

-- The rows at which differences are computed, without the ends of each trajectory.
local function difference_rows(lengths, before, after)
  local rows, first = {}, 0
  for _, n in ipairs(lengths) do
    for i = 1 + before, n - after do rows[#rows + 1] = first + i end
    first = first + n
  end
  return #rows > 0 and engine.tensor(rows, { dtype = "int64" }) or nil
end

local function sum(list, first, last)
  local total = 0
  for i = first, last do total = total + list[i] end
  return total
end

local function at(x, rows) return x:index_select(1, rows) end

-- The numbers of states of trajectories, for messages.
local function lengths_text(lengths)
  return ("%d states in %d trajector%s"):format(sum(lengths, 1, #lengths), #lengths,
    #lengths == 1 and "y" or "ies")
end

-- Points and derivatives of sequences: {q =, p =, dq =, dp = (n, d)}
local function points(sequence, set)
  local derivatives, dt = set.derivatives, set.dt
  if derivatives == "true" then
    local found = {}
    for _, part in ipairs(PARTS) do found[part] = sequence[part] end
    return found
  end
  local before = derivatives == "central" and 1 or 0
  local rows = difference_rows(sequence.lengths, before, 1)
  if not rows then
    fail("expected trajectories of at least %d states for training and for tests, as differences "
      .. "are used, got %s", before + 2, set.reading or lengths_text(set.lengths))
  end
  local found = {}
  for _, part in ipairs { "q", "p" } do
    local x = sequence[part]
    found[part] = at(x, rows)
    found["d" .. part] = (at(x, rows + 1) - at(x, rows - before)) / (dt * (before + 1))
  end
  return found
end

-- --- training and test --------------------------------------------------------------------

local function rows_of(set, first, count, lengths)
  local part = { lengths = lengths }
  for _, name in ipairs(PARTS) do
    part[name] = set[name] and set[name]:narrow(1, first, count)
  end
  return part
end

-- The last trajectories, or the end of a single one, are held out.
local function split_sequences(set, share)
  local n = #set.lengths
  if n == 1 then
    local rows = set.lengths[1]
    local test = math.max(1, math.floor(share * rows + 0.5))
    if rows - test < 1 then fail("expected at least two states, got %d", rows) end
    return rows_of(set, 1, rows - test, { rows - test }),
      rows_of(set, rows - test + 1, test, { test })
  end
  local test = math.min(n - 1, math.max(1, math.floor(share * n + 0.5)))
  local rows = sum(set.lengths, 1, n - test)
  return rows_of(set, 1, rows, table.move(set.lengths, 1, n - test, 1, {})),
    rows_of(set, rows + 1, sum(set.lengths, n - test + 1, n),
      table.move(set.lengths, n - test + 1, n, 1, {}))
end

-- Unordered points: some, chosen by the seed, are held out.
local function split_points(set, share, seed)
  local rows = set.q:size(1)
  local test = math.max(1, math.floor(share * rows + 0.5))
  if rows - test < 1 then fail("expected at least two states, got %d", rows) end
  local order = random.permutation(rows, random.key(seed, "test", "measured states"))
  for _, name in ipairs(PARTS) do set[name] = at(set[name], order) end
  return rows_of(set, 1, rows - test), rows_of(set, rows - test + 1, test)
end

local function finished(part, set, o)
  local found = points(part, set)
  for name, x in pairs(found) do found[name] = x:to(o.dtype):contiguous() end
  found.size = found.q:size(1)
  if part.lengths and set.dt then
    found.sequence = { q = part.q:to(o.dtype):contiguous(),
      p = part.p:to(o.dtype):contiguous(), lengths = part.lengths }
  end
  return found
end

local function check_numbers(set)
  for _, name in ipairs(PARTS) do
    local x = set[name]
    if x and (x * 0):sum():item() ~= 0 then
      local bad = (x * 0):sum(2):ne(0):to("int64"):argmax(1):item()
      fail("expected finite numbers, got a NaN or an infinity in row %d of %s", bad, name)
    end
  end
end

local RULES = {
  dt = { type = "number", above = 0 },
  derivatives = { default = "auto", choices = { "auto", "true", "central", "difference" } },
  test_share = { default = 0.2, type = "number", above = 0, max = 0.9 },
  seed = { default = 0, type = "integer", min = 0 },
  dtype = { default = "float32", choices = { "float32", "float64" } },
}

local function settle_dt(set, o)
  if set.uneven and (o.dt or set.derivatives ~= "true") then
    fail("expected equal time steps, got different ones; resample the states, or use derivatives "
      .. "(dq, dp), without dt")
  end
  if set.dt and o.dt and math.abs(set.dt - o.dt) > STEP_TOLERANCE * o.dt then
    fail("expected time steps of dt = %g, got %g", o.dt, set.dt)
  end
  set.dt = set.dt or o.dt
  if set.derivatives ~= "true" and not set.dt then
    fail("expected the time between states as dt (--set dt=0.1), or a column t")
  end
  if set.dt and not (set.dt > 0 and set.dt < math.huge) then
    fail("expected a positive time between states, got %g", set.dt)
  end
end

local Measured = {}
Measured.__index = Measured

-- How the file was read: what training prints.
function Measured:__tostring()
  local text = ("data of %s: %d coordinate%s, dt %s, %d point%s for training, %d for tests")
    :format(self.path, self.dimension, self.dimension == 1 and "" or "s",
      self.dt and ("%.6g"):format(self.dt) or "unknown", self.train.size,
      self.train.size == 1 and "" or "s", self.test.size)
  return self.reading and text .. "; " .. self.reading or text
end

local function open(path, o)
  local set, message = read(path, o)
  if not set then return nil, message end
  set.derivatives = o.derivatives == "auto" and (set.dq and "true" or "central")
    or o.derivatives
  if set.derivatives == "true" and not (set.dq and set.dp) then
    fail("expected dq and dp, got only q and p; derivatives = \"central\" uses differences")
  end
  settle_dt(set, o)
  check_numbers(set)
  local train, test
  if set.ordered then
    train, test = split_sequences(set, o.test_share)
  else
    train, test = split_points(set, o.test_share, o.seed)
  end
  local reading = set.reading or lengths_text(set.lengths)
  return setmetatable({ path = path, dt = set.dt, derivatives = set.derivatives,
    reading = set.roles and set.roles .. "; " .. reading or reading,
    dimension = set.q:size(2), train = finished(train, set, o),
    test = finished(test, set, o) }, Measured)
end

--- Opens measured states. The last trajectories are held out for tests; with a single
-- trajectory, its end; with points that have derivatives but no times, some chosen by the
-- seed.
-- @tparam string path of a .csv, .npy or .npz file, see above
-- @tparam[opt] table opts
-- @tparam[opt] number opts.dt time between states, if the file does not contain it
-- @tparam[opt="auto"] string opts.derivatives "true", those of the file; "central",
-- central differences, of second order in dt; "difference", forward differences; "auto" is
-- "true" if the file has derivatives, else "central"
-- @tparam[opt=0.2] number opts.test_share fraction held out for tests
-- @tparam[opt=0] integer opts.seed chooses the points that are held out
-- @tparam[opt="float32"] string opts.dtype or "float64"
-- @treturn[1] table path, dimension, derivatives, dt, reading (how the file was read, a text; the
-- table itself prints as a description), and train and test, each with size,
-- q, p, dq, dp (size, d) and, if dt is known, sequence: q and p (rows, d) of all states
-- and lengths, the number of states of each trajectory
-- @treturn[2] nil
-- @treturn[2] string what is wrong with the file
-- @usage
-- t = torus.arange(0, 10, 0.1, { dtype = "float64" })
-- swing = torus.stack({ t, t:cos(), -t:sin() }, 2)
-- assert(torus.csv.save("swing.csv", swing, { header = { "t", "q", "p" } }))
-- set = assert(torus.data.measured.open("swing.csv"))
-- print(set.dt, set.train.size, set.test.size)   -- 0.1  79  18
function M.open(path, opts)
  options.argument("data.measured", "path", path, { type = "path" })
  local o = options.resolve("data.measured", opts, RULES)
  local ok, set, message = pcall(engine.no_grad, open, path, o)
  if ok then return set, message end
  if type(set) ~= "table" then error(set, 0) end
  return nil, string.format("%s: %s", path, set[1])
end

return M
