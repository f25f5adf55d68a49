#include "core/interrupt.h"

atomic_bool torus_interrupt_requested;
