// commands.c -- the table of commands, and what else the help and the manual say.
#include "apps/vkdiv/app.h"

#define ROW(name, title, help) { title, help, cmd_##name, &cmd_##name##_argp }
const struct app_command app_commands[] = {
    ROW(train,     "train",     "train a model from a recipe"),
    ROW(eval,      "eval",      "accuracy and loss of a trained model"),
    ROW(transfer,  "transfer",  "how well what a model has learnt serves other data"),
    ROW(features,  "features",  "write what a model makes of images for other programs"),
    ROW(diversity, "diversity", "how diverse a model's filters are, beside random ones"),
    ROW(study,     "study",     "whether diversity explains transfer beyond accuracy, over many runs"),
    ROW(report,    "report",    "runs as one page: curves, diversity, transfer, images"),
    ROW(export,    "export",    "write a trained model for other programs"),
    ROW(data,      "data",      "what a data set holds; find broken images"),
    ROW(data_preview, "data preview", "what training sees of a data set"),
    ROW(devices,   "devices",   "list the Vulkan devices"),
    ROW(doctor,    "doctor",    "check loader, drivers and devices, and say what is missing"),
    ROW(selftest,  "selftest",  "find out what a device and its driver do right"),
    ROW(bench,     "bench",     "measure kernels and models, and their share of the roofline"),
    { 0 },
};

const char app_title[] = "trains image models on any GPU through Vulkan";
const char app_first_steps[] =
    "`vkdiv COMMAND --help` lists a command's options. First steps: `vkdiv doctor`, then\n"
    "`vkdiv train fashion-quickstart`.\n";
const char app_exit_statuses[] =
    "0 done, 1 the work failed, 2 wrong usage or bad input, 3 no usable device,\n"
    "130 stopped by Ctrl-C after saving.\n";

const struct app_variable app_environment[] = {
    { "VKDIV_DEVICE",     "the default of `--device`" },
    { "VKDIV_VALIDATION", "1 is `--validation` for every command" },
    { "VKDIV_LIMITS",     "uses the device as if it were of another kind, to test that: minimum, maxwell, mali, adreno, "
                          "moltenvk" },
    { "VKDIV_FAULT",      "to test what happens then: memory=N refuses memory for the N-th buffer and all later ones, "
                          "and so do map, pipeline and pool; submit=N and wait=N lose the device at the N-th submission, or wait "
                          "for one" },
    { "XDG_CACHE_HOME",   "compiled pipelines are kept in its folder vkdiv; else in ~/.cache/vkdiv" },
    { "NO_COLOR",         "no colours, if it is set and not empty" },
    { "VK_DRIVER_FILES, VK_ICD_FILENAMES", "of the Vulkan loader: the drivers to use" },
    { 0 },
};
