"""Makes evaluation.json: answers, and what scikit-learn, scipy and statsmodels make of them.

    python make_evaluation.py [FOLDER]        default: the folder of this script

Each case has classes, expected, answered (-1: none), confidence, probabilities, a second model's answers, and the results:
accuracy with Wilson's interval (statsmodels), precision, recall and F1 of each class and their means over classes that occur
(scikit-learn), the confusion matrix, the expected calibration error (numpy, as its definition says), the temperature of least log loss
(scipy's bounded minimizer over scikit-learn's log_loss), McNemar's exact p (statsmodels) and mid-p (scipy's binomial).
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import binom
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

BINS = 15


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def calibration_error(right, confidence):
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    total = 0.0
    for number in range(BINS):
        chosen = bins == number
        if chosen.any():
            total += abs(confidence[chosen].mean() - right[chosen].mean()) * chosen.sum() / len(right)
    return total


def fit_temperature(probabilities, expected, classes):
    logs = np.log(np.maximum(probabilities, 1e-12))

    def loss(log_temperature):
        return log_loss(expected, softmax(logs / np.exp(log_temperature)), labels=list(range(classes)))

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-9})
    return float(np.exp(found.x))


def make_case(seed, count, classes, skill, sharpness, absent):
    random = np.random.default_rng(seed)
    known = classes - 1 if absent else classes
    expected = random.integers(0, known, count)
    logits = random.normal(size=(count, classes))
    logits[np.arange(count), expected] += skill
    probabilities = softmax(logits * sharpness)
    answered = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    second = np.where(random.random(count) < 0.6, answered, random.integers(0, known, count))
    held = random.random(count) < 0.1
    answered = np.where(held, -1, answered)
    right = answered == expected
    right_second = second == expected
    occurring = sorted(set(expected) | set(answered[answered >= 0]))
    precision, recall, f1, _ = precision_recall_fscore_support(
        expected, answered, labels=list(range(classes)), zero_division=0
    )
    low, high = proportion_confint(int(right.sum()), count, method="wilson")
    table = [
        [int((right & right_second).sum()), int((right & ~right_second).sum())],
        [int((~right & right_second).sum()), int((~right & ~right_second).sum())],
    ]
    b, c = table[0][1], table[1][0]
    exact = float(mcnemar(table, exact=True).pvalue)
    mid = float(2 * binom.cdf(min(b, c), b + c, 0.5) - binom.pmf(min(b, c), b + c, 0.5)) if b != c else 1.0
    answers = answered >= 0
    matrix = confusion_matrix(expected, np.where(answers, answered, classes), labels=list(range(classes + 1)))
    return {
        "classes": classes,
        "expected": expected.tolist(),
        "answered": answered.tolist(),
        "confidence": confidence.tolist(),
        "probabilities": probabilities.ravel().tolist(),
        "second": second.tolist(),
        "accuracy": [float(right.mean()), float(low), float(high)],
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "macro": [float(values[occurring].mean()) for values in (precision, recall, f1)],
        "confusion": matrix[:classes].ravel().tolist(),
        "calibration_error": float(calibration_error(right[answers], confidence[answers])),
        "temperature": fit_temperature(probabilities, expected, classes),
        "pairs": [table[0][0], b, c, table[1][1]],
        "p": [exact, mid],
    }


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    cases = [
        make_case(1, 120, 3, 2.0, 1.0, False),
        make_case(2, 80, 2, 1.0, 4.0, False),
        make_case(3, 150, 6, 1.5, 0.4, True),
        make_case(4, 12, 4, 6.0, 1.0, True),
        make_case(5, 60, 3, 0.0, 2.0, False),
        make_case(6, 40, 2, 9.0, 1.0, False),
    ]
    (folder / "evaluation.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    for case in cases:
        print(case["accuracy"], case["macro"], case["calibration_error"], case["temperature"], case["p"])


if __name__ == "__main__":
    main()
