#!/usr/bin/env python3
"""Loads exported weights into torchvision's network and compares its logits with vkdiv's.

    python3 tests/golden/check_export.py WEIGHTS.safetensors OUTPUTS.safetensors [--tolerance 1e-4]

WEIGHTS is what vkdiv trains or exports; OUTPUTS holds "images" (N, C, H, W), normalised, and "logits" (N, K) that
vkdiv computed from them in evaluation mode. tests/test_golden_nets.c leaves such pairs as golden_*.safetensors in the
build folder. Debian: apt install python3-torch python3-torchvision.
"""
import argparse
import json
import sys

import torch

import golden


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("outputs")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of the difference, relative to the largest logit")
    args = parser.parse_args()

    weights, metadata = golden.read_safetensors(args.weights)
    outputs, _ = golden.read_safetensors(args.outputs)
    info = json.loads(metadata["vkdiv"])
    net = golden.build(info["arch"], info["width"], info["stem"], info["classes"], info["channels"])
    net.load_state_dict({name: torch.tensor(value) for name, value in weights.items()}, strict=True)
    net.eval()
    with torch.no_grad():
        logits = net(torch.tensor(outputs["images"])).numpy()
    difference = float(abs(logits - outputs["logits"]).max())
    largest = float(abs(logits).max())
    print(f"{args.weights}: {info['arch']}, {len(weights)} tensors loaded with strict=True; logits differ by at most "
          f"{difference:.2e}, {difference / largest:.2e} of the largest ({largest:.3g})")
    return 0 if difference <= args.tolerance * largest else 1


if __name__ == "__main__":
    sys.exit(main())
