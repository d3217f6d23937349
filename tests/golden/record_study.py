#!/usr/bin/env python3
"""Records tests/golden/study.json: the joint model over made-up tables of models, for tests/test_study.c.

    python3 tests/golden/record_study.py

Debian: apt install python3-numpy python3-scipy. As record_stats.py: fits are NumPy's, and what is drawn is drawn by the same
words. A table has `recipes` recipes of `seeds` seeds each; y depends on accuracy and on the first measure.
"""
import json
import os

import numpy as np
import scipy
import scipy.stats

from record_stats import coefficient_p, drawn, fitted, interval, left_out, number, partial, values


def table(name, recipes, seeds, tasks, measures, effect):
    """Clusters; accuracy; diversity (models, measures); transfer (models, tasks): all seeds of a recipe are alike."""
    n = recipes * seeds
    cluster = np.arange(n) // seeds
    accuracy = 2 * values(name + ".a", recipes)[cluster] + 0.2 * values(name + ".as", n)
    d = np.stack([values(name + ".d%d" % k, recipes)[cluster] + 0.2 * values(name + ".ds%d" % k, n)
                  for k in range(measures)], axis=1)
    noise = 0.3 * values(name + ".y", recipes)[cluster] + 0.1 * values(name + ".ys", n)
    y = accuracy + effect * d[:, 0] + noise
    transfer = np.stack([y + k + 0.2 * values(name + ".t%d" % k, n) for k in range(tasks)], axis=1)
    return cluster, accuracy, d, transfer


def r2s(y, columns, clusters):
    x = np.column_stack([np.ones(len(y))] + columns)
    e = y - fitted(y, columns)
    total, n, k = ((y - y.mean()) ** 2).sum(), len(y), len(columns)
    r2 = 1 - (e @ e) / total
    return [r2, 1 - (1 - r2) * (n - 1) / (n - k - 1), left_out(x, y, np.arange(n), total), left_out(x, y, clusters, total)]


def study(name, recipes, seeds, tasks, measures, effect, count):
    clusters, a, d, transfer = table(name, recipes, seeds, tasks, measures, effect)
    y = (transfer - transfer.mean(0)).mean(1)
    members = [np.flatnonzero(clusters == c) for c in range(recipes)]
    fits = []
    for k in range(measures):
        z = (d[:, k] - d[:, k].mean()) / d[:, k].std(ddof=1)
        b = np.linalg.lstsq(np.column_stack([np.ones(len(y)), a, z]), y, rcond=None)[0]
        resampled = []
        for i in range(count):
            rows = np.concatenate([members[c] for c in drawn(0, i, recipes)])
            x = np.column_stack([np.ones(len(rows)), a[rows], z[rows]])
            few = np.linalg.matrix_rank(x) < 3
            resampled.append((np.nan, np.nan) if few else
                             (partial(y[rows], z[rows], [a[rows]]), np.linalg.lstsq(x, y[rows], rcond=None)[0][2]))
        means = [np.array([v[m].mean() for m in members]) for v in (y, z, a)]
        p = coefficient_p(means[0], means[1], [means[2]], count, 0)
        low_r, high_r, _ = interval([r[0] for r in resampled], 0.95)
        low_b, high_b, kept = interval([r[1] for r in resampled], 0.95)
        fits.append({"alone": [number(v) for v in r2s(y, [a], clusters)], "joint": [number(v) for v in r2s(y, [a, z], clusters)],
                     "b": [number(v) for v in b], "partial": number(partial(y, z, [a])), "low": low_r, "high": high_r,
                     "b2_low": low_b, "b2_high": high_b, "resamples": kept, "p": number(p),
                     "spearman": number(scipy.stats.spearmanr(d[:, k], y)[0]),
                     "kendall": number(scipy.stats.kendalltau(d[:, k], y)[0]),
                     "tasks": [[number(partial(transfer[:, t], z, [a])), number(r2s(transfer[:, t], [a], clusters)[2]),
                                number(r2s(transfer[:, t], [a, z], clusters)[2])] for t in range(tasks)]})
    return {"name": name, "recipes": recipes, "seeds": seeds, "tasks": tasks, "measures": measures, "effect": effect,
            "count": count, "y": [number(v) for v in y], "fits": fits}


def main():
    document = {
        "about": "recorded by record_study.py, NumPy %s, SciPy %s" % (np.__version__, scipy.__version__),
        "studies": [study("present", 12, 2, 3, 2, 0.8, 300), study("absent", 10, 1, 2, 3, 0.0, 200),
                    study("small", 7, 3, 4, 1, 0.8, 200)],
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "study.json")
    with open(path, "w") as f:
        json.dump(document, f, indent=None, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
