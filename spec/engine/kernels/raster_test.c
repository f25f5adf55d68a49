/* Soft discs against the formula in double, pixel by pixel. */
#include "kernels/raster.h"

#include <stdlib.h>
#include <string.h>

#include "core/threads.h"
#include "each_isa.h"

static const float colours[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
static const float radii[3] = {0.564F, 0.4F, 0.3F};

static torus_raster_scene scene_of(int resolution, int bodies) {
  return (torus_raster_scene){.resolution = resolution,
                              .bodies = bodies,
                              .half_width = 2.25F,
                              .sharpness = 80,
                              .background = {0.321F, 0.349F, 0.368F},
                              .colours = colours,
                              .radii = radii};
}

static void formula(const torus_raster_scene *s, const float *at, double *out) {
  int n = (int)s->resolution;
  double side = 2 * (double)s->half_width;
  for (int row = 0; row < n; row++)
    for (int column = 0; column < n; column++) {
      double *pixel = out + 3 * (row * n + column);
      for (int c = 0; c < 3; c++) pixel[c] = s->background[c];
      for (int body = 0; body < s->bodies; body++) {
        double x = (column / (n - 1.0) - 0.5) * side - at[2 * body];
        double y = (0.5 - row / (n - 1.0)) * side - at[2 * body + 1];
        double distance = sqrt(x * x + y * y);
        double a = s->sharpness * (s->radii[body] - distance) / side;
        double share = 1 / (1 + exp(-a));
        for (int c = 0; c < 3; c++)
          pixel[c] += share * (s->colours[3 * body + c] - pixel[c]);
      }
    }
}

static void positions_of(float *at, int count) {
  unsigned state = 1;
  for (int i = 0; i < count; i++) {
    state = state * 1664525U + 1013904223U;
    at[i] = 5 * ((float)(state >> 8) / 16777216.0F - 0.5F);
  }
}

TEST(equals_the_formula) {
  enum { IMAGES = 20 };
  const int sizes[] = {2, 15, 16, 17, 32, 50, 64};
  float at[IMAGES * 6];
  positions_of(at, IMAGES * 6);
  for (int i = 0; i < 7; i++)
    for (int bodies = 0; bodies <= 3; bodies++) {
      torus_raster_scene s = scene_of(sizes[i], bodies);
      int pixels = 3 * sizes[i] * sizes[i];
      float *got = malloc(sizeof *got * pixels * IMAGES);
      double *want = malloc(sizeof *want * pixels), largest = 0;
      torus_raster_discs(&s, IMAGES, at, got);
      for (int n = 0; n < IMAGES; n++) {
        formula(&s, at + 2 * bodies * n, want);
        for (int k = 0; k < pixels; k++)
          largest = fmax(largest, fabs(want[k] - got[n * pixels + k]));
      }
      /* A few roundings of distances up to 1 times the sharpness. */
      CHECK(largest < 1e-5, "%d pixels, %d bodies: %g", sizes[i], bodies,
            largest);
      free(got), free(want);
    }
}

TEST(up_is_up_and_right_is_right) {
  torus_raster_scene s = scene_of(33, 1);
  float at[2] = {1, 1.5F}, out[33 * 33 * 3];
  int best = 0;
  torus_raster_discs(&s, 1, at, out);
  for (int i = 0; i < 33 * 33; i++)
    if (out[3 * i] > out[3 * best]) best = i;
  int row = best / 33, column = best % 33;
  CHECK(row < 10 && column > 20, "row %d, column %d", row, column);
}

TEST(far_pixels_are_background_to_the_bit) {
  torus_raster_scene s = scene_of(64, 1);
  float at[2] = {-2, -2}, out[64 * 64 * 3];
  torus_raster_discs(&s, 1, at, out);
  for (int c = 0; c < 3; c++) {
    const float *corner = out + 3 * 63;
    CHECK(corner[c] == s.background[c], "%g", (double)corner[c]);
  }
}

TEST(bits_do_not_depend_on_threads_or_position) {
  enum { IMAGES = 61, SIZE = 50 };
  torus_raster_scene s = scene_of(SIZE, 3);
  size_t image = 3 * SIZE * SIZE;
  float at[IMAGES * 6];
  float *out[2], *alone = malloc(sizeof *alone * image);
  int threads = torus_threads(), moved = 0;
  positions_of(at, IMAGES * 6);
  for (int i = 0; i < 2; i++) {
    torus_set_threads(i == 0 ? 1 : 3);
    out[i] = malloc(sizeof *alone * image * IMAGES);
    torus_raster_discs(&s, IMAGES, at, out[i]);
  }
  torus_set_threads(threads);
  CHECK(memcmp(out[0], out[1], sizeof *alone * image * IMAGES) == 0,
        "threads change the bits");
  for (int n = 0; n < IMAGES; n++) {
    torus_raster_discs(&s, 1, at + 6 * n, alone);
    moved += memcmp(alone, out[0] + n * image, sizeof *alone * image) != 0;
  }
  CHECK(moved == 0, "%d images differ by their position", moved);
  free(out[0]), free(out[1]), free(alone);
}

int main(void) {
  RUN_EACH_ISA(equals_the_formula);
  RUN_EACH_ISA(up_is_up_and_right_is_right);
  RUN_EACH_ISA(far_pixels_are_background_to_the_bit);
  RUN_EACH_ISA(bits_do_not_depend_on_threads_or_position);
  return check_report();
}
