/* Boards that smidge fit knows, and reports of others that smidge bench --report wrote. */
#ifndef SMIDGE_BOARDS_H
#define SMIDGE_BOARDS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct board {
    char name[64];
    uint64_t ram; /* bytes; 0: it comes with several, or is unknown */
    double
        bandwidth; /* bytes a second that the processor's cores read; 0: nobody has published a measurement */
    const char *source;
} board;

/* By name, or the path of a report. False after a message. */
bool board_find(const char *name, board *ret_board);

#endif
