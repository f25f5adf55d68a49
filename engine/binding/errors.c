/* Errors and what they say about values. */
#include "binding/binding.h"
#include "binding/running.h"
#include "core/words.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

/* The innermost frame of a script, not of the library; false: none. */
static bool script_frame(lua_State *L, lua_Debug *frame) {
  for (int level = 0; lua_getstack(L, level, frame); level++) {
    lua_getinfo(L, "Sl", frame);
    if (!is_library(L, frame)) return frame->currentline > 0;
  }
  return false;
}

bool torus_locate(char text[TORUS_ORIGIN_TEXT]) {
  lua_State *L = torus_running();
  lua_Debug frame;
  if (!L || !lua_checkstack(L, 2) || !script_frame(L, &frame)) return false;
  snprintf(text, TORUS_ORIGIN_TEXT, "%s:%d", frame.short_src,
           frame.currentline);
  return true;
}

/* --- raising --- */

int torus_raise(lua_State *L) {
  lua_Debug frame;
  luaL_checkstack(L, 4, NULL);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, TORUS_RAISED_TEXT_KEY);
  if (script_frame(L, &frame)) {
    lua_pushfstring(L, "%s:%d: %s", frame.short_src, frame.currentline,
                    lua_tostring(L, -1));
  }
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, TORUS_RAISED_KEY);
  return lua_error(L);
}

/* In the registry: the name of every named function by the function, and true
 * by every such name. See name_functions. */
static const char named;

/* Pushes the name of the outermost named function between the script and the
 * error, the one that the script called, or nil. */
static void push_called(lua_State *L) {
  lua_Debug frame;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &named);
  lua_pushnil(L);
  for (int level = 0; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "S", &frame);
    if (!is_library(L, &frame)) break;
    lua_getinfo(L, "f", &frame);
    bool has_name = lua_rawget(L, -3) == LUA_TSTRING;
    if (has_name) lua_replace(L, -2);
    if (!has_name) lua_pop(L, 1);
  }
  lua_remove(L, -2);
}

/* The length of the name that a message begins with, as in "hnn:rollout:
 * expected ..."; 0 if it begins with none. */
static size_t name_length(const char *message) {
  size_t length = 0;
  while (isalnum((unsigned char)message[length]) || message[length] == '_' ||
         message[length] == '.' ||
         (message[length] == ':' && message[length + 1] != ' ')) {
    length++;
  }
  return strncmp(message + length, ": ", 2) == 0 ? length : 0;
}

int torus_raise_misuse(lua_State *L) {
  luaL_checkstack(L, 8, NULL);
  const char *message = lua_tostring(L, -1);
  push_called(L);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return torus_raise(L);
  }
  size_t length = name_length(message);
  bool other = length == 0;
  if (length > 0) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &named);
    lua_pushlstring(L, message, length);
    other = lua_rawget(L, -2) == LUA_TBOOLEAN;
    lua_pop(L, 2);
  }
  if (other) {
    lua_pushfstring(L, "%s: %s", lua_tostring(L, -1),
                    message + (length > 0 ? length + 2 : 0));
    lua_replace(L, -3);
  }
  lua_pop(L, 1);
  return torus_raise(L);
}

int torus_raise_text(lua_State *L, const char *format, ...) {
  char message[TORUS_MESSAGE_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  lua_pushstring(L, message);
  return torus_raise_misuse(L);
}

/* --- errors of scripts that the engine called back --- */

/* Its user value is the error that is on its way through the engine: to set
 * it takes no memory, so that nothing jumps over the engine's frames. */
static const char kept;

static void open_kept(lua_State *L) {
  lua_newuserdatauv(L, 0, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kept);
}

bool torus_keep_raised(lua_State *L, torus_status *status) {
  bool text = lua_type(L, -1) == LUA_TSTRING;
  torus_status_fail(status, TORUS_ESCRIPT, "%s",
                    text ? lua_tostring(L, -1) : luaL_typename(L, -1));
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kept);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1);
  lua_pop(L, 1);
  return false;
}

int torus_raise_kept(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kept);
  lua_getiuservalue(L, -1, 1);
  lua_pushnil(L);
  lua_setiuservalue(L, -3, 1);
  return lua_error(L);
}

/* --- values in messages --- */

#define SHOWN_ENTRIES 8
#define SHOWN_BYTES 60

static void add_quoted(luaL_Buffer *b, const char *text, size_t length) {
  luaL_addchar(b, '"');
  for (size_t i = 0; i < length && i < SHOWN_BYTES; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\') luaL_addchar(b, '\\');
    if (c == '\n') {
      luaL_addstring(b, "\\n");
    } else if (c < ' ' || c == 127) {
      char code[8];
      snprintf(code, sizeof code, "\\%d", c);
      luaL_addstring(b, code);
    } else {
      luaL_addchar(b, (char)c);
    }
  }
  luaL_addstring(b, length > SHOWN_BYTES ? "\"..." : "\"");
}

static void describe_string(lua_State *L, int index) {
  size_t length;
  const char *text = lua_tolstring(L, index, &length);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  add_quoted(&b, text, length);
  luaL_pushresult(&b);
}

static void describe_tensor(lua_State *L, int index) {
  char text[TORUS_TENSOR_TEXT];
  torus_tensor *x = torus_to_tensor(L, index);
  lua_pushstring(L, x ? torus_tensor_format(x, text) : "a released tensor");
}

/* A short list of numbers, strings and booleans, as {1, "a"}; false, with
 * nothing pushed, where the table at index is something else. */
static bool describe_list(lua_State *L, int index) {
  int count = (int)lua_rawlen(L, index);
  if (count < 1 || count > SHOWN_ENTRIES) return false;
  int top = lua_gettop(L);
  lua_pushliteral(L, "{");
  for (int i = 1; i <= count; i++) {
    int type = lua_rawgeti(L, index, i);
    if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TBOOLEAN) {
      lua_settop(L, top);
      return false;
    }
    torus_describe(L, -1);
    lua_remove(L, -2);
    lua_pushstring(L, i < count ? ", " : "}");
    lua_concat(L, 3);
  }
  return true;
}

const char *torus_describe(lua_State *L, int index) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 8, NULL);
  int type = lua_type(L, index);
  if (type == LUA_TNUMBER) {
    lua_pushvalue(L, index);
    lua_tostring(L, -1); /* converts it */
  } else if (type == LUA_TSTRING) {
    describe_string(L, index);
  } else if (type == LUA_TBOOLEAN) {
    lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
  } else if (type == LUA_TNIL || type == LUA_TNONE) {
    lua_pushstring(L, lua_typename(L, type));
  } else if (torus_test_box(L, index)) {
    describe_tensor(L, index);
  } else if (luaL_testudata(L, index, "torus.generator")) {
    lua_pushliteral(L, "a generator");
  } else if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) {
    ; /* such as torus.separable */
  } else if (type != LUA_TTABLE || lua_getmetatable(L, index) ||
             !describe_list(L, index)) {
    lua_pushfstring(L, "a %s", lua_typename(L, type));
  }
  return lua_tostring(L, -1);
}

/* --- for Lua --- */

/* describe(value) -> the value as messages show it, on one line */
static int describe(lua_State *L) {
  lua_settop(L, 1);
  torus_describe(L, 1);
  return 1;
}

/* word_distance(a, b): see core/words.h */
static int word_distance(lua_State *L) {
  const char *a = torus_check_string(L, 1, "word_distance", "a word");
  const char *b = torus_check_string(L, 2, "word_distance", "a word");
  lua_pushinteger(L, torus_word_distance(a, b));
  return 1;
}

/* nearest(word, {known, ...}): the one that is most like it, or nil */
static int nearest(lua_State *L) {
  torus_word_search search = {
      .wanted = torus_check_string(L, 1, "nearest", "a word")};
  torus_check_table(L, 2, "nearest", "the known words");
  lua_settop(L, 2);
  int count = torus_own_list(L, 2, "nearest"); /* keeps the words alive */
  for (int i = 1; i <= count; i++) {
    if (lua_rawgeti(L, 2, i) == LUA_TSTRING) {
      torus_word_try(&search, lua_tostring(L, -1));
    }
    lua_pop(L, 1);
  }
  lua_pushstring(L, search.best);
  return 1;
}

/* is_released(value): whether it is a tensor whose memory was given back */
static int is_released(lua_State *L) {
  torus_tensor **box = torus_test_box(L, 1);
  lua_pushboolean(L, box && !*box);
  return 1;
}

/* set_library(prefix): chunks whose name begins so are the library's own, and
 * errors are not raised at their lines. */
static int set_library(lua_State *L) {
  torus_check_string(L, 1, "set_library", "the prefix");
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, LIBRARY_KEY);
  return 0;
}

/* name_functions({[name] = function, ...}): messages of misuse that are raised
 * within one of these functions name it, not one that it calls. A function
 * with two names keeps the first. */
static int name_functions(lua_State *L) {
  torus_check_table(L, 1, "name_functions", "the functions");
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &named);
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    lua_pushvalue(L, -1);
    if (lua_isfunction(L, -1) && lua_rawget(L, 2) == LUA_TNIL) {
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -4);
      lua_rawset(L, 2);
      lua_pushvalue(L, -3);
      lua_pushboolean(L, true);
      lua_rawset(L, 2);
    }
    lua_settop(L, 3);
  }
  return 0;
}

/* raise(message): an error at the line of the script that called */
static int raise_text(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return torus_raise_misuse(L);
}

/* raised() -> the last message that was raised on purpose, with its line and
 * without it */
static int raised(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, TORUS_RAISED_KEY);
  lua_getfield(L, LUA_REGISTRYINDEX, TORUS_RAISED_TEXT_KEY);
  return 2;
}

void torus_open_errors(lua_State *L) {
  static const luaL_Reg functions[] = {{"set_library", set_library},
                                       {"raise", raise_text},
                                       {"raised", raised},
                                       {"describe", describe},
                                       {"is_released", is_released},
                                       {"word_distance", word_distance},
                                       {"nearest", nearest},
                                       {"name_functions", name_functions},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &named);
  open_kept(L);
}
