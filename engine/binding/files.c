/* Writing files. Where the outside world fails, nil and a message. */
#include "binding/binding.h"
#include "io/file.h"
#include "io/gif.h"
#include "io/png.h"
#include "io/temporary.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int report(lua_State *L, bool ok, const torus_status *status) {
  if (ok) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, status->message);
  return 2;
}

/* C would take a path to end at a zero byte. */
static const char *check_path(lua_State *L, int index, const char *operation) {
  const char *path = torus_check_string(L, index, operation, "the path");
  if (strlen(path) < lua_rawlen(L, index)) {
    torus_raise_text(
        L, "%s: path: expected a path (a string without zero bytes), got %s",
        operation, torus_describe(L, index));
  }
  return path;
}

/* A part of a file: a string, or a contiguous tensor's memory. */
static torus_file_part file_part(lua_State *L, int index) {
  torus_tensor *x = torus_to_tensor(L, index);
  if (x) {
    size_t bytes = (size_t)torus_tensor_count(x) * torus_dtype_size(x->dtype);
    if (!torus_tensor_is_contiguous(x)) {
      torus_raise_text(
          L, "write_file: expected a contiguous tensor, got a view of %s",
          torus_describe(L, index));
    }
    return (torus_file_part){torus_tensor_data(x), bytes};
  }
  torus_file_part part;
  if (lua_type(L, index) != LUA_TSTRING) {
    torus_raise_text(L, "write_file: expected strings and tensors, got %s",
                     torus_describe(L, index));
  }
  part.data = lua_tolstring(L, index, &part.bytes);
  return part;
}

/* The next part of a function, its only argument: a string, a tensor, or nil at
 * the end. */
static int call_next(lua_State *L) {
  lua_call(L, 0, 1);
  if (!lua_isnil(L, 1)) file_part(L, 1);
  return 1;
}

/* The function is at index 2, its last part at 3, which keeps that alive. An
 * error stays on the stack until the file is cleared away. */
static bool next_part(void *arg, torus_file_part *part, torus_status *status) {
  lua_State *L = arg;
  lua_settop(L, 3);
  lua_pushcfunction(L, call_next);
  lua_pushvalue(L, 2);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    return torus_status_fail(status, TORUS_ESCRIPT, "write_file: an error");
  }
  lua_replace(L, 3);
  if (lua_isnil(L, 3)) return false;
  *part = file_part(L, 3);
  return true;
}

static int write_stream(lua_State *L, const char *path) {
  torus_status status = {TORUS_OK, ""};
  luaL_checkstack(L, 8, NULL);
  bool ok = torus_file_write_stream(path, next_part, L, &status);
  if (status.code == TORUS_ESCRIPT) return lua_error(L);
  return report(L, ok, &status);
}

/* write_file(path, {string or tensor, ...}), write_file(path, function that
 * returns the next part, nil at the end): the complete file or nothing. A list
 * keeps its parts alive: no script runs before they are written. */
static int write_file(lua_State *L) {
  const char *path = check_path(L, 1, "write_file");
  if (lua_isfunction(L, 2)) return write_stream(L, path);
  torus_check_table(L, 2, "write_file", "the contents");
  int count = torus_list_length(L, 2, "write_file");
  torus_file_part *parts =
      lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *parts, 0);
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, 2, i);
    parts[i - 1] = file_part(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  torus_status status = {TORUS_OK, ""};
  bool ok = torus_file_write_atomic(path, parts, (size_t)count, &status);
  return report(L, ok, &status);
}

static torus_tensor *check_pixels(lua_State *L, int index, int ndim,
                                  const char *operation) {
  torus_tensor *x = torus_check_tensor(L, index, operation);
  int64_t channels = x->shape.ndim == ndim ? x->shape.size[ndim - 1] : 0;
  if (x->dtype != TORUS_UINT8 || !torus_tensor_is_contiguous(x) ||
      (channels != 3 && (channels != 1 || ndim == 4))) {
    torus_raise_text(
        L, "%s: expected contiguous uint8 pixels of shape %s, got %s",
        operation, ndim == 3 ? "(h,w,1) or (h,w,3)" : "(frames,h,w,3)",
        torus_describe(L, index));
  }
  return x;
}

/* write_png(path, pixels): (h, w, 3 or 1) uint8 */
static int write_png(lua_State *L) {
  const char *path = check_path(L, 1, "write_png");
  torus_tensor *x = check_pixels(L, 2, 3, "write_png");
  const int64_t *s = x->shape.size;
  torus_status status = {TORUS_OK, ""};
  bool ok =
      torus_png_write(path, torus_tensor_data(x), s[0], s[1], s[2], &status);
  return report(L, ok, &status);
}

/* write_gif(path, pixels, delay in milliseconds): (frames, h, w, 3) uint8 */
static int write_gif(lua_State *L) {
  const char *path = check_path(L, 1, "write_gif");
  torus_tensor *x = check_pixels(L, 2, 4, "write_gif");
  const int64_t *s = x->shape.size;
  torus_status status = {TORUS_OK, ""};
  bool ok = torus_gif_write(path, torus_tensor_data(x), s[0], s[1], s[2],
                            torus_check_integer(L, 3, "write_gif", "the delay"),
                            &status);
  return report(L, ok, &status);
}

/* temporary_folder(): the path of a new one */
static int temporary_folder(lua_State *L) {
  char path[PATH_MAX];
  torus_status status = {TORUS_OK, ""};
  if (!torus_temporary_folder(path, sizeof path, &status)) {
    return report(L, false, &status);
  }
  lua_pushstring(L, path);
  return 1;
}

/* remove_temporary(path) */
static int remove_temporary(lua_State *L) {
  torus_temporary_remove(check_path(L, 1, "remove_temporary"));
  return 0;
}

/* clear_temporary(folder): how many files; for who has locked it */
static int clear_temporary(lua_State *L) {
  lua_pushinteger(L,
                  torus_temporary_clear(check_path(L, 1, "clear_temporary")));
  return 1;
}

/* flush_file(file of io): whether all that was written to it has reached the
 * disk, or why not */
static int flush_file(lua_State *L) {
  luaL_Stream *file = luaL_testudata(L, 1, LUA_FILEHANDLE);
  if (!file || !file->closef) {
    torus_raise_text(L, "flush_file: expected an open file, got %s",
                     torus_describe(L, 1));
  }
  torus_status status = {TORUS_OK, ""};
  bool ok = fflush(file->f) == 0 && torus_file_flush(fileno(file->f));
  if (!ok) torus_status_fail(&status, TORUS_EIO, "%s", strerror(errno));
  return report(L, ok, &status);
}

/* flush_folder(path): what was renamed or created there lasts */
static int flush_folder(lua_State *L) {
  torus_file_flush_folder(check_path(L, 1, "flush_folder"));
  return 0;
}

/* is_writable(folder): whether files can be created there, or why not */
static int is_writable(lua_State *L) {
  const char *path = check_path(L, 1, "is_writable");
  torus_status status = {TORUS_OK, ""};
  bool ok = access(path, W_OK | X_OK) == 0;
  if (!ok) torus_status_fail(&status, TORUS_EIO, "%s", strerror(errno));
  return report(L, ok, &status);
}

/* flush_output(): whether all that was printed has arrived, or why not */
static int flush_output(lua_State *L) {
  torus_status status = {TORUS_OK, ""};
  errno = 0;
  bool ok = fflush(stdout) == 0 && !ferror(stdout);
  if (!ok) {
    torus_status_fail(&status, TORUS_EIO, "%s",
                      errno ? strerror(errno) : "an earlier write failed");
  }
  return report(L, ok, &status);
}

/* discard_output(): nothing that is printed from here on arrives anywhere */
static int discard_output(lua_State *L) {
  lua_pushboolean(L, freopen("/dev/null", "w", stdout) != NULL);
  return 1;
}

void torus_open_files(lua_State *L) {
  static const luaL_Reg functions[] = {{"write_file", write_file},
                                       {"write_png", write_png},
                                       {"write_gif", write_gif},
                                       {"temporary_folder", temporary_folder},
                                       {"remove_temporary", remove_temporary},
                                       {"clear_temporary", clear_temporary},
                                       {"is_writable", is_writable},
                                       {"flush_file", flush_file},
                                       {"flush_folder", flush_folder},
                                       {"flush_output", flush_output},
                                       {"discard_output", discard_output},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
