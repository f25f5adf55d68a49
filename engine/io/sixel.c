/* A sixel is a column of six pixels: a character from '?' on, whose six bits
 * select those with the current colour. Each band of six rows is written once
 * for every colour in it; "#n" selects a colour, "!n" repeats the next
 * character, "$" returns to the start of the band, "-" begins the next one. */
#include "io/sixel.h"

#include "core/alloc.h"
#include "io/palette.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BAND 6
#define SIDE_MAX 16384

static bool put(torus_file_buffer *b, const char *format, ...) {
  char text[64];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return torus_file_buffer_add(b, text, (size_t)length);
}

/* Colours are percentages. */
static bool put_palette(torus_file_buffer *b, const torus_palette *palette) {
  bool ok = true;
  for (int i = 0; ok && i < palette->count; i++) {
    const uint8_t *c = palette->colours[i];
    ok = put(b, "#%d;2;%d;%d;%d", i, (c[0] * 100 + 127) / 255,
             (c[1] * 100 + 127) / 255, (c[2] * 100 + 127) / 255);
  }
  return ok;
}

static bool put_run(torus_file_buffer *b, char sixel, int64_t count) {
  if (count > 3) return put(b, "!%lld%c", (long long)count, sixel);
  const char run[3] = {sixel, sixel, sixel};
  return torus_file_buffer_add(b, run, (size_t)count);
}

/* One colour of a band; columns without it at the end are left out. */
static bool put_colour(torus_file_buffer *b, const uint8_t *band, int64_t rows,
                       int64_t width, int colour) {
  char last = 0;
  int64_t run = 0;
  bool ok = put(b, "#%d", colour);
  for (int64_t x = 0; ok && x < width; x++) {
    int bits = 0;
    for (int64_t y = 0; y < rows; y++)
      bits |= (band[y * width + x] == colour) << y;
    char sixel = (char)('?' + bits);
    if (sixel != last && run > 0) {
      ok = put_run(b, last, run);
      run = 0;
    }
    last = sixel;
    run++;
  }
  return ok && (last == '?' || put_run(b, last, run)) && put(b, "$");
}

/* indices: (height, width) */
static bool put_bands(torus_file_buffer *b, const uint8_t *indices,
                      int64_t height, int64_t width) {
  bool ok = true;
  for (int64_t y = 0; ok && y < height; y += BAND) {
    int64_t rows = height - y < BAND ? height - y : BAND;
    const uint8_t *band = indices + y * width;
    bool used[TORUS_PALETTE_MAX] = {false};
    for (int64_t i = 0; i < rows * width; i++) used[band[i]] = true;
    for (int c = 0; ok && c < TORUS_PALETTE_MAX; c++) {
      if (used[c]) ok = put_colour(b, band, rows, width, c);
    }
    ok = ok && put(b, "-");
  }
  return ok;
}

bool torus_sixel_encode(const uint8_t *pixels, int64_t height, int64_t width,
                        torus_file_buffer *buffer, torus_status *status) {
  if (height < 1 || width < 1 || height > SIDE_MAX || width > SIDE_MAX) {
    return torus_status_fail(
        status, TORUS_EINVAL,
        "sixel: expected sides from 1 to %d, got %lldx%lld", SIDE_MAX,
        (long long)height, (long long)width);
  }
  torus_palette palette;
  if (!torus_palette_init(&palette, pixels, height * width, status)) {
    return false;
  }
  uint8_t *indices = torus_alloc((size_t)(height * width));
  bool ok = indices != NULL;
  for (int64_t i = 0; ok && i < height * width; i++) {
    indices[i] = torus_palette_index(&palette, pixels + 3 * i);
  }
  ok = ok &&
       put(buffer, "\033P0;1;0q\"1;1;%lld;%lld", (long long)width,
           (long long)height) &&
       put_palette(buffer, &palette) &&
       put_bands(buffer, indices, height, width) && put(buffer, "\033\\");
  torus_free(indices);
  torus_palette_clear(&palette);
  return ok || torus_status_fail(status, TORUS_ENOMEM, "sixel: out of memory");
}
