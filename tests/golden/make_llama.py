"""Makes the tiny random Llamas and their logits, which our forward pass must reproduce.

    python make_llama.py [FOLDER]        default: the folder of this script

Hugging Face transformers computes the logits (float32, eager attention) and the gguf package writes the
model, so that neither side of the comparison is ours. Three models:

    llama-plain   grouped heads (4 on 2), an output matrix of its own
    llama-rope3   Llama 3 rope scaling with an original context of 64, so that 96 positions leave it and
                  the 16 frequencies fall into all three regions (kept, blended, divided); tied output
    llama-window  Mistral: each query sees 16 keys, itself among them; heads wider than hidden / heads

The layout of NAME.logits stands in golden_models.py.
"""

import math
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from golden_models import (
    CONTEXT,
    LLAMA_SPECIAL,
    VOCABULARY,
    add_tokenizer,
    check_window,
    compute_logits,
    finish,
    make_tokens,
    randomize,
    write_logits,
)

HIDDEN = 64
LAYERS = 3
EPSILON = 1e-5
WINDOW = 16
# Large enough that attention is not uniform and logits spread by about 2.
GAINS = {"q_proj": 1.5, "k_proj": 1.5, "embed_tokens": 2.0, "lm_head": 2.0}
ROPE3 = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}

COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": EPSILON,
    "attn_implementation": "eager",
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def make_models():
    """Yields (name, model, rope scaling or None)."""
    plain = LlamaConfig(
        **COMMON,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=96,
        tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    yield "llama-plain", LlamaForCausalLM(plain), None
    rope3 = LlamaConfig(
        **COMMON,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        intermediate_size=96,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "llama3", "rope_theta": 20000.0, **ROPE3},
    )
    yield "llama-rope3", LlamaForCausalLM(rope3), ROPE3
    window = MistralConfig(
        **COMMON,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=32,
        intermediate_size=64,
        tie_word_embeddings=False,
        sliding_window=WINDOW,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    yield "llama-window", MistralForCausalLM(window), None


def rope_factors(head_dim, theta, scaling):
    """By how much Llama 3 divides each frequency; GGUF carries these as rope_freqs.weight."""
    factors = []
    context = scaling["original_max_position_embeddings"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    for i in range(0, head_dim, 2):
        turns = context * theta ** (-i / head_dim) / (2 * math.pi)
        blend = min(max((turns - low) / (high - low), 0.0), 1.0)
        factors.append(1.0 / ((1 - blend) / scaling["factor"] + blend))
    return np.array(factors, dtype=np.float32)


def interleave(weight, heads):
    """Rope pairs halves in transformers, neighbours in GGUF's llama: takes rows 0, d/2, 1, d/2 + 1 ..."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def add_special_tokens(writer):
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)


def add_header(writer, name, config):
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(VOCABULARY)
    if getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)


def write_model(path, name, model, scaling):
    config = model.config
    state = {key: value.numpy() for key, value in model.state_dict().items()}
    writer = gguf.GGUFWriter(path, "llama")
    add_header(writer, name, config)
    add_tokenizer(writer, LLAMA_SPECIAL)
    add_special_tokens(writer)
    if scaling:
        theta = config.rope_parameters["rope_theta"]
        writer.add_tensor("rope_freqs.weight", rope_factors(config.head_dim, theta, scaling))
    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    parts = {
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    names |= {f"model.layers.{i}.{a}": f"blk.{i}.{b}" for i in range(LAYERS) for a, b in parts.items()}
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for source, target in names.items():
        if source == "lm_head" and config.tie_word_embeddings:
            continue
        values = state[source + ".weight"]
        if target.split(".")[-1] in heads:
            values = interleave(values, heads[target.split(".")[-1]])
        writer.add_tensor(target + ".weight", np.ascontiguousarray(values))
    finish(writer)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    torch.set_num_threads(1)
    for seed, (name, model, scaling) in enumerate(make_models(), start=1):
        randomize(model, seed, GAINS, lambda name: (1, 0.2))
        tokens = make_tokens(100 + seed, 3)
        logits, attentions = compute_logits(name, model, tokens)
        if name == "llama-window":
            for attention in attentions:
                check_window(attention, WINDOW)
        write_model(folder / f"{name}.gguf", name, model, scaling)
        write_logits(folder / f"{name}.logits", tokens, logits)


if __name__ == "__main__":
    main()
