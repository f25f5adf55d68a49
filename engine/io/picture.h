/* Reading images from untrusted sources. Every result is a new tensor owned by
 * the caller. Errors: TORUS_EIO with the problem of the bytes ("it is
 * truncated"), TORUS_ENOMEM. */
#ifndef TORUS_IO_PICTURE_H
#define TORUS_IO_PICTURE_H

#include "core/tensor.h"

/* Maximum size of an image in memory, as a small file can claim any size. */
#define TORUS_PICTURE_MAX ((int64_t)1 << 30)

/* A PNG of any kind as (height, width, channels): 1 grey, 2 grey and alpha, 3
 * RGB, 4 RGBA. uint8; one of 16 bits is float32 from 0 to 1. */
torus_tensor *torus_png_read(const void *data, size_t bytes,
                             torus_status *status);

/* The frames of a GIF as a viewer shows them, (frames, height, width, 4) uint8;
 * alpha is 0 or 255. delays: int64 (frames), in milliseconds. */
torus_tensor *torus_gif_read(const void *data, size_t bytes,
                             torus_tensor **delays, torus_status *status);

#endif
