#!/usr/bin/python3
"""Records tests/golden/ssl_distill.safetensors: BYOL, SimSiam, Barlow Twins and VICReg, losses and their gradients.

Written from the papers' formulas, in float64, gradients by PyTorch's autograd. Needs torch and numpy; the tests need
neither.
"""
import os

import torch

import ssl_cases

recorder = ssl_cases.Recorder()


def cosine(a, b):
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))


def byol(s, t, labels, state, config, step):
    return sum((2 - 2 * cosine(s[a][1], t[b][0])).mean() for a, b in ((0, 1), (1, 0)))


def simsiam(s, t, labels, state, config, step):
    return -sum(cosine(s[a][1], s[b][0].detach()).mean() for a, b in ((0, 1), (1, 0))) / 2


def off_diagonal(m):
    return (m ** 2).sum() - (m.diagonal() ** 2).sum()


def barlow(s, t, labels, state, config, step):
    z = [(v[0] - v[0].mean(0)) / torch.sqrt(v[0].var(0, unbiased=False) + 1e-5) for v in s]
    c = z[0].T @ z[1] / len(z[0])
    return config["scale"] * (((c.diagonal() - 1) ** 2).sum() + config["lambda"] * off_diagonal(c))


def vicreg(s, t, labels, state, config, step):
    z = [v[0] for v in s]
    n, d = z[0].shape
    variance, covariance = 0, 0
    for v in z:
        centred = v - v.mean(0)
        cov = centred.T @ centred / (n - 1)
        variance = variance + torch.relu(1 - torch.sqrt(cov.diagonal() + 1e-4)).mean() / 2
        covariance = covariance + off_diagonal(cov) / d
    return (config["invariance"] * ((z[0] - z[1]) ** 2).mean() + config["variance"] * variance
            + config["covariance"] * covariance)


for batch, width in ((1, 1), (3, 5), (5, 33), (64, 130)):
    recorder.case(f"byol-{batch}", "byol", byol, batch, [width, width], [width])
    recorder.case(f"simsiam-{batch}", "simsiam", simsiam, batch, [width, width])

for batch, width, strength, scale in ((3, 5, 0.0051, 0.1), (5, 33, 0.01, 1.0), (64, 130, 0.0051, 0.1)):
    recorder.case(f"barlow-{batch}", "barlow", barlow, batch, [width], config={"lambda": strength, "scale": scale})

for batch, width, weights in ((3, 5, (25, 25, 1)), (5, 33, (25, 25, 1)), (33, 70, (10, 2, 3)), (64, 130, (0, 0, 1))):
    recorder.case(f"vicreg-{batch}", "vicreg", vicreg, batch, [width],
                  config=dict(zip(("invariance", "variance", "covariance"), weights)))

recorder.write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ssl_distill.safetensors"))
