// recipe_impl.h -- what the files that read recipes share.
#ifndef VKD_APP_RECIPE_IMPL_H
#define VKD_APP_RECIPE_IMPL_H

#include "apps/vkdiv/recipe.h"

#include <cyaml/cyaml.h>

enum {
    KEY_MAX = 64, SECTION_MAX = 16, SECTION_KEY_MAX = 32,   // of the schema
    PLACE_MAX = 256,            // keys that one recipe gives
    RECIPE_FILE_MAX = 32,       // a recipe and its bases
    RECIPE_DEPTH_MAX = 8,       // bases of bases
};

// libcyaml's schema, made from the engine's table of keys. What it fills is an array of pointers,
// one per key, NULL where the text does not have it.
struct recipe_schema {
    uint32_t count;
    char names[SECTION_MAX][16];
    cyaml_schema_field_t top[KEY_MAX];          // sections and keys outside of them
    cyaml_schema_field_t sections[SECTION_MAX][SECTION_KEY_MAX];
};

// One loaded YAML text, and the schema that libcyaml frees it with.
struct recipe_document {
    void **values;
    cyaml_schema_field_t top[KEY_MAX];
    cyaml_schema_value_t root;
};

// Where a key was given, for messages.
struct place {
    char key[48];
    const char *source;         // a file's path, or an override
    uint32_t line, column;      // from 1; line 0: of an override
    uint32_t text;              // the number of the YAML text that gave it
    char value[64];
};

// A recipe being loaded.
struct loader {
    struct recipe_file *file;
    char *why;
    size_t why_size;
    const char *source;         // of the text being read: a file's path, or an override
    bool override;
    uint32_t text;              // its number
    char sources[RECIPE_FILE_MAX][1024];    // paths of the files read so far
    uint32_t source_count;
    struct place places[PLACE_MAX];
    uint32_t place_count;
    char bad_key[96];           // from libcyaml's backtrace, innermost key last
    char reason[160];           // libcyaml's first message
};

// ---- recipe_schema.c ----

void recipe_schema_build(struct recipe_schema *s);
// The field called by the first `length` characters of `key`, or NULL.
cyaml_schema_field_t *recipe_field(cyaml_schema_field_t *fields, const char *key, size_t length);
// The keys of a section; libcyaml has them const.
cyaml_schema_field_t *recipe_keys(const cyaml_schema_field_t *section);
// The field of a key path such as "optimizer.lr", or NULL.
cyaml_schema_field_t *recipe_field_path(struct recipe_schema *s, const char *path);
// "a number", "a list of 3 numbers": what a field expects.
const char *recipe_expected(const cyaml_schema_field_t *field);
// Writes the key meant by `key` inside `section` (or "" at the top) to `text`: the same name in another section, else
// the nearest of `fields`. "" when nothing is near.
void recipe_suggest_key(struct recipe_schema *s, const char *section, cyaml_schema_field_t *fields, const char *key,
                        char *text, size_t size);

// ---- recipe_text.c ----

// Says why at a place and returns `result`; `at` NULL: in no special place of the text being read.
vkd_result recipe_refuse(struct loader *l, vkd_result result, const struct place *at, const char *format, ...)
    VKD_PRINTF(4, 5);
// Where `key` was given last, or NULL.
const struct place *recipe_place(const struct loader *l, const char *key);
// Loads a YAML text, or "optimizer.lr=0.1", over what is there.
VKD_CHECKED vkd_result recipe_load_text(struct loader *l, const char *text, size_t size);
VKD_CHECKED vkd_result recipe_load_override(struct loader *l, const char *set);

// ---- recipe_base.c ----

// Loads the file at `path` over what is there, its bases first.
VKD_CHECKED vkd_result recipe_load_file(struct loader *l, const char *path);

// ---- recipe.c ----

// The folder number `index` of those that shipped recipes may lie in; false past the last.
bool recipe_dir(uint32_t index, char *dir, size_t size);
// The sorted stems of a folder's *.yaml files; for free(). False: no such folder.
bool recipe_stems(const char *dir, char ***names, uint32_t *count);

#endif
