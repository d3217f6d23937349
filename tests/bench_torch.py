#!/usr/bin/env python3
"""Compares `vkdiv bench` with PyTorch on the same work, in turns in one run.

Needs Debian's python3-torch and, for the training step, python3-torchvision:
  /usr/bin/python3 tests/bench_torch.py [gemm] [conv] [step] [--rounds N] [--threads N] [--device cuda [--tf32]]
Prints, for each row, the milliseconds of both (medians over the rounds, with the lowest and highest) and
PyTorch's time over vkdiv's: 1 means equally fast. All is float32. The step is a whole training step of ResNet-18
with the CIFAR stem, 64 images of 32 x 32, SGD with momentum: forward, loss, backward, update. That of vkdiv
also crops, flips and uploads its images; PyTorch's has them at hand. PyTorch is given the memory format that
is faster here.
"""
import argparse
import json
import statistics
import subprocess
import time

import torch

GEMM = [(1024, 1024, 1024), (6272, 256, 2304), (100352, 64, 576)]     # m, n, k
CONV = [(64, 64, 32), (64, 128, 16), (64, 256, 8)]                     # images, channels, side
DIRECTIONS = ("forward", "dgrad", "wgrad")
BATCH = 64


def gemm_key(m, n, k):
    return ("gemm nn", f"{m} x {n} x {k}")


def conv_key(n, c, side, direction):
    return (f"conv {direction}", f"N{n} H{side} C{c} K{c} 3x3 stride 1")


STEP_KEY = ("step cifar10-resnet18", f"N{BATCH} H32")


# ---- PyTorch ----

class Torch:
    def __init__(self, device):
        self.device = device

    def median_ms(self, call, runs):
        """The median of `runs` calls after two to warm up, in milliseconds."""
        times = []
        for _ in range(runs + 2):
            self.wait()
            start = time.perf_counter()
            call()
            self.wait()
            times.append((time.perf_counter() - start) * 1e3)
        return statistics.median(times[2:])

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def random(self, *shape):
        return torch.randn(*shape, device=self.device)

    def gemm(self):
        for m, n, k in GEMM:
            a, b, y = self.random(m, k), self.random(k, n), self.random(m, n)
            yield gemm_key(m, n, k), self.median_ms(lambda: torch.mm(a, b, out=y), 10)

    def conv(self):
        conv2d, grad = torch.nn.functional.conv2d, torch.nn.grad
        for n, c, side in CONV:
            x, w = self.random(n, c, side, side), self.random(c, c, 3, 3)
            y = conv2d(x, w, padding=1)
            calls = {
                "forward": lambda: conv2d(x, w, padding=1),
                "dgrad": lambda: grad.conv2d_input(x.shape, w, y, padding=1),
                "wgrad": lambda: grad.conv2d_weight(x, w.shape, y, padding=1),
            }
            for direction in DIRECTIONS:
                yield conv_key(n, c, side, direction), self.median_ms(calls[direction], 10)

    def step_ms(self, memory_format):
        import torchvision
        net = torchvision.models.resnet18(num_classes=10)
        net.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
        net.maxpool = torch.nn.Identity()
        net = net.to(self.device, memory_format=memory_format).train()
        sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
        x = self.random(BATCH, 3, 32, 32).to(memory_format=memory_format)
        labels = torch.randint(10, (BATCH,), device=self.device)

        def step():
            sgd.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(net(x), labels).backward()
            sgd.step()
        return self.median_ms(step, 3)

    def step(self):
        yield STEP_KEY, min(self.step_ms(f) for f in (torch.contiguous_format, torch.channels_last))


# ---- vkdiv ----

COMMANDS = {
    "gemm": ["gemm", "--runs", "12"] + [f"--only={gemm_key(*s)[1]}" for s in GEMM],
    "conv": ["conv", "--runs", "12"] + [f"--only={conv_key(*s, '')[1]}" for s in CONV],
    "step": ["model", "--runs", "3", "--recipe", "cifar10-resnet18", "--set", f"batch={BATCH}"],
}


def vkdiv(program, group):
    """The document of one `vkdiv bench`."""
    done = subprocess.run([program, "bench", "--json"] + COMMANDS[group], stdout=subprocess.PIPE, check=True,
                          stderr=subprocess.DEVNULL)
    return json.loads(done.stdout)


# ---- Both ----

def spread(times):
    return f"{statistics.median(times):8.1f} ({min(times):.1f}-{max(times):.1f})"


def print_row(name, ours, theirs):
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(f"{name:46} vkdiv {spread(ours):26} PyTorch {spread(theirs):26} ratio {ratio:.2f}")


def print_sums(keys, ours, theirs):
    for n, c, side in CONV:
        of = [k for k in keys if k[1] == conv_key(n, c, side, "")[1]]
        if of:
            print_row(f"sum N{n} C{c} H{side}", [sum(t) for t in zip(*(ours[k] for k in of))],
                      [sum(t) for t in zip(*(theirs[k] for k in of))])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="gemm, conv, step; none: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch on the CPU")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of PyTorch")
    parser.add_argument("--tf32", action="store_true", help="let PyTorch round to TF32 on cuda")
    parser.add_argument("--program", default="build/bin/vkdiv")
    args = parser.parse_args()
    groups = args.groups or list(COMMANDS)
    unknown = [g for g in groups if g not in COMMANDS]
    if unknown or args.rounds < 1:
        parser.error(f"expected groups among {', '.join(COMMANDS)} and at least one round, found "
                     f"{unknown or args.rounds}")
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.tf32
    peer, ours, theirs = Torch(args.device), {}, {}
    for i in range(args.rounds):
        for group in groups:
            doc = vkdiv(args.program, group)
            if i == 0 and group == groups[0]:
                print(f"vkdiv {doc['version']} on {doc['device']} ({doc['driver_info']}), {doc['cpus']} CPUs")
            times = dict(getattr(peer, group)())
            rows = {(r["name"], r["shape"]): r["ms"] for r in doc["results"]}
            for key, ms in times.items():
                ours.setdefault(key, []).append(rows[key])
                theirs.setdefault(key, []).append(ms)
    tf32 = f"TF32 {'on' if args.tf32 else 'off'}" if args.device == "cuda" else "no TF32 there"
    print(f"PyTorch {torch.__version__} on {args.device}, {args.threads} threads, {tf32}; float32; "
          f"{args.rounds} rounds; milliseconds")
    for key in ours:
        print_row(" ".join(key), ours[key], theirs[key])
    print_sums(ours, ours, theirs)


if __name__ == "__main__":
    main()
