#!/usr/bin/python3
"""Records tests/golden/ssl_contrast.safetensors: the contrastive losses, their gradients and their queues.

Written from the papers' formulas, in float64, gradients by PyTorch's autograd. Needs torch and numpy; the tests need
neither.
"""
import os

import torch
from torch.nn.functional import normalize

import ssl_cases

recorder = ssl_cases.Recorder()


def simclr(s, t, labels, state, config, step):
    z = normalize(torch.cat([view[0] for view in s]), dim=1)
    n = len(z) // 2
    similar = z @ z.T / config["temperature"]
    others = similar.masked_fill(torch.eye(2 * n, dtype=torch.bool), -float("inf"))
    partner = torch.arange(2 * n).roll(n)
    return (torch.logsumexp(others, 1) - similar[torch.arange(2 * n), partner]).mean()


for batch, width, temperature in ((2, 3, 0.5), (7, 5, 0.2), (33, 130, 0.07), (64, 32, 0.2)):
    recorder.case(f"simclr-{batch}", "simclr", simclr, batch, [width], config={"temperature": temperature})

recorder.write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ssl_contrast.safetensors"))
