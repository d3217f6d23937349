#!/usr/bin/env python3
"""Records the loss curves of short trainings by PyTorch, for `vkdiv selftest`: writes apps/selftest/curves.inc.

    python3 tests/golden/record_curves.py [--out FILE]

Debian: apt install python3-torch python3-torchvision. One training of each family of models, four batches in turn, SGD.
The curve is that of float64; beside it the script prints how far PyTorch's own float32 is. Two runs write equal files.
A new family of engine/models/ needs a row in NETS, and what golden.build needs to make it.
"""
import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F

import golden

# bias: where biases start, so that most activations are clear of the kinks of ReLU and ReLU6.
SAME = {"width": 8, "classes": 10, "batch": 8, "size": 16, "steps": 16, "lr": 0.003, "momentum": 0.9, "weight_decay": 0.01}
NETS = [
    dict(SAME, arch="resnet18", bias=[1.0, 2.0]),
    dict(SAME, arch="resnet50", bias=[1.0, 2.0], lr=0.0003),
    dict(SAME, arch="mobilenet_v2", bias=[2.0, 4.0], lr=0.0003),
]
BATCHES = 4


def train(spec, dtype):
    net = golden.build(spec["arch"], spec["width"], "cifar", spec["classes"])
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                low, high = golden.start_range(name, tuple(value.shape), spec["bias"])
                value.copy_(torch.from_numpy(golden.numbers(name, tuple(value.shape), low, high)))
    net = net.to(dtype).train()
    shape = (spec["batch"], 3, spec["size"], spec["size"])
    images = [torch.from_numpy(golden.numbers(f"images.{i}", shape, -1.7, 1.7)).to(dtype) for i in range(BATCHES)]
    labels = (golden.uniform("labels", BATCHES * spec["batch"]) * spec["classes"]).astype(np.int64)
    labels = torch.from_numpy(labels).reshape(BATCHES, spec["batch"])
    groups = [{"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": spec["weight_decay"]},
              {"params": [p for p in net.parameters() if p.dim() == 1], "weight_decay": 0.0}]
    sgd = torch.optim.SGD(groups, lr=spec["lr"], momentum=spec["momentum"])
    losses = []
    for step in range(spec["steps"]):
        loss = F.cross_entropy(net(images[step % BATCHES]), labels[step % BATCHES])
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return np.array(losses)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--out", default=os.path.join(here, "../../apps/selftest/curves.inc"), help="file to write")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with open(args.out, "w") as f:
        f.write("// curves.inc -- losses of PyTorch in float64, written by tests/golden/record_curves.py.\n")
        for spec in NETS:
            truth, single = train(spec, torch.float64), train(spec, torch.float32)
            print(spec["arch"], truth, "float32 against float64:", np.abs(single - truth) / truth)
            losses = [f"{x:.9g}" for x in truth]
            f.write('{{ .arch = "{arch}", .width = {width}, .classes = {classes}, .batch = {batch}, .size = {size}, '
                    '.steps = {steps},\n  .lr = {lr}, .momentum = {momentum}, .weight_decay = {weight_decay}, '
                    ".bias = {{ {b[0]}, {b[1]} }},\n  .losses = {{ ".format(b=spec["bias"], **spec))
            f.write(",\n              ".join(", ".join(losses[i:i + 6]) for i in range(0, len(losses), 6)) + " } },\n")


if __name__ == "__main__":
    main()
