/* Temporary files: folders of one's own, and what killed processes left. */
#ifndef TORUS_IO_TEMPORARY_H
#define TORUS_IO_TEMPORARY_H

#include "core/status.h"

#include <stddef.h>

/* Makes a folder for this user alone, in TMPDIR or /tmp, after removing those
 * of processes that have ended. `path` gets its absolute path. */
bool torus_temporary_folder(char *path, size_t size, torus_status *status);

/* Removes such a folder with its files. */
void torus_temporary_remove(const char *path);

/* Removes what interrupted writes of processes that have ended left in a
 * folder; for who has locked it. Returns how many files. */
int torus_temporary_clear(const char *folder);

#endif
