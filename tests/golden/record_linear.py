#!/usr/bin/env python3
"""Records tests/golden/linear.json: logistic regressions of scikit-learn, for tests/test_linear.c.

    python3 tests/golden/record_linear.py

Debian: apt install python3-numpy python3-sklearn. Features and labels are made from golden.py's numbers and not
stored. Every fit runs until scikit-learn finds nothing more to gain, so that coefficients can be compared.
"""
import json
import os
import warnings

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score

import golden

TRAINED = golden.read_safetensors(os.path.join(os.path.dirname(os.path.abspath(__file__)), "trained.safetensors"))[0]
PENALTIES = 10.0 ** (5 - 11.0 * np.arange(45) / 44)


def matrix(name, n, d):
    """measure_inputs.h's "decay"."""
    u = golden.numbers("measure." + name, (n, d), -1.0, 1.0)
    return u * (1.0 / (1.0 + np.arange(d))).astype(np.float32)


def task(name, n, d, classes, relu):
    """float32 features (n, d) around their classes' centres, and labels."""
    labels = (golden.uniform("measure." + name + ".labels", n) * classes).astype(np.int64)
    noise = matrix(name + ".noise", n, d)
    x = matrix(name + ".centres", classes, d)[labels] + noise + noise
    return np.maximum(x, np.float32(0)) if relu else x, labels


def truth(name, x, labels):
    """int8 (n, labels): what a noisy feature says; a tenth unknown."""
    u = golden.numbers("measure." + name + ".doubt", (len(x), labels), -1.0, 1.0)
    yes = x[:, :labels] + np.float32(0.5) * u > np.float32(0.1) * np.arange(labels, dtype=np.float32)
    unknown = golden.uniform("measure." + name + ".unknown", len(x) * labels).reshape(len(x), labels) >= 0.9
    return np.where(unknown, -1, yes)


def fit(x, y, penalty, kind, weights=None, sample_weight=None, start=None):
    # scikit-learn's lbfgs ends where SciPy's default of a relative decrease of 2e-9 says; Newton's methods do not.
    model = LogisticRegression(C=1 / penalty, tol=1e-9 if start is None else 1e-5, max_iter=1000, multi_class=kind,
                               solver="newton-cg" if kind == "multinomial" else "newton-cholesky",
                               class_weight=weights, warm_start=start is not None)
    if start is not None:
        model.coef_, model.intercept_ = start.coef_, start.intercept_
        model.classes_ = start.classes_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(x.astype(np.float64), y, sample_weight)


def numbers(values):
    return [None if np.isnan(v) else float("%.9g" % v) for v in np.asarray(values, np.float64).ravel()]


# ---- Fixed penalties ----

def fixed(name, n, d, classes, penalty, relu=True, weights=None, standardise=False):
    x, y = task(name, n, d, classes, relu)
    x = x.astype(np.float64)
    scale = x.std(0) if standardise else np.ones(d)
    sample_weight = np.asarray(weights)[y] if isinstance(weights, list) else None
    model = fit(x / scale, y, penalty, "multinomial", weights if weights == "balanced" else None, sample_weight)
    assert list(model.classes_) == list(range(classes))
    w, b = model.coef_ / scale, model.intercept_
    if classes == 2:        # scikit-learn keeps the second of two rows that are each other's negative
        w, b = np.concatenate([-w, w]), np.concatenate([-b, b])
    return {"name": name, "rows": n, "cols": d, "classes": classes, "penalty": penalty, "relu": relu,
            "weights": weights or "none", "standardise": standardise, "w": numbers(w.T), "b": numbers(b)}


def fixed_labels(name, n, d, labels, penalty, weights=None):
    x, _ = task(name, n, d, 3, False)
    t = truth(name, x, labels)
    models = []
    for k in range(labels):
        known = t[:, k] >= 0
        models.append(fit(x[known], t[known, k], penalty, "ovr", weights))
    return {"name": name, "rows": n, "cols": d, "labels": labels, "penalty": penalty, "weights": weights or "none",
            "w": numbers(np.stack([m.coef_[0] for m in models]).T), "b": numbers([m.intercept_[0] for m in models])}


# ---- The path ----

def splits(n):
    return slice(0, n[0]), slice(n[0], n[0] + n[1]), slice(n[0] + n[1], sum(n)), slice(0, n[0] + n[1])


def path(name, n, d, classes, kind="made"):
    """"trained": what a trained network made of images (record_trained.py)."""
    if kind == "trained":
        x, y = TRAINED[name][:sum(n), :d], TRAINED[name + ".labels"][:sum(n)].astype(np.int64)
    else:
        x, y = task(name, sum(n), d, classes, True)
    train, val, test, both = splits(n)
    curve, means, model = [], [], None
    for penalty in PENALTIES:
        model = fit(x[train], y[train], penalty, "multinomial", start=model)
        predicted = model.predict(x[val].astype(np.float64))
        curve.append((predicted == y[val]).mean())
        means.append(balanced_accuracy_score(y[val], predicted))
    best = int(np.argmax(curve))
    final = fit(x[both], y[both], PENALTIES[best], "multinomial")
    top1 = (final.predict(x[test].astype(np.float64)) == y[test]).mean()
    return {"name": name, "kind": kind, "rows": n, "cols": d, "classes": classes, "curve": numbers(curve),
            "mean_per_class": numbers(means), "chosen": best, "top1": float(top1)}


def path_labels(name, n, d, labels):
    x, _ = task(name, sum(n), d, 3, False)
    t = truth(name, x, labels)
    train, val, test, both = splits(n)
    curves, chosen, aps = [], [], []
    for k in range(labels):
        def rows(part):
            known = t[part, k] >= 0
            return x[part][known].astype(np.float64), t[part, k][known]
        curve, model = [], None
        for penalty in PENALTIES:
            model = fit(*rows(train), penalty, "ovr", start=model)
            features, y = rows(val)
            curve.append(average_precision_score(y, model.decision_function(features)))
        best = int(np.argmax(curve))
        final = fit(*rows(both), PENALTIES[best], "ovr")
        features, y = rows(test)
        curves.append(curve)
        chosen.append(best)
        aps.append(average_precision_score(y, final.decision_function(features)))
    return {"name": name, "rows": n, "cols": d, "labels": labels, "curve": numbers(np.array(curves).T),
            "chosen": chosen, "ap": numbers(aps), "map": float(np.mean(aps))}


def main():
    document = {
        "about": "recorded by record_linear.py, NumPy %s, scikit-learn %s" % (np.__version__, sklearn.__version__),
        "fixed": [fixed("linear.strong", 150, 9, 4, 30.0), fixed("linear.middle", 200, 12, 5, 1.0),
                  fixed("linear.weak", 300, 6, 3, 1e-3), fixed("linear.two", 120, 7, 2, 0.5, relu=False),
                  fixed("linear.balanced", 160, 8, 4, 0.3, weights="balanced"),
                  fixed("linear.given", 160, 8, 3, 0.3, weights=[0.5, 3.0, 1.0]),
                  fixed("linear.scaled", 140, 10, 3, 2.0, standardise=True), fixed("linear.wide", 20, 45, 3, 0.1)],
        "fixed_labels": [fixed_labels("linear.labels", 180, 8, 4, 0.7),
                         fixed_labels("linear.labels_balanced", 180, 8, 5, 0.2, "balanced")],
        "path": [path("linear.path", [600, 1000, 1000], 32, 6),
                 path("linear.trained", [150, 200, 350], 32, 4, "trained")],
        "path_labels": [path_labels("linear.path_labels", [400, 500, 1000], 16, 4)],
    }
    path_ = os.path.join(os.path.dirname(os.path.abspath(__file__)), "linear.json")
    with open(path_, "w") as f:
        json.dump(document, f, indent=None, separators=(",", ":"))
        f.write("\n")


main()
