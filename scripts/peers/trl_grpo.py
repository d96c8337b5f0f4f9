"""GRPO steps of TRL on a model folder that Eyas made, on the CPU; the seconds of a step as JSON.

    eyas model new models/tiny
    python scripts/peers/trl_grpo.py models/tiny [--groups 16] [--group-size 8] [--answer 64] [--steps 4]

One step: sample `group-size` answers to each of `groups` prompts (a 112 x 112 picture and 2048's rules),
score them with a random reward, and update once. Sizes and task are those of `eyas bench`: no KL term, one
update for one rollout, f32.
"""

import argparse
import json
import random
import statistics
import tempfile
import time

import numpy
import torch
import transformers
import trl
from datasets import Dataset
from PIL import Image

args = argparse.ArgumentParser()
args.add_argument("model")
args.add_argument("--groups", type=int, default=16)
args.add_argument("--group-size", type=int, default=8)
args.add_argument("--answer", type=int, default=64)
args.add_argument("--steps", type=int, default=4)
args.add_argument("--threads", type=int, default=2)
args = args.parse_args()

torch.set_num_threads(args.threads)
transformers.logging.set_verbosity_error()
random.seed(1)
rng = numpy.random.default_rng(1)
rules = (
    "Slide the tiles so that equal ones merge. Answer: up | right | down | left. "
    "Respond with <perception></perception><think></think><answer></answer>"
)
rows = args.groups * args.steps
dataset = Dataset.from_dict(
    {
        "prompt": [[{"role": "user", "content": rules}]] * rows,
        "image": [Image.fromarray(rng.integers(0, 255, (112, 112, 3), dtype=numpy.uint8)) for _ in range(rows)],
    }
)
tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)
image_processor = transformers.AutoImageProcessor.from_pretrained(args.model)
video_processor = transformers.Qwen2VLVideoProcessor()
with open(f"{args.model}/chat_template.jinja", encoding="utf-8") as file:
    template = file.read()
processor = transformers.Qwen2_5_VLProcessor(
    image_processor=image_processor, tokenizer=tokenizer, video_processor=video_processor, chat_template=template
)
model = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(args.model, dtype=torch.float32)

marks = []


def reward(completions, **_):
    return [random.random() for _ in completions]


class Clock(transformers.TrainerCallback):
    def on_step_begin(self, *_, **__):
        marks.append([time.perf_counter(), None])

    def on_step_end(self, *_, **__):
        marks[-1][1] = time.perf_counter()


with tempfile.TemporaryDirectory() as folder:
    config = trl.GRPOConfig(
        output_dir=folder,
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=args.groups * args.group_size,
        num_generations=args.group_size,
        max_completion_length=args.answer,
        gradient_accumulation_steps=1,
        gradient_checkpointing=False,
        num_iterations=1,
        beta=0.0,
        learning_rate=1e-4,
        max_steps=args.steps,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    trainer = trl.GRPOTrainer(
        model=model, reward_funcs=reward, args=config, train_dataset=dataset, processing_class=processor,
        callbacks=[Clock()],
    )
    trainer.train()

history = [h for h in trainer.state.log_history if "completions/mean_length" in h]
steps = [end - begin for begin, end in marks]
print(
    json.dumps(
        {
            "trl": trl.__version__,
            "transformers": transformers.__version__,
            "torch": torch.__version__,
            "threads": args.threads,
            "groups": args.groups,
            "group_size": args.group_size,
            "answer": args.answer,
            "mean_completion_tokens": statistics.mean(h["completions/mean_length"] for h in history),
            "step_secs": steps,
            "grpo_step_secs": statistics.median(steps[1:]),
        }
    )
)
