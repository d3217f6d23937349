// csv.h -- a CSV table of images: path, split, group, labels. Internal to the engine.
//
// Text as in RFC 4180: fields between commas, in double quotes where they hold commas, quotes or line ends; a quote
// inside is doubled. Lines end in LF or CRLF; empty ones are skipped, and so is a byte order mark. The first
// line names the columns: path and labels must be there, split and group may be, in any order.
//
// Labels are separated by ';' or '|', with blanks around them ignored; none is an image that shows no class. '?name' is a
// class of which nothing is known for this image, and '?' alone says so of every class that is not named.
#ifndef VKD_DATA_CSV_H
#define VKD_DATA_CSV_H

#include "dataset.h"

enum {
    VKD__CSV_RECORD_MAX = 65536,        // bytes
    VKD__CSV_LABEL_MAX = 255,
    VKD__CSV_CLASS_MAX = 65536,
};

enum vkd__csv_split { VKD__CSV_TRAIN, VKD__CSV_VAL, VKD__CSV_TEST, VKD__CSV_SPLITS };

struct vkd__csv_row {
    const char *path, *group;           // group "" without
    enum vkd__csv_split split;
    uint32_t line, column;              // of the path, from 1; columns count bytes
    uint32_t first_mark;                // the row's end where the next one's begin
};

struct vkd__csv {
    struct vkd__csv_row *rows;          // [row_count + 1], the last for its first_mark alone
    uint32_t row_count;
    bool has_splits;                    // the column is there; else every row is "train"
    const char **names;                 // [name_count], the classes of all splits in bytewise order
    uint32_t name_count;
    struct vkd__mark *marks;
};

// Reads `size` bytes at `text`, which are followed by a 0, changes them, and keeps pointers into them. Memory is bounded
// by a multiple of `size`. `why` begins with "LINE:COLUMN: " and names no file.
//
//   VKD_FORMAT, VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd__csv_read(char *text, uint64_t size, struct vkd__csv *out, struct vkd__why *why);
void vkd__csv_finish(struct vkd__csv *csv);

#endif
