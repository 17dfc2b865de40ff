"""Loads converted folders in llama.cpp and compares its logits with those of transformers. By hand, not by the tests.

    python -B make_hf_folders.py SMIDGE FOLDER          first: makes and converts the folders, and checks them with the gguf package
    python -B check_converted.py FOLDER PEER LIBS       PEER: bench/peers/llama_peer.c, built as agree.sh does; LIBS: libs.sh prints it

16 positions, which is what the smallest window holds: llama.cpp ignores those of Mistral and Phi-3.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
POSITIONS = 16


def main():
    folder, peer, libs = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    for logits in sorted(HERE.glob("*.logits")):
        name = logits.stem.removesuffix("-long")
        model = folder / f"{name}-f32-40KB" / "out.gguf"
        if not model.exists():
            continue  # -short wants a context that llama.cpp does not make so small
        data = np.fromfile(logits, dtype="<i4")
        positions, vocabulary = data[:2]
        tokens = data[2 : 2 + positions]
        expected = data[2 + positions :].view("<f4").reshape(positions, vocabulary)[:POSITIONS]
        given = folder / "tokens.bin"
        np.concatenate([[1, POSITIONS], tokens[:POSITIONS]]).astype("<i4").tofile(given)
        output = folder / "logits.f32"
        options = ["--libs", libs, "--variant", "haswell", "--kv", "f32"]
        subprocess.run([peer, "logits", model, given, "-o", output, *options], check=True, capture_output=True)
        computed = np.fromfile(output, dtype="<f4")[-expected.size :].reshape(expected.shape)
        worst = np.max(np.abs(computed - expected).max(axis=1) / np.abs(expected).max(axis=1))
        print(f"{name}: {worst:.1e} of the largest logit")


if __name__ == "__main__":
    main()
