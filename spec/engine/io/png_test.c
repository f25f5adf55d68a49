#include "io/png.h"

#include "check.h"
#include "core/alloc.h"
#include "temporary.h"

/* The decoder is not ours to keep free of warnings; it is the witness. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#include <stb_image.h>
#pragma GCC diagnostic pop

static uint8_t noise(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return (uint8_t)(*state >> 24);
}

static void round_trip(int64_t height, int64_t width, int64_t channels) {
  size_t bytes = (size_t)(height * width * channels);
  uint8_t *pixels = malloc(bytes);
  uint32_t state = 7;
  for (size_t i = 0; i < bytes; i++) {
    /* Runs and noise: both ways of the compressor. */
    pixels[i] = i % 100 < 60 ? 82 : noise(&state);
  }
  torus_status s = {0};
  const char *path = temporary_path("image.png");
  CHECK(torus_png_write(path, pixels, height, width, channels, &s), "%s",
        s.message);
  int h = 0, w = 0, c = 0;
  uint8_t *back = stbi_load(path, &w, &h, &c, 0);
  CHECK(back != NULL, "the file is no PNG");
  CHECK(h == height && w == width && c == channels, "%dx%dx%d came back", h, w,
        c);
  CHECK(back && memcmp(back, pixels, bytes) == 0, "other pixels came back");
  stbi_image_free(back);
  free(pixels);
}

TEST(keeps_every_pixel) {
  round_trip(32, 32, 3);
  round_trip(31, 257, 1);
  round_trip(5, 3, 4);
  round_trip(300, 500, 3);
}

TEST(takes_a_single_pixel) {
  round_trip(1, 1, 1);
  round_trip(1, 1, 3);
}

static void refused(int64_t height, int64_t width, int64_t channels,
                    const char *word) {
  torus_status s = {0};
  uint8_t pixel[8] = {0};
  const char *path = temporary_path("refused.png");
  bool ok = torus_png_write(path, pixel, height, width, channels, &s);
  CHECK(!ok && s.code == TORUS_EINVAL, "code %d", s.code);
  CHECK(strstr(s.message, word), "%s", s.message);
  CHECK(access(path, F_OK) != 0, "a file appeared");
}

TEST(refuses_wrong_sizes) {
  refused(1, 1, 2, "got 2");
  refused(1, 1, 0, "got 0");
  refused(0, 4, 3, "got 0x4");
  refused(4, -1, 3, "got 4x-1");
  refused(INT64_MAX, INT64_MAX, 3, "1 GiB");
  refused(40000, 40000, 3, "got 40000x40000");
}

TEST(names_the_path_it_cannot_write) {
  torus_status s = {0};
  uint8_t pixel[3] = {0};
  bool ok = torus_png_write("/no/such/dir/x.png", pixel, 1, 1, 3, &s);
  CHECK(!ok && s.code == TORUS_EIO, "code %d", s.code);
  CHECK(strstr(s.message, "/no/such/dir/x.png"), "%s", s.message);
}

TEST(reports_exhausted_memory) {
  uint8_t pixel[3] = {0};
  for (int n = 1; n <= 2; n++) {
    torus_status s = {0};
    torus_alloc_fail_nth(n);
    bool ok = torus_png_write(temporary_path("m.png"), pixel, 1, 1, 3, &s);
    CHECK(!ok && s.code == TORUS_ENOMEM, "allocation %d: code %d", n, s.code);
  }
  torus_alloc_fail_nth(0);
  CHECK(torus_alloc_get_stats().live_blocks == 0, "blocks were lost");
}

int main(void) {
  temporary_start();
  RUN(keeps_every_pixel);
  RUN(takes_a_single_pixel);
  RUN(refuses_wrong_sizes);
  RUN(names_the_path_it_cannot_write);
  RUN(reports_exhausted_memory);
  temporary_end();
  return check_report();
}
