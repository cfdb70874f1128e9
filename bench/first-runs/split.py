"""Cuts four public data sets into a private part, one that trains the judge, and a test part.

Usage: split.py LABELLED OUT, where LABELLED holds trec/, banking77/, agnews/ and bitext_support/ as published.
"""

import csv
import gzip
import io
import pathlib
import random
import sys


def table(path):
    with gzip.open(path) as raw:
        return list(csv.reader(io.TextIOWrapper(raw, encoding="utf-8", newline="")))


def write_table(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as out:
        csv.writer(out).writerows([header, *rows])


def write_lines(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))


def main(labelled, out):
    shuffle = random.Random(1).shuffle

    questions = gzip.open(labelled / "trec/TREC.train.txt.gz").read().splitlines(keepends=True)
    shuffle(questions)
    write_lines(out / "trec/private.txt", questions[:4000])
    write_lines(out / "trec/judge.txt", questions[4000:])
    write_lines(out / "trec/test.txt", [gzip.open(labelled / "trec/TREC.test.txt.gz").read()])

    header, *rows = table(labelled / "banking77/train.csv.gz")
    shuffle(rows)
    write_table(out / "banking77/private.csv", header, rows)
    write_table(out / "banking77/judge.csv", header, table(labelled / "banking77/test.csv.gz")[1:])

    header, *rows = table(labelled / "agnews/train_20k.csv.gz")
    shuffle(rows)
    write_table(out / "agnews/private.csv", header, rows[:5000])
    write_table(out / "agnews/judge.csv", header, rows[5000:])
    write_table(out / "agnews/test.csv", header, table(labelled / "agnews/test.csv.gz"))

    for published, part in (("train", "private"), ("dev", "judge"), ("test", "test")):
        header, *rows = table(labelled / f"bitext_support/{published}.csv.gz")
        write_table(out / f"bitext/{part}.csv", header, rows)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
