"""Pages of the documentation that are typed word for word: their indented blocks run one after the other."""

import os
import re
import subprocess
import sys

from tarn_program import PROGRAM, ROOT

DEFAULTS = {"web": "127.0.0.1:8080", "s3": "127.0.0.1:9000", "sql": "port=5439"}


def blocks(page):
    text = (ROOT / page).read_text()
    found = re.findall(r"(?:^    .*\n(?:^\n(?=    ))?)+", text, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]


def at_ports(block, ready):
    """The block with the addresses that the program has here in place of the usual ones."""
    real = {"web": ready["web"], "s3": ready["s3"], "sql": "port=" + ready["sql"].rsplit(":", 1)[1]}
    for name, usual in DEFAULTS.items():
        block = block.replace(usual, real[name])
    return block


class Shell:
    """Runs text in one bash after the other, each with the variables that those before it exported."""

    def __init__(self, folder, programs=()):
        """`programs` are folders where more programs lie."""
        tools = folder / "tools"
        tools.mkdir()
        (tools / "tarn").symlink_to(PROGRAM)
        self.folder = folder
        path = ":".join(map(str, [tools, *programs, os.path.dirname(sys.executable), os.environ["PATH"]]))
        self.environment = {**os.environ, "PATH": path, "TARN_ROOT_KEY_FILE": str(folder / "shop.key")}

    def __call__(self, text):
        script = f"set -e\n{text}\nenv -0 > {self.folder}/environment\n"
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, env=self.environment, capture_output=True,
                              text=True, timeout=120)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        pairs = (self.folder / "environment").read_text().split("\0")
        self.environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return done.stdout
