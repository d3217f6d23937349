#!/usr/bin/env python3
"""Records tests/golden/stats.json: intervals, permutation tests, least squares and ranks, for tests/test_stats.c.

    python3 tests/golden/record_stats.py

Debian: apt install python3-numpy python3-scipy. Ranks, exact tests of pairs and simple regression are SciPy's, fits
NumPy's lstsq; rows left out are left out one by one, and a permutation test fits the whole model each time. What is drawn
at random is drawn by the same Philox words (golden.py), so that these numbers agree to rounding, too. Inputs are not stored.
"""
import itertools
import json
import math
import os

import numpy as np
import scipy
import scipy.stats

import golden

RESAMPLE, PERMUTE = 8, 9        # streams of shaders/philox.h


def values(name, n, steps=0):
    """n doubles in [0, 1), or whole numbers below `steps`."""
    u = golden.uniform("stats." + name, n)
    return np.floor(u * steps) if steps else u


def number(x):
    return None if x is None or np.isnan(x) else float("%.17g" % x)


def numbers(v):
    return [number(x) for x in np.asarray(v, np.float64).ravel()]


def words(seed, stream, draw, count):
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    zero = np.zeros_like(blocks)
    w = golden.philox([zero + np.uint64(stream), blocks, zero + np.uint64(draw), zero], (seed & 0xFFFFFFFF, seed >> 32))
    return np.stack(w, axis=1).reshape(-1)[:count]


# ---- Bootstrap ----

def drawn(seed, draw, n):
    return ((words(seed, RESAMPLE, draw, n) * np.uint64(n)) >> np.uint64(32)).astype(np.int64)


def interval(statistics, confidence):
    s = np.array([x for x in statistics if not np.isnan(x)])
    return numbers(np.quantile(s, [(1 - confidence) / 2, (1 + confidence) / 2])) + [len(s)]


def bootstrap_mean(name, n, count, confidence, seed):
    x = values(name, n)
    found = interval([x[drawn(seed, b, n)].mean() for b in range(count)], confidence)
    if n > 1:
        r = scipy.stats.bootstrap((x,), np.mean, n_resamples=9999, confidence_level=confidence, method="percentile",
                                  random_state=1).confidence_interval
        assert np.allclose(found[:2], r, atol=0.15 * (r.high - r.low)), (found, r)
    return {"name": name, "rows": n, "count": count, "confidence": confidence, "seed": seed, "value": number(x.mean()),
            "low": found[0], "high": found[1], "resamples": found[2]}


def bootstrap_clusters(name, n, clusters, count, seed):
    """Of the partial correlation of two columns given a third."""
    y, x, c = (values(name + s, n) for s in (".y", ".x", ".c"))
    y = y + c
    cluster = (values(name + ".clusters", n) * clusters).astype(int)
    members = [np.flatnonzero(cluster == k) for k in np.unique(cluster)]
    statistics = []
    for b in range(count):
        i = np.concatenate([members[k] for k in drawn(seed, b, len(members))])
        statistics.append(partial(y[i], x[i], [c[i]]) if len(np.unique(i)) > 2 else np.nan)
    found = interval(statistics, 0.9)
    return {"name": name, "rows": n, "clusters": clusters, "count": count, "confidence": 0.9, "seed": seed,
            "value": number(partial(y, x, [c])), "low": found[0], "high": found[1], "resamples": found[2]}


# ---- Permutations ----

def paired(name, n, steps, shift, count, seed):
    a, b = values(name + ".a", n, steps) + shift * (values(name + ".s", n) < 0.3), values(name + ".b", n, steps)
    d = a - b
    kept = d[d != 0]
    exact = len(kept) <= 16
    if exact:
        r = scipy.stats.permutation_test((a, b), lambda p, q: np.mean(p - q), permutation_type="samples",
                                         n_resamples=np.inf)
        p = r.pvalue
    else:
        far = 0
        for k in range(count):
            bits = words(seed, PERMUTE, k, (len(kept) + 31) // 32)
            sign = [-1.0 if int(bits[i // 32]) >> (i % 32) & 1 else 1.0 for i in range(len(kept))]
            far += abs((kept * sign).sum()) >= abs(kept.sum()) - 1e-9
        p = (far + 1) / (count + 1)
        if steps == 0:
            t = scipy.stats.permutation_test((a, b), lambda p, q: np.mean(p - q), permutation_type="samples",
                                             n_resamples=9999, random_state=1)
            assert abs(t.pvalue - p) < 0.05, (p, t.pvalue)
    return {"name": name, "rows": n, "steps": steps, "shift": shift, "count": count, "seed": seed,
            "statistic": number(d.mean()), "p": number(p), "exact": exact}


def t_of_last(y, columns):
    x = np.column_stack([np.ones(len(y))] + columns)
    beta = np.linalg.lstsq(x, y, rcond=None)[0]
    e = y - x @ beta
    return beta[-1] / np.sqrt((e @ e) / (len(y) - x.shape[1]) * np.linalg.inv(x.T @ x)[-1, -1])


def fitted(y, columns):
    x = np.column_stack([np.ones(len(y))] + columns)
    return x @ np.linalg.lstsq(x, y, rcond=None)[0]


def coefficient_p(y, x, c, count, seed):
    """Freedman and Lane, each permuted y made and fitted whole."""
    n, f = len(y), fitted(y, c)
    e, t = y - f, t_of_last(y, c + [x])
    exact = n <= 8
    far = total = 0
    if exact:
        orders = itertools.permutations(range(n))
    else:
        orders = []
        for k in range(count):
            order, w = list(range(n)), words(seed, PERMUTE, k, n)
            for at, i in enumerate(range(n, 1, -1)):
                j = int(w[at]) * i >> 32
                order[i - 1], order[j] = order[j], order[i - 1]
            orders.append(order)
    for order in orders:
        far += abs(t_of_last(f + e[list(order)], c + [x])) >= abs(t) * (1 - 1e-9)
        total += 1
    return far / total if exact else (far + 1) / (total + 1)


def coefficient(name, n, controls, effect, count, seed):
    x = values(name + ".x", n)
    c = [values(name + ".c%d" % k, n) for k in range(controls)]
    y = values(name + ".y", n) + effect * x + sum(c, np.zeros(n))
    return {"name": name, "rows": n, "controls": controls, "effect": effect, "count": count, "seed": seed,
            "statistic": number(t_of_last(y, c + [x])), "p": number(coefficient_p(y, x, c, count, seed)),
            "permutations": math.factorial(n) if n <= 8 else count, "exact": n <= 8}


def holm(p):
    order, m = np.argsort(p, kind="stable"), len(p)
    out, most = np.zeros(m), 0.0
    for i, k in enumerate(order):
        most = max(most, min(1.0, (m - i) * p[k]))
        out[k] = most
    return numbers(out)


# ---- Least squares ----

def columns_of(name, n, k, kind):
    """"flat": of 0 ... 1; "offset": of 1e6 and a bit; "near": the last is the first, but for 1e-4; "double": it is the first;
    "constant": the last is 3."""
    c = [values(name + ".%d" % j, n) for j in range(k)]
    if kind == "offset":
        c = [1e6 + x for x in c]
    if kind == "near":
        c[-1] = c[0] + 1e-4 * c[-1]
    if kind == "double":
        c[-1] = c[0]
    if kind == "constant":
        c[-1] = np.full(n, 3.0)
    return c


def ols(name, n, k, kind):
    c = columns_of(name, n, k, kind)
    y = values(name + ".y", n) + sum(((j + 1) * (x - x.mean()) for j, x in enumerate(c)), np.zeros(n))
    x = np.column_stack([np.ones(n)] + [v - v.mean() for v in c])      # centred: lstsq then sees the rank as it is
    beta, _, rank, _ = np.linalg.lstsq(x, y, rcond=1e-10)
    e = y - x @ beta
    total = ((y - y.mean()) ** 2).sum()
    r2 = 1 - (e @ e) / total
    params = k + 1
    out = {"name": name, "rows": n, "columns": k, "kind": kind, "rank": int(rank), "r2": number(r2),
           "adjusted_r2": number(1 - (1 - r2) * (n - 1) / (n - rank)) if n > rank else None,
           "residual_std": number(np.sqrt((e @ e) / (n - rank))) if n > rank else None,
           "coefficients": None, "std_errors": None, "loo_r2": None, "cluster_r2": None}
    if rank == params:
        b = beta.copy()
        b[0] -= sum(beta[1 + j] * v.mean() for j, v in enumerate(c))
        shift = np.eye(params)
        shift[0, 1:] = [-v.mean() for v in c]
        out["coefficients"] = numbers(b)
        if n > rank:
            half = shift @ np.linalg.pinv(x)
            cov = half @ half.T * (e @ e) / (n - params)
            out["std_errors"] = numbers(np.sqrt(np.diag(cov)))
    if n > rank:
        out["loo_r2"] = number(left_out(x, y, np.arange(n), total))
    if rank == params and n > rank:
        out["cluster_r2"] = number(left_out(x, y, np.arange(n) // 3, total))
    if k == 1 and kind == "flat":
        s = scipy.stats.linregress(c[0], y)
        assert np.allclose([s.slope, s.intercept, s.rvalue**2, s.stderr, s.intercept_stderr],
                           [b[1], b[0], r2, out["std_errors"][1], out["std_errors"][0]])
    return out


def left_out(x, y, clusters, total):
    """Each cluster predicted by a fit to all others."""
    press = 0.0
    for c in np.unique(clusters):
        keep = clusters != c
        beta = np.linalg.lstsq(x[keep], y[keep], rcond=1e-10)[0]
        press += ((y[~keep] - x[~keep] @ beta) ** 2).sum()
    return 1 - press / total


def partial(y, x, controls):
    return np.corrcoef(y - fitted(y, controls), x - fitted(x, controls))[0, 1]


def partial_case(name, n, controls):
    c = [values(name + ".c%d" % k, n) for k in range(controls)]
    x, y = values(name + ".x", n), values(name + ".y", n) + sum(c, np.zeros(n))
    return {"name": name, "rows": n, "controls": controls, "value": number(partial(y, x, c))}


def ranks(name, n, steps):
    x, y = values(name + ".x", n, steps), values(name + ".y", n, steps)
    y = y + np.floor(x / 2) if steps else y + x
    return {"name": name, "rows": n, "steps": steps, "spearman": number(scipy.stats.spearmanr(x, y)[0]),
            "kendall": number(scipy.stats.kendalltau(x, y)[0])}


def main():
    p = values("holm", 9) * 0.1
    document = {
        "about": "recorded by record_stats.py, NumPy %s, SciPy %s" % (np.__version__, scipy.__version__),
        "means": [bootstrap_mean("mean", 37, 500, 0.95, 7), bootstrap_mean("large", 400, 300, 0.8, 2**40 + 3),
                  bootstrap_mean("alone", 1, 20, 0.95, 0)],
        "clusters": [bootstrap_clusters("seeds", 24, 9, 300, 5), bootstrap_clusters("few", 9, 4, 150, 1)],
        "paired": [paired("pairs", 9, 0, 0.3, 0, 0), paired("ties", 14, 3, 1, 0, 0), paired("drawn", 60, 0, 0.3, 999, 11),
                   paired("right", 300, 2, 1, 499, 2**33)],
        "coefficient": [coefficient("exact", 7, 1, 0.5, 0, 0), coefficient("drawn", 21, 1, 0.6, 400, 3),
                        coefficient("none", 12, 0, 0.5, 300, 4), coefficient("two", 30, 2, 0.0, 200, 2**35 + 1)],
        "holm": holm(p),
        "ols": [ols("one", 20, 1, "flat"), ols("three", 25, 3, "flat"), ols("offset", 30, 2, "offset"),
                ols("near", 40, 2, "near"), ols("nothing", 9, 0, "flat"), ols("double", 15, 3, "double"),
                ols("constant", 15, 2, "constant"), ols("exact", 4, 3, "flat"), ols("short", 3, 5, "flat")],
        "partial": [partial_case("plain", 18, 0), partial_case("given", 26, 1), partial_case("given3", 40, 3)],
        "ranks": [ranks("free", 31, 0), ranks("tied", 50, 6), ranks("binary", 20, 2), ranks("pair", 2, 0)],
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stats.json")
    with open(path, "w") as f:
        json.dump(document, f, indent=None, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
