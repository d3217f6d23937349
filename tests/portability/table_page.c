// table_page.c -- the results as data of a page: each name once, each list of numbers once.
#include "table.h"

#include "apps/vkdiv/page.h"

#include <stdio.h>
#include <string.h>

#include "matrix_files.inc"

static json_t *copy_keys(const json_t *from, const char *const *keys)
{
    json_t *to = json_object(), *value;
    for (; *keys; keys++)
        if ((value = json_object_get(from, *keys)))
            json_object_set(to, *keys, value);
    return to;
}

// ---- Ran ----

// The document with its probes as [name, verdict, detail, ms, numbers].
static json_t *device_of(const struct result *r)
{
    static const char *const keys[] = {
        "version", "date", "quick", "filter", "device", "verdict", "counts", "seconds", NULL
    };
    static const char *const identity[] = { "type", "driver", "driver_info", "api", "os", NULL };
    static const char *const columns[] = { "name", "verdict", "detail", "ms", "numbers" };
    json_t *device = copy_keys(r->doc, keys), *probes = json_array(), *parts = json_array(), *from;
    size_t i;
    json_array_foreach(json_object_get(r->doc, "parts"), i, from)
        json_array_append_new(parts, json_pack("[O, O]", json_object_get(from, "name"),
                                               json_object_get(from, "title")));
    json_array_foreach(json_object_get(r->doc, "probes"), i, from) {
        json_t *row = json_array();
        for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
            json_t *value = json_object_get(from, columns[c]);
            if (value)
                json_array_append(row, value);
        }
        json_array_append_new(probes, row);
    }
    json_object_set_new(device, "file", json_string(r->name));
    json_object_set_new(device, "identity", copy_keys(json_object_get(r->doc, "identity"), identity));
    json_object_set_new(device, "parts", parts);
    json_object_set_new(device, "probes", probes);
    return device;
}

// ---- Compiled ----

// The place of an equal value in the list, to whose end it goes where there is none. Takes the value.
static size_t place_of(json_t *list, json_t *value)
{
    size_t i;
    json_t *other;
    json_array_foreach(list, i, other) {
        if (json_equal(other, value)) {
            json_decref(value);
            return i;
        }
    }
    json_array_append_new(list, value);
    return i;
}

// {vendor, kernels: [name], lists: [[number of each kernel]], gpus: []}
static json_t *vendor_of(json_t *vendors, const char *name)
{
    size_t i;
    json_t *v;
    json_array_foreach(vendors, i, v)
        if (!strcmp(json_string_value(json_object_get(v, "vendor")), name))
            return v;
    v = json_pack("{s:s, s:[], s:[], s:[]}", "vendor", name, "kernels", "lists", "gpus");
    json_array_append_new(vendors, v);
    return v;
}

// The vendor's kernels are those of all its GPUs, in the order of the first that has one.
static void add_kernels(json_t *vendor, const json_t *doc)
{
    const char *key;
    json_t *row, *names = json_object_get(vendor, "kernels");
    json_object_foreach(json_object_get(doc, "kernels"), key, row)
        place_of(names, json_string(key));
}

// A column's number for each kernel of the vendor; null where the GPU lacks the kernel.
static json_t *column_of(const json_t *vendor, const json_t *doc, size_t column)
{
    size_t i;
    json_t *name, *list = json_array(), *kernels = json_object_get(doc, "kernels");
    json_array_foreach(json_object_get(vendor, "kernels"), i, name) {
        json_t *value = json_array_get(json_object_get(kernels, json_string_value(name)), column);
        json_array_append_new(list, value ? json_incref(value) : json_null());
    }
    return list;
}

static void add_gpu(json_t *vendor, const struct gpu *g, const json_t *doc)
{
    static const char *const keys[] = { "gpu", "driver", "summary", "skipped", "failures", NULL };
    static const char *const summary[] = {
        "pass", "pipelines", "excepted", "seconds", "waves", "product_vgprs", "product_lanes", "instructions", NULL
    };
    json_t *gpu = copy_keys(doc, keys), *values = json_array(), *name;
    size_t i;
    json_array_foreach(json_object_get(doc, "columns"), i, name) {
        size_t at = place_of(json_object_get(vendor, "lists"), column_of(vendor, doc, i));
        json_array_append_new(values, json_pack("[O, I]", name, (json_int_t) at));
    }
    json_object_set_new(gpu, "summary", copy_keys(json_object_get(doc, "summary"), summary));
    json_object_set_new(gpu, "values", values);
    json_object_set_new(gpu, "waves_min", json_integer(g ? g->waves_min : 0));
    json_array_append_new(json_object_get(vendor, "gpus"), gpu);
}

static const struct gpu *gpu_of(const struct results *r, const json_t *doc)
{
    for (unsigned i = 0; i < gpu_count; i++)
        if (results_of_gpu(r, &gpus[i]) == doc)
            return &gpus[i];
    return NULL;
}

// What to do with the vendor of each compiled result: the GPUs of gpus.c in its order, then any others.
static void each_gpu(const struct results *r, json_t *vendors, bool kernels)
{
    for (unsigned i = 0; i < gpu_count + r->count; i++) {
        const struct result *other = i < gpu_count ? NULL : &r->list[i - gpu_count];
        const json_t *doc = other ? other->doc : results_of_gpu(r, &gpus[i]);
        if (!doc || (other && (other->ran || gpu_of(r, doc))))
            continue;
        json_t *v = vendor_of(vendors, json_string_value(json_object_get(json_object_get(doc, "gpu"), "vendor")));
        if (kernels)
            add_kernels(v, doc);
        else
            add_gpu(v, other ? NULL : &gpus[i], doc);
    }
}

// ---- The page ----

static json_t *data_of(const struct results *r)
{
    json_t *data = json_pack("{s:[], s:[], s:[]}", "devices", "vendors", "missing");
    for (size_t i = 0; i < r->count; i++)
        if (r->list[i].ran)
            json_array_append_new(json_object_get(data, "devices"), device_of(&r->list[i]));
    each_gpu(r, json_object_get(data, "vendors"), true);
    each_gpu(r, json_object_get(data, "vendors"), false);
    for (unsigned i = 0; i < gpu_count; i++) {
        char title[64];
        if (!results_of_gpu(r, &gpus[i]))
            json_array_append_new(json_object_get(data, "missing"),
                                  json_string(gpu_title(&gpus[i], title, sizeof(title))));
    }
    return data;
}

char *table_page(const struct results *r, size_t *size)
{
    const struct page page = { page_files, sizeof(page_files) / sizeof(page_files[0]), "matrix.html" };
    json_t *data = data_of(r);
    char *text = page_text(&page, data, "Where vkdiv runs", size);
    json_decref(data);
    if (!text)
        fputs("the page cannot be made: memory is out, or matrix.html names a file that is not embedded\n", stderr);
    return text;
}
