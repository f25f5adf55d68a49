/* A palette of at most 256 colours for many RGB pixels.
 *
 * The memory between init and clear is owned by the palette. Errors:
 * TORUS_ENOMEM. */
#ifndef TORUS_IO_PALETTE_H
#define TORUS_IO_PALETTE_H

#include "core/status.h"

#include <stdint.h>

#define TORUS_PALETTE_MAX 256

typedef struct torus_palette {
  uint8_t colours[TORUS_PALETTE_MAX][3];
  int count;
  /* Private: the distinct colours met, as an open hash table. */
  struct torus_palette_cell *cells;
  int shift; /* low bits of each channel that are ignored */
} torus_palette;

/* pixels: (count, 3). Exact when they have at most 256 colours. */
bool torus_palette_init(torus_palette *palette, const uint8_t *pixels,
                        int64_t count, torus_status *status);
/* The index of a colour; it must have been among the pixels. */
uint8_t torus_palette_index(const torus_palette *palette,
                            const uint8_t *colour);
void torus_palette_clear(torus_palette *palette);

#endif
