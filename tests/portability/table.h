// table.h -- what table.c makes of the results.
#ifndef TABLE_H
#define TABLE_H

#include "results.h"

// `old`, the text of the Markdown file at `path`, with new tables between its markers, malloc'd; NULL after a message.
char *table_markdown(const struct results *r, const char *old, const char *path, size_t *size);

// A page of HTML that loads nothing, malloc'd; NULL after a message.
char *table_page(const struct results *r, size_t *size);

#endif
