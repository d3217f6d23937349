// row_index.c -- cases of row_index.
#include "tests/op_row.h"

const struct op_row vkd_rows_row_index[] = {
    { .op = "row_index", .in = { F32(1, 1, 1, 1) } },
    { .op = "row_index", .in = { F32(7, 2, 1, 3) }, .attr = { .begin = 5 } },
    { .op = "row_index", .in = { F32(10, 1, 1, 3) }, .attr = { .end = 5 } },
    { .op = "row_index", .in = { F32(11, 1, 1, 3) }, .attr = { .begin = 3, .end = 4 } },
    { .op = "row_index", .in = { F32(11, 1, 1, 3) }, .attr = { .begin = 2, .end = 6 } },
    { .op = "row_index", .in = { F32(1003, 1, 1, 1) }, .attr = { .end = 1 }, .group_max = 2 },
    { .op = "row_index", .in = { U32(3, 4) }, .attr = { .begin = 65536 } },
    { .op = "row_index", .in = { F32(2, 1, 1, 1) }, .attr = { .begin = 3, .end = 3 }, .rejects = "more than begin" },
};
OP_ROWS_COUNT(row_index)
