// suggest.c -- Damerau-Levenshtein distance (optimal string alignment) over short words.
#include "suggest.h"

#include <string.h>

enum { WORD_MAX = 63 };     // longer words are compared by their beginning

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static unsigned min_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned distance(const char *a, unsigned a_size, const char *b, unsigned b_size)
{
    unsigned rows[3][WORD_MAX + 1];     // the last three rows of the table
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (unsigned j = 0; j <= b_size; j++)
        last[j] = j;
    for (unsigned i = 1; i <= a_size; i++) {
        now[0] = i;
        for (unsigned j = 1; j <= b_size; j++) {
            unsigned char x = lower(a[i - 1]), y = lower(b[j - 1]);
            unsigned d = min_of(min_of(last[j], now[j - 1]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
                d = min_of(d, before[j - 2] + 1);
            now[j] = d;
        }
        unsigned *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b_size];
}

const char *vkd__suggest(const char *word, const char *const *candidates, size_t count)
{
    if (!word || !*word)
        return NULL;
    size_t word_size = strlen(word);
    unsigned a_size = (unsigned)(word_size > WORD_MAX ? WORD_MAX : word_size);
    const char *best = NULL;
    unsigned best_distance = 0;
    for (size_t i = 0; i < count; i++) {
        if (!candidates[i])
            continue;
        size_t size = strlen(candidates[i]);
        unsigned b_size = (unsigned)(size > WORD_MAX ? WORD_MAX : size);
        unsigned longer = a_size > b_size ? a_size : b_size;
        unsigned d = distance(word, a_size, candidates[i], b_size);
        if ((d <= 1 || d <= longer / 3) && d < longer && (!best || d < best_distance)) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}
