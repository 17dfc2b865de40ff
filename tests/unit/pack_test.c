/* Packing is the inverse of unpacking: whatever bytes a block has, its numbers give the same bytes again. */
#include "test_support.h"

#include <string.h>

#include "quant/pack.h"

enum { ROUNDS = 500 };

static uint64_t random_state = 88172645463325252U;

static uint8_t random_byte(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint8_t)(random_state >> 32);
}

/* Where a type's halves stand, which must be numbers: a NaN need not keep its bits. */
static void make_finite(smg_type type, uint8_t *bytes)
{
    const size_t size = smg_type_describe(type)->block_bytes;
    size_t at[2] = {0, 2};
    if (type == SMG_TYPE_Q2_K)
        at[0] = size - 4, at[1] = size - 2;
    else if (type == SMG_TYPE_Q3_K || type == SMG_TYPE_Q6_K)
        at[0] = at[1] = size - 2;
    else if (type != SMG_TYPE_Q4_1 && type != SMG_TYPE_Q5_1 && type != SMG_TYPE_Q4_K && type != SMG_TYPE_Q5_K)
        at[1] = 0;
    for (int i = 0; i < 2; i++)
        bytes[at[i] + 1] &= 0xbf;
}

static void to_numbers(int8_t *q, int n)
{
    for (int i = 0; i < n; i++) {
        int number = 0;
        while (smg_iq4_values[number] < q[i])
            number++;
        q[i] = (int8_t)number;
    }
}

static void round_trip(smg_type type)
{
    const smg_type_info *info = smg_type_describe(type);
    uint8_t bytes[sizeof(smg_block_q6_k)], again[sizeof bytes];
    for (size_t i = 0; i < info->block_bytes; i++)
        bytes[i] = random_byte();
    make_finite(type, bytes);
    memset(again, 0xa5, sizeof again);
    if (info->block_elements == SMG_QK) {
        smg_small_block block;
        smg_unpack_small(type, bytes, &block);
        if (type == SMG_TYPE_IQ4_NL)
            to_numbers(block.q, SMG_QK);
        smg_pack_small(type, &block, again);
    } else {
        smg_super_block block;
        smg_unpack_super(type, bytes, &block);
        if (type == SMG_TYPE_IQ4_XS)
            to_numbers(block.q, SMG_QK_K);
        smg_pack_super(type, &block, again);
    }
    if (memcmp(bytes, again, info->block_bytes) != 0)
        fail_msg("%s: packed bytes differ from those that were unpacked", info->name);
    if (info->block_bytes < sizeof again)
        assert_int_equal(again[info->block_bytes], 0xa5);
}

static void every_block_survives(void **state)
{
    static const smg_type types[] = {
        SMG_TYPE_Q4_0, SMG_TYPE_Q4_1, SMG_TYPE_Q5_0, SMG_TYPE_Q5_1, SMG_TYPE_Q8_0,   SMG_TYPE_Q2_K,
        SMG_TYPE_Q3_K, SMG_TYPE_Q4_K, SMG_TYPE_Q5_K, SMG_TYPE_Q6_K, SMG_TYPE_IQ4_NL, SMG_TYPE_IQ4_XS,
    };
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (int round = 0; round < ROUNDS; round++)
            round_trip(types[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_block_survives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
