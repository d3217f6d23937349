// weights.h -- a model's parameters in safetensors files, in PyTorch's names and layouts.
//
// Convolutions are (K, C, R, S), matrices (K, C), vectors (C); padding is not in the file. Every
// batch norm also has its num_batches_tracked, so that torchvision's load_state_dict(strict=True)
// takes the file. Thread-safety: functions that take a device have that of the device; the others are safe.
#ifndef VKDIV_WEIGHTS_H
#define VKDIV_WEIGHTS_H

#include <vkdiv/program.h>

VKD_BEGIN

// What a file says about its model: enough to build it again and to feed it.
struct vkd_weights_info {
    char     arch[32];
    uint32_t width;
    bool     cifar_stem;
    uint32_t classes;
    uint32_t size;              // height and width of the input
    uint32_t channels;
    float    mean[3], std[3];   // of the pixels / 255
    uint64_t steps;             // optimiser steps done
};

// A name that begins with `from` in the store begins with `to` in the file. {"probe.", "fc."} saves a
// probe as the classifier, {"teacher.", ""} an average as the model.
struct vkd_weights_rename { const char *from, *to; };

// A part of a store of parameters, and how its names read in files. All zero: everything, as it is called.
struct vkd_weights_part {
    const vkd_graph *only;      // the parameters that this graph declares; NULL: all
    const struct vkd_weights_rename *renames;   // the first that matches a name counts
    uint32_t rename_count;
    bool more;                  // loading: the file may hold more than this, which is left alone
    bool less;                  // loading: `partial` without its warning, for a file that has been looked at
    bool finite;                // loading: numbers that are not finite are an error, VKD_FORMAT
};

// Replaces `path` atomically by all of `params`. Values that are not finite are written as they are,
// with a warning that counts them.
//
//   VKD_INVALID     *info holds a number that is not finite, or text that is not UTF-8
//   VKD_IO          the file cannot be written (the log says why); what was there is still there
//   VKD_NO_MEMORY, VKD_DEVICE_LOST
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_weights_save(vkd_device *dev, vkd_params *params, const struct vkd_weights_info *info,
                                        const char *path);

// The same for a part.
//
//   VKD_INVALID     besides: part->only has an error, declares nothing or what `params` lacks, or two
//                   parameters get the same name (the log names them)
VKD_CHECKED vkd_result vkd_weights_save_part(vkd_device *dev, vkd_params *params, const struct vkd_weights_info *info,
                                             const struct vkd_weights_part *part, const char *path);

// Fills `params` from `path`. Every parameter must be there in its shape, and nothing else: the
// log lists what is missing, unexpected or of another shape. `partial` takes what fits, at least
// one tensor, and lists the rest as a warning. Nothing is written on failure but VKD_DEVICE_LOST.
//
//   VKD_IO, VKD_FORMAT  the file is unreadable, not safetensors, or not these parameters
//   VKD_NO_MEMORY, VKD_DEVICE_LOST
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_weights_load(vkd_device *dev, vkd_params *params, const char *path, bool partial);

// The same for a part: the file must hold its parameters and, unless part->more, nothing else, the others of
// `params` stay as they are.
//
//   VKD_INVALID         as for vkd_weights_save_part
VKD_CHECKED vkd_result vkd_weights_load_part(vkd_device *dev, vkd_params *params, const struct vkd_weights_part *part,
                                             const char *path, bool partial);

// Reads what `path` says about its model.
//
//   VKD_IO      unreadable
//   VKD_FORMAT  not safetensors, or vkdiv's metadata are missing or wrong (the log names the key)
//   VKD_NO_MEMORY
//
// Thread-safety: safe.
VKD_CHECKED vkd_result vkd_weights_info(const char *path, const struct vkd_log *log, struct vkd_weights_info *out);

// A hash of what a file's tensors hold: XXH3 over their names, types, shapes and bytes in the order of names. What else
// the file says does not count, nor where in it a tensor stands.
//
//   VKD_IO, VKD_FORMAT, VKD_NO_MEMORY (see vkd_weights_info)
//
// Thread-safety: safe.
VKD_CHECKED vkd_result vkd_weights_hash(const char *path, const struct vkd_log *log, uint64_t *out);

VKD_END
#endif
