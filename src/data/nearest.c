#include "data/nearest.h"

#include <string.h>

#define NAME_MAX_COMPARED 64

static char plain(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '_' || c == '-' ? ' ' : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, in which two neighbours that changed places count once. */
static size_t distance(const char *a, const char *b)
{
    const size_t height = strnlen(a, NAME_MAX_COMPARED), width = strnlen(b, NAME_MAX_COMPARED);
    size_t rows[3][NAME_MAX_COMPARED + 1];
    for (size_t j = 0; j <= width; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= height; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            const char p = plain(a[i - 1]), q = plain(b[j - 1]);
            row[j] = least(least(row[j - 1], above[j]) + 1, above[j - 1] + (p != q));
            if (i > 1 && j > 1 && p == plain(b[j - 2]) && q == plain(a[i - 2]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[height % 3][width];
}

/* "temperature" for "Process temperature [K]" */
static int begins_or_holds(const char *name, const char *wanted)
{
    const size_t size = strlen(wanted), room = strlen(name);
    for (size_t at = 0; size >= 3 && at + size <= room; at++) {
        size_t same = 0;
        while (same < size && plain(name[at + same]) == plain(wanted[same]))
            same++;
        if (same == size)
            return 1;
    }
    return 0;
}

ptrdiff_t smg_nearest_name(const char *wanted, const char *const *names, size_t count)
{
    ptrdiff_t best = -1;
    const size_t size = strlen(wanted);
    size_t best_distance = (size < 12 ? size : 12) / 3 + 1; /* what is further is another name */
    if (size == 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const size_t far = distance(wanted, names[i]);
        if (far < best_distance) {
            best_distance = far;
            best = (ptrdiff_t)i;
        }
    }
    for (size_t i = 0; best < 0 && i < count; i++) {
        if (begins_or_holds(names[i], wanted))
            best = (ptrdiff_t)i;
    }
    return best;
}
