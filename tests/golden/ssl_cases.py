"""What the record_ssl_*.py scripts share: running a self-supervised loss in PyTorch and keeping its results.

A case is a method's loss on embeddings that both sides compute from names (golden.py), over one or more steps with
the updates of its states in between. tests/ssl_world.c runs the same case and compares.
"""
import json

import numpy as np
import torch

import golden


class Recorder:
    def __init__(self):
        self.tensors, self.metadata = {}, {}

    def case(self, name, method, loss, batch, student, teacher=(), views=2, large=2, config=None, states=None,
             steps=({},), labels=None):
        """Records the case `name`.

        loss(s, t, labels, state, config, step) returns the loss as a function of s[view][i] and t[view][i], tensors
        (batch, width) in float64, and puts what its states become into `state` (name -> tensor). The widths are those of
        `student` and `teacher`. states: name -> shape; they start from numbers in -1 ... 1. steps: what differs in
        the step block: epoch, queue_row, queue_on. labels: one list per step, -1 for none.
        """
        config, states = config or {}, states or {}
        state = {n: torch.tensor(golden.numbers(f"{name}.{n}", s, -1, 1).astype(np.float64)) for n, s in states.items()}
        kept = {}

        def keep(what, value):
            kept.setdefault(what, []).append(np.asarray(value, dtype=np.float64))

        for k, step in enumerate(steps):
            def numbers(who, count, widths, grad):
                return [[torch.tensor(golden.numbers(f"{name}.{k}.{who}{v}.{o}", (batch, w), -1, 1).astype(np.float64),
                                      requires_grad=grad) for o, w in enumerate(widths)] for v in range(count)]

            s, t = numbers("student", views, student, True), numbers("teacher", large, teacher, False)
            here = torch.tensor(labels[k]) if labels else None
            value = loss(s, t, here, state, config, step)
            value.backward()
            keep("loss", value.item())
            for v in range(views):
                for o in range(len(student)):
                    if s[v][o].grad is not None:
                        keep(f"d.student{v}.{o}", s[v][o].grad.numpy())
            for n in states:
                state[n] = state[n].detach()
                keep(f"after.{n}", state[n].numpy())
            if labels:
                keep("labels", labels[k])
        for what, values in kept.items():
            self.tensors[f"{name}.{what}"] = np.stack(values).astype(np.float32)
        self.metadata[name] = json.dumps({
            "method": method, "batch": batch, "views": views, "large": large, "student": list(student),
            "teacher": list(teacher), "config": config, "states": list(states), "steps": list(steps)})

    def write(self, path):
        print(path, golden.write_safetensors(path, self.tensors, self.metadata), "bytes")
