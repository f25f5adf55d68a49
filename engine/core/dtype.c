#include "core/dtype.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {
#define TORUS_ROW(name, type, suffix, constant) #name,
    TORUS_DTYPES(TORUS_ROW)
#undef TORUS_ROW
};

/* Each holds the values of those of a smaller rank, up to rounding. */
static const int rank[TORUS_DTYPE_COUNT] = {
    [TORUS_BOOL] = 0,  [TORUS_UINT8] = 1,   [TORUS_INT32] = 2,
    [TORUS_INT64] = 3, [TORUS_FLOAT32] = 4, [TORUS_FLOAT64] = 5};

const char *torus_dtype_name(torus_dtype dtype) { return names[dtype]; }

torus_dtype torus_dtype_joint(torus_dtype a, torus_dtype b) {
  return rank[a] < rank[b] ? b : a;
}

bool torus_dtype_holds(torus_dtype dtype, double value) {
  if (value != floor(value)) return false;
  switch (dtype) {
  case TORUS_BOOL:
    return value == 0 || value == 1;
  case TORUS_UINT8:
    return value >= 0 && value <= UINT8_MAX;
  case TORUS_INT32:
    return value >= INT32_MIN && value <= INT32_MAX;
  default:
    return fabs(value) < 0x1p63 || value == -0x1p63;
  }
}

const char *torus_dtype_names(void) {
  return "\"float32\", \"float64\", \"int64\", \"int32\", \"uint8\" or "
         "\"bool\"";
}

bool torus_dtype_parse(const char *name, torus_dtype *dtype) {
  for (int i = 0; i < TORUS_DTYPE_COUNT; i++) {
    if (strcmp(name, names[i]) == 0) {
      *dtype = (torus_dtype)i;
      return true;
    }
  }
  return false;
}
