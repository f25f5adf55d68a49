#include "kernels/bitwise.h"

void torus_bitwise_run(torus_bitwise op, const uint8_t *x, const uint8_t *y,
                       uint8_t *out, size_t bytes) {
  switch (op) {
  case TORUS_BITS_AND:
    for (size_t i = 0; i < bytes; i++) out[i] = x[i] & y[i];
    break;
  case TORUS_BITS_OR:
    for (size_t i = 0; i < bytes; i++) out[i] = x[i] | y[i];
    break;
  default:
    for (size_t i = 0; i < bytes; i++) out[i] = x[i] ^ y[i];
    break;
  }
}
