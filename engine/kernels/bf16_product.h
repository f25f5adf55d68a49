/* Products of bfloat16 matrices with sums in float32: by AMX tiles, or by
 * AVX512-BF16's dot products of pairs. What bf16_maps.h and whole passes of
 * convolutions are made of. Nothing here fails or allocates.
 *
 * A product of two numbers of 8 bits is exact in float32, so that the only
 * rounding is that of the sums. Both sets add pairs first and take denormal
 * numbers as zero; their sums differ in order. */
#ifndef TORUS_KERNELS_BF16_PRODUCT_H
#define TORUS_KERNELS_BF16_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

typedef uint16_t torus_bf16;

/* Depth of a step of a product, rows and columns of a block's unit: a matrix
 * tile of AMX. */
#define BF16_DEPTH 32
#define BF16_UNIT 16

/* c (rows, columns) = sum over taps and steps of a (rows, 32) b (32, columns),
 * rows and columns one or two units. Distances are in bytes.
 *
 * a: a row of 32 consecutive numbers, rows apart by `a_row`; the next step is
 * 64 bytes on, tap t begins offsets[t] from the start.
 * b: in pairs of the depth: a row holds, for each of the columns, numbers 2 i
 * and 2 i + 1; all rows, 16 in a step, one after the other. */
typedef struct bf16_product {
  int taps;
  const int64_t *offsets;
  int64_t steps;
  int64_t a_row;
} bf16_product;

typedef struct bf16_kernels {
  /* Before a thread's first product, and after its last. */
  void (*begin)(void);
  void (*end)(void);
  /* c: rows apart by c_row bytes; with `add`, added to what it holds. */
  void (*product)(const bf16_product *p, int row_units, int column_units,
                  const void *a, const void *b, float *c, int64_t c_row,
                  bool add);
} bf16_kernels;

/* Those of the instruction set in use; NULL where it has none. */
const bf16_kernels *bf16_kernels_chosen(void);

#endif
