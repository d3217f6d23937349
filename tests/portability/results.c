// results.c -- reads the documents of a folder.
#include "results.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_json(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 5 && e->d_name[0] != '.' && !strcmp(e->d_name + n - 5, ".json");
}

static bool read_one(struct result *r, const char *dir)
{
    char path[4096];
    json_error_t error;
    snprintf(path, sizeof(path), "%s/%s", dir, r->name);
    r->doc = json_load_file(path, 0, &error);
    if (r->doc)
        return result_check(path, r->doc, &r->ran);
    if (error.line > 0)
        fprintf(stderr, "%s:%d: no JSON: %s\n", path, error.line, error.text);
    else
        fprintf(stderr, "%s: cannot be read: %s\n", path, error.text);
    return false;
}

bool results_read(struct results *r, const char *dir)
{
    struct dirent **entries = NULL;
    int count = scandir(dir, &entries, is_json, alphasort);
    bool ok = count >= 0;
    *r = (struct results) { calloc(ok ? (size_t) count + 1 : 1, sizeof(*r->list)), 0 };
    if (!ok)
        fprintf(stderr, "%s: expected a folder of results: %s\n", dir, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (r->list) {
            struct result *one = &r->list[r->count++];
            one->name = strdup(entries[i]->d_name);
            ok = one->name && read_one(one, dir) && ok;
        }
        free(entries[i]);
    }
    free(entries);
    return ok && r->list;
}

void results_finish(struct results *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->list[i].name);
        json_decref(r->list[i].doc);
    }
    free(r->list);
}

const json_t *results_of_gpu(const struct results *r, const struct gpu *g)
{
    char title[64], name[128];
    snprintf(name, sizeof(name), "%s-%s.json", gpu_title(g, title, sizeof(title)), g->driver);
    for (size_t i = 0; i < r->count; i++)
        if (!r->list[i].ran && !strcmp(r->list[i].name, name))
            return r->list[i].doc;
    return NULL;
}

bool text_write(const char *path, const char *text, size_t size)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(text, 1, size, f) == size;
    ok = f && !fclose(f) && ok;
    if (!ok)
        fprintf(stderr, "%s: cannot be written: %s\n", path, strerror(errno));
    return ok;
}
