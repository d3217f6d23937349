// result_json.h -- a result as JSON. Internal to engine/ and the program.
#ifndef VKD_TRANSFER_RESULT_JSON_H
#define VKD_TRANSFER_RESULT_JSON_H

#include <vkdiv/transfer.h>

#include <jansson.h>

// The document of KEY.json; without what was said of each image unless `images`. NULL without memory.
json_t *vkd__transfer_json(const struct vkd_transfer_result *r, bool images);

#endif
