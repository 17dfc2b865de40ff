"""Pulls that are killed at random moments, and pulls of one file that begin together: whatever happens, the file is the
whole right one or is not there, and nothing is left beside it in the end.

    hammer.py SMIDGE-FETCH RIGHT-FILE KILLS RACES        with HF_ENDPOINT set
"""
import os
import random
import signal
import subprocess
import sys
import time

program, right_path, kills, races = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
right = open(right_path, "rb").read()
generator = random.Random(5)


def begin(folder):
    return subprocess.Popen(
        [program, "hf:test/good:m.gguf", "-o", folder, "-q", "--back-off", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def check(folder):
    path = os.path.join(folder, "m.gguf")
    if not os.path.exists(path):
        return False
    assert open(path, "rb").read() == right, "the file is not the right one"
    assert os.listdir(folder) == ["m.gguf"], os.listdir(folder)
    os.unlink(path)
    return True


arrived = 0
for i in range(kills):
    process = begin("killed")
    time.sleep(generator.random() * 0.05)
    process.send_signal(generator.choice([signal.SIGKILL, signal.SIGINT, signal.SIGTERM]))
    message, status = process.communicate()[1], process.returncode
    assert status in (0, 130, 143, -signal.SIGKILL, -signal.SIGINT, -signal.SIGTERM), (status, message)
    assert message.count(b"\n") <= 1, message
    arrived += check("killed")
process = begin("killed")
message = process.communicate()[1]
assert process.returncode == 0 and check("killed"), message

refused = 0
for i in range(races):
    processes = [begin("raced") for _ in range(4)]
    messages = [process.communicate()[1] for process in processes]
    for process, message in zip(processes, messages):
        if process.returncode != 0:
            assert b"is being fetched already" in message, message
            refused += 1
    assert check("raced"), "nobody had it in the end"
print("%d of %d killed pulls arrived, %d of %d racing ones were refused" % (arrived, kills, refused, 4 * races))
