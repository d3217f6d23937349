// collage.c -- "?collage=2": a set of 2 x 2 images of another, each knowing what its four know.
//
// There are as many collages as images. Philox, keyed by the set's fingerprint, deals the images out to blocks, and those
// of one group (vkd_dataset_group) to one block; collage p of a block has in its corners (by rows, from the upper left) the
// images p, p + 1, p + 4 and p + 6 of the block, round in a circle. So every image stands once in each corner, and no image
// and no group is in two blocks: those are the groups that stay together when a set is divided further. The same set gives
// the same collages anywhere.
//
// From 80 images on blocks have 16 or a few more; fewer images make five blocks, or as many as can have four each. Beside
// a group that is larger than that, blocks differ: its own has all of it, others less, down to four, and where images for
// these are lacking there are fewer blocks. Of a block's collages two share one image at most where it has 13 or more, two
// where it has 7 to 12. Below 7 the corners are p to p + 3: of 4 images all collages show the same four, each in a corner
// of its own; of less a collage shows some twice or more.
//
// A tile is the middle square of its image, scaled to the side that vkd_dataset_open names.
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

// A group, or an image that has none.
struct unit { uint32_t size, block; };

struct deal {
    uint32_t count, blocks, unit_count;
    uint32_t *order;                // [count] images as they are drawn
    uint32_t *unit_of;              // [count] by image
    struct unit *units, **by_size;  // [unit_count] as they are drawn; the largest first
    uint32_t *sizes;                // [blocks] images
    uint32_t *first, *members;      // [blocks], [count]: images of the blocks, one block after the other
};

static int larger(const void *a, const void *b)
{
    const struct unit *x = *(const struct unit *const *)a, *y = *(const struct unit *const *)b;
    return x->size != y->size ? (x->size < y->size) - (x->size > y->size) : (x > y) - (x < y);
}

static void list_units(struct deal *s, const uint32_t *groups)
{
    memset(s->unit_of, 0xff, s->count * sizeof *s->unit_of);
    for (uint32_t i = 0; i < s->count; i++) {
        const uint32_t image = s->order[i], head = groups ? groups[image] : image;
        if (s->unit_of[head] == UINT32_MAX) {
            s->by_size[s->unit_count] = &s->units[s->unit_count];
            s->unit_of[head] = s->unit_count++;
        }
        s->unit_of[image] = s->unit_of[head];
        s->units[s->unit_of[image]].size++;
    }
    qsort(s->by_size, s->unit_count, sizeof *s->by_size, larger);
}

// Each unit goes to a smallest block, the lowest of those: without groups blocks take turns. `level` is the least size.
static void fill_blocks(struct deal *s)
{
    memset(s->sizes, 0, s->blocks * sizeof *s->sizes);
    for (uint32_t u = 0, block = 0, level = 0; u < s->unit_count;) {
        if (s->sizes[block] == level) {
            s->by_size[u]->block = block;
            s->sizes[block] += s->by_size[u++]->size;
        }
        if (++block == s->blocks) {
            block = 0;
            level++;
        }
    }
}

// Fewer blocks, until each has four images.
static void choose_blocks(struct deal *s)
{
    for (;;) {
        uint32_t few = 0, images = 0;
        fill_blocks(s);
        for (uint32_t b = 0; b < s->blocks; b++) {
            few += s->sizes[b] < VKD__TILES;
            images += s->sizes[b] < VKD__TILES ? s->sizes[b] : 0;
        }
        if (!few || s->blocks == 1)
            return;
        s->blocks -= few - images / VKD__TILES;     // as many less as are too many for these images
        s->blocks += !s->blocks;
    }
}

// The collage of the image drawn as number i has it in its first corner.
static void deal_tiles(struct deal *s, uint32_t *tiles, uint32_t *tile_block)
{
    static const uint32_t far[VKD__TILES] = { 0, 1, 4, 6 }, near[VKD__TILES] = { 0, 1, 2, 3 };
    for (uint32_t b = 0, first = 0; b < s->blocks; first += s->sizes[b++])
        s->first[b] = first;
    for (uint32_t i = 0; i < s->count; i++) {
        const uint32_t block = s->units[s->unit_of[s->order[i]]].block;
        tile_block[i] = block;
        tiles[i * VKD__TILES] = s->first[block]++;          // its place
        s->members[tiles[i * VKD__TILES]] = s->order[i];
    }
    for (uint32_t i = 0; i < s->count; i++) {
        const uint32_t size = s->sizes[tile_block[i]], begin = s->first[tile_block[i]] - size;
        const uint32_t place = tiles[i * VKD__TILES] - begin, *steps = size > far[VKD__TILES - 1] ? far : near;
        for (uint32_t k = 0; k < VKD__TILES; k++)
            tiles[i * VKD__TILES + k] = s->members[begin + (place + steps[k]) % size];
    }
}

static void deal_finish(struct deal *s)
{
    free(s->order);
    free(s->unit_of);
    free(s->units);
    free(s->by_size);
    free(s->sizes);
    free(s->first);
    free(s->members);
}

// *grouped: there are groups.
static vkd_result make_tiles(vkd_dataset *d, bool *grouped, struct vkd__why *why)
{
    const size_t count = d->info.count, size = count * sizeof(uint32_t);
    uint32_t *groups = NULL;
    struct deal s = {
        .count = d->info.count, .blocks = count_blocks(d->info.count), .order = malloc(size), .unit_of = malloc(size),
        .units = calloc(count, sizeof *s.units), .by_size = malloc(count * sizeof *s.by_size), .sizes = malloc(size),
        .first = malloc(size), .members = malloc(size),
    };
    d->tile_block = malloc(size);
    vkd_result r = s.order && s.unit_of && s.units && s.by_size && s.sizes && s.first && s.members && d->tile_block ?
                   vkd__dataset_groups(d, &groups) : VKD_NO_MEMORY;
    if (r == VKD_OK) {
        vkd__order_draw(s.order, s.count, VKD_STREAM_COLLAGE, d->info.fingerprint, 0);
        list_units(&s, groups);
        choose_blocks(&s);
        d->block_names = malloc(s.blocks * sizeof *d->block_names);
        d->tiles = malloc(VKD__TILES * size);
        r = d->block_names && d->tiles ? VKD_OK : VKD_NO_MEMORY;
    }
    for (uint32_t b = 0; r == VKD_OK && b < s.blocks; b++)
        snprintf(d->block_names[b], sizeof d->block_names[b], "tiles %u", b);
    if (r == VKD_OK)
        deal_tiles(&s, d->tiles, d->tile_block);
    *grouped = groups != NULL;
    free(groups);
    deal_finish(&s);
    return r == VKD_OK ? r : vkd__data_fail(why, r, "out of memory for the list of %u images", s.count);
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
    bool grouped;
    vkd_result r = make_tiles(d, &grouped, why);
    if (r != VKD_OK)
        return r;
    char text[64];
    int n = snprintf(text, sizeof text, "%016llx collage 2 of %u in blocks%s", (unsigned long long)d->info.fingerprint,
                     d->tile_side, grouped ? " of groups" : "");
    d->info.fingerprint = XXH64(text, (size_t)n, 0);
    d->info.height = d->info.width = 2 * d->tile_side;
    d->info.multi_label = d->info.classes > 0;
    return count_classes(d, why);
}

// ---- Asking ----

const char *vkd__collage_group(const vkd_dataset *d, uint32_t index)
{
    return d->block_names[d->tile_block[index]];
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
