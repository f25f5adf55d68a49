#include "kernels/move.h"

#include "core/intmath.h"
#include "core/threads.h"

#include <math.h>
#include <string.h>

#define PIECE 16384

/* A run along the last dimension, by element size. */
#define RUN(type)                                                              \
  do {                                                                         \
    const type *s = src;                                                       \
    type *d = dst;                                                             \
    if (ss == 0) {                                                             \
      type v = *s;                                                             \
      for (int64_t i = 0; i < count; i++) d[i * ds] = v;                       \
    } else {                                                                   \
      for (int64_t i = 0; i < count; i++) d[i * ds] = s[i * ss];               \
    }                                                                          \
  } while (0)

static void run(size_t element, const void *src, int64_t ss, void *dst,
                int64_t ds, int64_t count) {
  if (ss == 1 && ds == 1) {
    memcpy(dst, src, (size_t)count * element);
  } else if (element == 4) {
    RUN(uint32_t);
  } else if (element == 8) {
    RUN(uint64_t);
  } else {
    RUN(uint8_t);
  }
}

void torus_move_repeat(size_t element, const void *src, int64_t count,
                       void *out) {
  run(element, src, 0, out, 1, count);
}

/* The position of an index, as coordinates to be stepped. */
typedef struct cursor {
  const torus_layout *layout;
  int64_t at[TORUS_MAX_DIMS];
  int64_t offset;
} cursor;

static void cursor_set(cursor *c, const torus_layout *layout, int64_t index) {
  c->layout = layout;
  c->offset = 0;
  for (int i = layout->ndim - 1; i >= 0; i--) {
    c->at[i] = index % layout->size[i];
    c->offset += c->at[i] * layout->stride[i];
    index /= layout->size[i];
  }
}

/* Moves on by count elements of the last dimension, not past its end. */
static void cursor_step(cursor *c, int64_t count) {
  const torus_layout *l = c->layout;
  int i = l->ndim - 1;
  c->at[i] += count;
  c->offset += count * l->stride[i];
  while (i > 0 && c->at[i] == l->size[i]) {
    c->offset += l->stride[i - 1] - l->size[i] * l->stride[i];
    c->at[i] = 0;
    c->at[--i]++;
  }
}

static int64_t cursor_remaining(const cursor *c) {
  int last = c->layout->ndim - 1;
  return c->layout->size[last] - c->at[last];
}

void torus_move_gather(size_t element, const void *src,
                       const torus_layout *layout, int64_t first, int64_t count,
                       void *out) {
  cursor c;
  cursor_set(&c, layout, first);
  int64_t stride = layout->stride[layout->ndim - 1];
  char *to = out;
  while (count > 0) {
    int64_t n = torus_min(cursor_remaining(&c), count);
    run(element, (const char *)src + c.offset * (int64_t)element, stride, to, 1,
        n);
    to += n * (int64_t)element;
    count -= n;
    cursor_step(&c, n);
  }
}

typedef struct copy_job {
  size_t element;
  const char *src;
  char *dst;
  torus_layout from, to;
  int64_t count;
} copy_job;

static void copy_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const copy_job *j = arg;
  int64_t first = piece * PIECE;
  int64_t count = j->count - first < PIECE ? j->count - first : PIECE;
  int64_t width = (int64_t)j->element;
  cursor s, d;
  cursor_set(&s, &j->from, first);
  cursor_set(&d, &j->to, first);
  int64_t ss = j->from.stride[j->from.ndim - 1];
  int64_t ds = j->to.stride[j->to.ndim - 1];
  while (count > 0) {
    int64_t n = torus_min(cursor_remaining(&s), cursor_remaining(&d));
    n = torus_min(n, count);
    run(j->element, j->src + s.offset * width, ss, j->dst + d.offset * width,
        ds, n);
    count -= n;
    cursor_step(&s, n);
    cursor_step(&d, n);
  }
}

void torus_move_copy(size_t element, const void *src,
                     const torus_layout *src_layout, void *dst,
                     const torus_layout *dst_layout) {
  copy_job j = {element, src, dst, *src_layout, *dst_layout, 1};
  for (int i = 0; i < src_layout->ndim; i++) j.count *= src_layout->size[i];
  if (j.count == 0) return;
  torus_layout_merge(&j.from);
  torus_layout_merge(&j.to);
  torus_parallel((j.count + PIECE - 1) / PIECE, copy_piece, &j);
}

typedef struct convert_job {
  torus_dtype from, to;
  const void *src;
  void *out;
  int64_t count;
} convert_job;

static int64_t to_i64(double x) {
  if (isnan(x)) return 0;
  if (x >= 0x1p63) return INT64_MAX;
  if (x <= -0x1p63) return INT64_MIN;
  return (int64_t)x;
}

static uint8_t to_u8(double x) {
  if (!(x > 0)) return 0;
  return x >= 255 ? 255 : (uint8_t)x;
}

static int32_t to_i32(double x) {
  if (isnan(x)) return 0;
  if (x >= INT32_MAX) return INT32_MAX;
  return x <= INT32_MIN ? INT32_MIN : (int32_t)x;
}

static uint8_t to_b8(double x) { return x != 0; }
static float to_f32(double x) { return (float)x; }
static double to_f64(double x) { return x; }

/* Conversions go through a block of doubles: exact for integers up to 2^53,
 * far beyond any index. */
#define CONVERT_BLOCK 256

#define LOAD_STORE(name, type, suffix, constant)                               \
  static void load_##suffix(const type *src, double *block, int64_t count) {   \
    for (int64_t i = 0; i < count; i++) block[i] = (double)src[i];             \
  }                                                                            \
  static void store_##suffix(const double *block, type *out, int64_t count) {  \
    for (int64_t i = 0; i < count; i++) out[i] = to_##suffix(block[i]);        \
  }
TORUS_DTYPES(LOAD_STORE)

static void convert_block(const convert_job *j, int64_t first, int64_t count) {
  double block[CONVERT_BLOCK];
  switch (j->from) {
#define CASE(name, type, suffix, constant)                                     \
  case constant:                                                               \
    load_##suffix((const type *)j->src + first, block, count);                 \
    break;
    TORUS_DTYPES(CASE)
#undef CASE
  default:
    break;
  }
  switch (j->to) {
#define CASE(name, type, suffix, constant)                                     \
  case constant:                                                               \
    store_##suffix(block, (type *)j->out + first, count);                      \
    break;
    TORUS_DTYPES(CASE)
#undef CASE
  default:
    break;
  }
}

static void convert_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const convert_job *j = arg;
  int64_t first = piece * PIECE;
  int64_t last = first + PIECE < j->count ? first + PIECE : j->count;
  for (int64_t i = first; i < last; i += CONVERT_BLOCK) {
    convert_block(j, i, last - i < CONVERT_BLOCK ? last - i : CONVERT_BLOCK);
  }
}

void torus_move_convert(torus_dtype from, const void *src, torus_dtype to,
                        void *out, int64_t count) {
  if (from == to) {
    memcpy(out, src, (size_t)count * torus_dtype_size(from));
    return;
  }
  convert_job j = {from, to, src, out, count};
  torus_parallel((count + PIECE - 1) / PIECE, convert_piece, &j);
}

void torus_move_fill(torus_dtype dtype, void *dst, const torus_layout *layout,
                     double value) {
  union {
    float f32;
    double f64;
    int64_t i64;
    int32_t i32;
    uint8_t u8;
  } v;
  switch (dtype) {
  case TORUS_FLOAT32:
    v.f32 = (float)value;
    break;
  case TORUS_FLOAT64:
    v.f64 = value;
    break;
  case TORUS_INT64:
    v.i64 = to_i64(value);
    break;
  case TORUS_INT32:
    v.i32 = to_i32(value);
    break;
  case TORUS_BOOL:
    v.u8 = to_b8(value);
    break;
  default:
    v.u8 = to_u8(value);
    break;
  }
  torus_layout from = *layout;
  for (int i = 0; i < from.ndim; i++) from.stride[i] = 0;
  torus_move_copy(torus_dtype_size(dtype), &v, &from, dst, layout);
}

static int64_t index_at(const torus_index_job *j, int64_t o, int64_t r,
                        int64_t i) {
  return j->shared ? j->index[r] : j->index[(o * j->rows + r) * j->inner + i];
}

void torus_move_index(size_t element, const torus_index_job *j, const void *src,
                      void *out) {
  size_t width = element * (size_t)j->inner;
  for (int64_t o = 0; o < j->outer; o++) {
    const char *s = (const char *)src + (size_t)(o * j->axis) * width;
    char *d = (char *)out + (size_t)(o * j->rows) * width;
    for (int64_t r = 0; r < j->rows; r++) {
      if (j->shared) {
        memcpy(d + (size_t)r * width, s + (size_t)j->index[r] * width, width);
        continue;
      }
      for (int64_t i = 0; i < j->inner; i++) {
        int64_t from = index_at(j, o, r, i) * j->inner + i;
        memcpy(d + (size_t)(r * j->inner + i) * element,
               s + (size_t)from * element, element);
      }
    }
  }
}

/* Integers wrap around. */
#define ADD(x, y)                                                              \
  _Generic((x), float                                                          \
           : (x) + (y), double                                                 \
           : (x) + (y), default                                                \
           : (uint64_t)(x) + (uint64_t)(y))

/* Sequential, so that the order of the sums is fixed. */
#define INDEX_ADD(name, type, suffix, constant)                                \
  static void index_add_##suffix(const torus_index_job *j, const type *src,    \
                                 type *dst) {                                  \
    for (int64_t o = 0; o < j->outer; o++) {                                   \
      for (int64_t r = 0; r < j->rows; r++) {                                  \
        const type *s = src + (o * j->rows + r) * j->inner;                    \
        type *d = dst + o * j->axis * j->inner;                                \
        for (int64_t i = 0; i < j->inner; i++) {                               \
          type *sum = &d[index_at(j, o, r, i) * j->inner + i];                 \
          *sum = (type)ADD(*sum, s[i]);                                        \
        }                                                                      \
      }                                                                        \
    }                                                                          \
  }
TORUS_FLOAT_DTYPES(INDEX_ADD)
TORUS_INTEGER_DTYPES(INDEX_ADD)

void torus_move_index_add(torus_dtype dtype, const torus_index_job *job,
                          const void *src, void *dst) {
  switch (dtype) {
#define CASE(name, type, suffix, constant)                                     \
  case constant:                                                               \
    index_add_##suffix(job, src, dst);                                         \
    break;
    TORUS_FLOAT_DTYPES(CASE)
    TORUS_INTEGER_DTYPES(CASE)
#undef CASE
  default:
    break;
  }
}
