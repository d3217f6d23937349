#!/usr/bin/python3
"""Records tests/golden/ssl_clusters.safetensors: SwAV and DINO, losses, gradients, queues and centre.

Written from the papers' formulas, in float64, gradients by PyTorch's autograd. Needs torch and numpy; the tests need
neither.
"""
import os

import torch
from torch.nn.functional import normalize

import ssl_cases

recorder = ssl_cases.Recorder()


def sinkhorn(scores, epsilon, iterations):
    """(samples, prototypes) -> codes: rows of Q are prototypes, columns samples."""
    q = torch.exp(scores / epsilon).T
    q = q / q.sum()
    k, b = q.shape
    for _ in range(iterations):
        q = q / (q.sum(1, keepdim=True) * k)
        q = q / (q.sum(0, keepdim=True) * b)
    return (q * b).T


def swapped(codes, scores, temperature):
    terms = []
    for i in range(len(codes)):
        for v in range(len(scores)):
            if v != i:
                terms.append(-(codes[i] * torch.log_softmax(scores[v] / temperature, 1)).sum(1).mean())
    return sum(terms) / len(terms)


def swav(s, t, labels, state, config, step):
    z, scores = [normalize(v[0].detach(), dim=1) for v in s], [v[1] for v in s]
    codes = []
    for i in (0, 1):
        all_scores = scores[i].detach()
        if step.get("queue_on"):
            all_scores = torch.cat([all_scores, state[f"queue.{i}"] @ state["prototypes.weight"]])
        codes.append(sinkhorn(all_scores, config["epsilon"], config["iterations"])[:len(scores[i])])
        if config["queue"]:
            kept = state[f"queue.{i}"].clone()
            for n in range(len(z[i])):
                kept[(step["queue_row"] + n) % len(kept)] = z[i][n]
            state[f"queue.{i}"] = kept
    return swapped(codes, scores, config["temperature"])


def dino(s, t, labels, state, config, step):
    codes = [torch.softmax((v[1] - state["centre"]) / config["teacher_temperature"], 1) for v in t]
    m = config["center_momentum"]
    state["centre"] = m * state["centre"] + (1 - m) * torch.cat([v[1] for v in t]).mean(0)
    return swapped(codes, [v[1] for v in s], config["temperature"])


for batch, width, prototypes, views, queue, settings in (
        (3, 5, 7, 2, 0, (3, 0.05, 0.1)), (5, 33, 6, 4, 10, (3, 0.05, 0.1)), (3, 5, 33, 2, 9, (1, 0.3, 0.5)),
        (33, 6, 70, 4, 33, (5, 0.05, 0.1))):
    config = dict(zip(("iterations", "epsilon", "temperature"), settings), prototypes=prototypes, queue=queue)
    states = {f"queue.{i}": (queue, width) for i in (0, 1)} if queue else {}
    if queue:
        states["prototypes.weight"] = (width, prototypes)
    steps = [{"queue_row": 0}] + [{"queue_row": n * batch, "queue_on": 1} for n in (1, 2)] if queue else [{}]
    recorder.case(f"swav-{batch}-{prototypes}", "swav", swav, batch, [width, prototypes], views=views, config=config,
                  states=states, steps=steps)

for batch, width, prototypes, views, settings in (
        (3, 5, 7, 2, (0.1, 0.07, 0.9)), (5, 3, 33, 4, (0.1, 0.04, 0.5)), (33, 6, 130, 4, (0.2, 0.07, 0.0))):
    config = dict(zip(("temperature", "teacher_temperature", "center_momentum"), settings), prototypes=prototypes)
    recorder.case(f"dino-{batch}-{prototypes}", "dino", dino, batch, [width, prototypes], [width, prototypes],
                  views=views, config=config, states={"centre": (prototypes,)}, steps=[{}, {}, {}])

recorder.write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ssl_clusters.safetensors"))
