// preview_text.c -- a few words on a picture, in letters of 5 x 8 dots.
#include "preview_text.h"

#include <stdbool.h>
#include <string.h>

enum { WIDTH = 5, INK = 0x30 };

// The letters of the words there are. Dot (x, y) from the top left is bit 5 y + x.
static const struct { char letter; uint64_t dots; } glyphs[] = {
    { 'a', UINT64_C(0x07a3e83800) }, { 'b', UINT64_C(0x03e318bc21) }, { 'c', UINT64_C(0x03a218b800) },
    { 'e', UINT64_C(0x0383f8b800) }, { 'g', UINT64_C(0x743d18f800) }, { 'i', UINT64_C(0x0388421804) },
    { 'l', UINT64_C(0x0388421086) }, { 'm', UINT64_C(0x056b5aac00) }, { 'o', UINT64_C(0x03a318b800) },
    { 'p', UINT64_C(0x085f18bc00) }, { 'r', UINT64_C(0x004219b400) }, { 's', UINT64_C(0x03e0e0f800) },
    { 'v', UINT64_C(0x011518c400) }, { 'w', UINT64_C(0x02ab58c400) }, { '0', UINT64_C(0x03a33ae62e) },
    { '1', UINT64_C(0x03884210c4) }, { '2', UINT64_C(0x07c226422e) }, { '3', UINT64_C(0x03a306422e) },
    { '4', UINT64_C(0x0211f4a988) }, { '5', UINT64_C(0x03a3083c3f) }, { '6', UINT64_C(0x03a317842e) },
    { '7', UINT64_C(0x008422221f) }, { '8', UINT64_C(0x03a317462e) }, { '9', UINT64_C(0x03a10f462e) },
};

static uint64_t dots_of(char letter)
{
    for (size_t i = 0; i < sizeof(glyphs) / sizeof(glyphs[0]); i++)
        if (glyphs[i].letter == letter)
            return glyphs[i].dots;
    return 0;
}

void vkd__paint_text(uint8_t *rgb, uint32_t width, uint32_t x, uint32_t y, uint32_t scale, const char *text)
{
    for (; *text; text++, x += VKD__TEXT_ADVANCE * scale) {
        const uint64_t dots = dots_of(*text);
        for (uint32_t i = 0; i < WIDTH * scale * VKD__TEXT_HEIGHT * scale; i++) {
            const uint32_t column = i % (WIDTH * scale), row = i / (WIDTH * scale);
            if (dots >> (row / scale * WIDTH + column / scale) & 1)
                memset(rgb + ((uint64_t) (y + row) * width + x + column) * 3, INK, 3);
        }
    }
}
