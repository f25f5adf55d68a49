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
  d.scene.colours = float_field(L, 2, "raster", "colours", 3 * bodies);
  d.scene.radii = float_field(L, 2, "raster", "radii", bodies);
  return torus_push_result(L, draw, &d);
}

void torus_open_raster(lua_State *L) {
  lua_pushcfunction(L, raster);
  lua_setfield(L, -2, "raster");
}
