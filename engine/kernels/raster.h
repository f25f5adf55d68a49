/* Pictures of soft discs, channels last.
 *
 * The canvas is the square [-half_width, half_width]^2 of the world, y up;
 * pixel centres divide its side from 0 to 1, both included, and row 0 is at
 * the top. At a distance d from its centre a disc of radius R, both in units
 * of the side, covers the fraction sigmoid(sharpness (R - d)) of the pixel, or
 * nothing if that is below 2^-25. Later discs are drawn over earlier ones.
 *
 * An image depends only on its own positions, colours and radii: its bits are
 * the same anywhere in a batch and for any number of threads. Owns nothing. */
#ifndef TORUS_KERNELS_RASTER_H
#define TORUS_KERNELS_RASTER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct torus_raster_scene {
  int64_t resolution; /* pixels along a side */
  int64_t bodies;
  float half_width; /* of the canvas, in world units */
  float sharpness;
  float background[3];
  /* (bodies, 3), and radii (bodies) in world units; with own_discs each image
   * has its own: (images, bodies, 3) and (images, bodies) */
  const float *colours;
  const float *radii;
  bool own_discs;
} torus_raster_scene;

/* positions: (images, bodies, 2), x and y in world units.
 * out: (images, resolution, resolution, 3). */
void torus_raster_discs(const torus_raster_scene *scene, int64_t images,
                        const float *positions, float *out);

#endif
