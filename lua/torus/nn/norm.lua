--- Layer normalisation and batch normalisation.
-- @module torus.nn.norm
-- @public torus.nn
local Module = require "torus.nn.module"
local engine = require "torus.engine"
local options = require "torus.options"
local signature = require "torus.signature"

local M = {}

local SIZE = { type = "integer", min = 1 }
local DTYPE = { default = "float32", choices = { "float32", "float64" } }

local function scale_and_shift(self, shape, o)
  if not o.affine then return end
  local with = { dtype = o.dtype, requires_grad = true }
  self:register("weight", engine.ones(shape, with))
  self:register("bias", engine.zeros(shape, with))
end

-- (x - mean) / sqrt(variance + eps), times the weight, plus the bias.
local function normalised(self, x, mean, variance)
  local y = (x - mean) / (variance + self.eps):sqrt()
  return self.weight and y * self.weight + self.bias or y
end

local LayerNorm = Module.class("LayerNorm")

local LAYER = {
  eps = { default = 1e-5, type = "number", min = 0 },
  affine = { default = true, type = "boolean" },
  dtype = DTYPE,
}

--- Layer normalisation: normalises the last dimensions of every sample to mean 0 and
-- variance 1 (Ba et al. 2016), then applies an elementwise weight and bias.
-- @tparam integer|{integer,...} sizes of the last dimensions
-- @tparam[opt] table opts
-- @tparam[opt=1e-5] number opts.eps added to the variance
-- @tparam[opt=true] boolean opts.affine false: without weight and bias
-- @tparam[opt="float32"] string opts.dtype or "float64"
-- @treturn Module (..., sizes) -> the same shape
-- @usage
-- print(torus.nn.LayerNorm(2)(torus.tensor { { 1, 3 } }))   -- [[-1., 1.]] nearly
function M.LayerNorm(sizes, opts)
  local o = options.resolve("LayerNorm", opts, LAYER)
  local list = type(sizes) == "table" and sizes or { sizes }
  local shape = {}
  for d, size in ipairs(list) do
    shape[d] = options.argument("LayerNorm", "sizes", size, SIZE)
  end
  if #shape == 0 then options.raise("LayerNorm: sizes: expected at least one, got none") end
  local self = Module.instance(LayerNorm, { shape = shape, eps = o.eps })
  scale_and_shift(self, shape, o)
  return self
end

function LayerNorm:forward(x)
  options.tensor("LayerNorm", "x", x, { "...", table.unpack(self.shape) })
  local dims = {}
  for d = 1, #self.shape do dims[d] = -d end
  local mean = x:mean(dims, true)
  return normalised(self, x, mean, (x - mean):square():mean(dims, true))
end

function LayerNorm:describe()
  return string.format("LayerNorm(%s)", table.concat(self.shape, ", "))
end

local BATCH = options.joined(LAYER, {
  momentum = { default = 0.1, type = "number", min = 0, max = 1 },
  track = { default = true, type = "boolean" },
})

local function batch_norm(class, name, channels, opts)
  channels = options.argument(name, "channels", channels, SIZE)
  local o = options.resolve(name, opts, BATCH)
  local self = Module.instance(class, { channels = channels, eps = o.eps,
    momentum = o.momentum })
  scale_and_shift(self, { channels }, o)
  if o.track then
    self:register_buffer("running_mean", engine.zeros({ channels }, { dtype = o.dtype }))
    self:register_buffer("running_var", engine.ones({ channels }, { dtype = o.dtype }))
    self:register_buffer("num_batches_tracked", engine.zeros({}, { dtype = "int64" }))
  end
  return self
end

-- Moves the running statistics towards those of a batch with `count` numbers per channel;
-- the running variance is the unbiased one.
local function follow(self, mean, variance, count)
  engine.no_grad(function()
    local m, c = self.momentum, self.channels
    self.running_mean:mul_(1 - m):add_(mean:detach():reshape(c), m)
    self.running_var:mul_(1 - m):add_(variance:detach():reshape(c), m * count / (count - 1))
    self.num_batches_tracked:fill_(self.num_batches_tracked:item() + 1)
  end)
end

local function batch_forward(self, x)
  if not self.training and self.running_mean then
    return normalised(self, x, self.running_mean, self.running_var)
  end
  local count, dims = x:numel() // self.channels, {}
  if count < 2 then
    options.raise("%s: expected at least 2 numbers for each channel%s, got %s",
      getmetatable(self).__name, self.training and " in training" or ", without running means",
      options.show(x))
  end
  for d = 1, x:dim() - 1 do dims[d] = d end
  local mean = x:mean(dims, true)
  local variance = (x - mean):square():mean(dims, true)
  if self.training and self.running_mean then follow(self, mean, variance, count) end
  return normalised(self, x, mean, variance)
end

local function describe(self)
  return string.format("%s(%d)", getmetatable(self).__name, self.channels)
end

local BatchNorm1d = Module.class("BatchNorm1d")
BatchNorm1d.describe = describe

--- Batch normalisation: normalises every channel of a batch to mean 0 and variance 1 (Ioffe
-- & Szegedy 2015), then applies a weight and a bias to each. Training uses the statistics
-- of the batch and updates running averages of them, which evaluation uses.
-- @tparam integer channels size of the last dimension
-- @tparam[opt] table opts
-- @tparam[opt=1e-5] number opts.eps added to the variance
-- @tparam[opt=0.1] number opts.momentum weight of a batch in the running statistics
-- @tparam[opt=true] boolean opts.affine false: without weight and bias
-- @tparam[opt=true] boolean opts.track false: no running statistics, so evaluation uses
-- those of the batch too
-- @tparam[opt="float32"] string opts.dtype or "float64"
-- @treturn Module (n, channels) or (time, n, channels) -> the same shape
-- @usage
-- norm = torus.nn.BatchNorm1d(3)
-- y = norm(torus.randn(8, 3))
-- print(y:mean(1))   -- zeros, nearly
-- norm:eval()
function M.BatchNorm1d(channels, opts)
  return batch_norm(BatchNorm1d, "BatchNorm1d", channels, opts)
end

function BatchNorm1d:forward(x)
  options.tensor("BatchNorm1d", "x", x, { "...", "n", self.channels })
  return batch_forward(self, x)
end

local BatchNorm2d = Module.class("BatchNorm2d")
BatchNorm2d.describe = describe

--- Batch normalisation of every channel of a batch of images; see BatchNorm1d.
-- @tparam integer channels
-- @tparam[opt] table opts as in BatchNorm1d
-- @treturn Module (n, height, width, channels) -> the same shape
-- @usage
-- norm = torus.nn.BatchNorm2d(3)
-- print(table.unpack(norm(torus.randn(2, 4, 4, 3)).shape))   -- 2 4 4 3
function M.BatchNorm2d(channels, opts)
  return batch_norm(BatchNorm2d, "BatchNorm2d", channels, opts)
end

function BatchNorm2d:forward(x)
  options.tensor("BatchNorm2d", "x", x, { "n", "height", "width", self.channels })
  return batch_forward(self, x)
end

signature.methods("LayerNorm", LayerNorm, {})
signature.methods("BatchNorm1d", BatchNorm1d, {})
signature.methods("BatchNorm2d", BatchNorm2d, {})

return M
