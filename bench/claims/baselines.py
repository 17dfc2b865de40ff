"""What an engineer would use instead of a language model, on the same numbers and words.

    baselines.py METHOD COLUMN --train F --test F [--valid F] [--commands hwu-home.jsonl] --out P [--valid-out P]

METHOD: rules, logistic, boosting, forest (isolation forest), crf. COLUMN: worked, raw (F: the files of claims_features, beside
JSON Lines of the same name), skab, ai4i, commands. Writes predictions in the form of `smidge eval --predictions`.
"""
import argparse
import json
import os
import re

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np  # noqa: E402

SEED = 1
SLOTS = ["device_type", "house_place", "color_type", "coffee_type", "change_amount", "time", "date"]
LABELS = ["NORMAL", "WARNING", "CRITICAL"]


def read_rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_predictions(path, rows, expected, answered, probabilities=None, right=None):
    with open(path + ".part", "w", encoding="utf-8") as file:
        for i, row in enumerate(rows):
            line = {"prompt": row["prompt"], "expected": expected[i], "answered": answered[i]}
            line["right"] = bool(right[i]) if right is not None else expected[i] == answered[i]
            if probabilities is not None:
                line["probabilities"] = probabilities[i]
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    os.rename(path + ".part", path)


def logistic():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000, random_state=SEED))


def boosting():
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=SEED)


def forest():
    from sklearn.ensemble import IsolationForest

    return IsolationForest(n_estimators=300, random_state=SEED)


# ---- Generated thresholds: six sorted distances --------------------------------------------------------------


def read_features(path):
    numbers, labels = [], []
    with open(path, encoding="utf-8") as file:
        for line in file:
            cells = line.rstrip("\n").split("\t")
            labels.append(cells[1])
            numbers.append([float(cell) for cell in cells[2:]])
    return np.array(numbers), np.array(labels)


def severity(numbers):
    out = (numbers > 0).sum(1)
    critical = (out > 1) | (numbers > 0.3).any(1)
    return np.where(critical, "CRITICAL", np.where(out == 1, "WARNING", "NORMAL"))


def thresholds(method, given):
    numbers, labels = read_features(given.train)
    test, expected = read_features(given.test)
    rows = read_rows(given.test.replace(".tsv", ".jsonl"))
    if [row["label"] for row in rows] != list(expected):
        raise SystemExit(f"baselines: {given.test}: is not of the same cases as its .jsonl (make both again)")
    if method == "rules":
        answered = severity(test)
    elif method == "forest":
        # It knows of more and less unusual only: cut where the shares of the labels in training are.
        model = forest().fit(numbers)
        cuts = np.quantile(-model.score_samples(numbers), np.cumsum([np.mean(labels == one) for one in LABELS])[:2])
        answered = np.array(LABELS)[np.searchsorted(cuts, -model.score_samples(test))]
    else:
        model = logistic() if method == "logistic" else boosting()
        answered = model.fit(numbers, labels).predict(test)
    write_predictions(given.out, rows, list(expected), [str(one) for one in answered])


# ---- Recordings: the numbers and words of the prompt -----------------------------------------------------------


def limit(text):
    found = re.fullmatch(r"(normal|(above|below) its limit by (\d+) %)", text)
    return 0.0 if found[2] is None else float(found[3]) * (1 if found[2] == "above" else -1)


def skab_numbers(prompt):
    found = re.findall(r"-?\d+\.\d", prompt)
    if len(found) != 8:
        raise SystemExit(f"baselines: not eight numbers in: {prompt}")
    return [float(one) for one in found] + ["falling" in prompt, "rising" in prompt]


AI4I = re.compile(
    r"quality (\w)\.\nSpeed (\d+) rpm, torque ([\d.]+) Nm, power (\d+) W, ([^.]+)\.\n"
    r"It is ([\d.]+) K above the air, ([^;]+); speed (\w+)\.\n"
    r"Tool worn for (\d+) min, ([^;]+); strain (\d+), (\w+)\."
)


def ai4i_numbers(prompt):
    found = AI4I.search(prompt)
    if found is None:
        raise SystemExit(f"baselines: not as the template has it: {prompt}")
    strain = ["normal", "raised", "high", "extreme"].index(found[12])
    return [
        "LMH".index(found[1]), found[1] == "L", found[1] == "H", float(found[2]), float(found[3]), float(found[4]),
        limit(found[5]), float(found[6]), limit(found[7]), found[8] == "low", float(found[9]), limit(found[10]),
        float(found[11]), strain,
    ]  # fmt: skip


def ai4i_rules(numbers):
    """The limits that the template names: power, heat at a low speed, strain by quality. Wear alone says too little."""
    power = numbers[:, 6] != 0
    heat = (numbers[:, 8] != 0) & (numbers[:, 9] == 1)
    strain = numbers[:, 13] > numbers[:, 0]
    return (power | heat | strain).astype(float)


def skab_rules(numbers, truth, test):
    """One limit on the largest deviation of all sensors, chosen on the training experiments."""
    from sklearn.metrics import f1_score

    largest, tested = (np.abs(one[:, :8]).max(1) for one in (numbers, test))
    cut = max(np.arange(1, 10.1, 0.25), key=lambda k: f1_score(truth, largest > k))
    return (tested > cut).astype(float)


def binary_probability(method, column, numbers, truth, asked):
    if method == "rules":
        return ai4i_rules(asked) if column == "ai4i" else skab_rules(numbers, truth, asked)
    if method == "forest":
        # Without labels but for their share, where its limit is.
        model = forest().fit(numbers)
        scores = -model.score_samples(numbers)
        cut = np.quantile(scores, 1 - truth.mean())
        return 1 / (1 + np.exp(-(-model.score_samples(asked) - cut) / scores.std()))
    model = logistic() if method == "logistic" else boosting()
    return model.fit(numbers, truth).predict_proba(asked)[:, 1]


def recording(method, column, given):
    positive, negative = {"skab": ("ANOMALY", "NORMAL"), "ai4i": ("FAILURE", "OK")}[column]
    numbers_of = skab_numbers if column == "skab" else ai4i_numbers
    train = read_rows(given.train)
    numbers = np.array([numbers_of(row["prompt"]) for row in train], dtype=float)
    truth = np.array([row["label"] == positive for row in train])
    for path, out in ((given.test, given.out), (given.valid, given.valid_out)):
        if path is None:
            continue
        rows = read_rows(path)
        asked = np.array([numbers_of(row["prompt"]) for row in rows], dtype=float)
        shares = binary_probability(method, column, numbers, truth, asked)
        write_predictions(
            out, rows, [row["label"] for row in rows],
            [positive if p >= 0.5 else negative for p in shares],
            [{positive: round(float(p), 6), negative: round(1 - float(p), 6)} for p in shares],
        )  # fmt: skip


# ---- Commands: intent by n-grams, slots by a CRF ---------------------------------------------------------------


def intent_of(row):
    return row["intent"] if row["intent"].startswith("iot_") else "none"


def intent_model():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    return make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True, token_pattern=r"\S+"),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        ),
        LogisticRegression(C=30, class_weight="balanced", max_iter=2000, random_state=SEED),
    )


def words_of(text):
    return [(found.start(), found.end()) for found in re.finditer(r"\S+", text)]


def tags_of(row):
    tags = []
    for start, end in words_of(row["text"]):
        tag = "O"
        for slot in row["slots"]:
            if slot["name"] in SLOTS and start < slot["end"] and end > slot["start"]:
                tag = ("B-" if start <= slot["start"] else "I-") + slot["name"]
        tags.append(tag)
    return tags


def shape_of(word):
    return re.sub(r"[a-z]+", "x", re.sub(r"[0-9]+", "d", word))


def word_features(text, intent):
    words = [text[start:end] for start, end in words_of(text)]
    padded = ["<2", "<1"] + words + [">1", ">2"]
    features = []
    for i, word in enumerate(words):
        at = i + 2
        one = {"intent": intent, "bias": "1", "word": word, "shape": shape_of(word), "intent+word": intent + " " + word}
        for size in (1, 2, 3, 4):
            one[f"prefix{size}"], one[f"suffix{size}"] = word[:size], word[-size:]
        for by in (-2, -1, 1, 2):
            one[f"word{by}"] = padded[at + by]
        one["shape-1"], one["shape+1"] = shape_of(padded[at - 1]), shape_of(padded[at + 1])
        one["words-1"] = padded[at - 1] + " " + word
        one["words+1"] = word + " " + padded[at + 1]
        one["around"] = padded[at - 1] + " " + padded[at + 1]
        one["before"] = padded[at - 2] + " " + padded[at - 1]
        one["behind"] = padded[at + 1] + " " + padded[at + 2]
        features.append(one)
    return features


def slots_of(text, tags):
    """As make_data has them: a name that is there twice has both values, with a comma."""
    found, spans = {}, words_of(text)
    i = 0
    while i < len(tags):
        if tags[i] == "O":
            i += 1
            continue
        name, first = tags[i][2:], i
        while i + 1 < len(tags) and tags[i + 1] == "I-" + name:
            i += 1
        found.setdefault(name, []).append(text[spans[first][0] : spans[i][1]])
        i += 1
    return {name: ", ".join(found[name]) for name in SLOTS if name in found}


def crf_model():  # its two weights, like those of the intent, by cross-validation within the training split
    import sklearn_crfsuite

    return sklearn_crfsuite.CRF(algorithm="lbfgs", c1=0.2, c2=0.1, max_iterations=200, all_possible_transitions=True)


def commands(method, given):
    data = read_rows(given.commands)
    train = [row for row in data if row["split"] == "train"]
    texts = {row["id"]: row["text"] for row in data}
    rows = read_rows(given.test)
    asked = [texts[row["id"]] for row in rows]
    model = intent_model().fit([row["text"] for row in train], [intent_of(row) for row in train])
    answers = [{"intent": str(intent)} for intent in model.predict(asked)]
    if method == "crf":
        home = [row for row in train if intent_of(row) != "none"]
        crf = crf_model().fit([word_features(r["text"], intent_of(r)) for r in home], [tags_of(r) for r in home])
        for text, answer in zip(asked, answers):
            if answer["intent"] != "none":
                tags = crf.predict_single(word_features(text, answer["intent"]))
                answer.update(slots_of(text, list(tags)))
    expected = [row["json"] for row in rows]
    write_predictions(
        given.out, rows, [json.dumps(one, ensure_ascii=False) for one in expected],
        [json.dumps(one, ensure_ascii=False) for one in answers],
        right=[one == other for one, other in zip(expected, answers)],
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=["rules", "logistic", "boosting", "forest", "crf"])
    parser.add_argument("column", choices=["worked", "raw", "skab", "ai4i", "commands"])
    for name in ("--train", "--test", "--valid", "--commands", "--out", "--valid-out"):
        parser.add_argument(name)
    given = parser.parse_args()
    if given.column in ("worked", "raw"):
        thresholds(given.method, given)
    elif given.column == "commands":
        commands(given.method, given)
    else:
        recording(given.method, given.column, given)


if __name__ == "__main__":
    main()
