#include "boards.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

/* Measurements with the processor's cores, never the memory's nominal rate and never what a GPU gets.
 *   Pi 4: STREAM Scale, 5.56 GB/s read and written together by one core (https://www.sci-pi.org.uk/bench/stream.html); tinymembench
 *         copies 2.8 GB/s, which is the same (github.com/geerlingguy/sbc-reviews/issues/110).
 *   Pi 5: read-only with four threads 11.59 GB/s, with one 9.26, with two 13.23 (github.com/ggml-org/llama.cpp/issues/26484);
 *         tinymembench scans 9.1 to 9.4 with one (github.com/raspberrypi/firmware/issues/1876).
 *   Jetson Orin Nano: published figures are its GPU's. */
static const struct {
    const char *names; /* separated by commas; the first is the one to print */
    double bandwidth;
    const char *source;
} boards[] = {
    {"Raspberry Pi 4,pi4,pi-4,rpi4,pi 4", 5.56e9, "STREAM, sci-pi.org.uk/bench/stream.html"},
    {"Raspberry Pi 5,pi5,pi-5,rpi5,pi 5", 11.59e9, "four threads, ggml-org/llama.cpp issue 26484"},
    {"Jetson Orin Nano,orin-nano,jetson-orin-nano,orin nano", 0.0, ""},
};

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

/* ---- Reports -------------------------------------------------------------------------------------------- */

static double best_bandwidth(const json_t *report)
{
    double best = 0.0;
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(report, "bandwidth"), i, row)
    {
        const double here = json_number_value(json_object_get(row, "gigabytes_per_second")) * 1e9;
        best = here > best && here < 1e14 ? here : best;
    }
    return best;
}

static bool read_report(const char *path, board *ret_board)
{
    json_error_t error;
    json_t *report = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (report == NULL) {
        cli_complain(path, "is not a report: %s (smidge bench --report writes one)", error.text);
        return false;
    }
    const char *name = json_string_value(json_object_get(report, "board"));
    const json_int_t ram = json_integer_value(json_object_get(report, "ram_bytes"));
    const double bandwidth = best_bandwidth(report);
    board found = {.ram = ram > 0 ? (uint64_t)ram : 0, .bandwidth = bandwidth, .source = "its report"};
    snprintf(found.name, sizeof found.name, "%s", name != NULL ? name : "unnamed board");
    json_decref(report);
    if (bandwidth <= 0.0) {
        cli_complain(path, "has no bandwidth in it (smidge bench --report writes one that has)");
        return false;
    }
    *ret_board = found;
    return true;
}

bool board_find(const char *name, board *ret_board)
{
    for (size_t i = 0; i < sizeof boards / sizeof *boards; i++) {
        if (!is_listed(boards[i].names, name))
            continue;
        *ret_board = (board){.bandwidth = boards[i].bandwidth, .source = boards[i].source};
        snprintf(ret_board->name, sizeof ret_board->name, "%.*s", (int)strcspn(boards[i].names, ","),
                 boards[i].names);
        return true;
    }
    const size_t length = strlen(name);
    if (length > 5 && strcmp(name + length - 5, ".json") == 0)
        return read_report(name, ret_board);
    cli_complain(name, "is not a board that is known (pi4, pi5 and orin-nano are; or a report.json of smidge "
                       "bench --report; or give --bandwidth and --ram)");
    return false;
}
