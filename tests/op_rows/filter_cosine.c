// filter_cosine.c -- cases of filter_cosine.
#include "tests/op_row.h"

const struct op_row vkd_rows_filter_cosine[] = {
    { .op = "filter_cosine", .in = { WEIGHT(1, 1, 1, 2) }, .no_grad = "the cosine is 1 or -1 whatever the values" },
    { .op = "filter_cosine", .in = { WEIGHT(1, 1, 2, 2) } },
    { .op = "filter_cosine", .in = { WEIGHT(3, 3, 3, 4) } },
    { .op = "filter_cosine", .in = { WEIGHT(3, 3, 5, 17) } },
    { .op = "filter_cosine", .in = { WEIGHT(3, 3, 1, 5) } },
    { .op = "filter_cosine", .in = { WEIGHT(7, 7, 3, 64) } },
    { .op = "filter_cosine", .in = { WEIGHT(1, 1, 20, 65) } },
    { .op = "filter_cosine", .in = { WEIGHT(2, 3, 6, 129) } },
    { .op = "filter_cosine", .in = { F32(1, 1, 1, 7) }, .no_grad = "every cosine is 1 or -1 whatever the values" },
    { .op = "filter_cosine", .in = { F32(3, 3, 1, 33) } },              // more filters than dimensions
    { .op = "filter_cosine", .in = { F32_IN(3, 3, 4, 9, 0.5f, 1) } },   // close to each other
    { .op = "filter_cosine", .in = { F32_IN(3, 3, 4, 9, -1e-6f, 1e-6f) } },
    { .op = "filter_cosine", .in = { F32_IN(1, 1, 8, 6, -1e4f, 1e4f) } },
    { .op = "filter_cosine", .in = { F32(3, 3, 64, 64) }, .samples = 4 },
    { .op = "filter_cosine", .in = { F32(1, 1, 96, 512) }, .samples = 2 },
    { .op = "filter_cosine", .in = { F32(1, 1, 16, 130) }, .samples = 4, .group_max = 7 },
    { .op = "filter_cosine", .force_gpu_family = true, .in = { WEIGHT(3, 3, 5, 17) } },
    { .op = "filter_cosine", .force_gpu_family = true, .in = { WEIGHT(3, 3, 20, 70) }, .samples = 8 },
    { .op = "filter_cosine", .in = { F32(3, 3, 4, 33) }, .nan = true, .opaque_out = 2 },
    { .op = "filter_cosine", .in = { F32(3, 3, 4, 1) }, .rejects = "two filters" },
    { .op = "filter_cosine", .in = { F16(3, 3, 4, 4) }, .rejects = "f32" },
};
OP_ROWS_COUNT(filter_cosine)
