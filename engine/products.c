// products.c -- matrix products of measures on a device: tiles of the operation matmul.
#include "products.h"

#include <vkdiv/diversity.h>
#include <vkdiv/program.h>

#include <stdlib.h>
#include <string.h>

enum {
    ROWS_MAX = 1024, COLS_MAX = 4096,   // of a tile: 16 MiB
    KEPT = 4,                           // programs: a model's layers have few shapes, and one follows the other
};

// C = A B^T of one shape: (rows, cols) and (rows, cols).
struct tile {
    uint32_t rows, cols;                // multiples of 4; 0: none yet
    vkd_graph *graph;
    vkd_program *program;
    struct vkd_range a, b, c;
    float *host;                        // of the largest of the three
    double *row;                        // cols
};

struct products {
    vkd_products base;
    vkd_device *dev;
    struct tile tiles[KEPT];
    uint32_t next;                      // to be replaced
};

static void tile_finish(struct tile *t)
{
    vkd_program_destroy(&t->program);
    vkd_graph_destroy(&t->graph);
    free(t->row);
    free(t->host);
    *t = (struct tile) { .rows = 0 };
}

static vkd_result tile_describe(struct tile *t, const struct vkd_log *log)
{
    vkd_result r = vkd_graph_create(log, &t->graph);
    if (r < 0)
        return r;
    const struct vkd_shape shape = { { 1, 1, t->rows, t->cols } };
    vkd_tensor *in[2] = { vkd_input(t->graph, "a", VKD_F32, shape), vkd_input(t->graph, "b", VKD_F32, shape) };
    vkd_mark(t->graph, vkd_apply(t->graph, "matmul", in, 2, &(struct vkd_attr) { .trans_b = 1 }), "c");
    return vkd_graph_error(t->graph) ? VKD_NO_MEMORY : VKD_OK;  // nothing else can be wrong with it
}

static vkd_result tile_init(struct products *p, uint32_t rows, uint32_t cols, struct tile *t)
{
    const uint64_t largest = (uint64_t) rows * (rows > cols ? rows : cols);
    *t = (struct tile) { .rows = rows, .cols = cols };
    t->host = calloc(largest, sizeof(*t->host));
    t->row = calloc(cols, sizeof(*t->row));
    vkd_result r = t->host && t->row ? tile_describe(t, vkd_device_log(p->dev)) : VKD_NO_MEMORY;
    if (r == VKD_OK)
        r = vkd_program_create(p->dev, t->graph, NULL, &(struct vkd_program_params) { .training = false }, &t->program);
    if (r == VKD_OK)
        r = vkd_program_range(t->program, "a", &t->a);
    if (r == VKD_OK)
        r = vkd_program_range(t->program, "b", &t->b);
    if (r == VKD_OK)
        r = vkd_program_range(t->program, "c", &t->c);
    if (r < 0)
        tile_finish(t);
    return r;
}

static vkd_result find_tile(struct products *p, uint32_t rows, uint32_t cols, struct tile **out)
{
    for (uint32_t i = 0; i < KEPT; i++)
        if (p->tiles[i].rows == rows && p->tiles[i].cols == cols) {
            *out = &p->tiles[i];
            return VKD_OK;
        }
    struct tile *t = &p->tiles[p->next];
    tile_finish(t);
    vkd_result r = tile_init(p, rows, cols, t);
    if (r == VKD_OK) {
        p->next = (p->next + 1) % KEPT;
        *out = t;
    }
    return r;
}

// ---- M M^T ----

struct gram {
    vkd_device *dev;
    vkd__fill fill;
    const void *user;
    uint32_t rows, cols;
    double *out;
};

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

// `count` parts of a length: the size of one, a multiple of 4; the last may be shorter.
static uint32_t part_of(uint32_t length, uint32_t most)
{
    const uint32_t parts = (length + most - 1) / most;
    return ((length + parts - 1) / parts + 3) & ~3u;
}

// Rows from `first` and columns from `begin` on go to the device; what the matrix does not have is 0.
static vkd_result send(const struct gram *g, const struct tile *t, uint32_t first, uint32_t begin, struct vkd_range to)
{
    const uint32_t count = smaller(t->rows, g->rows - first), width = smaller(t->cols, g->cols - begin);
    if (count < t->rows || width < t->cols)
        memset(t->host, 0, (uint64_t) t->rows * t->cols * sizeof(float));
    for (uint32_t i = 0; i < count; i++) {
        float *row = t->host + (uint64_t) i * t->cols;
        g->fill(g->user, first + i, begin, width, t->row);
        for (uint32_t c = 0; c < width; c++)
            row[c] = (float) t->row[c];
    }
    return vkd_buffer_write(g->dev, to.buffer, to.ofs, t->host, (uint64_t) t->rows * t->cols * sizeof(float));
}

// Adds the product of rows `a` on and rows `b` on, over the columns from `begin` on.
static vkd_result add_tile(const struct gram *g, struct tile *t, uint32_t a, uint32_t b, uint32_t begin)
{
    uint64_t ticket;
    vkd_result r = send(g, t, a, begin, t->a);
    if (r == VKD_OK)
        r = send(g, t, b, begin, t->b);
    if (r == VKD_OK)
        r = vkd_program_run(t->program, NULL, &ticket);
    if (r == VKD_OK)
        r = vkd_buffer_read(g->dev, t->c.buffer, t->c.ofs, t->host, (uint64_t) t->rows * t->rows * sizeof(float));
    for (uint32_t i = a; r == VKD_OK && i < g->rows && i < a + t->rows; i++)
        for (uint32_t j = i > b ? i : b; j < g->rows && j < b + t->rows; j++)
            g->out[(uint64_t) i * g->rows + j] += t->host[(uint64_t) (i - a) * t->rows + (j - b)];
    return r;
}

static vkd_result multiply(vkd_products *base, vkd__fill fill, const void *user, uint32_t rows, uint32_t cols, double *out)
{
    struct products *p = (struct products *) base;
    const struct gram g = { p->dev, fill, user, rows, cols, out };
    struct tile *t;
    vkd_result r = find_tile(p, part_of(rows, ROWS_MAX), part_of(cols, COLS_MAX), &t);
    for (uint64_t i = 0; r == VKD_OK && i < rows; i++)
        memset(out + i * rows + i, 0, (rows - i) * sizeof(*out));
    for (uint32_t a = 0; r == VKD_OK && a < rows; a += t->rows)
        for (uint32_t b = a; r == VKD_OK && b < rows; b += t->rows)
            for (uint32_t begin = 0; r == VKD_OK && begin < cols; begin += t->cols)
                r = add_tile(&g, t, a, b, begin);
    return r;
}

vkd_result vkd_products_create(vkd_device *dev, vkd_products **out)
{
    struct products *p = calloc(1, sizeof(*p));
    if (!p)
        return VKD_NO_MEMORY;
    p->base.gram = multiply;
    p->dev = dev;
    *out = &p->base;
    return VKD_OK;
}

void vkd_products_destroy(vkd_products **pp)
{
    struct products *p = (struct products *) *pp;
    if (!p)
        return;
    for (uint32_t i = 0; i < KEPT; i++)
        tile_finish(&p->tiles[i]);
    free(p);
    *pp = NULL;
}
