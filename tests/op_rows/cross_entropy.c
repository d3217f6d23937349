// cross_entropy.c -- cases of cross_entropy.
#include "tests/op_row.h"

const struct op_row vkd_rows_cross_entropy[] = {
    { .op = "cross_entropy", .in = { F32(1, 1, 1, 1), U32(1, 1) } },
    { .op = "cross_entropy", .in = { F32(5, 1, 1, 3), U32(5, 3) } },
    { .op = "cross_entropy", .in = { F32(70, 1, 1, 10), U32_SOME(70, 10, 0.3f) }, .attr = { .label_smoothing = 0.1f } },
    { .op = "cross_entropy", .in = { F32(2, 3, 5, 17), U32_SOME(30, 17, 0.1f) } },
    { .op = "cross_entropy", .in = { F32(9, 1, 1, 64), U32(9, 64) }, .attr = { .label_smoothing = 1 } },
    { .op = "cross_entropy", .in = { F32(9, 1, 1, 130), U32_SOME(9, 130, 0.3f) }, .attr = { .label_smoothing = 0.1f } },
    { .op = "cross_entropy", .in = { F32_IN(7, 1, 1, 10, -1e4f, 1e4f), U32(7, 10) } },
    { .op = "cross_entropy", .in = { F32_IN(7, 1, 1, 130, -1e4f, 1e4f), U32(7, 130) },
      .attr = { .label_smoothing = 0.1f } },
    { .op = "cross_entropy", .in = { F32(4, 1, 1, 5), U32_SOME(4, 5, 1) } },
    { .op = "cross_entropy", .in = { F32_IN(2, 1, 1, 100000, -5, 5), U32(2, 100000) }, .samples = 4,
      .attr = { .label_smoothing = 0.1f } },
    { .op = "cross_entropy", .in = { F32_IN(70001, 1, 1, 5, -5, 5), U32_SOME(70001, 5, 0.1f) }, .samples = 4 },
    { .op = "cross_entropy", .in = { F32(5, 1, 1, 3), U32(5, 3), F32_IN(1, 1, 1, 3, 0.2f, 9) } },
    { .op = "cross_entropy", .in = { F32(70, 1, 1, 10), U32_SOME(70, 10, 0.3f), F32_IN(1, 1, 1, 10, 0.2f, 9) },
      .attr = { .label_smoothing = 0.1f } },
    { .op = "cross_entropy", .in = { F32(9, 1, 1, 130), U32_SOME(9, 130, 0.3f), F32_IN(1, 1, 1, 130, 0.2f, 9) },
      .attr = { .label_smoothing = 0.1f } },
    { .op = "cross_entropy", .in = { F32(4, 1, 1, 5), U32_SOME(4, 5, 1), F32_IN(1, 1, 1, 5, 0.2f, 9) } },
    { .op = "cross_entropy", .in = { F32_IN(70001, 1, 1, 5, -5, 5), U32_SOME(70001, 5, 0.1f), F32_IN(1, 1, 1, 5, 0.2f, 9) },
      .samples = 4, .tol = { .nmse = 1e-11, .why = "a thread adds 547 weights" } },
    { .op = "cross_entropy", .in = { F32(4, 1, 1, 5), U32(4, 5), F32(2, 1, 1, 5) }, .rejects = "class weights must be" },
    { .op = "cross_entropy", .in = { F32(4, 1, 1, 5), U32(5, 5) }, .rejects = "labels must be" },
    { .op = "cross_entropy", .in = { F32(4, 1, 1, 5), U32(4, 5) }, .attr = { .label_smoothing = -1 },
      .rejects = "smoothing" },
};
OP_ROWS_COUNT(cross_entropy)
