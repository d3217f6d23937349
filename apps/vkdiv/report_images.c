// report_images.c -- pictures of the page: first-layer filters, example images, nearest neighbours.
//
// A picture holds many small ones below each other (a strip), of which the page shows parts. The images of a data set
// are in the page once, however many runs ask them for neighbours.
#include "apps/vkdiv/report.h"

#include "engine/data/image.h"
#include "engine/model_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILTERS = 256,              // of a layer that are shown
    CELL_MAX = 40,              // pixels of an image's longer side
    QUERIES = 6, NEIGHBOURS = 6,
    RUNS = 8,                   // that neighbours are looked for in
    WORDS = 512,                // characters of an error
};

// ---- PNG in text --------------------------------------------------------------------------------

static char *base64(const uint8_t *data, uint64_t size, const char *head)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc(strlen(head) + (size + 2) / 3 * 4 + 1), *at = text;
    if (text == NULL)
        return NULL;
    at += sprintf(at, "%s", head);
    for (uint64_t i = 0; i < size; i += 3) {
        const uint32_t second = i + 1 < size ? data[i + 1] : 0, third = i + 2 < size ? data[i + 2] : 0;
        const uint32_t word = (uint32_t)data[i] << 16 | second << 8 | third;
        *at++ = digits[word >> 18];
        *at++ = digits[word >> 12 & 63];
        *at++ = i + 1 < size ? digits[word >> 6 & 63] : '=';
        *at++ = i + 2 < size ? digits[word & 63] : '=';
    }
    *at = 0;
    return text;
}

json_t *report_png(const uint8_t *rgb, uint32_t height, uint32_t width)
{
    uint8_t *png;
    uint64_t size;
    struct vkd__why why;
    if (vkd__image_png(rgb, height, width, &png, &size, &why) != VKD_OK)
        return NULL;
    char *text = base64(png, size, "data:image/png;base64,");
    json_t *uri = text != NULL ? json_string(text) : NULL;
    free(text);
    free(png);
    return uri;
}

// ---- Filters ------------------------------------------------------------------------------------

// A weight of 0 is mid gray; the largest of the filter by size is black or white, or full colour.
static void paint_filter(const float *w, uint32_t channels, uint32_t pixels, uint8_t *rgb)
{
    float most = 0;
    for (uint32_t i = 0; i < channels * pixels; i++)
        most = fmaxf(most, fabsf(w[i]));
    for (uint32_t i = 0; i < pixels; i++)
        for (uint32_t c = 0; c < 3; c++) {
            float v = most > 0 && isfinite(most) ? w[(channels == 3 ? c : 0) * pixels + i] / most : 0;
            rgb[3 * i + c] = (uint8_t)lrintf(127.5f + 127.5f * (isfinite(v) ? v : 0));
        }
}

static json_t *filters_json(const struct vkd__file_layer *layer)
{
    const uint32_t height = layer->kernel[0], width = layer->kernel[1], pixels = height * width;
    const uint32_t channels = pixels ? layer->fan_in / pixels : 0;
    const uint32_t count = layer->filters < FILTERS ? layer->filters : FILTERS;
    if ((channels != 1 && channels != 3) || layer->weight == NULL || layer->fan_in > 4096)
        return NULL;
    float *w = malloc(sizeof *w * layer->fan_in);
    uint8_t *rgb = malloc((size_t)count * pixels * 3);
    bool ok = w != NULL && rgb != NULL;
    for (uint32_t i = 0; ok && i < count; i++) {
        ok = vkd__st_floats(layer->weight, (uint64_t)i * layer->fan_in, layer->fan_in, w);
        if (ok)
            paint_filter(w, channels, pixels, rgb + (size_t)i * pixels * 3);
    }
    json_t *png = ok ? report_png(rgb, count * height, width) : NULL;
    free(w);
    free(rgb);
    return png == NULL ? NULL : json_pack("{s:s, s:o, s:i, s:i, s:i, s:i, s:i}", "layer", layer->name, "src", png, "width",
                                          (int)width, "height", (int)height, "channels", (int)channels, "count", (int)count,
                                          "filters", (int)layer->filters);
}

void report_filters(struct report *r, const char *dir, json_t *run)
{
    struct vkd__model_file file;
    if (vkd__model_file_open(dir, true, &r->p->log, &file) != VKD_OK)
        return;                 // of which the measures have told
    json_t *filters = file.layer_count > 0 ? filters_json(&file.layers[0]) : NULL;
    if (filters != NULL)
        json_object_set_new(run, "filters", filters);
    else
        report_note(r, run, "The first layer is not shown: its filters are not of 1 or 3 channels.");
    vkd__model_file_close(&file);
}

// ---- Images -------------------------------------------------------------------------------------

// Copies an image into the middle of a square cell of `size` pixels a side.
static void paint_cell(const struct vkd_image *image, uint32_t size, uint8_t *rgb)
{
    const uint32_t top = (size - image->height) / 2, left = (size - image->width) / 2;
    for (uint32_t y = 0; y < image->height; y++)
        for (uint32_t x = 0; x < image->width; x++)
            memcpy(rgb + ((size_t)(top + y) * size + left + x) * 3, image->pixels + 4 * ((size_t)y * image->width + x), 3);
}

// The strip of a set: a cell an image, as large as the largest of them. One that cannot be read is gray.
static json_t *strip_json(const vkd_dataset *d, uint32_t count, uint32_t *cell)
{
    struct vkd_image *images = calloc(count, sizeof *images);
    uint32_t size = 1;
    for (uint32_t i = 0; images != NULL && i < count; i++) {
        char why[256];
        if (vkd_dataset_decode(d, i, 0, CELL_MAX, &images[i], why, sizeof why) != VKD_OK)
            images[i] = (struct vkd_image){ 0 };
        const uint32_t side = images[i].height > images[i].width ? images[i].height : images[i].width;
        size = side > size ? side : size;
    }
    uint8_t *rgb = images != NULL ? malloc((size_t)count * size * size * 3) : NULL;
    if (rgb != NULL)
        memset(rgb, 0x80, (size_t)count * size * size * 3);
    for (uint32_t i = 0; images != NULL && i < count; i++) {
        if (rgb != NULL)
            paint_cell(&images[i], size, rgb + (size_t)i * size * size * 3);
        vkd_image_finish(&images[i]);
    }
    json_t *src = rgb != NULL ? report_png(rgb, count * size, size) : NULL;
    free(images);
    free(rgb);
    *cell = size;
    return src;
}

static json_t *set_json(const vkd_dataset *d, const char *spec, const char *id)
{
    const struct vkd_dataset_info *info = vkd_dataset_info(d);
    uint32_t cell = 1;
    json_t *src = strip_json(d, info->count, &cell), *labels = json_array(), *names = json_array();
    for (uint32_t i = 0; i < info->classes; i++)
        json_array_append_new(names, app_json_text(vkd_dataset_class_name(d, i)));
    for (uint32_t i = 0; i < info->count; i++) {
        const uint32_t label = vkd_dataset_label(d, i);
        json_array_append_new(labels, label == VKD_NO_LABEL ? json_null() : json_integer(label));
    }
    return json_pack("{s:s, s:o, s:s, s:o, s:i, s:i, s:o, s:o}", "id", id, "data", app_json_text(spec), "split", info->split,
                     "src", src ? src : json_null(), "cell", (int)cell, "count", (int)info->count, "labels", labels,
                     "classes", names);
}

// The place of the set among the report's, added when it is new.
static uint32_t place_of_set(struct report *r, const vkd_dataset *d, const char *spec)
{
    char id[20];
    snprintf(id, sizeof id, "%016" PRIx64, vkd_dataset_info(d)->fingerprint);
    json_t *set;
    size_t i;
    json_array_foreach(r->sets, i, set)
        if (strcmp(json_string_value(json_object_get(set, "id")), id) == 0)
            return (uint32_t)i;
    json_array_append_new(r->sets, set_json(d, spec, id));
    return (uint32_t)json_array_size(r->sets) - 1;
}

// ---- Neighbours ---------------------------------------------------------------------------------

// Scales the rows to length 1.
static void normalise(struct vkd_features *f)
{
    for (uint32_t i = 0; i < f->rows; i++) {
        float *row = f->values + (size_t)i * f->dim;
        double sum = 0;
        for (uint32_t k = 0; k < f->dim; k++)
            sum += (double)row[k] * (double)row[k];
        for (uint32_t k = 0; k < f->dim; k++)
            row[k] = sum > 0 ? (float)((double)row[k] / sqrt(sum)) : 0;
    }
}

struct near { uint32_t index; double cosine; };

// The images most like `query`, the nearest first; returns how many.
static uint32_t nearest(const struct vkd_features *f, uint32_t query, struct near out[NEIGHBOURS])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->rows; i++) {
        double cosine = 0;
        for (uint32_t k = 0; k < f->dim; k++)
            cosine += (double)f->values[(size_t)query * f->dim + k] * (double)f->values[(size_t)i * f->dim + k];
        uint32_t at = count;
        while (at > 0 && out[at - 1].cosine < cosine)
            at--;
        if (i == query || at == NEIGHBOURS)
            continue;
        count += count < NEIGHBOURS;
        memmove(out + at + 1, out + at, sizeof *out * (count - at - 1));
        out[at] = (struct near){ i, cosine };
    }
    return count;
}

// The first images of different classes, or the first of all without labels.
static uint32_t choose_queries(const struct vkd_features *f, uint32_t queries[QUERIES])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->rows && count < QUERIES; i++) {
        bool seen = false;
        for (uint32_t q = 0; q < count; q++)
            seen |= f->labels[i] != VKD_NO_LABEL && f->labels[queries[q]] == f->labels[i];
        if (!seen)
            queries[count++] = i;
    }
    return count;
}

static json_t *neighbours_json(const struct vkd_features *f)
{
    uint32_t queries[QUERIES], count = choose_queries(f, queries), same = 0, pairs = 0;
    struct near found[NEIGHBOURS];
    json_t *rows = json_array();
    for (uint32_t q = 0; q < count; q++) {
        json_t *images = json_array(), *cosines = json_array();
        const uint32_t n = nearest(f, queries[q], found);
        for (uint32_t i = 0; i < n; i++) {
            json_array_append_new(images, json_integer(f->indices[found[i].index]));
            json_array_append_new(cosines, report_number(found[i].cosine));
        }
        json_array_append_new(rows, json_pack("{s:i, s:o, s:o}", "query", (int)f->indices[queries[q]], "images", images,
                                              "cosines", cosines));
    }
    for (uint32_t i = 0; i < f->rows; i++) {
        const uint32_t n = f->labels[i] == VKD_NO_LABEL ? 0 : nearest(f, i, found);
        for (uint32_t k = 0; k < n; k++)
            same += f->labels[found[k].index] == f->labels[i];
        pairs += n;
    }
    return json_pack("{s:i, s:o, s:o}", "rows", (int)f->rows, "queries", rows, "same_class",
                     pairs ? report_number((double)same / pairs) : json_null());
}

// What the run was tested on; NULL: not known.
static const char *test_spec(const json_t *run)
{
    const json_t *data = json_object_get(json_object_get(json_object_get(run, "manifest"), "recipe"), "data");
    const char *test = json_string_value(json_object_get(data, "test")), *train = json_string_value(json_object_get(data, "train"));
    return test != NULL && test[0] != 0 ? test : train;
}

// The first error said.
static void hear_error(void *user, enum vkd_log_level level, const char *text)
{
    char *first = user;
    if (level == VKD_LOG_ERROR && first[0] == 0)
        snprintf(first, WORDS, "%s", text);
}

// Leaves out the rows of images that cannot be read, in which another stands. Row i is to be image i.
static uint32_t leave_out_bad(struct vkd_features *f)
{
    const uint32_t all = f->rows;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < all; i++) {
        if (f->indices[i] != i)
            continue;
        memmove(f->values + (size_t)kept * f->dim, f->values + (size_t)i * f->dim, f->dim * sizeof(float));
        f->labels[kept] = f->labels[i];
        f->indices[kept++] = i;
    }
    f->rows = kept;
    return all - kept;
}

static vkd_result ask(struct report *r, const char *dir, const char *spec, const char *split, json_t *run, json_t *of)
{
    const struct report_params *p = r->p;
    struct vkd_features f = { 0 };
    char words[WORDS] = "";
    const struct vkd_log log = { .fn = hear_error, .user = words };
    vkd_result result = vkd_features_extract(p->dev, &(struct vkd_features_params){
        .path = dir, .data = spec, .split = split, .images = p->images, .bad_limit = p->images, .log = &log, .stop = p->stop,
        .user = p->user }, &f);
    if (result == VKD_OK) {
        const uint32_t bad = leave_out_bad(&f);
        if (bad > 0)
            report_note(r, run, "%u of the example images cannot be read and %s left out among the neighbours; `vkdiv data check` "
                        "names them.", bad, bad == 1 ? "is" : "are");
        normalise(&f);
        json_object_update_new(of, neighbours_json(&f));
        vkd_features_finish(&f);
    } else {
        report_note(r, run, "Nearest neighbours are missing: %s.", words[0] != 0 ? words : vkd_result_text(result));
    }
    return result == VKD_NO_MEMORY || result == VKD_DEVICE_LOST ? result : VKD_OK;
}

vkd_result report_neighbours(struct report *r, const char *dir, json_t *run)
{
    char spec[4096];
    vkd_dataset *d = NULL;
    const struct report_params *p = r->p;
    const char *whole = test_spec(run);
    if (p->images == 0)
        return VKD_OK;
    // The last limit counts, and keeps classes even.
    snprintf(spec, sizeof spec, "%.4000s%climit=%u", whole ? whole : "", whole && strchr(whole, '?') ? '&' : '?', p->images);
    // Images without a test split, as those of a folder without classes, show themselves.
    const char *split = "test";
    vkd_result result = whole == NULL ? VKD_IO : vkd_dataset_open(&(struct vkd_dataset_params){ spec, split, app_log_quiet() }, &d);
    if (whole != NULL && result != VKD_OK) {
        split = "train";
        result = vkd_dataset_open(&(struct vkd_dataset_params){ spec, split, app_log_quiet() }, &d);
    }
    if (result != VKD_OK) {
        report_note(r, run, "There are no example images: the data that it was tested on are not here.");
        return VKD_OK;
    }
    json_t *of = json_pack("{s:i}", "set", (int)place_of_set(r, d, whole));
    vkd_dataset_close(&d);
    json_object_set_new(run, "images", of);
    uint32_t asked = r->asked++;
    if (p->stop != NULL && p->stop(p->user))
        report_note(r, run, "Nearest neighbours are missing: the report was stopped.");
    else if (p->dev != NULL && asked < RUNS)
        return ask(r, dir, spec, split, run, of);
    return VKD_OK;
}
