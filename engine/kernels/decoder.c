#include "kernels/decoder.h"

#include <string.h>

#include "core/intmath.h"
#include "core/threads.h"
#include "kernels/accumulate.h"
#include "kernels/conv.h"
#include "kernels/decoder_bf16.h"
#include "kernels/simd/simd.h"
#include "kernels/upsample.h"
#include "kernels/upsample_conv.h"
#include "kernels/vecmath.h"

/* Maximum number of pieces of work; each has separate sums for all gradients.
 * */
#define PIECES 16
/* Images that go through the network together: enough to amortize the packing
 * of the weights, few enough for the caches. */
#define CHUNK 8

typedef struct block {
  int64_t rows, columns;         /* of the input */
  torus_conv conv1, conv2, skip; /* conv1 doubles them first */
  bool skip_conv;
  int first; /* of its parameters */
} block;

typedef struct plan {
  const torus_decoder *decoder;
  torus_decoder_job *job;
  torus_dtype dtype;
  block block[TORUS_DECODER_BLOCKS];
  torus_conv output;
  int output_first;
  int64_t pixels; /* of an image */
  int parameters;
  int64_t counts[TORUS_DECODER_PARAMETERS];
  int64_t offsets[TORUS_DECODER_PARAMETERS]; /* in a piece's sums */
  int64_t pieces, images_per_piece;
  int64_t sum_stride;
  double *sums;    /* (pieces, sum_stride) */
  double *squares; /* (pieces) */
  bool in_bf16;
  decoder_bf16 bf16;
  void *shared;  /* shared by the threads, in bfloat16 */
  char *threads; /* buffers of each thread */
  size_t thread_bytes;
} plan;

/* A thread's buffers for one piece. */
typedef struct piece {
  const plan *plan;
  double *sums[TORUS_DECODER_PARAMETERS];
  void *maps[TORUS_DECODER_BLOCKS + 1]; /* input of each block, last output */
  void *a1[TORUS_DECODER_BLOCKS], *a2[TORUS_DECODER_BLOCKS];
  void *small; /* a map before upsampling */
  void *logits, *g[2], *gw, *scratch;
} piece;

static torus_conv with_images(torus_conv conv, int64_t n) {
  conv.n = n;
  return conv;
}

#define T float
#define FN(name) name##_f32
#define CONV(pass) torus_conv_##pass##_f32
#define UPCONV(pass) torus_upsample_conv_##pass##_f32
#define UPSAMPLE(which) torus_upsample##which##_f32
#define VEC(function) torus_vec_##function##_f32
#include "kernels/decoder.inc"
#undef T
#undef FN
#undef CONV
#undef UPCONV
#undef UPSAMPLE
#undef VEC
#define T double
#define FN(name) name##_f64
#define CONV(pass) torus_conv_##pass##_f64
#define UPCONV(pass) torus_upsample_conv_##pass##_f64
#define UPSAMPLE(which) torus_upsample##which##_f64
#define VEC(function) torus_vec_##function##_f64
#include "kernels/decoder.inc"

/* --- plans -------------------------------------------------------------------
 */

static void count_conv(plan *p, const torus_conv *conv) {
  p->counts[p->parameters++] = conv->k * conv->c * conv->kh * conv->kw;
  p->counts[p->parameters++] = conv->k;
}

static void plan_network(plan *p, const torus_decoder *d) {
  p->decoder = d;
  int64_t rows = d->rows << d->blocks, columns = d->columns << d->blocks;
  p->pixels = rows * columns;
  int64_t in = d->state;
  for (int b = 0; b < d->blocks; b++) {
    block *k = &p->block[b];
    k->rows = d->rows << b, k->columns = d->columns << b;
    k->first = p->parameters;
    k->skip_conv = d->skip && in != d->width;
    int64_t r = k->rows, c = k->columns;
    torus_upsample_conv_init(&k->conv1, CHUNK, r, c, in, d->width);
    torus_conv_init(&k->conv2, CHUNK, 2 * r, 2 * c, d->width, d->width, 3, 3, 1,
                    1);
    torus_conv_init(&k->skip, CHUNK, r, c, in, d->width, 1, 1, 1, 0);
    count_conv(p, &k->conv1);
    count_conv(p, &k->conv2);
    if (k->skip_conv) count_conv(p, &k->skip);
    in = d->width;
  }
  p->output_first = p->parameters;
  torus_conv_init(&p->output, CHUNK, rows, columns, in, d->channels, 3, 3, 1,
                  1);
  count_conv(p, &p->output);
}

static size_t larger_size(size_t a, size_t b) { return a > b ? a : b; }

/* Hands out parts of a buffer, or, without one, adds up their sizes. */
typedef struct arena {
  char *base;
  size_t used;
} arena;

static void *take(arena *a, size_t bytes) {
  void *at = a->base ? a->base + a->used : NULL;
  a->used += (bytes + 63) / 64 * 64;
  return at;
}

static size_t conv_scratch(const torus_conv *c, torus_dtype dtype) {
  size_t bytes = torus_conv_forward_scratch(c, 1, dtype);
  bytes = larger_size(bytes, torus_conv_input_grad_scratch(c, 1, dtype));
  return larger_size(bytes, torus_conv_weight_grad_scratch(c, 1, dtype));
}

static size_t upsample_conv_scratch(const torus_conv *c, torus_dtype dtype) {
  size_t bytes = torus_upsample_conv_forward_scratch(c, 1, dtype);
  bytes =
      larger_size(bytes, torus_upsample_conv_input_grad_scratch(c, 1, dtype));
  return larger_size(bytes,
                     torus_upsample_conv_weight_grad_scratch(c, 1, dtype));
}

/* Lays out a thread's buffers; returns their length. */
static size_t lay_out(const plan *p, piece *w, char *base) {
  const torus_decoder *d = p->decoder;
  size_t size = torus_dtype_size(p->dtype), scratch;
  arena a = {base, 0};
  int64_t pixels = CHUNK * p->pixels, weights = 0;
  int64_t channels = torus_max(d->width, d->state);
  for (int b = 0; b < d->blocks; b++) {
    int64_t high = 4 * p->block[b].rows * p->block[b].columns;
    size_t map = (size_t)(CHUNK * high * d->width) * size;
    w->a1[b] = take(&a, map);
    w->a2[b] = take(&a, d->skip ? map : 0);
    w->maps[b + 1] = take(&a, map);
  }
  w->small = take(&a, (size_t)(pixels / 4 * channels) * size);
  w->logits = take(&a, (size_t)(pixels * d->channels) * size);
  w->g[0] = take(&a, (size_t)(pixels * channels) * size);
  w->g[1] = take(&a, (size_t)(pixels * channels) * size);
  for (int i = 0; i < p->parameters; i++)
    weights = torus_max(weights, p->counts[i]);
  w->gw = take(&a, (size_t)weights * size);
  scratch = conv_scratch(&p->output, p->dtype);
  for (int b = 0; b < d->blocks; b++) {
    const block *k = &p->block[b];
    scratch = larger_size(scratch, upsample_conv_scratch(&k->conv1, p->dtype));
    scratch = larger_size(scratch, conv_scratch(&k->conv2, p->dtype));
    scratch = larger_size(scratch, conv_scratch(&k->skip, p->dtype));
  }
  w->scratch = take(&a, scratch);
  return a.used;
}

/* Plans the work and lays out the scratch; returns its length. */
static size_t plan_work(plan *p, const torus_decoder *d, torus_dtype dtype,
                        int64_t images, char *base) {
  piece unused;
  arena a = {base, 0};
  memset(p, 0, sizeof *p);
  p->dtype = dtype;
  plan_network(p, d);
  p->pieces = images < PIECES ? images : PIECES;
  p->images_per_piece = p->pieces ? (images + p->pieces - 1) / p->pieces : 0;
  for (int i = 0; i < p->parameters; i++) {
    p->offsets[i] = p->sum_stride;
    p->sum_stride += p->counts[i];
  }
  size_t sums = (size_t)(p->pieces * p->sum_stride) * sizeof(double);
  p->sums = take(&a, sums);
  p->squares = take(&a, PIECES * sizeof(double));
  p->in_bf16 = decoder_bf16_plan(&p->bf16, d, dtype);
  if (p->in_bf16) {
    p->shared = take(&a, p->bf16.shared_bytes);
    p->thread_bytes = p->bf16.thread_bytes;
  } else {
    p->thread_bytes = lay_out(p, &unused, NULL);
  }
  p->threads = take(&a, p->thread_bytes * (size_t)torus_threads());
  return a.used;
}

int torus_decoder_parameters(const torus_decoder *decoder,
                             int64_t counts[TORUS_DECODER_PARAMETERS]) {
  plan p;
  memset(&p, 0, sizeof p);
  plan_network(&p, decoder);
  memcpy(counts, p.counts, sizeof p.counts);
  return p.parameters;
}

size_t torus_decoder_scratch(const torus_decoder *decoder, torus_dtype dtype,
                             int64_t images) {
  plan p;
  return plan_work(&p, decoder, dtype, images, NULL);
}

/* --- running
 * ------------------------------------------------------------------ */

/* The images [first, last) of a piece; returns the sum of squared errors. */
static double run_images(const plan *p, piece *w, int64_t first, int64_t last,
                         char *buffers) {
  if (p->in_bf16) {
    return decoder_bf16_run(&p->bf16, p->job, first, last, w->sums, buffers);
  }
  lay_out(p, w, buffers);
  double squares = 0;
  for (int64_t i = first; i < last; i += CHUNK) {
    int64_t n = last - i < CHUNK ? last - i : CHUNK;
    squares +=
        p->dtype == TORUS_FLOAT32 ? images_f32(w, i, n) : images_f64(w, i, n);
  }
  return squares;
}

static void run_piece(void *arg, int64_t number, int thread) {
  const plan *p = arg;
  piece w = {.plan = p};
  double *sums = p->sums + number * p->sum_stride;
  memset(sums, 0, (size_t)p->sum_stride * sizeof *sums);
  for (int i = 0; i < p->parameters; i++) w.sums[i] = sums + p->offsets[i];
  int64_t first = number * p->images_per_piece;
  int64_t last = first + p->images_per_piece;
  if (last > p->job->images) last = p->job->images;
  p->squares[number] = run_images(
      p, &w, first, last, p->threads + (size_t)thread * p->thread_bytes);
}

void torus_decoder_run(const torus_decoder *decoder, torus_decoder_job *job,
                       void *scratch) {
  plan p;
  plan_work(&p, decoder, job->dtype, job->images, scratch);
  p.job = job;
  if (p.in_bf16) decoder_bf16_prepare(&p.bf16, job, p.shared);
  torus_parallel_interruptible(p.pieces, run_piece, &p);
  job->squares = 0;
  for (int64_t i = 0; i < p.pieces; i++) job->squares += p.squares[i];
  (p.dtype == TORUS_FLOAT32 ? collect_f32 : collect_f64)(&p);
}
