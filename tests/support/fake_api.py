"""A service that says what a real one never does, in this process."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeApi:
    """``answers`` maps a path to a JSON body, or to bytes; ``asked`` has the requests."""

    def __init__(self):
        api = self
        self.answers = {}
        self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                api.asked.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
                answer = api.answers.get(self.path.partition("?")[0], {"code": 404, "message": "no such thing"})
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(answer.get("code", 200) if isinstance(answer, dict) else 200)
                self.send_header("X-Request-ID", "fake-1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_DELETE = do_PUT = do_GET

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def has_model(self, *files):
        """Let it have model 1, ready, of files given as path, content and the digest that it claims."""
        self.answers["/api/v1/models/1"] = {"model": {"ID": 1, "status": "ready"}, "download_links": {"archive": None}}
        listed = []
        for number, (path, content, digest) in enumerate(files):
            self.answers[f"/models/{number}"] = content
            url = f"{self.url}/models/{number}?X-Amz-Signature=s"
            listed.append({"path": path, "size": len(content), "sha256": digest, "error": None, "url": url})
        self.answers["/api/v1/models/1/files"] = {"data": listed, "total": len(listed)}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
