#include "core/rng.h"
#include "core/threads.h"

#include "check.h"

#include <stdint.h>
#include <string.h>

/* Philox4x32-10 with all of its counter, written from the paper (Salmon et
 * al. 2011, section 3.3), as a witness. */
static void philox(uint32_t c[4], uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; round++) {
    uint64_t left = 0xD2511F53ull * c[0], right = 0xCD9E8D57ull * c[2];
    uint32_t next[4] = {(uint32_t)(right >> 32) ^ c[1] ^ k0, (uint32_t)right,
                        (uint32_t)(left >> 32) ^ c[3] ^ k1, (uint32_t)left};
    memcpy(c, next, sizeof next);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/* The authors' published answers. */
TEST(witness_gives_the_known_answers) {
  struct {
    uint32_t counter[4], key[2], answer[4];
  } known[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
  for (int i = 0; i < 3; i++) {
    philox(known[i].counter, known[i].key[0], known[i].key[1]);
    CHECK(memcmp(known[i].counter, known[i].answer, 16) == 0, "answer %d", i);
  }
}

TEST(philox_agrees_with_the_witness) {
  uint64_t seed = 1, position = 2;
  for (int i = 0; i < 1000; i++) {
    uint32_t out[4], c[4] = {(uint32_t)position, (uint32_t)(position >> 32)};
    torus_philox(seed, position, out);
    philox(c, (uint32_t)seed, (uint32_t)(seed >> 32));
    CHECK(memcmp(out, c, sizeof c) == 0, "seed %llx, position %llx",
          (unsigned long long)seed, (unsigned long long)position);
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    position = position * 3935559000370003845u + 2691343689449507681u;
  }
}

TEST(permutations_hold_every_number) {
  enum { N = 1000 };
  int64_t p[N];
  char seen[N] = {0};
  torus_rng rng = {5, 0};
  torus_rng_permutation(&rng, p, N, 1);
  CHECK(rng.position == N, "%llu", (unsigned long long)rng.position);
  for (int i = 0; i < N; i++) seen[p[i] - 1]++;
  for (int i = 0; i < N; i++) CHECK(seen[i] == 1, "%d: %d", i + 1, seen[i]);
}

int main(void) {
  RUN(witness_gives_the_known_answers);
  RUN(philox_agrees_with_the_witness);
  RUN(permutations_hold_every_number);
  return check_report();
}
