/* Functions whose gradient is a Lua function: the operation behind
 * torus.custom.
 *
 * Its inputs are the value that the function's forward part has computed, and
 * the tensors that it was computed from; its result is a view of that value.
 * The node keeps the Lua function that computes gradients. */
#include "autodiff/build.h"
#include "autodiff/op.h"
#include "binding/binding.h"
#include "binding/running.h"
#include "core/alloc.h"

static _Thread_local lua_State *running;

lua_State *torus_running(void) { return running; }

lua_State *torus_set_running(lua_State *L) {
  lua_State *before = running;
  running = L;
  return before;
}

/* A Lua function that a node keeps. */
typedef struct reference {
  lua_State *main; /* which lives as long as any thread of its state */
  int key;         /* in the registry */
} reference;

static void release_reference(void *kept) {
  const reference *r = kept;
  luaL_unref(r->main, LUA_REGISTRYINDEX, r->key);
  torus_free(kept);
}

static torus_tensor *custom_forward(torus_scope *scope,
                                    const torus_call *call) {
  torus_tensor *value = call->in[0];
  return torus_tensor_view(value, &value->shape, value->strides, value->offset,
                           &scope->status);
}

/* --- the gradient --- */

typedef struct rule {
  torus_scope *scope;
  const torus_call *call;
  torus_tensor *g;
  const bool *wanted;
  torus_tensor **out;
} rule;

/* Runs protected: (rule). Calls function(g, result, {input, ...}, {whether
 * input is wanted, ...}), which returns a list of gradients. */
static int call_rule(lua_State *L) {
  const rule *r = lua_touserdata(L, 1);
  const torus_call *call = r->call;
  const reference *kept = call->out->node->kept;
  lua_rawgeti(L, LUA_REGISTRYINDEX, kept->key);
  torus_push_tensor(L, r->g);
  torus_push_tensor(L, call->out);
  lua_createtable(L, call->inputs - 1, 0);
  lua_createtable(L, call->inputs - 1, 0);
  for (int i = 1; i < call->inputs; i++) {
    torus_push_tensor(L, call->in[i]);
    lua_rawseti(L, -3, i);
    lua_pushboolean(L, r->wanted[i]);
    lua_rawseti(L, -2, i);
  }
  lua_call(L, 4, 1);
  for (int i = 1; i < call->inputs; i++) {
    if (!r->wanted[i]) continue;
    lua_rawgeti(L, -1, i);
    torus_tensor *gradient = torus_check_tensor(L, -1, "custom");
    r->out[i] = torus_scope_own(r->scope, torus_tensor_retain(gradient));
    lua_pop(L, 1);
  }
  return 0;
}

static bool custom_gradients(torus_scope *scope, const torus_call *call,
                             torus_tensor *g, const bool *wanted,
                             torus_tensor **out) {
  lua_State *L = running;
  rule r = {scope, call, g, wanted, out};
  if (!L || !lua_checkstack(L, 4)) {
    return torus_status_fail(&scope->status, TORUS_EINVAL,
                             "custom: no script is running");
  }
  bool before = torus_set_recording(scope->record);
  lua_pushcfunction(L, call_rule);
  lua_pushlightuserdata(L, &r);
  int status = lua_pcall(L, 1, 0, 0);
  torus_set_recording(before);
  if (status == LUA_OK) return scope->status.code == TORUS_OK;
  return torus_keep_raised(L, &scope->status);
}

static const torus_op custom_op = {.name = "custom",
                                   .inputs = 2,
                                   .optional_inputs = -1,
                                   .forward = custom_forward,
                                   .gradients = custom_gradients,
                                   .reads =
                                       TORUS_READS_INPUTS | TORUS_READS_OUT,
                                   .any_dtype = true,
                                   .runs_script = true};

/* --- the call --- */

typedef struct application {
  torus_tensor **in;
  int inputs;
} application;

static torus_tensor *apply(torus_scope *scope, void *arg) {
  const application *a = arg;
  return torus_apply(scope, &custom_op, a->in, a->inputs, NULL);
}

/* The result on top of the stack keeps the function at index. */
static void keep_function(lua_State *L, int index) {
  torus_node *node = torus_to_tensor(L, -1)->node;
  if (!node) return;
  lua_pushvalue(L, index);
  int key = luaL_ref(L, LUA_REGISTRYINDEX);
  reference *kept = torus_alloc(sizeof *kept);
  if (!kept) {
    luaL_unref(L, LUA_REGISTRYINDEX, key);
    torus_raise_text(L, "custom: out of memory");
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  *kept = (reference){lua_tothread(L, -1), key};
  lua_pop(L, 1);
  node->kept = kept;
  node->release_kept = release_reference;
}

/* custom(rule, {value, input, ...}) -> value with a history, whose gradient is
 * rule(g, result, {input, ...}, {wanted, ...}) -> {gradient, ...} */
static int custom(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  application a = {.inputs = torus_own_list(L, 2, "custom")};
  a.in = lua_newuserdatauv(L, (size_t)(a.inputs + 1) * sizeof *a.in, 0);
  for (int i = 0; i < a.inputs; i++) {
    lua_rawgeti(L, 2, i + 1);
    a.in[i] = torus_check_entry(L, "custom", "input", i + 1);
    lua_pop(L, 1);
  }
  torus_push_result(L, apply, &a);
  keep_function(L, 1);
  return 1;
}

void torus_open_custom(lua_State *L) {
  lua_pushcfunction(L, custom);
  lua_setfield(L, -2, "custom");
}
