// json.c -- numbers and texts for JSON documents.
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
        if ((unsigned char) *text < 0x80)
            out[used++] = *text;
        else
            used += (size_t) snprintf(out + used, 5, "\\x%02x", (unsigned char) *text);
    }
    out[used] = 0;
    s = json_string(out);
    free(out);
    return s;
}
