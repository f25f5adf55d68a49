/* torus.edit: line editing for the REPL, by libedit.
 *
 * A separate module, so that the library runs without libedit. It uses
 * libedit's native interface: lua5.4 itself links readline, which shares its
 * names with libedit's other interface.
 *
 *   local editor = edit.open{ history = path, complete = function(before)
 *     return insert, listing end }
 *   local line, interrupted = editor:read("> ")   -- nil at the end of input
 *   editor:close() */
#include <errno.h>
#include <histedit.h>
#include <lauxlib.h>
#include <locale.h>
#include <lua.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EDITOR "torus.edit.editor"
#define HISTORY_LINES 1000

typedef struct editor {
  EditLine *line;
  History *history;
  lua_State *L; /* while it reads, else NULL */
  const char *prompt;
} editor;

/* --- the editor --- */

static char *give_prompt(EditLine *line) {
  editor *e;
  el_get(line, EL_CLIENTDATA, &e);
  return (char *)e->prompt;
}

/* Calls complete(text before the cursor), kept as the user value; an error in
 * it is no more than a beep. */
static unsigned char complete(EditLine *line, int key) {
  (void)key;
  editor *e;
  el_get(line, EL_CLIENTDATA, &e);
  lua_State *L = e->L;
  int top = lua_gettop(L);
  unsigned char result = CC_ERROR;
  if (lua_getiuservalue(L, 1, 1) == LUA_TFUNCTION) {
    const LineInfo *info = el_line(line);
    lua_pushlstring(L, info->buffer, (size_t)(info->cursor - info->buffer));
    if (lua_pcall(L, 1, 2, 0) == LUA_OK) {
      const char *insert = lua_tostring(L, -2);
      const char *listing = lua_tostring(L, -1);
      if (insert && *insert && el_insertstr(line, insert) == 0) {
        result = CC_REFRESH;
      }
      if (listing && *listing) {
        printf("\n%s\n", listing);
        result = CC_REDISPLAY;
      }
    }
  }
  lua_settop(L, top);
  return result;
}

static int edit_open(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  editor *e = lua_newuserdatauv(L, sizeof *e, 2);
  *e = (editor){.prompt = ""};
  luaL_setmetatable(L, EDITOR);
  lua_getfield(L, 1, "complete");
  lua_setiuservalue(L, 2, 1);
  lua_getfield(L, 1, "history");
  lua_setiuservalue(L, 2, 2);
  /* Characters wider than a byte; numbers keep the point. */
  setlocale(LC_CTYPE, "");
  e->history = history_init();
  e->line = el_init("torus", stdin, stdout, stderr);
  if (!e->history || !e->line) return luaL_error(L, "edit: out of memory");
  HistEvent event;
  history(e->history, &event, H_SETSIZE, HISTORY_LINES);
  history(e->history, &event, H_SETUNIQUE, 1);
  if (lua_getiuservalue(L, 2, 2) == LUA_TSTRING) {
    history(e->history, &event, H_LOAD, lua_tostring(L, -1));
  }
  lua_pop(L, 1);
  el_set(e->line, EL_CLIENTDATA, e);
  el_set(e->line, EL_PROMPT, give_prompt);
  el_set(e->line, EL_HIST, history, e->history);
  el_set(e->line, EL_EDITOR, "emacs");
  /* With it an interrupt ends el_gets, and a new window size is seen. */
  el_set(e->line, EL_SIGNAL, 1);
  el_set(e->line, EL_ADDFN, "torus-complete", "complete a name", complete);
  el_set(e->line, EL_BIND, "^I", "torus-complete", NULL);
  el_set(e->line, EL_BIND, "^R", "em-inc-search-prev", NULL);
  el_source(e->line, NULL);
  return 1;
}

static editor *check_editor(lua_State *L) {
  editor *e = luaL_checkudata(L, 1, EDITOR);
  luaL_argcheck(L, e->line, 1, "the editor is closed");
  luaL_argcheck(L, !e->L, 1, "the editor is reading a line");
  return e;
}

/* A history that cannot be saved is no reason to disturb anybody. */
static void remember(lua_State *L, editor *e, const char *text) {
  HistEvent event;
  history(e->history, &event, H_ENTER, text);
  if (lua_getiuservalue(L, 1, 2) == LUA_TSTRING) {
    history(e->history, &event, H_SAVE, lua_tostring(L, -1));
  }
  lua_pop(L, 1);
}

static int editor_read(lua_State *L) {
  editor *e = check_editor(L);
  e->prompt = luaL_checkstring(L, 2);
  e->L = L;
  int count = 0;
  errno = 0;
  const char *text = el_gets(e->line, &count);
  bool interrupted = count == -1 && errno == EINTR;
  e->prompt = ""; /* the string is Lua's */
  e->L = NULL;
  if (interrupted) {
    puts("^C");
    el_reset(e->line);
    lua_pushliteral(L, "");
    lua_pushboolean(L, 1);
    return 2;
  }
  if (!text || count <= 0) return 0;
  if (text[strspn(text, " \t\n")] != '\0') remember(L, e, text);
  size_t length = strlen(text);
  if (length > 0 && text[length - 1] == '\n') length--;
  lua_pushlstring(L, text, length);
  return 1;
}

/* Not from within its own completion: libedit goes on with it. */
static int editor_close(lua_State *L) {
  editor *e = luaL_checkudata(L, 1, EDITOR);
  luaL_argcheck(L, !e->L, 1, "the editor is reading a line");
  if (e->line) el_end(e->line);
  if (e->history) history_end(e->history);
  e->line = NULL;
  e->history = NULL;
  return 0;
}

/* True when both ends are a terminal. */
static int edit_interactive(lua_State *L) {
  lua_pushboolean(L, isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
  return 1;
}

static const luaL_Reg methods[] = {{"read", editor_read},
                                   {"close", editor_close},
                                   {"__gc", editor_close},
                                   {"__close", editor_close},
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"open", edit_open}, {"interactive", edit_interactive}, {NULL, NULL}};

LUAMOD_API int luaopen_torus_edit(lua_State *L);
int luaopen_torus_edit(lua_State *L) {
  luaL_newmetatable(L, EDITOR);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
