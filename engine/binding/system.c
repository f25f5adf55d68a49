/* The process around the engine: threads, memory, time, terminal, files. */
#define _POSIX_C_SOURCE 200809L
#include "binding/binding.h"
#include "core/alloc.h"
#include "core/threads.h"
#include "io/file.h"
#include "io/gif.h"
#include "io/png.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* set_library(prefix): chunks whose name begins so are the library's own, and
 * errors are not raised at their lines. */
static int set_library(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "torus.library");
  return 0;
}

/* raise(message): an error at the line of the script that called */
static int raise_text(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return torus_raise(L);
}

/* raised() -> the last message that was raised on purpose, with its line */
static int raised(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, TORUS_RAISED_KEY);
  return 1;
}

/* A control-C that came while none was welcome. */
static volatile sig_atomic_t held;

static void hold(int signal) {
  (void)signal;
  held = 1;
}

/* uninterrupted(f, ...): calls it; a control-C meanwhile is delivered when it
 * has returned. For what must be done as a whole, and does not take long. */
static int uninterrupted(lua_State *L) {
  struct sigaction holding = {.sa_handler = hold, .sa_flags = SA_RESTART};
  struct sigaction before;
  luaL_checkany(L, 1);
  sigaction(SIGINT, NULL, &before);
  if (before.sa_handler == SIG_IGN || before.sa_handler == hold) {
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
  }
  sigaction(SIGINT, &holding, NULL);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  sigaction(SIGINT, &before, NULL);
  if (held) {
    held = 0;
    raise(SIGINT);
  }
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

static int threads(lua_State *L) {
  lua_pushinteger(L, torus_threads());
  return 1;
}

static int set_threads(lua_State *L) {
  int64_t n = torus_check_whole(L, 1, "set_threads", "the number of threads");
  if (n < 1 || n > TORUS_MAX_THREADS) {
    return torus_raise_text(L, "set_threads: expected 1..%d, got %lld",
                            TORUS_MAX_THREADS, (long long)n);
  }
  torus_set_threads((int)n);
  return 0;
}

static void set_count(lua_State *L, const char *name, size_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

/* Resident memory now, from the kernel's table; 0 where there is none. */
static size_t resident_bytes(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  unsigned long total = 0, resident = 0;
  if (!file) return 0;
  if (fscanf(file, "%lu %lu", &total, &resident) != 2) resident = 0;
  fclose(file);
  return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* memory() -> {live_bytes, live_blocks, peak_bytes, cached_bytes, tensors,
 * resident_bytes, peak_resident_bytes} */
static int memory(lua_State *L) {
  torus_alloc_stats stats = torus_alloc_get_stats();
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  lua_createtable(L, 0, 7);
  set_count(L, "live_bytes", stats.live_bytes);
  set_count(L, "live_blocks", stats.live_blocks);
  set_count(L, "peak_bytes", stats.peak_bytes);
  set_count(L, "cached_bytes", stats.cached_bytes);
  set_count(L, "tensors", (size_t)torus_tensor_live());
  set_count(L, "resident_bytes", resident_bytes());
  set_count(L, "peak_resident_bytes", (size_t)usage.ru_maxrss * 1024);
  return 1;
}

/* fail_allocation(n[, on]): for specs; the nth allocation from now fails, and
 * all after it where `on` */
static int fail_allocation(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  if (lua_toboolean(L, 2)) {
    torus_alloc_fail_from(n);
  } else {
    torus_alloc_fail_nth(n);
  }
  return 0;
}

/* clock() -> seconds of a clock that only goes forward */
static int clock_(lua_State *L) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  lua_pushnumber(L, (double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
  return 1;
}

/* isatty(descriptor) */
static int isatty_(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* --- files: nil and a message when the outside world fails
 * ---------------------- */

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
static const char *check_path(lua_State *L, int index, const char *what) {
  size_t length;
  const char *path = luaL_checklstring(L, index, &length);
  if (strlen(path) < length) {
    torus_raise_text(L, "%s: a path can't hold a zero byte", what);
  }
  return path;
}

/* A part of a file: a string, or a contiguous tensor's memory. */
static torus_file_part file_part(lua_State *L, int index) {
  torus_tensor *x = torus_to_tensor(L, index);
  if (x) {
    size_t bytes = (size_t)torus_tensor_count(x) * torus_dtype_size(x->dtype);
    if (!torus_tensor_is_contiguous(x)) {
      torus_raise_text(L, "write_file: a tensor must be contiguous");
    }
    return (torus_file_part){torus_tensor_data(x), bytes};
  }
  torus_file_part part;
  if (lua_type(L, index) != LUA_TSTRING) {
    torus_raise_text(L, "write_file: expected strings and tensors, got %s",
                     luaL_typename(L, index));
  }
  part.data = lua_tolstring(L, index, &part.bytes);
  return part;
}

/* write_file(path, {string or tensor, ...}): the whole file or nothing. The
 * list keeps its parts alive: no script runs before they are written. */
static int write_file(lua_State *L) {
  const char *path = check_path(L, 1, "write_file");
  luaL_checktype(L, 2, LUA_TTABLE);
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
                                  const char *what) {
  char text[TORUS_SHAPE_TEXT];
  torus_tensor *x = torus_check_tensor(L, index, what);
  int64_t channels = x->shape.ndim == ndim ? x->shape.size[ndim - 1] : 0;
  if (x->dtype != TORUS_UINT8 || !torus_tensor_is_contiguous(x) ||
      (channels != 1 && channels != 3)) {
    torus_raise_text(L, "%s: expected contiguous uint8 pixels, got %s %s", what,
                     torus_dtype_name(x->dtype),
                     torus_shape_format(&x->shape, text));
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
  if (s[3] != 3) return torus_raise_text(L, "write_gif: expected 3 channels");
  bool ok = torus_gif_write(path, torus_tensor_data(x), s[0], s[1], s[2],
                            (int)luaL_checkinteger(L, 3), &status);
  return report(L, ok, &status);
}

void torus_open_system(lua_State *L) {
  static const luaL_Reg functions[] = {{"set_library", set_library},
                                       {"raise", raise_text},
                                       {"raised", raised},
                                       {"uninterrupted", uninterrupted},
                                       {"threads", threads},
                                       {"set_threads", set_threads},
                                       {"memory", memory},
                                       {"fail_allocation", fail_allocation},
                                       {"clock", clock_},
                                       {"isatty", isatty_},
                                       {"write_file", write_file},
                                       {"write_png", write_png},
                                       {"write_gif", write_gif},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
