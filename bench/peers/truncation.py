#!/usr/bin/env python3
"""What truncation to a grid takes from a gradient of all weights: the table of docs/methods.md.

Gradients of single texts by PyTorch, brought to a share of the clip norm C and truncated toward zero to C / 2^k, as the
verified sum does. Needs torch, transformers and tokenizers.
"""

import argparse

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

TEXTS = [
    "What is the capital of Burkina Faso ?",
    "How many people died when the Titanic sank in 1912 ?",
    "I was charged twice for the same ride last night and the app says that my card was refused. Please help me to get the"
    " money back as soon as you can, I have tried to call you for an hour.",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    args = parser.parse_args()
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    tokenizer = Tokenizer.from_file(args.model + "/tokenizer.json")
    for text in TEXTS:
        ids = torch.tensor([[0] + tokenizer.encode(text).ids + [0]])
        model.zero_grad()
        model(ids, labels=ids).loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
        norm = gradient.norm(dtype=torch.float64).item()
        print(f"{ids.numel()} tokens, {gradient.numel()} numbers, norm {norm:.4g}")
        for share in (1, 0.1, 0.01):
            for bits in (16, 18, 20, 22, 24):
                exact = gradient * (share * 2.0**bits / norm)
                kept = torch.trunc(exact).double()
                length = share * 2.0**bits
                cosine = torch.dot(kept, exact.double()).item() / kept.norm().item() / length
                print(
                    f"  norm {share} C, k = {bits}: norm kept {kept.norm().item() / length:.4f},"
                    f" cosine {cosine:.6f}, not zero {(kept != 0).double().mean().item():.3f}"
                )


if __name__ == "__main__":
    main()
