"""Makes optimizer.bin: what optimizers make of some parameters in ten steps.

    python make_optimizer.py [FOLDER]        default: the folder of this script

AdamW is torch.optim.AdamW. Muon is written out here in float64, as its authors publish it (Keller Jordan, muon.py: momentum by
lerp, Nesterov, five Newton-Schulz steps, sqrt(max(1, rows / columns))), because torch.optim.Muon rounds to bfloat16 on the way; the
script asserts that the two agree as far as bfloat16 goes.

optimizer.bin, little-endian, one case after the other until the end of the file:
    int32 muon (0 or 1), rows, columns, steps; float32 rate, beta1, beta2, epsilon, decay, momentum
    float32 factor[steps], start[rows][columns], base[rows][columns], after[rows][columns]
The gradient of step s has, at place i of all its n, base[(i + 7 s) % n] * factor[s]. `after` is behind the last step. A case of
one row is a vector: no decay, never Muon.
"""

import struct
import sys
from pathlib import Path

import numpy as np
import torch

STEPS = 10
FACTORS = torch.logspace(-2, 0, STEPS)
ADAMW = [(5, 7, 1e-2, 0.9, 0.999, 1e-8, 0.1), (1, 40, 3e-3, 0.9, 0.95, 1e-8, 0.1), (130, 140, 1e-3, 0.8, 0.99, 1e-6, 0.0)]
MUON = [(24, 40, 0.02, 0.95, 0.01), (40, 24, 0.02, 0.95, 0.0), (16, 16, 0.05, 0.9, 0.1), (80, 60, 0.02, 0.95, 0.0)]


def orthogonal(u):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = u / (u.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


def muon(start, gradients, rate, beta, decay):
    w = start.double()
    buffer = torch.zeros_like(w)
    scale = max(1.0, w.shape[0] / w.shape[1]) ** 0.5
    after = []
    for g in gradients.double():
        buffer.lerp_(g, 1 - beta)
        w = w * (1 - rate * decay) - rate * scale * orthogonal(g.lerp(buffer, beta))
        after.append(w.float().clone())
    return torch.stack(after)


def by_torch(make, start, gradients):
    w = torch.nn.Parameter(start.clone())
    optimizer = make([w])
    after = []
    for g in gradients:
        w.grad = g.clone()
        optimizer.step()
        after.append(w.detach().clone())
    return torch.stack(after)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    random = np.random.default_rng(20261123)
    with open(folder / "optimizer.bin", "wb") as out:

        def draw(rows, columns):
            start = torch.from_numpy(random.standard_normal((rows, columns)).astype(np.float32))
            base = torch.from_numpy(random.standard_normal((rows, columns)).astype(np.float32))
            rolled = [base.flatten().roll(-7 * s).reshape(rows, columns) * FACTORS[s] for s in range(STEPS)]
            return start, base, torch.stack(rolled)

        def write(which, rows, columns, numbers, start, base, after):
            out.write(struct.pack("<4i6f", which, rows, columns, STEPS, *numbers))
            for part in (FACTORS, start, base, after[-1]):
                out.write(part.contiguous().numpy().astype("<f4").tobytes())

        for rows, columns, rate, beta1, beta2, epsilon, decay in ADAMW:
            start, base, gradients = draw(rows, columns)
            used = 0.0 if rows == 1 else decay
            after = by_torch(
                lambda w: torch.optim.AdamW(w, lr=rate, betas=(beta1, beta2), eps=epsilon, weight_decay=used),
                start, gradients)
            write(0, rows, columns, (rate, beta1, beta2, epsilon, decay, 0.0), start, base, after)
        for rows, columns, rate, beta, decay in MUON:
            start, base, gradients = draw(rows, columns)
            after = muon(start, gradients, rate, beta, decay)
            theirs = by_torch(
                lambda w: torch.optim.Muon(w, lr=rate, weight_decay=decay, momentum=beta, adjust_lr_fn="original"),
                start, gradients)
            moved = (after - start).norm()
            assert (after - theirs).norm() / moved < 0.03, ((after - theirs).norm() / moved).item()
            write(1, rows, columns, (rate, 0.9, 0.999, 1e-8, decay, beta), start, base, after)


main()
