"""Writes hf_chat.json: conversations, and the text `transformers` makes of them.

    python hf_chat.py TEMPLATE.jinja

Made with transformers 5.23 and the chat template of the released Qwen2.5-VL instruct models. The template of
the models made here, crates/model/src/hf/chat_template.jinja, gives the same file.
"""

import json
import sys
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

IMAGE = {"type": "image"}


def text(s):
    return {"type": "text", "text": s}


def said(role, *parts):
    """Plain text as a string, as people write it, anything else as a list."""
    content = parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else list(parts)
    return {"role": role, "content": content}


CONVERSATIONS = [
    [said("user", text("Hello"))],
    [said("user", IMAGE)],
    [said("user", IMAGE, text("Which way?"))],
    [said("user", text("before "), IMAGE, text("\nbetween\n"), IMAGE, text(" after"))],
    [said("system", text("You play 2048.")), said("user", IMAGE, text("go"))],
    [said("system", text("")), said("user", text(""))],
    [said("user", text("  spaces \t and\r\nlines\n\n"))],
    [said("user", text("{{ messages }} {% raw %} {# #} <b>&amp;</b> \\n 'quoted' \"twice\""))],
    [said("user", text("é 漢字 🎉 e\u0301"))],
    [
        said("user", IMAGE, text("turn 1")),
        said("assistant", text("<perception>2 4</perception>\n<think>a</think>\n<answer>left</answer>")),
        said("user", text("turn 2"), IMAGE),
        said("assistant", text("\n <answer>up</answer> ")),
        said("user", IMAGE, IMAGE),
    ],
    [
        said("system", text("Rules.")),
        said("user", text("a")),
        said("assistant", text("b")),
        said("user", text("c")),
        said("assistant", text("")),
    ],
]


def main():
    template = Path(sys.argv[1]).read_text()
    cases = []
    for messages in CONVERSATIONS:
        for prompt in [False, True]:
            (rendered,), _ = render_jinja_template(
                conversations=[messages], chat_template=template, add_generation_prompt=prompt
            )
            cases.append({"messages": messages, "add_generation_prompt": prompt, "rendered": rendered})
    out = Path(__file__).with_suffix(".json")
    out.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(cases)} cases in {out}")


main()
