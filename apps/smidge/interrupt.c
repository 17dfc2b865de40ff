#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static atomic_int interrupted;

static void note(int number)
{
    (void)number;
    atomic_store(&interrupted, 1);
}

atomic_int *interrupt_flag(void)
{
    /* SA_RESTART: the flag is what ends the work, not a read that fails. */
    const struct sigaction action = {.sa_handler = note, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &interrupted;
}
