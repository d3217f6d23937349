// json.h -- values of JSON documents that C's are not always. Internal to engine/.
#ifndef VKD_JSON_H
#define VKD_JSON_H

#include <jansson.h>

// null where JSON has no number for it.
json_t *vkd__json_real(double value);

// File names are bytes: in those that are no UTF-8, the bytes above 127 become \xNN.
json_t *vkd__json_text(const char *text);

#endif
