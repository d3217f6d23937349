// slice_rows.c -- cases of slice_rows.
#include "tests/op_row.h"

const struct op_row vkd_rows_slice_rows[] = {
    { .op = "slice_rows", .in = { F32(1, 1, 1, 1) }, .attr = { .begin = 0, .end = 1 } },
    { .op = "slice_rows", .in = { F32(5, 1, 1, 3) }, .attr = { .begin = 2, .end = 3 } },
    { .op = "slice_rows", .in = { F32(7, 3, 5, 6) }, .attr = { .begin = 0, .end = 4 } },
    { .op = "slice_rows", .in = { F32(7, 3, 5, 6) }, .attr = { .begin = 3, .end = 7 } },
    { .op = "slice_rows", .in = { F32(512, 1, 1, 256) }, .attr = { .begin = 256, .end = 512 }, .samples = 4 },
    { .op = "slice_rows", .in = { F32(67, 11, 7, 13) }, .attr = { .begin = 5, .end = 66 }, .samples = 4,
      .group_max = 7 },
    { .op = "slice_rows", .in = { F32(4, 2, 2, 9) }, .attr = { .begin = 1, .end = 3 }, .nan = true },
    { .op = "slice_rows", .in = { F32(4, 1, 1, 4) }, .attr = { .begin = 2, .end = 5 }, .rejects = "begin < end <= 4" },
    { .op = "slice_rows", .in = { F32(4, 1, 1, 4) }, .attr = { .begin = 2, .end = 2 }, .rejects = "begin < end" },
};
OP_ROWS_COUNT(slice_rows)
