// table.c -- the results of tests/portability/results as tables of README.md, or as a page of HTML.
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    bool ok = f && text && fread(text, 1, (1 << 20) - 1, f) > 0;
    if (f)
        fclose(f);
    if (ok)
        return text;
    fprintf(stderr, "%s: cannot be read\n", path);
    free(text);
    return NULL;
}

static int renew_markdown(const struct results *r, const char *dir, const char *path, bool check)
{
    size_t size = 0;
    int status = 2;
    char *old = read_file(path), *text = old ? table_markdown(r, old, path, &size) : NULL;
    bool same = text && !strcmp(old, text);
    if (text && check && !same) {
        fprintf(stderr, "%s is not what %s gives: run compile_table %s %s\n", path, dir, dir, path);
        status = 1;
    } else if (text) {
        status = same || text_write(path, text, size) ? 0 : 2;
    }
    free(text);
    free(old);
    return status;
}

static int write_html(const struct results *r, const char *path)
{
    size_t size = 0;
    char *text = table_page(r, &size);
    int status = text && text_write(path, text, size) ? 0 : 2;
    free(text);
    return status;
}

int main(int argc, char **argv)
{
    bool check = argc >= 4 && !strcmp(argv[1], "--check"), html = argc == 4 && !strcmp(argv[1], "--html");
    if (argc < 3 || argv[1 + (check || html)][0] == '-') {
        fputs("usage: compile_table [--check] RESULTS README.md ...\n"
              "       compile_table --html FILE RESULTS\n"
              "  Writes the tables of RESULTS between the markers of files (--check: status 1 when they differ), or a page.\n"
              "  Status 2: a result is not what it should be, or a file cannot be read or written.\n", stderr);
        return 2;
    }
    const char *dir = argv[html ? 3 : 1 + check];
    struct results results;
    int status = 2;
    if (results_read(&results, dir))
        status = html ? write_html(&results, argv[2]) : 0;
    else
        html = true;            // nothing to write
    for (int i = 2 + check; !html && i < argc; i++) {
        int one = renew_markdown(&results, dir, argv[i], check);
        status = one > status ? one : status;
    }
    results_finish(&results);
    return status;
}
