"""Who gets what the program sends: a receiver of webhooks and a mail server with STARTTLS and a login."""

import base64
import email
import email.policy
import http.server
import json
import socketserver
import ssl
import subprocess
import threading


class Hook:
    """Keeps each POST as (path, headers, body); answers what `status` says."""

    def __init__(self, port=0):
        self.got, self.status, self.location = [], 200, None
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.path, dict(self.headers.items()), body))
                self.send_response(hook.status)
                if hook.location:
                    self.send_header("Location", hook.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        http.server.ThreadingHTTPServer.allow_reuse_address = True
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self, path="/"):
        return [json.loads(body) for at, _, body in self.got if at == path]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def make_certificate(folder):
    """A self-signed certificate of localhost, and its key: PEM files; those that are there stay."""
    if (folder / "certificate.pem").exists():
        return folder / "certificate.pem", folder / "key.pem"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out",
                    folder / "certificate.pem"], check=True, capture_output=True)
    return folder / "certificate.pem", folder / "key.pem"


class MailServer:
    """Speaks enough SMTP for a client that takes STARTTLS seriously; each mail is kept as email.message.

    `after_mail` is called once a mail is kept, before that is acknowledged.
    """

    USER, PASSWORD = "tarn", "correct horse"

    def __init__(self, folder, port=0):
        self.after_mail = None
        self.certificate, key = make_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.mails, self.recipients = [], []
        mail_server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    Talk(mail_server, self.request, context).run()
                except (OSError, ssl.SSLError):
                    pass  # the client left

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Talk:
    def __init__(self, server, connection, context):
        self.server, self.connection, self.context = server, connection, context
        self.file = connection.makefile("rwb")
        self.encrypted = self.logged_in = False

    def say(self, *lines):
        for index, line in enumerate(lines):
            text = line if index == len(lines) - 1 else line.replace(" ", "-", 1)
            self.file.write(text.encode() + b"\r\n")
        self.file.flush()

    def run(self):
        self.say("220 mail.test ESMTP")
        recipients = []
        while line := self.file.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            verb = verb.upper()
            if verb == "EHLO":
                self.say("250 mail.test", "250 AUTH PLAIN" if self.encrypted else "250 STARTTLS")
            elif verb == "STARTTLS":
                self.say("220 go on")
                self.connection = self.context.wrap_socket(self.connection, server_side=True)
                self.file, self.encrypted = self.connection.makefile("rwb"), True
            elif verb == "AUTH" and self.encrypted:
                given = rest.split()[1:] or [self.ask("334 ")]
                _, user, password = base64.b64decode(given[0]).decode().split("\0")
                self.logged_in = (user, password) == (self.server.USER, self.server.PASSWORD)
                self.say("235 welcome" if self.logged_in else "535 no")
            elif verb in ("MAIL", "RCPT") and not self.logged_in:
                self.say("530 log in first")
            elif verb == "MAIL":
                self.say("250 fine")
            elif verb == "RCPT":
                recipients.append(rest)
                self.say("250 fine")
            elif verb == "DATA":
                self.say("354 go on")
                self.keep(recipients)
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("500 what?")

    def ask(self, line):
        self.say(line)
        return self.file.readline().decode().strip()

    def keep(self, recipients):
        lines = []
        while (line := self.file.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.server.recipients.append(list(recipients))
        self.server.mails.append(email.message_from_bytes(b"".join(lines), policy=email.policy.default))
        if self.server.after_mail:
            self.server.after_mail()
