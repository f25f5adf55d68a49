/* The general path: every pass is matrix products over rows of gathered
 * windows, a block of rows at a time, small enough to stay in cache. */
#include <string.h>

#include "core/intmath.h"
#include "core/threads.h"
#include "kernels/accumulate.h"
#include "kernels/conv_paths.h"
#include "kernels/gemm.h"
#include "kernels/simd/simd.h"

/* Bytes of gathered windows in a block: a part of the second-level cache. */
#define BLOCK_BYTES 262144
#define BLOCK_ROWS 512
/* The weight gradient's sums: the number of partial sums, and the number of
 * rows after which each is flushed to double. */
#define PARTIALS 16
#define FLUSH_ROWS 1024

/* Windows of a source image on a grid: the window of grid point (i, j) has
 * its first pixel at (i stride - top, j stride - left), pixels outside are
 * zero. Grid points are numbered row by row through all images. */
typedef struct windows {
  int64_t h, w, c; /* source (n, h, w, c) */
  int64_t kh, kw;  /* window */
  int64_t gh, gw;  /* grid */
  int64_t stride, top, left;
} windows;

static int64_t window_size(const windows *g) { return g->kh * g->kw * g->c; }

/* True if the windows are contiguous in the source, one after the other. */
static bool windows_are_source(const windows *g) {
  if (g->top != 0 || g->left != 0) return false;
  bool pixels = g->kh == 1 && g->kw == 1 && g->stride == 1;
  bool images = g->kh == g->h && g->kw == g->w;
  return (pixels && g->gh == g->h && g->gw == g->w) ||
         (images && g->gh == 1 && g->gw == 1);
}

static int64_t block_rows(const windows *g, size_t element) {
  int64_t bytes = window_size(g) * (int64_t)element;
  int64_t rows = bytes == 0 ? BLOCK_ROWS : BLOCK_BYTES / bytes;
  if (rows > BLOCK_ROWS) return BLOCK_ROWS;
  return rows < 16 ? 16 : rows / 16 * 16;
}

static size_t block_bytes(const windows *g, size_t element) {
  if (windows_are_source(g)) return 0;
  return conv_align((size_t)(block_rows(g, element) * window_size(g)) *
                    element);
}

static windows forward_windows(const torus_conv *v) {
  return (windows){v->h,  v->w,  v->c,      v->kh,  v->kw,
                   v->oh, v->ow, v->stride, v->pad, v->pad};
}

/* The input gradient by phases. Input rows y with (y + pad) mod stride =
 * phase meet the kernel rows phase + stride a alone, a < taps, at output row
 * t - a, where t = (y + pad - phase) / stride grows by one from one such row
 * to the next. So each pair of phases is a convolution of stride 1 with the
 * kernel's taps in falling order. A phase is named by its first row: there
 * are no more than rows, however large the stride. */
typedef struct axis_phase {
  int64_t phase, taps;
  int64_t first, count; /* input rows first, first + stride, ... */
  int64_t before;       /* pixels of the first window that lie outside */
} axis_phase;

static int64_t phases(int64_t size, int64_t stride) {
  return torus_min(size, stride);
}

static axis_phase phase_of(int64_t first, int64_t size, int64_t kernel,
                           int64_t stride, int64_t pad) {
  axis_phase p = {.phase = (first + pad) % stride, .first = first};
  p.taps = p.phase < kernel ? (kernel - p.phase + stride - 1) / stride : 0;
  p.count = (size - first + stride - 1) / stride;
  p.before = p.taps - 1 - (first + pad) / stride;
  return p;
}

static windows phase_windows(const torus_conv *v, axis_phase rows,
                             axis_phase columns) {
  return (windows){v->oh,        v->ow,         v->k,          rows.taps,
                   columns.taps, rows.count,    columns.count, 1,
                   rows.before,  columns.before};
}

static windows input_grad_windows(const torus_conv *v) {
  axis_phase rows = phase_of(0, v->h, v->kh, 1, v->pad);
  axis_phase columns = phase_of(0, v->w, v->kw, 1, v->pad);
  return phase_windows(v, rows, columns);
}

/* If the result has few channels, windows are many times wider than the
 * results. Then the source's pixels are first multiplied by all taps, and the
 * windows are summed from the products, a band of rows of one image at a time.
 * */
#define BAND 16

static bool is_narrow(const torus_conv *v, int64_t from, int64_t to) {
  return v->stride == 1 && 4 * to <= from && v->kh * v->kw * to <= 512;
}

static size_t band_bytes(const windows *g, int64_t to, size_t element) {
  int64_t rows = torus_min(BAND + g->kh - 1, g->h);
  return conv_align((size_t)(rows * g->w * g->kh * g->kw * to) * element);
}

/* The weight gradient of such a convolution gathers windows of the gradient
 * on the input's grid instead. */
static bool is_swapped(const torus_conv *v) {
  return v->stride == 1 && 2 * v->k <= v->c;
}

static windows weight_grad_windows(const torus_conv *v) {
  return is_swapped(v) ? input_grad_windows(v) : forward_windows(v);
}

/* Weight gradient: blocks of rows are dealt to this many partial sums. */
static int64_t partials(const torus_conv *v, const windows *g, size_t element) {
  int64_t block = block_rows(g, element);
  return torus_min((v->n * g->gh * g->gw + block - 1) / block, PARTIALS);
}

static size_t weights_bytes(const torus_conv *v, size_t element) {
  return conv_align((size_t)(v->kh * v->kw * v->c * v->k) * element);
}

size_t conv_general_forward_scratch(const torus_conv *conv, int threads,
                                    torus_dtype dtype) {
  size_t element = torus_dtype_size(dtype);
  windows g = forward_windows(conv);
  size_t bytes = is_narrow(conv, conv->c, conv->k)
                     ? band_bytes(&g, conv->k, element)
                     : block_bytes(&g, element);
  return weights_bytes(conv, element) + (size_t)threads * bytes;
}

size_t conv_general_input_grad_scratch(const torus_conv *conv, int threads,
                                       torus_dtype dtype) {
  size_t element = torus_dtype_size(dtype), largest = 0;
  if (is_narrow(conv, conv->k, conv->c)) {
    windows g = input_grad_windows(conv);
    return weights_bytes(conv, element) +
           (size_t)threads * band_bytes(&g, conv->c, element);
  }
  int64_t across = phases(conv->w, conv->stride);
  for (int64_t i = 0; i < phases(conv->h, conv->stride) * across; i++) {
    axis_phase rows =
        phase_of(i / across, conv->h, conv->kh, conv->stride, conv->pad);
    axis_phase columns =
        phase_of(i % across, conv->w, conv->kw, conv->stride, conv->pad);
    windows g = phase_windows(conv, rows, columns);
    size_t bytes = block_bytes(&g, element);
    if (conv->stride > 1) {
      bytes +=
          conv_align((size_t)(block_rows(&g, element) * conv->c) * element);
    }
    if (bytes > largest) largest = bytes;
  }
  return weights_bytes(conv, element) + (size_t)threads * largest;
}

size_t conv_general_weight_grad_scratch(const torus_conv *conv, int threads,
                                        torus_dtype dtype) {
  size_t element = torus_dtype_size(dtype);
  windows g = weight_grad_windows(conv);
  size_t bytes = block_bytes(&g, element) + weights_bytes(conv, element);
  return (size_t)partials(conv, &g, element) *
             weights_bytes(conv, sizeof(double)) +
         (size_t)threads * bytes;
}

#define T float
#define NAME(x) x##_f32
#include "kernels/conv_general.inc"
#undef T
#undef NAME

#define T double
#define NAME(x) x##_f64
#include "kernels/conv_general.inc"
