// Rows of matmul: op(a) op(b), every transposition on both kernel families.
#include "tests/op_row.h"

#define MAT(rows, cols) F32(1, 1, rows, cols)
#define LONG { .nmse = 1e-11, .max = 1e-4, .grad = 1e-4, .why = "the sum has 70,000 terms" }

const struct op_row vkd_rows_matmul[] = {
    { .op = "matmul", .in = { MAT(1, 1), MAT(1, 1) } },
    { .op = "matmul", .in = { MAT(5, 3), MAT(3, 2) } },
    { .op = "matmul", .in = { MAT(33, 17), MAT(17, 10) } },
    { .op = "matmul", .in = { MAT(65, 64), MAT(64, 65) } },
    { .op = "matmul", .in = { F32(2, 3, 7, 21), MAT(21, 6) } },
    { .op = "matmul", .in = { MAT(130, 300), MAT(300, 36) } },
    { .op = "matmul", .in = { MAT(17, 33), MAT(10, 17) }, .rejects = "inner sizes" },
    { .op = "matmul", .in = { MAT(17, 33), MAT(10, 33) }, .attr = { .trans_b = 1 } },
    { .op = "matmul", .in = { MAT(66, 5), MAT(7, 5) }, .attr = { .trans_b = 1 } },
    { .op = "matmul", .in = { MAT(17, 33), MAT(17, 10) }, .attr = { .trans_a = 1 } },
    { .op = "matmul", .in = { MAT(3, 67), MAT(3, 18) }, .attr = { .trans_a = 1 } },
    { .op = "matmul", .in = { MAT(17, 33), MAT(10, 17) }, .attr = { .trans_a = 1, .trans_b = 1 } },
    { .op = "matmul", .in = { MAT(300, 27), MAT(27, 5) } },
    { .op = "matmul", .in = { MAT(270, 61), MAT(61, 6) } },
    { .op = "matmul", .in = { MAT(130, 101), MAT(101, 3) } },
    { .op = "matmul", .in = { MAT(270, 37), MAT(9, 37) }, .attr = { .trans_b = 1 } },
    { .op = "matmul", .in = { MAT(130, 127), MAT(6, 127) }, .attr = { .trans_b = 1 } },
    { .op = "matmul", .in = { MAT(70000, 3), MAT(3, 5) }, .tol = LONG },
    { .op = "matmul", .in = { MAT(2, 70000), MAT(70000, 5) }, .tol = LONG },
    { .op = "matmul", .in = { MAT(70000, 6), MAT(70000, 9) }, .attr = { .trans_a = 1 }, .tol = LONG },
    { .op = "matmul", .force_gpu_family = true, .in = { MAT(1, 1), MAT(1, 1) } },
    { .op = "matmul", .force_gpu_family = true, .in = { MAT(65, 17), MAT(17, 66) } },
    { .op = "matmul", .force_gpu_family = true, .in = { MAT(130, 300), MAT(300, 36) } },
    { .op = "matmul", .force_gpu_family = true, .in = { MAT(17, 33), MAT(10, 33) }, .attr = { .trans_b = 1 } },
    { .op = "matmul", .force_gpu_family = true, .in = { MAT(18, 70), MAT(18, 67) }, .attr = { .trans_a = 1 } },
    { .op = "matmul", .force_gpu_family = true, .in = { MAT(17, 33), MAT(10, 17) },
      .attr = { .trans_a = 1, .trans_b = 1 } },
    { .op = "matmul", .force_gpu_family = true, .in = { MAT(2, 70000), MAT(70000, 5) }, .tol = LONG },
};
OP_ROWS_COUNT(matmul)
