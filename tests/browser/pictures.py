"""Takes the pictures that README.md shows: a demo of its own is loaded, and its pages go to docs/images.

Run it by `./dev pictures`. The letters are the machine's: with Inter installed (Debian: fonts-inter) they are those of
the pictures in the repository.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tarn_program import ROOT, Tarn, until  # noqa: E402

LOAD_SECONDS_MAX = 300
IMAGES = ROOT / "docs/images"
BYTES_MAX = 300_000


def main():
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tarn-pictures-") as scratch:
        with Tarn(Path(scratch) / "flights", "demo", ["--once"]) as tarn:
            tarn.start(LOAD_SECONDS_MAX)
            link = until(lambda: re.search(r"\S+/login#link=\S+", tarn.output.read_text()), "the login link")[0]
            subprocess.run(["node", "pictures.mjs", tarn.web, link, IMAGES], cwd=Path(__file__).parent, check=True)
        tarn.forget()
    for image in sorted(IMAGES.glob("*.png")):
        size = image.stat().st_size
        print(f"{image.relative_to(ROOT)}  {size:,} bytes")
        if size > BYTES_MAX:
            sys.exit(f"{image} is larger than {BYTES_MAX:,} bytes")


if __name__ == "__main__":
    main()
