/* Checks of arguments, options and lists. */
#include "binding/binding.h"
#include "core/words.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Doubles hold every integer up to this one. */
#define EXACT 0x1p53

/* --- arguments --- */

int64_t torus_check_integer(lua_State *L, int index, const char *operation,
                            const char *name) {
  int exact;
  lua_Integer value = lua_tointegerx(L, index, &exact);
  if (lua_type(L, index) == LUA_TNUMBER && exact) return value;
  return torus_raise_text(L, "%s: expected an integer as %s, got %s", operation,
                          name, torus_describe(L, index));
}

double torus_check_number(lua_State *L, int index, const char *operation,
                          const char *name) {
  if (lua_type(L, index) != LUA_TNUMBER) {
    torus_raise_text(L, "%s: expected a number as %s, got %s", operation, name,
                     torus_describe(L, index));
  }
  return lua_tonumber(L, index);
}

const char *torus_check_string(lua_State *L, int index, const char *operation,
                               const char *name) {
  if (lua_type(L, index) != LUA_TSTRING) {
    torus_raise_text(L, "%s: expected a string as %s, got %s", operation, name,
                     torus_describe(L, index));
  }
  return lua_tostring(L, index);
}

void torus_check_table(lua_State *L, int index, const char *operation,
                       const char *name) {
  if (lua_type(L, index) == LUA_TTABLE) return;
  torus_raise_text(L, "%s: expected a table as %s, got %s", operation, name,
                   torus_describe(L, index));
}

/* The conversion of an integer may already have rounded 2^53 + 1 to 2^53. */
static bool is_exact(lua_State *L, int index, double value) {
  return fabs(value) <= EXACT &&
         (!lua_isinteger(L, index) ||
          lua_tointeger(L, index) == (lua_Integer)value);
}

double torus_check_element(lua_State *L, int index, const char *operation,
                           torus_dtype dtype) {
  if (dtype == TORUS_BOOL && lua_type(L, index) == LUA_TBOOLEAN) {
    return lua_toboolean(L, index);
  }
  double value = torus_check_number(L, index, operation, "an element");
  if (torus_dtype_is_float(dtype)) return value;
  if (torus_dtype_holds(dtype, value) && is_exact(L, index, value)) {
    return value;
  }
  static const char *const ranges[TORUS_DTYPE_COUNT] = {
      [TORUS_INT64] = "at most 2^53 in size",
      [TORUS_INT32] = "-2^31..2^31-1",
      [TORUS_UINT8] = "0..255",
      [TORUS_BOOL] = "true, false, 0 or 1"};
  const char *name = torus_dtype_name(dtype);
  if (value != floor(value) && dtype != TORUS_BOOL) {
    return torus_raise_text(L,
                            "%s: expected an integer as an element of %s, got "
                            "%s; x:to(\"float32\") holds fractions",
                            operation, name, torus_describe(L, index));
  }
  bool holds = dtype == TORUS_INT64 && lua_isinteger(L, index);
  return torus_raise_text(
      L, "%s: expected an element of %s, %s, got %s%s", operation, name,
      ranges[dtype], torus_describe(L, index),
      holds ? "; torus.tensor({ v }, { dtype = \"int64\" }) holds it" : "");
}

static void append_size(lua_State *L, const char *operation, const char *name,
                        torus_shape *list) {
  if (list->ndim == TORUS_MAX_DIMS) {
    torus_raise_text(L, "%s: %s has more than %d entries", operation, name,
                     TORUS_MAX_DIMS);
  }
  list->size[list->ndim++] = torus_check_integer(L, -1, operation, name);
}

void torus_check_plain(lua_State *L, int index, const char *operation,
                       const char *name) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_isinteger(L, -1)) continue;
    torus_raise_text(L,
                     "%s: expected a plain list as %s, got one with the key %s",
                     operation, name, torus_describe(L, -1));
  }
}

int torus_check_list(lua_State *L, int index, const char *operation,
                     const char *name, torus_shape *list) {
  list->ndim = 0;
  if (lua_type(L, index) == LUA_TTABLE) {
    torus_check_plain(L, index, operation, name);
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= count; i++) {
      lua_rawgeti(L, index, i);
      append_size(L, operation, name, list);
      lua_pop(L, 1);
    }
    return 1;
  }
  int read = 0;
  for (; lua_type(L, index + read) == LUA_TNUMBER; read++) {
    lua_pushvalue(L, index + read);
    append_size(L, operation, name, list);
    lua_pop(L, 1);
  }
  if (read == 0) {
    torus_raise_text(L, "%s: expected a list of integers as %s, got %s",
                     operation, name, torus_describe(L, index));
  }
  return read;
}

static int dim_from_end(lua_State *L, int64_t dim, const char *operation,
                        int ndim) {
  if (dim >= 1 && dim <= ndim) return (int)dim - 1;
  if (dim <= -1 && dim >= -ndim) return (int)(ndim + dim);
  return torus_raise_text(
      L, "%s: dimension %" PRId64 " is outside of a tensor with %d dimension%s",
      operation, dim, ndim, ndim == 1 ? "" : "s");
}

int torus_check_dim(lua_State *L, int index, const char *operation, int ndim) {
  return dim_from_end(L,
                      torus_check_integer(L, index, operation, "a dimension"),
                      operation, ndim);
}

torus_dtype torus_check_dtype(lua_State *L, int index, const char *operation) {
  torus_dtype dtype = TORUS_FLOAT32;
  if (lua_type(L, index) == LUA_TSTRING &&
      torus_dtype_parse(lua_tostring(L, index), &dtype)) {
    return dtype;
  }
  char hint[TORUS_WORD_TEXT];
  torus_word_search search = {.wanted = ""};
  if (lua_type(L, index) == LUA_TSTRING) search.wanted = lua_tostring(L, index);
  for (int i = 0; i < TORUS_DTYPE_COUNT; i++) {
    torus_word_try(&search, torus_dtype_name((torus_dtype)i));
  }
  static const char *const elsewhere[][2] = {
      {"double", "float64"}, {"float", "float32"}, {"long", "int64"},
      {"int", "int32"},      {"byte", "uint8"},    {"boolean", "bool"}};
  for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
    if (strcmp(search.wanted, elsewhere[i][0]) == 0) {
      search.best = elsewhere[i][1];
    }
  }
  torus_raise_text(L, "%s: expected the dtype %s, got %s%s", operation,
                   torus_dtype_names(), torus_describe(L, index),
                   torus_word_hint(search.best, hint));
  return dtype;
}

/* The keys as a text: a, b, c. Pushed. */
static const char *push_names(lua_State *L, const char *const *names) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 0; names[i]; i++) {
    if (i > 0) luaL_addstring(&b, ", ");
    luaL_addstring(&b, names[i]);
  }
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}

void torus_check_keys(lua_State *L, int index, const char *operation,
                      const char *const *keys) {
  if (lua_isnoneornil(L, index)) return;
  if (lua_type(L, index) != LUA_TTABLE) {
    torus_raise_text(L, "%s: expected a table of options, got %s", operation,
                     torus_describe(L, index));
  }
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) {
      torus_raise_text(L, "%s: options are named by strings, got the key %s",
                       operation, torus_describe(L, -1));
    }
    const char *key = lua_tostring(L, -1);
    bool known = false;
    for (int i = 0; keys[i]; i++) known |= strcmp(key, keys[i]) == 0;
    if (!known) {
      char hint[TORUS_WORD_TEXT];
      const char *given = torus_describe(L, -1);
      torus_raise_text(L, "%s: unknown option %s%s (known: %s)", operation,
                       given,
                       torus_word_hint(torus_word_nearest(key, keys), hint),
                       push_names(L, keys));
    }
  }
}

int torus_option(lua_State *L, int index, const char *name) {
  lua_pushstring(L, name);
  return lua_rawget(L, index);
}

double torus_option_number(lua_State *L, int index, const char *operation,
                           const char *name) {
  torus_option(L, index, name);
  double value = torus_check_number(L, -1, operation, name);
  lua_pop(L, 1);
  return value;
}

int64_t torus_option_integer(lua_State *L, int index, const char *operation,
                             const char *name) {
  torus_option(L, index, name);
  int64_t value = torus_check_integer(L, -1, operation, name);
  lua_pop(L, 1);
  return value;
}

/* --- lists --- */

void torus_check_gapless(lua_State *L, int index, const char *operation) {
  index = lua_absindex(L, index);
  lua_Integer count = (lua_Integer)lua_rawlen(L, index);
  /* The entries of a list come first, in their order, so that what follows the
   * last one is usually nothing. */
  if (count > 0) {
    lua_pushinteger(L, count);
  } else {
    lua_pushnil(L);
  }
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_isinteger(L, -1)) {
      lua_Integer key = lua_tointeger(L, -1);
      if (key >= 1 && key <= count) continue;
    }
    torus_raise_text(L,
                     "%s: expected a list without gaps or named entries, got "
                     "one of %lld with the key %s",
                     operation, (long long)count, torus_describe(L, -1));
  }
}

int torus_list_length(lua_State *L, int index, const char *operation) {
  torus_check_gapless(L, index, operation);
  lua_Unsigned length = lua_rawlen(L, index);
  if (length <= INT32_MAX / 2) return (int)length;
  return torus_raise_text(L, "%s: a list of %" PRIu64 " entries is too long",
                          operation, (uint64_t)length);
}

int torus_own_list(lua_State *L, int index, const char *operation) {
  int length = torus_list_length(L, index, operation);
  lua_createtable(L, length, 0);
  for (int i = 1; i <= length; i++) {
    lua_rawgeti(L, index, i);
    lua_rawseti(L, -2, i);
  }
  lua_replace(L, index);
  return length;
}

torus_tensor *torus_check_entry(lua_State *L, const char *operation,
                                const char *name, int position) {
  torus_tensor **box = torus_test_box(L, -1);
  if (!box) {
    torus_raise_text(L, "%s: expected a tensor as %s %d, got %s", operation,
                     name, position, torus_describe(L, -1));
    return NULL;
  }
  if (!*box)
    torus_raise_text(L, "%s: %s %d was released", operation, name, position);
  return *box;
}

/* --- numbers and dense tensors */

/* The list at index as `count` numbers of a new userdata, which is pushed. */
double *torus_push_numbers(lua_State *L, int index, const char *operation,
                           const char *name, int64_t *count) {
  if (lua_type(L, index) != LUA_TTABLE) {
    torus_raise_text(L, "%s: expected a list of numbers as %s, got %s",
                     operation, name, torus_describe(L, index));
  }
  *count = torus_list_length(L, index, operation);
  double *list = lua_newuserdatauv(L, (size_t)(*count + 1) * sizeof *list, 0);
  for (int64_t i = 0; i < *count; i++) {
    if (lua_rawgeti(L, index, i + 1) != LUA_TNUMBER) {
      torus_raise_text(L, "%s: expected numbers as %s, got %s at %lld",
                       operation, name, torus_describe(L, -1),
                       (long long)i + 1);
    }
    list[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  return list;
}

void torus_check_dense(lua_State *L, const torus_tensor *x, torus_dtype dtype,
                       int ndim, const char *operation, const char *shape) {
  char text[TORUS_TENSOR_TEXT];
  if (x->dtype != dtype || x->shape.ndim != ndim ||
      !torus_tensor_is_contiguous(x)) {
    torus_raise_text(L, "%s: expected a contiguous tensor %s %s, got %s",
                     operation, shape, torus_dtype_name(dtype),
                     torus_tensor_format(x, text));
  }
}
