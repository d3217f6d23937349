// recipe.h -- YAML recipes: found by name or path, put together from their bases, read through a typed schema,
// overridden key by key.
#ifndef VKD_APP_RECIPE_H
#define VKD_APP_RECIPE_H

#include <jansson.h>
#include <vkdiv/train.h>

struct recipe_document;
struct recipe_schema;

// A resolved recipe; its strings live as long as this does.
struct recipe_file {
    struct vkd_recipe recipe;
    char path[1024];                    // of the file it came from
    char name[64];                      // the file's name without folder and ".yaml"
    struct recipe_schema *schema;
    struct recipe_document *documents;  // what the strings point into
    uint32_t document_count;
    json_t *run;                        // or into this
};

struct recipe_params {
    const char *name;               // a file, or the name of a shipped recipe; NULL: the defaults alone
    const char *run;                // with name NULL: the folder of a run, whose recipe is taken
    const char *const *sets;        // "key.path=value", applied in order
    uint32_t set_count;
};

// Loads, overrides and checks. On failure `why` says file, line, column, key, what was expected and
// what was found, and *out needs no finish.
//
//   VKD_IO       no such recipe, or an unreadable one
//   VKD_FORMAT   not YAML, an unknown key, a value of the wrong type
//   VKD_INVALID  a value out of range, or an override that is not KEY=VALUE
VKD_CHECKED vkd_result recipe_load(const struct recipe_params *p, struct recipe_file *out, char *why, size_t why_size);
void recipe_finish(struct recipe_file *f);

// Prints every key as KEY=VALUE, as --set takes it, in the order of the engine's table.
void recipe_print(const struct vkd_recipe *r);

// Calls `found` for each shipped recipe, in the order of names; `title` is its first comment line.
//
//   VKD_IO  there are none (`why` says where they should be)
VKD_CHECKED vkd_result recipe_each(void (*found)(void *user, const char *name, const char *title), void *user, char *why,
                                   size_t why_size);

#endif
