/* Texts that live as long as what they belong to, and stay where they are. */
#ifndef SMG_DATA_TEXT_POOL_H
#define SMG_DATA_TEXT_POOL_H

#include <stddef.h>

typedef struct smg_text_pool smg_text_pool;

/* NULL without memory; released with all that was taken from it. */
smg_text_pool *smg_text_pool_new(void);
void smg_text_pool_free(smg_text_pool *pool);

/* Zeroed bytes, aligned for anything but vectors; NULL without memory. */
void *smg_text_pool_take(smg_text_pool *pool, size_t bytes);
/* A copy with a zero byte behind it. */
char *smg_text_pool_copy(smg_text_pool *pool, const char *text, size_t size);

#endif
