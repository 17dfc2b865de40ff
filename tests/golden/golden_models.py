"""What the scripts that make golden models share: sizes, random weights, tokens, a tokenizer, the files.

NAME.logits, little-endian: int32 n_positions, int32 n_vocab, int32 token[n_positions],
float32 logits[n_positions][n_vocab], where row i holds the logits after token[0..i].
"""

import math

import gguf
import numpy as np
import torch

POSITIONS = 96
VOCABULARY = 288
CONTEXT = 256

LLAMA_SPECIAL = {
    "<unk>": gguf.TokenType.UNKNOWN,
    "<s>": gguf.TokenType.CONTROL,
    "</s>": gguf.TokenType.CONTROL,
}
# The last is Phi-3's end of sequence, and llama.cpp refuses a vocabulary without it if the model's name has
# "phi3" in it.
PHI_SPECIAL = {**LLAMA_SPECIAL, "<|endoftext|>": gguf.TokenType.CONTROL}
GEMMA_SPECIAL = {
    "<pad>": gguf.TokenType.CONTROL,
    "<eos>": gguf.TokenType.CONTROL,
    "<bos>": gguf.TokenType.CONTROL,
    "<unk>": gguf.TokenType.UNKNOWN,
}


def randomize(model, seed, gains, vector):
    """Fills each parameter from one stream: a matrix with gain / sqrt(columns), by the first part of its name
    in gains (else 1); a vector with mean + spread * noise as vector(name) says."""
    generator = np.random.default_rng(seed)
    for name, parameter in model.named_parameters():
        noise = generator.standard_normal(tuple(parameter.shape), dtype=np.float32)
        if parameter.dim() == 1:
            mean, spread = vector(name)
            values = mean + spread * noise
        else:
            gain = next((g for part, g in gains.items() if part in name), 1.0)
            values = noise * np.float32(gain / math.sqrt(parameter.shape[1]))
        parameter.data = torch.from_numpy(np.ascontiguousarray(values))
    model.tie_weights()
    return model.eval()


def make_tokens(seed, first):
    """POSITIONS ids from first on (those below are special)."""
    return np.random.default_rng(seed).integers(first, VOCABULARY, POSITIONS).astype("<i4")


def check_window(attention, window):
    """The window counts the query itself: query i sees keys i - window + 1 to i and no other."""
    seen = (attention[0] > 0).any(dim=0)
    for query in range(POSITIONS):
        expected = torch.zeros(POSITIONS, dtype=torch.bool)
        expected[max(0, query - window + 1) : query + 1] = True
        assert bool((seen[query] == expected).all()), f"window at query {query}"


def compute_logits(name, model, tokens):
    """Returns the logits [position][vocabulary] and the attention weights of each layer."""
    with torch.no_grad():
        result = model(
            torch.from_numpy(tokens.astype(np.int64))[None], output_attentions=True, use_cache=False
        )
    attentions = result.attentions
    entropy = -sum((a * (a + 1e-12).log()).sum(-1)[..., 1:].mean() for a in attentions) / len(attentions)
    logits = result.logits[0].numpy().astype("<f4")
    print(
        f"{name}: logits std {logits.std():.2f}, max {np.abs(logits).max():.2f}, "
        f"attention entropy {float(entropy):.2f} nats (uniform: about {math.log(POSITIONS) - 1:.1f})"
    )
    return logits, attentions


def write_logits(path, tokens, logits):
    sizes = np.array([len(tokens), VOCABULARY], dtype="<i4")
    path.write_bytes(sizes.tobytes() + tokens.tobytes() + logits.tobytes())


def add_tokenizer(writer, special):
    """A small SentencePiece vocabulary: the special tokens, 256 bytes, then letters until it is full."""
    letters = ["\u2581"] + [chr(c) for c in range(ord("a"), ord("z") + 1)] + [".", ","]
    letters = letters[: VOCABULARY - 256 - len(special)]
    pieces = list(special) + [f"<0x{b:02X}>" for b in range(256)] + letters
    kinds = list(special.values()) + [gguf.TokenType.BYTE] * 256
    kinds += [gguf.TokenType.NORMAL] * len(letters)
    assert len(pieces) == len(kinds) == VOCABULARY
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_scores([0.0] * (256 + len(special)) + [-float(i) for i in range(len(letters))])
    writer.add_token_types(kinds)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
