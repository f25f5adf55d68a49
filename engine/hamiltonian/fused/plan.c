#include "hamiltonian/fused/plan.h"
#include "core/intmath.h"

size_t fused_tape_limit = TORUS_TAPE_LIMIT;

/* What has been computed of either network at the current state. */
typedef struct known {
  bool gradient[2], energy[2];
} known;

static void emit(fused_program *program, fused_op_kind kind, int net,
                 double c) {
  program->ops[program->count++] = (fused_op){kind, net, c};
  if (kind <= FUSED_DAMP) program->entries++;
}

static void require_gradient(fused_program *program, known *k, int net) {
  if (!k->gradient[net]) emit(program, FUSED_GRADIENT, net, 0);
  k->gradient[net] = k->energy[net] = true;
}

static void forget(known *k, int net) { k->gradient[net] = k->energy[net] = 0; }

/* Where the next step needs a gradient anyway, it is computed here instead of
 * the energy alone. */
static void emit_output(fused_program *program, known *k,
                        const torus_rollout *r, bool last) {
  bool kicks = r->scheme->kick[0] != 0;
  for (int net = 0; r->energies && net < 2; net++) {
    if (!last && (net == FUSED_V) == kicks) {
      require_gradient(program, k, net);
    } else if (!k->energy[net]) {
      emit(program, FUSED_ENERGY, net, 0);
      k->energy[net] = true;
    }
  }
  emit(program, FUSED_OUTPUT, 0, 0);
}

static void emit_damping(fused_program *program, known *k,
                         const torus_rollout *r) {
  if (!r->friction) return;
  emit(program, FUSED_DAMP, FUSED_K, 0.5);
  forget(k, FUSED_K);
}

static void emit_step(fused_program *program, known *k,
                      const torus_rollout *r) {
  const torus_scheme *s = r->scheme;
  emit_damping(program, k, r);
  for (int i = 0; i <= s->stages; i++) {
    if (s->kick[i] != 0) {
      require_gradient(program, k, FUSED_V);
      emit(program, FUSED_KICK, FUSED_V, s->kick[i]);
      forget(k, FUSED_K);
    }
    if (i < s->stages && s->drift[i] != 0) {
      require_gradient(program, k, FUSED_K);
      emit(program, FUSED_DRIFT, FUSED_K, s->drift[i]);
      forget(k, FUSED_V);
    }
  }
  emit_damping(program, k, r);
  if (!r->last_only) emit_output(program, k, r, false);
}

fused_plan fused_plan_of(const torus_rollout *r) {
  fused_plan plan = {.steps = r->steps};
  known k = {0};
  if (!r->last_only) emit_output(&plan.before, &k, r, r->steps == 0);
  emit_step(&plan.first, &k, r);
  known after_first = k;
  emit_step(&plan.later, &k, r);
  if (r->steps == 0) k = (known){0};
  if (r->steps == 1) k = after_first;
  if (r->last_only) emit_output(&plan.after, &k, r, true);
  return plan;
}

const fused_program *fused_plan_program(const fused_plan *plan, int64_t index) {
  if (index == 0) return &plan->before;
  if (index > plan->steps) return &plan->after;
  return index == 1 ? &plan->first : &plan->later;
}

int64_t fused_plan_entries(const fused_plan *plan, int64_t index) {
  int64_t count = index > 0 ? plan->before.entries : 0;
  int64_t steps = index - 1 < plan->steps ? index - 1 : plan->steps;
  if (steps > 0) count += plan->first.entries;
  if (steps > 1) count += (steps - 1) * plan->later.entries;
  return index > plan->steps + 1 ? count + plan->after.entries : count;
}

int64_t fused_plan_last(const fused_plan *plan, int64_t index, int op,
                        int net) {
  for (; index >= 0; index--) {
    const fused_program *program = fused_plan_program(plan, index);
    int64_t at = fused_plan_entries(plan, index);
    int64_t found = -1;
    for (int i = 0; i < program->count && i <= op; i++) {
      fused_op_kind kind = program->ops[i].kind;
      if (kind > FUSED_DAMP) continue;
      if (kind != FUSED_DAMP && program->ops[i].net == net) found = at;
      at++;
    }
    if (found >= 0) return found;
    op = FUSED_OPS_MAX;
  }
  return -1;
}

/* Tiles are small enough to give every core some and large enough for the
 * products, pieces few enough to keep their gradient sums small. */
#define DENSE_TILES 8
#define DENSE_ROWS_MAX 128
#define CONV_ROWS_MAX 8
/* A batch of up to two blocks of a product's rows is halved: more tiles would
 * each read all weights. */
#define DENSE_HALVED 16
#define FEW_ROWS_MAX 3
#define PIECES_MAX 16
#define SUMS_MAX ((size_t)64 << 20)

const torus_net *fused_state_net(const torus_hamiltonian *h) {
  bool other = h->separable && h->nets[0].kind == TORUS_NET_QUADRATIC;
  return &h->nets[other];
}

static int64_t rows_of_tile(const torus_hamiltonian *h, int64_t batch) {
  const int64_t unit = DENSE_HALVED / 2; /* rows of a product's block */
  if (fused_state_net(h)->kind == TORUS_NET_CONV) {
    return torus_ceil_div(batch, torus_ceil_div(batch, CONV_ROWS_MAX));
  }
  if (batch <= DENSE_HALVED) return torus_ceil_div(batch, 2);
  int64_t rows =
      torus_ceil_div(torus_ceil_div(batch, DENSE_TILES), unit) * unit;
  return torus_min(rows, DENSE_ROWS_MAX);
}

bool fused_has_few(const torus_hamiltonian *h, int64_t batch) {
  return batch > 0 && rows_of_tile(h, batch) <= FEW_ROWS_MAX;
}

fused_tiling fused_tiling_of(const torus_hamiltonian *h, int64_t batch,
                             size_t sums) {
  fused_tiling tiling = {.batch = batch, .rows = 1, .pieces = 1};
  /* An empty batch has one empty piece: its sums are zero. */
  if (batch == 0) return tiling;
  tiling.rows = rows_of_tile(h, batch);
  tiling.tiles = torus_ceil_div(batch, tiling.rows);
  int64_t pieces = tiling.tiles;
  if (sums > 0) {
    int64_t fit = (int64_t)(SUMS_MAX / sums);
    pieces = torus_min(pieces, torus_min(PIECES_MAX, fit < 4 ? 4 : fit));
  }
  tiling.tiles_per_piece = torus_ceil_div(tiling.tiles, pieces);
  tiling.pieces = torus_ceil_div(tiling.tiles, tiling.tiles_per_piece);
  return tiling;
}
