"""A Hub on this machine, for the tests of `smidge pull`: it redirects to a second port as the Hub does to its storage,
and what goes wrong is chosen by the name of the repository.

    hub_server.py FOLDER [CERTIFICATE KEY]

A repository that is a folder in FOLDER/shelf has the files that lie there.

Writes FOLDER/ports (lines NAME=URL) when it is ready, and a line for each request to FOLDER/log. Contents come from a
generator with a fixed seed, so that every run cuts at the same places. Ends when its standard input does.
"""
import functools
import hashlib
import json
import os
import random
import re
import ssl
import struct
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SIZE = 3_000_017
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_right"
DATE = "Wed, 01 Jan 2025 00:00:00 GMT"

folder = sys.argv[1]
lock = threading.Lock()
seen = {}  # requests for a body, by repository
log_file = open(os.path.join(folder, "log"), "w", buffering=1)


@functools.lru_cache(maxsize=None)
def content(name, size=SIZE):
    return (b"GGUF" + random.Random(name).randbytes(size))[:size]


@functools.lru_cache(maxsize=None)
def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


SMALL = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b'{"model": {}}',
    "tokenizer_config.json": b"{}",
    "model.safetensors.index.json": b'{"weight_map": {}}',
    "README.md": b"# nothing",
}
LARGE = {
    "model-00001-of-00002.safetensors": 400_000,
    "model-00002-of-00002.safetensors": 300_000,
    "consolidated.safetensors": 700_000,
    "pytorch_model.bin": 700_000,
}


def shelf(repo, path=""):
    """Where the test has put files of its own for a repository."""
    return os.path.join(folder, "shelf", repo, path)


def is_small(path):
    return path in SMALL


def body_of(repo, path, number):
    if os.path.isfile(shelf(repo, path)):
        with open(shelf(repo, path), "rb") as file:
            return file.read()
    if is_small(path):
        return SMALL[path]
    if repo == "changed" and number > 0:
        return content("other")
    if path in LARGE:
        return content(path, LARGE[path])
    return content(repo if repo == "changed" else "model")


def siblings(repo):
    def large(path, size=None, digest=None):
        data = body_of(repo, path, 0)
        return {
            "rfilename": path,
            "size": size or len(data),
            "blobId": "0" * 40,
            "lfs": {"sha256": digest or sha256(data), "size": size or len(data), "pointerSize": 135},
        }

    if os.path.isdir(shelf(repo)):
        return [large(name) for name in sorted(os.listdir(shelf(repo)))]
    if repo == "several":
        return [large("m-Q4_K_M.gguf"), large("m-Q8_0.gguf"), large("mmproj-f16.gguf"), {"rfilename": "README.md"}]
    if repo == "single":
        return [large("only-Q8_0.gguf"), {"rfilename": "README.md", "size": 9, "blobId": git_sha1(SMALL["README.md"])}]
    if repo == "escape":
        return [large("m-Q8_0.gguf"), {"rfilename": "../../evil.gguf", "size": 4}]
    if repo == "pickles":
        return [{"rfilename": "pytorch_model.bin", "size": 9}, {"rfilename": "config.json", "size": 9}]
    if repo == "enormous":
        return [large("m-Q8_0.gguf", size=1 << 60)]
    if repo == "folder" or repo == "folder-damaged":
        files = [
            {"rfilename": name, "size": len(data), "blobId": git_sha1(data)} for name, data in SMALL.items()
        ]
        if repo == "folder-damaged":
            files[1]["blobId"] = "1" * 40
        return files + [large(name) for name in LARGE]
    return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "test"

    def log_message(self, *arguments):
        pass

    def note(self):
        log_file.write(
            "%s %s auth=%s range=%s if-range=%s\n"
            % (
                self.server.role,
                self.path,
                self.headers.get("Authorization", "-").replace(" ", "_"),
                self.headers.get("Range", "-"),
                self.headers.get("If-Range", "-").replace(" ", "_"),
            )
        )

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers and "Transfer_Encoding" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def cut(self, hard):
        self.wfile.flush()
        if hard:  # a reset instead of an end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.close_connection = True
        self.connection.close()

    def do_GET(self):
        self.note()
        try:
            path = re.sub(r"^http://[^/]*", "", self.path)
            if path.startswith("/plain/"):
                self.plain(path)
            elif self.server.role == "cdn":
                self.storage(path)
            elif path.startswith("/api/models/"):
                self.listing(path)
            else:
                self.resolve(path)
        except (BrokenPipeError, ConnectionResetError, ValueError, OSError):
            self.close_connection = True

    # ---- The Hub -------------------------------------------------------------------------------------------

    def error(self, status, code, message):
        self.answer(status, message.encode(), x_error_code=code, x_error_message=message)

    def refused(self, repo):
        token = self.headers.get("Authorization", "")
        if repo == "gated" and token != "Bearer " + TOKEN:
            self.error(403 if token else 401, "GatedRepo", "Access to this model is restricted.")
            return True
        if token and token != "Bearer " + TOKEN:
            self.error(401, "", "Invalid credentials in Authorization header")
            return True
        if repo == "nothing":
            self.error(401, "RepoNotFound", "Repository not found")
            return True
        return False

    def listing(self, path):
        match = re.match(r"/api/models/[^/]+/([^/]+)/revision/([^/?]+)\?blobs=true$", path)
        if not match:
            return self.answer(404)
        repo, revision = match.groups()
        if self.refused(repo):
            return
        if revision == "gone":
            return self.error(404, "RevisionNotFound", "Invalid rev id: gone")
        if repo == "login":
            return self.answer(200, b"<html>please log in</html>", Content_Type="text/html")
        files = siblings(repo)
        if files is None:
            return self.error(404, "RepoNotFound", "Repository not found")
        text = json.dumps({"id": "test/" + repo, "sha": COMMIT, "siblings": files}).encode()
        self.answer(200, text, Content_Type="application/json")

    def resolve(self, path):
        match = re.match(r"/[^/]+/([^/]+)/resolve/([^/]+)/(.+)$", path)
        if not match:
            return self.answer(404)
        repo, revision, name = match.groups()
        if self.refused(repo):
            return
        if name == "missing.gguf":
            return self.error(404, "EntryNotFound", "Entry not found")
        with lock:
            number = seen.get(repo, 0)
            if repo == "busy":
                seen[repo] = number + 1
        if repo == "busy" and number < 2:
            return self.answer(503, Retry_After="0")
        if repo == "later":
            return self.answer(429, Retry_After="4000")
        if repo == "circle":
            return self.answer(302, Location=self.path)
        if repo == "elsewhere":
            return self.answer(302, Location="file:///etc/passwd")
        data = body_of(repo, name, number)
        if is_small(name) and not os.path.isdir(shelf(repo)):
            return self.answer(200, data, ETag='"%s"' % git_sha1(data), X_Repo_Commit=COMMIT)
        digest, size = sha256(data), len(data)
        if repo == "wrong-hash":
            digest = sha256(b"another file")
        if repo == "wrong-length":
            size += 1
        if repo == "enormous":
            size = 1 << 60
        self.answer(
            302,
            b"Found. Redirecting",
            Location="http://127.0.0.1:%d/%s/%s?signature=secret" % (cdn.server_port, repo, os.path.basename(name)),
            X_Linked_Etag='"%s"' % digest,
            X_Linked_Size=str(size),
            X_Repo_Commit=COMMIT,
        )

    # ---- Its storage ---------------------------------------------------------------------------------------

    def storage(self, path):
        repo, name = re.match(r"/([^/]+)/([^/?]+)", path).groups()
        with lock:
            number = seen.get(repo, 0)
            seen[repo] = number + 1
        data = body_of(repo, name, number)
        etag = '"%s-1"' % hashlib.md5(data).hexdigest()
        if repo == "enormous":
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 60))
            self.end_headers()
            return self.wfile.write(data)
        self.send_file(repo, number, data, etag)

    def send_file(self, repo, number, data, etag):
        first, asked = 0, re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if asked and (condition is None or condition in (etag, DATE)) and repo != "no-range":
            first = int(asked.group(1))
        else:
            asked = None
        if asked and (repo == "unsatisfied" or first >= len(data)):
            return self.answer(416, Content_Range="bytes */%d" % len(data))
        if asked and repo == "wrong-range":
            first += 1
        body = data[first:]
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (first, len(data) - 1, len(data)))
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Last-Modified", DATE)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.send_body(repo, number, body)

    def send_body(self, repo, number, body):
        once = repo in ("no-range", "unsatisfied", "wrong-range", "changed", "once", "once.gguf")
        if repo in ("cuts", "runs") and number < 20:
            self.wfile.write(body[: random.Random("cut %d" % number).randint(20_000, SIZE // 25)])
            return self.cut(number % 2 == 1)
        if once and number == 0:
            self.wfile.write(body[: len(body) // 3])
            return self.cut(False)
        if repo == "always-cut":
            self.wfile.write(body[:100_000])
            return self.cut(False)
        if repo == "slow" or (repo in ("stopped", "two") and number == 0):
            if repo != "slow":
                self.wfile.write(body[:500_000])
                body = body[500_000:]
            for i in range(60):
                self.wfile.write(body[i : i + 1])
                self.wfile.flush()
                time.sleep(1)
            return self.cut(False)
        self.wfile.write(body)

    # ---- Addresses outside the Hub -------------------------------------------------------------------------

    def plain(self, path):
        name = re.match(r"/plain/([^?]*)", path).group(1)
        with lock:
            number = seen.get(path, 0)
            seen[path] = number + 1
        data = content("plain")
        if name == "login.gguf":
            return self.answer(200, b"<html>please log in</html>", Content_Type="text/html")
        if name == "endless.gguf":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)
            self.close_connection = True
            return
        if name == "packed.gguf":
            return self.answer(200, b"\x1f\x8b", Content_Encoding="gzip")
        if name == "chunked.gguf":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(data), 500_000):
                piece = data[at : at + 500_000]
                self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
            return self.wfile.write(b"0\r\n\r\n")
        if name == "down.gguf":
            return self.answer(302, Location="http://127.0.0.1:%d/plain/fine.gguf" % cdn.server_port)
        if name == "gone.gguf":
            return self.answer(404)
        if name == "renewed.gguf":
            data = content("plain %d" % number)
            return self.send_file("once" if number == 0 else "", number, data, '"version-%d"' % number)
        if name == "untagged.gguf":  # nothing says whether it is the same file
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            return self.send_body("once", number, data)
        self.send_file(name, number, data, '"plain"')


def serve(role, tls=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.role = role
    server.handle_error = lambda *arguments: None  # who leaves in the middle is what is tested here
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


hub = serve("hub")
cdn = serve("cdn")
lines = ["HUB=http://127.0.0.1:%d" % hub.server_port, "CDN=http://127.0.0.1:%d" % cdn.server_port]
if len(sys.argv) > 3:
    lines.append("TLS=127.0.0.1:%d" % serve("hub", sys.argv[2:4]).server_port)
for name, data in (("model", content("model")), ("other", content("other")), ("plain", content("plain")), ("renewed", content("plain 1"))):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
with open(os.path.join(folder, "ports.part"), "w") as file:
    file.write("\n".join(lines) + "\n")
os.rename(os.path.join(folder, "ports.part"), os.path.join(folder, "ports"))
sys.stdin.read()
