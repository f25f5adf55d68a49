/* Numbers as stored in files: of any width, in either byte order. Errors:
 * TORUS_EIO for a number that the tensor's dtype can't represent. */
#ifndef TORUS_IO_ENCODING_H
#define TORUS_IO_ENCODING_H

#include "core/dtype.h"
#include "core/status.h"

typedef enum torus_number {
  TORUS_NUMBER_FLOAT,  /* IEEE 754 of 2, 4 or 8 bytes */
  TORUS_NUMBER_BFLOAT, /* the upper half of a 4-byte one */
  TORUS_NUMBER_SIGNED,
  TORUS_NUMBER_UNSIGNED,
  TORUS_NUMBER_BOOL /* one byte, 0 or 1 */
} torus_number;

typedef struct torus_encoding {
  torus_number number;
  int bytes; /* 1, 2, 4 or 8 of each element */
  bool big_endian;
} torus_encoding;

/* True if elements of this encoding can be converted to the dtype: 8-byte
 * floats to float64, other floats to float32, integers to those at least as
 * wide. */
bool torus_encoding_fits(const torus_encoding *encoding, torus_dtype dtype);

/* out: count elements of the dtype. */
bool torus_encoding_read(const torus_encoding *encoding, const void *data,
                         int64_t count, torus_dtype dtype, void *out,
                         torus_status *status);

#endif
