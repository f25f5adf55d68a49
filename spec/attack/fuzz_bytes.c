/* The readers of spec/attack/fuzz.h. Each gets a block of exactly the input's
 * size, so that the sanitizer sees one byte too far. */
#include "fuzz.h"

#include "io/deflate.h"
#include "io/encoding.h"
#include "io/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE 8 /* bytes in front of a PNG's chunks */

static void expect(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "fuzz: %s\n", what);
  abort();
}

/* Either a value or one message. */
static void check(bool has_value, const torus_status *status) {
  expect(has_value == (status->code == TORUS_OK), "a value and a failure");
  expect(has_value || status->message[0], "a failure without a message");
}

/* --- pictures ------------------------------------------------------------ */

static void read_png(const uint8_t *data, size_t size) {
  torus_status status = {TORUS_OK, ""};
  torus_tensor *x = torus_png_read(data, size, &status);
  check(x, &status);
  torus_tensor_release(x);
}

static uint32_t number_at(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
         p[3];
}

/* The sums of all chunks: length, four letters, data, sum. */
static void mend_png(uint8_t *data, size_t size) {
  size_t at = SIGNATURE;
  while (at < size && size - at >= 12) {
    size_t length = number_at(data + at);
    if (length > size - at - 12) return;
    uint32_t sum = torus_crc32(data + at + 4, length + 4);
    uint8_t *to = data + at + 8 + length;
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(sum >> (24 - 8 * i));
    at += length + 12;
  }
}

static void read_gif(const uint8_t *data, size_t size) {
  torus_status status = {TORUS_OK, ""};
  torus_tensor *delays = NULL;
  torus_tensor *x = torus_gif_read(data, size, &delays, &status);
  check(x, &status);
  expect(!x == !delays, "frames without delays");
  if (x) expect(x->shape.size[0] == delays->shape.size[0], "other delays");
  torus_tensor_release(x);
  torus_tensor_release(delays);
}

/* --- numbers and archives ------------------------------------------------ */

/* The size in two bytes, then the stream. What comes out goes in and out again.
 */
static void read_deflated(const uint8_t *data, size_t size) {
  if (size < 2) return;
  size_t bytes = (size_t)data[0] | (size_t)data[1] << 8, length;
  torus_status status = {TORUS_OK, ""};
  uint8_t *out = malloc(bytes), *again = malloc(bytes);
  bool ok = torus_inflate(data + 2, size - 2, out, bytes, &status);
  check(ok, &status);
  if (ok) {
    uint8_t *packed = malloc(torus_deflate_bound(bytes));
    expect(torus_deflate(out, bytes, packed, &length, &status) &&
               torus_inflate(packed, length, again, bytes, &status) &&
               (bytes == 0 || memcmp(out, again, bytes) == 0),
           "other bytes came back");
    free(packed);
  }
  free(out);
  free(again);
}

/* How the numbers are written and what becomes of them, then the numbers. */
static void read_numbers(const uint8_t *data, size_t size) {
  if (size < 2) return;
  static const int widths[] = {1, 2, 4, 8};
  torus_encoding e = {(torus_number)(data[0] % 5), widths[data[0] / 5 % 4],
                      data[0] >= 128};
  torus_dtype dtype = (torus_dtype)(data[1] % TORUS_DTYPE_COUNT);
  bool is_float =
      e.number == TORUS_NUMBER_FLOAT || e.number == TORUS_NUMBER_BFLOAT;
  if ((is_float && e.bytes == 1) ||
      (e.number == TORUS_NUMBER_BFLOAT && e.bytes != 2) ||
      !torus_encoding_fits(&e, dtype)) {
    return;
  }
  size_t count = (size - 2) / (size_t)e.bytes;
  uint8_t *in = malloc(count * (size_t)e.bytes);
  void *out = malloc(count * torus_dtype_size(dtype));
  memcpy(in, data + 2, count * (size_t)e.bytes);
  torus_status status = {TORUS_OK, ""};
  check(torus_encoding_read(&e, in, (int64_t)count, dtype, out, &status),
        &status);
  free(in);
  free(out);
}

static const fuzz_reader readers[] = {{"png", read_png, mend_png},
                                      {"gif", read_gif, NULL},
                                      {"deflate", read_deflated, NULL},
                                      {"numbers", read_numbers, NULL}};

const fuzz_reader *fuzz_reader_named(const char *name) {
  for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
    if (strcmp(readers[i].name, name) == 0) return &readers[i];
  }
  return NULL;
}
