// preview_text.h -- a few words on a picture. Internal to engine/train/.
#ifndef VKD_PREVIEW_TEXT_H
#define VKD_PREVIEW_TEXT_H

#include <stdint.h>

enum { VKD__TEXT_HEIGHT = 8, VKD__TEXT_ADVANCE = 6 };     // pixels of a character, its gap included, at scale 1

// Writes `text` with its top left corner at (x, y) of an RGB picture of `width` pixels a row; it must fit. Characters
// that it does not know are blank.
void vkd__paint_text(uint8_t *rgb, uint32_t width, uint32_t x, uint32_t y, uint32_t scale, const char *text);

#endif
