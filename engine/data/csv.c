// csv.c -- reads a CSV table of images in place: every field becomes a text where it stands.
#include "csv.h"
#include "engine/suggest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column { PATH, SPLIT, GROUP, LABELS, COLUMNS };
static const char *const column_names[COLUMNS] = { "path", "split", "group", "labels" };
static const char *const split_names[VKD__CSV_SPLITS] = { "train", "val", "test" };

struct field { char *text; uint32_t line, column; bool quoted; };

// A label as written in a row; no name: '?' alone.
struct mention { const char *name; uint32_t row, line, column; bool yes; };

struct reader {
    char *at, *end;                     // what is left
    char *line_start, *record;
    uint32_t line;
    struct field fields[COLUMNS + 1];   // of the record
    uint32_t field_count;
    uint32_t width;                     // fields of the header
    uint32_t where[COLUMNS];            // each column's place; COLUMNS when it is not there
    struct vkd__csv csv;
    uint32_t row_room;
    struct mention *mentions;
    uint32_t mention_count, mention_room;
    struct vkd__why *why;
};

VKD_PRINTF(4, 5) static vkd_result bad(struct reader *r, uint32_t line, uint32_t column, const char *format, ...)
{
    va_list args;
    int n = snprintf(r->why->text, sizeof r->why->text, "%u:%u: ", line, column);
    va_start(args, format);
    vsnprintf(r->why->text + n, sizeof r->why->text - (size_t)n, format, args);
    va_end(args);
    return VKD_FORMAT;
}

static vkd_result no_memory(struct reader *r)
{
    (void)bad(r, r->line, 1, "out of memory for the table");
    return VKD_NO_MEMORY;
}

static const char *hint(const char *word, const char *const *names, size_t count, char text[64])
{
    const char *near = vkd__suggest(word, names, count);
    text[0] = 0;
    if (near)
        snprintf(text, 64, "; did you mean '%s'?", near);
    return text;
}

// ---- Records ----

static uint32_t column_of(const struct reader *r, const char *p)
{
    return (uint32_t)(p - r->line_start) + 1;
}

// Behind the line's end at `p`, or NULL when it goes on.
static char *line_end(const struct reader *r, char *p)
{
    if (p == r->end)
        return p;
    if (*p == '\n')
        return p + 1;
    return *p == '\r' && r->end - p > 1 && p[1] == '\n' ? p + 2 : NULL;
}

// What no field may hold.
static vkd_result check_byte(struct reader *r, const char *p)
{
    if (p - r->record >= VKD__CSV_RECORD_MAX)
        return bad(r, r->line, column_of(r, p), "a record of more than %d bytes; is a quote missing?", VKD__CSV_RECORD_MAX);
    if (!*p)
        return bad(r, r->line, column_of(r, p), "expected text, found a 0 byte: this is no CSV file");
    return VKD_OK;
}

// From the opening quote to what stands behind the closing one.
static vkd_result quoted_field(struct reader *r, char **text, char **behind)
{
    char *in = r->at + 1, *out = in;
    const uint32_t line = r->line, column = column_of(r, r->at);
    *text = out;
    for (;; *out++ = *in++) {
        if (in == r->end)
            return bad(r, line, column, "the quote that begins here is never closed");
        vkd_result result = check_byte(r, in);
        if (result != VKD_OK)
            return result;
        if (*in == '"' && (r->end - in < 2 || *++in != '"'))
            break;
        if (*in == '\n') {
            r->line++;
            r->line_start = in + 1;
        }
    }
    // `in` is at the quote when it ends the file, behind it otherwise.
    in += in < r->end && *in == '"';
    *behind = in;
    if (*in != ',' && !line_end(r, in))
        return bad(r, r->line, column_of(r, in), "expected a comma or the line's end behind a closing quote, found '%c'",
                   *in > ' ' && *in < 127 ? *in : '.');
    *out = 0;
    return VKD_OK;
}

static vkd_result plain_field(struct reader *r, char **text, char **behind)
{
    char *p = r->at;
    for (; *p != ',' && !line_end(r, p); p++) {
        vkd_result result = check_byte(r, p);
        if (result != VKD_OK)
            return result;
        if (*p == '"')
            return bad(r, r->line, column_of(r, p), "a quote inside a field: put the whole field in quotes and double the "
                       "quotes in it");
        if (*p == '\r')
            return bad(r, r->line, column_of(r, p), "a carriage return that no line feed follows");
    }
    *text = r->at;
    *behind = p;
    return VKD_OK;
}

// The next record, without empty lines; field_count 0 at the end.
static vkd_result next_record(struct reader *r)
{
    char *next;
    r->field_count = 0;
    while (r->at < r->end && (next = line_end(r, r->at))) {
        r->line++;
        r->at = r->line_start = next;
    }
    r->record = r->at;
    if (r->at == r->end)
        return VKD_OK;
    for (;;) {
        struct field f = { .line = r->line, .column = column_of(r, r->at), .quoted = *r->at == '"' };
        char *behind = r->at;
        if (r->field_count == COLUMNS)
            return bad(r, r->line, f.column, "expected at most %d fields (path,split,group,labels), found more: put a field "
                       "that holds commas in quotes", COLUMNS);
        vkd_result result = f.quoted ? quoted_field(r, &f.text, &behind) : plain_field(r, &f.text, &behind);
        if (result != VKD_OK)
            return result;
        r->fields[r->field_count++] = f;
        const bool more = behind < r->end && *behind == ',';
        next = more ? behind + 1 : line_end(r, behind);
        if (!more && next > behind) {
            r->line++;
            r->line_start = next;
        }
        *behind = 0;
        r->at = next;
        if (!more)
            return VKD_OK;
    }
}

// ---- Rows ----

static vkd_result read_header(struct reader *r)
{
    char near[64];
    vkd_result result = next_record(r);
    if (result != VKD_OK)
        return result;
    if (!r->field_count)
        return bad(r, 1, 1, "expected a header such as path,split,group,labels, found an empty file");
    for (uint32_t c = 0; c < COLUMNS; c++)
        r->where[c] = COLUMNS;
    r->width = r->field_count;
    for (uint32_t i = 0; i < r->width; i++) {
        const struct field *f = &r->fields[i];
        uint32_t c = 0;
        while (c < COLUMNS && strcmp(f->text, column_names[c]))
            c++;
        if (c == COLUMNS)
            return bad(r, f->line, f->column, "expected a header with the columns path, split, group and labels, found "
                       "'%.60s'%s", f->text, hint(f->text, column_names, COLUMNS, near));
        if (r->where[c] < COLUMNS)
            return bad(r, f->line, f->column, "column '%s' stands twice in the header", f->text);
        r->where[c] = i;
    }
    for (uint32_t c = 0; c < COLUMNS; c += LABELS)
        if (r->where[c] == COLUMNS)
            return bad(r, r->fields[0].line, 1, "the header has no column '%s': expected path and labels, and perhaps split "
                       "and group", column_names[c]);
    r->csv.has_splits = r->where[SPLIT] < COLUMNS;
    return VKD_OK;
}

// Room for one more entry of `size` bytes.
static bool grow(void **list, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room)
        return true;
    const uint32_t more = *room ? *room * 2 : 1024;
    void *bigger = *room > UINT32_MAX / 4 ? NULL : realloc(*list, more * size);
    if (!bigger)
        return false;
    *list = bigger;
    *room = more;
    return true;
}

// The label in [text, end) of `field`, which is cut off there.
static vkd_result add_label(struct reader *r, const struct field *field, char *text, char *end)
{
    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    struct mention m = { .row = r->csv.row_count - 1, .line = field->line, .yes = *text != '?' };
    m.column = field->column + field->quoted + (uint32_t)(text - field->text);
    if (text == end)
        return bad(r, m.line, m.column, "an empty label: expected names with ';' or '|' between them");
    for (const char *p = text; p < end; p++) {
        if ((uint8_t)*p < ' ' || *p == 127)
            return bad(r, m.line, m.column + (uint32_t)(p - text), "found a control character (0x%02x) in a label", *p);
    }
    if (end - text > VKD__CSV_LABEL_MAX)
        return bad(r, m.line, m.column, "a label of %u bytes, expected at most %d; labels are separated by ';' or '|'",
                   (unsigned)(end - text), VKD__CSV_LABEL_MAX);
    *end = 0;
    for (text += !m.yes; *text == ' ' || *text == '\t';)
        text++;
    m.name = *text ? text : NULL;
    void *list = r->mentions;
    if (!grow(&list, r->mention_count, &r->mention_room, sizeof m))
        return no_memory(r);
    r->mentions = list;
    r->mentions[r->mention_count++] = m;
    return VKD_OK;
}

static vkd_result add_labels(struct reader *r, const struct field *field)
{
    char *text = field->text;
    if (!text[strspn(text, " \t")])
        return VKD_OK;
    for (;;) {
        char *end = text + strcspn(text, ";|");
        const bool more = *end;
        vkd_result result = add_label(r, field, text, end);
        if (result != VKD_OK || !more)
            return result;
        text = end + 1;
    }
}

static vkd_result add_row(struct reader *r)
{
    char near[64];
    const struct field *path = &r->fields[r->where[PATH]];
    if (r->field_count != r->width)
        return bad(r, r->fields[0].line, 1, "expected %u field%s as in the header, found %u", r->width,
                   r->width > 1 ? "s" : "", r->field_count);
    if (!path->text[0])
        return bad(r, path->line, path->column, "the path is empty");
    struct vkd__csv_row row = { .path = path->text, .group = "", .line = path->line, .column = path->column,
                                .first_mark = r->mention_count };
    if (r->csv.has_splits) {
        const struct field *f = &r->fields[r->where[SPLIT]];
        uint32_t s = 0;
        while (s < VKD__CSV_SPLITS && strcmp(f->text, split_names[s]))
            s++;
        if (s == VKD__CSV_SPLITS)
            return bad(r, f->line, f->column, "split '%.60s': expected train, val or test%s", f->text,
                       hint(f->text, split_names, VKD__CSV_SPLITS, near));
        row.split = (enum vkd__csv_split)s;
    }
    if (r->where[GROUP] < COLUMNS)
        row.group = r->fields[r->where[GROUP]].text;
    void *list = r->csv.rows;
    if (!grow(&list, r->csv.row_count + 1, &r->row_room, sizeof row))
        return no_memory(r);
    r->csv.rows = list;
    r->csv.rows[r->csv.row_count++] = row;
    return add_labels(r, &r->fields[r->where[LABELS]]);
}

// ---- The whole table ----

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_paths(const void *a, const void *b)
{
    const struct vkd__csv_row *x = *(const struct vkd__csv_row *const *)a, *y = *(const struct vkd__csv_row *const *)b;
    const int order = strcmp(x->path, y->path);
    return order ? order : x < y ? -1 : x > y;
}

// An image that stands twice would be trained on and tested with, or count twice.
static vkd_result check_paths(struct reader *r)
{
    const struct vkd__csv_row *found = NULL, *before = NULL;
    const struct vkd__csv_row **list = malloc(((size_t)r->csv.row_count + 1) * sizeof *list);
    if (!list)
        return no_memory(r);
    for (uint32_t i = 0; i < r->csv.row_count; i++)
        list[i] = &r->csv.rows[i];
    qsort(list, r->csv.row_count, sizeof *list, compare_paths);
    for (uint32_t i = 1; i < r->csv.row_count; i++) {
        if (!strcmp(list[i - 1]->path, list[i]->path) && (!found || list[i] < found)) {
            found = list[i];
            before = list[i - 1];
        }
    }
    free(list);
    return found ? bad(r, found->line, found->column, "'%.200s' stands in line %u already: a path may come once",
                       found->path, before->line) : VKD_OK;
}

// Sorts the names there are and leaves each once.
static vkd_result collect_names(struct reader *r)
{
    uint32_t count = 0, kept = 0;
    const char **names = malloc(((size_t)r->mention_count + 1) * sizeof *names);
    if (!names)
        return no_memory(r);
    for (uint32_t i = 0; i < r->mention_count; i++)
        if (r->mentions[i].name)
            names[count++] = r->mentions[i].name;
    qsort(names, count, sizeof *names, compare_names);
    for (uint32_t i = 0; i < count; i++)
        if (!kept || strcmp(names[kept - 1], names[i]))
            names[kept++] = names[i];
    r->csv.names = names;
    r->csv.name_count = kept;
    if (kept > VKD__CSV_CLASS_MAX)
        return bad(r, 1, 1, "%u different labels, expected at most %d; labels are separated by ';' or '|'", kept,
                   VKD__CSV_CLASS_MAX);
    return VKD_OK;
}

static vkd_result number_marks(struct reader *r)
{
    uint32_t *seen = calloc((size_t)r->csv.name_count + 1, sizeof *seen);   // by the row, from 1; the last for '?'
    r->csv.marks = malloc(((size_t)r->mention_count + 1) * sizeof *r->csv.marks);
    vkd_result result = seen && r->csv.marks ? VKD_OK : no_memory(r);
    for (uint32_t i = 0; result == VKD_OK && i < r->mention_count; i++) {
        const struct mention *m = &r->mentions[i];
        uint32_t label = r->csv.name_count;
        if (m->name)
            label = (uint32_t)((const char **)bsearch(&m->name, r->csv.names, r->csv.name_count, sizeof *r->csv.names,
                                                      compare_names) - r->csv.names);
        if (seen[label] == m->row + 1)
            result = bad(r, m->line, m->column, "label '%s' stands twice for this image", m->name ? m->name : "?");
        seen[label] = m->row + 1;
        r->csv.marks[i] = (struct vkd__mark) { .label = m->name ? label : VKD__MARK_REST,
                                               .target = m->yes ? 1 : VKD_TARGET_UNKNOWN };
    }
    free(seen);
    return result;
}

static vkd_result read_rows(struct reader *r)
{
    vkd_result result = read_header(r);
    while (result == VKD_OK) {
        result = next_record(r);
        if (result != VKD_OK || !r->field_count)
            break;
        result = add_row(r);
    }
    if (result == VKD_OK && !r->csv.row_count)
        result = bad(r, r->line, 1, "expected a line for each image below the header, found none");
    if (result == VKD_OK)
        r->csv.rows[r->csv.row_count].first_mark = r->mention_count;
    return result;
}

vkd_result vkd__csv_read(char *text, uint64_t size, struct vkd__csv *out, struct vkd__why *why)
{
    struct reader r = { .end = text + size, .line = 1, .why = why };
    r.at = text + (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0);
    r.line_start = r.at;
    vkd_result result = read_rows(&r);
    if (result == VKD_OK)
        result = check_paths(&r);
    if (result == VKD_OK)
        result = collect_names(&r);
    if (result == VKD_OK)
        result = number_marks(&r);
    free(r.mentions);
    if (result == VKD_OK)
        *out = r.csv;
    else
        vkd__csv_finish(&r.csv);
    return result;
}

void vkd__csv_finish(struct vkd__csv *csv)
{
    free(csv->rows);
    free(csv->names);
    free(csv->marks);
    *csv = (struct vkd__csv) { 0 };
}
