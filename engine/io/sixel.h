/* Encoding images for terminals with sixel graphics.
 *
 * The caller must clear the buffer. Errors: TORUS_EINVAL for sizes,
 * TORUS_ENOMEM. */
#ifndef TORUS_IO_SIXEL_H
#define TORUS_IO_SIXEL_H

#include "io/file.h"

#include <stdint.h>

/* pixels: (height, width, 3), dense; at most 256 colours are distinguished.
 * Appends to the buffer. */
bool torus_sixel_encode(const uint8_t *pixels, int64_t height, int64_t width,
                        torus_file_buffer *buffer, torus_status *status);

#endif
