/* With stride s the input is s x s maps, by the remainders of a pixel's row and
 * column: output pixel (i, j) and tap (r, t) meet in that of the remainders of
 * r - pad and t - pad, at (i, j) moved by their quotients. All maps of a
 * convolution have one geometry, so that a position means the same in all. */
#include "kernels/conv_bf16.h"

#include <string.h>

#include "core/intmath.h"
#include "core/threads.h"
#include "kernels/bf16_maps.h"
#include "kernels/conv_paths.h"

#define TAPS 25
/* Number of pieces of a batch, if it has that many images; bytes of a piece's
 * maps. */
#define PIECES 8
#define PIECE_BYTES (1 << 19)

typedef struct tap {
  int64_t number; /* in the kernel */
  int64_t phase;  /* of the input: row remainder * stride + column's */
  int64_t row, column;
} tap;

typedef struct plan {
  const torus_conv *conv;
  const bf16_kernels *kernels;
  bf16_map in, out; /* `images` images each, of `phases` and of one map */
  int64_t phases;
  int taps;
  tap tap[TAPS]; /* phase by phase */
  int64_t images, pieces;
  /* Scratch. */
  torus_bf16 *weights;
  int32_t *pixels; /* tables, of one map or of each phase */
  float *sums;     /* (partials, sum_size) */
  int64_t partials, sum_size;
  char *threads;
  size_t map_bytes, thread_bytes;
  /* The job. */
  const float *x, *gy, *bias;
  float slope, *result;
  const float *w;
} plan;

static int64_t quotient(int64_t a, int64_t b) {
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static int64_t magnitude(int64_t a) { return a < 0 ? -a : a; }

/* Sorts the taps by phase; returns how far they reach. */
static int64_t find_taps(plan *p) {
  const torus_conv *v = p->conv;
  int64_t s = v->stride, reach = 0;
  for (int64_t phase = 0; phase < s * s; phase++) {
    for (int64_t i = 0; i < v->kh * v->kw; i++) {
      int64_t row = i / v->kw - v->pad, column = i % v->kw - v->pad;
      tap t = {i, 0, quotient(row, s), quotient(column, s)};
      t.phase = (row - t.row * s) * s + column - t.column * s;
      if (t.phase != phase) continue;
      p->tap[p->taps++] = t;
      reach =
          torus_max(reach, torus_max(magnitude(t.row), magnitude(t.column)));
    }
  }
  return reach;
}

static bool small_enough(const torus_conv *v) {
  return v->kh * v->kw <= TAPS && v->stride <= 4 && v->pad <= 16 &&
         v->h < 1 << 14 && v->w < 1 << 14;
}

static plan plan_of(const torus_conv *v) {
  plan p = {.conv = v, .kernels = bf16_kernels_chosen()};
  p.phases = v->stride * v->stride;
  int64_t reach = find_taps(&p);
  int64_t h = torus_max(torus_ceil_div(v->h, v->stride), v->oh);
  int64_t w = torus_max(torus_ceil_div(v->w, v->stride), v->ow);
  bf16_map one = bf16_map_of(1, h, w, reach, v->c);
  int64_t bytes = one.image * one.channels * 2 * p.phases;
  p.images = torus_max(
      1, torus_min(PIECE_BYTES / bytes, torus_ceil_div(v->n, PIECES)));
  p.pieces = torus_ceil_div(v->n, p.images);
  p.partials = torus_min(p.pieces, PIECES);
  p.in = bf16_map_of(p.images, h, w, reach, v->c);
  p.out = bf16_map_of(p.images, h, w, reach, v->k);
  p.map_bytes = conv_align(bf16_map_bytes(&p.in)) * (size_t)p.phases;
  return p;
}

bool conv_bf16_serves(const torus_conv *v) {
  if (!bf16_kernels_chosen() || !small_enough(v)) return false;
  plan p = plan_of(v);
  return p.in.h * p.in.pitch <= 4 * v->oh * v->ow;
}

static torus_bf16 *phase_map(const plan *p, torus_bf16 *maps, int64_t phase) {
  return maps + phase * (int64_t)(p->map_bytes / (size_t)p->phases) / 2;
}

static int64_t offset_of(const plan *p, const tap *t) {
  return t->row * p->in.pitch + t->column;
}

static size_t tables_bytes(const plan *p) {
  return conv_align((size_t)(p->phases * bf16_results(&p->in)) *
                    sizeof(int32_t));
}

/* Weights of a product over c or k numbers, for k or c columns. */
static size_t weights_bytes(const plan *p, int64_t depth, int64_t columns) {
  return conv_align((size_t)(p->taps * bf16_round_up(depth, BF16_DEPTH) *
                             bf16_round_up(columns, BF16_UNIT)) *
                    sizeof(torus_bf16));
}

/* --- forward -----------------------------------------------------------------
 */

size_t conv_bf16_forward_scratch(const torus_conv *conv, int threads) {
  plan p = plan_of(conv);
  return weights_bytes(&p, conv->c, conv->k) + tables_bytes(&p) +
         (size_t)threads * p.map_bytes;
}

/* The maps of the images of a piece, in a thread's memory; how many. */
static int64_t load_input(const plan *p, int64_t piece, torus_bf16 *maps) {
  const torus_conv *v = p->conv;
  int64_t first = piece * p->images;
  int64_t n = torus_min(p->images, v->n - first);
  memset(maps, 0, p->map_bytes);
  for (int64_t phase = 0; phase < p->phases; phase++) {
    bf16_source source = {p->x + first * v->h * v->w * v->c,
                          v->h,
                          v->w,
                          v->c,
                          v->stride,
                          phase / v->stride,
                          phase % v->stride};
    bf16_load(&p->in, n, &source, phase_map(p, maps, phase));
  }
  return n;
}

static int64_t load_output(const plan *p, int64_t piece, torus_bf16 *map) {
  const torus_conv *v = p->conv;
  int64_t first = piece * p->images;
  int64_t n = torus_min(p->images, v->n - first);
  memset(map, 0, bf16_map_bytes(&p->out));
  bf16_source source = {
      p->gy + first * v->oh * v->ow * v->k, v->oh, v->ow, v->k, 1, 0, 0};
  bf16_load(&p->out, n, &source, map);
  return n;
}

static void forward_piece(void *arg, int64_t piece, int thread) {
  const plan *p = arg;
  const torus_conv *v = p->conv;
  torus_bf16 *maps =
      (torus_bf16 *)(void *)(p->threads + (size_t)thread * p->map_bytes);
  int64_t n = load_input(p, piece, maps), offsets[TAPS];
  for (int i = 0; i < p->taps; i++) {
    const torus_bf16 *map = phase_map(p, maps, p->tap[i].phase);
    offsets[i] = (char *)map - (char *)maps +
                 offset_of(p, &p->tap[i]) * 2 * p->in.channels;
  }
  bf16_values values = {p->pixels, p->bias, p->slope, v->k, NULL};
  bf16_correlation job = {.kernels = p->kernels,
                          .product = {p->taps, offsets,
                                      p->in.channels / BF16_DEPTH,
                                      2 * p->in.channels},
                          .count = bf16_results(&p->in),
                          .columns = bf16_round_up(v->k, BF16_UNIT),
                          .weights = p->weights,
                          .epilogue = bf16_store_values,
                          .arg = &values};
  p->kernels->begin();
  for (int64_t i = 0; i < n; i++) {
    job.x = bf16_at(&p->in, maps, i * p->in.image);
    values.y = p->result + (piece * p->images + i) * v->oh * v->ow * v->k;
    bf16_correlate(&job);
  }
  p->kernels->end();
}

/* Pixels of the output, at the positions of its map. */
static void output_pixels(const plan *p) {
  const torus_conv *v = p->conv;
  for (int64_t at = 0; at < bf16_results(&p->in); at++) {
    int64_t i = at / p->in.pitch, j = at % p->in.pitch;
    bool inside = i < v->oh && j < v->ow;
    p->pixels[at] = inside ? (int32_t)(i * v->ow + j) : -1;
  }
}

static void forward_weights(void *arg, int64_t i, int thread) {
  (void)thread;
  const plan *p = arg;
  const torus_conv *v = p->conv;
  bf16_weights s = {.taps = p->taps, .tap = i, .terms = 1};
  s.depth = v->c, s.columns = v->k;
  s.wide_depth = p->in.channels;
  s.wide_columns = bf16_round_up(v->k, BF16_UNIT);
  s.by_depth = v->kh * v->kw, s.by_column = v->kh * v->kw * v->c;
  s.term[0] = p->tap[i].number;
  bf16_pack(&s, p->w, p->weights);
}

void conv_bf16_forward(const torus_conv *conv, const float *x, const float *w,
                       const float *bias, float slope, float *y,
                       void *scratch) {
  plan p = plan_of(conv);
  char *at = scratch;
  p.weights = conv_take(&at, weights_bytes(&p, conv->c, conv->k));
  p.pixels = conv_take(&at, tables_bytes(&p));
  p.threads = at;
  p.x = x, p.w = w, p.bias = bias, p.slope = slope, p.result = y;
  torus_parallel(p.taps, forward_weights, &p);
  output_pixels(&p);
  torus_parallel_interruptible(p.pieces, forward_piece, &p);
}

/* --- gradient with respect to the input -------------------------------------
 */

size_t conv_bf16_input_grad_scratch(const torus_conv *conv, int threads) {
  plan p = plan_of(conv);
  return weights_bytes(&p, conv->k, conv->c) + tables_bytes(&p) +
         (size_t)threads * conv_align(bf16_map_bytes(&p.out));
}

/* Of one phase of the images of a piece. */
static void input_phase(const plan *p, int64_t piece, int64_t n, int64_t phase,
                        torus_bf16 *map) {
  const torus_conv *v = p->conv;
  int64_t offsets[TAPS], columns = bf16_round_up(v->c, BF16_UNIT);
  int first = 0, taps = 0;
  for (int i = 0; i < p->taps; i++) {
    if (p->tap[i].phase < phase) first++;
    if (p->tap[i].phase != phase) continue;
    offsets[taps++] = -offset_of(p, &p->tap[i]) * 2 * p->out.channels;
  }
  int64_t results = bf16_results(&p->out);
  bf16_values values = {p->pixels + phase * results, NULL, 1, v->c, NULL};
  bf16_correlation job = {
      .kernels = p->kernels,
      .product = {taps, offsets, p->out.channels / BF16_DEPTH,
                  2 * p->out.channels},
      .count = results,
      .columns = columns,
      .weights = p->weights + first * p->out.channels * columns,
      .epilogue = bf16_store_values,
      .arg = &values};
  for (int64_t i = 0; i < n; i++) {
    job.x = bf16_at(&p->out, map, i * p->out.image);
    values.y = p->result + (piece * p->images + i) * v->h * v->w * v->c;
    bf16_correlate(&job);
  }
}

static void input_piece(void *arg, int64_t piece, int thread) {
  const plan *p = arg;
  size_t bytes = conv_align(bf16_map_bytes(&p->out));
  torus_bf16 *map = (torus_bf16 *)(void *)(p->threads + (size_t)thread * bytes);
  int64_t n = load_output(p, piece, map);
  p->kernels->begin();
  for (int64_t phase = 0; phase < p->phases; phase++) {
    input_phase(p, piece, n, phase, map);
  }
  p->kernels->end();
}

/* Pixels of the input, at the positions of the map of each phase. */
static void input_pixels(const plan *p) {
  const torus_conv *v = p->conv;
  int32_t *to = p->pixels;
  for (int64_t phase = 0; phase < p->phases; phase++) {
    for (int64_t at = 0; at < bf16_results(&p->in); at++) {
      int64_t i = at / p->in.pitch * v->stride + phase / v->stride;
      int64_t j = at % p->in.pitch * v->stride + phase % v->stride;
      bool inside = i < v->h && j < v->w;
      *to++ = inside ? (int32_t)(i * v->w + j) : -1;
    }
  }
}

/* The taps of a phase are a product of their own. */
static void input_weights(void *arg, int64_t phase, int thread) {
  (void)thread;
  const plan *p = arg;
  const torus_conv *v = p->conv;
  bf16_weights s = {.terms = 1, .depth = v->k, .columns = v->c};
  s.wide_depth = p->out.channels;
  s.wide_columns = bf16_round_up(v->c, BF16_UNIT);
  s.by_depth = v->kh * v->kw * v->c, s.by_column = v->kh * v->kw;
  int first = 0;
  for (int i = 0; i < p->taps; i++) {
    first += p->tap[i].phase < phase;
    s.taps += p->tap[i].phase == phase;
  }
  for (; s.tap < s.taps; s.tap++) {
    s.term[0] = p->tap[first + s.tap].number;
    bf16_pack(&s, p->w, p->weights + first * s.wide_depth * s.wide_columns);
  }
}

void conv_bf16_input_grad(const torus_conv *conv, const float *gy,
                          const float *w, float *gx, void *scratch) {
  plan p = plan_of(conv);
  char *at = scratch;
  p.weights = conv_take(&at, weights_bytes(&p, conv->k, conv->c));
  p.pixels = conv_take(&at, tables_bytes(&p));
  p.threads = at;
  p.gy = gy, p.w = w, p.result = gx;
  torus_parallel(p.phases, input_weights, &p);
  input_pixels(&p);
  torus_parallel_interruptible(p.pieces, input_piece, &p);
}

/* --- gradient with respect to the weights -----------------------------------
 */

static int64_t sum_columns(const plan *p) {
  return bf16_round_up(p->conv->k, BF16_UNIT);
}

static size_t transposed_bytes(const plan *p) {
  return conv_align((size_t)(bf16_line(&p->in) * p->in.channels) *
                    sizeof(torus_bf16));
}

/* Sizes of the further buffers of this pass. */
static void plan_sums(plan *p) {
  p->sum_size = p->taps * p->in.channels * sum_columns(p);
  p->thread_bytes = p->map_bytes + transposed_bytes(p) +
                    2 * conv_align(bf16_map_bytes(&p->out));
}

/* Never smaller for more images: 9 images are divided into fewer pieces than 8.
 * */
static size_t sums_bytes(const plan *p) {
  int64_t partials = torus_min(p->conv->n, PIECES);
  return conv_align((size_t)(partials * p->sum_size) * sizeof(float));
}

size_t conv_bf16_weight_grad_scratch(const torus_conv *conv, int threads) {
  plan p = plan_of(conv);
  plan_sums(&p);
  return sums_bytes(&p) + (size_t)threads * p.thread_bytes;
}

/* One partial sum, over a run of pieces. */
static void weight_piece(void *arg, int64_t partial, int thread) {
  const plan *p = arg;
  char *at = p->threads + (size_t)thread * p->thread_bytes;
  torus_bf16 *maps = conv_take(&at, p->map_bytes);
  torus_bf16 *transposed = conv_take(&at, transposed_bytes(p));
  torus_bf16 *map = conv_take(&at, bf16_map_bytes(&p->out));
  torus_bf16 *pairs = conv_take(&at, bf16_map_bytes(&p->out));
  int64_t begin = partial * p->pieces / p->partials;
  int64_t end = (partial + 1) * p->pieces / p->partials;
  bf16_weight_sums job = {.kernels = p->kernels, .pairs = pairs};
  job.depth = p->in.channels, job.columns = sum_columns(p);
  job.x = transposed + p->in.lead, job.line = bf16_line(&p->in);
  p->kernels->begin();
  for (int64_t piece = begin; piece < end; piece++) {
    int64_t n = load_input(p, piece, maps);
    load_output(p, piece, map);
    bf16_pair(&p->out, n, map, job.columns, pairs, NULL);
    job.steps = bf16_steps(&p->in, n);
    job.add = piece > begin;
    job.gw = p->sums + partial * p->sum_size;
    for (int i = 0; i < p->taps; i += job.taps) {
      int64_t offsets[TAPS], phase = p->tap[i].phase;
      job.offsets = offsets;
      for (job.taps = 0;
           i + job.taps < p->taps && p->tap[i + job.taps].phase == phase;
           job.taps++) {
        offsets[job.taps] = offset_of(p, &p->tap[i + job.taps]);
      }
      bf16_transpose(&p->in, n, phase_map(p, maps, phase), transposed);
      bf16_sum_weights(&job);
      job.gw += job.taps * job.depth * job.columns;
    }
  }
  p->kernels->end();
}

/* Adds the partial sums of the weights of one output channel. */
static void combine_piece(void *arg, int64_t o, int thread) {
  (void)thread;
  const plan *p = arg;
  const torus_conv *v = p->conv;
  int64_t kernel = v->kh * v->kw, columns = sum_columns(p), taps;
  float *to = p->result + o * v->c * kernel;
  for (int64_t i = 0; i < p->taps; i += taps) {
    for (taps = 1;
         i + taps < p->taps && p->tap[i + taps].phase == p->tap[i].phase;) {
      taps++;
    }
    const float *sums = p->sums + i * p->in.channels * columns;
    for (int64_t c = 0; c < v->c; c++) {
      for (int64_t t = 0; t < taps; t++) {
        const float *from = sums + bf16_sum_at(taps, columns, t, c, o);
        double total = 0;
        for (int64_t part = 0; part < p->partials; part++) {
          total += (double)from[part * p->sum_size];
        }
        to[c * kernel + p->tap[i + t].number] = (float)total;
      }
    }
  }
}

void conv_bf16_weight_grad(const torus_conv *conv, const float *x,
                           const float *gy, float *gw, void *scratch) {
  plan p = plan_of(conv);
  plan_sums(&p);
  char *at = scratch;
  p.sums = conv_take(&at, sums_bytes(&p));
  p.threads = at;
  p.x = x, p.gy = gy, p.result = gw;
  torus_parallel_interruptible(p.partials, weight_piece, &p);
  torus_parallel(conv->k, combine_piece, &p);
}
