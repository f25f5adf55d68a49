/* Ground truth: rk45 over kernels and over Lua functions. */
#include "autodiff/build.h"
#include "binding/binding.h"
#include "hamiltonian/systems.h"

#include <string.h>

/* --- a vector field that is a Lua function --- */

typedef struct calling {
  lua_State *L;
  int function; /* its index on the stack */
  int64_t lanes, size;
  const double *t, *y;
  double *dy;
} calling;

/* (size, lanes) to (lanes, size) and back. */
static void transpose(const double *from, int64_t rows, int64_t columns,
                      double *to) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++)
      to[j * rows + i] = from[i * columns + j];
}

static torus_tensor *states_of(torus_scope *scope, void *arg) {
  const calling *c = arg;
  torus_shape shape = {2, {c->lanes, c->size}};
  torus_tensor *x = torus_tensor_new(TORUS_FLOAT64, &shape, &scope->status);
  if (!torus_scope_own(scope, x)) return NULL;
  transpose(c->y, c->size, c->lanes, torus_tensor_data(x));
  return x;
}

static torus_tensor *times_of(torus_scope *scope, void *arg) {
  const calling *c = arg;
  torus_shape shape = {1, {c->lanes}};
  torus_tensor *t = torus_tensor_new(TORUS_FLOAT64, &shape, &scope->status);
  if (!torus_scope_own(scope, t)) return NULL;
  memcpy(torus_tensor_data(t), c->t, sizeof(double) * (size_t)c->lanes);
  return t;
}

/* Runs protected: (calling) */
static int call_function(lua_State *L) {
  const calling *c = lua_touserdata(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  torus_push_result(L, states_of, lua_touserdata(L, 1));
  torus_push_result(L, times_of, lua_touserdata(L, 1));
  lua_call(L, 2, 1);
  torus_tensor *slopes = torus_check_tensor(L, -1, "rk45");
  slopes = torus_push_dense(L, slopes);
  torus_check_dense(L, slopes, TORUS_FLOAT64, 2, "rk45", "(batch, size)");
  if (slopes->shape.size[0] != c->lanes || slopes->shape.size[1] != c->size) {
    return torus_raise_text(L,
                            "rk45: expected slopes of shape (%d,%d) from "
                            "the field, got %s",
                            (int)c->lanes, (int)c->size, torus_describe(L, -1));
  }
  transpose(torus_tensor_data(slopes), c->lanes, c->size, c->dy);
  return 0;
}

static bool lua_field(const torus_field *field, int64_t lanes,
                      const double *constants, const double *t, const double *y,
                      double *dy, torus_status *status) {
  (void)constants;
  calling *c = field->context;
  lua_State *L = c->L;
  c->lanes = lanes;
  c->size = field->size;
  c->t = t;
  c->y = y;
  c->dy = dy;
  lua_pushvalue(L, c->function);
  lua_pushlightuserdata(L, c);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  return torus_keep_raised(L, status);
}

/* --- rk45 --- */

typedef struct solving {
  torus_field field;
  torus_tensor *states;
  int64_t samples;
  const double *times;
  torus_rk45_options options;
  torus_rk45_stats stats;
} solving;

static torus_tensor *solve(torus_scope *scope, void *arg) {
  solving *s = arg;
  int64_t count = s->states->shape.size[0];
  for (int64_t i = 0; s->options.records && i < count; i++)
    torus_rk45_record_clear(&s->options.records[i]); /* of a first attempt */
  torus_shape shape = {3, {count, s->samples, s->states->shape.size[1]}};
  torus_tensor *out = torus_tensor_new(TORUS_FLOAT64, &shape, &scope->status);
  if (!torus_scope_own(scope, out)) return NULL;
  bool ok = torus_rk45_solve(&s->field, count, torus_tensor_data(s->states),
                             s->samples, s->times, torus_tensor_data(out),
                             &s->options, &s->stats, &scope->status);
  return ok ? out : NULL;
}

/* The constants on top of the stack, which keeps them alive: a list, or a
 * tensor (trajectories, constants) with each trajectory's own. */
static const double *read_constants(lua_State *L, const solving *s,
                                    int64_t *count, bool *vary) {
  torus_tensor *own = torus_to_tensor(L, -1);
  *vary = own != NULL;
  if (!own) {
    return torus_push_numbers(L, lua_gettop(L), "rk45", "constants", count);
  }
  torus_check_dense(L, own, TORUS_FLOAT64, 2, "rk45",
                    "(trajectories, constants)");
  if (own->shape.size[0] != s->states->shape.size[0]) {
    torus_raise_text(L,
                     "rk45: expected constants of %lld trajectories, got "
                     "those of %lld",
                     (long long)s->states->shape.size[0],
                     (long long)own->shape.size[0]);
  }
  *count = own->shape.size[1];
  return torus_tensor_data(own);
}

/* Fills the field from {name, constants, friction} or a function at index 1.
 */
static void read_field(lua_State *L, solving *s, calling *c) {
  int64_t size = s->states->shape.size[1];
  if (lua_type(L, 1) == LUA_TFUNCTION) {
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, call_function, 1);
    *c = (calling){.L = L, .function = lua_gettop(L)};
    luaL_checkstack(L, 4, "rk45");
    s->field = (torus_field){
        .fn = lua_field, .size = size, .whole_batch = true, .context = c};
    return;
  }
  torus_status status = {TORUS_OK, ""};
  torus_check_table(L, 1, "rk45", "the field");
  if (lua_rawgeti(L, 1, 1) != LUA_TSTRING) {
    torus_raise_text(L, "rk45: expected the name of a field, got %s",
                     torus_describe(L, -1));
  }
  const char *name = lua_tostring(L, -1);
  double friction = 0;
  if (lua_rawgeti(L, 1, 3) != LUA_TNIL) {
    friction = luaL_checknumber(L, -1);
  }
  lua_pop(L, 1);
  lua_rawgeti(L, 1, 2);
  int64_t count;
  bool vary;
  const double *constants = read_constants(L, s, &count, &vary);
  if (!torus_system_field(name, size, constants, count, &s->field, &status)) {
    lua_pushstring(L, status.message);
    torus_raise(L);
  }
  s->field.constants_vary = vary;
  s->field.friction = friction;
}

/* Adds {steps = (accepted, 2 + 5 size), failure =, finish =} of a record to the
 * list at index, and clears it. */
typedef struct rows {
  const torus_rk45_record *record;
  int64_t width;
} rows;

static torus_tensor *rows_of(torus_scope *scope, void *arg) {
  const rows *r = arg;
  torus_shape shape = {2, {r->record->steps, r->width}};
  torus_tensor *x = torus_tensor_new(TORUS_FLOAT64, &shape, &scope->status);
  if (!torus_scope_own(scope, x)) return NULL;
  if (r->record->steps > 0)
    memcpy(torus_tensor_data(x), r->record->data,
           sizeof(double) * (size_t)(r->record->steps * r->width));
  return x;
}

static void push_record(lua_State *L, const solving *s, int64_t i) {
  torus_rk45_record *record = &s->options.records[i];
  rows r = {record, 2 + 5 * s->states->shape.size[1]};
  lua_createtable(L, 0, 3);
  torus_push_result(L, rows_of, &r);
  lua_setfield(L, -2, "steps");
  lua_pushstring(L, record->failure);
  lua_setfield(L, -2, "failure");
  lua_pushnumber(L, record->end);
  lua_setfield(L, -2, "finish");
  torus_rk45_record_clear(record);
}

/* The records' memory, in a userdata with this metatable: released even where
 * an error jumps. */
#define RECORDS "torus.rk45.records"

static int clear_records(lua_State *L) {
  torus_rk45_record *records = lua_touserdata(L, 1);
  size_t count = lua_rawlen(L, 1) / sizeof *records;
  for (size_t i = 0; i < count; i++) torus_rk45_record_clear(&records[i]);
  return 0;
}

static torus_rk45_record *push_records(lua_State *L, int64_t count) {
  size_t bytes = sizeof(torus_rk45_record) * (size_t)(count > 0 ? count : 1);
  torus_rk45_record *records = lua_newuserdatauv(L, bytes, 0);
  memset(records, 0, bytes);
  if (luaL_newmetatable(L, RECORDS)) {
    lua_pushcfunction(L, clear_records);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return records;
}

static bool option_flag(lua_State *L, int index, const char *name) {
  torus_option(L, index, name);
  bool on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

/* rk45(field, states, times, {rtol =, atol =, first_step =, max_step =,
 * max_steps =, every_sample =, record =}) -> (batch, times, size), steps
 * accepted, steps rejected, and with record a list of {steps =, failure =,
 * finish =}, see torus_rk45_record.
 * field: {name, {constant, ...}, friction = 0}, the constants also a tensor
 * (batch, constants), or a function from states (batch, size) and times
 * (batch) to their slopes. */
static int rk45(lua_State *L) {
  solving s = {.states = torus_check_tensor(L, 2, "rk45")};
  calling c;
  torus_check_dense(L, s.states, TORUS_FLOAT64, 2, "rk45", "(batch, size)");
  torus_check_table(L, 4, "rk45", "the options");
  lua_settop(L, 4);
  torus_push_tensor(L, s.states); /* the field may release them */
  s.options = (torus_rk45_options){
      .rtol = torus_option_number(L, 4, "rk45", "rtol"),
      .atol = torus_option_number(L, 4, "rk45", "atol"),
      .first_step = torus_option_number(L, 4, "rk45", "first_step"),
      .max_step = torus_option_number(L, 4, "rk45", "max_step"),
      .max_steps = torus_option_integer(L, 4, "rk45", "max_steps"),
      .every_sample = option_flag(L, 4, "every_sample")};
  int64_t count = s.states->shape.size[0];
  if (option_flag(L, 4, "record")) s.options.records = push_records(L, count);
  s.times = torus_push_numbers(L, 3, "rk45", "times", &s.samples);
  read_field(L, &s, &c);
  torus_push_result(L, solve, &s);
  lua_pushinteger(L, s.stats.steps);
  lua_pushinteger(L, s.stats.rejected);
  if (!s.options.records) return 3;
  lua_createtable(L, (int)count, 0);
  for (int64_t i = 0; i < count; i++) {
    push_record(L, &s, i);
    lua_seti(L, -2, i + 1);
  }
  return 4;
}

void torus_open_rk45(lua_State *L) {
  lua_pushcfunction(L, rk45);
  lua_setfield(L, -2, "rk45");
}
