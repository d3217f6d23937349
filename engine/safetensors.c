// safetensors.c -- reading and writing safetensors files.
#include "safetensors.h"

#include "../runtime/os.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Real models stay below 1 MiB. The limit keeps a hostile header from taking gigabytes as JSON.
#define HEADER_MAX (UINT64_C(16) << 20)

static const struct { const char *name; uint32_t size; } types[] = {
#define X(type, bytes) { #type, bytes },
    VKD__ST_TYPES(X)
#undef X
};

struct vkd__st_file {
    const uint8_t *bytes;
    uint64_t size, data_ofs;
    json_t *header;
    struct vkd__st_tensor *tensors;     // by place in the file
    const struct vkd__st_tensor **names; // the same, sorted by name
    uint32_t count;
};

void vkd__st_shape_text(const uint64_t *shape, uint32_t rank, char text[64])
{
    size_t used = (size_t) snprintf(text, 64, "(");
    for (uint32_t i = 0; i < rank && used < 64; i++)
        used += (size_t) snprintf(text + used, 64 - used, "%s%llu", i ? ", " : "", (unsigned long long) shape[i]);
    if (used < 64)
        snprintf(text + used, 64 - used, ")");
}

const char *vkd__st_type_name(enum vkd__st_type type)
{
    return type < VKD__ST_TYPE_COUNT ? types[type].name : "?";
}

// ---- Header -----------------------------------------------------------------------------------

// A JSON number that is a whole number from 0 on.
static bool get_size(const json_t *v, uint64_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *out = (uint64_t) json_integer_value(v);
    return true;
}

// Fills rank, shape and numel; false when the product overflows or an entry is no size.
static bool get_shape(const json_t *v, struct vkd__st_tensor *t)
{
    if (!json_is_array(v) || json_array_size(v) > VKD__ST_RANK_MAX)
        return false;
    t->rank = (uint32_t) json_array_size(v);
    t->numel = 1;
    for (uint32_t i = 0; i < t->rank; i++) {
        uint64_t d;
        if (!get_size(json_array_get(v, i), &d) || __builtin_mul_overflow(t->numel, d, &t->numel))
            return false;
        t->shape[i] = d;
    }
    return true;
}

// Reads one header entry into `t`. Returns NULL, or what was expected instead.
static const char *get_tensor(const vkd__st_file *f, const char *name, const json_t *v, struct vkd__st_tensor *t)
{
    t->name = name;
    const char *type = json_string_value(json_object_get(v, "dtype"));
    t->type = 0;
    while (type && t->type < VKD__ST_TYPE_COUNT && strcmp(types[t->type].name, type))
        t->type++;
    if (!type || t->type == VKD__ST_TYPE_COUNT)
        return "a known dtype (F32, F16, BF16, F64, I64, ...)";
    if (!get_shape(json_object_get(v, "shape"), t))
        return "a shape of at most 8 sizes whose product fits 64 bits";

    const json_t *range = json_object_get(v, "data_offsets");
    uint64_t begin, end, size;
    if (json_array_size(range) != 2 || !get_size(json_array_get(range, 0), &begin) ||
        !get_size(json_array_get(range, 1), &end) || begin > end || end > f->size - f->data_ofs)
        return "data_offsets [begin, end] inside the file (is it truncated?)";
    if (__builtin_mul_overflow(t->numel, (uint64_t) types[t->type].size, &size) || end - begin != size)
        return "data_offsets that span exactly shape times dtype";
    t->data = f->bytes + f->data_ofs + begin;
    return NULL;
}

static int by_place(const void *a, const void *b)
{
    const struct vkd__st_tensor *x = a, *y = b;
    if (x->data != y->data)
        return (const uint8_t *) x->data < (const uint8_t *) y->data ? -1 : 1;
    // Empty tensors share their place with the next one and come first.
    if (!x->numel != !y->numel)
        return x->numel ? 1 : -1;
    return strcmp(x->name, y->name);
}

// Sorts tensors by place. Returns the first that does not begin where its predecessor ends.
static const char *find_gap(vkd__st_file *f)
{
    qsort(f->tensors, f->count, sizeof(*f->tensors), by_place);
    const uint8_t *end = f->bytes + f->data_ofs;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct vkd__st_tensor *t = &f->tensors[i];
        if (t->data != end)
            return t->name;
        end += t->numel * types[t->type].size;
    }
    return end == f->bytes + f->size ? NULL : "the end of the file";
}

static bool metadata_valid(json_t *meta)
{
    const char *key;
    json_t *value;
    if (meta && !json_is_object(meta))
        return false;
    json_object_foreach(meta, key, value)
        if (!json_is_string(value))
            return false;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct vkd__st_tensor *const *) a)->name, (*(const struct vkd__st_tensor *const *) b)->name);
}

static vkd_result read_header(vkd__st_file *f, const char *path, const struct vkd_log *log)
{
    uint64_t length = 0;
    for (int i = 0; i < 8 && f->size >= 8; i++)
        length |= (uint64_t) f->bytes[i] << 8 * i;
    if (f->size < 8 || length > f->size - 8 || length > HEADER_MAX) {
        vkd_log_write(log, VKD_LOG_ERROR,
                      "%.300s: not a safetensors file, or truncated: %llu bytes, a header of %llu (at most %llu)", path,
                      (unsigned long long) f->size, (unsigned long long) length, (unsigned long long) HEADER_MAX);
        return VKD_FORMAT;
    }
    f->data_ofs = 8 + length;

    json_error_t error;
    f->header = json_loadb((const char *) f->bytes + 8, (size_t) length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(f->header) || !metadata_valid(json_object_get(f->header, "__metadata__"))) {
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: the safetensors header is not a JSON object as expected: %.160s",
                      path, f->header ? "wrong kinds of values" : error.text);
        return VKD_FORMAT;
    }

    size_t entries = json_object_size(f->header);
    f->tensors = calloc(entries + 1, sizeof(*f->tensors));
    f->names = calloc(entries + 1, sizeof(*f->names));
    if (!f->tensors || !f->names)
        return VKD_NO_MEMORY;
    const char *name, *wrong;
    json_t *value;
    json_object_foreach(f->header, name, value) {
        if (!strcmp(name, "__metadata__"))
            continue;
        if ((wrong = get_tensor(f, name, value, &f->tensors[f->count++]))) {
            vkd_log_write(log, VKD_LOG_ERROR, "%.300s: tensor %.160s: expected %s", path, name, wrong);
            return VKD_FORMAT;
        }
    }
    if ((wrong = find_gap(f))) {
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: tensors overlap or leave a gap before %.160s", path, wrong);
        return VKD_FORMAT;
    }
    for (uint32_t i = 0; i < f->count; i++)
        f->names[i] = &f->tensors[i];
    qsort(f->names, f->count, sizeof(*f->names), by_name);
    return VKD_OK;
}

vkd_result vkd__st_open(const char *path, const struct vkd_log *log, vkd__st_file **out)
{
    vkd__st_file *f = calloc(1, sizeof(*f));
    if (!f)
        return VKD_NO_MEMORY;
    struct vkd__why why;
    vkd_result r = vkd__file_map(path, &f->bytes, &f->size, &why);
    if (r < 0) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s", why.text);
        goto fail;
    }
    r = read_header(f, path, log);
    if (r < 0)
        goto fail;
    *out = f;
    return VKD_OK;

fail:
    vkd__st_close(&f);
    return r;
}

void vkd__st_close(vkd__st_file **f)
{
    if (!*f)
        return;
    json_decref((*f)->header);
    free((*f)->tensors);
    free((*f)->names);
    vkd__file_unmap((*f)->bytes, (*f)->size);
    free(*f);
    *f = NULL;
}

uint32_t vkd__st_count(const vkd__st_file *f)
{
    return f->count;
}

const struct vkd__st_tensor *vkd__st_at(const vkd__st_file *f, uint32_t index)
{
    return index < f->count ? &f->tensors[index] : NULL;
}

const struct vkd__st_tensor *vkd__st_find(const vkd__st_file *f, const char *name)
{
    uint32_t low = 0, high = f->count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct vkd__st_tensor *t = f->names[mid];
        int order = strcmp(name, t->name);
        if (!order)
            return t;
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const char *vkd__st_metadata(const vkd__st_file *f, const char *key)
{
    return json_string_value(json_object_get(json_object_get(f->header, "__metadata__"), key));
}

// ---- Values -----------------------------------------------------------------------------------

static float from_f16(uint16_t h)
{
    int exponent = h >> 10 & 31;
    float fraction = (float) (h & 1023), value;
    if (exponent == 31)
        value = h & 1023 ? NAN : INFINITY;
    else if (exponent)
        value = ldexpf(1024 + fraction, exponent - 25);
    else
        value = ldexpf(fraction, -24);
    return h & 0x8000 ? -value : value;
}

static float from_bf16(uint16_t h)
{
    uint32_t word = (uint32_t) h << 16;
    float value;
    memcpy(&value, &word, sizeof(value));
    return value;
}

bool vkd__st_floats(const struct vkd__st_tensor *t, uint64_t begin, uint64_t count, float *out)
{
    const uint8_t *p = (const uint8_t *) t->data + begin * types[t->type].size;
    // One loop per type; memcpy because data may lie at any address.
#define CONVERT(T, expression) \
        for (uint64_t i = 0; i < count; i++) { \
            T v; \
            memcpy(&v, p + i * sizeof(v), sizeof(v)); \
            out[i] = expression; \
        } \
        return true
    switch (t->type) {
    case VKD__ST_F32:
        if (count)
            memcpy(out, p, count * sizeof(float));
        return true;
    case VKD__ST_F64:  CONVERT(double, (float) v);
    case VKD__ST_F16:  CONVERT(uint16_t, from_f16(v));
    case VKD__ST_BF16: CONVERT(uint16_t, from_bf16(v));
    case VKD__ST_BOOL:
    case VKD__ST_U8:   CONVERT(uint8_t, (float) v);
    case VKD__ST_I8:   CONVERT(int8_t, (float) v);
    case VKD__ST_U16:  CONVERT(uint16_t, (float) v);
    case VKD__ST_I16:  CONVERT(int16_t, (float) v);
    case VKD__ST_U32:  CONVERT(uint32_t, (float) v);
    case VKD__ST_I32:  CONVERT(int32_t, (float) v);
    case VKD__ST_U64:  CONVERT(uint64_t, (float) v);
    case VKD__ST_I64:  CONVERT(int64_t, (float) v);
    default:           return false;
    }
#undef CONVERT
}

vkd_result vkd__st_check_finite(const struct vkd__st_tensor *t, const char *path, const struct vkd_log *log)
{
    float values[1024];
    uint64_t bad = 0, first = 0;
    for (uint64_t at = 0; at < t->numel; at += 1024) {
        const uint64_t count = t->numel - at < 1024 ? t->numel - at : 1024;
        if (!vkd__st_floats(t, at, count, values))
            return VKD_OK;
        for (uint64_t i = 0; i < count; i++) {
            first = isfinite(values[i]) || bad ? first : at + i;
            bad += !isfinite(values[i]);
        }
    }
    if (!bad)
        return VKD_OK;
    vkd_log_write(log, VKD_LOG_ERROR, "%.300s: %llu of the %llu numbers of %.100s are not finite, the first is number %llu: the "
                  "training that wrote them diverged; take an earlier checkpoint", path, (unsigned long long) bad,
                  (unsigned long long) t->numel, t->name, (unsigned long long) first);
    return VKD_FORMAT;
}

// ---- Writing ----------------------------------------------------------------------------------

uint64_t vkd__st_size(const struct vkd__st_tensor *t)
{
    uint64_t size = types[t->type].size;
    for (uint32_t i = 0; i < t->rank; i++)
        size *= t->shape[i];
    return size;
}

// One entry as {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}.
static json_t *describe(const struct vkd__st_tensor *t, uint64_t begin)
{
    json_t *shape = json_array();
    for (uint32_t i = 0; i < t->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t) t->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", types[t->type].name, "shape", shape, "data_offsets",
                     (json_int_t) begin, (json_int_t) (begin + vkd__st_size(t)));
}

// The header's text, malloc'd, padded with spaces so that the data begins at a multiple of 8.
static char *header_text(const struct vkd__st_tensor *tensors, uint32_t count, const struct vkd__st_pair *pairs,
                         uint32_t pair_count, const char **wrong)
{
    json_t *header = json_object(), *meta = json_object();
    char *dump = NULL, *text = NULL;
    uint64_t ofs = 0;
    *wrong = NULL;
    for (uint32_t i = 0; i < pair_count && !*wrong; i++)
        if (json_object_get(meta, pairs[i].key) || json_object_set_new(meta, pairs[i].key, json_string(pairs[i].value)))
            *wrong = pairs[i].key;
    if (pair_count)
        json_object_set(header, "__metadata__", meta);
    for (uint32_t i = 0; i < count && !*wrong; i++) {
        if (json_object_get(header, tensors[i].name) ||
            json_object_set_new(header, tensors[i].name, describe(&tensors[i], ofs)))
            *wrong = tensors[i].name;
        ofs += vkd__st_size(&tensors[i]);
    }
    if (!*wrong)
        dump = json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (dump && (text = malloc(strlen(dump) + 8)))
        snprintf(text, strlen(dump) + 8, "%s%*s", dump, (int) (-strlen(dump) & 7), "");
    free(dump);
    json_decref(meta);
    json_decref(header);
    return text;
}

vkd_result vkd__st_write(const char *path, const struct vkd_log *log, const struct vkd__st_tensor *tensors,
                         uint32_t count, const struct vkd__st_pair *pairs, uint32_t pair_count)
{
    const char *wrong;
    char *header = header_text(tensors, count, pairs, pair_count, &wrong);
    uint8_t *bytes = NULL;
    vkd_result r = VKD_NO_MEMORY;
    if (wrong) {
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: the name or text of '%.160s' is used twice or is not UTF-8",
                      path, wrong);
        r = VKD_INVALID;
        goto fail;
    }
    if (!header)
        goto fail;

    uint64_t length = strlen(header), size = 8 + length;
    for (uint32_t i = 0; i < count; i++)
        size += vkd__st_size(&tensors[i]);
    if (!(bytes = malloc(size)))
        goto fail;
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t) (length >> 8 * i);
    memcpy(bytes + 8, header, length);
    uint8_t *end = bytes + 8 + length;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t part = vkd__st_size(&tensors[i]);
        if (part)
            memcpy(end, tensors[i].data, part);
        end += part;
    }
    struct vkd__why why;
    r = vkd__file_replace(path, bytes, size, &why);
    if (r < 0)
        vkd_log_write(log, VKD_LOG_ERROR, "%s", why.text);

fail:
    free(bytes);
    free(header);
    return r;
}
