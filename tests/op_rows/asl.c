// asl.c -- cases of asl. Targets below 0 are unknown. The default gradient takes the focal weight for a constant: it is
// compared with PyTorch's (test_golden) and here where the weight is one (both gammas 0); the other gradient here.
#include "tests/op_row.h"

#define ASL(neg, pos, cut, focal) \
    .attr = { .gamma_neg = (neg), .gamma_pos = (pos), .clip = (cut), .focal_grad = (focal) }
static const char constant_weight[] = "the weight counts as a constant";

const struct op_row vkd_rows_asl[] = {
    { .op = "asl", .in = { F32(1, 1, 1, 1), F32_IN(1, 1, 1, 1, 0, 1) }, ASL(4, 1, 0.05f, 1) },
    { .op = "asl", .in = { F32_IN(9, 1, 1, 7, -4, 4), F32_IN(9, 1, 1, 7, 0, 1) }, ASL(4, 1, 0.05f, 0),
      .no_grad = constant_weight },
    { .op = "asl", .in = { F32_IN(9, 1, 1, 7, -4, 4), F32_IN(9, 1, 1, 7, 0, 1) }, ASL(4, 1, 0.05f, 1), .keep_off = 1e-3f },
    { .op = "asl", .in = { F32_IN(70, 1, 1, 20, -4, 4), F32_IN(70, 1, 1, 20, -1, 1) }, ASL(4, 1, 0.05f, 1),
      .keep_off = 1e-3f },
    { .op = "asl", .in = { F32_IN(9, 1, 1, 130, -6, 6), F32_IN(9, 1, 1, 130, -1, 1) }, ASL(4, 1, 0.05f, 1),
      .keep_off = 1e-3f },
    { .op = "asl", .in = { F32_IN(9, 1, 1, 130, -6, 6), F32_IN(9, 1, 1, 130, -1, 1) }, ASL(4, 1, 0.05f, 0),
      .no_grad = constant_weight },
    { .op = "asl", .in = { F32_IN(2, 3, 5, 6, -4, 4), F32_IN(2, 3, 5, 6, -1, 1) }, ASL(2, 0, 0.2f, 1), .keep_off = 1e-3f },
    { .op = "asl", .in = { F32_IN(17, 1, 1, 9, -6, 6), F32_IN(17, 1, 1, 9, -1, 1) }, ASL(2.5f, 1.5f, 0, 1) },
    { .op = "asl", .in = { F32_IN(17, 1, 1, 9, -6, 6), F32_IN(17, 1, 1, 9, -1, 1) }, ASL(0, 0, 0, 0) },
    { .op = "asl", .in = { F32_IN(17, 1, 1, 90, -6, 6), F32_IN(17, 1, 1, 90, -1, 1) }, ASL(0, 0, 0.05f, 0),
      .keep_off = 1e-3f },
    { .op = "asl", .in = { F32_IN(9, 1, 1, 66, -1e4f, 1e4f), F32_IN(9, 1, 1, 66, 0, 1) }, ASL(0, 0, 0, 0) },
    { .op = "asl", .in = { F32_IN(9, 1, 1, 66, -1e4f, 1e4f), F32_IN(9, 1, 1, 66, -1, 1) }, ASL(4, 1, 0.05f, 1),
      .keep_off = 1e-3f },
    { .op = "asl", .in = { F32(5, 1, 1, 7), F32_IN(5, 1, 1, 7, -2, -1) }, ASL(4, 1, 0.05f, 1) },
    { .op = "asl", .in = { F32_IN(70001, 1, 1, 5, -5, 5), F32_IN(70001, 1, 1, 5, -1, 1) }, ASL(4, 1, 0, 1),
      .samples = 4 },
    { .op = "asl", .in = { F32(5, 1, 1, 3), F32(5, 1, 1, 4) }, .rejects = "the logits' shape" },
    { .op = "asl", .in = { F32(5, 1, 1, 3), F32(5, 1, 1, 3) }, ASL(-1, 1, 0, 0), .rejects = "gammas must be" },
    { .op = "asl", .in = { F32(5, 1, 1, 3), F32(5, 1, 1, 3) }, ASL(1, 1, 1, 0), .rejects = "clip must be" },
};
OP_ROWS_COUNT(asl)
