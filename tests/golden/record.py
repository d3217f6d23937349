#!/usr/bin/env python3
"""Records what PyTorch computes, for tests/test_golden.c and tests/test_models.c.

    python3 tests/golden/record.py [--out DIR] [--only PART]

Debian: apt install python3-torch python3-torchvision. Parts: ops (single operations), names
(torchvision's state dicts), resnet18 and mobilenet_v2 (whole networks: logits, loss, gradients, three
steps of SGD, evaluation). Truth is computed in float64 from float32 inputs and stored as float32;
beside it the script prints how far PyTorch's own float32 is. Two runs write equal files.
"""
import argparse
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

import golden

# ---- Single operations ----
# A case: operation, attributes as in struct vkd_attr, inputs. An input: name, kind, shape in PyTorch,
# low and high of its values, whether its gradient is recorded. Kinds: image (N, C, H, W), rows (N, C),
# conv (K, C, R, S), matrix (K, C), vector (C), state (C), targets (N, C), whose values are cut off to whole numbers, and
# labels (N), which are stored.


def inp(name, kind, shape, low=-1.0, high=1.0, grad=True):
    return {"name": name, "kind": kind, "shape": list(shape), "low": low, "high": high, "grad": grad}


def conv(x, w, **attr):
    return "conv2d", attr, [inp("x", "image", x), inp("w", "conv", w)]


def norm(shape, activation=0, residual=False, training=True):
    c = [shape[1]]
    inputs = [inp("x", "image", shape, -2, 3), inp("weight", "vector", c, 0.5, 1.5), inp("bias", "vector", c),
              inp("running_mean", "state", c, -0.5, 0.5, False), inp("running_var", "state", c, 0.5, 1.5, False)]
    if residual:
        inputs.append(inp("residual", "image", shape))
    return "batch_norm", {"eps": 1e-5, "momentum": 0.1, "activation": activation, "training": training}, inputs


def rows(op, low=-4.0, high=4.0, **attr):
    return op, attr, [inp("x", "rows", (6, 11), low, high)]


def image(op, shape=(2, 6, 9, 7), **attr):
    return op, attr, [inp("x", "image", shape)]


def labelled(count, classes, **attr):
    return "cross_entropy", attr, [inp("x", "rows", (count, classes), -3, 3),
                                   inp("labels", "labels", (count,), 0, classes, False)]


def weighted(case):
    """The same with weights of the classes."""
    op, attr, inputs = case
    return op, attr, inputs + [inp("weight", "vector", (inputs[0]["shape"][1],), 0.2, 5, False)]


def targeted(op, known, shape=(9, 7), **attr):
    """Targets of 0 and 1, and of -1 (unknown) unless `known` is 1."""
    return op, attr, [inp("x", "rows", shape, -4, 4), inp("y", "targets", shape, known - 1, 2, False)]


CASES = {
    "conv_3x3": conv((2, 6, 9, 9), (8, 6, 3, 3), pad=[1, 1]),
    "conv_3x3_valid": conv((1, 5, 8, 6), (7, 5, 3, 3)),
    "conv_3x3_stride": conv((2, 8, 11, 9), (12, 8, 3, 3), pad=[1, 1], stride=[2, 2]),
    "conv_7x7_stem": conv((2, 3, 17, 19), (10, 3, 7, 7), pad=[3, 3], stride=[2, 2]),
    "conv_1x1": conv((3, 10, 7, 5), (14, 10, 1, 1)),
    "conv_1x1_stride": conv((2, 8, 8, 7), (16, 8, 1, 1), stride=[2, 2]),
    "conv_5x5": conv((2, 4, 10, 10), (6, 4, 5, 5), pad=[2, 2]),
    "conv_dilated": conv((2, 4, 12, 12), (8, 4, 3, 3), pad=[2, 2], dilation=[2, 2]),
    "conv_uneven": conv((2, 5, 11, 10), (6, 5, 3, 2), pad=[1, 0], stride=[2, 1], dilation=[1, 2]),
    "conv_mid": conv((2, 16, 16, 16), (32, 16, 3, 3), pad=[1, 1]),
    "conv_groups": conv((2, 8, 7, 7), (12, 4, 3, 3), pad=[1, 1], groups=2),
    "conv_groups_odd": conv((2, 9, 6, 6), (6, 3, 3, 3), pad=[1, 1], groups=3),
    "conv_depthwise": conv((2, 10, 9, 9), (10, 1, 3, 3), pad=[1, 1], groups=10),
    "conv_depthwise_stride": conv((2, 16, 9, 8), (16, 1, 3, 3), pad=[1, 1], stride=[2, 2], groups=16),
    "conv_depthwise_double": conv((1, 6, 7, 7), (12, 1, 3, 3), pad=[1, 1], groups=6),
    "linear": ("matmul", {}, [inp("x", "rows", (5, 13)), inp("w", "matrix", (7, 13))]),
    "bias": ("bias", {}, [inp("x", "image", (2, 6, 3, 3)), inp("b", "vector", (6,))]),
    "norm": norm((4, 6, 5, 5)),
    "norm_relu": norm((4, 6, 5, 5), 1),
    "norm_relu6": norm((3, 9, 4, 6), 2),
    "norm_residual": norm((4, 5, 3, 5), 0, True),
    "norm_relu_residual": norm((4, 8, 5, 5), 1, True),
    "norm_eval": norm((3, 6, 4, 4), 0, False, False),
    "norm_eval_relu_residual": norm((3, 6, 4, 4), 1, True, False),
    "relu": rows("relu"),
    "relu6": rows("relu6", -3, 9),
    "gelu": rows("gelu"),
    "silu": rows("silu"),
    "softmax": rows("softmax"),
    "log_softmax": rows("log_softmax"),
    "l2_normalize": rows("l2_normalize", eps=1e-12),
    "max_pool": image("max_pool", kernel=[2, 2], stride=[2, 2]),
    "max_pool_overlap": image("max_pool", kernel=[3, 3], stride=[2, 2], pad=[1, 1]),
    "avg_pool": image("avg_pool", kernel=[2, 2], stride=[2, 2]),
    "avg_pool_overlap": image("avg_pool", kernel=[3, 3], stride=[2, 2], pad=[1, 1]),
    "avg_pool_count_pad": image("avg_pool", kernel=[3, 3], stride=[2, 2], pad=[1, 1], count_pad=1),
    "global_avg_pool": image("global_avg_pool"),
    "cross_entropy": labelled(9, 10),
    "cross_entropy_smooth": labelled(9, 10, label_smoothing=0.1),
    "cross_entropy_ignore": labelled(9, 7, ignore=True),
    "cross_entropy_smooth_ignore": labelled(9, 7, label_smoothing=0.2, ignore=True),
    "bce": ("bce", {}, [inp("x", "rows", (5, 6), -4, 4), inp("y", "rows", (5, 6), 0, 1, False)]),
    "bce_unknown": targeted("bce", 0),
    "cross_entropy_weighted": weighted(labelled(9, 7, ignore=True)),
    "cross_entropy_weighted_smooth": weighted(labelled(9, 10, label_smoothing=0.1)),
    "bce_weighted": weighted(targeted("bce", 0)),
    "asl": targeted("asl", 1, gamma_neg=4.0, gamma_pos=1.0, clip=0.05),
    "asl_unknown": targeted("asl", 0, gamma_neg=4.0, gamma_pos=1.0, clip=0.05),
    "asl_focal_grad": targeted("asl", 0, gamma_neg=4.0, gamma_pos=1.0, clip=0.05, focal_grad=1),
    "asl_unclipped": targeted("asl", 0, gamma_neg=2.0, gamma_pos=0.0, clip=0.0),
    "asl_many": targeted("asl", 0, shape=(5, 90), gamma_neg=4.0, gamma_pos=1.0, clip=0.05),
    "mse": ("mse", {}, [inp("x", "rows", (5, 7)), inp("y", "rows", (5, 7), -1, 1, False)]),
    "filter_cosine": ("filter_cosine", {}, [inp("w", "conv", (6, 3, 3, 3))]),
    "filter_cosine_1x1": ("filter_cosine", {}, [inp("w", "conv", (70, 20, 1, 1))]),
    "filter_cosine_alike": ("filter_cosine", {}, [inp("w", "conv", (9, 5, 3, 3), 0.2, 1)]),
    "filter_cosine_crowded": ("filter_cosine", {}, [inp("w", "conv", (33, 1, 3, 3))]),
}


def run_norm(attr, x, weight, bias, running_mean, running_var, residual=None):
    y = F.batch_norm(x, running_mean, running_var, weight, bias, attr["training"], attr["momentum"], attr["eps"])
    if residual is not None:
        y = y + residual
    if attr["activation"]:
        # A value this near a kink could fall on either side in float32.
        for kink in (0.0, 6.0):
            assert (y - kink).abs().min() > 1e-5
    return [lambda v: v, F.relu, F.relu6][attr["activation"]](y)


def pool(attr):
    return {"kernel_size": attr["kernel"], "stride": attr["stride"], "padding": attr.get("pad", 0)}


def run_bce(attr, x, y, weight=None):
    known = y >= 0
    if weight is not None:
        weight = weight.expand_as(x)[known]
    return F.binary_cross_entropy_with_logits(x[known], y[known], pos_weight=weight)


def run_asl(attr, x, y):
    known, clip = y >= 0, attr["clip"]
    p, y = torch.sigmoid(x), y.clamp(min=0)
    assert ((p - clip).abs() > 1e-5).all()
    n = (1 - p + clip).clamp(max=1)
    pt = y * p + (1 - y) * n
    weight = (1 - pt) ** (y * attr["gamma_pos"] + (1 - y) * attr["gamma_neg"])
    if not attr.get("focal_grad"):
        weight = weight.detach()
    loss = -(y * torch.log(p) + (1 - y) * torch.log(n)) * weight
    return loss[known].sum() / known.any(1).sum()


def run_filter_cosine(attr, w):
    """The mean over all pairs of filters of their squared cosine."""
    n = F.normalize(w.flatten(1), dim=1)
    return (n @ n.T)[~torch.eye(len(n), dtype=torch.bool)].square().mean()


OPS = {
    "conv2d": lambda a, x, w: F.conv2d(x, w, None, a.get("stride", 1), a.get("pad", 0), a.get("dilation", 1),
                                       a.get("groups", 1)),
    "matmul": lambda a, x, w: F.linear(x, w),
    "bias": lambda a, x, b: x + b[None, :, None, None],
    "batch_norm": run_norm,
    "relu": lambda a, x: F.relu(x),
    "relu6": lambda a, x: F.relu6(x),
    "gelu": lambda a, x: F.gelu(x),
    "silu": lambda a, x: F.silu(x),
    "softmax": lambda a, x: F.softmax(x, 1),
    "log_softmax": lambda a, x: F.log_softmax(x, 1),
    "l2_normalize": lambda a, x: F.normalize(x, dim=1, eps=a["eps"]),
    "max_pool": lambda a, x: F.max_pool2d(x, **pool(a)),
    "avg_pool": lambda a, x: F.avg_pool2d(x, **pool(a), count_include_pad=bool(a.get("count_pad"))),
    "global_avg_pool": lambda a, x: F.adaptive_avg_pool2d(x, 1),
    "cross_entropy": lambda a, x, labels, weight=None: F.cross_entropy(x, labels, weight,
                                                                       label_smoothing=a.get("label_smoothing", 0.0)),
    "bce": run_bce,
    "asl": run_asl,
    "mse": lambda a, x, y: F.mse_loss(x, y),
    "filter_cosine": run_filter_cosine,
}


def make_input(case, attr, spec, stored):
    name = f"{case}.{spec['name']}"
    if spec["kind"] == "labels":
        labels = (golden.uniform(name, spec["shape"][0]) * spec["high"]).astype(np.int64)
        if attr.get("ignore"):
            labels[[1, 4]] = -100
        stored[name] = labels
        return torch.from_numpy(labels)
    value = torch.from_numpy(golden.numbers(name, spec["shape"], spec["low"], spec["high"]))
    value = value.floor().double() if spec["kind"] == "targets" else value.double()
    return value.requires_grad_(spec["grad"])


def record_ops(path):
    stored, metadata = {}, {}
    for case, (op, attr, specs) in CASES.items():
        inputs = [make_input(case, attr, s, stored) for s in specs]
        y = OPS[op](attr, *inputs)
        # A scalar is a loss; anything else is weighed with numbers called CASE.dy.
        dy = torch.from_numpy(golden.numbers(case + ".dy", y.shape, -1, 1)).double() if y.dim() else torch.ones(())
        (y * dy).sum().backward()
        stored[case + ".y"] = y.detach().numpy().astype(np.float32)
        for spec, value in zip(specs, inputs):
            if spec["grad"]:
                stored[f"{case}.d.{spec['name']}"] = value.grad.numpy().astype(np.float32)
            elif spec["kind"] == "state":
                stored[f"{case}.after.{spec['name']}"] = value.numpy().astype(np.float32)
        metadata[case] = json.dumps({"op": op, "attr": attr, "inputs": specs}, separators=(",", ":"))
    stored["generator"] = golden.uniform("generator", 16).astype(np.float32)
    print(f"{path}: {len(CASES)} cases, {golden.write_safetensors(path, stored, metadata)} bytes")


# ---- Whole networks ----

# An activation that float32 puts on the other side of a kink moves gradients by 1e-3, whoever computes it. The biases
# keep most values away from the kinks of ReLU and ReLU6, and the images are those, found by --search, that leave the
# widest gap in all steps.
NETS = {
    "resnet18": {"arch": "resnet18", "width": 16, "stem": "cifar", "classes": 10, "batch": 8, "size": 32,
                 "images": 399, "steps": 3, "lr": 0.0005, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05,
                 "label_smoothing": 0.1, "bias": [1.0, 2.0]},
    "mobilenet_v2": {"arch": "mobilenet_v2", "width": 8, "stem": "cifar", "classes": 10, "batch": 8, "size": 16,
                     "images": 45, "steps": 3, "lr": 0.0005, "momentum": 0.9, "nesterov": False, "weight_decay": 0.05,
                     "label_smoothing": 0.0, "bias": [2.0, 4.0]},
}


def make_net(spec):
    net = golden.build(spec["arch"], spec["width"], spec["stem"], spec["classes"])
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                low, high = golden.start_range(name, tuple(value.shape), spec["bias"])
                value.copy_(torch.from_numpy(golden.numbers(name, tuple(value.shape), low, high)))
    return net


def make_images(spec, index):
    shape = (spec["batch"], 3, spec["size"], spec["size"])
    return torch.from_numpy(golden.numbers(f"images.{index}", shape, -1.7, 1.7))


def watch_kinks(net, nearest=None):
    """Keeps entry 0 of a list at the smallest distance of an activation from its kink."""
    nearest = nearest if nearest is not None else [np.inf]

    def hook(module, args):
        kinks = (0.0, 6.0) if isinstance(module, torch.nn.ReLU6) else (0.0,)
        nearest[0] = min([nearest[0]] + [(args[0] - k).abs().min().item() for k in kinks])

    for module in net.modules():
        if isinstance(module, (torch.nn.ReLU, torch.nn.ReLU6)):
            module.register_forward_pre_hook(hook)
    return nearest


def search(spec, count):
    """Prints which images keep every activation far from its kink: in the first step, and in the whole training."""
    net, found = make_net(spec).double(), []
    nearest = watch_kinks(net)
    for index in range(count):
        nearest[0] = np.inf
        with torch.no_grad():
            net(make_images(spec, index).double())
        found.append((nearest[0], index))
    for distance, index in sorted(found, reverse=True)[:40]:
        here = dict(spec, images=index)
        whole = [np.inf]
        truth, single = train(here, torch.float64, whole), train(here, torch.float32)
        print(f"images {index}: {distance:.1e} and {whole[0]:.1e} from a kink; float32 against float64:",
              compare(single, truth))


def train(spec, dtype, nearest=None):
    """Runs the network in `dtype`. Returns results by name."""
    net = make_net(spec).to(dtype)
    watch_kinks(net, nearest)
    images = make_images(spec, spec["images"]).to(dtype)
    labels = torch.from_numpy((golden.uniform("labels", spec["batch"]) * spec["classes"]).astype(np.int64))
    # Weight decay leaves norms and biases alone.
    groups = [{"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": spec["weight_decay"]},
              {"params": [p for p in net.parameters() if p.dim() == 1], "weight_decay": 0.0}]
    sgd = torch.optim.SGD(groups, lr=spec["lr"], momentum=spec["momentum"], nesterov=spec["nesterov"])
    out, losses = {}, []

    net.eval()
    with torch.no_grad():
        out["eval_logits"] = net(images).numpy()
    net.train()
    for step in range(spec["steps"]):
        logits = net(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=spec["label_smoothing"])
        sgd.zero_grad()
        loss.backward()
        if step == 0:
            out["logits"] = logits.detach().numpy()
            for name, p in net.named_parameters():
                # A bias that the next norm takes away has no gradient but rounding.
                if dtype == torch.float32 or p.grad.norm() > 1e-12:
                    out["grad." + name] = golden.sample(name, p.grad.numpy())
        sgd.step()
        losses.append(loss.item())
    out["losses"] = np.array(losses)
    for name, value in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            out["final." + name] = golden.sample(name, value.numpy())
    net.eval()
    with torch.no_grad():
        out["final_eval_logits"] = net(images).numpy()
    return out


def compare(got, want):
    """Per group of results: the largest difference, relative to the larger of the value and the root mean square of
    its tensor."""
    worst, groups = {}, {}
    for name in want:
        group, _, rest = name.partition(".")
        groups.setdefault(group, []).append((np.asarray(got[name])[bool(rest):], np.asarray(want[name])[bool(rest):]))
    for group, pairs in groups.items():
        worst[group] = max(float((np.abs(g - w) / np.maximum(np.abs(w), np.sqrt((w * w).mean()))).max())
                           for g, w in pairs)
    return {group: f"{value:.1e}" for group, value in worst.items()}


def record_net(path, spec):
    truth, single = train(spec, torch.float64), train(spec, torch.float32)
    stored = {name: np.asarray(value).astype(np.float32) for name, value in truth.items()}
    size = golden.write_safetensors(path, stored, {"net": json.dumps(spec)})
    print(f"{path}: losses {truth['losses']}, {size} bytes; float32 against float64:", compare(single, truth))


def record_names(path, arch):
    with open(path, "w") as f:
        for name, value in golden.build(arch).state_dict().items():
            f.write(" ".join([name] + [str(d) for d in value.shape]) + "\n")
    print(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)), help="folder to write to")
    parser.add_argument("--only", choices=["ops", "names", *NETS], help="record this part alone")
    parser.add_argument("--search", type=int, metavar="N",
                        help="instead: print which of N image seeds keep the networks' activations off their kinks")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.only in (None, "ops") and not args.search:
        record_ops(os.path.join(args.out, "ops.safetensors"))
    if args.only in (None, "names") and not args.search:
        for arch in ("resnet18", "resnet34", "resnet50", "mobilenet_v2"):
            record_names(os.path.join(args.out, f"names_{arch}.txt"), arch)
    for name, spec in NETS.items():
        if args.only in (None, name) and args.search:
            search(spec, args.search)
        elif args.only in (None, name):
            record_net(os.path.join(args.out, name + ".safetensors"), spec)


if __name__ == "__main__":
    main()
