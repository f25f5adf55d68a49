/* Tensors as userdata, computations behind them, and the collector. */
#include "autodiff/anomaly.h"
#include "autodiff/build.h"
#include "binding/binding.h"
#include "binding/running.h"
#include "core/alloc.h"
#include "core/interrupt.h"

#include <string.h>

/* Of the thread that runs the script. */
static _Thread_local bool recording = true;

bool torus_recording(void) { return recording; }

bool torus_set_recording(bool record) {
  bool before = recording;
  recording = record;
  return before;
}

/* --- the collector --- */

/* Lua sees a tensor as a few bytes. Once tensors' memory has grown by this
 * much (or by half) since the last full collection, another one is due. */
#define COLLECT_STEP ((size_t)32 << 20)

static _Thread_local size_t collect_at = COLLECT_STEP;

static void collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  size_t live = torus_alloc_live_bytes();
  collect_at = live + (live / 2 > COLLECT_STEP ? live / 2 : COLLECT_STEP);
}

void torus_feed_collector(lua_State *L) {
  if (torus_alloc_live_bytes() > collect_at) collect(L);
}

/* --- boxes --- */

/* What a userdata holds. The second tensor is one that was released, but too
 * soon to be let go. No other userdata has the mark. */
typedef struct content {
  torus_tensor *tensor, *late;
  const char *mark;
} content;

static const char mark;

torus_tensor **torus_test_box(lua_State *L, int index) {
  /* A light userdata, which may point anywhere, has no length. */
  content *c = lua_touserdata(L, index);
  if (!c || lua_rawlen(L, index) != sizeof(content)) return NULL;
  return c->mark == &mark ? &c->tensor : NULL;
}

void torus_set_box_metatable(lua_State *L) {
  lua_rawsetp(L, LUA_REGISTRYINDEX, &mark);
}

torus_tensor **torus_push_box(lua_State *L) {
  torus_feed_collector(L);
  content *c = lua_newuserdatauv(L, sizeof *c, 0);
  *c = (content){NULL, NULL, &mark};
  lua_rawgetp(L, LUA_REGISTRYINDEX, &mark);
  lua_setmetatable(L, -2);
  return &c->tensor;
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

/* Whether the collector calls the running C function: a script may do so, too,
 * from a finaliser. Lua names the call so for no other. */
static bool is_collection(lua_State *L) {
  lua_Debug call;
  return lua_getstack(L, 0, &call) && lua_getinfo(L, "n", &call) && call.name &&
         strcmp(call.name, "__gc") == 0 &&
         strcmp(call.namewhat, "metamethod") == 0;
}

void torus_empty_box(lua_State *L, torus_tensor **box, bool collected) {
  content *c = (content *)box;
  torus_tensor *tensor = c->tensor, *late = c->late;
  c->tensor = c->late = NULL;
  if (in_finaliser(L) && !(collected && is_collection(L))) {
    c->late = late ? late : tensor;
    return;
  }
  torus_tensor_release(tensor);
  torus_tensor_release(late);
}

torus_tensor *torus_to_tensor(lua_State *L, int index) {
  torus_tensor **box = torus_test_box(L, index);
  return box ? *box : NULL;
}

static bool is_list_of_numbers(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TTABLE) return false;
  int type = lua_rawgeti(L, index, 1);
  lua_pop(L, 1);
  return type == LUA_TNUMBER || type == LUA_TTABLE;
}

torus_tensor *torus_check_tensor(lua_State *L, int index,
                                 const char *operation) {
  torus_tensor **box = torus_test_box(L, index);
  if (!box) {
    torus_raise_text(L, "%s: expected a tensor as argument %d, got %s%s",
                     operation, index, torus_describe(L, index),
                     is_list_of_numbers(L, index)
                         ? "; torus.tensor(list) makes one of it"
                         : "");
    return NULL;
  }
  if (!*box) torus_raise_text(L, "%s: the tensor was released", operation);
  return *box;
}

static int raise_status(lua_State *L, const torus_status *status) {
  if (status->code == TORUS_ESCRIPT) return torus_raise_kept(L);
  lua_pushstring(L, status->message);
  /* One that a finaliser sees is not for it: the script is told later. */
  if (status->code == TORUS_EINTERRUPTED && !in_finaliser(L)) {
    torus_end_interrupt(L);
  }
  return status->code == TORUS_EINVAL ? torus_raise_misuse(L) : torus_raise(L);
}

/* One try; the result, if any, goes to the box. Fills the status after an
 * error alone: it is long. */
static torus_code attempt(torus_compute_fn *fn, void *arg, torus_tensor **box,
                          torus_status *status) {
  torus_scope scope;
  torus_scope_init(&scope, recording);
  torus_tensor *result = fn(&scope, arg);
  torus_interrupt_check(&scope.status);
  if (box && scope.status.code == TORUS_OK) {
    *box = torus_tensor_retain(result);
  }
  torus_scope_clear(&scope);
  if (scope.status.code != TORUS_OK) *status = scope.status;
  return scope.status.code;
}

static void run_twice(lua_State *L, torus_compute_fn *fn, void *arg,
                      torus_tensor **box) {
  bool noted = torus_anomaly(); /* which asks where the script is */
  lua_State *before = noted ? torus_set_running(L) : NULL;
  torus_status status;
  torus_code code = attempt(fn, arg, box, &status);
  if (code == TORUS_ENOMEM) {
    collect(L);
    torus_alloc_trim();
    code = attempt(fn, arg, box, &status);
  }
  if (noted) torus_set_running(before);
  if (code != TORUS_OK) raise_status(L, &status);
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
