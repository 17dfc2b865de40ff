/* What tests share: where fixtures and models are, and how a test says that it was skipped.
 *
 * A test is a cmocka program; with cmocka.h come the four headers that it wants before itself. */
#ifndef SMG_TEST_SUPPORT_H
#define SMG_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SMG_TEST_SKIPPED 77

/* The path of a fixture, such as "models/stories260K.gguf": in $SMIDGE_FIXTURES, or else in
 * ../shared/fixtures beside the repository. NULL when it is not there. The text is the caller's until eight
 * more paths were asked for. */
const char *smg_test_fixture(const char *name);
/* The same, and skips the whole program when it is not there. */
const char *smg_test_need_fixture(const char *name);

/* A downloaded model: $XDG_CACHE_HOME/smidge/models/NAME, or under ~/.cache. NULL when it is not there. */
const char *smg_test_model(const char *name);

/* A file of the source tree, such as "tests/golden/llama/logits.bin"; never NULL. */
const char *smg_test_source(const char *name);

/* Prints `skipped: REASON` and ends the program with the status that ctest takes for skipped. */
_Noreturn void smg_test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often to repeat a long random test: `count`, or a twentieth of it where programs run slowly (sanitizers,
 * emulation: SMIDGE_TEST_QUICK is set); at least 1. */
int smg_test_repeats(int count);

/* A small generator for test data: the same numbers everywhere. Any start state will do. */
uint64_t smg_test_random(uint64_t *state);

#endif
