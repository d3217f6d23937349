// teacher.c -- pairs of parameters, their table of chunks, and the dispatches that average them.
#include "teacher.h"

#include "op.h"
#include "pc_teacher.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct pair { uint32_t teacher, student; };     // indices of parameters

// Chunks whose two sides each lie in a range that one binding can hold; quads from an aligned start.
struct window {
    uint32_t chunk, chunk_count;
    uint32_t teacher, teacher_count, student, student_count;
};

struct vkd__teacher {
    vkd_device *dev;
    vkd_params *params;
    struct pair *pairs;
    uint32_t pair_count;
    struct window *windows;
    uint32_t window_count;
    vkd_buffer *chunks;
    vkd_kernel *kernel;
};

// ---- Pairs ----

static vkd_result refuse(const vkd__teacher *t, const char *name, const char *why, const char *partner)
{
    vkd_log_write(vkd_device_log(t->dev), VKD_LOG_ERROR, "teacher: %.100s %s %.100s", name, why, partner);
    return VKD_INVALID;
}

static vkd_result find_pairs(vkd__teacher *t, const char *prefix)
{
    size_t length = strlen(prefix);
    for (uint32_t i = 0; i < vkd_params_count(t->params); i++) {
        const struct vkd_param_info *p = vkd_params_at(t->params, i);
        if (strncmp(p->name, prefix, length))
            continue;
        int partner = vkd_params_find(t->params, p->name + length);
        if (partner < 0)
            return refuse(t, p->name, "has no partner: the student lacks", p->name + length);
        const struct vkd_param_info *s = vkd_params_at(t->params, (uint32_t) partner);
        if (memcmp(&p->shape, &s->shape, sizeof(p->shape)))
            return refuse(t, p->name, "has another shape than", s->name);
        if (!p->state)
            return refuse(t, p->name, "is trainable: declare it in a frozen scope; it averages", s->name);
        t->pairs[t->pair_count++] = (struct pair) { i, (uint32_t) partner };
    }
    return t->pair_count ? VKD_OK : refuse(t, prefix, "begins the name of no parameter:", "declare the teacher's in a scope");
}

// ---- Chunks and windows ----

static uint32_t chunks_of(const vkd__teacher *t, struct pair pair)
{
    if (vkd_params_at(t->params, pair.student)->state)      // a running statistic
        return 0;
    return vkd__div_up(vkd_params_at(t->params, pair.teacher)->numel, 4 * VKD_TEACHER_CHUNK);
}

static void fill_chunks(const vkd__teacher *t, struct vkd_teacher_chunk *chunks)
{
    for (uint32_t i = 0; i < t->pair_count; i++) {
        const struct vkd_param_info *p = vkd_params_at(t->params, t->pairs[i].teacher);
        const struct vkd_param_info *s = vkd_params_at(t->params, t->pairs[i].student);
        uint32_t quads = (uint32_t) (p->numel / 4);
        for (uint32_t k = 0; k < chunks_of(t, t->pairs[i]); k++) {
            uint32_t at = k * VKD_TEACHER_CHUNK, left = quads - at;
            *chunks++ = (struct vkd_teacher_chunk) {
                (uint32_t) (p->ofs / 4) + at, (uint32_t) (s->ofs / 4) + at,
                left < VKD_TEACHER_CHUNK ? left : VKD_TEACHER_CHUNK,
            };
        }
    }
}

// Widens (*begin, *count) to hold the quads from `quad` on; false when one binding cannot.
static bool widen(const struct vkd_caps *caps, uint32_t *begin, uint32_t *count, uint32_t quad, uint32_t quads)
{
    uint32_t align = caps->storage_align > 16 ? caps->storage_align / 16 : 1, end = quad + quads;
    uint32_t low = quad - quad % align;
    if (*count) {
        end = end > *begin + *count ? end : *begin + *count;
        low = low < *begin ? low : *begin;
    }
    if (end - low > caps->storage_range_max / 16)
        return false;
    *begin = low;
    *count = end - low;
    return true;
}

static vkd_result make_windows(vkd__teacher *t, const struct vkd_caps *caps, const struct vkd_teacher_chunk *chunks,
                               uint32_t count)
{
    for (uint32_t i = 0, next; i < count; i = next) {
        struct window w = { .chunk = i };
        for (next = i; next < count && next - i < caps->group_count_max[0]; next++) {
            const struct vkd_teacher_chunk *c = &chunks[next];
            struct window wider = w;
            if (!widen(caps, &wider.teacher, &wider.teacher_count, c->teacher, c->quad_count) ||
                !widen(caps, &wider.student, &wider.student_count, c->student, c->quad_count))
                break;
            w = wider;
        }
        struct window *grown = realloc(t->windows, (t->window_count + 1) * sizeof(*grown));
        if (!grown)
            return VKD_NO_MEMORY;
        t->windows = grown;
        w.chunk_count = next - i;
        t->windows[t->window_count++] = w;
    }
    return VKD_OK;
}

static vkd_result make_table(vkd__teacher *t, const struct vkd_caps *caps)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->pair_count; i++)
        count += chunks_of(t, t->pairs[i]);
    if (!count)
        return VKD_OK;
    struct vkd_teacher_chunk *chunks = malloc(count * sizeof(*chunks));
    vkd_result r = VKD_NO_MEMORY;
    if (chunks) {
        fill_chunks(t, chunks);
        r = make_windows(t, caps, chunks, count);
    }
    if (r == VKD_OK)
        r = vkd_buffer_create(t->dev, count * sizeof(*chunks), VKD_MEMORY_DEVICE, &t->chunks);
    if (r == VKD_OK)
        r = vkd_buffer_write(t->dev, t->chunks, 0, chunks, count * sizeof(*chunks));
    free(chunks);
    return r;
}

// ---- The object ----

vkd_result vkd__teacher_create(const struct vkd__teacher_params *p, vkd__teacher **out)
{
    vkd__teacher *t = calloc(1, sizeof(*t));
    if (!t)
        return VKD_NO_MEMORY;
    t->dev = p->dev;
    t->params = p->params;
    t->pairs = malloc((vkd_params_count(p->params) + 1) * sizeof(*t->pairs));
    vkd_result r = t->pairs ? find_pairs(t, p->prefix) : VKD_NO_MEMORY;
    if (r == VKD_OK)
        r = make_table(t, p->caps ? p->caps : vkd_device_caps(p->dev));
    if (r == VKD_OK)
        r = vkd_kernel_get(p->dev, &(struct vkd_kernel_params) { .name = "teacher" }, &t->kernel);
    if (r < 0)
        vkd__teacher_destroy(&t);
    else
        *out = t;
    return r;
}

void vkd__teacher_destroy(vkd__teacher **teacher)
{
    vkd__teacher *t = *teacher;
    if (!t)
        return;
    vkd_buffer_destroy(t->dev, &t->chunks);
    free(t->windows);
    free(t->pairs);
    free(t);
    *teacher = NULL;
}

void vkd__teacher_record(const vkd__teacher *t, vkd_commands *cmds, struct vkd_range step, struct vkd_range metrics)
{
    struct vkd_range values = vkd_params_values(t->params);
    for (uint32_t i = 0; i < t->window_count; i++) {
        const struct window *w = &t->windows[i];
        struct vkd_pc_teacher pc = { w->chunk, w->teacher, w->student };
        struct vkd_range ranges[] = {
            { t->chunks, 0, 0 }, step, metrics,
            { values.buffer, values.ofs + 16ull * w->teacher, 16ull * w->teacher_count },
            { values.buffer, values.ofs + 16ull * w->student, 16ull * w->student_count },
        };
        vkd_commands_dispatch(cmds, t->kernel, ranges, 5, &pc, sizeof(pc), (uint32_t[3]) { w->chunk_count, 1, 1 });
    }
}

vkd_result vkd__teacher_reset(vkd__teacher *t)
{
    struct vkd_range values = vkd_params_values(t->params);
    vkd_commands *cmds = NULL;
    uint64_t ticket;
    vkd_result r = vkd_commands_create(t->dev, &cmds);
    if (r == VKD_OK)
        r = vkd_commands_begin(cmds);
    if (r == VKD_OK) {
        for (uint32_t i = 0; i < t->pair_count; i++) {
            const struct vkd_param_info *p = vkd_params_at(t->params, t->pairs[i].teacher);
            const struct vkd_param_info *s = vkd_params_at(t->params, t->pairs[i].student);
            vkd_commands_copy(cmds, (struct vkd_range) { values.buffer, values.ofs + 4 * p->ofs, 4 * p->numel },
                              (struct vkd_range) { values.buffer, values.ofs + 4 * s->ofs, 4 * s->numel });
        }
        r = vkd_commands_end(cmds);
    }
    if (r == VKD_OK)
        r = vkd_submit(t->dev, &cmds, 1, &ticket);
    if (r == VKD_OK)
        r = vkd_wait(t->dev, ticket, UINT64_MAX, NULL);
    vkd_commands_destroy(t->dev, &cmds);
    return r;
}

double vkd__teacher_decay(double momentum, double momentum_end, uint64_t step, uint64_t total)
{
    double u = step < total ? (double) step / (double) total : 1;
    return momentum_end - (momentum_end - momentum) * (cos(acos(-1.0) * u) + 1) / 2;
}
