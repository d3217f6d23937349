// feed_record.c -- the command lists of a feed: everything that moves around its programs.
#include "feed_impl.h"
#include "../program_impl.h"

#include <stdio.h>

static uint64_t aligned(uint64_t n)
{
    return (n + 255) & ~255ull;
}

static struct vkd_range stage(const vkd__feed *f, uint64_t ofs, uint64_t size)
{
    return (struct vkd_range) { f->stage, ofs, size };
}

static bool has_input(const vkd_program *p, const char *name)
{
    const struct vkd_tensor *t = p ? vkd_graph_find(p->graph, name) : NULL;
    return t && t->kind == VKD_TENSOR_INPUT;
}

static vkd_result list_begin(vkd__feed *f, vkd_commands **list)
{
    vkd_result r = vkd_commands_create(f->p.dev, list);
    return r == VKD_OK ? vkd_commands_begin(*list) : r;
}

// Ends a list whose recording went as `r` says.
static vkd_result list_end(vkd_commands *list, vkd_result r)
{
    vkd_result end = vkd_commands_end(list);
    return r < 0 ? r : end;
}

// Where input or marked tensor `name` lies, which must be of `size` bytes.
static vkd_result range_of(const vkd__feed *f, vkd_program *p, const char *name, uint64_t size, struct vkd_range *out)
{
    vkd_result r = vkd_program_range(p, name, out);
    if (r == VKD_OK && out->size != size) {
        vkd_log_write(vkd_device_log(f->p.dev), VKD_LOG_ERROR, "feed: \"%s\" has %llu bytes, expected %llu", name,
                      (unsigned long long) out->size, (unsigned long long) size);
        r = VKD_INVALID;
    }
    return r;
}

static const char *label_input(const vkd__feed *f)
{
    return f->p.multi_label ? "targets" : "labels";
}

// What a route promises must be taken in by one of its programs.
static vkd_result check_route(const vkd__feed *f, const struct vkd__route *ro)
{
    struct vkd_range range;
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && i < ro->view_count; i++)
        if (!has_input(ro->embed, ro->views[i].input))
            r = vkd_program_range(ro->program, ro->views[i].input, &range);
    if (r == VKD_OK && ro->labels && !has_input(ro->embed, label_input(f)) && !has_input(ro->loss, label_input(f)))
        r = vkd_program_range(ro->program, label_input(f), &range);
    if (r == VKD_OK && ro->loss && (ro->loss->arena == ro->program->arena || ro->loss->arena == ro->embed->arena)) {
        vkd_log_write(vkd_device_log(f->p.dev), VKD_LOG_ERROR, "feed: the loss of gradient caching needs an arena of its own");
        r = VKD_INVALID;
    }
    return r;
}

// ---- Before a program ----

// The list that fills the inputs of `p`, which sees one micro-batch.
static vkd_result record_prepare(vkd__feed *f, const struct vkd__route *ro, vkd_program *p, vkd_commands **list)
{
    struct vkd_range step = stage(f, f->at.step, sizeof(struct vkd_step_block)), to;
    struct vkd_range table = stage(f, f->at.table, f->p.batch * sizeof(struct vkd_batch_image));
    vkd_result r = list_begin(f, list);
    if (r < 0)
        return r;
    vkd_commands_copy(*list, vkd_program_step_block(p), step);
    if (ro->labels && has_input(p, label_input(f))) {
        uint64_t size = f->p.multi_label ? 4ull * f->p.batch * f->target_stride : 4ull * vkd__pad4(f->p.batch);
        r = range_of(f, p, label_input(f), size, &to);
        if (r == VKD_OK)
            vkd_commands_copy(*list, to, stage(f, f->p.multi_label ? f->at.targets : f->at.labels, size));
    }
    for (uint32_t i = 0; r == VKD_OK && i < ro->view_count; i++) {
        const struct vkd__augment_params *a = &ro->views[i].augment;
        if (!has_input(p, ro->views[i].input))
            continue;
        r = range_of(f, p, ro->views[i].input, 16ull * f->p.batch * a->size * a->size, &to);
        if (r == VKD_OK)
            r = vkd__augment_record(f->p.dev, *list, a, f->p.batch, table, stage(f, f->at.pixels, 4 * f->pixels), step,
                                    (struct vkd_range) { .buffer = f->scratch }, to);
    }
    return list_end(*list, r);
}

// ---- Gradient caching ----

static struct vkd_range part_of(struct vkd_range whole, uint64_t size, uint32_t index)
{
    return (struct vkd_range) { whole.buffer, whole.ofs + size * index, size };
}

// Labels of micro-batch `m` to their place among those of the step.
static vkd_result gather_labels(vkd__feed *f, const struct vkd__route *ro, uint32_t m, vkd_commands *list)
{
    const uint32_t images = vkd__feed_images(f), last = f->p.micro_count - 1;
    uint64_t whole = f->p.multi_label ? 4ull * images * f->target_stride : 4ull * vkd__pad4(images);
    uint64_t size = f->p.multi_label ? 4ull * f->p.batch * f->target_stride : 4ull * f->p.batch;
    struct vkd_range to;
    vkd_result r = range_of(f, ro->loss, label_input(f), whole, &to);
    if (r < 0)
        return r;
    to = (struct vkd_range) { to.buffer, to.ofs + size * m, m == last ? whole - size * m : size };     // with its padding
    vkd_commands_copy(list, to, stage(f, f->p.multi_label ? f->at.targets : f->at.labels, to.size));
    return VKD_OK;
}

// After `embed`: its embeddings of micro-batch `m` become rows of the loss's inputs.
static vkd_result record_gather(vkd__feed *f, const struct vkd__route *ro, uint32_t m, vkd_commands **list)
{
    vkd_result r = list_begin(f, list);
    if (r < 0)
        return r;
    if (ro->labels && has_input(ro->loss, label_input(f)))
        r = gather_labels(f, ro, m, *list);
    for (uint32_t i = 0; r == VKD_OK && i < ro->cached_count; i++) {
        struct vkd_range from, to;
        r = vkd_program_range(ro->embed, ro->cached[i], &from);
        if (r == VKD_OK)
            r = range_of(f, ro->loss, ro->cached[i], from.size * f->p.micro_count, &to);
        if (r == VKD_OK)
            vkd_commands_copy(*list, part_of(to, from.size, m), from);
    }
    return list_end(*list, r);
}

// Before `program`: rows of the loss's gradients, those of micro-batch `m`, become its inputs.
static vkd_result record_spread(vkd__feed *f, const struct vkd__route *ro, uint32_t m, vkd_commands **list)
{
    vkd_result r = list_begin(f, list);
    if (r < 0)
        return r;
    for (uint32_t i = 0; r == VKD_OK && i < ro->cached_count; i++) {
        char name[128];
        struct vkd_range from, to;
        snprintf(name, sizeof(name), "%s.grad", ro->cached[i]);
        if (!has_input(ro->program, name))
            continue;
        r = vkd_program_range(ro->program, name, &to);
        if (r == VKD_OK)
            r = range_of(f, ro->loss, name, to.size * f->p.micro_count, &from);
        if (r == VKD_OK)
            vkd_commands_copy(*list, to, part_of(from, to.size, m));
    }
    return list_end(*list, r);
}

static vkd_result record_caching(vkd__feed *f, const struct vkd__route *ro, struct vkd__feed_way *w)
{
    vkd_result r = record_prepare(f, ro, ro->embed, &w->prepare_embed);
    if (r == VKD_OK)
        r = list_begin(f, &w->prepare_loss);
    if (r == VKD_OK) {
        vkd_commands_copy(w->prepare_loss, vkd_program_step_block(ro->loss),
                          stage(f, f->at.whole, sizeof(struct vkd_step_block)));
        r = vkd_commands_end(w->prepare_loss);
    }
    for (uint32_t m = 0; r == VKD_OK && m < f->p.micro_count; m++) {
        r = record_gather(f, ro, m, &w->gather[m]);
        if (r == VKD_OK)
            r = record_spread(f, ro, m, &w->spread[m]);
    }
    return r;
}

// ---- After a program ----

vkd_result vkd__feed_place_marks(vkd__feed *f, uint64_t *size)
{
    *size = 0;
    for (uint32_t k = 0; k < f->p.route_count; k++) {
        const struct vkd__route *ro = &f->routes[k];
        uint64_t ofs = 0;
        for (uint32_t i = 0; i < ro->mark_count; i++) {
            bool in_loss = ro->loss && vkd_graph_find(ro->loss->graph, ro->marks[i]), in_program =
                vkd_graph_find(ro->program->graph, ro->marks[i]);
            bool whole = in_loss && !(in_program && has_input(ro->loss, ro->marks[i]));
            struct vkd_range range;
            vkd_result r = vkd_program_range(whole ? ro->loss : ro->program, ro->marks[i], &range);
            if (r < 0)
                return r;
            f->ways[k].marks[i].range = range;
            f->ways[k].marks[i].ofs = ofs;
            f->ways[k].marks[i].whole = whole;
            ofs += aligned(range.size);
        }
        *size = ofs > *size ? ofs : *size;
    }
    return VKD_OK;
}

// Marks of route `k` after micro-batch `m`; those of the whole step once, with the last.
static vkd_result record_back(vkd__feed *f, uint32_t k, struct vkd__feed_part *part, uint32_t m)
{
    vkd_result r = list_begin(f, &part->back[k]);
    for (uint32_t i = 0; r == VKD_OK && i < f->routes[k].mark_count; i++) {
        struct vkd_range from = f->ways[k].marks[i].range;
        if (!f->ways[k].marks[i].whole || m + 1 == f->p.micro_count)
            vkd_commands_copy(part->back[k], (struct vkd_range) { part->readback, f->at.marks + f->ways[k].marks[i].ofs,
                              from.size }, from);
    }
    return r == VKD_OK ? vkd_commands_end(part->back[k]) : r;
}

static vkd_result record_frame(vkd__feed *f, struct vkd__feed_frame *fr)
{
    vkd_result r = VKD_OK;
    for (uint32_t m = 0; r == VKD_OK && m < f->p.micro_count; m++) {
        struct vkd__feed_part *part = &fr->parts[m];
        r = list_begin(f, &part->up);
        if (r == VKD_OK) {
            vkd_commands_copy(part->up, stage(f, 0, f->at.upload_size), (struct vkd_range) { part->upload, 0, f->at.upload_size });
            r = vkd_commands_end(part->up);
        }
        for (uint32_t k = 0; r == VKD_OK && k < f->p.route_count; k++)
            r = record_back(f, k, part, m);
    }
    if (r < 0 || !f->p.metrics.buffer)
        return r;
    r = list_begin(f, &fr->end);
    if (r < 0)
        return r;
    vkd_commands_copy(fr->end, (struct vkd_range) { fr->parts[f->p.micro_count - 1].readback, f->at.metrics,
                      f->p.metrics.size }, f->p.metrics);
    return vkd_commands_end(fr->end);
}

vkd_result vkd__feed_record(vkd__feed *f)
{
    vkd_result r = VKD_OK;
    for (uint32_t k = 0; r == VKD_OK && k < f->p.route_count; k++) {
        r = check_route(f, &f->routes[k]);
        if (r == VKD_OK)
            r = record_prepare(f, &f->routes[k], f->routes[k].program, &f->ways[k].prepare);
        if (r == VKD_OK && f->routes[k].embed)
            r = record_caching(f, &f->routes[k], &f->ways[k]);
    }
    for (uint32_t i = 0; r == VKD_OK && i < VKD__FEED_FRAMES; i++)
        r = record_frame(f, &f->frames[i]);
    return r;
}
