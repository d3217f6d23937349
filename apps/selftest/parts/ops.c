// ops.c -- every operation by the rows of its tests: forward against double, backward against differences, guard bands,
// padding, NaN, two runs bit for bit; in f32 and, where it may be stored so, in f16 and bf16.
#include "apps/selftest/selftest.h"

#include "op_check.h"

#include <stdio.h>
#include <string.h>

// What has been checked of an operation.
struct tally {
    uint32_t rows, types[4], failed, skipped, quotients;
    char first[1200], skip[640];    // what the first failure and the first skip say
};

// Large rows make the time, and their types of 16 bits are covered by smaller ones.
static bool is_quick(const struct op_row *row)
{
    uint64_t most = 0;
    bool half = false;
    for (uint32_t i = 0; i < VKD_MAX_IN; i++) {
        uint64_t n = vkd__numel(row->in[i].shape);
        most = n > most ? n : most;
        half |= vkd__is_half(row->in[i].dtype);
    }
    return most <= (half ? 20000 : 200000);
}

static void count(struct tally *n, const struct op_row *row, const struct op_report *r, const char *text, const char *log)
{
    enum vkd_dtype type = VKD_F32;
    for (uint32_t i = 0; i < VKD_MAX_IN; i++)
        if (vkd__is_half(row->in[i].dtype))
            type = row->in[i].dtype;
    n->rows++;
    n->types[type]++;
    n->quotients += r->quotients;
    if (r->verdict == OP_SKIP && n->skipped++ == 0)
        snprintf(n->skip, sizeof n->skip, "%s: %s", text, r->text);
    if (r->verdict == OP_FAIL && n->failed++ == 0)
        snprintf(n->first, sizeof n->first, "%s: %s%s%s", text, r->text, log[0] ? ": " : "", log);
}

static void run(struct selftest_run *t, const struct selftest_probe *p)
{
    struct tally n = { 0 };
    struct op_row row;
    char text[200];
    for (uint32_t at = 0; op_case_next(&at, &row);) {
        if (strcmp(row.op, p->name) != 0 || (t->quick && !is_quick(&row)))
            continue;
        op_row_describe(&row, text, sizeof text);
        selftest_at(t, "row %u, %s", n.rows, text);
        t->last_error[0] = 0;
        struct op_report r = op_check(t->dev, &row);
        count(&n, &row, &r, text, t->last_error);
    }
    selftest_number(t, "rows", n.rows);
    selftest_number(t, "quotients", n.quotients);
    if (n.rows == 0)
        selftest_say(t, SELFTEST_FAIL, "there are no rows in tests/op_rows");
    else if (n.failed > 0)
        selftest_say(t, SELFTEST_FAIL, "%u of %u rows; the first: %s", n.failed, n.rows, n.first);
    else if (n.skipped > 0)
        selftest_say(t, n.skipped == n.rows ? SELFTEST_SKIP : SELFTEST_FALLBACK, "%u of %u rows need what the device lacks: %s",
                     n.skipped, n.rows, n.skip);
    else
        selftest_say(t, SELFTEST_PASS, "%u rows in f32, %u in f16, %u in bf16; %u difference quotients", n.types[VKD_F32],
                     n.types[VKD_F16], n.types[VKD_BF16], n.quotients);
}

static bool at(uint32_t index, struct selftest_probe *out)
{
    const struct vkd_op *op = vkd__op_at(index);
    if (op == NULL)
        return false;
    *out = (struct selftest_probe){ .name = op->name, .about = "forward, backward, padding, guard bands, two runs", .run = run };
    return true;
}

const struct selftest_part selftest_part_ops = { .name = "ops", .title = "Operations", .place = 30, .at = at };
