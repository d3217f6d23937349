#!/usr/bin/python3
"""Records tests/golden/teacher.json: two steps of an exponential average of weights, as PyTorch's AveragedModel makes
them, with the decays of a cosine from 0.99 to 1 over 5 steps (BYOL, section 3.1; computed by torch's scheduler).

Needs torch; the tests do not.
"""
import json
import os

import torch
from torch.optim.swa_utils import AveragedModel

import golden

STEPS, FROM, TO = 5, 0.99, 1.0
COUNT = 35


def student(step):
    return torch.tensor(golden.numbers(f"student.{step}", (COUNT,), -1, 1))


# 1 - decay falls from 0.01 to 0 as a learning rate does.
scheduled = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=TO - FROM)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(scheduled, STEPS)
decays = []
for _ in range(STEPS):
    decays.append(TO - scheduled.param_groups[0]["lr"])
    scheduled.step()
    schedule.step()

model = torch.nn.Linear(COUNT, 1, bias=False, dtype=torch.float64)
model.weight.data[0] = student(0).double()
step = 0
teacher = AveragedModel(model, avg_fn=lambda mean, now, count: decays[step] * mean + (1 - decays[step]) * now)
teacher.update_parameters(model)            # the first call copies
after = []
for step in (1, 2):
    model.weight.data[0] = student(step).double()
    teacher.update_parameters(model)
    after.append([float("%.12g" % x) for x in teacher.module.weight[0]])

with open(os.path.join(os.path.dirname(__file__), "teacher.json"), "w") as f:
    json.dump({"made_by": f"record_teacher.py, PyTorch {torch.__version__}", "from": FROM, "to": TO, "steps": STEPS,
               "decays": [float("%.12g" % d) for d in decays], "after": after}, f)
    f.write("\n")
