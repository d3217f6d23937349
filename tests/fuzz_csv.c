// fuzz_csv.c -- any bytes as a table of images: no fault, and what is accepted keeps its promises.
#include "fuzz.h"

#include "engine/data/csv.h"

static void check_table(const struct vkd__csv *csv, const char *text, size_t size)
{
    for (uint32_t i = 0; i < csv->row_count; i++) {
        const struct vkd__csv_row *row = &csv->rows[i];
        if (row->path < text || row->path >= text + size || !*row->path || row->split >= VKD__CSV_SPLITS)
            abort();
        if (row[1].first_mark < row->first_mark)
            abort();
        for (uint32_t m = row->first_mark; m < row[1].first_mark; m++)
            if (csv->marks[m].label != VKD__MARK_REST && csv->marks[m].label >= csv->name_count)
                abort();
    }
    for (uint32_t c = 0; c < csv->name_count; c++)
        if (!*csv->names[c] || (c && strcmp(csv->names[c - 1], csv->names[c]) >= 0))
            abort();
}

static void fuzz_one(const uint8_t *data, size_t size)
{
    struct vkd__csv csv = { 0 };
    struct vkd__why why = { "" };
    char *text = malloc(size + 1);
    if (!text)
        return;
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    vkd_result r = vkd__csv_read(text, size, &csv, &why);
    if (r == VKD_OK)
        check_table(&csv, text, size);
    else if (csv.rows || !why.text[0])
        abort();
    vkd__csv_finish(&csv);
    free(text);
}

static bool fuzz_sample(unsigned i, struct bytes *out)
{
    static const char *const samples[] = {
        "path,split,group,labels\na.png,train,g,cat|dog\nb.png,val,,\nc.png,test,h,?cat|?\n",
        "\xef\xbb\xbflabels,path\r\n\" x | ?y \",\"a, \"\"b\"\"\r\n.png\"\r\n\r\nz,q",
    };
    if (i >= sizeof samples / sizeof samples[0])
        return false;
    *out = (struct bytes) { malloc(strlen(samples[i])), strlen(samples[i]) };
    memcpy(out->data, samples[i], out->size);
    return true;
}
