#include "kernels/elementwise.h"

#include "core/threads.h"
#include "kernels/move.h"
#include "kernels/simd/simd.h"
#include "kernels/special.h"
#include "kernels/vecmath.h"

#include <math.h>
#include <string.h>

/* glibc's vector math library has these functions for whole vectors; its own
 * declarations appear under -ffast-math only, which also changes arithmetic.
 * They stay within 4 units in the last place. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
#define VECTOR __attribute__((simd("notinbranch")))
VECTOR double sin(double);
VECTOR double cos(double);
VECTOR double pow(double, double);
VECTOR float sinf(float);
VECTOR float cosf(float);
VECTOR float powf(float, float);
#if __GLIBC_PREREQ(2, 35)
VECTOR double tan(double);
VECTOR float tanf(float);
VECTOR double asin(double);
VECTOR float asinf(float);
VECTOR double acos(double);
VECTOR float acosf(float);
VECTOR double atan(double);
VECTOR float atanf(float);
VECTOR double sinh(double);
VECTOR float sinhf(float);
VECTOR double cosh(double);
VECTOR float coshf(float);
VECTOR double asinh(double);
VECTOR float asinhf(float);
VECTOR double acosh(double);
VECTOR float acoshf(float);
VECTOR double atanh(double);
VECTOR float atanhf(float);
VECTOR double log2(double);
VECTOR float log2f(float);
VECTOR double log10(double);
VECTOR float log10f(float);
VECTOR double exp(double);
VECTOR float expf(float);
VECTOR double exp2(double);
VECTOR float exp2f(float);
VECTOR double expm1(double);
VECTOR float expm1f(float);
VECTOR double erf(double);
VECTOR float erff(float);
VECTOR double erfc(double);
VECTOR float erfcf(float);
VECTOR double atan2(double, double);
VECTOR float atan2f(float, float);
VECTOR double hypot(double, double);
VECTOR float hypotf(float, float);
#endif
#endif

/* Elements gathered at a time, and a thread's share of a large array. */
#define BLOCK 1024
#define PIECE (16 * BLOCK)

typedef struct job {
  torus_elementwise op;
  torus_isa isa;
  int inputs;
  int power;  /* 3 or 4: the operation is this power of the first input */
  bool calls; /* functions, whose values may differ behind whole vectors */
  const void *const *in;
  const torus_layout *layouts;
  bool contiguous[TORUS_ELEMENTWISE_INPUTS];
  bool repeated[TORUS_ELEMENTWISE_INPUTS]; /* one element for all */
  size_t widths[TORUS_ELEMENTWISE_INPUTS]; /* of an element */
  void *out;
  size_t width; /* of an element of out */
  int64_t count;
  const double *numbers;
  void (*block)(const struct job *, int64_t first, int64_t count);
} job;

/* The rows whose first input, and those whose result is a bool. */
static const bool selects[TORUS_EW_COUNT] = {
#define UNARY(name, value, ...)
#define UNARY1(name, p, d, value, ...)
#define UNARY2(name, p, d, p2, d2, value, ...)
#define STEP1(name, value, doc)
#define BINARY(name, value, ...)
#define STEP2(name, value, doc)
#define TERNARY(name, value, ...) [TORUS_EW_##name] = true,
#include "kernels/elementwise.def"
#undef TERNARY
};
static const bool tests[TORUS_EW_COUNT] = {
#define TEST1(name, value, doc) [TORUS_EW_##name] = true,
#define TEST2(name, value, doc) [TORUS_EW_##name] = true,
#define TERNARY(name, value, ...)
#include "kernels/elementwise.def"
#undef UNARY
#undef UNARY1
#undef UNARY2
#undef STEP1
#undef BINARY
#undef STEP2
#undef TERNARY
};

/* The rows' values, as they are written. Functions are in capitals. */
static const char *const values[TORUS_EW_COUNT] = {
#define UNARY(name, value, ...) [TORUS_EW_##name] = #value,
#define UNARY1(name, p, d, value, ...) [TORUS_EW_##name] = #value,
#define UNARY2(name, p, d, p2, d2, value, ...) [TORUS_EW_##name] = #value,
#define STEP1(name, value, doc) [TORUS_EW_##name] = #value,
#define BINARY(name, value, ...) [TORUS_EW_##name] = #value,
#define STEP2(name, value, doc) [TORUS_EW_##name] = #value,
#define TERNARY(name, value, ...) [TORUS_EW_##name] = #value,
#include "kernels/elementwise.def"
#undef UNARY
#undef UNARY1
#undef UNARY2
#undef STEP1
#undef BINARY
#undef STEP2
#undef TERNARY
};

static bool calls_functions(torus_elementwise op) {
  return strpbrk(values[op], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL;
}

/* Elements of an input as a contiguous row, gathered into the buffer if
 * necessary, so that the row functions are simple loops that the compiler
 * vectorizes. */
static const void *row_of(const job *j, int i, int64_t first, int64_t count,
                          void *buffer) {
  if (j->contiguous[i]) {
    return (const char *)j->in[i] + (size_t)first * j->widths[i];
  }
  if (j->repeated[i]) {
    torus_move_repeat(j->widths[i], j->in[i], count, buffer);
    return buffer;
  }
  torus_move_gather(j->widths[i], j->in[i], &j->layouts[i], first, count,
                    buffer);
  return buffer;
}

/* Elements in whole vectors of every instruction set. */
#define LANES 16

/* The elements of a row from `at` on, `left` of them, followed by copies of the
 * last one. glibc's scalar functions differ from its vector ones in the last
 * places, and a value must not depend on the element's place. */
static const void *tail_of(const job *j, int i, const void *row, int64_t at,
                           int64_t left, void *buffer) {
  size_t width = j->widths[i];
  const char *from = (const char *)row + (size_t)at * width;
  memcpy(buffer, from, (size_t)left * width);
  torus_move_repeat(width, from + (size_t)(left - 1) * width, LANES - left,
                    (char *)buffer + (size_t)left * width);
  return buffer;
}

#define T float
#define FN(name) name##_f32
#define M(fn) fn##f
#include "kernels/elementwise.inc"
#undef T
#undef FN
#undef M
#define T double
#define FN(name) name##_f64
#define M(fn) fn
#include "kernels/elementwise.inc"
#undef T
#undef FN
#undef M

/* A number of a row as an int64; a missing bound is infinite. */
static int64_t bound(double number) {
  if (number >= 0x1p63) return INT64_MAX;
  return number >= -0x1p63 ? (int64_t)number : INT64_MIN;
}

/* x / y rounded down; if it is undefined, any value but no trap. */
static int64_t quotient(int64_t x, int64_t y) {
  if (y == 0) return 0;
  if (y == -1) return (int64_t)(0 - (uint64_t)x);
  return x / y - (x % y != 0 && (x < 0) != (y < 0));
}

#define QUOTIENT(x, y) quotient(x, y)
#define ADD(x, y) ((uint64_t)(x) + (uint64_t)(y))
#define SUB(x, y) ((uint64_t)(x) - (uint64_t)(y))
#define MUL(x, y) ((uint64_t)(x) * (uint64_t)(y))
#define T int64_t
#define FN(name) name##_i64
#include "kernels/integer.inc"
#undef T
#undef FN
#define T int32_t
#define FN(name) name##_i32
#include "kernels/integer.inc"
#undef T
#undef FN
#define T uint8_t
#define FN(name) name##_u8
#include "kernels/integer.inc"
#undef FN
#undef ADD
#undef SUB
#undef MUL
#define BOOLS
#define ADD(x, y) ((x) | (y))
#define SUB(x, y) ((x) & !(y))
#define MUL(x, y) ((x) & (y))
#define FN(name) name##_b8
#include "kernels/integer.inc"
#undef T
#undef FN

static void (*const blocks[TORUS_DTYPE_COUNT])(const job *, int64_t,
                                               int64_t) = {
#define BLOCK_OF(name, type, suffix, constant) [constant] = block_##suffix,
    TORUS_DTYPES(BLOCK_OF)
#undef BLOCK_OF
};

bool torus_elementwise_tests(torus_elementwise op) { return tests[op]; }

bool torus_elementwise_has(torus_elementwise op, torus_dtype dtype) {
  if (torus_dtype_is_float(dtype)) return true;
  return dtype == TORUS_BOOL ? rows_b8[op] != NULL : rows_i64[op] != NULL;
}

static void run_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const job *j = arg;
  int64_t first = piece * PIECE;
  int64_t last = first + PIECE < j->count ? first + PIECE : j->count;
  for (int64_t i = first; i < last; i += BLOCK) {
    j->block(j, i, last - i < BLOCK ? last - i : BLOCK);
  }
}

static bool is_contiguous(const torus_layout *layout) {
  return layout->ndim == 1 && (layout->stride[0] == 1 || layout->size[0] == 1);
}

static bool is_repeated(const torus_layout *layout) {
  return layout->ndim == 1 && layout->stride[0] == 0;
}

/* One exponent for all elements, such as that of x^2, needs no logarithm: a
 * few products are faster and rounded better. */
static void choose_power(job *j, torus_dtype dtype) {
  double exponent = dtype == TORUS_FLOAT32 ? (double)*(const float *)j->in[1]
                                           : *(const double *)j->in[1];
  if (exponent == 1) {
    j->op = TORUS_EW_mul; /* by this 1 */
  } else if (exponent == 2) {
    j->op = TORUS_EW_square;
    j->inputs = 1;
  } else if (exponent == 3 || exponent == 4) {
    j->power = (int)exponent;
    j->inputs = 1;
  } else if (exponent == -1) {
    j->op = TORUS_EW_reciprocal;
    j->inputs = 1;
  }
}

void torus_elementwise_run(torus_elementwise op, torus_dtype dtype, int inputs,
                           const void *const *in, const torus_layout *layouts,
                           void *out, int64_t count, const double numbers[2]) {
  torus_layout merged[TORUS_ELEMENTWISE_INPUTS];
  job j;
  size_t width = torus_dtype_size(dtype);
  if (count == 0) return;
  j.op = op;
  j.isa = torus_isa_chosen();
  j.inputs = inputs;
  j.power = 0;
  j.in = in;
  j.layouts = layouts;
  j.out = out;
  j.count = count;
  j.numbers = numbers;
  j.block = blocks[dtype];
  bool simple = true;
  for (int i = 0; i < inputs; i++) {
    j.widths[i] = width;
    j.contiguous[i] = is_contiguous(&layouts[i]);
    j.repeated[i] = is_repeated(&layouts[i]);
    simple &= j.contiguous[i] || j.repeated[i];
  }
  for (int i = 0; !simple && i < inputs; i++) {
    merged[i] = layouts[i];
    torus_layout_merge(&merged[i]);
    j.contiguous[i] = is_contiguous(&merged[i]);
    j.repeated[i] = is_repeated(&merged[i]);
  }
  if (!simple) j.layouts = merged;
  if (op == TORUS_EW_pow && (j.repeated[1] || count == 1)) {
    choose_power(&j, dtype);
  }
  j.calls = !j.power && calls_functions(j.op);
  if (selects[op]) j.widths[0] = 1;
  j.width = tests[op] ? 1 : width;
  if (count <= BLOCK) {
    j.block(&j, 0, count);
    return;
  }
  torus_parallel((count + PIECE - 1) / PIECE, run_piece, &j);
}
