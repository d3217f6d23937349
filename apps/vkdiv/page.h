// page.h -- a page of HTML out of a template: its styles, scripts and data in place, so that it loads nothing.
#ifndef VKD_APP_PAGE_H
#define VKD_APP_PAGE_H

#include <jansson.h>
#include <stddef.h>

// A file that the build embedded. vkdiv_embed (apps/CMakeLists.txt) writes an array `page_files` of them for a page.
struct page_file {
    const char *name;
    const unsigned char *bytes;
    size_t size;
};

struct page {
    const struct page_file *files;
    size_t count;
    const char *main;           // which of them is the template: {{title}}, {{data}}, and {{FILE}} as it is
};

// The page's text, malloc'd and ending in 0, *size without it; NULL when host memory is out or the template names a file
// that is not there. Whatever strings `doc` holds, none ends its element.
char *page_text(const struct page *page, const json_t *doc, const char *title, size_t *size);

#endif
