"""Makes a tiny random model of every family but Llama, and its logits, which our forward pass must reproduce.

    python make_families.py [FOLDER]        default: the folder of this script

Hugging Face transformers computes the logits (float32, eager attention). The files have the keys, tensor
names and values that llama.cpp's converter writes for each family: what it leaves out is left out here, and
the engine has to know it. Each window is 16 keys, the query itself among them; there are 96 positions.

    qwen2          biases on q, k and v; base 1000000; tied output
    qwen3          norms on q and k before rope; heads wider than hidden / heads; tied output
    phi3           q, k, v in one tensor, gate and up in another; window on all layers; own output matrix
    phi3-longrope  original context 64 of 256, no window. Two logits files from one model: -short (short
                   factors at all positions) and -long (long factors at all positions)
    phi3-partial   longrope (long) on the first 24 of 32 elements of a head, as in Phi-4-mini; tied output
    gemma          norm weights stored + 1, embedding times sqrt(hidden), which no float holds; GELU (tanh)
    gemma2         norms after attention and feed-forward; caps on scores and logits; window on layers 0, 2
    gemma3         norms on q and k; window and base 10000 on layers 0 to 4 and 6, base 1000000 on layer 5
    gemma3-linear  positions divided by 8 on layer 5 (as in Gemma 3 4B), base 20000 by key on layers 0 to 4

Which factors. transformers asks at each call whether the sequence is longer than the original context, the
engine once per session whether its context is. Here every call has 96 positions, so -long is what
transformers computes of itself. For -short, the long frequencies it keeps are replaced by the short ones. The
factor on cosine and sine is the same on both sides. The script asserts that the first 64 rows of -short are
what transformers computes of itself for 64 positions.

The layout of NAME.logits stands in golden_models.py.
"""

import math
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GemmaConfig,
    GemmaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from golden_models import (
    CONTEXT,
    GEMMA_SPECIAL,
    LLAMA_SPECIAL,
    PHI_SPECIAL,
    VOCABULARY,
    add_tokenizer,
    check_window,
    compute_logits,
    finish,
    make_tokens,
    randomize,
    write_logits,
)

WINDOW = 16
ORIGINAL_CONTEXT = 64
GAINS = {"q_proj": 1.5, "k_proj": 1.5, "qkv_proj": 1.3, "embed_tokens": 2.0, "lm_head": 2.0}

COMMON = {"vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT, "attn_implementation": "eager"}
LLAMA_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}
PHI_IDS = {"bos_token_id": 1, "eos_token_id": 3, "pad_token_id": 3}
GEMMA_IDS = {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}


def shape(hidden, layers, heads, heads_kv, feed_forward):
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads_kv,
        "intermediate_size": feed_forward,
    }


def rope(theta, **scaling):
    return {"rope_type": "default", "rope_theta": theta, **scaling}


def longrope(dimensions, **more):
    """Factors as Phi-3's: the short ones near 1, the long ones growing, here from 1.1 to 26."""
    half = dimensions // 2
    return {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "original_max_position_embeddings": ORIGINAL_CONTEXT,
        "short_factor": [float(np.float32(1 + 0.6 * i / (half - 1))) for i in range(half)],
        "long_factor": [float(np.float32(1.1 * 24 ** (i / (half - 1)))) for i in range(half)],
        **more,
    }


def make_qwens():
    common = {**COMMON, **LLAMA_IDS, "rms_norm_eps": 1e-6, "tie_word_embeddings": True}
    sizes = shape(hidden=64, layers=3, heads=4, heads_kv=2, feed_forward=96)
    config = Qwen2Config(**common, **sizes, rope_parameters=rope(1000000.0))
    yield "qwen2", Qwen2ForCausalLM(config)
    sizes = shape(hidden=64, layers=3, heads=4, heads_kv=2, feed_forward=64)
    config = Qwen3Config(**common, **sizes, head_dim=32, rope_parameters=rope(1000000.0))
    yield "qwen3", Qwen3ForCausalLM(config)


def make_phis():
    common = {**COMMON, **PHI_IDS, "rms_norm_eps": 1e-5}
    sizes = shape(hidden=64, layers=3, heads=2, heads_kv=2, feed_forward=96)
    config = Phi3Config(
        **common,
        **sizes,
        sliding_window=WINDOW,
        original_max_position_embeddings=CONTEXT,
        rope_parameters=rope(10000.0),
    )
    yield "phi3", Phi3ForCausalLM(config)
    common["original_max_position_embeddings"] = ORIGINAL_CONTEXT
    sizes = shape(hidden=64, layers=3, heads=2, heads_kv=1, feed_forward=96)
    yield "phi3-longrope", Phi3ForCausalLM(Phi3Config(**common, **sizes, rope_parameters=longrope(32)))
    sizes = shape(hidden=64, layers=2, heads=2, heads_kv=1, feed_forward=96)
    config = Phi3Config(
        **common,
        **sizes,
        tie_word_embeddings=True,
        rope_parameters=longrope(24, partial_rotary_factor=0.75),
    )
    yield "phi3-partial", Phi3ForCausalLM(config)


def make_gemmas():
    common = {**COMMON, **GEMMA_IDS, "rms_norm_eps": 1e-6, "head_dim": 32}
    sizes = shape(hidden=96, layers=2, heads=4, heads_kv=1, feed_forward=64)
    yield "gemma", GemmaForCausalLM(GemmaConfig(**common, **sizes, rope_parameters=rope(10000.0)))
    common |= {"query_pre_attn_scalar": 32, "sliding_window": WINDOW}
    sizes = shape(hidden=96, layers=3, heads=2, heads_kv=1, feed_forward=64)
    config = Gemma2Config(
        **common,
        **sizes,
        attn_logit_softcapping=4.0,
        final_logit_softcapping=6.0,
        rope_parameters=rope(10000.0),
    )
    yield "gemma2", Gemma2ForCausalLM(config)
    sizes = shape(hidden=32, layers=7, heads=2, heads_kv=1, feed_forward=64)
    bases = {"full_attention": rope(1000000.0), "sliding_attention": rope(10000.0)}
    config = Gemma3TextConfig(**common, **sizes, rope_parameters=bases)
    yield "gemma3", Gemma3ForCausalLM(config)
    sizes["num_hidden_layers"] = 6
    bases = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
        "sliding_attention": rope(20000.0),
    }
    config = Gemma3TextConfig(**common, **sizes, rope_parameters=bases)
    yield "gemma3-linear", Gemma3ForCausalLM(config)


def is_gemma(config):
    return config.model_type.startswith("gemma")


def vector_of(config):
    """Mean and spread of a bias or norm weight. Gemma adds 1 to its norm weights when it uses them."""

    def vector(name):
        if name.endswith("bias"):
            return 0.0, 0.5
        # Normed q and k make scores of spread 1; wider norms make attention sharper.
        mean = 1.4 if "q_norm" in name or "k_norm" in name else 1.0
        return mean - is_gemma(config), 0.2

    return vector


def check_windows(config, attentions):
    """Which layers have the window: all of Phi-3's if it has one, else what the list of layer types says."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None) or ["sliding_attention"] * len(attentions)
    expected = {"gemma2": "sfs", "gemma3": "sssssfs", "gemma3-linear": "sssssf"}
    if config.name in expected:
        assert "".join(kind[0] for kind in kinds) == expected[config.name]
    for kind, attention in zip(kinds, attentions, strict=True):
        check_window(attention, window if window and kind == "sliding_attention" else CONTEXT)


def compute_short(name, model, tokens):
    """The logits with short factors at all positions; see the top of this file."""
    rotary = model.model.rotary_emb
    own, _ = compute_logits(name + " (64 positions)", model, tokens[:ORIGINAL_CONTEXT])
    long_frequencies = rotary.long_inv_freq
    rotary.long_inv_freq = rotary.original_inv_freq.clone()
    logits, _ = compute_logits(name, model, tokens)
    rotary.long_inv_freq = long_frequencies
    assert np.abs(logits[:ORIGINAL_CONTEXT] - own).max() < 1e-5 * np.abs(own).max()
    return logits


def add_sizes(writer, config):
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if config.model_type not in ("qwen2", "phi3"):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)


def add_phi_rope(writer, config):
    parameters = config.rope_parameters
    partial = parameters.get("partial_rotary_factor", 1.0)
    writer.add_rope_dimension_count(int(partial * config.hidden_size) // config.num_attention_heads)
    writer.add_rope_freq_base(parameters["rope_theta"])
    original = config.original_max_position_embeddings
    writer.add_rope_scaling_orig_ctx_len(original)
    writer.add_sliding_window(config.sliding_window or 0)
    if parameters["rope_type"] == "longrope":
        scale = CONTEXT / original
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(original)))
        for side in ("long", "short"):
            factors = np.array(parameters[f"{side}_factor"], dtype=np.float32)
            writer.add_tensor(f"rope_factors_{side}.weight", factors)


def add_family(writer, config):
    """What differs: Gemma 1 and 2 have no rope keys, Gemma 3 has the second base only in newer files."""
    parameters = config.rope_parameters
    match config.model_type:
        case "qwen2" | "qwen3":
            writer.add_rope_freq_base(parameters["rope_theta"])
        case "phi3":
            add_phi_rope(writer, config)
        case "gemma2":
            writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
            writer.add_final_logit_softcapping(config.final_logit_softcapping)
            writer.add_sliding_window(config.sliding_window)
        case "gemma3_text":
            writer.add_rope_freq_base(parameters["full_attention"]["rope_theta"])
            writer.add_sliding_window(config.sliding_window)
            if config.name == "gemma3-linear":
                writer.add_rope_freq_base_swa(parameters["sliding_attention"]["rope_theta"])
                writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
                writer.add_rope_scaling_factor(parameters["full_attention"]["factor"])


def add_tokens(writer, config):
    special = {"phi3": PHI_SPECIAL, "qwen2": LLAMA_SPECIAL, "qwen3": LLAMA_SPECIAL}
    add_tokenizer(writer, special.get(config.model_type, GEMMA_SPECIAL))
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_unk_token_id(3 if is_gemma(config) else 0)
    if config.pad_token_id is not None:
        writer.add_pad_token_id(config.pad_token_id)
    if is_gemma(config):
        writer.add_add_space_prefix(False)
    writer.add_add_bos_token(config.model_type != "phi3")
    writer.add_add_eos_token(False)


def write_model(path, name, model):
    config = model.config
    architecture = config.model_type.removesuffix("_text")
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    add_sizes(writer, config)
    add_family(writer, config)
    add_tokens(writer, config)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    number = next(n for n, text in gguf.MODEL_ARCH_NAMES.items() if text == architecture)
    names = gguf.get_tensor_name_map(number, config.num_hidden_layers)
    for source, tensor in model.state_dict().items():
        if source == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.numpy()
        if is_gemma(config) and source.endswith("norm.weight"):
            values = values + np.float32(1)
        writer.add_tensor(names.get_name(source, (".weight", ".bias")), np.ascontiguousarray(values))
    finish(writer)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    torch.set_num_threads(1)
    models = [*make_qwens(), *make_phis(), *make_gemmas()]
    for seed, (name, model) in enumerate(models, start=11):
        model.config.name = name
        randomize(model, seed, GAINS, vector_of(model.config))
        tokens = make_tokens(100 + seed, 4)
        logits, attentions = compute_logits(name, model, tokens)
        check_windows(model.config, attentions)
        write_model(folder / f"{name}.gguf", name, model)
        if name == "phi3-longrope":
            write_logits(folder / f"{name}-long.logits", tokens, logits)
            short = compute_short(name + "-short", model, tokens)
            write_logits(folder / f"{name}-short.logits", tokens, short)
        else:
            write_logits(folder / f"{name}.logits", tokens, logits)


if __name__ == "__main__":
    main()
