/* JSON as it is written: where a value stands, and the value in one line. For texts that a JSON parser has found to be
 * sound; others do no harm. */
#ifndef SMG_DATA_JSON_RAW_H
#define SMG_DATA_JSON_RAW_H

#include <stdbool.h>
#include <stddef.h>

typedef struct smg_json_place {
    size_t begin; /* in the text */
    size_t end;
} smg_json_place;

/* The value at the front, without the white space around it. */
smg_json_place smg_json_whole(const char *text, size_t size);
/* The value of a member of the object at `object`, or an element of the array there; false where there is none. */
bool smg_json_find_member(const char *text, smg_json_place object, const char *name,
                          smg_json_place *ret_place);
bool smg_json_find_element(const char *text, smg_json_place array, size_t number, smg_json_place *ret_place);

/* The value without white space; texts are escaped only where JSON demands it, and DEL; numbers stay as they are. Returns
 * how many bytes that takes, at most 6 times those of the value; ret_text NULL: it only counts. */
size_t smg_json_compact(const char *text, smg_json_place value, char *ret_text);

#endif
