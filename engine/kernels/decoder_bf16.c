#include "kernels/decoder_bf16.h"

#include <string.h>

#include "core/intmath.h"
#include "kernels/decoder_bf16_epilogues.h"
#include "kernels/vecmath.h"

#define IMAGES DECODER_BF16_IMAGES

/* A thread's buffers. */
typedef struct layer_sums {
  float *weights;
  double *bias;
} layer_sums;

typedef struct worker {
  const decoder_bf16 *plan;
  const torus_decoder_job *job;
  /* Inputs of the blocks and the last output; results of a block's
   * convolutions, and their signs as bits by position. */
  torus_bf16 *maps[TORUS_DECODER_BLOCKS + 1], *a1[TORUS_DECODER_BLOCKS];
  uint32_t *s1[TORUS_DECODER_BLOCKS], *s2[TORUS_DECODER_BLOCKS];
  torus_bf16 *around; /* the first block's input through the skip */
  /* Gradients of a block's output, of the argument of its last ReLU, and of the
   * argument of its first one, by remainder, with the sums of the output's
   * gradient over boxes. */
  torus_bf16 *g[TORUS_DECODER_BLOCKS], *g2[TORUS_DECODER_BLOCKS];
  torus_bf16 *phases[TORUS_DECODER_BLOCKS], *windows;
  float *errors; /* gradients of the logits, with a margin of one pixel */
  size_t zeroed; /* bytes of all these */
  torus_bf16 *transposed, *pairs;
  float *logits;
  layer_sums sums[TORUS_DECODER_PARAMETERS / 2];
  bool add; /* to sums of earlier images */
} worker;

static layer_sums take_sums(decoder_bf16_arena *a,
                            const decoder_bf16_layer *l) {
  layer_sums s;
  s.weights = decoder_bf16_take(a, (size_t)(l->taps * l->depth * l->columns) *
                                       sizeof *s.weights);
  s.bias = decoder_bf16_take(a, (size_t)l->columns * sizeof *s.bias);
  return s;
}

static uint32_t *take_signs(decoder_bf16_arena *a, const bf16_map *map) {
  return decoder_bf16_take(a,
                           (size_t)(map->positions * map->channels / 32) * 4);
}

static size_t transposed_bytes(const bf16_map *map) {
  return (size_t)(bf16_line(map) * map->channels) * sizeof(torus_bf16);
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static void lay_out_sums(const decoder_bf16 *p, worker *w,
                         decoder_bf16_arena *a) {
  int number = 0;
  for (int b = 0; b < p->decoder->blocks; b++) {
    const decoder_bf16_block *k = &p->block[b];
    w->sums[number++] = take_sums(a, &k->conv1);
    w->sums[number++] = take_sums(a, &k->conv2);
    if (k->skip_conv) w->sums[number++] = take_sums(a, &k->skip);
  }
  w->sums[number] = take_sums(a, &p->output);
}

/* Numbers of an image's errors, with the margin. */
static int64_t error_size(const decoder_bf16 *p) {
  return (p->windows.h + 2) * (p->windows.w + 2) * p->decoder->channels;
}

/* Lays out a thread's buffers; returns their length. */
static size_t lay_out(const decoder_bf16 *p, worker *w, char *base) {
  const torus_decoder *d = p->decoder;
  decoder_bf16_arena a = {base, 0};
  size_t largest = 0, most_pairs = 0;
  for (int b = 0; b < d->blocks; b++) {
    const decoder_bf16_block *k = &p->block[b];
    size_t high = bf16_map_bytes(&k->high);
    if (b == 0) w->maps[0] = decoder_bf16_take(&a, bf16_map_bytes(&k->in));
    w->maps[b + 1] = decoder_bf16_take(&a, high);
    w->a1[b] = decoder_bf16_take(&a, high);
    w->g[b] = decoder_bf16_take(&a, d->skip ? high : 0);
    w->g2[b] = decoder_bf16_take(&a, high);
    w->phases[b] = decoder_bf16_take(&a, 5 * bf16_map_bytes(&k->low));
    largest = larger(largest, transposed_bytes(&k->in));
    largest = larger(largest, transposed_bytes(&k->high));
    most_pairs = larger(most_pairs, high);
  }
  w->around = decoder_bf16_take(&a, bf16_map_bytes(&p->block[0].low));
  w->windows = decoder_bf16_take(&a, bf16_map_bytes(&p->windows));
  w->errors =
      decoder_bf16_take(&a, (size_t)(IMAGES * error_size(p)) * sizeof(float));
  w->zeroed = a.used;
  for (int b = 0; b < d->blocks; b++) {
    w->s1[b] = take_signs(&a, &p->block[b].high);
    w->s2[b] = take_signs(&a, &p->block[b].high);
  }
  w->transposed = decoder_bf16_take(&a, largest);
  w->pairs =
      decoder_bf16_take(&a, larger(most_pairs, bf16_map_bytes(&p->windows)));
  w->logits = decoder_bf16_take(
      &a, (size_t)(IMAGES * p->windows.h * p->windows.w * d->channels) *
              sizeof(float));
  lay_out_sums(p, w, &a);
  return a.used;
}

size_t decoder_bf16_thread_bytes(const decoder_bf16 *p) {
  worker unused;
  return lay_out(p, &unused, NULL);
}

/* The offset from the small pixel under a large one to that of a corner, equal
 * for both coordinates. */
static int64_t corner_offset(const bf16_map *low, int phase, int corner) {
  int64_t row = phase / 2 - 1 + corner / 2, column = phase % 2 - 1 + corner % 2;
  return row * low->pitch + column;
}

static int64_t tap_offset(const bf16_map *map, int tap) {
  return (tap / 3 - 1) * map->pitch + tap % 3 - 1;
}

/* --- forward -----------------------------------------------------------------
 */

/* Products from `taps` positions of x around each of an image; offsets in
 * bytes. */
static void correlate(const worker *w, const bf16_map *map, torus_bf16 *x,
                      int64_t image, int taps, const int64_t *offsets,
                      const torus_bf16 *weights, int64_t columns,
                      bf16_epilogue *epilogue, const void *arg) {
  bf16_correlation job = {
      .kernels = w->plan->kernels,
      .product = {taps, offsets, map->channels / BF16_DEPTH, 2 * map->channels},
      .count = bf16_results(map),
      .columns = columns,
      .x = bf16_at(map, x, image * map->image),
      .weights = weights,
      .epilogue = epilogue,
      .arg = arg};
  bf16_correlate(&job);
}

/* Of 3 x 3 taps; with `sign` -1 the adjoint. */
static void correlate9(const worker *w, const bf16_map *map, torus_bf16 *x,
                       int64_t image, int sign, const torus_bf16 *weights,
                       int64_t columns, bf16_epilogue *epilogue,
                       const void *arg) {
  int64_t offsets[9], row = 2 * map->channels;
  for (int t = 0; t < 9; t++) offsets[t] = sign * tap_offset(map, t) * row;
  correlate(w, map, x, image, 9, offsets, weights, columns, epilogue, arg);
}

static uint32_t *signs_at(uint32_t *signs, const bf16_map *map, int64_t image) {
  return signs + (map->lead + image * map->image) * map->channels / 32;
}

static void first_forward(const worker *w, int b, int64_t image) {
  const decoder_bf16 *p = w->plan;
  const decoder_bf16_block *k = &p->block[b];
  const decoder_bf16_layer *l = &k->conv1;
  decoder_bf16_activate act = {.bias = decoder_bf16_bias(p, l)};
  act.slope = (float)p->decoder->slope;
  act.channels = k->high.channels;
  act.y = bf16_at(&k->high, w->a1[b], image * k->high.image);
  act.signs = signs_at(w->s1[b], &k->high, image);
  for (int phase = 0; phase < 4; phase++) {
    int64_t offsets[4];
    for (int i = 0; i < 4; i++) {
      offsets[i] = corner_offset(&k->in, phase, i) * 2 * k->in.channels;
    }
    act.to = decoder_bf16_table(p, k->up) + phase * bf16_results(&k->low);
    correlate(w, &k->in, w->maps[b], image, 4, offsets,
              decoder_bf16_weights(p, l->forward) +
                  phase * 4 * l->depth * l->columns,
              l->columns, decoder_bf16_activations, &act);
  }
}

static void skip_forward(const worker *w, int b, int64_t image) {
  const decoder_bf16 *p = w->plan;
  const decoder_bf16_block *k = &p->block[b];
  int64_t zero = 0;
  decoder_bf16_activate act = {.bias = decoder_bf16_bias(p, &k->skip),
                               .slope = 1};
  act.channels = k->low.channels;
  act.to = decoder_bf16_table(p, p->self);
  act.y = bf16_at(&k->low, w->around, image * k->low.image);
  correlate(w, &k->in, w->maps[b], image, 1, &zero,
            decoder_bf16_weights(p, k->skip.forward), k->skip.columns,
            decoder_bf16_activations, &act);
}

static void block_forward(const worker *w, int b, int64_t image) {
  const decoder_bf16 *p = w->plan;
  const decoder_bf16_block *k = &p->block[b];
  first_forward(w, b, image);
  if (k->skip_conv) skip_forward(w, b, image);
  decoder_bf16_activate act = {.bias = decoder_bf16_bias(p, &k->conv2)};
  act.slope = (float)p->decoder->slope;
  act.channels = k->high.channels;
  act.to = decoder_bf16_table(p, k->self);
  act.y = bf16_at(&k->high, w->maps[b + 1], image * k->high.image);
  act.signs = signs_at(w->s2[b], &k->high, image);
  if (p->decoder->skip) {
    torus_bf16 *around = k->skip_conv ? w->around : w->maps[b];
    act.added = bf16_at(&k->low, around, image * k->low.image);
    act.from = decoder_bf16_table(p, k->down);
  }
  correlate9(w, &k->high, w->a1[b], image, 1,
             decoder_bf16_weights(p, k->conv2.forward), k->conv2.columns,
             decoder_bf16_activations, &act);
}

static void output_forward(const worker *w, int64_t image) {
  const decoder_bf16 *p = w->plan;
  const torus_decoder *d = p->decoder;
  const bf16_map *map = &p->block[d->blocks - 1].high;
  bf16_values values = {.to = decoder_bf16_table(p, p->pixels), .slope = 1};
  values.bias = decoder_bf16_bias(p, &p->output);
  values.channels = d->channels;
  values.y = w->logits + image * map->h * map->w * d->channels;
  correlate9(w, map, w->maps[d->blocks], image, 1,
             decoder_bf16_weights(p, p->output.forward), p->output_columns,
             bf16_store_values, &values);
}

/* --- backward ----------------------------------------------------------------
 */

/* Adds a layer's parameter gradients: taps [first, first + taps) from the
 * transposed input and `pairs` of the gradient g. */
static void sum_parameters(const worker *w, const bf16_map *in,
                           const decoder_bf16_layer *l, int64_t first, int taps,
                           const int64_t *offsets, const bf16_map *out,
                           torus_bf16 *g, int64_t n) {
  layer_sums s = w->sums[l->parameter / 2];
  bf16_pair(out, n, g, l->columns, w->pairs, s.bias);
  bf16_weight_sums job = {.kernels = w->plan->kernels,
                          .taps = taps,
                          .offsets = offsets,
                          .depth = l->depth,
                          .columns = l->columns,
                          .steps = bf16_steps(in, n),
                          .x = w->transposed + in->lead,
                          .line = bf16_line(in),
                          .pairs = w->pairs,
                          .gw = s.weights + first * l->depth * l->columns,
                          .add = w->add};
  bf16_sum_weights(&job);
}

/* The gradient with respect to a block's output goes to g, and through its
 * last ReLU to g2. */
static decoder_bf16_gradient output_gradient(const worker *w, int b,
                                             int64_t image) {
  const decoder_bf16 *p = w->plan;
  const bf16_map *map = &p->block[b].high;
  decoder_bf16_gradient e = {.slope = (float)p->decoder->slope};
  e.channels = map->channels;
  e.to = decoder_bf16_table(p, p->block[b].self);
  e.signs = signs_at(w->s2[b], map, image);
  e.masked = bf16_at(map, w->g2[b], image * map->image);
  if (p->decoder->skip) e.plain = bf16_at(map, w->g[b], image * map->image);
  return e;
}

static void output_back(const worker *w, int64_t n) {
  const decoder_bf16 *p = w->plan;
  int last = p->decoder->blocks - 1;
  const bf16_map *map = &p->block[last].high;
  int64_t zero = 0;
  bf16_transpose(map, n, w->maps[last + 1], w->transposed);
  sum_parameters(w, map, &p->output, 0, 1, &zero, &p->windows, w->windows, n);
  for (int64_t i = 0; i < n; i++) {
    decoder_bf16_gradient e = output_gradient(w, last, i);
    correlate(w, &p->windows, w->windows, i, 1, &zero,
              decoder_bf16_weights(p, p->output.back), map->channels,
              decoder_bf16_gradients, &e);
  }
}

/* From g2 to the gradient of the argument of the block's first ReLU, by
 * remainder. */
static void second_back(const worker *w, int b, int64_t n) {
  const decoder_bf16 *p = w->plan;
  const decoder_bf16_block *k = &p->block[b];
  int64_t offsets[9];
  for (int t = 0; t < 9; t++) offsets[t] = tap_offset(&k->high, t);
  bf16_transpose(&k->high, n, w->a1[b], w->transposed);
  sum_parameters(w, &k->high, &k->conv2, 0, 9, offsets, &k->high, w->g2[b], n);
  for (int64_t i = 0; i < n; i++) {
    decoder_bf16_gradient e = {.slope = (float)p->decoder->slope};
    e.channels = k->high.channels;
    e.to = decoder_bf16_table(p, k->phase);
    e.signs = signs_at(w->s1[b], &k->high, i);
    e.masked = bf16_at(&k->low, w->phases[b], i * k->low.image);
    correlate9(w, &k->high, w->g2[b], i, -1,
               decoder_bf16_weights(p, k->conv2.back), k->conv2.depth,
               decoder_bf16_gradients, &e);
  }
}

/* The skip's contribution to the gradient of an input: sums of g over boxes. */
static decoder_bf16_boxes boxes_of(const worker *w, int b, int64_t image) {
  const decoder_bf16_block *k = &w->plan->block[b];
  decoder_bf16_boxes s = {.channels = k->high.channels};
  s.high = bf16_at(&k->high, w->g[b], image * k->high.image);
  for (int phase = 0; phase < 4; phase++) {
    s.to[phase] =
        decoder_bf16_table(w->plan, k->up) + phase * bf16_results(&k->low);
  }
  return s;
}

static void first_sums(const worker *w, int b, int64_t n) {
  const decoder_bf16_block *k = &w->plan->block[b];
  int64_t size = k->low.positions * k->low.channels;
  bf16_transpose(&k->in, n, w->maps[b], w->transposed);
  for (int phase = 0; phase < 4; phase++) {
    int64_t offsets[4];
    for (int i = 0; i < 4; i++) offsets[i] = corner_offset(&k->in, phase, i);
    sum_parameters(w, &k->in, &k->conv1, 4 * phase, 4, offsets, &k->low,
                   w->phases[b] + phase * size, n);
  }
  if (!k->skip_conv) return;
  int64_t zero = 0;
  torus_bf16 *sums = w->phases[b] + 4 * size;
  for (int64_t i = 0; i < n; i++) {
    decoder_bf16_boxes boxes = boxes_of(w, b, i);
    decoder_bf16_sum_boxes(&boxes, bf16_results(&k->low),
                           bf16_at(&k->low, sums, i * k->low.image));
  }
  sum_parameters(w, &k->in, &k->skip, 0, 1, &zero, &k->low, sums, n);
}

/* The gradient of the block's input, which is that of the states or of the
 * preceding block's output. */
static void first_back(const worker *w, int b, int64_t first, int64_t image) {
  const decoder_bf16 *p = w->plan;
  const decoder_bf16_block *k = &p->block[b];
  int64_t offsets[17], row = 2 * k->low.channels;
  for (int i = 0; i < 16; i++) {
    int64_t away =
        i / 4 * k->low.positions - corner_offset(&k->low, i / 4, i % 4);
    offsets[i] = away * row;
  }
  offsets[16] = 4 * k->low.positions * row;
  int taps = k->skip_conv ? 17 : 16;
  decoder_bf16_boxes boxes = boxes_of(w, b, image);
  bool adds = p->decoder->skip && !k->skip_conv;
  if (b > 0) {
    decoder_bf16_gradient e = output_gradient(w, b - 1, image);
    if (adds) e.boxes = &boxes;
    correlate(w, &k->low, w->phases[b], image, taps, offsets,
              decoder_bf16_weights(p, k->conv1.back), k->in.channels,
              decoder_bf16_gradients, &e);
    return;
  }
  int64_t channels = p->decoder->state, size = k->in.h * k->in.w * channels;
  bf16_values values = {.to = decoder_bf16_table(p, p->states), .slope = 1};
  values.channels = channels;
  values.y = (float *)w->job->q_grad + (first + image) * size;
  correlate(w, &k->low, w->phases[b], image, taps, offsets,
            decoder_bf16_weights(p, k->conv1.back),
            bf16_round_up(channels, BF16_UNIT), bf16_store_values, &values);
  if (adds) decoder_bf16_add_boxes(&boxes, bf16_results(&k->low), &values);
}

/* --- images ------------------------------------------------------------------
 */

/* Squared errors of n images, and the windows of their gradients. */
static double compare(const worker *w, const float *targets, int64_t n) {
  const decoder_bf16 *p = w->plan;
  const bf16_map *map = &p->windows;
  int64_t channels = p->decoder->channels, line = map->w * channels;
  int64_t count = n * map->h * line;
  float weight = (float)w->job->weight, *y = w->logits;
  double squares = 0;
  torus_vec_sigmoid_f32(count, y, y);
  for (int64_t row = 0; row < n * map->h; row++) {
    int64_t image = row / map->h, i = row % map->h + 1;
    float *to =
        w->errors + image * error_size(p) + (i * (map->w + 2) + 1) * channels;
    for (int64_t e = 0; e < line; e++, y++, targets++) {
      float difference = *y - *targets;
      squares += (double)(difference * difference);
      to[e] = 2 * weight * difference * *y * (1 - *y);
    }
  }
  for (int64_t i = 0; i < n; i++) {
    decoder_bf16_windows(map, channels, w->errors + i * error_size(p),
                         bf16_at(map, w->windows, i * map->image));
  }
  return squares;
}

static double images(const worker *w, int64_t first, int64_t n) {
  const decoder_bf16 *p = w->plan;
  const torus_decoder *d = p->decoder;
  const bf16_map *in = &p->block[0].in;
  int64_t state = in->h * in->w * d->state;
  int64_t image = p->windows.h * p->windows.w * d->channels;
  bf16_source source = {(const float *)w->job->q + first * state,
                        in->h,
                        in->w,
                        d->state,
                        1,
                        0,
                        0};
  bf16_load(in, n, &source, w->maps[0]);
  for (int64_t i = 0; i < n; i++) {
    for (int b = 0; b < d->blocks; b++) block_forward(w, b, i);
    output_forward(w, i);
  }
  double squares =
      compare(w, (const float *)w->job->targets + first * image, n);
  output_back(w, n);
  for (int b = d->blocks - 1; b >= 0; b--) {
    second_back(w, b, n);
    first_sums(w, b, n);
    for (int64_t i = 0; i < n; i++) first_back(w, b, first, i);
  }
  return squares;
}

/* --- parameters --------------------------------------------------------------
 */

/* Adds the sums of a layer of `taps` taps to weights (out, in, taps). */
static void collect_plain(const worker *w, const decoder_bf16_layer *l,
                          int64_t in, int64_t out, int64_t taps, double *sum) {
  const float *gw = w->sums[l->parameter / 2].weights;
  for (int64_t o = 0; o < out; o++) {
    for (int64_t c = 0; c < in; c++) {
      for (int64_t t = 0; t < taps; t++) {
        *sum++ += (double)gw[bf16_sum_at(taps, l->columns, t, c, o)];
      }
    }
  }
}

/* Likewise of a block's first, whose taps are corners by remainder. */
static void collect_first(const worker *w, const decoder_bf16_layer *l,
                          int64_t in, int64_t out, double *sum) {
  const float *gw = w->sums[l->parameter / 2].weights;
  int64_t size = 4 * l->depth * l->columns;
  for (int64_t o = 0; o < out; o++) {
    for (int64_t c = 0; c < in; c++, sum += 9) {
      double g[3][3] = {{0}};
      for (int i = 0; i < 16; i++) {
        const float *at = gw + i / 4 * size;
        double part = (double)at[bf16_sum_at(4, l->columns, i % 4, c, o)];
        for (int t = 0; t < 9; t++) {
          if (decoder_bf16_sees(i / 4, i % 4, t)) g[t / 3][t % 3] += part;
        }
      }
      for (int t = 0; t < 9; t++) sum[t] += g[t / 3][t % 3];
    }
  }
}

/* And of the output, whose columns are (taps turned by 180 degrees, out). */
static void collect_output(const worker *w, const decoder_bf16_layer *l,
                           int64_t in, int64_t out, double *const *sums) {
  layer_sums s = w->sums[l->parameter / 2];
  for (int64_t o = 0; o < out; o++) {
    double *to = sums[l->parameter] + o * in * 9;
    for (int64_t c = 0; c < in; c++) {
      for (int64_t t = 8; t >= 0; t--) {
        int64_t column = t * out + o;
        *to++ += (double)s.weights[bf16_sum_at(1, l->columns, 0, c, column)];
      }
    }
    sums[l->parameter + 1][o] += s.bias[4 * out + o];
  }
}

static void collect_bias(const worker *w, const decoder_bf16_layer *l,
                         int64_t out, double *const *sums) {
  const double *bias = w->sums[l->parameter / 2].bias;
  for (int64_t o = 0; o < out; o++) sums[l->parameter + 1][o] += bias[o];
}

static void collect(const worker *w, double *const *sums) {
  const decoder_bf16 *p = w->plan;
  const torus_decoder *d = p->decoder;
  for (int b = 0; b < d->blocks; b++) {
    const decoder_bf16_block *k = &p->block[b];
    int64_t in = b == 0 ? d->state : d->width, out = d->width;
    collect_first(w, &k->conv1, in, out, sums[k->conv1.parameter]);
    collect_bias(w, &k->conv1, out, sums);
    collect_plain(w, &k->conv2, out, out, 9, sums[k->conv2.parameter]);
    collect_bias(w, &k->conv2, out, sums);
    if (!k->skip_conv) continue;
    collect_plain(w, &k->skip, in, out, 1, sums[k->skip.parameter]);
    collect_bias(w, &k->skip, out, sums);
  }
  collect_output(w, &p->output, d->width, d->channels, sums);
}

double decoder_bf16_run(const decoder_bf16 *p, const torus_decoder_job *job,
                        int64_t first, int64_t last, double *const *sums,
                        void *thread) {
  worker w = {.plan = p, .job = job};
  size_t bytes = lay_out(p, &w, thread);
  memset(thread, 0, bytes);
  double squares = 0;
  p->kernels->begin();
  for (int64_t i = first; i < last; i += IMAGES) {
    squares += images(&w, i, torus_min(IMAGES, last - i));
    w.add = true;
  }
  p->kernels->end();
  collect(&w, sums);
  return squares;
}
