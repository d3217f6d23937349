#!/usr/bin/env python3
"""Records tests/golden/measures.json: measures of features, filters and predictions, for tests/test_measure*.c.

    python3 tests/golden/record_measures.py

Debian: apt install python3-numpy python3-scipy python3-sklearn. Singular values are NumPy's, clusterings SciPy's,
neighbours, precision and accuracy scikit-learn's; what none of them has is transcribed below from its formula, as
plainly as it goes. Everything is computed in float64 from float32 inputs, which are not stored (golden.py).
"""
import json
import os

import numpy as np
import scipy
import scipy.linalg
import scipy.cluster.hierarchy
import sklearn
from sklearn import metrics
from sklearn.neighbors import KNeighborsClassifier

import golden


TRAINED = golden.read_safetensors(os.path.join(os.path.dirname(os.path.abspath(__file__)), "trained.safetensors"))[0]


def matrix(name, kind, n, d):
    """float32 (n, d): "flat" in -1..1, "decay" with columns times 1 / (1 + c), "relu" the same from 0..1, "collapsed"
    nearly multiples of one row, "rank1" multiples of it to the last bit, "near" nearly one row, "duplicated" the first
    third again twice and four times as large, "ties" of 1 and -1 alone, so that many distances are equal, "trained" what
    trained.safetensors has (record_trained.py)."""
    if kind == "trained":
        return TRAINED[name][:n, :d]
    u = golden.numbers("measure." + name, (n, d), 0.0 if kind == "relu" else -1.0, 1.0)
    if kind in ("decay", "relu"):
        return u * (1.0 / (1.0 + np.arange(d))).astype(np.float32)
    if kind == "collapsed":
        v = golden.numbers("measure." + name + ".v", (d,), 0.5, 1.5).astype(np.float64)
        w = golden.numbers("measure." + name + ".w", (n,), 0.5, 1.5).astype(np.float64)
        return (w[:, None] * v + 2.0**-20 * u).astype(np.float32)
    if kind in ("rank1", "near"):
        v = golden.numbers("measure." + name + ".v", (d,), 0.5, 1.5).astype(np.float64)
        if kind == "near":
            return (v + 2.0**-20 * u).astype(np.float32)
        return (2.0**(np.arange(n) % 5)[:, None] * v).astype(np.float32)
    if kind == "duplicated":
        third = (n + 2) // 3
        return u[np.arange(n) % third] * (2.0**(np.arange(n) // third)).astype(np.float32)[:, None]
    return np.where(u < 0, -1, 1).astype(np.float32) if kind == "ties" else u


def integers(name, count, below):
    return (golden.uniform("measure." + name, count) * below).astype(np.int64)


def number(x):
    return None if x is None or np.isnan(x) else float("%.15g" % x)


def numbers(values):
    return [number(x) for x in np.asarray(values, np.float64).ravel()]


def entropy_exp(p):
    p = p[p > 0]
    return np.exp(-(p * np.log(p)).sum())


def unit(z):
    norm = np.linalg.norm(z, axis=1, keepdims=True)
    return np.divide(z, norm, out=np.zeros_like(z), where=norm > 0)


# ---- Features ----

FEATURES = [("tall", "flat", 60, 13), ("wide", "decay", 7, 30), ("relu", "relu", 200, 24), ("square", "relu", 40, 40),
            ("collapsed", "collapsed", 50, 16), ("long", "decay", 150, 120), ("row", "flat", 1, 9), ("column", "flat", 20, 1),
            ("one", "rank1", 40, 12), ("still", "near", 60, 20), ("again", "duplicated", 45, 24), ("net.x", "trained", 120, 32),
            ("net.y", "trained", 120, 32)]


def power_law(values):
    ranks = np.arange(11, min(100, len(values)) + 1)
    ranks = ranks[values[ranks - 1] > 1e-12 * values[0]]
    if len(ranks) < 2:
        return np.nan
    return -np.polyfit(np.log(ranks), np.log(values[ranks - 1]**2), 1)[0]


def deviation(z):
    std = unit(z).std(0, ddof=1).mean()
    return std if std > 1e-12 else 0.0      # rows of one direction: rounding


def features(name, kind, n, d):
    z = matrix(name, kind, n, d).astype(np.float64)
    s = np.linalg.svd(z, compute_uv=False)
    centred = np.linalg.svd(z - z.mean(0), compute_uv=False)
    kernel = np.linalg.eigvalsh(unit(z) @ unit(z).T / n)
    p = s / s.sum()
    return {
        "name": name, "kind": kind, "rows": n, "cols": d, "spectrum": numbers(s), "centred": numbers(centred),
        "rankme": number(np.exp(-((p + 1e-7) * np.log(p + 1e-7)).sum())), "effective_rank": number(entropy_exp(p)),
        "eigen_rank": number(entropy_exp(s**2 / (s**2).sum())), "vendi": number(entropy_exp(np.maximum(kernel, 0))),
        "alpha": number(power_law(centred)),
        "std": number(deviation(z) if n > 1 else np.nan),
    }


def lidar(name, kind, images, views, d):
    z = matrix(name, kind, images * views, d).astype(np.float64).reshape(images, views, d)
    if kind in ("flat", "decay"):
        z += 3 * matrix(name + ".centre", "decay", images, d).astype(np.float64)[:, None]
    z = z.astype(np.float32).astype(np.float64)
    means = z.mean(1)
    between = means - means.mean(0)
    within = (z - means[:, None]).reshape(-1, d)
    root = scipy.linalg.inv(scipy.linalg.sqrtm(within.T @ within / (images * views) + 1e-4 * np.eye(d))).real
    values = np.maximum(np.linalg.eigvalsh(root @ (between.T @ between / images) @ root), 0)
    return {"name": name, "kind": kind, "images": images, "views": views, "cols": d,
            "lidar": number(entropy_exp(values / values.sum()))}


def separation(name, kind, n, d, classes):
    z = unit(matrix(name, kind, n, d).astype(np.float64))
    labels = integers(name + ".labels", n, classes) if kind != "trained" else TRAINED[name + ".labels"].astype(np.int64)
    distance = ((z[:, None] - z)**2).sum(2) / 2     # 1 - cosine, of features nearly alike as well
    present = np.unique(labels)
    within = np.mean([distance[np.ix_(labels == a, labels == a)].mean() for a in present])
    total = np.mean([[distance[np.ix_(labels == a, labels == b)].mean() for a in present] for b in present])
    return {"name": name, "kind": kind, "rows": n, "cols": d, "classes": classes, "r2": number(1 - within / total)}


def hsic_unbiased(k, l):
    """HSIC_1 of Song et al. 2012, as in Nguyen et al. 2021."""
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    one = np.ones(n)
    return (np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
            - 2 / (n - 2) * (one @ k @ l @ one)) / (n * (n - 3))


def cka(name, kind, n, d1, d2, batch):
    x = matrix(name + ".x", kind, n, d1).astype(np.float64)
    y = matrix(name + ".y", kind, n, d2).copy()
    shared = min(d1, d2)
    if kind != "trained":
        y[:, :shared] += x[:, :shared].astype(np.float32)
    y = y.astype(np.float64)
    h = np.eye(n) - 1.0 / n
    k, l = h @ x @ x.T @ h, h @ y @ y.T @ h
    sums = np.zeros(3)
    for i in range(0, n - batch + 1, batch):
        x_b, y_b = (m[i:i + batch] - m[i:i + batch].mean(0) for m in (x, y))    # changes no value, but what is lost
        k_b, l_b = x_b @ x_b.T, y_b @ y_b.T
        sums += [hsic_unbiased(k_b, l_b), hsic_unbiased(k_b, k_b), hsic_unbiased(l_b, l_b)]
    return {"name": name, "kind": kind, "rows": n, "cols": [d1, d2], "batch": batch,
            "full": number((k * l).sum() / np.sqrt((k * k).sum() * (l * l).sum())),
            "minibatch": number(sums[0] / np.sqrt(sums[1] * sums[2]))}


# ---- Neighbours ----

def knn(name, n, m, d, classes, k, temperature):
    labels, test_labels = integers(name + ".labels", n, classes), integers(name + ".test_labels", m, classes)
    centres = matrix(name + ".centres", "flat", classes, d)
    train = matrix(name + ".train", "flat", n, d) + centres[labels]
    test = matrix(name + ".test", "flat", m, d) + centres[test_labels]
    model = KNeighborsClassifier(k, weights=lambda x: np.exp((1 - x) / temperature), algorithm="brute", metric="cosine")
    model.fit(train.astype(np.float64), labels)
    votes = model.predict_proba(test.astype(np.float64))
    assert list(model.classes_) == list(range(classes))
    of_label = votes[np.arange(m), test_labels]
    right5 = (of_label > 0) & ((votes > of_label[:, None]).sum(1) < 5)
    predicted = votes.argmax(1)
    return {"name": name, "train": n, "test": m, "cols": d, "classes": classes, "k": k, "temperature": temperature,
            "predicted": predicted.tolist(), "top1": number((predicted == test_labels).mean()), "top5": number(right5.mean())}


# ---- Filters ----

FILTERS = [("small", "flat", 12, 27), ("decayed", "decay", 64, 36), ("pointwise", "flat", 96, 5), ("alike", "collapsed", 20, 9),
           ("two", "flat", 2, 4), ("parallel", "rank1", 15, 9), ("close", "near", 18, 27), ("again", "duplicated", 36, 27),
           ("square", "ties", 24, 4), ("cube", "ties", 60, 16), ("filters3x3", "trained", 32, 144),
           ("filters1x1", "trained", 32, 16)]
THRESHOLDS = [1e-9, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1]


def by_appearance(labels):
    """Clusters numbered from 0 in the order of their first members."""
    seen = {}
    return [seen.setdefault(int(c), len(seen)) for c in labels]


def filters(name, kind, n, d):
    w = matrix(name, kind, n, d).astype(np.float64)
    cosines = unit(w) @ unit(w).T
    off = np.abs(cosines[~np.eye(n, dtype=bool)])
    s = np.linalg.svd(w, compute_uv=False)
    tree = scipy.cluster.hierarchy.linkage(w, "average", "cosine")
    cuts = [scipy.cluster.hierarchy.fcluster(tree, t, "distance") for t in THRESHOLDS]
    counts = [int(c.max()) for c in cuts]
    partitions = [by_appearance(c) for c in cuts]
    return {"name": name, "kind": kind, "rows": n, "cols": d, "mean_cos": number(off.mean()), "max_cos": number(off.max()),
            "orthogonality": number(np.linalg.norm(cosines - np.eye(n)) / np.sqrt(n * (n - 1))),
            "effective_rank": number(entropy_exp(s / s.sum())), "heights": numbers(np.sort(tree[:, 2])), "counts": counts,
            "partitions": partitions}


# ---- Channels ----

def channel_heights(z):
    """Of average linkage of channels by 1 - correlation, those that are the same for all images left out."""
    z = z.astype(np.float64)
    living = z[:, np.linalg.norm(z - z.mean(0), axis=0) > 1e-6 * np.linalg.norm(z, axis=0)]
    return np.sort(scipy.cluster.hierarchy.linkage(living.T, "average", "correlation")[:, 2]), living.shape[1]


def channels(name, kind, n, d, nulls):
    """Clusters beside those of two networks' features, at the distance where half of these are left."""
    heights, living = channel_heights(matrix(name, kind, n, d))
    of_nulls = [channel_heights(matrix("%s.null%d" % (name, i), nulls, n, d)) for i in range(2)]
    calibrated = np.mean([h[k // 2 - 1] for h, k in of_nulls])
    count = lambda h, k, t: k - int((h <= t).sum())
    return {"name": name, "kind": kind, "nulls": nulls, "rows": n, "cols": d, "living": living, "calibrated": number(calibrated),
            "counts": [count(heights, living, t) for t in [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, calibrated]],
            "null": number(np.mean([count(h, k, calibrated) for h, k in of_nulls]))}


# ---- Predictions ----

def interpolated(truth, score):
    """Both of PASCAL VOC's areas, point by point; the recall is compared in whole numbers."""
    thresholds = np.unique(score)[::-1]
    entered = np.array([(score >= t).sum() for t in thresholds])
    right = np.array([truth[score >= t].sum() for t in thresholds])
    positives = truth.sum()
    best = [[right[i] / entered[i] for i in range(len(thresholds)) if 10 * right[i] >= t * positives] for t in range(11)]
    voc11 = np.mean([max(b) for b in best])
    envelope = np.maximum.accumulate((right / entered)[::-1])[::-1]
    return voc11, (np.diff(np.concatenate([[0], right])) / positives * envelope).sum()


def precision(name, n, classes, steps, positive):
    """Scores in `steps` values, so that many are equal; truth by a uniform number below `positive`, a tenth unknown."""
    score = np.floor(golden.uniform("measure." + name + ".scores", n * classes) * steps).reshape(n, classes)
    u = golden.uniform("measure." + name + ".truth", n * classes).reshape(n, classes)
    truth = np.where(u >= 0.9, -1, u < positive * np.arange(classes) / classes).astype(int)
    per_class = []
    for c in range(classes):
        known = truth[:, c] >= 0
        t, s = truth[known, c], score[known, c]
        if t.sum():
            per_class.append([int(t.sum()), int((t == 0).sum()), *interpolated(t, s), metrics.average_precision_score(t, s)])
        else:
            per_class.append([0, int((t == 0).sum()), np.nan, np.nan, np.nan])
    kept = np.array([row[2:] for row in per_class if row[0]])
    return {"name": name, "rows": n, "classes": classes, "steps": steps, "positive": positive,
            "per_class": [row[:2] + numbers(row[2:]) for row in per_class], "mean": numbers(kept.mean(0)), "kept": len(kept)}


def accuracy(name, n, classes):
    labels = integers(name + ".labels", n, classes)
    right = golden.uniform("measure." + name + ".right", n) < 0.6
    predicted = np.where(right, labels, integers(name + ".wrong", n, classes))
    return {"name": name, "rows": n, "classes": classes, "top1": number(metrics.accuracy_score(labels, predicted)),
            "mean_per_class": number(metrics.balanced_accuracy_score(labels, predicted)),
            "per_class": numbers(metrics.recall_score(labels, predicted, labels=range(classes), average=None))}


def main():
    document = {
        "about": "recorded by record_measures.py, NumPy %s, SciPy %s, scikit-learn %s"
                 % (np.__version__, scipy.__version__, sklearn.__version__),
        "features": [features(*f) for f in FEATURES],
        "lidar": [lidar("views", "flat", 30, 5, 11), lidar("few", "decay", 6, 8, 17), lidar("one", "rank1", 12, 5, 7),
                  lidar("still", "near", 20, 4, 9), lidar("again", "duplicated", 15, 4, 10), lidar("views", "trained", 24, 4, 32)],
        "separation": [separation("classes", "relu", 90, 14, 7), separation("pair", "flat", 11, 3, 2),
                       separation("collapsed", "collapsed", 40, 9, 4), separation("still", "near", 30, 12, 3),
                       separation("again", "duplicated", 48, 10, 5), separation("net.x", "trained", 120, 32, 6)],
        "cka": [cka("deep", "flat", 48, 10, 17, 12), cka("broad", "decay", 20, 70, 33, 10),
                cka("one", "rank1", 30, 8, 6, 10), cka("again", "duplicated", 36, 12, 9, 12), cka("still", "near", 24, 9, 9, 12),
                cka("net", "trained", 120, 32, 32, 40)],
        "knn": [knn("many", 300, 70, 17, 12, 20, 0.07), knn("all", 40, 30, 3, 6, 40, 0.1), knn("one", 90, 33, 6, 3, 1, 0.1)],
        "thresholds": THRESHOLDS,
        "filters": [filters(*f) for f in FILTERS],
        "channels": [channels("alike", "collapsed", 80, 24, "relu"), channels("apart", "flat", 60, 20, "relu"),
                     channels("again", "duplicated", 50, 18, "flat"), channels("one", "rank1", 40, 12, "flat"),
                     channels("net.x", "trained", 120, 32, "relu")],
        "precision": [precision("coarse", 80, 6, 9, 0.5), precision("fine", 150, 5, 100000, 0.3)],
        "accuracy": [accuracy("accuracy", 120, 9)],
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "measures.json")
    with open(path, "w") as f:
        json.dump(document, f, indent=None, separators=(",", ":"))
        f.write("\n")


main()
