/* Pictures of discs. */
#include "kernels/raster.h"
#include "binding/binding.h"

#include <string.h>

/* The list in a field as floats of a new userdata, left on the stack, which
 * keeps it alive. */
static float *float_field(lua_State *L, int index, const char *operation,
                          const char *name, int64_t expected) {
  int64_t count;
  torus_option(L, index, name);
  const double *list =
      torus_push_numbers(L, lua_gettop(L), operation, name, &count);
  if (count != expected) {
    torus_raise_text(L, "%s: expected %lld numbers as %s, got %lld", operation,
                     (long long)expected, name, (long long)count);
  }
  float *floats = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *floats, 0);
  for (int64_t i = 0; i < count; i++) floats[i] = (float)list[i];
  return floats;
}

/* A field that is a list of `expected` floats, or a float32 tensor with as
 * many for each image. */
static const float *disc_field(lua_State *L, int index, const char *name,
                               int64_t images, int64_t expected, bool *own) {
  torus_option(L, index, name);
  torus_tensor *x = torus_to_tensor(L, -1);
  *own = x != NULL;
  lua_pop(L, 1); /* the scene keeps it alive */
  if (!x) return float_field(L, index, "raster", name, expected);
  torus_check_dense(L, x, TORUS_FLOAT32, 2, "raster", "(images, numbers)");
  if (x->shape.size[0] != images || x->shape.size[1] != expected) {
    torus_raise_text(L, "raster: expected %s of shape (%lld, %lld)", name,
                     (long long)images, (long long)expected);
  }
  return torus_tensor_data(x);
}

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
 * colours =, radii =}): positions (images, bodies, 2) float32; colours and
 * radii flat lists, or both tensors (images, 3 bodies) and (images, bodies)
 * -> (images, resolution, resolution, 3) */
static int raster(lua_State *L) {
  drawing d = {.positions = torus_check_tensor(L, 1, "raster")};
  torus_check_dense(L, d.positions, TORUS_FLOAT32, 3, "raster",
                    "(images, bodies, 2)");
  torus_check_table(L, 2, "raster", "the scene");
  lua_settop(L, 2);
  int64_t bodies = d.positions->shape.size[1];
  if (d.positions->shape.size[2] != 2) {
    return torus_raise_text(L, "raster: expected positions of shape (images, "
                               "bodies, 2)");
  }
  d.scene = (torus_raster_scene){
      .resolution = torus_option_integer(L, 2, "raster", "resolution"),
      .bodies = bodies,
      .half_width = (float)torus_option_number(L, 2, "raster", "half_width"),
      .sharpness = (float)torus_option_number(L, 2, "raster", "sharpness")};
  if (d.scene.resolution < 1 || !(d.scene.half_width > 0)) {
    return torus_raise_text(L, "raster: expected a resolution and a half "
                               "width above 0");
  }
  memcpy(d.scene.background, float_field(L, 2, "raster", "background", 3),
         sizeof d.scene.background);
  int64_t images = d.positions->shape.size[0];
  bool own_colours, own_radii;
  d.scene.colours =
      disc_field(L, 2, "colours", images, 3 * bodies, &own_colours);
  d.scene.radii = disc_field(L, 2, "radii", images, bodies, &own_radii);
  if (own_colours != own_radii) {
    return torus_raise_text(L, "raster: expected both colours and radii of "
                               "each image, or neither");
  }
  d.scene.own_discs = own_radii;
  return torus_push_result(L, draw, &d);
}

void torus_open_raster(lua_State *L) {
  lua_pushcfunction(L, raster);
  lua_setfield(L, -2, "raster");
}
