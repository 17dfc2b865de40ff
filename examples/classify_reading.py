"""A reading goes in, a label comes out:  classify_reading.py libsmidge.so MODEL.gguf "temperature 94 C, vibration 7.2 mm/s" """
import ctypes as c, sys

class Error(c.Structure): _fields_ = [("code", c.c_int), ("where", c.c_char * 160), ("message", c.c_char * 480)]
class Span(c.Structure): _fields_ = [("text", c.c_char_p), ("size", c.c_size_t), ("trusted", c.c_int32)]
class Options(c.Structure): _fields_ = [("size", c.c_size_t), ("min_confidence", c.c_double), ("deadline_ns", c.c_int64)]
class Result(c.Structure):
    _fields_ = [("size", c.c_size_t), ("answer", c.c_int32), ("label", c.c_int32), ("confidence", c.c_double),
                ("probabilities", c.POINTER(c.c_double)), ("label_mass", c.c_double), ("cut_share", c.c_double),
                ("cut_branches", c.c_int32), ("prompt_tokens", c.c_int32), ("cached_tokens", c.c_int32),
                ("passes", c.c_int32), ("duration_ns", c.c_int64)]

smidge, path, reading = c.CDLL(sys.argv[1]), sys.argv[2].encode(), sys.argv[3].encode()
smidge.smidge_now_ns.restype = c.c_int64
names = [b"NORMAL", b"WARNING", b"CRITICAL"]
task = b"Normal: temperature 60-75 C, vibration 1.0-2.8 mm/s. NORMAL, WARNING or CRITICAL?\nReading: "
error, model, session, labels = Error(), c.c_void_p(), c.c_void_p(), c.c_void_p()

def check(status):
    if status != 0: sys.exit(f"{error.where.decode()}: {error.message.decode()}")

check(smidge.smidge_model_open(path, None, c.byref(model), c.byref(error)))
check(smidge.smidge_session_new(model, None, c.byref(session), c.byref(error)))
check(smidge.smidge_labels_new(model, (c.c_char_p * 3)(*names), c.c_size_t(3), c.byref(labels), c.byref(error)))
prompt = (Span * 3)(*[Span(text, len(text), 0) for text in (task, reading, b"\nAnswer:")])
options = Options(c.sizeof(Options), 0.0, smidge.smidge_now_ns() + 10_000_000_000)
result = Result(c.sizeof(Result))
check(smidge.smidge_classify(session, labels, prompt, c.c_size_t(3), c.byref(options), c.byref(result), c.byref(error)))
print(names[result.label].decode(), f"{result.confidence:.3f}")
smidge.smidge_labels_free(labels), smidge.smidge_session_free(session), smidge.smidge_model_close(model)
