"""Makes gradients.bin: what PyTorch's autograd says of the tiny models of make_llama.py and make_families.py.

    python make_gradients.py [FOLDER]        default: the folder of this script

For each model, two cases: all weights learn, and adapters of rank 4 on all matrices learn. Weights, activations and
gradients are float32. llama-q.gguf, which is written too, is llama-plain in Q4_0 and Q8_0; its case is that of
llama-plain with the dequantized weights.

A batch is three sequences packed (one where the model's name ends in -long), random tokens and targets, some of which
are -1, and weights of the losses. The loss is the sum of weight * cross entropy.

Gradients are not kept whole: a sketch of 32 sums with random signs says as well how far two vectors are apart, since the
mean of (sum of sign * difference)^2 is the squared length of the difference. (Johnson and Lindenstrauss.) Signs are the
bits of random numbers that both sides make: splitmix64 from the FNV-1a hash of the tensor's name and "#". Adapters' values come
from the same numbers, from the hash of the name alone.

gradients.bin, little-endian: int32 cases, then each case:
    char model[32], char kind[8] (full or lora), int32 rank, float32 alpha,
    int32 count, int32 sequences, int32 tokens[count], int32 targets[count], float32 weights[count],
    int32 starts[sequences], float64 loss, float64 losses[10] (full: before each of ten steps of AdamW), int32 parameters,
    each: char name[80], float64 norm, float32 sketch[32]
"""

import struct
import sys
from pathlib import Path

import gguf
import numpy as np
import torch

import make_families
import make_llama
from golden_models import VOCABULARY, randomize

SKETCH = 32
RANK = 4
ALPHA = 6.0
STEPS = 10
LINEARS = {"q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "gate_proj", "up_proj", "gate_up_proj", "down_proj"}


def numbers(name, count):
    """`count` numbers of splitmix64."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def values(name, rows, columns):
    """An adapter's values, uniform in +-1/sqrt(columns), A and B alike: with B at zero A would have no gradient."""
    units = (numbers(name, rows * columns) >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
    scale = np.float32(1) / np.sqrt(np.float32(columns))
    return torch.from_numpy(((2 * units - 1) * scale).reshape(rows, columns))


def sketch(name, gradient):
    bits = numbers(name + "#", gradient.size)
    flat = gradient.ravel().astype(np.float64)
    sums = [np.where(bits >> np.uint64(j) & np.uint64(1), -flat, flat).sum() for j in range(SKETCH)]
    return np.array(sums, dtype="<f4")


def make_batch(seed, lengths):
    random = np.random.default_rng(seed)
    count = sum(lengths)
    tokens = random.integers(4, VOCABULARY, count).astype("<i4")
    targets = np.where(random.random(count) < 0.6, random.integers(0, VOCABULARY, count), -1).astype("<i4")
    weights = random.uniform(0.25, 2.0, count).astype("<f4")
    starts = np.cumsum([0, *lengths[:-1]]).astype("<i4")
    return tokens, targets, weights, starts


def compute_loss(model, batch):
    tokens, targets, weights, starts = batch
    total = 0
    for begin, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        ids = torch.from_numpy(tokens[begin:end].astype(np.int64))
        logits = model(ids[None], use_cache=False).logits[0]
        wanted = torch.from_numpy(targets[begin:end].astype(np.int64))
        losses = torch.nn.functional.cross_entropy(logits, wanted, ignore_index=-1, reduction="none")
        total = total + (losses * torch.from_numpy(weights[begin:end])).sum()
    return total


class Names:
    """From a parameter in transformers to its tensor in GGUF, and the order of its rows there."""

    def __init__(self, model):
        config = model.config
        text = config.model_type.removesuffix("_text").replace("mistral", "llama")
        number = next(n for n, known in gguf.MODEL_ARCH_NAMES.items() if known == text)
        self.map = gguf.get_tensor_name_map(number, config.num_hidden_layers)
        self.heads = {}
        if text == "llama":
            self.heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}

    def name(self, source):
        return self.map.get_name(source, (".weight", ".bias"))

    def order(self, source, array):
        part = self.name(source).split(".")[2] if ".layers." in source else ""
        return make_llama.interleave(array, self.heads[part]) if part in self.heads else array

    def unorder(self, source, array):
        """Rows in GGUF's order back to those of transformers."""
        order = self.order(source, np.arange(len(array))[:, None])[:, 0]
        result = np.empty_like(array)
        result[order] = array
        return result


def gradients_full(model, names, batch):
    model.zero_grad()
    loss = compute_loss(model, batch)
    loss.backward()
    result = {}
    for source, parameter in model.named_parameters():
        gradient = parameter.grad.numpy().copy()
        result[names.name(source)] = names.order(source, gradient) if gradient.ndim == 2 else gradient
    return float(loss.detach()), result


def curve(model, batch):
    """Losses before each step of AdamW on the mean loss, decay on matrices alone. The model is put back."""
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    total = float(batch[2][batch[1] >= 0].sum())
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = compute_loss(model, batch) / total
        loss.backward()
        losses.append(float(loss.detach()))
        optimizer.step()
    model.load_state_dict(kept)
    return losses


def gradients_lora(model, names, batch):
    adapters = []
    hooks = []
    for source, module in model.named_modules():
        if source.split(".")[-1] not in LINEARS:
            continue
        tensor = names.name(source + ".weight")
        rows, columns = module.weight.shape
        a = values(tensor + ".lora_a", RANK, columns).requires_grad_()
        b = names.unorder(source + ".weight", values(tensor + ".lora_b", rows, RANK).numpy())
        b = torch.from_numpy(b).requires_grad_()
        hooks.append(
            module.register_forward_hook(lambda _, x, y, a=a, b=b: y + ALPHA / RANK * (x[0] @ a.T @ b.T))
        )
        adapters.append((source, tensor, a, b))
    loss = compute_loss(model, batch)
    loss.backward()
    for hook in hooks:
        hook.remove()
    result = {}
    for source, tensor, a, b in adapters:
        result[tensor + ".lora_a"] = a.grad.numpy()
        result[tensor + ".lora_b"] = names.order(source + ".weight", b.grad.numpy())
    return float(loss.detach()), result


def write_case(file, model_name, kind, batch, loss, losses, gradients):
    tokens, targets, weights, starts = batch
    rank = RANK if kind == "lora" else 0
    file.write(struct.pack("<32s8sif", model_name.encode(), kind.encode(), rank, ALPHA))
    file.write(struct.pack("<ii", len(tokens), len(starts)))
    for array in (tokens, targets, weights, starts):
        file.write(array.tobytes())
    file.write(struct.pack("<d10d", loss, *losses))
    file.write(struct.pack("<i", len(gradients)))
    for name, gradient in gradients.items():
        norm = float(np.linalg.norm(gradient.astype(np.float64)))
        file.write(struct.pack("<80sd", name.encode(), norm) + sketch(name, gradient).tobytes())
    print(f"{model_name} {kind}: loss {loss:.4f}, {len(gradients)} gradients")


def quantize_llama(folder, model, names):
    """Writes llama-q.gguf and gives the model its weights."""
    reader = gguf.GGUFReader(folder / "llama-plain.gguf")
    writer = gguf.GGUFWriter(folder / "llama-q.gguf", "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind = field.types[0]
        sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=sub)
    dequantized = {}
    for tensor in reader.tensors:
        array = np.array(tensor.data)
        if array.ndim == 2 and array.shape[1] % 32 == 0:
            down = tensor.name in ("output.weight", "token_embd.weight") or "attn_v" in tensor.name
            kind = gguf.GGMLQuantizationType.Q8_0 if down else gguf.GGMLQuantizationType.Q4_0
            packed = gguf.quants.quantize(array, kind)
            writer.add_tensor(tensor.name, packed, raw_dtype=kind)
            dequantized[tensor.name] = gguf.quants.dequantize(packed, kind)
        else:
            writer.add_tensor(tensor.name, array)
            dequantized[tensor.name] = array
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with torch.no_grad():
        for source, parameter in model.named_parameters():
            array = dequantized[names.name(source)]
            if array.ndim == 2:
                array = names.unorder(source, array)
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def make_models():
    for seed, (name, model, _) in enumerate(make_llama.make_models(), start=1):
        yield name, randomize(model, seed, make_llama.GAINS, lambda _: (1, 0.2))
    families = [*make_families.make_qwens(), *make_families.make_phis(), *make_families.make_gemmas()]
    for seed, (name, model) in enumerate(families, start=11):
        model.config.name = name
        yield name, randomize(model, seed, make_families.GAINS, make_families.vector_of(model.config))


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    torch.set_num_threads(1)
    cases = []
    for seed, (name, model) in enumerate(make_models(), start=200):
        names = Names(model)
        lengths = (96,) if name == "phi3-partial" else (40, 33, 23)
        batch = make_batch(seed, lengths)
        losses = curve(model, batch)
        cases.append((name, "full", batch, losses, gradients_full(model, names, batch)))
        cases.append((name, "lora", batch, losses, gradients_lora(model, names, batch)))
        if name == "llama-plain":
            quantize_llama(folder, model, names)
            cases.append(("llama-q", "lora", batch, losses, gradients_lora(model, names, batch)))
        if name == "phi3-longrope":
            batch = make_batch(seed + 100, (96,))
            losses = curve(model, batch)
            cases.append((name, "full", batch, losses, gradients_full(model, names, batch)))
    with (folder / "gradients.bin").open("wb") as file:
        file.write(struct.pack("<i", len(cases)))
        for name, kind, batch, losses, (loss, gradients) in cases:
            write_case(file, name, kind, batch, loss, losses, gradients)


if __name__ == "__main__":
    main()
