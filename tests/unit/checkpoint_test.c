/* Checkpoints: what is written is read, and nothing else is. */
#include "test_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "train/checkpoint.h"

enum { POINTS = 3, FIRST = 5, SECOND = 2 };

static const smg_fact facts[] = {{"model", "0123456789abcdef"}, {"--lr", "0.0002"}, {"--seed", "1"}};
static const smg_train_point points[POINTS] = {{.step = 1, .tokens = 100, .loss = 2.0F},
                                               {.step = 2, .tokens = 200, .loss = 1.5F},
                                               {.step = 3, .tokens = 300, .loss = 1.0F}};
static float first[FIRST] = {1, 2, 3, 4, 5}, second[SECOND] = {-1, -2};
static char path[64];

static smg_checkpoint sound(smg_floats ret_arrays[2])
{
    ret_arrays[0] = (smg_floats){first, FIRST};
    ret_arrays[1] = (smg_floats){second, SECOND};
    return (smg_checkpoint){.facts = facts,
                            .fact_count = 3,
                            .place = {.step = 3,
                                      .stage_step = 3,
                                      .position = 7,
                                      .tokens = 300,
                                      .batch = 64,
                                      .seconds = 1.5,
                                      .loss = 1.25,
                                      .valid_loss = NAN,
                                      .best_loss = NAN},
                            .points = points,
                            .point_count = POINTS,
                            .arrays = ret_arrays,
                            .array_count = 2};
}

static void write_sound(void)
{
    smidge_error error;
    smg_floats arrays[2];
    const smg_checkpoint checkpoint = sound(arrays);
    assert_int_equal(smg_checkpoint_write(path, &checkpoint, &error), SMIDGE_OK);
}

static uint8_t *read_bytes(size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 16);
    assert_non_null(file);
    assert_non_null(bytes);
    *ret_size = fread(bytes, 1, 1 << 16, file);
    fclose(file);
    return bytes;
}

static void round_trip(void **state)
{
    (void)state;
    smidge_error error;
    smg_checkpoint_file file;
    bool found = false;
    write_sound();
    assert_int_equal(smg_checkpoint_open(path, &file, &found, &error), SMIDGE_OK);
    assert_true(found);
    assert_int_equal(file.place.step, 3);
    assert_int_equal(file.place.position, 7);
    assert_true(file.place.loss == 1.25 && isnan(file.place.best_loss));
    assert_int_equal(smg_checkpoint_match(&file, facts, 3, &error), SMIDGE_OK);
    smg_train_point read[POINTS];
    assert_int_equal(file.point_count, POINTS);
    smg_checkpoint_points(&file, read);
    assert_memory_equal(read, points, sizeof points);
    float a[FIRST] = {0}, b[SECOND] = {0};
    const smg_floats arrays[] = {{a, FIRST}, {b, SECOND}};
    assert_int_equal(smg_checkpoint_load(&file, arrays, 2, &error), SMIDGE_OK);
    assert_memory_equal(a, first, sizeof a);
    assert_memory_equal(b, second, sizeof b);
    smg_checkpoint_close(&file);
}

static void of_another_training(void **state)
{
    (void)state;
    smidge_error error;
    smg_checkpoint_file file;
    bool found = false;
    write_sound();
    assert_int_equal(smg_checkpoint_open(path, &file, &found, &error), SMIDGE_OK);
    smg_fact other[3];
    memcpy(other, facts, sizeof other);
    snprintf(other[1].value, sizeof other[1].value, "0.0003");
    assert_int_equal(smg_checkpoint_match(&file, other, 3, &error), SMIDGE_E_INVALID);
    assert_non_null(strstr(error.message, "was begun with another --lr: 0.0002, now 0.0003"));
    assert_non_null(strstr(error.message, "--restart"));
    assert_int_equal(smg_checkpoint_match(&file, facts, 2, &error), SMIDGE_E_INVALID);
    other[1].name = "--clip";
    assert_int_equal(smg_checkpoint_match(&file, other, 3, &error), SMIDGE_E_INVALID);
    /* arrays of another model: none is touched */
    float a[FIRST] = {9}, b[SECOND + 1] = {9};
    const smg_floats arrays[] = {{a, FIRST}, {b, SECOND + 1}};
    assert_int_equal(smg_checkpoint_load(&file, arrays, 2, &error), SMIDGE_E_FORMAT);
    assert_int_equal(smg_checkpoint_load(&file, arrays, 1, &error), SMIDGE_E_FORMAT);
    assert_true(a[0] == 9.0F && b[0] == 9.0F);
    smg_checkpoint_close(&file);
}

/* Every cut, and every byte changed. */
static void damaged(void **state)
{
    (void)state;
    smidge_error error;
    smg_checkpoint_file file;
    size_t size = 0;
    write_sound();
    uint8_t *bytes = read_bytes(&size);
    assert_int_equal(smg_checkpoint_parse(bytes, size, "whole", &file, &error), SMIDGE_OK);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(smg_checkpoint_parse(bytes, cut, "cut", &file, &error), SMIDGE_E_FORMAT);
        assert_true(strstr(error.message, "--restart") != NULL);
    }
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x10;
        const smidge_status status = smg_checkpoint_parse(bytes, size, "changed", &file, &error);
        assert_true(status == SMIDGE_E_FORMAT || status == SMIDGE_E_UNSUPPORTED);
        bytes[i] ^= 0x10;
    }
    free(bytes);
}

static void missing(void **state)
{
    (void)state;
    smidge_error error;
    smg_checkpoint_file file;
    bool found = true;
    unlink(path);
    assert_int_equal(smg_checkpoint_open(path, &file, &found, &error), SMIDGE_OK);
    assert_false(found);
    assert_int_equal(smg_checkpoint_open("/", &file, &found, &error), SMIDGE_E_IO);
}

/* What was there stays where a new one cannot be written. */
static void unwritable(void **state)
{
    (void)state;
    smidge_error error;
    smg_floats arrays[2];
    const smg_checkpoint checkpoint = sound(arrays);
    assert_int_equal(smg_checkpoint_write("/nowhere/a.checkpoint", &checkpoint, &error), SMIDGE_E_IO);
    assert_true(strlen(error.message) > 0);
}

int main(void)
{
    snprintf(path, sizeof path, "/tmp/checkpoint_test.%d", (int)getpid());
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(of_another_training),
                                       cmocka_unit_test(damaged), cmocka_unit_test(missing),
                                       cmocka_unit_test(unwritable)};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
