"""Writes csv.json: what Python's csv module reads from CSV of many kinds, and prompts whose numbers numpy computed.

    python tests/golden/make_csv.py

csv.json: {"tables": [{"text", "delimiter", "rows"}], "prompts": [{"text", "template", "prompts", "labels"}]}. "rows" are the cells
of all lines, the line of names first, as csv.reader (strict) gives them; texts with a byte order mark and "sep=" lines have
these taken off before csv.reader sees them. "prompts" are made here, row by row, with numpy in float64.
"""
import csv
import io
import json
import pathlib
import random
from datetime import datetime

import numpy as np

HERE = pathlib.Path(__file__).parent
random.seed(20)
rng = np.random.default_rng(20)

# ---- Tables ------------------------------------------------------------------------------------------------

ALPHABET = ["a", "b", " ", "7", ".", "\u00b0", "\u20ac", "\U0001f600", ",", ";", "\t", '"', "\n", "\r\n", "'", "-", "="]


def cell(kind):
    if kind == 0:
        return f"{random.uniform(-100, 100):.{random.randrange(4)}f}"
    if kind == 1:
        return ""
    return "".join(random.choice(ALPHABET) for _ in range(random.randrange(1, 9)))


def table(delimiter, end, quoting):
    columns, rows = random.randrange(1, 7), random.randrange(1, 9)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow([f"column {i}" for i in range(columns)])
    for _ in range(rows):
        row = [cell(random.randrange(3)) for _ in range(columns)]
        # an empty line is no row, for csv.DictReader as for us
        if columns == 1 and row[0] == "" and quoting == csv.QUOTE_MINIMAL:
            row[0] = "x"
        writer.writerow(row)
    text = out.getvalue()
    if random.random() < 0.3:
        text = text[: -len(end)]  # no line end at the end
    return text


def read(text, delimiter):
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    return [row for row in rows if row]


tables = []
while len(tables) < 240:
    delimiter = random.choice([",", ";", "\t"])
    text = table(delimiter, random.choice(["\n", "\r\n"]), random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    rows = read(text, delimiter)
    if len({len(row) for row in rows}) != 1 or len(rows) < 2:
        continue
    mark = random.choice(["", "", "\ufeff", f"sep={delimiter}\r\n"])
    tables.append({"text": mark + text, "delimiter": delimiter, "rows": rows})
BY_HAND = [
    ("a,b\n1,2\n\n3,4\n\n", ","),
    ('a,b\n"x ""y"" z","1\n2"\n', ","),
    ('size,note\n5" pipe,it\'s "new"\n', ","),  # quotes inside a cell without quotes are text
    ("a;b\r\n1,5;2,25\r\n", ";"),
    ('a,b\n"",""\n', ","),
    ('"a","b"\n"1",2\n', ","),
]
for text, delimiter in BY_HAND:
    tables.append({"text": text, "delimiter": delimiter, "rows": read(text, delimiter)})

# ---- Prompts -----------------------------------------------------------------------------------------------

TEMPLATE = """# made by make_csv.py
window {window} step {step}
group by unit
time when
baseline t 20 +- 1.5
baseline p from first 5 rows
let product = t * p / 2 - 1
label state {reduction} 2 -> BAD, 1 -> DOUBTFUL else GOOD
prompt
{{last t:3}}|{{first t:3}}|{{mean t:4}}|{{min t:2}}|{{max t:2}}|{{range t:3}}|{{std t:4}}|{{change t:+2}}
{{slope t:5}}|{{slope t:4 per second}}|{{slope t:3 per minute}}|{{slope t:1 per hour}}
{{zscore t:3}}|{{zscore mean t:3}}|{{zscore p:2}}|{{zscore max p:2}}|{{mean product:3}}|{{note}}|{{t}}
{{word mean t ..18:cold 18..21:fine else hot}}|{{word slope t per minute ..0:falling else rising}}
end
"""


near_tie = False


def number(value, decimals):
    """As printf has it. Half-way cases depend on the last bits of a sum: cases with any are drawn again."""
    global near_tie
    near_tie |= bool(abs(abs(value) * 10**decimals % 1 - 0.5) < 1e-6)
    text = f"{value:.{decimals}f}"
    return text[1:] if float(text) == 0 and text.startswith("-") else text


def prompt_of(rows, first_p):
    t, p = (np.array([float(row[name]) for row in rows]) for name in ("t", "p"))
    seconds = np.array([datetime.fromisoformat(row["when"]).timestamp() for row in rows])
    places = np.arange(len(rows))
    product = t * p / 2 - 1
    slope = np.polyfit(places, t, 1)[0]
    per_second = np.polyfit(seconds - seconds[0], t, 1)[0]
    change = t[-1] - t[0]
    change_text = number(change, 2)
    lines = [
        [number(t[-1], 3), number(t[0], 3), number(t.mean(), 4), number(t.min(), 2), number(t.max(), 2),
         number(t.max() - t.min(), 3), number(t.std(), 4), change_text if change_text[0] == "-" else "+" + change_text],
        [number(slope, 5), number(per_second, 4), number(per_second * 60, 3), number(per_second * 3600, 1)],
        [number((t[-1] - 20) / 1.5, 3), number((t.mean() - 20) / 1.5, 3),
         number((p[-1] - first_p.mean()) / first_p.std(), 2), number((p.max() - first_p.mean()) / first_p.std(), 2),
         number(product.mean(), 3), rows[-1]["note"], rows[-1]["t"]],
        ["cold" if t.mean() < 18 else "fine" if t.mean() < 21 else "hot", "falling" if per_second * 60 < 0 else "rising"],
    ]
    return "\n".join("|".join(line) for line in lines)


NAMES = {"2": "BAD", "1": "DOUBTFUL", "0": "GOOD"}


def label_of(rows, reduction):
    states = [row["state"] for row in rows]
    if reduction == "last":
        return NAMES[states[-1]]
    if reduction == "first":
        return NAMES[states[0]]
    if reduction == "any":
        return "BAD" if "2" in states else "DOUBTFUL" if "1" in states else "GOOD"
    if reduction == "all":
        return NAMES[states[0]] if len(set(states)) == 1 else "GOOD"
    names = [NAMES[state] for state in states]
    most = max(names.count(name) for name in names)
    return [name for name in names if names.count(name) == most][-1]


prompts = []
while len(prompts) < 36:
    case, near_tie = len(prompts), False
    reduction = ["last", "first", "any", "all", "majority", "majority"][case % 6]
    window, step = random.choice([(2, 1), (4, 2), (5, 5), (7, 3), (6, 9)])
    comma = case % 3 == 0
    rows, clock = [], 1583748873
    temperature = rng.uniform(15, 25)
    for i in range(40):
        clock += int(rng.integers(1, 9))
        temperature += rng.normal(0, 0.7)
        rows.append({
            "when": datetime.fromtimestamp(clock).strftime("%Y-%m-%d %H:%M:%S"),
            "unit": random.choice("AB"),
            "t": f"{temperature:.3f}",
            "p": f"{rng.uniform(-3, 3):.2f}",
            "state": random.choices("012", [6, 3, 1])[0],
            "note": random.choice(["ok", "said \"no\"", "a;b", "\u00e9t\u00e9"]),
        })
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=";", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        written = dict(row)
        if comma:
            written["t"], written["p"] = written["t"].replace(".", ","), written["p"].replace(".", ",")
        writer.writerow(written)
    expected, labels = [], []
    order = list(dict.fromkeys(row["unit"] for row in rows))
    for unit in order:
        group = [row for row in rows if row["unit"] == unit]
        first_p = np.array([float(row["p"]) for row in group[:5]])
        for begin in range(0, len(group) - window + 1, step):
            part = group[begin:begin + window]
            text = prompt_of(part, first_p)
            if comma:  # a cell is printed as it stands
                head, cell_text = text.split("\n")[2].rsplit("|", 1)
                lines = text.split("\n")
                lines[2] = head + "|" + cell_text.replace(".", ",")
                text = "\n".join(lines)
            expected.append(text)
            labels.append(label_of(part, reduction))
    if near_tie:
        continue
    prompts.append({"text": out.getvalue(), "template": TEMPLATE.format(window=window, step=step, reduction=reduction),
                    "prompts": expected, "labels": labels})

with open(HERE / "csv.json", "w", encoding="utf-8") as file:
    file.write('{"tables": [\n' + ",\n".join(json.dumps(t, ensure_ascii=False) for t in tables) + '\n], "prompts": [\n'
               + ",\n".join(json.dumps(p, ensure_ascii=False) for p in prompts) + "\n]}\n")
print(len(tables), "tables,", sum(len(p["prompts"]) for p in prompts), "prompts")
