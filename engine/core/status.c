#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>

bool torus_status_fail(torus_status *status, torus_code code,
                       const char *format, ...) {
  if (status->code != TORUS_OK) return false;
  va_list args;
  va_start(args, format);
  vsnprintf(status->message, sizeof status->message, format, args);
  va_end(args);
  status->code = code;
  return false;
}

void torus_status_clear(torus_status *status) {
  status->code = TORUS_OK;
  status->message[0] = '\0';
}
