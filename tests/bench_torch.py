#!/usr/bin/env python3
"""Compares `vkdiv bench conv` with PyTorch on the CPU, interleaved in one run.

Needs Debian's python3-torch:  /usr/bin/python3 tests/bench_torch.py [--rounds N] [--threads N]
Prints, for each 3x3 convolution, the milliseconds of both (medians over the rounds) for forward,
dgrad and wgrad, and PyTorch's time over vkdiv's: 1 means equally fast.
"""
import argparse
import json
import statistics
import subprocess
import time

import torch

SHAPES = [(64, 64, 32), (64, 128, 16), (64, 256, 8)]       # images, channels, side


def torch_ms(n, c, side, direction):
    """The median of ten calls of PyTorch in `direction` after two to warm up, in milliseconds."""
    x, w = torch.randn(n, c, side, side), torch.randn(c, c, 3, 3)
    y = torch.nn.functional.conv2d(x, w, padding=1)
    calls = {
        "forward": lambda: torch.nn.functional.conv2d(x, w, padding=1),
        "dgrad": lambda: torch.nn.grad.conv2d_input(x.shape, w, y, padding=1),
        "wgrad": lambda: torch.nn.grad.conv2d_weight(x, w.shape, y, padding=1),
    }
    times = []
    for _ in range(12):
        start = time.perf_counter()
        calls[direction]()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[2:])


def vkdiv_ms(program):
    """{(direction, channels, side): ms} of one `vkdiv bench conv`."""
    out = subprocess.run([program, "bench", "conv", "--json", "--runs", "12"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=True)
    rows = {}
    for r in json.loads(out.stdout)["results"]:
        for n, c, side in SHAPES:
            if r["shape"] == f"N{n} H{side} C{c} K{c} 3x3 stride 1":
                rows[r["name"].split()[-1], c, side] = r["ms"]
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch")
    parser.add_argument("--program", default="build/bin/vkdiv")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    ours, theirs = {}, {}
    for _ in range(args.rounds):
        for key, ms in vkdiv_ms(args.program).items():
            ours.setdefault(key, []).append(ms)
        for n, c, side in SHAPES:
            for direction in ("forward", "dgrad", "wgrad"):
                theirs.setdefault((direction, c, side), []).append(torch_ms(n, c, side, direction))
    print(f"PyTorch {torch.__version__}, {args.threads} threads; {args.rounds} rounds; milliseconds")
    all_ours = all_theirs = 0
    for n, c, side in SHAPES:
        sums = [0, 0]
        for direction in ("forward", "dgrad", "wgrad"):
            a = statistics.median(ours[direction, c, side])
            b = statistics.median(theirs[direction, c, side])
            sums[0] += a
            sums[1] += b
            print(f"N{n} C{c} H{side} {direction:8} vkdiv {a:7.1f}  PyTorch {b:7.1f}  ratio {b / a:.2f}")
        print(f"N{n} C{c} H{side} {'sum':8} vkdiv {sums[0]:7.1f}  PyTorch {sums[1]:7.1f}  ratio {sums[1] / sums[0]:.2f}")
        all_ours += sums[0]
        all_theirs += sums[1]
    print(f"all three     vkdiv {all_ours:7.1f}  PyTorch {all_theirs:7.1f}  ratio {all_theirs / all_ours:.2f}")


if __name__ == "__main__":
    main()
