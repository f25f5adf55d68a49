/* Parameters of registered operations, as their descriptors declare them. */
#include "binding/invocation.h"
#include "core/words.h"
#include "hamiltonian/network.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void check_distinct(lua_State *L, const torus_invocation *v,
                           const torus_shape *dims) {
  for (int i = 0; i < dims->ndim; i++) {
    for (int k = 0; k < i; k++) {
      if (dims->size[i] == dims->size[k]) {
        torus_raise_text(L, "%s: dimension %d is named twice", v->op->name,
                         (int)dims->size[i] + 1);
      }
    }
  }
}

static void read_dims(lua_State *L, torus_invocation *v, torus_shape *dims) {
  for (int i = 0; i < dims->ndim; i++) {
    lua_pushinteger(L, dims->size[i]);
    dims->size[i] = torus_check_dim(L, lua_gettop(L), v->op->name, v->ndim);
    lua_pop(L, 1);
  }
  check_distinct(L, v, dims);
}

static void all_dims(const torus_invocation *v, torus_shape *dims) {
  dims->ndim = v->ndim;
  for (int d = 0; d < v->ndim; d++) dims->size[d] = d;
}

/* --- inputs that parameters bring --- */

/* The capacity for inputs beyond the first few, and a list that keeps them
 * alive. */
#define MORE_INPUTS 128

typedef struct reading {
  torus_invocation *v;
  int ints, floats, lists; /* slots that are taken */
  int kept;                /* index of the list of further inputs */
} reading;

/* Appends the tensor on top of the stack, and pops it. */
static void append_input(lua_State *L, reading *r, torus_tensor *x) {
  torus_invocation *v = r->v;
  if (v->in == v->few) {
    for (int i = 0; i < v->inputs; i++) {
      if (v->few[i]) continue;
      torus_raise_text(L, "%s: expected a tensor as argument %d, got a number",
                       v->op->name, i + 1);
    }
    v->in = lua_newuserdatauv(L, MORE_INPUTS * sizeof *v->in, 0);
    lua_rawseti(L, r->kept, 1);
    for (int i = 0; i < v->inputs; i++) v->in[i] = v->few[i];
  }
  if (v->inputs == MORE_INPUTS) {
    torus_raise_text(L, "%s: expected at most %d tensors", v->op->name,
                     MORE_INPUTS);
  }
  lua_rawseti(L, r->kept, v->inputs + 1);
  v->in[v->inputs++] = x;
}

/* Appends the tensors of the list at index; name: of one of them. */
static int append_list(lua_State *L, reading *r, int index, const char *name) {
  const char *operation = r->v->op->name;
  if (lua_type(L, index) != LUA_TTABLE) {
    torus_raise_text(L, "%s: expected a list of tensors as %s, got %s",
                     operation, name, torus_describe(L, index));
  }
  int count = torus_list_length(L, index, operation);
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, index, i);
    append_input(L, r, torus_check_entry(L, operation, name, i));
  }
  return count;
}

static void read_scalar(lua_State *L, reading *r, const torus_param *p,
                        int index) {
  torus_invocation *v = r->v;
  double *number = &v->attrs.f[r->floats++];
  if (lua_isnoneornil(L, index)) {
    *number = p->value;
  } else if (lua_type(L, index) == LUA_TNUMBER) {
    *number = lua_tonumber(L, index);
    if (!isnan(*number)) return; /* which is the sign of a tensor */
    torus_raise_text(L, "%s: expected a number or a tensor as %s, got nan",
                     v->op->name, p->name);
  } else if (lua_type(L, index) == LUA_TUSERDATA) {
    torus_check_tensor(L, index, v->op->name);
    *number = (double)NAN;
    lua_pushvalue(L, index);
    append_input(L, r, torus_to_tensor(L, -1));
  } else {
    torus_raise_text(L, "%s: expected a number or a tensor as %s, got %s",
                     v->op->name, p->name, torus_describe(L, index));
  }
}

/* `moving` of a quadratic energy; 0 if it isn't given. */
static int64_t read_moving(lua_State *L, int index, const char *operation) {
  if (torus_option(L, index, "moving") == LUA_TNIL) return 0;
  int64_t moving = torus_check_integer(L, -1, operation, "moving");
  if (moving > 0) return moving;
  torus_raise_text(L, "%s: moving: expected at least 1, got %" PRId64,
                   operation, moving);
  return 0;
}

/* The network on top of the stack: {kind =, activation =, layers =,
 * readout_bias =, parameters =}, or {kind = "quadratic", moving =}. */
static void read_network(lua_State *L, reading *r, int number) {
  static const char *const keys[] = {"kind",         "activation", "layers",
                                     "readout_bias", "parameters", NULL};
  static const char *const quadratic_keys[] = {"kind", "moving", NULL};
  const char *operation = r->v->op->name;
  int index = lua_gettop(L);
  torus_check_table(L, index, operation, "a network");
  torus_option(L, index, "kind");
  const char *kind = torus_check_string(L, -1, operation, "a network's kind");
  const char *activation = "";
  bool quadratic = strcmp(kind, "quadratic") == 0, readout_bias = false;
  torus_check_keys(L, index, operation, quadratic ? quadratic_keys : keys);
  int64_t layers = 0, moving = 0;
  if (quadratic) {
    moving = read_moving(L, index, operation);
  } else {
    torus_option(L, index, "activation");
    activation = torus_check_string(L, -1, operation, "a network's activation");
    torus_option(L, index, "readout_bias");
    readout_bias = lua_toboolean(L, -1);
    layers = torus_option_integer(L, index, operation, "layers");
  }
  torus_network network;
  torus_status status = {TORUS_OK, ""};
  if (!torus_network_read(&network, operation, number, kind, activation, layers,
                          readout_bias, &status)) {
    torus_raise_text(L, "%s", status.message);
  }
  network.moving = moving;
  torus_option(L, index, "parameters");
  int expected = torus_network_parameters(&network);
  int got = quadratic ? 0 : append_list(L, r, lua_gettop(L), "parameter");
  if (got != expected) {
    torus_raise_text(L,
                     "%s: network %d is described as having %d parameters, "
                     "got %d (is readout_bias right?)",
                     operation, number, expected, got);
  }
  r->v->attrs.list[r->lists++] = torus_network_pack(&network);
}

static void read_networks(lua_State *L, reading *r, int index) {
  const char *operation = r->v->op->name;
  torus_check_table(L, index, operation, "networks");
  int count = torus_list_length(L, index, operation);
  if (count != 1 && count != 2) {
    torus_raise_text(L, "%s: expected one network or two, got %d", operation,
                     count);
  }
  int top = lua_gettop(L);
  for (int k = 1; k <= count; k++) {
    lua_rawgeti(L, index, k);
    read_network(L, r, k);
    lua_settop(L, top);
  }
}

/* --- one parameter --- */

static void read_choice(lua_State *L, torus_invocation *v, const torus_param *p,
                        int64_t *chosen, int index) {
  luaL_Buffer known;
  char hint[TORUS_WORD_TEXT];
  torus_word_search search = {.wanted = ""};
  if (lua_type(L, index) == LUA_TSTRING) {
    search.wanted = lua_tostring(L, index);
    for (int i = 0; v->op->choice(i); i++) {
      *chosen = i;
      if (strcmp(v->op->choice(i), search.wanted) == 0) return;
      torus_word_try(&search, v->op->choice(i));
    }
  }
  luaL_buffinit(L, &known);
  for (int i = 0; v->op->choice(i); i++) {
    if (i > 0) luaL_addstring(&known, ", ");
    luaL_addstring(&known, v->op->choice(i));
  }
  luaL_pushresult(&known);
  torus_raise_text(L, "%s: expected one of %s as %s, got %s%s", v->op->name,
                   lua_tostring(L, -1), p->name, torus_describe(L, index),
                   torus_word_hint(search.best, hint));
}

static void read_flag(lua_State *L, torus_invocation *v, const torus_param *p,
                      int64_t *flag, int index) {
  if (lua_type(L, index) != LUA_TBOOLEAN) {
    torus_raise_text(L, "%s: expected true or false as %s, got %s", v->op->name,
                     p->name, torus_describe(L, index));
  }
  *flag = lua_toboolean(L, index);
}

/* A default, too, must be one of the tensor's dimensions. */
static void read_dim(lua_State *L, torus_invocation *v, const torus_param *p,
                     int64_t *dim, int index) {
  bool absent = lua_isnoneornil(L, index);
  if (absent && isnan(p->value)) {
    *dim = TORUS_ABSENT;
    return;
  }
  if (absent) lua_pushinteger(L, (lua_Integer)p->value);
  *dim = torus_check_dim(L, absent ? -1 : index, v->op->name, v->ndim);
  if (absent) lua_pop(L, 1);
}

/* Reads a parameter with one argument, at index. */
static void read_single(lua_State *L, reading *r, const torus_param *p,
                        int index) {
  torus_invocation *v = r->v;
  const char *operation = v->op->name;
  bool absent = lua_isnoneornil(L, index);
  int64_t *slot = &v->attrs.i[r->ints];
  switch (p->kind) {
  case TORUS_PARAM_FLOAT:
    v->attrs.f[r->floats++] =
        absent ? p->value : torus_check_number(L, index, operation, p->name);
    return;
  case TORUS_PARAM_SCALAR:
    read_scalar(L, r, p, index);
    return;
  case TORUS_PARAM_TENSORS:
    append_list(L, r, index, "parameter");
    return;
  case TORUS_PARAM_NETWORKS:
    read_networks(L, r, index);
    return;
  case TORUS_PARAM_DIM:
    read_dim(L, v, p, slot, index);
    break;
  case TORUS_PARAM_DTYPE:
    *slot = torus_check_dtype(L, index, operation);
    break;
  default:
    if (absent) {
      *slot = isnan(p->value) ? TORUS_ABSENT : (int64_t)p->value;
      break;
    }
    if (p->kind == TORUS_PARAM_INT) {
      *slot = torus_check_integer(L, index, operation, p->name);
    } else if (p->kind == TORUS_PARAM_BOOL) {
      read_flag(L, v, p, slot, index);
    } else {
      read_choice(L, v, p, slot, index);
    }
  }
  r->ints++;
}

/* Reads a parameter from the argument at index on, and returns how many
 * arguments it took. */
static int read_param(lua_State *L, reading *r, const torus_param *p,
                      int index) {
  torus_invocation *v = r->v;
  bool absent = lua_isnoneornil(L, index);
  if (absent && !p->optional) {
    torus_raise_text(L, "%s: missing %s", v->op->name, p->name);
  }
  if (p->kind != TORUS_PARAM_DIMS && p->kind != TORUS_PARAM_LIST) {
    read_single(L, r, p, index);
    return 1;
  }
  torus_shape *list = &v->attrs.list[r->lists++];
  if (absent) {
    all_dims(v, list);
    return 1;
  }
  int read = torus_check_list(L, index, v->op->name, p->name, list);
  if (p->kind == TORUS_PARAM_DIMS) read_dims(L, v, list);
  return read;
}

/* --- all of them --- */

static bool has_names(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TTABLE) return false;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
      lua_pop(L, 1);
      return true;
    }
  }
  return false;
}

void torus_read_params(lua_State *L, torus_invocation *v, int index) {
  const torus_op *op = v->op;
  if (!op->params[0].name && lua_gettop(L) < index) return;
  reading r = {.v = v};
  if (op->more_inputs) {
    luaL_checkstack(L, 32, op->name);
    lua_newtable(L);
    lua_insert(L, index);
    r.kept = index++;
  }
  bool named = lua_gettop(L) == index && has_names(L, index);
  if (named) {
    const char *keys[TORUS_MAX_PARAMS + 1] = {NULL};
    for (int i = 0; i < TORUS_MAX_PARAMS; i++) keys[i] = op->params[i].name;
    torus_check_keys(L, index, op->name, keys);
  }
  for (int i = 0; i < TORUS_MAX_PARAMS && op->params[i].name; i++) {
    if (named) {
      torus_option(L, index, op->params[i].name);
      read_param(L, &r, &op->params[i], lua_gettop(L));
    } else {
      index += read_param(L, &r, &op->params[i], index);
    }
  }
  if (!named && index <= lua_gettop(L) && !lua_isnil(L, index)) {
    torus_raise_text(L, "%s: too many arguments, the first one too many is %s",
                     op->name, torus_describe(L, index));
  }
}
