// tasks.c -- reading files that list tasks.
#include "apps/vkdiv/tasks.h"

#include "apps/vkdiv/app.h"
#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char blank[] = " \t\r", metric_key[] = "metric=";

// "folder:sets/x" of a file in `dir` is "folder:DIR/sets/x"; malloc'd.
static char *spec_beside(const char *dir, size_t dir_length, const char *spec)
{
    const char *colon = strchr(spec, ':');
    if (colon[1] == '/' || dir_length == 0)
        return strdup(spec);
    const size_t size = strlen(spec) + dir_length + 2;
    char *out = malloc(size);
    if (out != NULL)
        snprintf(out, size, "%.*s%.*s/%s", (int)(colon + 1 - spec), spec, (int)dir_length, dir, colon + 1);
    return out;
}

// The word at *at, which it ends and steps over; "" at the end.
static char *take_word(char **at)
{
    char *word = *at + strspn(*at, blank), *end = word + strcspn(word, blank);
    *at = *end != 0 ? end + 1 : end;
    *end = 0;
    return word;
}

static bool add_line(struct app_tasks *t, const char *file, const char *text, uint32_t number)
{
    const char *slash = strrchr(file, '/'), *metric = NULL;
    char *line = strdup(text), *at = line;
    if (line == NULL)
        return false;
    line[strcspn(line, "#")] = 0;
    const char *spec = take_word(&at);
    if (*spec == 0) {
        free(line);
        return true;
    }
    const char *colon = strchr(spec, ':');
    if (colon == NULL || colon[1] == 0 || t->count == APP_TASKS_MAX) {
        app_error("%s:%u: expected a SPEC as folder:DIR, and at most %d of them; found '%s'", file, number, APP_TASKS_MAX,
                  spec);
        free(line);
        return false;
    }
    at += strspn(at, blank);
    if (strncmp(at, metric_key, strlen(metric_key)) == 0)
        metric = take_word(&at) + strlen(metric_key);
    char *name = at + strspn(at, blank);
    for (size_t n = strlen(name); n > 0 && strchr(blank, name[n - 1]) != NULL; n--)
        name[n - 1] = 0;
    char *data = spec_beside(file, slash != NULL ? (size_t)(slash - file) : 0, spec);
    t->lines[t->count] = line;
    t->specs[t->count] = data;
    t->list[t->count++] = (struct vkd_study_task){ .data = data, .name = *name != 0 ? name : NULL, .metric = metric };
    return data != NULL;
}

bool app_tasks_read(struct app_tasks *t, const char *file)
{
    struct vkd__why why;
    uint8_t *data;
    uint64_t size;
    uint32_t number = 1;
    if (vkd__file_read(file, 1 << 20, &data, &size, &why) != VKD_OK) {
        app_error("%s", why.text);
        return false;
    }
    const uint32_t before = t->count;
    bool ok = true;
    for (char *line = (char *)data; ok && line != NULL; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end++ = 0;
        ok = add_line(t, file, line, number);
        line = end;
    }
    free(data);
    if (ok && t->count == before) {
        app_error("%s: expected a SPEC a line, found none", file);
        ok = false;
    }
    return ok;
}

bool app_tasks_add(struct app_tasks *t, const char *spec)
{
    if (t->count == APP_TASKS_MAX)
        return false;
    t->list[t->count++] = (struct vkd_study_task){ .data = spec };
    return true;
}

void app_tasks_free(struct app_tasks *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        free(t->lines[i]);
        free(t->specs[i]);
    }
}
