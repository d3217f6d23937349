// label_rank.c -- cases of label_rank.
#include "tests/op_row.h"

const struct op_row vkd_rows_label_rank[] = {
    { .op = "label_rank", .in = { F32(1, 1, 1, 1), U32(1, 1) } },
    { .op = "label_rank", .in = { F32(5, 1, 1, 3), U32(5, 5) } },
    { .op = "label_rank", .in = { F32(70, 1, 1, 10), U32_SOME(70, 10, 0.3f) } },
    { .op = "label_rank", .in = { F32(9, 1, 1, 64), U32(9, 64) } },
    { .op = "label_rank", .in = { F32(9, 1, 1, 130), U32_SOME(9, 130, 0.3f) } },
    { .op = "label_rank", .in = { F32(70, 1, 1, 10), U32(70, 10) }, .nan = true },
    { .op = "label_rank", .in = { F32(7, 1, 1, 1000), U32(7, 1000) }, .nan = true },
    { .op = "label_rank", .in = { F32(3, 1, 1, 100000), U32(3, 100000) } },
    { .op = "label_rank", .in = { F32(70001, 1, 1, 5), U32_SOME(70001, 5, 0.1f) } },
    { .op = "label_rank", .in = { F32(65600, 1, 1, 66), U32(65600, 66) } },
    { .op = "label_rank", .in = { F32(4, 1, 1, 5), U32(5, 5) }, .rejects = "labels must be" },
};
OP_ROWS_COUNT(label_rank)
