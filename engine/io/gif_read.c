#include "core/alloc.h"
#include "io/file.h"
#include "io/picture.h"

#include <gif_lib.h>
#include <string.h>

/* More than what a byte of LZW codes can stand for: at least nine bits for at
 * most 4,096 pixels. A canvas that nothing could fill is refused. */
#define PIXELS_PER_BYTE 4096

typedef struct reader {
  const unsigned char *data;
  size_t bytes, at;
  int height, width;
  uint8_t *canvas;        /* (height, width, 4) */
  uint8_t *before;        /* the canvas before a frame that is undone */
  uint8_t *line;          /* (width) */
  torus_file_buffer film; /* the frames that are complete */
  torus_file_buffer delays;
  int64_t frames;
  GraphicsControlBlock control;
  torus_status *status;
} reader;

static int take(GifFileType *gif, GifByteType *to, int count) {
  reader *r = gif->UserData;
  size_t left = r->bytes - r->at;
  size_t n = (size_t)count < left ? (size_t)count : left;
  memcpy(to, r->data + r->at, n);
  r->at += n;
  return (int)n;
}

static bool fail(reader *r, const char *problem) {
  return torus_status_fail(r->status, TORUS_EIO, "%s", problem);
}

static bool no_memory(reader *r) {
  return torus_status_fail(r->status, TORUS_ENOMEM, "gif: out of memory");
}

/* What giflib says of the last call that failed. */
static bool fail_as(reader *r, const GifFileType *gif) {
  const char *text = GifErrorString(gif->Error);
  if (gif->Error == D_GIF_ERR_NOT_ENOUGH_MEM) return no_memory(r);
  if (r->at == r->bytes || !text) return fail(r, "it is truncated");
  return fail(r, text);
}

static const GraphicsControlBlock plain = {.DisposalMode = DISPOSAL_UNSPECIFIED,
                                           .TransparentColor =
                                               NO_TRANSPARENT_COLOR};

static bool read_extension(GifFileType *gif, reader *r) {
  int code;
  GifByteType *block;
  if (DGifGetExtension(gif, &code, &block) == GIF_ERROR) return fail_as(r, gif);
  while (block) {
    if (code == GRAPHICS_EXT_FUNC_CODE &&
        DGifExtensionToGCB(block[0], block + 1, &r->control) == GIF_ERROR) {
      return fail(r, "its graphics control block is damaged");
    }
    if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) return fail_as(r, gif);
  }
  return true;
}

/* Row y of an image, from its index-th line in the file. */
static int row_of(const GifImageDesc *image, int index) {
  static const int start[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
  if (!image->Interlace) return index;
  for (int pass = 0; pass < 4; pass++) {
    int rows = (image->Height - start[pass] + step[pass] - 1) / step[pass];
    if (index < rows) return start[pass] + index * step[pass];
    index -= rows;
  }
  return 0;
}

static bool paint(reader *r, const GifImageDesc *image,
                  const ColorMapObject *map, int y) {
  uint8_t *to =
      r->canvas +
      ((size_t)(image->Top + y) * (size_t)r->width + (size_t)image->Left) * 4;
  for (int x = 0; x < image->Width; x++, to += 4) {
    int index = r->line[x];
    if (index == r->control.TransparentColor) continue;
    if (index >= map->ColorCount) {
      return fail(r, "a pixel has a colour outside of its palette");
    }
    const GifColorType *c = &map->Colors[index];
    to[0] = c->Red;
    to[1] = c->Green;
    to[2] = c->Blue;
    to[3] = 255;
  }
  return true;
}

/* What a frame leaves for the next one. */
static void dispose(reader *r, const GifImageDesc *image) {
  size_t area = (size_t)r->height * (size_t)r->width * 4;
  if (r->control.DisposalMode == DISPOSE_PREVIOUS) {
    memcpy(r->canvas, r->before, area);
  } else if (r->control.DisposalMode == DISPOSE_BACKGROUND) {
    for (int y = 0; y < image->Height; y++) {
      size_t start =
          (size_t)(image->Top + y) * (size_t)r->width + (size_t)image->Left;
      memset(r->canvas + start * 4, 0, (size_t)image->Width * 4);
    }
  }
  r->control = plain;
}

static bool add_frame(reader *r) {
  size_t area = (size_t)r->height * (size_t)r->width * 4;
  int64_t delay = (int64_t)r->control.DelayTime * 10;
  if ((int64_t)(r->film.bytes + area) > TORUS_PICTURE_MAX) {
    return fail(r, "expected a film of at most 1 GiB");
  }
  r->frames++;
  return (torus_file_buffer_add(&r->film, r->canvas, area) &&
          torus_file_buffer_add(&r->delays, &delay, sizeof delay)) ||
         no_memory(r);
}

static bool read_image(GifFileType *gif, reader *r) {
  if (DGifGetImageDesc(gif) == GIF_ERROR) return fail_as(r, gif);
  const GifImageDesc *image = &gif->Image;
  const ColorMapObject *map =
      image->ColorMap ? image->ColorMap : gif->SColorMap;
  if (!map) return fail(r, "a frame has no palette");
  if (image->Width < 1 || image->Height < 1 || image->Left < 0 ||
      image->Top < 0 || image->Left > r->width - image->Width ||
      image->Top > r->height - image->Height) {
    return fail(r, "a frame lies outside of its canvas");
  }
  if (r->control.DisposalMode == DISPOSE_PREVIOUS) {
    memcpy(r->before, r->canvas, (size_t)r->height * (size_t)r->width * 4);
  }
  for (int i = 0; i < image->Height; i++) {
    if (DGifGetLine(gif, r->line, image->Width) == GIF_ERROR) {
      return fail_as(r, gif);
    }
    if (!paint(r, image, map, row_of(image, i))) return false;
  }
  if (!add_frame(r)) return false;
  dispose(r, image);
  return true;
}

static bool read_records(GifFileType *gif, reader *r) {
  for (;;) {
    GifRecordType type;
    if (DGifGetRecordType(gif, &type) == GIF_ERROR) return fail_as(r, gif);
    bool ok = true;
    if (type == TERMINATE_RECORD_TYPE) break;
    if (type == IMAGE_DESC_RECORD_TYPE) ok = read_image(gif, r);
    if (type == EXTENSION_RECORD_TYPE) ok = read_extension(gif, r);
    if (!ok) return false;
  }
  return r->frames > 0 || fail(r, "it has no frame");
}

static bool decode(GifFileType *gif, reader *r) {
  r->height = gif->SHeight;
  r->width = gif->SWidth;
  r->control = plain;
  size_t area = (size_t)r->height * (size_t)r->width * 4;
  if (r->height < 1 || r->width < 1) return fail(r, "its canvas is empty");
  if (area / 4 / PIXELS_PER_BYTE > r->bytes) {
    return fail(r, "it has too few bytes for its canvas");
  }
  if ((int64_t)area > TORUS_PICTURE_MAX) {
    return fail(r, "expected a film of at most 1 GiB");
  }
  r->canvas = torus_alloc(area);
  r->before = torus_alloc(area);
  r->line = torus_alloc((size_t)r->width);
  if (!r->canvas || !r->before || !r->line) return no_memory(r);
  memset(r->canvas, 0, area);
  return read_records(gif, r);
}

static torus_tensor *as_tensor(torus_dtype dtype, const torus_shape *shape,
                               const torus_file_buffer *buffer,
                               torus_status *status) {
  torus_tensor *x = torus_tensor_new(dtype, shape, status);
  if (x) memcpy(torus_tensor_data(x), buffer->data, buffer->bytes);
  return x;
}

torus_tensor *torus_gif_read(const void *data, size_t bytes,
                             torus_tensor **delays, torus_status *status) {
  reader r = {.data = data, .bytes = bytes, .status = status};
  int error = 0;
  torus_tensor *film = NULL;
  GifFileType *gif = DGifOpen(&r, take, &error);
  if (!gif) {
    if (error == D_GIF_ERR_NOT_ENOUGH_MEM) no_memory(&r);
    fail(&r, r.at == bytes ? "it is truncated" : "its header is damaged");
  } else if (decode(gif, &r)) {
    torus_shape shape = {4, {r.frames, r.height, r.width, 4}};
    torus_shape list = {1, {r.frames}};
    film = as_tensor(TORUS_UINT8, &shape, &r.film, status);
    *delays = film ? as_tensor(TORUS_INT64, &list, &r.delays, status) : NULL;
    if (!*delays) {
      torus_tensor_release(film);
      film = NULL;
    }
  }
  if (gif) DGifCloseFile(gif, &error);
  torus_free(r.canvas);
  torus_free(r.before);
  torus_free(r.line);
  torus_file_buffer_clear(&r.film);
  torus_file_buffer_clear(&r.delays);
  return film;
}
