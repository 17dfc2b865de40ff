"""What Hugging Face transformers saves of the golden models: settings for convert_test.c, and folders to convert.

    python -B make_hf_folders.py                    writes hf/NAME.json, hf/NAME-{f16,bf16}.logits beside this script
    python -B make_hf_folders.py SMIDGE FOLDER      makes whole folders, converts them with SMIDGE, compares all tensors

The models are those of make_llama.py and make_families.py, with their seeds and names. hf/NAME.json is the config.json that
save_pretrained writes. hf/NAME-f16.logits and -bf16.logits hold the logits at the first POSITIONS positions after all weights were
rounded to 16 bits; layout as in golden_models.py. POSITIONS is past the smallest window, and in the original context of longrope,
where the short factors hold.

The second form takes every model in F32, F16 and BF16, as one file and as shards of 40 KB, and holds what `smidge convert` makes
of it against the values that torch has in memory, bit for bit, under the names of the gguf package's own map.
"""

import json
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import torch

import make_families
import make_llama
from golden_models import VOCABULARY, make_tokens, randomize

POSITIONS = 24
TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def make_all():
    """Yields (name, model, tokens), as the two scripts make them."""
    for seed, (name, model, _) in enumerate(make_llama.make_models(), start=1):
        randomize(model, seed, make_llama.GAINS, lambda _: (1, 0.2))
        yield name, model, make_tokens(100 + seed, 3)
    models = [*make_families.make_qwens(), *make_families.make_phis(), *make_families.make_gemmas()]
    for seed, (name, model) in enumerate(models, start=11):
        randomize(model, seed, make_families.GAINS, make_families.vector_of(model.config))
        yield name, model, make_tokens(100 + seed, 4)


def write_rounded(path, model, tokens, dtype):
    state = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict({key: value.to(dtype).to(torch.float32) for key, value in state.items()})
    tokens = tokens[:POSITIONS]
    with torch.no_grad():
        logits = model(torch.from_numpy(tokens.astype(np.int64))[None], use_cache=False).logits[0]
    sizes = np.array([POSITIONS, VOCABULARY], dtype="<i4")
    path.write_bytes(sizes.tobytes() + tokens.tobytes() + logits.numpy().astype("<f4").tobytes())
    model.load_state_dict(state)


def write_tokenizer(folder):
    """The vocabulary of golden_models.py as BPE that falls back to bytes; no merges."""
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += ["\u2581"] + [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces.append("<|endoftext|>")  # llama.cpp refuses a model with "phi3" in its name that has none
    vocabulary = {piece: number for number, piece in enumerate(pieces[:VOCABULARY])}
    model = {"type": "BPE", "byte_fallback": True, "unk_token": "<unk>", "vocab": vocabulary, "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": [], "model": model}))


def interleave(values, heads):
    rows = values.shape[0]
    return values.reshape(heads, 2, rows // heads // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def expected_tensors(model):
    """GGUF's name and float32 values of each tensor, as llama.cpp's converter changes them."""
    config = model.config
    architecture = config.model_type.removesuffix("_text").replace("mistral", "llama")
    number = next(n for n, text in gguf.MODEL_ARCH_NAMES.items() if text == architecture)
    names = gguf.get_tensor_name_map(number, config.num_hidden_layers)
    for source, tensor in model.state_dict().items():
        if source == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.to(torch.float32).numpy()
        if architecture == "llama" and "q_proj" in source:
            values = interleave(values, config.num_attention_heads)
        if architecture == "llama" and "k_proj" in source:
            values = interleave(values, config.num_key_value_heads)
        if architecture.startswith("gemma") and source.endswith("norm.weight"):
            values = values + np.float32(1)
        yield names.get_name(source, (".weight", ".bias")), np.ascontiguousarray(values)


def check(smidge, folder, name, model, kind, size):
    place = folder / f"{name}-{kind}-{size}"
    model = model.to(TYPES[kind])
    model.save_pretrained(place, max_shard_size=size)
    write_tokenizer(place)
    shards = len(list(place.glob("*.safetensors")))
    output = place / "out.gguf"
    subprocess.run([smidge, "convert", place, "-o", output, "--type", "f32", "-q"], check=True)
    made = {tensor.name: tensor.data for tensor in gguf.GGUFReader(output).tensors}
    expected = dict(expected_tensors(model))
    extra = {n for n in made if n not in expected and not n.startswith("rope_f")}
    assert not extra, f"{place}: {extra}"
    for tensor, values in expected.items():
        assert made[tensor].tobytes() == values.tobytes(), f"{place}: {tensor} differs"
    print(f"{name} {kind} in {shards} files: {len(expected)} tensors equal")
    return shards


def main():
    torch.set_num_threads(1)
    folder = Path(__file__).resolve().parent / "hf"
    folder.mkdir(exist_ok=True)
    sharded = 0
    for name, model, tokens in make_all():
        if len(sys.argv) > 2:
            for kind in TYPES:
                for size in ("1GB", "40KB"):
                    sharded += check(sys.argv[1], Path(sys.argv[2]), name, model, kind, size) > 1
                model.to(torch.float32)
            continue
        model.config.save_pretrained(folder)
        config = json.loads((folder / "config.json").read_text())
        config["architectures"] = [type(model).__name__]
        (folder / "config.json").unlink()
        (folder / f"{name}.json").write_text(json.dumps(config, indent=1) + "\n")
        for kind in ("f16", "bf16"):
            write_rounded(folder / f"{name}-{kind}.logits", model, tokens, TYPES[kind])
    assert len(sys.argv) <= 2 or sharded > 0


if __name__ == "__main__":
    main()
