/* The optional Lua module torus.mpi: MPI on raw memory. It is a separate
 * module, so that torus.core never links MPI, and uses nothing of the engine:
 * torus.dist passes it the addresses of tensors (core.address).
 *
 * Only the thread that opened the module calls MPI. An MPI error ends the job,
 * which is MPI's default. So does a process that ends with an error while the
 * others continue; the handler for this runs whenever the process exits. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <math.h>
#include <mpi.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of all processes; `ending` carries nothing but the agreement to end. */
static MPI_Comm job, ending;
static int rank, size;

/* --- the end ------------------------------------------------------------ */

static pid_t opened_by;
static enum { RUNNING, TOGETHER, ALONE } end;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Whether a request is done within so many seconds. Others may need this
 * processor to get there, so it is soon offered to them, and then left. */
#define SPIN 1e-4
#define YIELD 5e-3
static bool done_within(MPI_Request *request, double seconds) {
  double start = now();
  for (;;) {
    int done;
    MPI_Test(request, &done, MPI_STATUS_IGNORE);
    if (done) return true;
    double waited = now() - start;
    if (waited > seconds) return false;
    if (waited > YIELD) {
      nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    } else if (waited > SPIN) {
      sched_yield();
    }
  }
}

static void wait_for(MPI_Request *request) { done_within(request, INFINITY); }

/* Whether all processes end, too, within so many seconds. */
static bool others_end(double seconds) {
  if (end == RUNNING) {
    MPI_Request request;
    MPI_Ibarrier(ending, &request);
    end = done_within(&request, seconds) ? TOGETHER : ALONE;
  }
  return end == TOGETHER;
}

/* Seconds for processes that meet the same error to say so. */
#define PATIENCE 5.0

static void at_exit(int status, void *arg) {
  (void)arg;
  if (getpid() != opened_by) return; /* a child */
  if (status == 0 || others_end(PATIENCE)) {
    MPI_Finalize();
  } else {
    MPI_Abort(job, status);
  }
}

/* leave(seconds): whether all processes are about to end, with an error */
static int leave(lua_State *L) {
  lua_pushboolean(L, others_end(luaL_checknumber(L, 1)));
  return 1;
}

/* --- processors --------------------------------------------------------- */

/* This process's part of the machine's processors: each counts for as much as
 * there are processes that may use it. *all: how many any of them may use. */
static double processors(MPI_Comm node, int local_size, int *all) {
  cpu_set_t mine, *sets = malloc((size_t)local_size * sizeof *sets);
  double part = 0;
  *all = 0;
  if (sched_getaffinity(0, sizeof mine, &mine)) CPU_ZERO(&mine);
  if (!sets) MPI_Abort(job, 1);
  MPI_Allgather(&mine, sizeof mine, MPI_BYTE, sets, sizeof mine, MPI_BYTE,
                node);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    int users = 0;
    for (int i = 0; i < local_size; i++) users += CPU_ISSET(cpu, &sets[i]) != 0;
    if (users) ++*all;
    if (CPU_ISSET(cpu, &mine)) part += 1.0 / users;
  }
  free(sets);
  return part;
}

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* open(): {rank, size, local_rank, local_size, processors (this process's
 * part), bound (how many the processes here may use), online (how many there
 * are)} */
static int open_(lua_State *L) {
  MPI_Comm node;
  int local_rank, local_size, bound, opened;
  MPI_Initialized(&opened);
  if (!opened) {
    int provided;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  }
  if (!opened_by) {
    opened_by = getpid();
    MPI_Comm_dup(MPI_COMM_WORLD, &job);
    MPI_Comm_dup(MPI_COMM_WORLD, &ending);
    on_exit(at_exit, NULL);
  }
  MPI_Comm_rank(job, &rank);
  MPI_Comm_size(job, &size);
  MPI_Comm_split_type(job, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
  MPI_Comm_rank(node, &local_rank);
  MPI_Comm_size(node, &local_size);
  double part = processors(node, local_size, &bound);
  MPI_Comm_free(&node);
  lua_createtable(L, 0, 7);
  set_integer(L, "rank", rank);
  set_integer(L, "size", size);
  set_integer(L, "local_rank", local_rank);
  set_integer(L, "local_size", local_size);
  set_integer(L, "bound", bound);
  set_integer(L, "online", sysconf(_SC_NPROCESSORS_ONLN));
  lua_pushnumber(L, part);
  lua_setfield(L, -2, "processors");
  return 1;
}

/* --- memory ------------------------------------------------------------- */

static void *check_address(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TLIGHTUSERDATA);
  return lua_touserdata(L, index);
}

/* The list of bytes for each process at index: counts, and where each part
 * begins when they follow one another. The memory is Lua's. */
static int *check_counts(lua_State *L, int index, int **begins) {
  luaL_checktype(L, index, LUA_TTABLE);
  int *counts = lua_newuserdatauv(L, 2 * (size_t)size * sizeof(int), 0);
  int64_t total = 0;
  *begins = counts + size;
  for (int i = 0; i < size; i++) {
    lua_rawgeti(L, index, i + 1);
    lua_Integer bytes = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    if (bytes < 0 || bytes > INT_MAX - total) {
      luaL_error(L, "mpi: expected 0..%d bytes altogether, got more", INT_MAX);
    }
    (*begins)[i] = (int)total;
    counts[i] = (int)bytes;
    total += bytes;
  }
  return counts;
}

/* broadcast(address, bytes, root) */
static int broadcast(lua_State *L) {
  char *at = check_address(L, 1);
  int64_t left = luaL_checkinteger(L, 2);
  int root = (int)luaL_checkinteger(L, 3);
  while (left > 0) {
    int part = left < INT_MAX ? (int)left : INT_MAX;
    MPI_Request request;
    MPI_Ibcast(at, part, MPI_BYTE, root, job, &request);
    wait_for(&request);
    at += part;
    left -= part;
  }
  return 0;
}

/* gather(from, bytes, to, counts): everyone's memory, one after the other */
static int gather(lua_State *L) {
  int *begins, *counts = check_counts(L, 4, &begins);
  MPI_Request request;
  MPI_Iallgatherv(check_address(L, 1), (int)luaL_checkinteger(L, 2), MPI_BYTE,
                  check_address(L, 3), counts, begins, MPI_BYTE, job, &request);
  wait_for(&request);
  return 0;
}

/* exchange(from, counts to each, to, counts from each) */
static int exchange(lua_State *L) {
  int *begins, *counts = check_counts(L, 2, &begins);
  int *arrives, *arriving = check_counts(L, 4, &arrives);
  MPI_Request request;
  MPI_Ialltoallv(check_address(L, 1), counts, begins, MPI_BYTE,
                 check_address(L, 3), arriving, arrives, MPI_BYTE, job,
                 &request);
  wait_for(&request);
  return 0;
}

/* Of the barrier that `arrive` begins. */
static MPI_Request arrivals = MPI_REQUEST_NULL;

/* arrive(): tells the others that this process is here */
static int arrive(lua_State *L) {
  (void)L;
  MPI_Ibarrier(job, &arrivals);
  return 0;
}

/* arrived(seconds): whether all are here, within this time */
static int arrived(lua_State *L) {
  lua_pushboolean(L, done_within(&arrivals, luaL_checknumber(L, 1)));
  return 1;
}

/* texts(text): everyone's, as a list */
static int texts(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  int *counts = lua_newuserdatauv(L, 2 * (size_t)size * sizeof(int), 0);
  int *begins = counts + size, mine = (int)length, total = 0;
  MPI_Request request;
  MPI_Iallgather(&mine, 1, MPI_INT, counts, 1, MPI_INT, job, &request);
  wait_for(&request);
  for (int i = 0; i < size; i++) {
    begins[i] = total;
    total += counts[i];
  }
  char *all = lua_newuserdatauv(L, (size_t)total + 1, 0);
  MPI_Iallgatherv(text, mine, MPI_BYTE, all, counts, begins, MPI_BYTE, job,
                  &request);
  wait_for(&request);
  lua_createtable(L, size, 0);
  for (int i = 0; i < size; i++) {
    lua_pushlstring(L, all + begins[i], (size_t)counts[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* hash(address or text, bytes, before): 64 bits of the memory and of an earlier
 * hash; FNV-1a on words, each mixed by a shift that its product lacks. */
static int hash(lua_State *L) {
  const unsigned char *at = lua_isstring(L, 1)
                                ? (const void *)lua_tostring(L, 1)
                                : check_address(L, 1);
  int64_t bytes = luaL_checkinteger(L, 2);
  uint64_t h = (uint64_t)luaL_checkinteger(L, 3) ^ 0xCBF29CE484222325u;
  while (bytes > 0) {
    uint64_t word = 0;
    size_t n = bytes < 8 ? (size_t)bytes : 8;
    memcpy(&word, at, n);
    h = (h ^ word) * 0x100000001B3u;
    h ^= h >> 29;
    at += n;
    bytes -= 8;
  }
  lua_pushinteger(L, (lua_Integer)h);
  return 1;
}

int luaopen_torus_mpi(lua_State *L);
int luaopen_torus_mpi(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"open", open_},      {"leave", leave},       {"broadcast", broadcast},
      {"gather", gather},   {"exchange", exchange}, {"arrive", arrive},
      {"arrived", arrived}, {"texts", texts},       {"hash", hash},
      {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
