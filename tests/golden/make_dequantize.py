"""Makes dequantize.bin: random blocks of every tensor type and the float32 values they stand for.

    python make_dequantize.py [FOLDER]        default: the folder of this script

The values come from the gguf package's numpy implementation, which shares no code with ours.

dequantize.bin, little-endian, one entry after the other until the end of the file:
    int32 type (ggml's number), int32 n_bytes, int32 n_elements,
    uint8 block[n_bytes], float32 value[n_elements]

n_elements is 2048: 8 super-blocks of 256, or 64 blocks of 32. Block bytes are random but for the f16 scales,
which are finite: positive, negative, subnormal, zero and the largest.
"""

import struct
import sys
from pathlib import Path

import gguf
import numpy as np

ELEMENTS = 2048

# Where the f16 scales are in a block.
SCALES = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "IQ4_NL": [0],
    "IQ4_XS": [0],
}


def finite_scales(generator, count):
    """f16 bit patterns: mostly of the size found in models, with every special finite case among them."""
    values = generator.standard_normal(count).astype(np.float16) * np.float16(0.05)
    bits = values.view(np.uint16).copy()
    special = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x8400, 0x7BFF, 0xFBFF, 0x3C00]
    places = generator.permutation(count)[: min(len(special), count // 2)]
    bits[places] = special[: len(places)]
    return bits


def make_blocks(generator, name):
    if name in ("F16", "BF16"):
        bits = generator.integers(0, 1 << 16, ELEMENTS, dtype=np.uint16)
        infinite = np.uint16(0x7C00 if name == "F16" else 0x7F80)
        bits[(bits & infinite) == infinite] &= np.uint16(0x83FF)
        return bits.view(np.uint8)
    block_elements, block_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    count = ELEMENTS // block_elements
    blocks = generator.integers(0, 256, (count, block_bytes), dtype=np.uint8)
    for offset in SCALES[name]:
        blocks[:, offset : offset + 2] = (
            finite_scales(generator, count).astype("<u2").view(np.uint8).reshape(-1, 2)
        )
    return blocks.reshape(-1)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    generator = np.random.default_rng(14)
    with open(folder / "dequantize.bin", "wb") as out:
        for name in ["F16", "BF16", *SCALES]:
            kind = gguf.GGMLQuantizationType[name]
            blocks = make_blocks(generator, name)
            values = gguf.quants.dequantize(blocks, kind).astype("<f4").reshape(-1)
            assert values.size == ELEMENTS and np.isfinite(values).all(), name
            out.write(struct.pack("<iii", kind.value, blocks.size, values.size))
            out.write(blocks.tobytes())
            out.write(values.tobytes())


if __name__ == "__main__":
    main()
