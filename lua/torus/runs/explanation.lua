--- What the keys of a model's configuration mean, as text.
-- @module torus.runs.explanation
local options = require "torus.options"
local tasks = require "torus.tasks"

local M = {}

local WIDTH, INDENT = 80, "    "

-- Words in lines of at most WIDTH characters.
local function wrapped(text)
  local lines, line = {}, INDENT
  for word in text:gmatch("%S+") do
    if #line + #word > WIDTH and line ~= INDENT then
      lines[#lines + 1], line = line:gsub("%s+$", ""), INDENT
    end
    line = line .. word .. " "
  end
  lines[#lines + 1] = line:gsub("%s+$", "")
  return table.concat(lines, "\n")
end

local function shown(value)
  if type(value) == "table" then
    local items = {}
    for i, item in ipairs(value) do items[i] = shown(item) end
    return table.concat(items, ",")
  end
  return type(value) == "number" and ("%.6g"):format(value) or tostring(value)
end

-- "integer from 1 to 64", "leapfrog, euler, determ or no_fpsi"
local function kind_of(rule)
  if rule.choices then
    local list = {}
    for i, choice in ipairs(rule.choices) do list[i] = tostring(choice) end
    local last = table.remove(list)
    return #list > 0 and table.concat(list, ", ") .. " or " .. last or last
  end
  local text = rule.type == "table" and "numbers separated by commas"
    or rule.type == "string" and "text" or rule.type or "value"
  if rule.words then text = text .. ", or " .. table.concat(rule.words, ", ") end
  if rule.type == "boolean" then return "true or false" end
  if rule.above then text = text .. (" above %s"):format(shown(rule.above)) end
  if rule.min then text = text .. (" from %s"):format(shown(rule.min)) end
  -- The limit of every integer says nothing about this one.
  if rule.max and rule.max < tasks.MAX_INTEGER then
    text = text .. (" to %s"):format(shown(rule.max))
  end
  return text
end

-- Names and values of the presets, and what a change makes of them.
local function all_presets(task)
  local list = {}
  for _, name in ipairs(options.sorted_keys(task.presets)) do
    list[#list + 1] = { name, task.presets[name] }
  end
  for _, variant in ipairs(task.preset_variants or {}) do
    local name, changes = variant[1], variant[2]
    local texts = {}
    for _, key in ipairs(options.sorted_keys(changes)) do
      texts[#texts + 1] = key .. "=" .. shown(changes[key])
    end
    local adapted = {}
    for key, value in pairs(task.adapt_preset(task.presets[name], changes)) do
      if shown(value) ~= shown(task.presets[name][key]) then adapted[key] = value end
    end
    list[#list + 1] = { name .. " with " .. table.concat(texts, " "), adapted }
  end
  return list
end

-- The values of presets that differ from the default, by value.
local function presets_of(presets, key, rule)
  local by_value, order = {}, {}
  for _, preset in ipairs(presets) do
    local name, value = preset[1], preset[2][key]
    if value ~= nil and shown(value) ~= shown(rule.default) then
      local text = shown(value)
      if not by_value[text] then
        by_value[text] = {}
        order[#order + 1] = text
      end
      table.insert(by_value[text], name)
    end
  end
  local parts = {}
  for i, text in ipairs(order) do
    parts[i] = ("%s in %s"):format(text, table.concat(by_value[text], ", "))
  end
  return #parts > 0 and "Presets: " .. table.concat(parts, "; ") .. "." or nil
end

local function entry(task, presets, key)
  local rule = task.rules[key]
  local head = rule.default ~= nil and ("%s = %s"):format(key, shown(rule.default)) or key
  local kind = "(" .. kind_of(rule) .. ")"
  local lines = { #head + #kind + 2 <= WIDTH and head .. "  " .. kind
    or head .. "\n" .. wrapped(kind) }
  if rule.doc then lines[#lines + 1] = wrapped(rule.doc) end
  local values = presets_of(presets, key, rule)
  if values then lines[#lines + 1] = wrapped(values) end
  return table.concat(lines, "\n")
end

-- The key of this name; else those that contain it, or whose explanation does.
local function matching(rules, name)
  if rules[name] then return { name } end
  local wanted, found = name:lower(), {}
  for _, key in ipairs(options.sorted_keys(rules)) do
    local text = key .. " " .. (rules[key].doc or "")
    if text:lower():find(wanted, 1, true) then found[#found + 1] = key end
  end
  return found
end

--- Explains the keys of a model's configuration: default, permitted values, meaning, and the
-- values of presets that differ.
-- @tparam string model
-- @tparam[opt] string name of a key, or a part of names or explanations; all keys by default
-- @treturn ?string
-- @treturn ?string message for an unknown model or key
-- @usage
-- explanation = require "torus.runs.explanation"
-- print(explanation.of("hnn", "width"))
function M.of(model, name)
  local task, message = tasks.get(model)
  if not task then return nil, message end
  local keys = name and matching(task.rules, name) or options.sorted_keys(task.rules)
  if #keys == 0 then
    return nil, ("no key of %s is or mentions %s%s"):format(model, options.show(name),
      options.did_you_mean(name, options.sorted_keys(task.rules)))
  end
  local entries, presets = {}, all_presets(task)
  for i, key in ipairs(keys) do entries[i] = entry(task, presets, key) end
  return table.concat(entries, "\n\n")
end

return M
