/* Bytes from outside as tensors. Where they are damaged, nil and what is
 * wrong with them. */
#include "binding/binding.h"
#include "io/deflate.h"
#include "io/encoding.h"
#include "io/picture.h"

#include <string.h>

/* No byte of deflated data becomes more than this many (zlib's bound). */
#define DEFLATE_RATIO 1032

static int damaged(lua_State *L, const torus_status *status) {
  if (status->code == TORUS_ENOMEM) {
    return torus_raise_text(L, "%s", status->message);
  }
  lua_pushnil(L);
  lua_pushstring(L, status->message);
  return 2;
}

static const char *check_bytes(lua_State *L, int index, const char *operation,
                               size_t *length) {
  torus_check_string(L, index, operation, "the bytes");
  return lua_tolstring(L, index, length);
}

/* read_png(bytes) -> (h, w, 1 to 4) uint8, float32 where it has 16 bits */
static int read_png(lua_State *L) {
  size_t length;
  const char *bytes = check_bytes(L, 1, "read_png", &length);
  torus_status status = {TORUS_OK, ""};
  torus_tensor **box = torus_push_box(L);
  *box = torus_png_read(bytes, length, &status);
  return *box ? 1 : damaged(L, &status);
}

/* read_gif(bytes) -> (frames, h, w, 4) uint8, delays in milliseconds int64 */
static int read_gif(lua_State *L) {
  size_t length;
  const char *bytes = check_bytes(L, 1, "read_gif", &length);
  torus_status status = {TORUS_OK, ""};
  torus_tensor **box = torus_push_box(L);
  torus_tensor **delays = torus_push_box(L);
  *box = torus_gif_read(bytes, length, delays, &status);
  return *box ? 2 : damaged(L, &status);
}

/* inflate(bytes, first, length, size): the string of `size` bytes that the raw
 * deflate stream of `length` bytes from position `first` on holds */
static int inflate_(lua_State *L) {
  size_t available;
  const char *bytes = check_bytes(L, 1, "inflate", &available);
  int64_t first = torus_check_integer(L, 2, "inflate", "the first byte");
  int64_t length = torus_check_integer(L, 3, "inflate", "the length");
  int64_t size = torus_check_integer(L, 4, "inflate", "the size");
  torus_status status = {TORUS_OK, ""};
  if (first < 1 || length < 0 || size < 0 ||
      first - 1 > (int64_t)available - length) {
    return torus_raise_text(L, "inflate: expected a range within the bytes");
  }
  if (size / DEFLATE_RATIO > length) {
    torus_status_fail(&status, TORUS_EIO, "its compressed data is too short");
    return damaged(L, &status);
  }
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, (size_t)size);
  if (!torus_inflate(bytes + first - 1, (size_t)length, out, (size_t)size,
                     &status)) {
    return damaged(L, &status);
  }
  luaL_pushresultsize(&buffer, (size_t)size);
  return 1;
}

typedef struct decoding {
  torus_encoding encoding;
  torus_dtype dtype;
  torus_shape shape;
  const char *bytes;
  int64_t available;
  torus_status status; /* of the bytes */
} decoding;

static torus_tensor *decoded(torus_scope *scope, void *arg) {
  decoding *d = arg;
  torus_tensor *out = torus_tensor_new(d->dtype, &d->shape, &scope->status);
  if (!torus_scope_own(scope, out)) return NULL;
  torus_encoding_read(&d->encoding, d->bytes, torus_tensor_count(out), d->dtype,
                      torus_tensor_data(out), &d->status);
  return out;
}

/* "f4", "h2" (bfloat16), "i8", "u1" or "b1" */
static torus_encoding check_encoding(lua_State *L, int index) {
  static const char letters[] = "fhiub";
  const char *text = torus_check_string(L, index, "decode", "the encoding");
  size_t letter = strcspn(letters, (char[]){text[0], 0});
  int bytes = text[0] && letters[letter] ? text[1] - '0' : 0;
  if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) {
    torus_raise_text(L, "decode: expected an encoding, got %s",
                     torus_describe(L, index));
  }
  return (torus_encoding){(torus_number)letter, bytes, false};
}

/* decode(bytes, encoding, big endian, dtype, shape): a tensor of what numpy and
 * others write */
static int decode(lua_State *L) {
  decoding d = {.status = {TORUS_OK, ""}};
  size_t length;
  d.bytes = check_bytes(L, 1, "decode", &length);
  d.encoding = check_encoding(L, 2);
  d.encoding.big_endian = lua_toboolean(L, 3);
  d.dtype = torus_check_dtype(L, 4, "decode");
  torus_check_list(L, 5, "decode", "the shape", &d.shape);
  int64_t needed = d.encoding.bytes;
  bool fits = torus_encoding_fits(&d.encoding, d.dtype);
  for (int i = 0; i < d.shape.ndim; i++) {
    fits = fits && d.shape.size[i] >= 0 &&
           !__builtin_mul_overflow(needed, d.shape.size[i], &needed);
  }
  if (!fits || needed != (int64_t)length) {
    return torus_raise_text(L,
                            "decode: the bytes don't fit the dtype and shape");
  }
  torus_push_result(L, decoded, &d);
  return d.status.code == TORUS_OK ? 1 : damaged(L, &d.status);
}

/* A string, or a contiguous tensor's memory. */
static const void *check_memory(lua_State *L, int index, const char *operation,
                                size_t *length) {
  torus_tensor *x = torus_to_tensor(L, index);
  if (!x) return check_bytes(L, index, operation, length);
  if (!torus_tensor_is_contiguous(x)) {
    torus_raise_text(L, "%s: expected a contiguous tensor, got a view of %s",
                     operation, torus_describe(L, index));
  }
  *length = (size_t)torus_tensor_count(x) * torus_dtype_size(x->dtype);
  return torus_tensor_data(x);
}

/* deflate(string or contiguous tensor): a raw deflate stream */
static int deflate_(lua_State *L) {
  size_t length, made;
  const void *data = check_memory(L, 1, "deflate", &length);
  torus_status status = {TORUS_OK, ""};
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, torus_deflate_bound(length));
  if (!torus_deflate(data, length, out, &made, &status)) {
    return damaged(L, &status);
  }
  luaL_pushresultsize(&buffer, made);
  return 1;
}

/* crc32(string or contiguous tensor): an integer */
static int checksum(lua_State *L) {
  size_t length;
  const void *data = check_memory(L, 1, "crc32", &length);
  lua_pushinteger(L, torus_crc32(data, length));
  return 1;
}

void torus_open_readers(lua_State *L) {
  static const luaL_Reg functions[] = {{"read_png", read_png},
                                       {"read_gif", read_gif},
                                       {"decode", decode},
                                       {"inflate", inflate_},
                                       {"deflate", deflate_},
                                       {"crc32", checksum},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
