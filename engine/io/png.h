/* PNG files of 8-bit images. Errors: TORUS_EINVAL for sizes, TORUS_EIO and
 * TORUS_ENOMEM from the file. */
#ifndef TORUS_IO_PNG_H
#define TORUS_IO_PNG_H

#include "core/status.h"

#include <stdint.h>

/* pixels: (height, width, channels), dense; channels: 1 grey, 3 RGB, 4 RGBA.
 * The file is written under a temporary name and renamed. */
bool torus_png_write(const char *path, const uint8_t *pixels, int64_t height,
                     int64_t width, int64_t channels, torus_status *status);

#endif
