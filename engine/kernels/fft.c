#include "kernels/fft.h"

#include <string.h>

#include "core/intmath.h"
#include "core/threads.h"
#include "kernels/fft_plan.h"

/* Approximate number of elements in a piece of work worth a thread. */
#define PIECE 16384

typedef struct run {
  const torus_fft_job *job;
  torus_fft_plan plan;
  bool paired; /* a real transform of even length by one of half of it */
  int64_t length, out_length; /* of the complex transform, of the result */
  int64_t across, blocks; /* blocks of lines per outer index, and in total */
  int64_t chunk;          /* blocks in a piece */
  const double *root_re, *root_im; /* PAIRED: exp(-2 pi i k / n), k <= n/2 */
  double *scratch;
  size_t thread_size;
} run;

static bool is_real(torus_fft_type type) {
  return type == TORUS_FFT_REAL || type == TORUS_FFT_HALF;
}

int64_t torus_fft_out_length(torus_fft_type type, int64_t n) {
  return type == TORUS_FFT_REAL ? n / 2 + 1 : n;
}

/* --- lines in and out ------------------------------------------------------
 */

/* A block: up to TORUS_FFT_LINES lines, neighbours along the inner dimension
 * or, where that is 1, along the outer one. */
typedef struct block {
  int lines;
  int64_t in, out;           /* offsets of the first line */
  int64_t in_line, out_line; /* from a line to the next */
} block;

static block block_of(const run *r, int64_t index) {
  const torus_fft_job *j = r->job;
  bool along_outer = j->inner == 1;
  int64_t outer = along_outer ? 0 : index / r->across;
  int64_t line = index % r->across * TORUS_FFT_LINES;
  int64_t lines = along_outer ? j->outer : j->inner;
  block b = {.lines = (int)torus_min(lines - line, TORUS_FFT_LINES),
             .in_line = along_outer ? j->in_length : 1,
             .out_line = along_outer ? r->out_length : 1};
  b.in = outer * j->in_length * j->inner + line * b.in_line;
  b.out = outer * r->out_length * j->inner + line * b.out_line;
  return b;
}

#define LOAD(T)                                                                \
  for (int64_t k = 0; k < count; k++) {                                        \
    const T *from = (const T *)x + b->in + k * inner;                          \
    for (int l = 0; l < b->lines; l++) {                                       \
      to[k * step + l] = (double)from[l * b->in_line];                         \
    }                                                                          \
  }

/* Elements [0, count) of each line, zeros from there to length; element k goes
 * to row k of rows with `step` numbers. */
static void load(const run *r, const block *b, const void *x, int64_t count,
                 int64_t length, int64_t step, double *to) {
  int64_t inner = r->job->inner;
  if (!x) count = 0;
  if (count > 0 && r->job->dtype == TORUS_FLOAT64) {
    LOAD(double)
  } else if (count > 0) {
    LOAD(float)
  }
  for (int64_t k = count; k < length; k++) {
    memset(to + k * step, 0, (size_t)b->lines * sizeof *to);
  }
}

#define STORE(T)                                                               \
  for (int64_t k = 0; k < r->out_length; k++) {                                \
    T *to = (T *)x + b->out + k * inner;                                       \
    for (int l = 0; l < b->lines; l++) {                                       \
      to[l * b->out_line] = (T)(scale * from[k * b->lines + l]);               \
    }                                                                          \
  }

static void store(const run *r, const block *b, const double *from, void *x) {
  int64_t inner = r->job->inner;
  double scale = r->job->scale;
  if (r->job->dtype == TORUS_FLOAT64) {
    STORE(double)
  } else {
    STORE(float)
  }
}

/* --- real transforms of even length -----------------------------------------
 */

/* Even elements of x as the real part, odd ones as the imaginary part. */
static void load_pairs(const run *r, const block *b, double *re, double *im) {
  const torus_fft_job *j = r->job;
  run half = *r;
  torus_fft_job rows = *j;
  half.job = &rows;
  rows.inner = 2 * j->inner; /* every other element */
  int64_t given = torus_min(j->in_length, j->n), h = r->length;
  block odd = *b;
  odd.in += j->inner;
  load(&half, b, j->re, (given + 1) / 2, h, b->lines, re);
  load(&half, &odd, j->re, given / 2, h, b->lines, im);
}

/* From Z, the transform of the pairs, to X: with h = n/2, E = (Z_k +
 * conj Z_(h-k))/2 and O = (Z_k - conj Z_(h-k))/2i it is E + exp(-2 pi i k/n) O.
 * In place: re and im have room for h + 1 elements. */
static void split_pairs(const run *r, int lines, double *re, double *im) {
  int64_t h = r->length;
  memcpy(re + h * lines, re, (size_t)lines * sizeof *re);
  memcpy(im + h * lines, im, (size_t)lines * sizeof *im);
  for (int64_t k = 0; k <= h - k; k++) {
    double c = r->root_re[k], s = r->root_im[k];
    double *a_re = re + k * lines, *a_im = im + k * lines;
    double *b_re = re + (h - k) * lines, *b_im = im + (h - k) * lines;
    for (int l = 0; l < lines; l++) {
      double even_re = (a_re[l] + b_re[l]) / 2;
      double even_im = (a_im[l] - b_im[l]) / 2;
      double odd_re = (a_im[l] + b_im[l]) / 2;
      double odd_im = (b_re[l] - a_re[l]) / 2;
      double turn_re = c * odd_re - s * odd_im;
      double turn_im = c * odd_im + s * odd_re;
      a_re[l] = even_re + turn_re;
      a_im[l] = even_im + turn_im;
      b_re[l] = even_re - turn_re;
      b_im[l] = turn_im - even_im;
    }
  }
}

/* The inverse of both, without the halves: from X to Z = X_k + conj X_(h-k)
 * + i exp(2 pi i k/n) (X_k - conj X_(h-k)). */
static void join_pairs(const run *r, int lines, double *re, double *im) {
  int64_t h = r->length;
  for (int64_t k = 0; k <= h - k; k++) {
    double c = r->root_re[k], s = r->root_im[k];
    double *a_re = re + k * lines, *a_im = im + k * lines;
    double *b_re = re + (h - k) * lines, *b_im = im + (h - k) * lines;
    for (int l = 0; l < lines; l++) {
      double even_re = a_re[l] + b_re[l], even_im = a_im[l] - b_im[l];
      double odd_re = a_re[l] - b_re[l], odd_im = a_im[l] + b_im[l];
      double turn_re = c * odd_re + s * odd_im;
      double turn_im = c * odd_im - s * odd_re;
      a_re[l] = even_re - turn_im;
      a_im[l] = even_im + turn_re;
      b_re[l] = even_re + turn_im;
      b_im[l] = turn_re - even_im;
    }
  }
}

static void store_pairs(const run *r, const block *b, const double *re,
                        const double *im) {
  run half = *r;
  torus_fft_job rows = *r->job;
  half.job = &rows;
  rows.inner = 2 * r->job->inner;
  half.out_length = r->length;
  block odd = *b;
  odd.out += r->job->inner;
  store(&half, b, re, r->job->out_re);
  store(&half, &odd, im, r->job->out_re);
}

/* --- blocks ------------------------------------------------------------------
 */

/* The imaginary parts that are zero for a real signal are not read. */
static void clear_ends(const run *r, int lines, double *im) {
  size_t row = (size_t)lines * sizeof *im;
  memset(im, 0, row);
  if (r->job->n % 2 == 0) memset(im + r->job->n / 2 * lines, 0, row);
}

/* X_(n-k) = conj X_k */
static void mirror(int64_t n, int lines, double *re, double *im) {
  for (int64_t k = n / 2 + 1; k < n; k++) {
    for (int l = 0; l < lines; l++) {
      re[k * lines + l] = re[(n - k) * lines + l];
      im[k * lines + l] = -im[(n - k) * lines + l];
    }
  }
}

static void real_block(const run *r, const block *b, double *re, double *im,
                       double *work) {
  const torus_fft_job *j = r->job;
  if (r->paired) {
    load_pairs(r, b, re, im);
    torus_fft_plan_run(&r->plan, b->lines, re, im, work);
    split_pairs(r, b->lines, re, im);
  } else {
    load(r, b, j->re, torus_min(j->in_length, j->n), j->n, b->lines, re);
    load(r, b, NULL, 0, j->n, b->lines, im);
    torus_fft_plan_run(&r->plan, b->lines, re, im, work);
  }
  store(r, b, re, j->out_re);
  store(r, b, im, j->out_im);
}

static void half_block(const run *r, const block *b, double *re, double *im,
                       double *work) {
  const torus_fft_job *j = r->job;
  int64_t h = j->n / 2 + 1, given = torus_min(j->in_length, h);
  load(r, b, j->re, given, h, b->lines, re);
  load(r, b, j->im, given, h, b->lines, im);
  clear_ends(r, b->lines, im);
  if (r->paired) {
    join_pairs(r, b->lines, re, im);
    torus_fft_plan_run(&r->plan, b->lines, im, re, work);
    store_pairs(r, b, re, im);
  } else {
    mirror(j->n, b->lines, re, im);
    torus_fft_plan_run(&r->plan, b->lines, im, re, work);
    store(r, b, re, j->out_re);
  }
}

static void complex_block(const run *r, const block *b, double *re, double *im,
                          double *work) {
  const torus_fft_job *j = r->job;
  bool inverse = j->type == TORUS_FFT_INVERSE;
  int64_t given = torus_min(j->in_length, j->n);
  load(r, b, j->re, given, j->n, b->lines, re);
  load(r, b, j->im, given, j->n, b->lines, im);
  torus_fft_plan_run(&r->plan, b->lines, inverse ? im : re, inverse ? re : im,
                     work);
  store(r, b, re, j->out_re);
  store(r, b, im, j->out_im);
}

static void run_piece(void *arg, int64_t piece, int thread) {
  const run *r = arg;
  double *re = r->scratch + (size_t)thread * r->thread_size;
  double *im = re + (r->length + 1) * TORUS_FFT_LINES;
  double *work = im + (r->length + 1) * TORUS_FFT_LINES;
  int64_t end = torus_min(r->blocks, (piece + 1) * r->chunk);
  for (int64_t i = piece * r->chunk; i < end; i++) {
    block b = block_of(r, i);
    if (r->job->type == TORUS_FFT_REAL) {
      real_block(r, &b, re, im, work);
    } else if (r->job->type == TORUS_FFT_HALF) {
      half_block(r, &b, re, im, work);
    } else {
      complex_block(r, &b, re, im, work);
    }
  }
}

/* --- a job -------------------------------------------------------------------
 */

static run plan_of(const torus_fft_job *j) {
  run r = {.job = j, .out_length = torus_fft_out_length(j->type, j->n)};
  r.paired = is_real(j->type) && j->n % 2 == 0;
  r.length = r.paired ? j->n / 2 : j->n;
  r.across =
      torus_ceil_div(j->inner == 1 ? j->outer : j->inner, TORUS_FFT_LINES);
  r.blocks = j->inner == 1 ? r.across : r.across * j->outer;
  r.chunk = torus_max(1, PIECE / (r.length * TORUS_FFT_LINES));
  r.thread_size = torus_fft_work_size(r.length) +
                  2 * (size_t)(r.length + 1) * TORUS_FFT_LINES;
  r.thread_size = (r.thread_size + 7) & ~(size_t)7; /* 64 bytes */
  return r;
}

static size_t roots_size(const run *r) {
  return r->paired ? 2 * (size_t)(r->length + 1) : 0;
}

static size_t shared_size(const run *r) {
  return (torus_fft_plan_size(r->length) + roots_size(r) + 7) & ~(size_t)7;
}

static int64_t pieces_of(const run *r) {
  return torus_ceil_div(r->blocks, r->chunk);
}

size_t torus_fft_scratch(const torus_fft_job *job) {
  run r = plan_of(job);
  size_t threads = (size_t)torus_min(torus_threads(), pieces_of(&r));
  return (shared_size(&r) + threads * r.thread_size) * sizeof(double);
}

void torus_fft_run(const torus_fft_job *job, void *scratch) {
  run r = plan_of(job);
  if (r.blocks == 0) return;
  double *memory = scratch, *roots = memory + torus_fft_plan_size(r.length);
  r.scratch = memory + shared_size(&r);
  torus_fft_plan_init(&r.plan, r.length, memory, r.scratch);
  r.root_re = roots;
  r.root_im = roots + r.length + 1;
  for (int64_t k = 0; r.paired && k <= r.length; k++) {
    torus_fft_root(k, job->n, &roots[k], &roots[r.length + 1 + k]);
    roots[r.length + 1 + k] *= -1;
  }
  torus_parallel_interruptible(pieces_of(&r), run_piece, &r);
}
