#include "io/gif.h"

#include "core/alloc.h"
#include "io/file.h"
#include "io/palette.h"

#include <gif_lib.h>
#include <string.h>

#define SIDE_MAX 65535

/* The part of the canvas that a frame changes. */
typedef struct rectangle {
  int top, left, height, width;
} rectangle;

static int collect(GifFileType *gif, const GifByteType *data, int bytes) {
  torus_file_buffer *buffer = gif->UserData;
  return torus_file_buffer_add(buffer, data, (size_t)bytes) ? bytes : 0;
}

/* Around every pixel that differs; one pixel if none does, since a frame
 * cannot be empty. */
static rectangle difference(const uint8_t *before, const uint8_t *now,
                            int height, int width) {
  int top = height, bottom = -1, left = width, right = -1;
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) {
      if (before[y * width + x] == now[y * width + x]) continue;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
      if (x < left) left = x;
      if (x > right) right = x;
    }
  }
  if (bottom < 0) return (rectangle){0, 0, 1, 1};
  return (rectangle){top, left, bottom - top + 1, right - left + 1};
}

static bool put_header(GifFileType *gif, int height, int width,
                       const torus_palette *palette) {
  int size = 2; /* the format wants a power of two */
  while (size < palette->count) size *= 2;
  GifColorType colours[TORUS_PALETTE_MAX] = {{0, 0, 0}};
  for (int i = 0; i < palette->count; i++) {
    const uint8_t *c = palette->colours[i];
    colours[i] = (GifColorType){c[0], c[1], c[2]};
  }
  ColorMapObject *map = GifMakeMapObject(size, colours);
  if (!map) return false;
  EGifSetGifVersion(gif, true);
  int ok = EGifPutScreenDesc(gif, width, height, 8, 0, map);
  GifFreeMapObject(map);
  /* Application block: loop forever (0 repetitions). */
  static const GifByteType forever[] = {1, 0, 0};
  return ok == GIF_OK &&
         EGifPutExtensionLeader(gif, APPLICATION_EXT_FUNC_CODE) == GIF_OK &&
         EGifPutExtensionBlock(gif, 11, "NETSCAPE2.0") == GIF_OK &&
         EGifPutExtensionBlock(gif, sizeof forever, forever) == GIF_OK &&
         EGifPutExtensionTrailer(gif) == GIF_OK;
}

/* indices: (height, width) of the whole canvas. */
static bool put_frame(GifFileType *gif, const uint8_t *indices, int width,
                      rectangle r, int centiseconds) {
  GraphicsControlBlock control = {.DisposalMode = DISPOSE_DO_NOT,
                                  .DelayTime = centiseconds,
                                  .TransparentColor = NO_TRANSPARENT_COLOR};
  GifByteType bytes[4];
  size_t n = EGifGCBToExtension(&control, bytes);
  if (EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, (int)n, bytes) != GIF_OK ||
      EGifPutImageDesc(gif, r.left, r.top, r.width, r.height, false, NULL) !=
          GIF_OK) {
    return false;
  }
  for (int y = r.top; y < r.top + r.height; y++) {
    GifPixelType line[SIDE_MAX]; /* the encoder may write to it */
    memcpy(line, indices + (size_t)y * (size_t)width + r.left, (size_t)r.width);
    if (EGifPutLine(gif, line, r.width) != GIF_OK) return false;
  }
  return true;
}

/* now, before: scratch of (height, width). */
static bool put_frames(GifFileType *gif, const uint8_t *pixels, int64_t frames,
                       int height, int width, int centiseconds,
                       const torus_palette *palette, uint8_t *now,
                       uint8_t *before) {
  int64_t area = (int64_t)height * width;
  for (int64_t t = 0; t < frames; t++) {
    for (int64_t i = 0; i < area; i++) {
      now[i] = torus_palette_index(palette, pixels + 3 * (t * area + i));
    }
    rectangle r = {0, 0, height, width};
    if (t > 0) r = difference(before, now, height, width);
    if (!put_frame(gif, now, width, r, centiseconds)) return false;
    uint8_t *other = before;
    before = now;
    now = other;
  }
  return true;
}

static bool encode(torus_file_buffer *buffer, const uint8_t *pixels,
                   int64_t frames, int height, int width, int centiseconds,
                   torus_status *status) {
  size_t area = (size_t)height * (size_t)width;
  torus_palette palette;
  if (!torus_palette_init(&palette, pixels, frames * (int64_t)area, status)) {
    return false;
  }
  uint8_t *now = torus_alloc(area);
  uint8_t *before = torus_alloc(area);
  int error = 0;
  GifFileType *gif = NULL;
  bool ok = false;
  if (now && before && (gif = EGifOpen(buffer, collect, &error))) {
    ok = put_header(gif, height, width, &palette) &&
         put_frames(gif, pixels, frames, height, width, centiseconds, &palette,
                    now, before);
    ok = EGifCloseFile(gif, &error) == GIF_OK && ok;
  }
  torus_free(now);
  torus_free(before);
  torus_palette_clear(&palette);
  /* Everything goes to memory: nothing else can have failed. */
  return ok || torus_status_fail(status, TORUS_ENOMEM, "gif: out of memory");
}

bool torus_gif_write(const char *path, const uint8_t *pixels, int64_t frames,
                     int64_t height, int64_t width, int64_t delay_ms,
                     torus_status *status) {
  if (frames < 1) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "gif: expected at least one frame, got %lld",
                             (long long)frames);
  }
  if (height < 1 || width < 1 || height > SIDE_MAX || width > SIDE_MAX) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "gif: expected sides of 1 to %d, got %lldx%lld",
                             SIDE_MAX, (long long)height, (long long)width);
  }
  if (delay_ms < 10 || delay_ms > 655350) {
    return torus_status_fail(status, TORUS_EINVAL,
                             "gif: expected a delay of 10 to 655350 ms, "
                             "got %lld",
                             (long long)delay_ms);
  }
  torus_file_buffer buffer = {0};
  if (encode(&buffer, pixels, frames, (int)height, (int)width,
             (int)((delay_ms + 5) / 10), status)) {
    torus_file_part part = {buffer.data, buffer.bytes};
    torus_file_write_atomic(path, &part, 1, status);
  }
  torus_file_buffer_clear(&buffer);
  return status->code == TORUS_OK;
}
