// soft_cross_entropy.c -- cases of soft_cross_entropy.
#include "tests/op_row.h"

#define LOGITS(rows, c, range) F32_IN(rows, 1, 1, c, -(range), range)
#define TARGETS(rows, c) F32_IN(rows, 1, 1, c, 0, 1)

const struct op_row vkd_rows_soft_cross_entropy[] = {
    { .op = "soft_cross_entropy", .in = { F32(1, 1, 1, 1), TARGETS(1, 1) }, .attr = { .alpha = 1 } },
    { .op = "soft_cross_entropy", .in = { F32(3, 1, 1, 5), TARGETS(3, 5) }, .attr = { .alpha = 10 } },
    { .op = "soft_cross_entropy", .in = { F32(2, 3, 5, 17), F32(2, 3, 5, 17) }, .attr = { .alpha = 2 } },
    { .op = "soft_cross_entropy", .in = { F32(65, 1, 1, 64), TARGETS(65, 64) }, .attr = { .alpha = 10 } },
    { .op = "soft_cross_entropy", .in = { F32(5, 1, 1, 65), TARGETS(5, 65) }, .attr = { .alpha = 10 } },
    { .op = "soft_cross_entropy", .in = { LOGITS(9, 130, 5), TARGETS(9, 130) }, .attr = { .alpha = 0.5f } },
    { .op = "soft_cross_entropy", .in = { LOGITS(7, 10, 1e4f), TARGETS(7, 10) }, .attr = { .alpha = 1 } },
    { .op = "soft_cross_entropy", .in = { LOGITS(7, 130, 1e4f), TARGETS(7, 130) }, .attr = { .alpha = 1 } },
    { .op = "soft_cross_entropy", .in = { LOGITS(130, 1000, 5), TARGETS(130, 1000) }, .attr = { .alpha = 1 },
      .samples = 4, .group_max = 7 },
    { .op = "soft_cross_entropy", .in = { F32(70001, 1, 1, 5), TARGETS(70001, 5) }, .attr = { .alpha = 1 },
      .samples = 4 },
    { .op = "soft_cross_entropy", .in = { F32(9, 1, 1, 9), TARGETS(9, 9) }, .attr = { .alpha = 1 }, .nan = true,
      .opaque_out = 1 << 1 },
    { .op = "soft_cross_entropy", .in = { F32(9, 1, 1, 90), TARGETS(9, 90) }, .attr = { .alpha = 1 }, .nan = true,
      .opaque_out = 1 << 1 },
    { .op = "soft_cross_entropy", .in = { F32(4, 1, 1, 5), TARGETS(4, 6) }, .attr = { .alpha = 1 },
      .rejects = "targets must be" },
    { .op = "soft_cross_entropy", .in = { F32(4, 1, 1, 5), TARGETS(4, 5) }, .rejects = "alpha" },
};
OP_ROWS_COUNT(soft_cross_entropy)
