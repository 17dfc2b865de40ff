#include "base/clock.h"
#include "smg_version.h"
#include "smidge/smidge.h"

const char *smidge_version(void)
{
    return SMG_VERSION;
}

const char *smidge_commit(void)
{
    return SMG_COMMIT;
}

int64_t smidge_now_ns(void)
{
    return smg_clock_now();
}
