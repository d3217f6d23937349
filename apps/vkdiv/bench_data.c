// bench_data.c -- reading and decoding images, from sets made in a temporary folder.
#include "apps/vkdiv/bench.h"
#include "runtime/os.h"

#include <vkdiv/compute.h>
#include <vkdiv/data.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

enum {
    JPEGS = 96, JPEG_WIDTH = 500, JPEG_HEIGHT = 375, JPEG_BATCH = 32, JPEG_SIZE = 224,     // as of ImageNet
    RAWS = 20000, RAW_SIDE = 32, RAW_BATCH = 128,
    ROUNDS_MAX = 30,
};

// The folder, and what stands in it.
struct sets { char dir[400]; uint64_t jpeg_bytes; };

static void jpeg_path(const struct sets *s, int i, char path[512])
{
    snprintf(path, 512, "%s/jpeg/class%d/%03d.jpg", s->dir, i % 2, i);
}

static const char *const raw_names[2] = { "train-images-idx3-ubyte", "train-labels-idx1-ubyte" };

static void raw_path(const struct sets *s, int i, char path[512])
{
    snprintf(path, 512, "%s/%s", s->dir, raw_names[i]);
}

// ---- Making the sets ----

static vkd_result write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    bool written = f != NULL && fwrite(data, 1, size, f) == size;
    if (f != NULL && fclose(f) != 0)
        written = false;
    if (written)
        return VKD_OK;
    app_error("%s: cannot write %zu bytes: %s", path, size, strerror(errno));
    return VKD_IO;
}

// Waves with grain on them: files about as large as those of photographs.
static void paint(uint8_t *pixels, int image)
{
    uint32_t state = (uint32_t)image + 1;
    double wave[JPEG_WIDTH + JPEG_HEIGHT];
    for (int i = 0; i < JPEG_WIDTH + JPEG_HEIGHT; i++)
        wave[i] = 40 * sin(i * (0.02 + 0.002 * (image % 32))) + 20 * sin(i * 0.3);
    for (int y = 0; y < JPEG_HEIGHT; y++)
        for (int x = 0; x < JPEG_WIDTH; x++)
            for (int c = 0; c < 4; c++) {
                state = state * 1664525u + 1013904223u;
                double v = 128 + wave[x] + wave[JPEG_WIDTH + y] * (c - 1) + (double)(state >> 27) - 16;
                pixels[(y * JPEG_WIDTH + x) * 4 + c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
}

static vkd_result write_jpegs(struct sets *s)
{
    uint8_t *pixels = malloc((size_t)JPEG_WIDTH * JPEG_HEIGHT * 4), *file = NULL;
    unsigned long size = 0;
    tjhandle tj = tjInitCompress();
    vkd_result r = pixels != NULL && tj != NULL ? VKD_OK : VKD_NO_MEMORY;
    for (int i = 0; i < 2 && r == VKD_OK; i++) {
        char path[512];
        struct vkd__why why;
        snprintf(path, sizeof path, "%s/jpeg/class%d", s->dir, i);
        r = vkd__dir_create(path, &why);
        if (r != VKD_OK)
            app_error("%s", why.text);
    }
    for (int i = 0; i < JPEGS && r == VKD_OK && !app_stop(NULL); i++) {
        char path[512];
        paint(pixels, i);
        if (tjCompress2(tj, pixels, JPEG_WIDTH, 0, JPEG_HEIGHT, TJPF_RGBX, &file, &size, TJSAMP_420, 90, 0) != 0) {
            app_error("cannot make a JPEG: %s", tjGetErrorStr2(tj));
            r = VKD_NO_MEMORY;
            break;
        }
        jpeg_path(s, i, path);
        r = write_file(path, file, size);
        s->jpeg_bytes += size;
    }
    tjFree(file);
    tjDestroy(tj);
    free(pixels);
    return r;
}

static void store_be(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static vkd_result write_raws(const struct sets *s)
{
    const size_t size = 16 + (size_t)RAWS * RAW_SIDE * RAW_SIDE;
    uint8_t *images = calloc(size, 1), *labels = calloc(8 + RAWS, 1);
    char path[512];
    vkd_result r = images != NULL && labels != NULL ? VKD_OK : VKD_NO_MEMORY;
    if (r == VKD_OK) {
        store_be(images, 0x00000803);
        store_be(labels, 0x00000801);
        store_be(images + 4, RAWS);
        store_be(labels + 4, RAWS);
        store_be(images + 8, RAW_SIDE);
        store_be(images + 12, RAW_SIDE);
        for (size_t i = 16; i < size; i++)
            images[i] = (uint8_t)(i * 2654435761u >> 13);
        for (size_t i = 0; i < RAWS; i++)
            labels[8 + i] = (uint8_t)(i % 10);
        raw_path(s, 0, path);
        r = write_file(path, images, size);
    }
    if (r == VKD_OK) {
        raw_path(s, 1, path);
        r = write_file(path, labels, 8 + RAWS);
    }
    free(labels);
    free(images);
    return r;
}

static void remove_sets(const struct sets *s)
{
    char path[512];
    for (int i = 0; i < JPEGS; i++) {
        jpeg_path(s, i, path);
        remove(path);
    }
    for (int i = 0; i < 2; i++) {
        raw_path(s, i, path);
        remove(path);
        snprintf(path, sizeof path, "%s/jpeg/class%d", s->dir, i);
        vkd__dir_remove_empty(path);
    }
    snprintf(path, sizeof path, "%s/jpeg", s->dir);
    vkd__dir_remove_empty(path);
    vkd__dir_remove_empty(s->dir);
}

// ---- Timing ----

static vkd_result run_epoch(vkd_loader *l, double *seconds)
{
    struct vkd_batch batch;
    double start = vkd__os_seconds();
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && i < vkd_loader_batches(l); i++)
        r = app_stop(NULL) ? VKD_INTERRUPTED : vkd_loader_next(l, &batch, NULL);
    *seconds = vkd__os_seconds() - start;
    return r;
}

// An epoch to warm up: files are then in the system's memory.
static vkd_result time_epochs(const struct bench *b, const struct vkd_loader_params *p, struct vkd__bench_time *out)
{
    vkd_loader *l = NULL;
    double times[ROUNDS_MAX], warm = 0;
    vkd_result r = vkd_loader_create(p, &l);
    if (r == VKD_OK)
        r = run_epoch(l, &warm);
    uint32_t runs = bench_runs(b, warm);
    runs = runs < ROUNDS_MAX ? runs : ROUNDS_MAX;
    for (uint32_t i = 0; r == VKD_OK && i < runs; i++)
        r = run_epoch(l, &times[i]);
    if (r == VKD_OK)
        *out = vkd__bench_summary(times, runs);
    vkd_loader_destroy(&l);
    return r;
}

// What one thread needs for the files alone, and for those and their decoding: the best of three rounds.
static vkd_result time_alone(const struct sets *s, const vkd_dataset *d, double *read, double *decode)
{
    *read = *decode = INFINITY;
    for (int round = 0; round < 3; round++) {
        double start = vkd__os_seconds(), seconds;
        for (int i = 0; i < JPEGS; i++) {
            char path[512];
            uint8_t *data;
            uint64_t size;
            struct vkd__why why;
            jpeg_path(s, i, path);
            vkd_result r = vkd__file_read(path, 1 << 24, &data, &size, &why);
            if (r != VKD_OK)
                return r;
            free(data);
        }
        seconds = vkd__os_seconds() - start;
        *read = seconds < *read ? seconds : *read;
        start = vkd__os_seconds();
        for (uint32_t i = 0; i < JPEGS; i++) {
            struct vkd_image image;
            char why[512];
            vkd_result r = app_stop(NULL) ? VKD_INTERRUPTED
                                          : vkd_dataset_decode(d, i, JPEG_SIZE, 16384, &image, why, sizeof why);
            if (r != VKD_OK)
                return r;
            vkd_image_finish(&image);
        }
        seconds = vkd__os_seconds() - start;
        *decode = seconds < *decode ? seconds : *decode;
    }
    return VKD_OK;
}

static vkd_result add_parts(const struct sets *s, const vkd_dataset *d, struct bench_row *row)
{
    double read, decode, all = row->time.median;
    vkd_result r = time_alone(s, d, &read, &decode);
    if (r != VKD_OK)
        return r;
    decode = decode < all ? decode : all;
    read = read < decode ? read : decode;
    const struct bench_part parts[] = {
        { "read", read, read / all }, { "decode, scale", decode - read, (decode - read) / all },
        { "rest", all - decode, (all - decode) / all },
    };
    memcpy(row->parts, parts, sizeof parts);
    row->part_count = 3;
    return VKD_OK;
}

// ---- Rows ----

// Which sets are read by how many threads.
static bool set_at(uint32_t index, bool *jpeg, uint32_t *threads)
{
    const uint32_t cpus = vkd__os_cpu_count(), ways = cpus > 1 ? 2 : 1;
    *jpeg = index < ways;
    *threads = index % ways == 0 ? 1 : cpus;
    return index < 2 * ways;
}

static struct bench_row name_set(const struct sets *s, bool jpeg, uint32_t threads)
{
    struct bench_row row = { .images = jpeg ? JPEGS : RAWS, .dtype = "u8" };
    const char *plural = threads > 1 ? "s" : "";
    snprintf(row.name, sizeof row.name, "%s", jpeg ? "load JPEG" : "load raw");
    if (jpeg) {
        snprintf(row.shape, sizeof row.shape, "%d x %d to %d, %u thread%s", JPEG_WIDTH, JPEG_HEIGHT, JPEG_SIZE,
                 threads, plural);
        snprintf(row.variant, sizeof row.variant, "%d files of %.0f kB", JPEGS, (double)s->jpeg_bytes / JPEGS / 1000);
    } else {
        snprintf(row.shape, sizeof row.shape, "%d x %d grey, %u thread%s", RAW_SIDE, RAW_SIDE, threads, plural);
        snprintf(row.variant, sizeof row.variant, "%d images in a file", RAWS);
    }
    return row;
}

static vkd_result bench_set(const struct bench *b, const struct sets *s, bool jpeg, uint32_t threads)
{
    char spec[512];
    struct bench_row row = name_set(s, jpeg, threads);
    snprintf(spec, sizeof spec, jpeg ? "folder:%s/jpeg?split=all" : "idx:%s?split=train", s->dir);
    vkd_dataset *d = NULL;
    struct vkd_dataset_params dp = { .spec = spec, .split = "train", .log = app_log_quiet() };
    vkd_result r = vkd_dataset_open(&dp, &d);
    struct vkd_loader_params p = {
        .dataset = d, .batch = jpeg ? JPEG_BATCH : RAW_BATCH, .canvas = jpeg ? 2 * JPEG_SIZE : RAW_SIDE,
        .short_side = jpeg ? JPEG_SIZE : 0, .seed = 1, .shuffle = true, .threads = threads, .prefetch = 2,
        .cache_size = 1,        // none: each epoch decodes
        .log = dp.log,
    };
    if (r == VKD_OK)
        r = time_epochs(b, &p, &row.time);
    if (r == VKD_OK && jpeg && threads == 1)
        r = add_parts(s, d, &row);
    vkd_dataset_close(&d);
    if (r == VKD_OK)
        b->tell(b->user, &row);
    return r;
}

// One batch of images, from the host's memory to the device's.
static vkd_result bench_upload(const struct bench *b)
{
    const uint64_t size = 64ull * JPEG_SIZE * JPEG_SIZE * 4;
    struct bench_row row = { .images = 64, .bytes = 2 * (double)size };
    double times[ROUNDS_MAX];
    vkd_buffer *buffer = NULL;
    snprintf(row.name, sizeof row.name, "upload");
    snprintf(row.shape, sizeof row.shape, "N64 H%d", JPEG_SIZE);
    if (!bench_wants(b, row.name, row.shape))
        return VKD_OK;
    uint32_t runs = b->runs > 0 && b->runs < ROUNDS_MAX ? b->runs : ROUNDS_MAX;
    void *data = calloc(1, size);
    vkd_result r = data != NULL ? vkd_buffer_create(b->dev, size, VKD_MEMORY_DEVICE, &buffer) : VKD_NO_MEMORY;
    if (r == VKD_OK)
        r = vkd_buffer_write(b->dev, buffer, 0, data, size);
    for (uint32_t i = 0; r == VKD_OK && i < runs; i++) {
        double start = vkd__os_seconds();
        r = vkd_buffer_write(b->dev, buffer, 0, data, size);
        times[i] = vkd__os_seconds() - start;
    }
    if (r == VKD_OK) {
        row.time = vkd__bench_summary(times, runs);
        b->tell(b->user, &row);
    }
    vkd_buffer_destroy(b->dev, &buffer);
    free(data);
    return r;
}

static vkd_result bench_sets(const struct bench *b)
{
    struct sets s = { .jpeg_bytes = 0 };
    struct vkd__why why;
    const char *parent = getenv("TMPDIR");
    bool jpeg;
    uint32_t threads;
    vkd_result r = vkd__dir_create_temporary(parent != NULL && parent[0] != 0 ? parent : "/tmp", "vkdiv-bench-", s.dir,
                                             sizeof s.dir, &why);
    if (r != VKD_OK) {
        app_error("%s", why.text);
        return r;
    }
    r = write_jpegs(&s);
    if (r == VKD_OK)
        r = write_raws(&s);
    for (uint32_t i = 0; r == VKD_OK && set_at(i, &jpeg, &threads) && !app_stop(NULL); i++) {
        struct bench_row row = name_set(&s, jpeg, threads);
        if (bench_wants(b, row.name, row.shape))
            r = bench_set(b, &s, jpeg, threads);
    }
    remove_sets(&s);
    return r;
}

vkd_result bench_data(const struct bench *b)
{
    const struct sets none = { .jpeg_bytes = 0 };
    bool jpeg, wanted = false;
    uint32_t threads;
    for (uint32_t i = 0; set_at(i, &jpeg, &threads); i++) {
        struct bench_row row = name_set(&none, jpeg, threads);
        wanted |= bench_wants(b, row.name, row.shape);
    }
    vkd_result r = wanted ? bench_sets(b) : VKD_OK;
    if (r == VKD_OK)
        r = bench_upload(b);
    if (r != VKD_OK && r != VKD_INTERRUPTED)
        app_error("data: %s", vkd_result_text(r));
    return r;
}
