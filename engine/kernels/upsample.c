#include "kernels/upsample.h"

#include <string.h>

#include "core/threads.h"

/* Minimum number of elements of the larger image per piece. */
#define PIECE 16384

#define T float
#define NAME(x) x##_f32
#include "kernels/upsample.inc"
#undef T
#undef NAME

#define T double
#define NAME(x) x##_f64
#include "kernels/upsample.inc"
