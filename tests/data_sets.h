// data_sets.h -- image sets of the temporary folder, opened as they should be or not.
#ifndef VKD_TEST_DATA_SETS_H
#define VKD_TEST_DATA_SETS_H

#include "data_files.h"

#include <vkdiv/data.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct messages said;       // by the last opening

// Opens FORMAT:<temporary folder>/REST.
static inline vkd_result open_set(const char *format, const char *rest, const char *split, vkd_dataset **out)
{
    char spec[512];
    snprintf(spec, sizeof spec, "%s:%s/%s", format, temp_folder(), rest);
    memset(&said, 0, sizeof said);
    *out = NULL;
    return vkd_dataset_open(&(struct vkd_dataset_params) { .spec = spec, .split = split, .log = LOG_TO(&said) }, out);
}

static inline vkd_dataset *open_ok(const char *format, const char *rest, const char *split)
{
    vkd_dataset *d;
    vkd_result r = open_set(format, rest, split, &d);
    ck_assert_msg(r == VKD_OK, "%s", said.text);
    return d;
}

// Opening must fail in this way and say these words.
static inline void open_fails(const char *format, const char *rest, const char *split, vkd_result result, const char *words)
{
    vkd_dataset *d;
    vkd_result r = open_set(format, rest, split, &d);
    ck_assert_msg(r == result, "%s %s: %s, expected %s: %s", format, rest, vkd_result_text(r), vkd_result_text(result),
                  said.text);
    ck_assert_ptr_null(d);
    ck_assert_uint_eq(said.errors, 1);
    ck_assert_msg(strstr(said.text, words) != NULL, "'%s' does not say '%s'", said.text, words);
}

static inline struct vkd_image decode_ok(const vkd_dataset *d, uint32_t index)
{
    struct vkd_image image = { 0 };
    char why[512] = "";
    ck_assert_msg(vkd_dataset_decode(d, index, 0, 0, &image, why, sizeof why) == VKD_OK, "%s", why);
    return image;
}

static inline const char *name_of(const vkd_dataset *d, uint32_t index)
{
    static char text[512];
    vkd_dataset_name(d, index, text, sizeof text);
    return text;
}

// Targets as text: a character per class, 1, 0 or ?.
static inline const char *row_of(const vkd_dataset *d, uint32_t index)
{
    static char text[64];
    float row[64];
    const uint32_t classes = vkd_dataset_info(d)->classes;
    vkd_dataset_targets(d, index, row);
    for (uint32_t c = 0; c < classes; c++)
        text[c] = row[c] > 0 ? '1' : row[c] < 0 ? '?' : '0';
    text[classes] = 0;
    return text;
}

static inline void write_text(const char *name, const char *text)
{
    temp_write(name, text, strlen(text));
}

static inline void write_pictures(const char *where, const char *names)
{
    for (const char *p = names; *p; p++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%c.png", where, *p);
        temp_write_bytes(path, png_random(5 + (uint32_t)(*p % 3), 4, (uint64_t)*p));
    }
}

#endif
