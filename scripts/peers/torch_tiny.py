"""The tiny Qwen2.5-VL in PyTorch and transformers: training and sampling speed on the CPU, as JSON.

    python scripts/peers/torch_tiny.py [--batch 32] [--threads 2] [--dtype f32|bf16] [--repeats 5]

The shapes are those of `eyas bench`: width 256, four layers, four vision blocks, one 112 x 112 picture
(16 visual tokens), 26 other prompt tokens and 64 answer tokens a sequence. bf16 is CPU autocast.
"""

import argparse
import contextlib
import json
import statistics
import time

import torch
import transformers
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

VOCAB, VISUAL, WORDS, ANSWER, SIDE = 1024, 16, 24, 64, 8

args = argparse.ArgumentParser()
args.add_argument("--batch", type=int, default=32)
args.add_argument("--sample-batch", type=int, default=128)
args.add_argument("--threads", type=int, default=2)
args.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
args.add_argument("--repeats", type=int, default=5)
args = args.parse_args()

torch.manual_seed(1)
torch.set_num_threads(args.threads)
transformers.logging.set_verbosity_error()
model = Qwen2_5_VLForConditionalGeneration(
    Qwen2_5_VLConfig(
        text_config=dict(
            vocab_size=VOCAB, hidden_size=256, intermediate_size=704, num_hidden_layers=4,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
            rope_parameters={"rope_type": "default", "mrope_section": [8, 12, 12], "rope_theta": 10000.0},
            tie_word_embeddings=True, bos_token_id=0, eos_token_id=1, pad_token_id=2,
        ),
        vision_config=dict(
            depth=4, hidden_size=128, intermediate_size=352, num_heads=4, out_hidden_size=256,
            patch_size=14, spatial_merge_size=2, window_size=56, fullatt_block_indexes=[1, 3],
        ),
        image_token_id=5, video_token_id=6, vision_start_token_id=3, vision_end_token_id=4,
        tie_word_embeddings=True,
    )
)


def inputs(batch):
    ids = torch.randint(10, VOCAB, (batch, 2 + VISUAL + WORDS + ANSWER))
    ids[:, 0], ids[:, 1 : 1 + VISUAL], ids[:, 1 + VISUAL] = 3, 5, 4
    pictures = dict(
        pixel_values=torch.randn(batch * SIDE * SIDE, 3 * 2 * 14 * 14),
        image_grid_thw=torch.tensor([[1, SIDE, SIDE]] * batch),
    )
    return ids, (ids == 5).int(), pictures


def precision():
    if args.dtype == "bf16":
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def timed(repeats, warm_up, run):
    seconds = []
    for i in range(repeats + warm_up):
        begin = time.perf_counter()
        run()
        if i >= warm_up:
            seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
ids, kinds, pictures = inputs(args.batch)


def train():
    with precision():
        logits = model(
            input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=kinds, **pictures
        ).logits
    logprobs = torch.log_softmax(logits[:, -ANSWER - 1 : -1].float(), -1)
    loss = -logprobs.gather(-1, ids[:, -ANSWER:, None]).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


step = timed(args.repeats, 2, train)
model.eval()
sample_ids, sample_kinds, sample_pictures = inputs(args.sample_batch)
prompt = sample_ids.shape[1] - ANSWER


def generate():
    with torch.no_grad(), precision():
        model.generate(
            input_ids=sample_ids[:, :prompt],
            attention_mask=torch.ones_like(sample_ids[:, :prompt]),
            mm_token_type_ids=sample_kinds[:, :prompt],
            max_new_tokens=ANSWER, min_new_tokens=ANSWER, do_sample=True, **sample_pictures,
        )


seconds = timed(max(1, args.repeats // 2), 1, generate)
print(
    json.dumps(
        {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "threads": args.threads,
            "dtype": args.dtype,
            "parameters": sum(p.numel() for p in model.parameters()),
            "batch": args.batch,
            "train_step_secs": step,
            "train_tokens_per_sec": ids.numel() / step,
            "sample_batch": args.sample_batch,
            "sample_secs": seconds,
            "sample_tokens_per_sec": args.sample_batch * ANSWER / seconds,
        }
    )
)
