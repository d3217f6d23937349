#!/usr/bin/env python3
"""Makes tests/golden/trained.safetensors: filters and features of trained networks, which record_measures.py and
record_linear.py and their tests take as input. What they are is of no importance, but that training left them so.

    python3 tests/golden/record_trained.py build/bin/vkdiv RUN OTHER /usr/share/datasets/fashion-mnist

RUN and OTHER are runs on classes 0 to 5 of Fashion-MNIST (apps/zoo.sh: r18-supervised-s1 and r18-simclr-s1). Debian: apt
install python3-numpy dataset-fashion-mnist. Every second channel of features is kept.
"""
import gzip
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np

import golden

IMAGES, VIEWS = 24, 4


def features(vkdiv, run, data, images, split="test"):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "f.safetensors")
        subprocess.run([vkdiv, "features", run, "--data", data, "--split", split, "--images", str(images), "-o", path],
                       check=True, stdout=subprocess.DEVNULL)
        tensors, _ = golden.read_safetensors(path)
    return np.ascontiguousarray(tensors["features"][:, ::2]), tensors["labels"].astype(np.float32)


def views(vkdiv, run, source):
    """Features of VIEWS shifted copies of each of the first images."""
    with gzip.open(os.path.join(source, "t10k-images-idx3-ubyte.gz")) as f:
        pixels = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 28, 28)[:IMAGES]
    shifts = [(0, 0), (2, -1), (-1, 2), (-2, -2)][:VIEWS]
    copies = np.stack([np.roll(image, s, (0, 1)) for image in pixels for s in shifts])
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "t10k-images-idx3-ubyte"), "wb") as f:
            f.write(struct.pack(">IIII", 0x803, len(copies), 28, 28) + copies.tobytes())
        with open(os.path.join(folder, "t10k-labels-idx1-ubyte"), "wb") as f:
            f.write(struct.pack(">II", 0x801, len(copies)) + bytes(i % 2 for i in range(len(copies))))
        return features(vkdiv, run, "idx:" + folder, len(copies))[0]


def main(vkdiv, run, other, source):
    old, new = ("idx:%s?classes=%s" % (source, c) for c in ("0-5", "6-9"))
    weights, _ = golden.read_safetensors(os.path.join(run, "last.safetensors"))
    tensors = {"filters3x3": weights["layer3.0.conv1.weight"].reshape(32, -1),
               "filters1x1": weights["layer3.0.downsample.0.weight"].reshape(32, -1), "views": views(vkdiv, run, source)}
    tensors["net.x"], tensors["net.x.labels"] = features(vkdiv, run, old, 120)
    tensors["net.y"] = features(vkdiv, other, old, 120)[0]
    tensors["linear.trained"], tensors["linear.trained.labels"] = features(vkdiv, run, new, 700)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trained.safetensors")
    print(golden.write_safetensors(path, {k: v.astype(np.float32) for k, v in tensors.items()},
                                   {"about": "recorded by record_trained.py"}), "bytes")


main(*sys.argv[1:])
