#include "bench_file.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench_print.h"
#include "smidge/tools.h"

enum { TEXT = 256, PATH_ROOM = 4096 };

/* ---- The machine ---------------------------------------------------------------------------------------- */

/* The first line of a small file of the kernel's; "" if there is none. */
static void read_line(const char *path, char *ret_text, size_t room)
{
    ret_text[0] = '\0';
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return;
    const size_t size = fread(ret_text, 1, room - 1, file);
    ret_text[size] = '\0';
    ret_text[strcspn(ret_text, "\r\n")] = '\0';
    fclose(file);
}

/* As the device tree, or else the firmware of a PC, names it. */
static void read_board(char ret_text[TEXT])
{
    char vendor[TEXT], product[TEXT];
    read_line("/proc/device-tree/model", ret_text, TEXT);
    if (ret_text[0] != '\0')
        return;
    read_line("/sys/class/dmi/id/sys_vendor", vendor, sizeof vendor);
    read_line("/sys/class/dmi/id/product_name", product, sizeof product);
    snprintf(ret_text, TEXT, "%.100s%s%.100s", vendor, vendor[0] != '\0' && product[0] != '\0' ? " " : "",
             product);
    if (ret_text[0] == '\0')
        snprintf(ret_text, TEXT, "unknown board");
}

static uint64_t read_ram(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
}

void bench_state_read(bench_state *ret_state)
{
    char text[32];
    *ret_state = (bench_state){.temperature = ""};
    read_line("/sys/class/thermal/thermal_zone0/temp", text, sizeof text);
    if (text[0] != '\0')
        snprintf(ret_state->temperature, sizeof ret_state->temperature, "%.1f", atof(text) / 1000.0);
    read_line("/sys/devices/platform/soc/soc:firmware/get_throttled", text, sizeof text);
    if (text[0] != '\0')
        snprintf(ret_state->throttled, sizeof ret_state->throttled, "0x%.20s", text);
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", ret_state->frequency,
              sizeof ret_state->frequency);
}

/* ---- JSON ----------------------------------------------------------------------------------------------- */

static json_t *json_of_text(const char *text)
{
    json_t *string = text[0] != '\0' ? json_string(text) : NULL;
    return string != NULL ? string : json_null();
}

static json_t *json_of_number(const char *text)
{
    return text[0] != '\0' ? json_real(atof(text)) : json_null();
}

static json_t *json_of_state(const bench_state *state)
{
    return json_pack("{s:o, s:o, s:o}", "celsius", json_of_number(state->temperature), "throttled",
                     json_of_text(state->throttled), "kilohertz", json_of_number(state->frequency));
}

static json_t *json_of_machine(const char *board, const bench_state *before)
{
    smidge_cpu_info cpu = {.size = sizeof cpu};
    struct utsname system = {0};
    char governor[64], most[64];
    bench_state after;
    smidge_cpu_describe(&cpu);
    (void)uname(&system);
    bench_state_read(&after);
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor, sizeof governor);
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", most, sizeof most);
    return json_pack("{s:s, s:i, s:o, s:s, s:s, s:o, s:i, s:s, s:I, s:s, s:o, s:o, s:o, s:o}", "report",
                     "smidge bench", "report_version", 1, "board", json_of_text(board), "smidge",
                     smidge_version(), "commit", smidge_commit(), "processor", json_of_text(cpu.model),
                     "cores", (int)cpu.cores, "kernels", cpu.best, "ram_bytes", (json_int_t)read_ram(),
                     "system", system.machine, "kernel", json_of_text(system.release), "governor",
                     json_of_text(governor), "kilohertz_most", json_of_number(most), "state",
                     json_pack("{s:o, s:o}", "before", json_of_state(before), "after",
                               json_of_state(&after)));
}

/* Of each number of threads: what the machine reads, and what was predicted from that beside what was measured. */
static smidge_status add_measured(json_t *object, smidge_file *file, const bench_options *options,
                                  const bench_report *report, smidge_error *error)
{
    json_t *bandwidth = json_array();
    json_t *predicted = json_array();
    json_object_set_new(object, "bandwidth", bandwidth);
    json_object_set_new(object, "prediction", predicted);
    for (size_t i = 0; i < report->count; i++) {
        smidge_machine_speed speed = {.size = sizeof speed};
        smidge_fit_result result = {.size = sizeof result};
        const smidge_fit_options fit = {.size = sizeof fit,
                                        .threads = report->runs[i].threads,
                                        .force = options->model.force,
                                        .measured = &speed};
        smidge_status status = smidge_machine_measure(file, report->runs[i].threads, &speed, error);
        if (status == SMIDGE_OK)
            status = smidge_fit(file, &fit, &result, error);
        if (status != SMIDGE_OK)
            return status;
        json_array_append_new(bandwidth, json_pack("{s:i, s:f, s:f}", "threads", (int)speed.threads,
                                                   "gigabytes_per_second", speed.bandwidth / 1e9,
                                                   "synchronisation_us", speed.phase_ns / 1e3));
        json_array_append_new(predicted, json_pack("{s:i, s:f, s:f, s:I}", "threads", (int)speed.threads,
                                                   "predicted_tokens_per_second", result.tokens_per_second,
                                                   "measured_tokens_per_second", report->runs[i].decode.mean,
                                                   "need_bytes", (json_int_t)result.need));
    }
    return SMIDGE_OK;
}

/* ---- The file ------------------------------------------------------------------------------------------- */

/* Small letters, digits and single dashes: fit for a file's name. */
static size_t add_slug(char *name, size_t used, const char *text, size_t most)
{
    const size_t end = used + most;
    for (; *text != '\0' && used < end; text++) {
        const unsigned char letter = (unsigned char)*text;
        if (letter < 0x80 && isalnum(letter))
            name[used++] = (char)tolower(letter);
        else if (used > 0 && name[used - 1] != '-')
            name[used++] = '-';
    }
    while (used > 0 && name[used - 1] == '-')
        used--;
    name[used] = '\0';
    return used;
}

static void default_path(const char *board, const smidge_model_info *model, char ret_path[TEXT])
{
    size_t used = add_slug(ret_path, 0, board, 64);
    ret_path[used++] = '-';
    used = add_slug(ret_path, used, model->name[0] != '\0' ? model->name : model->architecture, 64);
    ret_path[used++] = '-';
    used = add_slug(ret_path, used, model->type, 24);
    snprintf(ret_path + used, TEXT - used, ".json");
}

/* Under its name only when it is whole and on the disk. */
static bool write_file(const char *path, const json_t *object)
{
    char fresh[PATH_ROOM];
    if (snprintf(fresh, sizeof fresh, "%s.part", path) >= (int)sizeof fresh) {
        errno = ENAMETOOLONG;
        return false;
    }
    FILE *file = fopen(fresh, "wbe");
    if (file == NULL)
        return false;
    bool good = json_dumpf(object, file, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0 &&
                fputc('\n', file) != EOF && fflush(file) == 0 && fsync(fileno(file)) == 0;
    good = fclose(file) == 0 && good && rename(fresh, path) == 0;
    const int why = errno;
    if (!good)
        (void)unlink(fresh);
    errno = why;
    return good;
}

static void close_file(smidge_file **file)
{
    smidge_file_close(*file);
}

int bench_file_write(const char *path, const bench_options *options, const bench_report *report,
                     const bench_state *before)
{
    __attribute__((cleanup(close_file))) smidge_file *file = NULL;
    char board[TEXT], name[TEXT];
    smidge_error error;
    read_board(board);
    json_t *object = json_of_machine(board, before);
    smidge_status status = smidge_file_open(options->model.path, &file, &error);
    if (status == SMIDGE_OK)
        status = add_measured(object, file, options, report, &error);
    if (status != SMIDGE_OK) {
        json_decref(object);
        return cli_fail(&error);
    }
    json_object_set_new(object, "results", bench_json(report));
    default_path(board, &report->model, name);
    path = path != NULL ? path : name;
    const bool good = write_file(path, object);
    json_decref(object);
    if (!good) {
        cli_complain(path, "%s (name another file with --report-file)", strerror(errno));
        return EXIT_FAILED;
    }
    fprintf(stderr, "report written to %s: bench/boards/README.md says where to send it\n", path);
    return -1;
}
