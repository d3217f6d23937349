// recipe_print.c -- a recipe as lines that --set takes.
#include "apps/vkdiv/recipe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// The fewest digits that bring the same float back.
static void print_float(float value)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    fputs(text, stdout);
}

static void print_value(const struct vkd_recipe_field *f, const char *at)
{
    const uint32_t floats = vkd_recipe_floats(f->kind);
    const char *text;
    switch (f->kind) {
    case VKD_RECIPE_STRING:
        text = *(const char *const *)at;
        fputs(text != NULL ? text : "", stdout);
        return;
    case VKD_RECIPE_U32:  printf("%" PRIu32, *(const uint32_t *)at); return;
    case VKD_RECIPE_U64:  printf("%" PRIu64, *(const uint64_t *)at); return;
    case VKD_RECIPE_BOOL: fputs(*(const bool *)at ? "true" : "false", stdout); return;
    default:              break;
    }
    for (uint32_t i = 0; i < floats; i++) {
        fputs(floats == 1 ? "" : i == 0 ? "[" : ", ", stdout);
        print_float(((const float *)at)[i]);
    }
    fputs(floats > 1 ? "]" : "", stdout);
}

void recipe_print(const struct vkd_recipe *r)
{
    const struct vkd_recipe_field *f;
    for (uint32_t i = 0; (f = vkd_recipe_field_at(i)) != NULL; i++) {
        printf("%s=", f->key);
        print_value(f, (const char *)r + f->ofs);
        putchar('\n');
    }
}
