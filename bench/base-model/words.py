#!/usr/bin/env python3
"""The most frequent words of a public text, one a line: the vocabulary of the convolutional classifiers.

A word is what palimpsest.synth.evaluate.Words takes for one: letters and digits, apostrophes inside, in lower case; or another sign.

  words.py TEXT COUNT > java/synth/src/main/resources/palimpsest/synth/classify/words.txt
"""

import collections
import re
import sys

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|\S")


def main():
    counts = collections.Counter()
    with open(sys.argv[1], encoding="utf-8") as text:
        for line in text:
            if line != "</doc>\n":
                counts.update(WORD.findall(line.lower()))
    for word, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[: int(sys.argv[2])]:
        print(word)


if __name__ == "__main__":
    main()
