// weights.c -- saving and loading parameters in PyTorch's names and layouts.
#include "weights.h"

#include "graph_impl.h"
#include "op.h"
#include "safetensors.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

// ---- Layouts ----------------------------------------------------------------------------------

// Unpadded C of a (R, S, C, K) weight.
static uint32_t channels(const struct vkd_param_info *p)
{
    return p->logical_in ? p->logical_in : p->shape.d[2];
}

uint32_t vkd__param_file_shape(const struct vkd_param_info *p, uint64_t shape[4])
{
    const uint32_t *d = p->shape.d;
    switch (p->rank) {
    case 1:
        shape[0] = d[3];
        return 1;
    case 2:
        shape[0] = d[3];
        shape[1] = channels(p);
        return 2;
    default:
        shape[0] = d[3];
        shape[1] = channels(p);
        shape[2] = d[0];
        shape[3] = d[1];
        return 4;
    }
}

// Calls `COPY` with the place of each element in the file (K, C, R, S) and in memory (R, S, C, K).
#define FOR_EACH_ELEMENT(p, COPY) do { \
        const uint32_t *d = (p)->shape.d, c_count = channels(p), k_row = vkd__pad4(d[3]); \
        uint64_t file_at = 0; \
        for (uint32_t k = 0; k < d[3]; k++) \
            for (uint32_t c = 0; c < c_count; c++) \
                for (uint32_t rs = 0; rs < d[0] * d[1]; rs++, file_at++) { \
                    uint64_t memory_at = ((uint64_t) rs * d[2] + c) * k_row + k; \
                    COPY; \
                } \
    } while (0)

void vkd__param_to_file(const struct vkd_param_info *p, const float *memory, float *file)
{
    FOR_EACH_ELEMENT(p, file[file_at] = memory[memory_at]);
}

void vkd__param_from_file(const struct vkd_param_info *p, const float *file, float *memory)
{
    memset(memory, 0, p->numel * sizeof(float));
    FOR_EACH_ELEMENT(p, memory[memory_at] = file[file_at]);
}

// ---- Parts ------------------------------------------------------------------------------------

struct entry {
    uint32_t index;             // of the parameter in its store
    const char *name;           // in the file
};

struct selection {
    struct entry *entries;
    uint32_t count;
    char *names;                // one after the other
};

static void selection_finish(struct selection *s)
{
    free(s->entries);
    free(s->names);
}

static const struct vkd_weights_rename *rename_of(const struct vkd_weights_part *part, const char *name)
{
    for (uint32_t i = 0; i < part->rename_count; i++)
        if (!strncmp(name, part->renames[i].from, strlen(part->renames[i].from)))
            return &part->renames[i];
    return NULL;
}

// Writes the name in the file to `out`, where that is not NULL; returns its size with the final 0.
static size_t file_name(const struct vkd_weights_part *part, const char *name, char *out)
{
    const struct vkd_weights_rename *r = rename_of(part, name);
    size_t head = r ? strlen(r->to) : 0, tail = strlen(name + (r ? strlen(r->from) : 0)) + 1;
    if (out && r)
        memcpy(out, r->to, head);
    if (out)
        memcpy(out + head, name + strlen(name) + 1 - tail, tail);
    return head + tail;
}

static bool declares(const vkd_graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->tensor_count; i++)
        if (g->tensors[i]->kind == VKD_TENSOR_PARAM && !strcmp(g->tensors[i]->name, name))
            return true;
    return false;
}

// What is wrong with a part: a text and a name for it, or NULL.
static const char *check_part(const vkd_params *params, const struct vkd_weights_part *part, const char **name)
{
    const vkd_graph *g = part->only;
    *name = g ? vkd_graph_error(g) : NULL;
    if (*name)
        return "its graph has an error";
    for (uint32_t i = 0; g && i < g->tensor_count; i++) {
        *name = g->tensors[i]->name;
        if (g->tensors[i]->kind == VKD_TENSOR_PARAM && vkd_params_find(params, *name) < 0)
            return "the store lacks a parameter that the graph declares";
    }
    return NULL;
}

static const char *check_selection(const struct selection *s, const char **name)
{
    *name = "it is empty";
    if (!s->count)
        return "nothing is selected";
    for (uint32_t i = 0; i < s->count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(s->entries[i].name, s->entries[k].name)) {
                *name = s->entries[i].name;
                return "two parameters get the same name";
            }
    return NULL;
}

static vkd_result select_part(const struct vkd_log *log, const vkd_params *params, const struct vkd_weights_part *part,
                              const char *path, struct selection *s)
{
    uint32_t count = vkd_params_count(params);
    size_t size = 0;
    const char *name, *wrong = check_part(params, part, &name);
    for (uint32_t i = 0; i < count; i++)
        size += file_name(part, vkd_params_at(params, i)->name, NULL);
    *s = (struct selection) { malloc((count + 1) * sizeof(*s->entries)), 0, malloc(size + 1) };
    if (!s->entries || !s->names)
        return VKD_NO_MEMORY;
    char *at = s->names;
    for (uint32_t i = 0; i < count && !wrong; i++) {
        const struct vkd_param_info *p = vkd_params_at(params, i);
        if (part->only && !declares(part->only, p->name))
            continue;
        s->entries[s->count++] = (struct entry) { i, at };
        at += file_name(part, p->name, at);
    }
    if (!wrong && !(wrong = check_selection(s, &name)))
        return VKD_OK;
    vkd_log_write(log, VKD_LOG_ERROR, "%.200s: a part of the parameters: %s: %.300s", path, wrong, name);
    return VKD_INVALID;
}

// ---- Saving -----------------------------------------------------------------------------------

// Metadata are one JSON text under the key "vkdiv": numbers in JSON do not depend on the locale.
// malloc'd; NULL when a number is not finite or text not UTF-8.
static char *info_text(const struct vkd_weights_info *info)
{
    const float *m = info->mean, *s = info->std;
    json_t *v = json_pack("{s:s, s:i, s:s, s:i, s:i, s:i, s:[f, f, f], s:[f, f, f], s:I}",
                          "arch", info->arch, "width", (int) info->width,
                          "stem", info->cifar_stem ? "cifar" : "imagenet",
                          "classes", (int) info->classes, "size", (int) info->size, "channels", (int) info->channels,
                          "mean", (double) m[0], (double) m[1], (double) m[2],
                          "std", (double) s[0], (double) s[1], (double) s[2], "steps", (json_int_t) info->steps);
    char *text = v ? json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(v);
    return text;
}

// LAYER of LAYER.running_mean when a state's name is that, by its length; else 0.
static size_t norm_length(const char *name, bool state)
{
    static const char suffix[] = ".running_mean";
    size_t length = strlen(name), tail = sizeof(suffix) - 1;
    return state && length > tail && !strcmp(name + length - tail, suffix) ? length - tail : 0;
}

// What a save holds: one entry per parameter and one counter per batch norm.
struct save {
    struct vkd__st_tensor *tensors;
    uint32_t count;
    char *names;            // of the counters, one after the other
    float *values;          // in the file's layout
    float *memory;          // one parameter as the device has it
};

static bool save_init(struct save *s, const vkd_params *params, const struct selection *sel)
{
    uint32_t count = sel->count;
    uint64_t total = 0, largest = 0, names = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct vkd_param_info *p = vkd_params_at(params, sel->entries[i].index);
        total += p->numel;
        largest = p->numel > largest ? p->numel : largest;
        names += strlen(sel->entries[i].name) + sizeof(".num_batches_tracked");
    }
    s->tensors = calloc(2 * (size_t) count + 1, sizeof(*s->tensors));
    s->names = malloc(names + 1);
    s->values = malloc((total + 1) * sizeof(float));
    s->memory = malloc((largest + 1) * sizeof(float));
    return s->tensors && s->names && s->values && s->memory;
}

static void save_finish(struct save *s)
{
    free(s->tensors);
    free(s->names);
    free(s->values);
    free(s->memory);
}

// The counters come first: then 8-byte values lie at multiples of 8.
static void add_counters(struct save *s, const vkd_params *params, const struct selection *sel, const int64_t *steps)
{
    char *name = s->names;
    for (uint32_t i = 0; i < sel->count; i++) {
        const char *of = sel->entries[i].name;
        size_t length = norm_length(of, vkd_params_at(params, sel->entries[i].index)->state);
        if (!length)
            continue;
        s->tensors[s->count++] = (struct vkd__st_tensor) { .name = name, .type = VKD__ST_I64, .data = steps };
        name += sprintf(name, "%.*s.num_batches_tracked", (int) length, of) + 1;
    }
}

// Reads the selected parameters; says how many of their values are not finite.
static vkd_result add_values(struct save *s, const struct vkd_log *log, vkd_params *params, const struct selection *sel,
                             const char *path)
{
    float *values = s->values;
    uint64_t bad = 0;
    const char *first = NULL;
    for (uint32_t i = 0; i < sel->count; i++) {
        const struct entry *e = &sel->entries[i];
        const struct vkd_param_info *p = vkd_params_at(params, e->index);
        struct vkd__st_tensor *t = &s->tensors[s->count++];
        vkd_result r = vkd_params_read(params, e->index, s->memory);
        if (r < 0)
            return r;
        for (uint64_t k = 0; k < p->numel; k++)
            bad += !isfinite(s->memory[k]);
        first = bad && !first ? e->name : first;
        vkd__param_to_file(p, s->memory, values);
        *t = (struct vkd__st_tensor) { .name = e->name, .type = VKD__ST_F32, .data = values };
        t->rank = vkd__param_file_shape(p, t->shape);
        values += p->numel;
    }
    if (bad)
        vkd_log_write(log, VKD_LOG_WARNING, "%.300s: %llu of the values written are not finite, the first in %.100s: these "
                      "weights are of no use", path, (unsigned long long) bad, first);
    return VKD_OK;
}

vkd_result vkd_weights_save(vkd_device *dev, vkd_params *params, const struct vkd_weights_info *info,
                            const char *path)
{
    return vkd_weights_save_part(dev, params, info, &(struct vkd_weights_part) { 0 }, path);
}

vkd_result vkd_weights_save_part(vkd_device *dev, vkd_params *params, const struct vkd_weights_info *info,
                                 const struct vkd_weights_part *part, const char *path)
{
    struct save s = { 0 };
    struct selection sel;
    char *text = NULL;
    int64_t steps = (int64_t) info->steps;
    vkd_result r = select_part(vkd_device_log(dev), params, part, path, &sel);
    if (r == VKD_OK && !save_init(&s, params, &sel))
        r = VKD_NO_MEMORY;
    if (r < 0)
        goto fail;
    add_counters(&s, params, &sel, &steps);
    if ((r = add_values(&s, vkd_device_log(dev), params, &sel, path)) < 0)
        goto fail;
    if (!(text = info_text(info))) {
        vkd_log_write(vkd_device_log(dev), VKD_LOG_ERROR, "%.300s: the model's description holds a number that is not "
                      "finite, or text that is not UTF-8", path);
        r = VKD_INVALID;
        goto fail;
    }
    const struct vkd__st_pair pairs[] = { { "format", "pt" }, { "vkdiv", text } };
    r = vkd__st_write(path, vkd_device_log(dev), s.tensors, s.count, pairs, 2);

fail:
    free(text);
    save_finish(&s);
    selection_finish(&sel);
    return r;
}

// ---- Loading ----------------------------------------------------------------------------------

// What does not fit, as one text that ends in "and N more" when it is long.
struct complaint {
    char text[800];
    size_t used;
    uint32_t count, left_out;
};

static void VKD_PRINTF(2, 3) complain(struct complaint *c, const char *format, ...)
{
    char line[160];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    c->count++;
    size_t length = strlen(line);
    if (c->used + length + 3 > sizeof(c->text)) {
        c->left_out++;
        return;
    }
    c->used += (size_t) snprintf(c->text + c->used, sizeof(c->text) - c->used, "%s%s", c->used ? "; " : "", line);
}

// The tensor of `f` called `name` that fits `p`, or NULL after a complaint.
static const struct vkd__st_tensor *match(const vkd__st_file *f, const struct vkd_param_info *p, const char *name,
                                          struct complaint *c)
{
    const struct vkd__st_tensor *t = vkd__st_find(f, name);
    if (!t) {
        complain(c, "%.80s is missing", name);
        return NULL;
    }
    uint64_t shape[4];
    uint32_t rank = vkd__param_file_shape(p, shape);
    bool equal = t->rank == rank && !memcmp(t->shape, shape, rank * sizeof(shape[0]));
    float first;
    if (!equal) {
        char expected[64], found[64];
        vkd__st_shape_text(shape, rank, expected);
        vkd__st_shape_text(t->shape, t->rank, found);
        complain(c, "%.80s is %.32s, expected %.32s", name, found, expected);
    } else if (!vkd__st_floats(t, 0, t->numel ? 1 : 0, &first)) {
        complain(c, "%.80s has type %s, expected F32, F16, BF16 or F64", name, vkd__st_type_name(t->type));
    } else {
        return t;
    }
    return NULL;
}

static bool is_counter(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && !strcmp(dot, ".num_batches_tracked");
}

// Lists everything that does not fit; returns how many tensors do.
static uint32_t compare(const vkd__st_file *f, const vkd_params *params, const struct selection *sel, bool more,
                        struct complaint *c)
{
    uint32_t fitting = 0;
    for (uint32_t i = 0; i < sel->count; i++)
        fitting += match(f, vkd_params_at(params, sel->entries[i].index), sel->entries[i].name, c) != NULL;
    for (uint32_t i = 0; !more && i < vkd__st_count(f); i++) {
        const char *name = vkd__st_at(f, i)->name;
        bool expected = is_counter(name);
        for (uint32_t k = 0; !expected && k < sel->count; k++)
            expected = !strcmp(name, sel->entries[k].name);
        if (!expected)
            complain(c, "%.80s is unexpected", name);
    }
    return fitting;
}

static vkd_result load_one(const vkd__st_file *f, vkd_params *params, const struct entry *e)
{
    const struct vkd_param_info *p = vkd_params_at(params, e->index);
    struct complaint c = { 0 };
    const struct vkd__st_tensor *t = match(f, p, e->name, &c);
    if (!t)
        return VKD_OK;
    float *file = malloc((t->numel + 1) * sizeof(float)), *memory = malloc((p->numel + 1) * sizeof(float));
    vkd_result r = VKD_NO_MEMORY;
    if (file && memory) {
        vkd__st_floats(t, 0, t->numel, file);
        vkd__param_from_file(p, file, memory);
        r = vkd_params_write(params, e->index, memory);
    }
    free(file);
    free(memory);
    return r;
}

vkd_result vkd_weights_load(vkd_device *dev, vkd_params *params, const char *path, bool partial)
{
    return vkd_weights_load_part(dev, params, &(struct vkd_weights_part) { 0 }, path, partial);
}

vkd_result vkd_weights_load_part(vkd_device *dev, vkd_params *params, const struct vkd_weights_part *part,
                                 const char *path, bool partial)
{
    const struct vkd_log *log = vkd_device_log(dev);
    vkd__st_file *f = NULL;
    struct selection sel;
    vkd_result r = select_part(log, params, part, path, &sel);
    if (r == VKD_OK)
        r = vkd__st_open(path, log, &f);
    if (r < 0)
        goto fail;
    struct complaint c = { 0 };
    uint32_t fitting = compare(f, params, &sel, part->more, &c);
    if (c.count) {
        bool enough = (partial || part->less) && fitting;
        char more[32] = "";
        if (c.left_out)
            snprintf(more, sizeof(more), "; and %u more", c.left_out);
        if (!enough || !part->less)
            vkd_log_write(log, enough ? VKD_LOG_WARNING : VKD_LOG_ERROR, "%.120s: %u of %u tensors fit: %s%s",
                          path, fitting, sel.count, c.text, more);
        r = enough ? VKD_OK : VKD_FORMAT;
    }
    for (uint32_t i = 0; r == VKD_OK && part->finite && i < sel.count; i++) {
        const struct vkd__st_tensor *t = vkd__st_find(f, sel.entries[i].name);
        r = t ? vkd__st_check_finite(t, path, log) : VKD_OK;
    }
    for (uint32_t i = 0; r == VKD_OK && i < sel.count; i++)
        r = load_one(f, params, &sel.entries[i]);

fail:
    vkd__st_close(&f);
    selection_finish(&sel);
    return r;
}

// ---- Metadata ---------------------------------------------------------------------------------

static bool between(json_int_t v, json_int_t low, json_int_t high)
{
    return v >= low && v <= high;
}

// Returns NULL, or what is missing or wrong.
static const char *parse_info(const json_t *v, struct vkd_weights_info *info, json_error_t *error)
{
    const char *arch, *stem;
    json_int_t width, classes, size, channel_count, steps;
    double m[3], s[3];
    if (json_unpack_ex((json_t *) v, error, 0, "{s:s, s:I, s:s, s:I, s:I, s:I, s:[F, F, F], s:[F, F, F], s:I}",
                       "arch", &arch, "width", &width, "stem", &stem, "classes", &classes, "size", &size,
                       "channels", &channel_count, "mean", &m[0], &m[1], &m[2], "std", &s[0], &s[1], &s[2],
                       "steps", &steps))
        return error->text;
    if (strlen(arch) >= sizeof(info->arch))
        return "the name of the architecture is too long";
    if (strcmp(stem, "cifar") && strcmp(stem, "imagenet"))
        return "stem must be cifar or imagenet";
    if (!between(width, 1, 1 << 16) || !between(classes, 0, 1 << 24) || !between(size, 1, 1 << 14) || steps < 0)
        return "width, classes, size or steps out of range";
    if (channel_count != 1 && channel_count != 3)
        return "channels must be 1 or 3";
    if (!(s[0] > 0 && s[1] > 0 && s[2] > 0))
        return "std must be positive";

    *info = (struct vkd_weights_info) {
        .width = (uint32_t) width,
        .cifar_stem = !strcmp(stem, "cifar"),
        .classes = (uint32_t) classes,
        .size = (uint32_t) size,
        .channels = (uint32_t) channel_count,
        .mean = { (float) m[0], (float) m[1], (float) m[2] },
        .std = { (float) s[0], (float) s[1], (float) s[2] },
        .steps = (uint64_t) steps,
    };
    snprintf(info->arch, sizeof(info->arch), "%s", arch);
    return NULL;
}

vkd_result vkd_weights_info(const char *path, const struct vkd_log *log, struct vkd_weights_info *out)
{
    vkd__st_file *f = NULL;
    vkd_result r = vkd__st_open(path, log, &f);
    if (r < 0)
        return r;
    struct vkd_weights_info info;
    json_error_t error = { 0 };
    const char *text = vkd__st_metadata(f, "vkdiv"), *wrong = "there are none";
    json_t *v = text ? json_loads(text, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (v)
        wrong = parse_info(v, &info, &error);
    else if (text)
        wrong = error.text;
    if (wrong) {
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: vkdiv's metadata are missing or wrong: %.160s; this needs a file "
                      "written by vkdiv", path, wrong);
        r = VKD_FORMAT;
    } else {
        *out = info;
    }
    json_decref(v);
    vkd__st_close(&f);
    return r;
}

// ---- Hash -------------------------------------------------------------------------------------

static int by_tensor_name(const void *a, const void *b)
{
    return strcmp((*(const struct vkd__st_tensor *const *) a)->name, (*(const struct vkd__st_tensor *const *) b)->name);
}

vkd_result vkd_weights_hash(const char *path, const struct vkd_log *log, uint64_t *out)
{
    vkd__st_file *f = NULL;
    vkd_result r = vkd__st_open(path, log, &f);
    if (r < 0)
        return r;
    const uint32_t count = vkd__st_count(f);
    const struct vkd__st_tensor **list = calloc((size_t) count + 1, sizeof(*list));
    XXH3_state_t *state = XXH3_createState();
    r = list && state ? VKD_OK : VKD_NO_MEMORY;
    for (uint32_t i = 0; r == VKD_OK && i < count; i++)
        list[i] = vkd__st_at(f, i);
    if (r == VKD_OK) {
        qsort(list, count, sizeof(*list), by_tensor_name);
        XXH3_64bits_reset(state);
    }
    for (uint32_t i = 0; r == VKD_OK && i < count; i++) {
        const struct vkd__st_tensor *t = list[i];
        char text[32];
        XXH3_64bits_update(state, t->name, strlen(t->name) + 1);
        XXH3_64bits_update(state, vkd__st_type_name(t->type), strlen(vkd__st_type_name(t->type)) + 1);
        for (uint32_t d = 0; d < t->rank; d++)
            XXH3_64bits_update(state, text, (size_t) snprintf(text, sizeof(text), "%llu,", (unsigned long long) t->shape[d]));
        XXH3_64bits_update(state, t->data, vkd__st_size(t));
    }
    if (r == VKD_OK)
        *out = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    free(list);
    vkd__st_close(&f);
    return r;
}
