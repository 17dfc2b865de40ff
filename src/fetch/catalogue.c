#include "fetch/catalogue.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "fetch/catalogue_table.h"

const char *const smg_catalogue_types[SMG_CATALOGUE_TYPES] = {"q4_k_m", "q5_k_m", "q6_k", "q8_0"};

static bool is_listed(const char *names, const char *name)
{
    const size_t length = strlen(name);
    while (*names != '\0') {
        const size_t size = strcspn(names, ",");
        if (size == length && strncasecmp(names, name, size) == 0)
            return true;
        names += size;
        names += *names == ',';
    }
    return false;
}

const smg_catalogue_entry *smg_catalogue_find(const char *name)
{
    for (size_t i = 0; i < smg_catalogue_table_count; i++) {
        const smg_catalogue_entry *entry = &smg_catalogue_table[i];
        if (strcasecmp(entry->name, name) == 0 || is_listed(entry->aliases, name))
            return entry;
    }
    return NULL;
}

size_t smg_catalogue_count(void)
{
    return smg_catalogue_table_count;
}

const smg_catalogue_entry *smg_catalogue_at(size_t number)
{
    return &smg_catalogue_table[number];
}

int smg_catalogue_type(const char *type)
{
    for (int i = 0; i < SMG_CATALOGUE_TYPES; i++) {
        if (strcasecmp(smg_catalogue_types[i], type) == 0)
            return i;
    }
    return -1;
}

bool smg_catalogue_file(const smg_catalogue_entry *entry, int type, char *ret_name, size_t room)
{
    const char *name = smg_catalogue_types[type];
    const char *mark = strchr(entry->file, '%');
    const size_t head = (size_t)(mark - entry->file), middle = strlen(name), tail = strlen(mark + 1);
    if (head + middle + tail + 1 > room)
        return false;
    memcpy(ret_name, entry->file, head);
    for (size_t i = 0; i < middle; i++)
        ret_name[head + i] = (char)toupper((unsigned char)name[i]);
    memcpy(ret_name + head + middle, mark + 1, tail + 1);
    return true;
}
