/* One function compiled for several instruction sets, chosen when the program
 * starts; plain elsewhere. Sanitizers can't run the choice that early. */
#ifndef TORUS_KERNELS_CLONES_H
#define TORUS_KERNELS_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&         \
    !defined(__SANITIZE_ADDRESS__)
#define CLONES                                                                 \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

#endif
