/* Results of engine calls: a code and, for errors, one message for the user.
 *
 * Error rule of the whole engine: a function that can fail takes a
 * torus_status and returns false or NULL after filling it. Nothing below the
 * binding prints, exits or jumps. */
#ifndef TORUS_CORE_STATUS_H
#define TORUS_CORE_STATUS_H

#include <stdbool.h>

#define TORUS_MESSAGE_MAX 512

typedef enum torus_code {
  TORUS_OK = 0,
  TORUS_EINVAL,  /* the caller's mistake: shapes, dtypes, indices, options */
  TORUS_ENOMEM,  /* an allocation failed; a retry after freeing may succeed */
  TORUS_ESPENT,  /* likewise, but a retry is impossible, as its inputs are gone
                  */
  TORUS_ESCRIPT, /* a script that was called back raised an error, which names
                    its line */
  TORUS_EIO,     /* the outside world failed: files, formats */
  TORUS_EINTERRUPTED /* core/interrupt.h: the call was abandoned */
} torus_code;

typedef struct torus_status {
  torus_code code;
  char message[TORUS_MESSAGE_MAX];
} torus_status;

/* Records an error unless there already is one, as the first error is the
 * cause. Always returns false, so that callers can `return` it. */
__attribute__((format(printf, 3, 4))) bool
torus_status_fail(torus_status *status, torus_code code, const char *format,
                  ...);

void torus_status_clear(torus_status *status);

#endif
