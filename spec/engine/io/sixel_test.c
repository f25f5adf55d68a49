#include "io/sixel.h"

#include "check.h"
#include "core/alloc.h"

#include <stdlib.h>
#include <string.h>

enum { H = 17, W = 23 };

/* What a terminal draws: colours as percentages, or -1 where nothing was. */
typedef struct screen {
  int width, height; /* as announced */
  int colour[H + 6][W][3];
  int outside; /* sixels beyond the announced width */
} screen;

static long number(const char **at) {
  char *end;
  long n = strtol(*at, &end, 10);
  *at = end;
  return n;
}

static void draw_column(screen *s, int y, int x, int bits, const int *colour) {
  if (x >= W) {
    s->outside++;
    return;
  }
  for (int k = 0; k < 6; k++) {
    if (bits >> k & 1 && y + k < H + 6) {
      memcpy(s->colour[y + k][x], colour, 3 * sizeof(int));
    }
  }
}

/* False at bytes other than sixels. */
static bool decode(const char *text, screen *s) {
  static int palette[256][3];
  int x = 0, y = 0, n = 0;
  memset(s, 0, sizeof *s);
  memset(s->colour, -1, sizeof s->colour);
  if (strncmp(text, "\033P0;1;0q\"1;1;", 13) != 0) return false;
  const char *at = text + 13;
  s->width = (int)number(&at);
  at++;
  s->height = (int)number(&at);
  while (*at && *at != '\033') {
    long count = 1;
    char c = *at++;
    if (c == '#') {
      n = (int)number(&at);
      if (*at == ';') {
        at++;
        number(&at);
        for (int k = 0; k < 3; k++) {
          at++;
          palette[n][k] = (int)number(&at);
        }
      }
      continue;
    }
    if (c == '$') {
      x = 0;
      continue;
    }
    if (c == '-') {
      x = 0;
      y += 6;
      continue;
    }
    if (c == '!') {
      count = number(&at);
      c = *at++;
    }
    if (c < '?' || c > '~') return false;
    for (long k = 0; k < count; k++)
      draw_column(s, y, x++, c - '?', palette[n]);
  }
  return strcmp(at, "\033\\") == 0;
}

static bool encode(const uint8_t *pixels, screen *s) {
  torus_file_buffer buffer = {0};
  torus_status status = {TORUS_OK, ""};
  bool ok = torus_sixel_encode(pixels, H, W, &buffer, &status) &&
            torus_file_buffer_add(&buffer, "", 1);
  ok = ok && decode((const char *)buffer.data, s);
  torus_file_buffer_clear(&buffer);
  return ok;
}

TEST(a_terminal_draws_every_pixel) {
  static screen s;
  uint8_t pixels[H][W][3];
  for (int y = 0; y < H; y++) {
    for (int x = 0; x < W; x++) {
      for (int k = 0; k < 3; k++) {
        pixels[y][x][k] =
            (uint8_t)(x < 8 ? 51 * k : (y * 3 + x / 4 * 40) % 256);
      }
    }
  }
  CHECK(encode(&pixels[0][0][0], &s), "no sixels");
  CHECK(s.width == W && s.height == H, "%d x %d", s.width, s.height);
  CHECK(s.outside == 0, "%d sixels outside", s.outside);
  for (int y = 0; y < H + 6; y++) {
    for (int x = 0; x < W; x++) {
      for (int k = 0; k < 3; k++) {
        int expected = y < H ? (pixels[y][x][k] * 100 + 127) / 255 : -1;
        CHECK(s.colour[y][x][k] == expected, "pixel %d,%d: %d for %d", y, x,
              s.colour[y][x][k], expected);
      }
    }
  }
}

TEST(refuses_sides_and_survives_a_lack_of_memory) {
  static uint8_t pixels[H * W * 3];
  torus_file_buffer buffer = {0};
  torus_status status = {TORUS_OK, ""};
  CHECK(!torus_sixel_encode(pixels, 0, W, &buffer, &status), "took no rows");
  CHECK(status.code == TORUS_EINVAL, "code %d", status.code);
  bool ok = false;
  for (int n = 1; n < 100 && !ok; n++) {
    status = (torus_status){TORUS_OK, ""};
    torus_alloc_fail_nth(n);
    ok = torus_sixel_encode(pixels, H, W, &buffer, &status);
    torus_alloc_fail_nth(0);
    CHECK(ok || status.code == TORUS_ENOMEM, "code %d", status.code);
    torus_file_buffer_clear(&buffer);
    buffer = (torus_file_buffer){0};
  }
  CHECK(ok, "never succeeded");
}

int main(void) {
  RUN(a_terminal_draws_every_pixel);
  RUN(refuses_sides_and_survives_a_lack_of_memory);
  return check_report();
}
