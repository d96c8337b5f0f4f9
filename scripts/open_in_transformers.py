"""Opens a model folder written by Eyas in `transformers` and compares what the two compute.

    python scripts/open_in_transformers.py FOLDER LOGITS.safetensors [TOKENS.json]

LOGITS.safetensors holds what Eyas computed, f32 and one sequence:
    input_ids       [tokens], or [1, tokens]     integers; every image's placeholders already repeated
    pixel_values    [patches, channels * frames * patch * patch]    absent when there is no image
    image_grid_thw  [images, 3]                  integers; in patches; absent when there is no image
    logits          [tokens, vocabulary], or [1, tokens, vocabulary]

TOKENS.json holds texts and the ids Eyas encodes them to, special tokens recognised:
    [{"text": "...", "ids": [...]}, ...]

Prints the largest difference. Exits with 1 when it is above 1e-4, when the tokenizers differ, or when the
folder does not open with every weight in place. Works with transformers 4.57 and 5.23.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

TOLERANCE = 1e-4


def fail(message):
    print(f"FAILED: {message}")
    sys.exit(1)


def open_model(folder):
    model, info = transformers.AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    problems = {what: names for what, names in info.items() if names}
    if problems:
        fail(f"weights: {problems}")
    return model.eval()


def check_logits(model, path):
    given = load_file(path)
    for name in ["input_ids", "logits"]:
        if name not in given:
            fail(f"{path} has no tensor `{name}`")
    ids = given["input_ids"].long().reshape(1, -1)
    expected = given["logits"].float()
    expected = expected.reshape(-1, expected.shape[-1])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if "pixel_values" in given:
        inputs["pixel_values"] = given["pixel_values"].float()
        inputs["image_grid_thw"] = given["image_grid_thw"].long()
        if int(transformers.__version__.split(".")[0]) >= 5:
            inputs["mm_token_type_ids"] = (ids == model.config.image_token_id).int()
    with torch.no_grad():
        logits = model(**inputs).logits[0].float()
    if logits.shape != expected.shape:
        fail(f"logits have shape {tuple(expected.shape)}, transformers gives {tuple(logits.shape)}")
    if not torch.isfinite(expected).all():
        fail("the given logits are not all finite")
    difference = (logits - expected).abs()
    at = divmod(int(difference.argmax()), logits.shape[1])
    print(f"logits {tuple(logits.shape)}, std {logits.std():.4f}: max abs diff {difference.max():.3e} at {at}")
    # Written so that NaN fails.
    if not difference.max() <= TOLERANCE:
        fail(f"above {TOLERANCE}")


def check_tokens(tokenizers, path):
    cases = json.loads(Path(path).read_text())
    for name, tokenizer in tokenizers.items():
        for case in cases:
            ids = tokenizer(case["text"], add_special_tokens=False)["input_ids"]
            if ids != case["ids"]:
                fail(f"{name} encodes {case['text']!r} to {ids}, Eyas to {case['ids']}")
            back = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            if back != case["text"]:
                fail(f"{name} decodes {case['text']!r} to {back!r}")
        print(f"{name}: {len(cases)} texts agree")


def check_processor(processor):
    """One image and a text go through the template and the image processor."""
    from PIL import Image

    talk = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "go"}]}]
    text = processor.apply_chat_template(talk, add_generation_prompt=True, tokenize=False)
    batch = processor(text=[text], images=[Image.new("RGB", (112, 112), (10, 200, 30))], return_tensors="pt")
    print(f"processor: {text!r}, grid {batch['image_grid_thw'].tolist()}, {batch['input_ids'].shape[1]} tokens")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("logits", type=Path)
    parser.add_argument("tokens", type=Path, nargs="?")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"transformers {transformers.__version__}")

    model = open_model(args.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.folder)
    processor = transformers.AutoProcessor.from_pretrained(args.folder)
    print(f"{type(model).__name__}, {type(tokenizer).__name__}, {type(processor).__name__}")
    check_processor(processor)
    if args.tokens:
        check_tokens({"AutoTokenizer": tokenizer, "AutoProcessor": processor.tokenizer}, args.tokens)
    check_logits(model, args.logits)
    print("OK")


main()
