#include "io/palette.h"

#include "core/alloc.h"

#include <stdlib.h>
#include <string.h>

/* Distinct colours told apart at most; beyond it the lowest bit of every
 * channel is dropped. Half of the table's slots, so that searches are short. */
#define CELLS_MAX (1 << 16)
#define SLOTS (2 * CELLS_MAX)

/* One distinct colour: how often it came and the sum of what it stands for. */
typedef struct torus_palette_cell {
  int64_t count; /* zero: a free slot */
  int64_t sum[3];
  uint32_t key;
  uint8_t index;
} cell;

/* Cells [first, last) of the list; error: their squared distance from their
 * mean, over all pixels. */
typedef struct box {
  int first, last;
  double error;
} box;

static uint32_t key_of(const uint8_t *colour, int shift) {
  return (uint32_t)(colour[0] >> shift) << 16 |
         (uint32_t)(colour[1] >> shift) << 8 | (uint32_t)(colour[2] >> shift);
}

/* The slot of a key, or the free slot where it belongs. */
static cell *find(cell *cells, uint32_t key) {
  uint32_t slot = key * 2654435761u >> 15; /* Fibonacci hashing to 17 bits */
  while (cells[slot].count > 0 && cells[slot].key != key) {
    slot = (slot + 1) % SLOTS;
  }
  return &cells[slot];
}
_Static_assert(SLOTS == 1 << 17, "the hash gives 17 bits");

/* The number of distinct colours, or -1 when there are too many. */
static int count_colours(torus_palette *p, const uint8_t *pixels,
                         int64_t count) {
  int distinct = 0;
  memset(p->cells, 0, SLOTS * sizeof *p->cells);
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *colour = pixels + 3 * i;
    uint32_t key = key_of(colour, p->shift);
    cell *c = find(p->cells, key);
    if (c->count == 0) {
      if (++distinct > CELLS_MAX) return -1;
      c->key = key;
    }
    c->count++;
    for (int k = 0; k < 3; k++) c->sum[k] += colour[k];
  }
  return distinct;
}

static double mean(const cell *c, int channel) {
  return (double)c->sum[channel] / (double)c->count;
}

/* Moments of a run of cells: pixels, and per channel sum and sum of squares. */
typedef struct moments {
  double count, sum[3], square[3];
} moments;

static void add(moments *m, const cell *c, double sign) {
  double n = sign * (double)c->count;
  m->count += n;
  for (int k = 0; k < 3; k++) {
    m->sum[k] += n * mean(c, k);
    m->square[k] += n * mean(c, k) * mean(c, k);
  }
}

static double error_in(const moments *m, int channel) {
  double e = m->square[channel] - m->sum[channel] * m->sum[channel] / m->count;
  return e > 0 ? e : 0; /* rounding may leave less */
}

static double error_of(const moments *m) {
  return error_in(m, 0) + error_in(m, 1) + error_in(m, 2);
}

static moments moments_of(cell *const *list, int first, int last) {
  moments m = {0};
  for (int i = first; i < last; i++) add(&m, list[i], 1);
  return m;
}

/* Ties are broken by the key: the order does not depend on qsort. */
static int compare(const cell *a, const cell *b, int channel) {
  double x = mean(a, channel);
  double y = mean(b, channel);
  if (x != y) return x < y ? -1 : 1;
  return a->key < b->key ? -1 : a->key > b->key;
}
#define COMPARE(channel)                                                       \
  static int compare_##channel(const void *a, const void *b) {                 \
    return compare(*(cell *const *)a, *(cell *const *)b, channel);             \
  }
COMPARE(0)
COMPARE(1)
COMPARE(2)

/* Cuts a box of two or more cells across the channel that varies most, where
 * the two halves have the least error. */
static void split(cell **list, box *from, box *to) {
  static int (*const comparers[])(const void *, const void *) = {
      compare_0, compare_1, compare_2};
  moments right = moments_of(list, from->first, from->last);
  int channel = 0;
  for (int k = 1; k < 3; k++) {
    if (error_in(&right, k) > error_in(&right, channel)) channel = k;
  }
  qsort(list + from->first, (size_t)(from->last - from->first), sizeof *list,
        comparers[channel]);
  moments left = {0};
  int cut = from->first + 1;
  double smallest = -1;
  for (int i = from->first; i < from->last - 1; i++) {
    add(&left, list[i], 1);
    add(&right, list[i], -1);
    double error = error_of(&left) + error_of(&right);
    if (smallest < 0 || error < smallest) {
      smallest = error;
      cut = i + 1;
    }
  }
  *to = (box){cut, from->last, 0};
  from->last = cut;
  moments a = moments_of(list, from->first, from->last);
  moments b = moments_of(list, to->first, to->last);
  from->error = error_of(&a);
  to->error = error_of(&b);
}

/* Every box becomes one colour: the mean of its pixels. */
static void choose(torus_palette *p, cell **list, int distinct) {
  box boxes[TORUS_PALETTE_MAX];
  moments all = moments_of(list, 0, distinct);
  boxes[0] = (box){0, distinct, error_of(&all)};
  p->count = 1;
  while (p->count < TORUS_PALETTE_MAX) {
    int worst = -1;
    for (int i = 0; i < p->count; i++) {
      if (boxes[i].last - boxes[i].first < 2) continue;
      if (worst < 0 || boxes[i].error > boxes[worst].error) worst = i;
    }
    if (worst < 0) break;
    split(list, &boxes[worst], &boxes[p->count]);
    p->count++;
  }
  for (int i = 0; i < p->count; i++) {
    moments m = moments_of(list, boxes[i].first, boxes[i].last);
    for (int k = 0; k < 3; k++) {
      p->colours[i][k] = (uint8_t)(m.sum[k] / m.count + 0.5);
    }
  }
}

/* A neighbouring box may hold a nearer colour than a cell's own. */
static void assign_nearest(torus_palette *p, cell **list, int distinct) {
  for (int i = 0; i < distinct; i++) {
    double smallest = -1;
    for (int j = 0; j < p->count; j++) {
      double distance = 0;
      for (int k = 0; k < 3; k++) {
        double d = mean(list[i], k) - p->colours[j][k];
        distance += d * d;
      }
      if (smallest < 0 || distance < smallest) {
        smallest = distance;
        list[i]->index = (uint8_t)j;
      }
    }
  }
}

bool torus_palette_init(torus_palette *palette, const uint8_t *pixels,
                        int64_t count, torus_status *status) {
  *palette = (torus_palette){0};
  palette->cells = torus_alloc(SLOTS * sizeof *palette->cells);
  cell **list = torus_alloc(CELLS_MAX * sizeof *list);
  if (!palette->cells || !list) {
    torus_free(list);
    torus_palette_clear(palette);
    return torus_status_fail(status, TORUS_ENOMEM, "gif: out of memory");
  }
  int distinct;
  while ((distinct = count_colours(palette, pixels, count)) < 0) {
    palette->shift++;
  }
  int n = 0;
  for (int i = 0; i < SLOTS; i++) {
    if (palette->cells[i].count > 0) list[n++] = &palette->cells[i];
  }
  if (distinct > 0) {
    choose(palette, list, distinct);
    assign_nearest(palette, list, distinct);
  }
  torus_free(list);
  return true;
}

uint8_t torus_palette_index(const torus_palette *palette,
                            const uint8_t *colour) {
  return find(palette->cells, key_of(colour, palette->shift))->index;
}

void torus_palette_clear(torus_palette *palette) {
  torus_free(palette->cells);
  palette->cells = NULL;
}
