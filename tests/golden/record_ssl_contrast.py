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


def supcon(s, t, labels, state, config, step):
    z = normalize(torch.cat([view[0] for view in s]), dim=1)
    similar = z @ z.T / config["temperature"]
    labels = torch.cat([labels, labels])
    anchors = []
    for i in range(len(z)):
        positives = [p for p in range(len(z)) if p != i and labels[p] == labels[i] and labels[i] >= 0]
        if positives:
            others = torch.cat([similar[i, :i], similar[i, i + 1:]])
            anchors.append((torch.logsumexp(others, 0) - similar[i, positives]).mean())
    return config["scale"] * torch.stack(anchors).mean()


def picked(scores, target):
    """Mean of -log softmax at `target`, a column per row."""
    return (torch.logsumexp(scores, 1) - scores[torch.arange(len(scores)), target]).mean()


def mocov2(s, t, labels, state, config, step):
    q, k = [normalize(v[0], dim=1) for v in s], [normalize(v[0], dim=1) for v in t]
    total = 0
    for own, other in ((0, 1), (1, 0)):
        scores = torch.cat([(q[own] * k[other]).sum(1, keepdim=True), q[own] @ state[f"queue.{other}"].T], 1)
        total = total + picked(scores / config["temperature"], torch.zeros(len(scores), dtype=torch.long)) / 2
    for v in (0, 1):
        kept = state[f"queue.{v}"].clone()
        for i in range(len(k[v])):
            kept[(step["queue_row"] + i) % len(kept)] = k[v][i]
        state[f"queue.{v}"] = kept
    return total


def mocov3(s, t, labels, state, config, step):
    q, k = [normalize(v[1], dim=1) for v in s], [normalize(v[0], dim=1) for v in t]
    diagonal = torch.arange(len(q[0]))
    return sum(2 * config["temperature"] * picked(q[a] @ k[b].T / config["temperature"], diagonal)
               for a, b in ((0, 1), (1, 0)))


for batch, width, temperature in ((2, 3, 0.5), (7, 5, 0.2), (33, 130, 0.07), (64, 32, 0.2)):
    recorder.case(f"simclr-{batch}", "simclr", simclr, batch, [width], config={"temperature": temperature})

three = [0, 1, 2, 1, 0, -1, 2]
recorder.case("supcon-labels", "supcon", supcon, 7, [5], config={"temperature": 0.2, "scale": 1}, labels=[three])
recorder.case("supcon-scale", "supcon", supcon, 7, [5], config={"temperature": 0.1, "scale": 0.1 / 0.07},
              labels=[three])
recorder.case("supcon-33", "supcon", supcon, 33, [20], config={"temperature": 0.2, "scale": 1},
              labels=[[i * i % 11 - 1 for i in range(33)], [-1] * 30 + [5, 5, 2]], steps=[{}, {}])

for batch, width, queue, temperature in ((4, 5, 8, 0.2), (6, 130, 6, 0.07), (16, 32, 80, 0.2)):
    recorder.case(f"mocov2-{batch}", "mocov2", mocov2, batch, [width], [width],
                  config={"temperature": temperature, "queue": queue},
                  states={"queue.0": (queue, width), "queue.1": (queue, width)},
                  steps=[{"queue_row": (queue // batch - 1) * batch}, {"queue_row": queue}, {"queue_row": queue + batch}])

for batch, width, temperature in ((2, 3, 1.0), (7, 5, 0.2), (33, 70, 0.1)):
    recorder.case(f"mocov3-{batch}", "mocov3", mocov3, batch, [width, width], [width],
                  config={"temperature": temperature})

recorder.write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ssl_contrast.safetensors"))
