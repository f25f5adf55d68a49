#include "core/scope.h"

#include "core/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void torus_scope_init(torus_scope *scope, bool record) {
  torus_status_clear(&scope->status);
  scope->record = record;
  scope->count = 0;
  scope->capacity = sizeof scope->small / sizeof *scope->small;
  scope->owned = scope->small;
}

void torus_scope_clear(torus_scope *scope) {
  for (int64_t i = 0; i < scope->count; i++) {
    torus_tensor_release(scope->owned[i]);
  }
  if (scope->owned != scope->small) torus_free(scope->owned);
  scope->count = 0;
  scope->capacity = sizeof scope->small / sizeof *scope->small;
  scope->owned = scope->small;
}

static bool grow(torus_scope *scope) {
  int64_t capacity = scope->capacity * 2;
  torus_tensor **owned = torus_alloc((size_t)capacity * sizeof *owned);
  if (!owned) {
    return torus_status_fail(&scope->status, TORUS_ENOMEM,
                             "out of memory: cannot allocate temporaries");
  }
  memcpy(owned, scope->owned, (size_t)scope->count * sizeof *owned);
  if (scope->owned != scope->small) torus_free(scope->owned);
  scope->owned = owned;
  scope->capacity = capacity;
  return true;
}

torus_tensor *torus_scope_own(torus_scope *scope, torus_tensor *tensor) {
  if (!tensor) return NULL;
  if (scope->count == scope->capacity && !grow(scope)) {
    torus_tensor_release(tensor);
    return NULL;
  }
  scope->owned[scope->count++] = tensor;
  return tensor;
}

torus_tensor *torus_scope_fail(torus_scope *scope, torus_code code,
                               const char *format, ...) {
  char message[TORUS_MESSAGE_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  torus_status_fail(&scope->status, code, "%s", message);
  return NULL;
}

void torus_scope_pass_error(torus_scope *outer, const torus_scope *inner) {
  if (inner->status.code == TORUS_OK) return;
  torus_status_fail(&outer->status, inner->status.code, "%s",
                    inner->status.message);
}
