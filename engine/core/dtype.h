/* The element types, said once: everything that depends on them is generated
 * from this list. Arithmetic is defined for the floating types; int64 holds
 * indices and uint8 raw images, and both are moved, compared and converted. */
#ifndef TORUS_CORE_DTYPE_H
#define TORUS_CORE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, C type, suffix, constant) */
#define TORUS_FLOAT_DTYPES(X)                                                  \
  X(float32, float, f32, TORUS_FLOAT32)                                        \
  X(float64, double, f64, TORUS_FLOAT64)

#define TORUS_DTYPES(X)                                                        \
  TORUS_FLOAT_DTYPES(X)                                                        \
  X(int64, int64_t, i64, TORUS_INT64)                                          \
  X(uint8, uint8_t, u8, TORUS_UINT8)

typedef enum torus_dtype {
#define TORUS_ENUM(name, type, suffix, constant) constant,
  TORUS_DTYPES(TORUS_ENUM)
#undef TORUS_ENUM
      TORUS_DTYPE_COUNT
} torus_dtype;

size_t torus_dtype_size(torus_dtype dtype);
const char *torus_dtype_name(torus_dtype dtype);
bool torus_dtype_is_float(torus_dtype dtype);
/* False when no dtype has this name. */
bool torus_dtype_parse(const char *name, torus_dtype *dtype);

#endif
