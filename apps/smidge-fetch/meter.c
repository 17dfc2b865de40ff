#include "meter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

#define SECOND INT64_C(1000000000)

void fetch_meter_start(fetch_meter *meter, const char *name, bool quiet)
{
    *meter = (fetch_meter){.name = name, .on = !quiet && isatty(STDERR_FILENO), .rate_at = smidge_now_ns()};
}

void fetch_meter_skip(fetch_meter *meter, uint64_t done)
{
    meter->rate_from = done;
    meter->rate_at = smidge_now_ns();
}

static void measure(fetch_meter *meter, uint64_t done, int64_t now)
{
    const double seconds = (double)(now - meter->rate_at) / (double)SECOND;
    if (done < meter->rate_from) { /* it began anew */
        fetch_meter_skip(meter, done);
    } else if (seconds >= 1.0) {
        const double rate = (double)(done - meter->rate_from) / seconds;
        meter->rate = meter->rate > 0.0 ? 0.7 * meter->rate + 0.3 * rate : rate;
        fetch_meter_skip(meter, done);
    }
}

static void print_left(char *text, size_t room, double seconds)
{
    if (seconds >= 360000.0)
        snprintf(text, room, "  more than 100 h left");
    else if (seconds >= 3600.0)
        snprintf(text, room, "  %.0f h %02d min left", seconds / 3600.0 - 0.5, (int)(seconds / 60.0) % 60);
    else
        snprintf(text, room, "  %d:%02d left", (int)seconds / 60, (int)seconds % 60);
}

/* A line that is wider than the terminal would go on in the next one and stay there. */
static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
}

void fetch_meter_show(fetch_meter *meter, uint64_t done, uint64_t total)
{
    char part[32], whole[32], rate[32], line[160], left[40] = "", speed[48] = "";
    const int64_t now = smidge_now_ns();
    if (!meter->on || (meter->shown_at != 0 && now - meter->shown_at < SECOND / 5))
        return;
    measure(meter, done, now);
    meter->shown_at = now;
    if (meter->rate > 0.0) {
        snprintf(speed, sizeof speed, "  %s/s", cli_bytes(meter->rate, rate));
        if (total >= done)
            print_left(left, sizeof left, (double)(total - done) / meter->rate);
    }
    int width;
    if (total > 0)
        width = snprintf(line, sizeof line, "%.30s  %d %%  %s of %s%s%s", meter->name,
                         (int)((double)done * 100.0 / (double)total), cli_bytes((double)done, part),
                         cli_bytes((double)total, whole), speed, left);
    else
        width = snprintf(line, sizeof line, "%.30s  %s%s", meter->name, cli_bytes((double)done, part), speed);
    const int most = columns();
    if (width > most)
        line[width = most] = '\0';
    fprintf(stderr, "\r%s%*s", line, meter->width > width ? meter->width - width : 0, "");
    meter->width = width;
}

void fetch_meter_end(fetch_meter *meter)
{
    if (meter->on && meter->shown_at != 0)
        fprintf(stderr, "\r%*s\r", meter->width, "");
    meter->shown_at = 0;
}
