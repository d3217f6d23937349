// json.c -- numbers and texts for JSON documents, and their files.
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *vkd__json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *vkd__json_text(const char *text)
{
    json_t *s = json_string(text);
    char *out = s ? NULL : malloc(4 * strlen(text) + 1);
    size_t used = 0;
    if (s || !out)
        return s ? s : json_null();
    for (; *text; text++) {
        unsigned char c = (unsigned char) *text;
        if (c >= 0x20 && c < 0x7f)
            out[used++] = *text;
        else
            used += (size_t) snprintf(out + used, 5, "\\x%02x", c);
    }
    out[used] = 0;
    s = json_string(out);
    free(out);
    return s;
}

bool vkd__json_named(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && dot > path && dot[-1] != '/' && !strcmp(dot, ".json");
}

json_t *vkd__json_load(const char *path, struct vkd__why *why)
{
    uint8_t *data;
    uint64_t size;
    json_error_t error;
    why->text[0] = 0;
    if (vkd__path_kind(path, NULL, NULL) != VKD__PATH_FILE || vkd__file_read(path, 256 << 20, &data, &size, why) < 0)
        return NULL;
    json_t *doc = json_loadb((const char *) data, size, 0, &error);
    free(data);
    if (json_is_object(doc))
        return doc;
    snprintf(why->text, sizeof(why->text), "%.300s is not a JSON object (line %d: %.120s)", path, error.line,
             doc ? "it is something else" : error.text);
    json_decref(doc);
    return NULL;
}

vkd_result vkd__json_save(const char *path, const json_t *doc, const struct vkd_log *log, enum vkd_log_level level)
{
    struct vkd__why why;
    char *text = doc ? json_dumps(doc, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    if (!text)
        return VKD_NO_MEMORY;
    vkd_result r = vkd__file_replace(path, text, strlen(text), &why);
    if (r < 0)
        vkd_log_write(log, level, "%s", why.text);
    free(text);
    return r;
}
