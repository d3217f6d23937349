// suggest.h -- the nearest known name to a mistyped one, for messages that end in "did you mean ...?".
#ifndef VKD_SUGGEST_H
#define VKD_SUGGEST_H

#include <stddef.h>

// Nearest of `count` candidates by Damerau-Levenshtein distance (case ignored), or NULL when none is
// near: at most a third of the longer word may differ, one letter always may. The first wins a tie.
// Thread-safety: safe.
const char *vkd__suggest(const char *word, const char *const *candidates, size_t count);

#endif
