/* The process: threads, memory and time. */
#define _GNU_SOURCE
#include "binding/binding.h"
#include "core/alloc.h"
#include "core/threads.h"
#include "kernels/probe.h"
#include "kernels/simd/isa.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/*** Returns the number of threads that kernels use. By default one for each
 * processor, or the environment variable TORUS_THREADS.
 * @function torus.threads
 * @treturn integer
 * @usage print(torus.threads())
 */
static int threads(lua_State *L) {
  lua_pushinteger(L, torus_threads());
  return 1;
}

/*** Sets the number of threads; results stay bit-identical.
 * @function torus.set_threads
 * @tparam integer n from 1
 * @raise when n is out of range
 * @usage
 * n = torus.threads()
 * torus.set_threads(1)
 * torus.set_threads(n)
 */
static int set_threads(lua_State *L) {
  int64_t n = torus_check_integer(L, 1, "set_threads", "the number of threads");
  if (n < 1 || n > TORUS_MAX_THREADS) {
    return torus_raise_text(L, "set_threads: expected 1..%d, got %lld",
                            TORUS_MAX_THREADS, (long long)n);
  }
  torus_set_threads((int)n);
  return 0;
}

static void set_count(lua_State *L, const char *name, size_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

/* Current resident memory, from the kernel's table; 0 if it is unavailable. */
static size_t resident_bytes(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  unsigned long total = 0, resident = 0;
  if (!file) return 0;
  if (fscanf(file, "%lu %lu", &total, &resident) != 2) resident = 0;
  fclose(file);
  return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* 0 where it is unknown. */
static size_t machine_bytes(void) {
  long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
  return pages > 0 && bytes > 0 ? (size_t)pages * (size_t)bytes : 0;
}

/*** Returns the memory that the engine and the process have allocated.
 * @function torus.memory
 * @treturn table integers: live_bytes and live_blocks in use, their
 * peak_bytes, cached_bytes for reuse, tensors alive, resident_bytes and
 * peak_resident_bytes of the process, machine_bytes, the total memory
 * @usage print(torus.memory().live_bytes)
 */
static int memory(lua_State *L) {
  torus_alloc_stats stats = torus_alloc_get_stats();
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  lua_createtable(L, 0, 8);
  set_count(L, "live_bytes", stats.live_bytes);
  set_count(L, "live_blocks", stats.live_blocks);
  set_count(L, "peak_bytes", stats.peak_bytes);
  set_count(L, "cached_bytes", stats.cached_bytes);
  set_count(L, "tensors", (size_t)torus_tensor_live());
  set_count(L, "resident_bytes", resident_bytes());
  set_count(L, "machine_bytes", machine_bytes());
  set_count(L, "peak_resident_bytes", (size_t)usage.ru_maxrss * 1024);
  return 1;
}

/* fail_allocation(n[, on]): for specs; the nth allocation from now fails, and
 * all after it where `on` */
static int fail_allocation(lua_State *L) {
  int64_t n = torus_check_integer(L, 1, "fail_allocation", "the count");
  if (lua_toboolean(L, 2)) {
    torus_alloc_fail_from(n);
  } else {
    torus_alloc_fail_nth(n);
  }
  return 0;
}

/* address(x[, written]): where the elements of a contiguous tensor are, and how
 * many bytes, for torus.mpi; `written` where they are to be changed */
static int address(lua_State *L) {
  torus_tensor *x = lua_toboolean(L, 2) ? torus_check_written(L, 1, "address")
                                        : torus_check_tensor(L, 1, "address");
  if (!torus_tensor_is_contiguous(x)) {
    char text[TORUS_TENSOR_TEXT];
    return torus_raise_text(L, "address: expected a contiguous tensor, got %s",
                            torus_tensor_format(x, text));
  }
  if (lua_toboolean(L, 2)) x->storage->version++;
  lua_pushlightuserdata(L, torus_tensor_data(x));
  lua_pushinteger(L, torus_tensor_count(x) * torus_dtype_size(x->dtype));
  return 2;
}

/* probe_multiply_adds(rounds): their number, done on all threads */
static int probe_multiply_adds(lua_State *L) {
  int64_t rounds =
      torus_check_integer(L, 1, "probe_multiply_adds", "the rounds");
  lua_pushinteger(L, torus_probe_multiply_adds(rounds));
  return 1;
}

/* probe_read(rounds, bytes): reads so many bytes, a multiple of 512, from where
 * the cache has them, again and again; returns the bytes that were read */
static int probe_read(lua_State *L) {
  int64_t rounds = torus_check_integer(L, 1, "probe_read", "the rounds");
  int64_t bytes = torus_check_integer(L, 2, "probe_read", "the bytes");
  float *x = torus_alloc((size_t)bytes);
  if (!x) return torus_raise_text(L, "probe_read: out of memory");
  memset(x, 0, (size_t)bytes);
  float sum = torus_probe_read(rounds, bytes / (int64_t)sizeof(float), x);
  torus_free(x);
  lua_pushinteger(L, rounds * bytes + (sum > 0));
  return 1;
}

/* isa(): the name of the instruction set that kernels use */
static int isa(lua_State *L) {
  lua_pushstring(L, torus_isa_name(torus_isa_chosen()));
  return 1;
}

/*** Returns the seconds of a monotonic clock, for measuring durations.
 * @function torus.clock
 * @treturn number
 * @usage
 * start = torus.clock()
 * print(torus.clock() - start)
 */
static int clock_(lua_State *L) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  lua_pushnumber(L, (double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
  return 1;
}

void torus_open_process(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"threads", threads},
      {"set_threads", set_threads},
      {"memory", memory},
      {"fail_allocation", fail_allocation},
      {"clock", clock_},
      {"address", address},
      {"isa", isa},
      {"probe_multiply_adds", probe_multiply_adds},
      {"probe_read", probe_read},
      {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
