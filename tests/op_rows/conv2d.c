// conv2d.c -- cases of conv2d: every way of computing it, on both kernel families.
#include "tests/op_row.h"

#define S(y, x) .stride = { y, x }
#define P(y, x) .pad = { y, x }
#define D(y, x) .dilation = { y, x }
#define WINOGRAD .algorithm = VKD_CONV_WINOGRAD
#define TILES { .nmse = 1e-11, .max = 5e-5, .grad = 1e-4, .why = "the transforms of Winograd tiles lose about 4 bits" }
#define LONG { .nmse = 1e-11, .max = 1e-4, .grad = 2e-4, .why = "the filter's gradient sums 70,000 pixels" }

const struct op_row vkd_rows_conv2d[] = {
    // Kernel sizes, channel counts, padding
    { .op = "conv2d", .in = { F32(1, 1, 1, 1), WEIGHT(1, 1, 1, 1) } },
    { .op = "conv2d", .in = { F32(1, 3, 3, 1), WEIGHT(3, 3, 1, 1) }, .attr = { P(1, 1) } },
    { .op = "conv2d", .in = { F32(2, 8, 8, 3), WEIGHT(3, 3, 3, 16) }, .attr = { P(1, 1) } },
    { .op = "conv2d", .in = { F32(2, 9, 7, 4), WEIGHT(3, 3, 4, 5) }, .attr = { P(1, 1) } },
    { .op = "conv2d", .in = { F32(2, 7, 11, 5), WEIGHT(3, 3, 5, 17) }, .attr = { P(1, 1) } },
    { .op = "conv2d", .in = { F32(1, 6, 7, 17), WEIGHT(3, 3, 17, 33) }, .attr = { P(1, 1) } },
    { .op = "conv2d", .in = { F32(2, 6, 5, 8), WEIGHT(3, 3, 8, 8) } },
    { .op = "conv2d", .in = { F32(1, 5, 6, 3), WEIGHT(2, 2, 3, 4) } },
    { .op = "conv2d", .in = { F32(1, 7, 9, 4), WEIGHT(5, 5, 4, 6) }, .attr = { P(2, 2) } },
    { .op = "conv2d", .in = { F32(1, 9, 9, 3), WEIGHT(7, 7, 3, 8) }, .attr = { P(3, 3) } },
    { .op = "conv2d", .in = { F32(1, 9, 6, 5), WEIGHT(1, 3, 5, 4) }, .attr = { P(0, 1) } },
    { .op = "conv2d", .in = { F32(1, 5, 5, 4), WEIGHT(3, 3, 4, 4) }, .attr = { P(3, 3) } },
    { .op = "conv2d", .in = { F32(3, 5, 7, 20), WEIGHT(1, 1, 20, 12) } },
    { .op = "conv2d", .in = { F32(1, 5, 7, 6), WEIGHT(1, 1, 6, 3) }, .attr = { P(1, 0) } },
    // Strides and dilation
    { .op = "conv2d", .in = { F32(2, 8, 8, 6), WEIGHT(3, 3, 6, 12) }, .attr = { S(2, 2), P(1, 1) } },
    { .op = "conv2d", .in = { F32(2, 7, 9, 5), WEIGHT(3, 3, 5, 9) }, .attr = { S(2, 2), P(1, 1) } },
    { .op = "conv2d", .in = { F32(1, 14, 13, 3), WEIGHT(7, 7, 3, 16) }, .attr = { S(2, 2), P(3, 3) } },
    { .op = "conv2d", .in = { F32(2, 8, 7, 8), WEIGHT(1, 1, 8, 16) }, .attr = { S(2, 2) } },
    { .op = "conv2d", .in = { F32(1, 10, 11, 4), WEIGHT(2, 3, 4, 4) }, .attr = { S(3, 1), P(1, 2) } },
    { .op = "conv2d", .in = { F32(1, 11, 8, 4), WEIGHT(3, 2, 4, 4) }, .attr = { S(2, 3), P(0, 1) } },
    { .op = "conv2d", .in = { F32(1, 9, 9, 5), WEIGHT(3, 3, 5, 6) }, .attr = { P(2, 2), D(2, 2) } },
    { .op = "conv2d", .in = { F32(1, 11, 12, 4), WEIGHT(3, 3, 4, 6) }, .attr = { S(2, 2), P(2, 1), D(2, 1) } },
    { .op = "conv2d", .in = { F32(1, 12, 12, 4), WEIGHT(3, 3, 4, 4) }, .attr = { S(2, 3), P(2, 3), D(2, 2) } },
    { .op = "conv2d", .in = { F32(1, 10, 10, 4), WEIGHT(3, 3, 4, 4) }, .attr = { S(3, 3), D(2, 2) } },
    // Groups
    { .op = "conv2d", .in = { F32(2, 7, 6, 5), F32(3, 3, 1, 5) }, .attr = { P(1, 1), .groups = 5 } },
    { .op = "conv2d", .in = { F32(1, 9, 9, 12), F32(3, 3, 1, 12) }, .attr = { S(2, 2), P(1, 1), .groups = 12 } },
    { .op = "conv2d", .in = { F32(2, 9, 10, 17), F32(5, 5, 1, 17) }, .attr = { S(1, 3), P(2, 2), D(1, 2), .groups = 17 } },
    { .op = "conv2d", .in = { F32(2, 6, 5, 4), F32(3, 3, 1, 8) }, .attr = { P(1, 1), .groups = 4 } },
    { .op = "conv2d", .in = { F32(2, 6, 5, 12), F32(3, 3, 6, 18) }, .attr = { P(1, 1), .groups = 2 } },
    { .op = "conv2d", .in = { F32(1, 7, 8, 9), F32(3, 2, 3, 6) }, .attr = { S(2, 1), P(1, 1), D(1, 2), .groups = 3 } },
    { .op = "conv2d", .in = { F32(1, 7, 7, 8), F32(1, 1, 4, 10) }, .attr = { .groups = 2 } },
    // Long reductions
    { .op = "conv2d", .in = { F32(70, 32, 32, 4), F32(1, 1, 4, 4) }, .samples = 4, .tol = LONG },
    { .op = "conv2d", .in = { F32(70, 33, 32, 1), WEIGHT(2, 1, 1, 2) }, .samples = 4, .tol = LONG },
    { .op = "conv2d", .in = { F32(70, 32, 32, 2), F32(2, 2, 1, 2) }, .attr = { .groups = 2 }, .samples = 4, .tol = LONG },
    { .op = "conv2d", .in = { F32(70, 32, 32, 4), F32(1, 1, 2, 2) }, .attr = { .groups = 2 }, .samples = 4, .tol = LONG },
    // The kernels for GPUs
    { .op = "conv2d", .force_gpu_family = true, .in = { F32(1, 1, 1, 1), WEIGHT(1, 1, 1, 1) } },
    { .op = "conv2d", .force_gpu_family = true, .in = { F32(2, 9, 7, 5), WEIGHT(3, 3, 5, 17) }, .attr = { P(1, 1) } },
    { .op = "conv2d", .force_gpu_family = true, .in = { F32(1, 12, 13, 20), WEIGHT(3, 3, 20, 70) },
      .attr = { S(2, 2), P(1, 1) } },
    { .op = "conv2d", .force_gpu_family = true, .in = { F32(2, 14, 13, 3), WEIGHT(7, 7, 3, 16) },
      .attr = { S(2, 2), P(3, 3) } },
    { .op = "conv2d", .force_gpu_family = true, .in = { F32(1, 11, 12, 4), WEIGHT(3, 3, 4, 6) },
      .attr = { S(2, 3), P(2, 1), D(2, 1) } },
    { .op = "conv2d", .force_gpu_family = true, .in = { F32(3, 5, 7, 20), WEIGHT(1, 1, 20, 12) } },
    { .op = "conv2d", .force_gpu_family = true, .in = { F32(2, 8, 7, 8), WEIGHT(1, 1, 8, 16) }, .attr = { S(2, 2) } },
    { .op = "conv2d", .force_gpu_family = true, .in = { F32(2, 7, 6, 5), F32(3, 3, 1, 5) },
      .attr = { P(1, 1), .groups = 5 } },
    { .op = "conv2d", .force_gpu_family = true, .in = { F32(70, 32, 32, 4), F32(2, 1, 4, 4) }, .samples = 4, .tol = LONG },
    // Winograd against the same reference
    { .op = "conv2d", .in = { F32(1, 1, 1, 1), WEIGHT(3, 3, 1, 1) }, .attr = { P(1, 1), WINOGRAD }, .tol = TILES },
    { .op = "conv2d", .in = { F32(2, 4, 4, 4), WEIGHT(3, 3, 4, 4) }, .attr = { P(1, 1), WINOGRAD }, .tol = TILES },
    { .op = "conv2d", .in = { F32(2, 9, 6, 5), WEIGHT(3, 3, 5, 9) }, .attr = { P(1, 1), WINOGRAD }, .tol = TILES },
    { .op = "conv2d", .in = { F32(1, 7, 7, 17), WEIGHT(3, 3, 17, 33) }, .attr = { P(0, 2), WINOGRAD }, .tol = TILES },
    { .op = "conv2d", .in = { F32(1, 6, 13, 3), WEIGHT(3, 3, 3, 6) }, .attr = { P(2, 0), WINOGRAD }, .tol = TILES },
    { .op = "conv2d", .in = { F32(2, 13, 8, 6), WEIGHT(3, 3, 6, 40) }, .attr = { WINOGRAD }, .tol = TILES },
    { .op = "conv2d", .in = { F32(34, 20, 20, 64), WEIGHT(3, 3, 64, 8) }, .attr = { P(1, 1), WINOGRAD },
      .samples = 2, .tol = TILES },
    { .op = "conv2d", .force_gpu_family = true, .in = { F32(2, 9, 6, 5), WEIGHT(3, 3, 5, 9) },
      .attr = { P(1, 1), WINOGRAD }, .tol = TILES },
    { .op = "conv2d", .force_gpu_family = true, .in = { F32(1, 10, 11, 20), WEIGHT(3, 3, 20, 70) },
      .attr = { P(1, 1), WINOGRAD }, .tol = TILES },
    // Rejected
    { .op = "conv2d", .in = { F32(1, 4, 4, 4), F32(3, 3, 3, 4) }, .rejects = "input channels" },
    { .op = "conv2d", .in = { F32(1, 4, 4, 6), F32(3, 3, 1, 6) }, .attr = { .groups = 4 }, .rejects = "do not divide" },
    { .op = "conv2d", .in = { F32(1, 2, 4, 4), F32(3, 3, 4, 4) }, .rejects = "does not fit" },
};
OP_ROWS_COUNT(conv2d)
