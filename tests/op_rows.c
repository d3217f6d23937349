// op_rows.c -- collects the rows of tests/op_rows.
#include "op_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROWS(name) extern const struct op_row vkd_rows_##name[]; extern const uint32_t vkd_rows_##name##_count;
#include "op_rows.inc"      // generated: one ROWS(stem) line per tests/op_rows/*.c
#undef ROWS

const struct op_row *op_row_at(uint32_t index)
{
#define ROWS(name)                                      \
    if (index < vkd_rows_##name##_count)                \
        return &vkd_rows_##name[index];                 \
    index -= vkd_rows_##name##_count;
#include "op_rows.inc"
#undef ROWS
    return NULL;
}

// ---- In 16 bits ----

// The inputs that may be stored in 16 bits: bit i is in[i].
static const struct { const char *op; uint32_t in; } halves[] = {
    { "add", 3 }, { "avg_pool", 1 }, { "batch_norm", 1 | 1 << 5 }, { "bias", 1 }, { "concat", 255 }, { "concat_rows", 255 },
    { "conv2d", 1 }, { "dropout", 1 }, { "gelu", 1 }, { "global_avg_pool", 1 }, { "matmul", 1 }, { "max_pool", 1 },
    { "mul", 3 }, { "relu", 1 }, { "relu6", 1 }, { "scale", 1 }, { "silu", 1 }, { "slice", 1 }, { "slice_rows", 1 },
};

static uint32_t half_inputs(const char *op)
{
    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++)
        if (!strcmp(halves[i].op, op))
            return halves[i].in;
    return 0;
}

// Whether numbers of 16 bits serve the row: enough of them are in its ranges.
static bool fits_halves(const struct op_row *row)
{
    bool fits = !row->rejects && !(!strcmp(row->op, "matmul") && row->attr.trans_a);
    for (uint32_t i = 0; i < VKD_MAX_IN; i++)
        fits &= row->in[i].dtype == VKD_F32 && fabsf(row->in[i].lo) < 256 && fabsf(row->in[i].hi) < 256;
    return fits;
}

bool op_case_next(uint32_t *at, struct op_row *out)
{
    static const enum vkd_dtype types[] = { VKD_F32, VKD_F16, VKD_BF16 };
    for (const struct op_row *row; (row = op_row_at(*at / 3)); ++*at) {
        uint32_t type = *at % 3, in = half_inputs(row->op);
        if (type && !(in && fits_halves(row)))
            continue;
        *out = *row;
        for (uint32_t i = 0; type && i < VKD_MAX_IN; i++)
            if (in >> i & 1)
                out->in[i].dtype = types[type];
        ++*at;
        return true;
    }
    return false;
}

// ---- Text ----

void op_row_describe(const struct op_row *row, char *text, size_t size)
{
    int n = snprintf(text, size, "%s", row->op);
    for (uint32_t i = 0; i < VKD_MAX_IN && row->in[i].shape.d[3] && n > 0 && (size_t) n < size; i++) {
        const uint32_t *d = row->in[i].shape.d;
        n += snprintf(text + n, size - (size_t) n, " (%u, %u, %u, %u) %s", d[0], d[1], d[2], d[3],
                      vkd__dtype_name(row->in[i].dtype));
    }
}
