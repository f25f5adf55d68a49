/* Compressed bytes, as in zip archives: raw deflate streams. Errors: TORUS_EIO
 * with what is wrong with the bytes, TORUS_ENOMEM. */
#ifndef TORUS_IO_DEFLATE_H
#define TORUS_IO_DEFLATE_H

#include "core/status.h"

#include <stddef.h>
#include <stdint.h>

/* The stream must contain exactly `bytes` bytes, which are written to out. */
bool torus_inflate(const void *data, size_t length, void *out, size_t bytes,
                   torus_status *status);

/* The maximum compressed size of so many bytes. */
size_t torus_deflate_bound(size_t bytes);
/* out has a capacity of torus_deflate_bound(bytes); *length: the number
 * written. */
bool torus_deflate(const void *data, size_t bytes, void *out, size_t *length,
                   torus_status *status);

uint32_t torus_crc32(const void *data, size_t bytes);

#endif
