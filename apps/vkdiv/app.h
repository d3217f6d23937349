// app.h -- what the subcommands share: exit statuses, options, messages, the device, JSON, progress.
#ifndef VKD_APP_H
#define VKD_APP_H

#include <argp.h>
#include <jansson.h>
#include <vkdiv/device.h>
#include <vkdiv/train.h>

enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,        // the work failed
    EXIT_USAGE = 2,         // wrong usage or bad input
    EXIT_NO_DEVICE = 3,
    EXIT_STOPPED = 130,     // by SIGINT, after saving
};

// ---- Options -----------------------------------------------------------------------------------

// Options that several commands take; each command's argp lists those it wants as children.
struct app_options {
    const char *device;     // --device, else VKDIV_DEVICE, else NULL
    bool json, verbose, validation;
    bool any_device;        // set by what needs no speed: no word of a CPU driver
};
extern const struct argp app_device_argp;   // --device, --validation; input: struct app_options *
extern const struct argp app_json_argp;     // --json
extern const struct argp app_log_argp;      // --verbose

// argp_parse with the nearest right option named before argp's own message. Wrong usage ends the
// process with EXIT_USAGE, --help with EXIT_DONE.
void app_parse(const struct argp *argp, int argc, char **argv, void *input);

// Refuses a command's argument as argp does: says why, points to --help, ends with EXIT_USAGE.
void app_usage(const struct argp_state *state, const char *format, ...) VKD_PRINTF(2, 3) __attribute__((noreturn));

// Numbers that options are given. What is no number of the range ends the process as app_usage does.
struct app_range { double low, high; bool open; };      // open: without its ends
uint64_t app_whole(const struct argp_state *state, const char *option, const char *arg, uint64_t low, uint64_t high);
double app_real(const struct argp_state *state, const char *option, const char *arg, struct app_range range);
// Separated by commas, at most `most`; returns how many.
uint32_t app_reals(const struct argp_state *state, const char *option, const char *arg, struct app_range range, double *values,
                   uint32_t most);

// ---- Messages: everything but results goes to stderr --------------------------------------------

// The log of this process: levels up to INFO, DEBUG too when `verbose`. A warning is said once.
struct vkd_log app_log(const struct app_options *o);
struct vkd_log app_log_quiet(void);
void app_error(const char *format, ...) VKD_PRINTF(1, 2);
void app_warning(const char *format, ...) VKD_PRINTF(1, 2);
// Says that `what` ended with `r`, unless a message has said why already.
void app_ended(const char *what, vkd_result r);

// SGR codes for stdout (1) or stderr (2), "" where colours are unwanted.
enum app_style { APP_PLAIN, APP_BOLD, APP_DIM, APP_RED, APP_YELLOW, APP_GREEN };
const char *app_sgr(int fd, enum app_style style);

// "1.5 GiB"; "812", "12.3 k"; "45 s", "2:05", "1:02:05". `text` is of 24 bytes and returned.
const char *app_bytes(char text[24], double bytes);
const char *app_count(char text[24], double value);
const char *app_duration(char text[24], double seconds);

// Writes `doc` as the one JSON document on stdout and frees it.
enum exit_status app_print_json(json_t *doc);
json_t *app_json_real(double value);        // null where JSON has no number for it
json_t *app_json_text(const char *text);    // file names are bytes: those that are no UTF-8 become \xNN

// `text` with control characters but line ends and tabs as \xNN: names of files must not steer the terminal. Returns `out`.
const char *app_printable(char *out, size_t size, const char *text);

// ---- Device ------------------------------------------------------------------------------------

// How the device that the options name is opened, with the log of this process. False after an error message.
bool app_device_params(const struct app_options *o, struct vkd_device_params *out);

// Opens the device that the options name. On failure *status is what the process should end with.
vkd_device *app_open_device(const struct app_options *o, enum exit_status *status);

// The exit status of a result of work on input that may be bad.
enum exit_status app_status(vkd_result r);
// Of an output that could not be written: a place where nothing can be is bad input, a full disk is failed work.
enum exit_status app_output_status(const char *path);
enum exit_status app_folder_status(const char *dir);    // the same of a folder for outputs
// Whether a folder is that of a run; the terminal says what is missing.
bool app_is_run(const char *dir);
// EXIT_DONE where a file can be written, before the work that it is for; else says why not.
enum exit_status app_check_output(const char *path);
// Whether the set opens; quietly.
bool app_data_readable(const char *spec, const char *split);

// A device's type in a word; its API version as "1.3.230"; its UUID as 32 hex digits.
const char *app_device_type(const struct vkd_caps *caps);
const char *app_api_version(char text[24], uint32_t version);
const char *app_uuid(char text[33], const uint8_t uuid[16]);
json_t *app_device_json(const struct vkd_device_row *row);

// ---- Progress ----------------------------------------------------------------------------------

// A line that is redrawn on a terminal; elsewhere a line now and then.
struct app_progress {
    bool terminal, drawn, quiet;
    double last_seconds, last_share;
    char line[256];
};
void app_progress_init(struct app_progress *p);
void app_progress_show(void *progress, const struct vkd_progress *now);   // a vkd_train_params.progress
void app_progress_note(struct app_progress *p, const char *text);         // a line of words, on a terminal alone
void app_progress_work(struct app_progress *p, const char *what, uint32_t done, uint32_t of);   // a bar, the same
void app_progress_clear(void);          // takes the drawn line away before other output
bool app_stop(void *user);              // a vkd_train_params.stop: SIGINT came

// ---- Commands ----------------------------------------------------------------------------------

// One subcommand. The help, the manual and the shells' completions are all made from these rows and their argp.
struct app_command {
    const char *name;           // "train"; "data preview" is a command below another, with options of its own
    const char *help;
    enum exit_status (*run)(int argc, char **argv);     // argv[0] is "vkdiv NAME"
    const struct argp *argp;
};
extern const struct app_command app_commands[];         // the last one has no name

#define APP_COMMAND(name)                               \
    enum exit_status cmd_##name(int argc, char **argv); \
    extern const struct argp cmd_##name##_argp
APP_COMMAND(bench);
APP_COMMAND(data);
APP_COMMAND(data_preview);
APP_COMMAND(devices);
APP_COMMAND(diversity);
APP_COMMAND(doctor);
APP_COMMAND(eval);
APP_COMMAND(export);
APP_COMMAND(features);
APP_COMMAND(report);
APP_COMMAND(selftest);
APP_COMMAND(study);
APP_COMMAND(train);
APP_COMMAND(transfer);

// What the help and the manual both say.
extern const char app_title[], app_first_steps[], app_exit_statuses[];
struct app_variable { const char *name, *help; };
extern const struct app_variable app_environment[];     // the last one has no name

#endif
