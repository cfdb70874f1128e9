"""Writes formats.gguf and formats.safetensors: random blocks and their values by the gguf package."""

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from safetensors.numpy import save_file

# Byte offsets of the float16 scales in a block, which must be finite.
HALVES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
}

random = np.random.default_rng(20240501)
writer = gguf.GGUFWriter("formats.gguf", "llama")
writer.add_uint32("test.integer", 7)
writer.add_float32("test.real", 1e-5)
writer.add_bool("test.flag", True)
writer.add_array("test.strings", ["a", "Ġb", "日本"])
writer.add_array("test.integers", [3, -1, 4])
writer.add_array("test.reals", [0.5, -1.25])
expected = {}
for kind, offsets in HALVES.items():
    block, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (2, 256 // block, size), dtype=np.uint8)
    for at in offsets:
        scale = random.normal(0, 0.1, blocks.shape[:2]).astype(np.float16)
        blocks[:, :, at : at + 2] = scale[..., None].view(np.uint8)
    data = blocks.reshape(2, -1)
    writer.add_tensor(kind.name, data, raw_dtype=kind)
    expected[kind.name] = gguf.quants.dequantize(data, kind).astype(np.float32)
plain = random.normal(0, 1, (3, 64)).astype(np.float32)
writer.add_tensor("F32", plain)
expected["F32"] = plain
writer.add_tensor("F16", plain.astype(np.float16))
expected["F16"] = plain.astype(np.float16).astype(np.float32)
bf16 = (plain.view(np.uint32) >> 16).astype(np.uint16)
writer.add_tensor("BF16", bf16.view(np.uint8), raw_dtype=T.BF16)
expected["BF16"] = (bf16.astype(np.uint32) << 16).view(np.float32)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(expected, "formats.safetensors")
