/* This process as the system sees it. */
#ifndef SMIDGE_PROCESS_H
#define SMIDGE_PROCESS_H

#include <stdint.h>

/* When this process started, on the clock of smidge_now_ns: never earlier than the truth, and later by at most one tick of
 * the kernel. The deadline of a single prompt counts from here. */
int64_t process_start(void);

/* The most memory it ever had, in bytes; 0 if the system does not say. */
uint64_t process_peak_memory(void);

#endif
