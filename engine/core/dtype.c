#include "core/dtype.h"

#include <string.h>

static const struct {
  const char *name;
  size_t size;
} table[] = {
#define TORUS_ROW(name, type, suffix, constant) {#name, sizeof(type)},
    TORUS_DTYPES(TORUS_ROW)
#undef TORUS_ROW
};

size_t torus_dtype_size(torus_dtype dtype) { return table[dtype].size; }

const char *torus_dtype_name(torus_dtype dtype) { return table[dtype].name; }

bool torus_dtype_is_float(torus_dtype dtype) {
  return dtype == TORUS_FLOAT32 || dtype == TORUS_FLOAT64;
}

bool torus_dtype_parse(const char *name, torus_dtype *dtype) {
  for (int i = 0; i < TORUS_DTYPE_COUNT; i++) {
    if (strcmp(name, table[i].name) == 0) {
      *dtype = (torus_dtype)i;
      return true;
    }
  }
  return false;
}
