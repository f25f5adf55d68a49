/* Temporary files: private folders, and the remains of killed processes. */
#ifndef TORUS_IO_TEMPORARY_H
#define TORUS_IO_TEMPORARY_H

#include "core/status.h"

#include <stddef.h>

/* Makes a folder accessible only to this user, in TMPDIR or /tmp, after
 * removing those of processes that have ended. `path` gets its absolute path.
 */
bool torus_temporary_folder(char *path, size_t size, torus_status *status);

/* Removes such a folder with its files. */
void torus_temporary_remove(const char *path);

/* Removes the remains of interrupted writes by processes that have ended from a
 * folder, which the caller must have locked. Returns the number of files. */
int torus_temporary_clear(const char *folder);

#endif
