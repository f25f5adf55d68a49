/* Animated GIF files. Errors: TORUS_EINVAL for sizes, TORUS_EIO and
 * TORUS_ENOMEM from the file. */
#ifndef TORUS_IO_GIF_H
#define TORUS_IO_GIF_H

#include "core/status.h"

#include <stdint.h>

/* pixels: (frames, height, width, 3), dense. One palette serves the whole
 * file: exact up to 256 colours, chosen for the least squared error beyond.
 * The animation loops forever; delay_ms, between 10 and 655350, is stored in
 * hundredths of a second. The file is written under a temporary name and
 * renamed. */
bool torus_gif_write(const char *path, const uint8_t *pixels, int64_t frames,
                     int64_t height, int64_t width, int64_t delay_ms,
                     torus_status *status);

#endif
