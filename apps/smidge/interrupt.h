/* Ctrl-C in the middle of long work: the work ends by itself, with nothing half done. */
#ifndef SMIDGE_INTERRUPT_H
#define SMIDGE_INTERRUPT_H

#include <stdatomic.h>

/* Becomes 1 at the first SIGINT or SIGTERM from now on; the second one ends the program as usual. */
atomic_int *interrupt_flag(void);

#endif
