"""What record.py and check_export.py share: numbers, files and networks.

Inputs and weights are not stored in the golden files. Both sides compute them from their names with
Philox 4x32-10 (shaders/philox.h; in C: tests/golden.h), so that the files hold results only.
"""
import json
import math
import struct

import numpy as np

SEED = (0x676F6C64, 1)      # the Philox key of every golden number


def name_hash(name):
    """FNV-1a, 32 bits."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def philox(ctr, key):
    """Philox 4x32-10 of four uint32 counter arrays."""
    c = [np.asarray(x, dtype=np.uint64) for x in ctr]
    k0, k1 = key
    mask = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c[0]
        p1 = np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & mask,
             (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & mask]
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def uniform(name, count):
    """`count` doubles in [0, 1) with 24 bits: element i is word i % 4 of counter (i / 4, hash, 0, 0)."""
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    zero = np.zeros_like(blocks)
    words = np.stack(philox([blocks, zero + np.uint64(name_hash(name)), zero, zero], SEED), axis=1)
    return (words.reshape(-1)[:count] >> np.uint64(8)).astype(np.float64) / 2.0**24


def numbers(name, shape, low, high):
    """float32 values low + (high - low) * u, in the order of `shape`."""
    u = uniform(name, math.prod(shape))
    return (low + (high - low) * u).astype(np.float32).reshape(shape)


def start_range(name, shape, bias):
    """Between what a parameter of a network starts; `bias` is the range of norms' and classifier's biases."""
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        return 0.5, 1.5
    if name.endswith("running_mean"):
        return -0.2, 0.2
    if len(shape) == 1:
        return bias
    bound = math.sqrt(6.0 / math.prod(shape[1:]))
    return -bound, bound


def sample(name, values):
    """The norm, then everything of a small tensor, or 64 entries of a large one."""
    v = np.asarray(values, dtype=np.float64).reshape(-1)
    norm = [math.sqrt(float((v * v).sum()))]
    if v.size > 64:
        v = v[(uniform(name + ".sample", 64) * v.size).astype(np.int64)]
    return np.concatenate([norm, v])


# ---- safetensors (Debian has no package for it) ----

DTYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "U8": np.uint8}


def write_safetensors(path, tensors, metadata):
    header, data, ofs = {"__metadata__": metadata}, [], 0
    for name, value in sorted(tensors.items(), key=lambda t: (-t[1].itemsize, t[0])):
        dtype = next(k for k, v in DTYPES.items() if v == value.dtype)
        data.append(np.ascontiguousarray(value).tobytes())
        header[name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [ofs, ofs + len(data[-1])]}
        ofs += len(data[-1])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(data))
    return 8 + len(text) + ofs


def read_safetensors(path):
    """(tensors by name, metadata)"""
    with open(path, "rb") as f:
        raw = f.read()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + length])
    metadata = header.pop("__metadata__", {})
    data = raw[8 + length:]
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], dtype=DTYPES[t["dtype"]]).reshape(t["shape"])
    return tensors, metadata


# ---- Networks ----

def build(arch, width=0, stem="imagenet", classes=1000, channels=3):
    """torchvision's network; another width or stem is put together from torchvision's parts."""
    import torch
    from torchvision.models import mobilenetv2, resnet

    if arch == "mobilenet_v2":
        stages = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2],
                  [6, 320, 1, 1]]
        if stem == "cifar":
            stages[1][3] = 1
        net = mobilenetv2.MobileNetV2(classes, (width or 32) / 32, stages, dropout=0.0)
        if stem == "cifar":
            net.features[0][0].stride = (1, 1)
        first = net.features[0]
    else:
        net = getattr(resnet, arch)(num_classes=classes)
        if width not in (0, 64):
            narrow(net, arch, width, classes)
        first = net
        if stem == "cifar":
            net.conv1 = torch.nn.Conv2d(3, net.conv1.out_channels, 3, 1, 1, bias=False)
            net.maxpool = torch.nn.Identity()
    if channels != 3:
        old = first[0] if arch == "mobilenet_v2" else first.conv1
        new = torch.nn.Conv2d(channels, old.out_channels, old.kernel_size, old.stride, old.padding, bias=False)
        if arch == "mobilenet_v2":
            first[0] = new
        else:
            first.conv1 = new
    return net


def narrow(net, arch, width, classes):
    """Makes every layer of a torchvision ResNet anew with `width` channels in its first stage."""
    import torch
    from torchvision.models import resnet

    block = resnet.Bottleneck if arch == "resnet50" else resnet.BasicBlock
    blocks = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}[arch]
    net.conv1 = torch.nn.Conv2d(3, width, 7, 2, 3, bias=False)
    net.bn1 = torch.nn.BatchNorm2d(width)
    net.inplanes = width
    for i in range(4):
        setattr(net, f"layer{i + 1}", net._make_layer(block, width << i, blocks[i], stride=1 if i == 0 else 2))
    net.fc = torch.nn.Linear((width << 3) * block.expansion, classes)
