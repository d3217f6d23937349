// weights.c -- saving and loading parameters in PyTorch's names and layouts.
#include "weights.h"

#include "op.h"
#include "safetensors.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

// LAYER of LAYER.running_mean when `p` is one, by its length; else 0.
static size_t norm_length(const struct vkd_param_info *p)
{
    static const char suffix[] = ".running_mean";
    size_t length = strlen(p->name), tail = sizeof(suffix) - 1;
    return p->state && length > tail && !strcmp(p->name + length - tail, suffix) ? length - tail : 0;
}

// What a save holds: one entry per parameter and one counter per batch norm.
struct save {
    struct vkd__st_tensor *tensors;
    uint32_t count;
    char *names;            // of the counters, one after the other
    float *values;          // in the file's layout
    float *memory;          // one parameter as the device has it
};

static bool save_init(struct save *s, const vkd_params *params)
{
    uint32_t count = vkd_params_count(params);
    uint64_t total = 0, largest = 0, names = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct vkd_param_info *p = vkd_params_at(params, i);
        total += p->numel;
        largest = p->numel > largest ? p->numel : largest;
        names += strlen(p->name) + sizeof(".num_batches_tracked");
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
static void add_counters(struct save *s, const vkd_params *params, const int64_t *steps)
{
    char *name = s->names;
    for (uint32_t i = 0; i < vkd_params_count(params); i++) {
        const struct vkd_param_info *p = vkd_params_at(params, i);
        size_t length = norm_length(p);
        if (!length)
            continue;
        s->tensors[s->count++] = (struct vkd__st_tensor) { .name = name, .type = VKD__ST_I64, .data = steps };
        name += sprintf(name, "%.*s.num_batches_tracked", (int) length, p->name) + 1;
    }
}

vkd_result vkd_weights_save(vkd_device *dev, vkd_params *params, const struct vkd_weights_info *info,
                            const char *path)
{
    struct save s = { 0 };
    char *text = NULL;
    int64_t steps = (int64_t) info->steps;
    vkd_result r = VKD_NO_MEMORY;
    if (!save_init(&s, params))
        goto fail;
    add_counters(&s, params, &steps);
    float *values = s.values;
    for (uint32_t i = 0; i < vkd_params_count(params); i++) {
        const struct vkd_param_info *p = vkd_params_at(params, i);
        struct vkd__st_tensor *t = &s.tensors[s.count++];
        r = vkd_params_read(params, i, s.memory);
        if (r < 0)
            goto fail;
        vkd__param_to_file(p, s.memory, values);
        *t = (struct vkd__st_tensor) { .name = p->name, .type = VKD__ST_F32, .data = values };
        t->rank = vkd__param_file_shape(p, t->shape);
        values += p->numel;
    }
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

static void shape_text(const uint64_t *shape, uint32_t rank, char text[64])
{
    size_t used = (size_t) snprintf(text, 64, "(");
    for (uint32_t i = 0; i < rank && used < 64; i++)
        used += (size_t) snprintf(text + used, 64 - used, "%s%llu", i ? ", " : "", (unsigned long long) shape[i]);
    if (used < 64)
        snprintf(text + used, 64 - used, ")");
}

// The tensor of `f` that fits `p`, or NULL after a complaint.
static const struct vkd__st_tensor *match(const vkd__st_file *f, const struct vkd_param_info *p, struct complaint *c)
{
    const struct vkd__st_tensor *t = vkd__st_find(f, p->name);
    if (!t) {
        complain(c, "%.80s is missing", p->name);
        return NULL;
    }
    uint64_t shape[4];
    uint32_t rank = vkd__param_file_shape(p, shape);
    bool equal = t->rank == rank && !memcmp(t->shape, shape, rank * sizeof(shape[0]));
    float first;
    if (!equal) {
        char expected[64], found[64];
        shape_text(shape, rank, expected);
        shape_text(t->shape, t->rank, found);
        complain(c, "%.80s is %.32s, expected %.32s", p->name, found, expected);
    } else if (!vkd__st_floats(t, 0, t->numel ? 1 : 0, &first)) {
        complain(c, "%.80s has type %s, expected F32, F16, BF16 or F64", p->name, vkd__st_type_name(t->type));
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
static uint32_t compare(const vkd__st_file *f, const vkd_params *params, struct complaint *c)
{
    uint32_t fitting = 0;
    for (uint32_t i = 0; i < vkd_params_count(params); i++)
        fitting += match(f, vkd_params_at(params, i), c) != NULL;
    for (uint32_t i = 0; i < vkd__st_count(f); i++) {
        const char *name = vkd__st_at(f, i)->name;
        if (!is_counter(name) && vkd_params_find(params, name) < 0)
            complain(c, "%.80s is unexpected", name);
    }
    return fitting;
}

static vkd_result load_one(const vkd__st_file *f, vkd_params *params, uint32_t index)
{
    const struct vkd_param_info *p = vkd_params_at(params, index);
    struct complaint c = { 0 };
    const struct vkd__st_tensor *t = match(f, p, &c);
    if (!t)
        return VKD_OK;
    float *file = malloc((t->numel + 1) * sizeof(float)), *memory = malloc((p->numel + 1) * sizeof(float));
    vkd_result r = VKD_NO_MEMORY;
    if (file && memory) {
        vkd__st_floats(t, 0, t->numel, file);
        vkd__param_from_file(p, file, memory);
        r = vkd_params_write(params, index, memory);
    }
    free(file);
    free(memory);
    return r;
}

vkd_result vkd_weights_load(vkd_device *dev, vkd_params *params, const char *path, bool partial)
{
    const struct vkd_log *log = vkd_device_log(dev);
    vkd__st_file *f = NULL;
    vkd_result r = vkd__st_open(path, log, &f);
    if (r < 0)
        return r;
    struct complaint c = { 0 };
    uint32_t fitting = compare(f, params, &c);
    if (c.count) {
        bool enough = partial && fitting;
        char more[32] = "";
        if (c.left_out)
            snprintf(more, sizeof(more), "; and %u more", c.left_out);
        vkd_log_write(log, enough ? VKD_LOG_WARNING : VKD_LOG_ERROR, "%.120s: %u of %u tensors fit: %s%s", path,
                      fitting, vkd_params_count(params), c.text, more);
        r = enough ? VKD_OK : VKD_FORMAT;
    }
    for (uint32_t i = 0; r == VKD_OK && i < vkd_params_count(params); i++)
        r = load_one(f, params, i);
    vkd__st_close(&f);
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
