"""How fast transformers and PEFT learn what bench/train_step.c learns: the same model, batch, adapters and loss positions.

    python peft_step.py MODEL.gguf [-b TOKENS] [-l SEQUENCE] [-a ANSWER] [-r RANK] [-t THREADS] [-n STEPS] [--bf16]

transformers reads the GGUF file and dequantizes it. No gradient checkpointing; forward, backward and a step of AdamW
are timed, as there.
Needs torch, transformers, peft and gguf.
"""

import argparse
import resource
import statistics
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("-b", type=int, default=1024)
    parser.add_argument("-l", type=int, default=128)
    parser.add_argument("-a", type=int, default=4)
    parser.add_argument("-r", type=int, default=8)
    parser.add_argument("-t", type=int, default=2)
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("--bf16", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.t)
    dtype = torch.bfloat16 if args.bf16 else torch.float32
    model = AutoModelForCausalLM.from_pretrained(
        args.model.parent, gguf_file=args.model.name, dtype=dtype, attn_implementation="sdpa"
    )
    if args.r > 0:
        config = LoraConfig(r=args.r, lora_alpha=2 * args.r, target_modules=TARGETS, lora_dropout=0.0)
        model = get_peft_model(model, config)
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, weight_decay=0.0)
    sequences = args.b // args.l
    generator = torch.Generator().manual_seed(1)
    vocabulary = model.config.vocab_size
    tokens = torch.randint(vocabulary, (sequences, args.l), generator=generator)
    labels = torch.full_like(tokens, -100)
    # The loss at position i is that of the token at i + 1.
    labels[:, args.l - args.a :] = torch.randint(vocabulary, (sequences, args.a), generator=generator)
    seconds = []
    for step in range(args.n + 1):
        optimizer.zero_grad()
        started = time.perf_counter()
        loss = model(input_ids=tokens, labels=labels, use_cache=False).loss
        loss.backward()
        optimizer.step()
        if step > 0:
            seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = tokens.numel() / statistics.median(seconds)
    print(f"{rate:.1f} tokens/s  loss {float(loss.detach()):.4f}  peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
