#include "io/png.h"

#include "io/file.h"

#include <limits.h>

/* The only file that holds the code of stb_image_write; it is not ours to
 * keep free of warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wdouble-promotion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>
#pragma GCC diagnostic pop

typedef struct sink {
  torus_file_buffer buffer;
  bool full;
} sink;

static void collect(void *context, void *data, int bytes) {
  sink *s = context;
  if (!torus_file_buffer_add(&s->buffer, data, (size_t)bytes)) s->full = true;
}

bool torus_png_write(const char *path, const uint8_t *pixels, int64_t height,
                     int64_t width, int64_t channels, torus_status *status) {
  if (channels != 1 && channels != 3 && channels != 4) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "png: expected 1, 3 or 4 channels, got %lld",
                             (long long)channels);
  }
  /* The encoder counts bytes, with one more per row, in an int. */
  if (height < 1 || width < 1 || height > INT_MAX / 8 || width > INT_MAX / 8 ||
      height * (width * channels + 1) > INT_MAX / 2) {
    return torus_status_fail(
        status, TORUS_EINVAL,
        "png: expected an image between 1x1 and 1 GiB, got %lldx%lld",
        (long long)height, (long long)width);
  }
  sink s = {0};
  int ok = stbi_write_png_to_func(collect, &s, (int)width, (int)height,
                                  (int)channels, pixels, 0);
  if (!ok || s.full) {
    torus_status_fail(status, TORUS_ENOMEM, "png: out of memory");
  } else {
    torus_file_part part = {s.buffer.data, s.buffer.bytes};
    torus_file_write_atomic(path, &part, 1, status);
  }
  torus_file_buffer_clear(&s.buffer);
  return status->code == TORUS_OK;
}
