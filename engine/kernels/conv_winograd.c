#include "kernels/conv_winograd.h"

#include <string.h>

#include "core/intmath.h"
#include "core/threads.h"
#include "kernels/accumulate.h"
#include "kernels/conv_paths.h"
#include "kernels/simd/simd.h"

/* Bytes of V and M of a block of patches: they share the second-level cache
 * with U. */
#define BLOCK_BYTES 250000
/* Blocks are distributed over at most RUNS pieces, of at least RUN_BLOCKS each
 * if there are enough: a piece prefetches the pixels of its next block. */
#define RUNS 64
#define RUN_BLOCKS 4
/* U up to this size is computed by every thread itself, which is faster than
 * fetching it from the caches of others. */
#define OWN_BYTES (4 << 20)

/* Matrices of all positions: apart by an odd number of cache lines times
 * four, so that the same element of each falls into different cache sets. */
static int64_t slot_of(int64_t size) {
  return torus_ceil_div(size, 64) / 2 * 128 + 64;
}

conv_patches conv_patches_of(conv_view view, int64_t top, int64_t left) {
  return (conv_patches){.view = view,
                        .rows = torus_ceil_div(view.h, PATCH),
                        .columns = torus_ceil_div(view.w, PATCH),
                        .top = top,
                        .left = left};
}

static int64_t patches_in(const conv_patches *t, int64_t n) {
  return n * t->rows * t->columns;
}

static const conv_transforms *transforms_of(const conv_kernels *kernels,
                                            int taps) {
  return taps == 2 ? &kernels->taps2 : &kernels->taps3;
}

static int64_t columns_of(const conv_kernels *kernels, int64_t k) {
  return torus_ceil_div(k, kernels->lanes) * kernels->lanes;
}

/* Zeros that the transforms read in place of rows outside an image. */
static size_t zeros_bytes(const conv_patches *in, const conv_patches *out) {
  int64_t pixel = torus_max(in->view.pixel, out->view.pixel);
  return (size_t)(6 * pixel) * sizeof(float);
}

/* Prefetches the channels [begin, end) of the pixels of patches [first, last)
 * into the second-level cache. Inline, because gcc drops calls of functions
 * that only prefetch. */
INLINE void prefetch(const conv_patches *t, int64_t first, int64_t last,
                     const float *x, int64_t begin, int64_t end) {
  const conv_view *g = &t->view;
  for (; first < last; first++) {
    int64_t top = first / t->columns % t->rows * PATCH;
    int64_t left = first % t->columns * PATCH;
    const float *image = x + first / (t->rows * t->columns) * g->image;
    for (int64_t i = top; i < torus_min(top + PATCH, g->h); i++) {
      for (int64_t j = left; j < torus_min(left + PATCH, g->w); j++) {
        const float *pixel = image + i * g->row + j * g->pixel;
        for (int64_t c = begin; c < end; c += 16) {
          __builtin_prefetch(pixel + c, 0, 2);
        }
      }
    }
  }
}

/* How a correlation is divided. The matrices M and V of all positions are in
 * slots of one array. With one source, the V of a position is one slot after
 * its M, so that M overwrites the V of the previous position, which has been
 * used. With several sources, V begins where M ends. */
typedef struct plan {
  const conv_correlation *job;
  const conv_transforms *transforms;
  int64_t positions, columns;           /* columns: k rounded up to vectors */
  int64_t patches, block, blocks, runs; /* patches in a block, blocks, pieces */
  int64_t slots, slot, line;
  int64_t chunks;
  int64_t u_slot, u_size; /* u_size: of a job */
  bool own;
  uint8_t *made; /* by thread, bit j: has U of job j; bit 7: packed weights */
  float *zeros;
  char *scratch;
  size_t packed_bytes, phase_bytes, u_bytes, thread_bytes;
} plan;

/* Buffers of a thread: packed weights and U (job, source, position in slots, c,
 * columns), its own or shared with the others; M and V, always its own. */
typedef struct buffers {
  float *packed, *phase, *u, *m;
} buffers;

static int64_t block_of(int64_t patches, int64_t max_patches) {
  /* Enough pieces to share among threads, but large enough that U is not read
   * too often. */
  int64_t block = torus_ceil_div(torus_ceil_div(patches, 8), 6) * 6;
  return torus_max(8, torus_min(block, max_patches / 6 * 6));
}

static plan plan_of(const conv_correlation *job) {
  plan p = {.job = job, .transforms = transforms_of(job->kernels, job->taps)};
  p.positions = p.transforms->side * p.transforms->side;
  p.columns = columns_of(job->kernels, job->k);
  p.patches = patches_in(&job->out[0], job->n);
  p.line = torus_ceil_div(job->c, 16) * 16;
  p.slots = job->sources == 1 ? p.positions + 1 : 2 * p.positions;
  int64_t widest = torus_max(p.line, p.columns);
  p.block = block_of(p.patches, BLOCK_BYTES / 4 / (p.slots * widest));
  p.blocks = torus_ceil_div(p.patches, p.block);
  p.runs =
      torus_min(RUNS, torus_max(torus_min(p.blocks, 8), p.blocks / RUN_BLOCKS));
  p.slot = slot_of(p.block * widest);
  p.chunks = torus_ceil_div(job->c, CHUNK);
  p.u_slot = slot_of(job->c * p.columns);
  p.u_size = job->sources * p.positions * p.u_slot;
  size_t columns = (size_t)p.columns * sizeof(float);
  p.packed_bytes = conv_align((size_t)(9 * job->c) * columns);
  p.phase_bytes = job->filter.phases ? conv_align(4 * CHUNK * columns) : 0;
  p.u_bytes = conv_align((size_t)(job->jobs * p.u_size) * sizeof(float));
  p.own = p.u_bytes <= OWN_BYTES;
  p.thread_bytes = conv_align((size_t)(p.slots * p.slot) * sizeof(float));
  size_t weights = p.packed_bytes + p.phase_bytes;
  p.thread_bytes += p.own ? weights + p.u_bytes : p.phase_bytes;
  return p;
}

static size_t shared_bytes(const plan *p) {
  return conv_align(TORUS_MAX_THREADS) +
         conv_align(zeros_bytes(p->job->in, p->job->out)) +
         (p->own ? 0 : p->packed_bytes + p->u_bytes);
}

size_t conv_correlation_scratch(const conv_correlation *job, int threads) {
  plan p = plan_of(job);
  return shared_bytes(&p) + (size_t)threads * p.thread_bytes;
}

static buffers buffers_of(const plan *p, int thread) {
  char *own = p->scratch + shared_bytes(p) + (size_t)thread * p->thread_bytes;
  char *shared =
      (char *)p->zeros + conv_align(zeros_bytes(p->job->in, p->job->out));
  char **at = p->own ? &own : &shared;
  buffers b;
  b.packed = conv_take(at, p->packed_bytes);
  b.u = conv_take(at, p->u_bytes);
  b.phase = conv_take(&own, p->phase_bytes);
  b.m = (float *)(void *)own;
  return b;
}

static void pack_chunk(const plan *p, const buffers *b, int64_t chunk) {
  const conv_correlation *j = p->job;
  int64_t first = chunk * CHUNK, count = torus_min(CHUNK, j->c - first);
  conv_filter_pack(&j->filter, first, count, 0, p->columns, j->k,
                   b->packed + 9 * first * p->columns);
}

/* U of one chunk of channels, all sources of a job. */
static void make_u(const plan *p, const buffers *b, int64_t job,
                   int64_t chunk) {
  const conv_correlation *j = p->job;
  int64_t first = chunk * CHUNK;
  int64_t size = torus_min(CHUNK, j->c - first) * p->columns;
  for (int64_t s = 0; s < j->sources; s++) {
    const float *taps = b->packed + 9 * first * p->columns;
    if (j->filter.phases) {
      conv_filter_phase(&j->filter, (int)(job * j->sources + s), size, taps,
                        b->phase);
      taps = b->phase;
    }
    p->transforms->filter(size, taps, size,
                          b->u + job * p->u_size +
                              s * p->positions * p->u_slot + first * p->columns,
                          p->u_slot);
  }
}

static void weights_piece(void *arg, int64_t chunk, int thread) {
  const plan *p = arg;
  buffers b = buffers_of(p, thread);
  pack_chunk(p, &b, chunk);
  for (int64_t job = 0; job < p->job->jobs; job++) make_u(p, &b, job, chunk);
}

/* Computes a thread's own U when it first works on a job. */
static void need_u(const plan *p, const buffers *b, int64_t job, int thread) {
  uint8_t *made = p->made + thread;
  if (!(*made & 0x80)) {
    for (int64_t c = 0; c < p->chunks; c++) pack_chunk(p, b, c);
  }
  if (!(*made >> job & 1)) {
    for (int64_t c = 0; c < p->chunks; c++) make_u(p, b, job, c);
  }
  *made |= (uint8_t)(0x80 | 1 << job);
}

/* One block of patches of a job. Since memory is slower than this arithmetic,
 * the pixels of the `ahead` patches after the block and of its own results are
 * prefetched during the products. */
static void patches_block(const plan *p, const buffers *b, int64_t job,
                          int64_t first, int64_t count, int64_t ahead) {
  const conv_correlation *j = p->job;
  const conv_transforms *t = p->transforms;
  float *m = b->m, *v = m + (p->slots - p->positions) * p->slot;
  const float *u = b->u + job * p->u_size;
  const conv_patches *out = &j->out[job];
  for (int64_t s = 0; s < j->sources; s++) {
    const conv_patches *in = &j->in[job * j->sources + s];
    const float *x = j->x[job * j->sources + s];
    conv_run run = {in, first, count, p->slot, p->line};
    t->input(&run, 0, PARTS, j->c, x, p->zeros, v);
    for (int64_t i = 0; i < p->positions; i++, u += p->u_slot) {
      j->kernels->product(count, p->columns, j->c, v + i * p->slot, p->line, 1,
                          u, p->columns, m + i * p->slot, p->columns, s > 0);
      int64_t from = i * count / p->positions;
      int64_t to = (i + 1) * count / p->positions;
      prefetch(in, first + count + from, first + torus_min(ahead, count + to),
               x, 0, j->c);
      if (s > 0) continue;
      prefetch(out, first + from, first + to, j->y[job], 0, j->k);
    }
  }
  conv_run run = {out, first, count, p->slot, p->columns};
  t->output(&run, 0, j->k, m, j->bias, j->slope, j->y[job]);
}

static void patches_piece(void *arg, int64_t piece, int thread) {
  const plan *p = arg;
  buffers b = buffers_of(p, thread);
  int64_t job = piece / p->runs, run = piece % p->runs;
  if (p->own) need_u(p, &b, job, thread);
  int64_t first = run * p->blocks / p->runs * p->block;
  int64_t end =
      torus_min((run + 1) * p->blocks / p->runs * p->block, p->patches);
  for (; first < end; first += p->block) {
    int64_t count = torus_min(p->block, end - first);
    patches_block(p, &b, job, first, count, end - first);
  }
}

void conv_correlation_run(const conv_correlation *job, void *scratch) {
  plan p = plan_of(job);
  if (p.patches == 0) return;
  char *at = p.scratch = scratch;
  p.made = conv_take(&at, TORUS_MAX_THREADS);
  memset(p.made, 0, TORUS_MAX_THREADS);
  size_t zeros = zeros_bytes(job->in, job->out);
  p.zeros = conv_take(&at, zeros);
  memset(p.zeros, 0, zeros);
  if (!p.own) torus_parallel(p.chunks, weights_piece, &p);
  torus_parallel_interruptible(job->jobs * p.runs, patches_piece, &p);
}

/* Patches between flushes of the weight gradient to double; the maximum number
 * of partial sums, and the minimum of patches in one. */
#define FLUSH_PATCHES 512
#define PARTIALS 8
#define PARTIAL_PATCHES 128
/* Bytes of V and M of one part of a block of patches. */
#define PART_BYTES 300000

/* Columns in a group, if there are few patches. */
#define GROUP 32

/* Columns of a product in groups: all in one, or GROUP in each and the rest
 * in the last. */
typedef struct groups {
  int64_t count, columns; /* columns: k rounded up to vectors */
} groups;

static groups groups_of(const conv_kernels *kernels, int64_t k, bool few) {
  groups g = {1, torus_ceil_div(k, kernels->lanes) * kernels->lanes};
  if (few) g.count = torus_max(1, g.columns / GROUP);
  return g;
}

static int64_t group_begin(groups g, int64_t group) {
  return group == g.count ? g.columns : group * GROUP;
}

static int64_t group_width(groups g, int64_t group) {
  return group_begin(g, group + 1) - group_begin(g, group);
}

/* How a weight gradient is cut: the pieces of a job are runs of patches, whose
 * sums are added up at the end, or, when there are few patches, groups of
 * columns. In a block of patches one part of the positions follows the other,
 * so that V and M are small compared with the sums. */
typedef struct sum_plan {
  const conv_weight_sum *job;
  const conv_transforms *transforms;
  groups groups; /* more than one only with a single partial sum */
  int64_t taps, patches, partials, block;
  int64_t positions, part; /* all, and those of a part */
  int64_t v_line, v_slot, m_slot, u_slot;
  int64_t sum_size; /* (taps, c, columns) */
  float *sums;      /* (job, partial) of these */
  float *zeros;
  char *scratch;
  size_t sum_bytes, thread_bytes;
} sum_plan;

static sum_plan sum_plan_of(const conv_weight_sum *job) {
  sum_plan p = {.job = job};
  p.transforms = transforms_of(job->kernels, job->taps);
  p.positions = p.transforms->side * p.transforms->side;
  p.part = 2 * p.transforms->side;
  p.taps = job->taps * job->taps;
  p.patches = patches_in(&job->out[0], job->n);
  bool few = p.patches < PARTIAL_PATCHES && job->jobs == 1;
  p.groups = groups_of(job->kernels, job->k, few);
  p.partials = torus_max(
      1, torus_min(PARTIALS, torus_ceil_div(p.patches, PARTIAL_PATCHES)));
  p.v_line = torus_ceil_div(job->c, 16) * 16;
  int64_t line = p.v_line + p.groups.columns;
  p.block = torus_max(12, PART_BYTES / 4 / (p.part * line) / 4 * 4);
  p.v_slot = slot_of(p.block * p.v_line);
  p.m_slot = slot_of(p.block * p.groups.columns);
  p.u_slot = slot_of(job->c * p.groups.columns);
  p.sum_size = p.taps * job->c * p.groups.columns;
  p.sum_bytes = conv_align((size_t)p.sum_size * sizeof(double));
  int64_t floats = p.part * (p.v_slot + p.m_slot) + p.positions * p.u_slot;
  p.thread_bytes = p.sum_bytes + conv_align((size_t)floats * sizeof(float));
  return p;
}

static size_t sums_bytes(const sum_plan *p) {
  return (size_t)(p->job->jobs * p->partials * p->sum_size) * sizeof(float);
}

size_t conv_weight_sum_scratch(const conv_weight_sum *job, int threads) {
  sum_plan p = sum_plan_of(job);
  return conv_align(sums_bytes(&p)) +
         conv_align(zeros_bytes(job->in, job->out)) +
         (size_t)threads * p.thread_bytes;
}

/* Adds the products of one part of a block of patches to u, or sets u.
 * Meanwhile the pixels of the next block, of patches up to `last`, are
 * prefetched. */
static void sum_block(const sum_plan *p, int64_t job, int64_t group, int part,
                      int64_t first, int64_t count, int64_t last, bool add,
                      float *v, float *u) {
  const conv_weight_sum *j = p->job;
  int64_t begin = group_begin(p->groups, group), columns = p->groups.columns;
  int64_t width = group_width(p->groups, group);
  int64_t end = torus_min(begin + width, j->k);
  float *m = v + p->part * p->v_slot;
  conv_run in = {&j->in[job], first, count, p->v_slot, p->v_line};
  conv_run out = {&j->out[job], first, count, p->m_slot, columns};
  p->transforms->input(&in, part, part + 1, j->c, j->x[job], p->zeros, v);
  p->transforms->output_grad(&out, part, begin, end, j->gy[job], p->zeros, m);
  int64_t positions = torus_min(p->part, p->positions - part * p->part);
  u += part * p->part * p->u_slot;
  for (int64_t i = 0; i < positions; i++) {
    j->kernels->product(j->c, width, count, v + i * p->v_slot, 1, p->v_line,
                        m + i * p->m_slot + begin, columns, u + i * p->u_slot,
                        width, add);
    int64_t done = part * p->part + i, ahead = first + count;
    int64_t from = ahead + done * p->block / p->positions;
    int64_t to = ahead + (done + 1) * p->block / p->positions;
    if (to > last) to = last;
    prefetch(in.patches, from, to, j->x[job], 0, j->c);
    prefetch(out.patches, from, to, j->gy[job], begin, end);
  }
}

SIMD_LOOP(void, round_to, (int64_t count, const double *from, float *to),
          (count, from, to)) {
  for (int64_t i = 0; i < count; i++) to[i] = (float)from[i];
}

/* The complete sum of a group of columns is written to its part of gw. */
static void write_group(const sum_plan *p, int64_t group, const double *sum,
                        float *packed) {
  const conv_weight_sum *j = p->job;
  int64_t begin = group_begin(p->groups, group);
  int64_t width = group_width(p->groups, group);
  for (int64_t first = 0; first < j->c; first += CHUNK) {
    int64_t count = torus_min(CHUNK, j->c - first), size = count * width;
    for (int t = 0; t < 9; t++) {
      int tap = conv_filter_tap(&j->filter, 0, t);
      round_to(size, sum + (tap * j->c + first) * width, packed + t * size);
    }
    conv_filter_unpack(packed, first, count, j->c, begin, begin + width, j->k,
                       j->gw);
  }
}

static void sum_piece(void *arg, int64_t piece, int thread) {
  const sum_plan *p = arg;
  const conv_weight_sum *j = p->job;
  char *at = p->scratch + (size_t)thread * p->thread_bytes;
  double *sum = conv_take(&at, p->sum_bytes);
  float *v = (float *)(void *)at, *m = v + p->part * p->v_slot;
  float *u = m + p->part * p->m_slot;
  int64_t group = piece % p->groups.count, number = piece / p->groups.count;
  int64_t partial = number % p->partials, job = number / p->partials;
  int64_t size = j->c * group_width(p->groups, group);
  memset(sum, 0, (size_t)(p->taps * size) * sizeof(double));
  /* Columns beyond k are multiplied too. */
  if (p->groups.columns > j->k) {
    memset(m, 0, (size_t)(p->part * p->m_slot) * sizeof(float));
  }
  int64_t first = partial * p->patches / p->partials, pending = 0;
  int64_t end = (partial + 1) * p->patches / p->partials;
  for (; first < end; first += p->block) {
    int64_t count = torus_min(p->block, end - first);
    for (int part = 0; part < PARTS; part++) {
      sum_block(p, job, group, part, first, count, end, pending > 0, v, u);
    }
    pending += count;
    if (pending < FLUSH_PATCHES && first + count < end) continue;
    p->transforms->filter_grad(size, u, p->u_slot, sum, size);
    pending = 0;
  }
  if (j->jobs * p->partials == 1) {
    write_group(p, group, sum, v);
  } else {
    round_to(p->sum_size, sum, p->sums + number * p->sum_size);
  }
}

/* Adds the partial sums of CHUNK channels of x and writes them to gw. */
static void combine_piece(void *arg, int64_t piece, int thread) {
  const sum_plan *p = arg;
  const conv_weight_sum *j = p->job;
  char *at = p->scratch + (size_t)thread * p->thread_bytes;
  double *total = conv_take(&at, p->sum_bytes);
  float *packed = (float *)(void *)at;
  int64_t first = piece * CHUNK, count = torus_min(CHUNK, j->c - first);
  int64_t columns = p->groups.columns, size = count * columns;
  for (int t = 0; t < 9; t++) {
    memset(total, 0, (size_t)size * sizeof(double));
    for (int64_t i = 0; i < j->jobs * p->partials; i++) {
      int tap = conv_filter_tap(&j->filter, (int)(i / p->partials), t);
      torus_accumulate_f32(
          1, size, p->sums + i * p->sum_size + (tap * j->c + first) * columns,
          0, total);
    }
    round_to(size, total, packed + t * size);
  }
  conv_filter_unpack(packed, first, count, j->c, 0, columns, j->k, j->gw);
}

void conv_weight_sum_run(const conv_weight_sum *job, void *scratch) {
  sum_plan p = sum_plan_of(job);
  char *at = scratch;
  p.sums = conv_take(&at, sums_bytes(&p));
  size_t zeros = zeros_bytes(job->in, job->out);
  p.zeros = conv_take(&at, zeros);
  memset(p.zeros, 0, zeros);
  p.scratch = at;
  torus_parallel_interruptible(job->jobs * p.partials * p.groups.count,
                               sum_piece, &p);
  if (job->jobs * p.partials > 1) {
    torus_parallel(torus_ceil_div(job->c, CHUNK), combine_piece, &p);
  }
}
