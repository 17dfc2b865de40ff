/* Which of the names that there are somebody may have meant. */
#ifndef SMG_DATA_NEAREST_H
#define SMG_DATA_NEAREST_H

#include <stddef.h>

/* The place of the name nearest to `wanted`, letters' case and blanks aside; -1 where none is near. */
ptrdiff_t smg_nearest_name(const char *wanted, const char *const *names, size_t count);

#endif
