-- The time of a training step on 1 to 1,024 processes, from what one of them computes and
-- what a network moves:
--
--   T(n) = (fixed + sample * batch / n) / cores + update
--          + 3 latency + 6 (n - 1) message + 2 (n - 1) / n bytes / bandwidth
--
-- Three collective calls: the numbers of the log, the slices of the gradients to whom they
-- belong, the sums to all. In each a process sends a message to every other one and
-- receives one. Overlapping the sums with the backward pass would save at most the last
-- term's part of the decoder, a fifth.
--
--   scripts/torus scripts/dev/ranks_model.lua [KEY=VALUE...]
local p = {
  fixed = 0.067,   -- seconds of one core that a share of any size costs
  sample = 0.0495, -- seconds of one core for a sequence
  update = 0.004,  -- seconds to flatten gradients, their norm, Adam
  bytes = 3.816e6, -- of the gradients
  message = 2e-6,  -- seconds of a processor for each message sent or received
}
for _, text in ipairs(arg) do
  local key, value = text:match "^(%w+)=(.+)$"
  assert(p[key] and tonumber(value), "expected KEY=NUMBER of fixed, sample, update, bytes, message")
  p[key] = tonumber(value)
end

local NETWORKS = {
  { "1 Gbit/s, 0.1 ms", 1e9 / 8, 1e-4 },
  { "10 Gbit/s, 0.05 ms", 1e10 / 8, 5e-5 },
  { "100 Gbit/s, 2 us", 1e11 / 8, 2e-6 },
}

local function sums(n, bandwidth, latency)
  if n == 1 then return 0 end
  return 3 * latency + 6 * (n - 1) * p.message + 2 * (n - 1) / n * p.bytes / bandwidth
end

local function compute(batch, cores) return (p.fixed + p.sample * batch) / cores + p.update end

-- Rows by the number of processes; batch: of all, by their number.
local function show(title, cores, last, batch)
  print("\n" .. title .. "\n")
  print("| processes | computes | " .. NETWORKS[1][1] .. " | " .. NETWORKS[2][1] .. " | "
    .. NETWORKS[3][1] .. " |")
  print("| --- | --- | --- | --- | --- |")
  local n = 1
  while n <= last do
    local own = compute(batch(n) / n, cores)
    local cells = { tostring(n), ("%.0f ms"):format(own * 1e3) }
    for _, network in ipairs(NETWORKS) do
      local total = own + sums(n, network[2], network[3])
      -- Of n times what one process does in its time with the whole batch.
      local efficiency = compute(batch(1), cores) * batch(n) / batch(1) / n / total
      cells[#cells + 1] = ("%.0f ms, %.0f %%"):format(total * 1e3, efficiency * 100)
    end
    print("| " .. table.concat(cells, " | ") .. " |")
    n = n * (n < 4 and 2 or 4)
  end
  for _, network in ipairs(NETWORKS) do
    local found
    for m = 1, 1 << 20 do
      if batch(m) / m < 1 then break end
      if m > 1 and sums(m, network[2], network[3]) > compute(batch(m) / m, cores) then
        found = m
        break
      end
    end
    print(("\n%s: sums take longer than computing %s"):format(network[1],
      found and ("from %d processes on"):format(found) or "at no number"))
  end
end

show("A batch of 16, a core for each process", 1, 16, function() return 16 end)
show("A batch of 1,024, a core for each process", 1, 1024, function() return 1024 end)
show("A batch of 1,024, 16 cores for each process", 16, 1024, function() return 1024 end)
show("16 sequences for each process, a core for each", 1, 1024, function(n) return 16 * n end)
show("16 sequences for each process, 16 cores for each", 16, 1024, function(n) return 16 * n end)
