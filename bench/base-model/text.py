#!/usr/bin/env python3
"""Cuts an English Wikipedia dump as plain text into the text that the project's base model is trained on and what it is measured on.

The dump: files of documents between <doc …> and </doc> lines, as WikiExtractor writes them, .gz or not. One document in a hundred is
held out. Written into the folder: train.txt and held-out.txt, each document ended by a line </doc>.

  text.py FOLDER FILE...
"""

import gzip
import pathlib
import sys


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    document = 0
    with open(folder / "train.txt", "wb") as train, open(folder / "held-out.txt", "wb") as held:
        for name in sys.argv[2:]:
            with (gzip.open if name.endswith(".gz") else open)(name, "rb") as file:
                for line in file:
                    if line.startswith(b"<doc "):
                        document += 1
                    elif line.strip():
                        (held if document % 100 == 0 else train).write(line)
    print(document, "documents")


if __name__ == "__main__":
    main()
