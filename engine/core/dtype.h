/* The element types, listed once: everything that depends on them is generated
 * from this list. Arithmetic on integers wraps around; a bool is one byte, 0
 * or 1. */
#ifndef TORUS_CORE_DTYPE_H
#define TORUS_CORE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, C type, suffix, constant) */
#define TORUS_FLOAT_DTYPES(X)                                                  \
  X(float32, float, f32, TORUS_FLOAT32)                                        \
  X(float64, double, f64, TORUS_FLOAT64)

#define TORUS_INTEGER_DTYPES(X)                                                \
  X(int64, int64_t, i64, TORUS_INT64)                                          \
  X(uint8, uint8_t, u8, TORUS_UINT8)                                           \
  X(int32, int32_t, i32, TORUS_INT32)

#define TORUS_DTYPES(X)                                                        \
  TORUS_FLOAT_DTYPES(X)                                                        \
  TORUS_INTEGER_DTYPES(X)                                                      \
  X(bool, uint8_t, b8, TORUS_BOOL)

typedef enum torus_dtype {
#define TORUS_ENUM(name, type, suffix, constant) constant,
  TORUS_DTYPES(TORUS_ENUM)
#undef TORUS_ENUM
      TORUS_DTYPE_COUNT
} torus_dtype;

static inline size_t torus_dtype_size(torus_dtype dtype) {
  static const unsigned char sizes[] = {
#define TORUS_ROW(name, type, suffix, constant) sizeof(type),
      TORUS_DTYPES(TORUS_ROW)
#undef TORUS_ROW
  };
  return sizes[dtype];
}

static inline bool torus_dtype_is_float(torus_dtype dtype) {
  return dtype == TORUS_FLOAT32 || dtype == TORUS_FLOAT64;
}

const char *torus_dtype_name(torus_dtype dtype);
/* The common dtype of two dtypes: the later of
 * bool, uint8, int32, int64, float32, float64. */
torus_dtype torus_dtype_joint(torus_dtype a, torus_dtype b);
/* True if an integer dtype or bool can represent this value. */
bool torus_dtype_holds(torus_dtype dtype, double value);
/* All names in one text: "float32", "float64", ... */
const char *torus_dtype_names(void);
/* False when no dtype has this name. */
bool torus_dtype_parse(const char *name, torus_dtype *dtype);

#endif
