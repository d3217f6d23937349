// selftest.h -- `vkdiv selftest`: probes, each in a process of its own, and what comes of them.
//
// A part is one file parts/NAME.c with `const struct selftest_part selftest_part_NAME`; the build globs them. The program
// runs itself with --probe NAME for each probe and reads lines of JSON from it, so that a driver that crashes or hangs
// costs one row. The parent never touches Vulkan.
#ifndef VKD_SELFTEST_H
#define VKD_SELFTEST_H

#include "apps/vkdiv/app.h"

enum { SELFTEST_SCHEMA = 1 };      // of the document: tests/portability/schema.json

// From good to bad. A fallback is right, but slower or less than a device can be: its detail says why.
enum selftest_verdict { SELFTEST_PASS, SELFTEST_FALLBACK, SELFTEST_SKIP, SELFTEST_FAIL, SELFTEST_VERDICTS };
extern const char *const selftest_verdicts[SELFTEST_VERDICTS];

// ---- In a probe's process ----------------------------------------------------------------------

// What a probe works with, and what it finds.
struct selftest_run {
    const struct app_options *app;
    bool quick;
    vkd_device *dev;                // NULL for a probe that has no_device
    struct vkd_log log;             // of dev, and for devices that a probe opens itself
    FILE *out;                      // lines of JSON to the parent
    bool said;                      // there is a verdict
    enum selftest_verdict verdict;
    char detail[1200];
    json_t *numbers;                // name -> number or text
    char last_error[512];           // of the log
    char *errors;                   // all of it, while a device is opened; NULL otherwise
    size_t errors_size;
    const char *scratch;            // a folder for files; "": none could be made
};

struct selftest_probe {
    const char *name;               // within its part: "fp16" is "capabilities.fp16" outside
    const char *about;              // what it shows, for --list
    void (*run)(struct selftest_run *t, const struct selftest_probe *p);
    const void *data;               // of the probe's own
    bool slow;                      // --quick leaves it out
    bool no_device;                 // opens none, or its own
    uint32_t patience;              // seconds without a word until it counts as hung; 0: SELFTEST_PATIENCE
};
enum { SELFTEST_PATIENCE = 120, SELFTEST_NAME_MAX = 96, SELFTEST_PATH_MAX = 512 };

struct selftest_part {
    const char *name, *title;
    uint32_t place;                 // parts run in this order
    bool hidden;                    // runs only when a filter begins with its name
    const struct selftest_probe *probes;
    uint32_t count;
    bool (*at)(uint32_t index, struct selftest_probe *out);     // in place of `probes`: made from another table
};

// Says what came of it. A worse verdict stands against better ones; of equal ones the last text does.
void selftest_say(struct selftest_run *t, enum selftest_verdict v, const char *format, ...) VKD_PRINTF(3, 4);
// False, and SELFTEST_FAIL with the log's last error, when `r` is an error. `what` failed.
bool selftest_ok(struct selftest_run *t, vkd_result r, const char *what);
void selftest_number(struct selftest_run *t, const char *name, double value);
void selftest_text(struct selftest_run *t, const char *name, const char *text);
// A sign of life: what is being done, for the progress line, and to name when it crashes here.
void selftest_at(struct selftest_run *t, const char *format, ...) VKD_PRINTF(2, 3);

// The device's parameters as the options say; the log is t->log. A probe that opens its own device adds to them. False
// after a verdict.
bool selftest_device_params(struct selftest_run *t, struct vkd_device_params *out);

// Runs the probe of that name in this process; returns its exit status.
enum exit_status selftest_child(const struct app_options *app, bool quick, const char *name, const char *scratch);

// ---- The table of parts ------------------------------------------------------------------------

const struct selftest_part *selftest_part_at(uint32_t index);      // by place; NULL past the end
bool selftest_probe_at(const struct selftest_part *part, uint32_t index, struct selftest_probe *out);
// "part.probe" into `text`, which is returned.
const char *selftest_name(char text[SELFTEST_NAME_MAX], const struct selftest_part *part, const struct selftest_probe *p);

// ---- In the parent -----------------------------------------------------------------------------

struct selftest_command {
    const char *program;            // run as `PROGRAM selftest --probe NAME ...`
    const struct app_options *app;
    bool quick;
    uint32_t patience;              // overrides that of the probes; 0: does not
    void (*at)(void *user, const char *what);   // a sign of life
    void *user;
};

// A folder of its own, and its end with all that is in it. False, and "", where none can be made.
bool selftest_scratch_open(char path[SELFTEST_PATH_MAX]);
void selftest_scratch_close(const char *path);

// Runs one probe in a process of its own. Returns its row {name, verdict, detail, ms, numbers}, whatever becomes of the
// process. *no_device: there is none to test.
json_t *selftest_process(const struct selftest_command *c, const char *name, uint32_t patience, bool *no_device);

// What is to be run.
struct selftest_choice { const char *filter; bool quick; };
bool selftest_chosen(const struct selftest_choice *c, const struct selftest_part *part, const struct selftest_probe *p);

// The document of some rows, which it takes. `stopped`: there would have been more.
json_t *selftest_document(json_t *rows, const struct selftest_choice *c, double seconds, bool stopped);
void selftest_print_row(FILE *f, const json_t *row);
void selftest_print_summary(FILE *f, const json_t *doc);
// As a page of Markdown, atomically. False after a message.
bool selftest_write_markdown(const char *path, const json_t *doc);
// What changed from one document to the other: prints it, or one document of it. *worse: something did.
void selftest_diff(const json_t *a, const json_t *b, bool as_json, bool *worse);

#endif
