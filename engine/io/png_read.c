#include "core/alloc.h"
#include "io/picture.h"

#include <png.h>
#include <stdio.h>
#include <string.h>

/* No byte of deflated data becomes more than this many (zlib's bound). */
#define DEFLATE_RATIO 1032

typedef struct reader {
  const unsigned char *data;
  size_t bytes, at;
  bool damaged; /* the data ended, or libpng has found something */
  char problem[200];
  int64_t height, width, channels;
  bool wide; /* 16 bits per sample */
  torus_tensor *out;
  uint8_t *rows; /* (height, width, channels) bytes or pairs of bytes */
  torus_status *status;
} reader;

static void take(png_structp png, png_bytep to, size_t count) {
  reader *r = png_get_io_ptr(png);
  if (count > r->bytes - r->at) png_error(png, "it is truncated");
  memcpy(to, r->data + r->at, count);
  r->at += count;
}

static void on_error(png_structp png, png_const_charp message) {
  reader *r = png_get_error_ptr(png);
  if (!r->damaged) snprintf(r->problem, sizeof r->problem, "%s", message);
  r->damaged = true;
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
  (void)png, (void)message;
}

/* Every format as 8 or 16 bits of grey or RGB, with alpha where there is
 * transparency. */
static void read_format(png_structp png, png_infop info, reader *r) {
  png_read_info(png, info);
  r->height = png_get_image_height(png, info);
  r->width = png_get_image_width(png, info);
  size_t row = png_get_rowbytes(png, info) + 1;
  if (row > (r->bytes * DEFLATE_RATIO + 4096) / (size_t)r->height) {
    png_error(png, "it is truncated");
  }
  r->wide = png_get_bit_depth(png, info) == 16;
  png_set_expand(png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (r->wide) png_set_swap(png);
#endif
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  r->channels = png_get_channels(png, info);
}

/* Allocates the memory for the pixels; false, with the status, on failure. */
static bool make_room(reader *r) {
  int64_t samples = r->height * r->width * r->channels;
  if (samples > TORUS_PICTURE_MAX / (r->wide ? 4 : 1)) {
    return torus_status_fail(
        r->status, TORUS_EIO,
        "expected a picture of at most 1 GiB, got %lldx%lld pixels",
        (long long)r->width, (long long)r->height);
  }
  torus_shape shape = {3, {r->height, r->width, r->channels}};
  torus_dtype dtype = r->wide ? TORUS_FLOAT32 : TORUS_UINT8;
  r->out = torus_tensor_new(dtype, &shape, r->status);
  if (!r->out) return false;
  if (!r->wide) {
    r->rows = torus_tensor_data(r->out);
    return true;
  }
  r->rows = torus_alloc((size_t)samples * 2);
  return r->rows ||
         torus_status_fail(r->status, TORUS_ENOMEM, "png: out of memory");
}

static void read_rows(png_structp png, png_infop info, reader *r) {
  size_t row = png_get_rowbytes(png, info);
  int passes = png_get_interlace_type(png, info) == PNG_INTERLACE_NONE ? 1 : 7;
  /* An interlaced picture is filled in, pass by pass. */
  if (passes > 1) memset(r->rows, 0, row * (size_t)r->height);
  for (int pass = 0; pass < passes; pass++) {
    for (int64_t y = 0; y < r->height; y++) {
      png_read_row(png, r->rows + (size_t)y * row, NULL);
    }
  }
  png_read_end(png, NULL);
}

/* All that lives longer than a jump of libpng is in r. */
static bool decode(png_structp png, png_infop info, reader *r) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_read_fn(png, r, take);
  read_format(png, info, r);
  if (!make_room(r)) return false;
  read_rows(png, info, r);
  return true;
}

static void widen(reader *r) {
  float *out = torus_tensor_data(r->out);
  const uint16_t *in = (const uint16_t *)(const void *)r->rows;
  int64_t count = torus_tensor_count(r->out);
  for (int64_t i = 0; i < count; i++) out[i] = (float)in[i] / 65535;
}

torus_tensor *torus_png_read(const void *data, size_t bytes,
                             torus_status *status) {
  reader r = {.data = data, .bytes = bytes, .status = status};
  png_structp png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  bool ok = info && decode(png, info, &r);
  if (!info) torus_status_fail(status, TORUS_ENOMEM, "png: out of memory");
  png_destroy_read_struct(&png, &info, NULL);
  if (ok && r.wide) widen(&r);
  if (r.wide) torus_free(r.rows);
  if (ok) return r.out;
  torus_tensor_release(r.out);
  torus_status_fail(status, TORUS_EIO, "%s", r.problem);
  return NULL;
}
