/* Ground truth and pictures: rk45 and the renderer of discs. */
#include "autodiff/build.h"
#include "binding/binding.h"
#include "hamiltonian/systems.h"
#include "kernels/raster.h"

#include <string.h>

/* --- numbers in tables
 * --------------------------------------------------------- */

/* The list at index as `count` numbers of a new userdata, which is pushed. */
static double *read_numbers(lua_State *L, int index, const char *what,
                            const char *name, int64_t *count) {
  if (lua_type(L, index) != LUA_TTABLE) {
    torus_raise_text(L, "%s: expected a list of numbers as %s, got %s", what,
                     name, luaL_typename(L, index));
  }
  *count = torus_list_length(L, index, what);
  double *list = lua_newuserdatauv(L, (size_t)(*count + 1) * sizeof *list, 0);
  for (int64_t i = 0; i < *count; i++) {
    if (lua_rawgeti(L, index, i + 1) != LUA_TNUMBER) {
      torus_raise_text(L, "%s: expected numbers as %s, got %s at %lld", what,
                       name, luaL_typename(L, -1), (long long)i + 1);
    }
    list[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  return list;
}

/* The list in a field as floats of a new userdata, left on the stack, which
 * keeps it alive. */
static float *float_field(lua_State *L, int index, const char *what,
                          const char *name, int64_t expected) {
  int64_t count;
  torus_option(L, index, name);
  const double *list = read_numbers(L, lua_gettop(L), what, name, &count);
  if (count != expected) {
    torus_raise_text(L, "%s: expected %lld numbers as %s, got %lld", what,
                     (long long)expected, name, (long long)count);
  }
  float *floats = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *floats, 0);
  for (int64_t i = 0; i < count; i++) floats[i] = (float)list[i];
  return floats;
}

static void check_dense(lua_State *L, const torus_tensor *x, torus_dtype dtype,
                        int ndim, const char *what, const char *shape) {
  char text[TORUS_SHAPE_TEXT];
  if (x->dtype != dtype || x->shape.ndim != ndim ||
      !torus_tensor_is_contiguous(x)) {
    torus_raise_text(L,
                     "%s: expected a contiguous %s tensor of shape %s, got "
                     "%s %s",
                     what, torus_dtype_name(dtype), shape,
                     torus_dtype_name(x->dtype),
                     torus_shape_format(&x->shape, text));
  }
}

/* --- a vector field that is a Lua function
 * ---------------------------------------- */

typedef struct calling {
  lua_State *L;
  int function; /* its place on the stack */
  int64_t lanes, size;
  const double *y;
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

/* Runs protected: (calling) */
static int call_function(lua_State *L) {
  const calling *c = lua_touserdata(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  torus_push_result(L, states_of, lua_touserdata(L, 1));
  lua_call(L, 1, 1);
  torus_tensor *slopes = torus_check_tensor(L, -1, "rk45");
  slopes = torus_push_dense(L, slopes);
  check_dense(L, slopes, TORUS_FLOAT64, 2, "rk45", "(batch, size)");
  if (slopes->shape.size[0] != c->lanes || slopes->shape.size[1] != c->size) {
    return torus_raise_text(L, "rk45: the field gives slopes of another shape "
                               "than the states");
  }
  transpose(torus_tensor_data(slopes), c->lanes, c->size, c->dy);
  return 0;
}

static bool lua_field(const torus_field *field, int64_t lanes, const double *t,
                      const double *y, double *dy, torus_status *status) {
  (void)t;
  calling *c = field->context;
  lua_State *L = c->L;
  c->lanes = lanes;
  c->size = field->size;
  c->y = y;
  c->dy = dy;
  lua_pushvalue(L, c->function);
  lua_pushlightuserdata(L, c);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  const char *message = lua_tostring(L, -1);
  torus_status_fail(status, TORUS_ESCRIPT, "%s",
                    message ? message : "rk45: the field raised an error");
  lua_pop(L, 1);
  return false;
}

/* --- rk45
 * ----------------------------------------------------------------------------
 */

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
  torus_shape shape = {3, {count, s->samples, s->states->shape.size[1]}};
  torus_tensor *out = torus_tensor_new(TORUS_FLOAT64, &shape, &scope->status);
  if (!torus_scope_own(scope, out)) return NULL;
  bool ok = torus_rk45_solve(&s->field, count, torus_tensor_data(s->states),
                             s->samples, s->times, torus_tensor_data(out),
                             &s->options, &s->stats, &scope->status);
  return ok ? out : NULL;
}

/* Fills the field from {name, {constant, ...}} or a function at index 1. */
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
  luaL_checktype(L, 1, LUA_TTABLE);
  if (lua_rawgeti(L, 1, 1) != LUA_TSTRING) {
    torus_raise_text(L, "rk45: expected the name of a field, got %s",
                     luaL_typename(L, -1));
  }
  const char *name = lua_tostring(L, -1);
  lua_rawgeti(L, 1, 2);
  int64_t count;
  const double *constants =
      read_numbers(L, lua_gettop(L), "rk45", "constants", &count);
  if (!torus_system_field(name, size, constants, count, &s->field, &status)) {
    lua_pushstring(L, status.message);
    torus_raise(L);
  }
}

/* rk45(field, states, times, {rtol =, atol =, first_step =, max_step =,
 * max_steps =}) -> (batch, times, size), steps accepted, steps rejected.
 * field: {name, {constant, ...}}, or a function from states (batch, size) to
 * their slopes. */
static int rk45(lua_State *L) {
  solving s = {.states = torus_check_tensor(L, 2, "rk45")};
  calling c;
  check_dense(L, s.states, TORUS_FLOAT64, 2, "rk45", "(batch, size)");
  luaL_checktype(L, 4, LUA_TTABLE);
  lua_settop(L, 4);
  torus_push_tensor(L, s.states); /* the field may release them */
  s.options = (torus_rk45_options){
      .rtol = torus_option_number(L, 4, "rk45", "rtol"),
      .atol = torus_option_number(L, 4, "rk45", "atol"),
      .first_step = torus_option_number(L, 4, "rk45", "first_step"),
      .max_step = torus_option_number(L, 4, "rk45", "max_step"),
      .max_steps = torus_option_whole(L, 4, "rk45", "max_steps")};
  s.times = read_numbers(L, 3, "rk45", "times", &s.samples);
  read_field(L, &s, &c);
  torus_push_result(L, solve, &s);
  lua_pushinteger(L, s.stats.steps);
  lua_pushinteger(L, s.stats.rejected);
  return 3;
}

/* --- pictures
 * ---------------------------------------------------------------------- */

typedef struct drawing {
  torus_raster_scene scene;
  torus_tensor *positions;
} drawing;

static torus_tensor *draw(torus_scope *scope, void *arg) {
  const drawing *d = arg;
  int64_t images = d->positions->shape.size[0];
  int64_t side = d->scene.resolution;
  torus_shape shape = {4, {images, side, side, 3}};
  torus_tensor *out = torus_tensor_new(TORUS_FLOAT32, &shape, &scope->status);
  if (!torus_scope_own(scope, out)) return NULL;
  torus_raster_discs(&d->scene, images, torus_tensor_data(d->positions),
                     torus_tensor_data(out));
  return out;
}

/* raster(positions, {resolution =, half_width =, sharpness =, background =,
 * colours =, radii =}): positions (images, bodies, 2) float32, colours and
 * radii flat lists -> (images, resolution, resolution, 3) */
static int raster(lua_State *L) {
  drawing d = {.positions = torus_check_tensor(L, 1, "raster")};
  check_dense(L, d.positions, TORUS_FLOAT32, 3, "raster",
              "(images, bodies, 2)");
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  int64_t bodies = d.positions->shape.size[1];
  if (d.positions->shape.size[2] != 2) {
    return torus_raise_text(L, "raster: expected positions of shape (images, "
                               "bodies, 2)");
  }
  d.scene = (torus_raster_scene){
      .resolution = torus_option_whole(L, 2, "raster", "resolution"),
      .bodies = bodies,
      .half_width = (float)torus_option_number(L, 2, "raster", "half_width"),
      .sharpness = (float)torus_option_number(L, 2, "raster", "sharpness")};
  if (d.scene.resolution < 1 || !(d.scene.half_width > 0)) {
    return torus_raise_text(L, "raster: expected a resolution and a half "
                               "width above 0");
  }
  memcpy(d.scene.background, float_field(L, 2, "raster", "background", 3),
         sizeof d.scene.background);
  d.scene.colours = float_field(L, 2, "raster", "colours", 3 * bodies);
  d.scene.radii = float_field(L, 2, "raster", "radii", bodies);
  return torus_push_result(L, draw, &d);
}

void torus_open_physics(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"rk45", rk45}, {"raster", raster}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
