/* Bits of contiguous arrays of integers and bools, whatever their dtype. */
#ifndef TORUS_KERNELS_BITWISE_H
#define TORUS_KERNELS_BITWISE_H

#include <stddef.h>
#include <stdint.h>

typedef enum torus_bitwise {
  TORUS_BITS_AND,
  TORUS_BITS_OR,
  TORUS_BITS_XOR,
} torus_bitwise;

/* out = x op y, byte by byte; out may be x or y. */
void torus_bitwise_run(torus_bitwise op, const uint8_t *x, const uint8_t *y,
                       uint8_t *out, size_t bytes);

#endif
