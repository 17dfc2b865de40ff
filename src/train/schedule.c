#include "train/schedule.h"

#include <math.h>

double smg_schedule_at(const smg_schedule *schedule, int64_t step)
{
    /* Step 0 already moves: a step of size zero would be wasted. */
    if (step < schedule->warmup)
        return (double)(step + 1) / (double)(schedule->warmup + 1);
    if (step >= schedule->steps)
        return schedule->floor;
    const int64_t falls = schedule->warmup + schedule->hold;
    if (step < falls)
        return 1.0;
    const double way = (double)(step - falls) / (double)(schedule->steps - falls);
    return schedule->floor + (1.0 - schedule->floor) * 0.5 * (1.0 + cos(M_PI * way));
}
