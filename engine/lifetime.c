// lifetime.c -- one arena for all values: those that are never alive together share bytes.
//
// Greedy by size: the largest value first, each at the lowest offset that is free during its whole
// life (Pisarchyk, Lee, arXiv 2001.03288, "greedy by size for offset calculation").
#include "compile.h"

#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    const struct vkd_value *x = *(struct vkd_value *const *) a, *y = *(struct vkd_value *const *) b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return (x->first > y->first) - (x->first < y->first);
}

static bool alive_together(const struct vkd_value *a, const struct vkd_value *b)
{
    return a->first <= b->last && b->first <= a->last;
}

// `ofs`, or the next block's start when [ofs, ofs + size) would cross a block's end.
static uint64_t within_block(uint64_t ofs, uint64_t size, uint64_t block)
{
    return ofs / block == (ofs + size - 1) / block ? ofs : (ofs / block + 1) * block;
}

// The lowest place for `v` among `placed` values in the order of their offsets.
static uint64_t lowest_place(const struct vkd_value *v, struct vkd_value *const *placed, uint32_t count, uint64_t block)
{
    uint64_t ofs = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct vkd_value *o = placed[i];
        if (!alive_together(v, o))
            continue;
        if (ofs + v->size <= o->ofs)
            break;
        if (o->ofs + o->size > ofs)
            ofs = within_block(o->ofs + o->size, v->size, block);
    }
    return ofs;
}

static void insert_by_offset(struct vkd_value **placed, uint32_t count, struct vkd_value *v)
{
    uint32_t i = count;
    for (; i > 0 && placed[i - 1]->ofs > v->ofs; i--)
        placed[i] = placed[i - 1];
    placed[i] = v;
}

// The largest sum of values alive during one call: no arena can be smaller.
static uint64_t lower_bound(const struct vkd_compiled *c)
{
    uint64_t most = 0;
    for (uint32_t k = 0; k < c->call_count; k++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < c->value_count; i++) {
            const struct vkd_value *v = &c->values[i];
            if (v->root == i && v->first <= k && k <= v->last)
                sum += v->size;
        }
        most = sum > most ? sum : most;
    }
    return most;
}

vkd_result vkd__lifetime_plan(struct vkd_compiled *c)
{
    struct vkd_value **order = malloc((c->value_count + 1) * sizeof(*order));
    struct vkd_value **placed = malloc((c->value_count + 1) * sizeof(*placed));
    vkd_result r = VKD_NO_MEMORY;
    if (!order || !placed)
        goto done;

    uint32_t count = 0;
    c->memory = (struct vkd_program_memory) { 0, 0, 0 };
    for (uint32_t i = 0; i < c->value_count; i++) {
        c->memory.unshared += c->values[i].size;
        if (c->values[i].root == i && c->values[i].size)
            order[count++] = &c->values[i];
    }
    qsort(order, count, sizeof(*order), by_size);
    for (uint32_t i = 0; i < count; i++) {
        struct vkd_value *v = order[i];
        v->ofs = lowest_place(v, placed, i, c->block_size);
        insert_by_offset(placed, i, v);
        if (v->ofs + v->size > c->memory.arena)
            c->memory.arena = v->ofs + v->size;
    }
    c->memory.lower_bound = lower_bound(c);
    r = VKD_OK;

done:
    free(order);
    free(placed);
    return r;
}
