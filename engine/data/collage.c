// collage.c -- "?collage=2": a set of 2 x 2 images of another, each knowing what its four know.
//
// There are as many collages as images. Philox, keyed by the set's fingerprint, deals the images out to blocks of 16 or a
// few more; collage p of a block has in its corners (by rows, from the upper left) the images p, p + 1, p + 4 and p + 6 of
// the block, round in a circle. So every image stands once in each corner, a collage has four different ones, two share one
// at most, and no image is in two blocks: those are the groups that stay together when a set is divided further. The
// same set gives the same collages anywhere. A tile is the middle square of its image, scaled to the side that
// vkd_dataset_open names.
#include "dataset.h"
#include "order.h"
#include "shaders/philox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_SIDE = 64,
    DIRECT_SIDE = 64,           // tiles of at most this side are put together without memory of their own
    BLOCK = 16,
    FEW_BLOCKS = 5,             // that small sets have, if these can have four images each
};

// ---- Which images ----

static uint32_t count_blocks(uint32_t images)
{
    const uint32_t few = images / VKD__TILES < FEW_BLOCKS ? images / VKD__TILES : FEW_BLOCKS;
    const uint32_t blocks = images / BLOCK > few ? images / BLOCK : few;
    return blocks ? blocks : 1;
}

// Blocks take turns in `order`: collage i and all its images are of block i % blocks.
static void deal(const uint32_t *order, uint32_t count, uint32_t blocks, uint32_t *tiles)
{
    static const uint32_t far[VKD__TILES] = { 0, 1, 4, 6 }, near[VKD__TILES] = { 0, 1, 2, 3 };
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t block = i % blocks, size = (count - block + blocks - 1) / blocks;
        const uint32_t *steps = size > far[VKD__TILES - 1] ? far : near;
        for (uint32_t k = 0; k < VKD__TILES; k++)
            tiles[i * VKD__TILES + k] = order[(i / blocks + steps[k]) % size * blocks + block];
    }
}

static vkd_result make_tiles(vkd_dataset *d, struct vkd__why *why)
{
    const uint32_t count = d->info.count;
    uint32_t *order = malloc(count * sizeof *order);
    d->blocks = count_blocks(count);
    d->block_names = malloc(d->blocks * sizeof *d->block_names);
    d->tiles = malloc((size_t)count * VKD__TILES * sizeof *d->tiles);
    if (!order || !d->tiles || !d->block_names) {
        free(order);
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for the list of %u images", count);
    }
    vkd__order_draw(order, count, VKD_STREAM_COLLAGE, d->info.fingerprint, 0);
    deal(order, count, d->blocks, d->tiles);
    free(order);
    for (uint32_t b = 0; b < d->blocks; b++)
        snprintf(d->block_names[b], sizeof d->block_names[b], "tiles %u", b);
    return VKD_OK;
}

// ---- Making one ----

// Counts the collage `stamp` once for a class that is new to it.
static void count_class(vkd_dataset *d, uint32_t label, uint32_t stamp, uint32_t *seen)
{
    if (label == VKD_NO_LABEL || seen[label] == stamp)
        return;
    seen[label] = stamp;
    d->class_sizes[label]++;
}

static vkd_result count_classes(vkd_dataset *d, struct vkd__why *why)
{
    const struct vkd__source *s = &d->source;
    uint32_t *seen = calloc((size_t)d->info.classes + 1, sizeof *seen);
    if (!seen)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for %u classes", d->info.classes);
    memset(d->class_sizes, 0, d->info.classes * sizeof *d->class_sizes);
    for (uint32_t i = 0; i < d->info.count * VKD__TILES; i++) {
        const uint32_t stamp = i / VKD__TILES + 1, source = d->images[d->tiles[i]];
        if (d->labels)
            count_class(d, d->labels[d->tiles[i]], stamp, seen);
        for (uint32_t m = s->marks ? s->mark_first[source] : 0; s->marks && m < s->mark_first[source + 1]; m++)
            if (s->marks[m].target > 0)
                count_class(d, d->renumbered[s->marks[m].label], stamp, seen);
    }
    free(seen);
    return VKD_OK;
}

vkd_result vkd__collage_make(vkd_dataset *d, struct vkd__why *why)
{
    const uint32_t count = d->info.count, common = d->info.height < d->info.width ? d->info.height : d->info.width;
    d->tile_side = common ? common : d->spec.size ? d->spec.size : DEFAULT_SIDE;
    if (vkd__image_check_size(2ull * d->tile_side, 2ull * d->tile_side, why) != VKD_OK)
        return VKD_INVALID;
    if (count > UINT32_MAX / VKD__TILES)
        return vkd__data_fail(why, VKD_INVALID, "a collage of %u images: more than can be counted", count);
    vkd_result r = make_tiles(d, why);
    if (r != VKD_OK)
        return r;
    char text[64];
    int n = snprintf(text, sizeof text, "%016llx collage 2 of %u in blocks", (unsigned long long)d->info.fingerprint, d->tile_side);
    d->info.fingerprint = XXH64(text, (size_t)n, 0);
    d->info.height = d->info.width = 2 * d->tile_side;
    d->info.multi_label = d->info.classes > 0;
    return count_classes(d, why);
}

// ---- Asking ----

const char *vkd__collage_group(const vkd_dataset *d, uint32_t index)
{
    return d->block_names[index % d->blocks];
}

void vkd__collage_targets(const vkd_dataset *d, uint32_t index, float *row)
{
    const uint32_t *tiles = d->tiles + (size_t)index * VKD__TILES;
    for (uint32_t k = 0; k < VKD__TILES; k++)
        vkd__image_targets(d, tiles[k], row);
}

void vkd__collage_name(const vkd_dataset *d, uint32_t index, char *text, size_t size)
{
    const uint32_t *tiles = d->tiles + (size_t)index * VKD__TILES;
    size_t used = 0;
    for (uint32_t k = 0; k < VKD__TILES && used < size; k++) {
        if (k)
            used += (size_t)snprintf(text + used, size - used, " + ");
        if (used >= size)
            return;
        d->format->name_of(&d->source, d->images[tiles[k]], text + used, size - used);
        used += strlen(text + used);
    }
}

// The middle square of `tile`, scaled.
static vkd_result fit_tile(struct vkd_image *tile, uint32_t side, struct vkd__why *why)
{
    const uint32_t small = tile->height < tile->width ? tile->height : tile->width;
    const uint32_t top = (tile->height - small) / 2, left = (tile->width - small) / 2;
    for (uint32_t y = 0; y < small; y++)
        memmove(tile->pixels + (size_t)y * small * 4,
                tile->pixels + ((size_t)(y + top) * tile->width + left) * 4, (size_t)small * 4);
    tile->height = small;
    tile->width = small;
    vkd_result r = vkd__image_resample(tile, side, side);
    return r == VKD_OK ? r : vkd__data_fail(why, r, "out of memory while scaling to %u x %u pixels", side, side);
}

static void place_tile(const uint8_t *tile, uint32_t side, uint32_t corner, uint8_t *rgba)
{
    uint8_t *first = rgba + ((size_t)(corner / 2) * side * 2 * side + (size_t)(corner % 2) * side) * 4;
    for (uint32_t y = 0; y < side; y++)
        memcpy(first + (size_t)y * 2 * side * 4, tile + (size_t)y * side * 4, (size_t)side * 4);
}

vkd_result vkd__collage_decode(const vkd_dataset *d, uint32_t index, struct vkd_image *out, struct vkd__why *why)
{
    const uint32_t *tiles = d->tiles + (size_t)index * VKD__TILES, side = d->tile_side;
    struct vkd_image whole;
    vkd_result r = vkd__image_alloc(2 * side, 2 * side, &whole, why);
    if (r != VKD_OK)
        return r;
    for (uint32_t k = 0; r == VKD_OK && k < VKD__TILES; k++) {
        struct vkd_image tile = { 0 };
        r = vkd__image_of(d, tiles[k], side, 0, &tile, why);
        if (r == VKD_OK)
            r = fit_tile(&tile, side, why);
        if (r == VKD_OK)
            place_tile(tile.pixels, side, k, whole.pixels);
        vkd_image_finish(&tile);
    }
    if (r == VKD_OK)
        *out = whole;
    else
        vkd_image_finish(&whole);
    return r;
}

bool vkd__collage_is_direct(const vkd_dataset *d)
{
    const struct vkd__source *s = &d->source;
    return d->format->pixels && s->height == d->tile_side && s->width == d->tile_side && d->tile_side <= DIRECT_SIDE;
}

void vkd__collage_pixels(const vkd_dataset *d, uint32_t index, uint8_t *rgba)
{
    uint8_t tile[DIRECT_SIDE * DIRECT_SIDE * 4];
    const uint32_t *tiles = d->tiles + (size_t)index * VKD__TILES;
    for (uint32_t k = 0; k < VKD__TILES; k++) {
        d->format->pixels(&d->source, d->images[tiles[k]], tile);
        place_tile(tile, d->tile_side, k, rgba);
    }
}
