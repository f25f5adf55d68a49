--- Discrete Fourier transforms of any length, differentiable to any order.
--
--     local re, im = torus.fft.rfft(q)              -- of real samples
--     local power = re:square() + im:square()
--     local f = torus.fft.rfftfreq(q:size(-1), dt)  -- its frequencies
--
-- Complex numbers are pairs of real tensors, real and imaginary parts: both are
-- ordinary tensors, for which every operation is defined, and a real signal is a
-- single tensor. An imaginary part of zero may be omitted. `torus.fft(re, im)` is
-- `torus.fft.fft(re, im)`.
--
-- The last argument of each function is a table of options, or the length n:
--
-- - `n`: the length of the transform; a longer dimension is truncated, a shorter
--   one padded with zeros (for several dimensions: `sizes`, a list)
-- - `dim`: the dimension, default -1 (for several dimensions: `dims`, a
--   list, by default the last two or all)
-- - `norm`: which transform is divided by the number of elements: the inverse
--   (`"backward"`, the default), the forward one (`"forward"`), or both by its
--   square root (`"ortho"`)
--
-- Lengths whose prime factors are at most 47 are the fastest; all lengths take
-- time n log n. The computation is in double precision for float32 too, and
-- is bit-identical with any number of threads.
-- @module torus.fft
local arguments = require "torus.arguments"
local core = require "torus.core"
local options = require "torus.options"

local ops, raise = core.ops, options.raise

local M = {}

local LINE = {
  n = { type = "integer" },
  dim = { default = -1, type = "integer" },
  norm = { default = "backward", choices = { "backward", "forward", "ortho" } },
}
local SPACE = {
  sizes = { type = "table" },
  dims = { type = "table" },
  norm = LINE.norm,
}

-- The tensors and the options of a call: (re, [im,] [n or options]).
local function parameters(name, re, im, opts, rules)
  if not options.is_live(re) then
    raise("%s: expected a tensor, got %s", name, options.show(re))
  end
  if im ~= nil and not options.is_live(im) then
    if opts ~= nil then
      raise("%s: expected a tensor of imaginary parts, got %s", name, options.show(im))
    end
    im, opts = nil, im
  end
  if rules.n and math.type(opts) == "integer" then opts = { n = opts } end
  return im, options.resolve(name, opts, rules)
end

local INVERSE = { ifft = true, irfft = true }

-- The factor of one transform of n elements.
local function scale_of(name, norm, n)
  if norm == "ortho" then return 1 / math.sqrt(n) end
  return (norm == "backward") == (INVERSE[name] or false) and 1 / n or 1
end

-- One transform along a dimension; n may be nil.
local function along(name, re, im, n, dim, norm)
  local size = re:dim() > 0 and dim ~= 0 and math.abs(dim) <= re:dim() and re:size(dim)
  local length = n or size and (name == "irfft" and 2 * (size - 1) or size)
  local scale = length and length > 0 and scale_of(name, norm, length) or nil
  if im then return ops[name](re, im, n, dim, scale) end
  return ops[name](re, n, dim, scale)
end

local function one_dimensional(name, real)
  return function(re, im, opts)
    local o
    im, o = parameters(name, re, im, opts, LINE)
    if im and real then raise("%s: expected one tensor of real numbers, got two", name) end
    return along(name, re, im, o.n, o.dim, o.norm)
  end
end

--- Transforms complex numbers along a dimension:
-- X_k = sum_j x_j exp(-2 pi i j k / n).
-- @function torus.fft.fft
-- @tparam tensor re real parts
-- @tparam[opt] tensor im imaginary parts, like re; default: zeros
-- @tparam[opt] int|table opts n, or a table with n, dim, norm
-- @treturn tensor real parts, like re except for the length
-- @treturn tensor imaginary parts
-- @usage
-- x = torus.linspace(0, 1, 8)
-- re, im = torus.fft.fft(x)
M.fft = one_dimensional "fft"

--- The inverse of fft: x_j = 1/n sum_k X_k exp(2 pi i j k / n).
-- @function torus.fft.ifft
-- @tparam tensor re
-- @tparam[opt] tensor im
-- @tparam[opt] int|table opts n, or a table with n, dim, norm
-- @treturn tensor real parts
-- @treturn tensor imaginary parts
-- @usage
-- x = torus.linspace(0, 1, 8)
-- re, im = torus.fft.ifft(torus.fft.fft(x))   -- x and zeros
M.ifft = one_dimensional "ifft"

--- Transforms real numbers and returns X_0 to X_(n/2); the others are X_(n-k) = conj X_k.
-- @function torus.fft.rfft
-- @tparam tensor x
-- @tparam[opt] int|table opts n, or a table with n, dim, norm
-- @treturn tensor real parts, n/2 + 1 of them (rounded down)
-- @treturn tensor imaginary parts
-- @usage
-- x = torus.arange(8):sin()
-- re, im = torus.fft.rfft(x)
-- power = re:square() + im:square()   -- (5)
M.rfft = one_dimensional("rfft", true)

--- The inverse of rfft. The imaginary parts of X_0 and, if n is even, X_(n/2), which are
-- zero for a real signal, are not read.
-- @function torus.fft.irfft
-- @tparam tensor re
-- @tparam[opt] tensor im
-- @tparam[opt] int|table opts n, by default the even length 2 (size - 1), or a
-- table with n, dim, norm
-- @treturn tensor x, n real numbers
-- @usage
-- x = torus.randn(9)
-- re, im = torus.fft.rfft(x)
-- filter = torus.tensor{1, 1, 0, 0, 0}
-- smooth = torus.fft.irfft(re * filter, im * filter, x:size(-1))
M.irfft = one_dimensional "irfft"

-- --- several dimensions -------------------------------------------------------

-- The dimensions of a transform and its length along each (nil: unchanged).
local function extent(name, re, o, default)
  local dims = o.dims or {}
  if not o.dims then
    local count = default or o.sizes and #o.sizes or re:dim()
    if count > re:dim() then
      raise("%s: expected at least %d dimensions, got %s", name, count, options.show(re))
    end
    for i = 1, count do dims[i] = i - count - 1 end
  end
  local sizes = o.sizes or {}
  if o.sizes and #sizes ~= #dims then
    raise("%s: expected %d sizes, one for each dimension, got %d", name, #dims, #sizes)
  end
  for i, dim in ipairs(dims) do
    local d = options.argument(name, "dims", dim, { type = "integer" })
    if d == 0 or math.abs(d) > re:dim() then
      raise("%s: dimension %d is outside of %s", name, d, options.show(re))
    end
    if sizes[i] then options.argument(name, "sizes", sizes[i], { type = "integer", min = 1 }) end
  end
  if #dims == 0 then raise("%s: expected at least one dimension", name) end
  return dims, sizes
end

-- name: of the function; first and last: the operations that it consists of,
-- the one along the last of the dimensions before the others, or after them.
local function several(name, other, first, last, default)
  return function(re, im, opts)
    local o
    im, o = parameters(name, re, im, opts, SPACE)
    if im and first == "rfft" then
      raise("%s: expected one tensor of real numbers, got two", name)
    end
    local dims, sizes = extent(name, re, o, default)
    local n = #dims
    if first then re, im = along(first, re, im, sizes[n], dims[n], o.norm) end
    for i = 1, n - 1 do re, im = along(other, re, im, sizes[i], dims[i], o.norm) end
    if last then re, im = along(last, re, im, sizes[n], dims[n], o.norm) end
    return re, im
  end
end

--- Transforms along the last two dimensions, or those in `dims`.
-- @function torus.fft.fft2
-- @tparam tensor re
-- @tparam[opt] tensor im
-- @tparam[opt] table opts sizes, dims, norm
-- @treturn tensor real parts
-- @treturn tensor imaginary parts
-- @usage re, im = torus.fft.fft2(torus.randn(5, 8, 8))   -- (5, 8, 8)
M.fft2 = several("fft2", "fft", "fft", nil, 2)

--- The inverse of fft2.
-- @function torus.fft.ifft2
-- @tparam tensor re
-- @tparam[opt] tensor im
-- @tparam[opt] table opts sizes, dims, norm
-- @treturn tensor real parts
-- @treturn tensor imaginary parts
-- @usage re, im = torus.fft.ifft2(torus.randn(8, 8), torus.randn(8, 8))
M.ifft2 = several("ifft2", "ifft", "ifft", nil, 2)

--- Transforms real numbers like fft2, returning half of the last dimension.
-- @function torus.fft.rfft2
-- @tparam tensor x
-- @tparam[opt] table opts sizes, dims, norm
-- @treturn tensor real parts
-- @treturn tensor imaginary parts
-- @usage re, im = torus.fft.rfft2(torus.randn(5, 8, 8))   -- (5, 8, 5)
M.rfft2 = several("rfft2", "fft", "rfft", nil, 2)

--- The inverse of rfft2.
-- @function torus.fft.irfft2
-- @tparam tensor re
-- @tparam[opt] tensor im
-- @tparam[opt] table opts sizes (give them where the last one is odd), dims, norm
-- @treturn tensor real numbers
-- @usage x = torus.fft.irfft2(torus.fft.rfft2(torus.randn(8, 8)))   -- (8, 8)
M.irfft2 = several("irfft2", "ifft", nil, "irfft", 2)

--- Transforms along all dimensions, or as many of the last ones as `sizes` has, or those in
-- `dims`.
-- @function torus.fft.fftn
-- @tparam tensor re
-- @tparam[opt] tensor im
-- @tparam[opt] table opts sizes, dims, norm
-- @treturn tensor real parts
-- @treturn tensor imaginary parts
-- @usage re, im = torus.fft.fftn(torus.randn(4, 4, 4))
M.fftn = several("fftn", "fft", "fft")

--- The inverse of fftn.
-- @function torus.fft.ifftn
-- @tparam tensor re
-- @tparam[opt] tensor im
-- @tparam[opt] table opts sizes, dims, norm
-- @treturn tensor real parts
-- @treturn tensor imaginary parts
-- @usage re, im = torus.fft.ifftn(torus.fft.fftn(torus.randn(4, 4, 4)))
M.ifftn = several("ifftn", "ifft", "ifft")

--- Transforms real numbers like fftn, returning half of the last dimension.
-- @function torus.fft.rfftn
-- @tparam tensor x
-- @tparam[opt] table opts sizes, dims, norm
-- @treturn tensor real parts
-- @treturn tensor imaginary parts
-- @usage re, im = torus.fft.rfftn(torus.randn(4, 4, 4))   -- (4, 4, 3)
M.rfftn = several("rfftn", "fft", "rfft")

--- The inverse of rfftn.
-- @function torus.fft.irfftn
-- @tparam tensor re
-- @tparam[opt] tensor im
-- @tparam[opt] table opts sizes (give them where the last one is odd), dims, norm
-- @treturn tensor real numbers
-- @usage x = torus.fft.irfftn(torus.fft.rfftn(torus.randn(4, 4, 4)))
M.irfftn = several("irfftn", "ifft", nil, "irfft")

-- --- frequencies ----------------------------------------------------------------

local POSITIVE = { type = "integer", min = 1 }
local SPACING = { type = "number", above = 0 }

local function frequencies(name, from, to, count, dt, opts)
  dt = options.argument(name, "dt", dt == nil and 1 or dt, SPACING)
  return core.arange(from, to, 1, opts) / (count * dt)
end

--- Returns the frequencies of the elements of rfft, in cycles per unit of time.
-- @tparam int n number of samples
-- @tparam[opt=1] number dt time between samples
-- @tparam[opt] table opts dtype, as in arange
-- @treturn tensor (n/2 + 1): 0, 1/(n dt), 2/(n dt), ...
-- @usage torus.fft.rfftfreq(4, 0.5) -- {0, 0.5, 1}
function M.rfftfreq(n, dt, opts)
  n = options.argument("rfftfreq", "n", n, POSITIVE)
  return (frequencies("rfftfreq", 0, n // 2, n, dt, opts))
end

--- Returns the frequencies of the elements of fft; those from n/2 on are negative.
-- @tparam int n number of samples
-- @tparam[opt=1] number dt time between samples
-- @tparam[opt] table opts dtype, as in arange
-- @treturn tensor (n): 0, 1/(n dt), ..., -2/(n dt), -1/(n dt)
-- @usage print(torus.fft.fftfreq(4, 0.5))   -- 0 0.5 -1 -0.5
function M.fftfreq(n, dt, opts)
  n = options.argument("fftfreq", "n", n, POSITIVE)
  local positive = frequencies("fftfreq", 0, (n - 1) // 2, n, dt, opts)
  if n == 1 then return positive end
  return ops.cat({ positive, frequencies("fftfreq", -(n // 2), -1, n, dt, opts) }, 1)
end

-- Rotates a dimension so that element `from` becomes the first one.
local function rotated(name, x, dim, from_of)
  if not options.is_live(x) then
    raise("%s: expected a tensor, got %s", name, options.show(x))
  end
  dim = arguments.dimension(name, x, dim == nil and -1 or dim)
  local n = x:size(dim)
  local from = n > 0 and from_of(n) % n or 0
  if from == 0 then return ops.copy(x) end
  return ops.cat({ x:narrow(dim, from + 1, n - from), x:narrow(dim, 1, from) }, dim)
end

--- Reorders a spectrum to begin with the most negative frequency, with zero in the middle.
-- @tparam tensor x
-- @tparam[opt=-1] int dim
-- @treturn tensor like x, a copy
-- @usage
-- print(torus.fft.fftshift(torus.fft.fftfreq(4, 0.5)))   -- -1 -0.5 0 0.5
function M.fftshift(x, dim)
  return rotated("fftshift", x, dim, function(n) return (n + 1) // 2 end)
end

--- The inverse of fftshift.
-- @tparam tensor x
-- @tparam[opt=-1] int dim
-- @treturn tensor like x
-- @usage
-- x = torus.arange(5)
-- print(torus.fft.ifftshift(torus.fft.fftshift(x)))   -- 1 2 3 4 5
function M.ifftshift(x, dim)
  return rotated("ifftshift", x, dim, function(n) return n // 2 end)
end

core.name_functions(M)

return setmetatable(M, { __call = function(_, ...) return M.fft(...) end })
