#include "io/deflate.h"

#include <zlib.h>

/* zlib counts in unsigned ints: long data goes through in portions. */
#define PORTION ((size_t)1 << 30)

static uInt portion(size_t left) {
  return (uInt)(left < PORTION ? left : PORTION);
}

/* Runs a stream over all of its input and output; returns the last result and
 * what is left of both. */
static int run(z_stream *z, int (*step)(z_stream *, int), int last_flush,
               size_t *in_left, size_t *out_left) {
  for (;;) {
    uInt in = portion(*in_left), out = portion(*out_left);
    z->avail_in = in;
    z->avail_out = out;
    int result = step(z, in == *in_left ? last_flush : Z_NO_FLUSH);
    uInt used = in - z->avail_in, made = out - z->avail_out;
    *in_left -= used;
    *out_left -= made;
    if (result != Z_OK || (used == 0 && made == 0)) return result;
  }
}

bool torus_inflate(const void *data, size_t length, void *out, size_t bytes,
                   torus_status *status) {
  z_stream z = {.next_in = (Bytef *)data, .next_out = out};
  if (inflateInit2(&z, -MAX_WBITS) != Z_OK) {
    return torus_status_fail(status, TORUS_ENOMEM, "inflate: out of memory");
  }
  unsigned char nothing;
  if (bytes == 0) z.next_out = &nothing;
  size_t in_left = length, out_left = bytes;
  int result = run(&z, inflate, Z_NO_FLUSH, &in_left, &out_left);
  inflateEnd(&z);
  if (result == Z_MEM_ERROR) {
    return torus_status_fail(status, TORUS_ENOMEM, "inflate: out of memory");
  }
  if (result == Z_STREAM_END && in_left == 0 && out_left == 0) return true;
  return torus_status_fail(status, TORUS_EIO, "its compressed data is damaged");
}

size_t torus_deflate_bound(size_t bytes) {
  return bytes + bytes / 1000 + bytes / 4096 + 64;
}

bool torus_deflate(const void *data, size_t bytes, void *out, size_t *length,
                   torus_status *status) {
  z_stream z = {.next_in = (Bytef *)data, .next_out = out};
  size_t in_left = bytes, out_left = torus_deflate_bound(bytes);
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return torus_status_fail(status, TORUS_ENOMEM, "deflate: out of memory");
  }
  int result = run(&z, deflate, Z_FINISH, &in_left, &out_left);
  deflateEnd(&z);
  *length = torus_deflate_bound(bytes) - out_left;
  if (result == Z_STREAM_END) return true;
  return torus_status_fail(status, TORUS_ENOMEM, "deflate: out of memory");
}

uint32_t torus_crc32(const void *data, size_t bytes) {
  const Bytef *at = data;
  uLong crc = crc32(0, NULL, 0);
  while (bytes > 0) {
    uInt n = portion(bytes);
    crc = crc32(crc, at, n);
    at += n;
    bytes -= n;
  }
  return (uint32_t)crc;
}
