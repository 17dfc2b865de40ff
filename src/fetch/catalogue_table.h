/* The table behind fetch/catalogue.h. */
#ifndef SMG_FETCH_CATALOGUE_TABLE_H
#define SMG_FETCH_CATALOGUE_TABLE_H

#include "fetch/catalogue.h"

extern const smg_catalogue_entry smg_catalogue_table[];
extern const size_t smg_catalogue_table_count;

#endif
