// parts.c -- the table of parts: parts/NAME.c, in the order of their places.
#include "apps/selftest/selftest.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

const char *const selftest_verdicts[SELFTEST_VERDICTS] = { "pass", "fallback", "skip", "fail" };

#define PART(name) extern const struct selftest_part selftest_part_##name;
#include "selftest_parts.inc"       // generated: one PART(stem) line per parts/*.c
#undef PART

static const struct selftest_part *const parts[] = {
#define PART(name) &selftest_part_##name,
#include "selftest_parts.inc"
#undef PART
};
enum { PART_COUNT = sizeof parts / sizeof parts[0] };

const struct selftest_part *selftest_part_at(uint32_t index)
{
    for (uint32_t i = 0; i < PART_COUNT; i++) {
        uint32_t before = 0;
        for (uint32_t k = 0; k < PART_COUNT; k++)
            before += parts[k]->place < parts[i]->place || (parts[k]->place == parts[i]->place && k < i);
        if (before == index)
            return parts[i];
    }
    return NULL;
}

bool selftest_probe_at(const struct selftest_part *part, uint32_t index, struct selftest_probe *out)
{
    if (part->at != NULL)
        return part->at(index, out);
    if (index >= part->count)
        return false;
    *out = part->probes[index];
    return true;
}

const char *selftest_name(char text[SELFTEST_NAME_MAX], const struct selftest_part *part, const struct selftest_probe *p)
{
    snprintf(text, SELFTEST_NAME_MAX, "%s.%s", part->name, p->name);
    return text;
}

bool selftest_chosen(const struct selftest_choice *c, const struct selftest_part *part, const struct selftest_probe *p)
{
    char name[SELFTEST_NAME_MAX];
    selftest_name(name, part, p);
    if (part->hidden && (c->filter == NULL || strncmp(c->filter, part->name, strlen(part->name)) != 0))
        return false;
    if (c->quick && p->slow)
        return false;
    return c->filter == NULL || fnmatch(c->filter, name, 0) == 0 || strcmp(c->filter, part->name) == 0;
}
