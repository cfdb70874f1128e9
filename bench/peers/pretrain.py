#!/usr/bin/env python3
"""The run of `palimpsest pretrain` by PyTorch: the same first weights, the same text in the same order, the same optimizer.

Give it the folder DIR.training/beginning of an interrupted run, or any model folder that pretrain started from, and the same
settings. It prints bits per byte on the held-out text, which docs/pretraining.md compares. Needs torch, transformers and
tokenizers.
"""

import argparse
import gzip
import json
import math

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

MASK = (1 << 64) - 1


def mix(word):
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


class SplitMix64:
    def __init__(self, seed):
        self.state = seed & MASK

    def below(self, bound):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        return (mix(self.state) * bound) >> 64


def order(size, seed, epoch):
    random = SplitMix64(mix(seed & MASK) + epoch)
    places = list(range(size))
    for i in range(size - 1, 0, -1):
        j = random.below(i + 1)
        places[i], places[j] = places[j], places[i]
    return places


def tokens(path, tokenizer, end):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        text = file.read()
    ids = tokenizer.encode(text.decode(), add_special_tokens=False).ids
    return torch.tensor(ids + [end]), len(text)


def share(step, steps, warmup):
    if step <= warmup:
        return step / (warmup + 1)
    gone = (step - warmup) / max(1, steps - warmup)
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * gone))


def bits_per_byte(model, held, size, length):
    loss = 0.0
    with torch.no_grad():
        for at in range(0, len(held) - 1, length):
            window = held[at : at + length + 1]
            logits = model(window[None, :-1]).logits[0].float()
            loss += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
    return loss / math.log(2) / size


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--held-out", required=True)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--clip", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--micro-batch", type=int, default=16)
    args = parser.parse_args()

    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    end = json.load(open(args.model + "/config.json"))["eos_token_id"]
    tokenizer = Tokenizer.from_file(args.model + "/tokenizer.json")
    text, _ = tokens(args.data, tokenizer, end)
    held, size = tokens(args.held_out, tokenizer, end)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": args.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=args.learning_rate,
        betas=(0.9, 0.95),
        eps=1e-8,
    )
    count = (len(text) - 1) // args.length
    warmup = args.steps // 20
    places, epoch = None, -1
    for step in range(1, args.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = args.learning_rate * share(step, args.steps, warmup)
        batch = []
        for n in range((step - 1) * args.batch, step * args.batch):
            if n // count != epoch:
                epoch = n // count
                places = order(count, args.seed, epoch)
            at = places[n % count] * args.length
            batch.append(text[at : at + args.length + 1])
        optimizer.zero_grad()
        total = 0.0
        for first in range(0, args.batch, args.micro_batch):
            rows = torch.stack(batch[first : first + args.micro_batch])
            logits = model(rows[:, :-1]).logits.float()
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
            loss = loss * len(rows) / args.batch
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
        optimizer.step()
        if step == 1 or step % max(1, args.steps // 10) == 0:
            print(f"step {step}: loss {total:.4f}", flush=True)
    print(f"{bits_per_byte(model, held, size, args.length):.4f} bits a byte held out")


if __name__ == "__main__":
    main()
