// bias.c -- cases of bias.
#include "tests/op_row.h"

const struct op_row vkd_rows_bias[] = {
    { .op = "bias", .in = { F32(1, 1, 1, 1), F32(1, 1, 1, 1) } },
    { .op = "bias", .in = { F32(2, 7, 5, 3), F32(1, 1, 1, 3) } },
    { .op = "bias", .in = { F32(5, 1, 1, 130), F32(1, 1, 1, 130) } },
    { .op = "bias", .in = { F32(1, 16, 16, 5), F32(1, 1, 1, 5) }, .want = 2 },
    { .op = "bias", .in = { F32(1, 257, 1, 16), F32(1, 1, 1, 16) } },
    { .op = "bias", .in = { F32(1, 300, 401, 4), F32(1, 1, 1, 4) }, .samples = 4 },
    { .op = "bias", .in = { F32(1, 1031, 1, 10), F32(1, 1, 1, 10) }, .samples = 8 },
    { .op = "bias", .in = { F32(2, 3, 3, 6), F32(1, 1, 1, 6) }, .nan = true },
    { .op = "bias", .in = { F32(1, 2, 3, 4), F32(1, 1, 1, 5) }, .rejects = "b must be (1, 1, 1, 4)" },
    { .op = "bias", .in = { F32(1, 255, 257, 10), F32(1, 1, 1, 10) }, .samples = 4, .want = 1, .range_max = 131072,
      .group_max = 7 },
};
OP_ROWS_COUNT(bias)
