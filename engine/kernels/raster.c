#include "kernels/raster.h"

#include <math.h>

#include "core/threads.h"
#include "kernels/simd/simd.h"

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
__attribute__((simd("notinbranch"))) float expf(float);
#endif

/* Pixels of a row worked on at a time. The last block of a row is computed
 * completely and written in part: a loop with a remainder could round the same
 * pixel differently. */
#define BLOCK 16

/* Images in a piece of parallel work. */
#define PIECE 8

/* -log(2^-25): a sigmoid of less than minus this is lost in a float. */
#define NEGLIGIBLE 17.3286795F

typedef struct job {
  const torus_raster_scene *scene;
  int64_t images;
  const float *positions;
  float *out;
} job;

/* A disc in units of the canvas side, from its top left corner. */
typedef struct disc {
  float x, y, radius, reach;
  const float *colour;
} disc;

INLINE disc disc_of(const torus_raster_scene *s, const float *at,
                    int64_t body) {
  float side = 2 * s->half_width, radius = s->radii[body] / side;
  return (disc){.x = 0.5F + at[2 * body] / side,
                .y = 0.5F - at[2 * body + 1] / side,
                .radius = radius,
                .reach = radius + NEGLIGIBLE / s->sharpness,
                .colour = s->colours + 3 * body};
}

INLINE void blend(const disc *d, float sharpness, float step, int64_t column,
                  float dy, float *restrict red, float *restrict green,
                  float *restrict blue) {
  for (int i = 0; i < BLOCK; i++) {
    float dx = (float)(column + i) * step - d->x;
    float distance = sqrtf(dx * dx + dy * dy);
    float share = 1 / (1 + expf(sharpness * (distance - d->radius)));
    share = distance < d->reach ? share : 0;
    red[i] += share * (d->colour[0] - red[i]);
    green[i] += share * (d->colour[1] - green[i]);
    blue[i] += share * (d->colour[2] - blue[i]);
  }
}

INLINE void draw_block(const torus_raster_scene *s, const float *at,
                       int64_t row, int64_t column, float *out) {
  float step = s->resolution > 1 ? 1 / (float)(s->resolution - 1) : 0;
  float red[BLOCK], green[BLOCK], blue[BLOCK];
  for (int i = 0; i < BLOCK; i++) {
    red[i] = s->background[0];
    green[i] = s->background[1];
    blue[i] = s->background[2];
  }
  for (int64_t body = 0; body < s->bodies; body++) {
    disc d = disc_of(s, at, body);
    float dy = (float)row * step - d.y;
    float left = (float)column * step - d.x;
    float right = left + (BLOCK - 1) * step;
    if (fabsf(dy) > d.reach || left > d.reach || -right > d.reach) continue;
    blend(&d, s->sharpness, step, column, dy, red, green, blue);
  }
  if (s->resolution - column >= BLOCK) {
    for (int i = 0; i < BLOCK; i++) {
      out[3 * i] = red[i];
      out[3 * i + 1] = green[i];
      out[3 * i + 2] = blue[i];
    }
    return;
  }
  for (int i = 0; i < s->resolution - column; i++) {
    out[3 * i] = red[i];
    out[3 * i + 1] = green[i];
    out[3 * i + 2] = blue[i];
  }
}

SIMD_LOOP(void, draw_image,
          (const torus_raster_scene *s, const float *at, float *restrict out),
          (s, at, out)) {
  for (int64_t row = 0; row < s->resolution; row++)
    for (int64_t column = 0; column < s->resolution; column += BLOCK)
      draw_block(s, at, row, column, out + 3 * (row * s->resolution + column));
}

static void draw_piece(void *arg, int64_t piece, int thread) {
  (void)thread;
  const job *j = arg;
  const torus_raster_scene *s = j->scene;
  int64_t first = piece * PIECE;
  int64_t last = first + PIECE < j->images ? first + PIECE : j->images;
  for (int64_t i = first; i < last; i++) {
    torus_raster_scene own = *s;
    if (s->own_discs) {
      own.colours += 3 * s->bodies * i;
      own.radii += s->bodies * i;
    }
    draw_image(&own, j->positions + 2 * s->bodies * i,
               j->out + 3 * s->resolution * s->resolution * i);
  }
}

void torus_raster_discs(const torus_raster_scene *scene, int64_t images,
                        const float *positions, float *out) {
  job j = {scene, images, positions, out};
  torus_parallel_interruptible((images + PIECE - 1) / PIECE, draw_piece, &j);
}
