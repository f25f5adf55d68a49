#define _GNU_SOURCE
#include "io/gif.h"

#include "check.h"
#include "core/alloc.h"
#include "temporary.h"

#include <gif_lib.h>

enum { H = 40, W = 32, T = 4 };

/* Soft discs on grey, as the library draws them: the common use. */
static void draw(uint8_t *pixels, int discs) {
  static const double hues[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  static const double background[3] = {0.321, 0.349, 0.368};
  for (int t = 0; t < T; t++) {
    for (int i = 0; i < H * W; i++) {
      double c[3] = {background[0], background[1], background[2]};
      for (int d = 0; d < discs; d++) {
        double angle = 0.5 * t + 2.1 * d;
        double x = (i % W) / (W - 1.0) - 0.5 - 0.3 * cos(angle);
        double y = (double)(i / W) / (H - 1.0) - 0.5 - 0.3 * sin(angle);
        double cover = 1 / (1 + exp(-80 * (0.12 - sqrt(x * x + y * y))));
        for (int k = 0; k < 3; k++) c[k] += cover * (hues[d][k] - c[k]);
      }
      for (int k = 0; k < 3; k++) {
        pixels[3 * (t * H * W + i) + k] = (uint8_t)(255 * c[k] + 0.5);
      }
    }
  }
}

/* Plays the file as a viewer does; to (frames, h, w, 3) in `played`. */
static int play(const char *path, uint8_t *played, int h, int w,
                int *delay_cs) {
  int error;
  GifFileType *gif = DGifOpenFileName(path, &error);
  CHECK(gif != NULL, "%s", GifErrorString(error));
  if (!gif) return 0;
  CHECK(DGifSlurp(gif) == GIF_OK, "%s", GifErrorString(gif->Error));
  CHECK(gif->SWidth == w && gif->SHeight == h, "canvas %dx%d", gif->SHeight,
        gif->SWidth);
  size_t canvas = (size_t)h * (size_t)w * 3;
  for (int t = 0; t < gif->ImageCount; t++) {
    uint8_t *frame = played + (size_t)t * canvas;
    if (t > 0) memcpy(frame, frame - canvas, canvas);
    const SavedImage *image = &gif->SavedImages[t];
    const GifImageDesc *r = &image->ImageDesc;
    for (int i = 0; i < r->Width * r->Height; i++) {
      GifColorType c = gif->SColorMap->Colors[image->RasterBits[i]];
      uint8_t *to =
          frame + 3 * ((r->Top + i / r->Width) * w + r->Left + i % r->Width);
      to[0] = c.Red;
      to[1] = c.Green;
      to[2] = c.Blue;
    }
    GraphicsControlBlock control;
    CHECK(DGifSavedExtensionToGCB(gif, t, &control) == GIF_OK, "no control");
    CHECK(control.DisposalMode == DISPOSE_DO_NOT, "frame %d is disposed of",
          t + 1);
    *delay_cs = control.DelayTime;
  }
  int frames = gif->ImageCount;
  DGifCloseFile(gif, &error);
  return frames;
}

static double rms(const uint8_t *a, const uint8_t *b, size_t bytes) {
  double sum = 0;
  for (size_t i = 0; i < bytes; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sqrt(sum / (double)bytes);
}

TEST(plays_back_what_few_colours_draw_exactly) {
  static uint8_t pixels[T * H * W * 3], played[sizeof pixels];
  draw(pixels, 1);
  torus_status s = {0};
  const char *path = temporary_path("one.gif");
  CHECK(torus_gif_write(path, pixels, T, H, W, 125, &s), "%s", s.message);
  int delay = 0;
  int frames = play(path, played, H, W, &delay);
  CHECK(frames == T, "%d frames", frames);
  CHECK(delay == 13, "%d hundredths", delay);
  CHECK(memcmp(pixels, played, sizeof pixels) == 0, "off by %g rms",
        rms(pixels, played, sizeof pixels));
}

TEST(comes_close_with_many_colours) {
  static uint8_t pixels[T * H * W * 3], played[sizeof pixels];
  draw(pixels, 3);
  /* Observation noise: thousands of distinct colours. */
  uint32_t state = 1;
  for (size_t i = 0; i < sizeof pixels; i++) {
    state = state * 1664525u + 1013904223u;
    int v = pixels[i] + (int)(state >> 30);
    pixels[i] = (uint8_t)(v > 255 ? 255 : v);
  }
  torus_status s = {0};
  const char *path = temporary_path("three.gif");
  CHECK(torus_gif_write(path, pixels, T, H, W, 40, &s), "%s", s.message);
  int delay;
  CHECK(play(path, played, H, W, &delay) == T, "frames were lost");
  double error = rms(pixels, played, sizeof pixels);
  /* 256 colours over three soft hues and the noise: about one level. */
  CHECK(error < 1.5, "off by %g rms of 255", error);
}

TEST(takes_every_colour_there_is) {
  enum { SIDE = 512, BYTES = SIDE * SIDE * 3 };
  uint8_t *pixels = malloc(BYTES), *played = malloc(BYTES);
  for (int i = 0; i < SIDE * SIDE; i++) {
    pixels[3 * i] = (uint8_t)(i % 256);
    pixels[3 * i + 1] = (uint8_t)(i / 1024);
    pixels[3 * i + 2] = (uint8_t)(i / 256 % 4 * 64 + i % 64);
  }
  torus_status s = {0};
  const char *path = temporary_path("all.gif");
  CHECK(torus_gif_write(path, pixels, 1, SIDE, SIDE, 40, &s), "%s", s.message);
  int delay;
  CHECK(play(path, played, SIDE, SIDE, &delay) == 1, "frames were lost");
  double error = rms(pixels, played, BYTES);
  /* A cube of 256 cells has 6.3 of them to a side, 40 levels wide: uniform
   * over a cell of 40 gives 40 / sqrt(12) = 11.7 rms. */
  CHECK(error < 11.7, "off by %g rms of 255", error);
  free(pixels);
  free(played);
}

TEST(repeats_for_ever) {
  static uint8_t pixels[2 * 3];
  torus_status s = {0};
  const char *path = temporary_path("loop.gif");
  CHECK(torus_gif_write(path, pixels, 2, 1, 1, 40, &s), "%s", s.message);
  size_t bytes = 0;
  char *data = read_file(path, &bytes);
  static const char loop[] = "\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0";
  CHECK(memmem(data, bytes, loop, sizeof loop) != NULL, "no loop block");
  CHECK(memcmp(data, "GIF89a", 6) == 0, "not the animated version");
  free(data);
}

TEST(stores_only_what_changes) {
  enum { SIDE = 64, N = 20 };
  uint8_t *pixels = calloc(N * SIDE * SIDE, 3);
  for (int i = 0; i < SIDE * SIDE * 3; i++) pixels[i] = (uint8_t)(i * 7919);
  for (int t = 1; t < N; t++) {
    memcpy(pixels + t * SIDE * SIDE * 3, pixels, SIDE * SIDE * 3);
  }
  torus_status s = {0};
  CHECK(torus_gif_write(temporary_path("1.gif"), pixels, 1, SIDE, SIDE, 40, &s),
        "%s", s.message);
  CHECK(torus_gif_write(temporary_path("n.gif"), pixels, N, SIDE, SIDE, 40, &s),
        "%s", s.message);
  struct stat one, many;
  stat(temporary_path("1.gif"), &one);
  stat(temporary_path("n.gif"), &many);
  CHECK(many.st_size - one.st_size < N * 40, "%d still frames take %ld bytes",
        N - 1, (long)(many.st_size - one.st_size));
  free(pixels);
}

static void refused(int64_t frames, int64_t height, int64_t width,
                    int64_t delay, const char *word) {
  torus_status s = {0};
  uint8_t pixel[3] = {0};
  const char *path = temporary_path("refused.gif");
  bool ok = torus_gif_write(path, pixel, frames, height, width, delay, &s);
  CHECK(!ok && s.code == TORUS_EINVAL, "code %d", s.code);
  CHECK(strstr(s.message, word), "%s", s.message);
  CHECK(access(path, F_OK) != 0, "a file appeared");
}

TEST(refuses_wrong_sizes) {
  refused(0, 1, 1, 40, "got 0");
  refused(1, 0, 1, 40, "got 0x1");
  refused(1, 1, 65536, 40, "got 1x65536");
  refused(1, 1, 1, 9, "got 9");
  refused(1, 1, 1, 655351, "got 655351");
}

TEST(reports_exhausted_memory) {
  static uint8_t pixels[T * H * W * 3];
  draw(pixels, 2);
  size_t live = torus_alloc_get_stats().live_blocks;
  bool ok = false;
  int n = 1;
  for (; n < 50 && !ok; n++) {
    torus_status s = {0};
    torus_alloc_fail_nth(n);
    ok = torus_gif_write(temporary_path("m.gif"), pixels, T, H, W, 40, &s);
    CHECK(ok || s.code == TORUS_ENOMEM, "allocation %d: code %d", n, s.code);
    CHECK(torus_alloc_get_stats().live_blocks == live, "allocation %d: lost",
          n);
  }
  torus_alloc_fail_nth(0);
  CHECK(ok && n > 5, "succeeded after %d failures", n - 2);
}

int main(void) {
  temporary_start();
  RUN(plays_back_what_few_colours_draw_exactly);
  RUN(comes_close_with_many_colours);
  RUN(takes_every_colour_there_is);
  RUN(repeats_for_ever);
  RUN(stores_only_what_changes);
  RUN(refuses_wrong_sizes);
  RUN(reports_exhausted_memory);
  temporary_end();
  return check_report();
}
