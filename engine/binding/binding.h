/* The Lua module torus.core: the only part of the engine that knows Lua.
 *
 * The sequence of a call: check the arguments, create the empty userdata of the
 * result, run the engine, fill the userdata, clear the scope, and only then
 * raise. Lua's errors are long jumps, so C must not own anything when one can
 * occur.
 *
 * Any Lua allocation may run finalisers, which are scripts. A tensor that a
 * call has read stays alive nevertheless while its userdata is on the call's
 * stack (see torus_empty_box); one from a script's table, which a finaliser may
 * change, must be put there. Tables are read raw: metamethods are scripts, too.
 * A call that itself runs a script holds a separate reference
 * (torus_push_tensor). */
#ifndef TORUS_BINDING_H
#define TORUS_BINDING_H

#include <lauxlib.h>
#include <lua.h>

#include "core/scope.h"

/* --- errors --- */

/* Registry: the last message that was raised deliberately, with its line. */
#define TORUS_RAISED_KEY "torus.raised"
/* The same without the line. */
#define TORUS_RAISED_TEXT_KEY "torus.raised text"

/* Raises the message on top of the stack at the line of the script, not of
 * the library's own Lua files. */
int torus_raise(lua_State *L);
/* Likewise a message of misuse: it names the function that the script called,
 * even where one that this function calls in turn has refused its arguments.
 * See name_functions. */
int torus_raise_misuse(lua_State *L);
__attribute__((format(printf, 2, 3))) int
torus_raise_text(lua_State *L, const char *format, ...);

/* For a script that the engine called back: keeps the error on top of the
 * stack, whatever its type, and pops it. Fills the status, returns false. */
bool torus_keep_raised(lua_State *L, torus_status *status);
/* Raises the stored error. */
int torus_raise_kept(lua_State *L);

/* Pushes and returns the description of the value at index for messages: `3`,
 * `"abc"`, `nil`, `tensor (3,4) float32`, `{1, 2}`, `a function`. */
const char *torus_describe(lua_State *L, int index);

/* Called when the script has been notified of a Ctrl-C, or is about to be. */
void torus_end_interrupt(lua_State *L);

/* --- tensors as values --- */

/* The tensor at index; raises if it is not a tensor or was released. operation:
 * the function, for the message. */
torus_tensor *torus_check_tensor(lua_State *L, int index,
                                 const char *operation);
/* NULL if the value at index is not a live tensor. */
torus_tensor *torus_to_tensor(lua_State *L, int index);

/* The userdata of a tensor, which may be empty, or NULL for anything else. */
torus_tensor **torus_test_box(lua_State *L, int index);

/* Pushes an empty tensor userdata, to be filled. */
torus_tensor **torus_push_box(lua_State *L);
/* The metatable of boxes; pops it. */
void torus_set_box_metatable(lua_State *L);
/* Pushes a tensor (retaining it); the userdata is made first. */
void torus_push_tensor(lua_State *L, torus_tensor *tensor);
/* Releases the tensor of a userdata, if any: immediately or, if requested by a
 * finaliser, when the userdata itself is collected. */
void torus_empty_box(lua_State *L, torus_tensor **box, bool collected);

/* Pushes x, or a copy, as a contiguous tensor without a history. */
torus_tensor *torus_push_dense(lua_State *L, torus_tensor *x);

/* Runs fn, which computes in the scope and returns a borrowed result, and
 * pushes that. When memory is exhausted it collects garbage and runs fn once
 * more. Raises the scope's error. */
typedef torus_tensor *torus_compute_fn(torus_scope *scope, void *arg);
int torus_push_result(lua_State *L, torus_compute_fn *fn, void *arg);
/* The same without a result. */
void torus_run(lua_State *L, torus_compute_fn *fn, void *arg);

/* True if operations currently record their history. */
bool torus_recording(void);
bool torus_set_recording(bool record);

/* Tells the collector how much memory exists that it can't see. */
void torus_feed_collector(lua_State *L);

/* Pushes a list of sizes. */
int torus_push_sizes(lua_State *L, const torus_shape *shape);

/* Raises if x can't be written to: it is part of a graph, or its elements
 * repeat. */
void torus_check_writable(lua_State *L, const torus_tensor *x,
                          const char *operation);
/* The tensor at index, whose values are written: its history would be lost. */
torus_tensor *torus_check_written(lua_State *L, int index,
                                  const char *operation);
/* value converted to x's dtype, if that comes later in the order of dtypes. */
torus_tensor *torus_written_as(torus_scope *scope, const torus_tensor *x,
                               torus_tensor *value, const char *operation);

/* --- tensors as indices, see selection.c --- */

/* True if the value at index is a tensor or a list containing one. */
bool torus_is_selection(lua_State *L, int index);
/* Calls the formula "get" or "set" with all arguments and returns its result.
 */
int torus_select(lua_State *L, const char *which);
/* True if x is being indexed by ipairs, just past its last element. */
bool torus_ends_ipairs(lua_State *L, const torus_tensor *x);

/* --- arguments --- */

/* An integer; otherwise raises an error that names its purpose. */
int64_t torus_check_integer(lua_State *L, int index, const char *operation,
                            const char *name);
double torus_check_number(lua_State *L, int index, const char *operation,
                          const char *name);
/* Checks only the type; the string lives as long as the value at index. */
const char *torus_check_string(lua_State *L, int index, const char *operation,
                               const char *name);
void torus_check_table(lua_State *L, int index, const char *operation,
                       const char *name);
/* A number that the dtype can represent exactly, or up to rounding for floats.
 */
double torus_check_element(lua_State *L, int index, const char *operation,
                           torus_dtype dtype);
/* Checks that the table at index has only integer keys: {dim = 1} where {1} is
 * expected is a mistake. */
void torus_check_plain(lua_State *L, int index, const char *operation,
                       const char *name);
/* Integers in a table, or the numbers from index on; returns how many
 * arguments were read. */
int torus_check_list(lua_State *L, int index, const char *operation,
                     const char *name, torus_shape *list);
/* A dimension from 1 or from the end, as an index from 0. */
int torus_check_dim(lua_State *L, int index, const char *operation, int ndim);
torus_dtype torus_check_dtype(lua_State *L, int index, const char *operation);
/* Checks that the options table at index (which may be none or nil) has no keys
 * but these, which end with NULL. */
void torus_check_keys(lua_State *L, int index, const char *operation,
                      const char *const *keys);

/* Pushes an option and returns its type. */
int torus_option(lua_State *L, int index, const char *name);
/* An option that must be a number, or an integer, without pushing it. */
double torus_option_number(lua_State *L, int index, const char *operation,
                           const char *name);
int64_t torus_option_integer(lua_State *L, int index, const char *operation,
                             const char *name);

/* Raises if the table at index has keys other than those of its list: entries
 * after a gap or by name would be ignored. */
void torus_check_gapless(lua_State *L, int index, const char *operation);
/* The number of entries of the list at index, which may not have gaps, limited
 * to the range of int. */
int torus_list_length(lua_State *L, int index, const char *operation);
/* Replaces the list at index by a copy that no script can change, and returns
 * its length. */
int torus_own_list(lua_State *L, int index, const char *operation);
/* The tensor on top of the stack, from a position of a list; name: what it is
 * to the function. */
torus_tensor *torus_check_entry(lua_State *L, const char *operation,
                                const char *name, int position);

/* The list at index as `count` numbers in a new userdata, which is pushed. */
double *torus_push_numbers(lua_State *L, int index, const char *operation,
                           const char *name, int64_t *count);
/* x is contiguous, of this dtype and rank; shape: the expected one, for the
 * message. */
void torus_check_dense(lua_State *L, const torus_tensor *x, torus_dtype dtype,
                       int ndim, const char *operation, const char *shape);

/* The generator in the options at index, which stays on the stack, or the
 * default one. */
struct torus_rng *torus_option_generator(lua_State *L, int index,
                                         const char *operation);

/* --- parts of the module; each adds its functions to the table on top --- */

void torus_open_errors(lua_State *L);
void torus_open_tensor(lua_State *L);
void torus_open_sizes(lua_State *L);
/* To the table of a tensor's methods. */
void torus_open_elements(lua_State *L);
void torus_open_create(lua_State *L);
void torus_open_selection(lua_State *L);
void torus_open_ops(lua_State *L);
void torus_open_registry(lua_State *L);
void torus_open_grad(lua_State *L);
void torus_open_slopes(lua_State *L);
void torus_open_custom(lua_State *L);
void torus_open_random(lua_State *L);
void torus_open_samples(lua_State *L);
void torus_open_optim(lua_State *L);
void torus_open_rk45(lua_State *L);
void torus_open_raster(lua_State *L);
void torus_open_files(lua_State *L);
void torus_open_readers(lua_State *L);
void torus_open_process(lua_State *L);
void torus_open_signals(lua_State *L);
void torus_open_terminal(lua_State *L);

#endif
