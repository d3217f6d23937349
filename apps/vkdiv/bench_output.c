// bench_output.c -- results of `vkdiv bench` as JSON, and what is printed from that, fresh or read from a file.
#include "apps/vkdiv/bench.h"
#include "runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- JSON --------------------------------------------------------------------------------------

// Work decides for what arithmetic bounds, bytes for what memory does; NaN where neither means something.
static double share_of(const struct bench *b, const struct bench_row *r)
{
    double peak = r->dtype != NULL && strcmp(r->dtype, "f16") == 0 ? b->roof.f16_gflops : b->roof.f32_gflops;
    if (r->work > 0)
        return r->work / r->time.median / 1e9 / peak;
    return r->bytes > 0 ? r->bytes / r->time.median / 1e9 / b->roof.copy_gb_s : NAN;
}

static json_t *rate_json(double amount, double seconds)
{
    return amount > 0 ? app_json_real(amount / seconds) : json_null();
}

static json_t *parts_json(const struct bench_row *r)
{
    json_t *parts = r->part_count > 0 ? json_object() : json_null();
    for (uint32_t i = 0; i < r->part_count; i++)
        json_object_set_new(parts, r->parts[i].name,
                            json_pack("{s:o, s:o}", "ms", app_json_real(1e3 * r->parts[i].seconds),
                                      "share", app_json_real(r->parts[i].share)));
    return parts;
}

json_t *bench_row_json(const struct bench *b, const struct bench_row *r, const char *group)
{
    const double t = r->time.median;
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "group", group, "name", r->name, "shape", r->shape, "dtype", r->dtype != NULL ? r->dtype : "f32",
                     "variant", r->variant, "ms", app_json_real(1e3 * t), "ms_low", app_json_real(1e3 * r->time.low),
                     "ms_high", app_json_real(1e3 * r->time.high), "gflops", rate_json(r->work / 1e9, t),
                     "gb_s", rate_json(r->bytes / 1e9, t), "gelem_s", rate_json(r->elements / 1e9, t),
                     "share", app_json_real(share_of(b, r)), "images_per_second", rate_json(r->images, t),
                     "memory_bytes", r->memory > 0 ? app_json_real(r->memory) : json_null(),
                     "waits", r->step ? json_integer(r->waits) : json_null(), "parts", parts_json(r));
}

json_t *bench_head_json(const struct vkd_caps *caps, const struct roofline *l, const char *command)
{
    char api[24];
    return json_pack("{s:i, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:i, s:{s:f, s:f, s:o}}", "schema", 1,
                     "version", VKD_VERSION, "command", app_json_text(command), "device", caps->name,
                     "type", app_device_type(caps), "driver", caps->driver_name, "driver_info", caps->driver_info,
                     "api", app_api_version(api, caps->api_version), "cpus", (int)vkd__os_cpu_count(), "roofline",
                     "copy_gb_s", l->copy_gb_s, "f32_gflops", l->f32_gflops,
                     "f16_gflops", l->f16_gflops > 0 ? json_real(l->f16_gflops) : json_null());
}

// ---- Text --------------------------------------------------------------------------------------

const char *bench_text(const json_t *row, const char *key, char out[BENCH_TEXT])
{
    const char *text = json_string_value(json_object_get(row, key));
    return app_printable(out, BENCH_TEXT, text != NULL ? text : "");
}

double bench_number(const json_t *row, const char *key)
{
    const json_t *v = json_object_get(row, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

void bench_print_head(const json_t *doc)
{
    char name[BENCH_TEXT];
    const json_t *l = json_object_get(doc, "roofline");
    printf("%s%s%s: copies %.1f GB/s, f32 %.0f GFLOP/s", app_sgr(1, APP_BOLD), bench_text(doc, "device", name),
           app_sgr(1, APP_PLAIN), bench_number(l, "copy_gb_s"), bench_number(l, "f32_gflops"));
    if (bench_number(l, "f16_gflops") > 0)
        printf(", f16 %.0f GFLOP/s", bench_number(l, "f16_gflops"));
    printf("\n\n");
}

// What bounds the row, in its unit; "" where neither arithmetic nor memory does.
static const char *rate_text(const json_t *row, char text[32])
{
    text[0] = 0;
    if (bench_number(row, "gflops") > 0)
        snprintf(text, 32, "%.1f GFLOP/s", bench_number(row, "gflops"));
    else if (bench_number(row, "gb_s") > 0)
        snprintf(text, 32, "%.1f GB/s", bench_number(row, "gb_s"));
    return text;
}

static const char *share_text(const json_t *row, int digits, char text[32])
{
    double share = 100 * bench_number(row, "share");
    text[0] = 0;
    if (share >= 0)
        snprintf(text, 32, "%.*f %%", digits, share);
    return text;
}

void bench_print_row(const json_t *row)
{
    char name[BENCH_TEXT], shape[BENCH_TEXT], variant[BENCH_TEXT], rate[32], share[32], memory[24];
    const char *part;
    json_t *v;
    printf("%-30s %-32s %9.3f ms (%.3f-%.3f) %15s %8s  ", bench_text(row, "name", name),
           bench_text(row, "shape", shape), bench_number(row, "ms"), bench_number(row, "ms_low"),
           bench_number(row, "ms_high"), rate_text(row, rate), share_text(row, 1, share));
    if (bench_number(row, "gelem_s") > 0)
        printf("%.2f Gelem/s  ", bench_number(row, "gelem_s"));
    if (bench_number(row, "images_per_second") > 0)
        printf("%.0f images/s  ", bench_number(row, "images_per_second"));
    if (bench_number(row, "memory_bytes") > 0)
        printf("%s  ", app_bytes(memory, bench_number(row, "memory_bytes")));
    printf("%s%s%s\n", app_sgr(1, APP_DIM), bench_text(row, "variant", variant), app_sgr(1, APP_PLAIN));
    json_object_foreach(json_object_get(row, "parts"), part, v)
        printf("  %-60s   %9.3f ms %5.1f %%\n", app_printable(name, sizeof name, part), bench_number(v, "ms"),
               100 * bench_number(v, "share"));
    fflush(stdout);
}

// ---- Markdown ----------------------------------------------------------------------------------

void bench_print_markdown(const json_t *doc)
{
    char a[BENCH_TEXT], c[BENCH_TEXT], rate[32], share[32], images[32];
    const json_t *l = json_object_get(doc, "roofline"), *row;
    size_t i;
    printf("%s, driver %s", bench_text(doc, "device", a), bench_text(doc, "driver", c));
    printf(" (%s), %.0f CPUs, vkdiv %s: copies %.1f GB/s, f32 %.0f GFLOP/s", bench_text(doc, "driver_info", a),
           bench_number(doc, "cpus"), bench_text(doc, "version", c), bench_number(l, "copy_gb_s"),
           bench_number(l, "f32_gflops"));
    if (bench_number(l, "f16_gflops") > 0)
        printf(", f16 %.0f GFLOP/s", bench_number(l, "f16_gflops"));
    printf(". Made by `%s`; medians, quarters in brackets.\n\n", bench_text(doc, "command", a));
    printf("| | | ms | rate | images/s | of the roofline | command |\n|---|---|---|---|---|---|---|\n");
    json_array_foreach(json_object_get(doc, "results"), i, row) {
        images[0] = 0;
        if (bench_number(row, "images_per_second") > 0)
            snprintf(images, sizeof images, "%.0f", bench_number(row, "images_per_second"));
        printf("| %s | %s | %.2f (%.2f-%.2f)", bench_text(row, "name", a), bench_text(row, "shape", c),
               bench_number(row, "ms"), bench_number(row, "ms_low"), bench_number(row, "ms_high"));
        printf(" | %s | %s | %s | `vkdiv bench %s` |\n", rate_text(row, rate), images, share_text(row, 0, share),
               bench_text(row, "group", a));
    }
}
