/*
 * Compares next-token logits of two or three programs over the same tokens and prints a markdown table.
 *
 *   agree tokens.bin NAME_A=a.f32 NAME_B=b.f32 [NAME_C=c.f32]
 *
 * A and B are the peer in two CPU variants, whose difference is the noise to expect; C is ours. With C the
 * exit status is 0 only if A-C and B-C stay within 1.5 times the noise: in disagreements, in mean KL, and in
 * disagreements where the first program prefers its choice by 0.2 or more. (None of those would be better to ask for,
 * but the peer's own variants have some.) A gap is the first program's logit for its own choice less its logit
 * for the other's, so it is never less than its top-2 difference.
 *
 * File formats, all little-endian:
 *   tokens.bin   int32 n_sequences, then for each sequence int32 n_tokens and int32 token[n_tokens]
 *   logits.f32   float32 [n_vocab] for every position of every sequence in the order of tokens.bin, with no
 *                header: row i of a sequence holds the logits after token[0..i] of that sequence alone, so
 *                the first row belongs to the first token; n_vocab is the file's size / 4 / positions
 *
 * The files are read a row at a time, since a set of 20 x 64 rows of a 49152-token vocabulary is 252 MB.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 3
#define NOISE_FACTOR 1.5
#define GAP_LIMIT 0.2

struct source {
    const char *name, *path;
    FILE *file;
    float *row;
    double log_sum; /* log of the sum of exp over the row */
    int best;
};

struct comparison {
    int first, second; /* KL(first||second), and gaps are the first's */
    long disagreements, wide_gaps;
    double kl_sum, kl_max, gap_max, square_sum;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "agree: %s: %s\n", what, why);
    exit(2);
}

static long count_positions(const char *path)
{
    int32_t n_sequences = 0, n = 0;
    long positions = 0;
    FILE *file = fopen(path, "rb");
    if (!file) {
        die(path, strerror(errno));
    }
    if (fread(&n_sequences, sizeof n_sequences, 1, file) != 1) {
        die(path, "is empty");
    }
    for (int32_t s = 0; s < n_sequences; s++) {
        if (fread(&n, sizeof n, 1, file) != 1 || n < 1 || fseek(file, n * 4L, SEEK_CUR) != 0) {
            die(path, "is not a token list file");
        }
        positions += n;
    }
    fclose(file);
    return positions;
}

static long open_source(struct source *source, char *argument, long positions)
{
    char *equals = strchr(argument, '=');
    if (!equals) {
        die(argument, "wants NAME=FILE");
    }
    *equals = '\0';
    source->name = argument;
    source->path = equals + 1;
    source->file = fopen(source->path, "rb");
    if (!source->file || fseek(source->file, 0, SEEK_END) != 0) {
        die(source->path, strerror(errno));
    }
    long size = ftell(source->file);
    rewind(source->file);
    if (size <= 0 || positions <= 0 || size % (4 * positions) != 0) {
        die(source->path, "its size does not fit the number of positions (another tokens.bin?)");
    }
    source->row = malloc((size_t)(size / positions));
    if (!source->row) {
        die(source->path, "out of memory");
    }
    return size / 4 / positions;
}

static void next_row(struct source *source, long n_vocab)
{
    if (fread(source->row, sizeof(float), (size_t)n_vocab, source->file) != (size_t)n_vocab) {
        die(source->path, "ended early");
    }
    source->best = 0;
    for (int v = 0; v < n_vocab; v++) {
        if (!isfinite(source->row[v])) {
            die(source->path, "holds a logit that is not finite");
        }
        if (source->row[v] > source->row[source->best]) {
            source->best = v;
        }
    }
    double sum = 0, top = source->row[source->best];
    for (long v = 0; v < n_vocab; v++) {
        sum += exp(source->row[v] - top);
    }
    source->log_sum = top + log(sum);
}

static void compare_row(struct comparison *comparison, const struct source *sources, long n_vocab)
{
    const struct source *p = &sources[comparison->first], *q = &sources[comparison->second];
    double kl = 0, squares = 0;
    for (long v = 0; v < n_vocab; v++) {
        double log_p = p->row[v] - p->log_sum, difference = (double)p->row[v] - q->row[v];
        kl += exp(log_p) * (log_p - (q->row[v] - q->log_sum));
        squares += difference * difference;
    }
    comparison->kl_sum += kl;
    comparison->kl_max = fmax(comparison->kl_max, kl);
    comparison->square_sum += squares / (double)n_vocab;
    if (p->best != q->best) {
        comparison->disagreements++;
        double gap = (double)p->row[p->best] - p->row[q->best];
        comparison->gap_max = fmax(comparison->gap_max, gap);
        comparison->wide_gaps += gap >= GAP_LIMIT;
    }
}

/* NULL, or what lies outside. */
static const char *outside_noise(const struct comparison *ours, const struct comparison *noise)
{
    if ((double)ours->disagreements > NOISE_FACTOR * (double)noise->disagreements) {
        return "FAIL: disagreements";
    }
    if (ours->kl_sum > NOISE_FACTOR * noise->kl_sum) {
        return "FAIL: mean KL";
    }
    if ((double)ours->wide_gaps > NOISE_FACTOR * (double)noise->wide_gaps) {
        return "FAIL: gaps";
    }
    return NULL;
}

static void print_row(const struct comparison *c, const struct source *sources, long positions,
                      const char *verdict)
{
    double n = (double)positions;
    printf("| %s - %s | %ld | %ld | %.2f %% | %.3e | %.3e | %.4f | %ld | %.4f | %s |\n",
           sources[c->first].name, sources[c->second].name, positions, c->disagreements,
           100.0 * (double)c->disagreements / n, c->kl_sum / n, c->kl_max, c->gap_max, c->wide_gaps,
           sqrt(c->square_sum / n), verdict);
}

int main(int argc, char **argv)
{
    struct source sources[MAX_FILES] = {0};
    struct comparison comparisons[MAX_FILES] = {{.first = 0, .second = 1},
                                                {.first = 0, .second = 2},
                                                {.first = 1, .second = 2}};
    int n_sources = argc - 2, failed = 0;

    if (n_sources < 2 || n_sources > MAX_FILES) {
        fputs("usage: agree tokens.bin NAME_A=a.f32 NAME_B=b.f32 [NAME_C=c.f32]\n", stderr);
        return 2;
    }
    int n_comparisons = n_sources == 2 ? 1 : MAX_FILES;
    long positions = count_positions(argv[1]), n_vocab = 0;
    for (int i = 0; i < n_sources; i++) {
        long n = open_source(&sources[i], argv[2 + i], positions);
        if (i > 0 && n != n_vocab) {
            die(sources[i].path, "has another vocabulary size than the first file");
        }
        n_vocab = n;
    }
    for (long position = 0; position < positions; position++) {
        for (int i = 0; i < n_sources; i++) {
            next_row(&sources[i], n_vocab);
        }
        for (int i = 0; i < n_comparisons; i++) {
            compare_row(&comparisons[i], sources, n_vocab);
        }
    }

    puts("| pair | positions | top-1 differs | share | mean KL | max KL | largest gap | gaps >= 0.2 "
         "| rms difference | verdict |");
    puts("|---|---|---|---|---|---|---|---|---|---|");
    for (int i = 0; i < n_comparisons; i++) {
        const char *problem = i > 0 ? outside_noise(&comparisons[i], &comparisons[0]) : NULL;
        print_row(&comparisons[i], sources, positions, i == 0 ? "noise" : problem ? problem : "pass");
        failed |= problem != NULL;
    }
    for (int i = 0; i < n_sources; i++) {
        fclose(sources[i].file);
        free(sources[i].row);
    }
    return failed;
}
