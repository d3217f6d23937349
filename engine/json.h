// json.h -- values of JSON documents that C's are not always, and their files. Internal to engine/.
#ifndef VKD_JSON_H
#define VKD_JSON_H

#include "../runtime/os.h"

#include <jansson.h>
#include <stdbool.h>

// null where JSON has no number for it.
json_t *vkd__json_real(double value);

// File names are bytes: in those that are no UTF-8, bytes that are not printable ASCII become \xNN.
json_t *vkd__json_text(const char *text);

// Whether a file is called NAME.json.
bool vkd__json_named(const char *path);

// The object in a file. NULL: there is none, and `why` says what there is instead; nothing where there is no file.
json_t *vkd__json_load(const char *path, struct vkd__why *why);

// Replaces a file by the document, atomically.
//
//   VKD_IO (the log says why, at `level`), VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd__json_save(const char *path, const json_t *doc, const struct vkd_log *log, enum vkd_log_level level);

#endif
