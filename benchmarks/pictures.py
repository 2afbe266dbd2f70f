"""The README's pictures of the report of ML-100K, from a page of it in Debian's Chromium.

    recsys train --data data/ml-100k
    recsys evaluate --data data/ml-100k --no-index --format json \\
        --by gender --by age --by activity --by popularity --by genre --by decade > random.json
    recsys report --evaluation random.json
    python benchmarks/pictures.py report.html

They show aggregates, and no more titles than the map names: no ratings of anybody.
"""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, sync_playwright

DOCS = Path(__file__).parents[1] / "docs"
SHOWN = {"map": ("#map .map", 1040), "quality": ("#quality .figures >> nth=0", 1248)}  # at a width
SEARCHED, AROUND, COLOURS = "Star Wars", 12, 256


def main(report: str) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, (part, width) in SHOWN.items():
            page = browser.new_page(viewport={"width": width, "height": 800})
            page.goto(Path(report).absolute().as_uri())
            page.fill("#search", SEARCHED)
            page.press("#search", "Enter")
            page.locator("h1").click()  # out of the box
            box = page.locator(part).bounding_box()
            assert box, part
            left, top = box["x"] - AROUND, box["y"] + page.evaluate("scrollY") - AROUND
            size = {"width": box["width"] + 2 * AROUND, "height": box["height"] + 2 * AROUND}
            clip = FloatRect(x=left, y=top, width=size["width"], height=size["height"])
            shot = Image.open(BytesIO(page.screenshot(full_page=True, clip=clip))).convert("RGB")
            path = DOCS / f"report-{name}.png"
            shot.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
