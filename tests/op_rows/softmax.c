// softmax.c -- cases of softmax.
#include "tests/op_row.h"

const struct op_row vkd_rows_softmax[] = {
    { .op = "softmax", .in = { F32(1, 1, 1, 1) } },
    { .op = "softmax", .in = { F32(2, 3, 5, 3) } },
    { .op = "softmax", .in = { F32(70, 1, 1, 17) } },
    { .op = "softmax", .in = { F32(65, 1, 1, 64) } },
    { .op = "softmax", .in = { F32(7, 1, 1, 65) } },
    { .op = "softmax", .in = { F32(3, 1, 1, 1000) } },
    { .op = "softmax", .in = { F32_IN(5, 1, 1, 10, -1e4f, 1e4f) } },
    { .op = "softmax", .in = { F32_IN(5, 1, 1, 130, -1e4f, 1e4f) }, .seed = 1 },
    { .op = "softmax", .in = { F32_IN(2, 1, 1, 100000, -5, 5) }, .samples = 4 },
    { .op = "softmax", .in = { F32_IN(70001, 1, 1, 5, -5, 5) }, .samples = 4 },
};
OP_ROWS_COUNT(softmax)
