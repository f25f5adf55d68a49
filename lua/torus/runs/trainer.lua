--- The training loop: steps, log, checkpoints, resuming, stopping.
--
-- A training task, which differs between models, has
--
--     parameters    {{name, tensor}, ...}
--     buffers       likewise, for saved tensors that are not learned; may be nil
--     optimiser     an Adam over those tensors, in that order
--     columns       names of the numbers that steps and evaluations report, for
--                   the log
--     step(task, n)             -> gradients, {[column]=number}, with `loss`
--     draw, share               for shares of a batch, see torus.tasks; may be nil if a
--                               single process computes a step in one piece
--     after_update(task, numbers)
--                               called after the optimiser's step, optional
--     numbers(task)             -> {[string]=number}: all state other than
--                                  parameters and optimiser (generators, ...)
--     load_numbers(task, numbers)
--     first_bad(task)           -> name of the first tensor that is not finite
--     evaluate(task)            -> {[column]=number}, optional
--     draw_changes(task, n)     -> true if drawing the batch of step n changes weights, which
--                               is undone if the step is interrupted, optional
--     ends(task, n)             -> why the training ends before step n, a table, if further
--                               steps would make the model worse, optional; the same on
--                               every process
--     finish(task, ended)       called after the last step, before its checkpoint, with
--                               what `ends` returned, by every process, optional; may
--                               return a sentence for the user, which becomes `note` of
--                               the result
--
-- A run that was stopped by a signal or a crash and then resumed ends bit-identical
-- to an uninterrupted one.
--
-- Under mpirun the processes divide every batch (torus.runs.shares), and each updates its
-- weights, to the same bits. Only rank 0 writes, logs and evaluates.
-- @module torus.runs.trainer
local core = require "torus.core"
local checkpoint = require "torus.runs.checkpoint"
local dist = require "torus.dist"
local files = require "torus.files"
local json = require "dkjson"
local lock = require "torus.lock"
local Log = require "torus.runs.log"
local options = require "torus.options"
local progress = require "torus.progress"
local read_json = require "torus.json"
local shares = require "torus.runs.shares"
local signature = require "torus.signature"
local engine = require "torus.engine"

local M = {}

local RULES = {
  folder = { required = true, type = "path" },
  task = { required = true, type = "table" },
  config = { required = true, type = "string" },
  steps = { required = true, type = "integer", min = 0 },
  save_every = { default = 100, type = "integer", min = 1 },
  log_every = { default = 10, type = "integer", min = 1 },
  evaluate_every = { type = "integer", min = 1 },
  learning_rate = {},
  shares = { type = "integer", min = 1 },
  max_gradient = { type = "number", above = 0 },
  resume = { default = false, type = "boolean" },
  progress = { type = "table" },
  after_step = {},
}

local function finite(x) return x == x and x ~= math.huge and x ~= -math.huge end

local function gradient_norm(gradients, parameters)
  local total = 0
  for i, entry in ipairs(parameters) do
    local g = gradients[i]
    if g then
      local squares = (g * g):sum():item()
      if not finite(squares) then return nil, entry[1] end
      total = total + squares
    end
  end
  return math.sqrt(total)
end

-- Scales the gradients down to a norm, as a spike in Adam's moments would affect many
-- steps.
local function clip(gradients, norm, limit)
  if not limit or norm <= limit then return end
  for i in pairs(gradients) do gradients[i]:mul_(limit / norm) end
end

-- Only on rank 0: the others have the same state. The log comes first: a run that continues
-- from the checkpoint does not write its rows again.
local function save(run)
  if run.rank > 0 then
    run.saved_step = run.step
    return true
  end
  local ok, message = run.log:flush()
  if not ok then return nil, message end
  ok, message = checkpoint.save(run.checkpoint_path, {
    parameters = run.task.parameters, buffers = run.task.buffers,
    optimiser = run.task.optimiser, step = run.step, config = run.config,
    numbers = run.numbers,
  })
  if not ok then return nil, "cannot save the checkpoint: " .. message end
  run.saved_step = run.step
  return true
end

local MAX_CHANGES = 3

-- The options in which a run differs from what its checkpoint was trained with, for messages.
local function changed_options(before, now)
  local list = {}
  for _, key in ipairs(options.sorted_keys(options.joined(before, now))) do
    if key ~= "steps" and json.encode(before[key]) ~= json.encode(now[key]) then
      list[#list + 1] = string.format("%s was %s and is %s", key, options.show(before[key]),
        options.show(now[key]))
    end
  end
  if #list == 0 then return "" end
  local more = #list - MAX_CHANGES
  return "; options have changed: " .. table.concat(list, ", ", 1, math.min(#list, MAX_CHANGES))
    .. (more > 0 and (" and %d more"):format(more) or "")
end

-- The options that differ, for a message about a checkpoint that does not fit; or nil and a
-- message if it is of another model, of which all options differ.
local function difference(run, stored)
  local before, now = read_json.decode(stored.config), read_json.decode(run.config)
  if type(before) ~= "table" or type(now) ~= "table" then return "" end
  if before.model ~= now.model then
    return nil, string.format("%s: expected a checkpoint of %s, got one of %s",
      run.checkpoint_path, options.show(now.model), options.show(before.model))
  end
  return changed_options(before, now)
end

local function load_checkpoint(run)
  local stored, message = checkpoint.load(run.checkpoint_path)
  if not stored then return nil, message end
  local changed
  changed, message = difference(run, stored)
  if not changed then return nil, message end
  local entries = table.move(run.task.parameters, 1, #run.task.parameters, 1, {})
  for _, entry in ipairs(run.task.buffers or {}) do entries[#entries + 1] = entry end
  local known = {}
  for _, entry in ipairs(entries) do
    local value = stored.tensors[entry[1]]
    if not value then
      return nil, string.format("%s: expected a tensor %q, got none%s",
        run.checkpoint_path, entry[1], changed)
    end
    local expected = options.shape_text(entry[2])
    local got = options.shape_text(value)
    if expected ~= got or value.dtype ~= entry[2].dtype then
      return nil, string.format("%s: %s: expected %s %s, got %s %s%s",
        run.checkpoint_path, entry[1], expected, entry[2].dtype, got,
        value.dtype, changed)
    end
    known[entry[1]] = value
  end
  local ok
  ok, message = checkpoint.restore_optimiser(stored, run.task.optimiser,
    run.task.parameters)
  if not ok then return nil, run.checkpoint_path .. ": " .. message end
  engine.no_grad(function()
    for _, entry in ipairs(entries) do
      entry[2]:copy_(known[entry[1]])
    end
  end)
  local _, problem = options.attempt(run.task.load_numbers, run.task,
    stored.numbers)
  if problem then
    return nil, string.format("%s: the state of the run is damaged: %s",
      run.checkpoint_path, problem)
  end
  run.step, run.numbers = stored.step, stored.numbers
  run.saved_step = stored.step
  return true
end

-- Creates the folder, its configuration and its log: everything written before training.
local function prepare_folder(run)
  local ok, message = files.write(run.folder .. "/config.json", run.config)
  if not ok then return nil, message end
  run.log, message = Log.open(run.folder .. "/log.csv", run.columns, run.step)
  return run.log and true, message
end

-- A short text that identifies all tensors and numbers an update starts from.
local function state_text(run)
  return ("step %d, weights %s"):format(run.step,
    dist.hash { run.task.parameters, run.task.buffers or {}, run.task.optimiser:state(),
      run.numbers })
end

-- A message if the processes are in different states, the same on all of them.
local function disagreement(run)
  local who, texts = dist.disagreement(state_text(run))
  if not who then return nil end
  local other = texts[2]
  for i = 2, #texts do if texts[i] ~= texts[1] then other = texts[i] end end
  return ("%s: expected the state of rank 0 (%s) on all ranks, got another state on %s (%s)")
    :format(run.folder, texts[1], who, other)
end

-- A message if the folder has the rows of a run whose checkpoint is gone, which a new start would
-- delete. A run that was killed before its first checkpoint has none yet.
local function orphaned_log(run)
  local path = run.folder .. "/log.csv"
  local step = files.exists(path) and Log.last_step(path)
  return step and string.format("%s has a log of %d step%s but no checkpoint to continue from: "
    .. "choose another folder, or delete %s to start again", run.folder, step,
    step == 1 and "" or "s", path) or nil
end

local function prepare(run)
  local ok, message
  -- Before rank 0 begins to write.
  local found = dist.first(files.exists, run.checkpoint_path)
  if run.resume and found then
    ok, message = load_checkpoint(run)
    if not ok then return nil, message end
    if run.step > run.steps then
      return nil, string.format("train: steps: %s is already at step %d, "
        .. "expected at least that many, got %d", run.folder, run.step,
        run.steps)
    end
  elseif found then
    return nil, string.format("%s already holds a run: resume it, or choose "
      .. "another folder", run.folder)
  end
  message = not found and dist.first(orphaned_log, run) or disagreement(run)
  if message then return nil, message end
  return dist.first(prepare_folder, run)
end

-- The message for a run that cannot continue: the reason, and where the last good state
-- is.
local function bad_numbers(run, step, reason)
  local kept = run.saved_step
    and string.format("the checkpoint of step %d is kept in %s",
      run.saved_step, run.folder)
    or "no checkpoint had been written yet"
  return nil, string.format("training stopped at step %d: %s; %s", step, reason,
    kept)
end

local function is_due(run, every)
  return every and (run.step % every == 0 or run.step == run.steps)
end

-- Adds the last step, with what it reported, to the log.
local function log_row(run, evaluates)
  local row = { step = run.step, seconds = engine.clock() - run.started }
  for key, value in pairs(run.last) do row[key] = value end
  if evaluates and run.task.evaluate then
    for key, value in pairs(run.task:evaluate()) do row[key] = value end
  end
  run.last = nil
  return run.log:row(row)
end

-- Adds the last step to the log if it is due.
local function report(run)
  local evaluates = is_due(run, run.evaluate_every)
  if run.rank > 0 or not evaluates and not is_due(run, run.log_every) then return true end
  return log_row(run, evaluates)
end

-- Advances from the state of one step to that of the next: no checkpoint may be saved and
-- no Control-C handled in between.
local function update(run, gradients, numbers)
  local task = run.task
  task.optimiser:step(gradients)
  if task.after_update then task:after_update(numbers) end
  run.numbers, run.step = task:numbers(), run.step + 1
end

-- A value to close after a step, which restores the tensors if an error, such as an interrupt,
-- came before the step's update.
local function undoing(run)
  local kept, before = {}, run.step
  for _, list in ipairs { run.task.parameters, run.task.buffers or {} } do
    for _, entry in ipairs(list) do kept[#kept + 1] = { entry[2], entry[2]:detach():copy() } end
  end
  local function restore()
    engine.no_grad(function()
      for _, pair in ipairs(kept) do pair[1]:copy_(pair[2]) end
    end)
  end
  return setmetatable({}, { __close = function(_, problem)
    if problem ~= nil and run.step == before then core.uninterrupted(restore) end
  end })
end

-- The gradients and numbers of a step and, with several processes, the signal by which one
-- of them was told to stop.
local function gradients_of(run, step)
  if run.shares then return shares.step(run.task, step, run.shares) end
  return run.task:step(step)
end

-- Saves the state, if it is the same on all processes.
local function save_agreed(run)
  local message = disagreement(run)
  if message then return nil, message end
  return save(run)
end

-- Ends the training after its last step.
local function finish(run, ended)
  if run.task.finish then run.note = run.task:finish(ended) end
  run.finished = true
end

-- Makes one step up to its update. Returns true and the signal by which one of several processes
-- was told to stop, if any, or nil and a message.
local function make_step(run, step)
  local task = run.task
  local _ <close> = task.draw_changes and task:draw_changes(step) and undoing(run) or nil
  local gradients, numbers, stop = gradients_of(run, step)
  if not finite(numbers.loss) then
    return bad_numbers(run, step, string.format(
      "the loss is %s; the first tensor that is not finite is %s", numbers.loss,
      task:first_bad() or "the loss itself"))
  end
  local norm, bad = gradient_norm(gradients, task.parameters)
  if not norm then
    return bad_numbers(run, step, string.format("the first tensor that is "
      .. "not finite is %s", task:first_bad() or "the gradient of " .. bad))
  end
  clip(gradients, norm, run.max_gradient)
  local optimiser = task.optimiser
  if run.learning_rate then optimiser.lr = run.learning_rate(step) end
  run.last = options.joined(numbers, { gradient = norm, lr = optimiser.lr })
  core.uninterrupted(update, run, gradients, numbers)
  return true, stop
end

-- Makes one step, with what follows it.
local function advance(run)
  local made, stop = make_step(run, run.step + 1)
  if not made then return nil, stop end
  local loss = run.last.loss
  local ok, message = report(run)
  if not ok then return nil, message end
  run.progress:update(run.step, loss)
  if stop and run.processes > 1 then
    core.note_stop(stop)
    run.stop = true
  end
  if run.step == run.steps then finish(run) end
  if not is_due(run, run.save_every) then return true end
  return save_agreed(run)
end

-- True if a signal ends the training here. Several processes must end after the same step:
-- one that has just received the signal continues until the others know.
local function stopped(run)
  if run.processes > 1 then return run.stop end
  return core.stopped()
end

-- Ends a training run that its task does not continue, before the last of its steps.
local function end_early(run, ended)
  -- Unless its last step is in the log already, or was made before it was resumed. Before the
  -- end, like the row of any other last step.
  if run.rank == 0 and run.last then
    local ok, message = log_row(run, true)
    if not ok then return nil, message end
  end
  finish(run, ended)
  return save_agreed(run)
end

local function loop(run)
  while run.step < run.steps do
    local ended = run.task.ends and run.task:ends(run.step + 1)
    if ended then return end_early(run, ended) end
    local ok, message = advance(run)
    if not ok then return nil, message end
    if run.after_step then run.after_step(run) end
    -- Signals are handled here, when the step is in the log.
    if stopped(run) then return true end
  end
  return true
end

-- lua.c and the launcher raise this error on Control-C.
local function is_interrupt(message)
  return type(message) == "string" and message:find("interrupted!", 1, true)
end

local function finish_interrupted(run)
  local signal = core.stopped()
  local how = "interrupted"
  if signal and signal ~= "SIGINT" then how = how .. " by " .. signal end
  -- A run that was interrupted in what follows its last step makes this step again when it is
  -- resumed.
  local whole = run.step < run.steps or run.finished
  if whole and run.step ~= run.saved_step then
    local ok, message = save(run)
    if not ok then return nil, how .. "; " .. message end
  end
  return nil, string.format("%s; the checkpoint of step %d is in %s", how,
    run.saved_step, run.folder)
end

-- Trains, from the first checkpoint to the last.
local function train_on(run)
  local first = run.step
  run.started = engine.clock()
  run.progress = run.rank == 0 and run.progress
    or progress.new(run.steps, first, { active = run.rank > 0 and false or nil })
  local ok, message, called = true, nil, true
  -- Without a first checkpoint, an early stop would lose everything.
  if not run.saved_step then ok, message = save(run) end
  if ok then
    called, ok, message = xpcall(loop, function(problem)
      return is_interrupt(problem) and problem
        or debug.traceback(problem, 2)
    end, run)
  end
  run.progress:finish()
  if not called then
    if is_interrupt(ok) then return finish_interrupted(run) end
    error(ok, 0)
  end
  if not ok then return nil, message end
  if stopped(run) then return finish_interrupted(run) end
  return { step = run.step, started_at = first, note = run.note }
end

-- M.run, after the folder has been locked.
local function train(run)
  local ok, message = prepare(run)
  if not ok then return nil, message end
  local called, result, problem = pcall(core.stoppable, train_on, run)
  if run.log then run.log:close() end
  if not called then error(result, 0) end
  return result, problem
end

-- Creates the folder, unless it is one of somebody else's files: each run locks its own.
local function make_folder(run)
  for _, name in ipairs { "config.json", "log.csv" } do
    local path = run.folder .. "/" .. name
    if files.exists(path) and not files.exists(run.folder .. "/.lock")
      and not files.exists(run.checkpoint_path) then
      return nil, ("%s is not of a run, and a run in its folder would replace it: choose "
        .. "another folder"):format(path)
    end
  end
  return files.make_folder(run.folder)
end

--- Runs the training loop.
-- @function torus.runs.loop
-- @tparam table opts
-- @tparam string opts.folder the run folder, which is created
-- @tparam table opts.task the training task, see above
-- @tparam string opts.config a text, stored in config.json and every checkpoint
-- @tparam integer opts.steps total number of steps
-- @tparam[opt=100] integer opts.save_every steps between checkpoints
-- @tparam[opt=10] integer opts.log_every steps between rows of the log
-- @tparam[opt] integer opts.evaluate_every steps between evaluations
-- @tparam[opt] function opts.learning_rate learning rate as a function of the step
-- @tparam[opt] integer opts.shares number of parts of a batch, which are distributed over
-- processes; required for several processes
-- @tparam[opt] number opts.max_gradient norm to which larger gradients are scaled down
-- @tparam[opt=false] boolean opts.resume continues from the folder's checkpoint,
-- if there is one
-- @tparam[opt] Progress opts.progress
-- @tparam[opt] function opts.after_step called with the trainer's state
-- @treturn ?table step (the last one), started_at and note, a sentence for the user or nil
-- @treturn ?string message why training stopped early
-- @usage
-- set = torus.data.simulate("mass_spring", { train = 4, test = 2, steps = 3,
--   resolution = 16 })
-- config = assert(torus.runs.configuration.make(nil, { model = "hgn", width = 4,
--   z = 3, state = 2, resolution = 16, frames = 4, energy_layers = 2, batch = 2,
--   steps = 2, system = "mass_spring" }))
-- task = require("torus.tasks.hgn")
-- assert(torus.files.make_folder("runs/hand"))
-- result = assert(torus.runs.loop{ folder = "runs/hand",
--   task = task.new(config, set), steps = 2, config = "{}",
--   learning_rate = task.learning_rate(config) })
-- print(result.step)   -- 2
function M.run(opts)
  local run = options.resolve("train", opts, RULES)
  signature.fields("train: task", run.task, "parameters: table, columns: table, "
    .. "numbers: function, load_numbers: function")
  run.checkpoint_path = run.folder .. "/checkpoint.safetensors"
  run.step, run.numbers = 0, run.task:numbers()
  run.columns = { "step" }
  table.move(run.task.columns, 1, #run.task.columns, 2, run.columns)
  for _, name in ipairs { "gradient", "lr", "seconds" } do
    run.columns[#run.columns + 1] = name
  end
  run.rank, run.processes = dist.rank(), dist.size()
  if run.processes > 1 and not run.shares then
    options.raise("train: shares: expected at least %d, one for each process, got nil",
      run.processes)
  end
  if run.shares and not (run.task.draw and run.task.share) then
    options.raise("train: task: expected a task with draw and share, by which processes can "
      .. "divide a batch (see torus.tasks), got a task with only step")
  end
  local result
  local ok, message = dist.first(make_folder, run)
  if not ok then return nil, message end
  if run.rank > 0 then return train(run) end
  result, message = lock.hold(run.folder, train, run)
  return result, message
end

return M
