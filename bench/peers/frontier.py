#!/usr/bin/env python3
"""MAUVE by its authors' package, on the embeddings and histograms of MauveTest: the numbers that the test expects.

Embeddings are whole numbers from a hash, so that the test has the same to the bit. Needs mauve-text 0.4.0 (with faiss-cpu,
scikit-learn and numpy).
"""

import numpy as np
from mauve.compute_mauve import compute_mauve, get_divergence_curve_for_multinomials
from sklearn.metrics import auc

ROWS, DIMENSIONS, CENTRES = 600, 24, 30
WEIGHTS = np.linspace(1e-6, 1 - 1e-6, 25)


def sixteen_bits(word):
    """The finaliser of SplitMix64, its upper 16 bits around zero."""
    word = word.astype(np.uint64)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    word = word ^ (word >> np.uint64(31))
    return (word >> np.uint64(48)).astype(np.int64) - (1 << 15)


def embeddings(number, first_centre):
    row = np.arange(ROWS)[:, None]
    column = np.arange(DIMENSIONS)[None, :]
    centre = first_centre + row % CENTRES
    noise = sixteen_bits((number + 1 << 40) + row * DIMENSIONS + column)
    return (2 * sixteen_bits((1 << 32) + centre * DIMENSIONS + column) + noise).astype(np.float64)


def counts(number, clusters):
    i = np.arange(clusters)
    return np.maximum(0, (i * i * 7 + i * 3 + number * (11 * i + 5)) % 13 - 3).astype(np.float64)


def area(p, q):
    x, y = get_divergence_curve_for_multinomials(p / p.sum(), q / q.sum(), WEIGHTS, 5).T
    by_x, by_y = np.argsort(x), np.argsort(y)
    return 0.5 * (auc(x[by_x], y[by_x]) + auc(y[by_y], x[by_y]))


def main():
    p = embeddings(0, 0)
    print("first centre, mean of mauve, of mauve_star, standard deviations, over ten seeds")
    for first_centre in (0, 5, 15, 30):
        q = embeddings(1, first_centre)
        found = []
        for seed in range(10):
            out = compute_mauve(p_features=p, q_features=q, seed=seed)
            found.append((out.mauve, out.mauve_star))
        mean, deviation = np.mean(found, axis=0), np.std(found, axis=0)
        print(f"{first_centre}, {mean[0]:.6f}, {mean[1]:.6f}, {deviation[0]:.6f}, {deviation[1]:.6f}")
    print("clusters, area of the histograms, and smoothed")
    for clusters in (3, 10, 60):
        p, q = counts(0, clusters), counts(1, clusters)
        print(f"{clusters}, {area(p, q):.15f}, {area(p + 0.5, q + 0.5):.15f}")


if __name__ == "__main__":
    main()
