"""Makes a LoRA adapter for each tiny model and the logits of model and adapter, which ours must reproduce.

    python make_adapters.py [FOLDER]        default: the folder of this script

The models are those of make_llama.py and make_families.py, made again from their seeds. PEFT puts a random adapter onto every
linear layer, not merged, and transformers computes the logits (float32, eager attention) at the first 24 positions, beyond the
windows of 16. The file of the adapter is what llama.cpp's convert_lora_to_gguf.py writes: names of the base's tensors with .lora_a and
.lora_b behind them, and B's rows turned where the base's are (q and k of Llamas). Ranks differ by layer, with a
rank_pattern; PEFT divides alpha by each layer's own rank, as GGUF's readers do. Types take turns, F32, F16, BF16; PEFT has the
rounded numbers. Output matrices of their own are adapted too.

    NAME.lora.gguf      the adapter
    NAME.lora.logits    as golden_models.py says, with 24 positions
    peft/NAME           what PEFT itself saves, of a Llama, whose rows are turned, and of a fused model
"""

import math
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from peft import LoraConfig, get_peft_model

import make_families
import make_llama
from golden_models import finish, make_tokens, randomize

POSITIONS = 24
ALPHA = 6
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "qkv_proj", "gate_up_proj"]
KINDS = [
    (gguf.LlamaFileType.ALL_F32, gguf.GGMLQuantizationType.F32),
    (gguf.LlamaFileType.MOSTLY_F16, gguf.GGMLQuantizationType.F16),
    (gguf.LlamaFileType.MOSTLY_BF16, gguf.GGMLQuantizationType.BF16),
]


def make_models():
    """Yields (name, model, tokens) as the two scripts have them."""
    for seed, (name, model, _) in enumerate(make_llama.make_models(), start=1):
        randomize(model, seed, make_llama.GAINS, lambda name: (1, 0.2))
        yield name, model, make_tokens(100 + seed, 3)
    models = [*make_families.make_qwens(), *make_families.make_phis(), *make_families.make_gemmas()]
    for seed, (name, model) in enumerate(models, start=11):
        model.config.name = name
        randomize(model, seed, make_families.GAINS, make_families.vector_of(model.config))
        yield name, model, make_tokens(100 + seed, 4)


def adapt(model):
    targets = [t for t in LINEAR if any(n.endswith(t) for n, _ in model.named_modules())]
    if not model.config.tie_word_embeddings:
        targets.append("lm_head")
    # 3 is no width of a vector; each last layer has more, so that ranks of one product differ, too.
    fused = "qkv_proj" in targets
    last = f"layers.{model.config.num_hidden_layers - 1}"
    parts = ["self_attn.qkv_proj", "mlp.down_proj"] if fused else ["self_attn.v_proj", "mlp.up_proj"]
    ranks = {f"{last}.{part}": 5 for part in parts}
    return get_peft_model(
        model, LoraConfig(r=3, lora_alpha=ALPHA, target_modules=targets, lora_dropout=0.0, rank_pattern=ranks)
    )


def fill(peft, seed, quantization):
    generator = np.random.default_rng(seed)
    for name, parameter in peft.named_parameters():
        if "lora_" not in name:
            continue
        gain = 0.2 if "lora_B" in name else 1 / math.sqrt(parameter.shape[1])
        values = generator.standard_normal(tuple(parameter.shape), dtype=np.float32) * np.float32(gain)
        rounded = gguf.dequantize(gguf.quantize(values, quantization), quantization)
        parameter.data = torch.from_numpy(np.ascontiguousarray(rounded, dtype=np.float32))


def write_adapter(path, model, peft, file_type, quantization):
    config = model.config
    architecture = {"mistral": "llama"}.get(config.model_type, config.model_type.removesuffix("_text"))
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(ALPHA))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(file_type)
    number = next(n for n, text in gguf.MODEL_ARCH_NAMES.items() if text == architecture)
    names = gguf.get_tensor_name_map(number, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads} if architecture == "llama" else {}
    for source, parameter in peft.named_parameters():
        if "lora_" not in source:
            continue
        base, half = source.removeprefix("base_model.model.").split(".lora_")
        values = parameter.detach().numpy()
        if half.startswith("B") and base.split(".")[-1] in heads:
            values = make_llama.interleave(values, heads[base.split(".")[-1]])
        name = names.get_name(base) + ".weight.lora_" + half[0].lower()
        data = gguf.quantize(np.ascontiguousarray(values), quantization)
        writer.add_tensor(name, data, raw_dtype=quantization)
    finish(writer)


def compute(name, peft, tokens):
    with torch.no_grad():
        one = torch.from_numpy(tokens.astype(np.int64))[None]
        # In a context above its original one a model with longrope turns by the long factors, as with all 96 positions.
        adapted = peft(one, use_cache=False).logits[0, :POSITIONS].numpy().astype("<f4")
        with peft.disable_adapter():
            plain = peft(one, use_cache=False).logits[0, :POSITIONS].numpy()
    moved = (np.abs(adapted - plain).max(axis=1) / np.abs(adapted).max(axis=1)).min()
    print(f"{name}: the adapter moves each position by at least {moved:.2f} of its largest logit")
    assert moved > 0.05
    return adapted


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    torch.set_num_threads(1)
    for number, (name, model, tokens) in enumerate(make_models()):
        file_type, quantization = KINDS[number % 3]
        peft = adapt(model).eval()
        fill(peft, 1000 + number, quantization)
        write_adapter(folder / f"{name}.lora.gguf", model, peft, file_type, quantization)
        if name in ("llama-plain", "phi3"):
            # Of an output matrix PEFT saves the base's weights, too, unless it is told not to.
            peft.save_pretrained(folder / "peft" / name, save_embedding_layers=name == "llama-plain")
            (folder / "peft" / name / "README.md").unlink(missing_ok=True)
        logits = compute(name, peft, tokens)
        sizes = np.array([POSITIONS, logits.shape[1]], dtype="<i4")
        (folder / f"{name}.lora.logits").write_bytes(sizes.tobytes() + tokens[:POSITIONS].tobytes() + logits.tobytes())


if __name__ == "__main__":
    main()
