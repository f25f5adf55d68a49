--- Groups of film strips, each under its title, in one picture.
-- @module torus.figures.sheet
local image = require "torus.image"
local engine = require "torus.engine"

local M = {}

local FRAME, GAP, TEXT = 64, 2, 2 -- a frame's height, about; pixels; letters

--- Returns evenly spaced frames of a film, including the first and the last.
-- @tparam tensor film (frames, height, width, 3)
-- @tparam integer count
-- @treturn tensor
function M.even(film, count)
  local last, indices = film:size(1) - 1, {}
  count = math.min(count, last + 1)
  for i = 0, count - 1 do
    indices[i + 1] = 1 + math.floor(last * i / math.max(1, count - 1) + 0.5)
  end
  return film:index_select(1, engine.tensor(indices, { dtype = "int64" }))
end

-- A white page with an image at its top left, or `down` pixels lower.
local function on_paper(x, height, width, down)
  local paper = engine.ones(height, width, 3)
  paper[{ { down + 1, down + x:size(1) }, { 1, x:size(2) }, {} }] = x
  return paper
end

-- The image of a group, with its title.
local function block(group, count)
  local rows = {}
  for i, row in ipairs(group.rows) do
    rows[i] = { label = row.label, frames = M.even(row.frames, count) }
  end
  local scale = math.max(1, FRAME // rows[1].frames:size(2))
  local strip = image.strip { rows = rows, every = 1, scale = scale,
    gap = GAP, text = TEXT }
  local mask = image.text(group.title, TEXT)
  local title = 1 - mask:expand(mask:size(1), mask:size(2), 3)
  local frames = rows[1].frames
  local left = strip:size(2) - frames:size(1) * (frames:size(3) * scale + GAP)
  local head = title:size(1) + 4 * GAP
  local image_ = on_paper(strip, head + strip:size(1),
    math.max(strip:size(2), left + title:size(2)), head)
  image_[{ { 2 * GAP + 1, 2 * GAP + title:size(1) },
    { left + 1, left + title:size(2) }, {} }] = title
  return image_
end

-- Joins images side by side (dimension 2) or one below the other (1).
local function joined(images, dimension)
  local other, largest, parts = 3 - dimension, 0, {}
  for _, one in ipairs(images) do
    largest = math.max(largest, one:size(other))
  end
  for i, one in ipairs(images) do
    local size = { one:size(1), one:size(2) }
    size[other] = largest
    size[dimension] = size[dimension] + (i < #images and 4 * GAP or 0)
    parts[i] = on_paper(one, size[1], size[2], 0)
  end
  return engine.cat(parts, dimension)
end

--- Draws groups as one image, two in a row.
-- @tparam {table,...} groups title, rows = {{label =, frames = (frames,
-- height, width, 3)}, ...}
-- @tparam integer count number of frames shown in each row
-- @treturn tensor (height, width, 3)
function M.picture(groups, count)
  return engine.no_grad(function()
    local lines = {}
    for i = 1, #groups, 2 do
      local blocks = { block(groups[i], count) }
      if groups[i + 1] then blocks[2] = block(groups[i + 1], count) end
      lines[#lines + 1] = joined(blocks, 2)
    end
    return joined(lines, 1)
  end)
end

--- Writes groups as a PNG.
-- @tparam string path
-- @tparam {table,...} groups
-- @tparam integer count
-- @treturn ?{string,...} files
-- @treturn ?string message
function M.write(path, groups, count)
  local ok, message = image.write(path, M.picture(groups, count))
  if not ok then return nil, message end
  return { path }
end

return M
