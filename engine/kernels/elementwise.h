/* Elementwise kernels over strided arrays, one for each row of
 * elementwise.def. They own nothing and can't fail. */
#ifndef TORUS_KERNELS_ELEMENTWISE_H
#define TORUS_KERNELS_ELEMENTWISE_H

#include "core/dtype.h"
#include "core/shape.h"

#define TORUS_ELEMENTWISE_INPUTS 3

typedef enum torus_elementwise {
#define UNARY(name, value, ...) TORUS_EW_##name,
#define UNARY1(name, p, d, value, ...) TORUS_EW_##name,
#define UNARY2(name, p, d, p2, d2, value, ...) TORUS_EW_##name,
#define STEP1(name, value, doc) TORUS_EW_##name,
#define BINARY(name, value, ...) TORUS_EW_##name,
#define STEP2(name, value, doc) TORUS_EW_##name,
#define TERNARY(name, value, ...) TORUS_EW_##name,
#include "kernels/elementwise.def"
#undef UNARY
#undef UNARY1
#undef UNARY2
#undef STEP1
#undef BINARY
#undef STEP2
#undef TERNARY
  TORUS_EW_COUNT
} torus_elementwise;

/* True if the row's result is a bool, and if it is defined for a dtype: every
 * row is for the floating dtypes, see integer.def for the others. */
bool torus_elementwise_tests(torus_elementwise op);
bool torus_elementwise_has(torus_elementwise op, torus_dtype dtype);

/* out, contiguous, = op(in[0], in[1], in[2]), of a dtype that the row has
 * values for. Every input has that dtype (the first one of a TERNARY row is a
 * bool) and a layout of the result's shape (broadcast dimensions with stride
 * 0). A contiguous input may be the output. Integer divisors must not be 0.
 * numbers: the row's a and b. */
void torus_elementwise_run(torus_elementwise op, torus_dtype dtype, int inputs,
                           const void *const *in, const torus_layout *layouts,
                           void *out, int64_t count, const double numbers[2]);

#endif
