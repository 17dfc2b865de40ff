"""How fast PyTorch computes the products of bench/gemm_bench.c: torch.mm in float32 and, all operands and results in it, bfloat16.

    python torch_mm.py [THREADS [TOKENS]]

A line a shape and use: GFLOP/s in float32 and bfloat16, the best of all runs within 0.3 seconds. Needs torch.
"""

import sys
import time

import torch

SHAPES = [  # rows and columns of the weights; tokens, where they are not as asked for
    (256, 256, 0),
    (768, 256, 0),
    (256, 768, 0),
    (2048, 256, 0),
    (576, 576, 0),
    (192, 576, 0),
    (1536, 576, 0),
    (576, 1536, 0),
    (49152, 576, 512),
    (2048, 2048, 0),
    (8, 576, 0),
    (576, 8, 0),
    (1536, 8, 0),
    (128, 64, 128),
]


def best(product):
    product()
    took = []
    until = time.perf_counter() + 0.3
    while len(took) < 7 or time.perf_counter() < until:
        started = time.perf_counter()
        product()
        took.append(time.perf_counter() - started)
    return min(took)


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    asked = int(sys.argv[2]) if len(sys.argv) > 2 else 2048
    for n, k, tokens in SHAPES:
        tokens = tokens or asked
        lines = {"forward": [], "back": [], "weights": []}
        for dtype in (torch.float32, torch.bfloat16):
            x = torch.randn(tokens, k).to(dtype)
            w = torch.randn(n, k).to(dtype)
            dy = torch.randn(tokens, n).to(dtype)
            out = {"forward": torch.empty(tokens, n, dtype=dtype)}
            out["back"] = torch.empty(tokens, k, dtype=dtype)
            out["weights"] = torch.zeros(n, k, dtype=dtype)
            uses = {
                "forward": lambda: torch.mm(x, w.t(), out=out["forward"]),
                "back": lambda: torch.mm(dy, w, out=out["back"]),
                "weights": lambda: out["weights"].addmm_(dy.t(), x),
            }
            for use, product in uses.items():
                lines[use].append(2.0 * tokens * n * k / best(product) / 1e9)
        for use, rates in lines.items():
            print(f"{n:5} x {k:5}, {tokens:4} tokens {use:8}  " + "  ".join(f"{rate:8.1f}" for rate in rates), flush=True)


if __name__ == "__main__":
    main()
