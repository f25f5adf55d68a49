/* What all parts of the binding share: errors, boxes, argument checks. */
#include "autodiff/build.h"
#include "binding/binding.h"
#include "core/alloc.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool recording = true;

bool torus_recording(void) { return recording; }

bool torus_set_recording(bool record) {
  bool before = recording;
  recording = record;
  return before;
}

/* --- errors -----------------------------------------------------------------
 */

/* Chunks of the library have names that begin so; set by torus/init.lua. */
#define LIBRARY_KEY "torus.library"

static bool is_library(lua_State *L, const lua_Debug *frame) {
  if (*frame->what == 'C') return true;
  if (lua_getfield(L, LUA_REGISTRYINDEX, LIBRARY_KEY) != LUA_TSTRING) {
    lua_pop(L, 1);
    return false;
  }
  size_t length;
  const char *prefix = lua_tolstring(L, -1, &length);
  bool inside = strncmp(frame->source, prefix, length) == 0;
  lua_pop(L, 1);
  return inside;
}

int torus_raise(lua_State *L) {
  lua_Debug frame;
  luaL_checkstack(L, 4, NULL);
  for (int level = 1; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sl", &frame);
    if (is_library(L, &frame)) continue;
    if (frame.currentline > 0) {
      lua_pushfstring(L, "%s:%d: %s", frame.short_src, frame.currentline,
                      lua_tostring(L, -1));
    }
    break;
  }
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, TORUS_RAISED_KEY);
  return lua_error(L);
}

int torus_raise_text(lua_State *L, const char *format, ...) {
  char message[TORUS_MESSAGE_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  lua_pushstring(L, message);
  return torus_raise(L);
}

/* --- the collector
 * ------------------------------------------------------------ */

/* Lua sees a tensor as a few bytes. Once tensors' memory has grown by this
 * much (or by half) since the last full collection, another one is due. */
#define COLLECT_STEP ((size_t)32 << 20)

static size_t collect_at = COLLECT_STEP;

static void collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  size_t live = torus_alloc_get_stats().live_bytes;
  collect_at = live + (live / 2 > COLLECT_STEP ? live / 2 : COLLECT_STEP);
}

void torus_feed_collector(lua_State *L) {
  if (torus_alloc_get_stats().live_bytes > collect_at) collect(L);
}

/* --- boxes
 * ---------------------------------------------------------------------- */

/* The second tensor is one that was released, but too soon to be let go. */
torus_tensor **torus_push_box(lua_State *L) {
  torus_feed_collector(L);
  torus_tensor **box = lua_newuserdatauv(L, 2 * sizeof *box, 0);
  box[0] = box[1] = NULL;
  luaL_setmetatable(L, "torus.tensor");
  return box;
}

void torus_push_tensor(lua_State *L, torus_tensor *tensor) {
  torus_tensor **box = torus_push_box(L);
  *box = torus_tensor_retain(tensor);
}

/* The collector may have interrupted a call that has read this tensor. Within
 * a finaliser lua_gc does nothing and says so. */
static bool in_finaliser(lua_State *L) {
  return lua_gc(L, LUA_GCISRUNNING) < 0;
}

void torus_empty_box(lua_State *L, torus_tensor **box, bool collected) {
  torus_tensor *tensor = box[0], *late = box[1];
  box[0] = box[1] = NULL;
  if (!collected && in_finaliser(L)) {
    box[1] = late ? late : tensor;
    return;
  }
  torus_tensor_release(tensor);
  torus_tensor_release(late);
}

torus_tensor *torus_to_tensor(lua_State *L, int index) {
  torus_tensor **box = luaL_testudata(L, index, "torus.tensor");
  return box ? *box : NULL;
}

torus_tensor *torus_check_tensor(lua_State *L, int index, const char *what) {
  torus_tensor **box = luaL_testudata(L, index, "torus.tensor");
  if (!box) {
    torus_raise_text(L, "%s: expected a tensor as argument %d, got %s", what,
                     index, luaL_typename(L, index));
    return NULL;
  }
  if (!*box) torus_raise_text(L, "%s: the tensor was released", what);
  return *box;
}

static int raise_status(lua_State *L, const torus_status *status) {
  lua_pushstring(L, status->message);
  return status->code == TORUS_ESCRIPT ? lua_error(L) : torus_raise(L);
}

/* One try; the result, if any, goes to the box. */
static torus_status attempt(torus_compute_fn *fn, void *arg,
                            torus_tensor **box) {
  torus_scope scope;
  torus_scope_init(&scope, recording);
  torus_tensor *result = fn(&scope, arg);
  if (box && scope.status.code == TORUS_OK) {
    *box = torus_tensor_retain(result);
  }
  torus_scope_clear(&scope);
  return scope.status;
}

static void run_twice(lua_State *L, torus_compute_fn *fn, void *arg,
                      torus_tensor **box) {
  torus_status status = attempt(fn, arg, box);
  if (status.code == TORUS_ENOMEM) {
    collect(L);
    torus_alloc_trim();
    status = attempt(fn, arg, box);
  }
  if (status.code != TORUS_OK) raise_status(L, &status);
}

int torus_push_result(lua_State *L, torus_compute_fn *fn, void *arg) {
  torus_tensor **box = torus_push_box(L);
  run_twice(L, fn, arg, box);
  return 1;
}

void torus_run(lua_State *L, torus_compute_fn *fn, void *arg) {
  run_twice(L, fn, arg, NULL);
}

static torus_tensor *dense(torus_scope *scope, void *arg) {
  scope->record = false;
  return torus_contiguous(scope, arg);
}

torus_tensor *torus_push_dense(lua_State *L, torus_tensor *x) {
  torus_push_result(L, dense, x);
  return torus_to_tensor(L, -1);
}

/* Doubles hold every whole number up to this one. */
#define EXACT ((int64_t)1 << 53)

/* --- arguments
 * ---------------------------------------------------------------- */

int64_t torus_check_whole(lua_State *L, int index, const char *what,
                          const char *name) {
  int whole;
  lua_Integer value = lua_tointegerx(L, index, &whole);
  if (lua_type(L, index) == LUA_TNUMBER && whole) return value;
  if (lua_type(L, index) == LUA_TNUMBER) {
    return torus_raise_text(L, "%s: expected a whole number for %s, got %g",
                            what, name, lua_tonumber(L, index));
  }
  return torus_raise_text(L, "%s: expected a whole number for %s, got %s", what,
                          name, luaL_typename(L, index));
}

double torus_check_number(lua_State *L, int index, const char *what,
                          const char *name) {
  if (lua_type(L, index) != LUA_TNUMBER) {
    torus_raise_text(L, "%s: expected a number for %s, got %s", what, name,
                     luaL_typename(L, index));
  }
  return lua_tonumber(L, index);
}

double torus_check_element(lua_State *L, int index, const char *what,
                           torus_dtype dtype) {
  double value = torus_check_number(L, index, what, "an element");
  if (torus_dtype_is_float(dtype)) return value;
  char name[32];
  snprintf(name, sizeof name, "an element of %s", torus_dtype_name(dtype));
  int64_t whole = torus_check_whole(L, index, what, name);
  bool fits = dtype == TORUS_UINT8 ? whole >= 0 && whole <= 255
                                   : whole >= -EXACT && whole <= EXACT;
  if (!fits) {
    torus_raise_text(L, "%s: expected %s, %s, got %" PRId64, what, name,
                     dtype == TORUS_UINT8 ? "0..255" : "at most 2^53 in size",
                     whole);
  }
  return (double)whole;
}

static void append_size(lua_State *L, const char *what, const char *name,
                        torus_shape *list) {
  if (list->ndim == TORUS_MAX_DIMS) {
    torus_raise_text(L, "%s: %s has more than %d entries", what, name,
                     TORUS_MAX_DIMS);
  }
  list->size[list->ndim++] = torus_check_whole(L, -1, what, name);
}

void torus_check_plain(lua_State *L, int index, const char *what,
                       const char *name) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_isinteger(L, -1)) continue;
    torus_raise_text(L,
                     "%s: expected a plain list as %s, got one with the key "
                     "'%s'",
                     what, name,
                     lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                                    : luaL_typename(L, -1));
  }
}

int torus_check_list(lua_State *L, int index, const char *what,
                     const char *name, torus_shape *list) {
  list->ndim = 0;
  if (lua_type(L, index) == LUA_TTABLE) {
    torus_check_plain(L, index, what, name);
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= count; i++) {
      lua_rawgeti(L, index, i);
      append_size(L, what, name, list);
      lua_pop(L, 1);
    }
    return 1;
  }
  int read = 0;
  for (; lua_type(L, index + read) == LUA_TNUMBER; read++) {
    lua_pushvalue(L, index + read);
    append_size(L, what, name, list);
    lua_pop(L, 1);
  }
  if (read == 0) {
    torus_raise_text(L, "%s: expected a list of whole numbers for %s, got %s",
                     what, name, luaL_typename(L, index));
  }
  return read;
}

static int dim_from_end(lua_State *L, int64_t dim, const char *what, int ndim) {
  if (dim >= 1 && dim <= ndim) return (int)dim - 1;
  if (dim <= -1 && dim >= -ndim) return (int)(ndim + dim);
  return torus_raise_text(
      L, "%s: dimension %" PRId64 " is outside of a tensor with %d dimension%s",
      what, dim, ndim, ndim == 1 ? "" : "s");
}

int torus_check_dim(lua_State *L, int index, const char *what, int ndim) {
  return dim_from_end(L, torus_check_whole(L, index, what, "a dimension"), what,
                      ndim);
}

torus_dtype torus_check_dtype(lua_State *L, int index, const char *what) {
  torus_dtype dtype = TORUS_FLOAT32;
  const char *name = lua_type(L, index) == LUA_TSTRING
                         ? lua_tostring(L, index)
                         : luaL_typename(L, index);
  if (lua_type(L, index) != LUA_TSTRING || !torus_dtype_parse(name, &dtype)) {
    torus_raise_text(L,
                     "%s: expected the dtype \"float32\", \"float64\", "
                     "\"int64\" or \"uint8\", got %s",
                     what, name);
  }
  return dtype;
}

void torus_check_keys(lua_State *L, int index, const char *what,
                      const char *const *keys) {
  if (lua_isnoneornil(L, index)) return;
  if (lua_type(L, index) != LUA_TTABLE) {
    torus_raise_text(L, "%s: expected a table of options, got %s", what,
                     luaL_typename(L, index));
  }
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) {
      torus_raise_text(L, "%s: options are named, got one that is a %s", what,
                       luaL_typename(L, -1));
    }
    const char *key = lua_tostring(L, -1);
    bool known = false;
    for (int i = 0; keys[i]; i++) known |= strcmp(key, keys[i]) == 0;
    if (!known) torus_raise_text(L, "%s: unknown option '%s'", what, key);
  }
}

int torus_option(lua_State *L, int index, const char *name) {
  lua_pushstring(L, name);
  return lua_rawget(L, index);
}

double torus_option_number(lua_State *L, int index, const char *what,
                           const char *name) {
  torus_option(L, index, name);
  double value = torus_check_number(L, -1, what, name);
  lua_pop(L, 1);
  return value;
}

int64_t torus_option_whole(lua_State *L, int index, const char *what,
                           const char *name) {
  torus_option(L, index, name);
  int64_t value = torus_check_whole(L, -1, what, name);
  lua_pop(L, 1);
  return value;
}

/* --- lists
 * ---------------------------------------------------------------------- */

int torus_list_length(lua_State *L, int index, const char *what) {
  lua_Unsigned length = lua_rawlen(L, index);
  if (length <= INT32_MAX / 2) return (int)length;
  return torus_raise_text(L, "%s: a list of %" PRIu64 " entries is too long",
                          what, (uint64_t)length);
}

int torus_own_list(lua_State *L, int index, const char *what) {
  int length = torus_list_length(L, index, what);
  lua_createtable(L, length, 0);
  for (int i = 1; i <= length; i++) {
    lua_rawgeti(L, index, i);
    lua_rawseti(L, -2, i);
  }
  lua_replace(L, index);
  return length;
}

torus_tensor *torus_check_entry(lua_State *L, const char *what,
                                const char *name, int place) {
  torus_tensor **box = luaL_testudata(L, -1, "torus.tensor");
  if (!box) {
    torus_raise_text(L, "%s: expected a tensor as %s %d, got %s", what, name,
                     place, luaL_typename(L, -1));
    return NULL;
  }
  if (!*box) torus_raise_text(L, "%s: %s %d was released", what, name, place);
  return *box;
}
