/* Differentiation: grad, backward, and what decides what is recorded. */
#include "autodiff/anomaly.h"
#include "autodiff/build.h"
#include "autodiff/op.h"
#include "binding/binding.h"
#include "binding/running.h"

typedef struct request {
  lua_State *L;
  torus_tensor *y;
  torus_tensor **targets;
  torus_tensor ***boxes; /* of the results */
  int count;
  bool backward, allow_unused;
  torus_sweep_options options;
} request;

/* What was computed without recording has no gradient. */
static void refuse_unrecorded(lua_State *L, const torus_tensor *y,
                              const char *name) {
  if (y->requires_grad || torus_recording()) return;
  torus_raise_text(L,
                   "%s: y does not depend on any tensor that requires a "
                   "gradient; if it was computed inside torus.no_grad, "
                   "where nothing is recorded, compute it in "
                   "torus.enable_grad",
                   name);
}

static torus_tensor *sweep(torus_scope *scope, const request *r) {
  if (r->backward) {
    torus_backward(scope, r->y, &r->options);
    return NULL;
  }
  torus_tensor *few[16];
  torus_tensor **out = few;
  torus_shape length = {1, {r->count}};
  if (r->count > 16) { /* pointers in memory that the scope frees */
    torus_tensor *pointers =
        torus_tensor_new(TORUS_INT64, &length, &scope->status);
    if (!torus_scope_own(scope, pointers)) return NULL;
    out = torus_tensor_data(pointers);
  }
  if (!torus_grad(scope, r->y, r->targets, r->count, &r->options, out)) {
    return NULL;
  }
  for (int i = 0; i < r->count; i++) {
    torus_tensor *g = out[i];
    if (!g && !r->allow_unused) {
      return torus_scope_fail(scope, TORUS_EINVAL,
                              "grad: y does not depend on input %d; pass "
                              "allow_unused = true to get nil for it",
                              i + 1);
    }
    *r->boxes[i] = torus_tensor_retain(g);
  }
  return NULL;
}

/* Gradient rules of torus.custom run in the state that asked for the sweep. */
static torus_tensor *compute(torus_scope *scope, void *arg) {
  const request *r = arg;
  lua_State *before = torus_set_running(r->L);
  torus_tensor *none = sweep(scope, r);
  torus_set_running(before);
  return none;
}

/* Reads {create_graph =, retain_graph =, grad_output =, allow_unused =}. */
static void read_options(lua_State *L, int index, const char *operation,
                         request *r) {
  static const char *const keys[] = {"create_graph", "retain_graph",
                                     "grad_output",  "allow_unused",
                                     "partial",      NULL};
  torus_check_keys(L, index, operation, keys);
  if (lua_type(L, index) != LUA_TTABLE) return;
  torus_option(L, index, "create_graph");
  r->options.create_graph = lua_toboolean(L, -1);
  torus_option(L, index, "retain_graph");
  r->options.retain_graph =
      lua_isnil(L, -1) ? r->options.create_graph : lua_toboolean(L, -1);
  torus_option(L, index, "partial");
  r->options.partial = lua_toboolean(L, -1);
  torus_option(L, index, "allow_unused");
  r->allow_unused = lua_toboolean(L, -1);
  torus_option(L, index, "grad_output");
  if (!lua_isnil(L, -1)) {
    if (!torus_to_tensor(L, -1)) {
      torus_raise_text(L, "%s: expected a tensor as grad_output, got %s",
                       operation, torus_describe(L, -1));
    }
    r->options.grad_output = torus_to_tensor(L, -1);
  }
  lua_replace(L, index); /* which keeps it alive */
  lua_settop(L, index);
}

/* Pushes an array of count pointers that lives as a Lua value. */
static void *push_array(lua_State *L, int count) {
  return lua_newuserdatauv(L, (size_t)(count + 1) * sizeof(void *), 0);
}

/* Results that stayed empty become nil. */
static void fill_list(lua_State *L, const request *r, int list) {
  for (int i = 0; i < r->count; i++) {
    if (*r->boxes[i]) continue;
    lua_pushnil(L);
    lua_rawseti(L, list, i + 1);
  }
}

/*** Returns gradients of y with respect to tensors, of any order.
 * @function torus.grad
 * @tparam tensor y with one element, unless grad_output is given
 * @tparam tensor|{tensor,...} x tensors to differentiate with respect to,
 * leaves or not, which require a gradient
 * @tparam[opt] table opts grad_output, like y, weighs its elements;
 * create_graph=false, true makes the gradients differentiable themselves;
 * retain_graph (default: create_graph) keeps y's history for another call;
 * allow_unused=false, true returns nil for each x that y does not depend on;
 * partial=false, true treats each x as independent of the others, regardless of
 * how it was computed
 * @treturn tensor|{tensor,...} a gradient for each x, of the same shape
 * @raise when y has several elements and there is no grad_output, an x does
 * not require a gradient or y does not depend on it, or an operation in
 * between has no derivative
 * @usage
 * x = torus.tensor({2}, { requires_grad = true })
 * y = (x * x * x):sum()
 * dy = torus.grad(y, x, { create_graph = true })   -- 3 x^2 = 12
 * print(torus.grad(dy:sum(), x))                   -- 6 x = 12
 */
static int grad(lua_State *L) {
  request r = {.L = L, .y = torus_check_tensor(L, 1, "grad")};
  bool one = lua_type(L, 2) == LUA_TUSERDATA;
  lua_settop(L, 3);
  read_options(L, 3, "grad", &r);
  if (one) {
    torus_check_tensor(L, 2, "grad");
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, 1);
    lua_replace(L, 2);
  } else if (lua_type(L, 2) != LUA_TTABLE) {
    return torus_raise_text(L,
                            "grad: expected a tensor or a list of tensors to "
                            "differentiate with respect to, got %s",
                            torus_describe(L, 2));
  }
  r.count = one ? 1 : torus_own_list(L, 2, "grad");
  r.targets = push_array(L, r.count);
  r.boxes = push_array(L, r.count);
  lua_createtable(L, r.count, 0);
  int list = lua_gettop(L);
  for (int i = 0; i < r.count; i++) {
    lua_rawgeti(L, 2, i + 1);
    r.targets[i] = torus_check_entry(L, "grad", "input", i + 1);
    if (!r.targets[i]->requires_grad && !r.allow_unused) {
      return torus_raise_text(L,
                              "grad: input %d does not require a gradient; set "
                              "x.requires_grad = true before it is used",
                              i + 1);
    }
    lua_pop(L, 1);
    r.boxes[i] = torus_push_box(L);
    lua_rawseti(L, list, i + 1);
  }
  refuse_unrecorded(L, r.y, "grad");
  torus_run(L, compute, &r);
  fill_list(L, &r, list);
  if (one) lua_rawgeti(L, list, 1);
  return 1;
}

/*** Adds the gradient of this tensor to `.grad` of every leaf that requires
 * one.
 * @function tensor:backward
 * @tparam[opt] table opts grad_output, retain_graph as in torus.grad
 * @raise when the tensor has several elements and there is no grad_output, or
 * create_graph is set
 * @usage
 * x = torus.tensor({2}, { requires_grad = true })
 * loss = (x * x):sum()
 * loss:backward()
 * print(x.grad)   -- 4
 */
static int backward(lua_State *L) {
  request r = {
      .L = L, .y = torus_check_tensor(L, 1, "backward"), .backward = true};
  read_options(L, 2, "backward", &r);
  refuse_unrecorded(L, r.y, "backward");
  if (r.options.create_graph) {
    return torus_raise_text(L, "backward: a .grad with a history would hold "
                               "its own tensor; use torus.grad with "
                               "create_graph");
  }
  torus_run(L, compute, &r);
  return 0;
}

/* --- sources --- */

typedef struct looking {
  torus_tensor *y, *first, ***boxes;
  int64_t count;
} looking;

static torus_tensor *count_sources(torus_scope *scope, void *arg) {
  looking *l = arg;
  l->count = torus_sources(scope, l->y, l->first, NULL, 0);
  return NULL;
}

static torus_tensor *fill_boxes(torus_scope *scope, void *arg) {
  const looking *l = arg;
  torus_shape length = {1, {l->count}};
  torus_tensor *pointers =
      torus_tensor_new(TORUS_INT64, &length, &scope->status);
  if (!torus_scope_own(scope, pointers)) return NULL;
  torus_tensor **out = torus_tensor_data(pointers);
  if (torus_sources(scope, l->y, l->first, out, l->count) < 0) return NULL;
  for (int64_t i = 0; i < l->count; i++) {
    *l->boxes[i] = torus_tensor_retain(out[i]);
  }
  return NULL;
}

/* sources(y, first) -> list of the tensors older than `first` that require a
 * gradient and that y was made from, without what those were made from */
static int sources(lua_State *L) {
  looking l = {.y = torus_check_tensor(L, 1, "sources"),
               .first = torus_check_tensor(L, 2, "sources")};
  lua_settop(L, 2);
  torus_run(L, count_sources, &l);
  l.boxes = push_array(L, (int)l.count);
  lua_createtable(L, (int)l.count, 0);
  for (int64_t i = 0; i < l.count; i++) {
    l.boxes[i] = torus_push_box(L);
    lua_rawseti(L, -2, i + 1);
  }
  if (l.count > 0) torus_run(L, fill_boxes, &l);
  return 1;
}

/* --- what is recorded --- */

static torus_tensor *detached(torus_scope *scope, void *arg) {
  torus_tensor *x = arg;
  torus_tensor *view =
      torus_tensor_view(x, &x->shape, x->strides, x->offset, &scope->status);
  return torus_scope_own(scope, view);
}

/*** Returns a tensor that shares the memory of x but is not part of any graph;
 * a view.
 * @function torus.detach
 * @tparam tensor x
 * @treturn tensor
 * @raise when x is not a tensor
 * @usage
 * x = torus.ones(2, { requires_grad = true })
 * print((x * 2):detach().requires_grad)   -- false
 */
static int detach(lua_State *L) {
  return torus_push_result(L, detached, torus_check_tensor(L, 1, "detach"));
}

static torus_tensor *variable_of(torus_scope *scope, void *arg) {
  torus_tensor *x = arg;
  if (scope->record && x->requires_grad) {
    return torus_alias(scope, x);
  }
  torus_tensor *leaf = detached(scope, x);
  if (leaf) leaf->requires_grad = true;
  return leaf;
}

/*** Returns the value of x as an independent variable. A derivative with
 * respect to it is partial: everything else is held fixed, including the inputs
 * x was computed from. Gradients still flow through it back to x.
 * @function torus.variable
 * @tparam tensor x float32 or float64
 * @treturn tensor like x
 * @raise when x is not float32 or float64
 * @usage
 * q = torus.tensor({1}, { requires_grad = true })
 * p = q * 2
 * v = torus.variable(p)
 * H = (q * v):sum()
 * print(torus.grad(H, v, { retain_graph = true }))   -- dH/dp = q = 1
 */
static int variable(lua_State *L) {
  torus_tensor *x = torus_check_tensor(L, 1, "variable");
  if (!torus_dtype_is_float(x->dtype)) {
    return torus_raise_text(
        L, "variable: expected a float32 or float64 tensor, got %s",
        torus_describe(L, 1));
  }
  return torus_push_result(L, variable_of, x);
}

/*** Turns anomaly detection on or off, in this thread: the first NaN produced
 * by an operation or a gradient then raises an error that names the operation
 * and, for gradients, the line that called it. Everything is slower. In-place
 * writes by optimisers and methods such as add_ are not checked.
 * @function torus.set_detect_anomaly
 * @tparam boolean on
 * @treturn boolean true if it was on before
 * @usage
 * torus.set_detect_anomaly(true)
 * print(pcall(torus.log, torus.tensor { 1, -1 }))   -- false, log makes ...
 * torus.set_detect_anomaly(false)
 */
static int set_detect_anomaly(lua_State *L) {
  if (lua_type(L, 1) != LUA_TBOOLEAN) {
    return torus_raise_text(
        L, "set_detect_anomaly: expected true or false, got %s",
        torus_describe(L, 1));
  }
  lua_pushboolean(L, torus_anomaly_set(lua_toboolean(L, 1)));
  return 1;
}

/* By a protected call: a to-be-closed value would wait for coroutine.close
 * where the error ends a coroutine. */
static int with(lua_State *L, const char *name, bool (*set)(bool), bool value) {
  bool callable = lua_type(L, 1) == LUA_TFUNCTION;
  if (!callable && luaL_getmetafield(L, 1, "__call") != LUA_TNIL) {
    lua_pop(L, 1);
    callable = true;
  }
  if (!callable) {
    return torus_raise_text(L, "%s: expected a function, got %s", name,
                            torus_describe(L, 1));
  }
  bool before = set(value);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  set(before);
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/*** Calls a function without recording its operations: no gradient flows
 * through it, and parameters may be modified in place.
 * @function torus.no_grad
 * @tparam function f
 * @tparam[opt] any ... arguments of f
 * @treturn ... the results of f
 * @raise the errors of f
 * @usage
 * w = torus.ones(2, { requires_grad = true })
 * torus.no_grad(function() w:mul_(0.5) end)
 */
static int no_grad(lua_State *L) {
  return with(L, "no_grad", torus_set_recording, false);
}

/*** Calls a function and records its operations, even inside no_grad.
 * @function torus.enable_grad
 * @tparam function f
 * @tparam[opt] any ... arguments of f
 * @treturn ... the results of f
 * @raise the errors of f
 * @usage
 * x = torus.ones(1, { requires_grad = true })
 * torus.no_grad(function()
 *   y = torus.enable_grad(function() return x * 2 end)
 * end)
 * print(y.requires_grad)   -- true
 */
static int enable_grad(lua_State *L) {
  return with(L, "enable_grad", torus_set_recording, true);
}

/*** Calls a function with anomaly detection: the first NaN produced by an
 * operation or a gradient raises an error that names the operation and, for
 * gradients, the line that called it. See torus.set_detect_anomaly.
 * @function torus.detect_anomaly
 * @tparam function f
 * @tparam[opt] any ... arguments of f
 * @treturn ... the results of f
 * @raise the errors of f, and at the first NaN
 * @usage
 * x = torus.zeros(1, { requires_grad = true })
 * print(pcall(torus.detect_anomaly, function()
 *   (x:sqrt() * 0):sum():backward()   -- 0 times infinity
 * end))
 */
static int detect_anomaly(lua_State *L) {
  return with(L, "detect_anomaly", torus_anomaly_set, true);
}

/*** Returns true if operations are recorded for gradients.
 * @function torus.is_recording
 * @treturn boolean false inside no_grad
 * @usage print(torus.is_recording())   -- true
 */
static int is_recording(lua_State *L) {
  lua_pushboolean(L, torus_recording());
  return 1;
}

void torus_open_grad(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"grad", grad},
      {"backward", backward},
      {"sources", sources},
      {"detach", detach},
      {"variable", variable},
      {"no_grad", no_grad},
      {"enable_grad", enable_grad},
      {"is_recording", is_recording},
      {"detect_anomaly", detect_anomaly},
      {"set_detect_anomaly", set_detect_anomaly},
      {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  torus_anomaly_locate_by(torus_locate);
}
