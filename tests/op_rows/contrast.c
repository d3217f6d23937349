// contrast.c -- cases of contrast.
#include "tests/op_row.h"

const struct op_row vkd_rows_contrast[] = {
    { .op = "contrast", .in = { F32(1, 1, 1, 1), U32(1, 1) } },
    { .op = "contrast", .in = { F32(2, 1, 1, 2), U32(2, 1) } },
    { .op = "contrast", .in = { F32(7, 1, 1, 7), U32(7, 3) } },
    { .op = "contrast", .in = { F32(30, 1, 1, 30), U32_SOME(30, 4, 0.3f) } },
    { .op = "contrast", .in = { F32(2, 8, 4, 64), U32(64, 20) } },
    { .op = "contrast", .in = { F32(65, 1, 1, 65), U32_SOME(65, 30, 0.2f) } },
    { .op = "contrast", .in = { F32_IN(130, 1, 1, 130, -5, 5), U32(130, 10) } },
    { .op = "contrast", .in = { F32_IN(131, 1, 1, 131, -1e4f, 1e4f), U32(131, 40) } },
    { .op = "contrast", .in = { F32_IN(10, 1, 1, 10, -1e4f, 1e4f), U32(10, 4) } },
    { .op = "contrast", .in = { F32(9, 1, 1, 9), U32_SOME(9, 5, 1) } },
    { .op = "contrast", .in = { F32_IN(8, 1, 1, 8, 0.99f, 1), U32(8, 1000000) } },
    { .op = "contrast", .in = { F32_IN(515, 1, 1, 515, -5, 5), U32(515, 257) }, .samples = 4 },
    { .op = "contrast", .in = { F32_IN(257, 1, 1, 257, -5, 5), U32(257, 64) }, .samples = 4, .group_max = 7 },
    // What is saved of a NaN row is not looked at.
    { .op = "contrast", .in = { F32(9, 1, 1, 9), U32_SOME(9, 3, 0.2f) }, .nan = true, .opaque_out = 1 << 1 },
    { .op = "contrast", .in = { F32(90, 1, 1, 90), U32_SOME(90, 30, 0.2f) }, .nan = true, .opaque_out = 1 << 1 },
    { .op = "contrast", .in = { F32(4, 1, 1, 5), U32(4, 5) }, .rejects = "square" },
    { .op = "contrast", .in = { F32(4, 1, 1, 4), U32(5, 5) }, .rejects = "labels must be" },
};
OP_ROWS_COUNT(contrast)
