#!/usr/bin/env python3
"""Records what torchvision's functional transforms compute, for tests/test_golden_augment.c.

    python3 tests/golden/record_augment.py [--out DIR]

Debian: apt install python3-torch python3-torchvision. Images and results are stored as float32; truth is
computed in float64 on tensors with values 0 ... 1. Beside it the script prints how far torchvision's own
path on uint8 tensors is, which rounds after every step. Two runs write equal files.
"""
import argparse
import json
import os

import numpy as np
import torch
import torchvision.transforms.functional as F
from torchvision.transforms import InterpolationMode

import golden

MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


def photo(height, width):
    """Sky, a hill, a sun, a roof with hard edges, some texture: every hue, black and white."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    sky = np.stack([90 + 120 * y, 140 + 80 * y, 235 - 40 * y])
    hill = np.stack([40 + 60 * x, 120 - 50 * x, 30 + 20 * np.sin(9 * x)])
    hill = hill + 18 * np.sin(40 * x) * np.cos(31 * y)
    img = np.where(y > 0.62 - 0.15 * np.sin(4 * x), hill, sky)
    sun = np.hypot(y - 0.22, x - 0.75) < 0.13
    img = np.where(sun, np.array([255, 214, 20]).reshape(3, 1, 1), img)
    house = (y > 0.5) & (y < 0.85) & (x > 0.15) & (x < 0.45)
    img = np.where(house, np.array([240, 240, 236]).reshape(3, 1, 1), img)
    roof = (y > 0.32) & (y < 0.5) & (np.abs(x - 0.3) < y - 0.28)
    img = np.where(roof, np.array([178, 24, 60]).reshape(3, 1, 1), img)
    door = (y > 0.66) & (y < 0.85) & (x > 0.26) & (x < 0.34)
    img = np.where(door, np.array([60, 10, 110]).reshape(3, 1, 1), img)
    img[:, -2:, :4] = 0
    img[:, :2, -4:] = 255
    noise = golden.uniform("augment.noise", 3 * height * width).reshape(3, height, width)
    return np.clip(np.floor(img + 6 * noise), 0, 255).astype(np.uint8)


def case(image, size, view, ops=(), filter="bilinear", flip=0, kernel=3):
    """view: (left, top, width, height); ops: (name, amount) in the order they are done."""
    return {"image": image, "size": size, "view": view, "ops": list(ops), "filter": filter, "flip": flip, "kernel": kernel}


PART = (5, 3, 31, 27)       # x, y, w, h: made smaller
SMALL = (9, 12, 11, 13)     # made larger
SAME = (8, 6, 20, 20)
CHAIN = [("hue", 0.13), ("contrast", 1.6), ("brightness", 0.7), ("saturation", 1.5), ("gray", 0), ("blur", 0.9),
         ("solarize", 0)]

CASES = {
    "crop_bilinear": case("photo", 20, PART),
    "crop_bicubic": case("photo", 20, PART, filter="bicubic"),
    "grow_bilinear": case("photo", 20, SMALL),
    "grow_bicubic": case("photo", 20, SMALL, filter="bicubic"),
    "flip": case("photo", 20, PART, flip=1),
    "brighter": case("photo", 20, SAME, [("brightness", 1.7)]),
    "darker": case("photo", 20, SAME, [("brightness", 0.3)]),
    "contrast": case("photo", 20, SAME, [("contrast", 1.8)]),
    "flat": case("photo", 20, SAME, [("contrast", 0.2)]),
    "saturation": case("photo", 20, SAME, [("saturation", 1.8)]),
    "pale": case("photo", 20, SAME, [("saturation", 0.25)]),
    "hue_up": case("photo", 20, SAME, [("hue", 0.2)]),
    "hue_down": case("photo", 20, SAME, [("hue", -0.45)]),
    "gray": case("photo", 20, SAME, [("gray", 0)]),
    "blur_little": case("photo", 20, SAME, [("blur", 0.1)]),
    "blur": case("photo", 20, SAME, [("blur", 1.0)], kernel=5),
    "blur_much": case("photo", 20, SAME, [("blur", 2.0)], kernel=9),
    "solarize": case("photo", 20, SAME, [("solarize", 0)]),
    "jitter": case("photo", 20, PART, CHAIN[:4], flip=1),
    "chain": case("photo", 20, PART, [o for o in CHAIN if o[0] != "gray"], filter="bicubic", flip=1),
    "chain_gray": case("photo", 20, SMALL, CHAIN, kernel=5),
    "large": case("photo", 33, PART, [o for o in CHAIN if o[0] != "gray"], flip=1, kernel=7),
    "large_contrast": case("photo", 33, SMALL, [("contrast", 1.5), ("hue", 0.3)], filter="bicubic"),
    "one_channel": case("grey", 20, PART, CHAIN, flip=1, kernel=5),
}


def apply(img, c):
    x, y, w, h = c["view"]
    img = F.resize(F.crop(img, y, x, h, w), [c["size"]] * 2, MODES[c["filter"]], antialias=True)
    if img.is_floating_point():     # the cubic filter overshoots; on uint8 torchvision cuts that off
        img = img.clamp(0, 1)
    if c["flip"]:
        img = F.hflip(img)
    for op, amount in c["ops"]:
        if op == "brightness":
            img = F.adjust_brightness(img, amount)
        elif op == "contrast":
            img = F.adjust_contrast(img, amount)
        elif op == "saturation":
            img = F.adjust_saturation(img, amount)
        elif op == "hue":
            img = F.adjust_hue(img, amount)
        elif op == "gray":
            img = F.rgb_to_grayscale(img, img.shape[0])
        elif op == "blur":
            img = F.gaussian_blur(img, [c["kernel"]] * 2, [amount] * 2)
        else:
            img = F.solarize(img, 128 if img.dtype == torch.uint8 else 128 / 255)
    return img


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=here)
    out = parser.parse_args().out
    image = photo(36, 44)
    images = {"photo": image, "grey": image[1:2]}
    tensors = {"image." + name: img.astype(np.float32) for name, img in images.items()}
    metadata = {}
    for name, c in CASES.items():
        img = torch.from_numpy(images[c["image"]])
        truth = apply(img.double() / 255, c)
        rounded = apply(img, c).double() / 255
        tensors[name] = truth.numpy().astype(np.float32)
        metadata[name] = json.dumps(c)
        print(f"{name:16s} uint8 differs by {255 * float((truth - rounded).abs().max()):7.3f} / 255")
    size = golden.write_safetensors(os.path.join(out, "augment.safetensors"), tensors, metadata)
    print(f"augment.safetensors: {size} bytes")


if __name__ == "__main__":
    main()
