// slice.c -- cases of slice.
#include "tests/op_row.h"

const struct op_row vkd_rows_slice[] = {
    { .op = "slice", .in = { F32(1, 1, 1, 1) }, .attr = { .begin = 0, .end = 1 } },
    { .op = "slice", .in = { F32(2, 3, 5, 7) }, .attr = { .begin = 0, .end = 7 } },
    { .op = "slice", .in = { F32(2, 3, 5, 7) }, .attr = { .begin = 1, .end = 4 } },
    { .op = "slice", .in = { F32(2, 3, 5, 7) }, .attr = { .begin = 2, .end = 7 } },
    { .op = "slice", .in = { F32(2, 3, 5, 7) }, .attr = { .begin = 3, .end = 6 } },
    { .op = "slice", .in = { F32(2, 3, 5, 16) }, .attr = { .begin = 4, .end = 12 } },
    { .op = "slice", .in = { F32(2, 3, 5, 16) }, .attr = { .begin = 5, .end = 13 } },
    { .op = "slice", .in = { F32(2, 3, 5, 17) }, .attr = { .begin = 15, .end = 17 } },
    { .op = "slice", .in = { F32(1, 1, 1, 1001) }, .attr = { .begin = 333, .end = 777 } },
    { .op = "slice", .in = { F32(4, 65, 66, 9) }, .attr = { .begin = 3, .end = 8 }, .samples = 4 },
    { .op = "slice", .in = { F32(2, 2, 2, 9) }, .attr = { .begin = 1, .end = 8 }, .nan = true },
    { .op = "slice", .in = { F32(1, 1, 1, 4) }, .attr = { .begin = 2, .end = 5 }, .rejects = "begin < end <= 4" },
    { .op = "slice", .in = { F32(1, 1, 1, 4) }, .attr = { .begin = 2, .end = 2 }, .rejects = "begin < end" },
    { .op = "slice", .in = { F32(1, 55, 57, 13) }, .attr = { .begin = 2, .end = 11 }, .samples = 4, .group_max = 7 },
};
OP_ROWS_COUNT(slice)
