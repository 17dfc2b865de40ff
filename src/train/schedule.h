/* How large a step is: linear warm-up, the peak for a while, then half a cosine down to a floor (Loshchilov, Hutter, "SGDR", arXiv 1608.03983). */
#ifndef SMG_TRAIN_SCHEDULE_H
#define SMG_TRAIN_SCHEDULE_H

#include <stdint.h>

typedef struct smg_schedule {
    int64_t steps;  /* in all, at least 1 */
    int64_t warmup; /* of them, below `steps` */
    int64_t hold;   /* of them, behind the warm-up at the peak; both together below `steps` */
    double floor;   /* what the last step nears, as a share of the peak */
} smg_schedule;

/* The share of the peak at `step`, from 0 to steps - 1; behind the last step it is the floor. */
double smg_schedule_at(const smg_schedule *schedule, int64_t step);

#endif
