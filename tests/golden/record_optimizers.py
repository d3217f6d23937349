#!/usr/bin/python3
"""Records tests/golden/optimizers.json: 5 steps of each optimiser on five small tensors, and learning rates.

SGD, Adam, AdamW, gradient clipping and the schedules are PyTorch's; LARS, LAMB and the averaged weights are
transcribed below from their formulas, in NumPy. Everything is computed in float64 from float32 inputs.
Needs torch and numpy; the tests need neither.
"""
import json
import os

import numpy as np
import torch

STEPS = 5
SHAPES = [(5, 7), (6,), (1, 1), (2, 3), (3, 3)]     # matrix, vector, one element, starts at zero, gradient is zero
rng = np.random.default_rng(1)
START = [rng.standard_normal(s).astype(np.float32) for s in SHAPES]
START[3][:] = 0
GRADS = [[(0.5 * rng.standard_normal(s)).astype(np.float32) for s in SHAPES] for _ in range(STEPS)]
for step in GRADS:
    step[4][:] = 0
LRS = [0.1 * (1 - 0.1 * t) for t in range(STEPS)]

# Cases with groups: each tensor's, the rate of each group, and what is frozen: as if it had no gradient.
GROUPS = [2, 1, 0, 2, 1]
GROUP_RATES = [1, 0.3, 2]


def rate(t, i, groups):
    """The learning rate of tensor i in step t; 0: frozen."""
    if not groups:
        return LRS[t]
    return 0.0 if GROUPS[i] == 2 and t in (1, 2) else LRS[t] * GROUP_RATES[GROUPS[i]]


def rounded(arrays):
    return [[float("%.12g" % x) for x in np.asarray(a, np.float64).ravel()] for a in arrays]


def by_torch(kind, exclude=False, clip=0.0, groups=False, **options):
    params = [torch.nn.Parameter(torch.tensor(p, dtype=torch.float64)) for p in START]
    param_groups = [{"params": [p]} for p in params]
    for group in param_groups:
        if exclude and group["params"][0].ndim == 1:
            group["weight_decay"] = 0.0
    optimizer = getattr(torch.optim, kind)(param_groups, lr=LRS[0], **options)
    after, norms = {}, []
    for t in range(STEPS):
        for i, (p, g) in enumerate(zip(params, GRADS[t])):
            p.grad = torch.tensor(g, dtype=torch.float64) if rate(t, i, groups) else None
        norms.append(float(torch.nn.utils.clip_grad_norm_(params, clip if clip else 1e30)))
        for i, group in enumerate(optimizer.param_groups):
            group["lr"] = rate(t, i, groups)
        optimizer.step()
        after[t + 1] = [p.detach().numpy().copy() for p in params]
    return after, norms


def lars(momentum=0.9, nesterov=False, weight_decay=0.0, eta=0.02, eps=1e-8, clip_lr=False, groups=False):
    params = [p.astype(np.float64) for p in START]
    buffers = [np.zeros_like(p) for p in params]
    after = {}
    for t in range(STEPS):
        for i, (p, g32, m) in enumerate(zip(params, GRADS[t], buffers)):
            lr = rate(t, i, groups)
            if not lr:
                continue
            d = g32.astype(np.float64)
            p_norm, g_norm = np.linalg.norm(p), np.linalg.norm(d)
            if p.ndim != 1 and p_norm != 0 and g_norm != 0:
                q = eta * p_norm / (g_norm + weight_decay * p_norm + eps)
                if clip_lr:
                    q = min(q / lr, 1)
                d = (d + weight_decay * p) * q
            m[...] = momentum * m + d
            p -= lr * (d + momentum * m if nesterov else m)
        after[t + 1] = [p.copy() for p in params]
    return after, None


def lamb(beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.01, groups=False):
    params = [p.astype(np.float64) for p in START]
    means = [np.zeros_like(p) for p in params]
    squares = [np.zeros_like(p) for p in params]
    done = [0] * len(params)
    after = {}
    for t in range(STEPS):
        for i, (p, g32, m, v) in enumerate(zip(params, GRADS[t], means, squares)):
            lr = rate(t, i, groups)
            if not lr:
                continue
            done[i] += 1
            g = g32.astype(np.float64)
            m[...] = beta1 * m + (1 - beta1) * g
            v[...] = beta2 * v + (1 - beta2) * g ** 2
            mean, square = m / (1 - beta1 ** done[i]), v / (1 - beta2 ** done[i])
            r = mean / (np.sqrt(square) + eps)
            ratio = 1.0
            if p.ndim != 1:
                r = r + weight_decay * p
                p_norm, r_norm = np.linalg.norm(p), np.linalg.norm(r)
                if p_norm > 0 and r_norm > 0:
                    ratio = p_norm / r_norm
            p -= lr * ratio * r
        after[t + 1] = [p.copy() for p in params]
    return after, None


def average(after, decay):
    ema = [p.astype(np.float64) for p in START]
    for t in range(STEPS):
        ema = [decay * e + (1 - decay) * p for e, p in zip(ema, after[t + 1])]
    return ema


CASES = [
    ("sgd", by_torch, {"kind": "SGD"}, {"momentum": 0.0}),
    ("sgd", by_torch, {"kind": "SGD"}, {"momentum": 0.9}),
    ("sgd", by_torch, {"kind": "SGD"}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    ("sgd", by_torch, {"kind": "SGD", "exclude": True}, {"momentum": 0.9, "weight_decay": 0.05}),
    ("sgd", by_torch, {"kind": "SGD", "clip": 1.5}, {"momentum": 0.9, "weight_decay": 0.05}),
    ("adam", by_torch, {"kind": "Adam"}, {}),
    ("adam", by_torch, {"kind": "Adam"}, {"weight_decay": 0.1, "betas": (0.8, 0.99)}),
    ("adamw", by_torch, {"kind": "AdamW"}, {}),
    ("adamw", by_torch, {"kind": "AdamW", "exclude": True}, {"weight_decay": 0.1}),
    ("lars", lars, {}, {"weight_decay": 1e-2}),
    ("lars", lars, {}, {"weight_decay": 1e-2, "nesterov": True, "clip_lr": True, "eta": 0.2}),
    ("lamb", lamb, {}, {}),
    ("lamb", lamb, {}, {"weight_decay": 0.1, "beta1": 0.8, "beta2": 0.99}),
    ("sgd", by_torch, {"kind": "SGD", "groups": True, "clip": 1.5}, {"momentum": 0.9, "weight_decay": 0.05}),
    ("adam", by_torch, {"kind": "Adam", "groups": True}, {"weight_decay": 0.1}),
    ("adamw", by_torch, {"kind": "AdamW", "groups": True}, {"weight_decay": 0.1}),
    ("lars", lars, {"groups": True}, {"weight_decay": 1e-2, "clip_lr": True, "eta": 0.2}),
    ("lamb", lamb, {"groups": True}, {"weight_decay": 0.1}),
]


def schedules():
    def rates(make, count=30, lr=0.4):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
        scheduler = make(optimizer)
        out = []
        for _ in range(count):
            out.append(float("%.15g" % optimizer.param_groups[0]["lr"]))
            optimizer.step()
            scheduler.step()
        return out

    s = torch.optim.lr_scheduler
    return {
        "step": rates(lambda o: s.StepLR(o, step_size=7, gamma=0.3)),
        "milestones": rates(lambda o: s.MultiStepLR(o, milestones=[3, 10, 22], gamma=0.1)),
        "cosine": rates(lambda o: s.CosineAnnealingLR(o, T_max=30, eta_min=0.01)),
        "warmup": rates(lambda o: s.LinearLR(o, start_factor=0.25, total_iters=8)),
    }


def main():
    cases = []
    for name, run, how, options in CASES:
        after, norms = run(**how, **options)
        config = {k: v for k, v in options.items() if k != "betas"}
        if "betas" in options:
            config["beta1"], config["beta2"] = options["betas"]
        config["decay_norm_bias"] = run is by_torch and not how.get("exclude", False)
        if "clip" in how:
            config["clip_norm"] = how["clip"]
        case = {"name": name, "config": config, "after1": rounded(after[1]), "after5": rounded(after[5])}
        if how.get("groups"):
            case["rates"] = [[rate(t, i, True) for i in range(len(SHAPES))] for t in range(STEPS)]
        if norms:
            case["grad_norm"] = [float("%.12g" % n) for n in norms]
        if not cases:
            case["config"]["ema_decay"] = 0.7
            case["ema"] = rounded(average(after, 0.7))
        cases.append(case)
    document = {
        "about": "recorded by record_optimizers.py, torch %s" % torch.__version__,
        "ranks": [len(s) for s in SHAPES],
        "start": [p.astype(np.float64).ravel().tolist() for p in START],
        "grads": [[g.astype(np.float64).ravel().tolist() for g in step] for step in GRADS],
        "lrs": LRS,
        "groups": GROUPS,
        "cases": cases,
        "schedules": schedules(),
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.json")
    with open(path, "w") as f:
        json.dump(document, f, indent=None, separators=(",", ":"))
        f.write("\n")


main()
