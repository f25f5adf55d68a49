/* The terminal: what it is, how large, what it answers, pictures for it. */
#define _DEFAULT_SOURCE
#include "binding/binding.h"
#include "io/sixel.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* isatty(descriptor) */
static int isatty_(lua_State *L) {
  lua_pushboolean(
      L, isatty((int)torus_check_integer(L, 1, "isatty", "the descriptor")));
  return 1;
}

/* terminal_size(): columns, rows, width and height in pixels, each 0 where it
 * is unknown; nothing where standard output is not a terminal. */
static int terminal_size(lua_State *L) {
  struct winsize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  lua_pushinteger(L, size.ws_col);
  lua_pushinteger(L, size.ws_row);
  lua_pushinteger(L, size.ws_xpixel);
  lua_pushinteger(L, size.ws_ypixel);
  return 4;
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Whether the answer to "what are you?", ESC [ ? ... c, is complete. */
static bool is_answered(const char *text, size_t length) {
  for (size_t i = 0; i + 2 < length; i++) {
    if (text[i] != '\033' || text[i + 1] != '[' || text[i + 2] != '?') continue;
    size_t end = i + 3 + strspn(text + i + 3, "0123456789;");
    if (text[end] == 'c') return true;
  }
  return false;
}

/* Reads until the answer is complete or the time is over. */
static size_t read_answer(int terminal, char *text, size_t room, int64_t ms) {
  size_t length = 0;
  int64_t end = now_ms() + ms;
  text[0] = '\0';
  for (int64_t left = ms; left > 0 && length + 1 < room;
       left = end - now_ms()) {
    struct pollfd ready = {.fd = terminal, .events = POLLIN};
    if (poll(&ready, 1, (int)left) <= 0) continue;
    ssize_t got = read(terminal, text + length, room - length - 1);
    if (got <= 0) break;
    length += (size_t)got;
    text[length] = '\0';
    if (is_answered(text, length)) break;
  }
  return length;
}

/* terminal_query(questions, milliseconds): what the terminal answers. The last
 * question has to be ESC [ c, which all terminals answer; keys pressed
 * meanwhile are in the text, too. */
static int terminal_query(lua_State *L) {
  const char *questions =
      torus_check_string(L, 1, "terminal_query", "the questions");
  int64_t ms = torus_check_integer(L, 2, "terminal_query", "the time");
  char text[2048];
  struct termios before;
  int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) return 0;
  if (tcgetattr(terminal, &before) != 0) {
    close(terminal);
    return 0;
  }
  struct termios raw = before;
  raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  size_t count = strlen(questions), length = 0;
  if (tcsetattr(terminal, TCSANOW, &raw) == 0 &&
      write(terminal, questions, count) == (ssize_t)count) {
    length = read_answer(terminal, text, sizeof text, ms);
  }
  tcsetattr(terminal, TCSANOW, &before);
  close(terminal);
  lua_pushlstring(L, text, length);
  return 1;
}

/* Runs protected, for the buffer is not Lua's: (buffer) -> string */
static int push_buffer(lua_State *L) {
  const torus_file_buffer *b = lua_touserdata(L, 1);
  lua_pushlstring(L, (const char *)b->data, b->bytes);
  return 1;
}

/* sixel(pixels): (h, w, 3) uint8, contiguous -> string */
static int sixel(lua_State *L) {
  torus_tensor *x = torus_check_tensor(L, 1, "sixel");
  torus_check_dense(L, x, TORUS_UINT8, 3, "sixel", "(h, w, 3)");
  if (x->shape.size[2] != 3) {
    return torus_raise_text(L,
                            "sixel: expected pixels of shape (h, w, 3), "
                            "got %s",
                            torus_describe(L, 1));
  }
  torus_file_buffer buffer = {0};
  torus_status status = {TORUS_OK, ""};
  bool ok = torus_sixel_encode(torus_tensor_data(x), x->shape.size[0],
                               x->shape.size[1], &buffer, &status);
  if (!ok) {
    torus_file_buffer_clear(&buffer);
    lua_pushstring(L, status.message);
    return torus_raise(L);
  }
  lua_pushcfunction(L, push_buffer);
  lua_pushlightuserdata(L, &buffer);
  int outcome = lua_pcall(L, 1, 1, 0);
  torus_file_buffer_clear(&buffer);
  return outcome == LUA_OK ? 1 : lua_error(L);
}

void torus_open_terminal(lua_State *L) {
  static const luaL_Reg functions[] = {{"isatty", isatty_},
                                       {"terminal_size", terminal_size},
                                       {"terminal_query", terminal_query},
                                       {"sixel", sixel},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
