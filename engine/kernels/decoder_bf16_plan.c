#include <string.h>

#include "core/threads.h"
#include "kernels/decoder_bf16.h"

#define IMAGES DECODER_BF16_IMAGES

/* Where a part lies in the buffer. */
static size_t place(decoder_bf16_arena *a, size_t bytes) {
  size_t at = a->used;
  decoder_bf16_take(a, bytes);
  return at;
}

static size_t packed_bytes(int64_t taps, int64_t depth, int64_t columns) {
  return (size_t)(taps * depth * columns) * sizeof(torus_bf16);
}

static decoder_bf16_layer plan_layer(decoder_bf16_arena *a, int64_t parameter,
                                     int64_t taps, int64_t depth,
                                     int64_t columns, size_t back) {
  decoder_bf16_layer l = {taps, depth, columns, parameter, 0, 0, 0};
  l.forward = place(a, packed_bytes(taps, depth, columns));
  l.back = place(a, back);
  l.bias = place(a, (size_t)columns * sizeof(float));
  return l;
}

/* Columns of the gradient of a block's input. */
static int64_t input_columns(const decoder_bf16_block *k, int64_t channels,
                             bool first) {
  return first ? bf16_round_up(channels, BF16_UNIT) : k->in.channels;
}

static size_t table(decoder_bf16_arena *a, const bf16_map *map) {
  return place(a, (size_t)bf16_results(map) * sizeof(int32_t));
}

static void plan_block(decoder_bf16 *p, decoder_bf16_arena *a, int b,
                       int *parameter) {
  const torus_decoder *d = p->decoder;
  decoder_bf16_block *k = &p->block[b];
  int64_t rows = d->rows << b, columns = d->columns << b;
  int64_t channels = b == 0 ? d->state : d->width;
  k->skip_conv = d->skip && channels != d->width;
  k->in = bf16_map_of(IMAGES, rows, columns, 1, channels);
  k->low = bf16_map_of(IMAGES, rows, columns, 1, d->width);
  k->high = bf16_map_of(IMAGES, 2 * rows, 2 * columns, 1, d->width);
  int64_t wide = k->low.channels, narrow = input_columns(k, channels, b == 0);
  k->conv1 = plan_layer(a, *parameter, 16, k->in.channels, wide,
                        packed_bytes(17, wide, narrow));
  k->conv2 =
      plan_layer(a, *parameter + 2, 9, wide, wide, packed_bytes(9, wide, wide));
  *parameter += 4;
  if (k->skip_conv) {
    k->skip = plan_layer(a, *parameter, 1, k->in.channels, wide, 0);
    *parameter += 2;
  }
  k->up = place(a, (size_t)(4 * bf16_results(&k->low)) * sizeof(int32_t));
  k->self = table(a, &k->high);
  k->down = table(a, &k->high);
  k->phase = table(a, &k->high);
}

static void plan_output(decoder_bf16 *p, decoder_bf16_arena *a, int parameter) {
  const torus_decoder *d = p->decoder;
  const bf16_map *last = &p->block[d->blocks - 1].high;
  int64_t windows = 9 * d->channels;
  p->windows = bf16_map_of(IMAGES, last->h, last->w, 1, windows);
  p->output = plan_layer(a, parameter, 1, last->channels,
                         bf16_round_up(windows, BF16_UNIT), 0);
  p->output_columns = bf16_round_up(d->channels, BF16_UNIT);
  p->output.forward =
      place(a, packed_bytes(9, last->channels, p->output_columns));
  p->output.back =
      place(a, packed_bytes(1, p->windows.channels, last->channels));
  p->reordered = place(a, (size_t)(windows * d->width) * sizeof(float));
  p->states = table(a, &p->block[0].in);
  p->self = table(a, &p->block[0].in);
  p->pixels = table(a, last);
}

bool decoder_bf16_plan(decoder_bf16 *p, const torus_decoder *d,
                       torus_dtype dtype) {
  memset(p, 0, sizeof *p);
  p->decoder = d;
  p->kernels = bf16_kernels_chosen();
  if (!d->bfloat16 || dtype != TORUS_FLOAT32 || !p->kernels) return false;
  decoder_bf16_arena a = {NULL, 0};
  int parameter = 0;
  for (int b = 0; b < d->blocks; b++) plan_block(p, &a, b, &parameter);
  plan_output(p, &a, parameter);
  if (p->windows.positions > INT32_MAX / 2) return false; /* of the tables */
  p->shared_bytes = a.used;
  p->thread_bytes = decoder_bf16_thread_bytes(p);
  return true;
}

/* --- weights and tables ------------------------------------------------------
 */

typedef struct packing {
  const decoder_bf16 *plan;
  const torus_decoder_job *job;
} packing;

/* Both packed forms of one tap, (in, out) and (out, in): weights (out, in,
 * taps) with the roles of the rest of the shape already set. */
static void pack_both(bf16_weights s, const float *w, torus_bf16 *forward,
                      torus_bf16 *back, int64_t back_taps, int64_t back_tap,
                      int64_t back_depth, int64_t back_columns) {
  bf16_pack(&s, w, forward);
  bf16_weights t = s;
  t.taps = back_taps, t.tap = back_tap;
  t.depth = s.columns, t.columns = s.depth;
  t.wide_depth = back_depth, t.wide_columns = back_columns;
  t.by_depth = s.by_column, t.by_column = s.by_depth;
  bf16_pack(&t, w, back);
}

static bf16_weights weights_of(const decoder_bf16_layer *l, int64_t in,
                               int64_t out, int64_t taps) {
  bf16_weights s = {.taps = l->taps, .depth = in, .columns = out, .terms = 1};
  s.wide_depth = l->depth, s.wide_columns = l->columns;
  s.by_depth = taps, s.by_column = taps * in;
  return s;
}

static void copy_bias(const packing *k, const decoder_bf16_layer *l,
                      int64_t count) {
  float *to = (float *)(void *)(k->plan->shared + l->bias);
  memset(to, 0, (size_t)l->columns * sizeof *to);
  memcpy(to, k->job->parameters[l->parameter + 1], (size_t)count * sizeof *to);
}

static const float *weights_at(const packing *k, const decoder_bf16_layer *l) {
  return k->job->parameters[l->parameter];
}

/* The second convolution of a block. */
static void pack_second(const packing *k, const decoder_bf16_block *b,
                        int64_t width) {
  const decoder_bf16_layer *l = &b->conv2;
  bf16_weights s = weights_of(l, width, width, 9);
  for (s.tap = 0; s.tap < 9; s.tap++) {
    s.term[0] = s.tap;
    pack_both(s, weights_at(k, l), decoder_bf16_weights(k->plan, l->forward),
              decoder_bf16_weights(k->plan, l->back), 9, s.tap, l->columns,
              l->depth);
  }
  copy_bias(k, l, width);
}

/* The first one, and backward behind its 16 taps the skip's. */
static void pack_first(const packing *k, const decoder_bf16_block *b,
                       int64_t in, int64_t out, bool first) {
  const decoder_bf16_layer *l = &b->conv1;
  int64_t columns = input_columns(b, in, first), taps = b->skip_conv ? 17 : 16;
  torus_bf16 *back = decoder_bf16_weights(k->plan, l->back);
  bf16_weights s = weights_of(l, in, out, 9);
  s.taps = 4;
  for (int i = 0; i < 16; i++) {
    s.tap = i % 4;
    s.terms = 0;
    for (int tap = 0; tap < 9; tap++) {
      if (decoder_bf16_sees(i / 4, i % 4, tap)) s.term[s.terms++] = tap;
    }
    pack_both(s, weights_at(k, l),
              decoder_bf16_weights(k->plan, l->forward) +
                  i / 4 * 4 * l->depth * l->columns,
              back, taps, i, l->columns, columns);
  }
  copy_bias(k, l, out);
  if (!b->skip_conv) return;
  s = weights_of(&b->skip, in, out, 1);
  pack_both(s, weights_at(k, &b->skip),
            decoder_bf16_weights(k->plan, b->skip.forward), back, taps, 16,
            l->columns, columns);
  copy_bias(k, &b->skip, out);
}

/* The output's: backward a product with windows, whose taps are turned by 180
 * degrees. */
static void pack_output(const packing *k) {
  const decoder_bf16 *p = k->plan;
  const decoder_bf16_layer *l = &p->output;
  int64_t in = p->decoder->width, out = p->decoder->channels;
  const float *w = weights_at(k, l);
  bf16_weights s = weights_of(l, in, out, 9);
  s.taps = 9, s.wide_columns = p->output_columns;
  for (s.tap = 0; s.tap < 9; s.tap++) {
    s.term[0] = s.tap;
    bf16_pack(&s, w, decoder_bf16_weights(p, l->forward));
  }
  float *turned = (float *)(void *)(p->shared + p->reordered), *to = turned;
  for (int64_t d = 0; d < 9 * out; d++) {
    const float *tap = w + d % out * in * 9 + 8 - d / out;
    for (int64_t c = 0; c < in; c++) *to++ = tap[9 * c];
  }
  s = (bf16_weights){.taps = 1, .depth = 9 * out, .columns = in, .terms = 1};
  s.wide_depth = p->windows.channels, s.wide_columns = l->depth;
  s.by_depth = in, s.by_column = 1;
  bf16_pack(&s, turned, decoder_bf16_weights(p, l->back));
  copy_bias(k, l, out);
}

/* Positions of a map, -1 in its margins. */
static void fill_self(const bf16_map *map, int32_t *to) {
  bf16_pixels(map, to);
  for (int64_t i = 0; i < bf16_results(map); i++) {
    if (to[i] >= 0) to[i] = (int32_t)i;
  }
}

static void fill_tables(const decoder_bf16 *p, const decoder_bf16_block *k) {
  const bf16_map *low = &k->low, *high = &k->high;
  int64_t small = bf16_results(low), large = bf16_results(high);
  int32_t *up = decoder_bf16_table(p, k->up),
          *down = decoder_bf16_table(p, k->down);
  int32_t *phase = decoder_bf16_table(p, k->phase);
  for (int64_t i = 0; i < 4 * small; i++) up[i] = -1;
  fill_self(high, decoder_bf16_table(p, k->self));
  for (int64_t at = 0; at < large; at++) {
    int64_t i = at / high->pitch, j = at % high->pitch;
    down[at] = phase[at] = -1;
    if (i >= high->h || j >= high->w) continue;
    int64_t remainder = i % 2 * 2 + j % 2, under = i / 2 * low->pitch + j / 2;
    down[at] = (int32_t)under;
    phase[at] = (int32_t)(remainder * low->positions + under);
    up[remainder * small + under] = (int32_t)at;
  }
}

/* Piece 2 b and 2 b + 1 are the layers of block b, the last is the output. */
static void prepare_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const packing *k = arg;
  const decoder_bf16 *p = k->plan;
  const torus_decoder *d = p->decoder;
  int b = (int)(piece / 2);
  if (b == d->blocks) {
    pack_output(k);
    bf16_pixels(&p->block[0].in, decoder_bf16_table(p, p->states));
    fill_self(&p->block[0].in, decoder_bf16_table(p, p->self));
    bf16_pixels(&p->block[b - 1].high, decoder_bf16_table(p, p->pixels));
  } else if (piece % 2 == 0) {
    pack_first(k, &p->block[b], b == 0 ? d->state : d->width, d->width, b == 0);
  } else {
    pack_second(k, &p->block[b], d->width);
    fill_tables(p, &p->block[b]);
  }
}

void decoder_bf16_prepare(decoder_bf16 *p, const torus_decoder_job *job,
                          void *shared) {
  p->shared = shared;
  packing k = {p, job};
  torus_parallel(2 * p->decoder->blocks + 1, prepare_piece, &k);
}
